//  KillTest.swift — `oracle-load kill`: SIGKILL at any moment, and what the store has kept then.

import Lab
import POSIX
import Primitives
import Store

struct KillTest {
  /// What the oracle promises: later measurements may be lost.
  static let promise = Interval.seconds(1)

  private let load: Load
  private var random: SeededRandom

  init(_ load: Load, seed: UInt64) {
    self.load = load
    random = SeededRandom(seed: seed).stream(named: "kills")
  }

  private struct Answered {
    let source: String
    let edges: Int
    let at: Instant
  }

  /// Whether all was kept that was promised.
  mutating func run(_ program: String, rounds: Int) throws -> Bool {
    let path = load.folder + "/oracle.db"
    var position: UInt64 = 0
    var isKept = true
    var rows = [
      ["round", "killed after s", "ready after s", "answered edges", "owed", "kept", "lost of the last second"]
    ]
    for round in 1...rounds {
      let port = try Server.freePort()
      let configuration = try load.writeConfiguration(port: port, store: path)
      let before = MonotonicClock.now
      let server = try Server(program, configuration: configuration, port: port, core: nil)
      let ready = MonotonicClock.now
      var play = Play(load.fleet, port: port, queries: load.queries)
      let life = Interval.milliseconds(500 + Int64(random.below(5_000)))
      var answered: [Answered] = []
      var refused = 0
      let start = MonotonicClock.now
      play.run(until: start + life) { done in
        if done.request.isQuery { return }
        if done.status != 200 { refused += 1 }
        answered.append(
          Answered(source: done.request.token, edges: KillTest.edges(of: done.request.body), at: done.at))
      }
      server.child.kill()
      let killed = MonotonicClock.now
      _ = server.child.wait(atMost: .seconds(10))
      // What was answered and not yet read here does not count: we would not know when.
      let owed = answered.filter { killed - $0.at >= KillTest.promise }
      let found = try examine(path, after: &position)
      let owedBySource = sums(owed)
      let missing = owedBySource.keys.sorted().reduce(0) { $0 + max(0, (owedBySource[$1] ?? 0) - (found[$1] ?? 0)) }
      let all = answered.reduce(0) { $0 + $1.edges }
      let kept = found.values.reduce(0, +)
      rows.append([
        "\(round)", seconds(killed - start), seconds(ready - before), "\(all)", "\(owed.reduce(0) { $0 + $1.edges })",
        "\(kept)", "\(max(0, all - kept))",
      ])
      if missing > 0 || refused > 0 {
        tell(
          "round \(round): \(missing) measurements are missing that were answered a second before; \(refused) refused")
        isKept = false
      }
    }
    tell(alignedColumns(rows, right: Set(0...6)))
    tell(isKept ? "nothing was lost that was promised" : "MISSED: what was promised was lost")
    return isKept
  }

  private func seconds(_ interval: Interval) -> String { plainDecimal(interval.inSeconds, decimals: 2) }

  /// Of every report the first edge names its source; a body holds as many edges as "from".
  private static func edges(of body: String) -> Int {
    body.utf8.count(where: { $0 == UInt8(ascii: "{") }) - 1
  }

  private func sums(_ answered: [Answered]) -> [String: Int] {
    var names: [String: String] = [:]
    for member in load.fleet.gateways + load.fleet.relays { names[member.token] = member.name }
    var sums: [String: Int] = [:]
    for one in answered { if let name = names[one.source] { sums[name, default: 0] += one.edges } }
    return sums
  }

  /// Opens the store as the next oracle will, reads all of it, and counts what is new by its source.
  private func examine(_ path: String, after position: inout UInt64) throws -> [String: Int] {
    let store = try OracleStore.open(.file(path), as: "judge", at: WallClock.now)
    let members = load.fleet.gateways.count + load.fleet.relays.count
    let (nodes, sources, settings) = (try store.nodes().count, try store.sources().count, try store.settings().count)
    if [nodes, sources, settings] != [members, members, members] {
      throw Trouble("of \(members) nodes the store has \(nodes), \(sources) tokens and \(settings) settings")
    }
    var counts: [String: Int] = [:]
    while true {
      let page = try store.measurements(after: position, atMost: 10_000)
      for row in page.measurements { counts[row.measurement.source, default: 0] += 1 }
      position = page.last
      if page.measurements.count < 10_000 { break }
    }
    if store.counters.unreadable > 0 { throw Trouble("\(store.counters.unreadable) rows cannot be read") }
    return counts
  }
}
