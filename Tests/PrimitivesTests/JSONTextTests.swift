import Primitives
import Testing

@Suite struct `JSON that every reader accepts` {
  @Test func `keys keep the order in which they were written`() {
    let text = JSONText.object {
      $0.member("topology", "fibre-lte")
      $0.member("flows", 4)
      $0.member("done", true)
      $0.member("best_path_ratio", 0.9731, decimals: 2)
      $0.null("against")
    }
    #expect(text == #"{"topology":"fibre-lte","flows":4,"done":true,"best_path_ratio":0.97,"against":null}"#)
  }

  @Test func `objects and arrays nest as the closures do`() {
    let text = JSONText.object {
      $0.array("paths") {
        for (name, rate) in [("fibre", 300), ("lte", 80)] {
          $0.object {
            $0.member("name", name)
            $0.member("rate_bps", rate * 1_000_000)
          }
        }
      }
      $0.object("bond") { $0.array("parts") { $0.array { $0.element(1) } } }
    }
    #expect(
      text == #"{"paths":[{"name":"fibre","rate_bps":300000000},{"name":"lte","rate_bps":80000000}],"#
        + #""bond":{"parts":[[1]]}}"#)
  }

  @Test func `for people there is a member a line, and nothing inside what is empty`() {
    let text = JSONText.object(.indented) {
      $0.member("a", 1)
      $0.array("b") {
        $0.element("x")
        $0.object { $0.member("c", false) }
      }
      $0.array("none") { _ in }
      $0.object("nothing") { _ in }
    }
    #expect(
      text == """
        {
          "a": 1,
          "b": [
            "x",
            {
              "c": false
            }
          ],
          "none": [],
          "nothing": {}
        }
        """)
  }

  @Test func `the outermost value can be an array`() {
    #expect(JSONText.array { _ in } == "[]")
    let mixed = JSONText.array {
      $0.element("a")
      $0.element(0.5)
      $0.element(1.0 / 3, decimals: 4)
      $0.element(true)
    }
    #expect(mixed == #"["a",0.5,0.3333,true]"#)
  }

  @Test(arguments: [
    (#"say "hi""#, #""say \"hi\"""#), (#"back\slash"#, #""back\\slash""#), ("a\nb\r\tc", #""a\nb\r\tc""#),
    ("\u{0}\u{1f}\u{7f}", #""\u0000\u001f\u007f""#), ("Kabel für Ærø 🪢", #""Kabel für Ærø 🪢""#), ("", #""""#),
    ("\u{1b}[31m", #""\u001b[31m""#), ("e\u{301}", "\"e\u{301}\""),
  ])
  func `text is escaped where it must be, and only there`(text: String, written: String) {
    #expect(JSONText.array { $0.element(text) } == "[\(written)]")
    #expect(JSONText.object { $0.member(text, 1) } == "{\(written):1}")
  }

  @Test func `a line stays a line whatever the values hold`() {
    let nasty = String(String.UnicodeScalarView((0..<0x300).compactMap { Unicode.Scalar($0) }))
    let text = JSONText.object { $0.member(nasty, nasty) }
    #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 })
  }

  @Test func `integers are written in full, at both ends of their range`() {
    let text = JSONText.array {
      $0.element(UInt64.max)
      $0.element(Int64.min)
      $0.element(UInt8(7))
    }
    #expect(text == "[18446744073709551615,-9223372036854775808,7]")
  }

  @Test func `what is absent or no number is null`() {
    let nothing: Int? = nil
    let text = JSONText.object {
      $0.member("absent", nothing)
      $0.member("present", 3 as Int?)
      $0.member("ratio", 0.0 / 0.0)
      $0.member("rate", Double.infinity, decimals: 1)
      $0.member("rtt", nil, decimals: 3)
    }
    #expect(text == #"{"absent":null,"present":3,"ratio":null,"rate":null,"rtt":null}"#)
  }
}

@Suite struct `Numbers without surprises` {
  @Test(arguments: [
    (0.0, "0"), (-0.0, "0"), (1, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (1e-5, "0.00001"), (-1.25e-7, "-0.000000125"),
    (1e15, "1000000000000000"), (9_007_199_254_740_992, "9007199254740992"), (1.5e20, "150000000000000000000"),
    (123.456, "123.456"), (100, "100"), (0.30000000000000004, "0.30000000000000004"),
  ])
  func `there is never an exponent`(value: Double, text: String) {
    #expect(plainDecimal(value) == text)
  }

  @Test(arguments: [
    (1.005, 2, "1.01"), (2.5, 0, "3"), (-2.5, 0, "-3"), (9.996, 2, "10"), (0.04, 1, "0"), (0.05, 1, "0.1"),
    (0.0004, 3, "0"),
    (-0.0004, 3, "0"), (999.9999, 3, "1000"), (12, 3, "12"), (1e-300, 3, "0"), (0.5, 0, "1"), (0.49, 0, "0"),
    (1e21, 2, "1000000000000000000000"), (27.499999, 3, "27.5"),
  ])
  func `rounding is what a person would do with the digits`(value: Double, decimals: Int, text: String) {
    #expect(plainDecimal(value, decimals: decimals) == text)
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func `the digits read back as the same value`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<500 {
      let value = Double(bitPattern: random.next())
      if value.isFinite { #expect(Double(plainDecimal(value)) == value, "seed \(seed)") }
    }
  }
}
