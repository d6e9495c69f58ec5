//  Gateway.swift — opens what a gateway needs, runs it until somebody ends it, and closes everything.
//
//  Order.  What can be refused comes first and what others notice comes last: keys and settings, sockets, the virtual
//  NIC, the control socket. So a gateway that does not start has changed nothing, and all of it goes when the process
//  goes: the virtual NIC with its descriptor, its routes with it.

import Advice
public import Configuration
public import Control
import Crypto
import Engine
import Glibc
import Handshake
import Netlink
import POSIX
import Parity
public import Primitives
import Ring
import Sealing
public import Service
import Status
import Underlay
import VNIC
import Wire

/// Why a gateway does not run, in one sentence with what would help.
public struct GatewayFailure: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}

public enum Gateway {
  /// Everything that has to be known. Secrets are read, names are resolved.
  public struct Setup: Sendable {
    public var configuration: GatewayConfiguration
    /// For each peer where it can be found, and behind them for each relay.
    public var endpoints: [[Endpoint]]
    /// Names of peers that have no address yet: they are asked again.
    public var unresolved: [EndpointName]
    public var version: String
    /// Who may ask over TCP, and who we are there.
    public var remoteControl: ControlServer.Remote?
    /// Where all of it comes from; nil: from no file.
    public var origin: Origin?
    /// One line an event.
    public var log: Log

    public init(
      _ configuration: GatewayConfiguration, endpoints: [[Endpoint]], unresolved: [EndpointName] = [], version: String,
      origin: Origin? = nil, log: Log
    ) {
      self.configuration = configuration
      self.endpoints = endpoints
      self.unresolved = unresolved
      self.version = version
      self.origin = origin
      self.log = log
    }
  }

  /// Where a configuration comes from.
  public struct Origin: Sendable {
    /// Reads all of it again.
    public var reread: @Sendable () -> Reading
    /// What was read, with this laid over it; nothing of the rest is read again.
    public var overlaid: @Sendable (Overlay) -> Reading
    /// The drop-in that would keep what is laid over.
    public var dropIn: String

    public init(
      reread: @escaping @Sendable () -> Reading, overlaid: @escaping @Sendable (Overlay) -> Reading, dropIn: String
    ) {
      self.reread = reread
      self.overlaid = overlaid
      self.dropIn = dropIn
    }
  }

  /// What comes of reading a configuration again.
  public enum Reading: Sendable {
    case plan(Setup)
    /// All of them.
    case mistakes([String])
  }

  /// Where a peer can be found, once its name has an address.
  public struct EndpointName: Hashable, Sendable {
    /// Its place in the configuration; relays come behind the peers.
    public var peer: Int
    public var host: String
    public var port: UInt16

    public init(peer: Int, host: String, port: UInt16) {
      self.peer = peer
      self.host = host
      self.port = port
    }
  }

  /// Segments in the making and in waiting: 100 ms at 2.5 Gbit/s, all peers together.
  static let segmentBytes = 64 << 20
  /// Where datagrams wait for the kernel.
  static let batchBytes = GatewayLoop.mostBatches * 65_536

  /// Runs until SIGTERM or SIGINT.
  public static func run(_ setup: Setup) throws(GatewayFailure) {
    let waker = try attempt { () throws(RingFailure) in try RingWaker() }
    let stop = StopSignal(waker)
    let log = setup.log
    let written = setup
    var setup = setup
    var uplinking = try Uplinking(setup.configuration, setup.endpoints, wake: { waker.wake() })
    setup.configuration = written.configuration.expanded(over: uplinking.facts)
    var loop = try open(setup, &uplinking)
    uplinking.follow(
      setup.configuration, setup.endpoints, everyUplink: written.configuration.hasEvery, &loop, isStart: true,
      log: { log(.interface, $0) })
    let board = StatusBoard(wake: { waker.wake() })
    guard let events = EventBoard() else {
      throw GatewayFailure("there is no thread or no descriptor left: raise the limits (ulimit -u, -n)")
    }
    let reload = Reload(setup.origin, events, log: setup.log, wake: { waker.wake() })
    let control = try attempt { () throws(ControlFailure) in
      try ControlServer.start(
        at: setup.configuration.controlSocket,
        ControlServer.House(
          board: board, events: events, actions: ControlActions(reload),
          refused: { who in log(.tokenRefused, "control: \(who.map { "\($0)" } ?? "somebody") shows a wrong token") }),
        remote: setup.remoteControl, metrics: setup.configuration.metricsListen)
    }
    reload.keep(control.doors)
    loop.watch(waker)
    loop.engine.start(at: loop.now)
    useRelays(setup, &loop)
    var house = try Household(
      setup, as: written.configuration, uplinking, events, at: loop.now, wake: { waker.wake() })
    house.clerk.tellStart(of: loop)
    for endpoint in control.doors.remoteEndpoints {
      let scheme = setup.remoteControl?.identity == nil ? "http" : "https"
      log(.socketOpened, "control: \(scheme)://\(endpoint), with a token")
    }
    for endpoint in control.doors.metricsEndpoints { log(.socketOpened, "metrics: http://\(endpoint)/metrics") }
    var keeper = BudgetKeeper(interface: setup.configuration.interface, log: { log(.budgetNotKept, $0) })
    var heartbeat = Heartbeat(at: loop.now)
    ServiceManager.ready("\(setup.configuration.interface): up")
    while !stop.isRequested {
      heartbeat.beat(at: loop.now)
      loop.alarm = heartbeat.deadline
      if let due = house.deadline, loop.alarm.map({ due < $0 }) ?? true { loop.alarm = due }
      let isWoken = loop.turn()
      if loop.engine.hasBudgets { keeper.keep(&loop) }
      if isWoken {
        if stop.takeHangup() { reload.begin(for: "SIGHUP") }
        if let plan = reload.handover.takePlan() {
          house.clerk.tellEvents(of: &loop)
          reload.handover.answer(house.follow(plan, &loop))
        }
        house.look(&loop)
        house.advised?.serve(&loop, log: { log(.oracle, $0) })
        house.takeAddresses(&loop)
      }
      if board.isAsked || house.clerk.isBusy { house.clerk.answer(board, of: loop, house.advised) }
      loop.isHurried = house.clerk.isBusy
      house.keepSockets(&loop)
      house.clerk.tellEvents(of: &loop)
    }
    ServiceManager.stopping()
    house.end()
    keeper.end(&loop)
    house.clerk.tellEnd()
    _ = consume control
  }

  /// Of all paths: an engine knows sockets by a bit of 32.
  static let mostSlots = 16

  /// For each socket that leads over a relay the path whose interface it uses. A path with a limit has none, since it
  /// could not keep it.
  static func slots(_ configuration: GatewayConfiguration) -> [Int] {
    let each = configuration.oracle == nil ? configuration.relays.count : AdviceSettings.places
    let paths = configuration.paths.indices.filter { configuration.paths[$0].limit == nil }
    return Array((0..<each).flatMap { _ in paths }.prefix(mostSlots))
  }

  /// Relays that the operator named serve all peers whose address is known, in the order of the file.
  static func useRelays(_ setup: Setup, _ loop: inout GatewayLoop) {
    let relays = Array(setup.configuration.relays.indices)
    if relays.isEmpty { return }
    for peer in setup.configuration.peers where !peer.endpoints.isEmpty {
      if let place = loop.engine.place(ofPeer: peer.publicKey) {
        loop.engine.setRelays(relays, ofPeer: place, at: loop.now)
      }
    }
  }

  private static func open(_ setup: Setup, _ uplinking: inout Uplinking) throws(GatewayFailure) -> GatewayLoop {
    let configuration = setup.configuration
    let cryptography = try attempt { () throws(CryptographyFailure) in try LibraryCryptography.make() }
    guard let key = configuration.privateKey.secret else {
      preconditionFailure("whoever runs a gateway has read its key")
    }
    let identity = Identity(privateKey: key.copied(), cryptography)
    let now = MonotonicClock.now
    let settings = try settings(setup, at: now)
    let flowBytes = Engine.Memory.flowBytes(for: settings.mostFlows)
    guard let memory = LoopMemory.make(batches: batchBytes, segments: segmentBytes, flows: flowBytes) else {
      throw GatewayFailure("there is not enough memory: raise the process's limits (ulimit -v)")
    }
    let engine = try attempt { () throws(SettingsConflict) in
      try Engine.make(settings, identity: identity, erasure: ReedSolomon.code, memory: memory.engine)
    }
    var ring = try attempt { () throws(RingFailure) in
      try Ring.make(entries: 1024, completions: 4096, bufferGroups: LocalPlaces.count + 1)
    }
    var doors: [Door] = []
    for (place, name) in engine.wantedSockets {
      guard let path = configuration.paths.first(where: { $0.name == name }), uplinking.canOpen(path) else { continue }
      doors.append(try Door(place, of: path, configuration))
      uplinking.note(place, path)
    }
    let device = try attempt { () throws(InterfaceFailure) in
      try KeptInterface.bringUp(
        VirtualInterface.Settings(
          name: configuration.interface, addresses: configuration.addresses, mtu: Int(configuration.mtu.value),
          routes: configuration.wantedRoutes), log: setup.log)
    }
    let packets = try buffers(GatewayLoop.packetBuffers, GatewayLoop.packetLength, in: &ring)
    var loop = GatewayLoop(ring: ring, engine: engine, device: device, packets: packets, memory: memory, at: now)
    for door in doors {
      try loop.makeRoom(for: door)
      loop.open(door)
    }
    return loop
  }

  static func buffers(_ count: Int, _ length: Int, in ring: inout Ring) throws(GatewayFailure) -> BufferPool {
    do throws(RingFailure) {
      if let pool = try BufferPool.make(count: count, length: length, in: &ring) { return pool }
    } catch {
      throw GatewayFailure("\(error)")
    }
    throw GatewayFailure("there is not enough memory: raise the process's limits (ulimit -v)")
  }

  static func settings(_ setup: Setup, at now: Instant) throws(GatewayFailure) -> GatewaySettings {
    var wall = timespec()
    clock_gettime(CLOCK_REALTIME, &wall)
    let nanoseconds = UInt64(wall.tv_sec) * 1_000_000_000 + UInt64(wall.tv_nsec)
    let zero = nanoseconds > now.nanoseconds ? nanoseconds - now.nanoseconds : 0
    var settings = GatewaySettings(
      wallClockAtZero: WallTime(seconds: zero / 1_000_000_000, nanoseconds: UInt32(zero % 1_000_000_000)))
    settings.mostPieces = SegmentationOffload.kernelLimit
    settings.timing.renew(after: setup.configuration.rekeyAfter)
    settings.addresses = setup.configuration.addresses.map(\.address)
    settings.today = BudgetKeeper.today()
    let records = BudgetKeeper.records(of: setup.configuration.interface)
    settings.paths = try setup.configuration.paths.map { path throws(GatewayFailure) in
      var known = LocalPath(name: path.name, weight: path.weight, mtu: try mtu(of: path), address: path.bind)
      known.setPolicy(path)
      known.end = "\(path.interface) \(path.port ?? setup.configuration.listenPort ?? 0)"
      known.used = records.first { $0.path == path.name }
      return known
    }
    for path in slots(setup.configuration) {
      var slot = settings.paths[path]
      slot.carrier = path
      slot.end = ""
      // What it carries is billed to its path.
      slot.budget = nil
      slot.used = nil
      settings.paths.append(slot)
    }
    for (index, relay) in setup.configuration.relays.enumerated() {
      var known = PeerSettings(
        name: relay.name, publicKey: relay.publicKey,
        endpoints: setup.endpoints[setup.configuration.peers.count + index])
      known.presharedKey = relay.presharedKey?.secret
      settings.relays.append(known)
    }
    if setup.configuration.oracle != nil {
      settings.spareRelays = AdviceSettings.places - setup.configuration.relays.count
    }
    settings.classes = Classes(setup.configuration.classes.map { TrafficClass($0) })
    for (index, peer) in setup.configuration.peers.enumerated() {
      var known = PeerSettings(
        name: peer.name, publicKey: peer.publicKey, endpoints: setup.endpoints[index], allowed: peer.allowedIPs)
      known.presharedKey = peer.presharedKey?.secret
      known.keepalive = peer.keepalive
      settings.peers.append(known)
    }
    settings.rules = setup.configuration.rules.map { [classes = settings.classes] in
      Rule($0, paths: setup.configuration.paths, classes: classes)
    }
    return settings
  }

  /// As for the MTU that an operator gives: IPv6 needs it on every line.
  private static let leastPathMTU: UInt32 = 1_280

  /// What the operator said, or what the interface says.
  private static func mtu(of path: GatewayConfiguration.Path) throws(GatewayFailure) -> Int {
    if let mtu = path.mtu { return Int(mtu.value) }
    let link = try attempt { () throws(NetlinkError) in
      var network = try NetlinkSocket.open()
      return try network.link(named: path.interface)
    }
    if let link {
      if link.mtu >= leastPathMTU { return Int(link.mtu) }
      throw GatewayFailure(
        "Path \"\(path.name)\": \(path.interface) carries packets of \(link.mtu) bytes, and a path needs "
          + "\(leastPathMTU): `ip link set \(path.interface) mtu \(leastPathMTU)`, or leave the path out")
    }
    // It waits for its interface, which says it then.
    return 1_500
  }

  /// Whatever an edge throws is a sentence already.
  static func attempt<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(GatewayFailure) -> Result {
    do throws(Failure) {
      return try body()
    } catch {
      throw GatewayFailure("\(error)")
    }
  }
}

extension GatewayConfiguration {
  /// What goes through the virtual interface besides its own networks.
  var wantedRoutes: [IPPrefix] { routes == .auto ? peers.flatMap(\.allowedIPs) : [] }
}
