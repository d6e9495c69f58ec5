//  OracleDesk.swift — the oracle behind its lock, and the streams that hang on it.
//
//  Why.  Requests come on a thread for each address that we listen on, rows go to the store on another, time passes on
//  a third. The oracle is one value, and most requests touch all of it.
//
//  How.  One lock, held for one request, one round of rows, or one tick; never while anybody waits for a disk or a
//  socket. What goes out is taken before the lock is given back: rows to a list that the store's thread empties. What
//  ALTO clients see has a lock of its own (OracleView says why), and its streams with it, which only queue their texts.
//
//      HTTP thread      lock ─ respond ─ rows ▶ list ─ unlock ─▶ answer
//                       lock ─ objection ─ unlock ─▶ view's lock ─ respond ─ outputs ▶ streams ─ unlock ─▶ answer
//      store's thread   lock ─ list ─ unlock ─▶ database ─▶ lock ─ learn ─ unlock
//      ticking thread   lock ─ expire, draw some ─ unlock ─▶ map ─▶ view's lock ─ show ─ outputs ▶ streams ─ unlock
//
//  Rejected.  A thread for the oracle and queues in both directions (every answer would cost two wake-ups; decision
//  0023 has the numbers that would change our mind).
//
//  Always true.  (1) At most `mostRows` rows wait; the oldest give way and are counted. (2) A stream that does not take
//  what it is sent is closed for the view as well. (3) Nobody holds both locks.

import ALTO
import Crypto
import Glibc
import HTTP
import Oracle
import POSIX
import PathOracle
import Primitives
import Sealing

final class OracleDesk: Sendable {
  /// A measurement, and when it was made by the clock on the wall.
  struct Row {
    var measurement: Measurement
    var made: Instant
  }

  /// Two seconds of the busiest fleet: the store's thread takes them several times a second.
  static let mostRows = 65_536

  /// Of one stream, in bytes: three cost maps of a thousand gateways, which is what it begins with.
  static let mostWaiting = 16 << 20

  private struct State: ~Copyable {
    var oracle: Oracle
    var rows: [Row] = []
    var dropped: UInt64 = 0
    let keepsRows: Bool
  }

  private struct Showing: ~Copyable {
    var view: OracleView
    var streams: [ALTOServer.StreamID: HTTPStream] = [:]
  }

  /// Edges that are looked at without letting others in: two milliseconds.
  private static let stroke = 250

  private let state: Locked<State>
  private let showing: Locked<Showing>
  /// Held by whoever draws, before either of the others.
  private let brush = Locked(())
  private let journal: Journal

  init(
    _ oracle: consuming sending Oracle, _ view: consuming sending OracleView, keepsRows: Bool, journal: Journal
  ) {
    state = Locked(State(oracle: oracle, keepsRows: keepsRows))
    showing = Locked(Showing(view: view))
    self.journal = journal
  }

  // MARK: Requests

  func answer(_ request: HTTPRequest, isOpen: Bool) -> HTTPResponse {
    let asked = OracleRequest(
      method: request.method, path: request.path, mediaType: request.type, accept: request.accept, body: request.body,
      isTooLong: request.isTooLong, token: OracleDesk.token(request.authorization), client: request.client,
      isOpen: isOpen)
    var stream: HTTPStream?
    let answer: OracleAnswer
    if Oracle.isALTO(request.path) {
      (answer, stream) = answerALTO(asked)
    } else if asked.path == "/v1/map" {
      answer = answerMap(asked)
    } else {
      // Only the status tells of both.
      let seen = request.path == "/v1/status" ? showing.withLock { $0.view.counters } : nil
      answer = state.withLock { state in
        if let seen { state.oracle.view = seen }
        let answer = state.oracle.respond(to: asked, at: MonotonicClock.now)
        OracleDesk.takeRows(&state)
        return answer
      }
    }
    switch answer.status {
    case 401: journal.say(.refusedToken, "a request from \(name(of: request.client)) showed no token, or none of ours")
    case 429: journal.say(.tooOften, "a request from \(name(of: request.client)) came too soon after others")
    default: break
    }
    var response = HTTPResponse(status: answer.status, type: answer.mediaType ?? "text/plain", body: answer.body)
    response.headers = answer.headers
    response.stream = stream
    return response
  }

  private func name(of client: IPAddress?) -> String { client.map { "\($0)" } ?? "a local program" }

  static func token(_ authorization: String?) -> TokenHash? {
    BearerToken.bytes(authorization).flatMap { $0.withUnsafeBytes { TokenHash(SHA256.hash($0)) } }
  }

  /// In pieces too: a tenth of a second, for a fleet.
  private func answerMap(_ asked: OracleRequest) -> OracleAnswer {
    let (refusal, begun) = state.withLock { $0.oracle.openMap(for: asked) }
    guard refusal == nil, var page = begun else { return refusal ?? OracleAnswer(map: "") }
    while !page.isComplete {
      state.withLock { $0.oracle.fill(&page, atMost: OracleDesk.stroke, at: MonotonicClock.now) }
      if !page.isComplete { OracleDesk.letOthersIn() }
    }
    return OracleAnswer(map: page.text)
  }

  /// Whoever waits for a lock is asleep, and gets it only if we leave it alone for as long as waking up takes.
  private static func letOthersIn() {
    var pause = timespec(tv_sec: 0, tv_nsec: 200_000)
    nanosleep(&pause, nil)
  }

  private func answerALTO(_ asked: OracleRequest) -> (OracleAnswer, HTTPStream?) {
    let (objection, revision, isSmall) = state.withLock { state in
      (state.oracle.objection(to: asked), state.oracle.revision, state.oracle.edgeCount <= OracleView.small)
    }
    if let objection { return (objection, nil) }
    let (isDue, isEmpty) = showing.withLock { ($0.view.isDue(revision, at: MonotonicClock.now), $0.view.isEmpty) }
    if isDue && (isSmall || isEmpty) { draw() }
    return showing.withLock { showing in
      let answer = showing.view.respond(to: asked, at: MonotonicClock.now)
      var stream: HTTPStream?
      if let id = answer.stream {
        let new = HTTPStream(atMost: OracleDesk.mostWaiting)
        showing.streams[id] = new
        stream = new
      }
      OracleDesk.sendOutputs(&showing)
      return (answer, stream)
    }
  }

  /// Makes a new picture, if it is still time for one.
  private func draw() {
    brush.withLock { _ in
      let revision = state.withLock { $0.oracle.revision }
      guard showing.withLock({ $0.view.isDue(revision, at: MonotonicClock.now) }) else { return }
      while true {
        let drawing = state.withLock { $0.oracle.draw(atMost: OracleDesk.stroke, at: MonotonicClock.now) }
        guard let drawing else {
          OracleDesk.letOthersIn()
          continue
        }
        // What cannot be shown is what the map should not have let in.
        guard let map = try? drawing.map() else { return journal.say(.streams, "the map cannot be shown to ALTO") }
        showing.withLock { showing in
          showing.view.show(map, of: drawing, at: MonotonicClock.now)
          OracleDesk.sendOutputs(&showing)
        }
        return
      }
    }
  }

  private static func sendOutputs(_ showing: inout Showing) {
    var gone: [ALTOServer.StreamID] = []
    while let output = showing.view.nextOutput() {
      guard let stream = showing.streams[output.stream] else { continue }
      if !stream.send(output.text) {
        gone.append(output.stream)
      } else if output.isLast {
        stream.end()
      }
      if output.isLast { showing.streams[output.stream] = nil }
    }
    for id in gone {
      showing.view.close(id)
      showing.streams[id] = nil
    }
  }

  private static func takeRows(_ state: inout State) {
    let wall = WallClock.now
    while let measurement = state.oracle.nextRow() {
      if !state.keepsRows { continue }
      if state.rows.count >= mostRows {
        state.rows.removeFirst(mostRows / 8)
        state.dropped += UInt64(mostRows / 8)
      }
      let age = UInt64(clamping: measurement.age.nanoseconds)
      state.rows.append(
        Row(measurement: measurement, made: Instant(nanoseconds: wall.nanoseconds - min(age, wall.nanoseconds))))
    }
  }

  // MARK: The store's thread

  /// What is to be kept, and how many rows had to give way so far.
  func takeRows() -> (rows: [Row], dropped: UInt64) {
    state.withLock { state in
      defer { state.rows = [] }
      return (state.rows, state.dropped)
    }
  }

  func learn(_ measurements: [Measurement]) -> Int {
    state.withLock { state in state.oracle.learn(measurements, at: MonotonicClock.now) }
  }

  func set(_ node: OracleNode) -> NodeVerdict { state.withLock { state in state.oracle.set(node) } }

  func removeNode(_ name: String) { state.withLock { state in _ = state.oracle.removeNode(name) } }

  func setStore(_ store: Oracle.StoreState) { state.withLock { state in state.oracle.store = store } }

  // MARK: Time

  func tick() {
    let now = MonotonicClock.now
    let revision = state.withLock { state in
      if let deadline = state.oracle.deadline, deadline <= now { state.oracle.expire(at: now) }
      return state.oracle.revision
    }
    let isDue = showing.withLock { showing in
      if let deadline = showing.view.deadline, deadline <= now {
        showing.view.expire(at: now)
        OracleDesk.sendOutputs(&showing)
      }
      return showing.view.isWatched && showing.view.isDue(revision, at: now)
    }
    if isDue { draw() }
  }

  /// Before the servers go: whoever listens hears that it is over.
  func endStreams() {
    showing.withLock { showing in
      for stream in showing.streams.values { stream.end() }
      showing.streams = [:]
    }
  }
}
