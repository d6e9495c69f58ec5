//  CrashTests.swift — a writer, or the server that it writes to, is killed at some moment, again and again: what was
//  promised is there, and nothing is half there.

import CSQLite
import Foundation
import Glibc
import Lab
import Primitives
import Testing

@testable import Store

@Suite struct `After a kill at any moment` {
  @Test(arguments: Kind.installed)
  func `twenty times over, every batch and every record that a writer was promised is there`(kind: Kind) throws {
    let base = try Base(kind)
    let seed: UInt64 = 9
    var random = SeededRandom(seed: seed)
    var records = 0
    for round in 0..<20 {
      let writer = try Writer(base, run: "run-\(round)")
      let lines = Int(random.below(100))
      try writer.readLines(lines)
      writer.child.kill()
      let promised = try writer.rest()
      records += promised.setting + promised.lease
      #expect(promised.failure == nil, "round \(round), seed \(seed)")
      try expectKept(promised, run: writer.run, in: base, stored: promised.stored, "round \(round), seed \(seed)")
      if case .file(let path) = base.place { #expect(soundness(of: path) == "ok", "round \(round), seed \(seed)") }
    }
    #expect(records > 100)
    // All runs share one counter, and what was never promised took no number.
    let store = try base.store()
    let all = try store.measurements(after: 0, atMost: 1_000_000).measurements
    #expect(all.map(\.sequence) == (0..<all.count).map { UInt64($0 + 1) })
  }

  @Test(.enabled(if: Server.programs != nil, "needs PostgreSQL's server: scripts/bootstrap test"))
  func `of PostgreSQL's server, records are there and measurements end at a batch`() throws {
    let server = try Server()
    defer { server.end() }
    try server.start()
    let base = Base(in: try server.makeDatabase())
    _ = try base.store()
    for round in 0..<5 {
      let writer = try Writer(base, run: "run-\(round)")
      try writer.readLines(10 + 7 * round)
      server.crash()
      let promised = try writer.rest()
      #expect(promised.failure != nil)
      try server.start()
      // A record on the disk has taken along all that was before it.
      try expectKept(promised, run: writer.run, in: base, stored: promised.storedBeforeRecord, "round \(round)")
    }
  }

  private func expectKept(
    _ promised: Writer.Promised, run: String, in base: Base, stored: Int, _ comment: Comment
  ) throws {
    let store = try base.store(as: "judge")
    let rows = try store.measurements(after: 0, atMost: 1_000_000).measurements.filter { $0.oracle == run }
    #expect(rows.count >= stored && rows.count % 50 == 0, comment)
    let isWhole = rows.enumerated().allSatisfy { index, row in
      row.measurement.time.nanoseconds == UInt64(index + 1)
        && row.measurement.histogram == Array(String(index + 1).utf8)
    }
    #expect(isWhole, comment)
    // What was done and not yet said may be there as well.
    let setting = number(try store.setting(named: run)?.value)
    #expect(setting == promised.setting || setting == promised.setting + 1, comment)
    let lease = number(try store.lease(named: run)?.value)
    #expect(lease == promised.lease || lease == promised.lease + 1, comment)
  }

  private func number(_ bytes: [UInt8]?) -> Int { bytes.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0 }

  private func soundness(of path: String) -> String {
    var handle: OpaquePointer?
    var statement: OpaquePointer?
    sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, nil)
    sqlite3_prepare_v2(handle, "PRAGMA integrity_check", -1, &statement, nil)
    defer {
      sqlite3_finalize(statement)
      sqlite3_close_v2(handle)
    }
    guard sqlite3_step(statement) == SQLITE_ROW, let text = sqlite3_column_text(statement, 0) else { return "unread" }
    return String(cString: text)
  }
}

/// A process that writes until it is killed, and what it said.
private final class Writer {
  struct Promised {
    var stored = 0
    var storedBeforeRecord = 0
    var setting = 0
    var lease = 0
    var failure: String?
  }

  let run: String
  let child: ChildProcess
  private var bytes: [UInt8] = []

  init(_ base: Base, run: String) throws {
    self.run = run
    var options = ChildProcess.Options()
    options.errorOutput = .inherited
    child = try ChildProcess.spawn([Writer.folder + "/StoreWriter"] + base.words + [run], options: options)
  }

  /// Where this process was loaded from: SwiftPM puts programs and tests into one folder.
  private static let folder: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    let tests = CommandLine.arguments.first { $0.contains(".xctest") } ?? own
    return String(tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)])
  }()

  func readLines(_ count: Int) throws {
    while bytes.count(where: { $0 == UInt8(ascii: "\n") }) < count { if try !read() { return } }
  }

  private func read() throws -> Bool {
    guard let output = child.output else { return false }
    var watched = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
    guard poll(&watched, 1, 60_000) > 0 else { throw Trouble("the writer is silent") }
    var piece = [UInt8](repeating: 0, count: 4_096)
    let count = Glibc.read(output, &piece, piece.count)
    bytes += piece[..<max(0, count)]
    return count > 0
  }

  /// All that it said until its end.
  func rest() throws -> Promised {
    while try read() {}
    _ = child.wait(atMost: .seconds(60))
    var promised = Promised()
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1)
      let value = words.count > 1 ? Int(words[1]) : nil
      switch (words.first, value) {
      case ("stored", let value?): promised.stored = value
      case ("setting", let value?): (promised.setting, promised.storedBeforeRecord) = (value, promised.stored)
      case ("lease", let value?): (promised.lease, promised.storedBeforeRecord) = (value, promised.stored)
      default: promised.failure = String(line)
      }
    }
    return promised
  }
}
