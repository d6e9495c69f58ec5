//  Events.swift — what an operator may want to read in his log, one line an event.

import Primitives

/// Something that does not happen for every packet.
public struct Event: BitwiseCopyable, Sendable {
  public enum Kind: UInt8, BitwiseCopyable, Sendable {
    case connected
    case rekeyed
    case disconnected
    case pathFound
    case pathMoved
    case pathUp
    case pathDown
    /// A relay forwards nothing for this socket; `peer` is the relay.
    case relayRefused
    /// Of one of our own paths, whose place `path` is then; `peer` says nothing.
    case budgetSpent
    case budgetFresh
  }

  public var kind: Kind
  /// The place of the peer in the settings.
  public var peer: UInt32
  /// The path's place with the peer, where the event has one.
  public var path: UInt8?
}

extension Engine {
  /// More happen at once only when a hub loses all its branches; then the first ones say enough.
  static let mostEvents = 1024

  mutating func report(_ kind: Event.Kind, peer: Int, path: Int?) {
    if events.count >= Engine.mostEvents { return counters.count(.unreported) }
    events.append(Event(kind: kind, peer: UInt32(peer), path: path.map { UInt8($0) }))
  }

  mutating func report(_ kind: Event.Kind, ofLocalPath place: Int) {
    if events.count >= Engine.mostEvents { return counters.count(.unreported) }
    events.append(Event(kind: kind, peer: 0, path: UInt8(place)))
  }

  public mutating func nextEvent() -> Event? { events.popFirst() }

  public func isRelay(_ peer: UInt32) -> Bool { isRelay(Int(peer)) }

  public func name(ofPeer peer: UInt32) -> String { peers[Int(peer)].settings.name }
}
