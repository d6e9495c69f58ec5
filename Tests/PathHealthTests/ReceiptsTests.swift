import PathHealth
import Primitives
import Testing
import Wire

@Suite struct `What arrived on a path` {
  @Test func `in order, is one span without missing runs`() throws {
    var receipts = Receipts(path: 3)
    for counter in 100..<200 { #expect(receipts.note(UInt64(counter), bytes: 1_472, at: .at(counter)) == .inOrder) }
    let report = try receipts.report(at: .at(210))
    #expect(report.path == 3 && report.newest == 199 && report.span == 100 && report.missingRuns == 0)
    #expect(report.arrival == 199_000 && report.hold == 11_000 && report.bytes == 147_200)
    #expect(receipts.nextReport(at: .at(220)) == nil, "nothing new")
    #expect(receipts.deadline == nil)
  }

  @Test func `with holes, is reported with them, from the newest to the oldest`() throws {
    var receipts = Receipts(path: 0)
    for counter: UInt64 in [10, 11, 14, 15, 16, 20] { receipts.note(counter, bytes: 100, at: .at(1)) }
    let report = try receipts.report(at: .at(10))
    #expect(report.runs == [.init(back: 1, count: 3), .init(back: 7, count: 2)])
    #expect(report.newest == 20 && report.oldest == 10)
  }

  @Test func `late, fills its hole or splits it`() throws {
    var receipts = Receipts(path: 0)
    receipts.note(0, bytes: 100, at: .at(0))
    #expect(receipts.note(8, bytes: 100, at: .at(0)) == .ahead)
    #expect(receipts.note(4, bytes: 100, at: .at(0)) == .late)
    #expect(receipts.note(1, bytes: 100, at: .at(0)) == .late)
    #expect(receipts.note(7, bytes: 100, at: .at(0)) == .late)
    let report = try receipts.report(at: .at(10))
    #expect(report.runs == [.init(back: 2, count: 2), .init(back: 5, count: 2)])
    #expect(report.reordered == 3)
    for counter: UInt64 in [2, 3, 5, 6] { #expect(receipts.note(counter, bytes: 100, at: .at(11)) == .late) }
    #expect(receipts.missingRuns == 0)
    #expect(try receipts.report(at: .at(20)).missingRuns == 0)
    #expect(receipts.counters.late == 7 && receipts.bytes == 900)
  }

  @Test func `twice, counts once`() {
    var receipts = Receipts(path: 0)
    for counter: UInt64 in [5, 6, 9] { receipts.note(counter, bytes: 100, isMarked: true, at: .at(0)) }
    for counter: UInt64 in [5, 6, 9] {
      #expect(receipts.note(counter, bytes: 100, isMarked: true, at: .at(0)) == .repeated)
    }
    #expect(receipts.note(4, bytes: 100, at: .at(0)) == .tooOld, "nobody knows what was before the first")
    #expect(receipts.bytes == 400 && receipts.marked == 3 && receipts.counters.repeated == 3)
  }

  @Test func `and is quiet, makes no report due, yet nobody misses it`() throws {
    var receipts = Receipts(path: 0)
    for counter: UInt64 in 0..<50 { receipts.note(counter, bytes: 100, isQuiet: true, at: .at(0)) }
    #expect(receipts.deadline == nil && receipts.nextReport(at: .at(1_000)) == nil)
    receipts.note(50, bytes: 100, at: .at(1_000))
    receipts.note(52, bytes: 100, isQuiet: true, at: .at(1_001))
    let report = try receipts.report(at: .at(1_010))
    #expect(report.newest == 50 && report.span == 51 && report.missingRuns == 0, "51 is behind the newest: no news")
    receipts.note(53, bytes: 100, at: .at(1_011))
    #expect(try receipts.report(at: .at(1_020)).runs == [.init(back: 2, count: 1)])
  }

  @Test func `so far ahead that no report reaches back, begins anew`() throws {
    var receipts = Receipts(path: 0)
    receipts.note(0, bytes: 100, at: .at(0))
    receipts.note(2, bytes: 100, at: .at(0))
    #expect(receipts.note(70_000, bytes: 100, at: .at(0)) == .jumped)
    let report = try receipts.report(at: .at(10))
    #expect(report.newest == 70_000 && report.span == 1 && report.missingRuns == 0)
    #expect(receipts.counters.forgottenRuns == 2)
    // Quiet ones can do the same to a report that is due.
    receipts.note(70_001, bytes: 100, at: .at(20))
    receipts.note(170_000, bytes: 100, isQuiet: true, at: .at(20))
    #expect(receipts.note(60_000, bytes: 100, at: .at(20)) == .tooOld)
    #expect(receipts.nextReport(at: .at(40)) == nil && receipts.deadline == nil)
    receipts.note(170_001, bytes: 100, at: .at(50))
    #expect(receipts.nextReport(at: .at(60))?.span == 2)
  }

  /// Against a set that remembers everything.
  @Test(arguments: 0..<100) func `is what reports say, for any order of arrival`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var receipts = Receipts(path: 0)
    receipts.setInterval(roundTrip: .milliseconds(Int64(random.below(200))))
    var seen = Set<UInt64>()
    var newest: UInt64 = 0
    var front: UInt64 = random.below(1_000)
    var now = Instant.at(0)
    var bytes: UInt64 = 0
    let loss = random.below(30)
    let disorder = 1 + random.below(40)
    for _ in 0..<1_500 {
      now += .microseconds(Int64(random.below(2_000)))
      front += random.below(100) < loss ? 1 + random.below(5) : 1
      let counter = front - min(front, random.below(3) == 0 ? random.below(disorder) : 0)
      let isQuiet = random.below(10) == 0
      let verdict = receipts.note(counter, bytes: 100, isQuiet: isQuiet, at: now)
      if verdict == .tooOld { continue }
      #expect((verdict == .repeated) == seen.contains(counter), "seed \(seed), counter \(counter)")
      if verdict != .repeated { bytes += 100 }
      seen.insert(counter)
      if !isQuiet && verdict != .repeated { newest = max(newest, counter) }
      guard let due = receipts.deadline, due <= now || random.below(20) == 0 else { continue }
      guard let report = receipts.nextReport(at: now, joining: true) else { continue }
      #expect(report.isConsistent, "seed \(seed), \(report)")
      #expect(report.newest == newest, "seed \(seed), \(report)")
      let wrong = (report.oldest...report.newest).filter { report.saysArrived($0) != seen.contains($0) }
      #expect(wrong.isEmpty, "seed \(seed), \(report)")
    }
    #expect(receipts.bytes >= bytes)
    #expect(receipts.counters.reports > 10, "seed \(seed)")
  }

  @Test func `with more holes than there is room for, is known as far as there is`() throws {
    var receipts = Receipts(path: 0)
    for counter in 0..<500 { receipts.note(UInt64(counter) * 2, bytes: 100, at: .at(0)) }
    #expect(receipts.missingRuns == Receipts.mostRuns)
    #expect(receipts.counters.forgottenRuns == 499 - 64)
    let report = try receipts.report(at: .at(10))
    #expect(report.missingRuns == 16 && report.span == 33, "behind the last listed run it is silent")
    #expect(report.isConsistent)
    #expect(receipts.note(1, bytes: 100, at: .at(10)) == .tooOld)
  }
}

@Suite struct `A report` {
  @Test func `comes every 5 ms on a short path, and every quarter of the round trip on a long one`() {
    for (roundTrip, interval) in [(1, 5), (20, 5), (40, 10), (200, 50), (5_000, 250)] {
      var receipts = Receipts(path: 0)
      receipts.setInterval(roundTrip: .milliseconds(Int64(roundTrip)))
      var times: [Instant] = []
      for step in 0..<5_000 {
        let now = Instant.at(1_000) + .microseconds(Int64(step) * 500)
        receipts.note(UInt64(step), bytes: 1_472, at: now)
        if receipts.nextReport(at: now) != nil { times.append(now) }
      }
      for (earlier, later) in zip(times, times.dropFirst()) {
        #expect(later - earlier == .milliseconds(Int64(interval)), "round trip \(roundTrip) ms")
      }
      #expect(times.count >= 2_500 / interval - 1)
    }
  }

  @Test func `leaves 1 ms after the first datagram that breaks a silence`() {
    var receipts = Receipts(path: 0)
    receipts.note(0, bytes: 100, at: .at(1_000))
    #expect(receipts.deadline == .at(1_001))
    #expect(receipts.nextReport(at: .at(1_000)) == nil)
    #expect(receipts.nextReport(at: .at(1_001)) != nil)
    receipts.note(1, bytes: 100, at: .at(1_002))
    #expect(receipts.deadline == .at(1_006))
  }

  @Test func `is due after 1,024 datagrams however short the time`() {
    var receipts = Receipts(path: 0)
    for counter: UInt64 in 0..<1_023 { receipts.note(counter, bytes: 1_472, at: .at(1)) }
    #expect(receipts.deadline.map { $0 > .at(1) } == true)
    receipts.note(1_023, bytes: 1_472, at: .at(1))
    #expect(receipts.nextReport(at: .at(1))?.span == 1_024)
  }

  @Test func `hurries when something is missing, so that it can be sent again in time`() {
    var receipts = Receipts(path: 0)
    receipts.setInterval(roundTrip: .milliseconds(400))
    receipts.note(0, bytes: 100, at: .at(0))
    _ = receipts.nextReport(at: .at(100))
    receipts.note(1, bytes: 100, at: .at(101))
    #expect(receipts.deadline == .at(200))
    receipts.note(3, bytes: 100, at: .at(102))
    #expect(receipts.deadline == .at(105))
    for counter: UInt64 in [5, 7, 9, 11] { receipts.note(counter, bytes: 100, at: .at(103)) }
    #expect(receipts.deadline == .at(103), "five runs are a third of what a report has room for")
  }

  @Test func `joins another path's, when half of its time is over`() {
    var receipts = Receipts(path: 0)
    receipts.note(0, bytes: 100, at: .at(0))
    _ = receipts.nextReport(at: .at(10))
    receipts.note(1, bytes: 100, at: .at(11))
    #expect(receipts.nextReport(at: .at(12), joining: true) == nil)
    #expect(receipts.nextReport(at: .at(13)) == nil)
    #expect(receipts.nextReport(at: .at(13), joining: true) != nil)
  }

  /// At most 8 times, at least in three reports, although at 30 % loss many runs open.
  @Test(arguments: 0..<50) func `repeats what is missing, since reports get lost`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var receipts = Receipts(path: 0)
    let loss = 1 + random.below(30)
    var spans: [ClosedRange<UInt64>] = []
    for counter: UInt64 in 0..<4_000 {
      let now = Instant(nanoseconds: counter * 200_000)
      if random.below(100) >= loss { receipts.note(counter, bytes: 1_472, at: now) }
      if let report = receipts.nextReport(at: now) {
        if spans.count >= 3 {
          #expect(report.oldest <= spans[spans.count - 3].upperBound + 1, "seed \(seed): a gap between three reports")
        }
        spans.append(report.oldest...report.newest)
      }
    }
    #expect(spans.count > 20)
  }

  @Test(arguments: [(20, 17.0), (40, 8.5), (100, 3.4)])
  func `costs less than 1 % from the rate on that the header tells`(roundTrip: Int, megabits: Double) {
    for loss: UInt64 in [0, 1, 5] {
      var random = SeededRandom(seed: loss)
      var receipts = Receipts(path: 0)
      receipts.setInterval(roundTrip: .milliseconds(Int64(roundTrip)))
      // Missing runs cost 4 bytes 8 times each, and a hurried report: then the rate must be higher.
      let gap = 1_472 * 8 / (megabits * (1 + Double(loss))) * 1_000
      var cost = 0
      for counter: UInt64 in 0..<20_000 {
        let now = Instant(nanoseconds: UInt64(Double(counter) * gap))
        if random.below(100) >= loss { receipts.note(counter, bytes: 1_472, at: now) }
        if let report = receipts.nextReport(at: now) { cost += 72 + report.length }
      }
      #expect(Double(cost) < 0.0103 * Double(receipts.bytes), "\(loss) % loss")
    }
  }
}

extension Instant {
  static func at(_ milliseconds: Int) -> Instant { Instant(nanoseconds: UInt64(milliseconds) * 1_000_000) }
}

extension Receipts {
  struct NotDue: Error {}

  /// The report that must be due.
  mutating func report(at now: Instant) throws -> PathReport {
    guard let report = nextReport(at: now) else { throw NotDue() }
    return report
  }
}

extension PathReport {
  var runs: [MissingRun] { (0..<missingRuns).map { self[$0] } }

  func saysArrived(_ counter: UInt64) -> Bool {
    guard (oldest...newest).contains(counter) else { return false }
    for index in 0..<missingRuns {
      let last = newest - UInt64(self[index].back)
      if counter <= last && counter + UInt64(self[index].count) > last { return false }
    }
    return true
  }
}
