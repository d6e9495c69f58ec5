//  Bench.swift — a small fleet with an oracle, a clock that stands still, and somebody who asks.

import ALTO
import JSON
@testable import Oracle
import PathOracle
import Primitives
import Sealing
import Synchronization
import Testing

struct Reply {
  var status: Int
  var type: String?
  var headers: [(name: String, value: String)]
  var text: String
  var streams: Bool

  var json: JSONValue { (try? JSONValue(reading: text)) ?? .null }
  var code: String? { json["error"]?["code"]?.string }
  var field: String? { json["error"]?["field"]?.string }
  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

struct Bench: ~Copyable {
  var oracle: Oracle
  var view: OracleView
  var now = Instant(nanoseconds: 1_000_000_000_000)
  /// What came out since the last look.
  var rows: [Measurement] = []
  var events: [String] = []

  init(_ settings: Oracle.Settings = Oracle.Settings(), seed: UInt64 = 1) {
    oracle = Oracle(settings, random: SeededRandom(seed: seed), at: now)
    let secrets = Mutex(SeededRandom(seed: seed))
    view = OracleView { secrets.withLock { $0.next() } }
  }

  /// Of a name: any 32 bytes that are nobody else's.
  static func token(_ name: String) -> TokenHash {
    var bytes = Array(name.utf8.prefix(32))
    bytes += [UInt8](repeating: 0, count: 32 - bytes.count)
    guard let hash = TokenHash(bytes) else { preconditionFailure("32 bytes") }
    return hash
  }

  mutating func add(
    _ name: String, _ kind: NodeFacts.Kind, provider: String = "", prefixes: [String] = [], capacity: UInt64? = nil,
    price: UInt64 = 0, endpoint: String? = nil
  ) {
    let number = oracle.gatewayNames.count + oracle.relayNames.count + 1
    let endpoint = endpoint ?? "192.0.2.\(number):51800"
    let facts = NodeFacts(
      name: name, kind: kind, provider: provider, price: Price(microsPerGigabyte: price),
      capacity: capacity.map { BitRate(bitsPerSecond: $0) }, prefixes: prefixes.compactMap { IPPrefix($0) },
      endpoints: [endpoint].compactMap { Endpoint($0) })
    let verdict = oracle.set(
      OracleNode(
        facts: facts, endpoints: [endpoint], publicKey: kind == .relay ? "KEY-" + name : nil, token: Bench.token(name)))
    #expect(verdict == .set)
  }

  /// branch and hq, and relays r1 and r2 of two providers.
  static func usual() -> Bench {
    var bench = Bench()
    bench.add("branch", .gateway, prefixes: ["10.1.0.0/16"])
    bench.add("hq", .gateway, prefixes: ["10.2.0.0/16"])
    bench.add("r1", .relay, provider: "AS1", capacity: 1_000_000_000)
    bench.add("r2", .relay, provider: "AS2")
    let isReader = bench.oracle.setReader("noc", token: token("noc"))
    #expect(isReader)
    return bench
  }

  mutating func ask(
    _ method: String, _ path: String, _ body: String = "", by name: String? = nil, type: String? = "application/json",
    accept: String? = nil, isTooLong: Bool = false, isOpen: Bool = false
  ) -> Reply {
    let request = OracleRequest(
      method: method, path: path, mediaType: body.isEmpty && !isTooLong ? nil : type, accept: accept,
      body: Array(body.utf8), isTooLong: isTooLong, token: name.map { Bench.token($0) },
      client: IPAddress("192.0.2.200"), isOpen: isOpen)
    let answer: OracleAnswer
    if !Oracle.isALTO(path) {
      answer = oracle.respond(to: request, at: now)
    } else if let objection = oracle.objection(to: request) {
      answer = objection
    } else {
      draw()
      answer = view.respond(to: request, at: now)
    }
    drain()
    return Reply(
      status: answer.status, type: answer.mediaType, headers: answer.headers, text: answer.body,
      streams: answer.stream != nil)
  }

  mutating func drain() {
    while let row = oracle.nextRow() { rows.append(row) }
    while let output = view.nextOutput() { events.append(output.text) }
  }

  /// As whoever has both does: a picture when it is due, drawn in pieces.
  mutating func draw() {
    if !view.isDue(oracle.revision, at: now) { return }
    for _ in 0..<1_000 {
      guard let drawing = oracle.draw(atMost: 3, at: now) else { continue }
      guard let map = try? drawing.map() else { break }
      view.show(map, of: drawing, at: now)
      return drain()
    }
    Issue.record("a drawing that never ends, or cannot be shown")
  }

  mutating func wait(_ interval: Interval) {
    let end = now + interval
    while now < end {
      let next = [oracle.deadline, view.deadline].compactMap { $0 }.filter { $0 > now }.min() ?? end
      now = min(end, min(next, now + .milliseconds(200)))
      oracle.expire(at: now)
      view.expire(at: now)
      drain()
      if view.isWatched { draw() }
    }
  }

  mutating func report(_ edges: String, by name: String) -> Reply {
    ask("POST", "/v1/measurements", "{\"edges\":[\(edges)]}", by: name)
  }

  /// One edge with what a path needs.
  static func edge(
    _ from: String, _ to: String, _ milliseconds: Double, rate: Int = 100_000_000, loss: Double = 0
  ) -> String {
    """
    {"from":"\(from)","to":"\(to)","round_trip_us":\(milliseconds * 2_000),"loss":\(loss),"rate_bps":\(rate)}
    """
  }

  /// All that a refused request must leave as it was: what the map holds and says, and its revision.
  mutating func everything() -> String {
    ask("GET", "/v1/map", by: "noc").text + "\(view.counters.streams) \(rows.count)"
  }
}
