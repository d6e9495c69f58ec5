//  Capture.swift — the packets of a simulation as a pcap file, for whoever reads networks with tshark.
//
//  Machines here exchange payloads; the IP and UDP headers that a capture needs are made up from the address plan,
//  which is the lab's too, so a simulated packet carries the addresses that the same packet has in the lab. Times count
//  from the simulation's start as if it were 1970. A packet is written when it reaches the machine at the end of its
//  path, and, if asked for, also when it leaves the one at its beginning.
//
//  Format: pcap with nanoseconds (magic a1b23c4d, written little-endian), link type RAW: a record is an IP packet.
//  The UDP checksum is that of the payload as it was sent, so a corrupted packet shows up with a wrong one. The time to
//  live counts the links.

import Primitives

struct Capture {
  private var writer: ByteWriter
  let includesSending: Bool

  init(sink: (any ByteSink)?, includesSending: Bool) {
    writer = ByteWriter(sink)
    self.includesSending = includesSending
    if !writer.isOn { return }
    writer.appendLittleEndian(0xa1b2_3c4d)
    writer.appendLittleEndian(4 << 16 | 2)  // version 2.4
    writer.appendLittleEndian(0)
    writer.appendLittleEndian(0)
    writer.appendLittleEndian(262_144)  // what tcpdump calls enough
    writer.appendLittleEndian(101)  // LINKTYPE_RAW
  }

  var isOn: Bool { writer.isOn }

  /// One record. `links` is how many the packet has behind it.
  mutating func note(_ header: DatagramHeader, packet: Packet, links: Int, payload: Span<UInt8>, at now: Instant) {
    let (seconds, nanoseconds) = now.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    let length = UInt32(header.length + payload.count)
    writer.appendLittleEndian(UInt32(truncatingIfNeeded: seconds))
    writer.appendLittleEndian(UInt32(nanoseconds))
    writer.appendLittleEndian(length)
    writer.appendLittleEndian(length)
    writer.append(header.bytes(number: packet.number, payload: payload.count, sum: packet.sum, links: links))
    writer.append(payload)
    writer.endRecord()
  }

  mutating func flush() { writer.flush() }
}

/// IP and UDP headers between two ends of a path, but for what differs from packet to packet.
struct DatagramHeader {
  /// With zero in every field that `bytes` fills in.
  private let template: [UInt8]
  private let isIPv6: Bool
  /// Sum of all 16-bit words that the UDP checksum counts and that never change.
  private let fixedSum: UInt32

  init(source: [UInt8], sourcePort: UInt16, destination: [UInt8], destinationPort: UInt16) {
    precondition(source.count == destination.count, "an IPv4 and an IPv6 address do not meet in one packet")
    isIPv6 = source.count == 16
    // Don't fragment, as Hawser sends everything. 17 is UDP.
    let ip: [UInt8] =
      isIPv6 ? [0x60, 0, 0, 0, 0, 0, 17, 0] : [0x45, 0, 0, 0, 0, 0, 0x40, 0, 0, 17, 0, 0]
    let ports = [sourcePort, destinationPort].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
    template = ip + source + destination + ports + [0, 0, 0, 0]
    fixedSum = onesComplementSum(source) + onesComplementSum(destination) + onesComplementSum(ports) + 17
  }

  var length: Int { template.count }

  func bytes(number: UInt64, payload: Int, sum: UInt32, links: Int) -> [UInt8] {
    var bytes = template
    func put(_ value: Int, at: Int) {
      bytes[at] = UInt8(value >> 8 & 0xff)
      bytes[at + 1] = UInt8(value & 0xff)
    }
    let hopsLeft = UInt8(max(1, 64 - links))
    let udp = bytes.count - 8
    if isIPv6 {
      put(8 + payload, at: 4)
      bytes[7] = hopsLeft
    } else {
      put(bytes.count + payload, at: 2)
      put(Int(number & 0xffff), at: 4)
      bytes[8] = hopsLeft
      put(Int(~fold(onesComplementSum(bytes[..<20]))), at: 10)
    }
    put(8 + payload, at: udp + 4)
    // The length counts twice: in the header, and in the pseudo-header before it.
    let checksum = ~fold(fixedSum + 2 * UInt32(8 + payload) + sum)
    put(Int(checksum == 0 ? 0xffff : checksum), at: udp + 6)
    return bytes
  }
}

/// The sum of big-endian 16-bit words, below 2¹⁶ plus a few carries; an odd last byte counts as the high one of a word.
func onesComplementSum(_ bytes: some Sequence<UInt8>) -> UInt32 {
  var sum: UInt64 = 0
  var isHigh = true
  for byte in bytes {
    sum += isHigh ? UInt64(byte) << 8 : UInt64(byte)
    isHigh.toggle()
  }
  while sum >> 16 != 0 { sum = (sum & 0xffff) + (sum >> 16) }
  return UInt32(sum)
}

/// The same for a span, four bytes at a time: the sum of larger words in the machine's order, folded, is that of the
/// bytes swapped (RFC 1071).
func onesComplementSum(_ bytes: Span<UInt8>) -> UInt32 {
  let raw = unsafe bytes.bytes
  var sum: UInt64 = 0
  var at = 0
  while at + 4 <= raw.byteCount {
    // Within bounds by the line above; any four bytes are an integer.
    sum += UInt64(unsafe raw.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt32.self).littleEndian)
    at += 4
  }
  for shift in 0..<(raw.byteCount - at) { sum += UInt64(bytes[at + shift]) << UInt64(8 * shift) }
  while sum >> 16 != 0 { sum = (sum & 0xffff) + (sum >> 16) }
  return UInt32(UInt16(sum).byteSwapped)
}

private func fold(_ sum: UInt32) -> UInt16 {
  var sum = sum
  while sum >> 16 != 0 { sum = (sum & 0xffff) + (sum >> 16) }
  return UInt16(sum)
}
