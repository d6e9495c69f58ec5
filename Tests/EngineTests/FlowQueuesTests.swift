import Packets
import Primitives
import Testing

@testable import Engine

@Suite struct `Packets that wait` {
  @Test(arguments: 0..<150) func `leave once, and in order within their flow`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var station = Station(flows: 1 + Int(random.below(20)), mostWaiting: 8 + Int(random.below(200)), seed: seed)
    var expected: [[UInt32]] = station.slots.map { _ in [] }
    var number: UInt32 = 1
    for step in 0..<400 {
      let context = Comment("seed \(seed), step \(step)")
      if random.below(3) > 0 {
        let flow = Int(random.below(UInt64(station.slots.count)))
        let verdict = station.append(
          number, to: flow, segmentSize: random.below(4) == 0 ? 1_400 : 0, needsChecksum: random.below(3) > 0,
          isUrgent: random.below(3) == 0)
        let isFull = station.queues.waiting == station.queues.mostWaiting
        if verdict == .queued { expected[flow].append(number) } else if verdict == .full { #expect(isFull, context) }
        if verdict == .flowFull { #expect(expected[flow].count == station.queues.mostOfOneFlow, context) }
        number += 1
      } else if random.below(8) == 0, let flow = station.queues.nextFlow() {
        station.queues.postpone(flow)
      } else if let (flow, run) = station.take(mostBytes: 1 + Int(random.below(200_000))) {
        #expect(Array(expected[flow].prefix(run.count)) == run.map(\.length), context)
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
      #expect(Array(expected[flow].prefix(run.count)) == run.map(\.length), "seed \(seed), at the end")
      expected[flow].removeFirst(min(run.count, expected[flow].count))
    }
    #expect(expected.allSatisfy { $0.isEmpty }, "seed \(seed)")
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
      let run = station.queues.takeRun(of: flow, mostBytes: most, in: &station.table)
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
    var station = Station(flows: count, mostWaiting: 2 * count, seed: 1)
    for _ in 0..<2 { for flow in 0..<count { _ = station.append(20_000, to: flow, segmentSize: 1_400) } }
    var wrong = 0
    // A turn is one packet here, since its bytes are more than a round's.
    for turn in 0..<(2 * count) {
      guard let slot = station.queues.nextFlow() else { return #expect(Bool(false), "nothing waits in turn \(turn)") }
      let run = station.queues.takeRun(of: slot, mostBytes: 30_000, in: &station.table)
      if slot != station.slots[turn % count] || run.packets.count != 1 { wrong += 1 }
    }
    #expect(wrong == 0 && station.queues.nextFlow() == nil && station.queues.waiting == 0)
  }

  @Test func `is an urgent packet's before all that waits`() {
    var station = Station(flows: 4, mostWaiting: 400, seed: 1)
    for flow in 0..<3 { for _ in 0..<5 { _ = station.append(60_000, to: flow) } }
    _ = station.append(60, to: 3, isUrgent: true)
    #expect(station.take(mostBytes: 100_000)?.flow == 3)
    // While its round lasts it is like the others; after that it may be urgent again.
    while station.take(mostBytes: 100_000) != nil {}
    _ = station.append(60_000, to: 0)
    _ = station.append(60, to: 3, isUrgent: true)
    #expect(station.take(mostBytes: 100_000)?.flow == 3)
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
      guard let (flow, run) = station.take(mostBytes: 3_000) else { continue }
      let bytes = run.reduce(0) { $0 + Int($1.length) }
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

/// Some flows with a queue each.
private struct Station: ~Copyable {
  private let memory: ZeroMemory
  private let queueMemory: ZeroMemory
  var table: FlowTable
  var queues: FlowQueues
  let slots: [UInt32]

  init(flows: Int, mostWaiting: Int, seed: UInt64) {
    memory = ZeroMemory(FlowTable.bytes(for: flows))
    queueMemory = ZeroMemory(FlowQueues.bytes(flows: flows))
    table = FlowTable(memory: memory.bytes, capacity: flows, random: seed)
    queues = FlowQueues(memory: queueMemory.bytes, mostWaiting: mostWaiting)
    var slots: [UInt32] = []
    for index in 0..<flows {
      if let slot = table.note(Specimen.key(index), bytes: 0, at: .zero) { slots.append(slot) }
    }
    self.slots = slots
  }

  mutating func append(
    _ length: UInt32, to flow: Int, payload: UInt16 = 0, segmentSize: UInt16 = 0, needsChecksum: Bool = true,
    isUrgent: Bool = false
  ) -> FlowQueues.Verdict {
    let packet = WaitingPacket(
      bytes: UnsafeRawPointer(memory.bytes.baseAddress!), length: length, payloadLength: payload,
      segmentSize: segmentSize, buffer: 0, needsChecksum: needsChecksum)
    return queues.append(packet, to: slots[flow], isUrgent: isUrgent, in: &table)
  }

  /// The next run, and whose it is.
  mutating func take(mostBytes: Int) -> (flow: Int, packets: [WaitingPacket])? {
    guard let slot = queues.nextFlow(), let flow = slots.firstIndex(of: slot) else { return nil }
    return (flow, Array(queues.takeRun(of: slot, mostBytes: mostBytes, in: &table).packets))
  }
}
