//  Checksum.swift — the Internet checksum (RFC 1071): summed fast, and changed without being summed again.
//
//  The sum is that of 16-bit words with the carry added back in, in other words modulo 65,535. Since 2³² and 2⁶⁴ are 1
//  modulo 65,535 too, wider words may be added in their place and folded at the end; and since a byte swap is a
//  multiplication by 2⁸, the machine's order may be summed and swapped at the end.
//
//  Two forms of it are in headers. A *complete* checksum is the complement of the sum over pseudo-header and packet. A
//  *partial* one is the sum of the pseudo-header alone, not complemented: whoever sends the packet on wire adds the
//  rest.
//
//  A sum of anything but zeros never folds to 0, so neither does a partial checksum that is changed here: 0 in a UDP
//  header would say "none".

public import Primitives

public struct Checksum: BitwiseCopyable, Sendable {
  /// In the machine's order. 32 bits are added at a time, so nothing below 16 GiB overflows it.
  @usableFromInline var sum: UInt64 = 0

  @inlinable @inline(__always) public init() {}

  /// The sum of these bytes alone.
  @inlinable public init(_ bytes: UnsafeRawBufferPointer) { unsafe add(bytes) }

  /// Adds bytes that begin at an even place of what is summed. An odd number of them ends it.
  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    guard var place = bytes.baseAddress else { return }
    var left = bytes.count
    // Four sums: none waits for the other.
    var sums: (UInt64, UInt64, UInt64, UInt64) = (sum, 0, 0, 0)
    while left >= 32 {
      let words = unsafe place.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
      sums.0 &+= (words.0 & 0xffff_ffff) &+ (words.0 >> 32)
      sums.1 &+= (words.1 & 0xffff_ffff) &+ (words.1 >> 32)
      sums.2 &+= (words.2 & 0xffff_ffff) &+ (words.2 >> 32)
      sums.3 &+= (words.3 & 0xffff_ffff) &+ (words.3 >> 32)
      unsafe place += 32
      left -= 32
    }
    var total = sums.0 &+ sums.1 &+ sums.2 &+ sums.3
    while left >= 4 {
      total &+= unsafe UInt64(place.loadUnaligned(as: UInt32.self))
      unsafe place += 4
      left -= 4
    }
    if left >= 2 {
      total &+= unsafe UInt64(place.loadUnaligned(as: UInt16.self))
      unsafe place += 2
      left -= 2
    }
    if left == 1 { total &+= unsafe UInt64((UInt16(place.byte(0)) << 8).bigEndian) }
    sum = total
  }

  @inlinable @inline(__always) public mutating func add(_ number: UInt16) { sum &+= UInt64(number.bigEndian) }

  /// What TCP, UDP and ICMPv6 sum before their own bytes. `length` is that of transport header and payload.
  @inlinable public mutating func addPseudoHeader(
    source: IPAddress, destination: IPAddress, transport: UInt8, length: Int
  ) {
    // An IPv4 address has zeros where IPv6 goes on, so one way serves both.
    add64(source.high)
    add64(source.low)
    add64(destination.high)
    add64(destination.low)
    add(UInt16(transport))
    add(UInt16(truncatingIfNeeded: length >> 16))
    add(UInt16(truncatingIfNeeded: length))
  }

  @inlinable @inline(__always) mutating func add64(_ number: UInt64) {
    let word = number.bigEndian
    sum &+= (word & 0xffff_ffff) &+ (word >> 32)
  }

  /// The sum in 16 bits: what a partial checksum is. 0xffff over a packet and its complete checksum.
  @inlinable @inline(__always) public var folded: UInt16 {
    var folded = (sum & 0xffff_ffff) &+ (sum >> 32)
    folded = (folded & 0xffff) &+ (folded >> 16)
    folded = (folded & 0xffff) &+ (folded >> 16)
    folded = (folded & 0xffff) &+ (folded >> 16)
    return UInt16(truncatingIfNeeded: folded).bigEndian
  }

  /// The complement: what a complete checksum is.
  @inlinable @inline(__always) public var complement: UInt16 { ~folded }

  /// A complete checksum after one number of what it covers has changed (RFC 1624, equation 3). One that was wrong
  /// stays wrong, so that the receiver still sees it.
  @inlinable @inline(__always)
  public static func updated(_ checksum: UInt16, replacing old: UInt16, by new: UInt16) -> UInt16 {
    ~updated(partial: ~checksum, replacing: old, by: new)
  }

  /// The same for a partial checksum.
  @inlinable @inline(__always)
  public static func updated(partial: UInt16, replacing old: UInt16, by new: UInt16) -> UInt16 {
    let sum = UInt32(partial) &+ UInt32(~old) &+ UInt32(new)
    let folded = (sum & 0xffff) &+ (sum >> 16)
    return UInt16(truncatingIfNeeded: (folded & 0xffff) &+ (folded >> 16))
  }

  /// Makes the partial checksum at `place` complete; `bytes` is all from the transport header on.
  static func complete(_ bytes: UnsafeMutableRawBufferPointer, place: Int, isUDP: Bool) {
    // The field takes part with the pseudo-header's sum in it.
    var checksum = unsafe Checksum(UnsafeRawBufferPointer(bytes)).complement
    if checksum == 0 && isUDP { checksum = 0xffff }  // zero would say "no checksum"
    unsafe bytes.storeBytes(of: checksum.bigEndian, toByteOffset: place, as: UInt16.self)
  }
}
