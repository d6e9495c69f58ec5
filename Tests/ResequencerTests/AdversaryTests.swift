import Primitives
import Testing
import Wire

@testable import Resequencer

/// A peer has the keys: whatever it says is authentic. It may lose its own packets by it, and nobody else's.
@Suite struct `A peer that means harm` {
  @Test(arguments: 0..<25)
  func `makes nothing stop, grow or leak, whatever it sends`(block: Int) {
    for seed in UInt64(block * 20)..<UInt64(block * 20 + 20) {
      var random = SeededRandom(seed: seed)
      let receiver = Receiver(
        memory: 256 << 10, mostSegmentLength: 20_000, lanes: 3, window: 8 << random.below(3),
        deliveries: 1 + Int(random.below(8)))
      var now = Instant.zero
      var base: UInt32 = 0
      for _ in 0..<300 {
        now += .microseconds(Int64(random.below(3_000)))
        switch random.below(40) {
        case 0: receiver.core.expire(at: now)
        case 1: receiver.core.setPaths(UInt32(truncatingIfNeeded: random.next() >> random.below(60)), for: receiver.set)
        case 2:
          let patience = Interval.nanoseconds(Int64(random.next() >> (1 + random.below(60))))
          receiver.core.setPatience(patience, for: receiver.set)
        case 3: receiver.core.reset(receiver.set)
        case 4: base = UInt32(truncatingIfNeeded: random.next())
        case 5..<10: while let delivery = receiver.core.nextDelivery() { receiver.core.finish(delivery.handle) }
        default: receiver.receive(datagram(&random, base), congestion: random.below(9) == 0, at: now)
        }
        if seed % 4 == 0 { receiver.core.audit() }
      }
      while receiver.core.deadline != nil || receiver.core.deliveries.inUse > 0 || receiver.core.pool.bytesInUse > 0 {
        let before = receiver.core.digest()
        while let delivery = receiver.core.nextDelivery() { receiver.core.finish(delivery.handle) }
        receiver.core.expire(at: Instant(nanoseconds: .max))
        if receiver.core.digest() == before {
          Issue.record("seed \(seed): nothing moves any more")
          break
        }
      }
      receiver.core.audit()
      #expect(receiver.core.heldBytes == 0 && receiver.core.pool.bytesInUse == 0 && receiver.core.lanes.inUse == 0)
    }
  }

  /// Segments of a few lengths, so that many datagrams agree with each other; sometimes a record, sometimes nonsense.
  private func datagram(_ random: inout SeededRandom, _ base: UInt32) -> SentDatagram {
    let segment = base &+ UInt32(random.below(random.below(10) == 0 ? 200 : 6))
    let length = 1 + Int(segment % 5) * 700
    let start = Int(random.below(UInt64(length)))
    let count = 1 + Int(random.below(UInt64(min(1_400, length - start + Int(random.below(3))))))
    var flags = Location.Flags(rawValue: UInt8(random.below(30) == 0 ? random.below(256) : 0))
    var text = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    // What looks like packets is walked further.
    if random.below(2) == 0 {
      let packet = InnerPackets.tcp(
        .ipv4, lane: 0, sequence: 1, payload: Int(random.below(900)), partial: false, ecn: 2)
      for index in 0..<min(count, packet.count) { text[index] = packet[index] }
    }
    if random.below(4) == 0 {
      flags.insert(.resumes)
      let record = [UInt8(random.below(256)), UInt8(random.below(4)), 0, UInt8(random.below(200))]
      text = record + (0..<random.below(170)).map { _ in UInt8(random.below(256)) } + text
    }
    var result = SentDatagram(
      location: Location(
        lane: UInt16(random.below(3)), flags: flags, segment: segment, length: UInt32(length), offset: UInt32(start),
        segmentSize: UInt16(segment % 3) * 400), text: text, range: start..<start + count)
    result.path = UInt8(truncatingIfNeeded: random.next() >> (56 + random.below(8)))
    return result
  }
}
