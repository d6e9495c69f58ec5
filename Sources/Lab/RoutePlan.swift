//  RoutePlan.swift — how every node of a topology reaches every line.
//
//  Why.  Whoever tries a multipath tunnel wants to say "this over fibre, that over LTE" with the two means that Linux
//  programs have: bind to an address, or bind to an interface. Plain routing knows one best way for a destination and
//  ignores both. So a node with several links gets one table for each of them.
//
//  How.  Three kinds of look-up, asked in this order:
//
//      bound to interface fibre  ─▶ table 1000  ┐ all that can be reached with fibre as the first link
//      from fibre's own address  ─▶ table 1000  ┘
//      everything else           ─▶ main          all that can be reached at all, over the fewest links
//
//  What a table does not know falls through to the next, so an answer from fibre's address to somebody who can only
//  be reached over LTE still finds its way.
//
//  A way leads over routers and nats only: gateways, relays, oracles and hosts never pass on what is not theirs. A
//  nat has an outside, its first link in the file; whoever arrives there reaches the nat's outer address and nothing
//  behind it. So a search visits (node, arrived outside?) pairs, first those that are one link away.
//
//  A line's two ends may lie in different directions (a line between two relays has one end with each), so there is
//  one route to the line's network where both ends go the same way, and one to each end otherwise. Behind a router
//  nearly everything is reachable, and a thousand links would make a thousand routes in each of a thousand tables;
//  there the table says instead: everything this way, but for these ("throw").
//
//  Rejected.  All first links in the main table with rising metrics (twice as many routes, and an unbound packet
//  would never use them); default routes (a packet to a mistyped address would wander between routers until its time
//  is up: here main tables hold only what exists).
//
//  Always true.  (1) Following main tables, each hop is nearer than the last: no loops. (2) No table leads to a
//  site's network, only to lines. (3) The plan depends on the file alone.

import Netlink
import Primitives
import Topology

struct RoutePlan {
  /// One entry of a node's table.
  struct Entry: Equatable {
    var destination: IPPrefix
    /// The link to leave by; nil: not here, ask the next table.
    var link: Int?
  }

  private let topology: Topology
  let family: IPAddress.Family
  /// The addresses of both ends of each link (index: 2 × link, plus 1 for its right end), with the length of their
  /// network.
  let ends: [IPPrefix]
  /// The networks of the links.
  let networks: [IPPrefix]
  /// For each node its links that carry this family.
  private let linksAt: [[Int]]
  private let uplinks: [Int?]

  /// A table with more entries than this is turned around, if that makes it shorter.
  private static let mostEntries = 32
  private static let never = Int.max

  init(_ topology: Topology, _ addresses: AddressPlan, _ family: IPAddress.Family) {
    self.topology = topology
    self.family = family
    ends = topology.links.enumerated().flatMap { index, link in
      [link.a, link.b].map { node in
        let interface = addresses.interface(of: index, at: node)
        return IPPrefix(family == .ipv4 ? interface.ipv4 : interface.ipv6)
      }
    }
    networks = topology.links.indices.map { [ends] in ends[2 * $0].network }
    linksAt = topology.linksAtNodes.map { links in
      links.filter { family == .ipv4 || topology.links[$0].carriesIPv6 }
    }
    uplinks = topology.nodes.indices.map { topology.uplink(ofNAT: $0) }
  }

  // MARK: Tables

  /// The main table's entries at a node, and those of the table of each of its links, where there are several.
  /// Networks of the node's own links are missing in the main table, since the kernel puts them there.
  func tables(at node: Int) -> (main: [Entry], byLink: [(link: Int, entries: [Entry])]) {
    let own = linksAt[node]
    var best = Array(repeating: (distance: RoutePlan.never, link: -1), count: topology.links.count * 2)
    var byLink: [(link: Int, entries: [Entry])] = []
    for link in own {
      let distances = distances(from: node, leavingBy: link)
      for end in best.indices where distances[end] < best[end].distance { best[end] = (distances[end], link) }
      if own.count > 1 { byLink.append((link, table(of: link, at: node, distances))) }
    }
    let main = topology.links.indices.filter { !own.contains($0) }
      .flatMap { entries(to: $0, at: node) { best[$0].distance == RoutePlan.never ? nil : best[$0].link } }
    return (main, byLink)
  }

  private func table(of link: Int, at node: Int, _ distances: [Int]) -> [Entry] {
    let own = Entry(destination: networks[link], link: link)
    let reachable = distances.count { $0 != RoutePlan.never }
    let others = topology.links.indices.filter { $0 != link }
    if reachable <= RoutePlan.mostEntries || reachable <= distances.count / 2 {
      return [own] + others.flatMap { entries(to: $0, at: node) { distances[$0] == RoutePlan.never ? nil : link } }
    }
    let exceptions = others.flatMap { entries(to: $0, at: node) { distances[$0] == RoutePlan.never ? link : nil } }
    return [own, Entry(destination: RoutePlan.allLines(family), link: link)]
      + exceptions.map { Entry(destination: $0.destination, link: nil) }
  }

  /// Routes to both ends of a link; `choose` says by which link an end (2 × link, plus 1 for the right one) is
  /// reached.
  private func entries(to link: Int, at node: Int, _ choose: (Int) -> Int?) -> [Entry] {
    if family == .ipv6 && !topology.links[link].carriesIPv6 { return [] }
    let (left, right) = (topology.links[link].a, topology.links[link].b)
    let (toLeft, toRight) = (choose(2 * link), choose(2 * link + 1))
    if toLeft == nil && toRight == nil { return [] }
    // Our own end is no destination: the other end alone decides.
    if left == node || right == node {
      return (left == node ? toRight : toLeft).map { [Entry(destination: networks[link], link: $0)] } ?? []
    }
    if let toLeft, toLeft == toRight { return [Entry(destination: networks[link], link: toLeft)] }
    let ways = [(2 * link, toLeft), (2 * link + 1, toRight)]
    return ways.compactMap { end, way in way.map { Entry(destination: IPPrefix(ends[end].address), link: $0) } }
  }

  // MARK: Ways

  /// How many links away each end of each link is (index: 2 × link, plus 1 for its right end), when we leave by
  /// `first`.
  private func distances(from start: Int, leavingBy first: Int) -> [Int] {
    // Index: 2 × node, plus 1 for "arrived at a nat's outside".
    var arrival = Array(repeating: RoutePlan.never, count: topology.nodes.count * 2)
    var queue: [Int] = []
    func arrive(at node: Int, by link: Int, after distance: Int) {
      let place = 2 * node + (uplinks[node] == link ? 1 : 0)
      if node == start || arrival[place] != RoutePlan.never { return }
      arrival[place] = distance
      queue.append(place)
    }
    arrive(at: topology.links[first].other(start), by: first, after: 1)
    var next = 0
    while next < queue.count {
      let place = queue[next]
      next += 1
      let node = place / 2
      guard place.isMultiple(of: 2), topology.nodes[node].kind.forwards else { continue }
      for link in linksAt[node] { arrive(at: topology.links[link].other(node), by: link, after: arrival[place] + 1) }
    }
    var distances = Array(repeating: RoutePlan.never, count: topology.links.count * 2)
    for (index, link) in topology.links.enumerated() {
      distances[2 * index] = distance(to: link.a, on: index, arrival)
      distances[2 * index + 1] = distance(to: link.b, on: index, arrival)
    }
    return distances
  }

  /// A node is as near as we can arrive; seen from its outside, a nat has its outer address only.
  private func distance(to node: Int, on link: Int, _ arrival: [Int]) -> Int {
    uplinks[node] == link ? min(arrival[2 * node], arrival[2 * node + 1]) : arrival[2 * node]
  }

  // MARK: Addresses

  /// What holds the networks of all lines, and no site's.
  static func allLines(_ family: IPAddress.Family) -> IPPrefix {
    family == .ipv4
      ? IPPrefix(IPAddress(bytes: [172, 16, 0, 0]), length: 12)
      : IPPrefix(IPAddress(bytes: [0xfd, 0x48, 0x61, 0x77, 0, 0] + [UInt8](repeating: 0, count: 10)), length: 48)
  }

  /// What holds the networks of all sites, and no line's.
  static func allSites(_ family: IPAddress.Family) -> IPPrefix {
    family == .ipv4
      ? IPPrefix(IPAddress(bytes: [10, 0, 0, 0]), length: 8)
      : IPPrefix(IPAddress(bytes: [0xfd, 0x48, 0x61, 0x77, 0, 1] + [UInt8](repeating: 0, count: 10)), length: 48)
  }
}

extension Topology {
  /// A nat's way to the outside: its first link. nil for all other nodes.
  func uplink(ofNAT node: Int) -> Int? { nodes[node].kind == .nat ? links(at: node).first : nil }

  /// For each node its links, in the file's order.
  var linksAtNodes: [[Int]] {
    var linksAt: [[Int]] = Array(repeating: [], count: nodes.count)
    for (index, link) in links.enumerated() {
      linksAt[link.a].append(index)
      linksAt[link.b].append(index)
    }
    return linksAt
  }

  /// The hosts behind a node, in the file's order.
  func hosts(behind node: Int) -> [Int] { nodes.indices.filter { nodes[$0].behind == node } }
}

extension Topology.Link {
  /// IPv6 needs packets of 1,280 bytes (RFC 8200); Linux switches it off on an interface that has less.
  var carriesIPv6: Bool { (mtu?.value ?? Topology.Link.usualMTU) >= 1_280 }

  static let usualMTU = 1_500
}

extension Topology.Node.Kind {
  /// Whether it passes on what arrives by one link over another.
  var forwards: Bool { self == .router || self == .nat }

  /// Whether it forwards at all: a gateway does between its hosts and the rest.
  var needsForwarding: Bool { self == .gateway || forwards }
}

extension IPPrefix {
  init(_ address: AddressPlan.Address) { self.init(IPAddress(bytes: address.bytes), length: address.prefixLength) }
}
