//  StreamTests.swift — what TCP carries through two real gateways arrives as it was.

import Foundation
import Glibc
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `Streams through two gateways` {
  /// In each direction. HAWSER_TEST_BYTES says more, for once by hand.
  private static let amount =
    ProcessInfo.processInfo.environment["HAWSER_TEST_BYTES"].flatMap { Int($0) }
    ?? (releaseFolder == nil ? 8 << 20 : 50 << 20)

  struct Case: CustomTestStringConvertible, Sendable {
    let lines: [Underlay]
    let inner: IPAddress.Family
    var testDescription: String { "\(inner) over \(lines.map(\.rawValue).joined(separator: ", "))" }
  }

  static let cases = [
    Case(lines: [.ipv4], inner: .ipv4), Case(lines: [.ipv4, .ipv4, .ipv4], inner: .ipv4),
    Case(lines: [.ipv6, .ipv6, .ipv6], inner: .ipv6), Case(lines: [.ipv4, .ipv6, .ipv4], inner: .ipv6),
    Case(lines: [.ipv6], inner: .ipv4),
  ]

  @Test(arguments: cases)
  func `arrive byte for byte, in both directions at once`(_ this: Case) throws {
    let sites = try TwoSites(this.lines)
    let began = MonotonicClock.now
    let results = try exchange(sites, this.inner, with: .bob, Self.amount)
    let seconds = Double((MonotonicClock.now - began).nanoseconds) / 1e9
    for result in results {
      #expect(result.arrived == Self.amount)
      #expect(result.sent != nil && result.sent == result.received)
    }
    if Self.amount >= 1 << 30 {
      print("\(this.testDescription): \(Self.amount) bytes in each direction in \(seconds) s, SHA-256 equal")
    }
    for side in [TwoSites.Host.left, .right] {
      let counters = try sites.counters(of: side)
      #expect(counters["engine.forged"] == 0 && counters["engine.foreignSource"] == 0)
    }
  }

  /// Carol's line takes 1,280 bytes; TCP must find that out, and nobody's packets may be changed by it.
  @Test(arguments: [IPAddress.Family.ipv4, .ipv6])
  func `find the path's MTU when a line behind the far gateway is narrower`(family: IPAddress.Family) throws {
    let sites = try TwoSites([.ipv4, .ipv4, .ipv4])
    // Only packets that are too long tell, not the handshake.
    for result in try exchange(sites, family, with: .carol, 2 << 20) {
      #expect(result.arrived == 2 << 20)
      #expect(result.sent != nil && result.sent == result.received)
    }
  }
}

struct Poured {
  var sent: [UInt8]?
  var received: [UInt8]
  var arrived: Int
}

/// Both directions at once, on two connections: alice opens one, the other side the other.
func exchange(
  _ sites: TwoSites, _ family: IPAddress.Family, with other: TwoSites.Host, _ amount: Int
) throws -> [Poured] {
  let results = Results<Poured>()
  var jobs: [@Sendable () -> Void] = []
  for (listener, opener) in [(other, TwoSites.Host.alice), (.alice, other)] {
    let door = try HostSocket(family, SOCK_STREAM, in: sites.namespace(of: listener))
    let address = TwoSites.address(of: listener, family)
    try door.bind(address, port: 5001)
    try door.listen()
    let connection = try HostSocket(family, SOCK_STREAM, in: sites.namespace(of: opener))
    try connection.connect(address, port: 5001)
    let accepted = try door.accept()
    // Filled by two threads, each its own half.
    let outcome = Outcome()
    jobs.append { outcome.sent = connection.pour(amount) }
    jobs.append {
      let (count, digest) = accepted.drain()
      outcome.received = (count, digest)
    }
    results.add { Poured(sent: outcome.sent, received: outcome.received.1, arrived: outcome.received.0) }
  }
  together(jobs)
  return results.all
}

private final class Outcome: @unchecked Sendable {
  var sent: [UInt8]?
  var received: (Int, [UInt8]) = (0, [])
}

/// What is asked when all threads have ended.
private final class Results<Value> {
  private var questions: [() -> Value] = []
  func add(_ question: @escaping () -> Value) { questions.append(question) }
  var all: [Value] { questions.map { $0() } }
}
