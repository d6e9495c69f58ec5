//  ConsultingTarget.swift — what an oracle or an ALTO server answers, when it means harm to whoever asks.
//
//  The first byte chooses who asks, and whether the answer is a good one; documents follow, with a record separator
//  (0x1e) between them. Whatever comes: an answer or one sentence, in a bounded number of requests, and no character
//  in it that moves a terminal's cursor. What is printed for programs is JSON on one line.

import Consulting
import JSON

func checkConsulting(_ bytes: [UInt8]) throws(Violation) {
  guard let first = bytes.first, let root = ResourceAddress("https://alto.example.com:8461/alto/") else { return }
  let pieces = bytes.dropFirst().split(separator: 0x1e, omittingEmptySubsequences: false).map { Array($0) }
  let replies = pieces.map { WebReply(status: first & 0x80 == 0 ? 200 : 400, type: nil, body: $0) }
  do {
    switch first & 0x7f {
    case 0: try checkChoice(replies[0], root)
    case 1: try checkMap(replies[0], root)
    case 2: try checkSurvey(replies, root)
    case 3: try checkWatch(replies, root)
    default: try checkAddress(pieces)
    }
  } catch let violation as Violation {
    throw violation
  } catch {
    try checkShown("\(error)", lines: false)
  }
}

private func checkChoice(_ reply: WebReply, _ root: ResourceAddress) throws {
  let question = PathQuestion(from: "a", to: "b")
  let report = ChoiceReport(try PathChoice(reply, to: question, from: root), to: question)
  try checkShown(report.text, lines: true)
  try checkJSONLine(report.json)
}

private func checkMap(_ reply: WebReply, _ root: ResourceAddress) throws {
  let map = try OracleMap(reply, from: root)
  try checkJSONLine(MapReport(map).json)
  let places = try map.places(of: [])
  try checkShown(MapReport(map, showing: places).text, lines: true)
  try checkShown(MapPicture(map, showing: places).text, lines: true)
}

/// The last document answers all that is asked after it.
private func checkSurvey(_ replies: [WebReply], _ root: ResourceAddress) throws {
  var question = PathQuestion(from: "a", to: "10.0.0.1", count: 3)
  question.mostLoss = 0.5
  var survey = ALTOSurvey(question, at: root)
  var count = 0
  while let request = survey.nextRequest() {
    try demand(count < ALTOSurvey.mostRequests, "one request more than may be: \(request.address)")
    try checkShown(request.address.description, lines: false)
    if let body = request.body { try checkJSONLine(body.text) }
    try survey.receive(replies[min(count, replies.count - 1)])
    count += 1
  }
  let report = ChoiceReport(try survey.choice(), to: question)
  try checkShown(report.text, lines: true)
  try checkJSONLine(report.json)
}

/// Directories first; then each document is an event, its name in its first line.
private func checkWatch(_ replies: [WebReply], _ root: ResourceAddress) throws {
  var watch = UpdateWatch(at: root)
  var rest = replies[...]
  while let request = watch.nextRequest() {
    try checkShown(request.address.description, lines: false)
    guard let reply = rest.popFirst() else { return }
    try watch.receive(reply)
  }
  try checkJSONLine(watch.subscription().body?.text ?? "")
  for event in rest {
    let name = event.body.prefix { $0 != 0x0a }
    let data = String(decoding: event.body[name.endIndex...], as: UTF8.self)
    for change in try watch.receive(event: String(decoding: name, as: UTF8.self), data) {
      if let line = change.text(at: "08:00:00") { try checkShown(line, lines: false) }
      try checkJSONLine(change.json(at: "t"))
    }
  }
}

/// An address leads to itself, and references from it to addresses.
private func checkAddress(_ pieces: [[UInt8]]) throws(Violation) {
  guard let address = ResourceAddress(String(decoding: pieces[0], as: UTF8.self)) else { return }
  let all = [address] + pieces.dropFirst().compactMap { address.resolving(String(decoding: $0, as: UTF8.self)) }
  for found in all {
    let text = found.description
    try demand(text.utf8.allSatisfy { (0x21...0x7e).contains($0) }, "no address: \(text)")
    try demand(text.hasPrefix(found.origin + "/") && !found.origin.contains("@"), "no origin: \(text)")
    // Longer ones are none, and a reference makes an address longer.
    if let again = ResourceAddress(text) { try demand(again == found, "\(text) leads to \(again)") }
  }
}

private func checkShown(_ text: String, lines: Bool) throws(Violation) {
  for scalar in text.unicodeScalars {
    let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
    try demand(!isControl || lines && scalar == "\n", "U+\(String(scalar.value, radix: 16)) is shown")
  }
}

private func checkJSONLine(_ text: String) throws(Violation) {
  var limits = JSONLimits()
  (limits.bytes, limits.values) = (.max, .max)
  try demand(!text.contains("\n"), "two lines: \(text)")
  try demand((try? JSONValue(reading: text, limits: limits)) != nil, "no JSON: \(text)")
}
