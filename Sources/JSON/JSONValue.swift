//  JSONValue.swift — what a JSON text says, as a value that can be looked into, compared and written again.
//
//  Members keep their order, so that the same document gives the same bytes, and equality does not look at it, since
//  JSON gives it no meaning. Names and strings are compared byte by byte: Swift takes "é" for "e" with an accent behind
//  it, and two names that a program tells apart must stay two. A whole number within 64 bits is exact, as counters and
//  identifiers want; all others are the nearest Double.
//
//  Cost: a name is found by looking at one after the other. Documents that others send have few names in an object, and
//  two versions of one document are walked side by side.

public import Primitives

public enum JSONValue: Sendable {
  case null
  case bool(Bool)
  /// Written without fraction and exponent, and within 64 bits.
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

extension JSONValue {
  public var bool: Bool? {
    if case .bool(let value) = self { return value }
    return nil
  }

  /// Exact; nil also for 1.5 and 2⁶⁴. `1.0` is 1.
  public var integer: Int64? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int64(exactly: value)
    default: nil
    }
  }

  /// Any number, as near as a Double comes.
  public var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  public var string: String? {
    if case .string(let value) = self { return value }
    return nil
  }

  public var array: [JSONValue]? {
    if case .array(let value) = self { return value }
    return nil
  }

  public var object: JSONObject? {
    if case .object(let value) = self { return value }
    return nil
  }

  /// The member of an object; nil when this is none, or lacks it.
  public subscript(name: String) -> JSONValue? { object?[name] }

  /// On one line.
  public var text: String {
    var bytes: [UInt8] = []
    appendJSON(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The inside of `{ }`. No name is there twice.
public struct JSONObject: Sendable {
  public struct Member: Sendable {
    public let name: String
    public var value: JSONValue
  }

  public private(set) var members: [Member] = []

  public init() {}

  public var isEmpty: Bool { members.isEmpty }
  public var count: Int { members.count }

  public subscript(name: String) -> JSONValue? { index(of: name).map { members[$0].value } }

  /// A new member, behind the others. Whoever appends knows that the name is new.
  public mutating func append(_ name: String, _ value: JSONValue) { members.append(Member(name: name, value: value)) }

  /// Replaces the member of this name in its place, or appends it.
  public mutating func set(_ name: String, _ value: JSONValue) {
    if let index = index(of: name) { members[index].value = value } else { append(name, value) }
  }

  public mutating func remove(_ name: String) {
    if let index = index(of: name) { members.remove(at: index) }
  }

  /// Looks at `guess` first: two versions of a document have most names in the same order.
  func index(of name: String, near guess: Int = 0) -> Int? {
    if guess < members.count, isSame(members[guess].name, name) { return guess }
    return members.firstIndex { isSame($0.name, name) }
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    for (name, value) in elements {
      precondition(index(of: name) == nil, "a name is there once")
      append(name, value)
    }
  }
}

// MARK: Equality

extension JSONValue: Equatable {
  public static func == (one: JSONValue, other: JSONValue) -> Bool {
    switch (one, other) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.integer(let a), .integer(let b)): a == b
    case (.number(let a), .number(let b)): a == b
    case (.integer(let a), .number(let b)), (.number(let b), .integer(let a)): Int64(exactly: b) == a
    case (.string(let a), .string(let b)): isSame(a, b)
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)): a == b
    default: false
    }
  }
}

extension JSONObject: Equatable {
  public static func == (one: JSONObject, other: JSONObject) -> Bool {
    guard one.count == other.count else { return false }
    var next = 0
    for member in one.members {
      guard let index = other.index(of: member.name, near: next) else { return false }
      if other.members[index].value != member.value { return false }
      next = index + 1
    }
    return true
  }
}

/// The same bytes, not only the same characters.
func isSame(_ one: String, _ other: String) -> Bool { one.utf8.elementsEqual(other.utf8) }

// MARK: Writing

extension JSONValue: JSONScalar {
  public func appendJSON(to text: inout [UInt8]) {
    switch self {
    case .null: text.append(contentsOf: "null".utf8)
    case .bool(let value): value.appendJSON(to: &text)
    case .integer(let value): value.appendJSON(to: &text)
    case .number(let value):
      // Beyond 2⁵³ the fewest digits of a whole Double are not its value, and would be read as an exact other one.
      if let whole = Int64(exactly: value) { whole.appendJSON(to: &text) } else { value.appendJSON(to: &text) }
    case .string(let value): value.appendJSON(to: &text)
    case .array(let values):
      text.append(UInt8(ascii: "["))
      for (place, value) in values.enumerated() {
        if place > 0 { text.append(UInt8(ascii: ",")) }
        value.appendJSON(to: &text)
      }
      text.append(UInt8(ascii: "]"))
    case .object(let object):
      text.append(UInt8(ascii: "{"))
      for (place, member) in object.members.enumerated() {
        if place > 0 { text.append(UInt8(ascii: ",")) }
        member.name.appendJSON(to: &text)
        text.append(UInt8(ascii: ":"))
        member.value.appendJSON(to: &text)
      }
      text.append(UInt8(ascii: "}"))
    }
  }
}
