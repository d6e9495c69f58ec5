import Netlink
import POSIX
import Primitives
import Simulation
import Testing
import Topology

@testable import Lab

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `Frames over a wire` {
  @Test func `arrive whole and in order, both ways, whatever their size`() throws {
    let wire = try ScratchWire("delay 1ms")
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    for number in 0..<200 as Range<UInt32> { a.send(number, size: 4 + Int(number) * 7) }
    for number in 0..<200 as Range<UInt32> { b.send(number, size: 1_472 - Int(number) * 7) }
    #expect(b.receive(200) == Array(0..<200))
    #expect(a.receive(200) == Array(0..<200))
    let totals = try wire.client.totals()
    #expect(totals.carried == 400)
    #expect(totals.overrun == 0 && totals.noSlot == 0 && totals.notTaken == 0 && totals.oversized == 0)
  }

  @Test func `never arrive before the delay, nor faster than the line`() throws {
    let wire = try ScratchWire("rate 10mbit delay 20ms queue 1s")
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    let start = MonotonicClock.now
    // 100 frames of 1,250 bytes are 100 ms on this line.
    for number in 0..<100 as Range<UInt32> { a.send(number, size: 1_250 - 42) }
    #expect(b.receive(1) == [0])
    #expect(MonotonicClock.now - start >= .milliseconds(21))
    #expect(b.receive(99).last == 99)
    #expect(MonotonicClock.now - start >= .milliseconds(120))
  }

  @Test func `sent many at a time are cut into frames, each an event of its own`() throws {
    let wire = try ScratchWire("delay 1ms")
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    #expect(a.sendAtOnce(0, count: 40, size: 1_400) == 0)
    #expect(b.receive(40) == Array(0..<40))
    #expect(try wire.client.statistics(of: "l0").forward.counters.accepted == 40)
    #expect(try wire.client.statistics(of: "l0").forward.counters.deliveredBytes == 40 * 1_442)
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func `are lost at the rate of the file, within the 99 % interval over 20,000`(seed: UInt64) throws {
    let wire = try ScratchWire("loss 2%", seed: seed)
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    var received: [UInt32] = []
    for batch in 0..<400 as Range<UInt32> {
      #expect(a.sendAtOnce(batch * 50, count: 50, size: 200) == 0)
      // Not faster than the queues of two interfaces take it, also on a busy machine.
      if batch % 8 == 7 {
        let sent = UInt64(batch + 1) * 50
        #expect(try eventually { try wire.client.statistics(of: "l0").forward.counters.accepted == sent })
        received += b.receive(.max, silence: .milliseconds(1))
      }
    }
    received += b.receive(.max, silence: .milliseconds(200))
    #expect(received == received.sorted(), "out of order")
    let lost = 20_000 - received.count
    #expect(abs(Double(lost) - 400) <= 2.576 * (20_000 * 0.02 * 0.98).squareRoot(), "\(lost) lost, 400 expected")
    let line = try wire.client.statistics(of: "l0").forward.counters
    #expect(line.lostByChance == UInt64(lost) && line.delivered == UInt64(received.count))
    #expect(try wire.client.totals().overrun == 0)
  }

  @Test func `that are damaged do not reach their program`() throws {
    let wire = try ScratchWire("corrupt 50%")
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    for number in 0..<400 as Range<UInt32> { a.send(number, size: 4 + Int(number)) }
    let received = b.receive(.max, silence: .milliseconds(200))
    let line = try wire.client.statistics(of: "l0").forward.counters
    #expect(line.delivered == 400 && line.corrupted > 100)
    #expect(received.count == 400 - Int(line.corrupted))
  }

  @Test func `that come twice come twice whole`() throws {
    let wire = try ScratchWire("duplicate 100%")
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    for number in 0..<100 as Range<UInt32> { a.send(number, size: 1_000) }
    #expect(b.receive(200) == (0..<200).map { UInt32($0 / 2) })
  }

  @Test func `take the link that they were sent on, among several`() throws {
    let wire = try ScratchWire("delay 1ms", "delay 2ms", "delay 3ms")
    for link in 0..<3 {
      let (a, b) = (try wire.socket(at: 0, link: link), try wire.socket(at: 1, link: link))
      a.send(7)
      b.send(8)
      #expect(b.receive(1) == [7])
      #expect(a.receive(1) == [8])
      let statistics = try wire.client.statistics(of: "l\(link)")
      #expect(statistics.forward.counters.delivered == 1 && statistics.backward.counters.delivered == 1)
    }
  }

  @Test func `beyond the wire's memory are dropped and counted, and the next ones pass`() throws {
    let wire = try ScratchWire("delay 300ms", slots: 10)
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    for number in 0..<30 as Range<UInt32> { a.send(number) }
    #expect(b.receive(10) == Array(0..<10))
    #expect(try wire.client.totals().noSlot == 20)
    a.send(99)
    #expect(b.receive(1) == [99])
  }

  @Test func `to an interface that is down are counted, and pass when it is up again`() throws {
    let wire = try ScratchWire("delay 1ms")
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    try wire.setUp(false, node: 1)
    a.send(1)
    #expect(try eventually { try wire.client.totals().notTaken == 1 })
    try wire.setUp(true, node: 1)
    a.send(2)
    #expect(b.receive(1) == [2])
  }
}

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `A wire obeys` {
  @Test func `a link that is set down swallows everything, silently, until it is set up`() throws {
    let wire = try ScratchWire("delay 1ms")
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    try wire.client.set(link: "l0", change: .down)
    for number in 0..<5 as Range<UInt32> { #expect(a.send(number), "the sender must not notice") }
    #expect(try eventually { try wire.client.statistics(of: "l0").forward.counters.down == 5 })
    #expect(try wire.interfaces(at: 0).allSatisfy { $0.isUp && $0.hasCarrier })
    try wire.client.set(link: "l0", change: .up)
    a.send(9)
    #expect(b.receive(1) == [9])
  }

  @Test func `attributes that are set hold at once`() throws {
    let wire = try ScratchWire("delay 1ms")
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    try wire.client.set(link: "l0", change: try Topology.Change(parsing: "loss 100%"))
    for number in 0..<5 as Range<UInt32> { a.send(number) }
    #expect(try eventually { try wire.client.statistics(of: "l0").forward.counters.lostByChance == 5 })
    try wire.client.set(link: "l0", change: try Topology.Change(parsing: "loss 0%"))
    a.send(9)
    #expect(b.receive(1) == [9])
  }

  @Test func `the events of the file happen after the start, and a second start is refused`() throws {
    let wire = try ScratchWire("delay 1ms", events: ["event at 50ms l0 down", "event at 150ms l0 up"])
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    a.send(1)
    #expect(b.receive(1) == [1])
    try wire.client.start()
    #expect(throws: LabError.self) { try wire.client.start() }
    var number: UInt32 = 2
    let wentDown = try eventually {
      a.send(number)
      number += 1
      return try wire.client.statistics(of: "l0").forward.counters.down > 0
    }
    #expect(wentDown)
    let swallowed = number - 1
    let cameUp = eventually {
      a.send(number)
      number += 1
      return b.receive(.max, silence: .milliseconds(5)).contains { $0 > swallowed }
    }
    #expect(cameUp)
  }

  @Test func `what it counts begins at zero after a reset`() throws {
    let wire = try ScratchWire("delay 1ms")
    let (a, b) = (try wire.socket(at: 0), try wire.socket(at: 1))
    a.send(1)
    #expect(b.receive(1) == [1])
    try wire.client.reset()
    #expect(try wire.client.totals() == WireTotals())
  }

  @Test func `a mistake is answered by a sentence`() throws {
    let wire = try ScratchWire("delay 1ms")
    let unknown = try #require(throws: LabError.self) { try wire.client.set(link: "l9", change: .down) }
    #expect(unknown.description == "scratch has no link l9; did you mean l0?")
    #expect(unknown.exitCode == 64)
    let change = try Topology.Change(parsing: "trace none.trace")
    let missing = try #require(throws: LabError.self) { try wire.client.set(link: "l0", change: change) }
    #expect(missing.description == "there is no none.trace in a test")
  }

  @Test func `a second one in the same place is refused`() throws {
    let wire = try ScratchWire("delay 1ms")
    let refusal = #expect(throws: LabError.self) { _ = try WireControl(directory: wire.directory) }
    #expect(refusal?.description == "\(wire.directory) has a link emulator already")
    #expect(wire.client.isAlive)
  }

  @Test func `when it is told to stop it ends, and its interfaces with it`() throws {
    let wire = try ScratchWire("delay 1ms")
    #expect(try wire.interfaces(at: 0).map(\.name) == ["l0"])
    #expect(wire.client.isAlive)
    try wire.client.stop()
    #expect(eventually { wire.isOver })
    #expect(try eventually { try wire.interfaces(at: 0).isEmpty && wire.interfaces(at: 1).isEmpty })
    #expect(!wire.client.isAlive)
  }
}
