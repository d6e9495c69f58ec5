//  NamePattern.swift — names of interfaces as operators write them: `eth0`, `wwan*`, `en?s*`.

/// `*` is any number of characters, `?` is one; everything else is itself.
public struct NamePattern: Equatable, Sendable {
  public let text: String

  public init(_ text: String) { self.text = text }

  public func matches(_ name: String) -> Bool {
    let pattern = Array(text.utf8)
    let bytes = Array(name.utf8)
    var (at, place) = (0, 0)
    // Where to go on when what follows the last star does not fit.
    var star: (pattern: Int, place: Int)?
    while place < bytes.count {
      if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
        star = (at, place)
        at += 1
      } else if at < pattern.count, pattern[at] == UInt8(ascii: "?") || pattern[at] == bytes[place] {
        at += 1
        place += 1
      } else if let last = star {
        star = (last.pattern, last.place + 1)
        at = last.pattern + 1
        place = last.place + 1
      } else {
        return false
      }
    }
    return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
