import Configuration
import Primitives
import Sealing
import Testing

@Suite struct `Whom a gateway asks for relays` {
  private static let key = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
  private static let section = """
    [Oracle]
    URL = https://oracle.example.net:8460
    Name = branch
    TokenFile = oracle.token
    Certificates = fleet.crt
    Paths = 2
    Objective = latency
    MostPrice = 0.05 per GB
    MostDelay = 80
    WithoutProviders = AS64500, AS64501
    WithoutRegions = east

    """

  @Test func `is read, printed, and read again as the same`() throws {
    let gateway = try read(small + Self.section).gateway
    let oracle = try #require(gateway.oracle)
    #expect(oracle.url == "https://oracle.example.net:8460" && oracle.name == "branch")
    #expect(oracle.token == .file("oracle.token") && oracle.authorities == "fleet.crt")
    #expect(oracle.paths == 2 && oracle.objective == .latency)
    #expect(oracle.mostPrice?.thousandths == 50 && oracle.mostDelay == .milliseconds(80))
    #expect(oracle.withoutProviders == ["AS64500", "AS64501"] && oracle.withoutRegions == ["east"])
    #expect(String(decoding: gateway.printed(), as: UTF8.self).contains(Self.section.dropLast()))
    #expect(try read(String(decoding: gateway.printed(), as: UTF8.self)).gateway == gateway)
  }

  @Test func `needs an address, a name and a token, and asks for three ways to carry much`() throws {
    let text = "[Oracle]\nURL = http://127.0.0.1:8460\nName = b\nToken = \(Self.key)\n"
    let oracle = try #require(try read(small + text).gateway.oracle)
    #expect(oracle.paths == 3 && oracle.objective == .throughput && oracle.authorities == nil)
  }

  @Test(arguments: [
    "https://o", "https://o:1", "https://192.0.2.1:65535", "https://[2001:db8::1]:8460", "https://[::1]",
    "http://localhost:8460", "http://127.3.2.1", "http://[::1]:1", "HTTPS://O",
  ])
  func `is at such an address`(url: String) throws {
    let text = "[Oracle]\nURL = \(url)\nName = b\nToken = \(Self.key)\n"
    #expect(try read(small + text).gateway.oracle?.url == url)
  }

  @Test(arguments: [
    ("oracle.example.net:8460", "expected a URL such as https://oracle.example.net:8460"),
    ("https://", "expected a URL such as https://oracle.example.net:8460"),
    ("https://o:", "expected a URL such as https://oracle.example.net:8460"),
    ("https://o:0", "expected a URL such as https://oracle.example.net:8460"),
    ("https://o:65536", "expected a URL such as https://oracle.example.net:8460"),
    ("https://o/alto", "expected a URL such as https://oracle.example.net:8460"),
    ("https://o?x", "expected a URL such as https://oracle.example.net:8460"),
    ("https://me@o", "expected a URL such as https://oracle.example.net:8460"),
    ("https://[::1", "expected a URL such as https://oracle.example.net:8460"),
    ("ftp://o", "expected a URL such as https://oracle.example.net:8460"),
    ("http://o", "the token would be readable on the way: expected https, or an oracle on this machine"),
    ("http://127.example.net", "the token would be readable on the way: expected https, or an oracle on this machine"),
    ("http://[::2]", "the token would be readable on the way: expected https, or an oracle on this machine"),
  ])
  func `is not at such an address, and what would be right is said`(url: String, message: String) {
    let text = "[Oracle]\nURL = \(url)\nName = b\nToken = \(Self.key)\n"
    let line = small.split(separator: "\n", omittingEmptySubsequences: false).count + 1
    #expect(mistakes(in: small + text) == ["branch.conf:\(line):7: URL = \(url): \(message)"])
  }

  @Test func `is told of by a relay, which asks for nothing`() throws {
    let relay = """
      [Relay]
      ListenPort = 51800
      PrivateKeyFile = k
      [Client "a"]
      PublicKey = \(Self.key)
      [Oracle]
      URL = https://o
      Name = west-1
      TokenFile = t

      """
    let file = try RelayFile(reading: Array(relay.utf8), named: "r.conf")
    #expect(file.relay.oracle?.name == "west-1")
    #expect(try RelayFile(reading: file.relay.printed(), named: "r.conf").relay == file.relay)
    let error = #expect(throws: Mistakes.self) {
      try RelayFile(reading: Array((relay + "Paths = 2\n").utf8), named: "r.conf")
    }
    #expect(
      error?.listed.map(\.description) == [
        "r.conf:10:1: unknown key 'Paths' in [Oracle]; known are URL, Name, Token, TokenFile, Certificates"
      ])
  }
}
