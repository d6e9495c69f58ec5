import JSON
import Primitives
import Testing

@Suite struct `JSON that others wrote` {
  @Test func `is read as what it says`() throws {
    let value = try JSONValue(reading: #" {"a": [1, -2.5e3, true, false, null], "b": {"c": {}}, "": "x"} "#)
    #expect(value["a"]?.array?.count == 5)
    #expect(value["a"]?.array?[0] == .integer(1) && value["a"]?.array?[1] == .number(-2500))
    #expect(value["a"]?.array?[2].bool == true && value["a"]?.array?[3].bool == false)
    #expect(value["a"]?.array?[4] == .null)
    #expect(value["b"]?["c"]?.object?.isEmpty == true)
    #expect(value[""]?.string == "x" && value["z"] == nil && value["a"]?["b"] == nil)
    #expect(value.text == #"{"a":[1,-2500,true,false,null],"b":{"c":{}},"":"x"}"#)
  }

  @Test(
    arguments: [
      ("0", 0), ("-0", 0), ("9223372036854775807", .max), ("-9223372036854775808", .min), ("1.0", 1), ("1e2", 100),
      ("9007199254740993", 9_007_199_254_740_993),
    ] as [(String, Int64)]) func `keeps whole numbers of 64 bits exactly`(text: String, number: Int64) throws
  {
    #expect(try JSONValue(reading: text).integer == number)
  }

  @Test func `has other numbers as near as a Double comes`() throws {
    #expect(try JSONValue(reading: "9223372036854775808").number == 0x1p63)
    #expect(try JSONValue(reading: "9223372036854775808").integer == nil)
    #expect(try JSONValue(reading: "0.1").number == 0.1 && JSONValue(reading: "1.5").integer == nil)
    #expect(try JSONValue(reading: "1E+2").number == 100 && JSONValue(reading: "-1.5e-3").number == -0.0015)
    #expect(try JSONValue(reading: "1e-999").number == 0)
    #expect(try JSONValue(reading: "5e-324").number == .leastNonzeroMagnitude)
  }

  @Test(arguments: ["7976931348623157000.0", "1e18", "-9.1e18", "9007199254740993.0", "9223372036854775808.0", "1e300"])
  func `has the same number when it was written and is read again`(text: String) throws {
    let value = try JSONValue(reading: text)
    let again = try JSONValue(reading: value.text)
    #expect(again == value && again.text == value.text)
  }

  @Test func `keeps every character that a string can have`() throws {
    let value = try JSONValue(reading: #""\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00é😀\u007f""#)
    #expect(value.string == "\"\\/\u{8}\u{c}\n\r\t\u{0}é😀é😀\u{7f}")
  }

  /// The place is the byte where it stops being JSON.
  @Test(
    arguments: [
      ("", .endsEarly, 0), ("  ", .endsEarly, 2), ("[", .endsEarly, 1), ("[1", .endsEarly, 2), ("[1,", .endsEarly, 3),
      ("{", .endsEarly, 1), (#"{"a""#, .endsEarly, 4), (#"{"a":"#, .endsEarly, 5), (#"{"a":1"#, .endsEarly, 6),
      (#""abc"#, .endsEarly, 4), (#""a\"#, .endsEarly, 3), (#""\u00"#, .endsEarly, 5), ("tru", .endsEarly, 0),
      ("-", .endsEarly, 1), ("1.", .endsEarly, 2), ("1e", .endsEarly, 2), ("x", .noValue, 0), ("[1,]", .noValue, 3),
      ("[,1]", .noValue, 1), ("+1", .noValue, 0), (".5", .noValue, 0), ("NaN", .noValue, 0), ("nul!", .noValue, 0),
      ("'a'", .noValue, 0), ("\u{feff}1", .noValue, 0), ("/*a*/1", .noValue, 0), ("{a:1}", .noName, 1),
      (#"{"a":1,}"#, .noName, 7), (#"{1:2}"#, .noName, 1), (#"{"a" 1}"#, .noColon, 5),
      (#"{"a":1 "b":2}"#, .noCommaOrBrace, 7),
      ("[1 2]", .noCommaOrBracket, 3), ("[1}", .noCommaOrBracket, 2), (#"{"a":1,"a":1}"#, .nameTwice, 7),
      ("1 2", .behindTheEnd, 2), ("{}}", .behindTheEnd, 2), (#""\x""#, .badEscape, 1), (#""\u12g4""#, .badEscape, 1),
      (#""\ud800""#, .halfSurrogate, 1), (#""\ud800\u0041""#, .halfSurrogate, 1), (#""\udc00""#, .halfSurrogate, 1),
      ("\"a\nb\"", .controlCharacter, 2), ("\"\u{1f}\"", .controlCharacter, 1), ("01", .badNumber, 1),
      ("-01", .badNumber, 2),
      ("1.e5", .badNumber, 2), ("1x", .badNumber, 1), ("1.2.3", .badNumber, 3), ("0x10", .badNumber, 1),
      ("1e+-2", .badNumber, 3),
      ("1e999", .numberTooLarge, 0), ("[-1e400]", .numberTooLarge, 1),
    ] as [(String, JSONError.Reason, Int)])
  func `is refused where it stops being JSON`(text: String, reason: JSONError.Reason, offset: Int) {
    let error = refusal(Array(text.utf8))
    #expect(error?.reason == reason && error?.offset == offset, "\(String(describing: error))")
  }

  /// Overlong forms, surrogates, what is beyond Unicode, lone and missing bytes of a sequence.
  @Test(
    arguments: [
      [0x80], [0xc0, 0x80], [0xc1, 0xbf], [0xc3], [0xe0, 0x9f, 0xbf], [0xed, 0xa0, 0x80], [0xe2, 0x82],
      [0xf0, 0x8f, 0xbf, 0xbf], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xff], [0xe2, 0x28, 0xa1],
    ] as [[UInt8]]) func `is refused when it is no UTF-8`(bytes: [UInt8])
  {
    let error = refusal([UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")])
    #expect(error?.reason == .notUTF8 && error?.offset == 1, "\(String(describing: error))")
  }

  @Test func `is refused beyond its bounds, and taken up to them`() throws {
    func limits(_ change: (inout JSONLimits) -> Void) -> JSONLimits {
      var limits = JSONLimits()
      change(&limits)
      return limits
    }
    let nested = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    #expect(throws: Never.self) { try JSONValue(reading: nested) }
    #expect(refusal(Array(("[" + nested + "]").utf8))?.reason == .tooDeep)
    let three = limits { $0.bytes = 3 }
    #expect(try JSONValue(reading: "[1]", limits: three).array?.count == 1)
    #expect(refusal(Array("[12]".utf8), three)?.reason == .tooLong)
    let few = limits { $0.values = 4 }
    #expect(try JSONValue(reading: "[1,2,3]", limits: few).array?.count == 3)
    #expect(refusal(Array("[1,2,3,4]".utf8), few)?.reason == .tooManyValues)
    let short = limits { $0.numberLength = 5 }
    #expect(try JSONValue(reading: "12345", limits: short).integer == 12_345)
    #expect(refusal(Array("123456".utf8), short)?.reason == .numberTooLong)
  }

  @Test func `finds a name that is there twice, however many there are`() throws {
    let names = (0..<1_000).map { "\"n\($0)\":\($0)" }.joined(separator: ",")
    #expect(try JSONValue(reading: "{\(names)}")["n999"]?.integer == 999)
    #expect(refusal(Array("{\(names),\"n7\":0}".utf8))?.reason == .nameTwice)
    // The same after its escapes are read.
    #expect(refusal(Array(#"{"é":1,"\u00e9":2}"#.utf8))?.reason == .nameTwice)
  }

  @Test func `tells names apart that only look alike`() throws {
    let value = try JSONValue(reading: #"{"\u00e9":1,"e\u0301":2}"#)
    #expect(value["\u{e9}"]?.integer == 1 && value["e\u{301}"]?.integer == 2)
    #expect(JSONValue.string("\u{e9}") != .string("e\u{301}"))
  }

  @Test func `is equal whatever the order of its members, and says line and column of a mistake`() throws {
    #expect(try JSONValue(reading: #"{"a":1,"b":[2]}"#) == JSONValue(reading: #"{"b":[2.0],"a":1}"#))
    #expect(try JSONValue(reading: #"{"a":1}"#) != JSONValue(reading: #"{"a":1,"b":null}"#))
    #expect(try JSONValue(reading: "[1,2]") != JSONValue(reading: "[2,1]"))
    #expect(refusal(Array("{\n  \"a\": tru\n}".utf8))?.description == "line 2, column 8: this begins no value")
  }

  @Test(arguments: 0..<200 as Range<UInt64>) func `is written and read again as itself`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let value = someValue(&random, depth: 5)
    let text = value.text
    #expect(try JSONValue(reading: text) == value, "seed \(seed): \(text)")
    // With blanks between all that may have them.
    #expect(try JSONValue(reading: " \n" + text + "\t\r\n") == value, "seed \(seed)")
  }

  @Test(arguments: 0..<300 as Range<UInt64>) func `never traps, whatever bytes come`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var bytes = Array(someValue(&random, depth: 4).text.utf8)
    for _ in 0..<(1 + random.next() % 4) where !bytes.isEmpty {
      bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
    }
    guard let error = refusal(bytes) else { return }
    #expect((0...bytes.count).contains(error.offset), "seed \(seed)")
  }
}

private func refusal(_ text: [UInt8], _ limits: JSONLimits = JSONLimits()) -> JSONError? {
  do throws(JSONError) {
    _ = try JSONValue(reading: text, limits: limits)
    return nil
  } catch {
    return error
  }
}

func someValue(_ random: inout SeededRandom, depth: Int) -> JSONValue {
  let scalars = ["a", "é", "\"", "\\", "\n", "\u{0}", "😀", "e\u{301}", "\u{2028}", "x"]
  func text(_ random: inout SeededRandom) -> String {
    (0..<(random.next() % 6)).map { _ in scalars[Int(random.next() % 10)] }.joined()
  }
  switch random.next() % (depth > 0 ? 9 : 6) {
  case 0: return .null
  case 1: return .bool(random.next() % 2 == 0)
  case 2: return .integer(Int64(bitPattern: random.next()))
  case 3: return .integer(Int64(random.next() % 100))
  case 4:
    let number = Double(bitPattern: random.next())
    return .number(number.isFinite ? number : 0.5)
  case 5: return .string(text(&random))
  case 6: return .array((0..<(random.next() % 5)).map { _ in someValue(&random, depth: depth - 1) })
  default:
    var object = JSONObject()
    for _ in 0..<(random.next() % 5) { object.set(text(&random), someValue(&random, depth: depth - 1)) }
    return .object(object)
  }
}
