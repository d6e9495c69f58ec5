//  BondWorld.swift — two whole gateways over the links of a topology, and hosts behind them whose TCP behaves like
//  Linux's, in simulated time.
//
//  Why.  "Is the bond faster than its best link?" is asked in the lab in real time, on a machine whose noise spoils the
//  answer, once. Here a seed gives the answer, the same one each time, in a hundredth of it; and who changes a
//  mechanism can look at each packet of it.
//
//  How.  The clock jumps to the next deadline; at equal times lines come first, then gateways, then flows:
//
//      flow ─▶ HostCard ─▶ DeviceQueue ─▶ engine ─▶ batch ─▶ Link, a datagram each ─▶ engine ─▶ delivery ─▶ flow
//      flow ─▶ HostCard ─▶ Link, a packet each ─▶ flow                                          over one path alone
//
//  Processors are infinitely fast: a turn takes no time, so what is measured is what was decided, and never how long it
//  took. Datagrams that come from one line at the same moment are joined as the kernel joins them. A gateway has the
//  driver's numbers of buffers and batches; behind them wait as many packets as a TUN device's queue holds, and the
//  next is dropped.
//
//  Over one path alone there are no gateways but plain routers: what TCP gets there is what the bond must not be worse
//  than.
//
//  Always asked.  Each delivery is a packet that the other host sent, bytes, headers and checksums (TrafficCheck, and
//  each flow's own rules); no buffer comes back twice; time goes on. `failures` has a sentence for each that did not
//  hold. Nonces and secrets are GatewayWorld's to ask after.
//
//  Not here.  Hosts' own links, what a relay's program does, translators. A way over a relay is a way over two links.

import Crypto
public import Engine
import Handshake
import Packets
public import Primitives
import Resequencer
import Sealing
public import Simulation
import Status
public import Topology

public final class BondWorld {
  public enum Course: Sendable {
    case bond
    /// A way's place among those between the gateways.
    case path(Int)
  }

  /// Linux's default for a TUN device.
  static let deviceQueue = 500
  static let origin = Instant(nanoseconds: 1_000_000_000)
  static let mostStepsAtOneMoment = 1 << 16
  /// What UDP and IPv4 add to a datagram, and Ethernet to a packet.
  static let datagramHeaders = World.overhead(isIPv6: false).value
  static let packetHeaders = LinkConditions.frameHeader.value

  public let topology: Topology
  public let seed: UInt64
  public let course: Course
  public private(set) var now = BondWorld.origin
  public internal(set) var failures: [String] = []
  /// Packets that found a device's queue full, by gateway.
  public internal(set) var droppedAtDevice = [0, 0]
  /// Datagrams for addresses that no line leads to.
  public internal(set) var unreachable = 0
  public private(set) var steps = 0

  var lines: BondLines
  var gateways: [TestGateway] = []
  var arrivals = [RingBox(), RingBox()]
  var devices: [DeviceQueue] = []
  let cards = [HostCard(), HostCard()]
  var flows: [any HostFlow] = []
  var events: [Topology.Event]
  var eventsDone = 0
  /// 0: the topology; then lines, the two gateways, their hosts' cards, flows.
  var deadlines: DeadlineQueue
  let firstGateway: Int
  let firstCard: Int
  let firstFlow: Int
  var random: SeededRandom
  let scratch = Memory(1 << 17)
  var stillSteps = 0

  /// A queue that an array can hold.
  final class RingBox { var ring = RingBuffer<Arrived>() }

  struct Arrived: BitwiseCopyable {
    var slot: UInt32
    var way: UInt32
  }

  /// Gateways begin to greet each other now; what the file plans for its links happens that long from now.
  /// `ways` are lists of links, by their places in the file; nil: each link that joins the gateways is one. `adjust`
  /// writes into the configurations what a topology does not say.
  public init(
    _ topology: Topology, seed: UInt64, over course: Course = .bond, ways: [[Int]]? = nil,
    traces: [String: DeliveryTrace] = [:],
    adjust: (_ gateway: Int, inout GatewaySettings) -> Void = { _, _ in }
  ) throws {
    let lines = try BondLines(topology, ways: ways, traces: traces, seed: seed)
    let count = lines.links.count
    self.topology = topology
    self.seed = seed
    self.course = course
    events = topology.events.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
      .map(\.element)
    firstGateway = 1 + 2 * count
    firstCard = firstGateway + 2
    firstFlow = firstCard + 2
    deadlines = DeadlineQueue(count: firstFlow)
    random = SeededRandom(seed: seed).stream(named: "hosts")
    self.lines = lines
    if case .bond = course { try makeGateways(adjust) }
    if let first = events.first { deadlines.set(0, BondWorld.origin + first.time) }
  }

  private func makeGateways(_ adjust: (Int, inout GatewaySettings) -> Void) throws {
    let library = try GatewayWorld.library.get()
    let identities = (0..<2 as Range<UInt64>).map { gateway in
      let cryptography = CopyingCryptography(library, seed: seed &* 2 &+ gateway)
      var secret = Secret()
      secret.withMutableBytes { cryptography.random($0) }
      return Identity(privateKey: secret, cryptography)
    }
    for gateway in 0..<2 {
      var settings = BondSettings.make(gateway, lines, peerKey: identities[1 - gateway].publicKey)
      adjust(gateway, &settings)
      let made = try TestGateway(
        gateway, run: 0, plan: BondSettings.plan(paths: lines.ways.count), settings: settings,
        identity: identities[gateway])
      gateways.append(made)
      devices.append(DeviceQueue(capacity: BondWorld.deviceQueue))
      made.engine.start(at: now)
      turn(gateway)
    }
  }

  // MARK: Flows

  /// What slots do not hold of frames on lines.
  var headers: Int {
    if case .bond = course { return BondWorld.datagramHeaders }
    return BondWorld.packetHeaders - OffloadHeader.length
  }

  /// The numbers of the topology's links that ways lead over.
  public var links: [Int] { lines.links }

  public func addTCP(from gateway: Int, starting: Interval = .zero) -> TCPFlow {
    let flow = TCPFlow(ends(from: gateway), startingAt: now + starting)
    add(flow)
    return flow
  }

  public func addPings(from gateway: Int, starting: Interval = .zero, every: Interval = .milliseconds(50)) -> PingFlow {
    let flow = PingFlow(ends(from: gateway), startingAt: now + starting, every: every)
    add(flow)
    return flow
  }

  public func addUDP(
    from gateway: Int, starting: Interval = .zero, rate: BitRate, length: Int = 1_200
  ) -> UDPFlow {
    let flow = UDPFlow(ends(from: gateway), startingAt: now + starting, rate: rate, length: length)
    add(flow)
    return flow
  }

  func ends(from gateway: Int) -> FlowEnds {
    var mtu = BondSettings.usualMTU
    // Hosts find out what a path carries; a bond carries what they are used to.
    if case .path(let path) = course { mtu = min(mtu, lines.smallestMTU(of: path)) }
    return FlowEnds(
      index: flows.count, from: gateway, first: UInt32(truncatingIfNeeded: random.next()),
      segmentLength: mtu - TCPPacket.headerLength)
  }

  func add(_ flow: some HostFlow) {
    flows.append(flow)
    deadlines.set(deadlines.append(), flow.deadline)
  }

  /// Nobody sends anything new.
  public func finish() {
    for index in flows.indices {
      flows[index].finish()
      deadlines.set(firstFlow + index, now)
    }
  }

  public var areFlowsDone: Bool { flows.allSatisfy(\.isDone) }

  func fail(_ sentence: String) {
    if failures.count < 10 {
      failures.append("seed \(seed), at \((now - BondWorld.origin).inMilliseconds) ms: \(sentence)")
    }
  }

  // MARK: Running

  public func run(for interval: Interval) { run(until: now + interval) }

  public func run(until end: Instant) {
    while failures.isEmpty, let next = deadlines.first, next.deadline <= end { step(next) }
    now = max(now, end)
  }

  /// Until something holds; false when it does not in time.
  public func run(atMost interval: Interval, until isReached: () -> Bool) -> Bool {
    let end = now + interval
    while !isReached() {
      guard failures.isEmpty, let next = deadlines.first, next.deadline <= end else { return false }
      step(next)
    }
    return true
  }

  func step(_ next: (machine: Int, deadline: Instant)) {
    steps += 1
    if next.deadline > now {
      now = next.deadline
      stillSteps = 0
    } else {
      stillSteps += 1
      if stillSteps > BondWorld.mostStepsAtOneMoment {
        return fail("time stands still: \(name(of: next.machine)) is due again and again")
      }
    }
    switch next.machine {
    case 0: nextEvent()
    case ..<firstGateway:
      lines.lines[next.machine - 1].expire(at: now)
      collect(next.machine - 1)
    case ..<firstCard: turn(next.machine - firstGateway)
    case ..<firstFlow: send(behind: next.machine - firstCard)
    default:
      let flow = flows[next.machine - firstFlow]
      if let due = flow.deadline, due <= now { flow.expire(at: now) }
      deadlines.set(next.machine, flow.deadline)
      for gateway in 0..<2 where cards[gateway].frame == nil { send(behind: gateway) }
    }
  }

  private func name(of machine: Int) -> String {
    switch machine {
    case 0: "the topology"
    case ..<firstGateway: "line \(machine - 1)"
    case ..<firstCard: "gateway \(machine - firstGateway)"
    case ..<firstFlow: "card \(machine - firstCard)"
    default: "flow \(machine - firstFlow)"
    }
  }

  func nextEvent() {
    let event = events[eventsDone]
    eventsDone += 1
    deadlines.set(0, eventsDone < events.count ? BondWorld.origin + events[eventsDone].time : nil)
    for line in lines.change(event, at: now) { collect(line) }
  }

  func collect(_ line: Int) {
    let receiver = 1 - line % 2
    while let slot = lines.nextArrival(on: line) {
      if let next = lines.forward(slot, from: line, headers: headers, at: now) {
        deadlines.set(1 + next, lines.lines[next].deadline)
      } else if case .path = course {
        deliver(UnsafeRawBufferPointer(lines.frames.bytes(slot)), at: receiver)
        lines.frames.giveBack(slot)
      } else {
        arrivals[receiver].ring.append(Arrived(slot: slot, way: UInt32(lines.frames.way(of: slot))))
        deadlines.set(firstGateway + receiver, now)
      }
    }
    deadlines.set(1 + line, lines.lines[line].deadline)
  }
}
