//  AdviceText.swift — what is said to an oracle, and what it says, between values and JSON.
//
//  Always true.  Whatever an oracle writes ends in a value or in a sentence. What is too much of it is left out; what
//  is wrong with one relay takes nothing from the others.

import JSON
import Primitives
import Sealing

public enum AdviceText {
  public static let reports = "/v1/measurements"
  public static let queries = "/v1/query"
  public static let mediaType = "application/json"
  /// An oracle asks for sixteen relays at a time, and tells of at most four ways with some hundred bytes each.
  public static let mostAnswer = 256 << 10
  /// Beyond these nothing is read of a list.
  static let mostListed = 32
  static let mostEndpoints = 4
  /// An oracle takes so many in one report.
  public static let mostEdges = 512

  // MARK: What we say

  public static func report(_ edges: [EdgeFigures], _ outcomes: [WayOutcome], of name: String) -> String {
    JSONText.object { page in
      page.array("edges") { list in
        for edge in edges.prefix(mostEdges) { list.object { write(edge, to: &$0) } }
      }
      page.array("outcomes") { list in
        for outcome in outcomes.prefix(mostEdges) {
          list.object {
            $0.member("from", name)
            $0.member("to", outcome.to)
            $0.member("via", outcome.via)
            $0.member("worked", outcome.hasWorked)
          }
        }
      }
    }
  }

  private static func write(_ edge: EdgeFigures, to page: inout JSONText.Object) {
    page.member("from", edge.from)
    page.member("to", edge.to)
    if let roundTrip = edge.roundTrip { page.member("round_trip_us", microseconds(roundTrip)) }
    if !edge.excess.isEmpty {
      page.array("excess") { list in
        for excess in edge.excess {
          list.array {
            $0.element(microseconds(excess.delay))
            $0.element(excess.count)
          }
        }
      }
    }
    if let loss = edge.loss { page.member("loss", loss, decimals: 9) }
    if let rate = edge.rate { page.member("rate_bps", rate.bitsPerSecond) }
  }

  public static func query(to peer: String, inUse: [String], _ settings: AdviceSettings) -> String {
    JSONText.object { page in
      page.member("from", settings.name)
      page.member("to", peer)
      page.member("k", settings.paths)
      page.member("objective", settings.objective.rawValue)
      if let price = settings.mostPrice { page.member("max_price", price, decimals: 6) }
      if let delay = settings.mostDelay { page.member("max_delay_us", microseconds(delay)) }
      list("forbidden_providers", settings.forbiddenProviders, in: &page)
      list("forbidden_regions", settings.forbiddenRegions, in: &page)
      list("in_use", inUse, in: &page)
    }
  }

  private static func list(_ name: String, _ words: [String], in page: inout JSONText.Object) {
    if words.isEmpty { return }
    page.array(name) { list in for word in words { list.element(word) } }
  }

  private static func microseconds(_ interval: Interval) -> Int64 { (max(interval, .zero).nanoseconds + 500) / 1_000 }

  // MARK: What it says

  struct Wish: Sendable {
    var name: String
    /// nil: it is a gateway.
    var relay: RelayContact?
  }

  /// Nodes of which it wants to know more. nil: that was no answer.
  static func wishes(in body: [UInt8]) -> [Wish]? {
    guard let page = try? JSONValue(reading: body), let list = page["measure"]?.array else { return nil }
    return list.prefix(mostListed).compactMap { wish in
      guard let name = name(wish["to"]) else { return nil }
      if wish["public_key"] == nil { return Wish(name: name, relay: nil) }
      return contact(named: wish["to"], in: wish).map { Wish(name: name, relay: $0) }
    }
  }

  struct Choice {
    var hasDirect = false
    var relays: [RelayContact] = []
    /// How many ways it left out since nobody has measured them.
    var unmeasured: Int64 = 0
  }

  /// The ways that it would take. nil: that was no answer.
  static func choice(in body: [UInt8]) -> Choice? {
    guard let page = try? JSONValue(reading: body), let list = page["paths"]?.array else { return nil }
    var choice = Choice()
    choice.unmeasured = page["left_out"]?["unmeasured"]?.integer ?? 0
    for path in list.prefix(mostListed) {
      if let relay = path["relay"], relay.object != nil {
        if let contact = contact(named: path["via"], in: relay) { choice.relays.append(contact) }
      } else if path["via"]?.string == nil {
        choice.hasDirect = true
      }
    }
    return choice
  }

  /// What it says is wrong, if it says anything that a person can read.
  static func complaint(in body: [UInt8]) -> String? {
    guard let page = try? JSONValue(reading: body), let text = page["error"]?["message"]?.string else { return nil }
    return printable(text)
  }

  /// It goes into a log and a table: one line, and no commands to a terminal.
  private static func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.prefix(200).filter { $0.value >= 0x20 && $0.value != 0x7f }))
  }

  private static func name(_ value: JSONValue?) -> String? {
    guard let name = value?.string, !name.isEmpty, name.utf8.count <= 64, printable(name) == name else { return nil }
    return name
  }

  private static func contact(named name: JSONValue?, in value: JSONValue) -> RelayContact? {
    guard let name = AdviceText.name(name), let text = value["public_key"]?.string, let key = PublicKey(text) else {
      return nil
    }
    let all = value["endpoints"]?.array?.compactMap(\.string) ?? [value["endpoint"]?.string].compactMap { $0 }
    let endpoints = all.prefix(mostEndpoints).filter { $0.utf8.count <= 260 && printable($0) == $0 }
    return endpoints.isEmpty ? nil : RelayContact(name: name, publicKey: key, endpoints: endpoints)
  }
}
