//  Oracle.swift — everything that an oracle does, without a socket, a clock or a disk: requests in, answers out.
//
//  Why.  What a gateway is told decides where its traffic goes. So the whole of it, from the bytes of a request to the
//  bytes of its answer, can be run in a test, from a seed, with a clock that stands still or jumps.
//
//  How.
//      request ─▶ which space? ─▶ who asks? ─▶ method, Accept, type, size, how often ─▶ JSON ─┐
//                  │404            │401 403     │405 406 415 413 429                      │400  │
//                                                                                               ▼
//        /v1/measurements   Intake   ─▶ PathMap, strategies ─▶ nextRow: what a store should keep
//        /v1/query          Asking   ─▶ PathMap ─▶ a strategy ─▶ SetModel ─▶ answer with reasons
//        /v1/map /v1/status Shown
//        /alto/…            objection; then OracleView answers, of pictures that `draw` makes
//
//  Nodes are stated (`set`), from a file or by another oracle of the same store; measurements are reported, or learnt
//  from a store (`learn`), and then they are no rows again.
//
//  Rejected.  A lock for each part (a request touches most of them; decision 0023). Answers that wait for a disk (a
//  report is worth a second, and the next one comes in ten).
//
//  Always true.  (1) A request that is refused changes a counter and the rate of its source, and nothing else. (2)
//  Nobody but a node adds to the map, and only under its own name. (3) Rows are drained before the next input. (4)
//  Everything that outsiders can make grow has a bound in `Limits` or in the module that holds it.
//
//  Not here.  HTTP, TLS, tokens' texts (only hashes come in), files, threads.
//
//  Cost: on a map of 1,000 gateways and 100 relays a question takes 0.6 to 0.9 ms, of which a third is SetModel's, and
//  a report of 105 edges 0.5 ms, most of it JSON (docs/benchmarks/oracle-load.md has a whole server under load).

import JSON
public import PathOracle
public import Primitives
public import Sealing

public struct Oracle: ~Copyable {
  public enum Limits {
    /// A relay that sees a thousand gateways sends what it knows in four of them.
    public static let body = 256 << 10
    public static let edges = 512
    public static let outcomes = 512
    /// Of one edge: as many as a path's own histogram has.
    static let histogram = 64
    /// Probes that one answer asks for: what a gateway can do between two reports.
    static let wishes = 16
    /// Names in a list of a question.
    static let names = 64
    /// Of `/v1/map`: three megabytes. Whoever wants all of a larger fleet asks with ALTO.
    static let shownEdges = 20_000
  }

  public struct Settings: Sendable {
    public var name = "oracle"
    public var halfLife = PathMap.usualHalfLife
    /// For questions that name none.
    public var strategy = ModelStrategy.name

    public init() {}
  }

  public struct Counters: Equatable, Sendable {
    public var reports: UInt64 = 0
    public var measurementsTaken: UInt64 = 0
    public var measurementsRefused: UInt64 = 0
    public var measurementsLearnt: UInt64 = 0
    public var outcomesTaken: UInt64 = 0
    public var outcomesRefused: UInt64 = 0
    public var questions: UInt64 = 0
    public var noPath: UInt64 = 0
    public var shown: UInt64 = 0
    public var malformed: UInt64 = 0
    public var unauthorized: UInt64 = 0
    public var forbidden: UInt64 = 0
    public var notFound: UInt64 = 0
    public var wrongMethod: UInt64 = 0
    public var notAcceptable: UInt64 = 0
    public var wrongMediaType: UInt64 = 0
    public var tooLong: UInt64 = 0
    public var tooOften: UInt64 = 0
  }

  /// What the store does, for `/v1/status`; whoever has it says so.
  public struct StoreState: Equatable, Sendable {
    /// none, sqlite, postgresql
    public var kind = "none"
    /// What it did not do lately; nil: all is well.
    public var complaint: String?
    /// By name.
    public var counters: [(name: String, value: UInt64)] = []

    public init() {}

    public static func == (a: StoreState, b: StoreState) -> Bool {
      a.kind == b.kind && a.complaint == b.complaint && a.counters.elementsEqual(b.counters) { $0 == $1 }
    }
  }

  public let settings: Settings
  public internal(set) var counters = Counters()
  public var store = StoreState()
  /// For `/v1/status` too.
  public var view = OracleView.Counters()
  var map: PathMap
  var strategies: Strategies
  var access = Access()
  var rates: [String: ReportRate] = [:]
  var nodes: [String: OracleNode] = [:]
  /// By name.
  private(set) var gatewayNames: [String] = []
  private(set) var relayNames: [String] = []
  var random: SeededRandom
  let began: Instant
  /// Moves with whatever may change an answer.
  public internal(set) var revision: UInt64 = 0
  private var drawing: (listing: MapListing, edges: [EdgeListing], revision: UInt64)?
  var rows: [Measurement] = []
  private var taken = 0

  public init(_ settings: Settings = Settings(), random: SeededRandom, at now: Instant) {
    self.settings = settings
    map = PathMap(halfLife: settings.halfLife)
    strategies = Strategies(random: random.stream(named: "strategies"))
    self.random = random.stream(named: "oracle")
    began = now
  }

  // MARK: Who there is

  public mutating func set(_ node: OracleNode) -> NodeVerdict {
    let name = node.facts.name
    if nodes[name] == node { return .unchanged }
    switch map.set(node.facts) {
    case .added, .changed, .unchanged: break
    case let objection: return .refused(objection)
    }
    let isKnown = access.set(node.token, of: .node(name))
    if nodes[name] == nil { list(node) }
    nodes[name] = node
    if !isKnown { nodes[name]?.token = nil }
    revision += 1
    return isKnown ? .set : .tokenOfAnother
  }

  private mutating func list(_ node: OracleNode) {
    func insert(_ name: String, _ names: inout [String]) {
      names.insert(name, at: names.firstIndex { $0 > name } ?? names.count)
    }
    if node.facts.kind == .relay {
      insert(node.facts.name, &relayNames)
    } else {
      insert(node.facts.name, &gatewayNames)
    }
  }

  /// With all that it said, and that was said of it.
  public mutating func removeNode(_ name: String) -> Bool {
    guard map.remove(name) else { return false }
    _ = access.set(nil, of: .node(name))
    nodes[name] = nil
    rates[name] = nil
    gatewayNames.removeAll { $0 == name }
    relayNames.removeAll { $0 == name }
    revision += 1
    return true
  }

  public func node(_ name: String) -> OracleNode? { nodes[name] }

  /// False when somebody else has this token.
  public mutating func setReader(_ name: String, token: TokenHash) -> Bool { access.set(token, of: .reader(name)) }

  // MARK: What is known

  /// What a store kept, or another oracle was told. How many were taken.
  public mutating func learn(_ measurements: [Measurement], at now: Instant) -> Int {
    drained()
    let taken = map.restore(PathMap.Snapshot(nodes: [], measurements: measurements), at: now).measurements
    counters.measurementsLearnt += UInt64(taken)
    if taken > 0 { revision += 1 }
    return taken
  }

  /// What was reported and is to be kept; ages count from the request that brought it. Drain to nil.
  public mutating func nextRow() -> Measurement? {
    guard taken < rows.count else {
      rows.removeAll(keepingCapacity: true)
      taken = 0
      return nil
    }
    taken += 1
    return rows[taken - 1]
  }

  private func drained() { precondition(rows.isEmpty, "rows are drained before the next input") }

  // MARK: Requests

  public mutating func respond(to request: OracleRequest, at now: Instant) -> OracleAnswer {
    drained()
    do throws(Failure) {
      return OracleAnswer(200, OracleAnswer.json, try respondJSON(to: request, at: now))
    } catch {
      count(error.kind)
      return error.answer
    }
  }

  private mutating func respondJSON(to request: OracleRequest, at now: Instant) throws(Failure) -> String {
    switch request.path {
    case "/v1/measurements":
      try check(request, takes: "POST")
      let source = try access.reporter(request)
      try checkBody(request)
      if let pause = rates[source, default: ReportRate(at: now)].take(at: now) {
        let seconds = (pause.nanoseconds + 999_999_999) / 1_000_000_000
        throw Failure(
          .tooOften, "\"\(source)\" reports more often than \(ReportRate.perSecond) times a second",
          headers: [("Retry-After", "\(seconds)")])
      }
      let report = try Report(try document(request), by: source)
      counters.reports += 1
      return take(report, of: source, at: now) + "\n"
    case "/v1/query":
      try check(request, takes: "POST")
      let identity = try access.reader(request)
      try checkBody(request)
      let question = try Question(try document(request), by: identity)
      counters.questions += 1
      return try answer(question, at: now) + "\n"
    case "/v1/map", "/v1/status":
      try checkShown(request)
      counters.shown += 1
      return request.path == "/v1/map" ? mapText(at: now) : statusText(at: now) + "\n"
    default:
      throw Failure(.notFound, "there are /v1/measurements, /v1/query, /v1/map, /v1/status and /alto/")
    }
  }

  func checkShown(_ request: OracleRequest) throws(Failure) {
    try check(request, takes: "GET")
    _ = try access.reader(request)
    try checkAccept(request)
  }

  private func check(_ request: OracleRequest, takes method: String) throws(Failure) {
    if request.method == method || method == "GET" && request.method == "HEAD" { return }
    throw Failure(
      .method, "this is asked with \(method)", headers: [("Allow", method == "GET" ? "GET, HEAD" : method)])
  }

  private func checkAccept(_ request: OracleRequest) throws(Failure) {
    guard let accept = request.accept else { return }
    if Media.isAccepted(OracleAnswer.json, by: accept) { return }
    throw Failure(.notAcceptable, "this is \(OracleAnswer.json)")
  }

  private func checkBody(_ request: OracleRequest) throws(Failure) {
    try checkAccept(request)
    if request.mediaType.map({ Media.essence($0) }) != OracleAnswer.json {
      throw Failure(.mediaType, "the body must be \(OracleAnswer.json)")
    }
    if request.isTooLong || request.body.count > Limits.body {
      throw Failure(.tooLong, "a body has at most \(Limits.body) bytes here")
    }
  }

  private func document(_ request: OracleRequest) throws(Failure) -> JSONValue {
    var limits = JSONLimits()
    limits.bytes = Limits.body
    limits.values = Limits.body / 2
    do throws(JSONError) {
      return try JSONValue(reading: request.body, limits: limits)
    } catch {
      throw Failure(.syntax, error.description)
    }
  }

  mutating func count(_ kind: Failure.Kind) {
    switch kind {
    case .syntax, .missingField, .fieldType, .fieldValue: counters.malformed += 1
    case .unauthorized: counters.unauthorized += 1
    case .forbidden: counters.forbidden += 1
    case .notFound: counters.notFound += 1
    case .method: counters.wrongMethod += 1
    case .notAcceptable: counters.notAcceptable += 1
    case .mediaType: counters.wrongMediaType += 1
    case .tooLong: counters.tooLong += 1
    case .tooOften: counters.tooOften += 1
    }
  }

  // MARK: ALTO

  /// Whether this is a request for a view, and not for us.
  public static func isALTO(_ path: String) -> Bool { path == "/alto" || path.hasPrefix("/alto/") }

  /// What keeps a request from a view; nil: it may look.
  public mutating func objection(to request: OracleRequest) -> OracleAnswer? {
    do throws(Failure) {
      _ = try access.reader(request)
      return nil
    } catch {
      count(error.kind)
      return OracleAnswer(error.kind.status, "text/plain", error.message + "\n", error.headers)
    }
  }

  public var edgeCount: Int { map.edgeCount }

  /// Goes on with a drawing of the map, or begins one, and looks at so many edges; the drawing when it is complete.
  public mutating func draw(atMost edges: Int, at now: Instant) -> ALTODrawing? {
    var current = drawing ?? (map.listing(), [], revision)
    drawing = nil
    guard let more = map.edges(atMost: edges, of: &current.listing, at: now) else {
      // Nodes came or went: from the beginning, next time.
      return nil
    }
    current.edges += more
    if !current.listing.isComplete {
      drawing = current
      return nil
    }
    let facts = map.nodeNames.compactMap { map.facts(of: $0) }
    return ALTODrawing(nodes: facts, edges: current.edges, revision: current.revision)
  }

  // MARK: Time

  public var deadline: Instant? { map.deadline }

  public mutating func expire(at now: Instant) {
    drained()
    let before = map.reportCount
    map.expire(at: now)
    if map.reportCount != before { revision += 1 }
  }
}
