//  Report.swift — one measurement as a table for people, or as JSON with the names that `netlab bench` uses.

import Primitives
import TestWorld

enum Report {
  private static let columns = [
    "path", "rate", "goodput", "idle", "loaded p50", "p99", "retransmits", "timeouts", "undone", "overtaken",
  ]

  static func table(_ result: BondMeasurement.Result, isDetailed: Bool) -> String {
    var rows = [columns]
    for path in result.paths {
      rows.append(row(path.name, path.rate.map { Double($0.bitsPerSecond) }, path.figures))
    }
    rows.append(row("bond", result.sum, result.bond))
    var text = "\(result.topology)\n" + alignedColumns(rows, right: Set(1..<columns.count))
    text += "bond is \(percent(result.bestRatio)) of the best path"
    if let ratio = result.sumRatio { text += " and \(percent(ratio)) of the sum at line rate" }
    text += "\n"
    for (name, figures) in result.paths.map({ ($0.name, $0.figures) }) + [("bond", result.bond)] {
      guard let datagrams = figures.datagrams else { continue }
      text += "\(name): \(datagrams.lost) of \(datagrams.sent) datagrams lost, \(datagrams.disordered) out of order\n"
    }
    if isDetailed {
      for path in result.paths where !path.figures.lostOnLines.isEmpty {
        text += "lost alone: \(path.figures.lostOnLines)\n"
      }
      if !result.bond.lostOnLines.isEmpty { text += "lost in the bond: \(result.bond.lostOnLines)\n" }
      text += "pings over the bond: \(result.bond.pingsLost) lost, "
      text += "longest silence \(milliseconds(result.bond.longestSilence.inMilliseconds)) ms\n"
      let counted = decimal(result.bond.countedFrom.inSeconds, 1)
      let halves = stride(from: 0, to: result.bond.tenths.count, by: 5).map { start in
        let tenths = result.bond.tenths[start..<min(start + 5, result.bond.tenths.count)]
        return megabits(tenths.reduce(0, +) / Double(tenths.count))
      }
      text += "half seconds from \(counted) s on: \(halves.joined(separator: " "))\n"
      for (gateway, tally) in result.tallies.enumerated() { text += "gateway \(gateway): \(tally)\n" }
    }
    return text
  }

  private static func row(_ name: String, _ rate: Double?, _ figures: BondMeasurement.Figures) -> [String] {
    [
      name, rate.map { megabits($0) } ?? "-", megabits(figures.goodput), milliseconds(quantile(0.5, of: figures.idle)),
      milliseconds(quantile(0.5, of: figures.loaded)), milliseconds(quantile(0.99, of: figures.loaded)),
      "\(figures.retransmissions)", "\(figures.timeouts)", "\(figures.undone)/\(figures.recoveries)",
      "\(figures.overtaken)",
    ]
  }

  /// A line a topology, for many of them.
  static func summary(_ results: [BondMeasurement.Result]) -> String {
    var rows = [["topology", "best path", "bond", "of best", "of sum", "idle", "loaded p50", "p99", "retransmits"]]
    for result in results {
      rows.append([
        result.topology, megabits(result.best), megabits(result.bond.goodput), percent(result.bestRatio),
        result.sumRatio.map { percent($0) } ?? "-", milliseconds(quantile(0.5, of: result.bond.idle)),
        milliseconds(quantile(0.5, of: result.bond.loaded)), milliseconds(quantile(0.99, of: result.bond.loaded)),
        "\(result.bond.retransmissions)",
      ])
    }
    return alignedColumns(rows, right: Set(1..<9))
  }

  static func json(_ results: [BondMeasurement.Result], _ direction: Words.Direction, flows: Int, seconds: Int)
    -> String
  {
    JSONText.array(.indented) { list in
      for result in results {
        list.object { object in
          object.member("topology", result.topology)
          object.member("direction", direction.rawValue)
          object.member("flows", flows)
          object.member("seconds", seconds)
          object.array("paths") { paths in
            for path in result.paths {
              paths.object {
                $0.member("name", path.name)
                $0.member("rate_bps", path.rate.map { Double($0.bitsPerSecond) }, decimals: 0)
                add(path.figures, to: &$0)
              }
            }
          }
          object.object("bond") { add(result.bond, to: &$0) }
          object.member("best_path_ratio", result.bestRatio, decimals: 4)
          object.member("sum_ratio", result.sumRatio, decimals: 4)
        }
      }
    }
  }

  private static func add(_ figures: BondMeasurement.Figures, to object: inout JSONText.Object) {
    object.member("goodput_bps", figures.goodput, decimals: 0)
    object.member("rtt_idle_ms", quantile(0.5, of: figures.idle), decimals: 3)
    object.member("rtt_idle_p99_ms", quantile(0.99, of: figures.idle), decimals: 3)
    object.member("rtt_loaded_p50_ms", quantile(0.5, of: figures.loaded), decimals: 3)
    object.member("rtt_loaded_p99_ms", quantile(0.99, of: figures.loaded), decimals: 3)
    object.member("pings_lost", figures.pingsLost)
    object.member("longest_silence_ms", figures.longestSilence.inMilliseconds, decimals: 3)
    object.member("counted_from_s", figures.countedFrom.inSeconds, decimals: 3)
    object.array("goodput_tenths_bps") { list in for tenth in figures.tenths { list.element(tenth, decimals: 0) } }
    object.member("retransmits", figures.retransmissions)
    object.member("timeouts", figures.timeouts)
    object.member("overtaken", figures.overtaken)
    object.member("warmup_seconds", figures.warmUp.inSeconds, decimals: 3)
    if let datagrams = figures.datagrams {
      object.member("datagrams", datagrams.sent)
      object.member("datagrams_lost", datagrams.lost)
      object.member("datagrams_disordered", datagrams.disordered)
    }
  }

  static func megabits(_ bits: Double) -> String { decimal(bits / 1e6, bits < 100e6 ? 2 : 1) }
  static func percent(_ share: Double) -> String { decimal(share * 100, 1) + " %" }
  private static func milliseconds(_ time: Double?) -> String { time.map { decimal($0, 1) } ?? "-" }

  static func decimal(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, value < 1e12 else { return "-" }
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let rounded = Int((value * scale).rounded())
    if places == 0 { return "\(rounded)" }
    let (whole, rest) = rounded.quotientAndRemainder(dividingBy: Int(scale))
    let digits = String(abs(rest))
    return "\(whole)." + String(repeating: "0", count: places - digits.count) + digits
  }
}
