//  ControlMessages.swift — what goes beside a datagram: its segment size, its traffic class, the address it is for.
//
//      │ length 8 │ level 4 │ type 4 │ data …, padded to 8 │ length │ …     the padding is not in the length
//
//  The C library's macros for this list (CMSG_FIRSTHDR and its like) do not come through to Swift; the layout is the
//  kernel's interface and will not change.

@usableFromInline enum ControlMessages {
  @usableFromInline static let headerLength = 16

  // Levels and types: linux/in.h, in6.h, udp.h. The same on all architectures.
  @usableFromInline static let levelIPv4: Int32 = 0
  @usableFromInline static let levelIPv6: Int32 = 41
  @usableFromInline static let levelUDP: Int32 = 17
  @usableFromInline static let typeOfService: Int32 = 1
  @usableFromInline static let packetInfo: Int32 = 8
  @usableFromInline static let packetInfo6: Int32 = 50
  @usableFromInline static let trafficClass6: Int32 = 67
  @usableFromInline static let segment: Int32 = 103
  @usableFromInline static let joined: Int32 = 104

  /// What a message with so many bytes of data takes.
  @inlinable @inline(__always)
  static func space(_ count: Int) -> Int { headerLength + (count + 7) & ~7 }

  /// Writes a header; the data goes behind it. Returns where.
  @inlinable @inline(__always)
  static func begin(
    _ level: Int32, _ type: Int32, count: Int, at place: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    place.storeBytes(of: headerLength + count, as: Int.self)
    place.storeBytes(of: level, toByteOffset: 8, as: Int32.self)
    place.storeBytes(of: type, toByteOffset: 12, as: Int32.self)
    return place + headerLength
  }

  /// Calls `body` for each message; one that does not fit ends the list.
  @inlinable @inline(__always)
  static func forEach(
    in bytes: UnsafeRawBufferPointer, _ body: (_ level: Int32, _ type: Int32, _ data: UnsafeRawBufferPointer) -> Void
  ) {
    guard let start = bytes.baseAddress else { return }
    var at = 0
    while bytes.count - at >= headerLength {
      let length = (start + at).loadUnaligned(as: Int.self)
      guard length >= headerLength, length <= bytes.count - at else { return }
      body(
        (start + at).loadUnaligned(fromByteOffset: 8, as: Int32.self),
        (start + at).loadUnaligned(fromByteOffset: 12, as: Int32.self),
        UnsafeRawBufferPointer(start: start + at + headerLength, count: length - headerLength))
      at += (length + 7) & ~7
    }
  }
}
