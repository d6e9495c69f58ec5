//  Load.swift — `oracle-load load`: the fleet plays, and every wait is written down.

import Commands
import FoundationEssentials
import Glibc
import POSIX
import Primitives

struct Load {
  /// What the project promises: 99 of 100 queries within this, on one core, in this much memory.
  static let wait = Interval.milliseconds(10)
  static let memory = 200 << 20

  let fleet: Fleet
  let queries: Int
  let folder: String

  init(_ invocation: Invocation, folder: String) {
    fleet = Fleet(
      gateways: invocation[Words.gateways], relays: invocation[Words.relays], seen: invocation[Words.seen],
      seed: invocation[Words.seed])
    queries = invocation[Words.rate]
    self.folder = folder
  }

  /// Writes the oracle's file, which holds tokens.
  func writeConfiguration(port: UInt16, store: String?) throws -> String {
    var fleet = fleet
    let path = folder + "/oracle.conf"
    let text = Data(fleet.configuration(port: port, store: store).utf8)
    guard FileManager.default.createFile(atPath: path, contents: text, attributes: [.posixPermissions: 0o600]) else {
      throw Trouble("cannot write \(path)")
    }
    return path
  }

  /// Whether the bars were met.
  func run(_ program: String, warmUp: Int, seconds: Int, watchers: Int, hasStore: Bool) throws -> Bool {
    let port = try Server.freePort()
    let store = hasStore ? folder + "/oracle.db" : nil
    let configuration = try writeConfiguration(port: port, store: store)
    Server.pinOurselves(to: 1)
    let server = try Server(program, configuration: configuration, port: port, core: 0)
    var play = Play(fleet, port: port, queries: queries)
    tell(
      "\(fleet.gateways.count) gateways and \(fleet.relays.count) relays: \(play.reportsEach) reports with "
        + "\(play.edgesEach) edges and \(play.bytesEach >> 20) MiB every \(Int(Play.period.inSeconds)) s; "
        + "\(queries) queries a second")
    var statuses: [Int: Int] = [:]
    play.run(until: MonotonicClock.now + .seconds(Int64(warmUp))) { statuses[$0.status, default: 0] += 1 }
    play.client.watch(watchers)
    if watchers > 0 { play.run(until: MonotonicClock.now + .seconds(5)) { statuses[$0.status, default: 0] += 1 } }
    var waits: [Interval] = []
    var reportWaits: [Interval] = []
    let (before, usedBefore) = (MonotonicClock.now, server.used)
    play.run(until: before + .seconds(Int64(seconds))) { done in
      statuses[done.status, default: 0] += 1
      if done.request.isQuery { waits.append(done.wait) } else { reportWaits.append(done.wait) }
    }
    let share = (server.used - usedBefore).inSeconds / (MonotonicClock.now - before).inSeconds
    let resident = server.resident
    waits.sort()
    reportWaits.sort()
    tell(
      alignedColumns(
        [
          ["", "count", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "most ms"], row("queries", waits),
          row("reports", reportWaits),
        ], right: Set(1...6)))
    let answers = statuses.keys.sorted().map { "\(statuses[$0] ?? 0) × \($0)" }.joined(separator: ", ")
    tell("answers: \(answers); \(play.client.failures) failures, \(play.client.reconnections) connections made anew")
    if watchers > 0 { tell("\(watchers) streams brought \(play.client.heard >> 20) MiB") }
    tell(
      "the oracle used \(plainDecimal(share * 100, decimals: 1)) % of its core, and \(resident.now >> 20) MiB "
        + "(at most \(resident.most >> 20))\(hasStore ? "; its store has \(size(of: store) >> 20) MiB" : "")")
    let isFast = !waits.isEmpty && at(0.99, waits) <= Load.wait
    let isSmall = resident.most <= Load.memory
    let isAnswered = statuses.keys.allSatisfy { $0 == 200 } && play.client.failures == 0
    for (isMet, bar) in [
      (isFast, "99 of 100 queries within 10 ms"), (isSmall, "at most 200 MiB"),
      (isAnswered, "every request answered 200"),
    ] where !isMet {
      tell("MISSED: \(bar)")
    }
    return isFast && isSmall && isAnswered
  }

  private func size(of path: String?) -> Int {
    var status = stat()
    return path.map { stat($0, &status) } == 0 ? Int(status.st_size) : 0
  }

  private func row(_ name: String, _ waits: [Interval]) -> [String] {
    [name, "\(waits.count)"]
      + [0.5, 0.9, 0.99, 0.999, 1].map { plainDecimal(at($0, waits).inMilliseconds, decimals: 2) }
  }

  /// Of sorted ones.
  private func at(_ share: Double, _ waits: [Interval]) -> Interval {
    if waits.isEmpty { return .zero }
    return waits[min(waits.count - 1, Int(share * Double(waits.count)))]
  }
}
