//  RandomBond.swift — two gateways and the links between them as chance makes them, from a seed.
//
//  Why.  Mechanisms that were tried on sixteen files are good at sixteen files. Here are others: 1 to 8 links of 1 to
//  1,000 Mbit/s (each tenfold as likely as the next) and 1 to 300 ms, some with jitter, loss, bursts of it, duplicates,
//  flipped bits, short or long queues, odd MTUs; and links that go down, come back, or change, while traffic flows.
//
//  All values are round, so the topology can be printed as a file, and a seed that failed can be looked at and changed
//  by hand. A link that goes down comes back within three seconds, and everything is up before the end.

public import Primitives
public import Topology

public enum RandomBond {
  /// How much goes wrong.
  public enum Weather: String, CaseIterable, Sendable {
    /// Rates, delays and queues of all kinds, and nothing lost but in queues.
    case fair
    /// Jitter and loss as well.
    case rough
    /// And links that change.
    case stormy
  }

  public static let mostPaths = 8

  /// Events are within `time`.
  public static func topology(
    seed: UInt64, _ weather: Weather = .stormy, mostPaths: Int = RandomBond.mostPaths, time: Interval = .seconds(10)
  ) -> Topology {
    var random = SeededRandom(seed: seed).stream(named: "bond")
    var topology = Topology(name: "random-\(seed)")
    topology.nodes = [
      Topology.Node(name: "branch", kind: .gateway), Topology.Node(name: "hq", kind: .gateway),
      Topology.Node(name: "alice", kind: .host, behind: 0), Topology.Node(name: "bob", kind: .host, behind: 1),
    ]
    // Two or three are what most people have.
    let most = UInt64(max(1, mostPaths))
    let count = Int(min(most, random.below(3) == 0 ? 1 + random.below(most) : 2 + random.below(2)))
    for number in 0..<count {
      topology.links.append(link("p\(number)", weather, &random))
    }
    if weather == .stormy {
      for number in 0..<count where random.below(2) == 0 {
        topology.events += events(of: number, topology.links[number], time, &random)
      }
    }
    return topology
  }

  private static func link(_ name: String, _ weather: Weather, _ random: inout SeededRandom) -> Topology.Link {
    var link = Topology.Link(name: name, a: 0, b: 1)
    link.apply(rate(&random))
    let delay = Interval.microseconds(Int64(logarithmic(1_000, 300_000, &random)) / 100 * 100)
    link.apply(.delay(Topology.Pair(both: delay)))
    switch random.below(4) {
    case 0: link.apply(.queue(Topology.Pair(both: .time(.milliseconds(Int64(logarithmic(5, 500, &random)))))))
    case 1: link.apply(.queue(Topology.Pair(both: .bytes(ByteCount(1_000 * logarithmic(20, 2_000, &random))))))
    default: break
    }
    if random.below(4) == 0 {
      link.apply(.mtu(ByteCount(random.below(6) == 0 ? 9_000 : Int(1_280 + random.below(221)))))
    }
    if weather == .fair { return link }
    if random.below(3) == 0 {
      let most = max(1, min(40_000, Int(delay.nanoseconds / 1_000)))
      let jitter = Interval.microseconds(Int64(logarithmic(100, max(101, most), &random)))
      link.apply(.jitter(Topology.Pair(both: jitter), reorders: random.below(8) == 0))
    }
    if random.below(3) == 0 { link.apply(loss(&random)) }
    if random.below(10) == 0 { link.apply(.duplicate(Topology.Pair(both: share(0.02, &random)))) }
    if random.below(10) == 0 { link.apply(.corrupt(Topology.Pair(both: share(0.005, &random)))) }
    return link
  }

  private static func events(
    of number: Int, _ link: Topology.Link, _ time: Interval, _ random: inout SeededRandom
  ) -> [Topology.Event] {
    var events: [Topology.Event] = []
    let tenths = UInt64(max(10, time.nanoseconds / 100_000_000))
    func add(_ tenth: UInt64, _ change: Topology.Change) {
      events.append(Topology.Event(time: .milliseconds(Int64(tenth) * 100), link: number, change: change))
    }
    for _ in 0..<1 + random.below(3) {
      let at = random.below(tenths)
      switch random.below(4) {
      case 0, 1:
        add(at, .down)
        add(min(tenths, at + 1 + random.below(30)), .up)
      case 2: add(at, .attributes([rate(&random)]))
      default: add(at, .attributes([random.below(2) == 0 ? loss(&random) : .delay(link.forwardDelay(&random))]))
      }
    }
    // Two outages may overlap, and the first return is then too early; the last is not.
    add(tenths, .up)
    return events
  }

  private static func rate(_ random: inout SeededRandom) -> Topology.Attribute {
    func one() -> Topology.Rate {
      .fixed(BitRate(bitsPerSecond: 100_000 * UInt64(logarithmic(10, 10_000, &random))))
    }
    let there = one()
    return .rate(random.below(3) == 0 ? Topology.Pair(there, one()) : Topology.Pair(both: there))
  }

  private static func loss(_ random: inout SeededRandom) -> Topology.Attribute {
    .loss(
      Topology.Pair(both: share(0.04, &random)), burst: random.below(3) == 0 ? Int(2 + random.below(20)) : nil)
  }

  /// Small ones are as likely as large ones; in steps of a hundredth of a per cent.
  private static func share(_ most: Double, _ random: inout SeededRandom) -> Probability {
    let steps = max(1, Int(most * 10_000 * random.unit() * random.unit()))
    return Probability(partsPerBillion: UInt32(steps * 100_000))
  }

  /// Each doubling is as likely as the next.
  private static func logarithmic(_ least: Int, _ most: Int, _ random: inout SeededRandom) -> Int {
    var low = least
    var doublings: [Range<Int>] = []
    while low < most {
      doublings.append(low..<min(2 * low, most))
      low *= 2
    }
    if doublings.isEmpty { return least }
    let range = doublings[Int(random.below(UInt64(doublings.count)))]
    return range.lowerBound + Int(random.below(UInt64(range.count)))
  }
}

extension Topology.Link {
  /// Half as long or twice as long as now.
  fileprivate func forwardDelay(_ random: inout SeededRandom) -> Topology.Pair<Interval> {
    Topology.Pair(both: random.below(2) == 0 ? forward.delay / 2 : forward.delay * 2)
  }
}
