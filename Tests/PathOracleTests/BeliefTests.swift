@testable import PathOracle
import Primitives
import Testing

@Suite struct `What several say together` {
  private func fleet(_ names: [String]) -> Fleet {
    var fleet = Fleet()
    for name in names { fleet.add(name, .gateway) }
    return fleet
  }

  private func truth(by source: String) -> Measurement {
    Measurement(
      source: source, from: "a", to: "r", oneWay: .milliseconds(12), roundTrip: .milliseconds(20),
      shape: .of([(0, 90), (5, 10)]), loss: Probability(partsPerBillion: 4_000_000),
      rate: BitRate(bitsPerSecond: 80_000_000), price: Price(microsPerGigabyte: 5))
  }

  private func lie(by source: String, _ random: inout SeededRandom) -> Measurement {
    Measurement(
      source: source, from: "a", to: "r", oneWay: .milliseconds(Int64(random.below(1 << 40))),
      roundTrip: .microseconds(Int64(1 + random.below(60_000_000))),
      shape: .of([(Double(random.below(2_000)), 1), (Double(random.below(2_000)), 3)]),
      loss: Probability(partsPerBillion: UInt32(random.below(1_000_000_001))),
      rate: BitRate(bitsPerSecond: 1 + random.below(1_000_000_000_000)),
      price: Price(microsPerGigabyte: random.below(4_000_000_001)))
  }

  /// Whoever of the three lies, an end or a stranger.
  @Test(arguments: ["a", "r", "s"], 0..<20 as Range<UInt64>)
  func `is not moved by one liar among three`(liar: String, seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var honest = fleet(["a", "r", "s"])
    for source in ["a", "r", "s"] { honest.say(truth(by: source)) }
    var betrayed = fleet(["a", "r", "s"])
    for source in ["a", "r", "s"] where source != liar { betrayed.say(truth(by: source)) }
    betrayed.say(lie(by: liar, &random))
    #expect(
      betrayed.map.belief(from: "a", to: "r", at: betrayed.now)
        == honest.map.belief(from: "a", to: "r", at: honest.now),
      "seed \(seed), \(liar) lies")
  }

  @Test func `of two ends that disagree is the middle, and of an end and a stranger what the end says`() throws {
    var fleet = fleet(["a", "r", "s"])
    func say(_ rate: UInt64, by source: String, _ fleet: inout Fleet) {
      fleet.say(
        Measurement(source: source, from: "a", to: "r", rate: BitRate(bitsPerSecond: rate * 1_000_000)))
    }
    say(10, by: "a", &fleet)
    say(90, by: "s", &fleet)
    #expect(fleet.map.belief(from: "a", to: "r", at: fleet.now)?.rate == BitRate(bitsPerSecond: 10_000_000))
    say(20, by: "r", &fleet)
    #expect(fleet.map.belief(from: "a", to: "r", at: fleet.now)?.rate == BitRate(bitsPerSecond: 20_000_000))
    let isGone = fleet.map.remove("s")
    #expect(isGone)
    #expect(fleet.map.belief(from: "a", to: "r", at: fleet.now)?.rate == BitRate(bitsPerSecond: 15_000_000))
  }

  @Test func `fades: who was heard lately outweighs who was not`() throws {
    var fleet = fleet(["a", "r"])
    fleet.say(Measurement(source: "a", from: "a", to: "r", rate: BitRate(bitsPerSecond: 10_000_000)))
    #expect(fleet.map.belief(from: "a", to: "r", at: fleet.now)?.confidence == 1)
    fleet.now += .seconds(30)
    #expect(fleet.map.belief(from: "a", to: "r", at: fleet.now)?.confidence == 1)
    fleet.now += .seconds(300)
    #expect(fleet.map.belief(from: "a", to: "r", at: fleet.now)?.confidence == 0.5)
    fleet.say(Measurement(source: "r", from: "a", to: "r", rate: BitRate(bitsPerSecond: 90_000_000)))
    let found = fleet.map.belief(from: "a", to: "r", at: fleet.now)
    let belief = try #require(found)
    #expect(belief.rate == BitRate(bitsPerSecond: 90_000_000) && belief.confidence == 1 && belief.sources == 2)
  }

  @Test func `weighs half as much with every half-life, without a step`() {
    let fading = Fading(halfLife: .seconds(100))
    var last = 1.0
    for second in 0...700 {
      let weight = fading.weight(afterNanoseconds: Int64(second) * 1_000_000_000)
      #expect(weight <= last && weight > last - 0.006)
      last = weight
    }
    for halvings in 0...5 {
      let age = Interval.seconds(30 + Int64(halvings) * 100)
      #expect(fading.weight(afterNanoseconds: age.nanoseconds) == 1 / Double(1 << halvings))
    }
    #expect(fading.weight(afterNanoseconds: -5) == 1 && fading.weight(afterNanoseconds: .max) < 1e-17)
  }

  @Test func `knows what nobody said, too`() throws {
    var fleet = fleet(["a", "r"])
    fleet.say(Measurement(source: "a", from: "a", to: "r", loss: .never))
    let found = fleet.map.belief(from: "a", to: "r", at: fleet.now)
    let belief = try #require(found)
    #expect(belief.rate == nil && belief.oneWay == nil && belief.roundTrip == nil && belief.price == nil)
    #expect(belief.loss == 0 && belief.excess == .zero && belief.deviation == .zero)
    #expect(fleet.map.belief(from: "r", to: "a", at: fleet.now) == nil)
  }
}

@Suite struct `Clocks that nobody set` {
  /// Asymmetric ways, jitter, and clocks that are off by up to years.
  private func fleet(seed: UInt64, clocks: UInt64?) -> Fleet {
    var random = SeededRandom(seed: seed)
    var fleet = Fleet()
    fleet.add("a", .gateway)
    fleet.add("b", .gateway)
    for index in 0..<6 { fleet.add("r\(index)") }
    if let clocks {
      var skew = SeededRandom(seed: clocks)
      for name in ["a", "b"] + (0..<6).map({ "r\($0)" }) {
        fleet.clocks[name] = Interval(nanoseconds: Int64(bitPattern: skew.next()) >> 5)
      }
    }
    func line() -> Line { Line(1 + random.unit() * 60, 20 + random.unit() * 200) }
    fleet.link("a", "b", line(), line(), withClocks: true)
    for index in 0..<6 {
      fleet.link("a", "r\(index)", line(), line(), withClocks: true)
      fleet.link("r\(index)", "b", line(), line(), withClocks: true)
    }
    return fleet
  }

  @Test(arguments: 0..<40 as Range<UInt64>)
  func `change no answer`(seed: UInt64) throws {
    let right = fleet(seed: seed, clocks: nil)
    let skewed = fleet(seed: seed, clocks: seed &+ 77)
    for objective in Objective.allCases {
      #expect(
        try right.answer("a", "b", 3, objective) == skewed.answer("a", "b", 3, objective), "seed \(seed), \(objective)")
    }
  }

  @Test(arguments: 0..<40 as Range<UInt64>)
  func `hide no difference between two ways`(seed: UInt64) throws {
    let fleet = fleet(seed: seed, clocks: seed)
    // The same lines again.
    var random = SeededRandom(seed: seed)
    func line() -> Double {
      defer { _ = random.unit() }
      return Double(Int64((1 + random.unit() * 60) * 1_000))
    }
    func both() -> (there: Double, back: Double) { (line(), line()) }
    var there: [Double] = []
    var trips: [Double] = []
    let direct = both()
    there.append(direct.there)
    trips.append(direct.there + direct.back)
    for _ in 0..<6 {
      let (first, second) = (both(), both())
      there.append(first.there + second.there)
      trips.append(first.there + first.back + second.there + second.back)
    }
    let field = try fleet.map.field(for: PathQuery(from: "a", to: "b"), at: fleet.now)
    #expect(field.candidates.count == 7)
    // What is split evenly is the shortest round trip.
    let shortest = trips.indices.min { trips[$0] < trips[$1] } ?? 0
    for index in trips.indices {
      let expected = min(max(there[index] - there[shortest] + trips[shortest] / 2, 0), trips[index])
      let found = field.candidates[index].least / 1_000
      #expect(abs(found - expected) <= 1, "seed \(seed), way \(index): \(found) µs, not \(expected)")
      #expect(Double(field.candidates[index].way.roundTrip) / 1_000 == trips[index], "seed \(seed)")
    }
  }

  @Test func `that jumped between two reports are not believed`() throws {
    var fleet = fleet(seed: 1, clocks: 1)
    let honest = try fleet.map.field(for: PathQuery(from: "a", to: "b"), at: fleet.now)
    // r3 starts again, and its clock with it; only one direction was reported since.
    for source in ["a", "r3"] {
      fleet.say(
        Measurement(
          source: source, from: "a", to: "r3", oneWay: .seconds(-3_000), roundTrip: .milliseconds(30),
          rate: BitRate(bitsPerSecond: 10_000_000)))
    }
    let field = try fleet.map.field(for: PathQuery(from: "a", to: "b"), at: fleet.now)
    let way = field.candidates[4].way
    #expect(way.forward == nil && honest.candidates[4].way.forward != nil)
    #expect(field.candidates[4].least == Double(way.roundTrip / 2))
  }

  @Test func `that lie as far as a number goes break nothing`() throws {
    var fleet = Fleet()
    for name in ["a", "b"] { fleet.add(name, .gateway) }
    fleet.add("r")
    for (from, to) in [("a", "r"), ("r", "b")] {
      fleet.say(Measurement(source: from, from: from, to: to, oneWay: .nanoseconds(1 << 60)))
      fleet.say(Measurement(source: from, from: to, to: from, oneWay: .nanoseconds(-1 << 60)))
    }
    fleet.say(Measurement(source: "a", from: "a", to: "b", oneWay: .nanoseconds(-1 << 60)))
    fleet.say(Measurement(source: "a", from: "b", to: "a", oneWay: .nanoseconds(1 << 60)))
    let answer = try fleet.answer("a", "b", 2, .latency)
    #expect(answer.paths.allSatisfy { $0.delay >= .zero && $0.delay <= .seconds(120) })
  }
}
