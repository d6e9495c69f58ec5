import JSON
import Primitives
import Testing

@Suite struct `A document and what changed in it` {
  /// RFC 7396, appendix A, all of it.
  @Test(arguments: [
    (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
    (#"{"a":"b"}"#, #"{"a":null}"#, "{}"), (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
    (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
    (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
    (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#), (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#),
    (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#), (#"{"a":"foo"}"#, "null", "null"), (#"{"a":"foo"}"#, #""bar""#, #""bar""#),
    (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#), ("[1,2]", #"{"a":"b","c":null}"#, #"{"a":"b"}"#),
    ("{}", #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
  ]) func `changes as RFC 7396 shows`(document: String, patch: String, result: String) throws {
    let changed = try MergePatch.apply(JSONValue(reading: patch), to: JSONValue(reading: document))
    #expect(try changed == JSONValue(reading: result), "\(changed.text)")
  }

  @Test func `the change names what is new, other and gone, and nothing else`() throws {
    let old = try JSONValue(reading: #"{"meta":{"tag":"1"},"map":{"a":{"b":5,"c":7},"d":{"a":1}}}"#)
    let new = try JSONValue(reading: #"{"meta":{"tag":"1"},"map":{"a":{"b":6},"e":{"a":1}}}"#)
    let patch = try #require(MergePatch.difference(from: old, to: new))
    #expect(patch.text == #"{"map":{"a":{"b":6,"c":null},"e":{"a":1},"d":null}}"#)
    #expect(MergePatch.difference(from: old, to: old)?.text == "{}")
  }

  @Test func `what a patch cannot say is said to be so`() throws {
    func difference(_ old: String, _ new: String) throws -> JSONValue? {
      try MergePatch.difference(from: JSONValue(reading: old), to: JSONValue(reading: new))
    }
    #expect(try difference(#"{"a":1}"#, #"{"a":null}"#) == nil)
    #expect(try difference("{}", #"{"a":{"b":null}}"#) == nil)
    #expect(try difference("7", #"{"a":null}"#) == nil)
    // It was null before, and inside of an array null is an element.
    #expect(try difference(#"{"a":null,"b":1}"#, #"{"a":null,"b":2}"#)?.text == #"{"b":2}"#)
    #expect(try difference(#"{"a":[1]}"#, #"{"a":[1,null]}"#)?.text == #"{"a":[1,null]}"#)
  }

  @Test(arguments: 0..<300 as Range<UInt64>) func `applied to the old one gives the new one`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let old = someValue(&random, depth: 4)
    let new = random.next() % 2 == 0 ? someValue(&random, depth: 4) : changed(old, &random)
    guard let patch = MergePatch.difference(from: old, to: new) else {
      #expect(hasNull(new), "seed \(seed): no patch from \(old.text) to \(new.text)")
      return
    }
    #expect(MergePatch.apply(patch, to: old) == new, "seed \(seed): \(patch.text) from \(old.text) to \(new.text)")
  }
}

private func changed(_ value: JSONValue, _ random: inout SeededRandom) -> JSONValue {
  guard let object = value.object, !object.isEmpty else { return someValue(&random, depth: 2) }
  var result = object
  let name = object.members[Int(random.next() % UInt64(object.count))].name
  switch random.next() % 3 {
  case 0: result.remove(name)
  case 1: result.set(name, changed(object[name] ?? .null, &random))
  default: result.set("new", .integer(1))
  }
  return .object(result)
}

private func hasNull(_ value: JSONValue) -> Bool {
  value == .null || value.object?.members.contains { hasNull($0.value) } ?? false
}
