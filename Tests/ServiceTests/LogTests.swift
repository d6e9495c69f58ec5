//  LogTests.swift — what reaches a log, and how much of it.

import Foundation
import Primitives
import Synchronization
import Testing

@testable import Service

@Suite struct `A log` {
  /// A log on a clock that only moves when it is told to.
  private final class Paper: Sendable {
    let now = Mutex(Instant(nanoseconds: 1_000_000_000_000))
    let lines = Mutex<[LogLine]>([])

    var log: Log {
      Log(clock: { self.now.withLock { $0 } }) { line in self.lines.withLock { $0.append(line) } }
    }

    func pass(_ interval: Interval) { now.withLock { $0 = $0 + interval } }

    var texts: [String] { lines.withLock { $0.map(\.text) } }
  }

  @Test func `has a line for each event, with what a filter finds it by`() {
    let paper = Paper()
    let log = paper.log
    log(.pathDown, "peer hq: lte does not answer any more", peer: "hq", path: "lte")
    log("something else")
    #expect(
      paper.lines.withLock { $0 } == [
        LogLine(event: .pathDown, text: "peer hq: lte does not answer any more", peer: "hq", path: "lte"),
        LogLine(event: .notice, text: "something else"),
      ])
  }

  @Test func `cuts a storm of one kind, says how large it was, and lets other kinds through`() {
    let paper = Paper()
    let log = paper.log
    for number in 0..<1_000 { log(.pathDown, "down \(number)") }
    log(.pathUp, "up")
    #expect(paper.texts == (0..<LogLimit.burst).map { "down \($0)" } + ["up"])
    // A second later there is room for one line again.
    paper.pass(.seconds(1))
    log(.pathUp, "up again")
    #expect(
      paper.texts.suffix(2) == ["… and \(1_000 - LogLimit.burst) more like it (path-down)", "up again"])
    log.end()
    #expect(paper.texts.count == LogLimit.burst + 3)
  }

  @Test func `leaves nothing untold at its end`() {
    let paper = Paper()
    let log = paper.log
    for number in 0..<100 { log(.oracle, "\(number)") }
    log.end()
    #expect(paper.texts.last == "… and \(100 - LogLimit.burst) more like it (oracle)")
    log.end()
    #expect(paper.texts.count == LogLimit.burst + 1)
  }

  /// Any storm: what is written and what is counted make up all of it, and no second has more lines than it may.
  @Test(arguments: UInt64(1)...20) func `writes or counts each line, whatever comes`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let paper = Paper()
    let log = paper.log
    var told = 0
    for _ in 0..<2_000 {
      if random.next() % 8 == 0 { paper.pass(.milliseconds(Int64(random.next() % 3_000))) }
      let event = LogEvent.allCases[Int(random.next() % 3)]
      log(event, "x")
      told += 1
    }
    log.end()
    var counted = 0
    for text in paper.texts {
      if text == "x" {
        counted += 1
      } else {
        counted += Int(text.split(separator: " ")[2]) ?? 0
      }
    }
    #expect(counted == told, "seed \(seed)")
  }

  @Test func `says how urgent a line is where no field does, unless it is not`() {
    #expect(LogLine(event: .pathDown, text: "x").alone == "warning: x")
    #expect(LogLine(event: .problem, text: "x").alone == "error: x")
    #expect(LogLine(event: .started, text: "x").alone == "x")
  }

  @Test func `waits for its writer at its end, and for nobody before`() {
    let lines = Mutex<[String]>([])
    let gate = Mutex(())
    let writer = LogWriter { line in
      gate.withLock { _ in }
      lines.withLock { $0.append(line.text) }
    }
    // A writer that hangs holds nobody up, and what does not fit is counted.
    gate.withLock { _ in
      for number in 0..<3 * LogWriter.most { writer.put(LogLine(event: .notice, text: "\(number)")) }
    }
    writer.put(LogLine(event: .notice, text: "last"))
    writer.finish()
    let written = lines.withLock { $0 }
    #expect(written.contains("0") && written.count <= 3 * LogWriter.most + 2)
    let missing = written.compactMap { $0.contains("are missing here") ? Int($0.split(separator: " ")[0]) : nil }
    #expect(written.count - missing.count + missing.reduce(0, +) == 3 * LogWriter.most + 1)
  }

  @Test func `is plain text, a line a line`() {
    let paper = Paper()
    paper.log("one\u{1b}[31m\ntwo\r\u{7f}\n")
    #expect(paper.texts == ["one?[31m", "two??"])
  }

  @Test func `knows every kind by a name and a number of its own`() throws {
    let all = LogEvent.allCases
    #expect(Set(all.map(\.name)).count == all.count && Set(all.map(\.messageID)).count == all.count)
    #expect(all.allSatisfy { $0.messageID.utf8.count == 32 && $0.messageID.allSatisfy(\.isHexDigit) })
    // hawser(8) has all of them.
    let manual = (#filePath as NSString).deletingLastPathComponent + "/../../docs/man/hawser.8"
    let page = try String(contentsOfFile: manual, encoding: .utf8)
    let list = try #require(page.split(separator: "\n").first { $0.hasPrefix(".Ql started , ended") })
    #expect(list.dropFirst(4).split(separator: ",").map { $0.filter { $0 != " " } } == all.map(\.name))
    // Operators have these in their filters.
    #expect(LogEvent.pathDown.name == "path-down")
    #expect(LogEvent.pathDown.messageID == "6f1d2c8e9b7a4450b3c19e02d5a7000c")
    #expect(LogEvent.problem.messageID == "6f1d2c8e9b7a4450b3c19e02d5a70015")
  }
}

@Suite struct `A heartbeat` {
  private let start = Instant(nanoseconds: 5_000_000_000)

  @Test func `beats three times while the manager is patient, and not oftener`() {
    var heart = Heartbeat(patience: .seconds(9), at: start)
    var beats = 0
    for step in 0..<90 where heart.beat(at: start + .milliseconds(Int64(100 * step))) { beats += 1 }
    #expect(beats == 3)
    #expect(heart.deadline == start + .seconds(9))
  }

  @Test func `is not there without a manager that waits for it`() {
    var heart = Heartbeat(patience: nil, at: start)
    #expect(heart.deadline == nil && !heart.beat(at: start + .seconds(100)))
  }
}
