import Glibc
import Primitives
import Testing

@Suite struct `Addresses in text` {
  /// RFC 5952 §1, §2 and §4: all ways to write it that its authors met, and the one way to write it back.
  @Test(arguments: [
    ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
    ("2001:db8::1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8::0:1:0:0:1", "2001:db8::1:0:0:1"),
    ("2001:0db8::1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8:0:0:1::1", "2001:db8::1:0:0:1"),
    ("2001:db8:0000:0:1::1", "2001:db8::1:0:0:1"), ("2001:DB8:0:0:1::1", "2001:db8::1:0:0:1"),
    ("2001:db8:aaaa:bbbb:cccc:dddd:0:1", "2001:db8:aaaa:bbbb:cccc:dddd:0:1"),
    ("2001:db8:aaaa:bbbb:cccc:dddd::1", "2001:db8:aaaa:bbbb:cccc:dddd:0:1"),
    ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
    ("::ffff:192.0.2.1", "::ffff:192.0.2.1"), ("::FFFF:c000:201", "::ffff:192.0.2.1"),
  ]) func `are written back as RFC 5952 wants them`(text: String, canonical: String) {
    #expect(IPAddress(text)?.description == canonical)
  }

  /// RFC 4291 §2.2.
  @Test(
    arguments: [
      ("ABCD:EF01:2345:6789:ABCD:EF01:2345:6789", 0xabcd_ef01_2345_6789, 0xabcd_ef01_2345_6789),
      ("2001:DB8:0:0:8:800:200C:417A", 0x2001_0db8_0000_0000, 0x0008_0800_200c_417a),
      ("2001:DB8::8:800:200C:417A", 0x2001_0db8_0000_0000, 0x0008_0800_200c_417a),
      ("FF01::101", 0xff01_0000_0000_0000, 0x101), ("::1", 0, 1), ("::", 0, 0), ("0:0:0:0:0:0:0:0", 0, 0),
      ("0:0:0:0:0:0:13.1.68.3", 0, 0x0d01_4403), ("::13.1.68.3", 0, 0x0d01_4403),
      ("::FFFF:129.144.52.38", 0, 0xffff_8190_3426), ("0:0:0:0:0:FFFF:129.144.52.38", 0, 0xffff_8190_3426),
      ("1::", 0x0001_0000_0000_0000, 0),
    ] as [(String, UInt64, UInt64)]) func `are read as RFC 4291 explains`(text: String, high: UInt64, low: UInt64)
  {
    #expect(IPAddress(text) == IPAddress(.ipv6, high: high, low: low))
  }

  @Test func `of IPv4 are four numbers`() throws {
    let address = try #require(IPAddress("192.0.2.255"))
    #expect(address == IPAddress(ipv4: 0xc000_02ff) && address.bytes == [192, 0, 2, 255])
    #expect(address.description == "192.0.2.255" && address.family == .ipv4)
    #expect(IPAddress(bytes: address.bytes) == address)
    #expect(IPAddress("0.0.0.0") == IPAddress(ipv4: 0) && IPAddress("255.255.255.255") == IPAddress(ipv4: .max))
  }

  @Test(arguments: [
    "", " ", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "01.2.3.4", "1.2.3.", ".1.2.3", "1..2.3",
    "1.2.3.4 ", " 1.2.3.4", "+1.2.3.4", "0x1.2.3.4", "1.2.3.4/8", "localhost", "١.2.3.4", ":", ":::", "1", "1:", ":1",
    "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "::1::", "12345::", "g::",
    "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "::1.2.3", "::1.2.3.4:5", "1.2.3.4::",
    "1:2:3:4:5:6:7:1.2.3.4", "fe80::1%eth0", "[::1]", "::ffff:1.2.3.256",
  ]) func `that are none are refused`(text: String) {
    #expect(IPAddress(text) == nil)
  }

  /// The C library is the second opinion, on text that is nearly right.
  @Test(arguments: 0..<20 as Range<UInt64>) func `are accepted, read and written as the C library does it`(seed: UInt64)
    throws
  {
    var random = SeededRandom(seed: seed)
    var accepted = 0
    for _ in 0..<1_000 {
      let text = nearlyAnAddress(&random)
      let address = IPAddress(text)
      #expect(address?.bytes == parsedByC(text), "\(text.debugDescription), seed \(seed)")
      guard let address else { continue }
      accepted += 1
      #expect(IPAddress(address.description) == address)
      // Among the addresses that begin with 96 zeros, it takes some for the IPv4 addresses of a form long given up.
      if address.family == .ipv6 && address.high == 0 && address.low >> 32 == 0 { continue }
      #expect(address.description == writtenByC(address), "seed \(seed)")
    }
    #expect((100...900).contains(accepted), "both kinds must be among them: \(accepted), seed \(seed)")
  }

  private func nearlyAnAddress(_ random: inout SeededRandom) -> String {
    var text: String
    if random.below(3) == 0 {
      text = (0..<4).map { _ in String(random.below(random.below(4) == 0 ? 300 : 256)) }.joined(separator: ".")
    } else {
      let groups = (0..<8).map { _ in
        random.below(2) == 0 ? "0" : String(random.below(1 << (4 * (1 + random.below(4)))), radix: 16)
      }
      text = groups.joined(separator: ":")
      if random.below(2) == 0 {
        let start = Int(random.below(9))
        let end = start + Int(random.below(UInt64(9 - start)))
        text = groups[..<start].joined(separator: ":") + "::" + groups[end...].joined(separator: ":")
      }
      if random.below(6) == 0 {
        text = text.split(separator: ":", omittingEmptySubsequences: false).dropLast().joined(separator: ":")
        text += ":10.\(random.below(260)).0.1"
      }
    }
    var characters = Array(text)
    let alphabet = Array("0123456789abcdefABCDEF::::...g %/")
    for _ in 0..<(random.below(2) == 0 ? 0 : random.below(3)) where !characters.isEmpty {
      let place = Int(random.below(UInt64(characters.count)))
      let character = alphabet[Int(random.below(UInt64(alphabet.count)))]
      switch random.below(3) {
      case 0: characters[place] = character
      case 1: characters.insert(character, at: place)
      default: characters.remove(at: place)
      }
    }
    return String(characters)
  }

  private func parsedByC(_ text: String) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET6, text, &bytes) == 1 { return bytes }
    if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes[..<4]) }
    return nil
  }

  private func writtenByC(_ address: IPAddress) -> String? {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = address.family == .ipv4 ? AF_INET : AF_INET6
    guard inet_ntop(family, address.bytes, &text, socklen_t(text.count)) != nil else { return nil }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

@Suite struct `Networks in text` {
  @Test func `are an address and a length, and an address alone is the smallest network`() throws {
    let prefix = try #require(IPPrefix("10.3.0.1/16"))
    #expect(prefix.address == IPAddress("10.3.0.1") && prefix.length == 16 && prefix.description == "10.3.0.1/16")
    #expect(prefix.network == IPPrefix("10.3.0.0/16"))
    #expect(IPPrefix("10.3.0.1")?.length == 32 && IPPrefix("::1")?.length == 128)
    #expect(IPPrefix("2001:db8::1/33")?.network.description == "2001:db8::/33")
    #expect(IPPrefix("2001:db8:ffff:ffff:ffff::/65")?.network.description == "2001:db8:ffff:ffff:8000::/65")
    #expect(IPPrefix.everything(.ipv4) == IPPrefix("0.0.0.0/0") && IPPrefix.everything(.ipv6) == IPPrefix("::/0"))
  }

  @Test(arguments: [
    "", "/", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8/8",
    "/8", "10.0.0/8", "10.0.0.0/8a", "10.0.0.0/99999999999999999999",
  ]) func `that are none are refused`(text: String) {
    #expect(IPPrefix(text) == nil)
  }

  @Test(arguments: 0..<10 as Range<UInt64>) func `hold the addresses that begin with the same bits, and no others`(
    seed: UInt64
  ) {
    var random = SeededRandom(seed: seed)
    for _ in 0..<200 {
      let family: IPAddress.Family = random.below(2) == 0 ? .ipv4 : .ipv6
      let bytes = (0..<family.bitCount / 8).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      let length = Int(random.below(UInt64(family.bitCount + 1)))
      let prefix = IPPrefix(IPAddress(bytes: bytes), length: length)
      #expect(prefix.contains(prefix.address) && prefix.network.contains(prefix.address))
      #expect(IPPrefix(prefix.description) == prefix)
      var other = bytes
      let bit = Int(random.below(UInt64(family.bitCount)))
      other[bit / 8] ^= 0x80 >> UInt8(bit % 8)
      #expect(prefix.contains(IPAddress(bytes: other)) == (bit >= length), "bit \(bit) of \(prefix), seed \(seed)")
      #expect(prefix.network.contains(IPAddress(bytes: other)) == (bit >= length))
    }
  }

  @Test func `of one family hold nothing of the other`() {
    #expect(!IPPrefix.everything(.ipv4).contains(IPAddress(.ipv6, high: 0, low: 0)))
    #expect(!IPPrefix.everything(.ipv6).contains(IPAddress(ipv4: 0)))
  }
}
