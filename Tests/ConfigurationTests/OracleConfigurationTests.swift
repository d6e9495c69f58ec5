import Configuration
import Primitives
import Sealing
import Testing

@Suite struct `The file of an oracle` {
  private static let key = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
  private static let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  private static let whole = """
    [Oracle]
    Name = main
    Listen = 192.0.2.1:8460, [::1]:8460
    Certificate = oracle.crt
    CertificateKeyFile = oracle.pem
    Store = postgresql://oracle@db.example.com/hawser
    HalfLife = 90s
    Strategy = last-good
    Readers = known

    [Gateway "branch"]
    TokenFile = branch.token
    Address = 10.1.0.0/16, fd00:1::/48
    Endpoint = 198.51.100.7:51820, branch.example.com:51820
    Provider = AS64500
    Region = north
    Price = 0.02 per GB

    [Relay "west-1"]
    TokenHash = \(hash)
    PublicKey = \(key)
    Endpoint = 203.0.113.5:51800
    Capacity = 1gbit

    [Reader "noc"]
    Token = \(key)

    """

  private func read(_ text: String) throws(Mistakes) -> OracleConfiguration {
    try OracleFile(reading: Array(text.utf8), named: "o.conf").oracle
  }

  @Test func `is read, printed, and read again as the same`() throws {
    let oracle = try read(Self.whole)
    #expect(oracle.name == "main" && oracle.listen.count == 2 && oracle.halfLife == .seconds(90))
    #expect(oracle.store == .server("postgresql://oracle@db.example.com/hawser"))
    #expect(oracle.strategy == .lastGood && oracle.readers == .known)
    #expect(oracle.gateways.map(\.name) == ["branch"] && oracle.gateways[0].endpoints.count == 2)
    #expect(oracle.gateways[0].token == .file("branch.token") && oracle.gateways[0].addresses.count == 2)
    #expect(oracle.relays[0].capacity == BitRate(bitsPerSecond: 1_000_000_000))
    #expect(oracle.relays[0].token == TokenHash(hexadecimal: Self.hash).map { .hash($0) })
    #expect(oracle.knownReaders.map(\.name) == ["noc"])
    #expect(String(decoding: oracle.printed(), as: UTF8.self) == Self.whole)
  }

  @Test func `needs no more than its first section, and then serves this machine without a memory`() throws {
    let oracle = try read("[Oracle]\n")
    #expect(oracle == OracleConfiguration())
    #expect(oracle.listen == [OracleConfiguration.defaultListen] && oracle.store == nil)
    #expect(String(decoding: oracle.printed(), as: UTF8.self) == "[Oracle]\n")
  }

  @Test(arguments: [
    ("", "1:1: nothing is configured here: expected at least [Oracle]; hawser.conf(5) has an example"),
    (
      "[Oracle]\nListen = 192.0.2.1:8460\n",
      "2:10: Listen = 192.0.2.1:8460: others can reach this, and tokens would be readable: expected a Certificate and "
        + "a CertificateKeyFile, or an address of the loopback"
    ),
    (
      "[Oracle]\nListen = 0.0.0.0:8460\n",
      "2:10: Listen = 0.0.0.0:8460: others can reach this, and tokens would be readable: expected a Certificate and a "
        + "CertificateKeyFile, or an address of the loopback"
    ),
    (
      "[Oracle]\nListen = 127.0.0.1\n",
      "2:10: Listen = 127.0.0.1: expected an address and a port, such as 127.0.0.1:8460 or [::1]:8460"
    ),
    (
      "[Oracle]\nListen = 127.0.0.1:1, 127.0.0.1:1\n",
      "2:23: Listen = 127.0.0.1:1: this is there already in line 2: expected it once"
    ),
    ("[Oracle]\nCertificate = c\n", "2:1: Certificate without CertificateKeyFile: expected both of them, or none"),
    (
      "[Oracle]\nStore = mysql://x\n",
      "2:9: Store = mysql://x: expected the path of a file, or postgresql://… as psql takes it"
    ),
    ("[Oracle]\nHalfLife = 5\n", "2:12: HalfLife = 5: expected a time from 10s to 24h, such as 5min"),
    ("[Oracle]\nHalfLife = 2h30\n", "2:12: HalfLife = 2h30: expected a time from 10s to 24h, such as 5min"),
    ("[Oracle]\nHalfLife = 9s\n", "2:12: HalfLife = 9s: expected a time from 10s to 24h, such as 5min"),
    (
      "[Oracle]\nStrategy = modell\n",
      "2:12: Strategy = modell: expected model, random-k, last-good, race-3 or cheapest; did you mean 'model'?"
    ),
    ("[Oracle]\nReaders = all\n", "2:11: Readers = all: expected anyone or known"),
    (
      "[Oracle]\n[Gateway \"a\"]\nRegion = b\n",
      "2:1: [Gateway \"a\"] has no Token: expected it, TokenFile or TokenHash; hawser genpsk makes a token"
    ),
    (
      "[Oracle]\n[Gateway \"a\"]\nTokenFile = a\nTokenHash = \(hash)\n",
      "4:1: TokenFile and TokenHash in one section: expected one of them"
    ),
    (
      "[Oracle]\n[Gateway \"a\"]\nTokenHash = secret\n",
      "3:13: TokenHash: expected 64 hexadecimal digits, as sha256sum prints them of a token; found 6 characters"
    ),
    (
      "[Oracle]\n[Relay \"r\"]\nTokenFile = t\nEndpoint = 192.0.2.1:1\n",
      "2:1: [Relay \"r\"] has no PublicKey: expected a public key of 44 characters of base64"
    ),
    (
      "[Oracle]\n[Relay \"r\"]\nTokenFile = t\nPublicKey = \(key)\n",
      "2:1: [Relay \"r\"] has no Endpoint: expected HOST:PORT, such as hq.example.com:51820 or [2001:db8::1]:51820"
    ),
    (
      "[Oracle]\n[Gateway \"a\"]\nTokenFile = s\n[Relay \"a\"]\nTokenFile = t\nPublicKey = \(key)\n"
        + "Endpoint = 192.0.2.1:1\n",
      "4:1: \"a\" is a gateway already in line 2: expected another name, since all are on one map"
    ),
    (
      "[Oracle]\n[Gateway \"a\"]\nTokenFile = s\nAddress = 10.1.0.0/16\n"
        + "[Gateway \"b\"]\nTokenFile = t\nAddress = 10.9.0.0/16, 10.1.0.0/16\n",
      "7:24: Address = 10.1.0.0/16: this network is behind \"a\" already: expected it once"
    ),
    (
      "[Oracle]\n[Gateway \"a\"]\nTokenHash = \(hash)\n[Reader \"b\"]\nTokenHash = \(hash)\n",
      "5:13: TokenHash: \"a\" has this token: expected another"
    ),
    (
      "[Oracle]\n[Gateway \"a\"]\nToken = \(key)\n[Gateway \"b\"]\nToken = \(key)\n",
      "5:9: Token: \"a\" has this token: expected another"
    ),
    (
      "[Oracle]\n[Gateway \"a\"]\nTokenFile = s\nPrice = 4001 per GB\n",
      "4:9: Price = 4001 per GB: expected at most 4000 per GB"
    ),
    (
      "[Oracle]\n[Gateway \"a\"]\nTokenFile = s\nKey = 3\n",
      "4:1: unknown key 'Key' in [Gateway]; known are Token, TokenFile, TokenHash, Address, Endpoint, Provider, "
        + "Region, Price"
    ),
  ])
  func `says what is wrong, where, and what would be right`(text: String, message: String) {
    do throws(Mistakes) {
      _ = try read(text)
      Issue.record("\(text) was taken")
    } catch {
      #expect(error.listed.map(\.description) == ["o.conf:" + message])
    }
  }

  @Test func `says everything that is wrong at once, in the order of its lines`() {
    let text = """
      [Oracle]
      Listen = nowhere
      HalfLife = soon
      [Gateway "a"]
      [Relay "r"]
      TokenHash = x
      Endpoint = r
      """
    do throws(Mistakes) {
      _ = try read(text)
      Issue.record("it was taken")
    } catch {
      #expect(error.listed.map(\.place.line) == [2, 3, 4, 5, 6, 7])
    }
  }

  @Test func `keeps tokens out of its messages`() {
    let almost = String(Self.key.dropLast(2)) + "!="
    do throws(Mistakes) {
      _ = try read("[Oracle]\n[Gateway \"a\"]\nToken = \(almost)\n")
      Issue.record("it was taken")
    } catch {
      #expect(!error.description.contains(almost.prefix(8)))
    }
  }

  @Test func `is told from that of a gateway, which may name an oracle too`() {
    #expect(OracleFile.isOracle(Array("# mine\n[ Oracle ] # here\n[Gateway \"a\"]\n".utf8)))
    #expect(!OracleFile.isOracle(Array("[Gateway]\nMTU = 1500\n[Oracle]\nURL = http://localhost\n".utf8)))
    #expect(!OracleFile.isOracle(Array("[Relay]\n".utf8)))
    #expect(!OracleFile.isOracle([]))
  }
}

@Suite struct `What is kept of a token` {
  @Test func `is read from 64 digits and printed as them`() {
    let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    #expect(TokenHash(hexadecimal: text)?.description == text)
    #expect(TokenHash(hexadecimal: text.uppercased())?.description == text)
    #expect(TokenHash(hexadecimal: text.dropLast()) == nil && TokenHash(hexadecimal: text + "0") == nil)
    #expect(TokenHash(hexadecimal: "g" + text.dropFirst()) == nil)
  }

  @Test func `is the same only where every bit is`() throws {
    let bytes = (0..<32).map { UInt8($0 * 7) }
    let one = try #require(TokenHash(bytes))
    for index in 0..<256 {
      var other = bytes
      other[index / 8] ^= 1 << UInt8(index % 8)
      let changed = try #require(TokenHash(other))
      #expect(!one.isSame(as: changed), "bit \(index)")
    }
    #expect(try one.isSame(as: #require(TokenHash(bytes))))
  }
}
