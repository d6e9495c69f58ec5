import Packets
import Primitives
import Testing
import Wire

@testable import Resequencer

@Suite struct `What is delivered around a hole` {
  @Test func `one lost datagram costs its own bytes only`() {
    let receiver = Receiver()
    let packet = InnerPackets.tcp(.ipv4, lane: 0, sequence: 5_000, payload: 9_000, partial: true)
    let segment = SentSegment(
      lane: 0, number: 0, bytes: packet,
      entries: [.init(range: 0..<packet.count, headerLength: 52, isStream: true, isSuper: true)], segmentSize: 500,
      needsChecksum: true)
    for (index, datagram) in segment.datagrams(of: 0..<packet.count, payload: 1_000).enumerated() where index != 4 {
      receiver.receive(datagram, at: .zero)
    }
    #expect(receiver.core.nextDelivery() == nil)
    receiver.run(until: .zero + .seconds(1))
    #expect(receiver.ledger.complaints.isEmpty)
    #expect(receiver.ledger.streamBytes == 8_000)
    let counters = receiver.core.counters
    #expect(counters.deliveries == 2 && counters.holesByPatience == 1 && counters.missingBytes == 1_000)
    #expect(counters.salvagedBytes == 8_000 && counters.strandedBytes == 0 && counters.damagedPackets == 1)
  }

  @Test func `a part whose predecessor is lost is read by its resume record`() {
    let receiver = Receiver()
    let packet = InnerPackets.tcp(.ipv6, lane: 0, sequence: 77, payload: 9_000, partial: true)
    let segment = SentSegment(
      lane: 0, number: 0, bytes: packet,
      entries: [.init(range: 0..<packet.count, headerLength: 72, isStream: true, isSuper: true)], segmentSize: 500,
      needsChecksum: true)
    for datagram in segment.datagrams(of: 4_000..<packet.count, payload: 1_000) {
      receiver.receive(datagram, at: .zero)
    }
    receiver.run(until: .zero + .seconds(1))
    #expect(receiver.ledger.complaints.isEmpty)
    #expect(receiver.ledger.streamBytes == packet.count - 4_000)
    #expect(receiver.core.counters.missingBytes == 4_000 - 72)
  }

  @Test func `of a UDP super-packet whole datagrams are saved`() {
    let receiver = Receiver()
    let packet = InnerPackets.udp(
      .ipv4, lane: 0, number: 1, count: 20, size: 300, lastSize: 40, partial: true)
    let segment = SentSegment(
      lane: 0, number: 0, bytes: packet,
      entries: [.init(range: 0..<packet.count, headerLength: 28, isStream: false, isSuper: true)], segmentSize: 300,
      needsChecksum: true)
    for (index, datagram) in segment.datagrams(of: 0..<packet.count, payload: 1_000).enumerated() where index != 2 {
      receiver.receive(datagram, at: .zero)
    }
    receiver.run(until: .zero + .seconds(1))
    #expect(receiver.ledger.complaints.isEmpty)
    // Bytes 2,000 ..< 3,000 are lost: datagrams 6 (from 1,828) to 9 (up to 3,028), counted from 0.
    #expect(receiver.ledger.datagrams == 16)
    #expect(receiver.core.counters.strandedBytes == (2_000 - 1_828) + (3_028 - 3_000))
  }

  @Test func `packets behind a lost header are not guessed`() {
    let receiver = Receiver()
    // A payload that looks like a packet, behind a packet whose header is lost.
    let inner = InnerPackets.udp(.ipv4, lane: 0, number: 9, count: 1, size: 60, lastSize: 60, partial: false)
    let outer = InnerPackets.udp(.ipv4, lane: 0, number: 1, count: 1, size: 100, lastSize: 100, partial: false)
    let bytes = outer + inner
    func location(_ offset: Int) -> Location {
      Location(lane: 0, segment: 0, length: UInt32(bytes.count), offset: UInt32(offset), segmentSize: 0)
    }
    receiver.receive(
      SentDatagram(location: location(outer.count), text: inner, range: outer.count..<bytes.count), at: .zero)
    receiver.run(until: .zero + .seconds(1))
    #expect(receiver.ledger.bytes == 0)
    #expect(receiver.core.counters.strandedBytes == UInt64(inner.count))

    // The same with an authentic word for it: a record without headers says where a packet begins.
    let next = Location(
      lane: 0, flags: .resumes, segment: 1, length: UInt32(bytes.count), offset: UInt32(outer.count), segmentSize: 0)
    let record: [UInt8] = [UInt8(outer.count), 0, 0, 0]
    receiver.receive(
      SentDatagram(location: next, text: record + inner, range: outer.count..<bytes.count), at: .zero + .seconds(1))
    receiver.run(until: .zero + .seconds(2))
    #expect(receiver.ledger.complaints.isEmpty)
    #expect(receiver.ledger.datagrams == 1)
  }

  @Test func `behind a lost datagram, one that begins with a packet is read again`() {
    let receiver = Receiver()
    let packets = (0..<5).map { number in
      InnerPackets.udp(.ipv4, lane: 0, number: number + 1, count: 1, size: 100, lastSize: 100, partial: false)
    }
    let bytes = packets.flatMap { $0 }
    let length = packets[0].count
    for number in [0, 3, 4] {
      let location = Location(
        lane: 0, flags: .begins, segment: 0, length: UInt32(bytes.count), offset: UInt32(number * length),
        segmentSize: 0)
      receiver.receive(
        SentDatagram(location: location, text: packets[number], range: number * length..<(number + 1) * length),
        at: .zero)
    }
    receiver.run(until: .zero + .seconds(1))
    #expect(receiver.ledger.complaints.isEmpty)
    #expect(receiver.ledger.datagrams == 3)
    #expect(receiver.core.counters.strandedBytes == 0)
    #expect(receiver.core.counters.missingBytes == UInt64(2 * length))
  }

  @Test(arguments: Array(0..<20))
  func `all that arrived and whose packet is known is delivered, and nothing else`(block: Int) {
    for seed in UInt64(block * 50)..<UInt64(block * 50 + 50) {
      var random = SeededRandom(seed: seed)
      var maker = SegmentMaker(lanes: 1, random: random.stream(named: "segment"))
      let segment = maker.next(lane: 0, mostPayload: 4_000)
      let receiver = Receiver()
      var arrived: [SentDatagram] = []
      for part in maker.parts(of: segment, 1 + Int(random.below(4))) {
        arrived += segment.datagrams(of: part, payload: 150 + Int(random.below(800)))
          .filter { _ in random.below(5) > 0 }
      }
      for datagram in arrived { receiver.receive(datagram, at: .zero) }
      receiver.run(until: .zero + .seconds(1))
      receiver.drain()
      #expect(receiver.ledger.complaints.isEmpty, "seed \(seed): \(receiver.ledger.complaints)")
      let expected = Salvageable(segment, arrived)
      #expect(receiver.ledger.streamBytes == expected.streamBytes, "seed \(seed)")
      #expect(receiver.ledger.datagrams == expected.datagrams, "seed \(seed)")
      #expect(receiver.core.heldBytes == 0)
    }
  }
}

/// What can be delivered of a segment, found out byte by byte and with the sender's knowledge of where packets are.
struct Salvageable {
  var streamBytes = 0
  var datagrams = 0

  init(_ segment: SentSegment, _ arrived: [SentDatagram]) {
    var isThere = Array(repeating: false, count: segment.bytes.count)
    var isKnownStart = Set([0])
    for datagram in arrived {
      for index in datagram.range { isThere[index] = true }
      if let start = datagram.resumesAt { isKnownStart.insert(start) }
    }
    for datagram in arrived {
      guard let start = datagram.resumesAt, let entry = segment.entries.first(where: { $0.range.lowerBound == start })
      else { continue }
      for index in start..<start + entry.headerLength { isThere[index] = true }
    }
    if arrived.isEmpty { return }
    var isReached = false
    for entry in segment.entries {
      let start = entry.range.lowerBound
      isReached = isReached || isKnownStart.contains(start)
      let payload = entry.range.dropFirst(entry.headerLength)
      guard isReached, entry.range.prefix(entry.headerLength).allSatisfy({ isThere[$0] }) else {
        isReached = false
        continue
      }
      let isWhole = payload.allSatisfy { isThere[$0] }
      if entry.isStream {
        if isWhole || entry.isSuper { streamBytes += payload.count { isThere[$0] } }
      } else if entry.isSuper {
        for piece in stride(from: payload.lowerBound, to: payload.upperBound, by: segment.segmentSize) {
          let end = min(piece + segment.segmentSize, payload.upperBound)
          if (piece..<end).allSatisfy({ isThere[$0] }) { datagrams += 1 }
        }
      } else if isWhole {
        datagrams += 1
      }
    }
  }
}
