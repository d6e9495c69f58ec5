//  PathQuestion.swift — what somebody asks of an oracle: from where to where, what for, and within which limits.

import JSON
public import Primitives

public struct PathQuestion: Equatable, Sendable {
  public enum Objective: String, CaseIterable, Sendable {
    case throughput, latency, resilience, cost
  }

  public enum Strategy: String, CaseIterable, Sendable {
    case model, cheapest
    case random = "random-k"
    case lastGood = "last-good"
    case race = "race-3"
  }

  public var from: String
  public var to: String
  public var count: Int
  /// nil: as the oracle thinks best.
  public var objective: Objective?
  public var strategy: Strategy?
  /// Of each path, a gigabyte.
  public var mostPrice: Double?
  /// Of each path, one way.
  public var mostDelay: Interval?
  /// Of each path, a share.
  public var mostLoss: Double?
  public var forbiddenProviders: [String] = []
  public var forbiddenRegions: [String] = []

  public static let mostPaths = 4

  public init(from: String, to: String, count: Int = 2) {
    self.from = from
    self.to = to
    self.count = count
  }

  /// To the oracle at this address.
  public func request(to oracle: ResourceAddress) -> WebRequest {
    WebRequest(
      oracle.appending("v1/query"), accept: "application/json", body: .init(type: "application/json", text: json))
  }

  var json: String {
    JSONText.object { page in
      page.member("from", from)
      page.member("to", to)
      page.member("k", count)
      if let objective { page.member("objective", objective.rawValue) }
      if let mostPrice { page.member("max_price", mostPrice) }
      if let mostDelay { page.member("max_delay_us", Double(mostDelay.nanoseconds) / 1e3) }
      if let mostLoss { page.member("max_loss", mostLoss) }
      for (name, list) in [("forbidden_providers", forbiddenProviders), ("forbidden_regions", forbiddenRegions)] {
        if !list.isEmpty { page.array(name) { for text in list { $0.element(text) } } }
      }
      if let strategy { page.member("strategy", strategy.rawValue) }
    }
  }
}
