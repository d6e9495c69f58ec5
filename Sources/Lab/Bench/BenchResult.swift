//  BenchResult.swift — what one bench found: each path alone, then all of them together.
//
//  The keys of its JSON are an outside interface (design, "netlab"). A figure that was not or could not be measured
//  is null and never zero; keys beyond the promised ones may come, and none goes away.

public import Primitives

public struct BenchResult: Equatable, Sendable {
  /// Plain TCP over one path, without anything of ours.
  public struct Path: Equatable, Sendable {
    public var name: String
    public var goodputBitsPerSecond: Double
    /// What the file allows in the direction that was measured; nil without a limit.
    public var rate: BitRate?
    public var idle: Samples
    public var loaded: Samples
    public var retransmits: Int?
    public var warmUp: Interval
  }

  /// One TCP connection or several through what joins the two sites.
  public struct Bond: Equatable, Sendable {
    public var goodputBitsPerSecond: Double
    public var idle: Samples
    public var loaded: Samples
    public var retransmits: Int?
    public var warmUp: Interval
    /// How much of what arrived came over each path; empty when the bond uses one path by its nature.
    public var shares: [Share] = []

    public struct Share: Equatable, Sendable {
      public var path: String
      public var share: Double
    }

    /// "fibre carried 79 %, lte 21 %".
    var sharesInWords: String? {
      guard let first = shares.first else { return nil }
      let rest = shares.dropFirst().map { ", \($0.path) \(percent($0.share))" }.joined()
      return "\(first.path) carried \(percent(first.share))" + rest
    }
  }

  public var topology: String
  public var options: BenchOptions
  public var paths: [Path] = []
  public var bond: Bond?
  /// The worst share of packets, over all measurements that count, that the wire delivered too late; nil when it
  /// carried none.
  public var lateShare: Double?
  /// What a reader must know to read the figures right, in sentences.
  public var notes: [String] = []

  public init(topology: String, options: BenchOptions) {
    self.topology = topology
    self.options = options
  }

  public var bestPath: Path? { paths.max { $0.goodputBitsPerSecond < $1.goodputBitsPerSecond } }

  public var sumBitsPerSecond: Double { paths.reduce(0) { $0 + $1.goodputBitsPerSecond } }

  /// What the bond makes of the best path: 1 is as fast.
  public var bestPathRatio: Double? { ratio(to: bestPath?.goodputBitsPerSecond) }

  /// What the bond makes of all paths together.
  public var sumRatio: Double? { ratio(to: sumBitsPerSecond) }

  private func ratio(to reference: Double?) -> Double? {
    guard let bond, let reference, reference > 0 else { return nil }
    return bond.goodputBitsPerSecond / reference
  }
}
