//  JSONTarget.swift — JSON texts from anybody, and what a merge patch makes of two of them.
//
//  A text is read into a value within the bounds, or refused at a place that it has. What was read can be written and
//  reads back as itself. Two values in one text, a line feed between them, are taken for two versions of a document.

import JSON

func checkJSON(_ bytes: [UInt8]) throws(Violation) {
  var limits = JSONLimits()
  limits.values = 2_000
  let value: JSONValue
  do throws(JSONError) {
    value = try JSONValue(reading: bytes, limits: limits)
  } catch {
    try demand((0...bytes.count).contains(error.offset), "an error at \(error.offset) of \(bytes.count) bytes")
    try demand(error.line >= 1 && (1...bytes.count + 1).contains(error.column), "no such place: \(error)")
    return try checkVersions(bytes)
  }
  try demand(depth(of: value) <= limits.depth, "deeper than \(limits.depth)")
  try checkReadsBack(value)
}

private func checkVersions(_ bytes: [UInt8]) throws(Violation) {
  guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
    let old = try? JSONValue(reading: Array(bytes[..<end])),
    let new = try? JSONValue(reading: Array(bytes[(end + 1)...]))
  else { return }
  // Anything can be a patch.
  try checkReadsBack(MergePatch.apply(new, to: old))
  guard let patch = MergePatch.difference(from: old, to: new) else { return }
  try checkReadsBack(patch)
  try demand(MergePatch.apply(patch, to: old) == new, "\(patch.text) does not make \(new.text) of \(old.text)")
}

private func checkReadsBack(_ value: JSONValue) throws(Violation) {
  let text = value.text
  var limits = JSONLimits()
  limits.bytes = .max
  limits.values = .max
  guard let again = try? JSONValue(reading: text, limits: limits) else {
    throw Violation("what was written does not read back: \(text)")
  }
  try demand(again == value && again.text == text, "it reads back as another: \(text) and \(again.text)")
}

private func depth(of value: JSONValue) -> Int {
  if let elements = value.array { return 1 + (elements.map { depth(of: $0) }.max() ?? 0) }
  if let object = value.object { return 1 + (object.members.map { depth(of: $0.value) }.max() ?? 0) }
  return 0
}
