//  RelayReports.swift — what a relay tells of itself: its bindings, those that ended, and how often each verdict fell.

public import Primitives

/// A binding, for whoever shows it.
public struct RelayBinding: Equatable, Sendable {
  public var client: Int
  /// The client's own.
  public var number: UInt32
  public var endpoint: Endpoint
  public var destination: Endpoint
  public var socket: UInt16
  /// Forwarded, in UDP payload.
  public var toDestination: UInt64
  public var toClient: UInt64
}

public struct RelayRemoval: Equatable, Sendable {
  public enum Reason: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// Nobody asked for it any longer.
    case lapsed
    case unbound
    /// Its client's address was bound anew.
    case replaced
    /// Its client came through another relay.
    case relayed
    /// The client is none any longer.
    case dismissed
  }

  public var binding: RelayBinding
  public var reason: Reason
}

extension RelayBinding {
  init(_ record: Bindings.Record) {
    self.init(
      client: Int(record.owner), number: record.number, endpoint: record.client, destination: record.destination,
      socket: record.socket, toDestination: record.toDestination, toClient: record.toClient)
  }
}

extension Relay {
  public struct Traffic: Equatable, Sendable {
    public var reads: UInt64 = 0
    public var datagrams: UInt64 = 0
    public var bytes: UInt64 = 0

    public init() {}

    @inline(__always)
    mutating func count(_ datagrams: Int, _ bytes: Int) {
      reads &+= 1
      self.datagrams &+= UInt64(datagrams)
      self.bytes &+= UInt64(bytes)
    }
  }

  public struct Counters: Equatable, Sendable {
    // Questions of clients.
    public var granted: UInt64 = 0
    public var renewed: UInt64 = 0
    /// Renewed from another address, or for another destination.
    public var moved: UInt64 = 0
    public var refusedFull: UInt64 = 0
    public var refusedTooMany: UInt64 = 0
    public var refusedForbidden: UInt64 = 0
    public var refusedRelayed: UInt64 = 0
    public var refusedTooOften: UInt64 = 0
    /// By one who is no client any longer.
    public var refusedUnknown: UInt64 = 0
    /// To end what there is not.
    public var unboundUnknown: UInt64 = 0
    // Ends of bindings.
    public var lapsed: UInt64 = 0
    public var unbound: UInt64 = 0
    public var replaced: UInt64 = 0
    public var relayed: UInt64 = 0
    public var dismissed: UInt64 = 0
    // Reads.
    public var toDestinations = Traffic()
    public var toClients = Traffic()
    public var strangers = Traffic()
    public var unasked = Traffic()
    public var overRate = Traffic()
    public var overDay = Traffic()
    // Whether there is another relay.
    public var questionsAsked: UInt64 = 0
    public var questionsAnswered: UInt64 = 0
    public var strayQuestions: UInt64 = 0
  }
}
