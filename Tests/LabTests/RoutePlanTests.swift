import Netlink
import Primitives
import Testing
import Topology

@testable import Lab

@Suite struct `Ways through a topology` {
  @Test func `parallel links: each has a table of its own that reaches the other one's far end`() throws {
    let plan = try Plan("node a gateway\nnode b gateway\nlink fibre a -- b\nlink lte a -- b")
    #expect(plan.main("a") == [])
    #expect(plan.table("a", "fibre") == ["172.16.0.0/24 by fibre", "172.16.1.0/24 by fibre"])
    #expect(plan.table("a", "lte") == ["172.16.1.0/24 by lte", "172.16.0.0/24 by lte"])
  }

  @Test func `a node with one link needs no table beside main`() throws {
    let plan = try Plan("node a gateway\nnode b router\nnode c gateway\nlink x a -- b\nlink y b -- c")
    #expect(plan.main("a") == ["172.16.1.0/24 by x"])
    #expect(plan.plan.tables(at: 0).byLink.isEmpty)
  }

  @Test func `gateways, relays and oracles pass nothing on, so a line's ends may lie in different directions`() throws {
    let plan = try Plan(
      "node a gateway\nnode b gateway\nnode r relay\nlink direct a -- b\nlink up a -- r\nlink down r -- b")
    #expect(plan.main("a") == ["172.16.2.1/32 by up", "172.16.2.2/32 by direct"])
    #expect(plan.table("a", "up") == ["172.16.1.0/24 by up", "172.16.2.1/32 by up"])
    #expect(plan.table("a", "direct") == ["172.16.0.0/24 by direct", "172.16.2.2/32 by direct"])
  }

  @Test func `behind a nat's outside there is its outer address and no more`() throws {
    let plan = try Plan(
      """
      node isp router
      node home nat
      node a gateway
      node b gateway
      link wan home -- isp
      link lan home -- a
      link far isp -- b
      """)
    #expect(plan.main("a") == ["172.16.0.0/24 by lan", "172.16.2.0/24 by lan"])
    #expect(plan.main("b") == ["172.16.0.0/24 by far"])
    #expect(plan.main("isp") == [])
    #expect(plan.main("home") == ["172.16.2.0/24 by wan"])
  }

  @Test func `a line too small for IPv6 has no IPv6 routes`() throws {
    let text = "node a gateway\nnode b router\nnode c gateway\nlink x a -- b\nlink y b -- c mtu 1000\nlink z a -- b"
    #expect(try Plan(text).main("a") == ["172.16.1.0/24 by x"])
    let six = try Plan(text, .ipv6)
    #expect(six.main("a") == [] && six.main("c") == [])
    #expect(six.table("a", "x") == ["fd48:6177::/64 by x", "fd48:6177:0:2::/64 by x"])
  }

  @Test func `behind a router a table says all but these`() throws {
    var text = "node a gateway\nnode hub router\nnode lone relay\nlink up a -- hub\nlink side a -- lone\n"
    for number in 0..<30 { text += "node n\(number) gateway\nlink l\(number) hub -- n\(number)\n" }
    let plan = try Plan(text)
    #expect(plan.main("a").count == 30)
    #expect(plan.table("a", "up") == ["172.16.0.0/24 by up", "172.16.0.0/12 by up", "172.16.1.0/24 elsewhere"])
    #expect(plan.table("a", "side") == ["172.16.1.0/24 by side"])
  }

  @Test(arguments: 0..<30)
  func `following main tables reaches all that can be reached, without a loop, over routers and nats only`(seed: Int)
    throws
  {
    let topology = try randomTopology(seed: UInt64(seed))
    let addresses = AddressPlan(topology)
    let plan = RoutePlan(topology, addresses, .ipv4)
    let tables = topology.nodes.indices.map { plan.tables(at: $0) }
    var wrong: [String] = []
    for start in topology.nodes.indices {
      let reachable = reachableEnds(topology, from: start, by: topology.links(at: start))
      for end in topology.ends where topology.node(of: end) != start {
        let arrives = arrives(topology, plan, tables.map(\.main), from: start, at: end)
        if arrives != reachable.contains(end) { wrong.append("from \(start) to \(end): \(arrives)") }
      }
    }
    #expect(wrong == [], "\(topology.printed())")
  }

  @Test(arguments: 0..<30)
  func `the table of a link holds exactly what can be reached with that link first`(seed: Int) throws {
    let topology = try randomTopology(seed: UInt64(seed))
    let plan = RoutePlan(topology, AddressPlan(topology), .ipv4)
    var wrong: [String] = []
    for start in topology.nodes.indices {
      for (link, entries) in plan.tables(at: start).byLink {
        let reachable = reachableEnds(topology, from: start, by: [link])
        for end in topology.ends where topology.node(of: end) != start {
          let way = lookUp(plan.ends[end].address, in: entries)
          if way != (reachable.contains(end) ? link : nil) { wrong.append("from \(start) by \(link) to \(end)") }
        }
      }
    }
    #expect(wrong == [], "\(topology.printed())")
  }
}

@Suite struct `Names of a topology` {
  @Test func `are those of its nodes, and of each end of each link`() throws {
    let topology = try Lab.topology(
      "node a gateway\nnode b gateway\nnode h host behind a\nlink x a -- b\nlink y a -- b mtu 600")
    let text = HostsFile(topology, AddressPlan(topology)).text
    let lines = text.split(separator: "\n").dropFirst(2)
    #expect(
      lines == [
        "172.16.0.1 a", "fd48:6177::1 a", "172.16.0.1 a.x", "fd48:6177::1 a.x", "172.16.1.1 a.y", "172.16.0.2 b",
        "fd48:6177::2 b", "172.16.0.2 b.x", "fd48:6177::2 b.x", "172.16.1.2 b.y", "10.0.0.2 h",
        "fd48:6177:1::2 h",
      ])
    #expect(text.hasPrefix("127.0.0.1 localhost"))
  }
}

// MARK: Helpers

/// A plan whose entries read as text.
private struct Plan {
  let topology: Topology
  let plan: RoutePlan

  init(_ statements: String, _ family: IPAddress.Family = .ipv4) throws {
    topology = try Lab.topology(statements)
    plan = RoutePlan(topology, AddressPlan(topology), family)
  }

  func main(_ node: String) -> [String] { plan.tables(at: topology.node(named: node) ?? -1).main.map(text) }

  func table(_ node: String, _ link: String) -> [String] {
    let number = topology.link(named: link)
    return plan.tables(at: topology.node(named: node) ?? -1).byLink.first { $0.link == number }?.entries.map(text) ?? []
  }

  private func text(_ entry: RoutePlan.Entry) -> String {
    "\(entry.destination) \(entry.link.map { "by \(topology.links[$0].name)" } ?? "elsewhere")"
  }
}

extension Topology {
  /// 2 × link, plus 1 for its right end.
  fileprivate var ends: Range<Int> { 0..<links.count * 2 }

  fileprivate func node(of end: Int) -> Int { end.isMultiple(of: 2) ? links[end / 2].a : links[end / 2].b }
}

private func randomTopology(seed: UInt64) throws -> Topology {
  var random = SeededRandom(seed: seed)
  func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
  let nodes = 2 + below(9)
  // Every other topology has many links, so that tables are turned around.
  let links = seed.isMultiple(of: 2) ? nodes + below(6) : 18 + below(15)
  let kinds = ["gateway", "relay", "router", "router", "nat", "oracle"]
  var text = ""
  for node in 0..<nodes { text += "node n\(node) \(kinds[below(kinds.count)])\n" }
  for link in 0..<links {
    let left = below(nodes)
    text += "link l\(link) n\(left) -- n\((left + 1 + below(nodes - 1)) % nodes)\n"
  }
  return try Lab.topology(text)
}

/// The ends that a packet can arrive at, by trying all ways: a search over (node, link it came by), kept apart from
/// the plan's.
private func reachableEnds(_ topology: Topology, from start: Int, by first: [Int]) -> Set<Int> {
  var seen: Set<[Int]> = []
  var queue = first.map { [topology.links[$0].other(start), $0] }
  while let state = queue.popLast() {
    let (node, by) = (state[0], state[1])
    if node == start || !seen.insert(state).inserted { continue }
    let kind = topology.nodes[node].kind
    let isStopped = kind == .nat && topology.links(at: node).first == by
    if (kind == .router || kind == .nat) && !isStopped {
      queue += topology.links(at: node).map { [topology.links[$0].other(node), $0] }
    }
  }
  var ends: Set<Int> = []
  for state in seen {
    let (node, by) = (state[0], state[1])
    let outside = topology.nodes[node].kind == .nat ? topology.links(at: node).first : nil
    for link in topology.links(at: node) where outside == nil || by != outside || link == outside {
      ends.insert(topology.links[link].a == node ? 2 * link : 2 * link + 1)
    }
  }
  return ends
}

/// The longest prefix wins.
private func lookUp(_ address: IPAddress, in entries: [RoutePlan.Entry]) -> Int? {
  entries.filter { IPPrefix(address, length: $0.destination.length).network == $0.destination }
    .max { $0.destination.length < $1.destination.length }?.link
}

/// Whether a packet that follows the main tables arrives.
private func arrives(
  _ topology: Topology, _ plan: RoutePlan, _ tables: [[RoutePlan.Entry]], from start: Int, at end: Int
) -> Bool {
  let address = plan.ends[end].address
  var node = start
  for _ in 0...topology.nodes.count {
    // What the kernel adds for a node's own lines.
    let connected = topology.links(at: node).map { RoutePlan.Entry(destination: plan.networks[$0], link: $0) }
    guard let link = lookUp(address, in: connected + tables[node]) else { return false }
    node = topology.links[link].other(node)
    if node == topology.node(of: end) { return true }
    let kind = topology.nodes[node].kind
    if kind != .router && (kind != .nat || topology.links(at: node).first == link) { return false }
  }
  return false
}
