//  PathState.swift — what a path's controller is doing, and why, in words for whoever asks.

extension PathController {
  public enum State: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// Twice as fast each round trip, until there is a queue or no more comes out.
    case startup
    /// Half as fast, until the queue that the startup made is gone.
    case drain
    /// As fast as packets arrive.
    case cruise
    /// A little faster: is there more?
    case up
    /// A little slower, until the queue that the question made is gone; and what is lost now is not our fault.
    case down
    /// Nearly nothing in flight: how long does a packet take when nobody is in its way?
    case probeRoundTrip
    /// Nothing comes back. Two datagrams at a time ask whether somebody is there.
    case silent

    public var word: String {
      switch self {
      case .startup: "startup"
      case .drain: "draining"
      case .cruise: "cruising"
      case .up: "probing for more"
      case .down: "draining after a probe"
      case .probeRoundTrip: "probing the round trip"
      case .silent: "silent"
      }
    }
  }

  /// Why the state is what it is.
  public enum Reason: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case isNew, queueGrew, stoppedGrowing, lostTooMuch, wasMarked, isDrained, isNotDrained, isTime, foundMore
    case foundNothing, roundTripIsOld, roundTripIsKnown, hearsNothing, cameBack, wasIdle

    public var sentence: String {
      switch self {
      case .isNew: "nothing is known of the path yet"
      case .queueGrew: "packets began to wait at the bottleneck"
      case .stoppedGrowing: "sending faster brought no more to the other side"
      case .lostTooMuch: "a queue overflowed: more was lost than the path loses at rest"
      case .wasMarked: "a router on the way marked packets (ECN)"
      case .isDrained: "the queue at the bottleneck is gone"
      case .isNotDrained: "the queue stays although we send less: it is somebody else's"
      case .isTime: "it is time to ask whether the path carries more"
      case .foundMore: "sending faster brought more to the other side"
      case .foundNothing: "the path does not carry more"
      case .roundTripIsOld: "the shortest round trip has not been seen for too long"
      case .roundTripIsKnown: "the shortest round trip was measured"
      case .hearsNothing: "nothing came back for too long"
      case .cameBack: "the other side was heard again"
      case .wasIdle: "there was nothing to send"
      }
    }
  }

  public struct Counters: Equatable, Sendable, BitwiseCopyable {
    public var samples: UInt64 = 0
    /// Claimed something impossible, and were cut to what is possible.
    public var implausible: UInt64 = 0
    // What became of the rate.
    public var rises: UInt64 = 0
    public var falls: UInt64 = 0
    /// Without a queue, because too much was lost.
    public var cuts: UInt64 = 0
    // What was done.
    public var probes: UInt64 = 0
    public var roundTripProbes: UInt64 = 0
    public var overloads: UInt64 = 0
    public var timeouts: UInt64 = 0

    public init() {}
  }
}
