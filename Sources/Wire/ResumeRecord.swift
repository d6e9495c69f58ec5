//  ResumeRecord.swift — what makes a part that starts in the middle of a packet readable on its own.
//
//      0                 3               4                              4 + header length
//      │ packet's offset │ header length │ the packet's own headers     │ bytes of the segment …
//      └─────────────────┴───────────────┴──────────────────────────────┴───
//
//  A segment is cut by bytes, so that a super-packet's headers travel once and not once for each datagram. But when the
//  part with the headers is lost, the bytes of the others could not be delivered: so each part that starts inside a
//  packet brings a copy of that packet's IP and transport headers, and says where in the segment the packet begins.
//  All else (sequence number, lengths, checksums) is computed when, and only when, a hole makes it necessary.

public struct ResumeRecord: Equatable, Sendable {
  /// Before the headers.
  public static let fixedLength = 4
  /// IPv6 with extension headers and TCP with all options; longer headers are not split.
  public static let mostHeaderLength = 160
  public static let mostLength = fixedLength + mostHeaderLength

  /// Of the packet within the segment.
  public var packetOffset: UInt32
  public var headerLength: Int

  @inlinable public init(packetOffset: UInt32, headerLength: Int) {
    self.packetOffset = packetOffset
    self.headerLength = headerLength
  }

  /// With the headers.
  @inlinable public var length: Int { ResumeRecord.fixedLength + headerLength }

  /// nil when the bytes are fewer than the record says, or say nonsense. The headers follow at `fixedLength`.
  @inlinable public init?(_ text: UnsafeRawBufferPointer) {
    guard text.count >= ResumeRecord.fixedLength else { return nil }
    let word = unsafe UInt32(littleEndian: text.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
    packetOffset = word & 0xff_ffff
    headerLength = Int(word >> 24)
    guard headerLength <= ResumeRecord.mostHeaderLength, text.count >= length else { return nil }
  }

  /// Writes the first four bytes.
  @inlinable public func write(to bytes: UnsafeMutableRawPointer) {
    let word = packetOffset & 0xff_ffff | UInt32(headerLength) << 24
    unsafe bytes.storeBytes(of: word.littleEndian, toByteOffset: 0, as: UInt32.self)
  }
}
