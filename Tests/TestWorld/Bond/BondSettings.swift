//  BondSettings.swift — what stands in the configurations of the two gateways of a BondWorld.
//
//  It follows Lab/Gateways/BondPlan, so that a topology means the same here and in the lab: each gateway has a path for
//  each way, with the way's MTU; both know the other's addresses, as far as there are no more than 16 pairs of an own
//  path and a known address; the rates that the file names are the weights of the paths. Who has ways over relays knows
//  no rates before: then all weigh the same.

import Engine
import Handshake
import Primitives
import Sealing
import Simulation
import Topology
import Wire

enum BondSettings {
  static let usualMTU = 1500
  private static let mostPairs = 16
  private static let firstPort = 51_820

  static func address(of gateway: Int, socket: Int) -> Endpoint {
    Endpoint(
      IPAddress(ipv4: 198 << 24 | 18 << 16 | UInt32(gateway) << 8 | UInt32(socket + 1)),
      port: UInt16(firstPort + socket))
  }

  /// The socket that has this address; nil: nobody.
  static func socket(of endpoint: Endpoint, at gateway: Int, _ lines: borrowing BondLines) -> Int? {
    lines.ways.indices.first { address(of: gateway, socket: $0) == endpoint }
  }

  /// For the first gateway, 0, or the second.
  static func make(_ gateway: Int, _ lines: borrowing BondLines, peerKey: PublicKey) -> GatewaySettings {
    var settings = GatewaySettings(wallClockAtZero: WallTime(seconds: 1_700_000_000, nanoseconds: 0))
    let count = lines.ways.count
    let rates = (0..<count).map { lines.rate(of: $0, from: gateway) }
    let areLinks = lines.ways.allSatisfy { $0.count == 1 }
    let areLimited = count > 1 && areLinks && rates.allSatisfy { $0 != nil }
    settings.paths = (0..<count).map { socket in
      let megabits = (rates[socket]?.bitsPerSecond ?? 0) / 1_000_000
      return LocalPath(
        name: areLinks ? lines.link(at: lines.ways[socket][0]).name : "way\(socket)",
        weight: areLimited ? UInt32(min(1_000_000, max(1, megabits))) : 1,
        mtu: lines.mtu(of: socket) ?? usualMTU, address: address(of: gateway, socket: socket).address)
    }
    let other = 1 - gateway
    let known = gateway == 0 || count * count <= mostPairs ? count : 0
    settings.peers = [
      PeerSettings(
        name: lines.topology.nodes[lines.gateways[other]].name, publicKey: peerKey,
        endpoints: (0..<known).map { address(of: other, socket: $0) }, allowed: innerPrefixes(behind: other))
    ]
    settings.mostFlows = 256
    return settings
  }

  /// What TestGateway needs beside that: the driver's numbers.
  static func plan(paths: Int) -> GatewayPlan {
    var plan = GatewayPlan(sockets: paths)
    plan.batches = 64
    plan.buffers = 1_024
    plan.segmentBytes = 64 << 20
    return plan
  }
}
