//  Line.swift — what happens to datagrams between one socket of a gateway and one of another, in one direction.

public import Primitives

public struct Line: Sendable {
  public var isUp = true
  public var delay = Interval.milliseconds(5)
  /// A batch takes up to so much longer; order stays.
  public var jitter = Interval.zero
  public var loss = 0.0
  public var duplication = 0.0
  /// One bit is wrong.
  public var corruption = 0.0
  /// Share of datagrams that take up to `detour` longer, so that others overtake them.
  public var reordering = 0.0
  public var detour = Interval.milliseconds(3)
  /// Share of batches that a router marks instead of dropping.
  public var marking = 0.0
  /// IP packets that are larger are lost without a word; nil: none is too large.
  public var mostPacket: Int?
  /// nil: as fast as you like.
  public var rate: BitRate?
  /// What waits for the rate at most.
  public var queue = Interval.milliseconds(50)

  public init() {}

  public init(delay: Interval) { self.delay = delay }

  /// Nothing is lost on it, and nothing overtakes.
  public var isClean: Bool {
    isUp && mostPacket == nil && loss == 0 && corruption == 0 && reordering == 0 && duplication == 0
  }
}

/// A socket of a gateway.
public struct Place: Hashable, Sendable {
  public var gateway: Int
  public var socket: Int

  public init(_ gateway: Int, _ socket: Int) {
    self.gateway = gateway
    self.socket = socket
  }
}

struct Way: Hashable {
  var from: Place
  var to: Place
}

/// A line with what is on it.
struct LineState {
  var line: Line
  var busyUntil = Instant.zero
  var lastArrival = Instant.zero
  var carried = 0
}

/// Datagrams that arrive together, as the kernel's segmentation lets them.
struct Parcel {
  var bytes: [UInt8]
  var pieceLength: Int
  var source: Endpoint
  var to: Place
  var isMarked: Bool

  var isWhole: Bool { bytes.count % pieceLength == 0 }
}
