//  MapReport.swift — an oracle's map as a table for people and as JSON for programs.
//
//                  branch       hq           west-1
//      branch      -            98.2 / 1  *  20.1 / 0
//      hq          97.9 / 1  *  -            19.8 / 0
//      west-1      20.3 / 0     20 / 0       -
//
//      delay in ms / loss in %, from the left to the top; . nobody measured it; * faster over a relay

import JSON
import Primitives

public struct MapReport: Sendable {
  private let map: OracleMap
  private let places: [Int]

  /// Of the nodes at these places of the map; relays that are not among them are thought of all the same.
  public init(_ map: OracleMap, showing places: [Int]? = nil) {
    self.map = map
    self.places = places ?? Array(map.nodes.indices)
  }

  public var text: String {
    if places.isEmpty { return "the oracle knows no nodes\n" }
    let names = places.map { Figures.shown(map.nodes[$0].name) }
    var rows = [[""] + names]
    for (name, from) in zip(names, places) {
      rows.append([name] + places.map { from == $0 ? "-" : cell(from, $0) })
    }
    var text = alignedColumns(rows, right: [])
    text += "\ndelay in ms / loss in %, from the left to the top; . nobody measured it"
    text += hasShortcut ? "; * faster over a relay\n" : "\n"
    if map.missing > 0 { text += "\(map.missing) more edges are in the oracle's map than it shows\n" }
    return text
  }

  private func cell(_ from: Int, _ to: Int) -> String {
    guard let edge = map[from, to], edge.delay != nil || edge.loss != nil else { return "." }
    let delay = edge.delay.map { MapReport.milliseconds($0) } ?? "?"
    let loss = edge.loss.map { MapReport.percent($0) } ?? "?"
    return "\(delay) / \(loss)" + (map.shortcut(from: from, to: to) == nil ? "" : " *")
  }

  private var hasShortcut: Bool {
    places.contains { from in places.contains { map.shortcut(from: from, to: $0) != nil } }
  }

  static func milliseconds(_ interval: Interval) -> String {
    let value = interval.inMilliseconds
    return plainDecimal(value, decimals: value < 10 ? 2 : value < 100 ? 1 : 0)
  }

  static func percent(_ share: Double) -> String {
    let value = share * 100
    return plainDecimal(value, decimals: value < 1 ? 2 : value < 10 ? 1 : 0)
  }

  /// As the oracle said it, on one line.
  public var json: String { map.document.text }
}
