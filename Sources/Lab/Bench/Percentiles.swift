//  Percentiles.swift — what most of the values are, and what the worst of them are.

/// A set of measured values that can be asked for its quantiles.
public struct Samples: Equatable, Sendable {
  public let sorted: [Double]

  public init(_ values: [Double]) { sorted = values.filter(\.isFinite).sorted() }

  public var median: Double? { quantile(0.5) }

  /// The value below which this share of the samples lies, interpolated between neighbours (R's type 7, the usual
  /// one), so that a p99 of forty samples is not simply the worst of them. nil without samples.
  public func quantile(_ share: Double) -> Double? {
    guard let last = sorted.last else { return nil }
    let position = max(0, min(1, share)) * Double(sorted.count - 1)
    let below = Int(position)
    if below + 1 >= sorted.count { return last }
    return sorted[below] + (sorted[below + 1] - sorted[below]) * (position - Double(below))
  }
}
