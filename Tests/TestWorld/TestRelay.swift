//  TestRelay.swift — a relay with what a driver would have for it, from its start until it is replaced.

public import Engine
import Handshake
import Primitives
public import Relay

/// What a relay of a world is like.
public struct RelayPlan: Sendable {
  /// Gateways that may ask.
  public var clients: [Int]
  public var terms = RelayClientTerms()
  public var backSockets = 4
  /// Clients hear of a second address as well, at which nobody is.
  public var hasDeadAddress = false

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

extension RelaySocket {
  /// The front is a relay's socket 0 in a world.
  var place: Int {
    switch self {
    case .front: 0
    case .back(let number): Int(number) + 1
    }
  }

  init(place: Int) { self = place == 0 ? .front : .back(UInt16(place - 1)) }
}
