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

  /// `192.0.2.1:51820` or `[2001:db8::1]:51820`.
  public var description: String { address.family == .ipv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }
}
