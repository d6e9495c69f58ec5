//  ChoiceReport.swift — chosen paths as a table that is understood at a glance, and as JSON.
//
//      branch -> hq for throughput: 2 paths of 13, chosen by model
//
//         path    delay            loss     rate          price/GB   why
//      1  direct  30.1 ms +-2.0    0.12 %   300 Mbit/s    0.1        carries most: 300 Mbit/s
//      2  west-1  20.4 ms          0 %      ~50 Mbit/s    0.02       adds 50 Mbit/s
//
//      together   350 Mbit/s; 1.2 MB wait to be put in order, 12.3 ms on top; 0.01 % lost
//      runner-up  direct and east-2: 340 Mbit/s
//      left out   3 unmeasured, 1 too expensive
//
//  (With true arrows and signs.) Columns in which nobody knows anything are not there.

import JSON
import Primitives

public struct ChoiceReport: Sendable {
  private let choice: PathChoice
  private let question: PathQuestion
  /// What is older than two half-lives is hardly a measurement.
  private static let leastConfidence = 0.25

  public init(_ choice: PathChoice, to question: PathQuestion) {
    self.choice = choice
    self.question = question
  }

  // MARK: Text

  public var text: String {
    var text = headline + "\n" + (choice.paths.isEmpty ? "" : "\n" + table)
    let rows = footer
    if !rows.isEmpty { text += "\n" + alignedColumns(rows, right: []) }
    return text
  }

  private var headline: String {
    let count = choice.paths.count
    var line = "\(Figures.shown(question.from)) → \(Figures.shown(question.to))"
    if let objective = question.objective { line += " for \(objective.rawValue)" }
    line += count == 0 ? ": no path" : ": \(count) path\(count == 1 ? "" : "s")"
    if let considered = choice.considered { line += " of \(considered)" }
    if let strategy = choice.strategy { line += ", chosen by \(strategy)" }
    if choice.isRace { line += "; to be tried against each other" }
    return line
  }

  private var table: String {
    let paths = choice.paths
    var columns: [(title: String, right: Bool, cells: [String])] = [
      ("", true, paths.indices.map { "\($0 + 1)" }), ("path", false, paths.map { $0.via ?? "direct" }),
    ]
    func column(_ title: String, right: Bool, _ cell: (PathChoice.Path) -> String?) {
      let cells = paths.map(cell)
      if cells.contains(where: { $0 != nil }) { columns.append((title, right, cells.map { $0 ?? "?" })) }
    }
    column("delay", right: true) { $0.delay.map { Figures.time($0) } }
    column("jitter", right: true) { $0.deviation.map { "± " + Figures.time($0) } }
    column("round trip", right: true) { $0.roundTrip.map { Figures.time($0) } }
    column("loss", right: true) { $0.loss.map { Figures.share($0) } }
    column("rate", right: true) { path in path.rate.map { (path.isRateMeasured ? "" : "~") + Figures.rate($0) } }
    column("price/GB", right: true) { $0.price.map { Figures.number($0) } }
    column("provider", right: false) { $0.provider }
    column("why", right: false) { $0.reason }
    let right = Set(columns.indices.filter { columns[$0].right })
    let rows = [columns.map(\.title)] + paths.indices.map { row in columns.map { $0.cells[row] } }
    return alignedColumns(rows, right: right)
  }

  private var footer: [[String]] {
    var rows: [[String]] = []
    if let whole = choice.whole, let line = ChoiceReport.line(whole) { rows.append(["together", line]) }
    if let other = choice.runnerUp {
      let names = other.via.map { $0 ?? "direct" }.joined(separator: " and ")
      rows.append(["runner-up", names + (ChoiceReport.line(other.whole).map { ": \($0)" } ?? "")])
    }
    if !choice.leftOut.isEmpty {
      rows.append(["left out", choice.leftOut.map { "\($0.count) \($0.reason)" }.joined(separator: ", ")])
    }
    if choice.paths.contains(where: { !$0.isRateMeasured && $0.rate != nil }) {
      rows.append(["~", "nobody measured this rate; it is a modest guess"])
    }
    let old = choice.paths.filter { ($0.confidence ?? 1) < ChoiceReport.leastConfidence }.map { $0.via ?? "direct" }
    if !old.isEmpty { rows.append(["old", "nobody measured lately: \(old.joined(separator: ", "))"]) }
    for (place, sentence) in choice.unknown.enumerated() { rows.append([place == 0 ? "not known" : "", sentence]) }
    return rows
  }

  private static func line(_ whole: PathChoice.Whole) -> String? {
    var parts: [String] = []
    if let rate = whole.rate { parts.append(Figures.rate(rate)) }
    if let occupancy = whole.occupancy {
      let added = whole.addedDelay.map { ", \(Figures.time($0)) on top" } ?? ""
      parts.append("\(Figures.memory(occupancy)) wait to be put in order\(added)")
    } else if let added = whole.addedDelay {
      parts.append("\(Figures.time(added)) on top")
    }
    if let loss = whole.loss { parts.append("\(Figures.share(loss)) lost") }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  // MARK: JSON

  /// What the oracle said, on one line; of another server what was made of its costs, with the same names.
  public var json: String {
    if let document = choice.document { return document.text }
    return JSONText.object { page in
      page.member("from", question.from)
      page.member("to", question.to)
      page.member("strategy", choice.strategy)
      page.member("optimal", choice.isOptimal)
      page.member("considered", choice.considered)
      page.array("paths") {
        for path in choice.paths {
          $0.object {
            $0.member("via", path.via)
            $0.member("delay_us", path.delay.map { Double($0.nanoseconds) / 1e3 }, decimals: 3)
            $0.member("round_trip_us", path.roundTrip.map { Double($0.nanoseconds) / 1e3 }, decimals: 3)
            $0.member("loss", path.loss, decimals: 9)
            $0.member("rate_bps", path.rate?.bitsPerSecond)
            $0.member("price_per_gb", path.price)
            $0.member("reason", path.reason)
          }
        }
      }
      page.array("not_known") { for sentence in choice.unknown { $0.element(sentence) } }
    }
  }
}
