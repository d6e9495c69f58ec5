//  Bundle.swift — equal UDP packets of one flow, given to the kernel as one super-packet.
//
//  Why.  A write to a TUN costs 2 to 3 µs, whatever its size. An application that sends its datagrams one by one gives
//  us as many packets; on the far side those that wait together go out with one write: 3.0 µs a packet become 1.2
//  (measured, 1,400 bytes). The kernel cuts the super-packet where each datagram ended, or hands it as it is to a
//  receiver that asked for that (UDP_GRO).
//
//      │ IP UDP │ payload 1 │  │ IP UDP │ payload 2 │  │ IP UDP │ pay 3 │
//      │ IP UDP'│ payload 1 │            │ payload 2 │            │ pay 3 │      lengths and checksums of all
//        rewritten in place               └─ slices of one write ──────┘
//
//  Joins.  What comes out must be what went in: same flow, TTL, traffic class, flow label and DF; the payloads of one
//  length, the last may be shorter and then is the last; no options, no extension headers, no fragments; nothing behind
//  the datagram; not empty. The kernel numbers the pieces on (identification + i), so without DF the packets must be
//  numbered so; with DF the identification means nothing (RFC 6864), and nothing is asked.
//
//  Checksums.  The kernel makes new ones for all pieces, so a packet whose checksum was wrong would arrive as if it
//  were right. Each is verified before it joins, the first when the second comes: a packet that stays alone costs
//  nothing. A packet without checksum stays alone.
//
//  Rejected.  TCP: its senders make super-packets themselves, and pure acknowledgments cannot be merged.
//
//  Always true.  (1) Nothing is written before `finish`. (2) `finish` on a bundle of one changes nothing.

import Primitives

@safe public struct Bundle: BitwiseCopyable {
  public static let mostPieces = SuperPacket.mostDatagrams
  /// The IP header's length field, and what one write takes.
  public static let mostLength = 65_535

  private let start: UnsafeMutableRawPointer
  private let first: PacketView
  private let needsChecksum: Bool
  private let segmentSize: Int

  public private(set) var count = 1
  /// Of all pieces together.
  public private(set) var payloadLength: Int
  /// A shorter piece, or a wrong checksum: nothing joins behind it.
  private var isClosed = false

  /// Begins with this packet; nil when nothing could join it. `segmentSize` and `needsChecksum` are what all packets of
  /// a segment share. The memory must stay where it is until `finish`.
  public init?(_ packet: UnsafeMutableRawPointer, _ view: PacketView, segmentSize: Int, needsChecksum: Bool) {
    guard view.transport == PacketView.Transport.udp, view.hasPlainHeader, !view.isFragment, !view.hasSurplus,
      view.payloadLength > 0, !view.isSuperPacket(segmentSize: segmentSize)
    else { return nil }
    unsafe start = packet
    first = view
    self.needsChecksum = needsChecksum
    self.segmentSize = segmentSize
    payloadLength = view.payloadLength
  }

  /// Of each piece but the last.
  public var pieceLength: Int { first.payloadLength }
  /// Where the payload begins in each packet.
  public var headerLength: Int { first.headerLength }

  /// Whether this packet, which comes next, has joined. When it has not, the bundle is finished, and the packet may
  /// begin another.
  public mutating func append(_ packet: UnsafeMutableRawPointer, _ view: PacketView) -> Bool {
    guard !isClosed, count < Bundle.mostPieces, view.payloadLength <= first.payloadLength, view.payloadLength > 0,
      first.headerLength + payloadLength + view.payloadLength <= Bundle.mostLength,
      view.tuple == first.tuple, view.trafficClass == first.trafficClass, view.ttl == first.ttl,
      view.hasPlainHeader, !view.isFragment, !view.hasSurplus, !view.isSuperPacket(segmentSize: segmentSize),
      unsafe continues(packet)
    else { return false }
    if count == 1, unsafe !isRight(start, first) {
      isClosed = true
      return false
    }
    guard unsafe isRight(packet, view) else { return false }
    count += 1
    payloadLength += view.payloadLength
    isClosed = view.payloadLength < first.payloadLength
    return true
  }

  /// The fields that the kernel copies from the first header or counts on from there, and that no view has.
  private func continues(_ packet: UnsafeMutableRawPointer) -> Bool {
    if first.family == .ipv6 {
      return unsafe UnsafeRawPointer(packet).number32(0) == UnsafeRawPointer(start).number32(0)
    }
    guard unsafe packet.number16(6) == start.number16(6) else { return false }
    if first.mustNotFragment { return true }
    return unsafe packet.number16(4) == start.number16(4) &+ UInt16(truncatingIfNeeded: count)
  }

  private func isRight(_ packet: UnsafeMutableRawPointer, _ view: PacketView) -> Bool {
    let offset = view.transportOffset
    let length = view.totalLength - offset
    let field = unsafe packet.number16(offset + 6)
    if field == 0 { return false }
    var sum = Bundle.pseudoHeader(view, length: length)
    // What is still partial has no more than its pseudo-header in it.
    if needsChecksum { return sum.folded == field }
    unsafe sum.add(UnsafeRawBufferPointer(start: packet + offset, count: length))
    return sum.folded == 0xffff
  }

  private static func pseudoHeader(_ view: PacketView, length: Int) -> Checksum {
    var sum = Checksum()
    sum.addPseudoHeader(
      source: view.tuple.source, destination: view.tuple.destination, transport: view.transport, length: length)
    return sum
  }

  /// Makes the first packet's header that of the whole, and says what to write before it. Then come, in one write, the
  /// first packet and of each other one what is behind its header.
  public func finish() -> OffloadHeader {
    guard count > 1 else {
      return SuperPacket.offload(for: first, segmentSize: 0, needsChecksum: needsChecksum)
    }
    let total = first.headerLength + payloadLength
    let length = total - first.transportOffset
    if first.family == .ipv4 {
      unsafe SuperPacket.rewriteIPv4(start, total: total, identificationStep: 0)
    } else {
      unsafe start.write(UInt16(truncatingIfNeeded: length), 4)
    }
    unsafe start.write(UInt16(truncatingIfNeeded: length), first.transportOffset + 4)
    unsafe start.write(Bundle.pseudoHeader(first, length: length).folded, first.transportOffset + 6)
    var offload = SuperPacket.offload(for: first, segmentSize: 0, needsChecksum: true)
    offload.headerLength = UInt16(first.headerLength)
    offload.segmentKind = OffloadHeader.udp
    offload.segmentSize = UInt16(truncatingIfNeeded: first.payloadLength)
    return offload
  }
}
