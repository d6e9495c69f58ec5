//  Demo.swift — what a newcomer sees first: a network that is built, drawn and measured, in less than a minute.
//
//  Downloads, since that is what people wait for: over each path alone, and over the bond of both. The paths are alike,
//  since today's shares are fixed; and their round trips are short, since TCP needs 32 of them until it has filled a
//  line.

import Primitives
import Topology

public enum Demo {
  /// Measures the topology of this file and writes the report to `directory`.
  public static func run(file: String, directory: String, setting: Bench.Setting) throws(LabError) {
    let topology = try TopologyFile.read(file)
    try ReportFiles.makeDirectory(directory)
    let drawing = topology.drawing()
    setting.print("\(topology.name), as its file describes it:\n\n\(drawing)\n")

    var options = BenchOptions()
    options.direction = .down
    options.seconds = 5
    let bond = options.bondName
    var setting = setting
    setting.source = file
    let result = try Bench.run(topology, options: options, setting: setting)
    let report = BenchReport(
      result: result, drawing: drawing, bond: bond, circumstances: Circumstances.present)
    try ReportFiles.write(report.files, to: directory)
    setting.print("\n" + summary(result, bond: bond, directory: directory))
  }

  static func summary(_ result: BenchResult, bond: String?, directory: String) -> String {
    var text = "\(result.topology) has \(result.paths.count) paths"
    if let best = result.bestPath {
      text += "; the best alone is \(best.name) with \(megabits(best.goodputBitsPerSecond)) Mbit/s, "
      text += "all together could carry \(megabits(result.sumBitsPerSecond)) Mbit/s.\n"
    }
    if let bond, let joined = result.bond {
      text += "\(bond) makes \(megabits(joined.goodputBitsPerSecond)) Mbit/s of them.\n"
    }
    return text + "The report, with two charts: \(directory)/report.md\n"
  }
}
