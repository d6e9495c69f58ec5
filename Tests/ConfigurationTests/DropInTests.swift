//  DropInTests.swift — what is dropped in beside a file: what holds afterwards, and where a mistake is.

import Configuration
import Primitives
import Testing

@Suite struct `Drop-ins` {
  private static let key = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="
  private static let main = """
    [Gateway]
    PrivateKeyFile = branch.key
    Address = 10.9.0.2/24, fd09::2/64
    ListenPort = 51820
    [Path "lte"]
    Interface = wwan0
    Tier = backup
    [Peer "hq"]
    PublicKey = \(key)
    AllowedIPs = 10.1.0.0/16
    AllowedIPs = 10.3.0.0/16
    """

  private static func read(_ texts: String...) throws -> ConfigurationFile {
    let names = ["branch.conf", "10-a.conf", "20-b.conf"]
    return try ConfigurationFile(
      reading: zip(texts, names).map { ConfigurationText(Array($0.utf8), named: $1) })
  }

  @Test func `without any, nothing is different`() throws {
    let alone = try ConfigurationFile(reading: Array(Self.main.utf8), named: "branch.conf")
    #expect(try Self.read(Self.main).gateway == alone.gateway)
    #expect(try Self.read(Self.main, "", "# nothing\n").gateway == alone.gateway)
  }

  @Test(arguments: UInt64(1)...50) func `a file that is dropped in beside itself changes nothing`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let gateway = randomConfiguration(&random)
    let texts = ["branch.conf", "again.conf"].map { ConfigurationText(gateway.printed(), named: $0) }
    #expect(try ConfigurationFile(reading: texts).gateway == gateway, "seed \(seed)")
  }

  @Test func `a key is changed and all others of its section stay`() throws {
    let gateway = try Self.read(Self.main, "[Path \"lte\"]\nInterface = wwp0s20\n").gateway
    #expect(gateway.paths.count == 1)
    #expect(gateway.paths[0].interface == "wwp0s20" && gateway.paths[0].tier == .backup)
  }

  @Test func `a list is replaced, by all lines of the drop-in together`() throws {
    let text = "[Peer \"hq\"]\nAllowedIPs = 10.4.0.0/16\nAllowedIPs = 10.5.0.0/16\n[Gateway]\nAddress = 10.9.0.7/24\n"
    let gateway = try Self.read(Self.main, text).gateway
    #expect(gateway.peers[0].allowedIPs.map(\.description) == ["10.4.0.0/16", "10.5.0.0/16"])
    #expect(gateway.addresses.map(\.description) == ["10.9.0.7/24"])
  }

  @Test func `the last one holds`() throws {
    let gateway = try Self.read(
      Self.main, "[Gateway]\nListenPort = 1\nMTU = 1300\n", "[gateway]\nlistenport = 2\n"
    ).gateway
    #expect(gateway.listenPort == 2 && gateway.mtu == ByteCount(1300))
  }

  @Test func `new sections stand behind the old ones, in the order of the texts`() throws {
    let gateway = try Self.read(
      Self.main, "[Path \"a\"]\nInterface = eth1\n", "[Path \"b\"]\nInterface = eth2\n[Path \"a\"]\nTier = never\n"
    ).gateway
    #expect(gateway.paths.map(\.name) == ["lte", "a", "b"])
    #expect(gateway.paths[1].tier == .never)
  }

  @Test func `another way to give a secret takes the place of the first`() throws {
    let file = try Self.read(Self.main, "[Gateway]\nPrivateKey = \(Self.key)\n")
    #expect(file.gateway.privateKey.secret != nil)
    #expect(!file.holdsSecrets(inText: 0) && file.holdsSecrets(inText: 1))
    let back = try Self.read(Self.main, "[Gateway]\nPrivateKey = \(Self.key)\n", "[Gateway]\nPrivateKeyFile = x\n")
    #expect(back.gateway.privateKey == .file("x"))
  }

  @Test func `all mistakes are told at once, each with its text, in the order of the texts`() {
    #expect {
      _ = try Self.read(
        Self.main.replacing("= backup", with: "= backip"), "[Path \"lte\"]\nTyer = never\n",
        "[Path \"b\"]\n[Peer \"hq\"]\nEndpoint = x\n")
    } throws: { error in
      guard let mistakes = error as? Mistakes else { return false }
      return mistakes.listed.map { "\($0.file):\($0.place.line):\($0.place.column)" } == [
        "branch.conf:7:8", "10-a.conf:2:1", "20-b.conf:1:1", "20-b.conf:3:12",
      ]
    }
  }

  @Test func `a place that is asked for later is in the text that said it last`() throws {
    let file = try Self.read(Self.main, "[Path \"lte\"]\nInterface = wwp0s20\n")
    #expect("\(file.mistake(.path(0), "Interface", "x"))" == "10-a.conf:2:13: x")
    #expect("\(file.mistake(.path(0), "Tier", "x"))" == "branch.conf:7:8: x")
  }

  @Test func `only names that end in .conf are read, in the order of their bytes`() {
    let names = ["b.conf", "a.conf~", "10-z.conf", ".a.conf", "9-a.conf", "B.conf", "README", "é.conf"]
    #expect(DropIns.read(among: names) == ["10-z.conf", "9-a.conf", "B.conf", "b.conf", "é.conf"])
    #expect(DropIns.folder(of: "/etc/hawser/hq.conf") == "/etc/hawser/hq.conf.d")
  }

  @Test func `together they have at most what one file may have`() {
    let half = "# " + String(repeating: "x", count: 3_998) + "\n"
    let large = String(repeating: half, count: Schema.mostBytes / 2 / half.utf8.count + 1)
    #expect(throws: Mistakes.self) { try Self.read(Self.main + "\n" + large, large) }
  }
}
