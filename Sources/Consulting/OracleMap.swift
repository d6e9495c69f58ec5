//  OracleMap.swift — an oracle's map as a client has it: who there is, and what lies between them.

import JSON
public import Primitives

public struct OracleMap: Sendable {
  public struct Node: Equatable, Sendable {
    public var name: String
    public var isRelay: Bool
    public var provider: String?
    public var region: String?
  }

  public struct Edge: Equatable, Sendable {
    /// One way, on average; half of the round trip where nobody knows better.
    public var delay: Interval?
    public var loss: Double?
    public var rate: BitRate?
  }

  /// Gateways first, each kind in the oracle's order.
  public let nodes: [Node]
  /// By source, then by destination, as places in the list of nodes. Nobody measures all of a fleet.
  private var edges: [[Int: Edge]]
  /// How many edges the oracle has that are not here.
  public private(set) var missing = 0
  let document: JSONValue

  /// An oracle of ours knows 4,096 gateways and 256 relays.
  static let mostNodes = 5_000
  /// A table with more columns is wider than any screen, and a picture has more squares than anybody looks at.
  static let mostShown = 200

  public static func request(to oracle: ResourceAddress) -> WebRequest {
    WebRequest(oracle.appending("v1/map"), accept: "application/json")
  }

  public init(_ reply: WebReply, from oracle: ResourceAddress) throws(ConsultingFailure) {
    document = try reply.document(from: oracle.appending("v1/map"))
    guard let list = document["nodes"]?.array, let lines = document["edges"]?.array else {
      throw ConsultingFailure("\(oracle) is no path oracle: its map has no nodes and edges")
    }
    if list.count > OracleMap.mostNodes {
      throw ConsultingFailure(
        "the map has \(list.count) nodes, and \(OracleMap.mostNodes) can be shown; ask with --json")
    }
    var nodes: [Node] = []
    for value in list {
      guard let name = value["name"]?.string else { continue }
      func text(_ member: String) -> String? { value[member]?.string.flatMap { $0.isEmpty ? nil : Figures.shown($0) } }
      nodes.append(
        Node(
          name: name, isRelay: value["kind"]?.string == "relay", provider: text("provider"), region: text("region")))
    }
    let ordered = nodes.filter { !$0.isRelay } + nodes.filter(\.isRelay)
    self.nodes = ordered
    var places: [String: Int] = [:]
    for (place, node) in ordered.enumerated() { places[node.name] = place }
    edges = Array(repeating: [:], count: ordered.count)
    for line in lines {
      guard let from = line["from"]?.string.flatMap({ places[$0] }), let to = line["to"]?.string.flatMap({ places[$0] })
      else { continue }
      edges[from][to] = Edge(reading: line)
    }
    if let all = document["edges_in_all"]?.integer, (0...1_000_000_000).contains(all) {
      missing = max(0, Int(all) - lines.count)
    }
  }

  public subscript(from: Int, to: Int) -> Edge? { edges[from][to] }

  /// The places of these nodes, or of all when there are no names.
  public func places(of names: [String]) throws(ConsultingFailure) -> [Int] {
    var places: [Int] = []
    for name in names {
      guard let place = nodes.firstIndex(where: { $0.name == name }) else {
        let near = nearestWord(to: name, in: nodes.map(\.name)).map { "; did you mean '\(Figures.shown($0))'?" }
        throw ConsultingFailure("the oracle knows no node '\(Figures.shown(name))'\(near ?? "")")
      }
      if !places.contains(place) { places.append(place) }
    }
    let chosen = names.isEmpty ? Array(nodes.indices) : places
    if chosen.count > OracleMap.mostShown {
      throw ConsultingFailure(
        "the map has \(nodes.count) nodes, and \(OracleMap.mostShown) can be shown; choose with --node, or take --json")
    }
    return chosen
  }

  /// The relay over which a packet would be there first, if it would be there before one that goes straight on.
  public func shortcut(from: Int, to: Int) -> (relay: Int, delay: Interval)? {
    guard from != to, let direct = self[from, to]?.delay else { return nil }
    var best: (relay: Int, delay: Interval)?
    for relay in nodes.indices where nodes[relay].isRelay && relay != from && relay != to {
      guard let out = self[from, relay]?.delay, let back = self[relay, to]?.delay else { continue }
      if out + back < best?.delay ?? direct { best = (relay, out + back) }
    }
    return best
  }
}

extension OracleMap.Edge {
  init(reading value: JSONValue) {
    let half = value["round_trip_us"]?.number.map { $0 / 2 }
    delay = Figures.interval(microseconds: value["delay_us"]?.number ?? half)
    loss = Figures.share(value["loss"]?.number)
    rate = Figures.rate(bitsPerSecond: value["rate_bps"]?.number)
  }
}
