//  SpanTally.swift — how often something took how long, counted for ever: what a monitoring system wants of delays.
//
//  Sixteen buckets, each twice as wide as the one before, from a quarter of a millisecond to four seconds: an edge is a
//  power of two of nanoseconds, so that the bucket is found by counting zeros.
//
//      bucket   0          1           2          …   14          15
//      below    2¹⁸ ns     2¹⁹ ns      2²⁰ ns         2³² ns      (the rest)
//               0.26 ms    0.52 ms     1.05 ms        4.29 s

public struct SpanTally: Sendable, BitwiseCopyable, Equatable {
  public static let buckets = 16
  private static let first = 18

  private var counts = InlineArray<16, UInt64>(repeating: 0)
  /// Of all spans, in nanoseconds.
  public private(set) var sum: UInt64 = 0

  public init() {}

  @inlinable
  public mutating func note(_ span: Interval) { note(nanoseconds: UInt64(max(span.nanoseconds, 0))) }

  /// A span that is not negative.
  public mutating func note(nanoseconds: UInt64) {
    let width = UInt64.bitWidth - nanoseconds.leadingZeroBitCount
    counts[max(0, min(width - SpanTally.first, SpanTally.buckets - 1))] &+= 1
    sum &+= nanoseconds
  }

  /// How many there were in this bucket.
  public subscript(bucket: Int) -> UInt64 { counts[bucket] }

  /// Below which all spans of this bucket are; nil: there is no end to the last one.
  public static func end(of bucket: Int) -> Interval? {
    bucket + 1 < buckets ? Interval(nanoseconds: Int64(1) << Int64(first + bucket)) : nil
  }

  public static func == (a: SpanTally, b: SpanTally) -> Bool {
    a.sum == b.sum && a.counts.indices.allSatisfy { a.counts[$0] == b.counts[$0] }
  }
}
