import Packets
import Primitives
import Testing
import Wire

@testable import Resequencer

@Suite struct `How long a hole is waited for` {
  /// Whole segments of one small packet.
  func packet(_ segment: UInt32, lane: UInt16 = 0, path: UInt8 = 0) -> SentDatagram {
    let bytes = InnerPackets.echo(lane: lane, number: segment + 1)
    var datagram = SentDatagram(
      location: Location(lane: lane, segment: segment, length: UInt32(bytes.count), offset: 0, segmentSize: 0),
      text: bytes, range: 0..<bytes.count)
    datagram.path = path
    return datagram
  }

  func milliseconds(_ number: Int64) -> Instant { .zero + .milliseconds(number) }

  @Test func `what is in order never waits`() {
    let receiver = Receiver()
    for segment in UInt32(0)..<100 {
      receiver.receive(packet(segment), at: .zero)
      #expect(receiver.core.deadline == nil && receiver.core.lanes.inUse == 0)
      #expect(receiver.packets().count == 1)
    }
  }

  @Test func `patience counts from what has waited longest`() {
    let receiver = Receiver()
    receiver.core.setPatience(.milliseconds(50), for: receiver.set)
    receiver.receive(packet(1), at: milliseconds(10))
    receiver.receive(packet(3), at: milliseconds(30))
    #expect(receiver.core.deadline == milliseconds(60))
    receiver.core.expire(at: milliseconds(59))
    #expect(receiver.core.nextDelivery() == nil)
    receiver.core.expire(at: milliseconds(60))
    #expect(receiver.packets().count == 1)
    #expect(receiver.core.deadline == milliseconds(80))
    receiver.core.setPatience(.milliseconds(40), for: receiver.set)
    #expect(receiver.core.deadline == milliseconds(70))
    receiver.core.expire(at: milliseconds(70))
    #expect(receiver.packets().count == 1)
    #expect(receiver.core.deadline == nil)
    #expect(receiver.core.counters.holesByPatience == 2)
  }

  @Test func `a segment that still grows is not given up, nor what waits behind it`() {
    let receiver = Receiver()
    receiver.core.setPatience(.milliseconds(50), for: receiver.set)
    let whole = packet(0)
    receiver.receive(packet(1), at: milliseconds(1))
    var now: Int64 = 0
    for offset in stride(from: 0, to: whole.text.count - 4, by: 4) {
      var piece = whole
      piece.range = offset..<offset + 4
      piece.text = Array(whole.text[piece.range])
      piece.location.offset = UInt32(offset)
      receiver.receive(piece, at: milliseconds(now))
      now += 40
      receiver.core.expire(at: milliseconds(now - 1))
      receiver.core.audit()
    }
    #expect(receiver.core.counters.holesByPatience == 0 && receiver.core.deadline != nil)
    receiver.core.expire(at: milliseconds(now + 10))
    #expect(receiver.core.counters.holesByPatience == 1 && receiver.core.deadline == nil)
  }

  @Test func `a late part that comes in time fills the hole`() {
    let receiver = Receiver()
    for segment in [1, 2, 3] as [UInt32] { receiver.receive(packet(segment), at: .zero) }
    receiver.receive(packet(0), at: milliseconds(5))
    #expect(receiver.packets().count == 4)
    #expect(receiver.core.counters.holes == 0 && receiver.core.lanes.inUse == 0)
  }

  @Test func `a loss is proven when every path has delivered something later, and not before`() {
    let receiver = Receiver()
    receiver.core.setPaths(0b1011, for: receiver.set)
    receiver.receive(packet(1, path: 0), at: .zero)
    receiver.receive(packet(2, path: 1), at: .zero)
    receiver.receive(packet(3, path: 0), at: .zero)
    receiver.receive(packet(4, path: 2), at: .zero)  // not one of the three
    #expect(receiver.core.nextDelivery() == nil)
    receiver.receive(packet(5, path: 3), at: .zero)
    #expect(receiver.packets().count == 5)
    #expect(receiver.core.counters.holesByProof == 1 && receiver.core.lanes.inUse == 0)
  }

  @Test func `with two holes, what proves the second proves the first`() {
    let receiver = Receiver()
    receiver.core.setPaths(0b11, for: receiver.set)
    receiver.receive(packet(1, path: 0), at: .zero)
    receiver.receive(packet(3, path: 0), at: .zero)
    receiver.receive(packet(4, path: 1), at: .zero)
    #expect(receiver.packets().count == 3)
    #expect(receiver.core.counters.holesByProof == 2)
  }

  @Test func `within a segment, too, later bytes over every path prove a loss`() {
    let receiver = Receiver()
    receiver.core.setPaths(0b11, for: receiver.set)
    let bytes = InnerPackets.tcp(.ipv4, lane: 0, sequence: 9, payload: 4_000, partial: true)
    let segment = SentSegment(
      lane: 0, number: 0, bytes: bytes,
      entries: [.init(range: 0..<bytes.count, headerLength: 52, isStream: true, isSuper: true)], segmentSize: 500,
      needsChecksum: true)
    let first = segment.datagrams(of: 0..<2_000, payload: 500)
    let second = segment.datagrams(of: 2_000..<bytes.count, payload: 500)
    func receive(_ datagram: SentDatagram, path: UInt8) {
      var datagram = datagram
      datagram.path = path
      receiver.receive(datagram, at: .zero)
    }
    // Path 0 loses its second datagram, path 1 nothing.
    for datagram in second { receive(datagram, path: 1) }
    for index in [0, 2, 3] { receive(first[index], path: 0) }
    receiver.drain()
    #expect(receiver.core.counters.holesByProof == 1)
    #expect(receiver.ledger.streamBytes == 3_500)
    #expect(receiver.ledger.complaints.isEmpty)
  }

  @Test func `a segment whose end is missing waits for its path`() {
    let receiver = Receiver()
    receiver.core.setPaths(0b1, for: receiver.set)
    let bytes = InnerPackets.tcp(.ipv4, lane: 0, sequence: 9, payload: 1_000, partial: true)
    let segment = SentSegment(
      lane: 0, number: 0, bytes: bytes,
      entries: [.init(range: 0..<bytes.count, headerLength: 52, isStream: true, isSuper: true)], segmentSize: 500,
      needsChecksum: true)
    receiver.receive(segment.datagrams(of: 0..<bytes.count, payload: 700)[0], at: .zero)
    #expect(receiver.core.deadline == Instant.zero + Resequencer.firstPatience)
    receiver.receive(packet(1, path: 0), at: milliseconds(1))
    receiver.drain()
    #expect(receiver.core.counters.holesByProof == 1 && receiver.ledger.streamBytes == 648)
    #expect(receiver.ledger.datagrams == 1)
  }

  @Test func `a sender far ahead moves the window, and nothing loops over what it skipped`() {
    let receiver = Receiver(window: 16)
    receiver.receive(packet(3), at: .zero)
    receiver.receive(packet(5), at: .zero)
    receiver.receive(packet(2_000_000_000), at: .zero)
    #expect(receiver.packets().count == 2)
    #expect(receiver.core.counters.holesByOverrun == 2_000_000_000 - 15 - 2)
    receiver.core.audit()
    receiver.run(until: milliseconds(1_000))
    #expect(receiver.core.counters.holesByPatience == 15)
    #expect(receiver.core.heldBytes == 0)
  }

  @Test func `many lanes with holes have one deadline after the other`() {
    let receiver = Receiver(memory: 32 << 20, lanes: 1_000)
    for lane in UInt16(0)..<1_000 {
      receiver.receive(packet(1, lane: lane), at: .zero + .microseconds(Int64(lane)))
    }
    #expect(receiver.core.lanes.inUse == 1_000)
    receiver.core.audit()
    for lane in Int64(0)..<1_000 {
      let due = Instant.zero + Resequencer.firstPatience + Interval.microseconds(lane)
      #expect(receiver.core.deadline == due)
      receiver.core.expire(at: due)
      receiver.drain()
    }
    #expect(receiver.core.deadline == nil && receiver.core.counters.holesByPatience == 1_000)
  }

  @Test func `with no room for deliveries nothing is lost`() {
    let receiver = Receiver(deliveries: 3)
    for segment in UInt32(0)..<10 { receiver.receive(packet(segment), at: .zero) }
    var handles: [Delivery.Handle] = []
    while let delivery = receiver.core.nextDelivery() { handles.append(delivery.handle) }
    #expect(handles.count == 3)
    for handle in handles { receiver.core.finish(handle) }
    #expect(receiver.packets().count == 7)
    #expect(receiver.core.pool.bytesInUse == 0)
  }
}
