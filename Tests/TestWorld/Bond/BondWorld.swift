//  BondWorld.swift — two whole gateways over the links of a topology, and hosts behind them whose TCP behaves like
//  Linux's, in simulated time.
//
//  Why.  "Is the bond faster than its best link?" is asked in the lab in real time, on a machine whose noise spoils the
//  answer, once. Here a seed gives the answer, the same one each time, in a tenth of the time; and who changes a
//  mechanism can look at each packet of it.
//
//  How.  The clock jumps to the next deadline; at equal times lines come first, then gateways, then flows:
//
//      flow ─▶ frame ─▶ device's queue ─▶ engine ─▶ batch ─▶ datagrams ─▶ Link ─▶ arrivals ─▶ engine ─▶ delivery ─▶ flow
//                                           (or, over one path alone: frame ─▶ packets ─▶ Link ─▶ packets ─▶ flow)
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
//  Not here.  Links that do not join the first two gateways directly, hosts' own links, relays, translators.

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
    /// A link's place among those that join the gateways.
    case path(Int)
  }

  /// Linux's default for a TUN device.
  static let deviceQueue = 500
  private static let origin = Instant(nanoseconds: 1_000_000_000)
  private static let mostStepsAtOneMoment = 1 << 16
  /// What UDP and IPv4 add to a datagram, and Ethernet to a packet.
  private static let datagramHeaders = World.overhead(isIPv6: false).value
  private static let packetHeaders = LinkConditions.frameHeader.value

  public let topology: Topology
  public let seed: UInt64
  public let course: Course
  public private(set) var now = BondWorld.origin
  public private(set) var failures: [String] = []
  /// Packets that found a device's queue full, by gateway.
  public private(set) var droppedAtDevice = [0, 0]
  /// Datagrams for addresses that no line leads to.
  public private(set) var unreachable = 0
  public private(set) var steps = 0

  private var lines: BondLines
  private var gateways: [TestGateway] = []
  private var arrivals = [RingBox(), RingBox()]
  private var devices: [DeviceQueue] = []
  private var flows: [any HostFlow] = []
  private var events: [Topology.Event]
  private var eventsDone = 0
  /// 0: the topology; then lines, the two gateways, flows.
  private var deadlines: DeadlineQueue
  private let firstGateway: Int
  private let firstFlow: Int
  private var random: SeededRandom
  private let scratch = Memory(1 << 17)
  private var stillSteps = 0

  /// A queue that an array can hold.
  private final class RingBox { var ring = RingBuffer<Arrived>() }

  private struct Arrived: BitwiseCopyable {
    var slot: UInt32
    var line: UInt32
  }

  /// Gateways begin to greet each other now; what the file plans for its links happens that long from now.
  public init(
    _ topology: Topology, seed: UInt64, over course: Course = .bond, traces: [String: DeliveryTrace] = [:]
  ) throws {
    let lines = try BondLines(topology, traces: traces, seed: seed)
    let count = lines.links.count
    self.topology = topology
    self.seed = seed
    self.course = course
    events = topology.events.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
      .map(\.element)
    firstGateway = 1 + 2 * count
    firstFlow = firstGateway + 2
    deadlines = DeadlineQueue(count: firstGateway + 2)
    random = SeededRandom(seed: seed).stream(named: "hosts")
    self.lines = lines
    if case .bond = course { try makeGateways() }
    if let first = events.first { deadlines.set(0, BondWorld.origin + first.time) }
  }

  private func makeGateways() throws {
    let cryptography = try GatewayWorld.library.get()
    var identities: [Identity] = []
    for gateway in 0..<2 {
      let own = CopyingCryptography(cryptography, seed: seed &* 2 &+ UInt64(gateway))
      var secret = Secret()
      secret.withMutableBytes { own.random($0) }
      identities.append(Identity(privateKey: secret, own))
    }
    for gateway in 0..<2 {
      let settings = BondSettings.make(gateway, lines, peerKey: identities[1 - gateway].publicKey)
      let made = try TestGateway(
        gateway, run: 0, plan: BondSettings.plan(paths: lines.links.count), settings: settings,
        identity: identities[gateway])
      gateways.append(made)
      devices.append(DeviceQueue(capacity: BondWorld.deviceQueue))
      made.engine.start(at: now)
      turn(gateway)
    }
  }

  // MARK: Flows

  /// The numbers of the topology's links that join the gateways.
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

  private func ends(from gateway: Int) -> FlowEnds {
    FlowEnds(index: flows.count, from: gateway, first: UInt32(truncatingIfNeeded: random.next()))
  }

  private func add(_ flow: some HostFlow) {
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

  private func step(_ next: (machine: Int, deadline: Instant)) {
    steps += 1
    if next.deadline > now {
      now = next.deadline
      stillSteps = 0
    } else {
      stillSteps += 1
      if stillSteps > BondWorld.mostStepsAtOneMoment { return fail("time stands still") }
    }
    switch next.machine {
    case 0: nextEvent()
    case ..<firstGateway:
      lines.lines[next.machine - 1].expire(at: now)
      collect(next.machine - 1)
    case ..<firstFlow: turn(next.machine - firstGateway)
    default:
      let flow = flows[next.machine - firstFlow]
      if let due = flow.deadline, due <= now { flow.expire(at: now) }
      for gateway in 0..<2 { send(flow, behind: gateway) }
      deadlines.set(next.machine, flow.deadline)
    }
  }

  private func nextEvent() {
    let event = events[eventsDone]
    eventsDone += 1
    deadlines.set(0, eventsDone < events.count ? BondWorld.origin + events[eventsDone].time : nil)
    for line in lines.change(event, at: now) { collect(line) }
  }

  private func collect(_ line: Int) {
    let receiver = 1 - line % 2
    while let slot = lines.nextArrival(on: line) {
      if case .path = course {
        deliver(UnsafeRawBufferPointer(lines.frames.bytes(slot)), at: receiver)
        lines.frames.giveBack(slot)
      } else {
        arrivals[receiver].ring.append(Arrived(slot: slot, line: UInt32(line)))
        deadlines.set(firstGateway + receiver, now)
      }
    }
    deadlines.set(1 + line, lines.lines[line].deadline)
  }

  // MARK: Hosts

  /// What a flow wants to send from the host behind this gateway.
  private func send(_ flow: any HostFlow, behind gateway: Int) {
    let room = UnsafeMutableRawBufferPointer(rebasing: scratch.bytes[..<TestGateway.bufferLength])
    if case .path(let path) = course {
      while let length = flow.nextFrame(behind: gateway, into: room, at: now) {
        sendPlain(UnsafeRawBufferPointer(rebasing: room[..<length]), on: 2 * path + gateway)
      }
      return
    }
    while true {
      let buffer = devices[gateway].isEmpty ? gateways[gateway].takeBuffer() : nil
      guard let length = flow.nextFrame(behind: gateway, into: buffer?.bytes ?? room, at: now) else {
        if let buffer { _ = gateways[gateway].giveBack(buffer.number) }
        return
      }
      if let buffer {
        hand(buffer.bytes, buffer.number, length, to: gateway)
      } else if !devices[gateway].append(UnsafeRawBufferPointer(rebasing: room[..<length])) {
        droppedAtDevice[gateway] += 1
      }
      deadlines.set(firstGateway + gateway, now)
    }
  }

  private func hand(_ bytes: UnsafeMutableRawBufferPointer, _ number: UInt16, _ length: Int, to gateway: Int) {
    gateways[gateway].engine.packet(
      UnsafeMutableRawBufferPointer(rebasing: bytes[..<length]), buffer: number, at: now)
  }

  /// An adapter cuts a super-packet, and each piece goes on the line.
  private func sendPlain(_ frame: UnsafeRawBufferPointer, on line: Int) {
    let packet = UnsafeRawBufferPointer(rebasing: frame[OffloadHeader.length...])
    guard let offload = OffloadHeader(frame), let view = try? PacketView(packet) else {
      return fail("a host sent no packet")
    }
    let size = Int(offload.segmentSize)
    for piece in 0..<SuperPacket.pieces(of: view, segmentSize: size) {
      let slot = lines.frames.take()
      let room = lines.frames.room(slot)
      OffloadHeader().write(to: room)
      let written = SuperPacket.piece(
        piece, of: packet, view, segmentSize: size,
        needsChecksum: offload.flags & OffloadHeader.needsChecksum != 0,
        into: UnsafeMutableRawBufferPointer(rebasing: room[OffloadHeader.length...]))
      guard let written else { return fail("a packet that cannot be cut") }
      lines.frames.setLength(OffloadHeader.length + written, of: slot)
      lines.send(slot, headers: BondWorld.packetHeaders - OffloadHeader.length, on: line, at: now)
    }
    deadlines.set(1 + line, lines.lines[line].deadline)
  }

  /// A frame has reached the host behind this gateway.
  private func deliver(_ frame: UnsafeRawBufferPointer, at gateway: Int) {
    guard let offload = OffloadHeader(frame) else { return fail("no offload header") }
    let packet = UnsafeRawBufferPointer(rebasing: frame[OffloadHeader.length...])
    guard let view = try? PacketView(packet), view.totalLength == packet.count, let start = packet.baseAddress else {
      return fail("no packet")
    }
    if let sentence = TrafficCheck.complaint(about: packet, view, offload) {
      // On a plain line a bit may be wrong, and a host drops that.
      if case .path = course { return }
      return fail(sentence)
    }
    let number: Int
    switch view.transport {
    case PacketView.Transport.icmp: number = Int((start + view.transportOffset).number(at: 4) as UInt16)
    // An acknowledgement comes from the other port.
    case PacketView.Transport.tcp: number = Int(max(view.tuple.sourcePort, view.tuple.destinationPort)) - 1024
    default: number = Int(view.tuple.sourcePort) - 1024
    }
    guard flows.indices.contains(number) else { return fail("a packet of no flow") }
    let expected = innerAddress(.ipv4, behind: gateway)
    if view.tuple.destination != expected { return fail("a packet for \(view.tuple.destination) at \(expected)") }
    let arrived = HostPacket(bytes: packet, view: view, gateway: gateway)
    if let sentence = flows[number].receive(arrived, at: now) { fail("flow \(number): \(sentence)") }
    deadlines.set(firstFlow + number, now)
  }

  // MARK: A gateway's turn

  private func turn(_ number: Int) {
    let gateway = gateways[number]
    gateway.turns += 1
    receive(gateway)
    if let due = gateway.engine.deadline, due <= now { gateway.engine.expire(at: now) }
    gateway.engine.flush(at: now)
    var wasSent: Bool
    repeat {
      wasSent = false
      while let batch = gateway.engine.nextBatch() {
        take(batch, of: gateway)
        wasSent = true
      }
      while let free = gateway.engine.nextFreeBuffer() {
        if !gateway.giveBack(free) { fail("buffer \(free) came back twice") }
      }
      while let frame = devices[number].first, let buffer = gateway.takeBuffer() {
        buffer.bytes.copyMemory(from: frame)
        devices[number].removeFirst()
        hand(buffer.bytes, buffer.number, frame.count, to: number)
        wasSent = true
      }
      // The kernel has taken what there was: the engine may have more.
      if wasSent { gateway.engine.flush(at: now) }
    } while wasSent
    while let delivery = gateway.engine.nextDelivery() { take(delivery, of: gateway) }
    while let event = gateway.engine.nextEvent() { gateway.events.append(event.kind) }
    deadlines.set(firstGateway + number, gateway.engine.deadline.map { max($0, now) })
  }

  /// Datagrams of one line and one length arrive as one; the last may be shorter.
  private func receive(_ gateway: TestGateway) {
    let box = arrivals[gateway.number]
    while let first = box.ring.popFirst() {
      let bytes = lines.frames.bytes(first.slot)
      var length = bytes.count
      var isJoined = false
      while let next = box.ring.first, next.line == first.line {
        let more = lines.frames.bytes(next.slot)
        if more.count > bytes.count || length % bytes.count != 0 || length + more.count > 65_487 { break }
        if !isJoined {
          scratch.bytes.copyMemory(from: UnsafeRawBufferPointer(bytes))
          isJoined = true
        }
        UnsafeMutableRawBufferPointer(rebasing: scratch.bytes[length...]).copyMemory(
          from: UnsafeRawBufferPointer(more))
        length += more.count
        lines.frames.giveBack(next.slot)
        box.ring.removeFirst()
      }
      let socket = Int(first.line / 2)
      let route = Route(
        socket: UInt8(socket), remote: BondSettings.address(of: 1 - gateway.number, socket: socket),
        local: BondSettings.address(of: gateway.number, socket: socket).address)
      let arrived = isJoined ? UnsafeMutableRawBufferPointer(rebasing: scratch.bytes[..<length]) : bytes
      gateway.engine.receive(Arrival(bytes: arrived, pieceLength: bytes.count, route: route), at: now)
      lines.frames.giveBack(first.slot)
    }
  }

  private func take(_ number: UInt16, of gateway: TestGateway) {
    let batch = gateway.engine.batch(number)
    let socket = Int(batch.route.socket)
    // One link alone leads to the address at its other end.
    if batch.route.remote != BondSettings.address(of: 1 - gateway.number, socket: socket) {
      unreachable += batch.pieces
      return gateway.engine.sent(number, wasTaken: true)
    }
    let line = 2 * socket + gateway.number
    let bytes = UnsafeRawBufferPointer(start: batch.bytes, count: batch.length)
    var offset = 0
    while offset < batch.length {
      let end = min(offset + batch.pieceLength, batch.length)
      let slot = lines.frames.take()
      lines.frames.room(slot).copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<end]))
      lines.frames.setLength(end - offset, of: slot)
      lines.send(slot, headers: BondWorld.datagramHeaders, on: line, at: now)
      offset = end
    }
    deadlines.set(1 + line, lines.lines[line].deadline)
    gateway.engine.sent(number, wasTaken: true)
  }

  private func take(_ delivery: Delivery, of gateway: TestGateway) {
    gateway.deliveries += 1
    guard let start = scratch.bytes.baseAddress, delivery.length <= scratch.bytes.count else {
      return fail("a delivery of \(delivery.length) bytes")
    }
    var length = 0
    for index in 0..<delivery.sliceCount {
      let slice = delivery.slices[index]
      (start + length).copyMemory(from: slice.start, byteCount: slice.count)
      length += slice.count
    }
    if length != delivery.length { fail("a delivery of \(length) bytes that says it has \(delivery.length)") }
    deliver(UnsafeRawBufferPointer(start: start, count: length), at: gateway.number)
    gateway.engine.written(delivery.handle, wasTaken: true)
  }

  // MARK: Looking

  /// Which way traffic of this gateway passes a link, in the file's words.
  public func direction(of link: Int, from gateway: Int) -> Topology.Direction {
    lines.direction(ofLine: 2 * link + gateway)
  }

  /// What a line did: of a link's place, from this gateway on.
  public func counters(of link: Int, from gateway: Int) -> Simulation.Link.Counters {
    lines.lines[2 * link + gateway].counters
  }

  /// A counter of the engine, by its group and name.
  public func count(_ group: String, _ name: String, at gateway: Int) -> UInt64 {
    gateways.isEmpty ? 0 : gateways[gateway].count(group, name, at: now)
  }

  /// All counters of an engine that are not zero.
  public func tally(of gateway: Int) -> String { gateways.isEmpty ? "" : gateways[gateway].tally(at: now) }

  public func events(of gateway: Int) -> [Event.Kind] { gateways.isEmpty ? [] : gateways[gateway].events }

  /// How many paths are up at both gateways.
  public var pathsUp: Int {
    gateways.map { gateway in
      gateway.engine.snapshot(version: "", interface: "", uptime: .zero, at: now).peers
        .reduce(0) { $0 + $1.paths.count { $0.state == .up } }
    }.min() ?? 0
  }

  /// Everything that was taken has come back, when nothing is sent any more.
  public func checkRest() {
    for gateway in gateways {
      let name = "gateway \(gateway.number)"
      if gateway.lentBuffers != 0 { fail("\(name): \(gateway.lentBuffers) buffers did not come back") }
      let held = gateway.heldBytes(at: now)
      if held != 0 { fail("\(name): \(held) bytes are still held") }
      if !gateway.engine.hasAllBatches { fail("\(name): a batch is missing") }
      if !devices[gateway.number].isEmpty { fail("\(name): packets wait at its device") }
    }
  }
}
