//  SettingKind.swift — what may stand behind a `=`: how it is read, and what to say when it is wrong.
//
//  One value says it once: the reader, its error sentences and the manual page's test all use it.

import Primitives
import Sealing

/// What would have been right, to go behind a colon: "expected a number from 1280 to 9000".
public struct Complaint: Error {
  public let sentence: String
  init(_ sentence: String) { self.sentence = sentence }
}

struct SettingKind<Value: Sendable>: Sendable {
  /// To go after "expected": "a number from 1280 to 9000".
  let expectation: String
  /// Keys are not repeated in messages: a private one ends up in the place of a public one easily enough.
  let isKey: Bool
  let read: @Sendable (ArraySlice<UInt8>) throws(Complaint) -> Value

  init(
    _ expectation: String, isKey: Bool = false,
    read: @escaping @Sendable (ArraySlice<UInt8>) throws(Complaint) -> Value
  ) {
    self.expectation = expectation
    self.isKey = isKey
    self.read = read
  }

  /// For what is either right or not.
  init(_ expectation: String, accept: @escaping @Sendable (String) -> Value?) {
    self.init(expectation) { (bytes) throws(Complaint) in
      guard let value = accept(String(decoding: bytes, as: UTF8.self)) else {
        throw Complaint("expected \(expectation)")
      }
      return value
    }
  }
}

extension SettingKind {
  static func number<Number: FixedWidthInteger & Sendable>(
    _ range: ClosedRange<Number>, of unit: String? = nil, _ make: @escaping @Sendable (Number) -> Value
  ) -> SettingKind {
    let what = unit.map { "a number of \($0)" } ?? "a number"
    return SettingKind("\(what) from \(range.lowerBound) to \(range.upperBound)") { text in
      // Swift would read "+5" and "٣" too; nobody means them.
      guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Number(text) else {
        return nil
      }
      return range.contains(number) ? make(number) : nil
    }
  }
}

extension SettingKind where Value: CaseIterable & RawRepresentable<String> {
  static var word: SettingKind {
    let words = Value.allCases.map(\.rawValue)
    return SettingKind(listed(words)) { (bytes) throws(Complaint) in
      let text = String(decoding: bytes, as: UTF8.self).lowercased()
      if let value = Value(rawValue: text) { return value }
      let near = nearestWord(to: text, in: words).map { "; did you mean '\($0)'?" }
      throw Complaint("expected \(listed(words))" + (near ?? ""))
    }
  }
}

extension SettingKind where Value == UInt16 {
  static var port: SettingKind { number(1...65_535) { $0 } }
}

extension SettingKind where Value == ByteCount {
  static func bytes(_ range: ClosedRange<Int>) -> SettingKind { number(range) { ByteCount($0) } }
}

extension SettingKind where Value == KeptSecret {
  static var secret: SettingKind {
    SettingKind("a secret key of \(Secret.textLength) characters of base64", isKey: true) { (bytes) throws(Complaint) in
      guard let secret = Secret(text: bytes) else { throw keyComplaint(bytes) }
      return KeptSecret(secret)
    }
  }
}

extension SettingKind where Value == PublicKey {
  static var publicKey: SettingKind {
    SettingKind("a public key of \(KeyText.length) characters of base64", isKey: true) { (bytes) throws(Complaint) in
      guard let key = PublicKey(String(decoding: bytes, as: UTF8.self)) else { throw keyComplaint(bytes) }
      // Zeros are what an unfilled key reads as.
      if key.bytes.allSatisfy({ $0 == 0 }) { throw Complaint("this key is all zeros and belongs to nobody") }
      return key
    }
  }
}

/// What is wrong with the text of a key, without showing any of it.
func keyComplaint(_ bytes: ArraySlice<UInt8>) -> Complaint {
  let right = "expected \(KeyText.length) characters of base64"
  if let at = bytes.firstIndex(where: { !isBase64($0) && $0 != UInt8(ascii: "=") }) {
    return Complaint("\(right); character \(at - bytes.startIndex + 1) is none")
  }
  if bytes.count != KeyText.length { return Complaint("\(right), found \(bytes.count)") }
  if bytes.last != UInt8(ascii: "=") { return Complaint("\(right), the last of them '='") }
  return Complaint("\(right), and these are not how 32 bytes are written; was a character changed?")
}

private func isBase64(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
    true
  default: false
  }
}

extension SettingKind where Value == String {
  static var file: SettingKind {
    SettingKind("the path of a file") { $0.isEmpty || $0.utf8.count > 4_000 ? nil : $0 }
  }

  /// The kernel's own limit for the path of a socket is 108 with its end.
  static var socket: SettingKind {
    SettingKind("an absolute path of at most 107 bytes") { $0.hasPrefix("/") && $0.utf8.count <= 107 ? $0 : nil }
  }

  static var interface: SettingKind {
    SettingKind("the name of an interface: at most 15 characters, no blank, '/' or ':'") { name in
      let isOne = (1...15).contains(name.utf8.count) && name != "." && name != ".."
      return isOne && name.utf8.allSatisfy { $0 > 32 && $0 < 127 && !"/:%,".utf8.contains($0) } ? name : nil
    }
  }
}

extension SettingKind where Value == IPAddress {
  /// An address that a socket or an interface can have.
  static var address: SettingKind {
    SettingKind("an address such as 192.0.2.1 or 2001:db8::1") { text in
      IPAddress(text).flatMap { isOfOneHost($0) ? $0 : nil }
    }
  }
}

extension SettingKind where Value == IPPrefix {
  /// An address with the length of the network that it stands in.
  static var addressInNetwork: SettingKind {
    SettingKind("an address with the length of its network, such as 10.9.0.1/24 or fd00:9::1/64") { text in
      IPPrefix(text).flatMap { isOfOneHost($0.address) ? $0 : nil }
    }
  }

  /// A network; bits behind its length are not looked at, as WireGuard does.
  static var network: SettingKind {
    SettingKind("a network such as 10.3.0.0/16 or fd00:3::/64") { IPPrefix($0)?.network }
  }
}

private func isOfOneHost(_ address: IPAddress) -> Bool {
  switch address.family {
  case .ipv4:
    let first = address.high >> 56
    return first != 0 && first != 127 && first < 224
  case .ipv6: return address.high >> 56 != 0xff && (address.high, address.low > 1) != (0, false)
  }
}
