//  FloodTests.swift — a stranger asks for keys as fast as he can, while two gateways are at work.

import Foundation
import Glibc
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `A flood of handshakes from strangers` {
  /// HAWSER_TEST_FLOOD says how many rounds to measure what it costs, for once by hand.
  private static let rounds = ProcessInfo.processInfo.environment["HAWSER_TEST_FLOOD"].flatMap { Int($0) } ?? 0
  private static let rate = 100_000

  @Test(arguments: Flood.Kind.allCases) func `stops nobody's traffic, and is counted`(kind: Flood.Kind) throws {
    let sites = try TwoSites([.ipv4])
    let before = try sites.counters(of: .right)
    let flood = try Flood(kind, sites, perSecond: Self.rate)
    let load = try Load(sites)
    pause(.milliseconds(1500))
    let carried = load.end()
    // Nobody is locked out either.
    try sites.kill(.left)
    try sites.start(.left)
    #expect(try eventually(.seconds(10)) { try sites.pings(.alice, TwoSites.bob) }, "\(sites.log(.left))")
    flood.end()
    #expect(carried > 1 << 20, "\(carried) bytes beside \(flood.sent) messages")
    let after = try sites.counters(of: .right)
    let refused = after.filter { $0.key.hasPrefix("gatekeeper.") || $0.key == "engine.malformed" }.reduce(0) {
      $0 + Int($1.value) - Int(before[$1.key] ?? 0)
    }
    #expect(refused > 1_000, "\(refused) counted of \(flood.sent)")
  }

  /// In turns: nothing, the same flood to a port where it only arrives, the flood.
  @Test(.enabled(if: rounds > 0, "HAWSER_TEST_FLOOD=ROUNDS measures"), arguments: Flood.Kind.allCases)
  func `costs little of an established peer's throughput`(kind: Flood.Kind) throws {
    let sites = try TwoSites([.ipv4])
    let sink = try HostSocket(.ipv4, SOCK_DGRAM, in: sites.namespace(of: .right))
    try sink.bind(TwoSites.lineAddress(0, of: .right, .ipv4), port: 4444)
    var figures: [[Double]] = [[], [], []]
    var sent = 0.0
    for _ in 0..<Self.rounds {
      for (index, port) in [nil, 4444, UInt16(TwoSites.port)].enumerated() {
        let flood = try port.map { try Flood(kind, sites, perSecond: Self.rate, port: $0) }
        pause(.milliseconds(500))
        let load = try Load(sites)
        let (began, first) = (MonotonicClock.now, flood?.sent ?? 0)
        pause(.seconds(3))
        let carried = load.end()
        let seconds = Double((MonotonicClock.now - began).nanoseconds) / 1e9
        figures[index].append(Double(carried) * 8 / seconds / 1e6)
        if let flood { sent = Double(flood.sent - first) / seconds }
        flood?.end()
      }
    }
    let medians = figures.map { $0.sorted()[$0.count / 2] }
    for (name, all) in zip(["none", "to a sink", "to the gateway"], figures) {
      print("\(kind.rawValue), \(name): Mbit/s \(all.map { Int($0) })")
    }
    print("\(kind.rawValue): \(Int(sent)) a second; medians \(medians.map { Int($0) }) Mbit/s")
    #expect(medians[2] >= medians[1] * 0.8)
  }
}
