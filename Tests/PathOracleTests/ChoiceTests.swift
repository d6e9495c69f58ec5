@testable import PathOracle
import Primitives
import Testing

@Suite struct `The paths that are chosen` {
  /// The set of an answer, as candidates.
  private func members(_ answer: PathAnswer, of field: PathField) -> [Int] {
    answer.paths.compactMap { path in field.names.firstIndex(of: path.via) }
  }

  private func query(_ random: inout SeededRandom, _ objective: Objective) -> PathQuery {
    var limits = PathQuery.Limits(
      addedDelay: .milliseconds(Int64(5 + random.below(120))),
      buffer: ByteCount(1 << (12 + Int(random.below(12)))),
      wantedRate: BitRate(bitsPerSecond: 1_000_000 << random.below(9)))
    if random.below(3) == 0 { limits.price = Price(microsPerGigabyte: random.below(60_000)) }
    if random.below(3) == 0 { limits.delay = .milliseconds(Int64(20 + random.below(60))) }
    let inUse = (0..<random.below(3)).map { _ in "r\(random.below(8))" }
    return PathQuery(
      from: "a", to: "b", count: Int(1 + random.below(4)), objective: objective, limits: limits, inUse: inUse)
  }

  @Test(arguments: Objective.allCases, 0..<60 as Range<UInt64>)
  func `are the best of all sets, for every objective`(objective: Objective, seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let fleet = Fleet.drawn(&random, relays: Int(random.below(10)))
    let query = query(&random, objective)
    guard let field = try? fleet.map.field(for: query, at: fleet.now) else { return }
    var model = ModelStrategy()
    let answer = try fleet.map.answer(query, by: &model, at: fleet.now)
    let brute = BruteForce(field: field)
    let best = brute.sets.map(brute.worth).max() ?? 0
    let found = brute.worth(members(answer, of: field))
    #expect(answer.isOptimal && answer.paths.count <= query.count, "seed \(seed)")
    #expect(found >= best - abs(best) * 1e-9, "seed \(seed): \(answer.paths.map(\.via)) is worth \(found) of \(best)")
  }

  @Test(arguments: Objective.allCases, 0..<40 as Range<UInt64>)
  func `are the best of those whose price in memory and delay can be paid`(objective: Objective, seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let fleet = Fleet.drawn(&random, relays: Int(2 + random.below(6)))
    let query = query(&random, objective)
    guard let field = try? fleet.map.field(for: query, at: fleet.now) else { return }
    // A model without any sense but its own: it dislikes a third of the sets, and what it dislikes never changes.
    let dislikes: @Sendable ([String?]) -> Bool = { names in
      let text = names.map { $0 ?? "direct" }.sorted().joined(separator: ",")
      return text.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 } % 3 == 0
    }
    var model = ModelStrategy { paths in
      let wait = dislikes(paths.map(\.via)) ? Interval.seconds(9) : .zero
      return SetCost(occupancy: .zero, addedDelay: wait, loss: 0)
    }
    let answer = try fleet.map.answer(query, by: &model, at: fleet.now)
    let brute = BruteForce(field: field)
    let best = brute.sets.filter { $0.count == 1 || !dislikes($0.map { field.names[$0] }) }.map(brute.worth).max() ?? 0
    let found = brute.worth(members(answer, of: field))
    #expect(answer.paths.count == 1 || !dislikes(answer.paths.map(\.via)), "seed \(seed)")
    if answer.isOptimal { #expect(found >= best - abs(best) * 1e-9, "seed \(seed): \(found) of \(best)") }
  }

  @Test(arguments: Objective.allCases)
  func `are found among a hundred relays in few steps`(objective: Objective) throws {
    var most = 0
    for seed in 0..<25 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      let fleet = Fleet.drawn(&random, relays: 100)
      let query = PathQuery(from: "a", to: "b", count: 4, objective: objective)
      let search = SetSearch(Worth(try fleet.map.field(for: query, at: fleet.now)), room: ModelStrategy.mostCostings)
      most = max(most, search.steps)
      #expect(search.isComplete, "seed \(seed)")
      // What a path alone could do no better than is not worth a step each: most sets are never looked at.
      #expect(search.steps < SetSearch.mostSteps / 2, "seed \(seed): \(search.steps) steps")
    }
    #expect(most > ModelStrategy.mostCostings, "each set that is kept takes a step at least")
  }

  @Test(arguments: Objective.allCases, 0..<5 as Range<UInt64>)
  func `are the best pair among a hundred relays, too`(objective: Objective, seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let fleet = Fleet.drawn(&random, relays: 100)
    let query = PathQuery(from: "a", to: "b", count: 2, objective: objective)
    let brute = BruteForce(field: try fleet.map.field(for: query, at: fleet.now))
    var model = ModelStrategy { _ in .nothing }
    let answer = try fleet.map.answer(query, by: &model, at: fleet.now)
    let best = brute.sets.map(brute.worth).max() ?? 0
    let found = brute.worth(members(answer, of: brute.field))
    #expect(answer.isOptimal && found >= best - abs(best) * 1e-9, "seed \(seed): \(found) of \(best)")
  }

  @Test func `never come from more than a bounded number of steps`() throws {
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    // All alike but for the delay, a step of the limit apart: no bound tells them apart early.
    for index in 0..<100 {
      fleet.add("r\(index)")
      fleet.link("a", "r\(index)", Line(5 + Double(index * 7 % 100), 100 + Double(index % 3)))
      fleet.link("r\(index)", "b", Line(5, 200))
    }
    let query = PathQuery(
      from: "a", to: "b", count: 4, limits: .init(addedDelay: .milliseconds(2), buffer: ByteCount(10_000)))
    let search = SetSearch(Worth(try fleet.map.field(for: query, at: fleet.now)), room: 8)
    #expect(search.steps <= SetSearch.mostSteps)
    #expect(!search.found.isEmpty)
  }

  @Test func `go through the best relay where the direct way is bad`() throws {
    let fleet = Fleet.triangle()
    let answer = try fleet.answer("branch", "hq", 2, .latency)
    #expect(answer.paths.map(\.via) == ["r1", "r2"])
    #expect(answer.paths[0].reason == .landsFirst(before: .milliseconds(60)))
    #expect(answer.paths[0].reason.description == "lands first, 60 ms before the direct path")
    #expect(answer.paths[0].delay.inMilliseconds < 40.1 && answer.paths[0].delay >= .milliseconds(40))
    #expect(answer.runnerUp != nil && answer.considered == 3 && answer.isOptimal)
  }

  @Test func `are fewer than asked for when one more would bring nothing`() throws {
    var fleet = Fleet()
    fleet.add("a", .gateway, megabits: 100)
    fleet.add("b", .gateway)
    fleet.link("a", "b", Line(10, 95))
    for name in ["r1", "r2"] {
      fleet.add(name)
      fleet.link("a", name, Line(5, 95))
      fleet.link(name, "b", Line(5, 95))
    }
    // Two carry all that the uplink does.
    let answer = try fleet.answer("a", "b", 4)
    #expect(answer.paths.count == 2)
    #expect(answer.rate == BitRate(bitsPerSecond: 100_000_000))
  }

  @Test func `count what a provider's relays share once`() throws {
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    for (name, provider, megabits) in [("r1", "as1", 100), ("r2", "as1", 95), ("r3", "as2", 50)]
      as [(String, String, Double)]
    {
      fleet.add(name, provider: provider)
      fleet.link("a", name, Line(5, megabits))
      fleet.link(name, "b", Line(5, 1_000))
    }
    let answer = try fleet.answer("a", "b", 2)
    #expect(answer.paths.map(\.via) == ["r1", "r3"])
    #expect(answer.paths.map(\.reason.description) == ["carries most: 100 Mbit/s", "adds 50 Mbit/s"])
    #expect(answer.rate == BitRate(bitsPerSecond: 150_000_000))
  }

  @Test func `are the clean ones, where a faster one loses so much that flows do not get its rate`() throws {
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    for (name, delay, megabits, loss) in [("clean", 30, 80, 0), ("lossy", 30, 100, 0.02), ("near", 2, 90, 0.02)]
      as [(String, Double, Double, Double)]
    {
      fleet.add(name)
      fleet.link("a", name, Line(delay, megabits, loss: loss))
      fleet.link(name, "b", Line(delay, 1_000))
    }
    // Over a short way a loss is soon forgotten.
    #expect(try fleet.answer("a", "b", 1).paths.map(\.via) == ["near"])
    #expect(try fleet.answer("a", "b", 2).paths.map(\.via) == ["near", "clean"])
    // And two others bring again what the third one lost.
    #expect(try fleet.answer("a", "b", 3).paths.map(\.via) == ["near", "lossy", "clean"])
  }

  @Test func `do not lie further apart than what may be added`() throws {
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    fleet.link("a", "b", Line(10, 100))
    fleet.add("far")
    fleet.link("a", "far", Line(200, 300))
    fleet.link("far", "b", Line(100, 300))
    fleet.add("near")
    fleet.link("a", "near", Line(10, 40))
    fleet.link("near", "b", Line(10, 40))
    // The far one alone carries more than both others together.
    #expect(try fleet.answer("a", "b", 2).paths.map(\.via) == ["far"])
    #expect(
      try fleet.answer("a", "b", 2, .throughput, .init(delay: .milliseconds(250))).paths.map(\.via) == [nil, "near"])
    let patient = PathQuery.Limits(addedDelay: .milliseconds(400), buffer: ByteCount(64 << 20))
    let answer = try fleet.answer("a", "b", 2, .throughput, patient)
    #expect(answer.paths.map(\.via) == ["far", nil])
    // 290 ms at 100 Mbit/s.
    #expect(answer.cost?.addedDelay.inMilliseconds.rounded() == 290)
    #expect((3_600_000...3_650_000).contains(answer.cost?.occupancy.value ?? 0))
  }

  @Test func `fail one by one, not together, where resilience is wanted`() throws {
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    for (name, provider, loss) in [("r1", "as1", 0), ("r2", "as1", 0), ("r3", "as2", 0.003)]
      as [(String, String, Double)]
    {
      fleet.add(name, provider: provider)
      fleet.link("a", name, Line(5, 100, loss: loss))
      fleet.link(name, "b", Line(5, 100))
    }
    let answer = try fleet.answer("a", "b", 2, .resilience)
    #expect(answer.paths.map(\.via) == ["r1", "r3"])
    #expect(answer.paths[0].reason == .failsLeast)
    guard case .outlives(let times) = answer.paths[1].reason else { return #expect(Bool(false), "\(answer)") }
    #expect(times > 50 && times < 200)
  }

  @Test func `cost as little as carrying what is wanted can`() throws {
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    fleet.link("a", "b", Line(10, 8))
    for (name, price) in [("dear", 90_000), ("fair", 20_000)] as [(String, UInt64)] {
      fleet.add(name, price: price)
      fleet.link("a", name, Line(5, 100))
      fleet.link(name, "b", Line(5, 100))
    }
    let answer = try fleet.answer("a", "b", 3, .cost)
    #expect(answer.paths.map(\.via) == [nil, "fair"])
    #expect(answer.paths[1].reason.description == "carries the rest for 0.02 a gigabyte")
    let little = try fleet.answer("a", "b", 3, .cost, .init(wantedRate: BitRate(bitsPerSecond: 5_000_000)))
    #expect(little.paths.map(\.via) == [nil])
  }

  @Test func `stay as they are while others are better by little`() throws {
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    for (name, delay) in [("r1", 20), ("r2", 20.4), ("r3", 25)] as [(String, Double)] {
      fleet.add(name)
      fleet.link("a", name, Line(delay, 100))
      fleet.link(name, "b", Line(delay, 100))
    }
    #expect(try fleet.answer("a", "b", 1, .latency).paths.map(\.via) == ["r1"])
    #expect(try fleet.answer("a", "b", 1, .latency, inUse: ["r2"]).paths.map(\.via) == ["r2"])
    #expect(try fleet.answer("a", "b", 1, .latency, inUse: ["r3"]).paths.map(\.via) == ["r1"])
  }
}

@Suite struct `What is left out` {
  @Test func `is counted by why`() throws {
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    fleet.link("a", "b", Line(100, 10))
    let relays: [(String, String, String, UInt64, Double, Double)] = [
      ("good", "p1", "eu", 0, 0, 5), ("spy", "p2", "eu", 0, 0, 5), ("exile", "p1", "mars", 0, 0, 5),
      ("dear", "p1", "eu", 9_000, 0, 5), ("leaky", "p1", "eu", 0, 0.2, 5), ("slow", "p1", "eu", 0, 0, 90),
    ]
    for (name, provider, region, price, loss, delay) in relays {
      fleet.add(name, provider: provider, region: region, price: price)
      fleet.link("a", name, Line(delay, 50, loss: loss))
      fleet.link(name, "b", Line(delay, 50))
    }
    fleet.add("dark", provider: "p1")
    let limits = PathQuery.Limits(
      price: Price(microsPerGigabyte: 5_000), delay: .milliseconds(150), loss: Probability(partsPerBillion: 50_000_000),
      forbiddenProviders: ["p2"], forbiddenRegions: ["mars"])
    let answer = try fleet.answer("a", "b", 4, .latency, limits)
    #expect(Set(answer.paths.map(\.via)) == [nil, "good"])
    var expected = PathQuery.LeftOut()
    expected.unmeasured = 1
    expected.forbiddenProvider = 1
    expected.forbiddenRegion = 1
    expected.tooExpensive = 1
    expected.tooLossy = 1
    expected.tooSlow = 1
    #expect(answer.leftOut == expected && answer.leftOut.total == 6 && answer.considered == 2)
  }

  @Test func `may be everything, and then that is the answer`() throws {
    var fleet = Fleet.triangle()
    fleet.add("island", .gateway)
    var lonely = PathQuery.LeftOut()
    lonely.unmeasured = 3
    #expect(throws: PathQuery.Refusal.noPath(lonely)) { try fleet.answer("branch", "island") }
    #expect(throws: PathQuery.Refusal.unknownNode("nobody")) { try fleet.answer("branch", "nobody") }
    #expect(throws: PathQuery.Refusal.sameEnds) { try fleet.answer("hq", "hq") }
    #expect(throws: PathQuery.Refusal.count(5, most: 4)) { try fleet.answer("branch", "hq", 5) }
    #expect(throws: PathQuery.Refusal.count(0, most: 4)) { try fleet.answer("branch", "hq", 0) }
  }

  @Test func `is believed to be modest while nobody measured its rate`() throws {
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    for (name, rate) in [("known", 12), ("unknown", nil), ("thin", 8)] as [(String, Double?)] {
      fleet.add(name)
      fleet.link("a", name, Line(5, rate))
      fleet.link(name, "b", Line(5, 100))
    }
    let answer = try fleet.answer("a", "b", 3)
    #expect(answer.paths.map(\.via) == ["known", "unknown", "thin"])
    #expect(answer.paths.map(\.isRateMeasured) == [true, false, true])
  }
}

extension Fleet {
  /// Direct 100 ms with 1 % of loss, relays 20 + 20 ms.
  static func triangle() -> Fleet {
    var fleet = Fleet()
    fleet.add("branch", .gateway)
    fleet.add("hq", .gateway)
    fleet.link("branch", "hq", Line(100, 100, loss: 0.01))
    for name in ["r1", "r2"] {
      fleet.add(name, provider: "of " + name)
      fleet.link("branch", name, Line(20, 100))
      fleet.link(name, "hq", Line(20, 100))
    }
    return fleet
  }
}
