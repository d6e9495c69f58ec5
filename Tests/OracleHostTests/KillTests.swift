//  KillTests.swift — path-oracle with a store in SQLite, killed in the middle of its work, started again, and killed
//  again.
//
//  How much a kill may lose is a matter of seconds, and a busy machine has long ones; `oracle-load kill` measures that.
//  Here is what holds on any machine: what the oracle said it has stored is there, what is there is what was reported
//  first, report by report and without a hole, and the oracle begins with it again.

import Crypto
import Fetch
import Foundation
import Glibc
import HTTP
import JSON
import Lab
@testable import OracleHost
import Primitives
import Store
import Testing

@Suite struct `An oracle that is killed` {
  private static let gateways = (0..<12).map { "site-\($0)" }
  private static let relays = (0..<4).map { "relay-\($0)" }

  @Test func `keeps what it said it has stored, in order and without holes, and every node`() throws {
    let seed: UInt64 = 11
    var random = SeededRandom(seed: seed)
    let folder = try Folder()
    let store = folder.path + "/oracle.db"
    var position: UInt64 = 0
    var learnt: Int64 = 0
    for round in 0..<5 {
      let comment = Comment(rawValue: "round \(round), seed \(seed)")
      let oracle = try Running(folder, store: store, gateways: Self.gateways, relays: Self.relays)
      let start = try oracle.status()
      #expect(start["requests"]?["measurements_learnt"]?.integer == learnt, comment)

      // Some, until the oracle says that they are stored; then more, and it dies somewhere among them.
      var marks: [Int] = []
      for _ in 0..<1 + Int(random.below(8)) { try oracle.report(round, &marks) }
      let wanted = Int64(marks.count)
      #expect(try becomes { try oracle.status()["store"]?["stored"]?.integer == wanted }, comment)
      for _ in 0..<Int(random.below(12)) { try oracle.report(round, &marks) }
      oracle.child.kill()
      _ = oracle.child.wait(atMost: .seconds(60))

      let kept = try OracleStore.open(.file(store), as: "judge", at: noon)
      let page = try kept.measurements(after: position, atMost: 1_000_000)
      position = page.last
      let found = page.measurements.map { Int($0.measurement.rate?.bitsPerSecond ?? 0) }
      #expect(found.count >= wanted && found.elementsEqual(marks.prefix(found.count)), comment)
      #expect(try kept.nodes().map(\.name) == (Self.gateways + Self.relays).sorted(), comment)
      #expect(try kept.sources().count == 16 && kept.settings().count == 16, comment)
      #expect(kept.counters.unreadable == 0, comment)
      // Each edge was reported by its own source only: the newest of each counts, and those of before were older.
      learnt += Int64(found.count)
    }
  }
}

/// Only to open a store: nothing is written with it.
private let noon = Instant(nanoseconds: 1_784_030_400_000_000_000)

/// path-oracle as a user runs it.
private final class Running {
  let child: ChildProcess
  private let asker: Asker
  private let gateways: [String]
  private let relays: [String]
  private var turn = 0

  init(_ folder: Folder, store: String, gateways: [String], relays: [String]) throws {
    (self.gateways, self.relays) = (gateways, relays)
    // Ours a moment ago, so nobody's now.
    let free = try ListeningSocket.open(Endpoint(IPAddress(ipv4: 0x7f00_0001), port: 0))
    let port = ListeningSocket.port(of: free)
    close(free)
    var text = "[Oracle]\nListen = 127.0.0.1:\(port)\nStore = \(store)\n"
    for name in gateways { text += "[Gateway \"\(name)\"]\nTokenHash = \(hash(name))\nEndpoint = 192.0.2.1:51820\n" }
    for name in relays {
      text += "[Relay \"\(name)\"]\nTokenHash = \(hash(name))\nEndpoint = 192.0.2.2:51800\n"
      text += "PublicKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
    }
    try folder.write("oracle.conf", text)
    var options = ChildProcess.Options()
    (options.output, options.errorOutput) = (.null, .inherited)
    child = try ChildProcess.spawn(
      [Running.programs + "/path-oracle", "serve", "--config", folder.path + "/oracle.conf"], options: options)
    asker = try Asker(Endpoint(IPAddress(ipv4: 0x7f00_0001), port: port))
    let asker = asker
    guard becomes({ (try? asker.get("/v1/status").status) == 200 }) else { throw Trouble("the oracle does not answer") }
  }

  func status() throws -> JSONValue { try asker.json(try asker.get("/v1/status")) }

  /// The next gateway reports of every relay; each measurement has a rate of its own, by which it is known again.
  func report(_ round: Int, _ marks: inout [Int]) throws {
    let name = gateways[turn % gateways.count]
    var edges: [String] = []
    for relay in relays {
      let mark = 1_000_000 * (round + 1) + marks.count
      marks.append(mark)
      edges.append(#"{"from":"\#(name)","to":"\#(relay)","round_trip_us":20000,"rate_bps":\#(mark)}"#)
    }
    turn += 1
    let answer = try asker.post(
      "/v1/measurements", "{\"edges\":[" + edges.joined(separator: ",") + "]}", by: name)
    if answer.status != 200 { throw Trouble("the report was refused: \(answer.text)") }
  }

  /// SwiftPM puts programs and tests into one folder.
  private static let programs: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    let tests = CommandLine.arguments.first { $0.contains(".xctest") } ?? own
    return String(tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)])
  }()
}
