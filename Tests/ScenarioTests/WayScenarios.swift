import Primitives
import TestWorld
import Testing
import Topology

@Suite struct `Ways over several links` {
  /// Two relays behind one uplink:  branch ── up ── west ── near, r, far ── hq.
  private func continent(uplink: Int) throws -> Topology {
    let text = """
      topology fork
      node branch gateway
      node hq gateway
      node west router
      node r1 relay
      node r2 relay
      node alice host behind branch
      node bob host behind hq
      link up branch -- west rate \(uplink)mbit delay 2ms
      link near1 west -- r1 rate 15mbit delay 10ms
      link far1 hq -- r1 rate 50mbit delay 10ms
      link near2 west -- r2 rate 50mbit delay 8ms
      link far2 r2 -- hq rate 15mbit delay 6ms

      """
    return try Topology(parsing: Array(text.utf8), file: "fork.topo")
  }

  private let ways = [[0, 1, 2], [0, 3, 4]]

  @Test(arguments: [0, 1])
  func `carry together what they carry alone, but no more than the link that they share`(from: Int) throws {
    var goodputs: [Double] = []
    for uplink in [100, 20] {
      let world = try BondWorld(continent(uplink: uplink), seed: 3, ways: ways)
      world.run(for: .milliseconds(500))
      let stream = world.addTCP(from: from)
      world.run(for: .seconds(3))
      let before = stream.received
      world.run(for: .seconds(3))
      goodputs.append(Double(stream.received - before) * 8 / 3e6)
      world.finish()
      #expect(world.run(atMost: .seconds(60)) { world.areFlowsDone })
      world.run(for: .seconds(2))
      world.checkRest()
      #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
    }
    #expect(goodputs[0] > 24 && goodputs[0] < 30, "\(goodputs)")
    #expect(goodputs[1] > 15 && goodputs[1] < 20, "\(goodputs)")
  }

  @Test func `are as long as their links, and carry a plain stream too`() throws {
    let world = try BondWorld(continent(uplink: 100), seed: 3, over: .path(0), ways: ways)
    let pings = world.addPings(from: 0)
    let stream = world.addTCP(from: 0, starting: .seconds(1))
    world.run(for: .seconds(3))
    let trips = pings.samples.prefix(10).map(\.roundTrip.inMilliseconds)
    #expect(trips.count == 10 && trips.allSatisfy { $0 >= 44 && $0 < 45 }, "\(trips)")
    #expect(stream.received > 1_500_000 && world.failures.isEmpty)
  }

  @Test func `that do not lead from one gateway to the other are refused`() throws {
    let topology = try continent(uplink: 100)
    for wrong in [[[0, 1]], [[1, 2]], [[0, 3, 2]], []] {
      #expect(throws: (any Error).self, "\(wrong)") { try BondWorld(topology, seed: 1, ways: wrong) }
    }
  }
}
