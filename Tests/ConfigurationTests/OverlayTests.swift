//  OverlayTests.swift — what is laid over a file: what holds then, what cannot be laid over, and in which words.

import Configuration
import Primitives
import Testing

@Suite struct `What is laid over a file` {
  private static let key = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
  private static let file = """
    [Gateway]
    PrivateKeyFile = branch.key
    Address = 10.9.0.2/24
    ListenPort = 51820
    [Path "fibre"]
    Interface = eth0
    [Path "lte"]
    Interface = wwan0
    [Peer "hq"]
    PublicKey = \(key)
    AllowedIPs = 10.1.0.0/16, 10.3.0.0/16
    """

  private static func read(_ overlay: Overlay, _ more: String = "") throws(Mistakes) -> GatewayConfiguration {
    let texts = [ConfigurationText(Array((file + "\n" + more).utf8), named: "branch.conf")]
    return try ConfigurationFile(reading: texts + [overlay.text]).gateway
  }

  private static func overlay(_ wishes: Overlay.Wish...) throws(Overlay.Objections) -> Overlay {
    try Overlay().adding(wishes, from: "us", at: 1)
  }

  private static func sentences(_ wishes: Overlay.Wish...) -> [String] {
    do throws(Overlay.Objections) {
      _ = try Overlay().adding(wishes, from: "us", at: 1)
      return []
    } catch {
      return error.sentences
    }
  }

  @Test func `holds in place of what the file says, key by key, whatever case it is typed in`() throws {
    let overlay = try Self.overlay(.set("path", "lte", ("TIER", "backup"), ("limit", " 10mbit/50mbit ")))
    #expect(
      String(decoding: overlay.text.bytes, as: UTF8.self) == "[Path \"lte\"]\nTier = backup\nLimit = 10mbit/50mbit\n")
    let gateway = try Self.read(overlay)
    #expect(gateway.paths.map(\.tier) == [.primary, .backup])
    #expect(gateway.paths[1].interface == "wwan0" && gateway.paths[1].limit != nil)
  }

  @Test func `can have new sections, and those without a name`() throws {
    let overlay = try Self.overlay(
      .set("Class", "calls", ("Treatment", "realtime")),
      .set("rule", "voip", ("Protocol", "udp"), ("Ports", "5060"), ("Class", "calls")),
      .set("gateway", nil, ("mtu", "1400")))
    let gateway = try Self.read(overlay)
    #expect(gateway.classes.map(\.name) == ["calls"] && gateway.rules.map(\.name) == ["voip"])
    #expect(gateway.mtu == ByteCount(1_400))
  }

  @Test func `grows key by key, and what is set again stays whose it was`() throws {
    let first = try Self.overlay(.set("Path", "lte", ("Tier", "backup")))
    let both = try first.adding(
      [.set("Rule", "r", ("Stack", "striped")), .set("path", "lte", ("tier", "backup"), ("Weight", "3"))], from: "you",
      at: 2)
    #expect(both.settings.map(\.key) == ["Tier", "Weight", "Stack"])
    #expect(both.settings.map(\.who) == ["us", "you", "you"] && both.settings.map(\.milliseconds) == [1, 2, 2])
    #expect(try both.adding([.set("Path", "lte", ("Weight", "3"))], from: "him", at: 3) == both)
    let other = try both.adding([.set("Path", "lte", ("Tier", "never"))], from: "him", at: 3)
    #expect(other.settings[0].value == "never" && other.settings[0].who == "him")
  }

  @Test func `is taken back by key, by section, by kind, or whole`() throws {
    let overlay = try Self.overlay(
      .set("Path", "lte", ("Tier", "backup"), ("Weight", "3")), .set("Path", "fibre", ("Weight", "2")),
      .set("Gateway", nil, ("MTU", "1400")))
    func left(_ section: String? = nil, _ name: String? = nil, _ key: String? = nil) throws -> [String] {
      try overlay.without(.init(section: section, name: name, key: key)).settings.map { "\($0.name) \($0.key)" }
    }
    #expect(try left() == [])
    #expect(try left("path") == [" MTU"])
    #expect(try left("Path", "lte") == ["fibre Weight", " MTU"])
    #expect(try left("Path", "lte", "weight") == ["lte Tier", "fibre Weight", " MTU"])
    #expect(try left("gateway", nil, "MTU").count == 3)
    // What is not there is back already.
    #expect(try left("Class", "calls").count == 4 && left("Path", "lte", "Cost").count == 4)
    for (section, name, key, sentence) in [
      ("pth", nil, nil, "unknown section [pth]; did you mean 'Path'?"),
      ("Path", "lte", "Teir", "unknown key 'Teir' in [Path]; did you mean 'Tier'?"),
      ("Path", nil, "Tier", "a key of [Path] without a name: expected [Path \"NAME\"]"),
      ("Gateway", "x", nil, "[Gateway x]: expected [Gateway], which has no name"),
      (nil, "lte", nil, "a name or a key without its section: expected the section too, or none of them"),
    ] as [(String?, String?, String?, String)] {
      #expect(throws: Overlay.Objections.self) { try left(section, name, key) }
      #expect { try left(section, name, key) } throws: { ($0 as? Overlay.Objections)?.sentences == [sentence] }
    }
  }

  @Test func `is told of by section and key, since nobody has typed a line`() throws {
    let unread = try Self.overlay(.set("Path", "lte", ("Tier", "frist")), .set("Rule", "r", ("Protocol", "udp")))
    let mistakes = #expect(throws: Mistakes.self) { try Self.read(unread) }
    #expect(
      mistakes?.listed.map(\.description) == [
        "[Path \"lte\"]: Tier = frist: expected primary, secondary, backup or never",
        "[Rule \"r\"] has no Class and no Stack: expected one of them, or both",
      ])
    // Of two that do not go together one may be in the file.
    let twice = try Self.overlay(.set("Path", "lte", ("Interface", "eth0")), .set("Path", "x", ("Interface", "eth0")))
    let both = #expect(throws: Mistakes.self) { try Self.read(twice) }
    #expect(
      both?.listed.map(\.description) == [
        "[Path \"lte\"]: Interface = eth0: path \"fibre\" in line 5 of branch.conf has it already: expected another "
          + "Interface, Bind or Port",
        "[Path \"x\"]: Interface = eth0: path \"fibre\" in line 5 of branch.conf has it already: expected another "
          + "Interface, Bind or Port",
      ])
    let networks = try Self.overlay(.set("Peer", "hq", ("AllowedIPs", "10.1.0.0/16, 10.1.0.0/16")))
    let overlap = #expect(throws: Mistakes.self) { try Self.read(networks) }
    #expect(
      overlap?.listed.map(\.description) == [
        "[Peer \"hq\"]: AllowedIPs = 10.1.0.0/16: it is given in what is set of [Peer \"hq\"] already: expected it once"
      ])
  }

  @Test func `has no secrets, and moves no door`() {
    let secret = Self.key
    for (section, key) in [
      ("Gateway", "PrivateKey"), ("gateway", "privatekeyfile"), ("Peer", "PresharedKey"), ("Peer", "PresharedKeyFile"),
      ("Relay", "PresharedKey"), ("Oracle", "Token"), ("Oracle", "TokenFile"),
    ] {
      let name = ["Peer", "Relay"].contains(section) ? "hq" : nil
      let told = Self.sentences(.set(section, name, (key, secret)))
      #expect(told.count == 1 && told[0].lowercased().hasPrefix(key.lowercased() + " cannot be set: others"), "\(told)")
      #expect(told[0].hasSuffix("run hawser reload") && !told[0].contains(secret))
    }
    for section in ["Control", "metrics"] {
      let told = Self.sentences(.set(section, nil, ("Listen", "127.0.0.1:1")))
      #expect(told.count == 1 && told[0].hasSuffix("write it to the file or a drop-in, and run hawser reload"))
    }
    // Every secret of the schema, those that come later too.
    for form in Schema.sections {
      for setting in form.settings where setting.expectation.contains("secret") || setting.name.contains("Token") {
        #expect(!Self.sentences(.set(form.name, form.hasName ? "x" : nil, (setting.name, secret))).isEmpty)
      }
    }
  }

  @Test(arguments: [
    ("eth0\nTier = never", "a line break or another control character"), ("a\u{1b}[2J", "control character"),
    ("eth0 # x", "'#' begins a comment"), ("a\u{85}b", "control character"), ("", "has no value"),
    ("  \t", "has no value"),
    ("a\r", "control character"), ("a\u{0}", "control character"), (String(repeating: "é", count: 2_001), "4002 bytes"),
  ])
  func `has values that cannot end their line`(value: String, sentence: String) {
    let told = Self.sentences(.set("Path", "lte", ("Interface", value)))
    #expect(told.count == 1 && told[0].contains(sentence), "\(told)")
    #expect(told.allSatisfy { $0.unicodeScalars.allSatisfy { $0.value >= 32 && !(127...159).contains($0.value) } })
  }

  @Test(arguments: ["a\"]\n[Gateway]", "a b", "ä", "", "]", "x\"", String(repeating: "x", count: 65)])
  func `has names that cannot end their header`(name: String) {
    let told = Self.sentences(.set("Path", name, ("Tier", "never")))
    #expect(told.count == 1 && told[0].contains("expected"), "\(told)")
    #expect(told.allSatisfy { $0.unicodeScalars.allSatisfy { $0.value >= 32 } })
  }

  @Test func `is told of with all that is wrong at once`() {
    #expect(
      Self.sentences(
        .set("Pth", "lte", ("Tier", "never")), .set("Path", nil, ("Tier", "never")), .set("Gateway", "x", ("MTU", "1")),
        .set("Path", "lte", ("Quota", "1"), ("Tier", "never"), ("tier", "backup")), .set("Path", "a"))
        == [
          "unknown section [Pth]; did you mean 'Path'?", "[Path] has no name: expected [Path \"NAME\"]",
          "[Gateway x]: expected [Gateway], which has no name",
          "unknown key 'Quota' in [Path]; it is called 'Budget' here",
          "[Path \"lte\"]: Tier is given twice: expected it once",
          "nothing to set in [Path \"a\"]: expected a key and its value",
        ])
  }

  @Test func `is bounded`() throws {
    let many = (0..<Overlay.most).map { Overlay.Wish.set("Path", "p\($0)", ("Tier", "never")) }
    let full = try Overlay().adding(many, from: "us", at: 1)
    #expect(full.settings.count == Overlay.most)
    #expect { try full.adding([.set("Path", "more", ("Tier", "never"))], from: "us", at: 1) } throws: {
      ($0 as? Overlay.Objections)?.sentences.first?.hasPrefix("129 keys would be set: expected at most 128") == true
    }
    let wrong = (0..<500).map { _ in Overlay.Wish.set("x") }
    #expect { try Overlay().adding(wrong, from: "us", at: 1) } throws: {
      ($0 as? Overlay.Objections)?.sentences.count == 51
    }
  }

  @Test(arguments: UInt64(1)...100) func `reads back as what was set`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var overlay = Overlay()
    for _ in 0..<20 {
      let path = ["lte", "fibre", "x"][Int(random.below(3))]
      let (key, value) = [
        ("Tier", "never"), ("Weight", "7"), ("Interface", "eth\(random.below(9))"), ("Cost", "0.02 per GB"),
      ][Int(random.below(4))]
      overlay = try overlay.adding([.set("path", path, (key, value))], from: "us", at: 1)
      if random.below(4) == 0 { overlay = try overlay.without(.init(section: "Path", name: path, key: key)) }
    }
    // Written into a drop-in, the text says the same.
    var again = Overlay()
    var title = ("", "")
    for line in overlay.lines {
      if let setting = line.setting {
        again = try again.adding(
          [.set(title.0, title.1, (setting.key, setting.value))], from: "us", at: 1)
      } else {
        let words = line.text.dropFirst().dropLast().split(separator: " ")
        title = (String(words[0]), String(words[1].dropFirst().dropLast()))
      }
    }
    #expect(again == overlay, "seed \(seed)")
  }
}

extension Overlay.Wish {
  fileprivate static func set(_ section: String, _ name: String? = nil, _ values: (String, String)...) -> Overlay.Wish {
    Overlay.Wish(section: section, name: name, values: values.map { .init(key: $0, text: $1) })
  }
}
