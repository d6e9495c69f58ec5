//  Continent.swift — two sites at the ends of a continent and twelve relays in between, as chance makes them.
//
//  How.  Places are drawn on a map that light crosses in 30 ms; providers do not take the straight way, so each leg has
//  a detour of its own, and for a good part of the relays the way over them is shorter than the direct one. Every leg
//  has a rate, a loss and a jitter of its own. Two or three relays hang on one provider as a rule, and what they carry
//  together passes its backbone; everything passes the uplinks of both sites:
//
//      branch ── up ── west ─┬─ backbone A ─┬─ near1 ── r1 ── far1 ─┬─ east ── down ── hq
//                            │              └─ near2 ── r2 ── far2 ─┤
//                            ├─ near3 ── r3 ── far3 ────────────────┤      who is alone has no backbone
//                            └─ direct ─────────────────────────────┘
//
//  A backbone carries 0.7 to 1.6 times the fastest way over it: sometimes it is the bottleneck of each, sometimes only
//  of both. Rates are a quarter of what such sites have today, since a simulation costs what it carries.

import Primitives
import Topology

struct Continent {
  static let relays = 12
  static let providers = 7
  private static let across = 30.0

  let seed: UInt64
  private(set) var topology: Topology
  /// What may be chosen: the direct way first, then relay by relay; links from branch to hq.
  private(set) var ways: [[Int]] = []
  /// Of each relay.
  private(set) var providerOf: [Int] = []
  let uplink: BitRate

  static let branch = "branch"
  static let hq = "hq"
  static func relay(_ number: Int) -> String { "r\(number + 1)" }
  /// nil for the direct way.
  static func name(of way: Int) -> String? { way == 0 ? nil : relay(way - 1) }

  init(seed: UInt64) {
    self.seed = seed
    var random = SeededRandom(seed: seed).stream(named: "continent")
    topology = Topology(name: "continent-\(seed)")
    for (name, kind) in [
      (Continent.branch, Topology.Node.Kind.gateway), (Continent.hq, .gateway), ("west", .router), ("east", .router),
    ] { topology.nodes.append(Topology.Node(name: name, kind: kind)) }
    uplink = Continent.megabits(50 + 50 * random.unit())
    let up = add("up", 0, 2, uplink, milliseconds: 1)
    let down = add("down", 3, 1, uplink, milliseconds: 1)

    let direct = add(
      "direct", 2, 3, Continent.megabits(6 + 12 * random.unit()),
      milliseconds: Continent.across * (1.2 + 1.4 * random.unit()))
    weather(direct, &random)
    ways.append([up, direct, down])

    var legs: [(near: Int, far: Int, provider: Int)] = []
    for number in 0..<Continent.relays {
      topology.nodes.append(Topology.Node(name: Continent.relay(number), kind: .relay))
      let node = topology.nodes.count - 1
      let (x, y) = (1.2 * random.unit() - 0.1, random.unit() - 0.5)
      func detour() -> Double { 1.05 + 1.6 * random.unit() * random.unit() }
      func delay(_ dx: Double) -> Double { 2 + Continent.across * detour() * (dx * dx + y * y).squareRoot() }
      let near = add("near\(number + 1)", 2, node, Continent.rate(&random), milliseconds: delay(x))
      let far = add("far\(number + 1)", node, 3, Continent.rate(&random), milliseconds: delay(1 - x))
      weather(near, &random)
      weather(far, &random)
      legs.append((near, far, Int(random.below(UInt64(Continent.providers)))))
    }
    providerOf = legs.map(\.provider)
    var backbones: [Int?] = []
    for provider in 0..<Continent.providers {
      let customers = legs.filter { $0.provider == provider }
      let factor = 0.7 + 0.9 * random.unit()
      guard customers.count > 1 else {
        backbones.append(nil)
        continue
      }
      let fastest = customers.map { min(rate(of: $0.near), rate(of: $0.far)) }.max() ?? 0
      topology.nodes.append(Topology.Node(name: "p\(provider)", kind: .router))
      let node = topology.nodes.count - 1
      backbones.append(add("backbone\(provider)", 2, node, Continent.megabits(fastest * factor), milliseconds: 0.2))
      for leg in customers { topology.links[leg.near].a = node }
    }
    for leg in legs {
      ways.append([up] + (backbones[leg.provider].map { [$0] } ?? []) + [leg.near, leg.far, down])
    }
  }

  // MARK: Links

  /// 5 to 25 Mbit/s, each doubling as likely as the next, nearly.
  private static func rate(_ random: inout SeededRandom) -> BitRate {
    let share = random.unit()
    return megabits(5 + 20 * share * share)
  }

  static func megabits(_ megabits: Double) -> BitRate { BitRate(bitsPerSecond: UInt64(megabits * 1_000) * 1_000) }

  private mutating func add(_ name: String, _ a: Int, _ b: Int, _ rate: BitRate, milliseconds: Double) -> Int {
    var link = Topology.Link(name: name, a: a, b: b)
    link.apply(.rate(Topology.Pair(both: .fixed(rate))))
    link.apply(.delay(Topology.Pair(both: .microseconds(Int64(milliseconds * 10) * 100))))
    topology.links.append(link)
    return topology.links.count - 1
  }

  /// Half of all legs lose something, up to one in a hundred; half of them jitter, by up to 4 ms.
  private mutating func weather(_ link: Int, _ random: inout SeededRandom) {
    let loss = random.unit() * random.unit()
    if random.below(2) == 0 {
      topology.links[link].apply(
        .loss(Topology.Pair(both: Probability(partsPerBillion: UInt32(loss * 1e7))), burst: nil))
    }
    let jitter = 0.2 + 3.8 * random.unit() * random.unit()
    if random.below(2) == 0 {
      topology.links[link].apply(
        .jitter(Topology.Pair(both: .microseconds(Int64(jitter * 1_000))), reorders: false))
    }
  }

  /// In Mbit/s.
  private func rate(of link: Int) -> Double {
    guard case .fixed(let rate) = topology.links[link].forward.rate else { return 0 }
    return Double(rate.bitsPerSecond) / 1e6
  }

  // MARK: The truth

  /// What a row of links is like from end to end.
  struct Truth {
    var rate = 0.0
    var delay = Interval.zero
    var jitters: [Interval] = []
    var delivered = 1.0

    /// Of all of them together.
    var deviation: Interval {
      let squares = jitters.reduce(0.0) { $0 + Double($1.nanoseconds) * Double($1.nanoseconds) }
      return Interval(nanoseconds: Int64(squares.squareRoot()))
    }
  }

  func truth(of links: some Sequence<Int>) -> Truth {
    var truth = Truth(rate: .infinity)
    for number in links {
      let shape = topology.links[number].forward
      truth.rate = min(truth.rate, rate(of: number) * 1e6)
      truth.delay = truth.delay + shape.delay
      if shape.jitter > .zero { truth.jitters.append(shape.jitter) }
      truth.delivered *= 1 - shape.loss.fraction
    }
    return truth
  }

  /// How many relays are a shorter way than none.
  var shortcuts: Int {
    let direct = truth(of: ways[0]).delay
    return ways.dropFirst().count { truth(of: $0).delay < direct }
  }
}
