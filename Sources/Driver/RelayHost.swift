//  RelayHost.swift — opens what a relay needs, runs it until somebody ends it, and closes everything.
//
//  It needs no interface and no rights but those of a UDP port: who may forward packets for others should be able to do
//  nothing else.

import Advice
public import Configuration
import Crypto
import Engine
import Glibc
import Handshake
import POSIX
import Primitives
import Relay
import Ring
import Sealing
public import Service
import Underlay
import Wire

public enum RelayHost {
  /// Everything that has to be known. Secrets are read.
  public struct Setup: Sendable {
    public var configuration: RelayConfiguration
    public var version: String
    /// One line an event.
    public var log: Log

    public init(_ configuration: RelayConfiguration, version: String, log: Log) {
      self.configuration = configuration
      self.version = version
      self.log = log
    }
  }

  /// As many clients can have one destination; each costs a port of this machine.
  static let mostBackSockets = 1_024

  /// Runs until SIGTERM or SIGINT.
  public static func run(_ setup: Setup) throws(GatewayFailure) {
    let waker = try attempt { () throws(RingFailure) in try RingWaker() }
    let stop = StopSignal(waker)
    var loop = try open(setup)
    loop.watch(waker)
    let consultation = try consultation(setup.configuration, at: loop.now, wake: { waker.wake() })
    var round: UInt64 = 0
    setup.log(.started, "relay: UDP port \(loop.frontPort), \(setup.configuration.clients.count) clients")
    var complaint: String?
    var heartbeat = Heartbeat(at: loop.now)
    ServiceManager.ready("relay: UDP port \(loop.frontPort)")
    while !stop.isRequested {
      heartbeat.beat(at: loop.now)
      loop.alarm = heartbeat.deadline
      let isWoken = loop.turn()
      if isWoken, let consultation { serve(consultation, setup, &loop, &round) }
      let new = loop.openBackSockets()
      if let new, new != complaint { setup.log(.problem, "relay: \(new)") }
      complaint = new
    }
    ServiceManager.stopping()
    consultation?.end()
    setup.log(.ended, "relay: ended by a signal")
    setup.log.end()
  }

  // MARK: The oracle

  /// nil when the file has none.
  private static func consultation(
    _ configuration: RelayConfiguration, at now: Instant, wake: @escaping @Sendable () -> Void
  ) throws(GatewayFailure) -> Consultation? {
    guard let client = configuration.oracle else { return nil }
    return try Consultation.start(client, AdviceSettings(name: client.name, peers: []), at: now, wake: wake)
  }

  private static func serve(
    _ consultation: Consultation, _ setup: Setup, _ loop: inout RelayLoop, _ round: inout UInt64
  ) {
    for line in consultation.takeNews() { setup.log(.oracle, line) }
    let clients = setup.configuration.clients
    if consultation.isAsked {
      var figures = Consultation.Figures()
      let own = setup.configuration.oracle?.name ?? ""
      for way in loop.engine.figures(at: loop.now) {
        guard let index = way.peer else { continue }
        figures.edges += EdgeFigures.thereAndBack(way, between: own, and: clients[index].name)
      }
      consultation.lay(figures)
    }
    guard let orders = consultation.takeOrders(), orders.round != round else { return }
    round = orders.round
    for name in orders.nodes {
      guard let index = clients.firstIndex(where: { $0.name == name }) else { continue }
      loop.engine.probe(client: index, until: loop.now + Advisor.probeFor, at: loop.now)
    }
  }

  private static func open(_ setup: Setup) throws(GatewayFailure) -> RelayLoop {
    let configuration = setup.configuration
    let cryptography = try attempt { () throws(CryptographyFailure) in try LibraryCryptography.make() }
    guard let key = configuration.privateKey.secret else {
      preconditionFailure("whoever runs a relay has read its key")
    }
    let identity = Identity(privateKey: key.copied(), cryptography)
    let now = MonotonicClock.now
    let settings = settings(configuration, at: now)
    let engine = try attempt { () throws(SettingsConflict) in try RelayEngine.make(settings, identity: identity) }
    var ring = try attempt { () throws(RingFailure) in
      try Ring.make(entries: 1024, completions: 4096, bufferGroups: 1)
    }
    let front = try attempt { () throws(UnderlayFailure) in try UDPSocket.open(port: configuration.listenPort) }
    for limitation in front.limitations { setup.log(.limitation, "relay: \(limitation)") }
    let pool = try attempt { () throws(RingFailure) in
      try BufferPool.make(count: RelayLoop.buffers, length: ReceivedDatagrams.bufferLength, in: &ring)
    }
    guard let pool else {
      throw GatewayFailure("there is not enough memory: raise the process's limits (ulimit -v)")
    }
    return RelayLoop(
      ring: ring, engine: engine, front: front, mostBackSockets: mostBackSockets, pool: pool, at: now)
  }

  private static func settings(_ configuration: RelayConfiguration, at now: Instant) -> RelayEngine.Settings {
    var wall = timespec()
    clock_gettime(CLOCK_REALTIME, &wall)
    let nanoseconds = UInt64(wall.tv_sec) * 1_000_000_000 + UInt64(wall.tv_nsec)
    let zero = nanoseconds > now.nanoseconds ? nanoseconds - now.nanoseconds : 0
    var settings = RelayEngine.Settings(
      wallClockAtZero: WallTime(seconds: zero / 1_000_000_000, nanoseconds: UInt32(zero % 1_000_000_000)))
    settings.mostBindings = configuration.mostBindings
    settings.backSockets = mostBackSockets
    settings.destinations = RelayDestinations(
      own: configuration.addresses, allowsPrivate: configuration.allowPrivate == .yes,
      allowed: configuration.destinations)
    settings.clients = configuration.clients.map { client in
      var known = RelayEngine.ClientSettings(name: client.name, publicKey: client.publicKey)
      known.presharedKey = client.presharedKey?.secret
      known.terms.bindings = client.mostBindings
      known.terms.rate = client.limit
      known.terms.perDay = client.daily
      return known
    }
    return settings
  }

  /// Whatever an edge throws is a sentence already.
  private static func attempt<Result: ~Copyable, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(GatewayFailure) -> Result {
    do throws(Failure) {
      return try body()
    } catch {
      throw GatewayFailure("\(error)")
    }
  }
}
