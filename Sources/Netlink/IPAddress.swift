//  IPAddress.swift — an address of either family, and the network it lies in.
//
//  One type for both families, because routes, rules and sockets come in both and the code around them is the same.
//  The bytes lie in two words, so a value is 17 bytes without an allocation, and a table of routes is a plain array.

import Glibc

public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
  public enum Family: UInt8, CaseIterable, Sendable {
    // The kernel's numbers for them.
    case ipv4 = 2
    case ipv6 = 10

    public var bitCount: Int { self == .ipv4 ? 32 : 128 }
  }

  public let family: Family
  /// In network order, the first byte on top; an IPv4 address fills the first 32 bits of `high`.
  private let high: UInt64
  private let low: UInt64

  /// From 4 or 16 bytes in network order.
  public init(bytes: some Collection<UInt8>) {
    precondition(bytes.count == 4 || bytes.count == 16, "an address has 4 or 16 bytes")
    family = bytes.count == 4 ? .ipv4 : .ipv6
    var words: (UInt64, UInt64) = (0, 0)
    for (index, byte) in bytes.enumerated() {
      if index < 8 {
        words.0 |= UInt64(byte) << UInt64(56 - 8 * index)
      } else {
        words.1 |= UInt64(byte) << UInt64(120 - 8 * index)
      }
    }
    (high, low) = words
  }

  /// From `192.0.2.1` or `2001:db8::1`; nil when it is neither.
  public init?(_ text: String) {
    var buffer = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, text, &buffer) == 1 {
      self.init(bytes: buffer[..<4])
    } else if inet_pton(AF_INET6, text, &buffer) == 1 {
      self.init(bytes: buffer)
    } else {
      return nil
    }
  }

  public var byteCount: Int { family.bitCount / 8 }

  public subscript(index: Int) -> UInt8 {
    precondition(index >= 0 && index < byteCount, "no such byte in this family")
    return index < 8
      ? UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * index))
      : UInt8(truncatingIfNeeded: low >> UInt64(120 - 8 * index))
  }

  public var bytes: [UInt8] { (0..<byteCount).map { self[$0] } }

  public var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let bytes = self.bytes
    inet_ntop(Int32(family.rawValue), bytes, &text, socklen_t(text.count))
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// An address and how many of its bits name the network: `10.3.0.1/16`. The other bits stay as they were given.
public struct IPPrefix: Hashable, Sendable, CustomStringConvertible {
  public let address: IPAddress
  public let length: Int

  public init(_ address: IPAddress, length: Int) {
    precondition(length >= 0 && length <= address.family.bitCount, "a prefix is as long as its address at most")
    self.address = address
    self.length = length
  }

  /// The address alone: /32 or /128.
  public init(_ address: IPAddress) { self.init(address, length: address.family.bitCount) }

  /// 0.0.0.0/0 or ::/0: everything.
  public static func everything(_ family: IPAddress.Family) -> IPPrefix {
    IPPrefix(IPAddress(bytes: [UInt8](repeating: 0, count: family.bitCount / 8)), length: 0)
  }

  /// From `10.3.0.1/16`, or an address alone; nil when it is neither.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = IPAddress(String(parts[0])) else { return nil }
    if parts.count == 1 {
      self.init(address)
    } else {
      guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), let length = Int(parts[1]),
        length <= address.family.bitCount
      else { return nil }
      self.init(address, length: length)
    }
  }

  public var family: IPAddress.Family { address.family }

  /// The same network with all bits behind its length zero: what a route's destination must be.
  public var network: IPPrefix {
    var bytes = address.bytes
    for bit in length..<family.bitCount { bytes[bit / 8] &= ~(0x80 >> UInt8(bit % 8)) }
    return IPPrefix(IPAddress(bytes: bytes), length: length)
  }

  public var description: String { "\(address)/\(length)" }
}
