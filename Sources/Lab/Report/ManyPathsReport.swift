//  ManyPathsReport.swift — docs/benchmarks/many-paths.md and its chart, from the reports of several matrices.
//
//  `netlab matrix --report` says what one run found. Whoever chooses a bond asks for more: the median of several runs,
//  and what others do in the same networks: the kernel's MPTCP, measured by us in the same laboratory, and the best
//  peer's figures as they were published. So the document is made from reports and never by hand, and whoever doubts it
//  runs `make bench`.
//
//  The sum is what TCP could carry on all paths together at line rate, 1,448 of the 1,514 bytes of each frame, whatever
//  paths lose: a measured sum would make a bond look good where plain TCP is bad. Best is plain TCP on the best path
//  alone, as it was measured in the same run.

import FoundationEssentials
import Primitives

public struct ManyPathsReport {
  /// What of a matrix's report matters here.
  struct Matrix: Decodable {
    struct Profile: Decodable {
      struct Path: Decodable {
        var goodput_bps: Double
        var rate_bps: Double?
      }
      struct Bond: Decodable {
        var goodput_bps: Double
        var rtt_idle_ms: Double?
        var rtt_loaded_p50_ms: Double?
        var rtt_loaded_p99_ms: Double?
      }
      var profile: String
      var direction: String?
      var flows: Int?
      var seconds: Int?
      var congestion_control: String?
      var paths: [Path]?
      var bond: Bond?
    }
    var date: String
    var machine: String
    var kernel: String
    var profiles: [Profile]
  }

  struct Row {
    var profile: String
    var best: Double?
    var sum: Double?
    var bond, idle, p50, p99: Double?
    var mptcp, mptcpBest: Double?

    var ofBest: Double? { ratio(bond, best) }
    var ofSum: Double? { ratio(bond, sum) }
    var mptcpOfBest: Double? { ratio(mptcp, mptcpBest) }
    var mptcpOfSum: Double? { ratio(mptcp, sum) }
    var published: PublishedFigures.Figure? { PublishedFigures.figure(of: profile) }

    private func ratio(_ a: Double?, _ b: Double?) -> Double? { a.flatMap { a in b.flatMap { $0 > 0 ? a / $0 : nil } } }
  }

  private let runs: [Matrix]
  let rows: [Row]

  /// The texts of reports: ours, one a run, and those with `--against mptcp`.
  public init(ours: [String], mptcp: [String]) throws(LabError) {
    let runs = try ours.map { (text) throws(LabError) in try ManyPathsReport.read(text) }
    let others = try mptcp.map { (text) throws(LabError) in try ManyPathsReport.read(text) }
    guard let first = runs.first else { throw .wrongUsage("a document needs a report") }
    self.runs = runs
    rows = first.profiles.map { profile in
      func own(_ matrices: [Matrix]) -> [Matrix.Profile] {
        matrices.compactMap { $0.profiles.first { $0.profile == profile.profile } }
      }
      func median(_ profiles: [Matrix.Profile], _ value: (Matrix.Profile) -> Double?) -> Double? {
        Samples(profiles.compactMap(value)).median
      }
      func best(_ profile: Matrix.Profile) -> Double? { profile.paths?.map(\.goodput_bps).max() }
      let (mine, theirs) = (own(runs), own(others))
      return Row(
        profile: profile.profile, best: median(mine, best), sum: ManyPathsReport.sum(mine),
        bond: median(mine) { $0.bond?.goodput_bps }, idle: median(mine) { $0.bond?.rtt_idle_ms },
        p50: median(mine) { $0.bond?.rtt_loaded_p50_ms }, p99: median(mine) { $0.bond?.rtt_loaded_p99_ms },
        mptcp: median(theirs) { $0.bond?.goodput_bps }, mptcpBest: median(theirs, best))
    }
  }

  private static func read(_ text: String) throws(LabError) -> Matrix {
    do { return try JSONDecoder().decode(Matrix.self, from: Data(text.utf8)) } catch {
      throw .wrongUsage("this is no report of `netlab matrix`: \(error)")
    }
  }

  /// nil: a path has no rate, or nothing was measured.
  private static func sum(_ profiles: [Matrix.Profile]) -> Double? {
    guard let paths = profiles.compactMap(\.paths).first, !paths.isEmpty else { return nil }
    let rates = paths.compactMap(\.rate_bps)
    return rates.count == paths.count ? rates.reduce(0, +) * 1448 / 1514 : nil
  }

  // MARK: The document

  /// `chart` is the name of the chart's file beside it.
  public func markdown(chart: String) -> String {
    var text = "# Many paths as one, beside others\n\n\(question)\n![Goodput as a share of the sum](\(chart))\n\n"
    text += "Goodput is in Mbit/s at the receiver; pings are in ms, through the bond while the flow runs.\n\n"
    text += table.markdown
    text += "\nMPTCP is the kernel's, measured in the same laboratory. The columns of \(PublishedFigures.source) were "
    text += "published by \(PublishedFigures.source) and not measured by us: one QUIC flow, the best of its four "
    text += "configurations, against what its author measured on each path alone.\n"
    let missing = rows.filter { $0.bond == nil }.map(\.profile)
    if !missing.isEmpty { text += "\nNot measured: \(missing.joined(separator: ", ")).\n" }
    text += "\n## Again\n\n    sudo make bench\n"
    return text
  }

  private var question: String {
    var text =
      "**Question.** Two paths and nothing configured: is the bond faster than the better of them, and how near "
    text += "is it to the sum? What does a call feel beside it?\n\n"
    text +=
      "**Method.** \(conditions), measured in namespaces by `netlab matrix`: each path alone with plain TCP, then "
    text += "the bond, in the same minutes. Above one late packet in a thousand a figure is refused. “Of best” is to "
    text += "plain TCP on the best path alone; “of sum” to what TCP could carry on all paths together at line rate "
    text += "(1,448 of 1,514 bytes), whatever they lose.\n\n"
    if let first = runs.first { text += "Measured \(first.date) on \(first.machine), Linux \(first.kernel).\n" }
    return text
  }

  private var conditions: String {
    let profile = runs.flatMap(\.profiles).first { $0.flows != nil }
    let flows = profile?.flows ?? 1
    let runs = runs.count == 1 ? "one run" : "the median of \(runs.count) runs"
    return
      "\(flows == 1 ? "One TCP flow" : "\(flows) TCP flows") (\(profile?.congestion_control ?? "cubic"), "
      + "\(profile?.direction ?? "up")), \(runs) of \(profile?.seconds ?? 10) s"
  }

  private var table: Table {
    var table = Table([
      .text("profile"), .number("best alone"), .number("Hawser"), .number("of best"), .number("of sum"),
      .number("ping idle"), .number("loaded median"), .number("99th"), .number("MPTCP"), .number("of best"),
      .number("of sum"), .number("\(PublishedFigures.source), published"), .number("of its best"),
      .number("of its sum"),
    ])
    table.rows = rows.map { row in
      [
        row.profile, megabits(row.best), megabits(row.bond), percent(row.ofBest), percent(row.ofSum),
        milliseconds(row.idle), milliseconds(row.p50), milliseconds(row.p99), megabits(row.mptcp),
        percent(row.mptcpOfBest), percent(row.mptcpOfSum), megabits(row.published.map { $0.megabits * 1e6 }),
        percent(row.published?.ofBest), percent(row.published?.ofSum),
      ]
    }
    return table
  }

  /// Each bond's share of its sum: the one number that can stand beside another machine's.
  public var chart: String {
    var chart = PointChart(
      title: "Goodput as a share of the sum of all paths", subtitle: conditions,
      axisTitle: "per cent of the sum (logarithmic)",
      series: [
        .init(name: "best path alone", shape: .tick, ink: .faint),
        .init(name: "\(PublishedFigures.source), published", shape: .ring, ink: .first),
        .init(name: "MPTCP", shape: .disc, ink: .second), .init(name: "Hawser", shape: .diamond, ink: .third),
      ], columns: ["best", PublishedFigures.source, "MPTCP", "Hawser"])
    chart.rows = rows.map { row in
      var drawn = PointChart.Row(label: row.profile)
      let alone = row.best.flatMap { best in row.sum.map { best / $0 } }
      let shares = [alone, row.published?.ofSum, row.mptcpOfSum, row.ofSum]
      drawn.values = shares.map { $0.map { $0 * 100 } }
      drawn.cells = shares.enumerated().map { .init(text: percent($1), isBold: $0 == 3) }
      if let own = row.ofSum, let alone { drawn.span = (alone * 100, own * 100) }
      if shares.allSatisfy({ $0 == nil }) { drawn.remark = "not measured" }
      return drawn
    }
    return chart.svg
  }
}
