//  ALTOView.swift — the map as ALTO shows it: places with their addresses, costs between them, and what paths share.
//
//  Why.  An ALTO client asks by address and expects numbers in units of the IETF. The map has names, histograms and
//  reports.
//
//  How.
//      node         ─▶ PID of its name, with the networks behind it and its own addresses; region, provider, kind
//      edge         ─▶ a cost for each metric of which it is known
//      edge's ends  ─▶ path vector: the provider of the sender, the relay and its provider, …  each as one element
//
//  Two paths that have an element in common share it: a relay with what it can carry, or a provider with the most that
//  was measured through it, which is the rule by which the strategies add rates up, too (Worth.swift).
//
//  Names of ALTO know no dot; a node `hq.north` is the PID `hq:north`. What two nodes claim belongs to the first by
//  name: two oracles with different files share a store, and one of them is wrong.
//
//  routingcost is the effective delay in milliseconds that the strategies compare: the mean, twice the deviation, and
//  ten for each hundredth of loss.

import ALTO
import PathOracle
import Primitives

enum ALTOView {
  /// Mean, median and quantile are what RFC 9439 calls them; a figure without one is the median.
  private static let metrics: [(metric: CostMetric, value: @Sendable (EdgeListing) -> Double?)] = {
    var list: [(metric: CostMetric, value: @Sendable (EdgeListing) -> Double?)] = [
      (.routingCost, routingCost),
      (.delay, { edge in edge.least.map { CostUnit.microseconds($0 + edge.medianExcess) } }),
      (.roundTrip, { edge in edge.roundTrip.map { CostUnit.microseconds($0) } }),
      (.loss, { edge in edge.loss.map { $0 * 100 } }),
      (.throughput, { edge in edge.rate.map { CostUnit.bytesPerSecond($0) } }),
    ]
    if let variation = CostMetric("delay-variation:p99") {
      list.append((variation, { CostUnit.microseconds($0.highExcess) }))
    }
    return list
  }()

  private static func routingCost(_ edge: EdgeListing) -> Double? {
    guard let least = edge.least else { return nil }
    let delay = (least + edge.excess + edge.deviation * 2).inMilliseconds
    // Thousandths: what is finer would make every second a change.
    return ((delay + (edge.loss ?? 0) * 1_000) * 1_000).rounded() / 1_000
  }

  private static let properties = ["priv:kind", "priv:provider", "priv:region"]

  static var directory: ALTODirectory {
    var types = [CostType("routing", .routingCost), CostType("routing-order", .routingCost, .ordinal)]
    for (metric, _) in metrics.dropFirst() {
      let name = String(metric.name.map { $0 == ":" ? "-" : $0 })
      types.append(CostType(name, metric, .numerical, source: .estimation))
    }
    return ALTODirectory(costTypes: types, properties: properties)
  }

  static var empty: ALTOMap {
    do {
      return try ALTOMap(pids: [])
    } catch {
      preconditionFailure("nothing can be shown: \(error)")
    }
  }

  static func make(nodes: [NodeFacts], edges: [EdgeListing]) throws(ALTOMap.Defect) -> ALTOMap {
    var parts = Parts()
    // By the places of their names: a fleet has a hundred edges for each node.
    let ends = nodes.map { parts.end(of: $0) }
    var costs: [(metric: CostMetric, costs: [ALTOMap.Cost])] = metrics.map { ($0.metric, []) }
    for index in costs.indices { costs[index].costs.reserveCapacity(edges.count) }
    var routes: [ALTOMap.Route] = []
    routes.reserveCapacity(edges.count)
    for edge in edges {
      guard let from = ends[edge.from], let to = ends[edge.to] else { continue }
      for (index, metric) in metrics.enumerated() {
        if let value = metric.value(edge) {
          costs[index].costs.append(ALTOMap.Cost(from: from.place, to: to.place, value))
        }
      }
      parts.pass(from.provider, to.provider, rate: edge.rate)
      // A provider with both ends is passed once.
      var passed: [Int] = []
      for element in [from.provider, from.relay, to.provider, to.relay] {
        if let element, !passed.contains(element) { passed.append(element) }
      }
      routes.append(ALTOMap.Route(from: from.place, to: to.place, passed))
    }
    return try ALTOMap(pids: parts.pids, costs: costs, elements: parts.elements, routes: routes)
  }

  /// Where a node is in the lists.
  private struct End {
    var place: Int
    var provider: Int?
    var relay: Int?
  }

  /// PIDs and elements as they are found, with names that ALTO takes.
  private struct Parts {
    var pids: [ALTOMap.PID] = []
    var elements: [ALTOMap.Element] = []
    private var names: Set<String> = []
    private var networks: Set<IPPrefix> = []
    private var providers: [String: Int] = [:]
    private var elementNames: Set<String> = []

    /// nil when its name is taken.
    mutating func end(of facts: NodeFacts) -> End? {
      let name = ALTOView.name(facts.name)
      if !names.insert(name).inserted { return nil }
      var prefixes: [IPPrefix] = []
      for prefix in facts.prefixes.map(\.network) + facts.endpoints.map({ IPPrefix($0.address) })
      where networks.insert(prefix).inserted {
        prefixes.append(prefix)
      }
      var properties = [(name: "priv:kind", value: facts.kind.rawValue)]
      if !facts.provider.isEmpty { properties.append(("priv:provider", facts.provider)) }
      if !facts.region.isEmpty { properties.append(("priv:region", facts.region)) }
      pids.append(ALTOMap.PID(name, prefixes, properties: properties))
      var end = End(place: pids.count - 1)
      if !facts.provider.isEmpty { end.provider = provider(facts.provider) }
      if facts.kind == .relay {
        elements.append(ALTOMap.Element(free("relay:" + name), rate: facts.capacity))
        end.relay = elements.count - 1
      }
      return end
    }

    private mutating func provider(_ name: String) -> Int {
      if let known = providers[name] { return known }
      elements.append(ALTOMap.Element(free("net:" + ALTOView.name(name))))
      providers[name] = elements.count - 1
      return elements.count - 1
    }

    /// A provider carries what was measured through it.
    mutating func pass(_ one: Int?, _ other: Int?, rate: BitRate?) {
      guard let rate else { return }
      for element in [one, other] {
        if let element, elements[element].rate.map({ $0 < rate }) ?? true { elements[element].rate = rate }
      }
    }

    /// Two providers may differ only in what ALTO does not know.
    private mutating func free(_ wanted: String) -> String {
      let stem = String(wanted.prefix(56))
      var name = stem
      var number = 1
      while !elementNames.insert(name).inserted {
        number += 1
        name = "\(stem):\(number)"
      }
      return name
    }
  }

  /// Letters, digits and `-:@_` stay, a dot becomes a colon, anything else an underscore.
  private static func name(_ text: String) -> String {
    let bytes = text.utf8.prefix(64).map { byte -> UInt8 in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "@"),
        UInt8(ascii: "_"):
        byte
      case UInt8(ascii: "."): UInt8(ascii: ":")
      default: UInt8(ascii: "_")
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
