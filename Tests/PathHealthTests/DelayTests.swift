import Primitives
import Testing

@testable import PathHealth

@Suite struct `The least of the last while` {
  /// Against all values that were ever noted: exact for those of the last ¾ of the window, and none older than it.
  @Test(arguments: 0..<100) func `is that of the last three quarters of it to all of it`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let window = Interval.milliseconds(1 + Int64(random.below(10_000)))
    var minimum = SlidingMinimum(window: window)
    var history: [(at: Instant, value: Interval)] = []
    var now = Instant(nanoseconds: random.below(1 << 40))
    let pause = 1 + random.below(UInt64(window.nanoseconds) / 5)
    for _ in 0..<150 {
      now += Interval(nanoseconds: Int64(random.below(pause)))
      let value = Interval(nanoseconds: Int64(random.below(1_000_000)) - 500_000)
      minimum.note(value, at: now)
      history.append((now, value))
      let found = minimum.value(at: now)
      let recent = history.filter { now - $0.at <= window * 3 / 4 - .nanoseconds(4) }.map(\.value).min()
      let all = history.filter { now - $0.at <= window }.map(\.value).min()
      #expect(found.map { $0 <= recent ?? value && $0 >= all ?? value } == true, "seed \(seed)")
    }
  }

  @Test func `stays the last one known when nothing comes any more`() {
    var minimum = SlidingMinimum(window: .seconds(10))
    #expect(minimum.value(at: .at(0)) == nil)
    minimum.note(.milliseconds(30), at: .at(1_000))
    minimum.note(.milliseconds(40), at: .at(9_000))
    #expect(minimum.value(at: .at(9_900)) == .milliseconds(30))
    #expect(minimum.value(at: .at(12_000)) == .milliseconds(40))
    #expect(minimum.value(at: .at(500_000)) == .milliseconds(40))
    minimum.note(.milliseconds(50), at: .at(500_000))
    #expect(minimum.value(at: .at(500_000)) == .milliseconds(50))
  }
}

@Suite struct `A round trip` {
  @Test func `silence for a quarter of a second is enough on a near path, however much it varied once`() {
    var trip = RoundTrip()
    trip.note(.milliseconds(40), at: .zero)
    #expect(trip.timeout == .milliseconds(130))
    trip.note(.milliseconds(900), at: .zero)
    trip.note(.milliseconds(40), at: .zero)
    #expect(trip.variation > .milliseconds(150))
    #expect(trip.timeout == max(.milliseconds(250), trip.smoothed * 2))
  }

  @Test func `is smoothed as RFC 6298 does it`() {
    var trip = RoundTrip()
    #expect(!trip.isKnown && trip.timeout == .seconds(1) && trip.least(at: .at(0)) == nil)
    trip.note(.milliseconds(100), at: .at(0))
    #expect(trip.smoothed == .milliseconds(100) && trip.variation == .milliseconds(50))
    trip.note(.milliseconds(180), at: .at(1))
    // 3/4 × 50 + 1/4 × 80, 7/8 × 100 + 1/8 × 180
    #expect(trip.variation == .microseconds(57_500) && trip.smoothed == .milliseconds(110))
    for step in 0..<200 { trip.note(.milliseconds(40), at: .at(10 + step)) }
    #expect(trip.smoothed - .milliseconds(40) < .microseconds(1) && trip.variation < .microseconds(1))
    #expect(trip.latest == .milliseconds(40) && trip.least(at: .at(300)) == .milliseconds(40))
    #expect(trip.timeout - .milliseconds(60) < .microseconds(10), "40, 10 of slack, 10 of the receiver's pause")
  }

  @Test func `has as its least one that of the last 10 s`() {
    var trip = RoundTrip()
    trip.note(.milliseconds(20), at: .at(0))
    for second in 1...30 { trip.note(.milliseconds(50), at: .at(second * 1_000)) }
    #expect(trip.least(at: .at(30_000)) == .milliseconds(50))
    trip.note(.milliseconds(-3), at: .at(31_000))
    #expect(trip.least(at: .at(31_000)) == .zero, "clocks that disagree make no time that runs backwards")
  }
}

@Suite struct `Delays of a path` {
  @Test func `fall into buckets without a gap, each a quarter of its place wide at most`() {
    for bucket in 0..<DelayHistogram.buckets {
      let start = DelayHistogram.start(of: bucket)
      let end = DelayHistogram.end(of: bucket)
      #expect(DelayHistogram.bucket(of: start) == bucket && DelayHistogram.bucket(of: end - .nanoseconds(1)) == bucket)
      #expect(end - start <= max(start / 4, .microseconds(16)))
    }
    #expect(DelayHistogram.bucket(of: .nanoseconds(-1)) == 0 && DelayHistogram.bucket(of: .seconds(100)) == 63)
    #expect(DelayHistogram.end(of: 63) == DelayHistogram.most)
  }

  /// Each quantile against the sorted samples of half a second, before anything is aged.
  @Test(arguments: 0..<100) func `have the quantiles that were measured, to a quarter`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var histogram = DelayHistogram()
    let least = Interval.microseconds(Int64(random.below(2_000_000)) - 1_000_000)
    let spread = 1 + random.below(200_000)
    // The least one comes first, so that nothing has to move.
    var samples = [least]
    for _ in 0..<400 {
      samples.append(least + .microseconds(Int64(random.below(spread) * random.below(spread) / spread)))
    }
    for (step, sample) in samples.enumerated() {
      histogram.note(sample, at: Instant.at(10_000) + .milliseconds(Int64(step)))
    }
    #expect(histogram.least(at: .at(10_400)) == least)
    let sorted = samples.sorted()
    var before = Interval.zero
    for share in [0.1, 0.5, 0.9, 0.95, 0.99, 1.0] {
      let measured = sorted[max(Int((share * Double(sorted.count)).rounded(.up)) - 1, 0)] - least
      let quantile = try #require(histogram.quantile(share, at: .at(10_400)))
      #expect(quantile >= measured, "seed \(seed), \(share)")
      #expect(quantile <= measured + max(measured / 4, .microseconds(16)), "seed \(seed), \(share)")
      #expect(quantile >= before, "seed \(seed), \(share)")
      before = quantile
    }
  }

  @Test func `follow a path that becomes slower, and one that becomes faster, within a few seconds`() throws {
    var histogram = DelayHistogram()
    var now = Instant.at(0)
    var random = SeededRandom(seed: 7)
    func run(seconds: Int, base: Int, spread: UInt64) {
      for _ in 0..<(seconds * 100) {
        now += .milliseconds(10)
        histogram.note(.milliseconds(Int64(base)) + .microseconds(Int64(random.below(spread))), at: now)
      }
    }
    func quantile(_ share: Double) throws -> Interval { try #require(histogram.quantile(share, at: now)) }
    run(seconds: 20, base: 30, spread: 4_000)
    let calm = try quantile(0.95)
    #expect(calm > .microseconds(3_500) && calm < .microseconds(4_900))
    run(seconds: 5, base: 30, spread: 40_000)
    let jittery = try quantile(0.95)
    #expect(jittery > .milliseconds(33) && jittery < .milliseconds(49))
    run(seconds: 6, base: 80, spread: 4_000)
    #expect(try #require(histogram.least(at: now)) >= .milliseconds(80))
    let slower = try quantile(0.9)
    #expect(slower > .microseconds(3_200) && slower < .milliseconds(6), "\(slower)")
    run(seconds: 6, base: 10, spread: 1_000)
    let faster = try quantile(0.9)
    #expect(try #require(histogram.least(at: now)) < .milliseconds(11))
    #expect(faster < .microseconds(1_300), "\(faster)")
  }

  @Test func `are unknown until something was measured, and known while nothing is`() {
    var histogram = DelayHistogram()
    #expect(histogram.isEmpty && histogram.quantile(0.5, at: .at(0)) == nil && histogram.least(at: .at(0)) == nil)
    histogram.note(.milliseconds(5), at: .at(0))
    histogram.note(.milliseconds(9), at: .at(1))
    let before = histogram.quantile(0.99, at: .at(2))
    #expect(before != nil && histogram.quantile(0.99, at: .at(1_000_000)) == before)
  }

  /// Any delays at any times: the sum is that of the buckets, and no count overflows.
  @Test(arguments: 0..<20) func `add up, however many and however wild`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var histogram = DelayHistogram()
    var now = Instant.at(0)
    for step in 0..<10_000 {
      if random.below(20) == 0 { now += .milliseconds(Int64(random.below(3_000))) }
      histogram.note(
        Interval(nanoseconds: Int64(truncatingIfNeeded: random.next() >> (20 + random.below(30))) - 1_000_000),
        at: now)
      if step % 50 == 0 { #expect(histogram.total == histogram.sum, "seed \(seed)") }
    }
    for _ in 0..<10_000 { histogram.note(.zero, at: now) }
    #expect(histogram.total == histogram.sum && !histogram.isEmpty)
  }
}
