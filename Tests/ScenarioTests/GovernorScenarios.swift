import PathHealth
import Primitives
import Status
import Testing

@testable import Engine
@testable import TestWorld

//  What the governor does for whole gateways: TCP inside, simulated time, and no word about the paths from anybody.

@Suite struct `A path that harms` {
  /// When the second path came into use, and when it went, as gateway 0 sees it, in seconds of the stream.
  private struct Story {
    var changes: [(at: Double, carries: Bool)] = []
    var eachSecond: [Double] = []
    var reason = ""
  }

  private func story(_ lines: [String], seed: UInt64, seconds: Int) throws -> Story {
    let world = try BondWorld(policyTopology(lines), seed: seed)
    world.run(for: .seconds(3))
    let stream = world.addTCP(from: 0)
    var story = Story()
    var carries = world.use("b", at: 0) == .carrying
    for second in 0..<seconds {
      let before = stream.received
      for tenth in 0..<10 {
        world.run(for: .milliseconds(100))
        let now = world.use("b", at: 0) == .carrying
        if now == carries { continue }
        carries = now
        story.changes.append((Double(second) + Double(tenth) / 10, now))
        if !now && story.reason.isEmpty { story.reason = world.status(of: 0).peers[0].modeReason }
      }
      story.eachSecond.append(Double(stream.received - before) * 8 / 1e6)
    }
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
    return story
  }

  /// 30 % are lost on it, and nothing that a TCP would notice: that is repaired, and what it costs is weighed.
  @Test func `costs next to nothing, and is not dropped and tried in turns`() throws {
    var sum = 0.0
    for seed in 1...4 as ClosedRange<UInt64> {
      let story = try story(
        ["rate 50mbit delay 10ms", "rate 20mbit delay 10ms loss 30%"], seed: seed, seconds: 60)
      let context = Comment("seed \(seed): \(story.changes), \(story.eachSecond)")
      // Without it a TCP has 46 Mbit/s, and with it 44.5 in the mean of fourteen seeds; of these the second, 39.8, is
      // the worst: there it is left out after 52 seconds only.
      let mean = story.eachSecond.dropFirst(5).reduce(0, +) / 55
      #expect(mean > 38, context)
      sum += mean
      // It may also fall silent: what little it carries can be lost altogether.
      let isExplained = ["alone carries", "came or went"].contains { story.reason.contains($0) }
      #expect(story.changes.isEmpty || isExplained, "\(story.reason)")
      let returns = story.changes.filter(\.carries).map(\.at)
      for (one, other) in zip(returns, returns.dropFirst()) { #expect(other - one > 9.9, context) }
    }
    #expect(sum / 4 > 42.5, "a single course may be unlucky, four are not")
  }

  /// It is tried with copies, and found not to be worth 300 ms of everybody's delay.
  @Test func `that is only slow does not make all others wait`() throws {
    let world = try BondWorld(policyTopology(["rate 50mbit delay 20ms", "rate 50mbit delay 320ms"]), seed: 1)
    world.run(for: .seconds(3))
    let stream = world.addTCP(from: 0)
    var most = 0
    for _ in 0..<150 {
      world.run(for: .milliseconds(100))
      most = max(most, world.gateways[0].engine.peers[0].paths[0].bulk.bytes)
    }
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
    // 300 ms of the first path would be 1.9 MB.
    #expect(most < 300_000, "\(most) bytes waited for the first path")
    #expect(world.count("engine", "tried", at: 0) > 100)
    #expect(!world.gateways[0].engine.peers[0].beliefs[1].isUnknown(at: world.now))
    let rate = world.gateways[0].engine.peers[0].beliefs[1].controller.rate
    #expect(rate > BitRate(bitsPerSecond: 15_000_000), "\(rate)")
    #expect(stream.received > 60_000_000, "\(stream.received) bytes in 15 s")
  }

  @Test(arguments: [1, 2]) func `is none of those that only lose a little, or are only slower`(seed: UInt64) throws {
    for line in ["rate 50mbit delay 20ms loss 2%", "rate 12mbit delay 20ms", "rate 40mbit delay 35ms jitter 5ms"] {
      let story = try story(["rate 50mbit delay 20ms", line], seed: seed, seconds: 30)
      #expect(story.changes.isEmpty, "seed \(seed), \(line): \(story.changes) \(story.reason)")
    }
  }

  @Test func `is not looked for while an application has little to send`() throws {
    let world = try BondWorld(
      policyTopology(["rate 50mbit delay 10ms", "rate 20mbit delay 10ms loss 1%"]), seed: 4)
    world.run(for: .seconds(1))
    let datagrams = world.addUDP(from: 0, rate: BitRate(bitsPerSecond: 8_000_000))
    for _ in 0..<300 {
      world.run(for: .milliseconds(100))
      #expect(world.status(of: 0).peers[0].mode == .all)
    }
    #expect(datagrams.sent > 20_000)
  }
}
