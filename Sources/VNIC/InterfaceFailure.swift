//  InterfaceFailure.swift — why the gateway has no network interface, and what would help.

import Glibc
public import Netlink
public import Primitives

public struct InterfaceFailure: Error, Equatable, CustomStringConvertible {
  public enum Reason: Equatable, Sendable {
    /// A setting that no kernel would take.
    case setting(String)
    case open(OpenFailure)
    case network(NetlinkError)
    /// An IPv6 address or route where IPv6 is switched off, or not built in.
    case noIPv6(IPPrefix)
    /// A route that somebody else has made.
    case routeTaken(IPPrefix)
  }

  public let interface: String
  public let reason: Reason

  init(_ interface: String, _ reason: Reason) {
    self.interface = interface
    self.reason = reason
  }

  public var description: String {
    switch reason {
    case .setting(let sentence): return "interface \(interface): \(sentence)"
    case .open(let failure): return failure.description
    case .network(let error): return "interface \(interface): \(error)"
    case .noIPv6(let prefix):
      return
        "interface \(interface): cannot have \(prefix): IPv6 is switched off here; leave IPv6 out, or switch it on "
        + "with `sysctl -w net.ipv6.conf.default.disable_ipv6=0`"
    case .routeTaken(let network):
      return
        "interface \(interface): there is a route to \(network) already, see `ip route show \(network)`; remove that, "
        + "or leave the network out"
    }
  }

  /// What a refused change for this prefix means.
  init(_ interface: String, _ error: NetlinkError, for prefix: IPPrefix) {
    let isAboutIPv6 = prefix.family == .ipv6 && [EACCES, EOPNOTSUPP, EAFNOSUPPORT].contains(error.errno)
    self.init(interface, isAboutIPv6 ? .noIPv6(prefix) : .network(error))
  }
}

extension VirtualInterface.Settings {
  /// The kernel would refuse these too, in its own words; or worse, would take them.
  func check() throws(InterfaceFailure) {
    func refuse(_ sentence: String) throws(InterfaceFailure) -> Never {
      throw InterfaceFailure(name, .setting(sentence))
    }
    if mtu < Self.leastMTU { try refuse("an MTU of \(mtu) is too small: IPv4 needs \(Self.leastMTU)") }
    if mtu > Self.mostMTU { try refuse("an MTU of \(mtu) is too large: a packet has at most \(Self.mostMTU) bytes") }
    if let six = (addresses + routes).first(where: { $0.family == .ipv6 }), mtu < Self.leastMTU6 {
      try refuse("an MTU of \(mtu) is too small for \(six): IPv6 needs \(Self.leastMTU6)")
    }
    if !(Self.leastSuperPacket...Self.mostSuperPacket).contains(gsoMaxSize) {
      try refuse(
        "super-packets of \(gsoMaxSize) bytes cannot be: write \(Self.leastSuperPacket) to \(Self.mostSuperPacket)")
    }
    if !(1...1_000_000).contains(queueLength) { try refuse("a queue of \(queueLength) packets: write 1 to 1000000") }
    if !(1...256).contains(queues) { try refuse("\(queues) queues: write 1 to 256") }
  }

  private static let leastMTU = 68
  private static let leastMTU6 = 1_280
  private static let mostMTU = 65_535
  /// Shorter ones would be no super-packets.
  private static let leastSuperPacket = 2_048
  private static let mostSuperPacket = 65_536
}
