//  BenchReport.swift — what one bench found, as files: the picture of the topology, a table, two charts, the JSON.

import Primitives

struct BenchReport {
  var result: BenchResult
  /// The topology as a picture in text.
  var drawing: String
  var bond: String?
  var circumstances: Circumstances

  var files: [(name: String, text: String)] {
    [
      ("report.md", markdown), ("report.json", result.json(.indented) + "\n"), ("goodput.svg", goodput.svg),
      ("latency.svg", latency.svg),
    ]
  }

  var summary: String {
    "\(result.options.inWords) · \(result.options.seconds) s each, after a warm-up"
  }

  var markdown: String {
    var text = "# \(result.topology)\n\n\(summary), measured \(circumstances.inWords).\n\n```\n\(drawing)```\n\n"
    text += "![Goodput of each path](goodput.svg)\n\n![Latency under load](latency.svg)\n\n"
    text += "Rates are in Mbit/s (goodput: at the receiver), round-trip times in ms.\n\n"
    text += table.markdown
    if let bond, result.bond != nil {
      text += "\n\(bond) is \(percent(result.bestPathRatio)) of the best path"
      text += result.paths.count > 1 ? " and \(percent(result.sumRatio)) of the sum.\n" : ".\n"
    }
    if let shares = result.bond?.sharesInWords { text += "\nOf what arrived, \(shares).\n" }
    if !result.notes.isEmpty { text += "\nNotes:\n\n" + result.notes.map { "- \($0)\n" }.joined() }
    return text
  }

  private var table: Table {
    var table = Table([
      .text("path"), .number("rate"), .number("goodput"), .number("idle"), .number("loaded median"),
      .number("loaded 99th"),
      .number("retransmits"),
    ])
    table.rows = carriers.map { carrier in
      [
        carrier.name, megabits(carrier.rate), megabits(carrier.goodput), milliseconds(carrier.idle?.median),
        milliseconds(carrier.loaded?.median), milliseconds(carrier.loaded?.quantile(0.99)), count(carrier.retransmits),
      ]
    }
    return table
  }

  private var goodput: PointChart {
    var chart = PointChart(
      title: "Goodput: \(result.topology)", subtitle: summary, axisTitle: "TCP goodput in Mbit/s (logarithmic)",
      series: [
        .init(name: "rate of the line", shape: .tick, ink: .second),
        .init(name: "goodput", shape: .ring, ink: .first),
      ], columns: ["rate", "goodput"])
    if let bond { chart.series.append(.init(name: "goodput of \(bond)", shape: .diamond, ink: .third)) }
    chart.rows = carriers.map { carrier in
      var row = PointChart.Row(label: carrier.name)
      let goodput = carrier.goodput / 1e6
      row.values = [carrier.rate.map { $0 / 1e6 }] + (carrier.isBond ? [nil, goodput] : [goodput])
      row.cells = [.init(text: megabits(carrier.rate)), .init(text: megabits(carrier.goodput), isBold: carrier.isBond)]
      return row
    }
    return chart
  }

  private var latency: PointChart {
    var chart = Charts.latencyFrame("Latency under load: \(result.topology)", subtitle: summary)
    chart.rows = carriers.compactMap { carrier in
      guard let idle = carrier.idle, let loaded = carrier.loaded else { return nil }
      return Charts.latencyRow(carrier.name, idle, loaded)
    }
    return chart
  }

  /// One line of the report: a path, the sum of all, or the bond.
  private struct Carrier {
    var name: String
    var rate: Double?
    var goodput: Double
    var idle: Samples?
    var loaded: Samples?
    var retransmits: Int?
    var isBond = false
  }

  private var carriers: [Carrier] {
    var carriers = result.paths.map { path in
      Carrier(
        name: path.name, rate: path.rate.map { Double($0.bitsPerSecond) }, goodput: path.goodputBitsPerSecond,
        idle: path.idle, loaded: path.loaded, retransmits: path.retransmits)
    }
    if result.paths.count > 1 { carriers.append(Carrier(name: "sum", goodput: result.sumBitsPerSecond)) }
    if let joined = result.bond {
      carriers.append(
        Carrier(
          name: bond ?? "bond", goodput: joined.goodputBitsPerSecond, idle: joined.idle, loaded: joined.loaded,
          retransmits: joined.retransmits, isBond: true))
    }
    return carriers
  }
}
