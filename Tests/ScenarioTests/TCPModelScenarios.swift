import Primitives
import TestWorld
import Testing
import Topology

/// What real Linux did over the same lines in the lab, with room for the difference between two machines.
@Suite struct `TCP in simulated time behaves like Linux's` {
  @Test(
    arguments: [
      // The lab measured 47.8 of 50 Mbit/s and 70.7 ms in the median; 47.8; 286.9.
      ("rate 50mbit delay 20ms", 47.3...48.3, 60.0...79.0),
      ("rate 50mbit delay 40ms", 47.3...48.3, 115.0...160.0),
      ("rate 300mbit delay 10ms", 284...287.2, 34.0...49.0),
    ])
  func `a clean line is filled, and its queue as far as CUBIC fills it`(
    line: String, goodput: ClosedRange<Double>, loaded: ClosedRange<Double>
  ) throws {
    let figures = try alone(line, seed: 1)
    #expect(goodput.contains(figures.goodput / 1e6), "\(figures.goodput / 1e6) Mbit/s")
    let median = try #require(quantile(0.5, of: figures.loaded))
    #expect(loaded.contains(median), "\(median) ms")
    #expect(figures.retransmissions < 100 && figures.timeouts == 0)
    #expect(figures.overtaken == 0)
  }

  @Test(
    arguments: [
      // The lab measured 4.2 and 4.5 Mbit/s in a minute; 1.8 and 1.9.
      ("rate 50mbit delay 20ms loss 0.5%", 3.8...6.4),
      ("rate 50mbit delay 20ms loss 2%", 1.5...2.3),
    ])
  func `random loss costs what it costs`(line: String, goodput: ClosedRange<Double>) throws {
    var sum = 0.0
    for seed in 1...4 as ClosedRange<UInt64> {
      let figures = try alone(line, seed: seed)
      sum += figures.goodput / 4e6
      // Nothing overtakes here, so nothing was only late. Repetitions of one reduction that are answered in the next
      // once looked like originals.
      #expect(figures.undone == 0, "seed \(seed)")
    }
    #expect(goodput.contains(sum), "\(sum) Mbit/s")
  }

  @Test func `what is only late is sent again, and the reduction is taken back`() throws {
    let world = try BondWorld(topology("rate 20mbit delay 20ms jitter 4ms reorder"), seed: 3, over: .path(0))
    let stream = world.addTCP(from: 0)
    world.run(for: .seconds(5))
    #expect(stream.overtaken > 100)
    #expect(stream.undone > 0)
    // Whoever takes each late packet for a lost one gets a tenth of that.
    #expect(stream.received > 4_000_000, "\(stream.received) bytes")
    #expect(world.failures.isEmpty)
  }

  @Test func `after an outage the timer finds that the line is back`() throws {
    var described = try topology("rate 20mbit delay 20ms")
    described.events = [
      Topology.Event(time: .seconds(1), link: 0, change: .down),
      Topology.Event(time: .seconds(2), link: 0, change: .up),
    ]
    let world = try BondWorld(described, seed: 1, over: .path(0))
    let stream = world.addTCP(from: 1)
    world.run(for: .milliseconds(1_900))
    let before = stream.received
    world.run(for: .seconds(2))
    #expect(stream.timeouts > 0)
    #expect(stream.received > before + 1_000_000)
    world.finish()
    #expect(world.run(atMost: .seconds(60)) { world.areFlowsDone })
  }

  private func alone(_ line: String, seed: UInt64) throws -> BondMeasurement.Figures {
    var measurement = BondMeasurement(try topology(line), seed: seed)
    measurement.time = .seconds(6)
    let result = try measurement.figures(over: .path(0))
    #expect(result.failures.isEmpty)
    return result.figures
  }
}

func topology(_ lines: String...) throws -> Topology {
  let links = lines.enumerated().map { "link p\($0.offset) branch -- hq \($0.element)\n" }.joined()
  return try Topology(
    parsing: Array("topology test\nnode branch gateway\nnode hq gateway\n\(links)".utf8), file: "test")
}
