//  ErrorTests.swift — what the network says when it refuses something must reach who asked, through the gateways too.

import Glibc
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `What the network says` {
  @Test func `of a port where nobody listens comes back through the gateways`() throws {
    let sites = try TwoSites([.ipv4, .ipv4, .ipv4])
    for family in [IPAddress.Family.ipv4, .ipv6] {
      let socket = try HostSocket(family, SOCK_DGRAM, in: sites.namespace(of: .alice), patience: .seconds(5))
      try socket.connect(TwoSites.address(of: .bob, family), port: 4_444)
      #expect(socket.send([1]) == 0)
      #expect(socket.receive() == nil && errno == ECONNREFUSED)
    }
  }

  @Test func `names both gateways to whoever traces the route`() throws {
    let sites = try TwoSites([.ipv4, .ipv6, .ipv4])
    for (address, hops) in [
      (TwoSites.bob, ["10.1.0.1", "10.9.0.2"]), (TwoSites.bob6, ["fd01::1", "fd09::2"]),
    ] {
      for (index, hop) in hops.enumerated() {
        let answer = try sites.run(.alice, ["ping", "-n", "-c", "1", "-W", "2", "-t", "\(index + 1)", address])
        #expect(!answer.isSuccess && answer.text.contains("From \(hop)"), "\(answer.text)")
        #expect(answer.text.contains("Time to live exceeded") || answer.text.contains("Hop limit"), "\(answer.text)")
      }
      #expect(try sites.pings(.alice, address, "-t", "\(hops.count + 1)"))
    }
  }

  @Test func `of a packet that is too long for a line behind the far gateway tells its length`() throws {
    let sites = try TwoSites([.ipv4, .ipv4, .ipv4])
    for (address, size, words) in [
      (TwoSites.carol, 1400, "mtu = \(TwoSites.narrow)"), (TwoSites.carol6, 1400, "mtu=\(TwoSites.narrow)"),
    ] {
      let command = ["ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s", "\(size)", address]
      let answer = try sites.run(.alice, command)
      #expect(!answer.isSuccess && answer.text.contains(words), "\(answer.text)")
      // Now its host knows, and cuts it.
      #expect(try sites.pings(.alice, address, "-s", "\(size)"))
      #expect(try sites.pings(.alice, address, "-M", "do", "-s", "\(TwoSites.narrow - 48)"))
    }
  }

  @Test(arguments: [[Underlay.ipv4], [.ipv4, .ipv6, .ipv4]])
  func `of itself is answered at any length`(lines: [Underlay]) throws {
    let sites = try TwoSites(lines)
    for size in [0, 1, 56, 1472, 1473, 9_000, 30_000, 65_000] {
      #expect(try sites.pings(.alice, TwoSites.bob, "-s", "\(size)"), "\(size) bytes")
      #expect(try sites.pings(.bob, TwoSites.alice6, "-s", "\(size)"), "\(size) bytes")
    }
  }
}
