//  Media.swift — what media types are, as far as two of them are compared.

enum Media {
  /// `type/subtype` in small letters, without parameters and blanks.
  static func essence(_ text: some StringProtocol) -> String {
    let end = text.firstIndex(of: ";") ?? text.endIndex
    return String(text[..<end].filter { $0 != " " && $0 != "\t" }).lowercased()
  }

  static func isAccepted(_ type: String, by accept: String) -> Bool {
    let family = type.prefix { $0 != "/" } + "/*"
    return accept.split(separator: ",").contains { range in
      let name = essence(range)
      let isRefused = range.split(separator: ";").dropFirst().contains {
        essence($0).hasPrefix("q=0") && !essence($0).dropFirst(3).contains { ("1"..."9").contains($0) }
      }
      return !isRefused && (name == type || name == family || name == "*/*")
    }
  }
}
