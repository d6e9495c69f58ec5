import Primitives
import Simulation
import Testing
import Topology

@Suite struct `A recorded line` {
  @Test func `a full packet leaves at each opportunity, at exactly its millisecond`() throws {
    var link = Link(try recorded("3\n3\n10\n20\n"), random: SeededRandom(seed: 1))
    for slot in 0..<5 { _ = link.accept(slot: UInt32(slot), length: ByteCount(1_514), at: .zero) }
    // The file repeats after 20 ms.
    #expect(link.drainToTheEnd().map(\.time) == [ms(3), ms(3), ms(10), ms(20), ms(23)])
  }

  @Test func `small packets share an opportunity, and one that is too large takes two`() throws {
    var link = Link(try recorded("1\n2\n3\n4\n5\n6\n7\n8\n9\n"), random: SeededRandom(seed: 1))
    for slot in 0..<4 { _ = link.accept(slot: UInt32(slot), length: ByteCount(500), at: .zero) }
    _ = link.accept(slot: 4, length: ByteCount(3_000), at: .zero)
    // 3 × 500 and 14 bytes of the fourth in the first; 486 of it and 1,028 of the big one in the second; 1,514 and 458
    // follow.
    #expect(link.drainToTheEnd().map(\.time) == [ms(1), ms(1), ms(1), ms(2), ms(4)])
  }

  @Test func `an opportunity that nobody waits for is lost, also what is left of it`() throws {
    var link = Link(try recorded("2\n4\n6\n"), random: SeededRandom(seed: 1))
    _ = link.accept(slot: 0, length: ByteCount(100), at: .zero)
    _ = link.accept(slot: 1, length: ByteCount(100), at: us(2_001))
    #expect(link.drainToTheEnd().map(\.time) == [ms(2), ms(4)])
    #expect(link.accept(slot: 2, length: ByteCount(100), at: us(16_001)) == .queued)
    #expect(link.drainToTheEnd().map(\.time) == [ms(18)])
  }

  @Test func `an opportunity at the very moment of arrival serves, at the end of the file and anywhere`() throws {
    var link = Link(try recorded("2\n4\n"), random: SeededRandom(seed: 1))
    for (slot, at) in ([2, 4, 8, 10, 12] as [Int64]).enumerated() {
      _ = link.accept(slot: UInt32(slot), length: ByteCount(1_514), at: ms(at))
      #expect(link.drainToTheEnd().map(\.time) == [ms(at)])
    }
  }

  @Test func `opportunities at 0 and at the end of the file both count`() throws {
    var link = Link(try recorded("0\n4\n4\n"), random: SeededRandom(seed: 1))
    for slot in 0..<7 { _ = link.accept(slot: UInt32(slot), length: ByteCount(1_514), at: .zero) }
    #expect(link.drainToTheEnd().map(\.time) == [ms(0), ms(4), ms(4), ms(4), ms(8), ms(8), ms(8)])
  }

  @Test(arguments: 0..<20) func `a busy line has the trace's mean rate`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var time: UInt64 = 0
    var text = ""
    for _ in 0..<500 {
      time += random.below(6)
      text += "\(time)\n"
    }
    let trace = try DeliveryTrace(parsing: Array(text.utf8))
    var link = Link(
      conditions {
        $0.line = .trace(trace)
        $0.queue = .bytes(ByteCount(1 << 40))
      }, random: random)
    var bytes = 0
    while bytes < 4 * 500 * 1_514 {
      let length = Int(60 + random.below(2_000))
      _ = link.accept(slot: 0, length: ByteCount(length), at: .zero)
      bytes += length
    }
    let last = try #require(link.drainToTheEnd().last).time
    let rate = Double(bytes) * 8 / (last - .zero).inSeconds
    #expect(abs(rate / Double(trace.meanRate.bitsPerSecond) - 1) < 0.005, "seed \(seed)")
  }

  @Test func `a change of another attribute keeps the place in the recording`() throws {
    let before = try recorded("1\n3\n5\n7\n9\n")
    var link = Link(before, random: SeededRandom(seed: 1))
    _ = link.accept(slot: 0, length: ByteCount(2 * 1_514), at: .zero)
    var after = before
    after.delay = .milliseconds(100)
    link.change(to: after, at: ms(2))  // half of it has left
    #expect(link.drainToTheEnd().map(\.time) == [ms(103)])
  }

  @Test func `what a recording has sent of a packet stays sent when a rate takes over`() throws {
    var link = Link(try recorded("1\n3\n5\n7\n9\n"), random: SeededRandom(seed: 1))
    _ = link.accept(slot: 0, length: ByteCount(1_514 + 125), at: .zero)
    link.change(to: roomy(megabits(1)), at: ms(2))  // 1,000 bits are left
    #expect(link.drainToTheEnd().map(\.time) == [ms(3)])
  }

  @Test(arguments: [
    ("", 1, "no opportunity"), ("0\n0\n", 2, "no opportunity"), ("1\n2\nx\n", 3, "not a whole number"),
    ("5\n4\n", 2, "must not go back"), ("1\n\n-3\n", 3, "not a whole number"), ("86400001\n", 1, "beyond a day"),
    ("1 2\n", 1, "not a whole number"), ("1\r", 1, "not a whole number"),
  ])
  func `a broken file says in which line and what is wrong`(text: String, line: Int, what: String) {
    let error = #expect(throws: DeliveryTrace.ParseError.self) { try DeliveryTrace(parsing: Array(text.utf8)) }
    if case .malformed(let at, let why)? = error { #expect(at == line && why.contains(what)) }
  }

  @Test func `a file from another system, and one without a last newline, are fine`() throws {
    let one = try DeliveryTrace(parsing: Array("1\r\n2\r\n".utf8))
    #expect(one == (try DeliveryTrace(parsing: Array("1\n\n2".utf8))))
    #expect(one.meanRate == BitRate(bitsPerSecond: 2 * 1_514 * 8 * 500))
  }
}

@Suite struct `Conditions from a topology` {
  @Test func `the default queue is the bandwidth-delay product of both ways, and at least 30 ms`() {
    var link = Topology.Link(name: "l", a: 0, b: 1)
    link.apply(.rate(.init(.fixed(megabits(8)), .fixed(megabits(80)))))
    link.apply(.delay(.init(.milliseconds(40), .milliseconds(60))))
    #expect(LinkConditions(link, .forward, traces: [:]).queueLimit == ByteCount(100_000))
    #expect(LinkConditions(link, .backward, traces: [:]).queueLimit == ByteCount(1_000_000))
    link.apply(.delay(.init(both: .milliseconds(1))))
    #expect(LinkConditions(link, .forward, traces: [:]).queueLimit == ByteCount(30_000))
    link.apply(.queue(.init(both: .bytes(ByteCount(7_000)))))
    #expect(LinkConditions(link, .forward, traces: [:]).queueLimit == ByteCount(7_000))
  }

  @Test func `every attribute arrives in its direction`() throws {
    let trace = try DeliveryTrace(parsing: Array("1\n".utf8))
    var link = Topology.Link(name: "l", a: 0, b: 1, mtu: ByteCount(1_400))
    link.apply(.rate(.init(.trace("up"), .fixed(megabits(3)))))
    link.apply(.jitter(.init(.milliseconds(1), .milliseconds(2)), reorders: true))
    link.apply(.loss(.init(percent(1), percent(2)), burst: 7))
    link.apply(.duplicate(.init(percent(3), percent(4))))
    link.apply(.corrupt(.init(percent(5), percent(6))))
    let there = LinkConditions(link, .forward, traces: ["up": trace])
    let back = LinkConditions(link, .backward, traces: ["up": trace])
    #expect(there.line == .trace(trace) && back.line == .fixed(megabits(3)))
    #expect(there.jitter == .milliseconds(1) && back.jitter == .milliseconds(2) && there.reorders && back.reorders)
    #expect(there.loss == percent(1) && back.loss == percent(2) && there.burst == 7)
    #expect(there.duplication == percent(3) && back.duplication == percent(4))
    #expect(there.corruption == percent(5) && back.corruption == percent(6))
    #expect(there.largestFrame == ByteCount(1_414))
  }

  @Test func `a plain link is a wire`() {
    let plain = LinkConditions(Topology.Link(name: "l", a: 0, b: 1), .forward, traces: [:])
    #expect(plain.line.isUnlimited && plain.delay == .zero && plain.largestFrame == nil)
  }
}

private func recorded(_ text: String) throws -> LinkConditions {
  let trace = try DeliveryTrace(parsing: Array(text.utf8))
  return conditions {
    $0.line = .trace(trace)
    $0.queue = .bytes(ByteCount(1 << 40))
  }
}
