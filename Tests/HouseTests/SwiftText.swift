//  SwiftText.swift — a Swift file as the house rules read it: tokens without comments, comments without code.
//
//  Why.  A rule that searches text would find `print(` in the comment that forbids it, and in the string of the test
//  that proves it. So rules look at tokens; what stands in comments and literals is kept apart from them.
//
//  How.  One pass over the bytes. It knows nested block comments, plain, multi-line and raw strings (`#"…"#`), and code
//  inside interpolations, whose tokens follow the literal's own. A raw identifier in backticks is one word with spaces.
//  Regular expression literals with bare slashes are read as division; a quote in one could mislead the pass to the end
//  of its line, no further, because a plain string ends there.

struct SwiftText {
  struct Token: Equatable {
    enum Kind { case word, mark, literal }
    let kind: Kind
    /// A literal's text is what stands between its quotes, interpolations left out.
    let text: String
    let line: Int
    /// Nothing stands between it and the token before: `try!` is one word to a reader, `try !x` is not.
    var isJoined = false
  }

  struct Comment: Equatable {
    let line: Int
    let text: String
  }

  let file: String
  let lines: [Substring]
  private(set) var tokens: [Token] = []
  /// One for each line that a comment covers.
  private(set) var comments: [Comment] = []

  init(_ text: String, file: String = "sample.swift") {
    self.file = file
    lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    var pass = Pass(bytes: Array(text.utf8))
    pass.code(untilParenthesis: false)
    tokens = pass.tokens
    comments = pass.comments
  }
}

private struct Pass {
  let bytes: [UInt8]
  var at = 0
  var line = 1
  var tokens: [SwiftText.Token] = []
  var comments: [SwiftText.Comment] = []

  init(bytes: [UInt8]) { self.bytes = bytes }

  private func peek(_ ahead: Int = 0) -> UInt8 { at + ahead < bytes.count ? bytes[at + ahead] : 0 }
  private func starts(with text: StaticString) -> Bool {
    guard at + text.utf8CodeUnitCount <= bytes.count else { return false }
    return (0..<text.utf8CodeUnitCount).allSatisfy { bytes[at + $0] == text.utf8Start[$0] }
  }
  private func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

  private mutating func add(_ kind: SwiftText.Token.Kind, _ range: Range<Int>) {
    let isJoined = range.lowerBound > 0 && bytes[range.lowerBound - 1] > UInt8(ascii: " ")
    tokens.append(.init(kind: kind, text: text(range), line: line, isJoined: isJoined))
  }

  /// Code up to the end, or to the parenthesis that closes an interpolation.
  mutating func code(untilParenthesis: Bool) {
    var depth = 0
    while at < bytes.count {
      let byte = peek()
      if starts(with: "//") {
        lineComment()
      } else if starts(with: "/*") {
        blockComment()
      } else if byte == UInt8(ascii: "\"") || (byte == UInt8(ascii: "#") && opensRawString) {
        string()
      } else if byte == UInt8(ascii: "`") {
        rawIdentifier()
      } else if isWord(byte) {
        let start = at
        while at < bytes.count && isWord(peek()) { at += 1 }
        add(.word, start..<at)
      } else {
        if byte == UInt8(ascii: "\n") {
          line += 1
        } else if byte > UInt8(ascii: " ") {
          add(.mark, at..<at + 1)
        }
        if byte == UInt8(ascii: "(") { depth += 1 }
        if byte == UInt8(ascii: ")") { depth -= 1 }
        at += 1
        if untilParenthesis && depth < 0 { return }
      }
    }
  }

  private func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"), 0x80...0xff:
      true
    default: false
    }
  }

  /// `#`s with a quote after them.
  private var opensRawString: Bool {
    var ahead = 0
    while peek(ahead) == UInt8(ascii: "#") { ahead += 1 }
    return peek(ahead) == UInt8(ascii: "\"")
  }

  private mutating func lineComment() {
    let start = at
    while at < bytes.count && peek() != UInt8(ascii: "\n") { at += 1 }
    comments.append(.init(line: line, text: text(start..<at)))
  }

  private mutating func blockComment() {
    var depth = 0
    var start = at
    repeat {
      if starts(with: "/*") {
        depth += 1
        at += 2
      } else if starts(with: "*/") {
        depth -= 1
        at += 2
      } else {
        if peek() == UInt8(ascii: "\n") {
          comments.append(.init(line: line, text: text(start..<at)))
          line += 1
          start = at + 1
        }
        at += 1
      }
    } while depth > 0 && at < bytes.count
    comments.append(.init(line: line, text: text(start..<at)))
  }

  private mutating func rawIdentifier() {
    let start = at
    at += 1
    while at < bytes.count && peek() != UInt8(ascii: "`") && peek() != UInt8(ascii: "\n") { at += 1 }
    if peek() == UInt8(ascii: "`") { at += 1 }
    add(.word, start..<at)
  }

  private mutating func string() {
    var hashes = 0
    while peek() == UInt8(ascii: "#") {
      hashes += 1
      at += 1
    }
    let isLong = starts(with: "\"\"\"")
    let quotes = isLong ? 3 : 1
    at += quotes
    let place = tokens.count
    let startLine = line
    var content: [UInt8] = []
    while at < bytes.count {
      let byte = peek()
      if byte == UInt8(ascii: "\"") && closes(quotes: quotes, hashes: hashes) {
        at += quotes + hashes
        break
      }
      if byte == UInt8(ascii: "\n") {
        if !isLong { break }
        line += 1
      }
      if byte == UInt8(ascii: "\\") && isEscape(hashes: hashes) {
        at += 1 + hashes
        if peek() == UInt8(ascii: "(") {
          at += 1
          code(untilParenthesis: true)
        } else {
          content.append(peek())
          if peek() == UInt8(ascii: "\n") { line += 1 }
          at += 1
        }
        continue
      }
      content.append(byte)
      at += 1
    }
    let literal = String(decoding: content, as: UTF8.self)
    tokens.insert(.init(kind: .literal, text: literal, line: startLine), at: place)
  }

  private func closes(quotes: Int, hashes: Int) -> Bool {
    (0..<quotes).allSatisfy { peek($0) == UInt8(ascii: "\"") }
      && (0..<hashes).allSatisfy { peek(quotes + $0) == UInt8(ascii: "#") }
  }

  private func isEscape(hashes: Int) -> Bool { (0..<hashes).allSatisfy { peek(1 + $0) == UInt8(ascii: "#") } }
}
