//  PathField.swift — the ways between two nodes as they stand now: the direct one, and one through each relay.
//
//  Why.  A strategy chooses among paths; the map has edges. And what may not be used, or is not known well enough, must
//  not reach any strategy.
//
//  How.  One look at each edge that begins at the sender or ends at the receiver, and nothing else of the map:
//
//        A ─────────────────▶ B        least delays and their shapes add up; losses combine;
//        │  ╲             ╱ ▲          the rate is that of the narrowest of the legs and the relay;
//        │    ▶ relay 1 ─▶  │          prices add up
//        └────▶ relay 2 ────┘
//
//  What nobody measured is believed to be modest (`assumedRate`): good enough to be tried when there is nothing better,
//  and never preferred to what is known. What was not confirmed lately counts for less of its rate and a little later.
//  The delays of all ways get the same origin (OneWay.swift).
//
//  Rejected.  Two relays in a row (a relay refuses it; the second hardly ever helps); a table of all paths kept up to
//  date (100 million for a fleet, nearly all never asked for).
//
//  Always true.  (1) Every candidate has a delay, a rate above zero, and is within the query's limits for paths. (2)
//  The direct way comes first, relays follow by name.
//
//  Cost: 4 edges a relay. For 100 relays 0.3 ms (map-bench), the choice included.

public import Primitives

struct Candidate {
  /// nil for the direct way.
  var relay: Int?
  /// Who has the same number shares a fate and a bottleneck.
  var provider: Int
  /// Bits per second, as believed.
  var rate: Double
  var isRateMeasured: Bool
  var loss: Double
  /// Millionths for a gigabyte.
  var price: Double
  var way: Way
  /// Nanoseconds from here on.
  var least = 0.0
  var excess: Double
  var variance: Double
  var confidence: Double
  var isInUse: Bool
  var first: DelayCurve
  var second: DelayCurve?

  var delay: Double { least + excess }
  var deviation: Double { variance.squareRoot() }

  /// What arrives, as far as we trust it, and what a flow makes of that when it has so many paths: of each loss the
  /// bond hides most and not all, and a flow takes the longer to come back the longer the way is. What one path lost,
  /// the others bring again; so the more there are, the less it costs.
  func goodRate(among paths: Int) -> Double {
    let cost = Candidate.lossCost * Double(max(0, Candidate.freeOfLoss - paths))
    return rate * (1 - loss) * confidence / (1 + cost * loss.squareRoot() * roundTrip)
  }

  /// Of one TCP in bulk over the bond: 36, 24, 12 and nothing for one to four paths fit best what 1,502 sets delivered
  /// (docs/benchmarks/oracle.md). Alone, with a hundredth of loss, a way of 60 ms there and back carries 0.8 of what it
  /// does without, one of 120 ms 0.7. Without this the fastest way is taken however much it loses; with as much for
  /// three paths as for one, slow ways that lose nothing come before those that still carry more.
  static let lossCost = 12.0
  static let freeOfLoss = 4

  /// In seconds.
  private var roundTrip: Double { Double(way.roundTrip) / 1e9 }

  /// Twice the deviation is about what 95 of 100 need; a lost datagram costs a second once, and so a hundredth of loss
  /// ten milliseconds; what nobody confirmed may have become worse.
  var effectiveDelay: Double {
    delay + 2 * deviation + loss * 1e9 + (1 - confidence) * 2e7
  }
}

public struct PathField: Sendable {
  /// What nobody measured.
  static let assumedRate = 10_000_000.0
  static let assumedLoss = 0.001
  /// Of who has no provider that we know: the direct way.
  static let noProvider = -1

  public let query: PathQuery
  public internal(set) var leftOut = PathQuery.LeftOut()
  let from: Int
  let to: Int
  var candidates: [Candidate] = []
  /// Names of relays and their providers, by candidate.
  var names: [String?] = []
  var providers: [String] = []
  /// What the ends can carry over all paths; bits per second.
  var capacity = Double.infinity

  init(_ query: PathQuery, from: Int, to: Int) {
    self.query = query
    self.from = from
    self.to = to
  }

  /// How many ways there are to choose from.
  public var count: Int { candidates.count }

  func rate(_ bitsPerSecond: Double) -> BitRate {
    BitRate(bitsPerSecond: UInt64(min(max(bitsPerSecond, 1), 1e12)))
  }

  func interval(_ nanoseconds: Double) -> Interval { Interval(nanoseconds: Int64(nanoseconds)) }

  func prediction(_ index: Int) -> PathPrediction {
    let candidate = candidates[index]
    return PathPrediction(
      via: names[index], rate: rate(candidate.rate), least: interval(candidate.least),
      excess: DelayCurve.shares(of: candidate.first, then: candidate.second), loss: candidate.loss)
  }
}

extension PathMap {
  /// The ways between two nodes that a strategy may choose from.
  public func field(for query: PathQuery, at now: Instant) throws(PathQuery.Refusal) -> PathField {
    guard (1...PathQuery.mostPaths).contains(query.count) else {
      throw .count(query.count, most: PathQuery.mostPaths)
    }
    guard let from = number(of: query.from) else { throw .unknownNode(query.from) }
    guard let to = number(of: query.to) else { throw .unknownNode(query.to) }
    if from == to { throw .sameEnds }
    var field = PathField(query, from: from, to: to)
    for end in [from, to] {
      if let capacity = nodes[end].facts.capacity {
        field.capacity = min(field.capacity, Double(capacity.bitsPerSecond))
      }
    }
    add(nil, to: &field, at: now)
    for relay in relays where relay != from && relay != to { add(relay, to: &field, at: now) }
    field.settleDelays()
    if field.candidates.isEmpty { throw .noPath(field.leftOut) }
    return field
  }

  private func add(_ relay: Int?, to field: inout PathField, at now: Instant) {
    let limits = field.query.limits
    if let relay {
      let facts = nodes[relay].facts
      if limits.forbiddenProviders.contains(facts.provider) {
        field.leftOut.forbiddenProvider += 1
        return
      }
      if limits.forbiddenRegions.contains(facts.region) {
        field.leftOut.forbiddenRegion += 1
        return
      }
    }
    guard let candidate = candidate(relay, of: field, at: now) else {
      field.leftOut.unmeasured += 1
      return
    }
    if let price = limits.price, candidate.price > Double(price.microsPerGigabyte) {
      field.leftOut.tooExpensive += 1
      return
    }
    if let loss = limits.loss, candidate.loss > loss.fraction {
      field.leftOut.tooLossy += 1
      return
    }
    field.candidates.append(candidate)
    field.names.append(relay.map { nodes[$0].facts.name })
    field.providers.append(relay.map { nodes[$0].facts.provider } ?? "")
  }

  private func candidate(_ relay: Int?, of field: PathField, at now: Instant) -> Candidate? {
    guard let relay else {
      guard let (figures, leg) = leg(field.from, field.to, at: now) else { return nil }
      return candidate(figures, nil, Way(leg), nil, of: field)
    }
    guard let (first, toRelay) = leg(field.from, relay, at: now),
      let (second, fromRelay) = leg(relay, field.to, at: now)
    else { return nil }
    return candidate(first, second, Way(toRelay, fromRelay), relay, of: field)
  }

  private func leg(_ from: Int, _ to: Int, at now: Instant) -> (EdgeFigures, Leg)? {
    guard let there = figures(of: Report.edge(from, to), at: now) else { return nil }
    let back = delays(of: Report.edge(to, from), at: now)
    guard let leg = Leg(DelayFigures(oneWay: there.oneWay, roundTrip: there.roundTrip), back) else { return nil }
    return (there, leg)
  }

  private func candidate(
    _ first: EdgeFigures, _ second: EdgeFigures?, _ way: Way, _ relay: Int?, of field: PathField
  ) -> Candidate {
    var price = Double(nodes[field.from].facts.price.microsPerGigabyte) + Double(first.price ?? 0)
    var delivered = 1 - (first.loss ?? PathField.assumedLoss)
    var kilobits = first.kilobitsPerSecond
    var moments = first.curve.moments
    var confidence = first.confidence
    if let second {
      price += Double(second.price ?? 0)
      delivered *= 1 - (second.loss ?? PathField.assumedLoss)
      kilobits = kilobits.flatMap { one in second.kilobitsPerSecond.map { min(one, $0) } }
      let further = second.curve.moments
      moments.mean += further.mean
      moments.variance += further.variance
      confidence = min(confidence, second.confidence)
    }
    var rate = kilobits.map { Double(max(1, $0)) * 1_000 } ?? PathField.assumedRate
    var isInUse = false
    if let relay {
      let facts = nodes[relay].facts
      price += Double(facts.price.microsPerGigabyte)
      if let capacity = facts.capacity { rate = min(rate, Double(capacity.bitsPerSecond)) }
      isInUse = field.query.inUse.contains(facts.name)
    }
    return Candidate(
      relay: relay, provider: relay.map { nodes[$0].provider } ?? PathField.noProvider, rate: rate,
      isRateMeasured: kilobits != nil, loss: 1 - delivered, price: price, way: way, excess: moments.mean,
      variance: moments.variance, confidence: confidence, isInUse: isInUse, first: first.curve,
      second: second?.curve)
  }
}

extension PathField {
  /// Gives all ways the same origin; then whoever is too slow can be told.
  fileprivate mutating func settleDelays() {
    let offset = Way.offset(of: candidates.lazy.map(\.way))
    for index in candidates.indices { candidates[index].least = Double(candidates[index].way.delay(offset: offset)) }
    guard let most = query.limits.delay.map({ Double($0.nanoseconds) }) else { return }
    let kept = candidates.indices.filter { candidates[$0].delay <= most }
    if kept.count == candidates.count { return }
    leftOut.tooSlow = candidates.count - kept.count
    candidates = kept.map { candidates[$0] }
    names = kept.map { names[$0] }
    providers = kept.map { providers[$0] }
  }
}
