//  NodeFacts.swift — what whoever runs the oracle states of a gateway or a relay, as opposed to what is measured.

public import Primitives

public struct NodeFacts: Equatable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    /// Paths begin and end here.
    case gateway
    /// Paths may lead through here.
    case relay
  }

  public var name: String
  public var kind: Kind
  /// An AS or a name: nodes of one provider share a fate and a bottleneck. Empty when nobody said.
  public var provider: String
  public var region: String
  /// Of what passes a relay; for a gateway, of what it sends.
  public var price: Price
  /// What it can send and receive over all paths together.
  public var capacity: BitRate?
  /// Who is behind it: the addresses of its PID.
  public var prefixes: [IPPrefix]
  /// Where it takes our datagrams.
  public var endpoints: [Endpoint]

  public init(
    name: String, kind: Kind, provider: String = "", region: String = "", price: Price = .nothing,
    capacity: BitRate? = nil, prefixes: [IPPrefix] = [], endpoints: [Endpoint] = []
  ) {
    self.name = name
    self.kind = kind
    self.provider = provider
    self.region = region
    self.price = price
    self.capacity = capacity
    self.prefixes = prefixes
    self.endpoints = endpoints
  }

  public enum Limits {
    /// ALTO's longest name of a PID.
    public static let nameLength = 64
    /// Of each kind.
    public static let addresses = 32
  }

  public enum Verdict: Equatable, Sendable {
    case added
    case changed
    case unchanged
    /// Empty, too long, or with other characters than letters, digits and `-:@_.`.
    case nameInvalid
    case textTooLong
    case tooManyAddresses
    case priceTooHigh
    /// There are as many nodes, or relays, as fit.
    case full
    /// A gateway does not become a relay: its reports would be about something else.
    case kindDiffers
  }

  /// What is wrong with it whatever the map says.
  var objection: Verdict? {
    guard (1...Limits.nameLength).contains(name.utf8.count), name.utf8.allSatisfy(NodeFacts.isAllowed) else {
      return .nameInvalid
    }
    if provider.utf8.count > Limits.nameLength || region.utf8.count > Limits.nameLength { return .textTooLong }
    if prefixes.count > Limits.addresses || endpoints.count > Limits.addresses { return .tooManyAddresses }
    return price > Price.most ? .priceTooHigh : nil
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    case UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "@"), UInt8(ascii: "_"), UInt8(ascii: "."): true
    default: false
    }
  }
}
