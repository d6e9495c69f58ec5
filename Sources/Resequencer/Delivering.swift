//  Delivering.swift — a released segment leaves packet by packet, each as one write.
//
//  A segment is a row of packets without framing: where one ends is in its own header. What the adapter has to do for a
//  packet follows from its headers, the segment size and one flag, so the offload header is made here, in the
//  delivery's own room, and the packet stays where it was opened. When a packet's bytes make no sense, nothing behind
//  them can be found, and the rest of the segment is dropped. A packet that has a length but whose inside we cannot
//  read (some fragments, broken transport headers) is passed on as it is: a tunnel is no firewall.

import Packets
import Wire

extension Resequencer {
  /// The next packet, or bundle of packets, that is in order. nil also when as many as may be are not finished: what is
  /// left comes then.
  public mutating func nextDelivery() -> Delivery? {
    while firstReady != .none {
      if deliveries.isFull { return nil }
      let number = firstReady
      let slot = pool.slots + Int(number)
      let delivery = slot.pointee.isComplete ? nextPacket(of: number) : nextSalvaged(of: number)
      if slot.pointee.walk == slot.pointee.length { allHandedOut() }
      if let delivery { return delivery }
    }
    return nil
  }

  /// It was written, or will not be. Its memory may be used again.
  public mutating func finish(_ delivery: Delivery.Handle) {
    let number = deliveries.finish(delivery)
    let slot = pool.slots + Int(number)
    slot.pointee.outstanding -= 1
    if slot.pointee.outstanding == 0 && slot.pointee.state == .leaving { hasLeft(number) }
  }

  private mutating func allHandedOut() {
    let number = firstReady
    let slot = pool.slots + Int(number)
    firstReady = slot.pointee.next
    if firstReady == .none { lastReady = .none }
    slot.pointee.state = .leaving
    if slot.pointee.outstanding == 0 { hasLeft(number) }
  }

  private mutating func hasLeft(_ number: Number) {
    sets[Int(pool.slots[Int(number)].set)].leaving -= 1
    giveBack(number)
  }

  /// What a set has not been handed yet goes.
  mutating func dropReady(of set: Int) {
    var number = firstReady
    var before = Number.none
    while number != .none {
      let slot = pool.slots + Int(number)
      let next = slot.pointee.next
      if Int(slot.pointee.set) == set {
        if before == .none { firstReady = next } else { pool.slots[Int(before)].next = next }
        if next == .none { lastReady = before }
        counters.strandedBytes += UInt64(slot.pointee.length - slot.pointee.walk)
        slot.pointee.state = .leaving
        if slot.pointee.outstanding == 0 { hasLeft(number) }
      } else {
        before = number
      }
      number = next
    }
  }

  private mutating func nextPacket(of number: Number) -> Delivery? {
    let slot = pool.slots + Int(number)
    let start = slot.pointee.memory + Int(slot.pointee.walk)
    let left = Int(slot.pointee.length - slot.pointee.walk)
    guard let view = view(of: number, start, left) else { return nextOpaque(of: number, start, left) }
    let segmentSize = Int(slot.pointee.segmentSize)
    let needsChecksum = slot.pointee.flags.contains(.needsChecksum)
    if left > view.totalLength,
      let bundle = Bundle(start, view, segmentSize: segmentSize, needsChecksum: needsChecksum)
    {
      return next(bundle, of: number, start, view.totalLength)
    }
    slot.pointee.walk += UInt32(view.totalLength)
    let offload = SuperPacket.offload(for: view, segmentSize: segmentSize, needsChecksum: needsChecksum)
    return hand(out: number, offload, Slice(start: start, count: view.totalLength))
  }

  /// As many of the packets behind the first as are the same but for their payload.
  private mutating func next(
    _ alone: Bundle, of number: Number, _ start: UnsafeMutableRawPointer, _ firstLength: Int
  ) -> Delivery {
    var bundle = alone
    let slot = pool.slots + Int(number)
    let slices = DeliveryTable.slices(in: deliveries.room)
    let left = Int(slot.pointee.length - slot.pointee.walk)
    slices[1] = Slice(start: start, count: firstLength)
    var end = firstLength
    var written = firstLength
    while end < left, let view = view(of: number, start + end, left - end), bundle.append(start + end, view) {
      slices[bundle.count] = Slice(start: start + end + view.headerLength, count: view.payloadLength)
      end += view.totalLength
      written += view.payloadLength
    }
    slot.pointee.walk += UInt32(end)
    counters.deliveredBytes += UInt64(end - written)  // headers that travel as one
    return hand(out: number, bundle.finish(), slices: 1 + bundle.count, length: written, packets: bundle.count)
  }

  /// Reads a packet of which all is there. A congestion mark of a datagram that brought some of it is passed on first
  /// (RFC 6040), since whoever joins packets compares them.
  func view(of number: Number, _ start: UnsafeMutableRawPointer, _ left: Int) -> PacketView? {
    let bytes = UnsafeMutableRawBufferPointer(start: start, count: left)
    guard let view = try? PacketView(UnsafeRawBufferPointer(bytes)) else { return nil }
    if pool.slots[Int(number)].markCount == 0 { return view }
    let offset = UInt32(start - pool.slots[Int(number)].memory)
    let range = ByteRange(lower: offset, upper: offset + UInt32(view.totalLength))
    guard pool.isMarked(range, in: number), markCongestion(bytes) == .marked else { return view }
    return try? PacketView(UnsafeRawBufferPointer(bytes))
  }

  private mutating func nextOpaque(of number: Number, _ start: UnsafeMutableRawPointer, _ left: Int) -> Delivery? {
    let slot = pool.slots + Int(number)
    guard let length = Resequencer.length(ofPacketAt: start, left) else {
      counters.malformedBytes += UInt64(left)
      slot.pointee.walk = slot.pointee.length
      return nil
    }
    slot.pointee.walk += UInt32(length)
    return hand(out: number, OffloadHeader(), Slice(start: start, count: length))
  }

  /// By its IP header alone; nil when that makes no sense within so many bytes.
  static func length(ofPacketAt start: UnsafeMutableRawPointer, _ left: Int) -> Int? {
    if left < 20 { return nil }
    func number(_ place: Int) -> Int {
      Int(UInt16(bigEndian: start.loadUnaligned(fromByteOffset: place, as: UInt16.self)))
    }
    switch start.load(as: UInt8.self) >> 4 {
    case 4:
      let length = number(2)
      return length >= 20 && length <= left ? length : nil
    case 6:
      if left < 40 { return nil }
      let length = 40 + number(4)
      return length <= left ? length : nil
    default: return nil
    }
  }

  /// One packet in one piece of memory.
  mutating func hand(out number: Number, _ offload: OffloadHeader, _ packet: Slice) -> Delivery {
    let slices = DeliveryTable.slices(in: deliveries.room)
    slices[1] = packet
    return hand(out: number, offload, slices: 2, length: packet.count, packets: 1)
  }

  /// The slices behind the first are in the room already; `length` is theirs.
  mutating func hand(
    out number: Number, _ offload: OffloadHeader, slices count: Int, length: Int, packets: Int
  ) -> Delivery {
    let room = deliveries.room
    let slices = DeliveryTable.slices(in: room)
    offload.write(to: UnsafeMutableRawBufferPointer(start: room, count: OffloadHeader.length))
    slices[0] = Slice(start: room, count: OffloadHeader.length)
    let slot = pool.slots + Int(number)
    slot.pointee.outstanding += 1
    counters.deliveries += 1
    counters.deliveredPackets += UInt64(packets)
    counters.deliveredBytes += UInt64(length)
    let set = LaneSet(index: slot.pointee.set, generation: sets[Int(slot.pointee.set)].generation)
    return Delivery(
      handle: deliveries.take(for: number), laneSet: set, lane: slot.pointee.lane, slices: slices, sliceCount: count,
      length: OffloadHeader.length + length, packetCount: packets)
  }
}
