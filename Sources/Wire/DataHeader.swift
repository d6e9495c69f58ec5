//  DataHeader.swift — the 28 bytes before every sealed datagram: whose it is, which it is, and where its bytes belong.
//
//       0      1      2            6                   12                                          28
//       │ kind │ path │ receiver   │ counter           │ location (masked)                         │ sealed … │ tag │
//       └──────┴──────┴────────────┴───────────────────┴───────────────────────────────────────────┴──────────┴─────┘
//                                                     ╱                                           ╲
//                              ┌──────┬───────┬───────┬─────────┬─────────┬────────┬──────────────┐
//                              │ lane │ flags │ extra │ segment │ length  │ offset │ segment size │
//                              └──────┴───────┴───────┴─────────┴─────────┴────────┴──────────────┘
//                              12     14      15      16        20        23       26            28
//
//  Why.  44 bytes of ours with the tag, so that a packet of 1,428 bytes fits the datagram of a path of 1,500: one byte
//  more and every such packet would travel as two. So everything that can be computed is not sent: where a packet ends
//  is in its own IP header, and what an adapter has to do for it follows from its headers, `segment size` and one flag.
//
//  What an observer sees.  That somebody talks to somebody, over which path, and how much. The location would tell him
//  how many flows there are and how fast each is, so it is masked as QUIC masks its packet numbers: XOR with a block
//  cipher of the tag, under a key of its own. The 28 bytes, unmasked, are authenticated with the text.
//
//  All numbers are little-endian. `docs/wire-format.md` has the same with examples, and tests parse them.

public enum DataHeader {
  public static let length = 28
  public static let clearLength = 12
  public static let tagLength = 16
  /// Ours in every datagram.
  public static let overhead = length + tagLength
  public static let mostCounter: UInt64 = 1 << 48 - 1
}

/// What the receiver reads before it can decide anything. Nothing of it is authentic yet.
public struct ClearHeader: Equatable, Sendable {
  public var path: UInt8
  public var receiver: UInt32
  public var counter: UInt64

  @inlinable public init(path: UInt8, receiver: UInt32, counter: UInt64) {
    self.path = path
    self.receiver = receiver
    self.counter = counter
  }

  /// nil when it is no data datagram of our version, or too short to be one.
  @inlinable @inline(__always)
  public init?(_ datagram: UnsafeRawBufferPointer) {
    guard datagram.count >= DataHeader.overhead, unsafe datagram[0] == MessageKind.data.rawValue else { return nil }
    unsafe path = datagram[1]
    unsafe receiver = UInt32(littleEndian: datagram.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
    // Six bytes: the upper six of the eight that begin at 4.
    unsafe counter = UInt64(littleEndian: datagram.loadUnaligned(fromByteOffset: 4, as: UInt64.self)) >> 16
  }

  /// Writes the first 12 bytes.
  @inlinable @inline(__always)
  public func write(to header: UnsafeMutableRawPointer) {
    unsafe header.storeBytes(of: (counter << 16).littleEndian, toByteOffset: 4, as: UInt64.self)
    unsafe header.storeBytes(of: MessageKind.data.rawValue, toByteOffset: 0, as: UInt8.self)
    unsafe header.storeBytes(of: path, toByteOffset: 1, as: UInt8.self)
    unsafe header.storeBytes(of: receiver.littleEndian, toByteOffset: 2, as: UInt32.self)
  }
}

/// Where the bytes of a datagram belong.
public struct Location: Equatable, Sendable {
  /// What a segment's bytes are, and how to treat them.
  public struct Flags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Not packets but a message between the gateways (`ControlMessage`): no lane, no segment.
    @inlinable public static var control: Flags { Flags(rawValue: 1) }
    /// The transport checksums of the segment's packets are still to be finished.
    @inlinable public static var needsChecksum: Flags { Flags(rawValue: 2) }
    /// The text begins with a `ResumeRecord`: this part starts in the middle of a packet.
    @inlinable public static var resumes: Flags { Flags(rawValue: 4) }
    /// The first byte of the text is the first of a packet: here a reader finds his way again behind a hole.
    @inlinable public static var begins: Flags { Flags(rawValue: 8) }
    @inlinable public static var known: Flags { Flags(rawValue: 15) }
  }

  public var lane: UInt16
  public var flags: Flags
  /// Zero; room for parity.
  public var extra: UInt8
  public var segment: UInt32
  /// Of the whole segment, in bytes.
  public var length: UInt32
  /// Of the first byte of this datagram (behind a resume record) within the segment.
  public var offset: UInt32
  /// The payload of each piece that a super-packet of this segment shall be cut into; 0 when it has none.
  public var segmentSize: UInt16

  @inlinable public init(
    lane: UInt16, flags: Flags = [], segment: UInt32, length: UInt32, offset: UInt32, segmentSize: UInt16
  ) {
    self.lane = lane
    self.flags = flags
    extra = 0
    self.segment = segment
    self.length = length
    self.offset = offset
    self.segmentSize = segmentSize
  }

  /// From the 16 unmasked bytes.
  @inlinable @inline(__always)
  public init(_ bytes: UnsafeRawPointer) {
    let low = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
    let high = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    lane = UInt16(truncatingIfNeeded: low)
    flags = Flags(rawValue: UInt8(truncatingIfNeeded: low >> 16))
    extra = UInt8(truncatingIfNeeded: low >> 24)
    segment = UInt32(truncatingIfNeeded: low >> 32)
    length = UInt32(truncatingIfNeeded: high & 0xff_ffff)
    offset = UInt32(truncatingIfNeeded: high >> 24 & 0xff_ffff)
    segmentSize = UInt16(truncatingIfNeeded: high >> 48)
  }

  /// Writes 16 bytes.
  @inlinable @inline(__always)
  public func write(to bytes: UnsafeMutableRawPointer) {
    let low = UInt64(lane) | UInt64(flags.rawValue) << 16 | UInt64(extra) << 24 | UInt64(segment) << 32
    let high = UInt64(length & 0xff_ffff) | UInt64(offset & 0xff_ffff) << 24 | UInt64(segmentSize) << 48
    unsafe bytes.storeBytes(of: low.littleEndian, toByteOffset: 0, as: UInt64.self)
    unsafe bytes.storeBytes(of: high.littleEndian, toByteOffset: 8, as: UInt64.self)
  }

  /// XORs a mask of 16 bytes over the location that begins here: masks it, or unmasks it.
  @inlinable @inline(__always)
  public static func toggle(_ location: UnsafeMutableRawPointer, mask: UnsafeRawPointer) {
    for word in [0, 8] {
      let bits = unsafe location.loadUnaligned(fromByteOffset: word, as: UInt64.self)
      let cover = unsafe mask.loadUnaligned(fromByteOffset: word, as: UInt64.self)
      unsafe location.storeBytes(of: bits ^ cover, toByteOffset: word, as: UInt64.self)
    }
  }
}
