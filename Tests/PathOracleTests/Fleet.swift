//  Fleet.swift — gateways and relays with true delays and clocks of their own, and what they report.
//
//  The map sees only measurements; the fleet knows the truth behind them.

@testable import PathOracle
import Primitives

struct Fleet: ~Copyable {
  var map: PathMap
  var now = Instant.zero + .seconds(1_000_000)
  /// What each host's clock shows when the true time is zero.
  var clocks: [String: Interval] = [:]

  init(halfLife: Interval = PathMap.usualHalfLife, mostReports: Int = PathMap.Limits.reports) {
    map = PathMap(halfLife: halfLife, mostReports: mostReports)
  }

  @discardableResult mutating func add(
    _ name: String, _ kind: NodeFacts.Kind = .relay, provider: String = "", region: String = "", price: UInt64 = 0,
    megabits: UInt64? = nil
  ) -> NodeFacts.Verdict {
    map.set(
      NodeFacts(
        name: name, kind: kind, provider: provider, region: region, price: Price(microsPerGigabyte: price),
        capacity: megabits.map { BitRate(bitsPerSecond: $0 * 1_000_000) }))
  }

  @discardableResult mutating func say(_ measurement: Measurement) -> Measurement.Verdict {
    map.receive(measurement, at: now)
  }

  /// Both ends report of both directions; each end knows the round trip, and one-way figures by the two clocks.
  mutating func link(_ a: String, _ b: String, _ there: Line, _ back: Line? = nil, withClocks: Bool = false) {
    let back = back ?? there
    let roundTrip = there.delay + back.delay
    for source in [a, b] {
      for (from, to, line) in [(a, b, there), (b, a, back)] {
        var measurement = Measurement(
          source: source, from: from, to: to, roundTrip: roundTrip, shape: line.shape,
          loss: Probability(partsPerBillion: UInt32(line.loss * 1e9)), price: Price(microsPerGigabyte: line.price))
        if let megabits = line.megabits {
          measurement.rate = BitRate(bitsPerSecond: UInt64(megabits * 1_000) * 1_000)
        }
        if withClocks {
          measurement.oneWay = line.delay + (clocks[to] ?? .zero) - (clocks[from] ?? .zero)
        }
        say(measurement)
      }
    }
  }

  func answer(
    _ from: String, _ to: String, _ count: Int = 2, _ objective: Objective = .throughput,
    _ limits: PathQuery.Limits = .init(), inUse: [String] = []
  ) throws -> PathAnswer {
    var model = ModelStrategy()
    let query = PathQuery(from: from, to: to, count: count, objective: objective, limits: limits, inUse: inUse)
    return try map.answer(query, by: &model, at: now)
  }
}

/// One direction between two nodes.
struct Line {
  var delay: Interval
  var megabits: Double?
  var loss = 0.0
  var price: UInt64 = 0
  var shape = DelayShape()

  init(_ milliseconds: Double, _ megabits: Double? = nil, loss: Double = 0, price: UInt64 = 0) {
    delay = .microseconds(Int64(milliseconds * 1_000))
    self.megabits = megabits
    self.loss = loss
    self.price = price
  }
}

extension DelayShape {
  static func of(_ samples: [(milliseconds: Double, count: Int)]) -> DelayShape {
    DelayShape(samples.map { Sample(excess: .microseconds(Int64($0.milliseconds * 1_000)), count: $0.count) })
      ?? DelayShape()
  }
}

extension Fleet {
  /// A world between a and b, with relays of few providers, lossy and dear ones, and some that nobody measured.
  static func drawn(_ random: inout SeededRandom, relays: Int) -> Fleet {
    var fleet = Fleet()
    fleet.add("a", .gateway, megabits: random.below(2) == 0 ? 50 + random.below(400) : nil)
    fleet.add("b", .gateway)
    let providers = 1 + random.below(UInt64(relays) + 2)
    for index in 0..<relays {
      let provider = random.below(4) == 0 ? "" : "p\(random.below(providers))"
      fleet.add(
        "r\(index)", provider: provider, price: random.below(3) == 0 ? 0 : random.below(50_000),
        megabits: random.below(3) == 0 ? 20 + random.below(500) : nil)
    }
    if random.below(8) > 0 { fleet.link("a", "b", fleet.line(&random, 40)) }
    for index in 0..<relays where random.below(12) > 0 {
      fleet.link("a", "r\(index)", fleet.line(&random, 1))
      fleet.link("r\(index)", "b", fleet.line(&random, 1))
    }
    return fleet
  }

  private func line(_ random: inout SeededRandom, _ least: Double) -> Line {
    let rate: Double? = random.below(10) == 0 ? nil : 5 + random.unit() * Double(1 << (3 + random.below(7)))
    var line = Line(
      least + random.unit() * Double(1 << (3 + random.below(5))), rate,
      loss: random.below(2) == 0 ? 0 : random.unit() * 0.02, price: random.below(3) == 0 ? random.below(9_000) : 0)
    if random.below(2) == 0 {
      line.shape = .of((0..<4).map { _ in (random.unit() * 20, Int(1 + random.below(100))) })
    }
    return line
  }
}
