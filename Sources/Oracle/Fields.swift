//  Fields.swift — reading an object that somebody sent: each field by name and kind, and where exactly it is wrong.
//
//  A name that we do not know is no mistake: whoever sends it is younger than we are. `null` is as good as absent.

import JSON
import Primitives

struct Fields {
  let object: JSONObject
  /// What stands before the names of its fields, with the dot: `edges[3].`
  let path: String

  init(_ object: JSONObject, at path: String = "") {
    self.object = object
    self.path = path
  }

  init(document: JSONValue) throws(Failure) {
    guard let object = document.object else { throw Failure(.fieldType, "the body must be an object") }
    self.init(object)
  }

  private func value(_ name: String) -> JSONValue? {
    guard let value = object[name], value != .null else { return nil }
    return value
  }

  func wrongType(_ name: String, _ expected: String) -> Failure {
    Failure(.fieldType, "expected \(expected)", field: path + name)
  }

  func wrongValue(_ name: String, _ expected: String) -> Failure {
    Failure(.fieldValue, "expected \(expected)", field: path + name)
  }

  func missing(_ name: String) -> Failure { Failure(.missingField, "this must be there", field: path + name) }

  // MARK: Kinds

  /// Names and the like: longer ones are nobody's.
  private static let mostText = 256

  func string(_ name: String) throws(Failure) -> String? {
    guard let value = value(name) else { return nil }
    guard let text = value.string else { throw wrongType(name, "a string") }
    if text.utf8.count > Fields.mostText { throw wrongValue(name, "at most \(Fields.mostText) bytes") }
    return text
  }

  func requiredString(_ name: String) throws(Failure) -> String {
    guard let text = try string(name) else { throw missing(name) }
    return text
  }

  func bool(_ name: String) throws(Failure) -> Bool? {
    guard let value = value(name) else { return nil }
    guard let bool = value.bool else { throw wrongType(name, "true or false") }
    return bool
  }

  func number(_ name: String, _ range: ClosedRange<Double>, of unit: String) throws(Failure) -> Double? {
    guard let value = value(name) else { return nil }
    guard let number = value.number else { throw wrongType(name, "a number of \(unit)") }
    guard range.contains(number) else {
      let ends = [range.lowerBound, range.upperBound].map { plainDecimal($0) }
      throw wrongValue(name, "a number of \(unit) from \(ends[0]) to \(ends[1])")
    }
    return number
  }

  func integer(_ name: String, _ range: ClosedRange<Int64>) throws(Failure) -> Int64? {
    guard let value = value(name) else { return nil }
    guard value.number != nil else { throw wrongType(name, "a whole number") }
    guard let number = value.integer, range.contains(number) else {
      throw wrongValue(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func list(_ name: String, atMost most: Int) throws(Failure) -> [JSONValue]? {
    guard let value = value(name) else { return nil }
    guard let list = value.array else { throw wrongType(name, "an array") }
    if list.count > most { throw wrongValue(name, "at most \(most) elements") }
    return list
  }

  /// Objects, each with its own place.
  func objects(_ name: String, atMost most: Int) throws(Failure) -> [Fields]? {
    guard let list = try list(name, atMost: most) else { return nil }
    var fields: [Fields] = []
    fields.reserveCapacity(list.count)
    for (index, value) in list.enumerated() {
      guard let object = value.object else { throw wrongType("\(name)[\(index)]", "an object") }
      fields.append(Fields(object, at: "\(path)\(name)[\(index)]."))
    }
    return fields
  }

  func strings(_ name: String, atMost most: Int) throws(Failure) -> [String]? {
    guard let list = try list(name, atMost: most) else { return nil }
    var strings: [String] = []
    for (index, value) in list.enumerated() {
      guard let text = value.string else { throw wrongType("\(name)[\(index)]", "a string") }
      if text.utf8.count > Fields.mostText {
        throw wrongValue("\(name)[\(index)]", "at most \(Fields.mostText) bytes")
      }
      strings.append(text)
    }
    return strings
  }

  // MARK: Quantities

  /// Microseconds, to the nanosecond.
  func microseconds(_ name: String, _ range: ClosedRange<Double>) throws(Failure) -> Interval? {
    try number(name, range, of: "microseconds").map { Interval(nanoseconds: Int64(($0 * 1_000).rounded())) }
  }

  func loss(_ name: String) throws(Failure) -> Probability? {
    try number(name, 0...1, of: "parts of one").map { Probability(partsPerBillion: UInt32(($0 * 1e9).rounded())) }
  }

  func rate(_ name: String) throws(Failure) -> BitRate? {
    let most = Double(BitRate.maximum.bitsPerSecond)
    return try number(name, 1...most, of: "bits per second").map { BitRate(bitsPerSecond: UInt64($0)) }
  }
}
