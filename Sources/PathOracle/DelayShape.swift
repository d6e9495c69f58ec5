//  DelayShape.swift — by how much delays exceed the least one, and how often: small enough to keep one for each report.
//
//  Why.  What it costs to put the parts of a set of paths back in order hangs on the shapes of their delays, not on
//  means and deviations. A map of 1,000 gateways and 100 relays holds 400,000 shapes.
//
//  How.  32 buckets of 32 µs × 2ᵏ, two to each doubling, each with a 16-bit count:
//
//       0    32   64   96   128   192   256   384   512 …    1.0 s     1.6 s     2.1 s      above the least delay
//       │    │    │    │    │     │     │     │     │         │         │         │ (and all beyond)
//
//  Two legs one after the other are the convolution of their shapes. The sum of two buckets' middles lies between two
//  middles again; it is shared out between these so that the mean stays exactly what it was.
//
//  Rejected.  Mean and deviation (two states of a radio have no such tail). The 64 buckets of a path's own histogram
//  (25 MB more, for edges that reports of ten seconds do not know so well).
//
//  Always true.  (1) What was seen once is seen: scaling never makes a count zero. (2) A curve never falls and ends
//  with everything. (3) The mean of a sum is the sum of the means, as long as all of it is below 1.8 s.
//
//  Cost: 64 bytes. A convolution takes 1,024 steps, and only paths that were chosen need one.

public import Primitives

public struct DelayShape: Equatable, Sendable, BitwiseCopyable {
  public static let buckets = 32
  /// What exceeds it counts as this much.
  public static let most = Interval.microseconds(Int64(32) << 16)
  private static let unit: Int64 = 32_000
  /// More than fits 16 bits is scaled down to where rounding up does not reach that again: what was scaled once is
  /// read back as it is.
  private static let mostCounts = 65_000.0
  private static let scaledCounts = 60_000.0

  public struct Sample: Equatable, Sendable {
    public var excess: Interval
    public var count: Int

    public init(excess: Interval, count: Int) {
      self.excess = excess
      self.count = count
    }
  }

  private(set) var counts = InlineArray<32, UInt16>(repeating: 0)

  /// Nothing was seen.
  public init() {}

  /// nil when a count is negative: somebody else wrote it.
  public init?(_ samples: some Sequence<Sample>) {
    var sums = InlineArray<32, Double>(repeating: 0)
    var total = 0.0
    for sample in samples {
      if sample.count < 0 { return nil }
      sums[DelayShape.bucket(of: sample.excess)] += Double(sample.count)
      total += Double(sample.count)
    }
    let scale = total > DelayShape.mostCounts ? DelayShape.scaledCounts / total : 1
    for bucket in 0..<DelayShape.buckets { counts[bucket] = UInt16((sums[bucket] * scale).rounded(.up)) }
  }

  public var isEmpty: Bool { total == 0 }

  var total: Int { (0..<DelayShape.buckets).reduce(0) { $0 + Int(counts[$1]) } }

  /// What was seen, as the middles of buckets.
  public var samples: [Sample] {
    (0..<DelayShape.buckets).compactMap { bucket in
      if counts[bucket] == 0 { return nil }
      let middle = Interval(nanoseconds: Int64(DelayShape.middle(of: bucket)))
      return Sample(excess: middle, count: Int(counts[bucket]))
    }
  }

  public static func == (a: DelayShape, b: DelayShape) -> Bool {
    (0..<buckets).allSatisfy { a.counts[$0] == b.counts[$0] }
  }

  // MARK: Buckets

  static func bucket(of excess: Interval) -> Int {
    let units = UInt64(max(excess.nanoseconds, 0)) / UInt64(unit)
    if units < 2 { return Int(units) }
    let octave = 63 - units.leadingZeroBitCount
    return min(octave * 2 + Int(units >> UInt64(octave - 1) & 1), buckets - 1)
  }

  static func start(of bucket: Int) -> Int64 {
    bucket < 2 ? Int64(bucket) * unit : (Int64(2 + bucket % 2) << Int64(bucket / 2 - 1)) * unit
  }

  /// In nanoseconds. What is less than 32 µs is nothing: a steady path has no excess.
  static func middle(of bucket: Int) -> Double {
    bucket == 0 ? 0 : Double(start(of: bucket) + start(of: bucket + 1)) / 2
  }
}

/// The share of datagrams that land no later than a bucket's end, in 65,535ths.
struct DelayCurve: Sendable, BitwiseCopyable {
  static let everything: UInt16 = 65_535

  /// Of who never said anything about its shape: steady.
  var landed = InlineArray<32, UInt16>(repeating: DelayCurve.everything)

  init() {}

  init(_ shape: DelayShape) {
    let total = shape.total
    if total == 0 { return }
    var sum = 0
    for bucket in 0..<DelayShape.buckets {
      sum += Int(shape.counts[bucket])
      landed[bucket] = UInt16(sum * Int(DelayCurve.everything) / total)
    }
  }

  func share(of bucket: Int) -> Double {
    let before = bucket == 0 ? 0 : Int(landed[bucket - 1])
    return Double(Int(landed[bucket]) - before) / Double(DelayCurve.everything)
  }

  /// Mean in nanoseconds, and variance.
  var moments: (mean: Double, variance: Double) {
    var mean = 0.0
    var square = 0.0
    for bucket in 0..<DelayShape.buckets {
      let share = share(of: bucket)
      if share == 0 { continue }
      let middle = DelayShape.middle(of: bucket)
      mean += share * middle
      square += share * middle * middle
    }
    return (mean, max(0, square - mean * mean))
  }
}

/// How likely an excess over the least delay is; those of a path sum to one.
public struct ExcessShare: Equatable, Sendable {
  public var excess: Interval
  public var probability: Double

  public init(excess: Interval, probability: Double) {
    self.excess = excess
    self.probability = probability
  }
}

extension DelayCurve {
  /// The shape of a path with one leg or two.
  static func shares(of first: DelayCurve, then second: DelayCurve?) -> [ExcessShare] {
    var sums = InlineArray<32, Double>(repeating: 0)
    for a in 0..<DelayShape.buckets {
      let share = first.share(of: a)
      if share == 0 { continue }
      guard let second else {
        sums[a] += share
        continue
      }
      for b in 0..<DelayShape.buckets {
        let both = share * second.share(of: b)
        if both > 0 { put(both, at: DelayShape.middle(of: a) + DelayShape.middle(of: b), into: &sums) }
      }
    }
    return (0..<DelayShape.buckets).compactMap { bucket in
      if sums[bucket] == 0 { return nil }
      let middle = Interval(nanoseconds: Int64(DelayShape.middle(of: bucket)))
      return ExcessShare(excess: middle, probability: sums[bucket])
    }
  }

  private static func put(_ share: Double, at excess: Double, into sums: inout InlineArray<32, Double>) {
    var low = DelayShape.bucket(of: Interval(nanoseconds: Int64(excess)))
    if DelayShape.middle(of: low) > excess { low -= 1 }
    if low < 0 {
      sums[0] += share
    } else if low >= DelayShape.buckets - 1 {
      sums[DelayShape.buckets - 1] += share
    } else {
      let from = DelayShape.middle(of: low)
      let upper = (excess - from) / (DelayShape.middle(of: low + 1) - from)
      sums[low] += share * (1 - upper)
      sums[low + 1] += share * upper
    }
  }
}
