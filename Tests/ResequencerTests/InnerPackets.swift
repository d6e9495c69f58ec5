//  InnerPackets.swift — packets whose every byte tells where it belongs, made for a lane and checked when they come
//  out.
//
//  A lane carries one TCP stream and one row of UDP datagrams. Both are cut from one table of random bytes: the stream
//  at its sequence number, a datagram at a place that follows from its number. So what comes out can be checked alone,
//  however it was cut, and order per lane is that sequence and datagram numbers only grow.

import Glibc
import Packets
import Primitives

enum InnerPackets {
  static let tableSize = 1 << 16

  static let table: [UInt8] = {
    var random = SeededRandom(seed: 4711)
    let once = (0..<tableSize).map { _ in UInt8(truncatingIfNeeded: random.next() >> 32) }
    return once + once
  }()

  private static func place(_ lane: UInt16, _ key: Int) -> Int { (Int(lane) * 7_919 + key) & (tableSize - 1) }

  private static func number16(_ number: Int) -> [UInt8] {
    [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
  }

  private static func number32(_ number: UInt32) -> [UInt8] {
    (0..<4).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * UInt32($0))) }
  }

  private static func network(_ family: IPAddress.Family, transport: UInt8, length: Int, ecn: UInt8) -> [UInt8] {
    switch family {
    case .ipv4:
      var header: [UInt8] = [0x45, ecn] + number16(20 + length) + [0, 7, 0x40, 0, 64, transport, 0, 0]
      header += [10, 1, 0, 1, 10, 2, 0, 2]
      let sum = header.withUnsafeBytes { Checksum($0).complement }
      header.replaceSubrange(10..<12, with: number16(Int(sum)))
      return header
    case .ipv6:
      var header: [UInt8] = [0x60, ecn << 4, 0, 0] + number16(length) + [transport, 64]
      header += [0xfd] + [UInt8](repeating: 1, count: 15) + [0xfd] + [UInt8](repeating: 2, count: 15)
      return header
    }
  }

  private static func pseudo(_ packet: [UInt8], _ family: IPAddress.Family, transport: UInt8) -> Checksum {
    var sum = Checksum()
    let network = family == .ipv4 ? 20 : 40
    let addresses = family == .ipv4 ? 12..<20 : 8..<40
    packet[addresses].withUnsafeBytes { sum.add($0) }
    (number16(Int(transport)) + number16(packet.count - network)).withUnsafeBytes { sum.add($0) }
    return sum
  }

  private static func finish(_ packet: inout [UInt8], _ family: IPAddress.Family, transport: UInt8, partial: Bool) {
    let network = family == .ipv4 ? 20 : 40
    let place = network + (transport == 6 ? 16 : 6)
    var sum = pseudo(packet, family, transport: transport)
    if partial { return packet.replaceSubrange(place..<place + 2, with: number16(Int(sum.folded))) }
    packet[network...].withUnsafeBytes { sum.add($0) }
    packet.replaceSubrange(place..<place + 2, with: number16(Int(sum.complement == 0 ? 0xffff : sum.complement)))
  }

  static func tcp(
    _ family: IPAddress.Family, lane: UInt16, sequence: UInt32, payload: Int, partial: Bool, ecn: UInt8 = 0
  ) -> [UInt8] {
    var packet = network(family, transport: 6, length: 32 + payload, ecn: ecn)
    packet += [0x10, 0, 0x20, 0] + number32(sequence) + number32(1) + [0x80, 0x18, 0xff, 0xff, 0, 0, 0, 0]
    packet += [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]
    let first = place(lane, Int(sequence))
    packet += table[first..<first + payload]
    finish(&packet, family, transport: 6, partial: partial)
    return packet
  }

  /// `count` datagrams of `size` bytes, the last of `lastSize`: a super-packet when there are several.
  static func udp(
    _ family: IPAddress.Family, lane: UInt16, number: UInt32, count: Int, size: Int, lastSize: Int, partial: Bool,
    ecn: UInt8 = 0
  ) -> [UInt8] {
    let payload = size * (count - 1) + lastSize
    var packet = network(family, transport: 17, length: 8 + payload, ecn: ecn)
    packet += [0x10, 0, 0x20, 0] + number16(8 + payload) + [0, 0]
    for index in 0..<count {
      let length = index + 1 < count ? size : lastSize
      let first = place(lane, (Int(number) + index) &* 131)
      packet += number16(Int(lane)) + number16(length) + number32(number + UInt32(index))
      packet += table[first..<first + length - 8]
    }
    finish(&packet, family, transport: 17, partial: partial)
    return packet
  }

  /// An ICMP echo with a datagram's number.
  static func echo(lane: UInt16, number: UInt32) -> [UInt8] {
    network(.ipv4, transport: 1, length: 16, ecn: 0) + [8, 0, 0, 0, 0, 0, 0, 0] + number16(Int(lane)) + number16(0)
      + number32(number)
  }

  /// What a delivery was found to be.
  enum Content: Equatable {
    case stream(lane: UInt16, sequence: UInt32, length: Int, header: Int)
    case datagrams(lane: UInt16, numbers: [UInt32], header: Int)
  }

  /// Checks a delivery, offload header and all, to the last byte; a sentence when something is wrong with it.
  static func check(_ bytes: [UInt8], lane: UInt16) -> (content: Content?, complaint: String?) {
    guard let offload = bytes.withUnsafeBytes({ OffloadHeader($0) }) else { return (nil, "no offload header") }
    let packet = Array(bytes[OffloadHeader.length...])
    guard let view = try? packet.withUnsafeBytes({ try PacketView($0) }), view.isWhole else {
      return (nil, "no packet")
    }
    if view.family == .ipv4 && packet[..<20].withUnsafeBytes({ Checksum($0).folded }) != 0xffff {
      return (nil, "the IPv4 header's checksum is wrong")
    }
    if view.transport == 1 {
      let number = UInt32(packet[32]) << 24 | UInt32(packet[33]) << 16 | UInt32(packet[34]) << 8 | UInt32(packet[35])
      return (.datagrams(lane: lane, numbers: [number], header: 36), nil)
    }
    let isTCP = view.transport == 6
    let isPartial = offload.flags & OffloadHeader.needsChecksum != 0
    let place = view.transportOffset + (isTCP ? 16 : 6)
    let field = UInt16(packet[place]) << 8 | UInt16(packet[place + 1])
    var sum = pseudo(packet, view.family, transport: view.transport)
    if !isPartial { packet[view.transportOffset...].withUnsafeBytes { sum.add($0) } }
    if sum.folded != (isPartial ? field : 0xffff) { return (nil, "the transport checksum is wrong") }
    let payload = view.headerLength
    let size = Int(offload.segmentSize)
    if isPartial && size > 0 && view.payloadLength <= size { return (nil, "a super-packet of one piece") }
    if isTCP {
      let at = view.transportOffset + 4
      let sequence =
        UInt32(packet[at]) << 24 | UInt32(packet[at + 1]) << 16 | UInt32(packet[at + 2]) << 8 | UInt32(packet[at + 3])
      guard isSame(packet, from: payload, count: view.payloadLength, as: Self.place(lane, Int(sequence))) else {
        return (nil, "the stream changed at \(sequence)")
      }
      return (.stream(lane: lane, sequence: sequence, length: view.payloadLength, header: payload), nil)
    }
    let said = Int(packet[view.transportOffset + 4]) << 8 | Int(packet[view.transportOffset + 5])
    if said != 8 + view.payloadLength { return (nil, "the UDP length is wrong") }
    var numbers: [UInt32] = []
    var at = payload
    while at < packet.count {
      let length = Int(packet[at + 2]) << 8 | Int(packet[at + 3])
      guard length >= 8, at + length <= packet.count, size == 0 || length == size || at + length == packet.count else {
        return (nil, "a datagram of \(length) bytes where pieces have \(size)")
      }
      if UInt16(packet[at]) << 8 | UInt16(packet[at + 1]) != lane { return (nil, "a datagram of another lane") }
      let number =
        UInt32(packet[at + 4]) << 24 | UInt32(packet[at + 5]) << 16 | UInt32(packet[at + 6]) << 8
        | UInt32(packet[at + 7])
      guard isSame(packet, from: at + 8, count: length - 8, as: Self.place(lane, Int(number) &* 131)) else {
        return (nil, "datagram \(number) changed")
      }
      numbers.append(number)
      at += length
    }
    return (.datagrams(lane: lane, numbers: numbers, header: payload), nil)
  }

  private static func isSame(_ packet: [UInt8], from start: Int, count: Int, as place: Int) -> Bool {
    packet.withUnsafeBytes { packet in
      table.withUnsafeBytes { table in
        count == 0 || memcmp(packet.baseAddress! + start, table.baseAddress! + place, count) == 0
      }
    }
  }
}
