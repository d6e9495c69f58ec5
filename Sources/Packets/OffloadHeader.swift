//  OffloadHeader.swift — the ten bytes before every packet: what its sender left for the adapter to do.
//
//      0        1          2             4              6               8                 10
//      │ flags  │ gso type │ header len  │ segment size │ sum starts at │ sum is written  │ the packet …
//      └────────┴──────────┴─────────────┴──────────────┴───────────────┴── at + this ────┘
//
//  virtio's structure in the machine's byte order. With `needsChecksum` the field that shall hold the Internet checksum
//  holds the sum of the pseudo-header, and everything from `checksumStart` to the end is still to be added.

public struct OffloadHeader: Equatable, Sendable {
  @inlinable public static var length: Int { 10 }

  @inlinable public static var needsChecksum: UInt8 { 1 }

  /// Values of `segmentKind`.
  @inlinable public static var tcpIPv4: UInt8 { 1 }
  @inlinable public static var tcpIPv6: UInt8 { 4 }
  @inlinable public static var udp: UInt8 { 5 }
  /// Added to a kind of TCP: the flag CWR belongs to the first piece only.
  @inlinable public static var congestionOnce: UInt8 { 0x80 }

  public var flags: UInt8 = 0
  public var segmentKind: UInt8 = 0
  public var headerLength: UInt16 = 0
  public var segmentSize: UInt16 = 0
  public var checksumStart: UInt16 = 0
  public var checksumOffset: UInt16 = 0

  /// A packet that is finished as it is.
  @inlinable public init() {}

  /// nil when the bytes are too few.
  @inlinable public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= OffloadHeader.length else { return nil }
    unsafe flags = bytes[0]
    unsafe segmentKind = bytes[1]
    unsafe headerLength = bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
    unsafe segmentSize = bytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
    unsafe checksumStart = bytes.loadUnaligned(fromByteOffset: 6, as: UInt16.self)
    unsafe checksumOffset = bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)
  }

  @inlinable public func write(to bytes: UnsafeMutableRawBufferPointer) {
    precondition(bytes.count >= OffloadHeader.length, "no room for an offload header")
    unsafe bytes[0] = flags
    unsafe bytes[1] = segmentKind
    unsafe bytes.storeBytes(of: headerLength, toByteOffset: 2, as: UInt16.self)
    unsafe bytes.storeBytes(of: segmentSize, toByteOffset: 4, as: UInt16.self)
    unsafe bytes.storeBytes(of: checksumStart, toByteOffset: 6, as: UInt16.self)
    unsafe bytes.storeBytes(of: checksumOffset, toByteOffset: 8, as: UInt16.self)
  }

  /// Does what the sender left to do: afterwards the packet (header and all, as read from the device) carries its
  /// checksum. False when the header points beyond the packet; then nothing has changed.
  public static func completeChecksum(of packet: UnsafeMutableRawBufferPointer) -> Bool {
    guard var header = unsafe OffloadHeader(UnsafeRawBufferPointer(packet)) else { return false }
    if header.flags & needsChecksum == 0 { return true }
    let body = unsafe UnsafeMutableRawBufferPointer(rebasing: packet[length...])
    let start = Int(header.checksumStart)
    let place = start + Int(header.checksumOffset)
    guard place + 2 <= body.count else { return false }
    unsafe Checksum.complete(
      UnsafeMutableRawBufferPointer(rebasing: body[start...]), place: place - start, isUDP: header.checksumOffset == 6)
    header.flags &= ~needsChecksum
    header.checksumStart = 0
    header.checksumOffset = 0
    unsafe header.write(to: packet)
    return true
  }
}
