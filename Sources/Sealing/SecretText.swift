//  SecretText.swift — secrets as people keep them, 44 characters of base64, without leaving copies in memory.
//
//  `KeyText` does the same for what everybody may see, with arrays and strings that come and go. Here nothing is
//  allocated but the secret itself: characters are read where they lie and written where the caller says, and both
//  places are the caller's to wipe.

extension Secret {
  /// How many characters the text of a secret has.
  public static let textLength = KeyText.length

  /// nil when it is not 44 characters of base64, or has bits set that stand for nothing.
  public init?(text: some Collection<UInt8>) {
    guard Secret.isText(text) else { return nil }
    self.init()
    unsafe withMutableBytes { bytes in
      var word: UInt32 = 0
      for (index, character) in text.enumerated() {
        word = word << 6 | (Secret.value(of: character) ?? 0)
        guard index % 4 == 3 else { continue }
        let start = index / 4 * 3
        for place in start..<min(start + 3, Secret.length) {
          unsafe bytes[place] = UInt8(word >> UInt32(8 * (start + 2 - place)) & 255)
        }
        word = 0
      }
    }
  }

  private static func isText(_ text: some Collection<UInt8>) -> Bool {
    guard text.count == Secret.textLength else { return false }
    var last: UInt32 = 0
    for (index, character) in text.enumerated() {
      if index == Secret.textLength - 1 { return character == UInt8(ascii: "=") && last & 3 == 0 }
      guard let value = value(of: character) else { return false }
      last = value
    }
    return false
  }

  /// Writes the 44 characters into the front of this place.
  public func writeText(into place: UnsafeMutableRawBufferPointer) {
    precondition(place.count >= Secret.textLength, "the text of a secret needs room for 44 characters")
    let bytes = unsafe self.bytes
    for group in 0..<Secret.textLength / 4 {
      var word: UInt32 = 0
      for index in group * 3..<group * 3 + 3 {
        word = unsafe word << 8 | (index < Secret.length ? UInt32(bytes[index]) : 0)
      }
      for place4 in 0..<4 {
        let value = UInt8(word >> UInt32(18 - 6 * place4) & 63)
        unsafe place[group * 4 + place4] = Secret.character(for: value)
      }
    }
    unsafe place[Secret.textLength - 1] = UInt8(ascii: "=")
  }

  private static func value(of character: UInt8) -> UInt32? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character) - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character) - 71
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character) + 4
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }

  private static func character(for value: UInt8) -> UInt8 {
    switch value {
    case 0...25: value + 65
    case 26...51: value + 71
    case 52...61: value - 4
    case 62: UInt8(ascii: "+")
    default: UInt8(ascii: "/")
    }
  }
}
