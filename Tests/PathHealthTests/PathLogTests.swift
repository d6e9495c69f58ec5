import Primitives
import Testing
import Wire

@testable import PathHealth

@Suite struct `What was sent on a path` {
  @Test(arguments: 0..<150) func `ends as delivered, lost or forgotten, each datagram once`(seed: UInt64) {
    var random = SeededRandom(seed: seed).stream(named: "conditions")
    var conditions = HostilePath.Conditions()
    conditions.loss = random.below(2) == 0 ? 0 : random.below(300)
    conditions.burst = 1 + random.below(20)
    conditions.doubled = random.below(100)
    conditions.reportLoss = random.below(3) == 0 ? random.below(900) : 0
    conditions.quiet = random.below(1_000)
    conditions.delay = .microseconds(100 + Int64(random.below(200_000)))
    conditions.jitter = random.below(2) == 0 ? .zero : .microseconds(1 + Int64(random.below(60_000)))
    conditions.isFIFO = random.below(2) == 0
    conditions.pause = .microseconds(1 + Int64(random.below(20_000)))
    conditions.batch = 1 + random.below(64)
    conditions.capacity = random.below(4) == 0 ? 1 + Int(random.below(20)) : 4_096
    var path = HostilePath(seed: seed, conditions)
    path.run(batches: 60)

    #expect(path.log.inFlight == 0 && path.log.deadline == nil, "seed \(seed)")
    var arrived = 0
    for (counter, fate) in path.fates {
      let isSettled = fate.told == [.delivered] || fate.told == [.lost] || fate.told == [.lost, .recovered]
      #expect(isSettled != fate.isForgotten, "seed \(seed), \(counter): \(fate)")
      if fate.told.last == .delivered || fate.told.last == .recovered {
        #expect(!fate.isLost, "seed \(seed): \(counter) never arrived")
        arrived += fate.bytes
      }
    }
    #expect(path.log.delivered == UInt64(arrived), "seed \(seed)")
    #expect(path.samples.reduce(0) { $0 + $1.delivered } == arrived || path.log.counters.unmeasurable > 0)
    #expect(path.samples.allSatisfy { $0.roundTrip >= conditions.delay * 2 - .microseconds(2) }, "seed \(seed)")
    path.log.close(in: &path.runs)
    #expect(path.runs.inUse == 0, "seed \(seed)")
  }

  @Test(arguments: 0..<100)
  func
    `and is lost on a path that keeps its order, is found by the first report behind the window, and nothing else is`(
      seed: UInt64
    )
  {
    var random = SeededRandom(seed: seed).stream(named: "conditions")
    var conditions = HostilePath.Conditions()
    conditions.loss = random.below(80)
    conditions.burst = 1 + random.below(random.below(3) == 0 ? 200 : 3)
    conditions.doubled = random.below(50)
    conditions.quiet = random.below(500)
    conditions.delay = .microseconds(100 + Int64(random.below(150_000)))
    // Queues swell and shrink, but less than a timeout allows for.
    conditions.jitter = .microseconds(1 + Int64(random.below(3_000)))
    conditions.pause = .microseconds(1 + Int64(random.below(5_000)))
    conditions.batch = 1 + random.below(64)
    var path = HostilePath(seed: seed, conditions)
    path.afterReport = { path in
      #expect(path.log.reorderWindow == PathLog.leastReorderWindow)
      let newest = Instant(nanoseconds: path.log.newestSent)
      for (counter, fate) in path.fates where fate.isLost && fate.sent + path.log.reorderWindow <= newest {
        #expect(fate.told == [.lost], "seed \(path.seed): \(counter) is not found yet")
      }
    }
    path.run(batches: 80)
    for (counter, fate) in path.fates {
      #expect(fate.told == (fate.isLost ? [.lost] : [.delivered]), "seed \(seed), \(counter): \(fate)")
    }
    #expect(path.log.counters.recovered.datagrams == 0)
  }

  /// Each datagram its own delay: 20 ms more or less, as a bad radio does it.
  @Test(arguments: 0..<20) func `on a path without order is soon not held for lost any more`(seed: UInt64) {
    var conditions = HostilePath.Conditions()
    conditions.isFIFO = false
    conditions.jitter = .milliseconds(20)
    conditions.batch = 8
    var path = HostilePath(seed: seed, conditions)
    path.run(batches: 200)
    let learned = path.log.counters.recovered.datagrams
    // What came after something later before anything else did is unknown to the receiver.
    let unknown = path.receipts.counters.tooOld
    #expect(learned > 0 && path.log.counters.lost.datagrams == learned + unknown, "seed \(seed)")
    #expect(path.log.reorderWindow >= .milliseconds(8) && path.log.reorderWindow <= .milliseconds(64), "seed \(seed)")
    path.run(batches: 400)
    let later = path.log.counters.recovered.datagrams - learned
    #expect(later * 100 < path.log.counters.sent.datagrams, "seed \(seed): \(later) after \(learned)")
  }

  @Test func `costs little to remember`() {
    #expect(MemoryLayout<SentRun>.stride == 64, "a line of the cache")
    #expect(MemoryLayout<PathLog>.size <= 400 && MemoryLayout<Receipts>.size <= 768)
    #expect(MemoryLayout<DelayHistogram>.size <= 200)
  }

  /// Random numbers where a report's belong, among true ones.
  @Test(arguments: 0..<200) func `is not confused by reports that lie`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var runs = SentRuns(capacity: 1 + Int(random.below(200)))
    var log = PathLog()
    var clock = PeerClock()
    var now = Instant.at(1)
    var counter = random.below(3) == 0 ? 0 : random.below(1 << 47)
    var told = 0
    var sent = 0
    for step in 0..<400 {
      now += .microseconds(Int64(random.below(3_000)))
      if random.below(3) > 0 {
        counter += random.below(3)
        let count = 1 + Int(random.below(64))
        sent += count
        let logging = log.sent(
          tag: UInt32(step), first: counter, count: count, bytes: 1 + Int(random.below(65_535)),
          lastBytes: 1 + Int(random.below(1_000)), in: &runs, at: now)
        if case .forgot(_, let mask) = logging { told += mask.nonzeroBitCount }
        if logging == .unlogged { told += count }
        counter += UInt64(count)
      }
      func near(_ center: UInt64) -> UInt64 { center &+ random.below(200) &- 190 }
      var report = PathReport(
        path: 0, newest: random.below(8) == 0 ? random.next() : near(counter),
        span: UInt16(truncatingIfNeeded: random.next() >> random.below(16)),
        arrival: UInt32(truncatingIfNeeded: random.next()), hold: UInt32(truncatingIfNeeded: random.next() >> 20),
        bytes: random.below(2) == 0 ? UInt64(step) * 1_000_000 : random.next(),
        marked: UInt32(truncatingIfNeeded: random.next()), reordered: 0)
      for _ in 0..<random.below(5) {
        let last = report.missingRuns == 0 ? 0 : report[report.missingRuns - 1].back
        _ = report.append(
          .init(back: last &+ UInt16(random.below(30)), count: UInt16(random.below(10))))
      }
      let sample = log.receive(report, clock: &clock, in: &runs, at: now)
      if let sample { #expect(sample.receivedBytes >= 0 && sample.marked >= 0 && sample.roundTrip >= .zero) }
      while let settled = log.nextSettled(in: &runs) {
        if settled.outcome != .recovered { told += settled.datagrams.count }
      }
      log.audit(in: runs)
      if let due = log.deadline, due <= now { log.expire(at: now, in: &runs) }
      while let settled = log.nextSettled(in: &runs) {
        if settled.outcome != .recovered { told += settled.datagrams.count }
      }
      log.audit(in: runs)
    }
    log.abandonAll(in: &runs)
    while let settled = log.nextSettled(in: &runs) {
      if settled.outcome != .recovered { told += settled.datagrams.count }
    }
    #expect(told == sent && log.inFlight == 0 && runs.inUse == 0, "seed \(seed)")
    let refused = log.counters.contradictory + log.counters.neverSent + log.counters.stale
    #expect(refused > 50 && log.counters.reports > 0, "seed \(seed): \(log.counters)")
  }
}

@Suite struct `A report, to the sender` {
  @Test func `tells round trip, delay, bytes and rate`() throws {
    var pair = Pair()
    pair.send(0, tag: 7, at: 0)
    pair.send(10, tag: 8, at: 20, isAppLimited: true)
    #expect(pair.log.inFlight == 19_000)
    pair.arrive(0..<10, at: 10)
    let first = try pair.report(written: 12, at: 22)
    #expect(first?.roundTrip == .milliseconds(20) && first?.forwardDelay == .zero, "the first is the measure")
    #expect(first?.delivered == 9_500 && first?.lost == 0 && first?.inFlight == 9_500 && first?.receivedBytes == 0)
    #expect(first?.priorDelivered == 0 && first?.priorSent == .at(0) && first?.isAppLimited == false)
    #expect(pair.settled() == [.init(tag: 7, datagrams: 0..<10, outcome: .delivered)])
    pair.send(20, tag: 9, at: 23)
    pair.arrive(10..<20, at: 33)
    let second = try pair.report(written: 38, at: 48)
    #expect(second?.roundTrip == .milliseconds(23) && second?.forwardDelay == .milliseconds(3))
    #expect(second?.receivedBytes == 9_500 && second?.receivedTime == .milliseconds(23) && second?.marked == 0)
    #expect(second?.priorDelivered == 0 && second?.isAppLimited == true && second?.inFlight == 9_500)
    _ = pair.settled()
    pair.arrive(20..<30, at: 34)
    #expect(try pair.report(written: 44, at: 54)?.priorDelivered == 9_500)
    #expect(pair.log.roundTrip.least(at: .at(54)) == .milliseconds(20))
    _ = pair.settled()
    #expect(pair.runs.inUse == 0 && pair.log.deadline == nil)
  }

  @Test func `holds for lost what something passed that was sent a window later, not less`() throws {
    var pair = Pair()
    pair.send(0, tag: 1, at: 0)
    pair.arrive(0..<10, but: [2, 3, 9], at: 10)
    // 9 is behind the newest that arrived; 2 and 3 were sent at the same moment as it.
    #expect(try pair.report(written: 12, at: 22)?.lost == 0)
    #expect(
      pair.settled() == [
        .init(tag: 1, datagrams: 0..<2, outcome: .delivered), .init(tag: 1, datagrams: 4..<9, outcome: .delivered),
      ])
    pair.send(10, tag: 2, at: 22)
    pair.arrive(10..<20, at: 32)
    let sample = try pair.report(written: 33, at: 43)
    #expect(sample?.lost == 2_500 && sample?.lostDatagrams == 3 && sample?.delivered == 9_500)
    #expect(
      pair.settled() == [
        .init(tag: 2, datagrams: 0..<10, outcome: .delivered), .init(tag: 1, datagrams: 2..<4, outcome: .lost),
        .init(tag: 1, datagrams: 9..<10, outcome: .lost),
      ])
  }

  @Test func `that brings what was held for lost widens the window, and time narrows it`() throws {
    var pair = Pair()
    pair.send(0, tag: 1, at: 0)
    pair.send(10, tag: 2, at: 3)
    pair.arrive(0..<20, but: [5], at: 13)
    #expect(try pair.report(written: 14, at: 24)?.lostDatagrams == 1)
    _ = pair.settled()
    pair.arrive(5..<6, at: 25)
    let sample = try pair.report(written: 26, at: 36)
    #expect(sample?.recovered == 1_000 && sample?.delivered == 1_000 && sample?.lost == 0)
    #expect(pair.settled() == [.init(tag: 1, datagrams: 5..<6, outcome: .recovered)])
    #expect(pair.log.reorderWindow == .milliseconds(2), "at most twice what it was")
    #expect(pair.log.counters.recovered.datagrams == 1 && pair.log.delivered == 19_000 && pair.runs.inUse == 0)
    var time = 1_000
    for second: UInt64 in 2..<42 {
      pair.send(second * 10, tag: 3, at: time)
      pair.arrive(second * 10..<second * 10 + 10, at: time + 10)
      _ = try pair.report(written: time + 12, at: time + 22)
      _ = pair.settled()
      time += 1_000
    }
    #expect(pair.log.reorderWindow == PathLog.leastReorderWindow)
  }

  @Test func `that never comes means a timeout, which doubles, and a late one tells that nothing was lost`() throws {
    var pair = Pair()
    pair.log.learn(roundTrip: .milliseconds(20), at: .at(0))
    pair.send(0, tag: 1, at: 0)
    // 20 ms and twice the variation's 10, and the 5 for which a receiver may wait.
    #expect(pair.log.deadline == .at(65))
    #expect(pair.log.expire(at: .at(64), in: &pair.runs) == 0)
    #expect(pair.log.expire(at: .at(65), in: &pair.runs) == 9_500)
    #expect(pair.settled() == [.init(tag: 1, datagrams: 0..<10, outcome: .lost)])
    #expect(pair.log.inFlight == 0 && pair.log.deadline == nil && pair.log.counters.timeouts == 1)
    pair.send(10, tag: 2, at: 100)
    #expect(pair.log.deadline == .at(230), "for twice as long")
    pair.arrive(0..<20, at: 150)
    let sample = try pair.report(written: 151, at: 160)
    #expect(sample?.delivered == 19_000 && sample?.recovered == 9_500)
    #expect(Set(pair.settled().map(\.outcome)) == [.recovered, .delivered])
    #expect(pair.log.reorderWindow == PathLog.leastReorderWindow, "it stood still, and kept its order")
  }

  @Test func `that never comes settles all that was sent before anybody knew, each in its time`() {
    var pair = Pair()
    pair.log.learn(roundTrip: .milliseconds(20), at: .at(0))
    for step in 0..<5 { pair.send(UInt64(step) * 10, tag: UInt32(step), at: step * 10) }
    for step in 0..<5 {
      // 45 ms and the pause of the receiver, as for the first, and not twice as long.
      #expect(pair.log.deadline == .at(65 + step * 10))
      #expect(pair.log.expire(at: .at(65 + step * 10), in: &pair.runs) == 9_500)
      #expect(pair.settled().map(\.tag) == [UInt32(step)])
    }
    #expect(pair.log.deadline == nil && pair.log.counters.timeouts == 1)
    pair.send(50, tag: 9, at: 110)
    #expect(pair.log.deadline == .at(110 + 130), "what is sent into the silence has twice the time")
  }

  @Test func `that never comes holds nothing back for long once a question was answered`() {
    var pair = Pair()
    pair.log.learn(roundTrip: .milliseconds(20), at: .at(0))
    pair.send(0, tag: 1, at: 0)
    pair.log.expire(at: .at(65), in: &pair.runs)
    _ = pair.settled()
    pair.send(10, tag: 2, at: 100)
    pair.send(20, tag: 3, at: 140)
    pair.log.isAnswered(asked: .at(120), in: pair.runs)
    #expect(pair.log.deadline == .at(165), "sent before the question: the usual time")
    pair.log.expire(at: .at(165), in: &pair.runs)
    #expect(pair.settled() == [.init(tag: 2, datagrams: 0..<10, outcome: .lost)])
    #expect(pair.log.deadline == .at(270), "sent after it: twice the time, as before")
    #expect(pair.log.counters.timeouts == 1)
  }

  @Test func `that speaks of the last datagram only once leaves time to find what it passed`() throws {
    var pair = Pair()
    for step: UInt64 in 0..<10 {
      pair.send(step * 10, tag: 1, at: Int(step) * 10)
      pair.arrive(step * 10..<step * 10 + 10, at: Int(step) * 10 + 10)
      _ = try pair.report(written: Int(step) * 10 + 11, at: Int(step) * 10 + 21)
      _ = pair.settled()
    }
    pair.send(100, tag: 2, at: 200)
    pair.arrive(100..<110, but: [104], at: 210)
    #expect(try pair.report(written: 211, at: 220)?.lost == 0)
    _ = pair.settled()
    let due = try #require(pair.log.deadline)
    #expect(due < .at(230), "window and pause, not a timeout")
    #expect(pair.log.expire(at: due, in: &pair.runs) == 1_000)
    #expect(pair.settled() == [.init(tag: 2, datagrams: 4..<5, outcome: .lost)])
    #expect(pair.log.deadline == nil && pair.log.counters.timeouts == 0)
  }

  @Test func `is refused when it is old, wrong or invented`() {
    var pair = Pair()
    pair.send(5, tag: 1, at: 0)
    func report(_ newest: UInt64, span: UInt16, bytes: UInt64 = 0, hold: UInt32 = 0) -> PathReport {
      PathReport(path: 0, newest: newest, span: span, arrival: 0, hold: hold, bytes: bytes, marked: 0, reordered: 0)
    }
    #expect(pair.receives(report(15, span: 1)) == false && pair.log.counters.neverSent == 1)
    for span: UInt16 in [0, 11] { #expect(pair.receives(report(9, span: span)) == false) }
    #expect(pair.log.counters.contradictory == 2)
    var runs = report(9, span: 4)
    #expect(runs.append(.init(back: 1, count: 4)) == true)
    #expect(pair.receives(runs) == false && pair.log.counters.contradictory == 3)
    #expect(pair.receives(report(9, span: 5, bytes: 5_000)) == true)
    #expect(pair.receives(report(9, span: 5, bytes: 5_000)) == false && pair.log.counters.stale == 1)
    #expect(pair.receives(report(8, span: 5, bytes: 4_000, hold: 9)) == false && pair.log.counters.stale == 2)
    #expect(pair.log.inFlight == 4_500)
    #expect(pair.receives(report(3, span: 1, bytes: 6_000)) == false && pair.log.counters.stale == 3)
  }

  @Test func `of a receiver who forgot the path and found it again is believed, but for its rate`() {
    var pair = Pair()
    var bytes: [Int?] = []
    let totals: [UInt64] = [9_500, 19_000, 500, 10_000, 281_474_976_700_000, 500]
    for (index, total) in totals.enumerated() {
      let first = UInt64(index) * 10
      pair.send(first, tag: 1, at: index)
      let report = PathReport(
        path: 0, newest: first + 9, span: 10, arrival: 0, hold: 0, bytes: total, marked: 0, reordered: 0)
      bytes.append(pair.log.receive(report, clock: &pair.clock, in: &pair.runs, at: .at(30))?.receivedBytes)
      _ = pair.settled()
    }
    #expect(bytes == [0, 9_500, 0, 9_500, 0, 11_156], "48 bits wrap, and are no way back")
    #expect(pair.log.inFlight == 0 && pair.log.counters.begunAnew == 2)
  }

  @Test func `compares the delays of two paths, whatever the receiver's clock says, also when it wraps`() {
    var pair = Pair()
    var other = PathLog()
    var delays: [Interval?] = []
    for index: UInt64 in 0..<4 {
      let time = Int(index) * 100
      pair.send(index * 10, tag: 1, at: time)
      let logging = other.sent(
        tag: 2, first: index, count: 1, bytes: 100, lastBytes: 100, in: &pair.runs, at: .at(time))
      #expect(logging == .logged)
      // His clock wraps during the second round; one path takes 12 ms, the other 50.
      let his = UInt32.max - 120_000 &+ UInt32(time) * 1_000
      for (newest, delay) in [(index * 10 + 9, 12_000), (index, 50_000)] as [(UInt64, UInt32)] {
        let report = PathReport(
          path: 0, newest: newest, span: 1, arrival: his &+ delay, hold: 0, bytes: 0, marked: 0, reordered: 0)
        if delay == 12_000 {
          delays.append(
            pair.log.receive(report, clock: &pair.clock, in: &pair.runs, at: .at(time + 60))?.forwardDelay)
          _ = pair.settled()
        } else {
          delays.append(other.receive(report, clock: &pair.clock, in: &pair.runs, at: .at(time + 60))?.forwardDelay)
          while other.nextSettled(in: &pair.runs) != nil {}
        }
      }
    }
    #expect(delays == Array(repeating: [.zero, .milliseconds(38)], count: 4).flatMap(\.self))
  }

  @Test func `of a path that was abandoned changes nothing, and cannot be measured`() throws {
    var pair = Pair()
    pair.send(0, tag: 1, at: 0)
    pair.send(10, tag: 2, at: 5)
    pair.arrive(0..<20, but: [3], at: 15)
    #expect(pair.log.abandonAll(in: &pair.runs) == 19_000)
    #expect(
      pair.settled() == [
        .init(tag: 1, datagrams: 0..<10, outcome: .lost), .init(tag: 2, datagrams: 0..<10, outcome: .lost),
      ])
    #expect(pair.runs.inUse == 0 && pair.log.inFlight == 0 && pair.log.deadline == nil)
    #expect(try pair.report(written: 20, at: 30) == nil)
    #expect(pair.settled().isEmpty && pair.log.counters.unmeasurable == 1)
    pair.send(20, tag: 3, at: 40)
    pair.arrive(20..<30, at: 50)
    #expect(try pair.report(written: 51, at: 60)?.delivered == 9_500)
  }

  @Test func `is not needed for what the pool had no room for`() {
    var runs = SentRuns(capacity: 2)
    var log = PathLog()
    var other = PathLog()
    func send(_ log: inout PathLog, _ first: UInt64, _ tag: UInt32) -> PathLog.Logging {
      log.sent(tag: tag, first: first, count: 3, bytes: 100, lastBytes: 50, in: &runs, at: .at(Int(tag)))
    }
    #expect(send(&log, 0, 1) == .logged && send(&log, 3, 2) == .logged)
    #expect(send(&log, 6, 3) == .forgot(tag: 1, datagrams: 0b111))
    #expect(send(&other, 0, 4) == .unlogged)
    #expect(log.inFlight == 500 && other.inFlight == 0 && other.deadline == nil)
    #expect(log.counters.forgotten.bytes == 250 && other.counters.unlogged.bytes == 250)
    log.audit(in: runs)
    other.audit(in: runs)
  }
}

/// Both ends of a path, and nothing between them; the receiver's clock is a second ahead.
private struct Pair: ~Copyable {
  var runs = SentRuns(capacity: 8)
  var log = PathLog()
  var receipts = Receipts(path: 0)
  var clock = PeerClock()

  mutating func send(_ first: UInt64, count: Int = 10, tag: UInt32, at time: Int, isAppLimited: Bool = false) {
    let logging = log.sent(
      tag: tag, first: first, count: count, bytes: 1_000, lastBytes: 500, isAppLimited: isAppLimited, in: &runs,
      at: .at(time))
    #expect(logging == .logged)
  }

  mutating func arrive(_ counters: Range<UInt64>, but missing: Set<UInt64> = [], at time: Int) {
    for counter in counters where !missing.contains(counter) {
      receipts.note(counter, bytes: counter % 10 == 9 ? 500 : 1_000, isMarked: counter == 3, at: .at(time + 1_000))
    }
  }

  mutating func report(written: Int, at time: Int) throws -> DeliverySample? {
    log.receive(try receipts.report(at: .at(written + 1_000)), clock: &clock, in: &runs, at: .at(time))
  }

  mutating func settled() -> [PathLog.Settled] {
    var all: [PathLog.Settled] = []
    while let next = log.nextSettled(in: &runs) { all.append(next) }
    return all
  }

  /// Whether it was believed.
  mutating func receives(_ report: PathReport) -> Bool {
    let sample = log.receive(report, clock: &clock, in: &runs, at: .at(30))
    _ = settled()
    return sample != nil
  }
}
