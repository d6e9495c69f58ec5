//  IPAddress.swift — an address of either family, and the network it lies in.
//
//  One type for both families, because routes, rules and sockets come in both and the code around them is the same.
//  The bytes lie in two words, so a value is 17 bytes without an allocation, and a table of routes is a plain array.

public struct IPAddress: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
  public enum Family: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    // The kernel's numbers for them.
    case ipv4 = 2
    case ipv6 = 10

    public var bitCount: Int { self == .ipv4 ? 32 : 128 }
  }

  public let family: Family
  /// In network order, the first byte on top; an IPv4 address fills the first 32 bits of `high`.
  public let high: UInt64
  public let low: UInt64

  /// From 4 or 16 bytes in network order.
  public init(bytes: some Collection<UInt8>) {
    precondition(bytes.count == 4 || bytes.count == 16, "an address has 4 or 16 bytes")
    let family: Family = bytes.count == 4 ? .ipv4 : .ipv6
    var words: (UInt64, UInt64) = (0, 0)
    for (index, byte) in bytes.enumerated() {
      if index < 8 {
        words.0 |= UInt64(byte) << UInt64(56 - 8 * index)
      } else {
        words.1 |= UInt64(byte) << UInt64(120 - 8 * index)
      }
    }
    self.init(family, high: words.0, low: words.1)
  }

  /// Two words in network order, the first byte on top; an IPv4 address fills the first 32 bits of `high`.
  @inlinable public init(_ family: Family, high: UInt64, low: UInt64) {
    self.family = family
    self.high = high
    self.low = low
  }

  @inlinable public init(ipv4 address: UInt32) { self.init(.ipv4, high: UInt64(address) << 32, low: 0) }

  /// From `192.0.2.1` or `2001:db8::1`; nil when it is neither.
  public init?(_ text: some StringProtocol) {
    let text = Array(text.utf8)
    if let words = IPAddress.parseIPv6(text) {
      self.init(.ipv6, high: words.high, low: words.low)
    } else if let word = IPAddress.parseIPv4(text[...]) {
      self.init(ipv4: word)
    } else {
      return nil
    }
  }

  private static func parseIPv4(_ text: ArraySlice<UInt8>) -> UInt32? {
    let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var word: UInt32 = 0
    for part in parts {
      // A leading zero would be octal for some readers and decimal for others.
      guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
      var value: UInt32 = 0
      for digit in part {
        guard (48...57).contains(digit) else { return nil }
        value = value * 10 + UInt32(digit - 48)
      }
      guard value <= 255 else { return nil }
      word = word << 8 | value
    }
    return word
  }

  private static func parseIPv6(_ text: [UInt8]) -> (high: UInt64, low: UInt64)? {
    guard (2...45).contains(text.count) else { return nil }
    let colon = UInt8(ascii: ":")
    let words: [UInt16]
    if let gap = text.indices.dropLast().first(where: { text[$0] == colon && text[$0 + 1] == colon }) {
      // What is left on either side must be groups; a second `::` leaves an empty one.
      guard let before = parseGroups(text[..<gap], mayEndInIPv4: false),
        let after = parseGroups(text[(gap + 2)...], mayEndInIPv4: true), before.count + after.count <= 7
      else { return nil }
      words = before + [UInt16](repeating: 0, count: 8 - before.count - after.count) + after
    } else {
      guard let groups = parseGroups(text[...], mayEndInIPv4: true), groups.count == 8 else { return nil }
      words = groups
    }
    return (
      words[..<4].reduce(0) { $0 << 16 | UInt64($1) }, words[4...].reduce(0) { $0 << 16 | UInt64($1) }
    )
  }

  /// `2001:db8:1`, or `1:192.0.2.1`, or nothing at all.
  private static func parseGroups(_ text: ArraySlice<UInt8>, mayEndInIPv4: Bool) -> [UInt16]? {
    if text.isEmpty { return [] }
    var groups: [UInt16] = []
    let fields = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    for (index, field) in fields.enumerated() {
      if mayEndInIPv4, index == fields.count - 1, field.contains(UInt8(ascii: ".")) {
        guard let word = parseIPv4(field) else { return nil }
        groups += [UInt16(word >> 16), UInt16(word & 0xffff)]
      } else {
        guard (1...4).contains(field.count) else { return nil }
        var value: UInt16 = 0
        for digit in field {
          guard let nibble = IPAddress.nibble(digit) else { return nil }
          value = value << 4 | nibble
        }
        groups.append(value)
      }
    }
    return groups
  }

  private static func nibble(_ digit: UInt8) -> UInt16? {
    switch digit {
    case 48...57: UInt16(digit - 48)
    case 65...70: UInt16(digit - 55)
    case 97...102: UInt16(digit - 87)
    default: nil
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

  /// fe80::/10; nobody beyond the line can answer to it.
  public var isLinkLocal: Bool { family == .ipv6 && high >> 54 == 0xfe80 >> 6 }

  /// Four numbers, or RFC 5952's form: no leading zeros, the longest run of zero groups as `::`, and an IPv4 address
  /// inside (::ffff:0:0/96) as itself.
  public var description: String {
    if family == .ipv4 { return bytes.map { String($0) }.joined(separator: ".") }
    if high == 0, low >> 32 == 0xffff { return "::ffff:\(IPAddress(ipv4: UInt32(truncatingIfNeeded: low)))" }
    let groups = (0..<8).map { UInt16(self[2 * $0]) << 8 | UInt16(self[2 * $0 + 1]) }
    var gap = 0..<0
    var start = 0
    while start < 8 {
      let end = groups[start...].firstIndex { $0 != 0 } ?? 8
      if end - start > max(1, gap.count) { gap = start..<end }
      start = max(end, start + 1)
    }
    func text(_ groups: ArraySlice<UInt16>) -> String {
      groups.map { String($0, radix: 16) }.joined(separator: ":")
    }
    return gap.isEmpty ? text(groups[...]) : text(groups[..<gap.lowerBound]) + "::" + text(groups[gap.upperBound...])
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
    guard let address = IPAddress(parts[0]) else { return nil }
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

  /// Whether the network holds this address.
  @inlinable public func contains(_ other: IPAddress) -> Bool {
    guard other.family == address.family else { return false }
    let high = length >= 64 ? UInt64.max : ~(UInt64.max >> UInt64(length))
    let low = length <= 64 ? 0 : length >= 128 ? UInt64.max : ~(UInt64.max >> UInt64(length - 64))
    return (other.high ^ address.high) & high == 0 && (other.low ^ address.low) & low == 0
  }

  public var description: String { "\(address)/\(length)" }
}
