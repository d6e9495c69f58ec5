//  IntakeTarget.swift — reports and questions to an oracle, from a node that sends what it likes.
//
//  The first byte chooses who sends it, and whether it is a report or a question; the rest is the body. Whatever comes:
//  one answer with JSON in it; a refused body changes nothing; what was taken is a row for the store, reads back from
//  what the store keeps of it, and is as many as the answer says. Afterwards the oracle still answers, shows its map
//  and goes through time.

import ALTO
import JSON
import Oracle
import PathOracle
import Primitives
import Sealing

func checkIntake(_ bytes: [UInt8]) throws(Violation) {
  guard let first = bytes.first else { return }
  var now = Instant(nanoseconds: 5_000_000_000_000)
  var oracle = Oracle(random: SeededRandom(seed: 1), at: now)
  for (index, (name, kind)) in fleet.enumerated() {
    let facts = NodeFacts(name: name, kind: kind, provider: kind == .relay ? "AS1" : "")
    let node = OracleNode(facts: facts, endpoints: ["192.0.2.\(index + 1):1"], token: token(index))
    try demand(oracle.set(node) == .set, "a node of ours is refused")
  }
  _ = oracle.learn(known, at: now)
  let source = Int(first & 0x7f) % fleet.count
  let before = try show(&oracle, at: now)
  let isReport = first & 0x80 == 0
  let (status, text, rows) = try ask(
    &oracle, "POST", isReport ? "/v1/measurements" : "/v1/query", Array(bytes.dropFirst()), by: token(source), at: now)
  try demand([200, 400, 413].contains(status), "status \(status)")
  guard let answer = (try? JSONValue(reading: text, limits: wide))?.object else { throw Violation("no JSON: \(text)") }
  if status == 200 && isReport {
    try demand(answer["taken"]?.integer == Int64(rows.count), "\(rows.count) rows: \(text)")
    try demand(rows.allSatisfy { $0.source == fleet[source].0 }, "somebody speaks for another")
    for row in rows { try checkKept(row) }
  } else {
    try demand(rows.isEmpty, "a question is stored")
    let after = try show(&oracle, at: now)
    try demand(before == after, "what was refused, or only asked, changed the map")
    if status == 200 { try demand(answer["paths"]?.array != nil, "no paths: \(text)") } else { try checkError(answer) }
  }
  // One a time: the bodies are many.
  let strategy = ["model", "race-3", "last-good", "random-k", "cheapest"][bytes.count % 5]
  let question = "{\"from\":\"branch\",\"to\":\"hq\",\"k\":3,\"strategy\":\"\(strategy)\"}"
  let (told, paths, _) = try ask(&oracle, "POST", "/v1/query", Array(question.utf8), by: token(0), at: now)
  try demand(told == 200, "status \(told): \(paths)")
  var drawing = oracle.draw(atMost: 2, at: now)
  for _ in 0..<5_000 where drawing == nil { drawing = oracle.draw(atMost: 2, at: now) }
  guard let drawing, (try? drawing.map()) != nil else { throw Violation("the map cannot be shown to ALTO") }
  for _ in 0..<50 {
    guard let deadline = oracle.deadline else { break }
    now = max(now, deadline)
    oracle.expire(at: now)
  }
}

private let fleet: [(String, NodeFacts.Kind)] = [
  ("branch", .gateway), ("hq", .gateway), ("r1", .relay), ("r2", .relay),
]

private func token(_ index: Int) -> TokenHash? { TokenHash([UInt8](repeating: UInt8(index + 1), count: 32)) }

private let known: [Measurement] = [("branch", "hq"), ("branch", "r1"), ("r1", "hq")].map { from, to in
  Measurement(source: from, from: from, to: to, age: .seconds(20), roundTrip: .milliseconds(20))
}

private func ask(
  _ oracle: inout Oracle, _ method: String, _ path: String, _ body: [UInt8], by token: TokenHash?, at now: Instant
) throws(Violation) -> (status: Int, text: String, rows: [Measurement]) {
  let answer = oracle.respond(
    to: OracleRequest(
      method: method, path: path, mediaType: method == "POST" ? "application/json" : nil, body: body, token: token),
    at: now)
  var rows: [Measurement] = []
  while let row = oracle.nextRow() { rows.append(row) }
  return (answer.status, answer.body, rows)
}

private func show(_ oracle: inout Oracle, at now: Instant) throws(Violation) -> String {
  let (status, text, _) = try ask(&oracle, "GET", "/v1/map", [], by: token(0), at: now)
  try demand(status == 200, "no map: \(text)")
  return text
}

private func checkKept(_ row: Measurement) throws(Violation) {
  let bytes = KeptMeasurement.bytes(of: row)
  var again = row
  again.roundTrip = nil
  again.shape = DelayShape()
  try demand(KeptMeasurement.read(bytes, into: &again), "what was kept is not read")
  try demand(again.shape == row.shape, "the shape is another")
  // To the microsecond, and at least one.
  let difference = (again.roundTrip ?? .zero) - (row.roundTrip ?? .zero)
  try demand(abs(difference.nanoseconds) < 1_000, "the round trip is another")
}

private func checkError(_ answer: JSONObject) throws(Violation) {
  let codes = ["E_SYNTAX", "E_MISSING_FIELD", "E_INVALID_FIELD_TYPE", "E_INVALID_FIELD_VALUE", "E_TOO_LONG"]
  guard let error = answer["error"]?.object, let code = error["code"]?.string else { throw Violation("no error") }
  try demand(codes.contains(code) && error["message"]?.string?.isEmpty == false, "code \(code)")
  let hasField = error["field"]?.string != nil
  try demand(!hasField || code != "E_SYNTAX", "a field in a text that is none")
}

private let wide: JSONLimits = {
  var limits = JSONLimits()
  limits.bytes = .max
  limits.values = .max
  return limits
}()
