//  ModelStrategy.swift — the best set of paths whose price in memory and delay its receiver can pay.
//
//  Why.  Rates add up only if the parts can be put back in order; what that costs hangs on the shapes of the delays,
//  and takes a model some milliseconds to say. The search takes microseconds a set. So both take turns.
//
//  How.  SetSearch lists the best sets that its own two rules allow, the best first. The model is asked about one after
//  the other until it agrees, and for the runner-up once more:
//
//      search ──▶ {a, r3}  {a, r7}  {r3, r7}  {a}  …
//                    │        │        │
//      model       140 ms   60 ms    55 ms          limit 100 ms: {a, r7} it is, {r3, r7} is the runner-up
//
//  A worth does not depend on the model, only whether a set is in question does: so the first that passes is the best
//  of all. When none of the listed passes, the best single path is the answer: it needs no order.
//
//  Rejected.  The model inside the search (four milliseconds times some hundred sets); worth that falls with the
//  predicted delay (nothing would stay in order, and nobody could say why a set lost).
//
//  Always true.  (1) The model is asked at most `mostCostings` times. (2) An answer of two paths or more is within all
//  limits of the query by the model's word.

public import Primitives

public struct ModelStrategy: PathStrategy {
  public static let name = "model"
  /// With a model of two milliseconds the worst answer still takes less than twenty.
  public static let mostCostings = 8

  /// What using this set as one costs; nil when that cannot be said, which rules the set out.
  private let cost: @Sendable ([PathPrediction]) -> SetCost?

  public init(cost: @escaping @Sendable ([PathPrediction]) -> SetCost?) { self.cost = cost }

  /// With the cost of paths whose delays never vary: for who has no model.
  public init() { self.init(cost: ModelStrategy.steadyCost) }

  /// Every path's bytes wait for the slowest path; the buffer never loses any.
  public static func steadyCost(_ paths: [PathPrediction]) -> SetCost? {
    let means = paths.map { path in
      path.excess.reduce(Double(path.least.nanoseconds)) { $0 + Double($1.excess.nanoseconds) * $1.probability }
    }
    guard let latest = means.max(), let earliest = means.min() else { return nil }
    var stored = 0.0
    for (path, mean) in zip(paths, means) { stored += Double(path.rate.bitsPerSecond) / 8e9 * (latest - mean) }
    return SetCost(
      occupancy: ByteCount(Int(stored)), addedDelay: Interval(nanoseconds: Int64(latest - earliest)), loss: 0)
  }

  public func choose(from field: PathField, at now: Instant) -> PathChoice {
    let worth = Worth(field)
    let search = SetSearch(worth, room: ModelStrategy.mostCostings)
    let limits = field.query.limits
    var passed: [(found: SetSearch.Found, cost: SetCost)] = []
    for found in search.found where passed.count < 2 {
      let set = (0..<found.set.count).map { field.prediction(worth.contenders[found.set[$0]].candidate) }
      guard let cost = set.count == 1 ? SetCost.nothing : self.cost(set) else { continue }
      if cost.occupancy > limits.buffer || cost.addedDelay > limits.addedDelay
        || cost.loss > limits.bufferLoss.fraction
      {
        continue
      }
      passed.append((found, cost))
    }
    guard let best = passed.first else { return single(worth, field) }
    var choice = explained(best.found.set, worth, field)
    choice.cost = best.cost
    choice.isOptimal = search.isComplete
    if passed.count > 1 {
      let set = passed[1].found.set
      choice.runnerUp = ((0..<set.count).map { worth.contenders[set[$0]].candidate }, passed[1].cost)
    }
    return choice
  }

  /// Every field has a path, and one path may always be used.
  private func single(_ worth: Worth, _ field: PathField) -> PathChoice {
    var best = 0
    for position in worth.contenders.indices
    where worth.worth(Selection().adding(position)) > worth.worth(Selection().adding(best)) {
      best = position
    }
    var choice = explained(Selection().adding(best), worth, field)
    choice.cost = .nothing
    return choice
  }

  // MARK: Reasons

  private func explained(_ set: Selection, _ worth: Worth, _ field: PathField) -> PathChoice {
    PathChoice(
      (0..<set.count).map { index in
        let contender = worth.contenders[set[index]]
        return PathChoice.Pick(
          candidate: contender.candidate, reason: reason(for: index, of: set, worth, field))
      })
  }

  private func reason(for index: Int, of set: Selection, _ worth: Worth, _ field: PathField) -> Reason {
    let candidate = field.candidates[worth.contenders[set[index]].candidate]
    let isFirst = index == 0
    switch worth.objective {
    case .throughput:
      if isFirst { return .carriesMost(field.rate(candidate.rate)) }
      let all = (0..<set.count).map { worth.contenders[set[$0]].candidate }
      let others = (0..<set.count).filter { $0 != index }.map { worth.contenders[set[$0]].candidate }
      let with = field.rateTogether(all).bitsPerSecond
      let without = field.rateTogether(others).bitsPerSecond
      return .adds(BitRate(bitsPerSecond: max(1, with - min(with, without))))
    case .latency:
      if isFirst {
        let direct = field.candidates.first { $0.relay == nil }
        guard let direct, candidate.relay != nil else { return .landsFirst(before: nil) }
        return .landsFirst(before: field.interval(direct.delay - candidate.delay))
      }
      let first = field.candidates[worth.contenders[set[0]].candidate]
      let shares = (0..<index).contains { worth.contenders[set[$0]].provider == candidate.provider }
      return .landsNext(after: field.interval(max(0, candidate.delay - first.delay)), shares: shares)
    case .resilience:
      if isFirst { return .failsLeast }
      var before = Selection()
      for earlier in 0..<index { before = before.adding(set[earlier]) }
      let with = worth.worth(before.adding(set[index]))
      return .outlives(times: with < 0 ? min(worth.worth(before) / with, 1e9) : 1e9)
    case .cost:
      let price = Price(microsPerGigabyte: UInt64(candidate.price))
      return isFirst ? .cheapest(price) : .carriesTheRest(price)
    }
  }
}
