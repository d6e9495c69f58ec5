//  TrafficCheck.swift — whether what a gateway gives to its hosts is what the hosts on the other side have sent.
//
//  Every delivery is read like an adapter would read it: offload header, headers, checksums. Then its content says
//  which bytes of which flow it is, and they are compared with those that were sent.
//
//  Always asked.  (1) Each byte was sent, and is unchanged. (2) None comes twice and none out of order: the place in a
//  flow only grows. (3) It came out where it belongs. (4) Headers are those that were sent, but for lengths, sequence
//  number and checksums of what was cut, and a congestion mark on what may be marked.

import Glibc
import Packets
import Primitives

extension UserFlow {
  /// A sentence when something is wrong with a delivery of this flow.
  fileprivate mutating func accept(
    _ packet: UnsafeRawBufferPointer, _ view: PacketView, _ offload: OffloadHeader, at now: Instant
  ) -> String? {
    if view.tuple.source != source || view.tuple.destination != destination { return "other addresses than were sent" }
    if view.ttl != 61 { return "hop limit \(view.ttl) instead of 61" }
    let isMarked = view.ecn == 3 && trafficClass & 3 != 0
    if view.dscp != trafficClass >> 2 || (view.ecn != trafficClass & 3 && !isMarked) {
      return "traffic class \(view.trafficClass) instead of \(trafficClass)"
    }
    if let lastDelivery { longestPause = max(longestPause, now - lastDelivery) }
    lastDelivery = now
    let size = Int(offload.segmentSize)
    switch kind {
    case .tcp(let expected, _):
      if size != 0 && size != expected { return "pieces of \(size) instead of \(expected) bytes" }
      let transport = view.transportOffset
      if word(packet, transport + 8) != 1 || packet[transport + 12] != 0x80 || packet[transport + 13] & ~8 != 0x10 {
        return "the TCP header changed"
      }
      let place = Int(word(packet, transport + 4) &- firstSequence)
      let length = view.payloadLength
      if place < nextByte { return "bytes from \(place) on, after \(nextByte) was reached" }
      if place + length > sentBytes { return "bytes \(place) ..< \(place + length) of \(sentBytes) that were sent" }
      if !isSame(packet, view.headerLength, length, UserBytes.place(index, place)) { return "changed bytes" }
      nextByte = place + length
      deliveredBytes += length
    case .bursts, .datagrams:
      let said = Int(packet[view.transportOffset + 4]) << 8 | Int(packet[view.transportOffset + 5])
      if said != packet.count - view.transportOffset { return "a UDP length of \(said)" }
      return acceptDatagrams(packet, from: view.headerLength, pieces: size)
    case .pings: return acceptDatagrams(packet, from: view.transportOffset + 8, pieces: 0)
    case .fragments: return acceptDatagrams(packet, from: view.transportOffset, pieces: 0)
    }
    return nil
  }

  private mutating func acceptDatagrams(_ packet: UnsafeRawBufferPointer, from start: Int, pieces: Int) -> String? {
    var at = start
    while at < packet.count {
      guard at + 8 <= packet.count else { return "a datagram of \(packet.count - at) bytes" }
      let length = Int(packet[at + 2]) << 8 | Int(packet[at + 3])
      let number = Int(word(packet, at + 4))
      if number < nextNumber { return "datagram \(number) after \(nextNumber - 1)" }
      guard number < lengths.count, Int(lengths[number]) == length else { return "a datagram that nobody sent" }
      let end = at + length
      if end > packet.count || (pieces == 0 ? end != packet.count : length != pieces && end != packet.count) {
        return "a datagram of \(length) bytes where pieces have \(pieces)"
      }
      if !isSame(packet, at + 8, length - 8, UserBytes.place(index, number &* 131)) {
        return "datagram \(number) changed"
      }
      nextNumber = number + 1
      deliveredNumbers += 1
      at = end
    }
    return nil
  }

  private func word(_ packet: UnsafeRawBufferPointer, _ place: Int) -> UInt32 {
    UInt32(bigEndian: packet.loadUnaligned(fromByteOffset: place, as: UInt32.self))
  }

  private func isSame(_ packet: UnsafeRawBufferPointer, _ start: Int, _ count: Int, _ place: Int) -> Bool {
    if count == 0 { return true }
    return UserBytes.table.withUnsafeBytes { table in
      guard let packet = packet.baseAddress, let table = table.baseAddress else { return false }
      return memcmp(packet + start, table + place, count) == 0
    }
  }
}

struct TrafficCheck {
  /// Looks at one delivery of a gateway, offload header and all.
  static func accept(
    _ frame: UnsafeRawBufferPointer, by gateway: Int, _ flows: inout [UserFlow], at now: Instant
  ) -> String? {
    guard let offload = OffloadHeader(frame) else { return "no offload header" }
    let packet = UnsafeRawBufferPointer(rebasing: frame[OffloadHeader.length...])
    guard let view = try? PacketView(packet), view.totalLength == packet.count else { return "no packet" }
    if let sentence = complaint(about: packet, view, offload) { return sentence }
    let index: Int
    if view.isFragment {
      index = Int(packet[view.transportOffset]) << 8 | Int(packet[view.transportOffset + 1])
    } else if view.transport == 1 || view.transport == 58 {
      index = Int(packet[view.transportOffset + 4]) << 8 | Int(packet[view.transportOffset + 5])
    } else {
      index = Int(view.tuple.sourcePort) - 1024
    }
    guard flows.indices.contains(index) else { return "a packet of no flow" }
    if flows[index].to != gateway { return "a packet of flow \(index), which goes elsewhere" }
    return flows[index].accept(packet, view, offload, at: now).map { "flow \(index): \($0)" }
  }

  /// What an adapter or a host would find wrong.
  static func complaint(
    about packet: UnsafeRawBufferPointer, _ view: PacketView, _ offload: OffloadHeader
  ) -> String? {
    if view.family == .ipv4, Checksum(UnsafeRawBufferPointer(rebasing: packet[..<20])).folded != 0xffff {
      return "the IPv4 header's checksum is wrong"
    }
    if view.isFragment { return nil }
    let body = UnsafeRawBufferPointer(rebasing: packet[view.transportOffset...])
    var sum = Checksum()
    if view.transport != 1 {
      sum.addPseudoHeader(
        source: view.tuple.source, destination: view.tuple.destination, transport: view.transport, length: body.count)
    }
    if offload.flags & OffloadHeader.needsChecksum != 0 {
      guard let place = view.checksumOffset, Int(offload.checksumStart) == view.transportOffset,
        Int(offload.checksumOffset) == place
      else { return "the checksum would be written elsewhere" }
      let field = UInt16(bigEndian: body.loadUnaligned(fromByteOffset: place, as: UInt16.self))
      if field != sum.folded { return "the partial checksum is wrong" }
    } else {
      sum.add(body)
      if sum.folded != 0xffff { return "the checksum is wrong" }
    }
    if offload.segmentKind == 0 { return offload.segmentSize == 0 ? nil : "pieces without a kind" }
    let kind =
      view.transport == 17
      ? OffloadHeader.udp : view.family == .ipv4 ? OffloadHeader.tcpIPv4 : OffloadHeader.tcpIPv6
    if offload.segmentKind & ~OffloadHeader.congestionOnce != kind { return "kind \(offload.segmentKind)" }
    if view.payloadLength <= Int(offload.segmentSize) { return "a super-packet of one piece" }
    return nil
  }
}
