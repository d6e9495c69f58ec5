import Primitives
import Testing

@Suite struct `Where a peer is` {
  @Test(arguments: [
    ("192.0.2.1:51820", Endpoint(IPAddress(ipv4: 0xc000_0201), port: 51_820)),
    ("[2001:db8::1]:1", Endpoint(IPAddress(.ipv6, high: 0x2001_0db8_0000_0000, low: 1), port: 1)),
    ("[fe80::1%3]:65535", Endpoint(IPAddress(.ipv6, high: 0xfe80_0000_0000_0000, low: 1), port: 65_535, scope: 3)),
  ])
  func `may be written as an address`(text: String, endpoint: Endpoint) throws {
    #expect(try EndpointText(text) == .address(endpoint))
    #expect(Endpoint(text) == endpoint)
    #expect(endpoint.description == text)
  }

  @Test(
    arguments: [
      ("gateway.example.net:51820", "gateway.example.net", 51_820), ("hub_1:7", "hub_1", 7), ("a-b:80", "a-b", 80),
      ("[fe80::1%eth0]:9", "fe80::1%eth0", 9), ("3com.example:9", "3com.example", 9),
    ] as [(String, String, UInt16)])
  func `may be written as a name`(text: String, host: String, port: UInt16) throws {
    let name = try EndpointText(text)
    #expect(name == .name(host: host, port: port))
    #expect(name.description == text)
    #expect(Endpoint(text) == nil)
  }

  @Test(arguments: [
    ("192.0.2.1", "\"192.0.2.1\" has no port: write ADDRESS:PORT, [IPV6-ADDRESS]:PORT or NAME:PORT"),
    ("192.0.2.1:", "\"192.0.2.1:\" has no port: write ADDRESS:PORT, [IPV6-ADDRESS]:PORT or NAME:PORT"),
    ("[2001:db8::1]", "\"[2001:db8::1]\" has no port: write ADDRESS:PORT, [IPV6-ADDRESS]:PORT or NAME:PORT"),
    ("192.0.2.1:0", "\"0\" is no port: write a number from 1 to 65535"),
    ("hub:65536", "\"65536\" is no port: write a number from 1 to 65535"),
    ("hub:+5", "\"+5\" is no port: write a number from 1 to 65535"),
    ("2001:db8::1:51820", "\"2001:db8::1:51820\" is an IPv6 address without brackets: write [ADDRESS]:PORT"),
    ("[2001:db8::1:51820", "\"[2001:db8::1:51820\" has an opening bracket and no closing one: write [ADDRESS]:PORT"),
    ("[192.0.2.1]:5", "\"192.0.2.1\" is no IPv6 address: inside brackets there is one, as [2001:db8::1]"),
    ("[fe80::1%]:5", "\"fe80::1%\" is no IPv6 address: inside brackets there is one, as [2001:db8::1]"),
    (
      "192.0.2.256:5",
      "\"192.0.2.256\" is neither an IPv4 address nor a name: names are letters, digits and dashes between dots"
    ),
    (
      "a..b:5", "\"a..b\" is neither an IPv4 address nor a name: names are letters, digits and dashes between dots"
    ),
    (":5", "\"\" is neither an IPv4 address nor a name: names are letters, digits and dashes between dots"),
  ])
  func `is refused with what would be right`(text: String, message: String) throws {
    let defect = try #require(throws: EndpointText.Defect.self) { _ = try EndpointText(text) }
    #expect(defect.description == message)
  }
}
