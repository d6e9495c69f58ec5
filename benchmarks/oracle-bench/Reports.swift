//  Reports.swift — what gateways and relays of a continent tell the oracle: measured, so not quite the truth.
//
//  Both ends of a leg report of both directions, each with what it saw itself:
//
//      delays    the least and the spread of 200 probes, by two clocks that nobody set; the round trip exactly
//      loss      of 2,000 datagrams, how many were missed
//      rate      what fitted, to within a tenth (one deviation 5 %), as bursts and competing traffic blur it
//
//  The oracle knows providers and the sites' own uplinks as their owners state them, and of backbones nothing: it sees
//  only that what it was told fits on each leg.

import PathOracle
import Primitives
import Topology

struct Reports {
  private static let probes = 200
  private static let counted = 2_000
  private static let blur = 0.05

  private let continent: Continent
  private var random: SeededRandom
  private var clocks: [String: Interval] = [:]
  static let now = Instant.zero + .seconds(100_000)

  init(_ continent: Continent) {
    self.continent = continent
    random = SeededRandom(seed: continent.seed).stream(named: "reports")
  }

  mutating func map() -> PathMap {
    var map = PathMap()
    for name in [Continent.branch, Continent.hq] {
      _ = map.set(NodeFacts(name: name, kind: .gateway, capacity: continent.uplink))
    }
    for number in 0..<Continent.relays {
      _ = map.set(
        NodeFacts(name: Continent.relay(number), kind: .relay, provider: "as\(continent.providerOf[number])"))
    }
    for name in [Continent.branch, Continent.hq] + (0..<Continent.relays).map(Continent.relay) {
      clocks[name] = .microseconds(Int64(random.below(1 << 40)))
    }
    for (number, way) in continent.ways.enumerated() {
      guard let relay = Continent.name(of: number) else {
        report(Continent.branch, Continent.hq, way, &map)
        continue
      }
      let split = way.count - 2  // the far leg and the uplink of hq
      report(Continent.branch, relay, Array(way[..<split]), &map)
      report(relay, Continent.hq, Array(way[split...]), &map)
    }
    return map
  }

  private mutating func report(_ a: String, _ b: String, _ links: [Int], _ map: inout PathMap) {
    let truth = continent.truth(of: links)
    for source in [a, b] {
      let there = delays(truth)
      let back = delays(truth)
      for (from, to, seen) in [(a, b, there), (b, a, back)] {
        let offset = (clocks[to] ?? .zero) - (clocks[from] ?? .zero)
        let verdict = map.receive(
          Measurement(
            source: source, from: from, to: to, oneWay: seen.least + offset, roundTrip: there.least + back.least,
            shape: seen.shape, loss: loss(truth), rate: rate(truth)), at: Reports.now)
        precondition(verdict.isKept, "a report of a continent that is refused: \(verdict)")
      }
    }
  }

  private mutating func delays(_ truth: Continent.Truth) -> (least: Interval, shape: DelayShape) {
    var seen: [Interval] = []
    for _ in 0..<Reports.probes {
      var delay = truth.delay
      for jitter in truth.jitters {
        delay = delay + Interval(nanoseconds: Int64(random.normal() * Double(jitter.nanoseconds)))
      }
      seen.append(max(.microseconds(1), delay))
    }
    let least = seen.min() ?? truth.delay
    let shape = DelayShape(seen.map { DelayShape.Sample(excess: $0 - least, count: 1) })
    return (least, shape ?? DelayShape())
  }

  private mutating func loss(_ truth: Continent.Truth) -> Probability {
    let lost = (0..<Reports.counted).count { _ in random.unit() >= truth.delivered }
    return Probability(partsPerBillion: UInt32(lost * 1_000_000_000 / Reports.counted))
  }

  private mutating func rate(_ truth: Continent.Truth) -> BitRate {
    let factor = 1 + Reports.blur * min(max(random.normal(), -2), 2)
    return BitRate(bitsPerSecond: UInt64(truth.rate * factor))
  }
}
