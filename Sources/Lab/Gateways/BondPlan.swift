//  BondPlan.swift — which gateways of a topology are bonded, over what, and hence what stands in their configurations.
//
//  Two gateways are peers when a way between them lets at least one of them begin. Everything else follows from the
//  ways:
//
//      path       each own link with which a way begins; its weight is what the way allows. How narrow that is
//                 the gateways find out by themselves
//      endpoint   where each way ends at the other side, if our connections get through it: both sides know each other,
//                 but behind a nat only the inside knows where to begin
//      AllowedIPs the other side's site; the gateway itself is the first address of it
//
//  A port for each link.  A gateway asks over every pair (own path, known address). In the lab one link alone leads to
//  all addresses of the node at its other end, so with one port each of three links would be three paths. Each link has
//  a port of its own instead, the same at both ends, and the other pairs find nobody.
//
//  Relays.  A way over a relay is one for the relay's program: of the two gateways the first asks it, the other only
//  has a path where it comes in. The gateway reaches the relay at its address on the last link before it.
//
//  An oracle.  Where a topology has one, gateways know no relays: it tells them. Each reaches it at its address on a
//  link that they share, else on its first one.
//
//  Bounds are the gateway's: 16 paths, and 16 pairs with a peer. Whoever would have to ask over more leaves it to the
//  other to begin.

import Configuration
import Crypto
import Primitives
import Sealing
import Topology

struct BondPlan {
  struct Path: Equatable {
    var link: Int
    /// In Mbit/s; nil when a path of this gateway has no limit, and so all are alike.
    var weight: UInt32?
  }

  struct Peer: Equatable {
    var node: Int
    /// The links by which the other side is reached; empty: it begins.
    var endpoints: [Int]
  }

  /// Somebody who forwards, and the link where he is reached.
  struct Relay: Equatable {
    var node: Int
    var link: Int
  }

  struct Member: Equatable {
    var node: Int
    var paths: [Path]
    var peers: [Peer]
    /// Those that it asks.
    var relays: [Relay]
  }

  struct Key {
    let secret: KeptSecret
    let publicKey: PublicKey
    /// For the oracle.
    let token: KeptSecret
  }

  static let mostPaths = 16
  static let mostPairs = 16
  /// As many as a configuration can name; an oracle knows more.
  static let mostRelays = 4
  static let relayPort: UInt16 = 51_800
  static let oraclePort: UInt16 = 8_460
  static let interface = GatewayConfiguration.defaultInterface
  private static let firstPort = 51_820

  let topology: Topology
  let addresses: AddressPlan
  let members: [Member]
  /// The first that the topology has, if there is anybody to ask it.
  let oracle: Int?

  /// `ways` are those between gateways that may be used; the order of their nodes says nothing.
  init(_ topology: Topology, ways: [Way], traces: [String: BitRate] = [:]) {
    self.topology = topology
    addresses = AddressPlan(topology)
    members = topology.nodes.indices.compactMap { node in
      guard topology.nodes[node].kind == .gateway else { return nil }
      let own = ways.filter { ($0.opener != nil || $0.relay != nil) && $0.has(end: node) }
      return own.isEmpty ? nil : BondPlan.member(node, own, topology, traces)
    }
    let oracles = topology.nodes.indices.filter { topology.nodes[$0].kind == .oracle }
    oracle = members.isEmpty ? nil : oracles.first { BondPlan.link(of: topology, to: $0) != nil }
  }

  /// Of all gateways, over every way, those over relays included.
  init(_ topology: Topology, traces: [String: BitRate] = [:]) {
    self.init(topology, ways: BondPlan.ways(of: topology), traces: traces)
  }

  private static func ways(of topology: Topology) -> [Way] {
    let addresses = AddressPlan(topology)
    let gateways = topology.nodes.indices.filter { topology.nodes[$0].kind == .gateway }
    return gateways.indices.flatMap { index in
      gateways[(index + 1)...].flatMap { other in
        topology.paths(from: gateways[index], to: other).map { Way($0, in: topology, addresses) }
      }
    }
  }

  // MARK: One gateway

  private static func member(
    _ node: Int, _ ways: [Way], _ topology: Topology, _ traces: [String: BitRate]
  ) -> Member {
    let links = Array(Set(ways.map { $0.link(at: node) }).sorted().prefix(mostPaths))
    let rates = links.map { link in
      ways.filter { $0.link(at: node) == link }.compactMap { $0.rate(from: node, traces: traces) }.max()
    }
    let areLimited = rates.allSatisfy { $0 != nil }
    let paths = zip(links, rates).map { link, rate in
      Path(link: link, weight: areLimited && links.count > 1 ? rate.map { weight($0) } : nil)
    }
    let others = Set(ways.map { $0.other(end: node) }).sorted()
    let peers = others.map { other in
      var endpoints: [Int] = []
      for way in ways where way.other(end: node) == other && way.isKnown(to: node) {
        let link = way.link(at: other)
        if !endpoints.contains(link) { endpoints.append(link) }
      }
      return Peer(node: other, endpoints: endpoints)
    }
    var relays: [Relay] = []
    for way in ways where way.nodes[0] == node {
      guard let place = way.relay.flatMap({ way.nodes.firstIndex(of: $0) }) else { continue }
      let relay = Relay(node: way.nodes[place], link: way.links[place - 1])
      if !relays.contains(where: { $0.node == relay.node }) { relays.append(relay) }
    }
    return Member(
      node: node, paths: paths, peers: bounded(peers, paths: paths.count, at: node, ways),
      relays: relays)
  }

  /// Those that somebody asks.
  var relays: [Int] { Array(Set(members.flatMap { $0.relays.map(\.node) })).sorted() }

  private static func bounded(_ peers: [Peer], paths: Int, at node: Int, _ ways: [Way]) -> [Peer] {
    peers.map { peer in
      if peer.endpoints.count * paths <= mostPairs { return peer }
      let ways = ways.filter { $0.other(end: node) == peer.node }
      let mayOtherBegin = ways.contains { $0.relay == nil && $0.isKnown(to: peer.node) }
      let theirs = Set(ways.map { $0.link(at: peer.node) }).count
      let isOtherSmaller = theirs < paths || theirs == paths && peer.node < node
      let kept = mayOtherBegin && isOtherSmaller ? 0 : max(1, mostPairs / paths)
      return Peer(node: peer.node, endpoints: Array(peer.endpoints.prefix(kept)))
    }
  }

  private static func weight(_ rate: BitRate) -> UInt32 {
    UInt32(min(1_000_000, max(1, rate.bitsPerSecond / 1_000_000)))
  }

  static func port(of link: Int) -> UInt16 { UInt16(firstPort + link) }

  /// A gateway's own address inside: the first of its site, which its hosts know it by.
  func insideAddress(of node: Int) -> IPAddress {
    var bytes = addresses.site(of: node).ipv4.bytes
    bytes[bytes.count - 1] = 1
    return IPAddress(bytes: bytes)
  }

  // MARK: Configurations

  /// Everything but the place of its files.
  func configuration(of member: Member, keys: [Int: Key], socket: String) -> GatewayConfiguration? {
    guard let own = keys[member.node] else { return nil }
    var configuration = GatewayConfiguration(privateKey: .held(own.secret))
    let site = addresses.site(of: member.node)
    configuration.addresses = [site.ipv4, site.ipv6].map { network in
      var bytes = network.bytes
      bytes[bytes.count - 1] = 1
      return IPPrefix(IPAddress(bytes: bytes))
    }
    configuration.controlSocket = socket
    configuration.paths = member.paths.map { path in
      let interface = addresses.interface(of: path.link, at: member.node).name
      var described = GatewayConfiguration.Path(name: topology.links[path.link].name, interface: interface)
      described.port = BondPlan.port(of: path.link)
      described.weight = path.weight ?? 1
      return described
    }
    configuration.peers = member.peers.compactMap { peer in
      guard let key = keys[peer.node] else { return nil }
      var described = GatewayConfiguration.Peer(name: topology.nodes[peer.node].name, publicKey: key.publicKey)
      described.endpoints = peer.endpoints.map { link in
        let address = IPAddress(bytes: addresses.interface(of: link, at: peer.node).ipv4.bytes)
        return .address(Endpoint(address, port: BondPlan.port(of: link)))
      }
      let site = addresses.site(of: peer.node)
      described.allowedIPs = [IPPrefix(site.ipv4).network, IPPrefix(site.ipv6).network]
      return described
    }
    if let oracle {
      configuration.oracle = client(of: oracle, at: member.node, own)
      return configuration
    }
    configuration.relays = member.relays.prefix(BondPlan.mostRelays).compactMap { relay in
      guard let key = keys[relay.node] else { return nil }
      var described = GatewayConfiguration.Relay(name: topology.nodes[relay.node].name, publicKey: key.publicKey)
      let address = IPAddress(bytes: addresses.interface(of: relay.link, at: relay.node).ipv4.bytes)
      described.endpoints = [.address(Endpoint(address, port: BondPlan.relayPort))]
      return described
    }
    return configuration
  }

  // MARK: The oracle

  private func client(of oracle: Int, at node: Int, _ own: Key) -> OracleClient? {
    guard
      let link = BondPlan.link(of: topology, to: oracle, from: node) ?? BondPlan.link(of: topology, to: oracle)
    else { return nil }
    let address = IPAddress(bytes: addresses.interface(of: link, at: oracle).ipv4.bytes)
    var client = OracleClient(
      url: "https://\(Endpoint(address, port: BondPlan.oraclePort))", name: topology.nodes[node].name,
      token: .held(own.token))
    client.authorities = BondPlan.certificateFile
    return client
  }

  private static func ends(_ link: Topology.Link, at node: Int) -> Bool { link.a == node || link.b == node }

  private static func link(of topology: Topology, to node: Int, from other: Int? = nil) -> Int? {
    topology.links.firstIndex { ends($0, at: node) && other.map { [link = $0] other in ends(link, at: other) } ?? true }
  }

  /// Beside the configurations.
  static let certificateFile = "oracle.crt"
  static let certificateKeyFile = "oracle.pem"

  func configuration(ofOracle oracle: Int, keys: [Int: Key], store: String) -> OracleConfiguration {
    var configuration = OracleConfiguration()
    configuration.name = topology.nodes[oracle].name
    configuration.listen = [Endpoint(IPAddress(ipv4: 0), port: BondPlan.oraclePort)]
    configuration.certificate = BondPlan.certificateFile
    configuration.certificateKeyFile = BondPlan.certificateKeyFile
    configuration.store = .file(store)
    configuration.gateways = members.compactMap { member in
      guard let key = keys[member.node] else { return nil }
      var node = OracleConfiguration.Node(name: topology.nodes[member.node].name, token: .held(key.token))
      let site = addresses.site(of: member.node)
      node.addresses = [IPPrefix(site.ipv4).network, IPPrefix(site.ipv6).network]
      node.endpoints = member.paths.prefix(4).map { path in
        let address = IPAddress(bytes: addresses.interface(of: path.link, at: member.node).ipv4.bytes)
        return .address(Endpoint(address, port: BondPlan.port(of: path.link)))
      }
      return node
    }
    configuration.relays = relays.compactMap { relay in
      guard let key = keys[relay] else { return nil }
      var node = OracleConfiguration.Node(
        name: topology.nodes[relay].name, token: .held(key.token), publicKey: key.publicKey)
      // Gateways on either side of it reach it at the address on theirs.
      node.endpoints = topology.links.indices.filter { BondPlan.ends(topology.links[$0], at: relay) }.prefix(4).map {
        link in
        let address = IPAddress(bytes: addresses.interface(of: link, at: relay).ipv4.bytes)
        return .address(Endpoint(address, port: BondPlan.relayPort))
      }
      return node
    }
    return configuration
  }

  /// Names for its certificate: all its addresses.
  func certificateNames(ofOracle oracle: Int) -> [String] {
    topology.links.indices.filter { BondPlan.ends(topology.links[$0], at: oracle) }.prefix(SelfSigned.mostNames).map {
      link in
      "IP:\(IPAddress(bytes: addresses.interface(of: link, at: oracle).ipv4.bytes))"
    }
  }

  /// Of a relay that forwards for all gateways.
  func configuration(ofRelay node: Int, keys: [Int: Key]) -> RelayConfiguration? {
    guard let own = keys[node] else { return nil }
    var configuration = RelayConfiguration(privateKey: .held(own.secret), listenPort: BondPlan.relayPort)
    configuration.allowPrivate = .yes
    if let oracle {
      configuration.oracle = client(of: oracle, at: node, own)
    }
    configuration.clients = members.compactMap { member in
      keys[member.node].map {
        RelayConfiguration.Client(name: topology.nodes[member.node].name, publicKey: $0.publicKey)
      }
    }
    return configuration
  }

  /// A new key for every gateway and every relay.
  func makeKeys() throws(LabError) -> [Int: Key] {
    let cryptography: LibraryCryptography
    do throws(CryptographyFailure) { cryptography = try LibraryCryptography.make() } catch {
      throw .refused("cannot make keys for the gateways: \(error)")
    }
    var keys: [Int: Key] = [:]
    for node in members.map(\.node) + relays {
      var secret = Secret()
      secret.withMutableBytes { cryptography.random($0) }
      let publicKey = cryptography.publicKey(of: secret)
      var token = Secret()
      token.withMutableBytes { cryptography.random($0) }
      keys[node] = Key(secret: KeptSecret(secret), publicKey: publicKey, token: KeptSecret(token))
    }
    return keys
  }
}

extension Way {
  /// Whether this end may begin over it, as far as it knows where to.
  fileprivate func isKnown(to end: Int) -> Bool {
    // Whoever asks a relay names the other's address; the other knows none.
    if relay != nil { return end == nodes[0] }
    return !hasNAT || opener == end
  }
}
