import Packets
import Primitives
import Testing
import Wire

@testable import Resequencer

@Suite struct `How packets leave` {
  func segment(_ packets: [[UInt8]], segmentSize: Int = 0, needsChecksum: Bool = false) -> SentSegment {
    SentSegment(
      lane: 0, number: 0, bytes: packets.flatMap { $0 }, entries: [], segmentSize: segmentSize,
      needsChecksum: needsChecksum)
  }

  func receive(_ segment: SentSegment, congested: Range<Int>? = nil) -> Receiver {
    let receiver = Receiver()
    for datagram in segment.datagrams(of: 0..<segment.bytes.count, payload: 100) {
      let isCongested = congested.map { $0.overlaps(datagram.range) } ?? false
      receiver.receive(datagram, congestion: isCongested, at: .zero)
    }
    return receiver
  }

  @Test func `a super-packet is one write, with what the adapter must know`() {
    let packet = InnerPackets.tcp(.ipv6, lane: 0, sequence: 1, payload: 3_000, partial: true)
    let packets = receive(segment([packet], segmentSize: 500, needsChecksum: true)).packets()
    #expect(packets.count == 1)
    let offload = packets[0].withUnsafeBytes { OffloadHeader($0) }
    #expect(offload?.segmentKind == OffloadHeader.tcpIPv6)
    #expect(offload?.segmentSize == 500)
    #expect(offload?.flags == OffloadHeader.needsChecksum)
    #expect(offload?.headerLength == 72)
    #expect(packets[0].dropFirst(OffloadHeader.length).elementsEqual(packet))
  }

  @Test(arguments: [IPAddress.Family.ipv4, .ipv6], [false, true])
  func `equal datagrams of a flow are one write`(family: IPAddress.Family, partial: Bool) {
    let row = (0..<5).map {
      InnerPackets.udp(
        family, lane: 0, number: UInt32($0 + 1), count: 1, size: 60, lastSize: $0 == 4 ? 30 : 60, partial: partial)
    }
    let other = InnerPackets.echo(lane: 0, number: 6)
    let receiver = receive(segment(row + [other], needsChecksum: partial))
    receiver.drain()
    #expect(receiver.ledger.complaints.isEmpty)
    #expect(receiver.ledger.datagrams == 6)
    let counters = receiver.core.counters
    #expect(counters.deliveries == 2 && counters.deliveredPackets == 6)
    #expect(counters.deliveredBytes == UInt64(row.reduce(other.count) { $0 + $1.count }))
  }

  @Test func `congestion of the underlay is passed on to the packets that met it, and to no others`() {
    func datagram(_ number: UInt32, ecn: UInt8) -> [UInt8] {
      InnerPackets.udp(.ipv4, lane: 0, number: number, count: 1, size: 150, lastSize: 150, partial: false, ecn: ecn)
    }
    // 178 bytes each. What is marked are bytes 300 ..< 400: the second and the third packet.
    let packets = [datagram(1, ecn: 2), datagram(2, ecn: 2), datagram(3, ecn: 0), datagram(4, ecn: 1)]
    let receiver = receive(segment(packets), congested: 300..<301)
    let received = receiver.packets().map { Array($0.dropFirst(OffloadHeader.length)) }
    #expect(received.map { $0[1] } == [2, 3, 0, 1])
    for packet in received { #expect(packet[..<20].withUnsafeBytes { Checksum($0).folded } == 0xffff) }
    #expect(receiver.core.counters.congested == 1)
  }

  @Test func `bytes that are no packet cost the rest of their segment`() {
    let good = InnerPackets.echo(lane: 0, number: 1)
    let receiver = receive(segment([good, [UInt8](repeating: 0, count: 50), good]))
    #expect(receiver.packets().count == 1)
    #expect(receiver.core.counters.malformedBytes == UInt64(50 + good.count))
    #expect(receiver.core.pool.bytesInUse == 0)
  }

  @Test func `a packet whose inside we cannot read passes`() {
    var odd = InnerPackets.tcp(.ipv4, lane: 0, sequence: 1, payload: 10, partial: false)
    odd[32] = 0xf0  // a TCP header longer than the packet
    let packets = receive(segment([odd, InnerPackets.echo(lane: 0, number: 1)])).packets()
    #expect(packets.count == 2)
    #expect(packets[0].dropFirst(OffloadHeader.length).elementsEqual(odd))
  }

  @Test(arguments: UInt64(0)..<200)
  func `whatever bytes a segment has, it ends`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var maker = SegmentMaker(lanes: 1, random: random.stream(named: "segment"))
    var segment = maker.next(lane: 0)
    for _ in 0..<1 + random.below(20) {
      segment.bytes[Int(random.below(UInt64(segment.bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
    }
    let receiver = Receiver()
    for part in maker.parts(of: segment, 3) {
      for var datagram in segment.datagrams(of: part, payload: 400) where random.below(6) > 0 {
        if datagram.resumesAt != nil && random.below(2) == 0 {
          datagram.text[Int(random.below(4))] = UInt8(truncatingIfNeeded: random.next())
        }
        receiver.receive(datagram, congestion: random.below(3) == 0, at: .zero)
      }
    }
    receiver.run(until: .zero + .seconds(1))
    var left = 10_000
    while left > 0, let delivery = receiver.core.nextDelivery() {
      receiver.core.finish(delivery.handle)
      left -= 1
    }
    #expect(left > 0 && receiver.core.heldBytes == 0 && receiver.core.pool.bytesInUse == 0)
    receiver.core.audit()
  }
}
