import Primitives
import Simulation
import Testing
import Topology

@testable import Lab

@Suite struct `What the wire does with a frame` {
  @Test func `it comes out at the other end after its time on the line and the delay, to the nanosecond`() throws {
    let bench = try Bench("rate 10mbit delay 5ms")
    bench.send(from: 0, bytes: 1_250, at: .zero)  // 1 ms on the line
    #expect(bench.deadline == Bench.milliseconds(6))
    #expect(bench.outputs(at: Instant(nanoseconds: 5_999_999)).isEmpty)
    #expect(bench.outputs(at: Bench.milliseconds(6)) == [.release(slot: 0, end: 1, damage: nil, isLast: true)])
    #expect(bench.deadline == nil)
  }

  @Test func `each direction is as its side of the slash says`() throws {
    let bench = try Bench("rate 10mbit/1mbit delay 1ms/20ms")
    bench.send(from: 0, bytes: 1_250, at: .zero)
    bench.send(from: 1, bytes: 1_250, at: .zero)
    #expect(bench.outputs(at: Bench.milliseconds(2)) == [.release(slot: 0, end: 1, damage: nil, isLast: true)])
    #expect(bench.outputs(at: Bench.milliseconds(29)).isEmpty)
    #expect(bench.outputs(at: Bench.milliseconds(30)) == [.release(slot: 1, end: 0, damage: nil, isLast: true)])
  }

  @Test func `two links do not disturb each other`() throws {
    let bench = try Bench("delay 1ms", "delay 2ms")
    for end in 0..<4 { bench.send(from: end, bytes: 100, at: .zero) }
    #expect(bench.outputs(at: Bench.milliseconds(1)).map(\.end) == [1, 0])
    #expect(bench.outputs(at: Bench.milliseconds(2)).map(\.end) == [3, 2])
  }

  @Test func `what does not fit into the queue stays with whoever read it`() throws {
    let bench = try Bench("rate 1mbit queue 3000b")
    #expect(bench.send(from: 0, bytes: 1_500, at: .zero))
    #expect(bench.send(from: 0, bytes: 1_500, at: .zero))
    #expect(!bench.send(from: 0, bytes: 1_500, at: .zero))
    #expect(bench.statistics(of: 0)?.forward.counters.queueFull == 1)
    #expect(bench.outputs(at: Bench.milliseconds(1_000)).count == 2)
  }

  @Test func `copies of a frame share its bytes, so these are damaged once and free after the last copy`() throws {
    let bench = try Bench("delay 1ms duplicate 100% corrupt 100%")
    for _ in 0..<3 { bench.send(from: 0, bytes: 100, at: .zero) }
    let outputs = bench.outputs(at: Bench.milliseconds(1))
    #expect(outputs.map(\.slot) == [0, 0, 1, 1, 2, 2])
    #expect(outputs.map(\.isLast) == [false, true, false, true, false, true])
    #expect(outputs.map(\.isDamaged) == [true, false, true, false, true, false])
  }

  @Test func `whoever takes only some of what is due gets the rest later`() throws {
    let bench = try Bench("delay 1ms")
    for _ in 0..<5 { bench.send(from: 0, bytes: 100, at: .zero) }
    #expect(bench.outputs(at: Bench.milliseconds(1), most: 2).map(\.slot) == [0, 1])
    let deadline = try #require(bench.deadline)
    #expect(deadline <= Bench.milliseconds(1))
    bench.send(from: 0, bytes: 100, at: Bench.milliseconds(1))
    bench.send(from: 1, bytes: 100, at: Bench.milliseconds(1))
    #expect(bench.outputs(at: Bench.milliseconds(2)).map(\.slot) == [2, 3, 4, 5, 6])
    #expect(bench.deadline == nil)
  }

  @Test(arguments: 0..<40 as Range<UInt64>)
  func `whatever happens on the lines, every slot comes back exactly once`(seed: UInt64) throws {
    let bench = try Bench(
      "rate 20mbit/5mbit delay 3ms jitter 2ms reorder loss 5% burst 3 duplicate 5% corrupt 5%",
      "delay 2ms loss 50% duplicate 50%", seed: seed)
    var chance = SeededRandom(seed: seed ^ 0xfeed)
    var now = Instant.zero
    var held: Set<UInt32> = []
    func take(_ outputs: [Carrier.Output]) throws {
      for output in outputs {
        try #require(held.contains(output.slot), "seed \(seed): slot \(output.slot) came back twice")
        if output.isLast { held.remove(output.slot) }
      }
    }
    for _ in 0..<2_000 {
      now += .microseconds(Int64(chance.below(400)))
      switch chance.below(100) {
      case 0: bench.apply(.down, to: Int(chance.below(2)), at: now)
      case 1...3: bench.apply(.up, to: Int(chance.below(2)), at: now)
      case 4: bench.apply(try Topology.Change(parsing: "rate 1mbit delay 1ms"), to: 0, at: now)
      case 5: bench.apply(try Topology.Change(parsing: "rate 50mbit loss 1%"), to: 0, at: now)
      case 6...40: try take(bench.outputs(at: now, most: Int(chance.below(4))))
      default:
        let slot = bench.nextSlot
        if bench.send(from: Int(chance.below(4)), bytes: 60 + Int(chance.below(1_455)), at: now) { held.insert(slot) }
      }
    }
    try take(bench.outputs(at: now + .seconds(60)))
    #expect(held.isEmpty)
    #expect(bench.deadline == nil)
  }
}

@Suite struct `Which links the wire carries` {
  @Test func `those with something to emulate, and those that an event will change`() throws {
    let topology = try Topology(
      parsing: Array(
        """
        topology t
        node a gateway
        node b gateway
        link plain a -- b
        link slow a -- b rate 1mbit
        link later a -- b
        event at 1s later down
        """.utf8), file: "test")
    let carrier = Carrier(topology, traces: [:], slots: 4, random: SeededRandom(seed: 1))
    let (links, plain, deadline) = (carrier.links, carrier.statistics(of: 0), carrier.deadline)
    #expect(links == [1, 2])
    #expect(plain == nil)
    #expect(deadline == nil)
  }
}

@Suite struct `Events of the file` {
  @Test func `happen at their time after the start, and not before there was one`() throws {
    let bench = try Bench("delay 1ms", events: ["event at 5ms l0 down", "event at 8ms l0 up"])
    #expect(bench.outputs(at: Bench.milliseconds(100)).isEmpty)
    #expect(bench.deadline == nil)

    #expect(bench.start(at: Bench.milliseconds(100)))
    #expect(bench.deadline == Bench.milliseconds(105))
    bench.send(from: 0, bytes: 100, at: Bench.milliseconds(103))
    bench.send(from: 0, bytes: 100, at: Instant(nanoseconds: 104_500_000))
    let outputs = bench.outputs(at: Bench.milliseconds(105))
    #expect(outputs == [.release(slot: 0, end: 1, damage: nil, isLast: true), .drop(slot: 1)])
    #expect(!bench.send(from: 0, bytes: 100, at: Bench.milliseconds(106)))

    #expect(bench.outputs(at: Bench.milliseconds(108)).isEmpty)
    #expect(bench.send(from: 0, bytes: 100, at: Bench.milliseconds(108)))
    #expect(bench.deadline == Bench.milliseconds(109))
  }

  @Test func `happen once: a second start is refused`() throws {
    let bench = try Bench("delay 1ms", events: ["event at 5ms l0 down"])
    #expect(bench.start(at: .zero))
    #expect(!bench.start(at: Bench.milliseconds(1)))
    #expect(bench.deadline == Bench.milliseconds(5))
  }

  @Test func `change what they name and leave the rest`() throws {
    let bench = try Bench("rate 10mbit delay 5ms", events: ["event at 1s l0 rate 1mbit"])
    #expect(bench.start(at: .zero))
    #expect(bench.outputs(at: Bench.milliseconds(1_000)).isEmpty)
    bench.send(from: 1, bytes: 1_250, at: Bench.milliseconds(1_000))
    #expect(bench.deadline == Bench.milliseconds(1_015))
  }

  @Test func `may follow a trace that was made known before`() throws {
    let bench = try Bench("delay 1ms")
    #expect(!bench.knows(trace: "slow.trace"))
    bench.add(try DeliveryTrace(parsing: Array("7\n".utf8)), named: "slow.trace")
    bench.apply(try Topology.Change(parsing: "trace slow.trace"), to: 0, at: .zero)
    bench.send(from: 0, bytes: 1_500, at: Bench.milliseconds(1))
    #expect(bench.deadline == Bench.milliseconds(8))
  }
}

@Suite struct `When a frame counts as late` {
  @Test func `one millisecond after it was due it is in time, later it is late`() throws {
    let bench = try Bench("delay 1ms")
    bench.send(from: 0, bytes: 100, at: .zero)
    #expect(bench.outputs(at: Bench.milliseconds(2)).count == 1)
    #expect(bench.counters == Carrier.Counters(carried: 1, late: 0))
    bench.send(from: 0, bytes: 100, at: Bench.milliseconds(2))
    #expect(bench.outputs(at: Instant(nanoseconds: 4_000_001)).count == 1)
    #expect(bench.counters == Carrier.Counters(carried: 2, late: 1))
  }

  @Test func `one that was read late is late however punctually it leaves`() throws {
    let bench = try Bench("delay 1ms")
    bench.send(from: 0, bytes: 100, readLate: true, at: .zero)
    #expect(bench.outputs(at: Bench.milliseconds(1)).count == 1)
    #expect(bench.counters.late == 1)
  }

  @Test func `the count begins at zero again when asked`() throws {
    let bench = try Bench("delay 1ms")
    bench.send(from: 0, bytes: 100, readLate: true, at: .zero)
    _ = bench.outputs(at: Bench.milliseconds(1))
    bench.resetCounters()
    #expect(bench.counters == Carrier.Counters())
  }
}

/// A carrier for links `l0`, `l1` … between two nodes, fed with slots 0, 1, 2 …
private final class Bench {
  private var carrier: Carrier
  var nextSlot: UInt32 = 0

  init(_ links: String..., events: [String] = [], seed: UInt64 = 1) throws {
    var text = "topology t\nnode a gateway\nnode b gateway\n"
    for (number, link) in links.enumerated() { text += "link l\(number) a -- b \(link)\n" }
    text += events.joined(separator: "\n")
    let topology = try Topology(parsing: Array(text.utf8), file: "test")
    carrier = Carrier(topology, traces: [:], slots: 4_096, random: SeededRandom(seed: seed))
  }

  var deadline: Instant? { carrier.deadline }
  var counters: Carrier.Counters { carrier.counters }

  func start(at now: Instant) -> Bool { carrier.start(at: now) }
  func apply(_ change: Topology.Change, to link: Int, at now: Instant) { carrier.apply(change, to: link, at: now) }
  func knows(trace file: String) -> Bool { carrier.knows(trace: file) }
  func add(_ trace: DeliveryTrace, named file: String) { carrier.add(trace, named: file) }
  func resetCounters() { carrier.resetCounters() }
  func statistics(of link: Int) -> Topology.Pair<LineStatistics>? { carrier.statistics(of: link) }

  static func milliseconds(_ number: UInt64) -> Instant { Instant(nanoseconds: number * 1_000_000) }

  @discardableResult
  func send(from end: Int, bytes: Int, readLate: Bool = false, at now: Instant) -> Bool {
    defer { nextSlot += 1 }
    return carrier.accept(slot: nextSlot, length: ByteCount(bytes), from: end, readLate: readLate, at: now)
  }

  func outputs(at now: Instant, most: Int = .max) -> [Carrier.Output] {
    var all: [Carrier.Output] = []
    while all.count < most, let output = carrier.nextOutput(at: now) { all.append(output) }
    return all
  }
}

extension Carrier.Output {
  fileprivate var slot: UInt32 {
    switch self {
    case .release(let slot, _, _, _), .drop(let slot): slot
    }
  }
  fileprivate var end: Int? { if case .release(_, let end, _, _) = self { end } else { nil } }
  fileprivate var isLast: Bool { if case .release(_, _, _, let isLast) = self { isLast } else { true } }
  fileprivate var isDamaged: Bool { if case .release(_, _, let damage?, _) = self { damage >= 0 } else { false } }
}
