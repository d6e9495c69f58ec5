import Primitives
import Simulation
import Testing

@Suite struct `Chance on a line` {
  @Test(arguments: [0.1, 0.5, 2, 10, 50])
  func `independent loss lies in the 99.9 % interval of its probability`(share: Double) {
    let sent = 100_000
    let lost = losses(conditions { $0.loss = percent(share) }, sent: sent).count { $0 }
    let expected = Double(sent) * share / 100
    #expect(abs(Double(lost) - expected) < 3.29 * (expected * (1 - share / 100)).squareRoot())
  }

  @Test func `independent losses follow each other no more often than chance says`() {
    let lost = losses(conditions { $0.loss = percent(10) }, sent: 200_000)
    let pairs = zip(lost, lost.dropFirst()).count { $0 && $1 }
    #expect(abs(Double(pairs) - 2_000) < 3.29 * 2_000.0.squareRoot() * 1.2)
  }

  @Test(arguments: [(1.0, 5), (1.0, 50), (5.0, 3), (20.0, 10), (90.0, 4)])
  func `bursty loss has the share and the mean burst that were asked for`(share: Double, burst: Int) {
    let sent = 600_000
    let lost = losses(
      conditions {
        $0.loss = percent(share)
        $0.burst = burst
      }, sent: sent)
    let count = lost.count { $0 }
    var bursts = 0
    var before = false
    for now in lost {
      if now && !before { bursts += 1 }
      before = now
    }
    // Shares above 1 − 1/(N+1) need longer bursts: at 90 % at least 9 on average.
    let mean = max(Double(burst), share / (100 - share))
    let error = 4 / (Double(bursts)).squareRoot()  // four deviations of a sum of geometric lengths
    #expect(abs(Double(count) / Double(bursts) / mean - 1) < error, "mean burst")
    #expect(abs(Double(count) / (Double(sent) * share / 100) - 1) < 2 * error, "share")
  }

  @Test func `all or nothing needs no luck`() {
    #expect(losses(conditions { $0.loss = .always }, sent: 100).allSatisfy { $0 })
    #expect(losses(conditions { $0.loss = .never }, sent: 100).allSatisfy { !$0 })
  }

  @Test func `a lost packet used the line, and is reported when it would have arrived`() {
    var link = Link(
      roomy(megabits(10)) {
        $0.loss = .always
        $0.delay = .milliseconds(5)
      }, random: SeededRandom(seed: 1))
    for slot in 0..<3 { _ = link.accept(slot: UInt32(slot), length: ByteCount(1_250), at: .zero) }
    #expect(link.drainToTheEnd() == (0..<3).map { .lost(slot: $0, at: ms(6 + Int64($0)), reason: .chance) })
    #expect(link.counters.lostByChance == 3)
  }

  @Test func `duplicates come out twice, together, and give their slot back once`() {
    var link = Link(conditions { $0.duplication = percent(10) }, random: SeededRandom(seed: 9))
    var copies: [Int] = []
    for slot in 0..<50_000 as Range<UInt32> {
      _ = link.accept(slot: slot, length: ByteCount(100), at: .zero)
      let outcomes = link.drain()
      #expect(outcomes.allSatisfy { $0.slot == slot && $0.isDelivered })
      #expect(outcomes.map(\.isLast) == (outcomes.count == 1 ? [true] : [false, true]))
      copies.append(outcomes.count)
    }
    let doubled = copies.count { $0 == 2 }
    #expect(abs(Double(doubled) - 5_000) < 3.29 * (5_000 * 0.9).squareRoot())
    #expect(link.counters.duplicated == UInt64(doubled))
    #expect(link.counters.delivered == 50_000 + UInt64(doubled) && link.counters.accepted == 50_000)
  }

  @Test func `corruption strikes as often as it should, each time at another place`() {
    var link = Link(conditions { $0.corruption = percent(5) }, random: SeededRandom(seed: 4))
    var places: Set<UInt64> = []
    for slot in 0..<50_000 as Range<UInt32> {
      _ = link.accept(slot: slot, length: ByteCount(100), at: .zero)
      for case .delivered(_, _, _, let corruption?) in link.drain() { places.insert(corruption) }
    }
    #expect(abs(Double(places.count) - 2_500) < 3.29 * (2_500 * 0.95).squareRoot())
    #expect(link.counters.corrupted == UInt64(places.count))
  }

  @Test func `the same seed strikes the same packets, another seed others`() {
    func strike(_ seed: UInt64) -> [Bool] { losses(conditions { $0.loss = percent(20) }, sent: 200, seed: seed) }
    #expect(strike(1) == strike(1))
    #expect(strike(1) != strike(2))
  }
}

@Suite struct `Jitter of a line` {
  @Test(arguments: [1, 5, 8] as [Int64])
  func `jitter has the mean delay and the deviation that were asked for, and keeps the order`(sigma: Int64) {
    let delays = delaysOf(200_000, every: .microseconds(sigma * 2_500), jitter: .milliseconds(sigma), reorders: false)
    #expect(abs(mean(delays) - 40) < 0.02 * Double(sigma))
    #expect(abs(deviation(delays) - Double(sigma)) < 0.02 * Double(sigma))
    // Normal: a third lies beyond one deviation, a twentieth beyond two.
    #expect(abs(share(of: delays) { abs($0 - 40) > Double(sigma) } - 0.317) < 0.01)
    #expect(abs(share(of: delays) { abs($0 - 40) > 2 * Double(sigma) } - 0.0455) < 0.005)
  }

  @Test func `jitter looks the same on a busy line: no running maximum, no bursts`() {
    // 12,000 packets a second: each σ of jitter spans sixty of them.
    let delays = delaysOf(400_000, every: .microseconds(83), jitter: .milliseconds(5), reorders: false)
    #expect(abs(mean(delays) - 40) < 0.5)
    #expect(abs(deviation(delays) - 5) < 0.4)
  }

  @Test(arguments: 0..<50) func `order is kept however wild the jitter`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var link = Link(
      roomy(megabits(1 + random.below(1_000))) {
        $0.delay = .milliseconds(Int64(random.below(50)))
        $0.jitter = .microseconds(Int64(random.below(60_000)))
        $0.loss = percent(3)
      }, random: random)
    var now: UInt64 = 0
    var outcomes: [Link.Outcome] = []
    for slot in 0..<2_000 {
      now += random.below(2) == 0 ? 0 : random.below(3_000_000)
      _ = link.accept(slot: UInt32(slot), length: ByteCount(1_514), at: Instant(nanoseconds: now))
      outcomes += link.drain()
    }
    outcomes += link.drainToTheEnd()
    #expect(outcomes.map(\.slot) == Array(0..<2_000), "seed \(seed)")
    #expect(zip(outcomes, outcomes.dropFirst()).allSatisfy { $0.time <= $1.time })
  }

  @Test func `jitter that may reorder draws for each packet alone`() {
    let delays = delaysOf(100_000, every: .microseconds(100), jitter: .milliseconds(5), reorders: true)
    #expect(abs(mean(delays) - 40) < 0.1)
    #expect(abs(deviation(delays) - 5) < 0.1)
    // Neighbours have nothing in common.
    let products = zip(delays, delays.dropFirst()).map { ($0 - 40) * ($1 - 40) / 25 }
    #expect(abs(mean(products)) < 0.02)
  }

  @Test func `jitter that may reorder does reorder, and outcomes still come in the order of time`() {
    var link = Link(
      conditions {
        $0.delay = .milliseconds(40)
        $0.jitter = .milliseconds(5)
        $0.reorders = true
      }, random: SeededRandom(seed: 3))
    var outcomes: [Link.Outcome] = []
    for slot in 0..<5_000 {
      _ = link.accept(slot: UInt32(slot), length: ByteCount(100), at: us(Int64(slot) * 100))
      outcomes += link.drain()
    }
    outcomes += link.drainToTheEnd()
    #expect(Set(outcomes.map(\.slot)).count == 5_000)
    #expect(zip(outcomes, outcomes.dropFirst()).allSatisfy { $0.time <= $1.time })
    let overtaken = zip(outcomes, outcomes.dropFirst()).count { $0.slot > $1.slot }
    #expect(overtaken > 2_000)
  }

  @Test func `nothing arrives before it has left, however large the jitter`() {
    let delays = delaysOf(20_000, every: .milliseconds(1), jitter: .milliseconds(100), reorders: true)
    #expect(delays.allSatisfy { $0 >= 0 })
  }
}

/// For each packet whether it was lost.
private func losses(_ conditions: LinkConditions, sent: Int, seed: UInt64 = 7) -> [Bool] {
  var link = Link(conditions, random: SeededRandom(seed: seed))
  var lost: [Bool] = []
  lost.reserveCapacity(sent)
  for slot in 0..<sent {
    _ = link.accept(slot: UInt32(slot), length: ByteCount(100), at: .zero)
    while let outcome = link.nextOutcome() { lost.append(!outcome.isDelivered) }
  }
  return lost
}

/// The delays, in milliseconds, of packets over a line of 40 ms.
private func delaysOf(_ count: Int, every gap: Interval, jitter: Interval, reorders: Bool) -> [Double] {
  var link = Link(
    conditions {
      $0.delay = .milliseconds(40)
      $0.jitter = jitter
      $0.reorders = reorders
    }, random: SeededRandom(seed: 21))
  var delays = Array(repeating: 0.0, count: count)
  func note(_ outcome: Link.Outcome) {
    delays[Int(outcome.slot)] = (outcome.time - (.zero + gap * Int64(outcome.slot))).inMilliseconds
  }
  for slot in 0..<count {
    _ = link.accept(slot: UInt32(slot), length: ByteCount(100), at: .zero + gap * Int64(slot))
    while let outcome = link.nextOutcome() { note(outcome) }
  }
  for outcome in link.drainToTheEnd() { note(outcome) }
  return delays
}

private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

private func deviation(_ values: [Double]) -> Double {
  let middle = mean(values)
  return (values.reduce(0) { $0 + ($1 - middle) * ($1 - middle) } / Double(values.count)).squareRoot()
}

private func share(of values: [Double], _ isMeant: (Double) -> Bool) -> Double {
  Double(values.count(where: isMeant)) / Double(values.count)
}
