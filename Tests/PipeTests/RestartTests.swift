//  RestartTests.swift — one gateway dies without a word and is started again; the other has noticed nothing of it yet.

import Foundation
import Glibc
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `A gateway that is killed and started again` {
  /// HAWSER_TEST_RESTARTS says more, for once by hand, and what it took is printed.
  private static let asked = ProcessInfo.processInfo.environment["HAWSER_TEST_RESTARTS"].flatMap { Int($0) }
  private static let rounds = asked ?? 2

  @Test(arguments: [TwoSites.Host.left, .right])
  func `carries again soon, under traffic, and nobody touches the other one`(side: TwoSites.Host) throws {
    let sites = try TwoSites([.ipv4, .ipv4, .ipv4])
    let pulse = try Pulse(sites, every: .milliseconds(5))
    var outages: [Interval] = []
    for _ in 0..<Self.rounds {
      pause(.milliseconds(300))
      try sites.kill(side)
      pause(.milliseconds(700))
      let started = MonotonicClock.now
      try sites.start(side)
      var back: Instant?
      #expect(
        eventually(.seconds(10)) {
          back = pulse.firstReturn(ofThoseSentAfter: started)
          return back != nil
        })
      if let back { outages.append(back - started) }
    }
    _ = pulse.end()
    #expect(outages.count == Self.rounds && outages.allSatisfy { $0 < .seconds(5) }, "\(outages)")
    report("\(side) under traffic", outages)
  }

  @Test(arguments: [TwoSites.Host.left, .right])
  func `carries the first packet that anybody sends after it`(side: TwoSites.Host) throws {
    let sites = try TwoSites([.ipv4, .ipv4, .ipv4])
    var outages: [Interval] = []
    for _ in 0..<Self.rounds {
      pause(.milliseconds(1500))
      try sites.kill(side)
      pause(.milliseconds(500))
      let started = MonotonicClock.now
      try sites.start(side)
      #expect(
        try eventually(.seconds(10)) {
          try sites.run(.alice, ["ping", "-n", "-c", "1", "-W", "0.1", TwoSites.bob]).isSuccess
        })
      outages.append(MonotonicClock.now - started)
    }
    #expect(outages.count == Self.rounds && outages.allSatisfy { $0 < .seconds(5) }, "\(outages)")
    report("\(side) idle", outages)
  }

  @Test func `breaks no connection that waited for it`() throws {
    let sites = try TwoSites([.ipv4, .ipv4])
    let amount = releaseFolder == nil ? 20 << 20 : 200 << 20
    var results: [Poured] = []
    // As long as it runs, something is killed.
    let restarter = Restarter(sites)
    detached { restarter.run() }
    results = try exchange(sites, .ipv4, with: .bob, amount)
    restarter.end()
    for result in results {
      #expect(result.arrived == amount && result.sent != nil && result.sent == result.received)
    }
  }

  private func report(_ what: String, _ outages: [Interval]) {
    guard Self.asked != nil, !outages.isEmpty else { return }
    let sorted = outages.map { $0.nanoseconds / 1_000_000 }.sorted()
    let (median, most) = (sorted[sorted.count / 2], sorted.last ?? 0)
    print("\(what), ms from exec to the first answer: median \(median), max \(most): \(sorted)")
  }
}

/// Kills one side after the other in the middle of a transfer, twice.
private final class Restarter: @unchecked Sendable {
  private let sites: TwoSites
  private let hasEnded = DispatchSemaphore(value: 0)

  init(_ sites: TwoSites) { self.sites = sites }

  func run() {
    for side in [TwoSites.Host.left, .right] {
      pause(.milliseconds(100))
      do {
        try sites.kill(side)
        try sites.start(side)
      } catch { Issue.record("\(error)") }
    }
    hasEnded.signal()
  }

  func end() { hasEnded.wait() }
}
