import PathHealth
import Primitives
import Testing

@testable import Engine
@testable import TestWorld

@Suite struct `A flow that a rule keeps to one path` {
  @Test func `waits in its queue, not before its path, when it sends more than that carries`() throws {
    let world = try BondWorld(policyTopology(["rate 100mbit delay 5ms", "rate 5mbit delay 5ms"]), seed: 1) {
      $1.rules = [Rule(name: "all", .single(path: 1))]
    }
    world.run(for: .seconds(1))
    _ = world.addUDP(from: 0, rate: BitRate(bitsPerSecond: 40_000_000))
    var most = 0
    for _ in 0..<300 {
      world.run(for: .milliseconds(10))
      for place in 0..<PeerPath.mostPaths where world.gateways[0].engine.peers[0].isUsed(place) {
        most = max(most, world.gateways[0].engine.peers[0].paths[place].bulk.bytes)
      }
    }
    // What its path carries in two turns, and one segment: the other path has all its room left.
    #expect(most > 0 && most < 64_000, "\(most) bytes")
    #expect(world.gateways[0].engine.queues.waitingBytes > 0)
  }
}
