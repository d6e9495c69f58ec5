//  BondSettings.swift — what stands in the configurations of the two gateways of a BondWorld.
//
//  It follows Lab/Gateways/BondPlan, so that a topology means the same here and in the lab: each gateway has a path for
//  each link, with the link's MTU; both know the other's addresses, as far as there are no more than 16 pairs of an own
//  path and a known address; the rates that the file names are the weights of the paths.

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
    lines.links.indices.first { address(of: gateway, socket: $0) == endpoint }
  }

  /// For the first gateway, 0, or the second.
  static func make(_ gateway: Int, _ lines: borrowing BondLines, peerKey: PublicKey) -> GatewaySettings {
    var settings = GatewaySettings(wallClockAtZero: WallTime(seconds: 1_700_000_000, nanoseconds: 0))
    let count = lines.links.count
    let rates = (0..<count).map { lines.lines[2 * $0 + gateway].conditions.line.rate }
    let areLimited = count > 1 && rates.allSatisfy { $0 != nil }
    settings.paths = (0..<count).map { socket in
      let link = lines.link(ofLine: 2 * socket)
      let megabits = (rates[socket]?.bitsPerSecond ?? 0) / 1_000_000
      return LocalPath(
        name: link.name, weight: areLimited ? UInt32(min(1_000_000, max(1, megabits))) : 1,
        mtu: link.mtu?.value ?? usualMTU, address: address(of: gateway, socket: socket).address)
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
