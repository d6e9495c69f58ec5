//  Translation.swift — is there an address translator (NAT) in front of a path, and of which kind?
//
//  Whoever answers says where it hears us (wire format, sighting). When that is not our own address, somebody in
//  between has put his own in its place. Whether others reach us through him depends on whether he keeps one outer port
//  for the same socket whomever it talks to (RFC 4787: endpoint-independent mapping), which two witnesses can tell and
//  one cannot. A path over a relay has a socket of its own, so its port says nothing about another's.

import Primitives

enum Translation {
  /// `own`: the addresses of the path's interface. `isCalled`: somebody without an Endpoint comes to us.
  static func diagnosis(
    of path: Site.Path, own: [IPAddress], _ running: RunningGateway?, isCalled: Bool
  ) -> Diagnosis {
    let ways = (running?.ways ?? []).filter { $0.path == path.name && $0.interface == path.interface && $0.isUp }
    let direct = ways.filter { $0.via == nil && $0.seenAs != nil }
    guard let first = (direct.first ?? ways.first { $0.seenAs != nil }), let seen = first.seenAs else {
      return unseen(path, own, isRunning: running != nil).about(path.name)
    }
    let witness = first.via ?? first.peer
    if own.contains(seen.address) {
      return .fine("nat", "none: \(witness) hears it as \(seen), an address of \(path.interface)").about(path.name)
    }
    let home = own.first { $0.family == seen.address.family }.map { "\($0)" } ?? "it"
    let others = direct.dropFirst().compactMap { way in
      way.seenAs.flatMap { $0.address.family == seen.address.family ? (way.peer, $0) : nil }
    }
    if let other = others.first(where: { $0.1 != seen }) {
      return .warning(
        "nat",
        "\(home) is heard as \(seen) by \(witness) and as \(other.1) by \(other.0): each destination sees another "
          + "port, so nobody reaches it who was not asked",
        remedy:
          "let this side do the asking: an Endpoint of the other in [Peer] here; two sites like this want a [Relay]"
      ).about(path.name)
    }
    let kind = others.isEmpty ? "of which kind one witness cannot tell" : "and the same for all"
    if isCalled {
      let port = path.port.map { "\($0)" } ?? "PORT"
      return .warning(
        "nat",
        "\(home) is heard as \(seen) by \(witness), \(kind); peers without an Endpoint here have to get through it",
        remedy: "on the router forward UDP port \(port) to \(home), and write its outer address into Endpoint there"
      ).about(path.name)
    }
    return .fine("nat", "\(home) is heard as \(seen) by \(witness), \(kind)").about(path.name)
  }

  private static func unseen(_ path: Site.Path, _ own: [IPAddress], isRunning: Bool) -> Diagnosis {
    let rest = isRunning ? "nobody has said yet where it is heard" : "where it is heard is known once a gateway runs"
    guard let address = own.first(where: { $0.family == .ipv4 }) ?? own.first else {
      return .fine("nat", rest)
    }
    if shared.contains(address) {
      return .fine("nat", "\(address) is one of a provider's translator (100.64.0.0/10), shared with others; \(rest)")
    }
    return privates.contains { $0.contains(address) }
      ? .fine("nat", "\(address) is private, so a translator is in front of it or nobody outside is meant; \(rest)")
      : .fine("nat", "\(address) is a public address; \(rest)")
  }

  /// RFC 6598.
  private static let shared = IPPrefix(IPAddress(ipv4: 0x6440_0000), length: 10)
  /// RFC 1918 and RFC 4193.
  private static let privates = [
    IPPrefix(IPAddress(ipv4: 0x0a00_0000), length: 8), IPPrefix(IPAddress(ipv4: 0xac10_0000), length: 12),
    IPPrefix(IPAddress(ipv4: 0xc0a8_0000), length: 16),
    IPPrefix(IPAddress(.ipv6, high: 0xfc00_0000_0000_0000, low: 0), length: 7),
  ]
}
