import Testing

@Suite struct `The ban list` {
  @Test func `no file breaks it`() {
    let layers = Layers()
    expectNone(
      Checkout.swift.flatMap { text in
        let isCore = text.file.hasPrefix("Sources/") && Checkout.module(of: text.file).map(layers.isSansIO) == true
        return Ban.findings(in: text, isCore: isCore, isTest: text.file.hasPrefix("Tests/"))
      })
  }

  // MARK: Each rule can fail

  @Test(arguments: Ban.all.indices) func `what is banned is found in code, and only there`(index: Int) {
    let ban = Ban.all[index]
    let inTest = ban.scope == .tests
    func findings(_ text: String) -> [Finding] {
      Ban.findings(in: SwiftText(text), isCore: !inTest, isTest: inTest)
    }
    let code = "func f() {\n  \(ban.pattern) x\n}"
    #expect(findings(code).contains { $0.line == 2 && $0.message.contains("write \(ban.instead)") })
    #expect(findings("/// \(ban.pattern) x\nlet s = \"\(ban.pattern)\"").isEmpty)
  }

  @Test func `a ban for cores leaves the edge alone, one for tests leaves the sources alone`() {
    #expect(!Ban.findings(in: SwiftText("print(1)"), isCore: true, isTest: false).isEmpty)
    #expect(Ban.findings(in: SwiftText("print(1)"), isCore: false, isTest: false).isEmpty)
    #expect(!Ban.findings(in: SwiftText("usleep(1)"), isCore: false, isTest: true).isEmpty)
    #expect(Ban.findings(in: SwiftText("usleep(1)"), isCore: false, isTest: false).isEmpty)
  }

  @Test(arguments: [
    ("let x = Int.random(in: 0..<4)", 1), ("let x = Int.random(\n in: 0..<4, using: &random)", 0),
    ("list.shuffle()", 1), ("list.shuffled(using: &g)", 0), ("list.randomElement()!", 1), ("let random = 1", 0),
    ("unsafe cryptography.random(nonce)", 0), ("unsafe cryptography.nonces.random(4)", 1),
    ("run([\"ip\", \"link\"])", 1), ("run([\"/sbin/ip\"])", 1), ("let remedy = \"ip link set \\(x) up\"", 0),
    ("let words = [\"tcp\", \"ip\"]", 0), ("precondition(x > 0)", 1),
    ("precondition(x > 0, \"x must be positive\")", 0),
    ("preconditionFailure()", 1), ("// TODO later", 1), ("/* a\n   FIXME: b */", 1), ("// a XXXL shirt", 0),
    ("file.print(x)", 0), ("case print(String)", 0), ("func print(_ x: Int)", 0), ("let printed = 1", 0), ("try? x", 0),
    ("while try !isDone() {}", 0), ("x as !y", 0),
  ])
  func `a rule strikes where it should and not beside it`(code: String, count: Int) {
    let findings = Ban.findings(in: SwiftText(code, file: "Sources/Topology/A.swift"), isCore: true, isTest: false)
    #expect(findings.count == count, "\(findings)")
  }
}

@Suite struct `The form of files` {
  @Test func `lines have at most 120 columns, and mechanisms begin with what they are for`() {
    expectNone(Checkout.swift.flatMap { Form.findings(in: $0) })
  }

  @Test func `a line that is too wide is found, counted in characters`() {
    let wide = SwiftText("let a = 1\n" + String(repeating: "é", count: 121))
    #expect(Form.findings(in: wide).map(\.description) == ["sample.swift:2: 121 columns; 120 is the width of a line"])
    #expect(Form.findings(in: SwiftText(String(repeating: "é", count: 120))).isEmpty)
  }

  @Test func `a long file without its header is found, and a header with another file's name`() {
    let body = String(repeating: "let a = 1\n", count: 70)
    func count(_ text: String, _ file: String = "Sources/Topology/Drawing.swift") -> Int {
      Form.findings(in: SwiftText(text, file: file)).count
    }
    #expect(count(body) == 1)
    #expect(count("//  Drawing.swift — a picture.\n" + body) == 0)
    #expect(count("//  Painting.swift — a picture.\n") == 1)
    #expect(count("let short = 1\n") == 0)
    #expect(count(body, "Tests/TopologyTests/DrawingTests.swift") == 0)
  }
}
