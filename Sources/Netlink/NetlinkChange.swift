//  NetlinkChange.swift — everything that we ask of the kernel's network, as values.
//
//  A change names its interface by index: a name can be taken over by another interface between two requests, an
//  index is not given out twice soon. What a change means is said by its description, which is also what an error
//  quotes.

public import Primitives

/// The kernel's number of an interface, valid inside one network namespace.
public struct InterfaceIndex: Hashable, Sendable, CustomStringConvertible {
  public let value: Int32
  public init(_ value: Int32) { self.value = value }
  public var description: String { "#\(value)" }
}

/// A MAC address.
public struct HardwareAddress: Hashable, Sendable, CustomStringConvertible {
  public let bytes: [UInt8]

  public init(bytes: some Collection<UInt8>) {
    precondition(bytes.count == 6, "a hardware address has 6 bytes")
    self.bytes = Array(bytes)
  }

  public var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }
}

public struct RoutingTable: Hashable, Sendable, CustomStringConvertible {
  public let number: UInt32
  public init(_ number: UInt32) { self.number = number }
  public static let main = RoutingTable(254)
  public var description: String { self == .main ? "main" : String(number) }
}

/// What can be said of an interface; nil stays as it is.
public struct LinkSettings: Hashable, Sendable {
  public var name: String?
  public var hardware: HardwareAddress?
  public var mtu: UInt32?
  public var queueLength: UInt32?
  /// The longest super-packet that the kernel hands to it.
  public var longestSuperPacket: UInt32?
  /// Whether IPv6 gives it a link-local address by itself.
  public var makesLinkLocalAddress: Bool?
  public var isUp: Bool?
  /// A descriptor of the namespace that it moves to: switched off there, and without addresses.
  public var namespace: Int32?

  public init(
    name: String? = nil, hardware: HardwareAddress? = nil, mtu: UInt32? = nil, queueLength: UInt32? = nil,
    longestSuperPacket: UInt32? = nil, makesLinkLocalAddress: Bool? = nil, isUp: Bool? = nil, namespace: Int32? = nil
  ) {
    self.namespace = namespace
    self.name = name
    self.hardware = hardware
    self.mtu = mtu
    self.queueLength = queueLength
    self.longestSuperPacket = longestSuperPacket
    self.makesLinkLocalAddress = makesLinkLocalAddress
    self.isUp = isUp
  }
}

/// One end of a pair of virtual Ethernet interfaces: what goes in at one comes out at the other. It is born switched
/// off: an end that is on before the other exists is an error to the kernel.
public struct VethEnd: Hashable, Sendable {
  public var name: String
  /// A descriptor of the namespace that it is born in; nil is the socket's.
  public var namespace: Int32?
  public var hardware: HardwareAddress?
  public var mtu: UInt32?
  public var queueLength: UInt32?

  public init(
    name: String, in namespace: Int32? = nil, hardware: HardwareAddress? = nil, mtu: UInt32? = nil,
    queueLength: UInt32? = nil
  ) {
    self.name = name
    self.namespace = namespace
    self.hardware = hardware
    self.mtu = mtu
    self.queueLength = queueLength
  }
}

public struct InterfaceAddress: Hashable, Sendable {
  public var prefix: IPPrefix
  public var interface: InterfaceIndex
  /// Whether the kernel adds the route to the prefix by itself.
  public var makesRoute: Bool
  /// IPv6 waits a second for somebody to object to a new address. On lines where we know everybody, nobody will.
  public var checksForDuplicates: Bool

  public init(
    _ prefix: IPPrefix, on interface: InterfaceIndex, makesRoute: Bool = true, checksForDuplicates: Bool = false
  ) {
    self.prefix = prefix
    self.interface = interface
    self.makesRoute = makesRoute
    self.checksForDuplicates = checksForDuplicates
  }
}

public struct Route: Hashable, Sendable {
  public enum Kind: Sendable {
    /// To an interface, perhaps over a next hop.
    case unicast
    /// Answered with "host unreachable".
    case unreachable
    /// Dropped without a word.
    case blackhole
    /// "Not in this table": the search goes on with the next rule.
    case notHere
  }

  public var destination: IPPrefix
  public var kind: Kind
  public var interface: InterfaceIndex?
  public var gateway: IPAddress?
  public var table: RoutingTable
  /// The least wins; nil is the family's default (0, or 1,024 in IPv6).
  public var metric: UInt32?
  /// The address that packets of our own get when they have none yet.
  public var source: IPAddress?
  /// The next hop is on the line although no network of the interface contains it.
  public var isOnLink: Bool

  public init(
    to destination: IPPrefix, kind: Kind = .unicast, through interface: InterfaceIndex? = nil,
    via gateway: IPAddress? = nil, table: RoutingTable = .main, metric: UInt32? = nil, source: IPAddress? = nil,
    isOnLink: Bool = false
  ) {
    self.destination = destination
    self.kind = kind
    self.interface = interface
    self.gateway = gateway
    self.table = table
    self.metric = metric
    self.source = source
    self.isOnLink = isOnLink
  }
}

/// Which table a packet is looked up in. Rules are asked in the order of their priorities; the main table's is
/// 32,766.
public struct RoutingRule: Hashable, Sendable {
  public var family: IPAddress.Family
  public var priority: UInt32
  public var table: RoutingTable
  /// Packets from these addresses.
  public var source: IPPrefix?
  /// Packets of sockets that are bound to this interface (forwarded packets are bound to none).
  public var boundTo: String?

  public init(
    _ family: IPAddress.Family, priority: UInt32, table: RoutingTable, source: IPPrefix? = nil, boundTo: String? = nil
  ) {
    self.family = family
    self.priority = priority
    self.table = table
    self.source = source
    self.boundTo = boundTo
  }
}

/// Who has this address on this line; permanent, so that nobody asks and nobody forgets.
public struct Neighbour: Hashable, Sendable {
  public var address: IPAddress
  public var hardware: HardwareAddress
  public var interface: InterfaceIndex

  public init(_ address: IPAddress, at hardware: HardwareAddress, on interface: InterfaceIndex) {
    self.address = address
    self.hardware = hardware
    self.interface = interface
  }
}

public enum NetlinkChange: Hashable, Sendable {
  case createVeth(VethEnd, VethEnd)
  case configure(InterfaceIndex, LinkSettings)
  case deleteLink(InterfaceIndex)
  case addAddress(InterfaceAddress)
  case removeAddress(InterfaceAddress)
  case addRoute(Route)
  /// Takes the place of the route with the same destination, table and metric, if there is one.
  case replaceRoute(Route)
  case removeRoute(Route)
  case addRule(RoutingRule)
  case removeRule(RoutingRule)
  case setNeighbour(Neighbour)
  case removeNeighbour(Neighbour)
}

// MARK: In words

extension NetlinkChange: CustomStringConvertible {
  public var description: String {
    switch self {
    case .createVeth(let one, let other): "create the veth pair \(one.name) -- \(other.name)"
    case .configure(let interface, let settings): "set\(settings) on interface \(interface)"
    case .deleteLink(let interface): "delete interface \(interface)"
    case .addAddress(let address): "add the address \(address)"
    case .removeAddress(let address): "remove the address \(address)"
    case .addRoute(let route): "add the route \(route)"
    case .replaceRoute(let route): "set the route \(route)"
    case .removeRoute(let route): "remove the route \(route)"
    case .addRule(let rule): "add the routing rule \(rule)"
    case .removeRule(let rule): "remove the routing rule \(rule)"
    case .setNeighbour(let neighbour): "set the neighbour \(neighbour)"
    case .removeNeighbour(let neighbour): "remove the neighbour \(neighbour)"
    }
  }
}

extension LinkSettings: CustomStringConvertible {
  public var description: String {
    var text = ""
    if let name { text += " name \(name)" }
    if let hardware { text += " address \(hardware)" }
    if let mtu { text += " mtu \(mtu)" }
    if let queueLength { text += " txqueuelen \(queueLength)" }
    if let longestSuperPacket { text += " gso_max_size \(longestSuperPacket)" }
    if let makesLinkLocalAddress { text += " addrgenmode \(makesLinkLocalAddress ? "eui64" : "none")" }
    if let isUp { text += isUp ? " up" : " down" }
    return text
  }
}

extension InterfaceAddress: CustomStringConvertible {
  public var description: String { "\(prefix) on interface \(interface)" }
}

extension Route: CustomStringConvertible {
  public var description: String {
    var text = ""
    switch kind {
    case .unicast: break
    case .unreachable: text = "unreachable "
    case .blackhole: text = "blackhole "
    case .notHere: text = "throw "
    }
    text += destination.description
    if let gateway { text += " via \(gateway)" }
    if let interface { text += " dev \(interface)" }
    if isOnLink { text += " onlink" }
    if let source { text += " src \(source)" }
    if let metric { text += " metric \(metric)" }
    return table == .main ? text : text + " table \(table)"
  }
}

extension RoutingRule: CustomStringConvertible {
  public var description: String {
    var text = "\(priority): from \(source?.description ?? "all")"
    if let boundTo { text += " oif \(boundTo)" }
    return text + " lookup \(table)"
  }
}

extension Neighbour: CustomStringConvertible {
  public var description: String { "\(address) at \(hardware) on interface \(interface)" }
}
