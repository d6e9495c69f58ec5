//  SimulationRun.swift — one simulation of a topology for people: what does each of its paths carry?
//
//  Over every path between the first two gateways run a bulk flow and a series of pings, all at the same time; paths
//  that share a link share it. For the first fifth of the time (two seconds at most) there are only pings, which
//  measure the idle round trip; then the flows start. What the file plans to happen to the links happens at its time.
//
//  The seed also moves the starts of flows and pings by some milliseconds, so that two seeds differ even where no link
//  has anything random, and no result hangs on two machines that start in step.

public import Primitives
public import Topology

public struct SimulationRun {
  /// Why there is nothing to simulate: one sentence for the user.
  public struct Unable: Error, Equatable, CustomStringConvertible {
    public let description: String
  }

  /// A day; the event log of a busy second has a million lines.
  public static let longest = Interval.seconds(86_400)
  /// Twenty a second: enough for a 99th percentile of ten seconds, and 16 kbit/s.
  private static let pingInterval = Interval.milliseconds(50)
  /// A sender's card, on a path whose lines have rates; and on one without, where nothing else limits it.
  private static let card = BitRate(bitsPerSecond: 10_000_000_000)
  private static let cardOnPlainPath = BitRate(bitsPerSecond: 1_000_000_000)

  public var topology: Topology
  /// The content of every file that `topology.traceFiles` names.
  public var traces: [String: DeliveryTrace]
  public var seed: UInt64
  public var duration: Interval
  public var log: (any ByteSink)?
  public var capture: (any ByteSink)?
  /// Whether the capture shows a packet also when it leaves.
  public var captureIncludesSending = false

  public init(
    _ topology: Topology, traces: [String: DeliveryTrace] = [:], seed: UInt64, duration: Interval = .seconds(10),
    log: (any ByteSink)? = nil, capture: (any ByteSink)? = nil
  ) {
    precondition(duration > .zero && duration <= SimulationRun.longest, "a simulation lasts up to a day")
    self.topology = topology
    self.traces = traces
    self.seed = seed
    self.duration = duration
    self.log = log
    self.capture = capture
  }

  private struct Traffic {
    var path: Topology.Path
    var sender: FlowSender
    var receiver: FlowReceiver
    var pinger: Pinger
    var start: Instant
    var segment: ByteCount
  }

  public func run() throws(Unable) -> SimulationSummary {
    let (from, to) = try ends()
    let paths = topology.paths(from: from, to: to)
    if paths.isEmpty {
      throw Unable(
        description: "there is no path from \(topology.nodes[from].name) to \(topology.nodes[to].name): only routers, "
          + "nats and a single relay may stand between them")
    }
    var world = World(
      topology, traces: traces, seed: seed, log: log, capture: capture, captureIncludesSending: captureIncludesSending)
    var random = SeededRandom(seed: seed).stream(named: "traffic")
    let idle = min(.seconds(2), duration / 5)
    let traffic = paths.map { path in place(path, from, to, after: idle, in: &world, &random) }
    world.run(until: .zero + duration)
    world.flush()
    return summary(of: world, traffic, from, to, idle: idle)
  }

  /// The first two gateways; without them, the first two others that could be the ends of something.
  private func ends() throws(Unable) -> (Int, Int) {
    let connected = topology.nodes.indices.filter { !topology.links(at: $0).isEmpty }
    let gateways = connected.filter { topology.nodes[$0].kind == .gateway }
    if gateways.count >= 2 { return (gateways[0], gateways[1]) }
    let others = connected.filter { topology.nodes[$0].kind != .relay && topology.nodes[$0].kind != .oracle }
    if others.count >= 2 { return (others[0], others[1]) }
    throw Unable(
      description: "topology \(topology.name) has nothing to send between: it needs two gateways with links, or two "
        + "hosts, routers or nats with links")
  }

  private func place(
    _ path: Topology.Path, _ from: Int, _ to: Int, after idle: Interval, in world: inout World,
    _ random: inout SeededRandom
  ) -> Traffic {
    let segment = segmentLength(on: path)
    let start = Instant.zero + idle + .nanoseconds(Int64(random.below(10_000_000)))
    let firstPing = Instant.zero + .nanoseconds(Int64(random.below(UInt64(SimulationRun.pingInterval.nanoseconds))))
    let isPlain = path.hops.allSatisfy { topology.links[$0.link][$0.direction].rate == nil }
    let traffic = Traffic(
      path: path,
      sender: FlowSender(
        startingAt: start, segment: segment, card: isPlain ? SimulationRun.cardOnPlainPath : SimulationRun.card),
      receiver: FlowReceiver(segment: segment),
      pinger: Pinger(startingAt: firstPing, every: SimulationRun.pingInterval),
      start: start, segment: segment)
    let ends = [(traffic.sender as any Machine, traffic.receiver as any Machine), (traffic.pinger, Ponger())]
    for (left, right) in ends {
      let a = world.attach(left, at: from)
      let b = world.attach(right, at: to)
      _ = world.connect(a, b, over: path)
    }
    return traffic
  }

  /// What fits the smallest MTU that a link of the path ever has.
  private func segmentLength(on path: Topology.Path) -> ByteCount {
    var smallest = 1_500
    for hop in path.hops { smallest = min(smallest, topology.links[hop.link].mtu?.value ?? 1_500) }
    for event in topology.events where path.hops.contains(where: { $0.link == event.link }) {
      guard case .attributes(let attributes) = event.change else { continue }
      for case .mtu(let bytes) in attributes { smallest = min(smallest, bytes.value) }
    }
    let headers = (World.overhead(isIPv6: false) - LinkConditions.frameHeader).value + TrafficDatagram.headerLength
    return ByteCount(smallest - headers)
  }

  // MARK: The result

  private func summary(
    of world: borrowing World, _ traffic: [Traffic], _ from: Int, _ to: Int, idle: Interval
  ) -> SimulationSummary {
    let users = topology.links.indices.map { link in
      traffic.count { $0.path.hops.contains { $0.link == link } }
    }
    let end = Instant.zero + duration
    let paths = traffic.map { one in
      let samples = one.pinger.samples
      let before = samples.filter { $0.sent + $0.roundTrip <= one.start }
      let during = samples.filter { $0.sent >= one.start }
      let bits = Double(one.receiver.received.value) * 8
      let frame = one.segment.value + TrafficDatagram.headerLength + World.overhead(isIPv6: false).value
      var rates: [BitRate] = []
      for hop in one.path.hops {
        let line = LinkConditions(topology.links[hop.link], hop.direction, traces: traces).line
        if let rate = line.rate { rates.append(rate) }
      }
      return SimulationSummary.PathReport(
        name: one.path.name, relay: one.path.relay.map { topology.nodes[$0].name }, rate: rates.min(),
        payloadShare: Double(one.segment.value) / Double(frame),
        goodput: one.start < end ? bits / (end - one.start).inSeconds : 0,
        eachSecond: one.receiver.receivedInSecond.map { $0 * 8 }, flow: one.sender.counters,
        idle: .init(before.map(\.roundTrip)), loaded: .init(during.map(\.roundTrip)), pings: one.pinger.sent,
        pingsAnswered: samples.count,
        shared: one.path.hops.map(\.link).filter { users[$0] > 1 }.map { topology.links[$0].name })
    }
    var lines: [SimulationSummary.LineReport] = []
    for link in topology.links.indices {
      for direction in Topology.Direction.allCases {
        let counters = world.counters(of: link, direction)
        let hop = topology.ends(of: Topology.Hop(link: link, direction: direction))
        lines.append(
          SimulationSummary.LineReport(
            link: topology.links[link].name, from: topology.nodes[hop.from].name, to: topology.nodes[hop.to].name,
            direction: direction, rate: world.conditions(of: link, direction).line.rate,
            utilisation: world.utilisation(of: link, direction),
            counters: counters))
      }
    }
    let events = topology.events.filter { .zero + $0.time <= end }.enumerated()
      .sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
      .map {
        SimulationSummary.EventReport(
          time: $0.element.time, link: topology.links[$0.element.link].name, change: $0.element.change.printed)
      }
    return SimulationSummary(
      topology: topology.name, seed: seed, duration: duration, idle: idle, from: topology.nodes[from].name,
      to: topology.nodes[to].name, paths: paths, lines: lines, events: events, counters: world.counters,
      packetsInside: world.packetsInside)
  }
}
