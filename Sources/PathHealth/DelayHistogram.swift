//  DelayHistogram.swift — by how much forward delays exceed the least one, lately, and how often.
//
//  Why.  How long a receiver should wait for a path's bytes is not its mean delay but what nearly all of them take. The
//  shape of real delays (a queue that comes and goes, a radio that repeats) has no formula, so it is counted.
//
//  How.  64 buckets of 16 µs × 2ᵏ, four to each doubling, so that an edge is never off by more than a quarter:
//
//       0    16   32   48   64   80   96   112  128   160   192   224  256 …    1.8 s       2.1 s   µs above `base`
//       │    │    │    │    │    │    │    │    │     │     │     │     │       │            │ (and all beyond)
//
//  All counts are halved each second: after 4 s what was then has a weight of 1/16. `base` is the least delay in a
//  sliding window of 4 s, or was: it moves only when they are apart by more than 1/4 ms, and then the counts move to
//  the buckets where they belong now, and count for an eighth when it was far: that is another path's past. Delays are
//  what `DeliverySample` says, with a constant in it that nobody knows;
//  `least` has the same constant, and what is above it has none.
//
//  Rejected.  Keeping the last 1,000 samples and sorting them (8 kB a path, and a sort for a question); mean and
//  deviation with a normal tail (a path with two states has no such tail).
//
//  Always true.  (1) `total` is the sum of the counts. (2) Quantiles grow with the share that is asked for. (3) A
//  quantile is at least the true one of the samples, as they are weighted, and less than a quarter and 16 µs more, but
//  for what moved with the base (another quarter). Beyond 2.1 s it says 2.1 s.
//
//  Cost: a look at one bucket for a sample; 64 steps a second for ageing, and for a quantile. 200 bytes.

public import Primitives

public struct DelayHistogram: Sendable, BitwiseCopyable {
  public static let buckets = 64
  /// What exceeds it counts as this much.
  public static let most = Interval.microseconds(Int64(16) << 17)
  static let window = Interval.seconds(4)
  static let ageing: UInt64 = 1_000_000_000
  /// Of one sample: so that what is seldom survives some halvings.
  private static let weight: UInt16 = 16
  private static let unit: Int64 = 16_000
  /// Less, and the base would follow every quarter of the window; more, and the finest buckets mean nothing.
  private static let tolerance = Interval.microseconds(250)
  /// Beyond it a path was re-routed; its queues and its jitter move the least delay by less.
  private static let far = Interval.milliseconds(5)

  private var counts = InlineArray<64, UInt16>(repeating: 0)
  private(set) var total = 0
  private var base = Interval.zero
  private var minimum = SlidingMinimum(window: DelayHistogram.window)
  private var aged: UInt64 = 0

  public init() {}

  /// There is something to go by.
  public var isEmpty: Bool { total == 0 }

  /// The least delay of the last few seconds, with the constant that all paths of a peer share.
  public func least(at now: Instant) -> Interval? { minimum.value(at: now) }

  public mutating func note(_ delay: Interval, at now: Instant) {
    minimum.note(delay, at: now)
    age(at: now)
    let least = minimum.value(at: now) ?? delay
    if total == 0 { base = least }
    if least - base > DelayHistogram.tolerance || base - least > DelayHistogram.tolerance { move(to: least) }
    let bucket = DelayHistogram.bucket(of: delay - base)
    if counts[bucket] > UInt16.max - DelayHistogram.weight { halve() }
    counts[bucket] += DelayHistogram.weight
    total += Int(DelayHistogram.weight)
  }

  /// So much above the least delay do all but 1 − `share` of the datagrams take; nil without samples.
  public func quantile(_ share: Double, at now: Instant) -> Interval? {
    guard total > 0, let least = least(at: now) else { return nil }
    let wanted = min(max(share, 0), 1) * Double(total)
    var sum = 0
    for bucket in 0..<DelayHistogram.buckets where counts[bucket] > 0 {
      sum += Int(counts[bucket])
      if Double(sum) >= wanted { return max(DelayHistogram.end(of: bucket) + base - least, .zero) }
    }
    return DelayHistogram.most
  }

  /// How often which delay above the least was seen, each bucket by its middle; what is old counts less.
  public var shares: [(excess: Interval, count: Int)] {
    (0..<DelayHistogram.buckets).compactMap { bucket in
      counts[bucket] == 0 ? nil : (DelayHistogram.middle(of: bucket), Int(counts[bucket]))
    }
  }

  /// What `total` always is; for tests.
  var sum: Int { (0..<DelayHistogram.buckets).reduce(0) { $0 + Int(counts[$1]) } }

  // MARK: Ageing

  private mutating func age(at now: Instant) {
    if total == 0 || now.nanoseconds < aged { aged = now.nanoseconds }
    let halvings = (now.nanoseconds - aged) / DelayHistogram.ageing
    if halvings == 0 { return }
    aged += halvings * DelayHistogram.ageing
    for _ in 0..<min(halvings, 16) { halve() }
  }

  private mutating func halve() {
    total = 0
    for bucket in 0..<DelayHistogram.buckets {
      counts[bucket] /= 2
      total += Int(counts[bucket])
    }
  }

  /// Everything is now measured from another least delay.
  private mutating func move(to least: Interval) {
    var moved = InlineArray<64, UInt16>(repeating: 0)
    if least - base > DelayHistogram.far || base - least > DelayHistogram.far {
      for _ in 0..<3 { halve() }
    }
    total = 0
    for bucket in 0..<DelayHistogram.buckets where counts[bucket] > 0 {
      let place = DelayHistogram.bucket(of: DelayHistogram.middle(of: bucket) + base - least)
      moved[place] = UInt16(clamping: Int(moved[place]) + Int(counts[bucket]))
    }
    for bucket in 0..<DelayHistogram.buckets { total += Int(moved[bucket]) }
    counts = moved
    base = least
  }

  // MARK: Buckets

  static func bucket(of delay: Interval) -> Int {
    let units = UInt64(max(delay.nanoseconds, 0)) / UInt64(unit)
    if units < 4 { return Int(units) }
    let octave = 63 - units.leadingZeroBitCount
    return min((octave - 1) * 4 + Int(units >> UInt64(octave - 2) & 3), buckets - 1)
  }

  static func start(of bucket: Int) -> Interval {
    if bucket < 4 { return Interval(nanoseconds: Int64(bucket) * unit) }
    return Interval(nanoseconds: Int64(4 + bucket % 4) << Int64(bucket / 4 - 1) * unit)
  }

  /// The first delay that does not belong to it.
  static func end(of bucket: Int) -> Interval { start(of: bucket + 1) }

  private static func middle(of bucket: Int) -> Interval { (start(of: bucket) + end(of: bucket)) / 2 }
}
