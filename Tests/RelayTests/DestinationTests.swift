import Primitives
import Relay
import Testing

@Suite struct `A destination` {
  private func isAllowed(_ text: String, _ rules: RelayDestinations = RelayDestinations()) throws -> Bool {
    rules.allow(try #require(Endpoint(text), "\(text) is no endpoint"))
  }

  @Test(arguments: ["192.0.2.1:1", "223.255.255.255:65535", "172.32.0.1:9", "[2001:db8::1]:443", "100.128.0.1:5"])
  func `is any host of the Internet`(text: String) throws {
    #expect(try isAllowed(text))
    #expect(try isAllowed(text, RelayDestinations(allowsPrivate: true)))
  }

  @Test(arguments: [
    "0.0.0.0:1", "0.1.2.3:1", "127.0.0.1:1", "127.255.0.1:1", "224.0.0.1:1", "239.1.1.1:1", "240.0.0.1:1",
    "255.255.255.255:1", "[::]:1", "[::1]:1", "[ff02::1]:1", "[fe80::1]:1", "[fe80::1%3]:1", "[::ffff:192.0.2.1]:1",
    "[::ffff:127.0.0.1]:1", "[2002:7f00:1::1]:1", "[64:ff9b::127.0.0.1]:1",
  ])
  func `is never what is no single host elsewhere`(text: String) throws {
    #expect(try !isAllowed(text, RelayDestinations(allowsPrivate: true)))
  }

  @Test(arguments: [
    "10.0.0.1:1", "100.64.0.1:1", "100.127.255.1:1", "169.254.169.254:80", "172.16.0.1:1", "172.31.255.1:1",
    "192.168.1.1:1", "[fc00::1]:1", "[fd12:3456::1]:1", "[fec0::1]:1", "[2002:a00:1::1]:1", "[64:ff9b::10.0.0.1]:1",
  ])
  func `is a private one only where that is wanted`(text: String) throws {
    #expect(try !isAllowed(text))
    #expect(try isAllowed(text, RelayDestinations(allowsPrivate: true)))
  }

  @Test func `is never the relay itself`() throws {
    let own = try ["192.0.2.7", "2001:db8::7"].map { try #require(IPAddress($0)) }
    let rules = RelayDestinations(own: own, allowsPrivate: true)
    for text in ["192.0.2.7:1", "192.0.2.7:443", "[2001:db8::7]:1", "[64:ff9b::192.0.2.7]:1", "[2002:c000:207::]:1"] {
      #expect(try !isAllowed(text, rules), "\(text)")
    }
    #expect(try isAllowed("192.0.2.8:1", rules))
  }

  @Test func `is one of those that are allowed, when some are named`() throws {
    let prefix = try #require(IPPrefix("192.0.2.0/24"))
    let rules = RelayDestinations(allowed: [prefix])
    #expect(try isAllowed("192.0.2.1:1", rules) && !isAllowed("198.51.100.1:1", rules))
    #expect(try !isAllowed("[2001:db8::1]:1", rules))
  }

  @Test func `has a port, and no scope`() {
    let address = IPAddress(ipv4: 0xc000_0201)
    #expect(!RelayDestinations().allow(Endpoint(address, port: 0)))
    #expect(!RelayDestinations().allow(Endpoint(address, port: 1, scope: 2)))
  }
}
