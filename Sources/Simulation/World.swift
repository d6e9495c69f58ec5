//  World.swift — a whole network in one value: the links of a topology, machines at its nodes, one clock and one seed.
//
//  Why.  Two gateways, relays and the lines between them must run in one test, at any speed, and the same way every
//  time.
//
//  How.  Everything that can happen has a deadline: a link (when its next packet comes out), a machine (when it wants
//  to be called), the topology's next event. The world takes the earliest, sets its clock to it, and lets that one act:
//
//        DeadlineQueue ──▶ link ──▶ the packet's next link … or the machine at the end of its path
//              ▲            machine ──▶ its transmissions ──▶ the first link of their path
//              └──────────────────────── new deadlines
//
//  Nothing is looked at between two deadlines, so an idle hour costs as much as an idle millisecond. At equal times
//  events of the topology come first, then links in the order of the file, then machines in the order in which they
//  were attached.
//
//  Machines are connected by paths. What stands between the two ends of a path forwards at once, as plain routers do; a
//  machine that wants to see packets at a node in the middle ends one path there and begins another.
//
//  Packets lie in a pool of slots from sending to delivery; links carry slot numbers. A duplicate on the last link is
//  the same slot delivered twice; one further up gets a slot of its own, since it travels on alone.
//
//  Chance.  Each direction of a link draws from a stream named after the link, so a link that is added to the file
//  changes nothing on the others.
//
//  Always true.  (1) Time does not go back. (2) A packet is at one place: in the pool and on exactly one link. (3) For
//  the same topology, machines and seed, the same happens in the same order, in every build. (4) Once the pool and the
//  rings have grown to what the run needs, nothing is allocated for a packet.
//
//  Not here.  Files (logs and captures go to a ByteSink), the real clock, what the machines do.

public import Primitives
public import Topology

public struct World: ~Copyable {
  public struct Counters: Equatable, Sendable {
    /// Datagrams that machines sent.
    public var sent: UInt64 = 0
    /// Copies that links made.
    public var duplicated: UInt64 = 0
    /// Datagrams that machines received, duplicates included.
    public var delivered: UInt64 = 0
    /// Refused at the entrance of a link; the link's own counters say why.
    public var dropped: UInt64 = 0
    /// Taken by a link and lost there.
    public var lost: UInt64 = 0
    /// The simulation's bound on packets was reached.
    public var outOfMemory: UInt64 = 0

    public init() {}
  }

  /// What the IP and UDP headers and Ethernet's add to a datagram on a line.
  public static func overhead(isIPv6: Bool) -> ByteCount {
    ByteCount((isIPv6 ? 40 : 20) + 8) + LinkConditions.frameHeader
  }

  /// 131,072 packets of 2 KiB are 256 MiB, and 150 ms of 10 Gbit/s. More only hides a sender without control.
  public static let mostPackets = 1 << 17
  /// A machine that goes on sending for so long without pause, or is due so often at one moment, will never stop.
  private static let patience = 1 << 22

  public let topology: Topology
  public private(set) var now = Instant.zero
  public private(set) var counters = Counters()

  private var network: Network
  private let events: [Topology.Event]
  private var eventsDone = 0

  private var machines: [any Machine] = []
  private var machineNodes: [Int] = []
  /// For each machine, the routes that begin at its ports.
  private var ports: [[UInt32]] = []
  private var machinesStarted = 0
  private var routes: [Route] = []

  /// 0 is the topology, then come the lines, then the machines.
  private var deadlines: DeadlineQueue
  private var pool: PacketPool
  /// Where the next transmission is written.
  private var spare: UInt32
  private let overhead: Int
  private let plan: AddressPlan
  private let isIPv6: Bool
  private var log: EventLog
  private var capture: Capture
  private var turnsAtThisMoment = 0

  private struct Route {
    var lines: [Int32]
    var machine: Int
    var port: Int
    var header: DatagramHeader
  }

  /// `traces` holds every file that the topology names (`topology.traceFiles`).
  public init(
    _ topology: Topology, traces: [String: DeliveryTrace] = [:], seed: UInt64, isIPv6: Bool = false,
    log: (any ByteSink)? = nil, capture: (any ByteSink)? = nil, captureIncludesSending: Bool = false
  ) {
    self.topology = topology
    self.isIPv6 = isIPv6
    // Equal times keep the file's order.
    events = topology.events.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
      .map(\.element)
    network = Network(topology, traces: traces, seed: seed)
    deadlines = DeadlineQueue(count: 1 + network.lines.count)
    overhead = World.overhead(isIPv6: isIPv6).value
    pool = PacketPool(capacity: Network.largestPacket(of: topology), mostSlots: World.mostPackets)
    guard let slot = pool.take() else { preconditionFailure("a pool without a single slot") }
    spare = slot
    plan = AddressPlan(topology)
    self.log = EventLog(topology, seed: seed, sink: log)
    self.capture = Capture(sink: capture, includesSending: captureIncludesSending)
    if let first = events.first { deadlines.set(0, .zero + first.time) }
  }

  // MARK: Building

  /// Puts a machine at a node and returns its number.
  public mutating func attach(_ machine: any Machine, at node: Int) -> Int {
    precondition(topology.nodes.indices.contains(node), "no such node")
    machines.append(machine)
    machineNodes.append(node)
    ports.append([])
    _ = deadlines.append()
    return machines.count - 1
  }

  /// Connects two machines by a path that begins at the node of the one and ends at that of the other, and returns
  /// the number of the new port at each.
  public mutating func connect(_ a: Int, _ b: Int, over path: Topology.Path) -> (a: Int, b: Int) {
    guard let first = path.hops.first, let last = path.hops.last else { preconditionFailure("a path without a link") }
    precondition(topology.ends(of: first).from == machineNodes[a], "the path does not begin where the machine is")
    precondition(topology.ends(of: last).to == machineNodes[b], "the path does not end where the machine is")
    let left = plan.interface(of: first.link, at: machineNodes[a])
    let right = plan.interface(of: last.link, at: machineNodes[b])
    // Ports of nobody in particular, so that no dissector takes them for something else.
    let number = UInt16(49_152 + routes.count % 16_384)
    let ends = (ports[a].count, ports[b].count)
    ports[a].append(UInt32(routes.count))
    routes.append(
      route(path, to: b, port: ends.1, from: left, number, to: right, number + 1))
    ports[b].append(UInt32(routes.count))
    routes.append(
      route(path.reversed, to: a, port: ends.0, from: right, number + 1, to: left, number))
    return ends
  }

  private func route(
    _ path: Topology.Path, to machine: Int, port: Int, from source: AddressPlan.Interface, _ sourcePort: UInt16,
    to destination: AddressPlan.Interface, _ destinationPort: UInt16
  ) -> Route {
    let lines = path.hops.map { Int32($0.link * 2 + ($0.direction == .forward ? 0 : 1)) }
    let header = DatagramHeader(
      source: isIPv6 ? source.ipv6.bytes : source.ipv4.bytes, sourcePort: sourcePort,
      destination: isIPv6 ? destination.ipv6.bytes : destination.ipv4.bytes, destinationPort: destinationPort)
    return Route(lines: lines, machine: machine, port: port, header: header)
  }

  // MARK: Running

  /// Lets everything happen that is due by then.
  public mutating func run(until end: Instant) {
    precondition(end >= now, "the world's time went back")
    while machinesStarted < machines.count {
      machinesStarted += 1
      wake(machinesStarted - 1)
    }
    while let next = deadlines.first, next.deadline <= end {
      if next.deadline > now {
        now = next.deadline
        turnsAtThisMoment = 0
      } else {
        turnsAtThisMoment += 1
        precondition(turnsAtThisMoment < World.patience, "time stands still: a machine's deadline never passes")
      }
      if next.machine == 0 {
        nextEvent()
      } else if next.machine <= network.lines.count {
        serve(next.machine - 1)
      } else {
        let machine = next.machine - 1 - network.lines.count
        machines[machine].expire(at: now)
        wake(machine)
      }
    }
    now = end
  }

  /// Takes up what a machine wants to send, and its deadline: after an input that came from outside the world.
  public mutating func wake(_ machine: Int) {
    var sent = 0
    let sender = machines[machine]
    while let port = pool.write(spare, { sender.nextTransmission(into: &$0) }) {
      precondition(port < ports[machine].count, "a machine sends through a port that it does not have")
      transmit(over: ports[machine][port])
      sent += 1
      precondition(sent < World.patience, "a machine never stops sending")
    }
    deadlines.set(1 + network.lines.count + machine, sender.deadline)
  }

  /// Changes a link now, as an event of the topology would.
  public mutating func change(_ link: Int, _ change: Topology.Change) {
    if log.isOn { log.note(change, link: link, at: now) }
    network.change(link, change, at: now)
    collect(link * 2)
    collect(link * 2 + 1)
  }

  /// Writes out what log and capture still hold.
  public mutating func flush() {
    log.flush()
    capture.flush()
  }

  // MARK: Looking

  public func counters(of link: Int, _ direction: Topology.Direction) -> Link.Counters {
    network.lines[link * 2 + direction.rawValue].counters
  }

  public func conditions(of link: Int, _ direction: Topology.Direction) -> LinkConditions {
    network.lines[link * 2 + direction.rawValue].conditions
  }

  public func isDown(_ link: Int) -> Bool { network.lines[link * 2].isDown }

  /// Which share of what the link could carry it did carry, while it was up and had a rate; nil when it never had both.
  public func utilisation(of link: Int, _ direction: Topology.Direction) -> Double? {
    let usage = network.usage(link * 2 + direction.rawValue, at: now)
    return usage.possible == 0 ? nil : Double(usage.carried) / Double(usage.possible)
  }

  /// How many packets are on their way.
  public var packetsInside: Int { pool.inUse - 1 }

  // MARK: What happens

  private mutating func nextEvent() {
    let event = events[eventsDone]
    eventsDone += 1
    deadlines.set(0, eventsDone < events.count ? .zero + events[eventsDone].time : nil)
    change(event.link, event.change)
  }

  private mutating func serve(_ line: Int) {
    network.lines[line].expire(at: now)
    collect(line)
  }

  /// Takes everything from a line that came out of it.
  private mutating func collect(_ line: Int) {
    while let outcome = network.lines[line].nextOutcome() {
      switch outcome {
      case .delivered(let slot, _, let isLast, let corruption):
        arrive(slot, from: line, isLast: isLast, corruption: corruption)
      case .lost(let slot, _, let reason):
        counters.lost += 1
        if log.isOn { note(EventLog.word(for: reason), slot, line) }
        pool.giveBack(slot)
      }
    }
    deadlines.set(1 + line, network.lines[line].deadline)
  }

  /// What a machine wrote into the spare slot goes its way.
  private mutating func transmit(over route: UInt32) {
    let slot = spare
    counters.sent += 1
    var packet = pool[slot]
    packet = Packet(number: counters.sent, route: route, hop: 0, length: packet.length, sum: 0)
    if capture.isOn {
      packet.sum = pool.withBytes(of: slot) { onesComplementSum($0) }
      if capture.includesSending { record(packet, slot) }
    }
    pool[slot] = packet
    guard let next = pool.take() else {
      counters.outOfMemory += 1
      if log.isOn { note("dropped:memory", slot, Int(routes[Int(route)].lines[0])) }
      return
    }
    spare = next
    enter(slot, Int(routes[Int(route)].lines[0]))
  }

  private mutating func enter(_ slot: UInt32, _ line: Int) {
    let frame = ByteCount(Int(pool[slot].length) + overhead)
    let verdict = network.lines[line].accept(slot: slot, length: frame, at: now)
    if log.isOn { note(EventLog.word(for: verdict), slot, line) }
    if verdict != .queued {
      counters.dropped += 1
      pool.giveBack(slot)
      return
    }
    deadlines.set(1 + line, network.lines[line].deadline)
  }

  private mutating func arrive(_ slot: UInt32, from line: Int, isLast: Bool, corruption: UInt64?) {
    if log.isOn { note(EventLog.word(isLast: isLast, isCorrupt: corruption != nil), slot, line) }
    let packet = pool[slot]
    let route = Int(packet.route)
    if Int(packet.hop) + 1 < routes[route].lines.count {
      return forward(slot, isLast: isLast, corruption: corruption)
    }
    if let corruption { pool.flipBit(of: slot, chosenBy: corruption) }
    if capture.isOn { record(packet, slot, links: Int(packet.hop) + 1) }
    counters.delivered += 1
    let machine = routes[route].machine
    let receiver = machines[machine]
    let port = routes[route].port
    let time = now
    pool.withBytes(of: slot) { receiver.receive($0, from: port, at: time) }
    if isLast {
      pool.giveBack(slot)
    } else {
      counters.duplicated += 1
      // The same bytes come once more, with the same bit to flip.
      if let corruption { pool.flipBit(of: slot, chosenBy: corruption) }
    }
    wake(machine)
  }

  private mutating func forward(_ slot: UInt32, isLast: Bool, corruption: UInt64?) {
    var onward = slot
    if !isLast {
      counters.duplicated += 1
      guard let copy = pool.take() else {
        counters.outOfMemory += 1
        return
      }
      pool.copy(slot, to: copy)
      onward = copy
    }
    if let corruption { pool.flipBit(of: onward, chosenBy: corruption) }
    // In three steps: changed in place, it makes Swift 6.3's thread sanitizer write a module that LLVM refuses.
    var packet = pool[onward]
    packet.hop += 1
    pool[onward] = packet
    enter(onward, Int(routes[Int(packet.route)].lines[Int(packet.hop)]))
  }

  // MARK: Writing it down

  private mutating func note(_ what: StaticString, _ slot: UInt32, _ line: Int) {
    let packet = pool[slot]
    log.note(what, line: line, packet: packet.number, frame: Int(packet.length) + overhead, at: now)
  }

  private mutating func record(_ packet: Packet, _ slot: UInt32, links: Int = 0) {
    let header = routes[Int(packet.route)].header
    let time = now
    pool.withBytes(of: slot) { capture.note(header, packet: packet, links: links, payload: $0, at: time) }
  }
}
