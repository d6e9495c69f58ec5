import Configuration
import Testing

/// What somebody wrote instead of a line of the smallest configuration, and what he is told.
private struct Slip: CustomStringConvertible, Sendable {
  let old: String
  let new: String
  let told: [String]

  init(_ old: String, _ new: String, _ told: String...) {
    self.old = old
    self.new = new
    self.told = told
  }

  var description: String { new }
  var text: String { small.replacing(old, with: new) }
}

@Suite struct `What is wrong with a configuration` {
  private static let key = keyText(1)

  @Test(arguments: [
    Slip(
      "ListenPort = 51820", "MTU = 14oo\nListenPort = 1",
      "branch.conf:3:7: MTU = 14oo: expected a number from 1280 to 9000"),
    Slip(
      "ListenPort = 51820", "ListenPort = 1\n   MTU = 1279 # small",
      "branch.conf:4:10: MTU = 1279: expected a number from 1280 to 9000"),
    Slip(
      "ListenPort = 51820", "ListenPort = 70000",
      "branch.conf:3:14: ListenPort = 70000: expected a number from 1 to 65535"),
    Slip(
      "ListenPort = 51820", "ListenPort = +5",
      "branch.conf:3:14: ListenPort = +5: expected a number from 1 to 65535"),
    Slip(
      "ListenPort = 51820", "ListenPort =",
      "branch.conf:3:12: ListenPort has no value: expected a number from 1 to 65535"),
    Slip(
      "ListenPort = 51820", "ListenPort = 1\nAddress = 10.9.0.1/33",
      "branch.conf:4:11: Address = 10.9.0.1/33: expected an address with the length of its network, such as "
        + "10.9.0.1/24 or fd00:9::1/64"),
    Slip(
      "ListenPort = 51820", "ListenPort = 1\nTable = maybe", "branch.conf:4:9: Table = maybe: expected auto or off"),
    Slip(
      "ListenPort = 51820", "ListenPort = 1\nInterface = much-too-long-name",
      "branch.conf:4:13: Interface = much-too-long-name: expected the name of an interface: at most 15 characters, no "
        + "blank, '/' or ':'"),
    Slip(
      "Interface = eth0", "Interface = eth0\nWeight = 0",
      "branch.conf:6:10: Weight = 0: expected a number from 1 to 1000000"),
    Slip(
      "Interface = eth0", "Interface = eth0\nBind = 224.0.0.1",
      "branch.conf:6:8: Bind = 224.0.0.1: expected an address such as 192.0.2.1 or 2001:db8::1"),
    Slip(
      "10.1.0.0/16", "10.1.0.0/16, 10.2.0/16",
      "branch.conf:8:27: AllowedIPs = 10.2.0/16: expected a network such as 10.3.0.0/16 or fd00:3::/64"),
    Slip(
      "10.1.0.0/16", "10.1.0.0/16,,10.2.0.0/16",
      "branch.conf:8:26: AllowedIPs has nothing between two commas: expected a network such as 10.3.0.0/16 or "
        + "fd00:3::/64"),
    Slip(
      "10.1.0.0/16", "10.1.0.0/16\nKeepalive = off",
      "branch.conf:9:13: Keepalive = off: expected a number of seconds from 1 to 3600"),
    Slip(
      "ListenPort = 51820", "RekeyAfter = 0",
      "branch.conf:3:14: RekeyAfter = 0: expected a number of seconds from 1 to 120"),
    Slip(
      "ListenPort = 51820", "RekeyAfter = 121",
      "branch.conf:3:14: RekeyAfter = 121: expected a number of seconds from 1 to 120"),
  ])
  private func `a value is quoted with what would be right`(slip: Slip) {
    #expect(mistakes(in: slip.text) == slip.told)
  }

  @Test(arguments: [
    ("hq.example.com", "has no port; expected HOST:PORT, such as hq.example.com:51820 or [2001:db8::1]:51820"),
    ("2001:db8::1", "has no port; write [2001:db8::1]:PORT"), ("192.0.2.1", "has no port; write 192.0.2.1:PORT"),
    ("hq:0", "its port must be a number from 1 to 65535"),
    ("hq:", "has no port; expected HOST:PORT, such as hq.example.com:51820 or [2001:db8::1]:51820"),
    ("hq:99999", "its port must be a number from 1 to 65535"),
    ("192.0.2.256:5", "expected HOST:PORT, such as hq.example.com:51820 or [2001:db8::1]:51820"),
    ("[hq]:5", "expected HOST:PORT, such as hq.example.com:51820 or [2001:db8::1]:51820"),
    ("h q:5", "expected HOST:PORT, such as hq.example.com:51820 or [2001:db8::1]:51820"),
    (":5", "expected HOST:PORT, such as hq.example.com:51820 or [2001:db8::1]:51820"),
  ])
  func `an endpoint is HOST:PORT, and IPv6 stands in brackets`(text: String, sentence: String) {
    let found = mistakes(in: small + "Endpoint = \(text)\n")
    #expect(found == ["branch.conf:9:12: Endpoint = \(text): \(sentence)"])
  }

  @Test(arguments: [
    (
      "Protocol = tpc",
      "9:12: Protocol = tpc: expected a protocol: icmp, tcp, udp, dccp, gre, esp, icmpv6, sctp, or its "
        + "number from 0 to 255"
    ),
    ("Ports = 90-80", "9:9: Ports = 90-80: expected a port from 1 to 65535, or a range such as 5060-5090"),
    ("Ports = 0", "9:9: Ports = 0: expected a port from 1 to 65535, or a range such as 5060-5090"),
    ("DSCP = 64", "9:8: DSCP = 64: expected a DSCP such as ef, af41 or cs5, or its number from 0 to 63"),
    ("MaxSize = 0", "9:11: MaxSize = 0: expected a number from 1 to 65535"),
  ])
  func `a rule's conditions are held to their notations`(line: String, sentence: String) {
    // Line 9 is the condition, when the header is put at the end of line 8's section.
    let text = small.replacing("10.1.0.0/16\n", with: "10.1.0.0/16 # \n") + "[Rule \"r\"]\nStack = raw\n\(line)\n"
    let place = sentence.replacing("9:", with: "11:", maxReplacements: 1)
    #expect(mistakes(in: text) == ["branch.conf:\(place)"])
  }

  @Test(arguments: [
    ("Stack = striped fibre", "10:9: Stack = striped fibre: expected striped, single, single PATH or raw"),
    ("Stack = single fiber", "10:9: Stack = single fiber: unknown path; did you mean 'fibre'?"),
    ("Stack = single lte", "10:9: Stack = single lte: unknown path; known are fibre"),
    (
      "Ports = 5\nProtocol = icmp\nStack = raw",
      "10:9: Ports together with Protocol = icmp, which has none: expected tcp, udp, dccp or sctp"
    ),
    ("Protocol = tcp", "9:1: [Rule \"r\"] has no Class and no Stack: expected one of them, or both"),
    ("Class = interactiv", "10:9: Class = interactiv: unknown class; did you mean 'interactive'?"),
    ("Class = games", "10:9: Class = games: unknown class; known are bulk, interactive, realtime"),
    ("Class = a b", "10:9: Class = a b: expected the name of a class"),
    ("Clas = bulk", "10:1: unknown key 'Clas' in [Rule]; did you mean 'Class'?"),
    (
      "Stack = raw\n[Rule \"s\"]\nStack = raw",
      "9:1: [Rule \"r\"] has no condition, so [Rule \"s\"] in line 11 never decides: expected this one to be the last"
    ),
  ])
  func `a rule that could not do what it says is refused`(lines: String, sentence: String) {
    #expect(mistakes(in: small + "[Rule \"r\"]\n\(lines)\n") == ["branch.conf:\(sentence)"])
  }

  @Test(arguments: [
    (
      "Listen = 127.0.0.1:8470",
      [
        "10:1: Listen without a Token: expected it or a TokenFile, or every program could ask; "
          + "hawser genpsk makes a token"
      ]
    ),
    ("TokenFile = t", ["10:1: TokenFile without Listen: expected both, since the socket needs neither"]),
    (
      "Listen = 0.0.0.0:8470\nTokenFile = t",
      [
        "10:10: Listen = 0.0.0.0:8470: others can reach this, and the token would be readable: expected a "
          + "Certificate and a CertificateKeyFile, or an address of the loopback"
      ]
    ),
    (
      "Listen = 127.0.0.1:8470\nTokenFile = t\nCertificate = c",
      ["12:1: Certificate without CertificateKeyFile: expected both of them, or none"]
    ),
    (
      "Listen = 127.0.0.1:8470\nTokenFile = t\n[Metrics]\nListen = 127.0.0.1:8470",
      ["13:10: Listen = 127.0.0.1:8470: this is there already in line 10: expected it once"]
    ),
    (
      "[Metrics]",
      ["10:1: [Metrics] has no Listen: expected an address and a port, such as 127.0.0.1:8460 or [::1]:8460"]
    ),
    ("Listen = 0.0.0.0:8470\nTokenFile = t\nCertificate = c\nCertificateKeyFile = k", []),
    ("[Metrics]\nListen = 0.0.0.0:9470, [::1]:9470", []),
  ])
  func `whoever listens on TCP asks for a token, beyond the loopback over TLS`(lines: String, sentences: [String]) {
    #expect(mistakes(in: small + "[Control]\n\(lines)\n") == sentences.map { "branch.conf:\($0)" })
  }

  @Test(arguments: [
    Slip(
      "ListenPort", "ListenProt", "branch.conf:3:1: unknown key 'ListenProt' in [Gateway]; did you mean 'ListenPort'?"),
    // The key that was meant is not missing as well.
    Slip("PublicKey", "PublickKey", "branch.conf:7:1: unknown key 'PublickKey' in [Peer]; did you mean 'PublicKey'?"),
    Slip(
      "AllowedIPs", "Networks",
      "branch.conf:6:1: [Peer \"hq\"] has no AllowedIPs: expected a network such as 10.3.0.0/16 or fd00:3::/64",
      "branch.conf:8:1: unknown key 'Networks' in [Peer]; known are PublicKey, PresharedKey, PresharedKeyFile, "
        + "Endpoint, AllowedIPs, Keepalive"),
    Slip(
      "10.1.0.0/16", "10.1.0.0/16\nPersistentKeepalive = 25",
      "branch.conf:9:1: unknown key 'PersistentKeepalive' in [Peer]; it is called 'Keepalive' here"),
    Slip("[Peer", "[Pear", "branch.conf:6:1: unknown section [Pear \"hq\"]; did you mean 'Peer'?"),
    Slip("[Gateway]", "[Interface]", "branch.conf:1:1: unknown section [Interface]; it is called 'Gateway' here"),
    Slip(
      "[Path", "[Tunnel]\n[Path",
      "branch.conf:4:1: unknown section [Tunnel]; known are Gateway, Path, Peer, Relay, Oracle, Class, Rule, Control, "
        + "Metrics"),
    Slip("[Path", "[Clas \"voip\"]\n[Path", "branch.conf:4:1: unknown section [Clas \"voip\"]; did you mean 'Class'?"),
  ])
  private func `an unknown word gets the known one that was meant`(slip: Slip) {
    #expect(mistakes(in: slip.text) == slip.told)
  }

  @Test(arguments: [
    Slip(
      "ListenPort = 51820\n", "",
      "branch.conf:1:1: no ListenPort here and no Endpoint at any peer: expected one of them, "
        + "or nobody finds the other"),
    Slip(
      "PrivateKey = \(key)\n", "",
      "branch.conf:1:1: [Gateway] has no PrivateKey: expected it or PrivateKeyFile; hawser "
        + "genkey makes one"),
    Slip(
      "PrivateKey = ", "PrivateKeyFile = k\nPrivateKey = ",
      "branch.conf:3:1: PrivateKey and PrivateKeyFile in one section: expected one of them"),
    Slip(
      "Interface = eth0\n", "",
      "branch.conf:4:1: [Path \"fibre\"] has no Interface: expected the name of an interface: "
        + "at most 15 characters, no blank, '/' or ':'"),
    Slip(
      "[Path \"fibre\"]\nInterface = eth0\n", "",
      "branch.conf:6:1: no [Path \"NAME\"]: expected one, one way out of this "
        + "machine"),
    Slip(
      "PublicKey = \(keyText(2))\n", "",
      "branch.conf:6:1: [Peer \"hq\"] has no PublicKey: expected a public key of 44 "
        + "characters of base64"),
    Slip(
      "ListenPort = 51820", "ListenPort = 1\nListenPort = 2",
      "branch.conf:4:1: ListenPort again, the first is in line 3: expected it once"),
    Slip(
      "[Path", "[Gateway]\nMTU = 1\n[Path",
      "branch.conf:4:1: [Gateway] once more than can be: expected one [Gateway], the first is in line 1"),
    Slip(
      "[Peer", "[Path \"fibre\"]\nInterface = eth1\n[Peer",
      "branch.conf:6:1: [Path \"fibre\"] again, the first is in line 4: expected another name"),
    Slip("[Peer \"hq\"]", "[Peer]", "branch.conf:6:1: [Peer] has no name: expected [Peer \"NAME\"]"),
    Slip(
      "[Peer \"hq\"]", "[Peer hq]", "branch.conf:6:1: [Peer hq]: expected the name in quotes, as in [Peer \"NAME\"]"),
    Slip(
      "[Peer \"hq\"]", "[Peer \"h q\"]",
      "branch.conf:6:1: [Peer \"h q\"]: expected a name of at most 64 letters, digits, "
        + "'-', '_' and '.'"),
    Slip("[Gateway]", "[Gateway \"a\"]", "branch.conf:1:1: [Gateway \"a\"]: expected [Gateway], which has no name"),
    Slip("[Gateway]", "[Gateway", "branch.conf:1:1: [Gateway: expected ']' at the end of a section's header"),
    Slip(
      "[Gateway]", "MTU = 5\nMTU = 6\n[Gateway]",
      "branch.conf:1:1: this line stands before the first section: expected [Gateway]"),
    Slip("ListenPort = 51820", "ListenPort 51820", "branch.conf:3:1: expected KEY = VALUE, or [SECTION]"),
    Slip("ListenPort = 51820", "; ListenPort", "branch.conf:3:1: a comment begins with '#', not with ';'"),
  ])
  private func `what is missing, doubled or in the wrong place is named`(slip: Slip) {
    #expect(mistakes(in: slip.text) == slip.told)
  }

  @Test func `paths, peers and addresses that meet are named with both their places`() {
    let two = "[Peer \"two\"]\nPublicKey = \(keyText(5))\nAllowedIPs = "
    #expect(
      mistakes(in: small + two + "10.9.0.0/16, 10.1.0.0/16\n") == [
        "branch.conf:11:27: AllowedIPs = 10.1.0.0/16: peer \"hq\" has it in line 8, column 14: expected that one "
          + "address belongs to one peer"
      ])
    #expect(
      mistakes(in: small + two + "10.0.0.0/8\n") == [
        "branch.conf:11:14: AllowedIPs = 10.0.0.0/8: overlaps with 10.1.0.0/16 of peer \"hq\" in line 8, column 14: "
          + "expected that one address belongs to one peer"
      ])
    #expect(
      mistakes(in: small + two + "10.1.7.0/24\n") == [
        "branch.conf:11:14: AllowedIPs = 10.1.7.0/24: overlaps with 10.1.0.0/16 of peer \"hq\" in line 8, column 14: "
          + "expected that one address belongs to one peer"
      ])
    #expect(
      mistakes(in: small + "AllowedIPs = 10.1.0.0/16\n") == [
        "branch.conf:9:14: AllowedIPs = 10.1.0.0/16: it is given in line 8, column 14 already: expected it once"
      ])
    #expect(
      mistakes(in: small + two.replacing(keyText(5), with: keyText(2)) + "10.2.0.0/16\n") == [
        "branch.conf:10:13: PublicKey: peer \"hq\" in line 7 has this key: expected another"
      ])
    #expect(
      mistakes(in: small + "[Path \"b\"]\nInterface = eth0\n") == [
        "branch.conf:10:13: Interface = eth0: path \"fibre\" in line 4 has it already: expected another Interface, "
          + "Bind or Port"
      ])
    #expect(
      mistakes(in: small + "[Path \"b\"]\nInterface = hawser0\n") == [
        "branch.conf:10:13: Interface = hawser0: this is the gateway's own virtual interface: "
          + "expected one that leads out"
      ])
    #expect(
      mistakes(in: small.replacing("ListenPort", with: "Address = 10.9.0.1/24, 10.9.0.1/16\nListenPort")) == [
        "branch.conf:3:24: Address = 10.9.0.1/16: 10.9.0.1 is an Address already in line 3: expected it once"
      ])
    #expect(
      mistakes(
        in: small.replacing("ListenPort", with: "Address = 10.9.0.1/24\nListenPort") + "AllowedIPs = 10.9.0.1/32\n")
        == [
          "branch.conf:10:14: AllowedIPs = 10.9.0.1/32: this is the gateway's own Address in line 3: "
            + "expected the peer's"
        ])
  }

  private static let badKeys: [(text: String, what: String)] = [
    (String(keyText(7).dropLast(2)), "found 42"),
    (String(keyText(7).dropLast()) + "B", "the last of them '='"),
    (String(keyText(7).dropLast(2)) + "d=", "and these are not how 32 bytes are written; was a character changed?"),
    ("!" + String(keyText(7).dropFirst()), "character 1 is none"),
    (keyText(7) + keyText(7), "found 88"),
  ]

  @Test(arguments: badKeys)
  func `a bad key is told by what is wrong with it, and none of it is shown`(text: String, what: String) {
    for (setting, line) in [("PrivateKey", 2), ("PublicKey", 7)] {
      let old = setting == "PrivateKey" ? keyText(1) : keyText(2)
      let found = mistakes(in: small.replacing("\(setting) = \(old)", with: "\(setting) = \(text)"))
      #expect(found.count == 1)
      #expect(
        found[0].hasPrefix("branch.conf:\(line):\(setting.count + 4): \(setting): expected 44 characters of base64"))
      #expect(found[0].hasSuffix(what))
      #expect(!found[0].contains("BwcH"), "\(found)")
    }
  }

  @Test func `a key that stands where none belongs is not shown either`() {
    for line in [keyText(7), "\"\(keyText(7).dropLast())\""] {
      let found = mistakes(in: small.replacing("ListenPort = 51820", with: line)).joined()
      #expect(found.contains(":3:") && !found.contains("BwcH"), "\(found)")
    }
  }

  @Test func `a key of zeros belongs to nobody`() {
    #expect(
      mistakes(in: small.replacing(keyText(2), with: keyText(0))) == [
        "branch.conf:7:13: PublicKey: this key is all zeros and belongs to nobody"
      ])
  }

  @Test func `an empty file, and one of comments, are told what a configuration needs`() {
    let sentence =
      "1: nothing is configured here: expected at least [Gateway], a [Path] and a [Peer]; hawser.conf(5) has an example"
    #expect(mistakes(in: "") == ["branch.conf:1:\(sentence)"])
    #expect(mistakes(in: "# a\n\n# b\n") == ["branch.conf:3:\(sentence)"])
  }

  @Test func `bytes that are no text are named with their place, and the other lines are read nevertheless`() {
    let text = Array(small.utf8)
    func replacing(_ line: Int, with bytes: [UInt8]) -> [UInt8] {
      var lines = text.split(separator: 10, omittingEmptySubsequences: false).map { Array($0) }
      lines[line - 1] = bytes
      return Array(lines.joined(separator: [10]))
    }
    #expect(mistakes(in: replacing(3, with: [77, 84, 0])) == ["branch.conf:3:3: a NUL byte: expected plain text"])
    #expect(
      mistakes(in: replacing(3, with: [0x41, 0xc3, 0xa9, 0xff])) == [
        "branch.conf:3:4: bytes that are not UTF-8: expected plain text"
      ])
    #expect(
      mistakes(in: replacing(3, with: [0x41, 0xe2, 0x82])).first?.hasPrefix("branch.conf:3:2: bytes that are not")
        == true)
    #expect(
      mistakes(in: replacing(3, with: [UInt8](repeating: 65, count: 1 << 20))) == [
        "branch.conf:3:4097: a line of 1048576 bytes: expected at most 4096; a list may go on, with its key, "
          + "in the next line"
      ])
    // A line of the peer's that cannot be read may have been its key.
    let peer = replacing(7, with: [0]) + Array("Keepalive = 0\n".utf8)
    #expect(
      mistakes(in: peer) == [
        "branch.conf:7:1: a NUL byte: expected plain text",
        "branch.conf:9:13: Keepalive = 0: expected a number of seconds from 1 to 3600",
      ])
  }

  @Test func `all mistakes come at once, in the order of the file, and no more than can be read`() {
    let text = small.replacing("51820", with: "x").replacing("eth0", with: "e/0").replacing("10.1.0.0", with: "10.1")
    #expect(mistakes(in: text).map { $0.split(separator: ":")[1] } == ["3", "5", "8"])
    let many = mistakes(in: "[Gateway]\n" + String(repeating: "Nonsense = 1\n", count: 100))
    #expect(many.count == Mistakes.most + 1)
    #expect(many.last == "and 52 more")
  }

  @Test func `control characters in a file do not reach the terminal`() {
    let found = mistakes(in: small.replacing("51820", with: "\u{1b}[2J\u{9b}x\u{7}"))
    #expect(found == ["branch.conf:3:14: ListenPort = ?[2J?x?: expected a number from 1 to 65535"])
    let name = mistakes(in: small.replacing("fibre", with: "fi\u{b}bre").replacing("Interface = eth0", with: ""))
    #expect(name.count == 2 && name.allSatisfy { $0.contains("\"fi?bre\"") }, "\(name)")
  }

  @Test func `a file that is far too large is not read at all`() {
    let found = mistakes(in: [UInt8](repeating: 35, count: Schema.mostBytes + 1))
    #expect(found == ["branch.conf:1:1: a file of more than 4 MiB: expected a configuration"])
  }
}
