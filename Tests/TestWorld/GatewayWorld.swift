//  GatewayWorld.swift — whole gateways, the network between them and the hosts behind them, in one thread, from a seed.
//
//  Why.  What two gateways do to each other shows only when both are there: keys that change under load, a path that
//  dies with datagrams on it, a restart. With engines that make no system call it can be seen ten thousand times a
//  minute, and every failure again.
//
//  How.  The clock jumps to the next moment at which something happens: a parcel arrives, a host sends, an engine's
//  deadline, something that a test wanted to happen. Then each gateway concerned has one turn, as the driver has it:
//
//      arrivals, packets ─▶ engine ─▶ expire, flush ─▶ batches ─▶ Line (loss, delay, …) ─▶ parcels that arrive later
//                                            └───────▶ deliveries ─▶ TrafficCheck
//
//  The driver's freedoms are left to chance: in which order things are handed in, how arrivals are joined and cut (as
//  UDP_GRO does), when a batch or a delivery comes back, and whether the kernel refused it.
//
//  Always asked.  TrafficCheck of each delivery, WireObserver of each datagram; a delivery does not change until it was
//  given back; no buffer comes back twice; time goes on. `failures` has a sentence for each that did not hold.
//
//  Not here.  Real cryptography is; chance is not: everything random comes from the seed.

import Crypto
public import Engine
import Glibc
public import Handshake
import Packets
public import Primitives
import Resequencer
import Relay
public import Sealing
import Wire

public final class GatewayWorld {
  public let seed: UInt64
  public private(set) var now = Instant(nanoseconds: 1_000_000_000)
  public var random: SeededRandom
  public private(set) var gateways: [TestGateway?]
  public private(set) var relays: [TestRelay?]
  public var plans: [GatewayPlan]
  public var relayPlans: [RelayPlan]
  public var flows: [UserFlow] = []
  public var observer = WireObserver()
  public private(set) var failures: [String] = []
  /// Datagrams that lines have lost, and those that found no line.
  public private(set) var lost = 0
  /// Share of batches and deliveries that stay with the driver for a while, and that the kernel refuses.
  public var lingering = 0.1
  public var refusal = 0.0
  /// What the gateways' interfaces take, when that is not what they were told.
  public var interfaceMTU: Int?
  /// The last datagrams that were sent, for who wants to send them again.
  public private(set) var overheard: [[UInt8]] = []
  public var mostOverheard = 0
  /// Whether arrivals are joined and cut by chance.
  public var joins = true
  /// Whether what comes out must be what was sent; a stranger on the virtual NIC sends what he likes.
  public var checksTraffic = true

  private let cryptography: SeededCryptography
  /// Gateway 1's, when that means no good.
  private let crooked: SeededCryptography?
  private let privateKeys: [[UInt8]]
  public let publicKeys: [PublicKey]
  private var runs: [Int]
  private var lines: [Way: LineState] = [:]
  private var external: [Place: Endpoint] = [:]
  private var behind: [Endpoint: Place] = [:]
  private var agenda = Agenda()
  private var deadlines: [Instant?]
  private var stillAt = (instant: Instant.zero, steps: 0)
  private let scratch = Memory(1 << 17)

  /// Nobody is started, and nobody has a line to anybody.
  public init(
    seed: UInt64, _ plans: [GatewayPlan], relays relayPlans: [RelayPlan] = [],
    suites: [CipherSuite] = [.aes128GCM, .chaCha20Poly1305],
    tampering: Tampering? = nil
  ) throws {
    self.seed = seed
    self.plans = plans
    self.relayPlans = relayPlans
    random = SeededRandom(seed: seed).stream(named: "world")
    let cryptography = SeededCryptography(try GatewayWorld.library.get(), seed: seed, suites: suites)
    self.cryptography = cryptography
    let library = try GatewayWorld.library.get()
    crooked = tampering.map { SeededCryptography(library, seed: ~seed, suites: suites, tampering: $0) }
    var privateKeys: [[UInt8]] = []
    var publicKeys: [PublicKey] = []
    for _ in 0..<plans.count + relayPlans.count {
      var secret = Secret()
      secret.withMutableBytes { cryptography.random($0) }
      privateKeys.append(Array(secret.bytes))
      publicKeys.append(cryptography.publicKey(of: secret))
    }
    self.privateKeys = privateKeys
    self.publicKeys = publicKeys
    gateways = plans.map { _ in nil }
    runs = plans.map { _ in 0 }
    relays = relayPlans.map { _ in nil }
    deadlines = Array(repeating: nil, count: plans.count + relayPlans.count)
    for gateway in plans.indices {
      for socket in 0..<plans[gateway].sockets + plans[gateway].slots.count {
        bind(Place(gateway, socket), to: address(of: Place(gateway, socket)))
      }
    }
    for relay in relayPlans.indices {
      for socket in 0...relayPlans[relay].backSockets {
        bind(relayPlace(relay, socket), to: address(of: relayPlace(relay, socket)))
      }
    }
  }

  static let library: Result<LibraryCryptography, CryptographyFailure> = Result {
    () throws(CryptographyFailure) in
    try LibraryCryptography.make()
  }

  // MARK: Setting up

  func identity(of gateway: Int) -> Identity {
    var secret = Secret()
    secret.withMutableBytes { $0.copyBytes(from: privateKeys[gateway]) }
    return Identity(privateKey: secret, gateway == 1 ? crooked ?? cryptography : cryptography)
  }

  /// A relay's front is its socket 0.
  public func relayPlace(_ relay: Int, _ socket: Int) -> Place { Place(plans.count + relay, socket) }

  public func address(of place: Place) -> Endpoint {
    let gateway = UInt64(place.gateway)
    let address =
      plans.indices.contains(place.gateway) && plans[place.gateway].isIPv6
      ? IPAddress(.ipv6, high: 0x2001_0db8_0000_0000 | gateway << 8 | UInt64(place.socket), low: 1)
      : IPAddress(ipv4: 198 << 24 | 18 << 16 | UInt32(gateway) << 4 | UInt32(place.socket))
    return Endpoint(address, port: 51820)
  }

  public func settings(of gateway: Int) -> GatewaySettings {
    let plan = plans[gateway]
    var settings = GatewaySettings(wallClockAtZero: WallTime(seconds: 1_700_000_000, nanoseconds: 0))
    settings.paths = (0..<plan.sockets).map { socket in
      LocalPath(
        name: "path\(socket)", weight: plan.weights.indices.contains(socket) ? plan.weights[socket] : 1, mtu: plan.mtu)
    }
    settings.peers = plan.peers.map { peer in
      PeerSettings(
        name: "gateway\(peer.gateway)", publicKey: publicKeys[peer.gateway], presharedKey: kept(peer.presharedKey),
        endpoints: peer.sockets.map { address(of: Place(peer.gateway, $0)) },
        allowed: peer.allowed ?? innerPrefixes(behind: peer.gateway))
    }
    settings.paths += plan.slots.map { path in
      var slot = LocalPath(name: "path\(path)", mtu: plan.mtu)
      slot.carrier = path
      return slot
    }
    settings.relays = plan.relays.map { self.settings(ofRelay: $0) }
    settings.spareRelays = plan.spareRelays
    settings.rules = plan.rules
    settings.classes = plan.classes
    settings.mostFlows = plan.mostFlows
    settings.mostPieces = plan.mostPieces
    settings.strangers = plan.strangers
    if let timing = plan.timing { settings.timing = timing }
    return settings
  }

  /// As its clients know it.
  public func settings(ofRelay relay: Int) -> PeerSettings {
    let dead = relayPlans[relay].hasDeadAddress ? [address(of: relayPlace(relay, 15))] : []
    return PeerSettings(
      name: "relay\(relay)", publicKey: publicKeys[plans.count + relay],
      endpoints: dead + [address(of: relayPlace(relay, 0))])
  }

  /// Starts a gateway, or starts it again with the same keys and nothing else of before.
  public func start(_ gateway: Int, _ change: (inout GatewaySettings) -> Void = { _ in }) throws {
    var settings = settings(of: gateway)
    change(&settings)
    let fresh = try TestGateway(
      gateway, run: runs[gateway], plan: plans[gateway], settings: settings,
      identity: identity(of: gateway))
    runs[gateway] += 1
    gateways[gateway] = fresh
    fresh.engine.start(at: now)
    turn(fresh)
  }

  /// Starts a relay, or starts it again: it has forgotten everything but its key.
  public func startRelay(_ relay: Int) throws {
    var settings = RelayEngine.Settings(wallClockAtZero: WallTime(seconds: 1_700_000_000, nanoseconds: 0))
    settings.clients = relayPlans[relay].clients.map {
      var client = RelayEngine.ClientSettings(name: "gateway\($0)", publicKey: publicKeys[$0])
      client.terms = relayPlans[relay].terms
      return client
    }
    settings.backSockets = relayPlans[relay].backSockets
    let number = plans.count + relay
    let fresh = try TestRelay(number, settings: settings, identity: identity(of: number))
    relays[relay] = fresh
    turn(fresh)
  }

  public func stopRelay(_ relay: Int) {
    relays[relay] = nil
    deadlines[plans.count + relay] = nil
  }

  /// As if its power had gone.
  public func stop(_ gateway: Int) {
    gateways[gateway] = nil
    deadlines[gateway] = nil
  }

  /// Both directions.
  public func connect(_ one: Place, _ other: Place, _ line: Line) {
    set(line, from: one, to: other)
    set(line, from: other, to: one)
  }

  public func set(_ line: Line, from: Place, to: Place) {
    lines[Way(from: from, to: to), default: LineState(line: line)].line = line
  }

  public func change(_ one: Place, _ other: Place, _ change: (inout Line) -> Void) {
    for way in [Way(from: one, to: other), Way(from: other, to: one)] {
      if var state = lines[way] {
        change(&state.line)
        lines[way] = state
      }
    }
  }

  /// Datagrams that were sent on a line while it was up.
  public func carried(from: Place, to: Place) -> Int { lines[Way(from: from, to: to)]?.carried ?? 0 }

  /// What the others see of a socket; an address translator may change it at any time.
  public func bind(_ place: Place, to endpoint: Endpoint) {
    if let before = external[place] { behind[before] = nil }
    external[place] = endpoint
    behind[endpoint] = place
  }

  /// The translator in front of this socket forgets, and takes another port.
  public func rebind(_ place: Place) {
    guard var endpoint = external[place] else { return }
    endpoint.port &+= 1
    bind(place, to: endpoint)
  }

  /// Two gateways with a line between each two sockets of one number; the second knows where the first is, or not.
  public static func pair(
    seed: UInt64 = 1, paths: Int = 2, bothKnow: Bool = false, line: Line = Line(), tampering: Tampering? = nil,
    _ change: (inout [GatewayPlan]) -> Void = { _ in }
  ) throws -> GatewayWorld {
    let sockets = Array(0..<paths)
    var plans = [
      GatewayPlan(sockets: paths, peers: [.init(1, sockets: sockets)]),
      GatewayPlan(sockets: paths, peers: [.init(0, sockets: bothKnow ? sockets : [])]),
    ]
    change(&plans)
    let world = try GatewayWorld(seed: seed, plans, tampering: tampering)
    for socket in sockets { world.connect(Place(0, socket), Place(1, socket), line) }
    return world
  }

  /// One gateway that knows nobody's address, and branches with one path each that know its.
  public static func hub(
    seed: UInt64 = 1, branches: Int, line: Line = Line(), _ change: (inout [GatewayPlan]) -> Void = { _ in }
  ) throws -> GatewayWorld {
    var plans = [GatewayPlan(peers: (1...branches).map { .init($0, sockets: []) })]
    for _ in 1...branches { plans.append(GatewayPlan(peers: [.init(0, sockets: [0])])) }
    change(&plans)
    let world = try GatewayWorld(seed: seed, plans)
    for branch in 1...branches { world.connect(Place(branch, 0), Place(0, 0), line) }
    return world
  }

  /// What a driver may tell an engine between two turns.
  public func tell(_ number: Int, _ words: (inout Engine, Instant) -> Void) {
    let gateway = gateway(number)
    words(&gateway.engine, now)
    turn(gateway)
  }

  /// Other settings for a running gateway, as a driver brings them. What it objects to is thrown, and nothing changed.
  public func apply(
    _ number: Int, identity: Identity? = nil, _ change: (inout GatewaySettings) -> Void
  ) throws(SettingsConflict) {
    let gateway = gateway(number)
    var settings = gateway.settings
    change(&settings)
    gateway.engine.apply(try gateway.engine.examine(settings, identity: identity), at: now)
    gateway.settings = settings
    turn(gateway)
  }

  /// With another key than the one that the world gave it.
  public func freshIdentity() -> Identity {
    var secret = Secret()
    secret.withMutableBytes { cryptography.random($0) }
    return Identity(privateKey: secret, cryptography)
  }

  /// What a driver may tell a relay.
  public func tellRelay(_ number: Int, _ words: (inout RelayEngine, Instant) -> Void) {
    let relay = relay(number)
    words(&relay.engine, now)
    turn(relay)
  }

  /// A running relay.
  public func relay(_ number: Int) -> TestRelay {
    guard let relay = relays[number] else { preconditionFailure("relay \(number) was not started") }
    return relay
  }

  /// A running gateway.
  public func gateway(_ number: Int) -> TestGateway {
    guard let gateway = gateways[number] else { preconditionFailure("gateway \(number) was not started") }
    return gateway
  }

  @discardableResult
  public func add(
    _ kind: UserFlow.Kind, from: Int, to: Int, family: IPAddress.Family = .ipv4, pause: Interval, packets: Int = .max,
    starting: Interval = .zero
  ) -> Int {
    var flow = UserFlow(
      index: flows.count, from: from, to: to, kind: kind, family: family, pause: pause, next: now + starting,
      left: packets)
    flow.firstSequence = UInt32(truncatingIfNeeded: random.next())
    flows.append(flow)
    return flow.index
  }

  public func at(_ interval: Interval, _ action: @escaping (GatewayWorld) throws -> Void) {
    agenda.add(.action(action), at: now + interval)
  }

  public func fail(_ sentence: String) {
    if failures.count < 10 { failures.append("seed \(seed), at \(now.nanoseconds / 1_000) µs: \(sentence)") }
  }

  // MARK: Running

  public func run(for interval: Interval) { run(until: now + interval) }

  public func run(until end: Instant) {
    while failures.isEmpty, let next = nextMoment, next <= end {
      now = max(now, next)
      if now == stillAt.instant {
        stillAt.steps += 1
        if stillAt.steps > 10_000 { return fail("time stands still") }
      } else {
        stillAt = (now, 0)
      }
      step()
    }
    now = max(now, end)
  }

  /// Until something holds; false when it does not in time.
  public func run(atMost interval: Interval, until isReached: (GatewayWorld) -> Bool) -> Bool {
    let end = now + interval
    while !isReached(self) {
      guard failures.isEmpty, let next = nextMoment, next <= end else { return false }
      now = max(now, next)
      step()
    }
    return true
  }

  private var nextMoment: Instant? {
    var earliest = agenda.first
    for deadline in deadlines {
      if let deadline { earliest = min(earliest ?? deadline, deadline) }
    }
    for flow in flows {
      if let next = flow.next { earliest = min(earliest ?? next, next) }
    }
    return earliest
  }

  private func step() {
    var active: Set<Int> = []
    while let item = agenda.take(until: now) { happen(item, &active) }
    for index in flows.indices { if let next = flows[index].next, next <= now { send(index, &active) } }
    for (index, deadline) in deadlines.enumerated() {
      guard let deadline, deadline <= now else { continue }
      if active.insert(index).inserted && index < gateways.count { gateways[index]?.wakes += 1 }
    }
    for index in active.sorted() {
      if index >= gateways.count {
        if let relay = relays[index - gateways.count] { turn(relay) }
      } else if let gateway = gateways[index] {
        turn(gateway)
      }
    }
  }

  private func happen(_ item: Agenda.Item, _ active: inout Set<Int>) {
    switch item {
    case .action(let action):
      do { try action(self) } catch { fail("\(error)") }
    case .arrival(let parcel) where parcel.to.gateway >= gateways.count:
      guard let relay = relays[parcel.to.gateway - gateways.count] else { return lost += 1 }
      relay.arrivals.append(parcel)
      active.insert(relay.number)
    case .arrival(let parcel):
      guard let gateway = gateways[parcel.to.gateway] else { return lost += 1 }
      gateway.arrivals.append(parcel)
      active.insert(gateway.number)
    case .sent(let gateway, let run, let batch):
      guard let gateway = gateways[gateway], gateway.run == run else { return }
      gateway.outstanding -= 1
      gateway.batchesOf[Int(gateway.engine.batch(batch).route.socket)] -= 1
      gateway.engine.sent(batch, wasTaken: true)
      active.insert(gateway.number)
    case .written(let gateway, let run, let delivery, let bytes):
      guard let gateway = gateways[gateway], gateway.run == run else { return }
      if gather(delivery) != bytes { fail("a delivery changed before it was given back") }
      gateway.outstanding -= 1
      gateway.engine.written(delivery.handle, wasTaken: true)
      active.insert(gateway.number)
    }
  }

  private func send(_ index: Int, _ active: inout Set<Int>) {
    if flows[index].left == 0 { return flows[index].next = nil }
    guard let gateway = gateways[flows[index].from], let buffer = gateway.takeBuffer() else {
      // The host waits until the virtual NIC takes more.
      return flows[index].next = now + .microseconds(200)
    }
    let length = flows[index].write(to: buffer.bytes, &random)
    gateway.engine.packet(
      UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<length]), buffer: buffer.number, at: now)
    flows[index].next = flows[index].left == 0 ? nil : now + flows[index].pause
    active.insert(gateway.number)
  }

  // MARK: A gateway's turn

  private func turn(_ gateway: TestGateway) {
    gateway.turns += 1
    receiveArrivals(gateway)
    if let due = gateway.engine.deadline, due <= now { gateway.engine.expire(at: now) }
    gateway.engine.flush(at: now)
    gateway.closeSockets(at: now)
    while let number = gateway.engine.nextBatch() { take(number, of: gateway) }
    while let delivery = gateway.engine.nextDelivery() { take(delivery, of: gateway) }
    while let number = gateway.engine.nextFreeBuffer() {
      if !gateway.giveBack(number) { fail("buffer \(number) came back twice") }
    }
    while let event = gateway.engine.nextEvent() { gateway.events.append(event.kind) }
    deadlines[gateway.number] = gateway.engine.deadline
  }

  private func turn(_ relay: TestRelay) {
    let parcels = relay.arrivals
    relay.arrivals = []
    for parcel in parcels {
      parcel.bytes.withUnsafeBytes { bytes in
        relay.engine.receive(
          bytes, pieceLength: parcel.pieceLength, on: RelaySocket(place: parcel.to.socket), from: parcel.source,
          to: address(of: parcel.to).address, at: now)
        while let forward = relay.engine.nextForward() {
          transmit(
            UnsafeRawBufferPointer(rebasing: bytes[forward.range]), forward.pieceLength, to: forward.remote,
            from: Place(relay.number, forward.socket.place), canBeMarked: parcel.isMarked, wasMarked: parcel.isMarked)
        }
      }
    }
    if let due = relay.engine.deadline, due <= now { relay.engine.expire(at: now) }
    while let datagram = relay.engine.nextDatagram() {
      withUnsafeBytes(of: datagram.bytes) { bytes in
        transmit(
          UnsafeRawBufferPointer(rebasing: bytes[..<datagram.count]), datagram.count, to: datagram.remote,
          from: Place(relay.number, datagram.socket.place), canBeMarked: false)
      }
    }
    deadlines[relay.number] = relay.engine.deadline
  }

  private func take(_ number: UInt16, of gateway: TestGateway) {
    let batch = gateway.engine.batch(number)
    let from = Place(gateway.number, gateway.socket(ofPlace: Int(batch.route.socket)))
    if !gateway.engine.isOpen(Int(batch.route.socket)) { return gateway.engine.sent(number, wasTaken: false) }
    let packet = batch.pieceLength + (batch.route.remote.address.family == .ipv6 ? 48 : 28)
    let isTooLarge = packet > interfaceMTU ?? .max
    if isTooLarge { gateway.engine.tooLarge(number, at: now) }
    let isRefused = isTooLarge || refusal > 0 && random.unit() < refusal
    let bytes = UnsafeMutableRawBufferPointer(start: batch.bytes, count: batch.length)
    var offset = 0
    while offset < batch.length {
      let end = min(offset + batch.pieceLength, batch.length)
      let sentence = observer.see(
        UnsafeRawBufferPointer(rebasing: bytes[offset..<end]), from: gateway.number, run: gateway.run,
        to: behind[batch.route.remote]?.gateway ?? 0xffff, mtu: gateway.plan.mtu,
        isIPv6: batch.route.remote.address.family == .ipv6)
      if let sentence { fail(sentence) }
      offset = end
    }
    if batch.pieces > gateway.plan.mostPieces { fail("\(batch.pieces) datagrams in one batch") }
    if (batch.length + batch.pieceLength - 1) / batch.pieceLength != batch.pieces {
      fail("a batch that is not cut evenly")
    }
    if mostOverheard > 0 {
      overheard.append(
        Array(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[..<min(batch.pieceLength, batch.length)])))
      if overheard.count > mostOverheard { overheard.removeFirst() }
    }
    if !isRefused {
      transmit(
        UnsafeRawBufferPointer(bytes), batch.pieceLength, to: batch.route.remote, from: from,
        canBeMarked: batch.isCongestionCapable)
    }
    if !isRefused && random.unit() < lingering {
      gateway.outstanding += 1
      gateway.batchesOf[Int(batch.route.socket)] += 1
      agenda.add(.sent(gateway.number, gateway.run, number), at: now + .microseconds(Int64(random.below(3_000))))
    } else {
      gateway.engine.sent(number, wasTaken: !isRefused)
    }
  }

  private func take(_ delivery: Delivery, of gateway: TestGateway) {
    gateway.deliveries += 1
    var length = 0
    for index in 0..<delivery.sliceCount {
      let slice = delivery.slices[index]
      guard length + slice.count <= scratch.bytes.count, let start = scratch.bytes.baseAddress else {
        return fail("a delivery of more than \(length) bytes")
      }
      (start + length).copyMemory(from: slice.start, byteCount: slice.count)
      length += slice.count
    }
    if length != delivery.length { fail("a delivery of \(length) bytes that says it has \(delivery.length)") }
    let frame = UnsafeRawBufferPointer(rebasing: scratch.bytes[..<length])
    if let sentence = foreignSource(of: frame, at: gateway.number) { fail(sentence) }
    if checksTraffic, let sentence = TrafficCheck.accept(frame, by: gateway.number, &flows, at: now) { fail(sentence) }
    if random.unit() < lingering {
      gateway.outstanding += 1
      agenda.add(
        .written(gateway.number, gateway.run, delivery, Array(frame)),
        at: now + .microseconds(Int64(random.below(2_000)))
      )
    } else {
      gateway.engine.written(delivery.handle, wasTaken: true)
    }
  }

  private func kept(_ bytes: [UInt8]?) -> KeptSecret? {
    bytes?.withUnsafeBytes { bytes in
      guard let secret = Secret(bytes) else { return nil }
      return KeptSecret(secret)
    }
  }

  /// Whoever sends what, it must come from an address behind a peer.
  private func foreignSource(of frame: UnsafeRawBufferPointer, at gateway: Int) -> String? {
    let packet = UnsafeRawBufferPointer(rebasing: frame[OffloadHeader.length...])
    // What is behind the IP header is the receiver's business.
    let source: IPAddress
    switch packet.first.map({ $0 >> 4 }) {
    case 4 where packet.count >= 20: source = IPAddress(bytes: packet[12..<16])
    case 6 where packet.count >= 40: source = IPAddress(bytes: packet[8..<24])
    default: return "a delivery that is no packet"
    }
    let peers = plans[gateway].peers.map(\.gateway)
    let isAllowed = peers.contains { innerPrefixes(behind: $0).contains { $0.contains(source) } }
    return isAllowed ? nil : "a packet from \(source), which is behind no peer"
  }

  private func gather(_ delivery: Delivery) -> [UInt8] {
    (0..<delivery.sliceCount).flatMap { index in
      let slice = delivery.slices[index]
      return Array(UnsafeRawBufferPointer(start: slice.start, count: slice.count))
    }
  }

  // MARK: The network

  private func transmit(
    _ bytes: UnsafeRawBufferPointer, _ pieceLength: Int, to remote: Endpoint, from: Place, canBeMarked: Bool,
    wasMarked: Bool = false
  ) {
    let pieces = (bytes.count + pieceLength - 1) / pieceLength
    guard let to = behind[remote], let source = external[from],
      var state = lines[Way(from: from, to: to)], state.line.isUp
    else { return lost += pieces }
    let line = state.line
    var arrival = now + line.delay
    if line.jitter > .zero { arrival += .nanoseconds(Int64(random.below(UInt64(line.jitter.nanoseconds)))) }
    if let rate = line.rate {
      let begin = max(now, state.busyUntil)
      if begin - now > line.queue { return lost += pieces }
      state.busyUntil = begin + .nanoseconds(Int64(UInt64(bytes.count) * 8_000_000_000 / max(1, rate.bitsPerSecond)))
      arrival += state.busyUntil - now
    }
    state.carried += pieces
    arrival = max(arrival, state.lastArrival)
    state.lastArrival = arrival
    lines[Way(from: from, to: to)] = state
    let isMarked = wasMarked || canBeMarked && line.marking > 0 && random.unit() < line.marking
    var parcel = Parcel(bytes: [], pieceLength: pieceLength, source: source, to: to, isMarked: isMarked)
    if line.isClean {
      parcel.bytes = Array(bytes)
      return agenda.add(.arrival(parcel), at: arrival)
    }
    var offset = 0
    while offset < bytes.count {
      var piece = Array(bytes[offset..<min(offset + pieceLength, bytes.count)])
      offset += piece.count
      let headers = remote.address.family == .ipv6 ? 48 : 28
      if piece.count + headers > line.mostPacket ?? .max || random.unit() < line.loss {
        lost += 1
        continue
      }
      var alone = Parcel(bytes: piece, pieceLength: piece.count, source: source, to: to, isMarked: isMarked)
      if random.unit() < line.duplication { agenda.add(.arrival(alone), at: arrival + detour(line)) }
      if random.unit() < line.corruption {
        piece[Int(random.below(UInt64(piece.count)))] ^= 1 << UInt8(random.below(8))
        lost += 1
      }
      if random.unit() < line.reordering {
        alone.bytes = piece
        agenda.add(.arrival(alone), at: arrival + detour(line))
      } else {
        parcel.bytes += piece
      }
    }
    if !parcel.bytes.isEmpty { agenda.add(.arrival(parcel), at: arrival) }
  }

  private func detour(_ line: Line) -> Interval {
    .nanoseconds(Int64(random.below(UInt64(max(1, line.detour.nanoseconds)))))
  }

  /// Hands in what has arrived, joined and cut as the kernel may do it: full pieces of one size and one source.
  private func receiveArrivals(_ gateway: TestGateway) {
    let parcels = gateway.arrivals
    gateway.arrivals = []
    var index = 0
    while index < parcels.count {
      var parcel = parcels[index]
      index += 1
      while joins, index < parcels.count, parcel.isWhole, random.below(4) != 0 {
        let next = parcels[index]
        guard next.source == parcel.source, next.to == parcel.to, next.isMarked == parcel.isMarked,
          next.pieceLength == parcel.pieceLength || (next.bytes.count <= parcel.pieceLength),
          parcel.bytes.count + next.bytes.count <= 65_487
        else { break }
        parcel.bytes += next.bytes
        index += 1
      }
      var offset = 0
      while offset < parcel.bytes.count {
        let pieces = (parcel.bytes.count - offset + parcel.pieceLength - 1) / parcel.pieceLength
        let count = joins && random.below(4) == 0 ? 1 + Int(random.below(UInt64(pieces))) : pieces
        let end = min(offset + count * parcel.pieceLength, parcel.bytes.count)
        receive(&parcel.bytes, offset..<end, parcel, gateway)
        offset = end
      }
    }
  }

  private func receive(_ bytes: inout [UInt8], _ range: Range<Int>, _ parcel: Parcel, _ gateway: TestGateway) {
    let local = address(of: parcel.to).address
    bytes.withUnsafeMutableBytes { all in
      gateway.engine.receive(
        Arrival(
          bytes: UnsafeMutableRawBufferPointer(rebasing: all[range]), pieceLength: parcel.pieceLength,
          route: Route(socket: UInt8(gateway.place(ofSocket: parcel.to.socket)), remote: parcel.source, local: local),
          isCongested: parcel.isMarked), at: now)
    }
  }

  /// Somebody sends this to a socket, now.
  public func inject(_ bytes: [UInt8], to: Place, from source: Endpoint, pieceLength: Int? = nil) {
    if bytes.isEmpty { return }
    let parcel = Parcel(
      bytes: bytes, pieceLength: max(1, pieceLength ?? bytes.count), source: source, to: to, isMarked: false)
    agenda.add(.arrival(parcel), at: now)
  }

  /// The virtual NIC brings this, offload header and all. False: no buffer is free.
  public func inject(frame: [UInt8], into number: Int) -> Bool {
    guard let gateway = gateways[number], let buffer = gateway.takeBuffer(), frame.count <= buffer.bytes.count else {
      return false
    }
    buffer.bytes.copyBytes(from: frame)
    gateway.engine.packet(
      UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<frame.count]), buffer: buffer.number, at: now)
    turn(gateway)
    return true
  }

  // MARK: In the end

  /// Everything that was taken has come back, when nothing is sent any more.
  public func checkRest() {
    // Somebody may just have asked whether somebody is there.
    _ = run(atMost: .milliseconds(10)) { world in world.gateways.allSatisfy { $0?.outstanding ?? 0 == 0 } }
    for gateway in gateways {
      guard let gateway else { continue }
      let name = "gateway \(gateway.number)"
      if gateway.outstanding != 0 { fail("\(name): the driver still has something") }
      if gateway.lentBuffers != 0 { fail("\(name): \(gateway.lentBuffers) buffers did not come back") }
      let held = gateway.heldBytes(at: now)
      if held != 0 { fail("\(name): \(held) bytes are still held") }
      if !gateway.engine.hasAllBatches { fail("\(name): a batch is missing") }
    }
  }
}

/// What happens when, first in, first out among what happens at the same time.
struct Agenda {
  enum Item {
    case action((GatewayWorld) throws -> Void)
    case arrival(Parcel)
    case sent(Int, Int, UInt16)
    case written(Int, Int, Delivery, [UInt8])
  }

  private struct Entry {
    var at: Instant
    var number: UInt64
    var item: Item

    func isBefore(_ other: Entry) -> Bool { at == other.at ? number < other.number : at < other.at }
  }

  private var heap: [Entry] = []
  private var count: UInt64 = 0

  var first: Instant? { heap.first?.at }

  mutating func add(_ item: Item, at instant: Instant) {
    heap.append(Entry(at: instant, number: count, item: item))
    count += 1
    var child = heap.count - 1
    while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func take(until now: Instant) -> Item? {
    guard let first = heap.first, first.at <= now else { return nil }
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      let (left, right) = (2 * parent + 1, 2 * parent + 2)
      var least = parent
      if left < heap.count, heap[left].isBefore(heap[least]) { least = left }
      if right < heap.count, heap[right].isBefore(heap[least]) { least = right }
      if least == parent { return first.item }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
