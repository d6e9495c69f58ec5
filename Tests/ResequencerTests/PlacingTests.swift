import Primitives
import Testing
import Wire

@testable import Resequencer

@Suite struct `Where a datagram's bytes go` {
  /// A segment of plain bytes; what it means does not matter here.
  func datagram(
    lane: UInt16 = 0, segment: UInt32 = 0, _ range: Range<Int>, of length: Int = 1_000, segmentSize: UInt16 = 0,
    flags: Location.Flags = []
  ) -> SentDatagram {
    SentDatagram(
      location: Location(
        lane: lane, flags: flags, segment: segment, length: UInt32(length), offset: UInt32(range.lowerBound),
        segmentSize: segmentSize), text: [UInt8](repeating: 7, count: range.count), range: range)
  }

  @Test func `what has arrived is refused before it is opened`() {
    let receiver = Receiver()
    #expect(receiver.receive(datagram(100..<200), at: .zero) == .accepted)
    #expect(receiver.receive(datagram(100..<200), at: .zero) == .duplicate)
    #expect(receiver.receive(datagram(120..<180), at: .zero) == .duplicate)
    #expect(receiver.receive(datagram(50..<101), at: .zero) == .overlapping)
    #expect(receiver.receive(datagram(199..<300), at: .zero) == .overlapping)
    #expect(receiver.receive(datagram(50..<300), at: .zero) == .overlapping)
    #expect(receiver.receive(datagram(200..<300), at: .zero) == .accepted)
    #expect(receiver.receive(datagram(0..<100), at: .zero) == .accepted)
    #expect(receiver.receive(datagram(0..<300), at: .zero) == .duplicate)
    #expect(receiver.core.heldBytes == 300)
    let counters = receiver.core.counters
    #expect(counters.duplicate == 3 && counters.overlapping == 3 && counters.accepted == 3)
    receiver.core.audit()
  }

  @Test func `the last datagram of a segment that waits is taken once`() {
    let receiver = Receiver()
    for start in stride(from: 0, to: 1_000, by: 100) {
      #expect(receiver.receive(datagram(segment: 1, start..<start + 100), at: .zero) == .accepted)
    }
    #expect(receiver.receive(datagram(segment: 1, 900..<1_000), at: .zero) == .duplicate)
    #expect(receiver.receive(datagram(segment: 1, 0..<100), at: .zero) == .duplicate)
    receiver.core.audit()
  }

  @Test func `datagrams of one segment must agree about it`() {
    let receiver = Receiver()
    receiver.receive(datagram(0..<100), at: .zero)
    #expect(receiver.receive(datagram(100..<200, of: 1_001), at: .zero) == .contradiction)
    #expect(receiver.receive(datagram(100..<200, segmentSize: 1), at: .zero) == .contradiction)
    #expect(receiver.receive(datagram(100..<200, flags: .needsChecksum), at: .zero) == .contradiction)
    #expect(receiver.receive(datagram(100..<200), at: .zero) == .accepted)
  }

  @Test func `what makes no sense has its verdict`() {
    let receiver = Receiver(mostSegmentLength: 10_000, lanes: 8)
    #expect(receiver.receive(datagram(0..<1, of: 10_001), at: .zero) == .tooLong)
    #expect(receiver.receive(datagram(900..<1_001), at: .zero) == .outside)
    #expect(receiver.receive(datagram(5..<5), at: .zero) == .empty)
    #expect(receiver.receive(datagram(0..<5, of: 0), at: .zero) == .empty)
    #expect(receiver.receive(datagram(lane: 8, 0..<5), at: .zero) == .unknown)
    #expect(receiver.receive(datagram(0..<5, flags: .control), at: .zero) == .unknown)
    #expect(receiver.receive(datagram(0..<5, flags: Location.Flags(rawValue: 16)), at: .zero) == .unknown)
    var parity = datagram(0..<5)
    parity.location.extra = 1
    #expect(receiver.receive(parity, at: .zero) == .unknown)
    // A record that says more than there is, one that begins behind its bytes, one without bytes behind it.
    var record = datagram(100..<110, flags: .resumes)
    for text in [[0, 0, 0, 160, 1, 1], [101, 0, 0, 1, 9, 1], [0, 0, 0, 2, 9, 9], [0, 0, 0, 255, 9, 9]] as [[UInt8]] {
      record.text = text
      #expect(receiver.receive(record, at: .zero) == .badRecord)
    }
    record.text = [0, 0, 0, 2, 9, 9, 1]
    #expect(receiver.receive(record, at: .zero) == .accepted)
    #expect(receiver.receive(record, at: .zero) == .duplicate)
    receiver.core.audit()
  }

  @Test func `every second byte of a segment is refused at some point, and nothing grows`() {
    let receiver = Receiver()
    for index in 0..<SegmentPool.mostRanges {
      #expect(receiver.receive(datagram(index * 2..<index * 2 + 1), at: .zero) == .accepted)
    }
    #expect(receiver.receive(datagram(900..<901), at: .zero) == .fragmented)
    #expect(receiver.receive(datagram(63..<64), at: .zero) == .accepted)
    #expect(receiver.receive(datagram(1..<2), at: .zero) == .accepted)
    #expect(receiver.receive(datagram(900..<901), at: .zero) == .accepted)
    receiver.core.audit()
  }

  @Test func `what was given up is late`() {
    let receiver = Receiver()
    receiver.receive(datagram(segment: 1, 0..<100), at: .zero)
    receiver.run(until: .zero + .seconds(1))
    #expect(receiver.receive(datagram(segment: 0, 0..<1_000), at: .zero + .seconds(1)) == .late)
    #expect(receiver.receive(datagram(segment: 1, 100..<200), at: .zero + .seconds(1)) == .late)
    #expect(receiver.receive(datagram(segment: 2, 100..<200), at: .zero + .seconds(1)) == .accepted)
  }

  @Test func `segment numbers wrap`() {
    let receiver = Receiver(window: 8)
    var number = UInt32.max - 40
    for half in [number / 2, number] {
      receiver.receive(datagram(segment: half, 0..<1_000), at: .zero)
      receiver.run(until: .zero + .seconds(1))
    }
    for _ in 0..<80 {
      number &+= 1
      let packet = InnerPackets.echo(lane: 0, number: number &+ 1_000)
      let location = Location(lane: 0, segment: number, length: UInt32(packet.count), offset: 0, segmentSize: 0)
      receiver.receive(SentDatagram(location: location, text: packet, range: 0..<packet.count), at: .zero + .seconds(2))
    }
    receiver.drain()
    #expect(receiver.core.counters.segments == 82)
    #expect(receiver.core.counters.late == 0)
    #expect(receiver.core.heldBytes == 0)
  }

  // MARK: Before it is authentic

  @Test func `a forgery leaves no trace, whatever it says`() {
    for seed in UInt64(0)..<300 {
      var random = SeededRandom(seed: seed)
      let receiver = Receiver(memory: 256 << 10, mostSegmentLength: 20_000, lanes: 4, window: 8)
      for _ in 0..<random.below(60) {
        let length = 1 + Int(random.below(20_000))
        let start = Int(random.below(UInt64(length)))
        let range = start..<min(length, start + 1 + Int(random.below(1_000)))
        receiver.receive(
          datagram(lane: UInt16(random.below(4)), segment: UInt32(random.below(12)), range, of: length), at: .zero)
      }
      for _ in 0..<20 {
        let location = Location(
          lane: UInt16(random.below(5)), flags: Location.Flags(rawValue: UInt8(random.below(16))),
          segment: UInt32(truncatingIfNeeded: random.next() >> random.below(64)), length: UInt32(random.below(21_000)),
          offset: UInt32(random.below(21_000)), segmentSize: UInt16(random.below(3)))
        let before = receiver.core.digest()
        receiver.receiveForged(location, length: Int(random.below(1_500)), at: .zero)
        #expect(receiver.core.digest() == before, "seed \(seed): \(location)")
        receiver.core.audit()
      }
    }
  }

  @Test func `a forgery does not change bytes that have arrived`() {
    let receiver = Receiver()
    let packet = InnerPackets.tcp(.ipv4, lane: 0, sequence: 1, payload: 2_000, partial: true)
    let segment = SentSegment(
      lane: 0, number: 0, bytes: packet,
      entries: [.init(range: 0..<packet.count, headerLength: 52, isStream: true, isSuper: true)], segmentSize: 500,
      needsChecksum: true)
    for one in segment.datagrams(of: 0..<packet.count, payload: 300) {
      receiver.receiveForged(one.location, length: one.text.count, at: .zero)
      receiver.receive(one, at: .zero)
      receiver.receiveForged(one.location, length: one.text.count, at: .zero)
      receiver.receiveForged(segment.location(at: 0, resumes: false), length: packet.count, at: .zero)
    }
    receiver.drain()
    #expect(receiver.ledger.complaints.isEmpty && receiver.ledger.streamBytes == 2_000)
  }

  // MARK: Memory

  @Test func `one greedy peer leaves room for another`() throws {
    let receiver = Receiver(memory: 1 << 20, mostSegmentLength: 60_000, lanes: 8, window: 256)
    var segment: UInt32 = 1
    while receiver.receive(datagram(segment: segment, 0..<10, of: 60_000), at: .zero) == .accepted { segment += 1 }
    #expect(segment > 4)
    let other = try #require(receiver.open())
    let location = Location(lane: 0, segment: 1, length: 60_000, offset: 0, segmentSize: 0)
    guard case .into(_, let claim) = receiver.core.place(location, textLength: 10, from: other, at: .zero) else {
      Issue.record("the second peer found no room")
      return
    }
    receiver.core.accept(claim, path: 0, congestion: false, at: .zero)
    receiver.core.audit()
  }

  @Test func `when memory ends, what has waited longest leaves, and it goes on`() {
    let receiver = Receiver(memory: 1 << 20, mostSegmentLength: 60_000, lanes: 8, window: 256)
    var refused = 0
    for segment in UInt32(1)..<100 {
      let verdict = receiver.receive(datagram(segment: segment, 0..<10, of: 60_000), at: .zero)
      if verdict != .accepted {
        #expect(verdict == .full)
        refused += 1
      }
      receiver.core.audit()
      receiver.drain()
    }
    // The window is given up before its last block is gone, so that what comes next finds one.
    #expect(refused == 0 && receiver.core.counters.holesByMemory > 0)
    receiver.run(until: .zero + .seconds(1))
    #expect(receiver.core.pool.bytesInUse == 0)
  }

  @Test func `while writes are slow what finds no memory is refused, and counted`() {
    let receiver = Receiver(memory: 1 << 20, mostSegmentLength: 60_000, lanes: 8, window: 256)
    for segment in UInt32(1)..<100 {
      receiver.receive(datagram(segment: segment, 0..<10, of: 60_000), at: .zero)
      receiver.core.audit()
    }
    let counters = receiver.core.counters
    #expect(counters.full > 0 && counters.full + counters.accepted == 99)
    // One was given up when memory became short; more would not have helped as long as it has not left.
    #expect(counters.holesByMemory == 2)
    receiver.drain()
    receiver.run(until: .zero + .seconds(1))
    #expect(receiver.core.pool.bytesInUse == 0)
  }

  @Test func `a peer that starts anew counts from zero, one that goes leaves nothing`() throws {
    let receiver = Receiver()
    receiver.receive(datagram(segment: 3, 0..<10), at: .zero)
    receiver.receive(datagram(lane: 2, segment: 0, 0..<10), at: .zero)
    receiver.core.reset(receiver.set)
    receiver.core.audit()
    #expect(receiver.core.heldBytes == 0 && receiver.core.deadline == nil && receiver.core.pool.bytesInUse == 0)
    let packet = InnerPackets.echo(lane: 0, number: 1)
    let whole = SentDatagram(
      location: Location(lane: 0, segment: 0, length: UInt32(packet.count), offset: 0, segmentSize: 0), text: packet,
      range: 0..<packet.count)
    #expect(receiver.receive(whole, at: .zero) == .accepted)
    receiver.core.close(receiver.set)
    #expect(receiver.core.nextDelivery() == nil && receiver.core.pool.bytesInUse == 0)
    #expect(receiver.receive(whole, at: .zero) == .closed)
    let again = try #require(receiver.open())
    #expect(again != receiver.set)
    _ = try #require(receiver.open())
    #expect(receiver.open() == nil)
    receiver.core.audit()
  }
}
