import Primitives
import Testing

@testable import Topology

@Suite struct `The paths between two nodes` {
  @Test func `direct links come first, in the order of the file, then the ways over relays`() {
    let topology = network(
      ["branch gateway", "hq gateway", "r1 relay", "r2 relay"],
      ["up1 branch r1", "fibre branch hq", "down1 r1 hq", "up2 branch r2", "down2 r2 hq", "lte hq branch"])
    let paths = topology.paths(from: 0, to: 1)
    #expect(paths.map(\.name) == ["fibre", "lte", "up1+down1", "up2+down2"])
    #expect(paths.map(\.relay) == [nil, nil, 2, 3])
    #expect(paths[1].hops == [Topology.Hop(link: 5, direction: .backward)])
    #expect(
      paths[2].hops
        == [Topology.Hop(link: 0, direction: .forward), Topology.Hop(link: 2, direction: .forward)])
  }

  @Test func `the way back has the same links, turned round`() {
    let topology = network(["a gateway", "b gateway", "r router"], ["x a r", "y b r"])
    let there = topology.paths(from: 0, to: 1)
    let back = topology.paths(from: 1, to: 0)
    #expect(there.map(\.name) == ["x+y"] && back.map(\.name) == ["y+x"])
    #expect(there[0].reversed.hops == back[0].hops)
    #expect(there[0].hops.map { topology.ends(of: $0).from } == [0, 2])
    #expect(there[0].hops.map { topology.ends(of: $0).to } == [2, 1])
  }

  @Test func `routers and nats may chain, a second relay may not`() {
    let topology = network(
      ["a gateway", "b gateway", "r1 relay", "r2 relay", "n nat", "m router"],
      ["l1 a n", "l2 n m", "l3 m b", "l4 a r1", "l5 r1 r2", "l6 r2 b", "l7 r1 m"])
    #expect(topology.paths(from: 0, to: 1).map(\.name) == ["l1+l2+l3", "l4+l7+l3"])
  }

  @Test func `other gateways, hosts and oracles are never passed through`() {
    let topology = network(
      ["a gateway", "b gateway", "c gateway", "h host", "o oracle"],
      ["l1 a c", "l2 c b", "l3 a h", "l4 h b", "l5 a o", "l6 o b"])
    #expect(topology.paths(from: 0, to: 1).isEmpty)
    #expect(topology.paths(from: 0, to: 2).map(\.name) == ["l1"])
  }

  @Test func `a node reaches itself by no path`() {
    #expect(network(["a gateway", "b gateway"], ["l a b"]).paths(from: 0, to: 0).isEmpty)
  }

  @Test func `a chain as long as a topology may be is one path`() {
    var topology = Topology(name: "chain")
    topology.nodes = (0..<Topology.Limits.nodes).map {
      Topology.Node(name: "n\($0)", kind: $0 == 0 || $0 == Topology.Limits.nodes - 1 ? .gateway : .router)
    }
    topology.links = (1..<Topology.Limits.nodes).map { Topology.Link(name: "l\($0)", a: $0 - 1, b: $0) }
    let paths = topology.paths(from: 0, to: Topology.Limits.nodes - 1)
    #expect(paths.count == 1 && paths[0].hops.count == Topology.Limits.nodes - 1)
  }

  @Test func `a mesh of forty routers gives the sixty-four shortest paths and ends`() {
    var topology = Topology(name: "mesh")
    topology.nodes = (0..<42).map { Topology.Node(name: "n\($0)", kind: $0 < 2 ? .gateway : .router) }
    for a in 0..<42 {
      for b in (a + 1)..<42 where a > 1 || b > 1 {
        topology.links.append(Topology.Link(name: "l\(a)-\(b)", a: a, b: b))
      }
    }
    let paths = topology.paths(from: 0, to: 1)
    #expect(paths.count == Topology.mostPaths)
    #expect(paths.prefix(40).allSatisfy { $0.hops.count == 2 } && paths.last?.hops.count == 3)
  }

  @Test func `a mesh whose goal hangs behind a node that must be passed twice ends too`() {
    var topology = Topology(name: "trap")
    topology.nodes = (0..<30).map { Topology.Node(name: "n\($0)", kind: $0 < 2 ? .gateway : .router) }
    topology.links = [Topology.Link(name: "in", a: 0, b: 2), Topology.Link(name: "out", a: 2, b: 1)]
    for a in 2..<30 { for b in (a + 1)..<30 { topology.links.append(Topology.Link(name: "l\(a)-\(b)", a: a, b: b)) } }
    #expect(topology.paths(from: 0, to: 1).map(\.name) == ["in+out"])
  }

  @Test(arguments: 0..<300)
  func `the search finds what trying everything finds`(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    let topology = randomNetwork(&random)
    let all = everyPath(topology, from: 0, to: 1)
    let found = topology.paths(from: 0, to: 1)
    #expect(found.map(\.name) == all.prefix(Topology.mostPaths).map(\.name), "seed \(seed)")
    #expect(found.map(\.relay) == all.prefix(Topology.mostPaths).map(\.relay), "seed \(seed)")
  }
}

/// Nodes as "name kind", links as "name left right".
private func network(_ nodes: [String], _ links: [String]) -> Topology {
  var topology = Topology(name: "test")
  for node in nodes {
    let words = node.split(separator: " ").map(String.init)
    topology.nodes.append(Topology.Node(name: words[0], kind: Topology.Node.Kind(rawValue: words[1]) ?? .host))
  }
  for link in links {
    let words = link.split(separator: " ").map(String.init)
    guard let a = topology.node(named: words[1]), let b = topology.node(named: words[2]) else { continue }
    topology.links.append(Topology.Link(name: words[0], a: a, b: b))
  }
  return topology
}

private func randomNetwork(_ random: inout SeededRandom) -> Topology {
  var topology = Topology(name: "random")
  let kinds: [Topology.Node.Kind] = [.router, .nat, .relay, .relay, .host, .gateway, .oracle, .router]
  for index in 0..<Int(2 + random.below(6)) {
    let kind = index < 2 ? .gateway : kinds[Int(random.below(8))]
    topology.nodes.append(Topology.Node(name: "n\(index)", kind: kind))
  }
  let count = UInt64(topology.nodes.count)
  for index in 0..<Int(random.below(12)) {
    let a = Int(random.below(count))
    let b = Int(random.below(count))
    if a != b { topology.links.append(Topology.Link(name: "l\(index)", a: a, b: b)) }
  }
  return topology
}

/// Without any pruning, then sorted by what the order promises.
private func everyPath(_ topology: Topology, from: Int, to: Int) -> [Topology.Path] {
  var all: [[Int]] = []
  func walk(_ node: Int, _ seen: [Int], _ links: [Int]) {
    if node == to { return all.append(links) }
    if node != from && ![.router, .nat, .relay].contains(topology.nodes[node].kind) { return }
    for link in topology.links(at: node) {
      let next = topology.links[link].other(node)
      if !seen.contains(next) { walk(next, seen + [next], links + [link]) }
    }
  }
  walk(from, [from], [])
  all.sort { $0.count != $1.count ? $0.count < $1.count : $0.lexicographicallyPrecedes($1) }
  return all.compactMap { links in
    var node = from
    var hops: [Topology.Hop] = []
    var relays: [Int] = []
    for link in links {
      hops.append(Topology.Hop(link: link, direction: topology.links[link].a == node ? .forward : .backward))
      node = topology.links[link].other(node)
      if node != to && topology.nodes[node].kind == .relay { relays.append(node) }
    }
    if relays.count > 1 { return nil }
    let name = links.map { topology.links[$0].name }.joined(separator: "+")
    return Topology.Path(name: name, hops: hops, relay: relays.first)
  }
}
