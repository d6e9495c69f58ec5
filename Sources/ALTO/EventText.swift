//  EventText.swift — an event of a stream as lines (`text/event-stream`).
//
//      event: application/merge-patch+json,costs
//      data: {"cost-map":{"branch":{"hq":5200},
//      data: "r1":{"hq":900}}}
//                                                     ← an empty line ends it
//
//  Clients read such a stream line by line, and a map may have megabytes; so a line ends soon after `lineLength` bytes,
//  at the next comma that is not in a string, where JSON takes a line break for a blank.

enum EventText {
  /// Longer lines are a burden for simple clients (RFC 8895 §9.5); shorter ones add seven bytes each.
  static let lineLength = 4_096

  /// Nothing for longer than 15 s, and proxies may take the connection for dead (RFC 8895 §6.8).
  static let keepAlive = ":\n\n"

  static func event(_ name: String, _ text: String) -> String {
    var lines = Array("event: \(name)\ndata: ".utf8)
    var length = 0
    var isInString = false
    var isEscaped = false
    func begin(_ lines: inout [UInt8]) { lines.append(contentsOf: "\ndata: ".utf8) }
    for byte in text.utf8 {
      // The parts of a multipart answer end their lines as HTTP does; an event has line feeds alone.
      if byte == UInt8(ascii: "\r") { continue }
      if byte == UInt8(ascii: "\n") {
        begin(&lines)
        (length, isInString, isEscaped) = (0, false, false)
        continue
      }
      lines.append(byte)
      length += 1
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = isInString
      } else if byte == UInt8(ascii: "\"") {
        isInString.toggle()
      } else if byte == UInt8(ascii: ","), !isInString, length >= lineLength {
        begin(&lines)
        length = 0
      }
    }
    lines.append(contentsOf: "\n\n".utf8)
    return String(decoding: lines, as: UTF8.self)
  }
}
