//  TestRelay.swift — a relay with what a driver would have for it, from its start until it is replaced.

public import Engine
import Handshake
import Primitives
public import Relay

/// What a relay of a world is like.
public struct RelayPlan: Sendable {
  /// Gateways that may ask.
  public var clients: [Int]
  public var limits = Relay.Limits()

  public init(clients: [Int]) { self.clients = clients }
}

public final class TestRelay {
  public var engine: RelayEngine
  /// After those of the gateways.
  public let number: Int
  var arrivals: [Parcel] = []

  init(_ number: Int, settings: RelayEngine.Settings, identity: Identity) throws(SettingsConflict) {
    self.number = number
    engine = try RelayEngine.make(settings, identity: identity)
  }
}
