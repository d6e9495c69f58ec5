//  Query.swift — what stands behind the question mark: `sort=bytes&top=20`, percent signs and all.

/// Names and values in their order. What is no text is left out by whoever asks for it: a query can do no more than
/// choose what is shown.
struct Query {
  /// More names than any page has.
  static let most = 16

  private(set) var members: [(name: String, value: String)] = []

  init(_ text: String?) {
    for part in (text ?? "").split(separator: "&").prefix(Query.most) {
      let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      members.append((Query.decoded(sides[0]), sides.count > 1 ? Query.decoded(sides[1]) : ""))
    }
  }

  subscript(name: String) -> String? { members.first { $0.name == name }?.value }

  private static func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
      case UInt8(ascii: "%"):
        // What is no number stays as it is.
        if rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
          rest = rest.dropFirst(2)
          bytes.append(value)
        } else {
          bytes.append(byte)
        }
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// As it can stand in an address.
  static func encoded(_ text: String) -> String {
    var address = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        address.append(Character(Unicode.Scalar(byte)))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        address += "%" + (digits.count < 2 ? "0" : "") + digits
      }
    }
    return address
  }
}
