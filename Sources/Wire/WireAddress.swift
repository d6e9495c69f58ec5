//  WireAddress.swift — an address as messages have it: sixteen bytes in network order, of an IPv4 address the first
//  four and zeros, and a byte elsewhere that says which of the two it is.

import Primitives

enum WireAddress {
  static let ipv4: UInt8 = 4
  static let ipv6: UInt8 = 6

  static func family(of address: IPAddress) -> UInt8 { address.family == .ipv4 ? ipv4 : ipv6 }

  /// nil: there is no such family. What stands behind an IPv4 address says nothing.
  static func read(_ bytes: UnsafeRawBufferPointer, family: UInt8, at offset: Int) -> IPAddress? {
    let high = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    let low = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
    switch family {
    case ipv4: return IPAddress(ipv4: UInt32(truncatingIfNeeded: high >> 32))
    case ipv6: return IPAddress(.ipv6, high: high, low: low)
    default: return nil
    }
  }

  /// Sixteen bytes.
  static func write(_ address: IPAddress, to bytes: UnsafeMutableRawPointer) {
    unsafe bytes.storeBytes(of: address.high.bigEndian, toByteOffset: 0, as: UInt64.self)
    unsafe bytes.storeBytes(of: address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
  }
}
