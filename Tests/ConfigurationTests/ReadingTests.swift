import Configuration
import Primitives
import Sealing
import Testing

@Suite struct `Reading a configuration` {
  @Test func `the smallest has the defaults that the manual promises`() throws {
    let gateway = try read(small).gateway
    #expect(gateway.privateKey == .held(secret(1)))
    #expect(gateway.listenPort == 51_820 && gateway.mtu.value == 1_500 && gateway.interface == "hawser0")
    #expect(gateway.routes == .auto && gateway.addresses.isEmpty && gateway.rules.isEmpty)
    #expect(gateway.controlSocket == "/run/hawser/hawser0.sock" && gateway.rekeyAfter == .seconds(120))
    #expect(gateway.paths.count == 1 && gateway.paths[0].name == "fibre" && gateway.paths[0].interface == "eth0")
    #expect(gateway.paths[0].weight == 1 && gateway.paths[0].port == nil && gateway.paths[0].mtu == nil)
    #expect(gateway.peers[0].publicKey == publicKey(2) && gateway.peers[0].endpoints.isEmpty)
    #expect(gateway.peers[0].keepalive == nil && gateway.peers[0].presharedKey == nil)
  }

  @Test func `every key comes out as its own type`() throws {
    let gateway = try read(everything).gateway
    #expect(gateway.privateKey == .file("branch.key") && gateway.privateKey.secret == nil)
    #expect(gateway.addresses.map(\.description) == ["10.9.0.2/24", "fd00:9::2/64", "10.8.0.2/24"])
    #expect(gateway.mtu.value == 1_400 && gateway.interface == "bond0" && gateway.routes == .off)
    #expect(gateway.rekeyAfter == .seconds(30))
    let fibre = gateway.paths[0]
    #expect(fibre.port == 51_821 && fibre.weight == 300 && fibre.mtu?.value == 1_492)
    #expect(fibre.bind == IPAddress("192.0.2.7") && gateway.paths[1].interface == "wwan0")
    let hq = gateway.peers[0]
    #expect(hq.presharedKey == .held(secret(3)) && hq.keepalive == .seconds(25))
    let address = try #require(IPAddress("2001:db8::1"))
    #expect(
      hq.endpoints == [
        .name(host: "hq.example.com", port: 51_820), .address(Endpoint(address, port: 51_820)),
        .address(Endpoint(IPAddress(ipv4: 0xc000_0201), port: 4_500)),
      ])
    #expect(hq.allowedIPs.map(\.description) == ["10.1.0.0/16", "fd00:1::/64"])
    #expect(gateway.peers[1].presharedKey == .file("/etc/hawser/lab.psk"))
    let calls = gateway.rules[0]
    #expect(
      calls.protocols == [17, 132] && calls.ports == [5_060...5_090, 16_384...16_384] && calls.dscp == [46, 12])
    #expect(calls.maxSize?.value == 300 && calls.stack == .single(path: "fibre") && gateway.rules[1].stack == .raw)
    #expect(calls.className == "voip" && gateway.rules[1].className == nil)
    #expect(gateway.rules[2].className == "bulk" && gateway.rules[2].stack == .striped)
    #expect(gateway.controlSocket == "/run/branch.sock")
    let lte = gateway.paths[1]
    #expect(fibre.tier == .primary && fibre.budget == nil && fibre.cost.thousandths == 0 && fibre.limit == nil)
    #expect(lte.tier == .secondary && lte.cost.thousandths == 15)
    #expect(lte.budget == .init(bytes: ByteCount(20_000_000_000), per: .month(from: 5)))
    #expect(lte.limit?.up.bitsPerSecond == 20_000_000 && lte.limit?.down.bitsPerSecond == 100_000_000)
    let voip = try #require(gateway.classes.first)
    #expect(voip.name == "voip" && voip.treatment == .realtime)
    #expect(voip.protection == .parity(data: 2, parity: 1))
  }

  @Test
  func `what WireGuard's users are used to is read: letter case, blanks, comments, line ends, networks with host bits`()
    throws
  {
    let text = small.replacing("ListenPort = 51820", with: "  listenport=51820# comment\t")
      .replacing("[Path", with: "  [ path").replacing("10.1.0.0/16", with: "10.1.2.3/16")
    let gateway = try ConfigurationFile(
      reading: [0xef, 0xbb, 0xbf] + Array(text.replacing("\n", with: "\r\n").utf8), named: "f"
    ).gateway
    #expect(gateway == (try read(small).gateway))
  }

  @Test func `the control socket follows the interface's name, wherever the two stand`() throws {
    let text = small.replacing("[Gateway]", with: "[Control]\n[Gateway]\nInterface = bond7")
    #expect(try read(text).gateway.controlSocket == "/run/hawser/bond7.sock")
  }

  @Test func `a default route beside a network of its own is fine: the longer one wins`() throws {
    let text = small + "[Peer \"rest\"]\nPublicKey = \(keyText(5))\nAllowedIPs = 0.0.0.0/0, ::/0\n"
    #expect(try read(text).gateway.peers.count == 2)
  }

  @Test func `two paths may share an interface when their sockets differ`() throws {
    let text =
      small + "[Path \"other\"]\nInterface = eth0\nPort = 7\n[Path \"third\"]\nInterface = eth0\nBind = 192.0.2.9\n"
    #expect(try read(text).gateway.paths.count == 3)
  }

  @Test func `what only the machine can tell points at the value too`() throws {
    let file = try read(everything)
    #expect(
      file.mistake(.path(1), "Interface", "no such interface").description == "branch.conf:20:13: no such interface")
    #expect(file.mistake(.peer(0), "Endpoint", item: 1, "x").place == Place(line: 29, column: 34))
    // A key that is not there stands for its section.
    #expect(file.mistake(.path(1), "MTU", "too small").place == Place(line: 19, column: 1))
  }

  @Test func `a peer with the gateway's own key is found once that key is known`() throws {
    let file = try read(small)
    #expect(file.mistakes(ownKey: publicKey(9)).isEmpty)
    #expect(
      file.mistakes(ownKey: publicKey(2)).map(\.description) == [
        "branch.conf:7:13: PublicKey: this is the key of the gateway itself: expected the one that hawser pubkey "
          + "prints at the other side"
      ])
  }

  @Test func `a thousand branches are read, and their networks held against each other`() throws {
    var text = small
    for branch in 0..<1_000 {
      let key = KeyText.text([UInt8(branch & 255), UInt8(branch >> 8)] + [UInt8](repeating: 7, count: 30))
      text += "[Peer \"b\(branch)\"]\nPublicKey = \(key)\nAllowedIPs = 10.\(100 + branch / 256).\(branch % 256).0/24\n"
    }
    #expect(try read(text).gateway.peers.count == 1_001)
    let found = mistakes(in: text + "[Peer \"last\"]\nPublicKey = \(keyText(8))\nAllowedIPs = 10.101.3.128/25\n")
    #expect(found.count == 1)
    #expect(found.first?.contains("overlaps with 10.101.3.0/24 of peer \"b259\" in line") == true, "\(found)")
  }

  @Test func `a secret shows nothing of itself`() {
    let held = KeySource.held(secret(1))
    #expect("\(held)\(String(reflecting: held))".contains("AQEB") == false)
    #expect("\(secret(1))" == "(secret)")
    #expect(secret(1) == secret(1) && secret(1) != secret(2))
  }

  @Test(
    arguments: [
      (0o600, nil), (0o400, nil), (0o640, nil), (0o440, nil), (0o644, "everybody may read it (mode 644)"),
      (0o604, "everybody may read it (mode 604)"), (0o602, "everybody may change it (mode 602)"),
      (0o660, "its group may change it (mode 660)"), (0o601, "everybody may read it (mode 601)"),
    ] as [(UInt32, String?)])
  func `a file with a secret is its owner's, and at most its group may read it`(mode: UInt32, what: String?) {
    let complaint = SecretFile.complaint(about: "k", permissions: mode)
    #expect(complaint == what.map { "k holds a secret, and \($0); run chmod 600 k" })
  }

  @Test
  func `a file with nothing but a secret is read with its line end, and what else it is is said without showing it`()
    throws
  {
    #expect(try SecretFile.secret(in: Array("\n\(keyText(3))\r\n".utf8)) == secret(3))
    for (text, sentence) in [
      ("", "expected 44 characters of base64, found 0"),
      ("PrivateKey", "expected 44 characters of base64, found 10"),
      (keyText(3).dropLast() + "A", "expected 44 characters of base64, the last of them '='"),
      ("\(keyText(3))\n\(keyText(4))", "expected 44 characters of base64; character 45 is none"),
    ] as [(String, String)] {
      do throws(Complaint) {
        _ = try SecretFile.secret(in: Array(text.utf8))
        Issue.record("read \(text)")
      } catch {
        #expect(error.sentence == sentence)
      }
    }
  }
}

@Suite struct `Secrets as text` {
  @Test(arguments: 0..<100) func `read and written are the same as everybody else's base64`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
    let text = Array(KeyText.text(bytes).utf8)
    guard let secret = Secret(text: text) else {
      Issue.record("refused \(bytes)")
      return
    }
    #expect(Array(secret.bytes) == bytes)
    var written = [UInt8](repeating: 0, count: Secret.textLength)
    written.withUnsafeMutableBytes { secret.writeText(into: $0) }
    #expect(written == text)
  }

  @Test(arguments: 0..<200) func `what the readers of public keys refuse, the reader of secrets refuses`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var text = Array(keyText(UInt8(seed)).utf8)
    let at = Int.random(in: 0..<text.count, using: &random)
    text[at] = UInt8.random(in: 32...126, using: &random)
    if seed % 5 == 0 { text.removeLast() }
    let isRead: Bool
    if Secret(text: text) == nil { isRead = false } else { isRead = true }
    #expect(isRead == (KeyText.bytes(String(decoding: text, as: UTF8.self)) != nil))
  }
}
