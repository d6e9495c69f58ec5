@testable import PathOracle
import Primitives
import Testing

@Suite struct `Strategies` {
  private func fleet(relays: Int = 8) -> Fleet {
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    fleet.link("a", "b", Line(60, 50))
    for index in 0..<relays {
      fleet.add("r\(index)", price: UInt64((index * 5 + 3) % 8) * 1_000)
      fleet.link("a", "r\(index)", Line(10 + Double((index * 3) % 8), 50))
      fleet.link("r\(index)", "b", Line(10, 50))
    }
    return fleet
  }

  private func ask<Strategy: PathStrategy>(
    _ strategy: inout Strategy, _ fleet: borrowing Fleet, count: Int = 3
  ) throws -> PathAnswer {
    try fleet.map.answer(PathQuery(from: "a", to: "b", count: count), by: &strategy, at: fleet.now)
  }

  private func outcome(_ via: String?, worked: Bool, won: Bool = false) -> PathOutcome {
    PathOutcome(from: "a", to: "b", via: via, hasWorked: worked, hasWon: won)
  }

  @Test func `have a name each, and say who answered`() throws {
    let fleet = fleet()
    var model = ModelStrategy()
    var random = RandomStrategy(random: SeededRandom(seed: 1))
    var lastGood = LastGoodStrategy()
    var race = RaceStrategy(random: SeededRandom(seed: 1))
    var cheapest = CheapestStrategy()
    let names = [
      try ask(&model, fleet), try ask(&random, fleet), try ask(&lastGood, fleet), try ask(&race, fleet),
      try ask(&cheapest, fleet),
    ].map(\.strategy)
    #expect(names == ["model", "random-k", "last-good", "race-3", "cheapest"])
  }

  @Test func `that draw take every path equally often, and the same again from the same seed`() throws {
    let fleet = fleet()
    var first = RandomStrategy(random: SeededRandom(seed: 7))
    var again = RandomStrategy(random: SeededRandom(seed: 7))
    var times: [String?: Int] = [:]
    for _ in 0..<3_000 {
      let answer = try ask(&first, fleet)
      let same = try ask(&again, fleet)
      #expect(answer == same)
      #expect(Set(answer.paths.map(\.via)).count == 3)
      for path in answer.paths { times[path.via, default: 0] += 1 }
    }
    // 1,000 each; five deviations of 26.
    #expect(times.count == 9 && times.values.allSatisfy { abs($0 - 1_000) < 130 }, "\(times)")
  }

  @Test func `that save take the lowest prices`() throws {
    let fleet = fleet()
    var cheapest = CheapestStrategy()
    let answer = try ask(&cheapest, fleet)
    // r1 and the direct path cost nothing, r6 is the next: (5 i + 3) mod 8 is 0 and 1.
    #expect(answer.paths.map(\.via) == ["r1", nil, "r6"])
    #expect(answer.paths.map(\.price.microsPerGigabyte) == [0, 0, 1_000])
  }

  @Test func `that stay with what worked leave what failed, and come back to it`() throws {
    var fleet = fleet()
    var lastGood = LastGoodStrategy()
    // r0, r3 and r6 are the earliest: 3 i mod 8 is 0, 1 and 2.
    let first = try ask(&lastGood, fleet)
    #expect(first.paths.map(\.via) == ["r0", "r3", "r6"])
    lastGood.note(outcome("r5", worked: true), at: fleet.now)
    lastGood.note(outcome("r0", worked: false), at: fleet.now)
    fleet.now += .seconds(60)
    lastGood.note(outcome(nil, worked: true), at: fleet.now)
    let second = try ask(&lastGood, fleet)
    #expect(second.paths.map(\.via) == [nil, "r5", "r3"])
    #expect(second.paths[1].reason == .workedBefore(ago: .seconds(60)))
    lastGood.note(outcome("r5", worked: false), at: fleet.now)
    let third = try ask(&lastGood, fleet, count: 4)
    #expect(third.paths.map(\.via) == [nil, "r3", "r6", "r1"])
    fleet.now += LastGoodStrategy.memory + .seconds(1)
    let last = try ask(&lastGood, fleet)
    #expect(last.paths.map(\.via) == ["r0", "r3", "r6"])
  }

  @Test func `that stay with what worked take who failed before nobody`() throws {
    let fleet = fleet(relays: 1)
    var lastGood = LastGoodStrategy()
    lastGood.note(outcome("r0", worked: false), at: fleet.now)
    let answer = try ask(&lastGood, fleet)
    #expect(answer.paths.map(\.via) == [nil, "r0"])
  }

  @Test func `that race name three, and keep the winner until it fails or is old`() throws {
    var fleet = fleet()
    var race = RaceStrategy(random: SeededRandom(seed: 3))
    let start = try ask(&race, fleet)
    #expect(start.isRace && start.paths.count == 3 && start.paths[0].via == nil && start.paths[1].via == "r0")
    #expect(Set(start.paths.map(\.via)).count == 3)
    race.note(outcome("r4", worked: true, won: true), at: fleet.now)
    fleet.now += .seconds(100)
    let won = try ask(&race, fleet)
    #expect(!won.isRace && won.paths.map(\.via) == ["r4", "r0", "r3"])
    #expect(won.paths[0].reason == .wonRace(ago: .seconds(100)))
    race.note(outcome("r0", worked: false), at: fleet.now)
    let stays = try ask(&race, fleet)
    race.note(outcome("r4", worked: false), at: fleet.now)
    let again = try ask(&race, fleet)
    race.note(outcome("r4", worked: true, won: true), at: fleet.now)
    fleet.now += RaceStrategy.validity + .seconds(1)
    let old = try ask(&race, fleet)
    #expect(!stays.isRace && again.isRace && old.isRace)
  }

  @Test func `that race try everybody sooner or later`() throws {
    let fleet = fleet()
    var race = RaceStrategy(random: SeededRandom(seed: 5))
    var tried: Set<String?> = []
    for _ in 0..<200 { tried.formUnion(try ask(&race, fleet).paths.map(\.via)) }
    #expect(tried.count == 9)
    let pair = self.fleet(relays: 1)
    let small = try ask(&race, pair)
    #expect(small.paths.count == 2)
  }

  @Test func `remember a bounded number of pairs, the latest of them`() {
    var memory = PairMemory<Int>()
    for index in 0..<20_000 {
      memory.set(index, of: "g\(index)", "x")
      #expect(memory.value(of: "g\(index)", "x") == index)
      if index >= PairMemory<Int>.most { #expect(memory.value(of: "g\(index - 4_095)", "x") == index - 4_095) }
    }
    let known = (0..<20_000).filter { memory.value(of: "g\($0)", "x") != nil }.count
    #expect(known >= PairMemory<Int>.most && known <= 2 * PairMemory<Int>.most)
    memory.set(nil, of: "g19999", "x")
    #expect(memory.value(of: "g19999", "x") == nil)
  }
}
