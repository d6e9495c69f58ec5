import Primitives
import Simulation
import Testing
import Topology

@Suite struct `The rate of a line` {
  @Test(arguments: [64_000, 7_777_777, 50_000_000, 300_000_000, 10_000_000_000, 99_999_999_977] as [UInt64])
  func `a busy line sends its rate to the nanosecond, whatever the packets' sizes`(rate: UInt64) {
    var random = SeededRandom(seed: rate)
    var link = Link(roomy(BitRate(bitsPerSecond: rate)), random: random)
    var bits: UInt64 = 0
    for slot in 0..<20_000 {
      let length = ByteCount(Int(60 + random.below(1_455)))
      bits += UInt64(length.value) * 8
      #expect(link.accept(slot: UInt32(slot), length: length, at: .zero) == .queued)
    }
    let last = link.drainToTheEnd().last?.time
    let exact = bits.multipliedFullWidth(by: 1_000_000_000)
    #expect(last == Instant(nanoseconds: rate.dividingFullWidth((exact.high, exact.low)).quotient))
  }

  @Test func `it keeps the rate when packets come just in time, and starts afresh after a pause`() {
    var link = Link(roomy(BitRate(bitsPerSecond: 3_000_000_000)), random: SeededRandom(seed: 1))
    // 1,000 bytes take 2,666.67 ns. The next one always comes while the last is on the line.
    var due: [Instant] = []
    for slot in 0..<3_000 {
      _ = link.accept(slot: UInt32(slot), length: ByteCount(1_000), at: Instant(nanoseconds: UInt64(slot) * 2_666))
      due += link.drain().map(\.time)
    }
    due += link.drainToTheEnd().map(\.time)
    #expect(due.last == Instant(nanoseconds: 8_000_000))
    _ = link.accept(slot: 0, length: ByteCount(1_000), at: ms(9))
    #expect(link.drainToTheEnd().map(\.time) == [Instant(nanoseconds: 9_002_666)])
  }

  @Test func `a packet needs its own time on the line, then the delay`() {
    var link = Link(roomy(megabits(10)) { $0.delay = .milliseconds(20) }, random: SeededRandom(seed: 1))
    _ = link.accept(slot: 7, length: ByteCount(1_250), at: ms(5))  // 1 ms at 10 Mbit/s
    #expect(link.deadline == ms(26))
    link.expire(at: Instant(nanoseconds: 25_999_999))
    #expect(link.nextOutcome() == nil)
    link.expire(at: ms(26))
    #expect(link.nextOutcome() == .delivered(slot: 7, due: ms(26), isLast: true, corruption: nil))
    #expect(link.deadline == nil)
  }

  @Test func `looking late changes nothing about when packets were due`() {
    var link = Link(roomy(megabits(10)), random: SeededRandom(seed: 1))
    for slot in 0..<3 { _ = link.accept(slot: UInt32(slot), length: ByteCount(1_250), at: .zero) }
    link.expire(at: ms(100))
    #expect(link.drain().map(\.time) == [ms(1), ms(2), ms(3)])
  }

  @Test func `a new rate holds for the bits of a packet that have not left yet`() {
    var link = Link(roomy(megabits(10)), random: SeededRandom(seed: 1))
    _ = link.accept(slot: 0, length: ByteCount(1_250), at: .zero)
    _ = link.accept(slot: 1, length: ByteCount(1_250), at: .zero)
    // A quarter has left after 250 µs; the other 7,500 bits take 7.5 ms at 1 Mbit/s.
    link.change(to: roomy(megabits(1)), at: us(250))
    #expect(link.drainToTheEnd().map(\.time) == [us(7_750), us(17_750)])
  }

  @Test func `many changes of other attributes do not slow the line down`() {
    var link = Link(roomy(megabits(10)), random: SeededRandom(seed: 1))
    for slot in 0..<100 { _ = link.accept(slot: UInt32(slot), length: ByteCount(1_250), at: .zero) }
    var outcomes: [Link.Outcome] = []
    for step in 1..<3_000 {
      link.change(to: roomy(megabits(10)) { $0.delay = .microseconds(Int64(step % 7)) }, at: us(Int64(step) * 33))
      outcomes += link.drain()
    }
    outcomes += link.drainToTheEnd()
    #expect(outcomes.count == 100)
    #expect(abs((outcomes[99].time - ms(100)).nanoseconds) <= 6_000)
  }

  @Test func `changes between two rates cost less than a bit each`() {
    var link = Link(roomy(megabits(10)), random: SeededRandom(seed: 1))
    for slot in 0..<100 { _ = link.accept(slot: UInt32(slot), length: ByteCount(1_250), at: .zero) }
    var outcomes: [Link.Outcome] = []
    // 33 µs at 10 Mbit/s and 33 µs at 20, so 15 on average: 1,000,000 bits in 66.67 ms.
    for step in 1..<2_400 {
      link.change(to: roomy(megabits(step % 2 == 0 ? 10 : 20)), at: us(Int64(step) * 33))
      outcomes += link.drain()
    }
    #expect(outcomes.count == 100)
    #expect(abs((outcomes[99].time - .zero).inMilliseconds - 66.67) < 0.25)
  }

  @Test func `a line without limit passes all at once, in order`() {
    var link = Link(LinkConditions(), random: SeededRandom(seed: 1))
    for slot in 0..<1_000 { #expect(link.accept(slot: UInt32(slot), length: ByteCount(1_514), at: ms(3)) == .queued) }
    #expect(link.drain().map(\.slot) == Array(0..<1_000))
    #expect(link.deadline == nil)
  }

  @Test func `a limit that is lifted lets the whole queue go`() {
    var link = Link(roomy(megabits(1)), random: SeededRandom(seed: 1))
    for slot in 0..<10 { _ = link.accept(slot: UInt32(slot), length: ByteCount(1_250), at: .zero) }
    link.change(to: LinkConditions(), at: ms(15))
    let outcomes = link.drainToTheEnd()
    #expect(outcomes.map(\.slot) == Array(0..<10))
    #expect(outcomes.map(\.time) == [ms(10)] + Array(repeating: ms(15), count: 9))
    #expect(link.queued == .zero)
  }
}

@Suite struct `Room in a link` {
  @Test func `a queue in bytes takes packets up to its limit and no byte more`() {
    var link = Link(
      conditions {
        $0.line = .fixed(megabits(1))
        $0.queue = .bytes(ByteCount(10_000))
      }, random: SeededRandom(seed: 1))
    for slot in 0..<10 { #expect(link.accept(slot: UInt32(slot), length: ByteCount(1_000), at: .zero) == .queued) }
    #expect(link.queued == ByteCount(10_000))
    #expect(link.accept(slot: 10, length: ByteCount(1), at: .zero) == .queueFull)
    // 8 ms later one has left.
    #expect(link.accept(slot: 10, length: ByteCount(1_001), at: ms(8)) == .queueFull)
    #expect(link.accept(slot: 10, length: ByteCount(1_000), at: ms(8)) == .queued)
    #expect(link.counters.queueFull == 2 && link.counters.accepted == 11)
  }

  @Test func `a queue in time holds what the line sends in that time, also after the rate changed`() {
    var slow = conditions {
      $0.line = .fixed(megabits(8))  // a byte a microsecond
      $0.queue = .time(.milliseconds(100))
    }
    #expect(slow.queueLimit == ByteCount(100_000))
    slow.line = .fixed(megabits(80))
    #expect(slow.queueLimit == ByteCount(1_000_000))
  }

  @Test func `an empty queue takes even a packet that is larger than it`() {
    var link = Link(
      conditions {
        $0.line = .fixed(megabits(1))
        $0.queue = .bytes(.zero)
      }, random: SeededRandom(seed: 1))
    #expect(link.accept(slot: 0, length: ByteCount(9_000), at: .zero) == .queued)
    #expect(link.accept(slot: 1, length: ByteCount(60), at: .zero) == .queueFull)
    #expect(link.drainToTheEnd().count == 1)
  }

  @Test func `a smaller limit throws nothing away that is already inside`() {
    var link = Link(roomy(megabits(8)), random: SeededRandom(seed: 1))
    for slot in 0..<100 { _ = link.accept(slot: UInt32(slot), length: ByteCount(1_000), at: .zero) }
    link.change(
      to: conditions {
        $0.line = .fixed(megabits(8))
        $0.queue = .bytes(ByteCount(5_000))
      }, at: .zero)
    #expect(link.accept(slot: 100, length: ByteCount(60), at: .zero) == .queueFull)
    #expect(link.drainToTheEnd().count == 100)
  }

  @Test func `a frame larger than the link's MTU is refused, one of exactly that size is not`() {
    var link = Link(conditions { $0.largestFrame = ByteCount(1_414) }, random: SeededRandom(seed: 1))
    #expect(link.accept(slot: 0, length: ByteCount(1_415), at: .zero) == .tooBig)
    #expect(link.accept(slot: 1, length: ByteCount(1_414), at: .zero) == .queued)
    #expect(link.counters.tooBig == 1)
  }

  @Test func `a line without rate is bounded by what is in flight, and only by that`() {
    var link = Link(conditions { $0.delay = .milliseconds(10) }, random: SeededRandom(seed: 1))
    let frame = ByteCount(1 << 20)
    for slot in 0..<64 { #expect(link.accept(slot: UInt32(slot), length: frame, at: .zero) == .queued) }
    #expect(link.accept(slot: 64, length: ByteCount(1), at: .zero) == .flooded)
    #expect(link.accept(slot: 64, length: ByteCount(1), at: Instant(nanoseconds: 9_999_999)) == .flooded)
    // What has arrived is no flood, though nobody fetched it.
    #expect(link.accept(slot: 64, length: frame, at: ms(10)) == .queued)
    #expect(link.drain().count == 64 && link.inFlight == frame)
    #expect(link.counters.flooded == 2)
  }
}
