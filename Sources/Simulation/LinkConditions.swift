//  LinkConditions.swift — what a line is like, with every default filled in and every trace read.
//
//  A topology's Shape says what its author wrote; this says what a Link does. The default queue needs both directions
//  (a bandwidth-delay product counts the way there and back), so it is resolved here, where both are known.

public import Primitives
public import Topology

public struct LinkConditions: Equatable, Sendable {
  public enum Line: Equatable, Sendable {
    case unlimited
    case fixed(BitRate)
    case trace(DeliveryTrace)

    public var isUnlimited: Bool { self == .unlimited }

    /// The rate, or a trace's mean.
    public var rate: BitRate? {
      switch self {
      case .unlimited: nil
      case .fixed(let rate): rate
      case .trace(let trace): trace.meanRate
      }
    }
  }

  public var line: Line = .unlimited
  public var delay: Interval = .zero
  public var jitter: Interval = .zero
  public var reorders = false
  public var loss: Probability = .never
  public var burst: Int?
  public var duplication: Probability = .never
  public var corruption: Probability = .never
  public var queue: Topology.Queue = .time(LinkConditions.leastQueueTime)
  /// nil takes frames of any size.
  public var largestFrame: ByteCount?

  public init() {}

  /// Less would drop the bursts that any TCP sends on a short link, and measure the queue instead of the rate.
  public static let leastQueueTime = Interval.milliseconds(30)
  /// A queue that holds less than two full frames cannot keep its line busy.
  public static let leastQueue = ByteCount(2 * 1_514)
  /// What Ethernet puts before an IP packet; rates and queues count whole frames.
  public static let frameHeader = ByteCount(14)

  /// What the queue holds at the line's present rate.
  public var queueLimit: ByteCount {
    switch queue {
    case .bytes(let bytes): return max(bytes, LinkConditions.leastQueue)
    case .time(let time):
      guard let rate = line.rate else { return LinkConditions.leastQueue }
      return max(rate.bytes(in: time), LinkConditions.leastQueue)
    }
  }

  /// Conditions of one direction of a topology's link. `traces` holds the contents of every trace file that it names.
  public init(_ link: Topology.Link, _ direction: Topology.Direction, traces: [String: DeliveryTrace]) {
    let shape = link[direction]
    switch shape.rate {
    case nil: line = .unlimited
    case .fixed(let rate): line = .fixed(rate)
    case .trace(let file):
      guard let trace = traces[file] else { preconditionFailure("trace \(file) was not read before the link was made") }
      line = .trace(trace)
    }
    delay = shape.delay
    jitter = shape.jitter
    reorders = shape.reorders
    loss = shape.loss
    burst = shape.burst
    duplication = shape.duplication
    corruption = shape.corruption
    queue = shape.queue ?? .time(max(link.forward.delay + link.backward.delay, LinkConditions.leastQueueTime))
    largestFrame = link.mtu.map { $0 + LinkConditions.frameHeader }
  }
}
