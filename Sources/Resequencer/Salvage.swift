//  Salvage.swift — what is delivered of a segment with holes: all but the holes.
//
//  Why.  A lost datagram is two per cent of a super-packet. Dropping the segment would turn one loss into forty, and
//  each of them costs the sender inside the tunnel a retransmission.
//
//  How.  First, resume records fill in headers that are missing: a record's bytes are the packet's own. Then the
//  segment is walked like a whole one, as far as headers are known:
//
//      │ headers │ ████████████████ ··· ███████ │ headers │ ███████ │ ·······················│ headers │ ███ ···
//                 whole range: cut                whole: as it is     header missing: skip     known from a record
//
//  Of a TCP super-packet each range of payload that arrived becomes a super-packet of its own, with its sequence
//  number. UDP has boundaries, so ranges shrink to whole datagrams. Any other packet is delivered whole or not at all.
//  Where a header is missing, the next packet cannot be found: the walk goes on where a record says that a packet
//  begins, or a datagram that it begins with one. Nothing else may say so: a payload can look like a packet, and
//  whoever wrote it would love us to believe that.
//
//  Always true.  Only bytes that arrived leave, and each at most once.

import Packets
import Wire

extension SegmentPool {
  // MARK: Records

  @inline(__always) private func records(of number: Number) -> UnsafeMutableRawPointer {
    slots[Int(number)].memory + Int(slots[Int(number)].length)
  }

  /// Keeps an authentic record, when there is room. `text` begins with it.
  func keep(_ record: ResumeRecord, _ text: UnsafeRawBufferPointer, in number: Number) {
    let slot = slots + Int(number)
    let used = Int(slot.pointee.recordBytes)
    guard let source = text.baseAddress, slot.pointee.recordCount < SegmentPool.mostRecords,
      Int(slot.pointee.length) + used + record.length <= capacity(of: slot)
    else { return }
    (records(of: number) + used).copyMemory(from: source, byteCount: record.length)
    slot.pointee.recordCount += 1
    slot.pointee.recordBytes += UInt16(record.length)
  }

  /// Copies headers from records to where they are missing. Returns how many bytes that were.
  mutating func fillFromRecords(_ number: Number) -> Int {
    let slot = slots + Int(number)
    let before = slot.pointee.received
    var place = 0
    for _ in 0..<slot.pointee.recordCount {
      let rest = Int(slot.pointee.recordBytes) - place
      let bytes = UnsafeRawBufferPointer(start: records(of: number) + place, count: rest)
      guard let record = ResumeRecord(bytes) else { break }
      fill(
        number, from: Int(record.packetOffset),
        UnsafeRawBufferPointer(rebasing: bytes[ResumeRecord.fixedLength..<record.length]))
      place += record.length
    }
    return Int(slot.pointee.received - before)
  }

  private mutating func fill(_ number: Number, from first: Int, _ headers: UnsafeRawBufferPointer) {
    let slot = slots + Int(number)
    let end = min(first + headers.count, Int(slot.pointee.length))
    var at = first
    while at < end {
      let there = Int(run(from: UInt32(at), in: number))
      if there > 0 {
        at += there
        continue
      }
      let stop = min(end, Int(nextArrived(from: UInt32(at), in: number)))
      let range = ByteRange(lower: UInt32(at), upper: UInt32(stop))
      guard case .new(let index) = fit(range, in: number) else { return }
      for offset in at..<stop {
        slot.pointee.memory.storeBytes(
          of: headers[offset - first], toByteOffset: offset, as: UInt8.self)
      }
      _ = insert(range, in: number, before: index)
      at = stop
    }
  }

  /// The first byte at or behind this offset that has arrived, or the segment's length.
  func nextArrived(from offset: UInt32, in number: Number) -> UInt32 {
    let list = ranges(of: number)
    for index in 0..<Int(slots[Int(number)].rangeCount) where list[index].upper > offset {
      return max(offset, list[index].lower)
    }
    return slots[Int(number)].length
  }

  /// Bytes that have arrived within a range.
  func arrived(in range: ByteRange, of number: Number) -> UInt32 {
    let list = ranges(of: number)
    var sum: UInt32 = 0
    for index in 0..<Int(slots[Int(number)].rangeCount) {
      let lower = max(list[index].lower, range.lower)
      let upper = min(list[index].upper, range.upper)
      if lower < upper { sum += upper - lower }
    }
    return sum
  }

  /// Where the next packet begins behind this offset, as far as records and datagrams say; or the segment's length.
  func nextKnownPacket(behind offset: UInt32, in number: Number) -> UInt32 {
    let slot = slots + Int(number)
    var nearest = slot.pointee.length
    let list = ranges(of: number)
    for index in 0..<Int(slot.pointee.rangeCount) where list[index].begins && list[index].lower > offset {
      nearest = list[index].lower
      break
    }
    var place = 0
    for _ in 0..<slot.pointee.recordCount {
      let rest = Int(slot.pointee.recordBytes) - place
      guard let record = ResumeRecord(UnsafeRawBufferPointer(start: records(of: number) + place, count: rest)) else {
        break
      }
      if record.packetOffset > offset { nearest = min(nearest, record.packetOffset) }
      place += record.length
    }
    return nearest
  }
}

extension Resequencer {
  /// The next piece of a segment with holes that can be delivered.
  mutating func nextSalvaged(of number: Number) -> Delivery? {
    let slot = pool.slots + Int(number)
    while slot.pointee.walk < slot.pointee.length {
      let start = slot.pointee.memory + Int(slot.pointee.walk)
      let there = Int(pool.run(from: slot.pointee.walk, in: number))
      let left = Int(slot.pointee.length - slot.pointee.walk)
      let bytes = UnsafeRawBufferPointer(start: start, count: there)
      guard let view = try? PacketView(headers: bytes), view.totalLength <= left else {
        if let length = Resequencer.length(ofPacketAt: start, there) {
          slot.pointee.walk += UInt32(length)
          return hand(out: number, OffloadHeader(), Slice(start: start, count: length))
        }
        skip(number, to: pool.nextKnownPacket(behind: slot.pointee.walk, in: number))
        continue
      }
      if there >= view.totalLength, let view = self.view(of: number, start, there) {
        slot.pointee.walk += UInt32(view.totalLength)
        let offload = SuperPacket.offload(
          for: view, segmentSize: Int(slot.pointee.segmentSize),
          needsChecksum: slot.pointee.flags.contains(.needsChecksum))
        return hand(out: number, offload, Slice(start: start, count: view.totalLength))
      }
      if let piece = nextPiece(of: view, number) { return piece }
    }
    return nil
  }

  /// Bytes up to here cannot be delivered.
  private mutating func skip(_ number: Number, to end: UInt32) {
    let slot = pool.slots + Int(number)
    let from = slot.pointee.walk + slot.pointee.within
    counters.strandedBytes += UInt64(pool.arrived(in: ByteRange(lower: from, upper: end), of: number))
    slot.pointee.walk = end
    slot.pointee.within = 0
  }

  /// The next range of a packet of which bytes are missing; nil, and the walk behind it, when there is none.
  private mutating func nextPiece(of view: PacketView, _ number: Number) -> Delivery? {
    let slot = pool.slots + Int(number)
    let segmentSize = Int(slot.pointee.segmentSize)
    let end = slot.pointee.walk + UInt32(view.totalLength)
    let first = slot.pointee.walk + UInt32(view.headerLength)
    if slot.pointee.within == 0 { counters.damagedPackets += 1 }
    guard view.isSuperPacket(segmentSize: segmentSize), view.headerLength <= DeliveryTable.headerRoom else {
      skip(number, to: end)
      return nil
    }
    if slot.pointee.within == 0 { slot.pointee.within = UInt32(view.headerLength) }
    let grain = view.transport == PacketView.Transport.udp ? segmentSize : 1
    while true {
      let from = slot.pointee.walk + slot.pointee.within
      let lower = pool.nextArrived(from: from, in: number)
      if lower >= end { break }
      let upper = min(end, lower + pool.run(from: lower, in: number))
      slot.pointee.within = upper - slot.pointee.walk
      let a = (Int(lower - first) + grain - 1) / grain * grain
      let b = upper == end ? view.payloadLength : Int(upper - first) / grain * grain
      if a < b, let piece = piece(of: view, a..<b, number) {
        counters.strandedBytes += UInt64(Int(upper - lower) - (b - a))
        if slot.pointee.walk + slot.pointee.within == end { skip(number, to: end) }
        return piece
      }
      counters.strandedBytes += UInt64(upper - lower)
    }
    slot.pointee.within = end - slot.pointee.walk
    skip(number, to: end)
    return nil
  }

  /// A packet of its own with this range of another one's payload.
  private mutating func piece(of view: PacketView, _ payload: Range<Int>, _ number: Number) -> Delivery? {
    let slot = pool.slots + Int(number)
    let segmentSize = Int(slot.pointee.segmentSize)
    let needsChecksum = slot.pointee.flags.contains(.needsChecksum)
    let source = slot.pointee.memory + Int(slot.pointee.walk)
    let room = deliveries.room
    let header = UnsafeMutableRawBufferPointer(
      start: room + DeliveryTable.headerPlace, count: DeliveryTable.headerRoom)
    let cut = SuperPacket.cut(
      headers: UnsafeRawBufferPointer(start: source, count: view.headerLength), of: view, payload: payload,
      segmentSize: segmentSize, needsChecksum: needsChecksum, into: header)
    let made = UnsafeRawBufferPointer(rebasing: header[..<view.headerLength])
    guard cut == .done, let smaller = try? PacketView(headers: made) else { return nil }
    let place = slot.pointee.walk + UInt32(view.headerLength + payload.lowerBound)
    if pool.isMarked(ByteRange(lower: place, upper: place + UInt32(payload.count)), in: number) {
      _ = markCongestion(header)
    }
    let slices = DeliveryTable.slices(in: room)
    slices[1] = Slice(start: room + DeliveryTable.headerPlace, count: view.headerLength)
    slices[2] = Slice(start: slot.pointee.memory + Int(place), count: payload.count)
    counters.salvagedBytes += UInt64(payload.count)
    let offload = SuperPacket.offload(for: smaller, segmentSize: segmentSize, needsChecksum: needsChecksum)
    return hand(out: number, offload, slices: 3, length: view.headerLength + payload.count, packets: 1)
  }
}
