//  RekeyTests.swift — keys change in the middle of everything, and nothing is lost by it.

import Foundation
import Glibc
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `New keys under load` {
  /// HAWSER_TEST_REKEYS says more, for once by hand, and what was counted is printed.
  private static let asked = ProcessInfo.processInfo.environment["HAWSER_TEST_REKEYS"].flatMap { Int($0) }
  private static let rekeys = asked ?? 4

  @Test(arguments: [[Underlay.ipv4], [.ipv4, .ipv6, .ipv4]])
  func `cost no packet`(lines: [Underlay]) throws {
    let sites = try TwoSites(lines, settings: "RekeyAfter = 1")
    let before = try [TwoSites.Host.left, .right].map { try sites.counters(of: $0) }
    let load = try Load(sites)
    let pulse = try Pulse(sites, every: .milliseconds(2))
    let isDone = eventually(.seconds(Int64(Self.rekeys * 3 + 20))) {
      pause(.milliseconds(100))
      return rekeys(sites) >= Self.rekeys
    }
    let beats = pulse.end()
    let carried = load.end()
    #expect(isDone, "\(rekeys(sites)) of \(Self.rekeys) in time: \(sites.log(.left))")
    let lost = beats.count { $0.returned == nil }
    #expect(lost == 0, "\(lost) of \(beats.count) datagrams did not come back")
    var told: [String] = []
    for (index, side) in [TwoSites.Host.left, .right].enumerated() {
      let after = try sites.counters(of: side)
      for name in Self.losses + (Self.asked == nil ? [] : Self.waits) {
        let count = (after[name] ?? 0) - (before[index][name] ?? 0)
        #expect(after[name] != nil && count == 0, "\(side): \(name) is \(count)")
        if count > 0 { told.append("\(side).\(name) \(count)") }
      }
    }
    // Each pair of addresses is found once, and stays.
    let found = sites.log(.left).split(separator: "\n").count { $0.contains(" it comes over ") }
    #expect(found <= 16, "paths come and go: \(sites.log(.left))")
    if Self.asked != nil {
      print(
        "\(lines.count) paths: \(rekeys(sites)) rekeys, \(carried >> 20) MiB beside them, \(beats.count) datagrams of "
          + "which \(lost) lost; counters of losses: \(told.isEmpty ? "all zero" : told.joined(separator: ", "))")
    }
  }

  /// What a datagram can end as because of its keys, and what its loss leaves behind.
  static let losses =
    ["stranger", "replayed", "forged", "noSession", "noPath", "foreignSource", "unwritten"].map { "engine.\($0)" }
    + ["holesByProof", "holesByOverrun", "holesByMemory", "contradiction"].map { "resequencer.\($0)" }
  /// What comes after its time, as on a busy machine: asked only by hand, on one that is not.
  static let waits = ["holesByPatience", "late"].map { "resequencer.\($0)" }

  private func rekeys(_ sites: TwoSites) -> Int {
    sites.log(.left).split(separator: "\n").count { $0.hasSuffix("new keys") }
  }
}

/// Both directions full, until it is told to end.
final class Load: @unchecked Sendable {
  private let connections: [(HostSocket, HostSocket)]
  private let isOver = Flag()
  private let group = DispatchGroup()
  private var carried = [0, 0]

  init(_ sites: TwoSites) throws {
    var connections: [(HostSocket, HostSocket)] = []
    for (listener, opener) in [(TwoSites.Host.bob, TwoSites.Host.alice), (.alice, .bob)] {
      let door = try HostSocket(.ipv4, SOCK_STREAM, in: sites.namespace(of: listener))
      let address = TwoSites.address(of: listener, .ipv4)
      try door.bind(address, port: 5002)
      try door.listen()
      let connection = try HostSocket(.ipv4, SOCK_STREAM, in: sites.namespace(of: opener))
      try connection.connect(address, port: 5002)
      connections.append((connection, try door.accept()))
    }
    self.connections = connections
    for index in connections.indices {
      group.enter()
      group.enter()
      detached {
        let bytes = [UInt8](repeating: 0xa5, count: 1 << 18)
        let socket = self.connections[index].0.descriptor
        while !self.isOver.isSet, Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) > 0 {}
        shutdown(socket, Int32(SHUT_WR))
        self.group.leave()
      }
      detached {
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        while case let count = recv(self.connections[index].1.descriptor, &bytes, bytes.count, 0), count > 0 {
          self.carried[index] += count
        }
        self.group.leave()
      }
    }
  }

  /// How many bytes arrived, both directions together.
  func end() -> Int {
    isOver.set()
    group.wait()
    return carried[0] + carried[1]
  }
}
