//  Sites.swift — between whom we measure, and the ways between them.
//
//  The sites are the first two gateways of the file; without two gateways, the first two hosts or routers that have
//  links of their own. "Up" is from the first to the second.
//
//  A connection is opened where the network allows it. Behind a nat only the inside can open one, so over a way with
//  a nat the connection comes from the inside, whichever site that is; which way the data goes is another question,
//  and iperf3 can send against the connection's direction.

import Primitives
import Topology

struct Sites {
  let topology: Topology
  let addresses: AddressPlan
  let first: Int
  let second: Int

  init(_ topology: Topology) throws(LabError) {
    let gateways = topology.nodes.indices.filter { topology.nodes[$0].kind == .gateway }
    let others = topology.nodes.indices.filter {
      [.host, .router].contains(topology.nodes[$0].kind) && !topology.links(at: $0).isEmpty
    }
    let ends = gateways.count >= 2 ? gateways : others
    guard ends.count >= 2 else {
      throw .wrongUsage(
        "\(topology.name) has nothing to measure between: a bench needs two gateways, or two hosts or routers "
          + "with links"
      )
    }
    self.topology = topology
    addresses = AddressPlan(topology)
    (first, second) = (ends[0], ends[1])
  }

  /// All ways, in the order in which the file has them.
  func ways() throws(LabError) -> [Way] {
    let ways = topology.paths(from: first, to: second).map { Way($0, in: topology, addresses) }
    guard !ways.isEmpty else {
      throw .wrongUsage(
        "there is no path from \(topology.nodes[first].name) to \(topology.nodes[second].name) in \(topology.name)")
    }
    return ways
  }

  /// A host behind this site, or the site itself when there is none.
  func user(of site: Int) -> Int { topology.hosts(behind: site).first ?? site }

  /// Whether our gateways can stand at both.
  var areGateways: Bool { [first, second].allSatisfy { topology.nodes[$0].kind == .gateway } }

  /// Whether both sites have users, so that a tunnel has something to carry.
  var haveUsers: Bool { user(of: first) != first && user(of: second) != second }
}

/// A path with what the lab must know to use it.
struct Way {
  let name: String
  /// From the first site to the second; one more than links.
  let nodes: [Int]
  let links: [Int]
  let relay: Int?
  /// The site whose connections get through; nil when nats at both ends keep everybody's out.
  let opener: Int?
  private let hops: [Topology.Hop]
  private let topology: Topology
  private let addresses: AddressPlan

  init(_ path: Topology.Path, in topology: Topology, _ addresses: AddressPlan) {
    let links = path.hops.map(\.link)
    let nodes = [topology.ends(of: path.hops[0]).from] + path.hops.map { topology.ends(of: $0).to }
    // A nat's outside is its first link. Connections leave by it.
    let passed = nodes.indices.dropFirst().dropLast().filter { topology.nodes[nodes[$0]].kind == .nat }
    let mayLeave = passed.allSatisfy { topology.uplink(ofNAT: nodes[$0]) == links[$0] }
    let mayEnter = passed.allSatisfy { topology.uplink(ofNAT: nodes[$0]) == links[$0 - 1] }
    opener = mayLeave ? nodes.first : mayEnter ? nodes.last : nil
    name = path.name
    hops = path.hops
    relay = path.relay
    (self.links, self.nodes) = (links, nodes)
    (self.topology, self.addresses) = (topology, addresses)
  }

  var hasNAT: Bool { nodes.contains { topology.nodes[$0].kind == .nat } }

  var wanders: Bool {
    links.contains { topology.links[$0].forward.jitter != .zero || topology.links[$0].backward.jitter != .zero }
  }

  /// The site's own address on this way.
  func address(of site: Int) -> AddressPlan.Address { interface(of: site).ipv4 }

  func interface(of site: Int) -> AddressPlan.Interface {
    addresses.interface(of: site == nodes.first ? links[0] : links[links.count - 1], at: site)
  }

  func has(end node: Int) -> Bool { node == nodes.first || node == nodes.last }

  func other(end node: Int) -> Int { node == nodes[0] ? nodes[nodes.count - 1] : nodes[0] }

  /// The link with which it begins, seen from this end.
  func link(at end: Int) -> Int { end == nodes[0] ? links[0] : links[links.count - 1] }

  /// Whether who goes up passes the link from its left to its right end.
  func isForward(_ link: Int) -> Bool { hops.first { $0.link == link }?.direction == .forward }

  /// The largest IP packet that gets through.
  var mtu: Int { links.map { topology.links[$0].mtu?.value ?? Topology.Link.usualMTU }.min() ?? Topology.Link.usualMTU }

  /// What the narrowest link allows; nil when none says anything. Both directions at once get both.
  func rate(_ direction: BenchOptions.Direction, traces: [String: BitRate]) -> BitRate? {
    switch direction {
    case .up: return narrowest(isUp: true, traces)
    case .down: return narrowest(isUp: false, traces)
    case .both:
      guard let up = narrowest(isUp: true, traces), let down = narrowest(isUp: false, traces) else { return nil }
      return BitRate(bitsPerSecond: up.bitsPerSecond + down.bitsPerSecond)
    }
  }

  /// What this end may send on it.
  func rate(from end: Int, traces: [String: BitRate]) -> BitRate? { narrowest(isUp: end == nodes[0], traces) }

  private func narrowest(isUp: Bool, _ traces: [String: BitRate]) -> BitRate? {
    hops.compactMap { hop -> BitRate? in
      let shape = topology.links[hop.link][isUp ? hop.direction : hop.direction.opposite]
      switch shape.rate {
      case .fixed(let rate): return rate
      case .trace(let file): return traces[file]
      case nil: return nil
      }
    }.min()
  }
}
