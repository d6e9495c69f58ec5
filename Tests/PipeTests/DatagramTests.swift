//  DatagramTests.swift — datagrams of all sizes, in the ways in which programs send and receive them.

import Foundation
import Glibc
import Primitives
import Synchronization
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `Datagrams through two gateways` {
  static let segment: Int32 = 103  // UDP_SEGMENT
  static let gro: Int32 = 104  // UDP_GRO

  /// HAWSER_TEST_SIZES=all sends every size that there is, which takes a while.
  private static let isThorough = ProcessInfo.processInfo.environment["HAWSER_TEST_SIZES"] == "all"

  /// Around every border: one packet to two fragments, a datagram of ours to two, a full super-packet, the most that
  /// UDP has.
  static let sizes: [Int] =
    Array(1...40)
    + [1200, 1280, 1372, 1384, 1399, 1400, 1401, 1427, 1428, 1429].flatMap { [$0 - 28, $0] }
    + [1471, 1472, 1473, 1480, 1481, 2000, 2944, 2960, 4096, 8192, 9000, 16_384, 20_000, 32_768, 40_000, 50_000]
    + [60_000, 62_000, 62_832, 64_000, 65_000, 65_506, 65_507]

  @Test(arguments: [IPAddress.Family.ipv4, .ipv6], [[Underlay.ipv4], [.ipv4, .ipv6, .ipv4]])
  func `come back unchanged, from 1 byte to the most that UDP has`(
    family: IPAddress.Family, lines: [Underlay]
  ) throws {
    let sites = try TwoSites(lines)
    let echo = try Echo(family, sites)
    defer { echo.end() }
    let socket = try HostSocket(family, SOCK_DGRAM, in: sites.namespace(of: .alice), patience: .seconds(5))
    try socket.set(SOL_SOCKET, SO_RCVBUF, to: 4 << 20)
    try socket.connect(TwoSites.address(of: .bob, family), port: 7)
    let all = text(65_507 * 2, seed: 1)
    for size in Self.isThorough ? Array(1...65_507) : Self.sizes {
      // Each size with bytes of its own.
      let bytes = Array(all[size..<(2 * size)])
      #expect(socket.send(bytes) == 0)
      let answer = socket.receive()
      #expect(answer?.count == size && answer == bytes, "\(size) bytes")
    }
  }

  @Test(arguments: [IPAddress.Family.ipv4, .ipv6])
  func `sent in one batch come out as they went in`(family: IPAddress.Family) throws {
    let sites = try TwoSites([.ipv4, .ipv4, .ipv4])
    let receiver = try HostSocket(family, SOCK_DGRAM, in: sites.namespace(of: .bob), patience: .seconds(5))
    try receiver.set(SOL_SOCKET, SO_RCVBUF, to: 8 << 20)
    try receiver.bind(TwoSites.address(of: .bob, family), port: 9)
    let sender = try HostSocket(family, SOCK_DGRAM, in: sites.namespace(of: .alice))
    try sender.connect(TwoSites.address(of: .bob, family), port: 9)
    for (size, total) in [(1200, 60_000), (1, 64), (100, 6_350), (1400, 1401), (1452, 58_080), (500, 20_001)] {
      try sender.set(Int32(IPPROTO_UDP), Self.segment, to: Int32(size))
      let bytes = text(total, seed: size)
      #expect(sender.send(bytes) == 0)
      var received: [UInt8] = []
      var lengths: [Int] = []
      while received.count < total, let datagram = receiver.receive() {
        received += datagram
        lengths.append(datagram.count)
      }
      #expect(received == bytes, "\(total) bytes in pieces of \(size): \(received.count)")
      let whole = Array(repeating: size, count: total / size)
      #expect(lengths == (total % size == 0 ? whole : whole + [total % size]))
    }
  }

  @Test(arguments: [IPAddress.Family.ipv4, .ipv6])
  func `are bundled for receivers that take bundles, and nothing is lost or changed by it`(
    family: IPAddress.Family
  ) throws {
    let sites = try TwoSites([.ipv4, .ipv4, .ipv4])
    let receiver = try HostSocket(family, SOCK_DGRAM, in: sites.namespace(of: .bob), patience: .seconds(5))
    try receiver.set(SOL_SOCKET, SO_RCVBUF, to: 8 << 20)
    try receiver.set(Int32(IPPROTO_UDP), Self.gro, to: 1)
    try receiver.bind(TwoSites.address(of: .bob, family), port: 9)
    let sender = try HostSocket(family, SOCK_DGRAM, in: sites.namespace(of: .alice))
    try sender.connect(TwoSites.address(of: .bob, family), port: 9)
    try sender.set(Int32(IPPROTO_UDP), Self.segment, to: 1200)
    var reads = 0
    for round in 0..<20 {
      let bytes = text(60_000, seed: round)
      #expect(sender.send(bytes) == 0)
      var received: [UInt8] = []
      while received.count < bytes.count, let datagrams = receiver.receive() {
        received += datagrams
        reads += 1
      }
      #expect(received == bytes)
    }
    #expect(reads < 20 * 50, "each datagram came alone")
  }

  @Test func `to a group are refused and counted, and nobody else notices`() throws {
    let sites = try TwoSites([.ipv4])
    try sites.shell(.left, "ip route add 239.0.0.0/8 dev hawser0")
    let before = try sites.counters(of: .left)
    let socket = try HostSocket(.ipv4, SOCK_DGRAM, in: sites.namespace(of: .left))
    try socket.connect("239.1.2.3", port: 9)
    for _ in 0..<10 { #expect(socket.send([1, 2, 3]) == 0) }
    let isCounted = try eventually(.seconds(5)) {
      try sites.counters(of: .left)["classifier.multicast"] ?? 0 >= (before["classifier.multicast"] ?? 0) + 10
    }
    #expect(isCounted)
    #expect(try sites.counters(of: .left)["engine.queueFull"] == 0)
    #expect(try sites.pings(.alice, TwoSites.bob))
  }
}

/// Bytes that nobody mistakes for others.
func text(_ count: Int, seed: Int) -> [UInt8] {
  var random = SeededRandom(seed: UInt64(seed))
  return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
}

/// Bob sends back what he gets.
final class Echo: Sendable {
  private let socket: HostSocket
  private let isOver = Atomic(false)
  private let hasEnded = Atomic(false)

  init(_ family: IPAddress.Family, _ sites: TwoSites, port: UInt16 = 7) throws {
    socket = try HostSocket(family, SOCK_DGRAM, in: sites.namespace(of: .bob), patience: .milliseconds(50))
    try socket.set(SOL_SOCKET, SO_RCVBUF, to: 4 << 20)
    try socket.bind(TwoSites.address(of: .bob, family), port: port)
    detached {
      _ = self.socket.echo(until: { self.isOver.load(ordering: .relaxed) })
      self.hasEnded.store(true, ordering: .releasing)
    }
  }

  /// Returns when it has ended.
  func end() {
    isOver.store(true, ordering: .relaxed)
    while !hasEnded.load(ordering: .acquiring) { pause(.milliseconds(1)) }
  }
}
