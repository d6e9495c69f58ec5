import Packets
import Primitives
import Testing

@testable import Engine

@Suite struct `Packets that wait` {
  @Test(arguments: 0..<150)
  func `leave once and in order within their flow, or are given up`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var station = Station(flows: 1 + Int(random.below(20)), mostWaiting: 8 + Int(random.below(200)), seed: seed)
    // Some stand for as long as CoDel never allows.
    let pause = [0, 10, 2_000, 30_000][Int(random.below(4))] as UInt64
    var expected: [[UInt16]] = station.slots.map { _ in [] }
    var number: UInt16 = 1
    /// Forgets what was given up. From the head: unless it is `among` those that leave, it is a flow's first.
    func collect(_ station: inout Station, among leaving: Int? = nil, _ context: Comment) {
      while let buffer = station.queues.nextGivenUp() {
        let flow = expected.firstIndex { $0.contains(buffer) }
        #expect(flow != nil, context)
        guard let flow else { continue }
        #expect(flow == leaving || expected[flow].first == buffer, context)
        expected[flow].removeAll { $0 == buffer }
      }
    }
    for step in 0..<600 {
      let context = Comment("seed \(seed), step \(step)")
      station.now += .microseconds(Int64(random.below(pause + 1)))
      if random.below(5) > 1 {
        let flow = Int(random.below(UInt64(station.slots.count)))
        let verdict = station.append(
          1 + UInt32(random.below(9_000)), to: flow, buffer: number, segmentSize: random.below(4) == 0 ? 1_400 : 0,
          needsChecksum: random.below(3) > 0, isUrgent: random.below(3) == 0)
        collect(&station, context)
        if verdict == .queued { expected[flow].append(number) }
        if verdict == .full { #expect(expected[flow].isEmpty, context) }
        if verdict == .flowFull { #expect(expected[flow].count == station.queues.mostOfOneFlow, context) }
        number += 1
      } else if random.below(8) == 0, let flow = station.queues.nextFlow() {
        station.queues.postpone(flow)
      } else if let (flow, run) = station.take(mostBytes: 1 + Int(random.below(200_000))) {
        collect(&station, among: flow, context)
        #expect(!run.isEmpty && Array(expected[flow].prefix(run.count)) == run.map(\.buffer), context)
        expected[flow].removeFirst(min(run.count, expected[flow].count))
      } else {
        #expect(expected.allSatisfy { $0.isEmpty }, context)
      }
      let waiting = expected.map(\.count).reduce(0, +)
      #expect(station.queues.waiting == waiting && waiting <= station.queues.mostWaiting, context)
      for (flow, slot) in station.slots.enumerated() {
        #expect(Int(station.table[slot].waiting) == expected[flow].count, context)
        #expect(station.queues.waiting(of: slot) == expected[flow].count, context)
      }
    }
    while let (flow, run) = station.take(mostBytes: 100_000) {
      collect(&station, among: flow, "seed \(seed), at the end")
      #expect(Array(expected[flow].prefix(run.count)) == run.map(\.buffer), "seed \(seed), at the end")
      expected[flow].removeFirst(min(run.count, expected[flow].count))
    }
    #expect(expected.allSatisfy { $0.isEmpty } && station.queues.waitingBytes == 0, "seed \(seed)")
  }

  @Test(arguments: 0..<100) func `leave in runs that the far side can tell apart`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var station = Station(flows: 3, mostWaiting: 500, seed: seed)
    for _ in 0..<300 {
      let size: UInt16 = [0, 0, 1_200, 1_400][Int(random.below(4))]
      let payload = size > 0 ? size + UInt16(random.below(40_000)) : UInt16(random.below(1_500))
      _ = station.append(
        UInt32(payload) + 40, to: Int(random.below(3)), payload: payload, segmentSize: size,
        needsChecksum: size > 0 || random.below(2) == 0)
    }
    while let flow = station.queues.nextFlow() {
      let most = 1 + Int(random.below(150_000))
      let run = station.queues.takeRun(of: flow, mostBytes: most, in: &station.table, at: station.now)
      #expect(!run.packets.isEmpty && run.length == run.packets.reduce(0) { $0 + Int($1.length) })
      #expect(run.length <= most || run.packets.count == 1)
      for packet in run.packets {
        #expect(packet.needsChecksum == run.needsChecksum, "seed \(seed)")
        // The far side sees a super-packet where the payload is longer than the segment's size.
        let looksSuper = run.segmentSize > 0 && run.needsChecksum && packet.payloadLength > run.segmentSize
        #expect(looksSuper == (packet.segmentSize > 0), "seed \(seed)")
        #expect(packet.segmentSize == 0 || packet.segmentSize == run.segmentSize, "seed \(seed)")
      }
    }
  }

  @Test func `leave together when they can: a window of super-packets and its short end`() {
    var station = Station(flows: 1, mostWaiting: 64, seed: 1)
    for payload in [61_600, 61_600, 20_000, 900] as [UInt16] {
      _ = station.append(UInt32(payload) + 52, to: 0, payload: payload, segmentSize: payload > 1_400 ? 1_400 : 0)
    }
    let run = station.take(mostBytes: 188_496)
    #expect(run?.packets.map(\.length) == [61_652, 61_652, 20_052, 952] && station.queues.nextFlow() == nil)
  }

  @Test func `leave alone when they are longer than what is asked for`() {
    var station = Station(flows: 1, mostWaiting: 64, seed: 1)
    for _ in 0..<2 { _ = station.append(60_000, to: 0) }
    #expect(station.take(mostBytes: 1_000)?.packets.count == 1 && station.take(mostBytes: 1_000)?.packets.count == 1)
  }

  @Test func `find room for every flow, however much one of them sends`() {
    var station = Station(flows: 3, mostWaiting: 40, seed: 1)
    var queued = 0
    for _ in 0..<1_000 where station.append(1_500, to: 0) == .queued { queued += 1 }
    #expect(queued == 10 && station.queues.counters.flowFull == 990)
    #expect(station.append(1_500, to: 1) == .queued && station.queues.counters.queued == 11)
    for flow in 1...2 { for _ in 0..<20 { _ = station.append(1_500, to: flow) } }
    // 30 of three flows wait now; the pool is never beyond its bound.
    #expect(station.queues.waiting == 30 && station.queues.counters.full == 0)
  }

  @Test func `make room for a new flow at the cost of the one with the most bytes`() {
    var station = Station(flows: 6, mostWaiting: 40, seed: 1)
    for flow in 0..<4 { for _ in 0..<10 { _ = station.append(flow == 2 ? 1_500 : 100, to: flow) } }
    #expect(station.queues.waiting == 40)
    #expect(station.append(60, to: 4, isUrgent: true) == .queued)
    #expect(station.queues.waiting(of: station.slots[2]) == 9 && station.queues.waiting == 40)
    // Who would have the most of all makes room himself, and finds none when he has nothing yet.
    #expect(station.append(60_000, to: 0) == .flowFull && station.append(60_000, to: 5) == .full)
    #expect(station.append(60_000, to: 4) == .queued && station.queues.waiting(of: station.slots[4]) == 1)
    #expect(station.queues.counters.evicted == 2 && station.queues.counters.full == 1)
  }

  /// What is taken away is never of a flow that has less than another.
  @Test(arguments: 0..<60) func `never are more bytes than may wait, and the greatest flow pays`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let bound = FlowQueues.leastBytes + Int(random.below(400_000))
    var station = Station(flows: 12, mostWaiting: 2_000, mostBytes: bound, seed: seed)
    var waiting: [[(buffer: UInt16, length: Int)]] = Array(repeating: [], count: 12)
    func bytes(_ flow: Int) -> Int { waiting[flow].reduce(0) { $0 + $1.length } }
    for number in 1...2_000 as ClosedRange<UInt16> {
      let flow = Int(min(random.below(12), random.below(12)))
      let length = UInt32([60, 1_500, 9_000, 65_000][Int(random.below(4))])
      let verdict = station.append(length, to: flow, buffer: number)
      while let buffer = station.queues.nextGivenUp() {
        let payer = waiting.firstIndex { $0.contains { $0.buffer == buffer } } ?? 0
        let most = waiting.indices.map { bytes($0) + ($0 == flow ? Int(length) : 0) }.max() ?? 0
        #expect(bytes(payer) + (payer == flow ? Int(length) : 0) == most, "seed \(seed), packet \(number)")
        #expect(waiting[payer].first?.buffer == buffer, "seed \(seed), packet \(number)")
        waiting[payer].removeFirst()
      }
      if verdict == .queued { waiting[flow].append((number, Int(length))) }
      let sum = waiting.indices.reduce(0) { $0 + bytes($1) }
      #expect(station.queues.waitingBytes == sum && sum <= bound, "seed \(seed), packet \(number)")
    }
    #expect(station.queues.counters.evicted > 0, "seed \(seed)")
  }
}

@Suite struct `Whose turn it is` {
  /// All flows always have more waiting; each is served again before the others took more than their turns.
  @Test(arguments: 0..<60) func `comes to everyone, and bytes are shared evenly`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let count = 2 + Int(random.below(30))
    var station = Station(flows: count, mostWaiting: count * 40, seed: seed)
    let lengths = (0..<count).map { _ in [60, 1_500, 9_000, 62_000][Int(random.below(4))] as UInt32 }
    var served = [Int](repeating: 0, count: count)
    func fill(_ station: inout Station) {
      for flow in 0..<count {
        while station.queues.waiting(of: station.slots[flow]) < min(8, station.queues.mostOfOneFlow) {
          // Every second flow says that all its packets are urgent; that must not help it for long.
          if station.append(lengths[flow], to: flow, isUrgent: flow % 2 == 0) != .queued { break }
        }
      }
    }
    let most = 188_496
    for _ in 0..<(400 * count) {
      fill(&station)
      guard let (flow, run) = station.take(mostBytes: most) else { continue }
      served[flow] += run.reduce(0) { $0 + Int($1.length) }
    }
    // Nobody is behind another by more than a turn and one overdraft.
    let bound = FlowQueues.quantum + most
    #expect((served.max() ?? 0) - (served.min() ?? 0) <= 2 * bound, "seed \(seed): \(served)")
    #expect(served.allSatisfy { $0 > 0 }, "seed \(seed): \(served)")
  }

  @Test func `comes once to each of 100,000 flows before it comes to anyone again`() {
    let count = 100_000
    var station = Station(flows: count, mostWaiting: 2 * count, mostBytes: 4_000_000_000, seed: 1)
    for _ in 0..<2 { for flow in 0..<count { _ = station.append(20_000, to: flow, segmentSize: 1_400) } }
    var wrong = 0
    // A turn is one packet here, since its bytes are more than a round's.
    for turn in 0..<(2 * count) {
      guard let slot = station.queues.nextFlow() else { return #expect(Bool(false), "nothing waits in turn \(turn)") }
      let run = station.queues.takeRun(of: slot, mostBytes: 30_000, in: &station.table, at: station.now)
      if slot != station.slots[turn % count] || run.packets.count != 1 { wrong += 1 }
    }
    #expect(wrong == 0 && station.queues.nextFlow() == nil && station.queues.waiting == 0)
  }

  @Test func `is an urgent packet's before all that waits`() {
    var station = Station(flows: 4, mostWaiting: 400, seed: 1)
    for flow in 0..<3 { for _ in 0..<5 { _ = station.append(60_000, to: flow) } }
    _ = station.append(60, to: 3, isUrgent: true)
    let rate = BitRate(bitsPerSecond: 10_000_000)
    #expect(station.take(mostBytes: 100_000, rate: rate)?.flow == 3)
    _ = station.queues.nextFlow()
    // 60 bytes of each of the three others, and of its own, are 192 µs.
    station.now = station.now + .microseconds(191)
    _ = station.append(60, to: 3, isUrgent: true)
    #expect(station.take(mostBytes: 100_000, rate: rate)?.flow == 0)
    while station.take(mostBytes: 100_000, rate: rate) != nil {}
    _ = station.append(60_000, to: 0)
    station.now = station.now + .microseconds(1)
    _ = station.append(60, to: 3, isUrgent: true)
    #expect(station.take(mostBytes: 100_000, rate: rate)?.flow == 3)
  }

  @Test func `is a call's at once when no other may leave for a while`() {
    var station = Station(flows: 2, mostWaiting: 400, seed: 1)
    let rate = BitRate(bitsPerSecond: 10_000_000)
    for _ in 0..<5 { _ = station.append(60_000, to: 0) }
    for _ in 0..<50 {
      _ = station.append(200, to: 1, isUrgent: true)
      let flow = station.take(mostBytes: 6_000, rate: rate)?.flow
      #expect(flow == 1)
      // The other one cannot leave: a gateway asks whose turn it is, and waits.
      let next = station.queues.nextFlow()
      #expect(next == station.slots[0])
      station.now = station.now + .milliseconds(10)
    }
  }

  /// A flood whose packets come while the last one still waits, or each only when it is known that nothing of it waits.
  @Test(arguments: [false, true]) func `is not an urgent flood's alone`(comesOneByOne: Bool) {
    var station = Station(flows: 2, mostWaiting: 400, seed: 1)
    var bulk = 0
    var flood = 0
    for _ in 0..<2_000 {
      while station.queues.waiting(of: station.slots[1]) < 4 { _ = station.append(1_500, to: 1) }
      if comesOneByOne { _ = station.queues.nextFlow() }
      _ = station.append(200, to: 0, isUrgent: true)
      guard let (flow, run) = station.take(mostBytes: 3_000, rate: BitRate(bitsPerSecond: 8_000_000)) else { continue }
      let bytes = run.reduce(0) { $0 + Int($1.length) }
      station.now = station.now + .microseconds(Int64(bytes))
      if flow == 0 { flood += bytes } else { bulk += bytes }
    }
    #expect(bulk + FlowQueues.quantum >= flood && flood > 0, "the flood has \(flood) bytes, the others \(bulk)")
  }

  @Test func `passes on when its flow cannot leave`() {
    var station = Station(flows: 3, mostWaiting: 40, seed: 1)
    for flow in 0..<3 { _ = station.append(1_000, to: flow) }
    var seen: [UInt32] = []
    for _ in 0..<3 {
      guard let flow = station.queues.nextFlow() else { continue }
      seen.append(flow)
      station.queues.postpone(flow)
    }
    #expect(seen == station.slots)
  }
}
