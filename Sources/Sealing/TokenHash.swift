//  TokenHash.swift — what is kept of a token: enough to know it again, and too little to use it.
//
//  A token is a text that whoever asks shows in every request. Whoever could read the list of those that are known must
//  not become any of them by it; so lists hold SHA-256 of the text, and the text itself is forgotten. Tokens are as
//  random as keys, so a hash that is slow on purpose would protect nothing.

public struct TokenHash: Hashable, Sendable, CustomStringConvertible {
  public static let length = 32

  private let words: (UInt64, UInt64, UInt64, UInt64)

  /// nil when it is not 32 bytes.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == TokenHash.length else { return nil }
    var words: [UInt64] = [0, 0, 0, 0]
    for (index, byte) in bytes.enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
    self.words = (words[0], words[1], words[2], words[3])
  }

  /// From 64 hexadecimal digits, as sha256sum prints them.
  public init?(hexadecimal text: some StringProtocol) {
    var digits: [UInt8] = []
    for character in text.utf8 {
      switch character {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digits.append(character - UInt8(ascii: "0"))
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digits.append(character - UInt8(ascii: "a") + 10)
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digits.append(character - UInt8(ascii: "A") + 10)
      default: return nil
      }
      if digits.count > 2 * TokenHash.length { return nil }
    }
    guard digits.count == 2 * TokenHash.length else { return nil }
    self.init((0..<TokenHash.length).map { digits[2 * $0] << 4 | digits[2 * $0 + 1] })
  }

  /// Takes as long whatever the two have in common: how much of a guess was right is not to be measured.
  @inline(never)
  public func isSame(as other: TokenHash) -> Bool {
    (words.0 ^ other.words.0) | (words.1 ^ other.words.1) | (words.2 ^ other.words.2) | (words.3 ^ other.words.3) == 0
  }

  public static func == (a: TokenHash, b: TokenHash) -> Bool { a.isSame(as: b) }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.1)
    hasher.combine(words.2)
    hasher.combine(words.3)
  }

  /// As sha256sum prints it.
  public var description: String {
    [words.0, words.1, words.2, words.3].map { word in
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}
