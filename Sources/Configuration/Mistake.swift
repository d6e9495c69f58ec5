//  Mistake.swift — where a configuration is wrong, and how, in one line that an editor can jump to.

/// A place in a configuration. Line and column count from 1, columns count bytes.
public struct Place: Hashable, Comparable, Sendable {
  /// Which of its texts, in the order in which they are read; 0 is the file itself.
  public var text: Int
  public var line: Int
  public var column: Int

  public init(text: Int = 0, line: Int, column: Int) {
    self.text = text
    self.line = line
    self.column = column
  }

  public static func < (a: Place, b: Place) -> Bool { (a.text, a.line, a.column) < (b.text, b.line, b.column) }
}

public struct Mistake: Equatable, Sendable, CustomStringConvertible {
  public let file: String
  public let place: Place
  /// What is wrong: what would be right. Never a secret, never a control character.
  public let message: String
  /// The section that it is in, where nobody has written lines.
  let title: String?

  public init(file: String, place: Place, message: String) {
    self.init(file: file, place: place, message: message, title: nil)
  }

  init(file: String, place: Place, message: String, title: String?) {
    self.file = file
    self.place = place
    self.message = message
    self.title = title
  }

  public var description: String {
    guard let title else { return "\(file):\(place.line):\(place.column): \(message)" }
    // Some messages begin with it.
    return message.hasPrefix("[") ? message : "\(title): \(message)"
  }
}

/// Everything that is wrong with a file, in its order.
public struct Mistakes: Error, Equatable, Sendable, CustomStringConvertible {
  /// Whoever has more than this many has given us something that is no configuration.
  public static let most = 50

  public private(set) var listed: [Mistake] = []
  /// How many more there are.
  public private(set) var unlisted = 0

  public var isEmpty: Bool { listed.isEmpty }

  mutating func add(_ mistake: Mistake) {
    if listed.count < Mistakes.most { listed.append(mistake) } else { unlisted += 1 }
  }

  mutating func sort() {
    // Two mistakes at one place stay in the order in which they were found.
    listed = listed.enumerated().sorted { ($0.element.place, $0.offset) < ($1.element.place, $1.offset) }.map(\.element)
  }

  /// A mistake a line.
  public var description: String {
    let lines = listed.map(\.description)
    return (lines + (unlisted > 0 ? ["and \(unlisted) more"] : [])).joined(separator: "\n")
  }
}

/// What somebody wrote, fit for one line of a message.
public func shown(_ bytes: some Collection<UInt8>) -> String {
  let scalars = String(decoding: bytes.prefix(200), as: UTF8.self).unicodeScalars
  var text = ""
  for scalar in scalars.prefix(60) {
    text.unicodeScalars.append(scalar.value < 32 || (127...159).contains(scalar.value) ? "?" : scalar)
  }
  return text + (scalars.count > 60 || bytes.count > 200 ? "…" : "")
}
