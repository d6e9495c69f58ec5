//  AddressPlan.swift — which interface and which addresses every node of a topology gets.
//
//  The plan is a function of the file alone, so that the lab, the simulator's captures and a reader with a calculator
//  agree, and the same file gives the same addresses tomorrow. Every lab lives in namespaces of its own, so plans of
//  two labs may overlap.
//
//      link number n (from 0)    172.16+⌊n/256⌋.(n mod 256).0/24   fd48:6177:0:n::/64   left end .1, right end .2
//      site of node number s     10.s.0.0/16                       fd48:6177:1:s::/64   the node .0.1, its hosts .0.2 …
//
//  A link's interface has the link's name at both ends, so `ping -I lte` reads as it is meant; a host's interface is
//  `eth0`, and the node that connects it calls its side by the host's name. Names that Linux would not take (over 15
//  bytes) are cut and marked with a hash of the whole, so that two long names do not meet.

public struct AddressPlan: Sendable {
  public struct Address: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16 bytes, in network order.
    public let bytes: [UInt8]
    public let prefixLength: Int

    public init(bytes: [UInt8], prefixLength: Int) {
      precondition(bytes.count == 4 || bytes.count == 16, "an address has 4 or 16 bytes")
      self.bytes = bytes
      self.prefixLength = prefixLength
    }

    public var isIPv6: Bool { bytes.count == 16 }

    /// Without the prefix length: `172.16.0.1`, `fd48:6177:0:3::1`.
    public var description: String {
      if !isIPv6 { return bytes.map(String.init).joined(separator: ".") }
      let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
      var end = groups.count - 1
      while end > 0 && groups[end - 1] == 0 { end -= 1 }
      // Every address of the plan ends in zeros and a number, so the last run of zeros is the one to fold.
      if end >= groups.count - 2 { return groups.map { String($0, radix: 16) }.joined(separator: ":") }
      let left = groups[..<end].map { String($0, radix: 16) }.joined(separator: ":")
      return left + "::" + (groups[7] == 0 ? "" : String(groups[7], radix: 16))
    }

    /// The network that the address lies in.
    public var network: Address {
      var masked = bytes
      for bit in prefixLength..<(bytes.count * 8) { masked[bit / 8] &= ~(0x80 >> UInt8(bit % 8)) }
      return Address(bytes: masked, prefixLength: prefixLength)
    }
  }

  /// One end of a link, or of the wire between a host and its site.
  public struct Interface: Equatable, Sendable {
    public var name: String
    public var hardware: [UInt8]
    public var ipv4: Address
    public var ipv6: Address
  }

  private let topology: Topology
  /// For each node: its number among the host's connectors, that is the index of its site; nil when nothing stands
  /// behind it.
  private let hostNumber: [Int]

  public init(_ topology: Topology) {
    self.topology = topology
    var seen = Array(repeating: 0, count: topology.nodes.count)
    hostNumber = topology.nodes.map { node in
      guard let site = node.behind else { return 0 }
      seen[site] += 1
      return seen[site]
    }
  }

  /// The end of this link at this node.
  public func interface(of link: Int, at node: Int) -> Interface {
    let isLeft = topology.links[link].a == node
    precondition(isLeft || topology.links[link].b == node, "the link does not end at this node")
    let end: UInt8 = isLeft ? 1 : 2
    return Interface(
      name: AddressPlan.interfaceName(topology.links[link].name),
      hardware: [0x02, 0x48, 0x00, UInt8(link >> 8), UInt8(link & 0xff), end],
      ipv4: Address(bytes: [172, 16 + UInt8(link >> 8), UInt8(link & 0xff), end], prefixLength: 24),
      ipv6: AddressPlan.ipv6(kind: 0, net: link, host: Int(end)))
  }

  /// The host's own end of the wire to its site; nil when it stands behind nothing. It is alone on its wire: the way to
  /// all others, hosts of its own site included, leads through the site's address.
  public func interface(ofHost host: Int) -> Interface? {
    guard let site = topology.nodes[host].behind else { return nil }
    let number = hostNumber[host] + 1
    return Interface(
      name: "eth0", hardware: [0x02, 0x48, 0x01, UInt8(site), UInt8(number >> 8), UInt8(number & 0xff)],
      ipv4: Address(bytes: [10, UInt8(site), UInt8(number >> 8), UInt8(number & 0xff)], prefixLength: 32),
      ipv6: Address(bytes: AddressPlan.ipv6(kind: 1, net: site, host: number).bytes, prefixLength: 128))
  }

  /// The site's end of the wire to this host. Every such end has the site's address, as a host route leads to each
  /// host.
  public func siteInterface(toHost host: Int) -> Interface? {
    guard let site = topology.nodes[host].behind, let own = interface(ofHost: host) else { return nil }
    var hardware = own.hardware
    hardware[2] = 0x02
    return Interface(
      name: AddressPlan.interfaceName(topology.nodes[host].name), hardware: hardware,
      ipv4: Address(bytes: [10, UInt8(site), 0, 1], prefixLength: 32),
      ipv6: Address(bytes: AddressPlan.ipv6(kind: 1, net: site, host: 1).bytes, prefixLength: 128))
  }

  /// The networks of the site behind this node.
  public func site(of node: Int) -> (ipv4: Address, ipv6: Address) {
    (
      Address(bytes: [10, UInt8(node), 0, 0], prefixLength: 16),
      AddressPlan.ipv6(kind: 1, net: node, host: 0)
    )
  }

  /// The address by which others know a node: a host's own, else that of its first link.
  public func mainInterface(of node: Int) -> Interface? {
    interface(ofHost: node) ?? topology.links(at: node).first.map { interface(of: $0, at: node) }
  }

  /// What Linux takes for an interface: at most 15 bytes.
  public static func interfaceName(_ name: String) -> String {
    if name.utf8.count <= 15 { return name }
    var hash: UInt32 = 0x811c_9dc5
    for byte in name.utf8 { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
    let digits = String(hash & 0xffff, radix: 16)
    return name.prefix(10) + "-" + String(repeating: "0", count: 4 - digits.count) + digits
  }

  private static func ipv6(kind: UInt8, net: Int, host: Int) -> Address {
    var bytes: [UInt8] = [0xfd, 0x48, 0x61, 0x77, 0, kind, UInt8(net >> 8), UInt8(net & 0xff)]
    bytes += [0, 0, 0, 0, 0, 0, UInt8(host >> 8), UInt8(host & 0xff)]
    return Address(bytes: bytes, prefixLength: 64)
  }
}
