//  Matrix.swift — a bench of every topology in a directory, and one report about all.
//
//  A profile that fails is a line of the report with its reason, and the others are measured all the same: after an
//  hour of measuring, fifteen results and a reason are worth more than an error. Only a signal, or what would hit
//  every profile (a program that is missing), ends it at once.

import Glibc
public import Topology

public enum Matrix {
  public struct Outcome {
    public var profiles: [Profile]
    /// report.json's text.
    public var json: String
    /// 1 when a profile could not be measured.
    public var exitCode: Int32
  }

  /// Measures every file of `directory`; `report` is where the report goes, if anywhere.
  public static func run(
    directory: String, options: BenchOptions, report: String?, setting: Bench.Setting
  ) throws(LabError) -> Outcome {
    let interruption = try Interruption()
    let files = try topologyFiles(in: directory)
    try Program.require([.iperf3, .ping])
    try (options.against?.bond ?? HawserGateways(beside: setting.executable)).requirePrograms()
    if let report { try ReportFiles.makeDirectory(report) }

    var profiles: [Profile] = []
    for (index, file) in files.enumerated() {
      let name = String(file.dropLast(suffix.utf8.count))
      setting.progress.finish()
      setting.print("\(index == 0 ? "" : "\n")[\(index + 1)/\(files.count)] ")
      var outcome: Profile.Outcome
      do throws(LabError) {
        outcome = .measured(try measure("\(directory)/\(file)", options, setting, interruption))
      } catch {
        try interruption.check()
        outcome = .failed(error.description)
        setting.print("\(name): \(error)\n")
      }
      profiles.append(Profile(name: name, outcome: outcome))
      // What is there so far survives whatever comes.
      if let report { try ReportFiles.write(makeReport(profiles, options).files, to: report) }
    }
    let failures = profiles.count { $0.result == nil }
    setting.print("\n" + closingLine(profiles, failures: failures, report: report))
    let whole = makeReport(profiles, options)
    return Outcome(profiles: profiles, json: whole.json, exitCode: failures == 0 ? 0 : 1)
  }

  private static let suffix = ".topo"

  private static func measure(
    _ path: String, _ options: BenchOptions, _ setting: Bench.Setting, _ interruption: Interruption
  ) throws(LabError) -> BenchResult {
    let topology = try TopologyFile.read(path)
    var own = setting
    own.source = path
    return try Bench.run(topology, options: options, setting: own, interruption: interruption)
  }

  private static func makeReport(_ profiles: [Profile], _ options: BenchOptions) -> MatrixReport {
    // A topology without gateways has no bond of ours.
    let isBonded = options.against != nil || profiles.contains { $0.result?.bond != nil }
    return MatrixReport(
      profiles: profiles, options: options, bond: isBonded ? options.bondName : nil,
      circumstances: Circumstances.present)
  }

  private static func topologyFiles(in directory: String) throws(LabError) -> [String] {
    var status = stat()
    guard stat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw .wrongUsage("\(directory) is no directory of topology files")
    }
    let files = SmallFile.names(in: directory).filter { $0.hasSuffix(suffix) }.sorted(by: comesBefore)
    if files.isEmpty { throw .wrongUsage("there is no topology file (*.topo) in \(directory)") }
    return files
  }

  /// rtt_40 before rtt_120: numbers in names count as numbers.
  static func comesBefore(_ a: String, _ b: String) -> Bool {
    let (left, right) = (pieces(of: a), pieces(of: b))
    for (one, other) in zip(left, right) where one != other {
      if let number = Int(one), let second = Int(other), number != second { return number < second }
      return one < other
    }
    return left.count < right.count
  }

  private static func pieces(of name: String) -> [String] {
    var pieces: [String] = []
    for character in name {
      let isDigit = character.isNumber
      if let last = pieces.last?.last, last.isNumber == isDigit {
        pieces[pieces.count - 1].append(character)
      } else {
        pieces.append(String(character))
      }
    }
    return pieces
  }

  private static func closingLine(_ profiles: [Profile], failures: Int, report: String?) -> String {
    var line = "\(profiles.count - failures) of \(profiles.count) profiles measured"
    if failures > 0 {
      line += "; not: " + profiles.filter { $0.result == nil }.map(\.name).joined(separator: ", ")
    }
    if let report { line += "; the report is \(report)/report.md" }
    return line + "\n"
  }
}

/// Reading a topology from its file, with errors that say where.
public enum TopologyFile {
  public static func read(_ path: String) throws(LabError) -> Topology {
    let text = try SmallFile.read(path)
    do throws(Topology.ParseError) {
      return try Topology(parsing: text, file: path)
    } catch {
      throw .wrongUsage(error.description)
    }
  }
}
