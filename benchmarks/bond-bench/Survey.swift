//  Survey.swift — thousands of random networks, one after the other, and what they have in common where the bond is not
//  good enough.
//
//  Each seed is asked twice: everything that must hold (BondTrial: traffic of all kinds, faults, rest), and how fast
//  the bond is beside its best path (BondMeasurement), over links that change meanwhile. What comes out is a list and
//  three tables, because a share of 99 % says nothing about the rest.

import Commands
import Glibc
import Primitives
import TestWorld
import Topology

struct Survey {
  private var findings: [Finding] = []

  /// The exit code.
  static func run(_ invocation: Invocation) throws -> Int32 {
    let workers = SeedWorkers(
      words: [
        Words.seedsOfSurvey.name, "--weather", invocation[Words.weather].rawValue, "--seconds",
        "\(invocation[Words.seconds])", "--trial-seconds", "\(invocation[Words.trialSeconds])", "--direction",
        invocation[Words.direction].rawValue, "--flows", "\(invocation[Words.flows])",
      ],
      first: invocation[Words.first], count: UInt64(invocation[Words.seeds]), processes: invocation[Words.processes],
      time: Double(invocation[Words.minutes]) * 60)
    var survey = Survey()
    print(
      "seeds \(workers.first) to \(workers.first + workers.count - 1), \(invocation[Words.weather].rawValue) weather")
    fflush(nil)
    try workers.run { finding in
      survey.findings.append(finding)
      if !finding.failures.isEmpty {
        print("seed \(finding.seed): \(finding.failures)")
        fflush(nil)
      }
    }
    print(survey.summary(asked: invocation[Words.seeds]), terminator: "")
    return survey.isFine ? 0 : 1
  }

  /// A worker's part.
  static func look(at seed: UInt64, _ invocation: Invocation) throws -> Finding {
    try? reset()
    let start = clock()
    var measurement = BondMeasurement(topology(seed, invocation, time: .zero), seed: seed)
    measurement.from = invocation[Words.direction].gateway
    measurement.flows = invocation[Words.flows]
    measurement.time = .seconds(Int64(invocation[Words.seconds]))
    // Links do not depend on the time in which they change, and how long we look depends on the links.
    measurement.topology = topology(seed, invocation, time: measurement.duration)
    let result = try measurement.run()
    var finding = Finding(seed: seed, measurement.topology, result, counted: measurement.time)
    let trial = try BondTrial.run(
      seed: seed, invocation[Words.weather], time: .seconds(Int64(invocation[Words.trialSeconds])))
    let sentences = (finding.failures.isEmpty ? [] : [finding.failures]) + trial.failures.prefix(2)
    finding.failures = sentences.joined(separator: " | ")
    finding.seconds = Double(clock() - start) / Double(CLOCKS_PER_SEC)
    finding.memory = mostMemory()
    return finding
  }

  private static func topology(_ seed: UInt64, _ invocation: Invocation, time: Interval) -> Topology {
    RandomBond.topology(seed: seed, invocation[Words.weather], time: time)
  }

  // MARK: Memory

  private struct NoFile: Error {}

  /// What the process had at most begins anew.
  private static func reset() throws {
    guard let file = fopen("/proc/self/clear_refs", "w") else { throw NoFile() }
    fputs("5", file)
    fclose(file)
  }

  private static func mostMemory() -> Int {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard text.hasPrefix("VmHWM:") else { continue }
      return (text.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) >> 10
    }
    return 0
  }

  // MARK: The sum of it

  private var measured: [Finding] { findings.filter { $0.best > 0 } }
  private var isFine: Bool {
    findings.allSatisfy(\.failures.isEmpty) && measured.count { $0.isFast } * 100 >= measured.count * 99
  }

  private func summary(asked: Int) -> String {
    let sorted = measured.sorted { ($0.ratio, $0.seed) < ($1.ratio, $1.seed) }
    let failed = findings.filter { !$0.failures.isEmpty }
    let fast = sorted.count { $0.isFast }
    var text = "\n\(findings.count) of \(asked) seeds looked at; \(failed.count) with something that did not hold\n"
    text +=
      "\(fast) of \(sorted.count) (\(Report.percent(Double(fast) / Double(max(1, sorted.count))))) are as fast as "
    text += "\(Report.percent(Finding.enough)) of their best path\n"
    if let most = findings.max(by: { $0.memory < $1.memory }),
      let longest = findings.max(by: { $0.seconds < $1.seconds })
    {
      text += "the most memory: \(most.memory) MiB, seed \(most.seed); "
      text += "the longest: \(Report.decimal(longest.seconds, 1)) s, seed \(longest.seed)\n"
    }
    text += "\nwhat did not hold\n" + failureTable(failed)
    text += "\nbond ÷ best path\n" + histogram(sorted)
    text += "\nwhy slower\n" + reasons(sorted)
    text += "\nwhich are slower\n" + kinds(sorted)
    text += "\nthe worst\n" + worst(sorted.filter { !$0.isFast }.prefix(20))
    return text
  }

  /// Sentences that differ only in numbers are one kind.
  private func failureTable(_ failed: [Finding]) -> String {
    var kinds: [(words: String, seeds: [UInt64])] = []
    for finding in failed {
      let sentence = String(finding.failures.split(separator: "|").first ?? "")
      let words = sentence.split(separator: ": ").dropFirst(sentence.contains(" ms: ") ? 1 : 0).joined(separator: ": ")
      let kind = words.split(separator: " ").filter { !$0.contains(where: \.isNumber) }.joined(separator: " ")
      if let index = kinds.firstIndex(where: { $0.words == kind }) {
        kinds[index].seeds.append(finding.seed)
      } else {
        kinds.append((kind, [finding.seed]))
      }
    }
    if kinds.isEmpty { return "nothing\n" }
    let rows = kinds.sorted { ($1.seeds.count, $0.words) < ($0.seeds.count, $1.words) }.map {
      ["\($0.seeds.count)", $0.words, "seeds " + $0.seeds.sorted().prefix(6).map { "\($0)" }.joined(separator: " ")]
    }
    return alignedColumns(rows, right: [0])
  }

  private func histogram(_ sorted: [Finding]) -> String {
    let edges = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 1, 1.25, 1.5, 2, 5, Double.infinity]
    var rows: [[String]] = []
    for (low, high) in zip(edges, edges.dropFirst()) {
      let count = sorted.count { $0.ratio >= low && $0.ratio < high }
      let share = Double(count) / Double(max(1, sorted.count))
      let bar = String(repeating: "#", count: Int((share * 60).rounded(.up)))
      let top = high.isFinite ? Report.percent(high) : "…"
      rows.append(["\(Report.percent(low)) – \(top)", "\(count)", Report.percent(share), bar])
    }
    return alignedColumns(rows, right: [0, 1, 2])
  }

  private func reasons(_ sorted: [Finding]) -> String {
    let slow = sorted.filter { !$0.isFast }
    var rows = [["reason", "seeds", "median ratio", "for instance"]]
    for reason in Finding.Reason.allCases {
      let own = slow.filter { $0.reason == reason }
      if own.isEmpty { continue }
      rows.append([
        reason.rawValue, "\(own.count)", Report.percent(own[own.count / 2].ratio),
        own.prefix(6).map { "\($0.seed)" }.joined(separator: " "),
      ])
    }
    return rows.count == 1 ? "none is\n" : alignedColumns(rows, right: [1, 2])
  }

  /// The share of slow ones among those of each kind.
  private func kinds(_ sorted: [Finding]) -> String {
    let groups: [(name: String, isIn: (Finding) -> Bool)] = [
      ("1 path", { $0.paths == 1 }), ("2 paths", { $0.paths == 2 }), ("3 paths", { $0.paths == 3 }),
      ("4 to 8 paths", { $0.paths > 3 }), ("delays within 20 ms", { $0.paths > 1 && $0.delaySpread < 20 }),
      ("within 100 ms", { $0.paths > 1 && 20..<100 ~= $0.delaySpread }),
      ("more than that", { $0.paths > 1 && $0.delaySpread >= 100 }), ("no loss", { $0.loss == 0 }),
      ("loss below 0.5 %", { $0.loss > 0 && $0.loss < 0.005 }), ("loss from 0.5 %", { $0.loss >= 0.005 }),
      ("no jitter", { $0.jitter == 0 }), ("jitter", { $0.jitter > 0 }),
      ("best path below half of all", { $0.share < 0.5 }), ("below 0.9", { 0.5..<0.9 ~= $0.share }),
      ("from 0.9", { $0.paths > 1 && $0.share >= 0.9 }), ("nothing changed", { $0.changes == 0 }),
      ("links changed", { $0.changes > 0 }), ("best path below 5 Mbit/s", { $0.best < 5e6 }),
      ("below 100 Mbit/s", { 5e6..<100e6 ~= $0.best }), ("from 100 Mbit/s", { $0.best >= 100e6 }),
    ]
    var rows = [["networks with", "seeds", "slower", "share", "median ratio", "tenth ratio"]]
    for group in groups {
      let own = sorted.filter(group.isIn)
      if own.isEmpty { continue }
      let slow = own.count { !$0.isFast }
      rows.append([
        group.name, "\(own.count)", "\(slow)", Report.percent(Double(slow) / Double(own.count)),
        Report.percent(own[own.count / 2].ratio), Report.percent(own[own.count / 10].ratio),
      ])
    }
    return alignedColumns(rows, right: Set(1..<6))
  }

  private func worst(_ slow: some Sequence<Finding>) -> String {
    var rows = [
      [
        "seed", "ratio", "best", "bond", "paths", "spread ms", "loss", "jitter ms", "of all", "changes", "timeouts",
        "cuts", "holes", "reason",
      ]
    ]
    for one in slow {
      rows.append([
        "\(one.seed)", Report.percent(one.ratio), Report.megabits(one.best), Report.megabits(one.bond), "\(one.paths)",
        Report.decimal(one.delaySpread, 0), Report.percent(one.loss), Report.decimal(one.jitter, 1),
        Report.percent(one.share), "\(one.changes)", "\(one.timeouts)", "\(one.cuts)", "\(one.holes)",
        one.reason.rawValue,
      ])
    }
    return rows.count == 1 ? "none\n" : alignedColumns(rows, right: Set(0..<13))
  }
}
