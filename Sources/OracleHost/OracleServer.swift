//  OracleServer.swift — a running oracle: sockets, threads and a store around the value that decides everything.
//
//      Listen = …  ─▶ HTTPServer (a thread each) ─┐
//      a tick, five times a second ───────────────┼─▶ OracleDesk (one lock) ─▶ Oracle
//      StoreKeeper (a thread) ◀─▶ OracleStore ────┘
//
//  It starts whole or not at all: the store is open, what it kept is on the map, and every address listens before the
//  first request is read. It ends in the other order, so that what was answered is stored.

public import Configuration
import Crypto
import Glibc
public import HTTP
import Oracle
import POSIX
import PathOracle
public import Primitives
import Sealing
import Store

public struct OracleServer: ~Copyable {
  /// Everything that has to be known. Files are read.
  public struct Setup: Sendable {
    /// Every token is a hash.
    public var configuration: OracleConfiguration
    /// One line an event.
    public var log: @Sendable (String) -> Void
    /// Then it is HTTPS.
    public var identity: HTTPIdentity?

    public init(_ configuration: OracleConfiguration, log: @escaping @Sendable (String) -> Void) {
      self.configuration = configuration
      self.log = log
    }
  }

  private static let tick = Interval.milliseconds(200)

  /// Where it listens, with the ports that the kernel chose.
  public let endpoints: [Endpoint]
  private let servers: HTTPServers
  private let desk: OracleDesk
  private let stop: StopFlag
  private let workers: Workers
  private let journal: Journal

  /// Arrays hold nothing that cannot be copied; so this does.
  private final class Workers {
    private var ticker: Worker?
    private var keeper: Worker?

    init(_ ticker: consuming Worker?, _ keeper: consuming Worker?) {
      self.ticker = consume ticker
      self.keeper = consume keeper
    }

    func join() {
      if let ticker = ticker.take() { ticker.join() }
      if let keeper = keeper.take() { keeper.join() }
    }
  }

  // MARK: Starting

  public static func start(_ setup: Setup) throws(OracleFailure) -> OracleServer {
    let configuration = setup.configuration
    let journal = Journal(setup.log)
    guard let stop = StopFlag() else { throw OracleFailure("there is no descriptor left: raise the limit (ulimit -n)") }
    raiseDescriptorLimit()
    let nodes = configuration.gateways.map { node($0, .gateway) } + configuration.relays.map { node($0, .relay) }
    let cryptography: LibraryCryptography
    do throws(CryptographyFailure) {
      cryptography = try LibraryCryptography.make()
    } catch {
      throw OracleFailure("\(error)")
    }
    let settings = settings(configuration)
    let oracle = try oracle(settings, nodes, configuration.knownReaders, seed: cryptography.randomNumber())
    let view = OracleView { cryptography.randomNumber() }
    let desk = OracleDesk(oracle, view, keepsRows: configuration.store != nil, journal: journal)
    let keeper = try openStore(configuration, nodes, desk, journal)

    var endpoints: [Endpoint] = []
    let servers = HTTPServers()
    for endpoint in configuration.listen {
      let descriptor = try listen(endpoint)
      endpoints.append(Endpoint(endpoint.address, port: ListeningSocket.port(of: descriptor), scope: endpoint.scope))
      let isLoopback = OracleConfiguration.isLoopback(endpoint.address)
      let isOpen = configuration.readers.map { $0 == .anyone } ?? isLoopback
      let server = try serve(descriptor, endpoint, setup.identity) { desk.answer($0, isOpen: isOpen) }
      servers.add(server)
    }
    let ticker = Worker.start("oracle-tick") {
      while !stop.wait(for: tick) { desk.tick() }
    }
    guard let ticker else { throw OracleFailure("there is no thread left: raise the limit of processes (ulimit -u)") }
    let worker = keeper.flatMap { keeper -> Worker? in
      // Nobody else has it from here on.
      nonisolated(unsafe) let keeper = keeper
      return Worker.start("oracle-store") { keeper.run(until: stop) }
    }
    let scheme = setup.identity == nil ? "http" : "https"
    journal.say(
      "ready: " + endpoints.map { "\(scheme)://\($0)" }.joined(separator: ", ")
        + "; \(configuration.gateways.count) gateways, \(configuration.relays.count) relays")
    return OracleServer(
      endpoints: endpoints, servers: servers, desk: desk, stop: stop,
      workers: Workers(ticker, worker), journal: journal)
  }

  private static func listen(_ endpoint: Endpoint) throws(OracleFailure) -> Int32 {
    do throws(HTTPFailure) {
      return try ListeningSocket.open(endpoint)
    } catch {
      throw OracleFailure("\(error)")
    }
  }

  private init(
    endpoints: [Endpoint], servers: HTTPServers, desk: OracleDesk, stop: StopFlag, workers: Workers, journal: Journal
  ) {
    self.endpoints = endpoints
    self.servers = servers
    self.desk = desk
    self.stop = stop
    self.workers = workers
    self.journal = journal
  }

  /// Ends without leaving anything behind; what was answered is stored.
  public consuming func end() {
    desk.endStreams()
    servers.end()
    stop.raise()
    workers.join()
  }

  /// Each connection is a descriptor; a thousand are usual without asking for more.
  private static func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = min(limit.rlim_max, max(limit.rlim_cur, 8_192))
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  private static func serve(
    _ descriptor: Int32, _ endpoint: Endpoint, _ identity: HTTPIdentity?, _ handler: @escaping HTTPServer.Handler
  ) throws(OracleFailure) -> HTTPServer {
    var limits = HTTPLimits()
    // A fleet of a thousand that reports every ten seconds; most connections are idle, and those that are not hold
    // `mostBody` at most.
    limits.connections = 1_024
    // Shorter than the pause between two reports, so that idle ones do not add up.
    limits.patience = 5
    limits.connectionMemory = 16 << 10
    limits.mostBody = Oracle.Limits.body
    // Whole maps: the largest takes a fifth of a second to write, and queries do not wait for it.
    let isSlow: HTTPServer.Slowness = { Oracle.isALTO($0.path) || $0.path == "/v1/map" }
    if let identity {
      do throws(HTTPFailure) {
        return try HTTPServer.start(
          listening: descriptor, limits: limits, identity: identity, isSlow: isSlow, handler: handler)
      } catch {
        throw OracleFailure("cannot serve HTTPS on \(endpoint): \(error)")
      }
    }
    guard let server = HTTPServer.start(listening: descriptor, limits: limits, isSlow: isSlow, handler: handler)
    else {
      throw OracleFailure("there is no thread for \(endpoint): raise the limit of processes (ulimit -u)")
    }
    return server
  }

  // MARK: What it knows

  private static func settings(_ configuration: OracleConfiguration) -> Oracle.Settings {
    var settings = Oracle.Settings()
    settings.name = configuration.name
    settings.halfLife = configuration.halfLife
    settings.strategy = configuration.strategy.rawValue
    return settings
  }

  private static func oracle(
    _ settings: Oracle.Settings, _ nodes: [OracleNode], _ readers: [OracleConfiguration.Reader], seed: UInt64
  ) throws(OracleFailure) -> Oracle {
    var oracle = Oracle(settings, random: SeededRandom(seed: seed), at: MonotonicClock.now)
    for node in nodes {
      switch oracle.set(node) {
      case .set, .unchanged: break
      case .refused(let why): throw OracleFailure("the map does not take \"\(node.facts.name)\": \(why)")
      case .tokenOfAnother: throw OracleFailure("\"\(node.facts.name)\" has the token of another")
      }
    }
    for reader in readers {
      guard oracle.setReader(reader.name, token: hash(reader.token)) else {
        throw OracleFailure("the reader \"\(reader.name)\" has the token of another")
      }
    }
    return oracle
  }

  private static func node(_ node: OracleConfiguration.Node, _ kind: NodeFacts.Kind) -> OracleNode {
    let facts = NodeFacts(
      name: node.name, kind: kind, provider: node.provider, region: node.region,
      price: Price(microsPerGigabyte: UInt64(node.price.thousandths) * 1_000), capacity: node.capacity,
      prefixes: node.addresses,
      endpoints: node.endpoints.compactMap { if case .address(let endpoint) = $0 { endpoint } else { nil } })
    return OracleNode(
      facts: facts, endpoints: node.endpoints.map(\.description), publicKey: node.publicKey.map { "\($0)" },
      token: hash(node.token))
  }

  private static func hash(_ token: OracleConfiguration.Token) -> TokenHash {
    guard case .hash(let hash) = token else { preconditionFailure("whoever runs an oracle has read its tokens") }
    return hash
  }

  private static func openStore(
    _ configuration: OracleConfiguration, _ nodes: [OracleNode], _ desk: OracleDesk, _ journal: Journal
  ) throws(OracleFailure) -> StoreKeeper? {
    guard let place = configuration.store else {
      journal.say("no Store: what is reported is forgotten when this oracle ends")
      return nil
    }
    let (kind, at): (String, OracleStore.Place) =
      switch place {
      case .file(let path): ("sqlite", .file(path))
      case .server(let parameters): ("postgresql", .server(parameters))
      }
    do throws(StoreFailure) {
      let store = try OracleStore.open(at, as: configuration.name, at: WallClock.now)
      let keeper = StoreKeeper(
        store, kind: kind, name: configuration.name, own: nodes, desk: desk, journal: journal)
      let count = try keeper.begin(since: configuration.halfLife * PathMap.Limits.lifetime)
      journal.say("store: \(kind), \(count) measurements taken from it")
      return keeper
    } catch {
      throw OracleFailure("\(error)")
    }
  }
}
