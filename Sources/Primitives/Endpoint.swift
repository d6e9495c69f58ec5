//  Endpoint.swift — where a datagram goes or comes from: an address and a port.

public struct Endpoint: Hashable, BitwiseCopyable, Sendable, CustomStringConvertible {
  public var address: IPAddress
  public var port: UInt16
  /// The interface that a link-local IPv6 address belongs to; 0 elsewhere.
  public var scope: UInt32

  @inlinable public init(_ address: IPAddress, port: UInt16, scope: UInt32 = 0) {
    self.address = address
    self.port = port
    self.scope = scope
  }

  /// `192.0.2.1:51820`, `[2001:db8::1]:51820` or `[fe80::1%3]:51820`, as it is read again.
  public var description: String {
    if address.family == .ipv4 { return "\(address):\(port)" }
    return scope == 0 ? "[\(address)]:\(port)" : "[\(address)%\(scope)]:\(port)"
  }
}
