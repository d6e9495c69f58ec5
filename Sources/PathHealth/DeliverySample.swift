//  DeliverySample.swift — what one report of the receiver says of a path, in the sender's terms.
//
//  Two clocks meet here: `roundTrip` is the sender's, `receivedTime` the receiver's, and `forwardDelay` is one minus
//  the other, so only its changes mean something.

public import Primitives

public struct DeliverySample: Equatable, Sendable, BitwiseCopyable {
  /// now − sent(newest) − what the receiver held the report back for.
  public var roundTrip = Interval.zero
  /// arrival − sent(newest), plus an unknown constant that is the same for all paths of the peer; may be below zero.
  public var forwardDelay = Interval.zero
  /// Bytes that this report newly acknowledges.
  public var delivered = 0
  /// Bytes newly held for lost.
  public var lost = 0
  public var lostDatagrams = 0
  /// Datagrams newly marked CE.
  public var marked = 0
  /// Bytes sent, neither acknowledged nor lost, after this report.
  public var inFlight = 0
  /// Bytes that arrived at the receiver since the report before …
  public var receivedBytes = 0
  /// … in this time of the receiver's clock.
  public var receivedTime = Interval.zero
  /// Bytes delivered in all when `newest` was sent.
  public var priorDelivered: UInt64 = 0
  /// When `newest` was sent.
  public var priorSent = Instant.zero
  /// When `newest` was sent there was nothing else to send.
  public var isAppLimited = false

  public init() {}
}
