//  Shown.swift — what people and programs see of an oracle: the map with what it believes, and how it is.

import ALTO
import PathOracle
public import Primitives

/// All of `/v1/map`, as it is collected: the nodes at once, edges in pieces, so that others are answered in between.
/// No tokens, and not who reported what.
public struct MapPage: Sendable {
  fileprivate var listing: MapListing
  fileprivate let names: [String]
  fileprivate let nodes: [(node: OracleNode, reports: Int)]
  fileprivate var edges: [EdgeListing] = []
  fileprivate let revision: UInt64
  fileprivate let halfLife: Interval
  fileprivate let edgeCount: Int

  public var isComplete: Bool { listing.isComplete || edges.count >= Oracle.Limits.shownEdges }

  /// JSON, on one line with its end. Takes a while.
  public var text: String {
    JSONText.object { page in
      page.member("revision", revision)
      page.member("half_life_s", halfLife.inSeconds)
      page.array("nodes") { list in
        for (node, reports) in nodes { list.object { Oracle.write(node, reports: reports, to: &$0) } }
      }
      page.array("edges") { list in
        for edge in edges { list.object { Oracle.write(edge, names, to: &$0) } }
      }
      page.member("edges_in_all", edgeCount)
    } + "\n"
  }
}

extension Oracle {
  /// For a request of `/v1/map`: what keeps it from the map, or a page to be filled by `fill`.
  public mutating func openMap(for request: OracleRequest) -> (refusal: OracleAnswer?, page: MapPage?) {
    do throws(Failure) {
      try checkShown(request)
      counters.shown += 1
      return (nil, newPage())
    } catch {
      count(error.kind)
      return (error.answer, nil)
    }
  }

  /// Looks at so many edges more.
  public func fill(_ page: inout MapPage, atMost edges: Int, at now: Instant) {
    let most = min(edges, Limits.shownEdges - page.edges.count)
    if let more = map.edges(atMost: most, of: &page.listing, at: now) {
      page.edges += more
    } else {
      // Nodes came or went: from the beginning.
      page = newPage()
    }
  }

  func newPage() -> MapPage {
    let names = map.nodeNames
    return MapPage(
      listing: map.listing(), names: names,
      nodes: names.compactMap { name in nodes[name].map { ($0, map.reportCount(by: name)) } }, revision: revision,
      halfLife: map.halfLife, edgeCount: map.edgeCount)
  }

  /// In one piece.
  func mapText(at now: Instant) -> String {
    var page = newPage()
    while !page.isComplete { fill(&page, atMost: Limits.shownEdges, at: now) }
    return page.text
  }

  fileprivate static func write(_ node: OracleNode, reports: Int, to page: inout JSONText.Object) {
    let facts = node.facts
    page.member("name", facts.name)
    page.member("kind", facts.kind.rawValue)
    page.member("provider", facts.provider)
    page.member("region", facts.region)
    page.member("price_per_gb", facts.price.perGigabyte)
    page.member("capacity_bps", facts.capacity?.bitsPerSecond)
    page.array("addresses") { list in
      for prefix in facts.prefixes { list.element(prefix.description) }
    }
    node.writeContact(to: &page)
    page.member("reports", reports)
  }

  fileprivate static func write(_ edge: EdgeListing, _ names: [String], to page: inout JSONText.Object) {
    page.member("from", names[edge.from])
    page.member("to", names[edge.to])
    page.member("delay_us", edge.least.map { ($0 + edge.excess).inMicroseconds })
    page.member("round_trip_us", edge.roundTrip?.inMicroseconds)
    page.member("deviation_us", edge.deviation.inMicroseconds)
    page.member("loss", edge.loss, decimals: 9)
    page.member("rate_bps", edge.rate?.bitsPerSecond)
    page.member("price_per_gb", edge.price?.perGigabyte)
    page.member("confidence", edge.confidence, decimals: 3)
    page.member("sources", edge.sources)
  }

  func statusText(at now: Instant) -> String {
    JSONText.object(.indented) { page in
      page.member("name", settings.name)
      page.member("up_s", (now - began).inSeconds, decimals: 1)
      page.member("revision", revision)
      page.member("strategy", settings.strategy)
      page.member("half_life_s", map.halfLife.inSeconds)
      page.object("nodes") {
        $0.member("gateways", gatewayNames.count)
        $0.member("relays", relayNames.count)
      }
      page.member("reports", map.reportCount)
      page.member("edges", map.edgeCount)
      page.member("streams", view.streams)
      page.object("requests") { Oracle.write(requests, to: &$0) }
      page.object("map") { Oracle.write(mapCounters, to: &$0) }
      page.object("alto") { Oracle.write(altoCounters, to: &$0) }
      page.object("store") {
        $0.member("kind", store.kind)
        $0.member("complaint", store.complaint)
        Oracle.write(store.counters, to: &$0)
      }
    }
  }

  private static func write(_ counters: [(name: String, value: UInt64)], to page: inout JSONText.Object) {
    for counter in counters { page.member(counter.name, counter.value) }
  }

  private var requests: [(name: String, value: UInt64)] {
    [
      ("reports", counters.reports), ("measurements_taken", counters.measurementsTaken),
      ("measurements_refused", counters.measurementsRefused), ("measurements_learnt", counters.measurementsLearnt),
      ("outcomes_taken", counters.outcomesTaken), ("outcomes_refused", counters.outcomesRefused),
      ("questions", counters.questions), ("no_path", counters.noPath), ("shown", counters.shown),
      ("malformed", counters.malformed),
      ("unauthorized", counters.unauthorized), ("forbidden", counters.forbidden), ("not_found", counters.notFound),
      ("wrong_method", counters.wrongMethod), ("not_acceptable", counters.notAcceptable),
      ("wrong_media_type", counters.wrongMediaType), ("too_long", counters.tooLong),
      ("too_often", counters.tooOften),
    ]
  }

  private var mapCounters: [(name: String, value: UInt64)] {
    let counters = map.counters
    return [
      ("added", counters.added), ("updated", counters.updated), ("unknown_node", counters.unknownNode),
      ("no_edge", counters.noEdge), ("empty", counters.empty), ("from_the_future", counters.fromTheFuture),
      ("too_old", counters.tooOld), ("superseded", counters.superseded),
      ("impossible_delay", counters.impossibleDelay), ("impossible_rate", counters.impossibleRate),
      ("impossible_price", counters.impossiblePrice), ("source_full", counters.sourceFull),
      ("edge_full", counters.edgeFull), ("map_full", counters.mapFull), ("forgotten", counters.forgotten),
      ("displaced", counters.displaced), ("removed", counters.removed),
    ]
  }

  private var altoCounters: [(name: String, value: UInt64)] {
    let counters = view.alto
    return [
      ("requests", view.requests), ("views", view.views), ("answered", counters.answered),
      ("syntax_errors", counters.syntaxErrors),
      ("missing_fields", counters.missingFields), ("wrong_types", counters.wrongTypes),
      ("wrong_values", counters.wrongValues), ("not_found", counters.notFound),
      ("wrong_methods", counters.wrongMethods), ("not_acceptable", counters.notAcceptable),
      ("wrong_media_types", counters.wrongMediaTypes), ("too_long", counters.tooLong),
      ("unavailable", counters.unavailable), ("streams_opened", counters.streamsOpened),
      ("streams_changed", counters.streamsChanged),
    ]
  }
}
