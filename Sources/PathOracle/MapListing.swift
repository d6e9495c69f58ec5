//  MapListing.swift — all of the map, for whoever shows it: nodes by name, and what is believed of each edge.
//
//  A question looks at a few hundred edges, this at all of them: eight microseconds each on a large fleet's map, most
//  of it waiting for memory. So a listing can be taken piece by piece, and others are answered in between; what comes
//  out is then no picture of one moment, which an edge that fades by the minute can bear. A node that comes or goes in
//  between ends the listing.

public import Primitives

/// What is believed of a direction between two nodes, as others may see it: delays are true ones, not those of clocks.
public struct EdgeListing: Equatable, Sendable {
  /// Places in `nodeNames`.
  public var from: Int
  public var to: Int
  /// One way: half of the round trip, and what comes on top of it. Of a single edge nobody can know more.
  public var least: Interval?
  public var roundTrip: Interval?
  /// Above the least: on average, of half of all datagrams, and of all but one in a hundred.
  public var excess: Interval
  public var medianExcess: Interval
  public var highExcess: Interval
  public var deviation: Interval
  public var loss: Double?
  public var rate: BitRate?
  public var price: Price?
  public var confidence: Double
  public var sources: Int
}

/// How far somebody has looked at a map.
public struct MapListing: Sendable {
  fileprivate let revision: UInt64
  /// Numbers of nodes, by name.
  fileprivate let order: [Int]
  /// Ends as places in `order`, ascending.
  fileprivate let keys: [UInt64]
  fileprivate var next = 0

  public var isComplete: Bool { next == keys.count }

  fileprivate init(revision: UInt64, order: [Int], keys: [UInt64]) {
    self.revision = revision
    self.order = order
    self.keys = keys
  }
}

extension PathMap {
  /// In their order.
  public var nodeNames: [String] { nodes.filter(\.isThere).map(\.facts.name).sorted() }

  public var relayNames: [String] { relays.map { nodes[$0].facts.name } }

  /// How many reports this node has on the map.
  public func reportCount(by name: String) -> Int { number(of: name).map { nodes[$0].reports } ?? 0 }

  /// How far what is known of this direction is to be trusted: 1 for what was just heard, 0 when nothing is known.
  public func confidence(from: String, to: String, at now: Instant) -> Double {
    guard let from = number(of: from), let to = number(of: to) else { return 0 }
    return Testimony(
      of: Report.edge(from, to), in: reports, fading: Fading(halfLife: halfLife), at: now.made
    ).confidence
  }

  /// The edges of which somebody reports, by the names of their ends; at most so many of them.
  public func edges(atMost most: Int = .max, at now: Instant) -> [EdgeListing] {
    var listing = listing()
    return edges(atMost: most, of: &listing, at: now) ?? []
  }

  /// All edges that there are now, to be looked at with `edges`.
  public func listing() -> MapListing {
    var ranks = [Int](repeating: 0, count: nodes.count)
    let order = nodes.indices.filter { nodes[$0].isThere }.sorted { nodes[$0].facts.name < nodes[$1].facts.name }
    for (rank, number) in order.enumerated() { ranks[number] = rank }
    var keys: [UInt64] = []
    keys.reserveCapacity(reports.count)
    reports.forEach { _, report in keys.append(Report.edge(ranks[report.from], ranks[report.to])) }
    keys.sort()
    var edges: [UInt64] = []
    edges.reserveCapacity(reports.edgeCount)
    for key in keys where key != edges.last { edges.append(key) }
    return MapListing(revision: revision, order: order, keys: edges)
  }

  /// The next ones; nil when nodes came or went since the listing began.
  public func edges(atMost most: Int, of listing: inout MapListing, at now: Instant) -> [EdgeListing]? {
    if listing.revision != revision { return nil }
    let end = listing.next + min(most, listing.keys.count - listing.next)
    var edges: [EdgeListing] = []
    edges.reserveCapacity(end - listing.next)
    for key in listing.keys[listing.next..<end] {
      let (from, to) = (Int(key >> 32), Int(key & 0xffff_ffff))
      // Some may have been forgotten.
      guard var edge = self.listing(from: listing.order[from], to: listing.order[to], at: now) else { continue }
      (edge.from, edge.to) = (from, to)
      edges.append(edge)
    }
    listing.next = end
    return edges
  }

  private func listing(from: Int, to: Int, at now: Instant) -> EdgeListing? {
    guard let figures = figures(of: Report.edge(from, to), at: now) else { return nil }
    let back = delays(of: Report.edge(to, from), at: now)
    let leg = Leg(DelayFigures(oneWay: figures.oneWay, roundTrip: figures.roundTrip), back)
    let moments = figures.curve.moments
    return EdgeListing(
      from: from, to: to, least: leg.map { Interval(nanoseconds: $0.roundTrip / 2) },
      roundTrip: leg.map { Interval(nanoseconds: $0.roundTrip) },
      excess: Interval(nanoseconds: Int64(moments.mean)), medianExcess: figures.curve.quantile(0.5),
      highExcess: figures.curve.quantile(0.99),
      deviation: Interval(nanoseconds: Int64(moments.variance.squareRoot())), loss: figures.loss,
      rate: figures.kilobitsPerSecond.map { BitRate(bitsPerSecond: UInt64(max(1, $0)) * 1_000) },
      price: figures.price.map { Price(microsPerGigabyte: UInt64(max(0, $0))) }, confidence: figures.confidence,
      sources: figures.sources)
  }
}

extension DelayCurve {
  /// What this share of all exceeds at most: the middle of its bucket.
  func quantile(_ share: Double) -> Interval {
    let wanted = Double(DelayCurve.everything) * share
    let bucket = (0..<DelayShape.buckets).first { Double(landed[$0]) >= wanted } ?? DelayShape.buckets - 1
    return Interval(nanoseconds: Int64(DelayShape.middle(of: bucket)))
  }
}
