//  OracleDesk.swift — the oracle behind its lock, and the streams that hang on it.
//
//  Why.  Requests come on a thread for each address that we listen on, rows go to the store on another, time passes on
//  a third. The oracle is one value, and most requests touch all of it.
//
//  How.  One lock, held for one request, one round of rows, or one tick; never while anybody waits for a disk or a
//  socket. What goes out is taken from the oracle before the lock is given back: texts to their streams, which only
//  queue them, and rows to a list that the store's thread empties.
//
//      HTTP thread      lock ─ respond ─ outputs ▶ streams ─ rows ▶ list ─ unlock ─▶ answer
//      store's thread   lock ─ list ─ unlock ─▶ database ─▶ lock ─ learn ─ unlock
//      ticking thread   lock ─ expire ─ outputs ▶ streams ─ unlock
//
//  Rejected.  A thread for the oracle and queues in both directions (every answer would cost two wake-ups; decision
//  0023 has the numbers that would change our mind).
//
//  Always true.  (1) At most `mostRows` rows wait; the oldest give way and are counted. (2) A stream that does not take
//  what it is sent is closed for the oracle as well.

import ALTO
import Crypto
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

  private struct State: ~Copyable {
    var oracle: Oracle
    var streams: [ALTOServer.StreamID: HTTPStream] = [:]
    var rows: [Row] = []
    var dropped: UInt64 = 0
    let keepsRows: Bool
  }

  private let state: Locked<State>
  private let journal: Journal

  init(_ oracle: consuming sending Oracle, keepsRows: Bool, journal: Journal) {
    state = Locked(State(oracle: oracle, keepsRows: keepsRows))
    self.journal = journal
  }

  // MARK: Requests

  func answer(_ request: HTTPRequest, isOpen: Bool) -> HTTPResponse {
    let asked = OracleRequest(
      method: request.method, path: request.path, mediaType: request.type, accept: request.accept, body: request.body,
      isTooLong: request.isTooLong, token: OracleDesk.token(request.authorization), client: request.client,
      isOpen: isOpen)
    let (answer, stream) = state.withLock { state -> (OracleAnswer, HTTPStream?) in
      let now = MonotonicClock.now
      let answer = state.oracle.respond(to: asked, at: now)
      var stream: HTTPStream?
      if let id = answer.stream {
        let new = HTTPStream()
        state.streams[id] = new
        stream = new
      }
      OracleDesk.takeRows(&state)
      sendOutputs(&state)
      return (answer, stream)
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

  /// Of what stands behind `Bearer`. Anything else is a token that nobody has: no text begins with a zero.
  static func token(_ authorization: String?) -> TokenHash? {
    guard let authorization else { return nil }
    let scheme = authorization.prefix { $0 != " " }
    let rest = authorization.dropFirst(scheme.count).drop { $0 == " " }
    let text = scheme.lowercased() == "bearer" && !rest.isEmpty ? Array(rest.utf8) : [0] + Array(authorization.utf8)
    return text.withUnsafeBytes { TokenHash(SHA256.hash($0)) }
  }

  private func sendOutputs(_ state: inout State) {
    var gone: [ALTOServer.StreamID] = []
    while let output = state.oracle.nextOutput() {
      guard let stream = state.streams[output.stream] else { continue }
      if !stream.send(output.text) {
        gone.append(output.stream)
      } else if output.isLast {
        stream.end()
      }
      if output.isLast { state.streams[output.stream] = nil }
    }
    for id in gone {
      state.oracle.close(id)
      state.streams[id] = nil
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
    state.withLock { state in
      let now = MonotonicClock.now
      guard let deadline = state.oracle.deadline, deadline <= now else { return }
      state.oracle.expire(at: now)
      sendOutputs(&state)
    }
  }

  /// Before the servers go: whoever listens hears that it is over.
  func endStreams() {
    state.withLock { state in
      for stream in state.streams.values { stream.end() }
      state.streams = [:]
    }
  }
}
