//  DeliverySample.swift — one report in the sender's terms: what a path's controller learns from it.
//
//  Forward delays are differences between two clocks whose offset nobody knows. It is the same for all paths of one
//  peer, so it cancels wherever paths are compared; `PeerClock` takes the first difference that it sees for zero, which
//  keeps the numbers small: 32 bits of microseconds then last for 35 minutes of drift, years of any real clock.

public import Primitives

public struct DeliverySample: Equatable, Sendable, BitwiseCopyable {
  /// From sending the newest datagram to hearing of it, without the time for which the receiver kept the news.
  public var roundTrip = Interval.zero
  /// Of the newest datagram, plus a constant that is the same for all paths of the peer; may be less than zero.
  public var forwardDelay = Interval.zero
  /// Bytes that this report newly acknowledges, those with them that were held for lost.
  public var delivered = 0
  /// Of these, bytes that were held for lost.
  public var recovered = 0
  /// Bytes newly held for lost, and datagrams.
  public var lost = 0
  public var lostDatagrams = 0
  /// Datagrams newly marked CE.
  public var marked = 0
  /// Bytes sent, neither acknowledged nor lost, after this report.
  public var inFlight = 0
  /// What arrived at the receiver between the newest datagram of the report before and that of this one, and in how
  /// much time by his clock. Both are zero with the first report; the time is when `newest` is still the same.
  public var receivedBytes = 0
  public var receivedTime = Interval.zero
  /// How it stood when the newest datagram was sent: bytes delivered in all, the time, and whether there was nothing
  /// else to send.
  public var priorDelivered: UInt64 = 0
  public var priorSent = Instant.zero
  public var isAppLimited = false

  public init() {}
}

/// The receiver's clock as all paths of one peer see it. Belongs to the peer; a new incarnation gets a new one.
public struct PeerClock: Sendable, BitwiseCopyable {
  private var reference: UInt32 = 0
  private var isSet = false

  public init() {}

  /// `arrival` is by his clock, `sent` by ours.
  mutating func delay(from sent: Instant, to arrival: UInt32) -> Interval {
    let difference = arrival &- UInt32(truncatingIfNeeded: sent.nanoseconds / 1_000)
    if !isSet {
      reference = difference
      isSet = true
    }
    return .microseconds(Int64(Int32(bitPattern: difference &- reference)))
  }
}
