//  EventRecord.swift — something that happened, as the log and those who listen are told it.

import Primitives

public struct EventRecord: Equatable, Sendable {
  /// One line of an operator's life with his gateway.
  public enum Kind: String, CaseIterable, Sendable {
    case started
    case connected
    case rekeyed
    case disconnected
    case pathFound = "path-found"
    case pathMoved = "path-moved"
    case pathUp = "path-up"
    case pathDown = "path-down"
    case relayRefused = "relay-refused"
    case budgetSpent = "budget-spent"
    case budgetFresh = "budget-fresh"
    /// A reload, or something that was set, or refused.
    case configuration
  }

  /// Grows by one with each event, over restarts too: the first of a run is the wall clock's milliseconds.
  public var id: UInt64
  /// By the clock on the wall, since 1970.
  public var milliseconds: UInt64
  public var kind: Kind
  public var peer: String?
  public var path: String?
  /// As in the log.
  public var text: String

  public init(id: UInt64, milliseconds: UInt64, kind: Kind, peer: String?, path: String?, text: String) {
    self.id = id
    self.milliseconds = milliseconds
    self.kind = kind
    self.peer = peer
    self.path = path
    self.text = text
  }

  public func json() -> String { JSONText.object { write(to: &$0) } }

  func write(to object: inout JSONText.Object) {
    object.member("id", id)
    object.member("time_ms", milliseconds)
    object.member("kind", kind.rawValue)
    object.member("peer", peer)
    object.member("path", path)
    object.member("text", text)
  }

  /// As an event stream has it (WHATWG HTML, §9.2): JSON has no line breaks.
  public func streamed() -> String { "id: \(id)\nevent: \(kind.rawValue)\ndata: \(json())\n\n" }

  /// What `/v1/events` says to who wants no stream.
  public static func list(_ events: [EventRecord]) -> String {
    JSONText.object { $0.array("events") { for event in events { $0.object { event.write(to: &$0) } } } }
  }
}
