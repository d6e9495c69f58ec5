//  PathStrategy.swift — who chooses: one interface, five ways to do it.
//
//  Why.  The model is worth its effort only if it beats what others do with less: take relays by chance, stay with what
//  worked, try three, pay the least. So all of them answer the same question over the same field, and a program, a
//  test or a simulation can put any of them in the place of any other.
//
//  A strategy may remember how its answers worked out; who uses them says so (`note`). It remembers a bounded number of
//  pairs, and forgets whoever was not asked about for longest.

public import Primitives

/// How a path did that somebody used.
public struct PathOutcome: Equatable, Sendable {
  public var from: String
  public var to: String
  /// nil for the direct path.
  public var via: String?
  public var hasWorked: Bool
  /// It was the best of those that raced.
  public var hasWon: Bool

  public init(from: String, to: String, via: String?, hasWorked: Bool, hasWon: Bool = false) {
    self.from = from
    self.to = to
    self.via = via
    self.hasWorked = hasWorked
    self.hasWon = hasWon
  }
}

/// What a strategy chose.
public struct PathChoice: Sendable {
  struct Pick {
    var candidate: Int
    var reason: Reason
  }

  /// The best first.
  var picks: [Pick]
  var cost: SetCost?
  var runnerUp: (candidates: [Int], cost: SetCost)?
  var isOptimal = false
  var isRace = false

  init(_ picks: [Pick]) { self.picks = picks }
}

public protocol PathStrategy {
  static var name: String { get }
  mutating func choose(from field: PathField, at now: Instant) -> PathChoice
  mutating func note(_ outcome: PathOutcome, at now: Instant)
}

extension PathStrategy {
  public mutating func note(_ outcome: PathOutcome, at now: Instant) {}
}

extension PathMap {
  /// The whole way from a question to its answer.
  public func answer<Strategy: PathStrategy>(
    _ query: PathQuery, by strategy: inout Strategy, at now: Instant
  ) throws(PathQuery.Refusal) -> PathAnswer {
    let field = try field(for: query, at: now)
    let choice = strategy.choose(from: field, at: now)
    let picked = choice.picks.map(\.candidate)
    return PathAnswer(
      paths: choice.picks.map { field.path($0.candidate, $0.reason) }, rate: field.rateTogether(picked),
      cost: choice.cost, runnerUp: choice.runnerUp.map { field.alternative($0.candidates, $0.cost) },
      strategy: Strategy.name, considered: field.count, leftOut: field.leftOut, isOptimal: choice.isOptimal,
      isRace: choice.isRace)
  }
}

extension PathField {
  func path(_ index: Int, _ reason: Reason) -> PathAnswer.Path {
    let candidate = candidates[index]
    return PathAnswer.Path(
      via: names[index], provider: providers[index], delay: interval(candidate.delay),
      deviation: interval(candidate.deviation), roundTrip: Interval(nanoseconds: candidate.way.roundTrip),
      loss: candidate.loss, rate: rate(candidate.rate), isRateMeasured: candidate.isRateMeasured,
      price: Price(microsPerGigabyte: UInt64(candidate.price)), confidence: candidate.confidence, reason: reason)
  }

  func alternative(_ indices: [Int], _ cost: SetCost) -> PathAnswer.Alternative {
    PathAnswer.Alternative(
      via: indices.map { names[$0] }, rate: rateTogether(indices),
      delay: interval(indices.map { candidates[$0].delay }.min() ?? 0), cost: cost)
  }

  /// Providers and the ends counted once.
  func rateTogether(_ indices: [Int]) -> BitRate {
    var sum = 0.0
    for (place, index) in indices.enumerated() {
      let provider = candidates[index].provider
      let same = indices.filter { candidates[$0].provider == provider }
      if indices[..<place].contains(where: { candidates[$0].provider == provider }) { continue }
      sum += same.map { candidates[$0].rate }.max() ?? 0
    }
    return rate(min(sum, capacity))
  }
}
