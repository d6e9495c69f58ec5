//  Strategies.swift — the five ways to choose, side by side: each question says which, and all learn from outcomes.

import PathOracle
import Primitives

struct Strategies {
  static let names = [
    ModelStrategy.name, RandomStrategy.name, LastGoodStrategy.name, RaceStrategy.name, CheapestStrategy.name,
  ]

  private var random: RandomStrategy
  private var lastGood = LastGoodStrategy()
  private var race: RaceStrategy
  private var cheapest = CheapestStrategy()

  init(random: SeededRandom) {
    self.random = RandomStrategy(random: random.stream(named: "random-k"))
    race = RaceStrategy(random: random.stream(named: "race"))
  }

  mutating func answer(
    _ query: PathQuery, by name: String, on map: borrowing PathMap, at now: Instant
  ) throws(PathQuery.Refusal) -> PathAnswer {
    switch name {
    case RandomStrategy.name: return try map.answer(query, by: &random, at: now)
    case LastGoodStrategy.name: return try map.answer(query, by: &lastGood, at: now)
    case RaceStrategy.name: return try map.answer(query, by: &race, at: now)
    case CheapestStrategy.name: return try map.answer(query, by: &cheapest, at: now)
    default:
      let buffer = query.limits.buffer
      var model = ModelStrategy { SetModel.cost(of: $0, buffer: buffer) }
      return try map.answer(query, by: &model, at: now)
    }
  }

  mutating func note(_ outcome: PathOutcome, at now: Instant) {
    lastGood.note(outcome, at: now)
    race.note(outcome, at: now)
  }
}
