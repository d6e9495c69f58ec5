//  Consultation.swift — asks the oracle on a thread of its own, and brings its advice to the loop.
//
//  Why.  Names are looked up, certificates are checked, and an answer may take ten seconds or never come: all that is
//  nothing for the thread that carries packets.
//
//  How.       thread                                                   loop, when it is woken
//      what is due? (Advisor) ──── figures, please ──── wake ───▶ makes them between two turns
//      POST ◀─────────────────────────────────── doorbell ─────── lays them down
//      answer ─▶ Advisor ─▶ orders, with addresses ──── wake ───▶ takes them
//
//  Rejected.  To ask between two turns (a name server that is gone takes seconds); a process of its own (one more thing
//  that can be gone, and everything it says would have to be checked like the oracle's).
//
//  Always true.  (1) Thread and loop share nothing but what the lock guards. (2) The loop never waits. (3) While a loop
//  is stuck, nothing is asked.
//
//  Not here.  What to ask and what to make of it (Advice), HTTP (Fetch).

import Advice
import Configuration
import Engine
import Fetch
import Glibc
import POSIX
import Primitives
import Sealing
import Status
import Synchronization
import Underlay

final class Consultation: Sendable {
  /// A loop's turn takes microseconds; one that takes longer than this is asked again later.
  static let patience = Interval.seconds(1)

  /// What the engine shall have; relays with their addresses.
  struct Orders: Sendable {
    var relays: [PeerSettings?]
    var used: [[Int]]
    var probed: [Int]
    var nodes: [String]
    var round: UInt64
  }

  /// What a loop has measured.
  struct Figures: Sendable {
    var edges: [EdgeFigures] = []
    var outcomes: [WayOutcome] = []
  }

  private struct State {
    var isAsked = false
    var isEnded = false
    var figures: Figures?
    var orders: Orders?
    var news: [String] = []
    var standing = StatusSnapshot.Oracle.State.asking
    var since = Instant.zero
    var lastAnswer: Instant?
    var why: String?
  }

  private let url: String
  private let state = Mutex(State())
  private let wake: @Sendable () -> Void
  private let doorbell: Signal
  private let cancellation: FetchCancellation

  private init(
    _ url: String, _ doorbell: Signal, _ cancellation: FetchCancellation, wake: @escaping @Sendable () -> Void
  ) {
    self.url = url
    self.doorbell = doorbell
    self.cancellation = cancellation
    self.wake = wake
  }

  /// `wake` is called on the thread, when the loop is asked or told something.
  static func start(
    _ client: OracleClient, _ settings: AdviceSettings, at now: Instant, wake: @escaping @Sendable () -> Void
  ) throws(GatewayFailure) -> Consultation {
    guard let secret = client.token.secret else { preconditionFailure("whoever runs a gateway has read its token") }
    guard let doorbell = Signal() else { throw GatewayFailure("no descriptor is left: raise `ulimit -n`") }
    let fetcher: Fetcher
    do throws(FetchFailure) {
      fetcher = try Fetcher(trusting: client.authorities)
    } catch {
      throw GatewayFailure("\(error)")
    }
    let consultation = Consultation(client.url, doorbell, fetcher.cancellation, wake: wake)
    let work = Work(consultation, Advisor(settings, at: now), fetcher, client, token: secret.text)
    guard let worker = Worker.start("oracle", { work.run() }) else {
      throw GatewayFailure("no thread is left: raise `ulimit -u`")
    }
    worker.detach()
    return consultation
  }

  /// The thread ends, whatever it waits for.
  func end() {
    state.withLock { $0.isEnded = true }
    cancellation.cancel()
    doorbell.raise()
  }

  // MARK: The loop

  /// Whether the thread waits for figures.
  var isAsked: Bool { state.withLock { $0.isAsked } }

  func lay(_ figures: Figures) {
    state.withLock { state in
      state.isAsked = false
      state.figures = figures
    }
    doorbell.raise()
  }

  /// What is new since the last call.
  func takeOrders() -> Orders? {
    state.withLock { state in
      defer { state.orders = nil }
      return state.orders
    }
  }

  func takeNews() -> [String] {
    state.withLock { state in
      defer { state.news = [] }
      return state.news
    }
  }

  func snapshot(at now: Instant) -> StatusSnapshot.Oracle {
    state.withLock { state in
      StatusSnapshot.Oracle(
        url: url, state: state.standing, since: now - min(state.since, now),
        lastAnswer: state.lastAnswer.map { now - min($0, now) }, why: state.why)
    }
  }

  // MARK: The thread

  private final class Work {
    private let office: Consultation
    private var advisor: Advisor
    private let fetcher: Fetcher
    private let client: OracleClient
    private let token: String
    private var told: Advisor.Orders

    init(_ office: Consultation, _ advisor: Advisor, _ fetcher: Fetcher, _ client: OracleClient, token: String) {
      self.office = office
      self.advisor = advisor
      self.fetcher = fetcher
      self.client = client
      self.token = token
      told = advisor.orders
    }

    func run() {
      while !office.state.withLock({ $0.isEnded }) {
        let now = MonotonicClock.now
        guard let question = advisor.question(at: now) else {
          _ = office.doorbell.wait(for: max(advisor.deadline - now, .milliseconds(1)))
          continue
        }
        var figures = Figures()
        if question == .report {
          guard let made = askLoop() else { continue }
          figures = made
        }
        ask(question, figures)
        tell()
      }
    }

    /// nil when it is stuck, or ends.
    private func askLoop() -> Figures? {
      office.state.withLock { state in
        state.figures = nil
        state.isAsked = true
      }
      office.wake()
      let end = MonotonicClock.now + Consultation.patience
      while true {
        let now = MonotonicClock.now
        let (figures, isEnded) = office.state.withLock { ($0.figures, $0.isEnded) }
        if let figures { return figures }
        if now >= end || isEnded { return nil }
        _ = office.doorbell.wait(for: end - now)
      }
    }

    private func ask(_ question: Advisor.Question, _ figures: Figures) {
      let path = question == .report ? AdviceText.reports : AdviceText.queries
      var request = FetchRequest(
        post: advisor.text(of: question, figures.edges, figures.outcomes), as: AdviceText.mediaType,
        to: client.url + path)
      request.authorize(token)
      request.limits.most = AdviceText.mostAnswer
      do throws(FetchFailure) {
        let answer = try fetcher.fetch(request)
        advisor.answered(question, status: answer.status, body: answer.body, at: MonotonicClock.now)
      } catch {
        advisor.failed(error.description, at: MonotonicClock.now)
      }
    }

    private func tell() {
      let orders = advisor.orders == told ? nil : resolved(advisor.orders)
      told = advisor.orders
      let (standing, why): (StatusSnapshot.Oracle.State, String?) =
        switch advisor.contact {
        case .never: (.asking, nil)
        case .answers: (.answers, nil)
        case .silent(let why): (.silent, why)
        }
      let isNews = office.state.withLock { state in
        let isNews = state.standing != standing
        if isNews { state.news = [why.map { "oracle: \($0); its last advice holds" } ?? "oracle: it answers"] }
        state.standing = standing
        state.why = why
        state.since = advisor.since
        state.lastAnswer = advisor.lastAnswer
        if let orders { state.orders = orders }
        return isNews
      }
      if isNews || orders != nil { office.wake() }
    }

    /// Whoever has no address is left out until the next answer.
    private func resolved(_ orders: Advisor.Orders) -> Orders {
      let relays = orders.places.map { contact -> PeerSettings? in
        guard let contact else { return nil }
        let endpoints = contact.endpoints.flatMap { addresses($0) }
        if endpoints.isEmpty { return nil }
        return PeerSettings(name: contact.name, publicKey: contact.publicKey, endpoints: endpoints)
      }
      return Orders(
        relays: relays, used: orders.used, probed: orders.probed, nodes: orders.nodes, round: orders.round)
    }

    private func addresses(_ text: String) -> [Endpoint] {
      guard let parsed = try? EndpointText(text) else { return [] }
      return (try? Resolution.endpoints(of: parsed)) ?? []
    }
  }
}

extension KeptSecret {
  /// As a header shows it.
  fileprivate var text: String {
    var bytes = [UInt8](repeating: 0, count: Secret.textLength)
    bytes.withUnsafeMutableBytes { copied().writeText(into: $0) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
