//  Advisor.swift — what a gateway asks its oracle, when, and what it makes of the answers.
//
//  Why.  The oracle knows relays that the gateway has never heard of; and it is somebody else's program on somebody
//  else's machine. So it is asked for advice, and the gateway goes on without it.
//
//  How.  One question at a time, whoever owns the advisor carries it there and back:
//
//      ┌─▶ report: what was measured ──▶ "these relays nobody has measured" ─▶ probed, at least two at a time
//      │                                 │
//      │   10 s, at the start 3 s, or    ▼
//      └── when probes are done ◀── query for each peer ──▶ "these ways" ─▶ orders: places, and who serves whom
//
//      it does not answer ─▶ the last answer holds; asked again after 2 s, 4 s, … 60 s
//
//  A gateway has a few places for relays. One that is used keeps its place while it is used, so its session and its
//  paths live on; a relay that shall be probed gets a place that nobody needs.
//
//  Rejected.  Dropping the direct way when the oracle does not list it: what it carries is measured here, all the time,
//  and the governor decides. Asking on the data path's thread: names have to be looked up, and answers read.
//
//  Always true.  (1) At most `AdviceSettings.places` relays, `mostUsed` of them in use for all peers together. (2)
//  Named relays keep their places. (3) An answer that cannot be read changes nothing. (4) What was ordered holds until
//  another answer comes, however long that takes.
//
//  Not here.  HTTP, names and addresses; the relays' sessions (the engine's).

public import Primitives

public struct Advisor: Sendable {
  public enum Question: Equatable, Sendable {
    case report
    /// By its place among the peers.
    case query(peer: Int)
  }

  /// What the engine shall have, as a whole.
  public struct Orders: Equatable, Sendable {
    public var places: [RelayContact?]
    /// For each peer the places of its relays, the best first.
    public var used: [[Int]]
    /// Places that shall be probed for `probeFor`, from when `round` changed.
    public var probed: [Int] = []
    /// Names of nodes that it wants to know more of, whoever they are.
    public var nodes: [String] = []
    public var round: UInt64 = 0
  }

  public enum Contact: Equatable, Sendable {
    case never
    case answers
    /// Why, as the last failure said.
    case silent(String)
  }

  /// An oracle forgets in minutes; its map shall not be older than the network's changes.
  public static let pause = Interval.seconds(10)
  /// Thirty questions to a relay, for delay and loss.
  public static let probeFor = Interval.seconds(3)
  /// So long after the start nearly all is new, and relays that nobody has measured yet are waited for.
  static let settlesFor = Interval.seconds(30)
  static let firstRetry = Interval.seconds(2)
  static let lastRetry = Interval.seconds(60)

  public let settings: AdviceSettings
  public private(set) var contact = Contact.never
  /// When that began.
  public private(set) var since: Instant
  public private(set) var lastAnswer: Instant?
  public private(set) var orders: Orders
  public private(set) var counters = Counters()

  public struct Counters: Equatable, Sendable {
    public var reports: UInt64 = 0
    public var answers: UInt64 = 0
    /// Nobody answered.
    public var failures: UInt64 = 0
    /// It answered that it would not.
    public var refusals: UInt64 = 0
    /// It answered something else than what was asked.
    public var unreadable: UInt64 = 0
  }

  private let began: Instant
  /// The oracle knows of relays that it cannot judge yet.
  private var isIncomplete = false
  private var due: Instant
  private var retry = Advisor.firstRetry
  /// The next peer to ask for; nil: a report comes first.
  private var next: Int?
  private var wishes: [AdviceText.Wish] = []
  private var chosen: [[RelayContact]]

  public init(_ settings: AdviceSettings, at now: Instant) {
    precondition(settings.named.count <= AdviceSettings.mostUsed, "whoever reads a configuration counts its relays")
    self.settings = settings
    due = now
    since = now
    began = now
    chosen = Array(repeating: [], count: settings.peers.count)
    let free = AdviceSettings.places - settings.named.count
    orders = Orders(
      places: settings.named + Array(repeating: nil, count: free),
      used: settings.peers.map { _ in Array(settings.named.indices) })
  }

  public var deadline: Instant { due }

  /// What to ask now. It holds until `answered` or `failed` is called.
  public func question(at now: Instant) -> Question? {
    if now < due { return nil }
    return next.map { .query(peer: $0) } ?? .report
  }

  /// Of the question; a report says `figures`.
  public func text(of question: Question, _ edges: [EdgeFigures], _ outcomes: [WayOutcome]) -> String {
    switch question {
    case .report: AdviceText.report(edges, outcomes, of: settings.name)
    case .query(let peer):
      AdviceText.query(
        to: settings.peers[peer], inUse: orders.used[peer].compactMap { orders.places[$0]?.name }, settings)
    }
  }

  // MARK: Answers

  public mutating func answered(_ question: Question, status: Int, body: [UInt8], at now: Instant) {
    guard status == 200 else {
      counters.refusals += 1
      let complaint = AdviceText.complaint(in: body).map { ": \($0)" } ?? ""
      return rest("it answers \(status)\(complaint)", at: now)
    }
    switch question {
    case .report:
      guard let wishes = AdviceText.wishes(in: body) else { return misunderstood(at: now) }
      self.wishes = wishes
      counters.reports += 1
      next = settings.peers.isEmpty ? nil : 0
      isIncomplete = false
    case .query(let peer):
      guard let choice = AdviceText.choice(in: body) else { return misunderstood(at: now) }
      chosen[peer] = choice.relays
      if choice.unmeasured > 0 { isIncomplete = true }
      next = peer + 1 < settings.peers.count ? peer + 1 : nil
    }
    counters.answers += 1
    lastAnswer = now
    retry = Advisor.firstRetry
    if contact != .answers {
      contact = .answers
      since = now
    }
    if next != nil { return }
    arrange()
    let isSettling = isIncomplete && now - began < Advisor.settlesFor
    due = now + (orders.nodes.isEmpty && !isSettling ? Advisor.pause : Advisor.probeFor)
  }

  public mutating func failed(_ why: String, at now: Instant) {
    counters.failures += 1
    rest(why, at: now)
  }

  private mutating func misunderstood(at now: Instant) {
    counters.unreadable += 1
    rest("its answer is not what an oracle says", at: now)
  }

  private mutating func rest(_ why: String, at now: Instant) {
    if case .silent = contact {} else { since = now }
    contact = .silent(why)
    next = nil
    due = now + retry
    retry = min(retry * 2, Advisor.lastRetry)
  }

  // MARK: Places

  private mutating func arrange() {
    // In turns, so that each peer has his best before any has his second.
    var wanted: [RelayContact] = []
    let most = AdviceSettings.mostUsed - settings.named.count
    for turn in 0..<AdviceSettings.mostUsed {
      for relays in chosen where turn < relays.count && wanted.count < most {
        let relay = relays[turn]
        if !settings.named.contains(where: { $0.publicKey == relay.publicKey })
          && !wanted.contains(where: { $0.publicKey == relay.publicKey })
        {
          wanted.append(relay)
        }
      }
    }
    let before = orders.places
    orders.probed = []
    for relay in wanted { place(relay, sparing: wanted) }
    orders.used = chosen.map { relays in
      Array(settings.named.indices)
        + relays.compactMap { relay in
          orders.places.firstIndex { $0?.publicKey == relay.publicKey }
        }.filter { $0 >= settings.named.count }
    }
    for relay in wishes.compactMap(\.relay) {
      if let place = place(relay, sparing: wanted) { orders.probed.append(place) }
    }
    orders.nodes = wishes.map(\.name)
    if !orders.nodes.isEmpty || orders.places != before { orders.round += 1 }
  }

  /// Where it is now, or a place that nobody needs. nil: there is none.
  @discardableResult
  private mutating func place(_ relay: RelayContact, sparing wanted: [RelayContact]) -> Int? {
    if let place = orders.places.firstIndex(where: { $0?.publicKey == relay.publicKey }) {
      // It has moved, or goes by another name.
      if place >= settings.named.count { orders.places[place] = relay }
      return place
    }
    let free = orders.places.indices.dropFirst(settings.named.count).filter { place in
      !orders.probed.contains(place) && !wanted.contains { $0.publicKey == orders.places[place]?.publicKey }
    }
    guard let place = free.first(where: { orders.places[$0] == nil }) ?? free.first else { return nil }
    orders.places[place] = relay
    return place
  }
}
