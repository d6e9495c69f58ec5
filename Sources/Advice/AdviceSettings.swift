//  AdviceSettings.swift — what a gateway says to its oracle of itself, and what it will not have.

public import Primitives
public import Sealing

public struct AdviceSettings: Equatable, Sendable {
  public enum Objective: String, CaseIterable, Sendable {
    case throughput
    case latency
    case resilience
    case cost
  }

  /// Ways over more relays at a time than this cost more probing than they bring.
  public static let mostUsed = 4
  /// Besides those that are used: two are looked at while the others carry.
  public static let places = mostUsed + 2

  /// Ours, and those of the peers whose address we know, as the oracle calls them.
  public var name: String
  public var peers: [String]
  /// Ways to each, the direct one among them.
  public var paths = 3
  public var objective = Objective.throughput
  /// For a gigabyte.
  public var mostPrice: Double?
  public var mostDelay: Interval?
  public var forbiddenProviders: [String] = []
  public var forbiddenRegions: [String] = []
  /// Relays that the operator named: they keep the first places, and are used whatever anybody says.
  public var named: [RelayContact] = []

  public init(name: String, peers: [String]) {
    self.name = name
    self.peers = peers
  }
}

/// A relay as an oracle tells of it.
public struct RelayContact: Equatable, Sendable {
  public var name: String
  public var publicKey: PublicKey
  /// `address:port`, or `name:port`.
  public var endpoints: [String]

  public init(name: String, publicKey: PublicKey, endpoints: [String]) {
    self.name = name
    self.publicKey = publicKey
    self.endpoints = endpoints
  }
}

/// What was measured of the way from one node to another.
public struct EdgeFigures: Equatable, Sendable {
  public var from: String
  public var to: String
  public var roundTrip: Interval?
  /// Delays above the least, and how often they were seen.
  public var excess: [Excess] = []
  public var loss: Double?
  public var rate: BitRate?

  public struct Excess: Equatable, Sendable {
    public var delay: Interval
    public var count: Int

    public init(_ delay: Interval, _ count: Int) {
      self.delay = delay
      self.count = count
    }
  }

  public init(from: String, to: String) {
    self.from = from
    self.to = to
  }
}

/// Whether a way was up that the oracle had chosen.
public struct WayOutcome: Equatable, Sendable {
  public var to: String
  public var via: String?
  public var hasWorked: Bool

  public init(to: String, via: String?, hasWorked: Bool) {
    self.to = to
    self.via = via
    self.hasWorked = hasWorked
  }
}
