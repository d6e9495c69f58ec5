//  UserTraffic.swift — what hosts behind the gateways send: packets whose every byte tells where it belongs.
//
//  Each flow has one source and one content. A stream's bytes follow from their sequence number, a datagram's from its
//  number, which it carries; all are cut from one table. So whatever comes out of a tunnel, however it was cut or
//  joined, can be checked alone and to the last byte (TrafficCheck.swift).
//
//  The table has a marker every 64 bytes: who finds it in a datagram between gateways has seen a user's byte.

import Glibc
import Packets
public import Primitives

public struct UserFlow {
  public enum Kind: Sendable {
    /// Super-packets of up to `most` bytes of payload; plain packets when that is at most `size`.
    case tcp(size: Int, most: Int)
    /// Up to `count` datagrams of `size` bytes at once, as one super-packet.
    case bursts(size: Int, count: Int)
    /// One datagram a packet, of `least` to `most` bytes.
    case datagrams(least: Int, most: Int)
    case pings
    /// IPv4 only: pieces of packets that some router has cut.
    case fragments
  }

  public let index: Int
  public let from: Int
  public let to: Int
  public let kind: Kind
  public let family: IPAddress.Family
  public var trafficClass: UInt8 = 0
  /// Between two packets.
  public var pause: Interval
  /// When the next one leaves; nil: it has ended.
  public var next: Instant?
  /// Packets that it still sends.
  public var left: Int
  /// As if its host were an impostor: the address is another gateway's.
  public var claimedSource: Int?

  // What was sent.
  var firstSequence: UInt32 = 0
  var sentBytes = 0
  var lengths: [UInt16] = []
  public internal(set) var sentPackets = 0

  // What came out.
  var nextByte = 0
  var nextNumber = 0
  public internal(set) var deliveredBytes = 0
  public internal(set) var deliveredNumbers = 0
  public internal(set) var lastDelivery: Instant?
  public internal(set) var longestPause = Interval.zero

  /// Payload of streams, or datagrams, that never came out.
  public var missing: Int { sentBytes - deliveredBytes + lengths.count - deliveredNumbers }
}

enum UserBytes {
  static let marker: [UInt8] = Array("INNER-BYTE".utf8)
  static let size = 1 << 16

  static let table: [UInt8] = {
    var random = SeededRandom(seed: 4711)
    var once = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next() >> 32) }
    for place in stride(from: 0, to: size, by: 64) { once.replaceSubrange(place..<place + marker.count, with: marker) }
    return once + once
  }()

  static func place(_ flow: Int, _ key: Int) -> Int { (flow &* 7_919 &+ key) & (size - 1) }
}

/// 10.x.y.1 and fd00::xxyy:0:0:0:1 are behind gateway number xxyy.
public func innerAddress(_ family: IPAddress.Family, behind gateway: Int) -> IPAddress {
  switch family {
  case .ipv4: IPAddress(ipv4: 10 << 24 | UInt32(gateway) << 8 | 1)
  case .ipv6: IPAddress(.ipv6, high: 0xfd00_0000_0000_0000 | UInt64(gateway), low: 1)
  }
}

func innerPrefixes(behind gateway: Int) -> [IPPrefix] {
  [
    IPPrefix(innerAddress(.ipv4, behind: gateway), length: 24).network,
    IPPrefix(innerAddress(.ipv6, behind: gateway), length: 64).network,
  ]
}

extension UserFlow {
  /// Writes the next packet with its offload header; returns the length of both.
  mutating func write(to frame: UnsafeMutableRawBufferPointer, _ random: inout SeededRandom) -> Int {
    var offload = OffloadHeader()
    var packet = PacketWriter(frame, at: OffloadHeader.length)
    sentPackets += 1
    left -= 1
    switch kind {
    case .tcp(let size, let most):
      let payload = most <= 1 ? 1 : 1 + Int(random.below(UInt64(most)))
      begin(&packet, transport: 6, length: 32 + payload)
      packet.add16(1024 + index)
      packet.add16(80)
      packet.add32(firstSequence &+ UInt32(truncatingIfNeeded: sentBytes))
      packet.add32(1)
      packet.add(0x80)
      packet.add(0x18)
      packet.add16(0xffff)
      packet.add32(0)
      packet.add([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2])
      packet.addContent(UserBytes.place(index, sentBytes), payload)
      sentBytes += payload
      let isSuper = payload > size
      finish(&packet, &offload, transport: 6, isPartial: isSuper || random.below(2) == 0)
      if isSuper {
        offload.segmentKind = family == .ipv4 ? OffloadHeader.tcpIPv4 : OffloadHeader.tcpIPv6
        offload.segmentSize = UInt16(size)
      }
    case .bursts(let size, let count):
      let count = 1 + Int(random.below(UInt64(count)))
      let last = 8 + Int(random.below(UInt64(size - 7)))
      let payload = size * (count - 1) + last
      begin(&packet, transport: 17, length: 8 + payload)
      addPorts(&packet, payload)
      for piece in 0..<count { addDatagram(&packet, piece + 1 < count ? size : last) }
      finish(&packet, &offload, transport: 17, isPartial: true)
      if payload > size {
        offload.segmentKind = OffloadHeader.udp
        offload.segmentSize = UInt16(size)
      }
    case .datagrams(let least, let most):
      let payload = least + Int(random.below(UInt64(most - least + 1)))
      begin(&packet, transport: 17, length: 8 + payload)
      addPorts(&packet, payload)
      addDatagram(&packet, payload)
      finish(&packet, &offload, transport: 17, isPartial: random.below(2) == 0)
    case .pings:
      let isOld = family == .ipv4
      begin(&packet, transport: isOld ? 1 : 58, length: 8 + 56)
      packet.add(isOld ? 8 : 128)
      packet.add(0)
      packet.add16(0)
      packet.add16(index)
      packet.add16(lengths.count)
      addDatagram(&packet, 56)
      var sum = Checksum(packet.bytes(from: headerLength))
      if !isOld { sum.addPseudoHeader(source: source, destination: destination, transport: 58, length: 64) }
      packet.put16(Int(sum.complement), at: headerLength + 2)
    case .fragments:
      let payload = 8 * (2 + Int(random.below(150)))
      begin(&packet, transport: 17, length: payload)
      packet.put16(lengths.count, at: 4)
      // In the middle of something; every other one is the last of its packet.
      packet.put16((lengths.count % 2 == 0 ? 0x2000 : 0) | (8 + lengths.count % 100), at: 6)
      packet.sumHeader()
      addDatagram(&packet, payload)
    }
    offload.write(to: frame)
    return packet.end
  }

  var headerLength: Int { family == .ipv4 ? 20 : 40 }
  var source: IPAddress { innerAddress(family, behind: claimedSource ?? from) }
  var destination: IPAddress { innerAddress(family, behind: to) }

  private func begin(_ packet: inout PacketWriter, transport: UInt8, length: Int) {
    switch family {
    case .ipv4:
      packet.add([0x45, trafficClass])
      packet.add16(20 + length)
      packet.add([0, 7, 0x40, 0, 61, transport, 0, 0])
      packet.add(source.bytes)
      packet.add(destination.bytes)
      packet.sumHeader()
    case .ipv6:
      packet.add([0x60 | trafficClass >> 4, trafficClass << 4, 0, 0])
      packet.add16(length)
      packet.add([transport, 61])
      packet.add(source.bytes)
      packet.add(destination.bytes)
    }
  }

  private func addPorts(_ packet: inout PacketWriter, _ payload: Int) {
    packet.add16(1024 + index)
    packet.add16(4000)
    packet.add16(8 + payload)
    packet.add16(0)
  }

  /// Flow, length and number, then what follows from them: 8 bytes at least.
  private mutating func addDatagram(_ packet: inout PacketWriter, _ length: Int) {
    packet.add16(index)
    packet.add16(length)
    packet.add32(UInt32(lengths.count))
    packet.addContent(UserBytes.place(index, lengths.count &* 131), length - 8)
    lengths.append(UInt16(length))
  }

  private func finish(
    _ packet: inout PacketWriter, _ offload: inout OffloadHeader, transport: UInt8, isPartial: Bool
  ) {
    let body = packet.bytes(from: headerLength)
    var sum = Checksum()
    sum.addPseudoHeader(source: source, destination: destination, transport: transport, length: body.count)
    let place = transport == 6 ? 16 : 6
    if isPartial {
      packet.put16(Int(sum.folded), at: headerLength + place)
      offload.flags = OffloadHeader.needsChecksum
      offload.checksumStart = UInt16(headerLength)
      offload.checksumOffset = UInt16(place)
      offload.headerLength = UInt16(headerLength + (transport == 6 ? 32 : 8))
    } else {
      sum.add(body)
      packet.put16(sum.complement == 0 ? 0xffff : Int(sum.complement), at: headerLength + place)
    }
  }
}

/// Writes a packet byte by byte behind the offload header.
private struct PacketWriter {
  let start: UnsafeMutableRawPointer
  let room: Int
  let first: Int
  var end: Int

  init(_ frame: UnsafeMutableRawBufferPointer, at place: Int) {
    guard let base = frame.baseAddress else { preconditionFailure("a packet without memory") }
    start = base
    room = frame.count
    first = place
    end = place
  }

  mutating func add(_ byte: UInt8) {
    precondition(end < room, "a packet longer than its buffer")
    start.storeBytes(of: byte, toByteOffset: end, as: UInt8.self)
    end += 1
  }

  mutating func add(_ bytes: [UInt8]) { for byte in bytes { add(byte) } }

  mutating func add16(_ number: Int) {
    add(UInt8(truncatingIfNeeded: number >> 8))
    add(UInt8(truncatingIfNeeded: number))
  }

  mutating func add32(_ number: UInt32) {
    add16(Int(number >> 16))
    add16(Int(number & 0xffff))
  }

  mutating func addContent(_ place: Int, _ count: Int) {
    precondition(end + count <= room, "a packet longer than its buffer")
    UserBytes.table.withUnsafeBytes { table in
      if let base = table.baseAddress { (start + end).copyMemory(from: base + place, byteCount: count) }
    }
    end += count
  }

  func put16(_ number: Int, at place: Int) {
    start.storeBytes(of: UInt16(truncatingIfNeeded: number).bigEndian, toByteOffset: first + place, as: UInt16.self)
  }

  func bytes(from place: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start + first + place, count: end - first - place)
  }

  func sumHeader() {
    put16(0, at: 10)
    put16(Int(Checksum(UnsafeRawBufferPointer(start: start + first, count: 20)).complement), at: 10)
  }
}
