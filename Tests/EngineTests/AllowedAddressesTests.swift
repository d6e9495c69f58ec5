import Engine
import Primitives
import Testing

@Suite struct `An address belongs to the peer with the longest prefix` {
  /// Every prefix is asked in turn: slow, and easy to believe.
  static func model(_ claims: [AllowedAddresses.Claim], _ address: IPAddress) -> UInt32? {
    claims.filter { $0.prefix.contains(address) }.max { $0.prefix.length < $1.prefix.length }?.peer
  }

  @Test(arguments: 0..<80) func `however prefixes nest`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var claims: [AllowedAddresses.Claim] = []
    for _ in 0..<random.below(200) {
      let prefix = IPPrefix(Specimen.address(&random), length: 0)
      let length = Int(random.below(UInt64(prefix.family.bitCount + 1)))
      let claim = AllowedAddresses.Claim(
        IPPrefix(prefix.address, length: length).network, peer: UInt32(random.below(5)))
      if !claims.contains(where: { $0.prefix == claim.prefix }) { claims.append(claim) }
    }
    let allowed = try AllowedAddresses(claims)
    var wrong: [IPAddress] = []
    for _ in 0..<1_000 {
      var address = Specimen.address(&random)
      // Near the ends of a prefix most mistakes live.
      if random.below(2) == 0, !claims.isEmpty {
        address = Specimen.neighbour(of: claims[Int(random.below(UInt64(claims.count)))].prefix, &random)
      }
      if allowed.peer(of: address) != Self.model(claims, address) { wrong.append(address) }
    }
    #expect(wrong.isEmpty, "seed \(seed): in \(claims)")
  }

  @Test func `as in the drawing at the top of the source`() throws {
    let allowed = try AllowedAddresses(Specimen.claims(["10.0.0.0/8", "10.3.0.0/16"]))
    let answers = ["9.255.255.255", "10.0.0.0", "10.2.255.255", "10.3.0.0", "10.3.255.255", "10.4.0.0", "11.0.0.0"]
      .map { IPAddress($0).flatMap { allowed.peer(of: $0) } }
    #expect(answers == [nil, 0, 0, 1, 1, 0, nil])
  }

  @Test func `to the edges of both families`() throws {
    let allowed = try AllowedAddresses(
      Specimen.claims([
        "0.0.0.0/0", "255.255.255.255/32", "0.0.0.0/32", "::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
      ]))
    let ends = [
      "255.255.255.255", "255.255.255.254", "0.0.0.0", "0.0.0.1", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ]
    #expect(ends.map { IPAddress($0).flatMap { allowed.peer(of: $0) } } == [1, 0, 2, 0, 3, 4])
  }

  @Test func `and to nobody when nobody claims it`() throws {
    let nobody = try AllowedAddresses([])
    let ipv4 = try AllowedAddresses(Specimen.claims(["0.0.0.0/0"]))
    for text in ["192.0.2.1", "2001:db8::1"] {
      let address = try #require(IPAddress(text))
      #expect(nobody.peer(of: address) == nil)
      #expect(ipv4.peer(of: address) == (address.family == .ipv4 ? 0 : nil))
    }
  }

  @Test func `a prefix that two peers claim is refused with its name`() throws {
    for (claims, prefix) in [
      (["10.1.0.0/16", "192.0.2.0/24", "10.1.2.3/16"], "10.1.0.0/16"),
      (["2001:db8::/32", "2001:db8:1::/32"], "2001:db8::/32"),
      (["0.0.0.0/0", "0.0.0.0/0"], "0.0.0.0/0"),
    ] {
      var conflict: AllowedAddresses.Conflict?
      do throws(AllowedAddresses.Conflict) { _ = try AllowedAddresses(Specimen.claims(claims)) } catch {
        conflict = error
      }
      #expect(conflict?.prefix == IPPrefix(prefix))
      #expect(conflict.map { [$0.first, $0.second] } == [0, UInt32(claims.count - 1)])
      #expect(conflict?.description.contains("both claim \(prefix)") == true)
    }
    // The same family's zero prefix is not the other's, and one peer may say a thing twice.
    _ = try AllowedAddresses(Specimen.claims(["0.0.0.0/0", "::/0"]))
    let claim = try #require(Specimen.claims(["10.0.0.0/8"]).first)
    #expect(try AllowedAddresses([claim, claim]).peer(of: IPAddress(ipv4: 0x0a00_0001)) == 0)
  }
}

enum Specimen {
  /// From a small part of the space, so that prefixes and addresses meet.
  static func address(_ random: inout SeededRandom) -> IPAddress {
    func sparse() -> UInt64 { random.next() & random.next() & random.next() }
    if random.below(2) == 0 { return IPAddress(ipv4: UInt32(truncatingIfNeeded: sparse())) }
    return IPAddress(.ipv6, high: sparse(), low: sparse())
  }

  /// The first or last address of a prefix, or the one before or behind.
  static func neighbour(of prefix: IPPrefix, _ random: inout SeededRandom) -> IPAddress {
    let network = prefix.network.address
    let value = UInt128(network.high) << 64 | UInt128(network.low)
    let one = prefix.family == .ipv4 ? UInt128(1) << 96 : 1
    let size = prefix.length == 0 ? 0 : one << UInt128(prefix.family.bitCount - prefix.length)
    let near = [value, value &- one, value &+ size, value &+ size &- one][Int(random.below(4))]
    return IPAddress(
      prefix.family, high: UInt64(near >> 64), low: prefix.family == .ipv4 ? 0 : UInt64(truncatingIfNeeded: near))
  }

  /// One for each prefix, the peers numbered in order.
  static func claims(_ prefixes: [String]) -> [AllowedAddresses.Claim] {
    prefixes.enumerated().compactMap { index, text in
      IPPrefix(text).map { AllowedAddresses.Claim($0, peer: UInt32(index)) }
    }
  }
}
