//  Throughput.swift — what the bond over a set of ways really delivers: two whole gateways, one TCP, simulated time.

import Primitives
import TestWorld

struct Throughput {
  let continent: Continent
  var warmUp = Interval.seconds(10)
  var time = Interval.seconds(10)

  /// Goodput in bits a second. A draw is the same world with other chance: other losses, other jitter.
  func of(_ set: [Int], draw: Int) throws -> Double {
    let world = try BondWorld(
      continent.topology, seed: continent.seed &+ UInt64(draw) &* 1_000_003, over: .bond,
      ways: set.map { continent.ways[$0] })
    // Greetings, and an answer over each way.
    world.run(for: .seconds(1))
    let flow = world.addTCP(from: 0)
    world.run(for: warmUp)
    let before = flow.received
    world.run(for: time)
    if let failure = world.failures.first { throw Failure(description: failure) }
    return Double(flow.received - before) * 8 / time.inSeconds
  }

  struct Failure: Error, CustomStringConvertible { let description: String }
}
