//  PathQuery.swift — what may be asked, and what an answer says.
//
//  An answer explains itself: each path has its reason, the set has its price in memory and time, and what was left out
//  is counted by why. The runner-up tells how close it was.

public import Primitives

/// What the paths are for.
public enum Objective: String, CaseIterable, Sendable {
  /// As much as possible.
  case throughput
  /// The earliest arrival, and somebody who is nearly as early when that path fails.
  case latency
  /// That something arrives, whatever fails.
  case resilience
  /// The least money for what must be carried.
  case cost
}

public struct PathQuery: Equatable, Sendable {
  public var from: String
  public var to: String
  /// How many paths at most.
  public var count: Int
  public var objective: Objective
  public var limits: Limits
  /// Relays whose paths the asker uses now. They need not be the best any more, only nearly: who changes paths for a
  /// hundredth loses more by changing.
  public var inUse: [String]

  /// More paths make the slowest slower and bring little (see the resequencing model); the choice costs the number of
  /// sets.
  public static let mostPaths = 4

  public init(
    from: String, to: String, count: Int = 2, objective: Objective = .throughput, limits: Limits = Limits(),
    inUse: [String] = []
  ) {
    self.from = from
    self.to = to
    self.count = count
    self.objective = objective
    self.limits = limits
    self.inUse = inUse
  }

  public struct Limits: Equatable, Sendable {
    /// Of each path.
    public var price: Price?
    /// Of each path, one way and on average.
    public var delay: Interval?
    /// Of each path.
    public var loss: Probability?
    public var forbiddenProviders: [String]
    public var forbiddenRegions: [String]
    /// By how much the set may delay what came early, and how much memory that may take. Beyond a tenth of a second
    /// people notice, and the memory is what a gateway has for all lanes.
    public var addedDelay: Interval
    public var buffer: ByteCount
    /// What the buffer may lose, for a set of several paths.
    public var bufferLoss: Probability
    /// What a cheap answer must carry.
    public var wantedRate: BitRate

    public init(
      price: Price? = nil, delay: Interval? = nil, loss: Probability? = nil, forbiddenProviders: [String] = [],
      forbiddenRegions: [String] = [], addedDelay: Interval = .milliseconds(100),
      buffer: ByteCount = ByteCount(8 << 20), bufferLoss: Probability = Probability(partsPerBillion: 1_000_000),
      wantedRate: BitRate = BitRate(bitsPerSecond: 10_000_000)
    ) {
      self.price = price
      self.delay = delay
      self.loss = loss
      self.forbiddenProviders = forbiddenProviders
      self.forbiddenRegions = forbiddenRegions
      self.addedDelay = addedDelay
      self.buffer = buffer
      self.bufferLoss = bufferLoss
      self.wantedRate = wantedRate
    }
  }

  public enum Refusal: Error, Equatable, Sendable {
    /// There is no node of this name.
    case unknownNode(String)
    case sameEnds
    case count(Int, most: Int)
    /// Nobody measured a way between them, or the limits forbid all of them.
    case noPath(LeftOut)
  }

  /// Ways that are not in question, by why.
  public struct LeftOut: Equatable, Sendable {
    /// Nobody reports of one of its legs, or only without a delay.
    public var unmeasured = 0
    public var forbiddenProvider = 0
    public var forbiddenRegion = 0
    public var tooExpensive = 0
    public var tooSlow = 0
    public var tooLossy = 0

    public init() {}

    public var total: Int {
      unmeasured + forbiddenProvider + forbiddenRegion + tooExpensive + tooSlow + tooLossy
    }
  }
}

/// A path as somebody needs it who computes what a set of them costs.
public struct PathPrediction: Equatable, Sendable {
  /// nil for the direct one.
  public var via: String?
  public var rate: BitRate
  /// One way; the same unknown constant may be in all of a set.
  public var least: Interval
  /// What comes on top, and how likely.
  public var excess: [ExcessShare]
  public var loss: Double

  public init(via: String?, rate: BitRate, least: Interval, excess: [ExcessShare], loss: Double) {
    self.via = via
    self.rate = rate
    self.least = least
    self.excess = excess
    self.loss = loss
  }
}

/// What using a set as one costs its receiver.
public struct SetCost: Equatable, Sendable {
  public var occupancy: ByteCount
  /// What all but one in a hundred parts wait at most.
  public var addedDelay: Interval
  /// What the buffer gives up.
  public var loss: Double

  public init(occupancy: ByteCount, addedDelay: Interval, loss: Double) {
    self.occupancy = occupancy
    self.addedDelay = addedDelay
    self.loss = loss
  }

  public static let nothing = SetCost(occupancy: .zero, addedDelay: .zero, loss: 0)
}

/// Why a path is in the set.
public enum Reason: Equatable, Sendable {
  /// It carries more than each of the others.
  case carriesMost(BitRate)
  /// The set carries so much more with it.
  case adds(BitRate)
  /// It lands first, so much before the direct path (if there is one to compare with).
  case landsFirst(before: Interval?)
  /// Who lands next, if the first fails; on a provider of its own, or not.
  case landsNext(after: Interval, shares: Bool)
  /// Most likely to be there.
  case failsLeast
  /// It makes it so many times less likely that all fail.
  case outlives(times: Double)
  /// It carries what is wanted for the least.
  case cheapest(Price)
  /// The cheaper ones do not carry all that is wanted.
  case carriesTheRest(Price)
  /// By chance.
  case drawn
  /// It worked when it was used last.
  case workedBefore(ago: Interval)
  /// It won the last race.
  case wonRace(ago: Interval)
  /// It is to be tried against the others.
  case races
}

public struct PathAnswer: Equatable, Sendable {
  public struct Path: Equatable, Sendable {
    /// nil for the direct one.
    public var via: String?
    public var provider: String
    /// One way, on average.
    public var delay: Interval
    public var deviation: Interval
    public var roundTrip: Interval
    public var loss: Double
    public var rate: BitRate
    /// False where nobody measured it, and `rate` is a modest guess.
    public var isRateMeasured: Bool
    public var price: Price
    /// Of its weakest leg: 1 for what was just heard.
    public var confidence: Double
    public var reason: Reason
  }

  /// Another set, in the same order as paths would be.
  public struct Alternative: Equatable, Sendable {
    /// nil for the direct path.
    public var via: [String?]
    public var rate: BitRate
    public var delay: Interval
    public var cost: SetCost
  }

  /// The best first.
  public var paths: [Path]
  /// Of all together, what they share counted once.
  public var rate: BitRate
  /// nil from a strategy that does not ask.
  public var cost: SetCost?
  public var runnerUp: Alternative?
  public var strategy: String
  /// How many ways there were to choose from.
  public var considered: Int
  public var leftOut: PathQuery.LeftOut
  /// Nothing better exists on this map. False when the search or the costing was cut short, and for strategies that do
  /// not search.
  public var isOptimal: Bool
  /// The paths are to be tried against each other, and the winner told.
  public var isRace: Bool
}

extension Reason: CustomStringConvertible {
  public var description: String {
    switch self {
    case .carriesMost(let rate): "carries most: \(Reason.text(rate))"
    case .adds(let rate): "adds \(Reason.text(rate))"
    case .landsFirst(let before?) where before > .zero: "lands first, \(Reason.text(before)) before the direct path"
    case .landsFirst: "lands first"
    case .landsNext(let after, let shares):
      "lands \(Reason.text(after)) later" + (shares ? ", but shares a provider" : ", and fails by itself")
    case .failsLeast: "fails least"
    case .outlives(let times): "all fail \(plainDecimal(times, decimals: times < 10 ? 1 : 0)) times less often"
    case .cheapest(let price): "cheapest: \(Reason.text(price)) a gigabyte"
    case .carriesTheRest(let price): "carries the rest for \(Reason.text(price)) a gigabyte"
    case .drawn: "drawn by chance"
    case .workedBefore(let ago): "worked \(ago.nanoseconds / 1_000_000_000) s ago"
    case .wonRace(let ago): "won a race \(ago.nanoseconds / 1_000_000_000) s ago"
    case .races: "races"
    }
  }

  private static func text(_ rate: BitRate) -> String {
    let megabits = Double(rate.bitsPerSecond) / 1e6
    return "\(plainDecimal(megabits, decimals: megabits < 10 ? 1 : 0)) Mbit/s"
  }

  private static func text(_ interval: Interval) -> String {
    let milliseconds = interval.inMilliseconds
    return "\(plainDecimal(milliseconds, decimals: milliseconds < 10 ? 1 : 0)) ms"
  }

  private static func text(_ price: Price) -> String {
    plainDecimal(Double(price.microsPerGigabyte) / 1e6, decimals: 2)
  }
}
