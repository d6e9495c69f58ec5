//  PublicKey.swift — who somebody is: the public half of an X25519 key, as text and as bytes.

public struct PublicKey: Hashable, Sendable, CustomStringConvertible {
  public static let length = 32

  /// The 32 bytes as four words in the machine's order: a value that is compared and hashed without an allocation.
  public let words: (UInt64, UInt64, UInt64, UInt64)

  /// nil when it is not 32 bytes.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count == PublicKey.length else { return nil }
    unsafe words = (
      bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
      bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
    )
  }

  /// From 44 characters of base64, as `hawser pubkey` prints them.
  public init?(_ text: some StringProtocol) {
    guard let bytes = KeyText.bytes(text) else { return nil }
    guard let key = unsafe bytes.withUnsafeBytes({ unsafe PublicKey($0) }) else { return nil }
    self = key
  }

  public var bytes: [UInt8] {
    var copy = words
    return unsafe withUnsafeBytes(of: &copy) { unsafe Array($0) }
  }

  public var description: String { KeyText.text(bytes) }

  public static func == (a: PublicKey, b: PublicKey) -> Bool { a.words == b.words }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.1)
    hasher.combine(words.2)
    hasher.combine(words.3)
  }
}

/// Keys as people see them: 32 bytes in base64, 44 characters, the last of them `=`.
public enum KeyText {
  public static let length = 44

  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  public static func text(_ bytes: [UInt8]) -> String {
    precondition(bytes.count == 32, "a key has 32 bytes")
    var text: [UInt8] = []
    text.reserveCapacity(length)
    var word: UInt32 = 0
    for (index, byte) in (bytes + [0]).enumerated() {
      word = word << 8 | UInt32(byte)
      guard index % 3 == 2 else { continue }
      for shift in [18, 12, 6, 0] { text.append(alphabet[Int(word >> UInt32(shift) & 63)]) }
      word = 0
    }
    text[length - 1] = UInt8(ascii: "=")
    return String(decoding: text, as: UTF8.self)
  }

  /// nil when it is not 44 characters of base64, or has bits set that stand for nothing.
  public static func bytes(_ text: some StringProtocol) -> [UInt8]? {
    let characters = Array(text.utf8)
    guard characters.count == length, characters[length - 1] == UInt8(ascii: "=") else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(33)
    var word: UInt32 = 0
    for (index, character) in characters.enumerated() {
      let value: UInt32
      switch character {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = UInt32(character) - 65
      case UInt8(ascii: "a")...UInt8(ascii: "z"): value = UInt32(character) - 71
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = UInt32(character) + 4
      case UInt8(ascii: "+"): value = 62
      case UInt8(ascii: "/"): value = 63
      case UInt8(ascii: "=") where index == length - 1: value = 0
      default: return nil
      }
      word = word << 6 | value
      guard index % 4 == 3 else { continue }
      bytes += [UInt8(word >> 16 & 255), UInt8(word >> 8 & 255), UInt8(word & 255)]
      word = 0
    }
    guard bytes[32] == 0 else { return nil }
    bytes.removeLast()
    return bytes
  }
}
