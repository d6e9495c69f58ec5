//  Finding.swift — what one seed showed: the figures, what its links are like, and what may be the reason; as one line
//  of text between the process that looked and the one that sums up.
//
//  The reason is read from what was measured, and from nothing else; the first that holds is said:
//
//      silent         the bond carried next to nothing for half a second or more while the best path did carry
//      slow start     the second half of the time that counts is as fast as the best path, the first is not
//      timeouts       the flow inside waited for its timer
//      cut windows    the flow inside took something for a loss, and did not take that back
//      overhead       within what a tunnel's headers cost (92 to 98 %), with nothing of the above
//      steady         none of this: the bond simply hands out less

import Primitives
import TestWorld
import Topology

struct Finding {
  static let enough = 0.98
  /// 72 of 1,500 bytes are the tunnel's, and of less than that on a path with a small MTU.
  static let overhead = 0.92

  enum Reason: String, CaseIterable {
    case none = "-"
    case silent, slowStart = "slow start", timeouts, cutWindows = "cut windows", overhead, steady
  }

  var seed: UInt64
  /// What did not hold; empty when all did.
  var failures = ""
  var best = 0.0
  var bond = 0.0
  var reason = Reason.none
  var bestName = "-"
  var paths = 0
  /// Between the quickest and the slowest line, one way.
  var delaySpread = 0.0
  var loss = 0.0
  var jitter = 0.0
  /// The best path's goodput over all paths' together.
  var share = 0.0
  /// Changes of links while it counted.
  var changes = 0
  var timeouts = 0
  var cuts = 0
  var holes = 0
  /// The most memory that the process had, in MiB; all of the simulation is in it.
  var memory = 0
  var seconds = 0.0

  var ratio: Double { best > 0 ? bond / best : 1 }
  var isFast: Bool { ratio >= Finding.enough }

  init(seed: UInt64) { self.seed = seed }

  // MARK: From a measurement

  init(seed: UInt64, _ topology: Topology, _ result: BondMeasurement.Result, counted: Interval) {
    self.seed = seed
    best = result.best
    bond = result.bond.goodput
    let fastest = result.paths.max { $0.figures.goodput < $1.figures.goodput }
    bestName = fastest?.name ?? "-"
    paths = result.paths.count
    let ends = topology.links.flatMap { [$0.forward, $0.backward] }
    let delays = ends.map(\.delay.inMilliseconds)
    delaySpread = (delays.max() ?? 0) - (delays.min() ?? 0)
    loss = ends.map { Double($0.loss.partsPerBillion) / 1e9 }.max() ?? 0
    jitter = ends.map(\.jitter.inMilliseconds).max() ?? 0
    let all = result.paths.reduce(0) { $0 + $1.figures.goodput }
    share = all > 0 ? best / all : 0
    let begin = result.bond.countedFrom
    changes = topology.events.count { $0.time >= begin && $0.time < begin + counted }
    timeouts = Int(result.bond.timeouts)
    cuts = Int(result.bond.recoveries) - Int(result.bond.undone)
    holes = Int(result.holes)
    failures = result.failures.joined(separator: " | ")
    reason = Finding.reason(result.bond.tenths, best: fastest?.figures.tenths ?? [], self)
  }

  private static func reason(_ bond: [Double], best: [Double], _ finding: Finding) -> Reason {
    if finding.isFast { return .none }
    var silence = 0
    for (own, other) in zip(bond, best) {
      silence = own < 0.05 * finding.best && other > 0.5 * finding.best ? silence + 1 : 0
      if silence >= 5 { return .silent }
    }
    let half = min(bond.count, best.count) / 2
    let late = bond[half...].reduce(0, +), lateBest = best[half...].reduce(0, +)
    if half > 0 && lateBest > 0 && late >= enough * lateBest { return .slowStart }
    if finding.timeouts > 0 { return .timeouts }
    if finding.cuts > 0 { return .cutWindows }
    return finding.ratio >= overhead ? .overhead : .steady
  }

  // MARK: As a line

  private static let separator: Character = "\t"

  var line: String {
    let words: [String] = [
      "\(seed)", "\(best)", "\(bond)", reason.rawValue, bestName, "\(paths)", "\(delaySpread)", "\(loss)", "\(jitter)",
      "\(share)", "\(changes)", "\(timeouts)", "\(cuts)", "\(holes)", "\(memory)", "\(seconds)",
      failures.isEmpty ? "-" : failures,
    ]
    return words.map { String($0.map { $0 == Finding.separator || $0.isNewline ? " " : $0 }) }
      .joined(separator: String(Finding.separator))
  }

  /// nil: no such line.
  init?(line: String) {
    let words = line.split(separator: Finding.separator, omittingEmptySubsequences: false).map(String.init)
    guard words.count == 17, let seed = UInt64(words[0]), let best = Double(words[1]), let bond = Double(words[2]),
      let reason = Reason(rawValue: words[3]), let paths = Int(words[5])
    else { return nil }
    self.seed = seed
    (self.best, self.bond, self.reason, bestName, self.paths) = (best, bond, reason, words[4], paths)
    delaySpread = Double(words[6]) ?? 0
    loss = Double(words[7]) ?? 0
    jitter = Double(words[8]) ?? 0
    share = Double(words[9]) ?? 0
    changes = Int(words[10]) ?? 0
    timeouts = Int(words[11]) ?? 0
    cuts = Int(words[12]) ?? 0
    holes = Int(words[13]) ?? 0
    memory = Int(words[14]) ?? 0
    seconds = Double(words[15]) ?? 0
    failures = words[16] == "-" ? "" : words[16]
  }
}
