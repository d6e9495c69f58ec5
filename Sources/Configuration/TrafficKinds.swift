//  TrafficKinds.swift — the notations of endpoints and rules: hosts, protocols, ranges of ports, DSCP, stacks.

import Primitives

extension SettingKind where Value == EndpointText {
  static var endpoint: SettingKind {
    let right = "HOST:PORT, such as hq.example.com:51820 or [2001:db8::1]:51820"
    return SettingKind(right) { (bytes) throws(Complaint) in
      let text = String(decoding: bytes, as: UTF8.self)
      if let address = IPAddress(text) {
        let shown = address.family == .ipv6 ? "[\(address)]" : "\(address)"
        throw Complaint("has no port; write \(shown):PORT")
      }
      do throws(EndpointText.Defect) {
        return try EndpointText(text)
      } catch {
        switch error {
        case .portMissing: throw Complaint("has no port; expected \(right)")
        case .portInvalid: throw Complaint("its port must be a number from 1 to 65535")
        case .bracketsMissing, .bracketOpen, .addressInvalid, .nameInvalid: throw Complaint("expected \(right)")
        }
      }
    }
  }
}

/// A letter, a digit, or `_`.
func isWordCharacter(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
    true
  default: false
  }
}

/// Numbers that people know by a name.
enum KnownNumbers {
  static let protocols: [(name: String, number: UInt8)] = [
    ("icmp", 1), ("tcp", 6), ("udp", 17), ("dccp", 33), ("gre", 47), ("esp", 50), ("icmpv6", 58), ("sctp", 132),
  ]

  /// RFC 2474, 2597, 3246, 5865, 8622.
  static let dscp: [(name: String, number: UInt8)] =
    (0...7).map { ("cs\($0)", UInt8($0) << 3) }
    + (1...4).flatMap { level in (1...3).map { ("af\(level)\($0)", UInt8(level << 3 | $0 << 1)) } }
    + [("ef", 46), ("va", 44), ("le", 1)]

  static func number(_ text: String, among known: [(name: String, number: UInt8)], atMost limit: UInt8) -> UInt8? {
    if let match = known.first(where: { $0.name == text.lowercased() }) { return match.number }
    guard text.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt8(text), number <= limit else {
      return nil
    }
    return number
  }

  static func name(of number: UInt8, among known: [(name: String, number: UInt8)]) -> String {
    known.first { $0.number == number }?.name ?? "\(number)"
  }
}

extension SettingKind where Value == UInt8 {
  static var transport: SettingKind {
    let names = KnownNumbers.protocols.map(\.name).joined(separator: ", ")
    return SettingKind("a protocol: \(names), or its number from 0 to 255") {
      KnownNumbers.number($0, among: KnownNumbers.protocols, atMost: 255)
    }
  }

  static var dscp: SettingKind {
    SettingKind("a DSCP such as ef, af41 or cs5, or its number from 0 to 63") {
      KnownNumbers.number($0, among: KnownNumbers.dscp, atMost: 63)
    }
  }
}

extension SettingKind where Value == ClosedRange<UInt16> {
  static var ports: SettingKind {
    SettingKind("a port from 1 to 65535, or a range such as 5060-5090") { text in
      let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
      let numbers = ends.compactMap { end in
        end.utf8.allSatisfy { (48...57).contains($0) } ? UInt16(end) : nil
      }
      guard numbers.count == ends.count, let first = numbers.first, let last = numbers.last, first > 0, first <= last
      else { return nil }
      return first...last
    }
  }
}

extension SettingKind where Value == GatewayConfiguration.Stack {
  static var stack: SettingKind {
    SettingKind("striped, single, single PATH or raw") { text in
      let words = text.split { $0 == " " || $0 == "\t" }
      switch (words.first?.lowercased(), words.count) {
      case ("striped", 1): return .striped
      case ("raw", 1): return .raw
      case ("single", 1): return .single(path: nil)
      case ("single", 2):
        let name = words[1].hasPrefix("\"") && words[1].hasSuffix("\"") ? words[1].dropFirst().dropLast() : words[1]
        return isName(name.utf8) ? .single(path: String(name)) : nil
      default: return nil
      }
    }
  }
}

/// What a path, a peer or a rule can be called.
func isName(_ bytes: some Collection<UInt8>) -> Bool {
  (1...mostNameBytes).contains(bytes.count)
    && bytes.allSatisfy { isWordCharacter($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
}

/// Long enough for a host's name; short enough for a column of a table.
let mostNameBytes = 64
