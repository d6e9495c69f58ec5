//  Advised.swift — between an engine and a consultation: what was measured in the oracle's terms, and its orders.
//
//  A gateway measures round trips to relays and to peers over relays; the oracle's map has edges. The way from a relay
//  to a peer is what the whole takes more than the way to the relay. Of delay and loss there and back nobody knows here
//  which direction they are of: each gets half.

import Advice
import Configuration
import Engine
import Primitives
import Status

struct Advised {
  private let consultation: Consultation
  private let client: OracleClient
  /// Of the advised peers: their places in the engine, and their names.
  private let peers: [(place: Int, name: String)]
  /// Relays of the file, which have the first places.
  private let named: Int
  private var round: UInt64 = 0
  /// As the oracle said, and without those over which the other side comes.
  private var advised: [[Int]]
  private var used: [[Int]]

  /// nil when the file has no oracle.
  static func begin(
    _ configuration: GatewayConfiguration, place: (GatewayConfiguration.Peer) -> Int?, at now: Instant,
    wake: @escaping @Sendable () -> Void
  ) throws(GatewayFailure) -> Advised? {
    guard let client = configuration.oracle else { return nil }
    let peers = configuration.peers.filter { !$0.endpoints.isEmpty }.compactMap { peer in
      place(peer).map { (place: $0, name: peer.name) }
    }
    var settings = AdviceSettings(name: client.name, peers: peers.map(\.name))
    settings.paths = client.paths
    settings.objective =
      switch client.objective {
      case .throughput: .throughput
      case .latency: .latency
      case .resilience: .resilience
      case .cost: .cost
      }
    settings.mostPrice = client.mostPrice.map { Double($0.thousandths) / 1_000 }
    settings.mostDelay = client.mostDelay
    settings.forbiddenProviders = client.withoutProviders
    settings.forbiddenRegions = client.withoutRegions
    settings.named = configuration.relays.map {
      RelayContact(name: $0.name, publicKey: $0.publicKey, endpoints: $0.endpoints.map(\.description))
    }
    let consultation = try Consultation.start(client, settings, at: now, wake: wake)
    return Advised(consultation, client, peers, named: configuration.relays.count)
  }

  private init(
    _ consultation: Consultation, _ client: OracleClient, _ peers: [(place: Int, name: String)], named: Int
  ) {
    self.consultation = consultation
    self.client = client
    self.peers = peers
    self.named = named
    advised = peers.map { _ in Array(0..<named) }
    used = advised
  }

  func end() { consultation.end() }

  func snapshot(at now: Instant) -> StatusSnapshot.Oracle { consultation.snapshot(at: now) }

  /// Everything that the thread wants, between two turns.
  mutating func serve(_ loop: inout GatewayLoop, log: (String) -> Void) {
    for line in consultation.takeNews() { log(line) }
    if consultation.isAsked {
      consultation.lay(figures(of: loop))
      // Meanwhile the other side may have asked a relay, too.
      use(&loop, log)
    }
    if let orders = consultation.takeOrders() { follow(orders, &loop, log) }
  }

  // MARK: Orders

  private mutating func follow(_ orders: Consultation.Orders, _ loop: inout GatewayLoop, _ log: (String) -> Void) {
    var isThere = orders.relays.map { _ in true }
    for place in named..<orders.relays.count {
      guard let relay = orders.relays[place] else {
        isThere[place] = false
        continue
      }
      if !loop.engine.setRelay(place, to: relay, at: loop.now) {
        isThere[place] = false
        log("oracle: it names \(relay.name) with a key that is a peer's, or none: left out")
      }
    }
    advised = orders.used.map { $0.filter { isThere[$0] } }
    use(&loop, log)
    if orders.round == round { return }
    round = orders.round
    for place in orders.probed where isThere[place] {
      loop.engine.probe(relay: place, until: loop.now + Advisor.probeFor, at: loop.now)
    }
  }

  private mutating func use(_ loop: inout GatewayLoop, _ log: (String) -> Void) {
    for (index, peer) in peers.enumerated() {
      let relays = advised[index].filter { !loop.engine.comes(over: $0, fromPeer: peer.place) }
      if relays == used[index] { continue }
      used[index] = relays
      loop.engine.setRelays(relays, ofPeer: peer.place, at: loop.now)
      let names = relays.map { loop.engine.name(ofRelay: $0) }
      log("peer \(peer.name): " + (names.isEmpty ? "no relays" : "over \(names.joined(separator: ", "))"))
    }
  }

  // MARK: Figures

  private func figures(of loop: borrowing GatewayLoop) -> Consultation.Figures {
    let ways = loop.engine.figures(ofPeers: peers.map(\.place), at: loop.now)
    var figures = Consultation.Figures()
    for way in ways where way.isUp {
      guard let relay = way.relay else {
        if let peer = name(of: way.peer) { figures.edges.append(direct(way, to: peer)) }
        continue
      }
      let name = loop.engine.name(ofRelay: relay)
      if let peer = way.peer {
        guard let to = self.name(of: peer),
          let near = ways.first(where: { $0.peer == nil && $0.relay == relay && $0.isUp })?.roundTrip
        else { continue }
        var edge = EdgeFigures(from: name, to: to)
        edge.roundTrip = way.roundTrip.map { max($0 - near, .zero) }
        edge.loss = way.loss
        edge.rate = way.rate
        figures.edges.append(edge)
        if let rate = way.rate {
          var first = EdgeFigures(from: client.name, to: name)
          first.rate = rate
          figures.edges.append(first)
        }
      } else {
        figures.edges += EdgeFigures.thereAndBack(way, between: client.name, and: name)
      }
    }
    for way in ways {
      guard let to = name(of: way.peer) else { continue }
      let via = way.relay.map { loop.engine.name(ofRelay: $0) }
      figures.outcomes.append(WayOutcome(to: to, via: via, hasWorked: way.isUp))
    }
    return figures
  }

  private func name(of peer: Int?) -> String? {
    peer.flatMap { place in peers.first { $0.place == place }?.name }
  }

  private func direct(_ way: WayFigures, to peer: String) -> EdgeFigures {
    var edge = EdgeFigures(from: client.name, to: peer)
    edge.roundTrip = way.roundTrip
    edge.excess = way.excess.map { EdgeFigures.Excess($0.delay, $0.count) }
    edge.loss = way.loss
    edge.rate = way.rate
    return edge
  }
}

extension EdgeFigures {
  /// Both directions of a way of which only the round trip was seen.
  static func thereAndBack(_ way: WayFigures, between one: String, and other: String) -> [EdgeFigures] {
    [(one, other), (other, one)].map { from, to in
      var edge = EdgeFigures(from: from, to: to)
      edge.roundTrip = way.roundTrip
      edge.excess = way.excess.map { EdgeFigures.Excess($0.delay / 2, $0.count) }
      edge.loss = way.loss.map { $0 / 2 }
      return edge
    }
  }
}
