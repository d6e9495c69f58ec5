//  Charts.swift — the two pictures of a report: how fast, and how quick under load.

/// One profile of a matrix: what was found, or why nothing was.
public struct Profile: Sendable {
  public var name: String
  public var outcome: Outcome

  public enum Outcome: Sendable {
    case measured(BenchResult)
    case failed(String)
  }

  public init(name: String, outcome: Outcome) {
    self.name = name
    self.outcome = outcome
  }

  var result: BenchResult? {
    if case .measured(let result) = outcome { return result }
    return nil
  }
}

enum Charts {
  /// Goodput of the bond, between the best path and the sum of the paths.
  ///
  /// The bar between the two is all that joining paths can win: a bond left of it makes things worse than no bond
  /// (its share of the best path is then printed bold), at its right end it uses everything. Without a bond the bar
  /// shows what there is to win.
  static func goodput(_ profiles: [Profile], bond: String?, subtitle: String) -> PointChart {
    var chart = PointChart(
      title: "Goodput", subtitle: subtitle, axisTitle: "TCP goodput in Mbit/s (logarithmic)",
      series: [
        .init(name: "best path alone", shape: .ring, ink: .first),
        .init(name: "sum of the paths", shape: .tick, ink: .second),
      ], columns: ["best", "sum"])
    if let bond {
      chart.series.append(.init(name: bond, shape: .diamond, ink: .third))
      chart.columns += [bond.count <= 9 ? bond : "bond", "of best", "of sum"]
    }
    chart.rows = profiles.map { profile in
      row(of: profile) { result, row in
        guard let best = result.bestPath?.goodputBitsPerSecond else { return }
        let sum = result.sumBitsPerSecond
        row.values = [best / 1e6, sum / 1e6]
        row.span = (best / 1e6, sum / 1e6)
        row.cells = [.init(text: megabits(best)), .init(text: megabits(sum))]
        guard bond != nil, let joined = result.bond else { return }
        row.values.append(joined.goodputBitsPerSecond / 1e6)
        // Two runs of the same thing differ by a per cent.
        let isWorse = (result.bestPathRatio ?? 1) < 0.99
        row.cells += [
          .init(text: megabits(joined.goodputBitsPerSecond), isBold: true),
          .init(text: percent(result.bestPathRatio), ink: isWorse ? .second : .text, isBold: isWorse),
          .init(text: percent(result.sumRatio)),
        ]
      }
    }
    return chart
  }

  /// Round-trip times, idle and while TCP fills the line: of the bond's pings, or of the best path alone.
  static func latency(_ profiles: [Profile], bond: String?, subtitle: String) -> PointChart {
    var chart = latencyFrame("Latency under load: " + (bond ?? "plain TCP on the best path alone"), subtitle: subtitle)
    chart.rows = profiles.map { profile in
      row(of: profile) { result, row in
        if let bond = result.bond {
          row = latencyRow(profile.name, bond.idle, bond.loaded)
        } else if let best = result.bestPath {
          row = latencyRow(profile.name, best.idle, best.loaded)
        }
      }
    }
    return chart
  }

  static func latencyFrame(_ title: String, subtitle: String) -> PointChart {
    PointChart(
      title: title, subtitle: subtitle, axisTitle: "round-trip time in ms (logarithmic)",
      series: [
        .init(name: "idle, median", shape: .tick, ink: .third),
        .init(name: "loaded, median", shape: .ring, ink: .first),
        .init(name: "loaded, 99th percentile", shape: .diamond, ink: .second),
      ], columns: ["idle", "median", "99th"])
  }

  static func latencyRow(_ name: String, _ idle: Samples, _ loaded: Samples) -> PointChart.Row {
    let p99 = loaded.quantile(0.99)
    var row = PointChart.Row(label: name, values: [idle.median, loaded.median, p99])
    if let median = loaded.median, let p99 { row.span = (median, p99) }
    row.cells = row.values.map { .init(text: milliseconds($0)) }
    return row
  }

  private static func row(
    of profile: Profile, _ fill: (BenchResult, inout PointChart.Row) -> Void
  ) -> PointChart.Row {
    var row = PointChart.Row(label: profile.name)
    switch profile.outcome {
    case .measured(let result): fill(result, &row)
    case .failed(let reason): row.remark = "not measured: " + reason
    }
    return row
  }
}
