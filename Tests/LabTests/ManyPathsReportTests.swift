//  ManyPathsReportTests.swift — the document about many paths, from reports of matrices.

import Testing

@testable import Lab

@Suite struct `The document about many paths` {
  @Test func `figures are medians of runs, beside MPTCP's and what a peer published`() throws {
    let ours = [90e6, 80e6, 85e6].map { run("baseline", bond: $0, best: 47e6) }
    let report = try ManyPathsReport(ours: ours, mptcp: [run("baseline", bond: 60e6, best: 48e6)])
    let row = try #require(report.rows.first)
    #expect(row.bond == 85e6)
    #expect(row.best == 47e6)
    #expect(row.mptcp == 60e6)
    let line = 100e6 * 1448 / 1514
    #expect(row.ofSum == 85e6 / line)
    #expect(row.ofBest == 85e6 / 47e6)
    #expect(row.mptcpOfBest == 60e6 / 48e6)
    let text = report.markdown(chart: "many-paths.svg")
    #expect(text.contains("![Goodput as a share of the sum](many-paths.svg)"))
    #expect(text.contains("the median of 3 runs of 10 s"))
    let cells = try #require(text.split(separator: "\n").first { $0.hasPrefix("| baseline") })
    for figure in ["85.0", "181 %", "89 %", "60.0", "125 %", "73.9", "182 %", "91 %"] {
      #expect(cells.contains(figure), "\(figure) in \(cells)")
    }
    #expect(report.chart.hasPrefix("<svg") && report.chart.contains("baseline"))
  }

  @Test func `what was not measured is a dash and is named`() throws {
    let failed = """
      {"date": "d", "machine": "m", "kernel": "k", "profiles": [{"profile": "unheard-of", "error": "too busy"}]}
      """
    let report = try ManyPathsReport(ours: [failed], mptcp: [])
    let text = report.markdown(chart: "x.svg")
    #expect(text.contains("Not measured: unheard-of."))
    #expect(report.chart.contains("not measured"))
    #expect(!text.contains("0.00"))
  }

  @Test func `what is no report is refused with a sentence`() {
    #expect(throws: LabError.self) { _ = try ManyPathsReport(ours: ["[]"], mptcp: []) }
    #expect(throws: LabError.self) { _ = try ManyPathsReport(ours: [], mptcp: []) }
  }

  @Test func `each published figure is of a profile of the matrix`() throws {
    let folders = #filePath.split(separator: "/").dropLast(3)
    let names = SmallFile.names(in: "/" + folders.joined(separator: "/") + "/topologies/matrix")
    for figure in PublishedFigures.all { #expect(names.contains(figure.profile + ".topo"), "\(figure.profile)") }
  }

  private func run(_ profile: String, bond: Double, best: Double) -> String {
    """
    {"date": "2030-01-01 00:00 UTC", "machine": "2 × a processor", "kernel": "6", "profiles": [
      {"profile": "\(profile)", "topology": "x", "direction": "up", "flows": 1, "seconds": 10,
       "congestion_control": "cubic", "paths": [
         {"name": "a", "goodput_bps": \(best), "rate_bps": 50000000},
         {"name": "b", "goodput_bps": 1000000, "rate_bps": 50000000}],
       "bond": {"goodput_bps": \(bond), "rtt_idle_ms": 40.1, "rtt_loaded_p50_ms": 42.0, "rtt_loaded_p99_ms": null},
       "sum_ratio": 0.5, "notes": []}]}
    """
  }
}
