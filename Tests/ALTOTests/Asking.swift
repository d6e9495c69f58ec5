//  Asking.swift — a server with the network of RFC 7285's examples, and short ways to ask it.

import ALTO
import JSON
import Primitives
import Testing

struct Desk {
  var server: ALTOServer
  var random = SeededRandom(seed: 1)
  var now = Instant(nanoseconds: 1_000_000_000)

  init(_ map: ALTOMap? = nil, directory: ALTODirectory = .example, limits: ALTOServer.Limits = .init()) throws {
    server = ALTOServer(directory, map: try map ?? .example(), limits: limits)
  }

  mutating func ask(_ request: ALTORequest) throws -> ALTOResponse {
    guard case .response(let response) = server.respond(to: request, at: now, random: &random) else {
      throw Surprise("a stream")
    }
    return response
  }

  mutating func get(_ path: String, accept: String? = nil) throws -> ALTOResponse {
    try ask(ALTORequest(method: "GET", path: path, accept: accept))
  }

  mutating func post(_ path: String, _ type: String, _ body: String) throws -> ALTOResponse {
    try ask(
      ALTORequest(
        method: "POST", path: path, mediaType: "application/alto-\(type)+json", body: Array(body.utf8),
        client: IPAddress("192.0.2.2")))
  }

  /// The document of an answer that must be a good one.
  mutating func document(get path: String) throws -> JSONValue {
    try Desk.document(get(path))
  }

  mutating func document(post path: String, _ type: String, _ body: String) throws -> JSONValue {
    try Desk.document(post(path, type, body))
  }

  static func document(_ response: ALTOResponse) throws -> JSONValue {
    try #require(response.status == 200, "\(response)")
    return try JSONValue(reading: response.body)
  }

  /// A stream, and its first events.
  mutating func open(_ body: String) throws -> (id: ALTOServer.StreamID, events: [Event]) {
    let request = ALTORequest(
      method: "POST", path: "/alto/updates", mediaType: "application/alto-updatestreamparams+json",
      body: Array(body.utf8), client: IPAddress("192.0.2.2"))
    switch server.respond(to: request, at: now, random: &random) {
    case .stream(let id): return (id, try events())
    case .response(let response): throw Surprise("\(response)")
    }
  }

  mutating func replace(_ map: ALTOMap) throws -> [Event] {
    server.replace(map, at: now)
    return try events()
  }

  mutating func events() throws -> [Event] {
    var events: [Event] = []
    while let output = server.nextOutput() { events.append(try Event(output)) }
    return events
  }
}

struct Surprise: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

/// An event as a client reads it.
struct Event {
  let stream: ALTOServer.StreamID
  let type: String
  /// Of the substream; empty for control events.
  let name: String
  let data: String
  let isLast: Bool

  var document: JSONValue { get throws { try JSONValue(reading: data) } }

  init(_ output: ALTOServer.Output) throws {
    stream = output.stream
    isLast = output.isLast
    let lines = output.text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let first = lines.first, first.hasPrefix("event: "), lines.suffix(2) == ["", ""] else {
      throw Surprise("no event: \(output.text)")
    }
    let words = first.dropFirst(7).split(separator: ",", maxSplits: 1)
    type = String(words[0])
    name = words.count > 1 ? String(words[1]) : ""
    let rows = lines.dropFirst().dropLast(2)
    guard rows.allSatisfy({ $0.hasPrefix("data: ") }) else { throw Surprise("a line without data: \(output.text)") }
    data = rows.map { $0.dropFirst(6) }.joined(separator: "\n")
  }
}

let routing = #"{"cost-mode":"numerical","cost-metric":"routingcost"}"#
let hops = #"{"cost-mode":"numerical","cost-metric":"hopcount"}"#
let ordinal = #"{"cost-mode":"ordinal","cost-metric":"routingcost"}"#
let throughput = #"{"cost-mode":"numerical","cost-metric":"tput"}"#
let vector = #"{"cost-mode":"array","cost-metric":"ane-path"}"#

extension ALTODirectory {
  static let example = ALTODirectory(
    costTypes: [
      CostType("num-routing", .routingCost, description: "My default"), CostType("num-hop", .hopCount),
      CostType("ord-routing", .routingCost, .ordinal), CostType("ord-hop", .hopCount, .ordinal),
      CostType("num-tput", .throughput, source: .nominal), CostType("ord-tput", .throughput, .ordinal),
    ],
    properties: ["priv:ietf-example-prop"], networkMap: "my-default-network-map", base: "http://alto.example.com",
    domain: "alto.example.com")
}

extension ALTOMap {
  static func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }

  /// The costs of RFC 7285 §11.2.3.7; the changes are for streams.
  static func example(
    tag: String? = nil, routing change: (inout [Cost]) -> Void = { _ in }, more: [PID] = []
  ) throws -> ALTOMap {
    var costs = [
      Cost(from: 0, to: 0, 1), Cost(from: 0, to: 1, 5), Cost(from: 0, to: 2, 10), Cost(from: 1, to: 0, 5),
      Cost(from: 1, to: 1, 1), Cost(from: 1, to: 2, 15), Cost(from: 2, to: 0, 20), Cost(from: 2, to: 1, 15),
    ]
    change(&costs)
    let hops = [Cost(from: 0, to: 1, 2), Cost(from: 0, to: 2, 3), Cost(from: 1, to: 2, 6)]
    let rates = [Cost(from: 0, to: 1, 1_250_000), Cost(from: 0, to: 2, 12_500_000)]
    return try ALTOMap(
      pids: [
        PID(
          "PID1", [prefix("192.0.2.0/24"), prefix("198.51.100.0/25")], properties: [("priv:ietf-example-prop", "1")]),
        PID("PID2", [prefix("198.51.100.128/25")]), PID("PID3", [prefix("0.0.0.0/0"), prefix("::/0")]),
      ] + more,
      costs: [(.routingCost, costs), (.hopCount, hops), (.throughput, rates)],
      elements: [
        Element("L1", rate: BitRate(bitsPerSecond: 10_000_000_000)),
        Element("L2", rate: BitRate(bitsPerSecond: 15_000_000_000)), Element("NET3"),
      ],
      routes: [Route(from: 0, to: 1, [0]), Route(from: 0, to: 2, [0, 2]), Route(from: 1, to: 2, [1, 2])], tag: tag)
  }
}
