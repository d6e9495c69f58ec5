//  MatrixReport.swift — what a matrix found: report.md for readers, report.json for programs, two charts for both.
//
//  All four are made from the same results and nothing else, so they cannot disagree; where and when it was measured
//  is an argument, so a test can hold the whole text against a golden one.

import Primitives

struct MatrixReport {
  var profiles: [Profile]
  var options: BenchOptions
  /// What joined the sites; nil when nothing did, and the report is about the paths alone.
  var bond: String?
  var circumstances: Circumstances

  /// The files of the report, by name.
  var files: [(name: String, text: String)] {
    [
      ("report.md", markdown), ("report.json", json),
      ("goodput.svg", Charts.goodput(profiles, bond: bond, subtitle: summary).svg),
      ("latency.svg", Charts.latency(profiles, bond: bond, subtitle: summary).svg),
    ]
  }

  /// One line that names what every figure depends on.
  var summary: String {
    let count = profiles.count == 1 ? "1 profile" : "\(profiles.count) profiles"
    return "\(count) · \(options.inWords) · \(options.seconds) s each, after a warm-up"
  }

  var markdown: String {
    var text = "# Matrix: \(bond ?? "the paths alone")\n\n\(summary), measured \(circumstances.inWords).\n\n"
    text += "![Goodput against best path and sum](goodput.svg)\n\n![Latency under load](latency.svg)\n\n"
    text += "Goodput is in Mbit/s at the receiver, after a warm-up; round-trip times are in ms, from pings beside the "
    text += "flow, through " + (bond.map { "\($0) where it carries pings" } ?? "the best path alone") + ".\n\n"
    text += table.markdown

    let failed = profiles.compactMap { profile -> String? in
      guard case .failed(let reason) = profile.outcome else { return nil }
      return "- `\(profile.name)`: \(reason)\n"
    }
    if !failed.isEmpty { text += "\nNot measured:\n\n" + failed.joined() }

    let notes = self.notes
    if !notes.isEmpty { text += "\nNotes:\n\n" + notes.map { "- \($0)\n" }.joined() }
    text += "\nGoodput alone is plain TCP over that path and nothing else. "
    if bond != nil {
      text += "“of best” is the bond against the best path alone, “of sum” against all paths together. "
    }
    let late = profiles.compactMap { $0.result?.lateShare }.max() ?? 0
    text += "The link emulator delivered at most \(percent(late, places: 3)) of a measurement's packets more than 1 ms "
    text += "late; above 0.1 % nothing is reported.\n"
    return text
  }

  private var table: Table {
    let most = profiles.compactMap { $0.result?.paths.count }.max() ?? 0
    var table = Table([.text("profile")])
    for index in 0..<most { table.columns.append(.number(MatrixReport.letter(index) + " alone")) }
    table.columns += [.number("best"), .number("sum")]
    if let bond { table.columns += [.number(bond), .number("of best"), .number("of sum")] }
    table.columns += [.number("idle"), .number("loaded median"), .number("loaded 99th"), .number("retransmits")]
    table.rows = profiles.map { profile in
      guard let result = profile.result else {
        return [profile.name] + Array(repeating: noFigure, count: table.columns.count - 1)
      }
      var row = [profile.name]
      row += (0..<most).map { megabits($0 < result.paths.count ? result.paths[$0].goodputBitsPerSecond : nil) }
      row += [megabits(result.bestPath?.goodputBitsPerSecond), megabits(result.sumBitsPerSecond)]
      let joined = result.bond
      if bond != nil {
        row += [megabits(joined?.goodputBitsPerSecond), percent(result.bestPathRatio), percent(result.sumRatio)]
      }
      let idle = joined?.idle ?? result.bestPath?.idle
      let loaded = joined?.loaded ?? result.bestPath?.loaded
      row += [milliseconds(idle?.median), milliseconds(loaded?.median), milliseconds(loaded?.quantile(0.99))]
      return row + [count(joined.map(\.retransmits) ?? result.bestPath?.retransmits)]
    }
    return table
  }

  /// Every note once, with the profiles that it is about.
  private var notes: [String] {
    var seen: [(note: String, profiles: [String])] = []
    for profile in profiles {
      for note in profile.result?.notes ?? [] {
        if let index = seen.firstIndex(where: { $0.note == note }) {
          seen[index].profiles.append(profile.name)
        } else {
          seen.append((note, [profile.name]))
        }
      }
    }
    return seen.map {
      $0.profiles.count == profiles.count ? $0.note : "\($0.profiles.joined(separator: ", ")): \($0.note)"
    }
  }

  var json: String {
    JSONText.object(.indented) { object in
      object.member("date", circumstances.date)
      object.member("machine", circumstances.machine)
      object.member("kernel", circumstances.kernel)
      object.array("profiles") { array in
        for profile in profiles {
          array.object { object in
            object.member("profile", profile.name)
            switch profile.outcome {
            case .measured(let result): result.write(to: &object)
            case .failed(let reason): object.member("error", reason)
            }
          }
        }
      }
    } + "\n"
  }

  /// A, B, C … as the profiles call their paths; numbers beyond Z.
  private static func letter(_ index: Int) -> String {
    index < 26 ? String(UnicodeScalar(UInt8(ascii: "A") + UInt8(index))) : String(index + 1)
  }
}
