//  CostType.swift — what a number between two places means: metric, unit, mode, and where it comes from.
//
//  RFC 7285 has `routingcost` and `hopcount`; RFC 9439 adds those that a network measures, with units that are not
//  ours:
//
//      delay-ow  delay-rt  delay-variation     microseconds (variation: above the least)
//      lossrate                                percent
//      hopcount                                a whole number
//      tput  bw-residual  bw-available         bytes per second
//
//  An operator behind a colon says which value of many it is: `delay-ow:p99`. Without one it is the median, and for the
//  two bandwidths the current value. Metrics of our own begin with `priv:`, as §10.6 has it. All costs are at least 0.

import JSON
public import Primitives

public struct CostMetric: Hashable, Sendable, CustomStringConvertible {
  public let name: String

  /// nil when it is no name of a metric: 32 of letters, digits and `-:_.`, and an operator only where there is one.
  public init?(_ name: String) {
    guard !name.isEmpty, name.utf8.count <= CostMetric.mostLength,
      name.utf8.allSatisfy({ ($0 != UInt8(ascii: "@") && Name.isNameByte($0)) || $0 == UInt8(ascii: ".") })
    else { return nil }
    if name.hasPrefix("priv:") {
      guard name.utf8.count > 5 else { return nil }
    } else if let colon = name.firstIndex(of: ":") {
      guard CostMetric.measured.contains(String(name[..<colon])),
        CostMetric.isOperator(name[name.index(after: colon)...])
      else { return nil }
    }
    self.name = name
  }

  private init(known name: String) { self.name = name }

  public static let mostLength = 32
  public static let routingCost = CostMetric(known: "routingcost")
  public static let hopCount = CostMetric(known: "hopcount")
  public static let delay = CostMetric(known: "delay-ow")
  public static let roundTrip = CostMetric(known: "delay-rt")
  public static let delayVariation = CostMetric(known: "delay-variation")
  public static let loss = CostMetric(known: "lossrate")
  public static let throughput = CostMetric(known: "tput")
  public static let residualBandwidth = CostMetric(known: "bw-residual")
  public static let availableBandwidth = CostMetric(known: "bw-available")
  /// RFC 9275: not a number but the elements on the way.
  public static let elements = CostMetric(known: "ane-path")

  /// Those of RFC 9439, which take operators.
  private static let measured = [
    "delay-ow", "delay-rt", "delay-variation", "lossrate", "hopcount", "tput", "bw-residual", "bw-available",
  ]

  private static func isOperator(_ text: some StringProtocol) -> Bool {
    if ["cur", "min", "max", "median", "mean", "stddev", "stdvar"].contains(String(text)) { return true }
    guard text.first == "p" else { return false }
    let parts = text.dropFirst().split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let whole = parts.first, (1...2).contains(whole.utf8.count) else { return false }
    return parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }
  }

  /// More is better: an order by preference begins with the largest.
  public var prefersMore: Bool {
    ["tput", "bw-residual", "bw-available"].contains { name == $0 || name.hasPrefix($0 + ":") }
  }

  public var description: String { name }
}

/// What the metrics of RFC 9439 count in.
public enum CostUnit {
  public static func microseconds(_ interval: Interval) -> Double { Double(interval.nanoseconds) / 1e3 }
  public static func percent(_ probability: Probability) -> Double { Double(probability.partsPerBillion) / 1e7 }
  public static func bytesPerSecond(_ rate: BitRate) -> Double { Double(rate.bitsPerSecond) / 8 }
}

public enum CostMode: String, Hashable, Sendable {
  case numerical
  /// 1 for the best of those in the answer, 2 for the next.
  case ordinal
  case array
}

public struct CostType: Sendable {
  public enum Source: String, Sendable { case nominal, sla, estimation }

  /// What the directory calls it.
  public let name: String
  public let metric: CostMetric
  public let mode: CostMode
  /// RFC 9439's context. Whoever says nothing says `estimation`.
  public let source: Source?
  public let description: String?

  public init(
    _ name: String, _ metric: CostMetric, _ mode: CostMode = .numerical, source: Source? = nil,
    description: String? = nil
  ) {
    precondition(!name.isEmpty && name.utf8.count <= Name.mostLength, "a cost type's name has 1 to 64 bytes")
    self.name = name
    self.metric = metric
    self.mode = mode
    self.source = source
    self.description = description
  }

  static let pathVector = CostType("path-vector", .elements, .array)

  /// As an answer says it. Only the directory describes it.
  func value(described: Bool = false) -> JSONValue {
    var object: JSONObject = ["cost-mode": .string(mode.rawValue), "cost-metric": .string(metric.name)]
    if let source { object.append("cost-context", .object(["cost-source": .string(source.rawValue)])) }
    if described, let description { object.append("description", .string(description)) }
    return .object(object)
  }

  func isSame(as other: CostType) -> Bool {
    metric == other.metric && mode == other.mode && (source ?? .estimation) == (other.source ?? .estimation)
  }
}
