//  BondMeasurement.swift — what TCP gets over each path alone and over the bond, as `netlab bench` asks it.
//
//      set-up ├─ idle pings ─┤ flows ─┬─── warm-up ───┬─── counted ───┤
//
//  Gateways greet each other and find their paths; then pings say how quick the way is when nothing is on it. Then the
//  flows run for 32 of the slowest round trips, two seconds at least, before anything counts: else it would be measured
//  how long TCP takes to find out. What counts is what applications were given, and the pings that were sent meanwhile.
//
//  A path alone has the same times as the bond, so that what the file plans for a link (its clock starts with the
//  set-up) meets both in the same state.
//
//  In place of TCP there may be a UDP flow at a share of the sum; then what was lost and what came out of order count.

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
    /// Goodput of each tenth of a second that counts, in bits a second.
    public var tenths: [Double]
    /// The longest time in which no ping was answered, while it counts.
    public var longestSilence: Interval
    /// When counting began, on the clock of the topology's events.
    public var countedFrom: Interval
    public var warmUp: Interval
    /// Of the UDP flow, when there was one, from its beginning on.
    public var datagrams: Datagrams?
  }

  public struct Datagrams: Sendable {
    public var sent: Int
    public var lost: Int
    public var disordered: Int
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
    /// Gaps that the receiving gateway did not wait for any longer, for whatever reason.
    public var holes: UInt64
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

  /// Fits every MTU that a path may have.
  private static let datagramLength = 1_200

  public var topology: Topology
  public var seed: UInt64
  public var traces: [String: DeliveryTrace] = [:]
  /// The gateway, 0 or 1, behind which the senders are.
  public var from = 0
  public var flows = 1
  public var time = Interval.seconds(10)
  /// A UDP flow at this share of what TCP could carry at line rate, in place of TCP.
  public var datagramShare: Double?
  public var pingPause = Interval.milliseconds(50)
  /// nil: 32 of the slowest round trips, two seconds at least.
  public var warmUp: Interval?

  public init(_ topology: Topology, seed: UInt64) {
    self.topology = topology
    self.seed = seed
  }

  // MARK: When

  private var slowest: Interval {
    topology.links.map { $0.forward.delay + $0.backward.delay }.max() ?? .zero
  }
  /// A handshake, and an answer over each path, twice.
  private var setUp: Interval { .milliseconds(500) + slowest * 4 }
  private var idleTime: Interval { max(.seconds(1), slowest * 4) }
  private var warmUpTime: Interval { warmUp ?? max(.seconds(2), slowest * 32) }
  /// All of it.
  public var duration: Interval { setUp + idleTime + warmUpTime + time }

  // MARK: What

  public func run() throws -> Result {
    let bond = try BondWorld(topology, seed: seed, traces: traces)
    let together = measure(bond)
    var failures = bond.failures
    var paths: [Path] = []
    for place in bond.links.indices {
      let (figures, sentences) = try self.figures(over: .path(place))
      failures += sentences
      paths.append(
        Path(name: topology.links[bond.links[place]].name, rate: rate(of: place, bond), figures: figures))
    }
    return Result(
      topology: topology.name, paths: paths, bond: together, tallies: [0, 1].map { bond.tally(of: $0) },
      holes: bond.holes(at: 1 - from), failures: failures)
  }

  /// Over one path alone, or over the bond alone.
  public func figures(over course: BondWorld.Course) throws -> (figures: Figures, failures: [String]) {
    let world = try BondWorld(topology, seed: seed, over: course, traces: traces)
    return (measure(world), world.failures)
  }

  private func measure(_ world: BondWorld) -> Figures {
    world.run(for: setUp)
    let pings = world.addPings(from: from, every: pingPause)
    let begin = world.now
    var streams: [TCPFlow] = []
    var steady: UDPFlow?
    // Not all at one moment, and not in step with the pings; so two seeds differ even where nothing else is random.
    var random = SeededRandom(seed: seed).stream(named: "starts")
    func start() -> Interval { idleTime + .microseconds(Int64(random.below(50_000))) }
    if let datagramShare, let rate = lineRate(world) {
      let bits = UInt64(max(1_000, Double(rate.bitsPerSecond) * datagramShare * 1448 / 1514))
      steady = world.addUDP(
        from: from, starting: start(), rate: BitRate(bitsPerSecond: bits), length: BondMeasurement.datagramLength)
    } else {
      for _ in 0..<flows { streams.append(world.addTCP(from: from, starting: start())) }
    }
    func received() -> Int {
      streams.reduce((steady?.received ?? 0) * BondMeasurement.datagramLength) { $0 + $1.received }
    }
    world.run(until: begin + idleTime + warmUpTime)
    let before = received()
    let retransmissions = streams.reduce(0) { $0 + $1.retransmissions }
    let counted = world.now
    let pingsBefore = pings.sent
    var tenths: [Double] = []
    var last = before
    while world.now < counted + time, world.failures.isEmpty {
      world.run(until: min(counted + time, world.now + .milliseconds(100)))
      tenths.append(Double(received() - last) * 80)
      last = received()
    }
    let end = world.now
    let pingsSent = pings.sent - pingsBefore
    // What is on its way is not lost yet.
    steady?.finish()
    pings.finish()
    if world.failures.isEmpty { world.run(for: .seconds(1) + slowest * 2) }
    let loaded = pings.samples.filter { $0.sentAt >= counted }
    let idle = pings.samples.filter { $0.sentAt + $0.roundTrip <= begin + idleTime }
    return Figures(
      goodput: Double(last - before) * 8 / max(1e-9, (end - counted).inSeconds),
      idle: idle.map(\.roundTrip.inMilliseconds).sorted(), loaded: loaded.map(\.roundTrip.inMilliseconds).sorted(),
      pingsLost: max(0, pingsSent - loaded.count),
      retransmissions: streams.reduce(0) { $0 + $1.retransmissions } - retransmissions,
      timeouts: streams.reduce(0) { $0 + $1.timeouts }, recoveries: streams.reduce(0) { $0 + $1.recoveries },
      undone: streams.reduce(0) { $0 + $1.undone }, overtaken: streams.reduce(0) { $0 + $1.overtaken },
      lostOnLines: losses(world), tenths: tenths, longestSilence: pings.longestSilence(from: counted, to: end),
      countedFrom: counted - BondWorld.origin, warmUp: warmUpTime,
      datagrams: steady.map { Datagrams(sent: $0.sent, lost: $0.lost, disordered: $0.disordered) })
  }

  private func rate(of place: Int, _ world: BondWorld) -> BitRate? {
    let link = topology.links[world.links[place]]
    return LinkConditions(link, world.direction(of: place, from: from), traces: traces).line.rate
  }

  /// Of all lines that the world uses together; nil when one has no limit.
  private func lineRate(_ world: BondWorld) -> BitRate? {
    if case .path(let only) = world.course { return rate(of: only, world) }
    var sum: UInt64 = 0
    for place in world.links.indices {
      guard let rate = rate(of: place, world) else { return nil }
      sum += rate.bitsPerSecond
    }
    return BitRate(bitsPerSecond: sum)
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
