//  DeliverySample.swift — what one report of the receiver says of a path, in the sender's terms.
//
//  Two clocks meet here and are never subtracted from each other without saying so: `roundTrip` is the sender's,
//  `receivedTime` the receiver's, and `forwardDelay` is one minus the other, so only its changes mean something.

public import Primitives

public struct DeliverySample: Equatable, Sendable, BitwiseCopyable {
  /// now − sent(newest) − what the receiver held the report back for.
  public var roundTrip: Interval
  /// arrival − sent(newest), plus an unknown constant that is the same for all paths of the peer; may be below zero.
  public var forwardDelay: Interval
  /// Bytes that this report newly acknowledges.
  public var delivered: Int
  /// Bytes newly held for lost.
  public var lost: Int
  public var lostDatagrams: Int
  /// Datagrams newly marked CE.
  public var marked: Int
  /// Bytes sent, neither acknowledged nor lost, after this report.
  public var inFlight: Int
  /// Bytes that arrived at the receiver since the report before …
  public var receivedBytes: Int
  /// … in this time of the receiver's clock.
  public var receivedTime: Interval
  /// Bytes delivered in all when `newest` was sent.
  public var priorDelivered: UInt64
  /// When `newest` was sent.
  public var priorSent: Instant
  /// When `newest` was sent there was nothing else to send.
  public var isAppLimited: Bool

  public init(
    roundTrip: Interval, forwardDelay: Interval, delivered: Int, lost: Int = 0, lostDatagrams: Int = 0,
    marked: Int = 0, inFlight: Int, receivedBytes: Int, receivedTime: Interval, priorDelivered: UInt64,
    priorSent: Instant, isAppLimited: Bool = false
  ) {
    self.roundTrip = roundTrip
    self.forwardDelay = forwardDelay
    self.delivered = delivered
    self.lost = lost
    self.lostDatagrams = lostDatagrams
    self.marked = marked
    self.inFlight = inFlight
    self.receivedBytes = receivedBytes
    self.receivedTime = receivedTime
    self.priorDelivered = priorDelivered
    self.priorSent = priorSent
    self.isAppLimited = isAppLimited
  }
}
