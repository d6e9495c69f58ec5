@testable import PathOracle
import Primitives
import Testing

@Suite struct `The shape of a delay` {
  @Test func `has buckets that begin where the last one ends, two to each doubling`() {
    for bucket in 0..<DelayShape.buckets {
      let start = DelayShape.start(of: bucket)
      let next = DelayShape.start(of: bucket + 1)
      #expect(start < next)
      #expect(DelayShape.bucket(of: Interval(nanoseconds: start)) == bucket)
      #expect(DelayShape.bucket(of: Interval(nanoseconds: next - 1)) == bucket)
    }
    #expect(DelayShape.start(of: DelayShape.buckets) == DelayShape.most.nanoseconds)
    #expect(DelayShape.bucket(of: .seconds(1_000_000)) == DelayShape.buckets - 1)
    #expect(DelayShape.bucket(of: .seconds(-1)) == 0)
  }

  @Test(arguments: 0..<50 as Range<UInt64>)
  func `keeps its proportions and loses nothing, however often things were counted`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let samples = (0..<Int(1 + random.below(40))).map { _ in
      DelayShape.Sample(
        excess: .microseconds(Int64(random.below(1 << (1 + random.below(21))))),
        count: Int(1 + random.below(1 << (1 + random.below(40)))))
    }
    let shape = try #require(DelayShape(samples))
    let total = samples.reduce(0.0) { $0 + Double($1.count) }
    for bucket in 0..<DelayShape.buckets {
      let seen = samples.filter { DelayShape.bucket(of: $0.excess) == bucket }.reduce(0.0) { $0 + Double($1.count) }
      let share = Double(shape.counts[bucket]) / Double(shape.total)
      #expect(abs(share - seen / total) < 1e-3, "seed \(seed), bucket \(bucket)")
      #expect((seen > 0) == (shape.counts[bucket] > 0), "seed \(seed), bucket \(bucket)")
    }
    #expect(DelayShape(shape.samples) == shape, "seed \(seed): read again it is another")
  }

  @Test func `takes no negative counts and every other one`() {
    #expect(DelayShape([.init(excess: .zero, count: -1)]) == nil)
    #expect(
      DelayShape([.init(excess: .zero, count: .max), .init(excess: .seconds(1), count: .max)])?.samples.count == 2)
    #expect(DelayShape([])?.isEmpty == true && DelayShape([.init(excess: .zero, count: 0)])?.isEmpty == true)
  }

  @Test(arguments: 0..<50 as Range<UInt64>)
  func `of two legs has the sum of their means`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    func curve() throws -> DelayCurve {
      DelayCurve(
        try #require(
          DelayShape(
            (0..<5).map { _ in
              DelayShape.Sample(excess: .microseconds(Int64(random.below(400_000))), count: Int(1 + random.below(90)))
            })))
    }
    let first = try curve()
    let second = try curve()
    let shares = DelayCurve.shares(of: first, then: second)
    let mean = shares.reduce(0.0) { $0 + Double($1.excess.nanoseconds) * $1.probability }
    #expect(abs(shares.reduce(0.0) { $0 + $1.probability } - 1) < 1e-9, "seed \(seed)")
    #expect(abs(mean - first.moments.mean - second.moments.mean) < 100, "seed \(seed)")
    // Sharing a sum out between two middles widens it, by half of their distance at most, and never narrows it.
    let square = shares.reduce(0.0) {
      $0 + Double($1.excess.nanoseconds) * Double($1.excess.nanoseconds) * $1.probability
    }
    let variance = square - mean * mean
    let expected = first.moments.variance + second.moments.variance
    let most = expected + square * 0.04
    #expect(variance > expected * 0.999 && variance < most, "seed \(seed): \(variance) of \(expected)")
  }

  @Test func `of one leg, or of a steady second, is what it was`() throws {
    let curve = DelayCurve(.of([(0, 50), (3, 40), (300, 10)]))
    let alone = DelayCurve.shares(of: curve, then: nil)
    #expect(alone == DelayCurve.shares(of: curve, then: DelayCurve()))
    #expect(alone.map { ($0.probability * 100).rounded() } == [50, 40, 10])
  }
}
