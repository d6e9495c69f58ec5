//  Log.swift — one line an event, to the journal with fields, or to standard error.
//
//  Under a service manager whose standard error is the journal (JOURNAL_STREAM says which stream that is) a line goes
//  there by the journal's own protocol, with fields that a filter finds:
//
//      journalctl -u hawser@branch HAWSER_EVENT=path-down HAWSER_PATH=lte
//
//  Everywhere else it is a line on standard error, with its level in front when that is a warning or an error.
//
//  Any thread may write, and none waits: a thread of the log's own hands lines over (`LogWriter`), since a journal that
//  hangs or a full disk must not stop the traffic. Nothing here knows a secret: texts are made of names, addresses and
//  numbers.

internal import CSystemd
import Glibc
import POSIX
public import Primitives

/// A line, and what a filter can find it by.
public struct LogLine: Equatable, Sendable {
  public let event: LogEvent
  public let text: String
  public var peer: String?
  public var path: String?

  /// Where there are no fields: with a word for what is urgent.
  var alone: String { event.level.word + text }
}

public final class Log: Sendable {
  private let limit: Locked<LogLimit>
  private let clock: @Sendable () -> Instant
  private let finish: @Sendable () -> Void
  private let write: @Sendable (LogLine) -> Void

  /// For tests, and for whoever writes elsewhere.
  public init(
    clock: @escaping @Sendable () -> Instant, finish: @escaping @Sendable () -> Void = {},
    write: @escaping @Sendable (LogLine) -> Void
  ) {
    limit = Locked(LogLimit(at: clock()))
    self.clock = clock
    self.finish = finish
    self.write = write
  }

  /// Where this process should write; `program` is what the journal calls it. The service manager's status is always
  /// the last line.
  public static func standard(of program: String) -> Log {
    let isJournal = standardErrorIsJournal()
    let writer = LogWriter { line in
      if !isJournal || !sendToJournal(line, program) { writeToStandardError(line) }
      ServiceManager.status(line.text)
    }
    return Log(clock: { MonotonicClock.now }, finish: { writer.finish() }, write: { writer.put($0) })
  }

  /// Something that has no kind of its own.
  public func callAsFunction(_ text: String) { self(.notice, text) }

  public func callAsFunction(_ event: LogEvent, _ text: String, peer: String? = nil, path: String? = nil) {
    let now = clock()
    let (isAdmitted, left) = limit.withLock { limit in
      let isAdmitted = limit.admits(event, at: now)
      return (isAdmitted, isAdmitted ? limit.takeLeft(at: now) : [])
    }
    tell(left)
    if !isAdmitted { return }
    // What several mistakes say comes as several lines.
    for text in text.split(separator: "\n") {
      write(LogLine(event: event, text: plain(text), peer: peer, path: path))
    }
  }

  /// Tells what was left out so far, and waits until all is written, a second at most. Before the process ends.
  public func end() {
    let now = clock()
    tell(limit.withLock { $0.takeLeft(at: now, all: true) })
    finish()
  }

  private func tell(_ left: [(event: LogEvent, count: Int)]) {
    for (event, count) in left {
      write(LogLine(event: event, text: "… and \(count) more like it (\(event.name))"))
    }
  }

  /// Fit for a terminal: what others have named may hold anything.
  private func plain(_ text: some StringProtocol) -> String {
    var plain = ""
    for scalar in text.unicodeScalars {
      plain.unicodeScalars.append(scalar.value < 32 || (127...159).contains(scalar.value) ? "?" : scalar)
    }
    return plain
  }

  // MARK: Where lines go

  /// systemd names the device and the inode of the stream that it has made for us.
  private static func standardErrorIsJournal() -> Bool {
    guard let named = getenv("JOURNAL_STREAM") else { return false }
    var status = stat()
    guard fstat(STDERR_FILENO, &status) == 0 else { return false }
    return String(cString: named) == "\(status.st_dev):\(status.st_ino)"
  }

  /// False when it did not take it.
  private static func sendToJournal(_ line: LogLine, _ program: String) -> Bool {
    var fields = [
      "MESSAGE=\(line.text)", "PRIORITY=\(line.event.level.rawValue)", "MESSAGE_ID=\(line.event.messageID)",
      "SYSLOG_IDENTIFIER=\(program)", "HAWSER_EVENT=\(line.event.name)",
    ]
    if let peer = line.peer { fields.append("HAWSER_PEER=\(peer)") }
    if let path = line.path { fields.append("HAWSER_PATH=\(path)") }
    let bytes = fields.map { Array($0.utf8) }
    let all = bytes.flatMap { $0 }
    return all.withUnsafeBytes { place in
      var vectors: [iovec] = []
      var start = 0
      for field in bytes {
        let base = place.baseAddress.map { UnsafeMutableRawPointer(mutating: $0 + start) }
        vectors.append(iovec(iov_base: base, iov_len: field.count))
        start += field.count
      }
      return sd_journal_sendv(vectors, Int32(vectors.count)) == 0
    }
  }

  private static func writeToStandardError(_ line: LogLine) {
    let bytes = Array((line.alone + "\n").utf8)
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return }
      sent += count
    }
  }
}
