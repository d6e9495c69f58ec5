//  Failure.swift — what is wrong with a request, in ALTO's four words, and the members that a request must have.
//
//  RFC 7285 §8.5 names the field by its path, `cost-type/cost-metric`, and the value as text, whatever it was. An
//  element of an array that has the wrong type is a wrong *value*, and the field is then the array's. Of several
//  mistakes the first one that is found is told; the order is the one in which the code reads.

import JSON

struct Failure: Error, Equatable {
  enum Code: String {
    case syntax = "E_SYNTAX"
    case missingField = "E_MISSING_FIELD"
    case fieldType = "E_INVALID_FIELD_TYPE"
    case fieldValue = "E_INVALID_FIELD_VALUE"
  }

  let code: Code
  var field: String?
  /// Only with a field.
  var value: String?
  var sentence: String?

  static func syntax(_ sentence: String) -> Failure { Failure(code: .syntax, sentence: sentence) }
  static func missing(_ field: String) -> Failure { Failure(code: .missingField, field: field) }
  static func wrongType(_ field: String?) -> Failure { Failure(code: .fieldType, field: field) }
  static func wrongValue(_ field: String, _ value: String? = nil) -> Failure {
    Failure(code: .fieldValue, field: field, value: value)
  }
  static func wrongValue(_ field: String, _ value: JSONValue) -> Failure {
    wrongValue(field, value.string ?? value.text)
  }

  var document: JSONValue {
    var meta: JSONObject = ["code": .string(code.rawValue)]
    if let sentence { meta.append("syntax-error", .string(sentence)) }
    if let field { meta.append("field", .string(field)) }
    if let value { meta.append("value", .string(value)) }
    return .object(["meta": .object(meta)])
  }
}

/// An object of a request, and the way to it. Members that nobody asks for are ignored, as the RFC wants.
struct Fields {
  let object: JSONObject
  let path: String

  init(_ value: JSONValue, path: String = "") throws(Failure) {
    guard let object = value.object else { throw .wrongType(path.isEmpty ? nil : path) }
    self.object = object
    self.path = path
  }

  func full(_ name: String) -> String { path.isEmpty ? name : path + "/" + name }

  func has(_ name: String) -> Bool { object[name] != nil }

  func required(_ name: String) throws(Failure) -> JSONValue {
    guard let value = object[name] else { throw .missing(full(name)) }
    return value
  }

  func requiredString(_ name: String) throws(Failure) -> String {
    guard let text = try required(name).string else { throw .wrongType(full(name)) }
    return text
  }

  func string(_ name: String) throws(Failure) -> String? { has(name) ? try requiredString(name) : nil }

  func bool(_ name: String) throws(Failure) -> Bool? {
    guard let value = object[name] else { return nil }
    guard let bool = value.bool else { throw .wrongType(full(name)) }
    return bool
  }

  func requiredFields(_ name: String) throws(Failure) -> Fields { try Fields(required(name), path: full(name)) }

  func fields(_ name: String) throws(Failure) -> Fields? { has(name) ? try requiredFields(name) : nil }

  func requiredArray(_ name: String) throws(Failure) -> [JSONValue] {
    guard let elements = try required(name).array else { throw .wrongType(full(name)) }
    return elements
  }

  func array(_ name: String) throws(Failure) -> [JSONValue]? { has(name) ? try requiredArray(name) : nil }

  func requiredStrings(_ name: String) throws(Failure) -> [String] {
    var strings: [String] = []
    for element in try requiredArray(name) {
      guard let text = element.string else { throw .wrongValue(full(name), element) }
      strings.append(text)
    }
    return strings
  }

  func strings(_ name: String) throws(Failure) -> [String]? { has(name) ? try requiredStrings(name) : nil }
}
