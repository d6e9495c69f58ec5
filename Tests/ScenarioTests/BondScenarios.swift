import Foundation
import Primitives
import Simulation
import TestWorld
import Testing
import Topology

@Suite struct `Many paths as one, in simulated time` {
  /// From the laboratory's matrix: what a stream gets of the best path alone, at least.
  @Test(arguments: [("baseline", 1.8), ("bw_4to1", 1.1), ("jit_5", 1.5)])
  func `a stream gets more than over the best path alone, and nothing overtakes uncounted`(
    name: String, least: Double
  ) throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../topologies/matrix")
    let file = folder.appending(path: "\(name).topo")
    let topology = try Topology(parsing: Array(try Data(contentsOf: file)), file: name)
    var measurement = BondMeasurement(topology, seed: 1)
    measurement.time = .seconds(3)
    let result = try measurement.run()
    #expect(result.failures.isEmpty, "\(result.failures.joined(separator: "\n"))")
    #expect(result.bestRatio > least, "\(result.bestRatio) of the best")
    let share = try #require(result.sumRatio)
    #expect(share <= 1.01, "\(share) of what the lines carry")
    #expect(result.bond.timeouts == 0)
    #expect(result.bond.overtaken == 0 || result.holes > 0)
    #expect(result.bond.pingsLost <= 2)
  }

  /// While a path is still found out, what stands at the gateway is the sender's next round trip: told to slow down
  /// then, he got a quarter of the line for half a minute.
  @Test(arguments: ["rate 80mbit delay 60ms", "rate 40mbit delay 100ms"])
  func `a stream over one long path alone is not stopped while it grows`(line: String) throws {
    var measurement = BondMeasurement(try topology(line), seed: 1)
    measurement.time = .seconds(5)
    let result = try measurement.run()
    #expect(result.failures.isEmpty, "\(result.failures.joined(separator: "\n"))")
    #expect(result.bestRatio > 0.8, "\(result.bestRatio) of the path")
  }

  @Test func `what lines lose is all that is missing`() throws {
    let world = try BondWorld(
      topology("rate 20mbit delay 10ms loss 1%", "rate 20mbit delay 10ms loss 1%"), seed: 5)
    let stream = world.addTCP(from: 0, starting: .milliseconds(500))
    let datagrams = world.addUDP(
      from: 1, starting: .milliseconds(500), rate: BitRate(bitsPerSecond: 2_000_000), length: 500)
    world.run(for: .seconds(3))
    world.finish()
    #expect(world.run(atMost: .seconds(60)) { world.areFlowsDone })
    world.run(for: .seconds(2))
    world.checkRest()
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
    #expect(stream.received > 500_000 && stream.overtaken == 0)
    #expect(datagrams.disordered == 0)
    let lost = [0, 1].reduce(0) { $0 + world.counters(of: $1, from: 1).lostByChance }
    // A datagram between gateways may carry a few of a user's.
    #expect(datagrams.lost <= 3 * Int(lost), "\(datagrams.lost), and lines lost \(lost)")
  }

  @Test(arguments: [BondWorld.Course.bond, .path(0)])
  func `a wrong bit on a line reaches no application`(course: BondWorld.Course) throws {
    let world = try BondWorld(topology("rate 20mbit delay 5ms corrupt 1%"), seed: 2, over: course)
    let stream = world.addTCP(from: 0, starting: .milliseconds(300))
    world.run(for: .seconds(3))
    world.finish()
    #expect(world.run(atMost: .seconds(60)) { world.areFlowsDone })
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
    #expect(world.counters(of: 0, from: 0).corrupted > 10)
    #expect(stream.received > 500_000)
    // Over one path the users' TCP notices; the gateways send again what they lose.
    var isBond = false
    if case .bond = course { isBond = true }
    #expect(isBond ? stream.retransmissions <= 5 : stream.retransmissions > 5)
  }

  /// As many as fit ten seconds without optimisation; `swift run -c release bond-bench trial` runs thousands.
  @Test(arguments: RandomBond.Weather.allCases, 0..<4)
  func `random bonds under random traffic deliver every byte once, and come to rest`(
    weather: RandomBond.Weather, chunk: UInt64
  ) throws {
    for seed in chunk * 2..<chunk * 2 + 2 {
      let outcome = try BondTrial.run(seed: seed, weather, time: .seconds(2))
      let again = "bond-bench trial --first \(seed) --seeds 1 --seconds 2 --weather \(weather)"
      #expect(outcome.failures.isEmpty, "\(outcome.failures.joined(separator: "\n"))\nagain with: \(again)")
      #expect(outcome.received > 0, "seed \(seed)")
    }
  }

  /// Of ten thousand, those in which buffers waited longest: for a path with a queue of ten seconds, or behind repairs
  /// for one that had become a thousand times slower.
  @Test(arguments: [929, 2_457, 4_347, 5_365, 6_685, 7_312, 7_883, 8_648, 8_776, 9_476, 9_515] as [UInt64])
  func `buffers come back soon, whatever the path that was to bring them is waiting for`(seed: UInt64) throws {
    let outcome = try BondTrial.run(seed: seed, time: .seconds(2))
    #expect(outcome.failures.isEmpty, "\(outcome.failures.joined(separator: "\n"))")
  }

  @Test func `a random bond can be written down, and tells the same story from the file`() throws {
    for seed in 0..<200 as Range<UInt64> {
      let made = RandomBond.topology(seed: seed)
      let again = try Topology(parsing: Array(made.printed().utf8), file: "seed \(seed)")
      #expect(again == made, "seed \(seed)")
    }
    for seed in [7, 8] as [UInt64] {
      let made = RandomBond.topology(seed: seed, time: .seconds(1))
      let again = try Topology(parsing: Array(made.printed().utf8), file: "seed \(seed)")
      let one = try BondTrial.run(made, seed: seed, time: .seconds(1))
      let other = try BondTrial.run(again, seed: seed, time: .seconds(1))
      #expect(one.notes == other.notes && one.received == other.received && one.received > 0)
    }
  }

  @Test func `random bonds differ: one link and many, slow and fast, changing and not`() {
    let made = (0..<300).map { RandomBond.topology(seed: $0) }
    #expect(made.contains { $0.links.count == 1 } && made.contains { $0.links.count == RandomBond.mostPaths })
    let rates = made.flatMap(\.links).compactMap { link in
      if case .fixed(let rate) = link.forward.rate { rate.bitsPerSecond } else { nil }
    }
    #expect(rates.contains { $0 < 2_000_000 } && rates.contains { $0 > 500_000_000 })
    #expect(made.contains { $0.events.isEmpty } && made.contains { $0.events.contains { $0.change == .down } })
    #expect(made.contains { $0.links.contains { $0.forward.burst != nil } })
  }
}
