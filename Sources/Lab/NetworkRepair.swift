//  NetworkRepair.swift — one interface of a node's that comes back, or gets another address, while the rest stays up.
//
//  An interface that leaves a namespace loses its addresses, its neighbours and every route through it; rules name
//  interfaces and addresses, and wait. So what `up` gave to it is given again, and nothing else is touched.

import Netlink
import Primitives
import Topology

extension Network {
  /// An address of the link's network that is nobody's.
  func otherAddress(of link: Int, at node: Int) -> IPPrefix {
    let own = addresses.interface(of: link, at: node).ipv4
    var bytes = own.bytes
    bytes[3] += 100
    return IPPrefix(AddressPlan.Address(bytes: bytes, prefixLength: own.prefixLength))
  }

  /// After the node's end of a link came back.
  func restore(_ link: Int, at node: Int, in namespace: Namespace) throws(LabError) {
    try change(namespace) { interfaces throws(NetlinkError) in
      try changes(forLink: link, at: node, interfaces) + (try routesBy(link, at: node, interfaces, source: nil))
    }
  }

  /// From one IPv4 address to another of the same network, with everything that depends on it.
  func readdress(
    _ link: Int, at node: Int, in namespace: Namespace, from old: IPPrefix, to new: IPPrefix, far: Namespace
  ) throws(LabError) {
    let own = addresses.interface(of: link, at: node)
    let other = topology.links[link].other(node)
    let hardware = HardwareAddress(bytes: own.hardware)
    let farName = addresses.interface(of: link, at: other).name
    try change(far) { interfaces throws(NetlinkError) in
      let index = try interfaces[farName]
      return [
        .setNeighbour(Neighbour(new.address, at: hardware, on: index)),
        .removeNeighbour(Neighbour(old.address, at: hardware, on: index)),
      ]
    }
    let table = Network.table(of: link)
    let hasTable = routes.contains { $0.tables(at: node).byLink.contains { $0.link == link } }
    try change(namespace) { interfaces throws(NetlinkError) in
      let index = try interfaces[own.name]
      func rule(_ address: IPPrefix) -> RoutingRule {
        RoutingRule(.ipv4, priority: Network.sourcePriority, table: table, source: IPPrefix(address.address))
      }
      return [
        .removeAddress(InterfaceAddress(old, on: index)), .addAddress(InterfaceAddress(new, on: index)),
      ] + (hasTable ? [.removeRule(rule(old)), .addRule(rule(new))] : [])
        + (try routesBy(link, at: node, interfaces, source: new.address))
    }
  }

  /// The routes that leave a node by a link; `source` takes the place of the IPv4 address that packets get.
  private func routesBy(
    _ link: Int, at node: Int, _ interfaces: NodeInterfaces, source: IPAddress?
  ) throws(NetlinkError) -> [NetlinkChange] {
    var changes: [NetlinkChange] = []
    for plan in routes where source == nil || plan.family == .ipv4 {
      let (main, byLink) = plan.tables(at: node)
      let own = byLink.first { $0.link == link }?.entries ?? []
      for (table, entries) in [(RoutingTable.main, main), (Network.table(of: link), own)] {
        for entry in entries where entry.link == link {
          var route = try route(entry, table, at: node, plan, interfaces)
          if let source { route.source = source }
          changes.append(.replaceRoute(route))
        }
      }
    }
    return changes
  }

  private func change(
    _ namespace: Namespace, _ make: (NodeInterfaces) throws(NetlinkError) -> [NetlinkChange]
  ) throws(LabError) {
    try wrapped(namespace.name) { () throws(NetlinkError) in
      var socket = try NetlinkSocket.open(in: namespace.descriptor)
      var indices: [String: InterfaceIndex] = [:]
      for link in try socket.links() { indices[link.name] = link.index }
      try socket.perform(try make(NodeInterfaces(indices)))
    }
  }
}
