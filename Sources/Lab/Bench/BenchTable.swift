//  BenchTable.swift — the table that a bench prints, a row as soon as there is one.

import Primitives

struct BenchTable {
  private let table: Table

  init(_ names: [String]) {
    table = Table([
      .text("path", width: min(32, names.map(\.count).max() ?? 0)), .number("rate", width: 8),
      .number("goodput", width: 8), .number("of line", width: 8), .number("idle", width: 8),
      .number("loaded p50", width: 8), .number("p99", width: 8), .number("retransmits"),
    ])
  }

  /// What all rows depend on, and the columns.
  func header(_ topology: String, _ options: BenchOptions) -> String {
    "\(topology): \(options.inWords) · \(options.seconds) s after a warm-up · rates in Mbit/s, times in ms\n"
      + table.terminalHeader + "\n"
  }

  func row(_ path: BenchResult.Path) -> String {
    row(
      path.name, rate: path.rate, path.goodputBitsPerSecond,
      path.rate.map { path.goodputBitsPerSecond / Double($0.bitsPerSecond) },
      path.idle, path.loaded, path.retransmits)
  }

  func row(_ bond: BenchResult.Bond, _ name: String) -> String {
    row(name, rate: nil, bond.goodputBitsPerSecond, nil, bond.idle, bond.loaded, bond.retransmits)
  }

  private func row(
    _ name: String, rate: BitRate?, _ goodput: Double, _ ofLine: Double?, _ idle: Samples, _ loaded: Samples,
    _ retransmits: Int?
  ) -> String {
    table.terminalRow([
      name, megabits(rate.map { Double($0.bitsPerSecond) }), megabits(goodput), percent(ofLine, places: 1),
      milliseconds(idle.median), milliseconds(loaded.median), milliseconds(loaded.quantile(0.99)), count(retransmits),
    ]) + "\n"
  }

  /// All paths together; nothing when there is one.
  func sum(_ result: BenchResult) -> String {
    if result.paths.count < 2 { return "" }
    return table.terminalRow(["sum", "", megabits(result.sumBitsPerSecond), "", "", "", "", ""]) + "\n"
  }

  /// What the bond makes of the paths, and what a reader must know.
  func footer(_ result: BenchResult, bond: String?) -> String {
    var text = ""
    if let bond, result.bond != nil {
      text += "\(bond) is \(percent(result.bestPathRatio, places: 1)) of the best path"
      text += result.paths.count > 1 ? " and \(percent(result.sumRatio, places: 1)) of the sum\n" : "\n"
    }
    if let bond, let shares = result.bond?.sharesInWords { text += "\(bond): \(shares)\n" }
    for note in result.notes { text += "note: \(note)\n" }
    return text
  }
}
