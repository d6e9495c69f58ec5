//  RandomWorld.swift — two gateways on one to eight paths, and everything that a seed can do to them.
//
//  A seed chooses sockets and who knows whom, what the lines are like, what the hosts send, how much memory there is,
//  and what happens meanwhile: lines that go down and come back, translators that forget, a gateway that restarts. Then
//  all lines are healed, hosts fall silent, and what must hold in the end is asked.
//
//  Asked.  All that a world asks (GatewayWorld.swift); afterwards everything is at rest, and a ping passes in both
//  directions. Where no line loses or reorders anything and nobody refused a packet, all that was sent came out. Where
//  little is lost and no line goes down, no stream stands still for longer than `mostStandstill`.

import Engine
public import Primitives
import Sealing

public struct RandomWorld {
  /// The most that the engine waits for what is missing, twice (a segment may begin when the one before it is given
  /// up), and what the slowest line takes.
  public static let mostStandstill = Interval.milliseconds(1_300)

  public struct Outcome: Sendable {
    public var failures: [String]
    public var paths: Int
    public var sentPackets: Int
    public var datagrams: Int
    public var lost: Int
    public var missing: Int
    /// Nothing was allowed to be missing.
    public var wasExact: Bool
    /// What the gateways have counted, and what became of each flow.
    public var notes: [String]
  }

  public static func run(seed: UInt64) throws -> Outcome {
    var draw = SeededRandom(seed: seed).stream(named: "random world")
    func chance(_ one: UInt64, in all: UInt64) -> Bool { draw.below(all) < one }
    // Shape.
    let paths = 1 + Int(draw.below(8))
    let isMesh = paths <= 4 && chance(1, in: 3)
    let theirSockets = isMesh || (paths <= 4 && chance(1, in: 2)) ? paths : 1
    let isTranslated = chance(1, in: 2)
    var ours = GatewayPlan(sockets: paths, peers: [.init(1, sockets: Array(0..<theirSockets))])
    var theirs = GatewayPlan(sockets: theirSockets, peers: [.init(0, sockets: isTranslated ? [] : Array(0..<paths))])
    if chance(1, in: 3) {
      let key = (0..<32).map { _ in UInt8(truncatingIfNeeded: draw.next()) }
      ours.peers[0].presharedKey = key
      theirs.peers[0].presharedKey = key
    }
    let isIPv6 = chance(1, in: 3)
    let mtu = [1280, 1400, 1500, 1500, 9000][Int(draw.below(5))]
    func size(_ plan: inout GatewayPlan) {
      plan.isIPv6 = isIPv6
      plan.mtu = mtu
      plan.weights = (0..<plan.sockets).map { _ in UInt32(1 + draw.below(8)) }
      plan.batches = 52 + Int(draw.below(13))
      plan.segmentBytes = 3 << 20 + Int(draw.below(6)) << 20
      plan.mostFlows = 64
      plan.buffers = 4 + Int(draw.below(40))
      plan.mostPieces = chance(1, in: 2) ? 64 : 128
    }
    size(&ours)
    size(&theirs)
    let world = try GatewayWorld(
      seed: seed, [ours, theirs], suites: chance(1, in: 4) ? [.chaCha20Poly1305] : [.aes128GCM, .chaCha20Poly1305])
    world.lingering = chance(1, in: 3) ? 0 : draw.unit() * 0.6
    world.joins = chance(3, in: 4)

    // Lines.
    let isClean = chance(1, in: 3)
    let isRough = !isClean && chance(1, in: 3)
    var places: [(Place, Place)] = []
    for one in 0..<paths {
      for other in 0..<theirSockets where isMesh || theirSockets == 1 || one == other {
        places.append((Place(0, one), Place(1, other)))
      }
    }
    for (one, other) in places {
      let near = randomLine(&draw, isClean: isClean, isRough: isRough)
      var far = chance(1, in: 2) ? near : randomLine(&draw, isClean: isClean, isRough: isRough)
      far.delay = chance(1, in: 2) ? near.delay : far.delay
      world.set(near, from: one, to: other)
      world.set(far, from: other, to: one)
    }

    // Hosts.
    for _ in 0..<(1 + draw.below(7)) { addFlow(to: world, &draw) }

    // What happens.
    let isEventful = !isClean && chance(1, in: 2)
    if isEventful {
      if chance(1, in: 10) { world.refusal = 0.02 }
      for _ in 0..<(1 + draw.below(4)) {
        let (one, other) = places[Int(draw.below(UInt64(places.count)))]
        let moment = Interval.milliseconds(Int64(draw.below(900)))
        switch draw.below(5) {
        case 0, 1:
          let length = Interval.milliseconds(Int64(20 + draw.below(1_500)))
          world.at(moment) { world in world.change(one, other) { $0.isUp = false } }
          world.at(moment + length) { world in world.change(one, other) { $0.isUp = true } }
        case 2: world.at(moment) { world in world.set(Line(delay: .milliseconds(1)), from: one, to: other) }
        case 3: if isTranslated { world.at(moment) { world in world.rebind(one) } }
        default:
          let who = isTranslated && chance(1, in: 2) ? 0 : Int(draw.below(2))
          if chance(1, in: 2) { world.at(moment) { world in try world.start(who) } }
        }
      }
    }

    try world.start(0)
    if chance(1, in: 3) { world.run(for: .milliseconds(Int64(draw.below(300)))) }
    try world.start(1)
    world.run(for: .milliseconds(Int64(600 + draw.below(900))))
    return finish(world, seed, places, isClean: isClean, isCalm: !isEventful && !isRough)
  }

  private static func finish(
    _ world: GatewayWorld, _ seed: UInt64, _ places: [(Place, Place)], isClean: Bool, isCalm: Bool
  ) -> Outcome {
    for index in world.flows.indices { world.flows[index].next = nil }
    for (one, other) in places {
      world.change(one, other) { line in
        let delay = line.delay
        line = Line(delay: delay)
      }
    }
    world.refusal = 0
    // A path that was down is asked again after at most ten seconds, one whose translator forgot it after twenty.
    world.run(for: .seconds(45))
    world.checkRest()
    let missing = world.flows.map(\.missing).reduce(0, +)
    let sent = world.flows.map(\.sentPackets).reduce(0, +)
    if isClean && refusals(in: world) == 0 && missing != 0 {
      world.fail("\(missing) bytes and datagrams are missing, and no line lost any")
    }
    if isCalm {
      for flow in world.flows where flow.longestPause > mostStandstill && flow.pause < .milliseconds(20) {
        world.fail("flow \(flow.index) stood still for \(flow.longestPause.inMilliseconds) ms")
      }
    }
    let last = [(0, 1), (1, 0)].map { world.add(.pings, from: $0.0, to: $0.1, pause: .milliseconds(10), packets: 3) }
    world.run(for: .seconds(2))
    for flow in last where world.flows[flow].missing != 0 {
      world.fail("in the end \(world.flows[flow].missing) of 3 pings from gateway \(world.flows[flow].from) were lost")
    }
    world.checkRest()
    return Outcome(
      failures: world.failures, paths: places.count, sentPackets: sent, datagrams: world.observer.datagrams,
      lost: world.lost, missing: missing, wasExact: isClean, notes: notes(of: world))
  }

  private static func notes(of world: GatewayWorld) -> [String] {
    var notes: [String] = []
    for gateway in world.gateways {
      guard let gateway else { continue }
      let kinds: [Event.Kind] = [.connected, .rekeyed, .disconnected, .pathFound, .pathMoved, .pathUp, .pathDown]
      let history = kinds.map { kind in "\(kind) \(gateway.events.count { $0 == kind })" }.joined(separator: ", ")
      notes.append("gateway \(gateway.number): \(gateway.tally(at: world.now)); \(history)")
    }
    for flow in world.flows {
      notes.append(
        "flow \(flow.index), \(flow.kind) from \(flow.from) every \(flow.pause.inMilliseconds) ms: \(flow.sentPackets) "
          + "packets, \(flow.missing) missing, longest pause \(flow.longestPause.inMilliseconds) ms")
    }
    return notes
  }

  /// Packets that a gateway did not take, or had no memory for.
  private static func refusals(in world: GatewayWorld) -> UInt64 {
    let reasons = ["tooManyFlows", "queueFull", "noRoute", "noSession", "noPath", "noBatch", "unsent", "unwritten"]
    var sum: UInt64 = 0
    for gateway in world.gateways {
      guard let gateway else { continue }
      for reason in reasons { sum += gateway.count("engine", reason, at: world.now) }
      for reason in ["evicted", "dropped", "trimmed"] { sum += gateway.count("queues", reason, at: world.now) }
      for reason in ["full", "holesByMemory", "holesByOverrun"] {
        sum += gateway.count("resequencer", reason, at: world.now)
      }
    }
    return sum
  }

  private static func randomLine(_ draw: inout SeededRandom, isClean: Bool, isRough: Bool) -> Line {
    var line = Line(delay: .microseconds(Int64(100 + draw.below([2_000, 30_000, 120_000][Int(draw.below(3))]))))
    if draw.below(2) == 0 { line.jitter = .microseconds(Int64(draw.below(10_000))) }
    if draw.below(4) == 0 { line.marking = 0.3 }
    if isClean { return line }
    func share() -> Double { draw.unit() * draw.unit() * (isRough ? 0.6 : 0.06) }
    if draw.below(2) == 0 { line.loss = share() }
    if draw.below(3) == 0 { line.duplication = share() }
    if draw.below(3) == 0 { line.corruption = share() }
    if draw.below(3) == 0 { line.reordering = share() }
    line.detour = .microseconds(Int64(100 + draw.below(20_000)))
    if draw.below(4) == 0 { line.rate = BitRate(bitsPerSecond: 1_000_000 * (2 + draw.below(200))) }
    return line
  }

  private static func addFlow(to world: GatewayWorld, _ draw: inout SeededRandom) {
    let family: IPAddress.Family = draw.below(2) == 0 ? .ipv4 : .ipv6
    let size = [536, 1_208, 1_384, 1_448, 8_948][Int(draw.below(5))]
    let kind: UserFlow.Kind
    switch draw.below(8) {
    case 0, 1, 2: kind = .tcp(size: size, most: min(65_000, size * Int(1 + draw.below(45))))
    case 3: kind = .tcp(size: 1_384, most: 1_384)
    case 4: kind = .bursts(size: [64, 500, 1_200, 1_380][Int(draw.below(4))], count: Int(1 + draw.below(40)))
    case 5, 6:
      let least = 8 + Int(draw.below(200))
      kind = .datagrams(least: least, most: draw.below(2) == 0 ? least : least + Int(draw.below(1_200)))
    default: kind = draw.below(2) == 0 ? .pings : .fragments
    }
    var isOld = family == .ipv4
    if case .fragments = kind { isOld = true }
    let from = Int(draw.below(2))
    let flow = world.add(
      kind, from: from, to: 1 - from, family: isOld ? .ipv4 : .ipv6,
      pause: .microseconds(Int64(draw.below(draw.below(2) == 0 ? 300 : 12_000))), packets: Int(10 + draw.below(110)),
      starting: .milliseconds(Int64(draw.below(700))))
    world.flows[flow].trafficClass = UInt8([0, 2, 1, 0x88, 0xb8 | 2][Int(draw.below(5))])
  }
}
