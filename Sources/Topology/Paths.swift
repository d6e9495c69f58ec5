//  Paths.swift — the ways from one node to another that a tunnel could use.
//
//  A path is a direct link, a chain of links over routers and nats, or a way over exactly one relay: we forward once,
//  ordinary routing does the rest. Gateways, hosts and oracles end a path and never pass it on. The lab measures each
//  path alone and the simulator sends a flow over each, so both ask here and mean the same by a path's name.
//
//  Order.  Shorter paths first (so the direct links lead), and among equally long ones by the links' places in the
//  file, first link before second. Hence a path's number changes only when the file does.
//
//  How.  Depth-first for one length after the other, pruned by the exact number of links that are still needed, which a
//  search backwards from the goal gives for both cases: a relay is behind us, or not yet. What the pruning cannot see
//  is a path that would have to visit a node twice; a mesh of routers could make the search run through very many of
//  those, so it ends after
//  `mostSteps`. Found are then the shortest, and always the same.

extension Topology {
  public struct Path: Equatable, Sendable {
    /// The names of its links, joined by "+": `fibre`, `up1+down1`.
    public var name: String
    /// At least one.
    public var hops: [Hop]
    /// The node that relays, when one does.
    public var relay: Int?

    public init(name: String, hops: [Hop], relay: Int?) {
      self.name = name
      self.hops = hops
      self.relay = relay
    }
  }

  /// One link of a path, and which way it is passed.
  public struct Hop: Equatable, Sendable {
    public var link: Int
    public var direction: Direction

    public init(link: Int, direction: Direction) {
      self.link = link
      self.direction = direction
    }
  }

  /// More ways between two gateways than this are a mistake in the file, or a mesh in which they are all alike.
  public static let mostPaths = 64
  /// A few milliseconds of searching; every topology that a person drew needs a thousandth of it.
  static let mostSteps = 200_000

  /// The paths between two nodes, at most `mostPaths`.
  public func paths(from: Int, to: Int) -> [Path] {
    if from == to { return [] }
    var search = PathSearch(self, from: from, to: to)
    return search.run()
  }

  /// Where a hop begins and ends.
  public func ends(of hop: Hop) -> (from: Int, to: Int) {
    let link = links[hop.link]
    return hop.direction == .forward ? (link.a, link.b) : (link.b, link.a)
  }
}

extension Topology.Path {
  /// The same way back.
  public var reversed: Topology.Path {
    var back = self
    back.hops = hops.reversed().map { Topology.Hop(link: $0.link, direction: $0.direction.opposite) }
    return back
  }
}

extension Topology.Direction {
  public var opposite: Topology.Direction { self == .forward ? .backward : .forward }
}

private struct PathSearch {
  private let topology: Topology
  private let from: Int
  private let to: Int
  private let linksAt: [[Int]]
  /// Links still needed from a node to the goal: when a relay may still come, and when none may.
  private var needed: [[Int]]
  private var found: [Topology.Path] = []
  private var hops: [Topology.Hop] = []
  private var visited: [Bool]
  private var relay: Int?
  private var steps = 0

  init(_ topology: Topology, from: Int, to: Int) {
    self.topology = topology
    self.from = from
    self.to = to
    var linksAt: [[Int]] = Array(repeating: [], count: topology.nodes.count)
    for (index, link) in topology.links.enumerated() where link.a != link.b {
      linksAt[link.a].append(index)
      linksAt[link.b].append(index)
    }
    self.linksAt = linksAt
    visited = Array(repeating: false, count: topology.nodes.count)
    needed = []
    needed = distances()
  }

  mutating func run() -> [Topology.Path] {
    let shortest = needed[0][from]
    if shortest == .max { return [] }
    visited[from] = true
    for length in shortest..<max(shortest + 1, topology.nodes.count) {
      extend(from: from, remaining: length)
      if isDone { break }
    }
    return found
  }

  private var isDone: Bool { found.count == Topology.mostPaths || steps >= Topology.mostSteps }

  /// Finds, in order, all ways on from `node` that take exactly `remaining` links.
  private mutating func extend(from node: Int, remaining: Int) {
    for link in linksAt[node] {
      if isDone { return }
      steps += 1
      let next = topology.links[link].other(node)
      if visited[next] || (remaining > 1) == (next == to) { continue }
      let isRelay = next != to && topology.nodes[next].kind == .relay
      if isRelay && relay != nil { continue }
      let mayRelay = relay == nil && !isRelay
      if needed[mayRelay ? 0 : 1][next] > remaining - 1 || (next != to && !topology.nodes[next].forwards) { continue }

      hops.append(Topology.Hop(link: link, direction: topology.links[link].a == node ? .forward : .backward))
      if isRelay { relay = next }
      if next == to {
        let name = hops.map { topology.links[$0.link].name }.joined(separator: "+")
        found.append(Topology.Path(name: name, hops: hops, relay: relay))
      } else {
        visited[next] = true
        extend(from: next, remaining: remaining - 1)
        visited[next] = false
      }
      if isRelay { relay = nil }
      hops.removeLast()
    }
  }

  /// A breadth-first search from the goal over (node, may a relay still come on the way from here).
  private func distances() -> [[Int]] {
    var result = Array(repeating: Array(repeating: Int.max, count: topology.nodes.count), count: 2)
    result[0][to] = 0
    result[1][to] = 0
    var queue = [(node: to, mayRelay: 0), (node: to, mayRelay: 1)]
    var next = 0
    while next < queue.count {
      let (node, state) = queue[next]
      next += 1
      let isRelay = node != to && topology.nodes[node].kind == .relay
      // Going back over a relay needs the right to one before it; after it that right is used up.
      if isRelay && state == 0 { continue }
      let before = isRelay ? 0 : state
      for link in linksAt[node] {
        let other = topology.links[link].other(node)
        if other != from && !topology.nodes[other].forwards { continue }
        if result[before][other] != .max { continue }
        result[before][other] = result[state][node] + 1
        queue.append((other, before))
      }
    }
    return result
  }
}

extension Topology.Node {
  /// Whether it may stand in the middle of a path.
  fileprivate var forwards: Bool { kind == .router || kind == .nat || kind == .relay }
}
