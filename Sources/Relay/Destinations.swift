//  Destinations.swift — where a relay forwards to, and where never.
//
//  A relay sends what its clients like to whom they name, from its own address. So it must not be a way around a
//  firewall (into the networks that only the relay can reach), nor to the relay itself, nor to more than one host. What
//  hides an IPv4 address (`::ffff:0:0/96`, 6to4, NAT64) is judged by what it hides.

public import Primitives

public struct RelayDestinations: Sendable {
  /// Addresses of the relay, also those that a translator shows of it to the outside.
  public var own: [IPAddress]
  /// Private networks, shared ones of providers (100.64.0.0/10) and 169.254.0.0/16: for laboratories and companies.
  public var allowsPrivate: Bool
  /// Only these, when there are any.
  public var allowed: [IPPrefix]

  public init(own: [IPAddress] = [], allowsPrivate: Bool = false, allowed: [IPPrefix] = []) {
    self.own = own
    self.allowsPrivate = allowsPrivate
    self.allowed = allowed
  }

  /// No host's address, on any network: "this network", loopback, multicast, reserved, broadcast. An IPv6 link-local
  /// address means nothing without its link.
  private static let never = [
    ipv4(0, 0, 0, 0, 8), ipv4(127, 0, 0, 0, 8), ipv4(224, 0, 0, 0, 3), ipv6(0, 0, 128), ipv6(0, 1, 128),
    ipv6(0xff00 << 48, 0, 8), ipv6(0xfe80 << 48, 0, 10),
  ]
  private static let privateNetworks = [
    ipv4(10, 0, 0, 0, 8), ipv4(100, 64, 0, 0, 10), ipv4(169, 254, 0, 0, 16), ipv4(172, 16, 0, 0, 12),
    ipv4(192, 168, 0, 0, 16), ipv6(0xfc00 << 48, 0, 7), ipv6(0xfec0 << 48, 0, 10),
  ]
  private static let mapped = ipv6(0, 0xffff << 32, 96)
  private static let translated = ipv6(0x0064_ff9b << 32, 0, 96)
  private static let sixToFour = ipv6(0x2002 << 48, 0, 16)

  private static func ipv4(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ length: Int) -> IPPrefix {
    IPPrefix(IPAddress(ipv4: a << 24 | b << 16 | c << 8 | d), length: length)
  }

  private static func ipv6(_ high: UInt64, _ low: UInt64, _ length: Int) -> IPPrefix {
    IPPrefix(IPAddress(.ipv6, high: high, low: low), length: length)
  }

  public func allow(_ destination: Endpoint) -> Bool {
    if destination.port == 0 || destination.scope != 0 { return false }
    let address = destination.address
    // A socket for both families sends it as IPv4, and answers would come from what is then another address.
    if RelayDestinations.mapped.contains(address) { return false }
    guard isReachable(address) else { return false }
    if let hidden = RelayDestinations.hidden(in: address), !isReachable(hidden) { return false }
    return allowed.isEmpty || RelayDestinations.isIn(allowed, address)
  }

  private func isReachable(_ address: IPAddress) -> Bool {
    if own.contains(address) || RelayDestinations.isIn(RelayDestinations.never, address) { return false }
    return allowsPrivate || !RelayDestinations.isIn(RelayDestinations.privateNetworks, address)
  }

  private static func isIn(_ networks: [IPPrefix], _ address: IPAddress) -> Bool {
    for index in networks.indices where networks[index].contains(address) { return true }
    return false
  }

  private static func hidden(in address: IPAddress) -> IPAddress? {
    if translated.contains(address) { return IPAddress(ipv4: UInt32(truncatingIfNeeded: address.low)) }
    if sixToFour.contains(address) { return IPAddress(ipv4: UInt32(truncatingIfNeeded: address.high >> 16)) }
    return nil
  }
}
