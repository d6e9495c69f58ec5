//  BondMeasurement.swift — what TCP gets over each path alone and over the bond, as `netlab bench` asks it.
//
//      idle pings          warm-up                 counted
//      ├──────────┤ flows ─┤──────────────────────┤───────────────────┤
//
//  First pings say how quick the way is when nothing is on it. Then the flows run for 32 of the slowest round trips,
//  two seconds at least, before anything counts: else it would be measured how long TCP takes to find out. What counts
//  is what applications were given, and the pings that were sent meanwhile.
//
//  The time of a topology's events is that of the world, which begins with the idle pings.

public import Primitives
public import Simulation
public import Topology

public struct BondMeasurement {
  public struct Figures: Sendable {
    public var goodput: Double
    /// Round trips in milliseconds, sorted.
    public var idle: [Double]
    public var loaded: [Double]
    public var pingsLost: Int
    public var retransmissions: UInt64
    public var timeouts: UInt64
    /// Reductions of the window, and those of them that were taken back.
    public var recoveries: UInt64
    public var undone: UInt64
    /// Packets that others of their flow overtook.
    public var overtaken: UInt64
    /// What lines did not carry: queues that were full, chance, frames too long, links that were down.
    public var lostOnLines: String
    /// Goodput of each half second that counts.
    public var halves: [Double]
    public var warmUp: Interval
  }

  public struct Path: Sendable {
    public var name: String
    /// Of the line, in the direction of the flows; nil: unlimited.
    public var rate: BitRate?
    public var figures: Figures
  }

  public struct Result: Sendable {
    public var topology: String
    public var paths: [Path]
    public var bond: Figures
    /// Counters of both gateways that are not zero.
    public var tallies: [String]
    public var failures: [String]

    public var best: Double { paths.map(\.figures.goodput).max() ?? 0 }
    public var bestRatio: Double { best > 0 ? bond.goodput / best : 0 }
    /// What TCP could carry at line rate on all paths together, when all have a rate.
    public var sum: Double? {
      let rates = paths.compactMap(\.rate)
      guard rates.count == paths.count else { return nil }
      return rates.reduce(0) { $0 + Double($1.bitsPerSecond) } * 1448 / 1514
    }
    public var sumRatio: Double? { sum.map { bond.goodput / $0 } }
  }

  public var topology: Topology
  public var seed: UInt64
  public var traces: [String: DeliveryTrace] = [:]
  /// The gateway, 0 or 1, behind which the senders are.
  public var from = 0
  public var flows = 1
  public var time = Interval.seconds(10)
  /// nil: 32 of the slowest round trips, two seconds at least.
  public var warmUp: Interval?

  public init(_ topology: Topology, seed: UInt64) {
    self.topology = topology
    self.seed = seed
  }

  public func run() throws -> Result {
    let bond = try bondWorld()
    let together = measure(bond)
    var failures = bond.failures
    var paths: [Path] = []
    for place in bond.links.indices {
      let (figures, sentences) = try self.figures(over: .path(place))
      failures += sentences
      let link = topology.links[bond.links[place]]
      let rate = LinkConditions(link, bond.direction(of: place, from: from), traces: traces).line.rate
      paths.append(Path(name: link.name, rate: rate, figures: figures))
    }
    return Result(
      topology: topology.name, paths: paths, bond: together, tallies: [0, 1].map { bond.tally(of: $0) },
      failures: failures)
  }

  /// Over one path alone, or over the bond alone.
  public func figures(over course: BondWorld.Course) throws -> (figures: Figures, failures: [String]) {
    let world: BondWorld
    switch course {
    case .bond: world = try bondWorld()
    case .path: world = try BondWorld(topology, seed: seed, over: course, traces: traces)
    }
    return (measure(world), world.failures)
  }

  /// When all paths are there; a path that is down now is used when it comes.
  private func bondWorld() throws -> BondWorld {
    let world = try BondWorld(topology, seed: seed, traces: traces)
    _ = world.run(atMost: .seconds(3)) { world.pathsUp == world.links.count }
    world.run(for: .milliseconds(500))
    return world
  }

  private func measure(_ world: BondWorld) -> Figures {
    let slowest = slowestRoundTrip(world)
    let idleTime = max(.seconds(1), slowest * 4)
    let warmUp = self.warmUp ?? max(.seconds(2), slowest * 32)
    let pings = world.addPings(from: from)
    let begin = world.now
    var streams: [TCPFlow] = []
    // Not all at one moment, and not in step with the pings; so two seeds differ even where nothing else is random.
    var random = SeededRandom(seed: seed).stream(named: "starts")
    for _ in 0..<flows {
      streams.append(world.addTCP(from: from, starting: idleTime + .microseconds(Int64(random.below(50_000)))))
    }
    world.run(until: begin + idleTime + warmUp)
    let before = streams.reduce(0) { $0 + $1.received }
    let retransmissions = streams.reduce(0) { $0 + $1.retransmissions }
    let counted = world.now
    let pingsBefore = pings.sent
    var halves: [Double] = []
    var last = before
    while world.now < counted + time, world.failures.isEmpty {
      world.run(until: min(counted + time, world.now + .milliseconds(500)))
      let received = streams.reduce(0) { $0 + $1.received }
      halves.append(Double(received - last) * 16)
      last = received
    }
    let end = world.now
    let loaded = pings.samples.filter { $0.sentAt >= counted }
    let idle = pings.samples.filter { $0.sentAt + $0.roundTrip <= begin + idleTime }
    let stillOnTheWay = pings.samples.isEmpty ? 0 : Int((slowest.inMilliseconds * 2 + 200) / 50)
    return Figures(
      goodput: Double(last - before) * 8 / max(1e-9, (end - counted).inSeconds),
      idle: idle.map(\.roundTrip.inMilliseconds).sorted(), loaded: loaded.map(\.roundTrip.inMilliseconds).sorted(),
      pingsLost: max(0, pings.sent - pingsBefore - loaded.count - stillOnTheWay),
      retransmissions: streams.reduce(0) { $0 + $1.retransmissions } - retransmissions,
      timeouts: streams.reduce(0) { $0 + $1.timeouts }, recoveries: streams.reduce(0) { $0 + $1.recoveries },
      undone: streams.reduce(0) { $0 + $1.undone }, overtaken: streams.reduce(0) { $0 + $1.overtaken },
      lostOnLines: losses(world), halves: halves, warmUp: warmUp)
  }

  private func slowestRoundTrip(_ world: BondWorld) -> Interval {
    var slowest = Interval.zero
    for (place, link) in world.links.enumerated() {
      if case .path(let only) = world.course, only != place { continue }
      slowest = max(slowest, topology.links[link].forward.delay + topology.links[link].backward.delay)
    }
    return slowest
  }

  private func losses(_ world: BondWorld) -> String {
    var words: [String] = []
    for (place, link) in world.links.enumerated() {
      let counters = world.counters(of: place, from: from)
      let reasons = [
        ("full", counters.queueFull), ("chance", counters.lostByChance), ("cut", counters.cut),
        ("down", counters.down), ("too big", counters.tooBig),
      ]
      let said = reasons.filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }
      if !said.isEmpty { words.append("\(topology.links[link].name) \(said.joined(separator: ", "))") }
    }
    return words.joined(separator: "; ")
  }
}

/// The value below which this share of sorted values lies, between neighbours where it falls between them.
public func quantile(_ share: Double, of sorted: [Double]) -> Double? {
  guard let last = sorted.last else { return nil }
  let position = max(0, min(1, share)) * Double(sorted.count - 1)
  let below = Int(position)
  if below + 1 >= sorted.count { return last }
  return sorted[below] + (sorted[below + 1] - sorted[below]) * (position - Double(below))
}
