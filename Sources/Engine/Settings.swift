//  Settings.swift — what an engine is told when it is made: plain values, checked by whoever read them.

public import Primitives
public import Sealing

/// One of our own ends: a socket on an interface.
public struct LocalPath: Sendable {
  public var name: String
  /// Its share when a segment is split.
  public var weight: UInt32
  /// Of the IP packets that the interface carries.
  public var mtu: Int

  public init(name: String, weight: UInt32 = 1, mtu: Int = 1500) {
    self.name = name
    self.weight = weight
    self.mtu = mtu
  }
}

/// Somebody on the other side.
public struct PeerSettings: Sendable {
  public var name: String
  public var publicKey: PublicKey
  /// 32 bytes that both know besides their keys.
  public var presharedKey: [UInt8]?
  /// Where to find him; empty: he finds us.
  public var endpoints: [Endpoint]
  /// The inner addresses that are his, in both directions.
  public var allowed: [IPPrefix]

  public init(
    name: String, publicKey: PublicKey, presharedKey: [UInt8]? = nil, endpoints: [Endpoint] = [],
    allowed: [IPPrefix] = []
  ) {
    self.name = name
    self.publicKey = publicKey
    self.presharedKey = presharedKey
    self.endpoints = endpoints
    self.allowed = allowed
  }
}
