//  WayRoutes.swift — routes that lead packets over one way and no other, for as long as it is measured.
//
//  Why.  A direct link needs nothing: the lab's tables send what comes from a link's address over that link. But a
//  relay does not forward (that is what our own relay program is for), and over several routers there may be shorter
//  ways than ours.
//
//  How.  At each node of the way, a table of its own that knows the two ends and their next hops, asked by rules for
//  packets from either end before all other rules. A relay passes packets on between its two interfaces on the way
//  while it is measured.
//
//      branch ── up1 ── r1 ── down1 ── hq       at r1, for packets from branch or hq, table 900:
//                                               hq by down1, branch by up1
//
//  Beyond a nat, the first end is known by the nat's outer address.
//
//  Rejected.  Host routes in the main and the links' tables: the lab's own exceptions may stand in their place already.

import Netlink
import Primitives
import Topology

extension Scaffold {
  /// The tables of links begin at 1,000, and the rules that ask them too.
  private static let table = RoutingTable(900)
  private static let priority: UInt32 = 900

  /// Leads packets between the way's two addresses over it. The direction is that in which a nat lets connections pass.
  func lead(over way: Way, from opener: Int) throws(LabError) {
    if way.links.count == 1 { return }
    let isForward = opener == way.nodes.first
    let nodes = isForward ? way.nodes : way.nodes.reversed()
    let links = isForward ? way.links : way.links.reversed()
    let target = IPPrefix(host: way.address(of: nodes[nodes.count - 1]))
    var origin = IPPrefix(host: way.address(of: nodes[0]))
    for position in nodes.indices {
      let node = nodes[position]
      if position > 0 {
        try step(at: node, by: links[position - 1], to: nodes[position - 1], from: target, towards: origin)
        // Whoever comes after a nat sees its address. Packets that it sends on have their old one still when routes
        // are asked.
        if testbed.topology.nodes[node].kind == .nat, position < links.count {
          try step(at: node, by: links[position], to: nodes[position + 1], from: origin, towards: target)
          origin = IPPrefix(host: testbed.addresses.interface(of: links[position], at: node).ipv4)
          continue
        }
      }
      if position < links.count {
        try step(at: node, by: links[position], to: nodes[position + 1], from: origin, towards: target)
      }
    }
    try forward(over: way)
  }

  /// Leads what both ends send from sockets bound to an interface over the way, whatever address it will have.
  func leadBound(over way: Way) throws(LabError) {
    if way.links.count == 1 { return }
    for end in [way.nodes[0], way.nodes[way.nodes.count - 1]] {
      let name = way.interface(of: end).name
      try addRule(
        RoutingRule(.ipv4, priority: Scaffold.priority, table: Scaffold.table, boundTo: name), at: end)
    }
  }

  /// Leads everything between the two sites' hosts over the way.
  func lead(sites: Sites, over way: Way) throws(LabError) {
    let first = IPPrefix(sites.addresses.site(of: sites.first).ipv4).network
    let second = IPPrefix(sites.addresses.site(of: sites.second).ipv4).network
    for position in way.nodes.indices {
      let node = way.nodes[position]
      if position > 0 {
        try step(at: node, by: way.links[position - 1], to: way.nodes[position - 1], from: second, towards: first)
      }
      if position < way.links.count {
        try step(at: node, by: way.links[position], to: way.nodes[position + 1], from: first, towards: second)
      }
    }
    try forward(over: way)
  }

  /// Leads packets of the opener's to the other end over the way also while they have no address of their own yet, as
  /// those of a connection that the kernel opens by itself.
  func leadUnbound(from opener: Int, over way: Way) throws(LabError) {
    let isForward = opener == way.nodes.first
    let (link, next) =
      isForward ? (way.links[0], way.nodes[1]) : (way.links[way.links.count - 1], way.nodes[way.nodes.count - 2])
    let own = testbed.addresses.interface(of: link, at: opener)
    let target = way.address(of: isForward ? way.nodes[way.nodes.count - 1] : way.nodes[0])
    try addRoute(
      Route(
        to: IPPrefix(host: target), through: try testbed.interfaceIndex(own.name, at: opener),
        via: IPPrefix(host: testbed.addresses.interface(of: link, at: next).ipv4).address,
        source: IPPrefix(host: own.ipv4).address), at: opener)
  }

  private func step(
    at node: Int, by link: Int, to next: Int, from source: IPPrefix, towards target: IPPrefix
  ) throws(LabError) {
    let own = testbed.addresses.interface(of: link, at: node)
    let gateway = IPPrefix(host: testbed.addresses.interface(of: link, at: next).ipv4).address
    let interface = try testbed.interfaceIndex(own.name, at: node)
    // A next hop needs no next hop, and the kernel takes none.
    let via = target == IPPrefix(gateway) ? nil : gateway
    try addRoute(Route(to: target, through: interface, via: via, table: Scaffold.table), at: node)
    try addRule(RoutingRule(.ipv4, priority: Scaffold.priority, table: Scaffold.table, source: source), at: node)
  }

  /// Lets the relay of the way pass on what comes by its links on the way.
  private func forward(over way: Way) throws(LabError) {
    guard let relay = way.relay, let position = way.nodes.firstIndex(of: relay) else { return }
    for link in [way.links[position - 1], way.links[position]] {
      let name = testbed.addresses.interface(of: link, at: relay).name
      try set("ipv4/conf/\(name)/forwarding", "1", at: relay)
    }
  }
}

extension IPPrefix {
  /// The address alone, without the network that it lies in.
  init(host address: AddressPlan.Address) { self.init(IPAddress(bytes: address.bytes)) }
}
