//  SocketAddress.swift — an endpoint as the kernel's sockaddr.
//
//      sockaddr_in     │ family 2 │ port │ address │ zero          │               16 bytes
//      sockaddr_in6    │ family 2 │ port │ flow  4 │ address 16 … │ scope 4 │     28 bytes
//
//  A socket for both families takes either form, and reports IPv4 as IPv6 addresses that hold one (::ffff:192.0.2.1).
//  Those become IPv4 here, so that a peer has one name however its datagram came.

import Glibc
public import Primitives

@usableFromInline enum SocketAddress {
  @usableFromInline static let length4 = 16
  @usableFromInline static let length6 = 28
  /// What the longer one needs.
  @usableFromInline static let room = 28

  /// The upper half and the next 32 bits of an IPv6 address that holds an IPv4 one.
  @usableFromInline static let mappedMiddle: UInt64 = 0xffff

  /// Returns the length.
  @inlinable @inline(__always)
  static func write(_ endpoint: Endpoint, to place: UnsafeMutableRawPointer) -> Int {
    let address = endpoint.address
    place.storeBytes(of: UInt16(address.family.rawValue), as: UInt16.self)
    place.storeBytes(of: endpoint.port.bigEndian, toByteOffset: 2, as: UInt16.self)
    if address.family == .ipv4 {
      place.storeBytes(of: UInt32(truncatingIfNeeded: address.high >> 32).bigEndian, toByteOffset: 4, as: UInt32.self)
      place.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
      return length4
    }
    place.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
    place.storeBytes(of: address.high.bigEndian, toByteOffset: 8, as: UInt64.self)
    place.storeBytes(of: address.low.bigEndian, toByteOffset: 16, as: UInt64.self)
    place.storeBytes(of: endpoint.scope, toByteOffset: 24, as: UInt32.self)
    return length6
  }

  /// nil when it is of another family, or too short.
  @inlinable @inline(__always)
  static func read(_ bytes: UnsafeRawBufferPointer) -> Endpoint? {
    guard let place = bytes.baseAddress, bytes.count >= length4 else { return nil }
    let family = place.loadUnaligned(as: UInt16.self)
    let port = UInt16(bigEndian: place.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    if family == IPAddress.Family.ipv4.rawValue {
      return Endpoint(address4(place + 4), port: port)
    }
    guard family == IPAddress.Family.ipv6.rawValue, bytes.count >= length6 else { return nil }
    return Endpoint(
      address6(place + 8), port: port, scope: place.loadUnaligned(fromByteOffset: 24, as: UInt32.self))
  }

  @inlinable @inline(__always)
  static func address4(_ place: UnsafeRawPointer) -> IPAddress {
    IPAddress(ipv4: UInt32(bigEndian: place.loadUnaligned(as: UInt32.self)))
  }

  @inlinable @inline(__always)
  static func address6(_ place: UnsafeRawPointer) -> IPAddress {
    let high = UInt64(bigEndian: place.loadUnaligned(as: UInt64.self))
    let low = UInt64(bigEndian: place.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    return high == 0 && low >> 32 == mappedMiddle
      ? IPAddress(ipv4: UInt32(truncatingIfNeeded: low)) : IPAddress(.ipv6, high: high, low: low)
  }
}
