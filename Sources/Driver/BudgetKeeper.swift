//  BudgetKeeper.swift — what paths have used of their budgets, in a file, and the calendar that budgets go by.
//
//  Why.  A month's budget must survive a restart, a crash, and a reboot; and a month is the operator's, in his time
//  zone.
//
//  How.  One file for each gateway, `INTERFACE.budgets`, a line for each path (`BudgetRecord`), in $STATE_DIRECTORY
//  where systemd gives one, else in /var/lib/hawser. It is written as a new file that takes the place of the old one,
//  so whoever reads it sees one or the other. It is written when a path has used a thousandth of its budget, once a
//  second at most, and at the end; only then do we wait for the disk, since the loop cannot. A power cut may so cost
//  the last minute or two, and on a file system without order the file; a damaged line costs the count of its path.
//
//  The day is asked for once a second while there is something to do. An idle gateway is not woken at midnight: nothing
//  is used meanwhile, and with the first packet the day is right.
//
//  Not here.  What is counted, and what it means (Engine: Ledger, Tiers).

import Engine
import Glibc
import POSIX
import Primitives

struct BudgetKeeper {
  static let pause = Interval.seconds(1)
  /// 16 paths, names of 64 letters.
  static let mostBytes = 1 << 14

  private let file: String
  private let log: @Sendable (String) -> Void
  private var next = Instant.zero
  private var today: CalendarDay
  private var hasFailed = false

  init(interface: String, log: @escaping @Sendable (String) -> Void) {
    file = BudgetKeeper.file(of: interface)
    self.log = log
    today = BudgetKeeper.today()
  }

  static func file(of interface: String) -> String {
    // systemd may name several, with colons between them.
    let given = getenv("STATE_DIRECTORY").map { String(cString: $0) } ?? ""
    let directory = given.split(separator: ":").first.map { String($0) } ?? "/var/lib/hawser"
    return "\(directory)/\(interface).budgets"
  }

  static func today() -> CalendarDay {
    var seconds = time(nil)
    var parts = tm()
    localtime_r(&seconds, &parts)
    return CalendarDay(year: Int(parts.tm_year) + 1_900, month: Int(parts.tm_mon) + 1, day: Int(parts.tm_mday))
      ?? CalendarDay(number: Int(seconds) / 86_400)
  }

  static func records(of interface: String) -> [BudgetRecord] { records(in: file(of: interface)) }

  static func records(in file: String) -> [BudgetRecord] {
    let text = FileContents.text(file, atMost: mostBytes) ?? ""
    return text.split(separator: "\n").compactMap { BudgetRecord($0) }
  }

  /// In each turn.
  mutating func keep(_ loop: inout GatewayLoop) {
    if loop.now < next { return }
    next = loop.now + BudgetKeeper.pause
    let day = BudgetKeeper.today()
    if day != today {
      today = day
      loop.engine.dayBegins(day, at: loop.now)
    }
    store(loop.engine.nextBudgetRecords(at: loop.now), isEnd: false)
  }

  mutating func end(_ loop: inout GatewayLoop) {
    store(loop.engine.nextBudgetRecords(isEnd: true, at: loop.now), isEnd: true)
  }

  private mutating func store(_ records: [BudgetRecord]?, isEnd: Bool) {
    guard let records else { return }
    let error = BudgetKeeper.write(records, to: file, waits: isEnd)
    if let error, !hasFailed {
      log(
        "budgets do not survive a restart: \(file): \(String(cString: strerror(error))); "
          + "make its directory, or let systemd do it (StateDirectory=hawser)")
    }
    hasFailed = error != nil
  }

  /// The error's number, or nil. `waits`: until the disk has it.
  static func write(_ records: [BudgetRecord], to file: String, waits: Bool) -> Int32? {
    if let slash = file.lastIndex(of: "/"), mkdir(String(file[..<slash]), 0o755) != 0, errno != EEXIST { return errno }
    let fresh = file + ".new"
    let descriptor = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    if descriptor < 0 { return errno }
    defer { close(descriptor) }
    let bytes = Array(records.map { "\($0)\n" }.joined().utf8)
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return errno }
      done += count
    }
    if waits && fsync(descriptor) != 0 { return errno }
    return rename(fresh, file) == 0 ? nil : errno
  }
}
