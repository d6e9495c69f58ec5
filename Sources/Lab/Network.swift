//  Network.swift — a topology's namespaces filled with interfaces, addresses and routes.
//
//  In three passes, because a line needs both of its ends' namespaces, and the wire's interfaces appear only when it
//  runs: namespaces with their settings; lines (a veth pair that is born with one end in each namespace, so nothing
//  of ours is ever seen in the machine's own network); then, node by node, everything that belongs to an interface.
//
//  Everybody on a line is known to everybody from the start (permanent neighbours): no ARP or neighbour discovery is
//  on the line, so the first packet of a measurement is not slower than the second, and captures show what they are
//  for.
//
//  A host's wire to its site has no network of its own: the host has one address, and everything is behind its site.

import Glibc
import Netlink
import POSIX
import Primitives
import Topology

struct Network {
  let topology: Topology
  let addresses: AddressPlan
  private let state: LabState
  let routes: [RoutePlan]
  private let linksAt: [[Int]]

  /// For the wire's interfaces this is the doorway before the model's own queue: shorter, and bursts are dropped that
  /// the model never saw. A TCP sends all of its window at once now and then; a doorway for 1,000 dropped 157 frames of
  /// a million at 2.3 Gbit/s.
  private static let queueLength: UInt32 = 10_000

  init(_ topology: Topology, _ state: LabState) {
    self.topology = topology
    self.state = state
    let addresses = AddressPlan(topology)
    self.addresses = addresses
    linksAt = topology.linksAtNodes
    routes = IPAddress.Family.allCases.map { RoutePlan(topology, addresses, $0) }
  }

  // MARK: Namespaces

  func makeNamespace(of node: Int) throws(LabError) -> Namespace {
    let settings = NodeSettings.all(of: topology.nodes[node].kind)
    return try Namespace.create(state.namespaceName(of: topology.nodes[node])) { () throws(LabError) in
      for (path, value) in settings { try SmallFile.set("/proc/sys/net/" + path, value) }
    }
  }

  // MARK: Lines

  /// The plain links and the wires between hosts and their sites.
  func makePairs(_ namespaces: [Namespace]) throws(LabError) {
    var changes: [NetlinkChange] = []
    func pair(_ left: Int, _ leftEnd: AddressPlan.Interface, _ right: Int, _ rightEnd: AddressPlan.Interface) {
      changes.append(
        .createVeth(
          VethEnd(name: leftEnd.name, in: namespaces[left].descriptor),
          VethEnd(name: rightEnd.name, in: namespaces[right].descriptor)))
    }
    for (index, link) in topology.links.enumerated() where !topology.isEmulated(index) {
      pair(link.a, addresses.interface(of: index, at: link.a), link.b, addresses.interface(of: index, at: link.b))
    }
    for (node, host) in topology.nodes.enumerated() {
      guard let site = host.behind, let own = addresses.interface(ofHost: node),
        let theirs = addresses.siteInterface(toHost: node)
      else { continue }
      pair(node, own, site, theirs)
    }
    if changes.isEmpty { return }
    try wrapped(state.name) { () throws(NetlinkError) in
      var socket = try NetlinkSocket.open(in: namespaces[0].descriptor)
      try socket.perform(changes)
    }
  }

  // MARK: Nodes

  /// Everything that a node needs once all of its interfaces exist.
  func configure(_ node: Int, _ namespace: Namespace) throws(LabError) {
    try wrapped(namespace.name) { () throws(NetlinkError) in
      var socket = try NetlinkSocket.open(in: namespace.descriptor)
      var indices: [String: InterfaceIndex] = [:]
      for link in try socket.links() { indices[link.name] = link.index }
      try socket.perform(try changes(at: node, NodeInterfaces(indices)))
    }
    try Ruleset(topology, addresses, node: node).load(into: namespace)
  }

  private func changes(at node: Int, _ interfaces: NodeInterfaces) throws(NetlinkError) -> [NetlinkChange] {
    var all: [NetlinkChange] = [.configure(try interfaces["lo"], LinkSettings(isUp: true))]
    for link in linksAt[node] { all += try changes(forLink: link, at: node, interfaces) }
    for host in topology.hosts(behind: node) { all += try changes(forHost: host, interfaces) }
    all += try changes(asHost: node, interfaces)
    for plan in routes { all += try changes(from: plan, at: node, interfaces) }
    return all
  }

  func changes(forLink link: Int, at node: Int, _ interfaces: NodeInterfaces) throws(NetlinkError)
    -> [NetlinkChange]
  {
    let own = addresses.interface(of: link, at: node)
    let theirs = addresses.interface(of: link, at: topology.links[link].other(node))
    let index = try interfaces[own.name]
    let mtu = UInt32(topology.links[link].mtu?.value ?? Topology.Link.usualMTU)
    var pairs = [(own.ipv4, theirs.ipv4)]
    if topology.links[link].carriesIPv6 { pairs.append((own.ipv6, theirs.ipv6)) }
    return [.configure(index, settings(of: own, mtu: mtu))]
      + pairs.map { .addAddress(InterfaceAddress(IPPrefix($0.0), on: index)) }
      + pairs.map { .setNeighbour(neighbour($0.1, theirs, on: index)) }
  }

  /// At a site, for one of its hosts.
  private func changes(forHost host: Int, _ interfaces: NodeInterfaces) throws(NetlinkError) -> [NetlinkChange] {
    guard let own = addresses.siteInterface(toHost: host), let theirs = addresses.interface(ofHost: host) else {
      return []
    }
    let index = try interfaces[own.name]
    return [.configure(index, settings(of: own, mtu: UInt32(Topology.Link.usualMTU)))]
      + [(own.ipv4, theirs.ipv4), (own.ipv6, theirs.ipv6)].flatMap { own, theirs in
        [
          .addAddress(InterfaceAddress(IPPrefix(own), on: index)),
          .addRoute(Route(to: IPPrefix(theirs), through: index, source: IPAddress(bytes: own.bytes))),
        ]
      }
      + [theirs.ipv4, theirs.ipv6].map { .setNeighbour(neighbour($0, theirs, on: index)) }
  }

  /// At a host, for its way to its site and through it.
  private func changes(asHost host: Int, _ interfaces: NodeInterfaces) throws(NetlinkError) -> [NetlinkChange] {
    guard let own = addresses.interface(ofHost: host), let theirs = addresses.siteInterface(toHost: host) else {
      return []
    }
    let index = try interfaces[own.name]
    return [.configure(index, settings(of: own, mtu: UInt32(Topology.Link.usualMTU)))]
      + [own.ipv4, own.ipv6].map { .addAddress(InterfaceAddress(IPPrefix($0), on: index)) }
      + [theirs.ipv4, theirs.ipv6].flatMap { site -> [NetlinkChange] in
        let address = IPAddress(bytes: site.bytes)
        return [
          .setNeighbour(neighbour(site, theirs, on: index)),
          .addRoute(Route(to: .everything(address.family), through: index, via: address, isOnLink: true)),
        ]
      }
  }

  /// Waits until a node sends and receives on all of its interfaces, so that the very first packet gets through.
  func waitUntilReady(_ node: Int, _ namespace: Namespace, until deadline: Instant) throws(LabError) {
    try wrapped(namespace.name) { () throws(NetlinkError) in
      var socket = try NetlinkSocket.open(in: namespace.descriptor)
      for link in try socket.links() where link.isUp {
        // Also those that seem to be ready: only this question, about one link, brings the kernel up to date.
        while try socket.link(link.index)?.canSend == false {
          try Network.waitABit("send on \(link.name)", until: deadline, "it has no other end")
        }
      }
      // The kernel takes a new IPv6 address for its own only after a while, even one that nobody may object to.
      for address in ownIPv6Addresses(of: node) {
        while try socket.route(to: address)?.isLocal != true {
          try Network.waitABit("receive for \(address)", until: deadline, "the kernel does not take the address")
        }
      }
    }
  }

  private static func waitABit(_ operation: String, until deadline: Instant, _ reason: String) throws(NetlinkError) {
    if MonotonicClock.now >= deadline {
      throw NetlinkError(operation: operation, errno: ETIMEDOUT, explanation: reason)
    }
    usleep(1_000)
  }

  private func ownIPv6Addresses(of node: Int) -> [IPAddress] {
    var interfaces = linksAt[node].filter { topology.links[$0].carriesIPv6 }
      .map { addresses.interface(of: $0, at: node) }
    interfaces += topology.hosts(behind: node).compactMap { addresses.siteInterface(toHost: $0) }
    if let own = addresses.interface(ofHost: node) { interfaces.append(own) }
    return interfaces.map { IPAddress(bytes: $0.ipv6.bytes) }
  }

  // MARK: Routes

  private func changes(from plan: RoutePlan, at node: Int, _ interfaces: NodeInterfaces) throws(NetlinkError)
    -> [NetlinkChange]
  {
    if topology.nodes[node].behind != nil { return [] }
    var changes: [NetlinkChange] = [.addRoute(Route(to: RoutePlan.allSites(plan.family), kind: .unreachable))]
    let (main, byLink) = plan.tables(at: node)
    for entry in main { changes.append(.addRoute(try route(entry, .main, at: node, plan, interfaces))) }
    for (link, entries) in byLink {
      let table = Network.table(of: link)
      for entry in entries { changes.append(.addRoute(try route(entry, table, at: node, plan, interfaces))) }
      let name = AddressPlan.interfaceName(topology.links[link].name)
      let own = IPPrefix(plan.ends[end(of: link, at: node)].address)
      changes += [
        .addRule(RoutingRule(plan.family, priority: Network.boundPriority, table: table, boundTo: name)),
        .addRule(RoutingRule(plan.family, priority: Network.sourcePriority, table: table, source: own)),
      ]
    }
    return changes
  }

  func route(
    _ entry: RoutePlan.Entry, _ table: RoutingTable, at node: Int, _ plan: RoutePlan, _ interfaces: NodeInterfaces
  ) throws(NetlinkError) -> Route {
    guard let link = entry.link else { return Route(to: entry.destination, kind: .notHere, table: table) }
    let own = end(of: link, at: node)
    let isDirect = entry.destination == plan.networks[link]
    return Route(
      to: entry.destination, through: try interfaces[AddressPlan.interfaceName(topology.links[link].name)],
      via: isDirect ? nil : plan.ends[own ^ 1].address, table: table, source: plan.ends[own].address)
  }

  private func end(of link: Int, at node: Int) -> Int { topology.links[link].a == node ? 2 * link : 2 * link + 1 }

  /// Users may know these numbers: `ip route show table 1000` at a node is its first link of the file.
  static func table(of link: Int) -> RoutingTable { RoutingTable(1_000 + UInt32(link)) }

  /// Who bound a socket to an interface means it, whatever address he has.
  private static let boundPriority: UInt32 = 1_000
  static let sourcePriority: UInt32 = 2_000

  // MARK: Small things

  private func settings(of interface: AddressPlan.Interface, mtu: UInt32) -> LinkSettings {
    LinkSettings(
      hardware: HardwareAddress(bytes: interface.hardware), mtu: mtu, queueLength: Network.queueLength, isUp: true)
  }

  func neighbour(
    _ address: AddressPlan.Address, _ interface: AddressPlan.Interface, on index: InterfaceIndex
  ) -> Neighbour {
    Neighbour(IPAddress(bytes: address.bytes), at: HardwareAddress(bytes: interface.hardware), on: index)
  }

  func wrapped(_ place: String, _ body: () throws(NetlinkError) -> Void) throws(LabError) {
    do throws(NetlinkError) { try body() } catch { throw .network(place, error) }
  }
}

/// The interfaces that a node has, by name.
struct NodeInterfaces {
  private let indices: [String: InterfaceIndex]

  init(_ indices: [String: InterfaceIndex]) { self.indices = indices }

  subscript(name: String) -> InterfaceIndex {
    get throws(NetlinkError) {
      guard let index = indices[name] else { throw NetlinkError(operation: "use the interface \(name)", errno: ENODEV) }
      return index
    }
  }
}

/// The kernel's settings in a node's namespace, below /proc/sys/net.
private enum NodeSettings {
  static func all(of kind: Topology.Node.Kind) -> [(path: String, value: String)] {
    let forwards = kind.needsForwarding ? "1" : "0"
    // Forwarding first: it resets some of the others.
    return [("ipv4/ip_forward", forwards), ("ipv6/conf/all/forwarding", forwards)] + lines + tcp
  }

  /// For the interfaces that come ("default") and as a whole ("all").
  private static let lines: [(path: String, value: String)] =
    ["default", "all"].flatMap { which in
      [
        // With several links, packets come in by another than the one that answers leave by. That is the point here.
        ("ipv4/conf/\(which)/rp_filter", "0"),
        ("ipv4/conf/\(which)/accept_redirects", "0"),
        ("ipv4/conf/\(which)/send_redirects", "0"),
        // No IPv6 chatter on the lines: addresses are given, neighbours known, and nobody advertises himself.
        ("ipv6/conf/\(which)/disable_ipv6", "0"),
        ("ipv6/conf/\(which)/accept_dad", "0"),
        ("ipv6/conf/\(which)/accept_ra", "0"),
        ("ipv6/conf/\(which)/autoconf", "0"),
        ("ipv6/conf/\(which)/accept_redirects", "0"),
        ("ipv6/conf/\(which)/router_solicitations", "0"),
      ]
    } + [("ipv6/conf/default/addr_gen_mode", "1")]  // no link-local addresses

  private static let tcp: [(path: String, value: String)] = [
    // 300 Mbit/s over 640 ms are 24 MB in flight, and Linux lets a window use half of the buffer: 4 to 6 MiB, the
    // usual bound, would make TCP the bottleneck of a path and not the path itself.
    ("ipv4/tcp_rmem", "4096 131072 67108864"),
    ("ipv4/tcp_wmem", "4096 65536 67108864"),
    // What TCP learned in one measurement must not help or spoil the next.
    ("ipv4/tcp_no_metrics_save", "1"),
  ]
}
