//  GoodputSeries.swift — what arrived in each moment of a measurement, and when it was as much as it should be.
//
//  A TCP stream arrives in bursts: behind a hole everything waits, and then all of it comes at once. So a bin says
//  little. "Back at so much" asks two things of a moment: that the smoothed series is there (the mean of five bins
//  around it), and that the second that follows is there as a whole; the first moment where both hold is the answer. A
//  burst after a silence passes the first question and fails the second.

public struct GoodputSeries: Equatable, Sendable {
  /// Seconds that a bin is long.
  public let bin: Double
  /// When the first bin begins.
  public let start: Double
  /// Bytes, a bin each.
  public private(set) var bytes: [Double]

  /// `arrivals` are moments and what came then; what is before `start` or behind `end` does not count.
  public init(_ arrivals: [(time: Double, bytes: Int)], from start: Double, to end: Double, bin: Double) {
    self.start = start
    self.bin = bin
    bytes = Array(repeating: 0, count: max(0, Int(((end - start) / bin).rounded(.down))))
    for arrival in arrivals where arrival.time >= start {
      let index = Int((arrival.time - start) / bin)
      if index < bytes.count { bytes[index] += Double(arrival.bytes) }
    }
  }

  public var end: Double { start + Double(bytes.count) * bin }

  /// Bits a second between two moments, as far as there are bins; nil: there are none.
  public func mean(from begin: Double, to end: Double) -> Double? {
    let first = max(0, Int(((begin - start) / bin).rounded()))
    let last = min(bytes.count, Int(((end - start) / bin).rounded()))
    if first >= last { return nil }
    return bytes[first..<last].reduce(0, +) * 8 / (Double(last - first) * bin)
  }

  /// Seconds from `begin` until the series is back at `target` bits a second; nil: not before `limit`.
  public func timeUntil(_ target: Double, from begin: Double, before limit: Double) -> Double? {
    let first = max(0, Int(((begin - start) / bin).rounded(.up)))
    for index in first..<max(first, bytes.count) {
      let time = start + Double(index) * bin
      if time >= limit { return nil }
      let smoothed = mean(from: time - 2 * bin, to: time + 3 * bin) ?? 0
      // What comes behind the limit is another state of the network.
      guard let lasting = mean(from: time, to: min(time + 1, limit)) else { return nil }
      if smoothed >= target && lasting >= target { return time - begin }
    }
    return nil
  }
}
