//  ALTOTarget.swift — requests to an ALTO server, from somebody who sends what he likes.
//
//  The first byte chooses the resource, or a stream's control; the rest is the body, as the type that the resource
//  takes. Whatever comes: one answer with a status that fits, JSON in it, an error that says one thing, events that a
//  client can read, and nothing changed when it was refused. Then the map changes, twice, and streams are told.

import ALTO
import JSON
import Primitives

func checkALTO(_ bytes: [UInt8]) throws(Violation) {
  guard let first = bytes.first else { return }
  var random = SeededRandom(seed: 1)
  var now = Instant(nanoseconds: 1_000_000_000)
  let directory = ALTODirectory(costTypes: costTypes, properties: ["priv:region"])
  var server: ALTOServer
  do {
    server = ALTOServer(directory, map: try map(0))
    let resources = [
      ("/alto/networkmap/filtered", "networkmapfilter"), ("/alto/costmap/filtered", "costmapfilter"),
      ("/alto/endpointprop/lookup", "endpointpropparams"), ("/alto/endpointcost/lookup", "endpointcostparams"),
      ("/alto/pathvector/costmap", "costmapfilter"), ("/alto/pathvector/endpointcost", "endpointcostparams"),
      ("/alto/updates", "updatestreamparams"),
    ]
    var control: String?
    if first & 0x80 != 0 {
      // A stream is open, and the body goes to its control.
      let opening = #"{"add":{"m":{"resource-id":"network-map"},"c":{"resource-id":"costmap-rc"}}}"#
      let outputs = try ask(
        &server, "/alto/updates", "updatestreamparams", Array(opening.utf8), at: now, random: &random)
      control = controlURI(in: outputs)
    }
    let (path, type) = resources[Int(first & 0x7f) % resources.count]
    _ = try ask(
      &server, control ?? path, control == nil ? type : "updatestreamparams", Array(bytes.dropFirst()), at: now,
      random: &random)
    for version in 1...2 {
      now += .seconds(1)
      server.replace(try map(version), at: now)
      while let output = server.nextOutput() { try checkEvent(output.text) }
    }
    now += .seconds(15)
    let streams = server.streamCount
    try demand((server.deadline == nil) == (streams == 0), "\(streams) streams without a deadline")
    server.expire(at: now)
    while let output = server.nextOutput() { try demand(output.text == ":\n\n", "no comment: \(output.text)") }
  } catch let error as Violation {
    throw error
  } catch {
    throw Violation("\(error)")
  }
}

/// The events that follow.
private func ask(
  _ server: inout ALTOServer, _ path: String, _ type: String, _ body: [UInt8], at now: Instant,
  random: inout SeededRandom
) throws(Violation) -> [String] {
  let before = server.streamCount
  let answer = server.respond(
    to: ALTORequest(
      method: "POST", path: path, mediaType: "application/alto-\(type)+json", body: body,
      client: IPAddress(ipv4: 0xc000_0205)), at: now, random: &random)
  var events: [String] = []
  while let output = server.nextOutput() {
    try checkEvent(output.text)
    events.append(output.text)
  }
  switch answer {
  case .stream: try demand(server.streamCount == before + 1 && events.count >= 1, "a stream without a first event")
  case .response(let response):
    try demand([200, 204, 400, 413, 503].contains(response.status), "status \(response.status)")
    if response.status == 400 {
      try demand(server.streamCount == before && events.isEmpty, "a refused request changed something")
      try checkFailure(response.body)
    } else if response.mediaType?.hasSuffix("+json") == true, response.mediaType?.hasPrefix("application/") == true {
      try demand((try? JSONValue(reading: response.body, limits: wide))?.object != nil, "no JSON: \(response.body)")
    }
  }
  return events
}

private func checkFailure(_ body: String) throws(Violation) {
  guard let meta = (try? JSONValue(reading: body, limits: wide))?["meta"], let code = meta["code"]?.string else {
    throw Violation("no error: \(body)")
  }
  let codes = ["E_SYNTAX", "E_MISSING_FIELD", "E_INVALID_FIELD_TYPE", "E_INVALID_FIELD_VALUE"]
  try demand(codes.contains(code), "code \(code)")
  try demand(meta["value"] == nil || meta["field"]?.string != nil, "a value without its field: \(body)")
  try demand(meta["value"] == nil || meta["value"]?.string != nil, "a value that is no text: \(body)")
}

private func checkEvent(_ text: String) throws(Violation) {
  try demand(text.hasSuffix("\n\n") && !text.dropLast(2).contains("\n\n"), "not one event: \(text)")
  let lines = text.split(separator: "\n")
  try demand(lines.first?.hasPrefix("event: ") == true, "no event: \(text)")
  try demand(lines.dropFirst().allSatisfy { $0.hasPrefix("data: ") }, "a line without data: \(text)")
  if text.contains("multipart/") { return }
  let data = lines.dropFirst().map { $0.dropFirst(6) }.joined(separator: "\n")
  try demand((try? JSONValue(reading: data, limits: wide))?.object != nil, "no JSON in an event: \(text)")
}

private func controlURI(in events: [String]) -> String? {
  guard let line = events.first?.split(separator: "\n").dropFirst().first else { return nil }
  return (try? JSONValue(reading: String(line.dropFirst(6))))?["control-uri"]?.string
}

private let wide: JSONLimits = {
  var limits = JSONLimits()
  limits.bytes = .max
  limits.values = .max
  return limits
}()

private let costTypes = [
  CostType("rc", .routingCost), CostType("rc-ord", .routingCost, .ordinal), CostType("owd", .delay),
  CostType("tput", .throughput, .ordinal),
]

private func map(_ version: Int) throws(ALTOMap.Defect) -> ALTOMap {
  func prefix(_ third: UInt32) -> IPPrefix { IPPrefix(IPAddress(ipv4: 0xc000_0200 | third), length: 30) }
  var pids = [
    ALTOMap.PID("PID1", [prefix(4)], properties: [("priv:region", "north")]), ALTOMap.PID("PID2", [prefix(8)]),
  ]
  if version == 2 { pids.append(ALTOMap.PID("PID3", [prefix(12)])) }
  let costs = [ALTOMap.Cost(from: 0, to: 1, 5 + Double(version)), ALTOMap.Cost(from: 1, to: 0, 7)]
  return try ALTOMap(
    pids: pids, costs: [(.routingCost, costs), (.delay, Array(costs.dropFirst(version)))],
    elements: [ALTOMap.Element("uplink", rate: BitRate(bitsPerSecond: 1_000_000)), ALTOMap.Element("r1")],
    routes: [ALTOMap.Route(from: 0, to: 1, [0, 1])])
}
