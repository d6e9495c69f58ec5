//  SegmentDraft.swift — a shipment's packets, as the places where they lie.
//
//  A segment is cut by bytes, and its bytes lie in as many read buffers as it has packets. The draft answers what
//  cutting and sealing need: where a byte of the segment lies, whether a range is in one piece, where a cut may be, and
//  what a reader needs who gets only what follows the cut.
//
//  Always true.  (1) Packets lie one after the other without gaps: `offset[i + 1] = offset[i] + length[i]`. (2) All
//  have the same `segmentSize` and `needsChecksum`. (3) Nothing is copied into the draft.

import Packets
import Primitives
import Wire

struct SegmentDraft: BitwiseCopyable {
  /// More small packets than one turn reads.
  static let mostPackets = 128

  struct Packet: BitwiseCopyable {
    var bytes: UnsafeRawPointer
    var length: Int
    var offset: Int
    /// Of the driver's; it goes back when the shipment is over.
    var buffer: UInt16
  }

  private let packets: UnsafeMutablePointer<Packet>
  private(set) var count = 0
  private(set) var length = 0
  let segmentSize: UInt16
  let needsChecksum: Bool
  /// Every packet may be marked instead of dropped.
  private(set) var isCongestionCapable = true
  /// All packets but perhaps a shorter last one have this length; 0 when they differ.
  private(set) var commonLength = 0
  /// The packet that was found last: the search goes on from there.
  private var current = 0

  /// Empty; `packets` has room for as many as there may be.
  init(at packets: UnsafeMutablePointer<Packet>, segmentSize: UInt16, needsChecksum: Bool) {
    self.packets = packets
    self.segmentSize = segmentSize
    self.needsChecksum = needsChecksum
  }

  /// One that was made before.
  init(
    at packets: UnsafeMutablePointer<Packet>, count: Int, length: Int, segmentSize: UInt16, needsChecksum: Bool,
    isCongestionCapable: Bool, commonLength: Int
  ) {
    self.init(at: packets, segmentSize: segmentSize, needsChecksum: needsChecksum)
    self.count = count
    self.length = length
    self.isCongestionCapable = isCongestionCapable
    self.commonLength = commonLength
  }

  @inline(__always)
  mutating func append(_ bytes: UnsafeRawPointer, length packetLength: Int, buffer: UInt16) {
    precondition(count < SegmentDraft.mostPackets, "a segment has a bounded number of packets")
    packets[count] = Packet(bytes: bytes, length: packetLength, offset: length, buffer: buffer)
    if count == 0 {
      commonLength = packetLength
    } else if packetLength > commonLength || packets[count - 1].length != commonLength {
      // A shorter one may only be the last: if another follows it, there is no common length.
      commonLength = 0
    }
    let first = bytes.load(as: UInt8.self)
    let second = bytes.load(fromByteOffset: 1, as: UInt8.self)
    let congestion = first >> 4 == 6 ? second >> 4 & 3 : second & 3
    if congestion == 0 { isCongestionCapable = false }
    count += 1
    length += packetLength
  }

  var first: UnsafeRawPointer { packets[0].bytes }

  /// The packet that holds this byte.
  @inline(__always)
  private mutating func packet(at offset: Int) -> Packet {
    if packets[current].offset > offset { current = 0 }
    while offset >= packets[current].offset + packets[current].length { current += 1 }
    return packets[current]
  }

  /// The range in one piece, when it lies within one packet.
  @inline(__always)
  mutating func contiguous(_ offset: Int, _ count: Int) -> UnsafeRawPointer? {
    let packet = packet(at: offset)
    let inside = offset - packet.offset
    return inside + count <= packet.length ? packet.bytes + inside : nil
  }

  /// Copies the range together.
  mutating func gather(_ offset: Int, _ count: Int, into destination: UnsafeMutableRawPointer) {
    var offset = offset
    var left = count
    var place = destination
    while left > 0 {
      let packet = packet(at: offset)
      let inside = offset - packet.offset
      let piece = min(left, packet.length - inside)
      place.copyMemory(from: packet.bytes + inside, byteCount: piece)
      place += piece
      offset += piece
      left -= piece
    }
  }

  @inline(__always)
  mutating func isBeginning(_ offset: Int) -> Bool { packet(at: offset).offset == offset }

  /// Where a cut that was wished for here may be: not within headers, which nobody could complete, and not within a
  /// packet that is no super-packet, since half of it is of no use to anyone.
  mutating func cut(near offset: Int, after start: Int) -> Int {
    if offset >= length { return length }
    let packet = packet(at: offset)
    let inside = offset - packet.offset
    if inside == 0 { return offset }
    let headers = headerLength(of: packet)
    if let headers, inside > headers, packet.length - headers > Int(segmentSize), segmentSize > 0 { return offset }
    // The beginning of that packet, or when the part would be empty, its end.
    return packet.offset > start ? packet.offset : packet.offset + packet.length
  }

  /// nil for a packet whose headers are not worth a copy.
  private func headerLength(of packet: Packet) -> Int? {
    let bytes = UnsafeRawBufferPointer(start: packet.bytes, count: packet.length)
    guard let view = try? PacketView(bytes), view.headerLength <= ResumeRecord.mostHeaderLength else { return nil }
    return view.headerLength
  }

  /// What a part brings that starts within a packet: as much as one that starts within the first does.
  var resumeLength: Int {
    guard segmentSize > 0, let headers = headerLength(of: packets[0]) else { return 0 }
    return ResumeRecord.fixedLength + headers
  }

  /// What a part needs that starts here; nil when a packet begins here.
  mutating func record(at offset: Int) -> (record: ResumeRecord, headers: UnsafeRawPointer)? {
    let packet = packet(at: offset)
    if packet.offset == offset { return nil }
    guard let headers = headerLength(of: packet) else { return nil }
    return (ResumeRecord(packetOffset: UInt32(packet.offset), headerLength: headers), packet.bytes)
  }
}
