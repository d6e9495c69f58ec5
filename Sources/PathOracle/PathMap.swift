//  PathMap.swift — what is known of the network between gateways and relays: who there is, and what reports say.
//
//  Why.  A gateway knows its own paths. Whether a relay that it never used is better can be known only from what all
//  others measured; and what they say is old, wrong or missing now and then.
//
//  How.  Nodes are stated by whoever runs the oracle (NodeFacts). Edges between them are directed, and exist as long as
//  somebody reports of them (Measurement). A report goes into a place of its own for each source and edge
//  (ReportStore), fades with a half-life, and is forgotten after six of them:
//
//      weight 1 ──────┐ 30 s: three reports missed
//                      ╲ ½ after a half-life more (5 min), ¼ after two, …
//                        ────────── forgotten 30 to 35 min after it was made
//
//  What the reports of an edge say together is a weighted median (EdgeBelief). An end's word counts one and a half
//  times: it measured, the others have it from hearsay; and a stranger never pushes an end's report out.
//
//  Bounded, so that no source can fill the map: so many nodes, so many reports for each source and each edge, and in
//  all (Limits). When all places are taken, only what has faded gives way: refusing news is better than forgetting what
//  is fresh, and whoever floods is refused at his own bound long before.
//
//  Rejected.  Moving averages (a liar moves them, and they remember what no longer holds); one value for an edge, the
//  last one wins (whoever reports most often decides).
//
//  Always true.  (1) There are at most `mostReports` reports, and a node's count is the number of its reports. (2)
//  There is a report ⇔ `deadline` is not nil. (3) Equal inputs give equal answers: nothing depends on a hash.
//
//  Not here.  Who may report (tokens), storing (a snapshot is a plain value), choosing paths.
//
//  Cost: 128 bytes a report and some 20 an edge; a report in is four look-ups. map-bench: 420,000 reports of a fleet
//  are 63 MB, a new one takes 0.4 µs and a renewed one 0.25 µs.

public import Primitives

public struct PathMap: ~Copyable {
  public enum Limits {
    /// A fleet of thousands; numbers stay small.
    public static let nodes = 8_192
    /// A query looks at each of them.
    public static let relays = 256
    /// A relay that sees 1,000 gateways and 100 relays in both directions has 2,200.
    public static let reportsPerSource = 4_096
    /// Both ends and two others: with three that agree, a fourth moves nothing.
    public static let reportsPerEdge = 4
    /// 64 MB: the fleet of the header with something to spare.
    public static let reports = 500_000
    /// In half-lives: then it weighs less than two in a hundred.
    public static let lifetime: Int64 = 6
    /// Reports come every ten seconds; until the third is missing, the last is as good as new.
    public static let fresh = Interval.seconds(30)
    public static let halfLives = Interval.seconds(10)...Interval.seconds(86_400)
  }

  public static let usualHalfLife = Interval.seconds(300)
  /// What a report takes; for who counts memory.
  public static var bytesPerReport: Int { MemoryLayout<Report>.stride }

  struct Node {
    var facts: NodeFacts
    /// Nodes of one provider have the same number; who has none has one of its own.
    var provider = 0
    var reports = 0
    /// False for a place that is free.
    var isThere = true
  }

  public struct Counters: Equatable, Sendable {
    public var added: UInt64 = 0
    public var updated: UInt64 = 0
    public var unknownNode: UInt64 = 0
    public var noEdge: UInt64 = 0
    public var empty: UInt64 = 0
    public var fromTheFuture: UInt64 = 0
    public var tooOld: UInt64 = 0
    public var superseded: UInt64 = 0
    public var impossibleDelay: UInt64 = 0
    public var impossibleRate: UInt64 = 0
    public var impossiblePrice: UInt64 = 0
    public var sourceFull: UInt64 = 0
    public var edgeFull: UInt64 = 0
    public var mapFull: UInt64 = 0
    /// Nobody renewed them.
    public var forgotten: UInt64 = 0
    /// They made room for others.
    public var displaced: UInt64 = 0
    /// Their source or an end of their edge was removed.
    public var removed: UInt64 = 0
  }

  public let halfLife: Interval
  public let mostReports: Int
  public private(set) var counters = Counters()
  /// Grows with whatever changes the stated facts.
  public private(set) var revision: UInt64 = 0

  private(set) var nodes: [Node] = []
  private(set) var reports = ReportStore()
  /// By name: answers must not depend on who was there first.
  private(set) var relays: [Int] = []
  private var numbers: [String: Int] = [:]
  private var vacant: [Int] = []
  private var providers: [String: (number: Int, users: Int)] = [:]
  private var nextProvider = 0

  public init(halfLife: Interval = PathMap.usualHalfLife, mostReports: Int = Limits.reports) {
    self.halfLife = min(max(halfLife, Limits.halfLives.lowerBound), Limits.halfLives.upperBound)
    self.mostReports = min(max(mostReports, 1), Limits.reports)
  }

  // MARK: Nodes

  public mutating func set(_ facts: NodeFacts) -> NodeFacts.Verdict {
    if let objection = facts.objection { return objection }
    if let number = numbers[facts.name] {
      if nodes[number].facts == facts { return .unchanged }
      if nodes[number].facts.kind != facts.kind { return .kindDiffers }
      if nodes[number].facts.provider != facts.provider {
        release(providerOf: number)
        nodes[number].provider = provider(facts.provider)
      }
      nodes[number].facts = facts
      revision += 1
      return .changed
    }
    if numbers.count >= Limits.nodes || facts.kind == .relay && relays.count >= Limits.relays { return .full }
    let node = Node(facts: facts, provider: provider(facts.provider))
    let number: Int
    if let place = vacant.popLast() {
      number = place
      nodes[number] = node
    } else {
      number = nodes.count
      nodes.append(node)
    }
    numbers[facts.name] = number
    if facts.kind == .relay {
      let place = relays.firstIndex { nodes[$0].facts.name > facts.name } ?? relays.count
      relays.insert(number, at: place)
    }
    revision += 1
    return .added
  }

  /// The node and all that it said, and that was said of it; false when there is none of this name.
  public mutating func remove(_ name: String) -> Bool {
    guard let number = numbers[name] else { return false }
    var gone: [Int32] = []
    reports.forEach { place, report in
      if Int(report.source) == number || report.from == number || report.to == number { gone.append(place) }
    }
    for place in gone { forget(place) }
    counters.removed += UInt64(gone.count)
    release(providerOf: number)
    numbers[name] = nil
    relays.removeAll { $0 == number }
    nodes[number] = Node(facts: NodeFacts(name: "", kind: .gateway), isThere: false)
    vacant.append(number)
    revision += 1
    return true
  }

  public func facts(of name: String) -> NodeFacts? { numbers[name].map { nodes[$0].facts } }

  public var nodeCount: Int { numbers.count }
  public var relayCount: Int { relays.count }
  public var reportCount: Int { reports.count }
  public var edgeCount: Int { reports.edgeCount }

  func number(of name: String) -> Int? { numbers[name] }

  private mutating func provider(_ name: String) -> Int {
    if let known = providers[name], !name.isEmpty {
      providers[name] = (known.number, known.users + 1)
      return known.number
    }
    nextProvider += 1
    if !name.isEmpty { providers[name] = (nextProvider, 1) }
    return nextProvider
  }

  private mutating func release(providerOf number: Int) {
    let name = nodes[number].facts.provider
    guard let known = providers[name] else { return }
    providers[name] = known.users > 1 ? (known.number, known.users - 1) : nil
  }

  // MARK: Reports

  public mutating func receive(_ measurement: Measurement, at now: Instant) -> Measurement.Verdict {
    let verdict = place(measurement, oldest: halfLife, at: now)
    count(verdict)
    return verdict
  }

  private mutating func place(_ measurement: Measurement, oldest: Interval, at now: Instant) -> Measurement.Verdict {
    if let objection = measurement.objection(oldest: oldest) { return objection }
    guard let source = numbers[measurement.source], let from = numbers[measurement.from],
      let to = numbers[measurement.to]
    else { return .unknownNode }
    let report = Report(measurement, source: source, from: from, to: to, at: now)

    let known = reports.place(of: report.edge, by: report.source)
    if known != Report.none {
      if reports[known].made > report.made { return .superseded }
      reports.replace(known, by: report)
      return .updated
    }
    if nodes[source].reports >= Limits.reportsPerSource { return .sourceFull }
    guard makeRoom(on: report, at: now) else { return .edgeFull }
    if reports.count >= mostReports {
      guard now.made - reports[reports.oldest].made > halfLife.nanoseconds else { return .mapFull }
      forget(reports.oldest)
      counters.displaced += 1
    }
    reports.add(report)
    nodes[source].reports += 1
    return .added
  }

  /// True when the edge has room for one more: somebody may have to go.
  private mutating func makeRoom(on report: Report, at now: Instant) -> Bool {
    var voices = 0
    var weakest = Report.none
    var place = reports.first(of: report.edge)
    while place != Report.none {
      let other = reports[place]
      voices += 1
      if !other.isOfAnEnd && (weakest == Report.none || other.made < reports[weakest].made) { weakest = place }
      place = other.next
    }
    if voices < Limits.reportsPerEdge { return true }
    guard weakest != Report.none else { return false }
    if !report.isOfAnEnd && now.made - reports[weakest].made <= halfLife.nanoseconds { return false }
    forget(weakest)
    counters.displaced += 1
    return true
  }

  private mutating func forget(_ place: Int32) {
    nodes[Int(reports[place].source)].reports -= 1
    reports.remove(place)
  }

  private mutating func count(_ verdict: Measurement.Verdict) {
    switch verdict {
    case .added: counters.added += 1
    case .updated: counters.updated += 1
    case .unknownNode: counters.unknownNode += 1
    case .noEdge: counters.noEdge += 1
    case .empty: counters.empty += 1
    case .fromTheFuture: counters.fromTheFuture += 1
    case .tooOld: counters.tooOld += 1
    case .superseded: counters.superseded += 1
    case .impossibleDelay: counters.impossibleDelay += 1
    case .impossibleRate: counters.impossibleRate += 1
    case .impossiblePrice: counters.impossiblePrice += 1
    case .sourceFull: counters.sourceFull += 1
    case .edgeFull: counters.edgeFull += 1
    case .mapFull: counters.mapFull += 1
    }
  }

  // MARK: Time

  private var lifetime: Int64 { halfLife.nanoseconds * Limits.lifetime }

  /// When the report that came in first is to be forgotten. One that came in later and is older goes with it or after:
  /// at most a half-life late, since older ones are not taken.
  public var deadline: Instant? {
    if reports.oldest == Report.none { return nil }
    return Instant(nanoseconds: UInt64(max(0, reports[reports.oldest].made + lifetime)))
  }

  public mutating func expire(at now: Instant) {
    while reports.oldest != Report.none, reports[reports.oldest].made + lifetime <= now.made {
      forget(reports.oldest)
      counters.forgotten += 1
    }
  }
}

// MARK: Snapshots

extension PathMap {
  /// All that the map knows, as values that a store can write row by row. Ages count from the moment it was made.
  public struct Snapshot: Equatable, Sendable {
    /// By name.
    public var nodes: [NodeFacts]
    /// As they came in.
    public var measurements: [Measurement]

    public init(nodes: [NodeFacts], measurements: [Measurement]) {
      self.nodes = nodes
      self.measurements = measurements
    }
  }

  public func snapshot(at now: Instant) -> Snapshot {
    let facts = nodes.filter(\.isThere).map(\.facts).sorted { $0.name < $1.name }
    var measurements: [Measurement] = []
    measurements.reserveCapacity(reports.count)
    reports.forEach { _, report in measurements.append(measurement(report, at: now)) }
    return Snapshot(nodes: facts, measurements: measurements)
  }

  /// What was kept over a restart; the rest of the map stays. How much of it was taken.
  public mutating func restore(_ snapshot: Snapshot, at now: Instant) -> (nodes: Int, measurements: Int) {
    var taken = (nodes: 0, measurements: 0)
    for facts in snapshot.nodes {
      switch set(facts) {
      case .added, .changed, .unchanged: taken.nodes += 1
      default: break
      }
    }
    let oldest = halfLife * Limits.lifetime
    for measurement in snapshot.measurements {
      let verdict = place(measurement, oldest: oldest, at: now)
      count(verdict)
      if verdict.isKept { taken.measurements += 1 }
    }
    return taken
  }

  private func measurement(_ report: Report, at now: Instant) -> Measurement {
    var measurement = Measurement(
      source: nodes[Int(report.source)].facts.name, from: nodes[report.from].facts.name,
      to: nodes[report.to].facts.name, age: Interval(nanoseconds: max(0, now.made - report.made)),
      shape: report.shape)
    if report.oneWay != Report.unknownDelay { measurement.oneWay = Interval(nanoseconds: report.oneWay) }
    if report.roundTripMicroseconds != Report.unknown {
      measurement.roundTrip = .microseconds(Int64(report.roundTripMicroseconds))
    }
    if report.lossPerBillion != Report.unknown {
      measurement.loss = Probability(partsPerBillion: report.lossPerBillion)
    }
    if report.kilobitsPerSecond != Report.unknown {
      measurement.rate = BitRate(bitsPerSecond: UInt64(report.kilobitsPerSecond) * 1_000)
    }
    if report.priceInMicros != Report.unknown {
      measurement.price = Price(microsPerGigabyte: UInt64(report.priceInMicros))
    }
    return measurement
  }
}

extension Report {
  /// What is finer than a microsecond or a kilobit per second is lost: nobody measures so well.
  init(_ measurement: Measurement, source: Int, from: Int, to: Int, at now: Instant) {
    edge = Report.edge(from, to)
    made = now.made - measurement.age.nanoseconds
    if let oneWay = measurement.oneWay { self.oneWay = oneWay.nanoseconds }
    if let roundTrip = measurement.roundTrip {
      roundTripMicroseconds = UInt32(max(1, roundTrip.nanoseconds / 1_000))
    }
    if let loss = measurement.loss { lossPerBillion = loss.partsPerBillion }
    if let rate = measurement.rate { kilobitsPerSecond = UInt32(max(1, rate.bitsPerSecond / 1_000)) }
    if let price = measurement.price { priceInMicros = UInt32(price.microsPerGigabyte) }
    self.source = Int32(source)
    shape = measurement.shape
  }
}

extension Instant {
  /// As reports count: what was measured before the clock's origin is negative.
  var made: Int64 { Int64(clamping: nanoseconds) }
}
