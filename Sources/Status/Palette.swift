//  Palette.swift — colours for a terminal: the words that say how something is, and the heads of tables.
//
//  The text is painted after it was laid out, so that no column is wider for a colour. A word is a cell when there are
//  two blanks, or an end of the line, on both sides of it: words in sentences stay as they are.

public enum Palette {
  private static let colours: [(words: [String], code: String)] = [
    (["up", "fine", "connected", "carrying"], "32"),
    (["lossy", "congested", "over-budget", "degraded", "probing", "connecting"], "33"),
    (["down", "unreachable"], "31"),
    (["standby", "idle"], "36"),
  ]

  public static func painted(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      isHead(line) ? "\u{1b}[1m\(line)\u{1b}[0m" : painted(line: line)
    }.joined(separator: "\n")
  }

  public static func painted(word: String) -> String {
    guard let colour = colours.first(where: { $0.words.contains(word) }) else { return word }
    return "\u{1b}[\(colour.code)m\(word)\u{1b}[0m"
  }

  /// Capitals only, and more than one word of them.
  private static func isHead(_ line: Substring) -> Bool {
    let letters = line.unicodeScalars.filter { $0.properties.isAlphabetic }
    return letters.count > 3 && letters.allSatisfy { ("A"..."Z").contains($0) } && line.contains("  ")
  }

  private static func painted(line: Substring) -> String {
    var text = ""
    var cell = ""
    var blanks = 0
    func flush() {
      text += painted(word: cell)
      cell = ""
    }
    for character in line {
      if character == " " {
        blanks += 1
        continue
      }
      if blanks == 1 && !cell.isEmpty {
        cell += " "
      } else if blanks > 0 {
        flush()
        text += String(repeating: " ", count: blanks)
      }
      blanks = 0
      cell.append(character)
    }
    flush()
    return text + String(repeating: " ", count: blanks)
  }
}
