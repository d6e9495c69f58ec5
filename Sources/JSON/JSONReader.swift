//  JSONReader.swift — reads a JSON text from anybody into a value, or says at which byte it stopped being one.
//
//  Why.  Gateways, relays, operators and ALTO clients send JSON to the oracle, and so may a stranger. A reader that
//  guesses what was meant lets two programs see two things in the same bytes; one without bounds lets forty bytes ask
//  for a gigabyte.
//
//  How.  RFC 8259 and nothing beyond it, one function for each kind of value, one pass over the bytes. Refused are,
//  each with its place: bytes that are no UTF-8, half a surrogate pair, control characters in a string, numbers such as
//  `01`,
//  `.5`, `1e999` and `NaN`, a comma too many, text behind the end, a byte order mark, and a name that an object has
//  twice (of which readers take the first, the last, or both).
//
//      bound       default     what is beyond it
//      bytes       1 MiB       a report of a gateway has some kilobytes; the caller knows better
//      depth       64          ours have 6; each level costs a stack frame
//      values      65,536      `[1,1,1,…` costs forty times its bytes once it is read
//      number      1,024       digits; the longest that a Double can tell apart has 767
//
//  Rejected.  Foundation's decoder (twice the program's size, no place in its errors, takes the last of two equal
//  names), a C library (another dependency for 300 lines, and none refuses everything above). Decision 0020.
//
//  Always true.  (1) What was read, written and read again is equal. (2) No bytes trap. (3) An error's offset is within
//  the text or right behind it. The fuzz target `json` asks for all three.

/// Where a text stops being JSON, and why.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Reason: String, Sendable {
    case endsEarly = "the text ends in the middle of a value"
    case noValue = "this begins no value"
    case noName = "a member begins with its name, in double quotes"
    case noColon = "a colon stands between a name and its value"
    case noCommaOrBrace = "a comma or } stands behind a member"
    case noCommaOrBracket = "a comma or ] stands behind an element"
    case nameTwice = "the object has this name already"
    case behindTheEnd = "something stands behind the value"
    case badEscape = "no such escape"
    case halfSurrogate = "half of a surrogate pair"
    case controlCharacter = "control characters in a string are written as escapes"
    case notUTF8 = "not UTF-8"
    case badNumber = "no number is written like this"
    case numberTooLarge = "no Double is so large"
    case numberTooLong = "a number of so many digits"
    case tooLong = "the text is too long"
    case tooDeep = "values are nested too deep"
    case tooManyValues = "too many values"
  }

  public let reason: Reason
  /// In bytes, from 0.
  public let offset: Int
  /// From 1; columns count bytes.
  public let line: Int
  public let column: Int

  public var description: String { "line \(line), column \(column): \(reason.rawValue)" }
}

public struct JSONLimits: Sendable {
  public var bytes = 1 << 20
  public var depth = 64
  public var values = 65_536
  public var numberLength = 1_024

  public init() {}
}

extension JSONValue {
  /// Reads a whole text.
  public init(reading text: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
    var reader = JSONReader(text: text, limits: limits)
    self = try reader.document()
  }

  /// The same, of a string.
  public init(reading text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
    try self.init(reading: Array(text.utf8), limits: limits)
  }
}

private let quote = UInt8(ascii: "\"")
private let backslash = UInt8(ascii: "\\")

struct JSONReader {
  let text: [UInt8]
  let limits: JSONLimits
  private var at = 0
  private var values = 0

  init(text: [UInt8], limits: JSONLimits) {
    self.text = text
    self.limits = limits
  }

  mutating func document() throws(JSONError) -> JSONValue {
    if text.count > limits.bytes { throw failure(.tooLong, at: limits.bytes) }
    let whole = try value(depth: 0)
    skipSpace()
    if at < text.count { throw failure(.behindTheEnd) }
    return whole
  }

  // MARK: Values

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    skipSpace()
    guard let byte = next else { throw failure(.endsEarly) }
    values += 1
    if values > limits.values { throw failure(.tooManyValues) }
    switch byte {
    case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
    case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
    case quote: return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw failure(.noValue)
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
    if depth > limits.depth { throw failure(.tooDeep) }
    at += 1
    var object = JSONObject()
    var names = Set<[UInt8]>()
    skipSpace()
    if take("}") { return object }
    while true {
      skipSpace()
      let start = at
      guard let byte = next else { throw failure(.endsEarly) }
      guard byte == quote else { throw failure(.noName) }
      let name = try string()
      if isKnown(name, in: object, &names) { throw failure(.nameTwice, at: start) }
      skipSpace()
      guard take(":") else { throw failure(next == nil ? .endsEarly : .noColon) }
      object.append(name, try value(depth: depth))
      skipSpace()
      if take(",") { continue }
      if take("}") { return object }
      throw failure(next == nil ? .endsEarly : .noCommaOrBrace)
    }
  }

  /// Few names are compared one by one; many go into a set, so that an object of thousands costs thousands of steps
  /// and not millions.
  private func isKnown(_ name: String, in object: JSONObject, _ names: inout Set<[UInt8]>) -> Bool {
    if object.count < 16 { return object.index(of: name) != nil }
    if object.count == 16 { for member in object.members { names.insert(Array(member.name.utf8)) } }
    return !names.insert(Array(name.utf8)).inserted
  }

  private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
    if depth > limits.depth { throw failure(.tooDeep) }
    at += 1
    var elements: [JSONValue] = []
    skipSpace()
    if take("]") { return elements }
    while true {
      elements.append(try value(depth: depth))
      skipSpace()
      if take(",") { continue }
      if take("]") { return elements }
      throw failure(next == nil ? .endsEarly : .noCommaOrBracket)
    }
  }

  private mutating func word(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
    let letters = Array(word.utf8)
    guard text[at...].starts(with: letters) else {
      throw failure(letters.starts(with: text[at...]) ? .endsEarly : .noValue)
    }
    at += letters.count
    return value
  }

  // MARK: Numbers

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = at
    var isWhole = true
    _ = take("-")
    if !take("0") { try digits() }
    if take(".") {
      isWhole = false
      try digits()
    }
    if take("e") || take("E") {
      isWhole = false
      if !take("+") { _ = take("-") }
      try digits()
    }
    // `01`, `1x`, `1.2.3`: what follows a number ends it or is wrong.
    if let byte = next, byte == UInt8(ascii: ".") || isWordByte(byte) { throw failure(.badNumber) }
    if at - start > limits.numberLength { throw failure(.numberTooLong, at: start) }
    let literal = String(decoding: text[start..<at], as: UTF8.self)
    if isWhole, let integer = Int64(literal) { return .integer(integer) }
    guard let value = Double(literal) else { throw failure(.badNumber, at: start) }
    guard value.isFinite else { throw failure(.numberTooLarge, at: start) }
    return .number(value)
  }

  /// One or more.
  private mutating func digits() throws(JSONError) {
    let start = at
    while let byte = next, (48...57).contains(byte) { at += 1 }
    if at == start { throw failure(next == nil ? .endsEarly : .badNumber) }
  }

  private func isWordByte(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
  }

  // MARK: Strings

  private mutating func string() throws(JSONError) -> String {
    at += 1
    var bytes: [UInt8] = []
    // What stands as it is, is copied in one piece.
    var plain = at
    while let byte = next {
      switch byte {
      case quote:
        bytes.append(contentsOf: text[plain..<at])
        at += 1
        return String(decoding: bytes, as: UTF8.self)
      case backslash:
        bytes.append(contentsOf: text[plain..<at])
        try escape(into: &bytes)
        plain = at
      case 0..<0x20: throw failure(.controlCharacter)
      case 0x20..<0x80: at += 1
      default:
        let length = lengthOfSequence()
        if length == 0 { throw failure(.notUTF8) }
        at += length
      }
    }
    throw failure(.endsEarly)
  }

  private mutating func escape(into bytes: inout [UInt8]) throws(JSONError) {
    let start = at
    at += 1
    guard let byte = next else { throw failure(.endsEarly) }
    at += 1
    switch byte {
    case quote, backslash, UInt8(ascii: "/"): bytes.append(byte)
    case UInt8(ascii: "b"): bytes.append(8)
    case UInt8(ascii: "f"): bytes.append(12)
    case UInt8(ascii: "n"): bytes.append(10)
    case UInt8(ascii: "r"): bytes.append(13)
    case UInt8(ascii: "t"): bytes.append(9)
    case UInt8(ascii: "u"):
      var code = try hexadecimals(from: start)
      if (0xd800...0xdbff).contains(code) {
        guard text[at...].starts(with: "\\u".utf8) else { throw failure(.halfSurrogate, at: start) }
        at += 2
        let low = try hexadecimals(from: start)
        guard (0xdc00...0xdfff).contains(low) else { throw failure(.halfSurrogate, at: start) }
        code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw failure(.halfSurrogate, at: start) }
      bytes.append(contentsOf: String(Character(scalar)).utf8)
    default: throw failure(.badEscape, at: start)
    }
  }

  private mutating func hexadecimals(from start: Int) throws(JSONError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next else { throw failure(.endsEarly) }
      switch byte {
      case 48...57: code = code << 4 | UInt32(byte - 48)
      case 65...70: code = code << 4 | UInt32(byte - 55)
      case 97...102: code = code << 4 | UInt32(byte - 87)
      default: throw failure(.badEscape, at: start)
      }
      at += 1
    }
    return code
  }

  /// Of the UTF-8 sequence that begins here, as the Unicode standard's table 3-7 has them; 0 when it is none.
  private func lengthOfSequence() -> Int {
    let first = text[at]
    let second: ClosedRange<UInt8>
    let length: Int
    switch first {
    case 0xc2...0xdf: (length, second) = (2, 0x80...0xbf)
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xe1...0xec, 0xee...0xef: (length, second) = (3, 0x80...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf1...0xf3: (length, second) = (4, 0x80...0xbf)
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    default: return 0
    }
    guard at + length <= text.count, second.contains(text[at + 1]) else { return 0 }
    return text[(at + 2)..<(at + length)].allSatisfy { (0x80...0xbf).contains($0) } ? length : 0
  }

  // MARK: Bytes

  private var next: UInt8? { at < text.count ? text[at] : nil }

  private mutating func take(_ byte: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: byte) else { return false }
    at += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { at += 1 }
  }

  private func failure(_ reason: JSONError.Reason, at place: Int? = nil) -> JSONError {
    let offset = min(place ?? at, text.count)
    let before = text[..<offset]
    let line = before.count { $0 == UInt8(ascii: "\n") } + 1
    let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    return JSONError(reason: reason, offset: offset, line: line, column: offset - start + 1)
  }
}
