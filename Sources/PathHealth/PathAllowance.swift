//  PathAllowance.swift — what a controller's state and models allow: a pace, and a window as its safety net.
//
//  Why.  The pace decides how much is sent; whoever only counted what is in flight would send in heaps. But the pace
//  may be wrong, for as long as it takes to hear of it: the window bounds what that can do.
//
//  How.  Three things are in flight on a path that is full and has no queue: a round trip's worth; what swings, where a
//  radio delays packets by more than usual; and what was sent while reports kept us waiting, which is 5 ms even where a
//  round trip takes 50 µs.
//
//      │ round trip │ ¾ of it │ swing × 1.2, or × 2 beyond the first │ wait for reports │ a batch │
//      └─ needed ───┴─ queue ─┴─ needed on a radio, queue elsewhere ─┴─ needed ─────────┴─ needed ┘
//
//  So a pace that is too high makes a queue of three quarters of a round trip and not more, where nothing swings. The
//  startup may have two of everything, since what it knows is one round trip old; the probe of the round trip half.
//
//  Rejected.  BBR's two round trips for the cruise, too: reports are counted here, and TCP's bunched acknowledgements,
//  for which BBR keeps the rest, do not exist. Less than 1¾: a radio's delay makes the window the bottleneck, the rate
//  that arrives falls, and with it the window.

public import Primitives

extension PathController {
  /// RFC 6928 allows ten datagrams of a stranger's path; an authentic peer gets sixteen.
  static let firstWindow = 16 * 1_400
  /// 11 Mbit/s until something is known: the first window takes 16 ms.
  static let firstRate = 1.4e6
  static let leastWindow = 4 * 1_400
  static let silentWindow = 2 * 1_500
  static let startupGain = 2.0
  static let upGain = 1.25
  static let foundMoreGain = 2.0
  /// For a queue up to half a round trip, and for more.
  static let downGain = 0.8
  static let deepDownGain = 0.65

  /// What the path is believed to carry: of what arrives at the other side.
  public var rate: BitRate { PathController.bitRate(believed) }

  /// Something arrived that tells a rate; before that it is a guess.
  public var isMeasured: Bool { rates.rate > 0 }

  public var pacingRate: BitRate { PathController.bitRate(paced) }

  public var leastRoundTrip: Interval { .nanoseconds(queues.leastRoundTrip) }

  /// What stands in front of the next datagram. While nothing is on its way a queue of ours only drains.
  public func standingQueue(inFlight: Int, at now: Instant) -> Interval {
    let queue = Interval.nanoseconds(queues.queue)
    return inFlight > 0 ? queue : max(.zero, queue - (now - queues.queueSeen))
  }

  /// The share of what is lost whatever we do.
  public var lossAtRest: Double { losses.floor }

  /// What `window` is to be, in the present state.
  var wantedWindow: Int {
    if state == .silent { return PathController.silentWindow }
    if rates.rate == 0 { return PathController.firstWindow }
    let rate = believed / (1 - losses.floor)
    let least = Double(queues.leastRoundTrip)
    let swing = Double(queues.usualSwing)
    let gap = Double(queues.reportGap)
    let time =
      switch state {
      case .startup: (least + 0.6 * swing + gap) * 2
      case .probeRoundTrip: (least + 0.6 * swing) / 2 + gap
      case .up where isProbeWide: max(1.75 * least + 1.2 * swing, (least + swing) * (probeGain + 0.25)) + gap
      default: max(1.75 * least + 1.2 * swing, least + 2 * swing) + gap
      }
    let batch = max(min(max(rate * 0.002, Double(Pacer.leastBurst)), Double(Pacer.batch)), rate * 0.001)
    let wanted = Int(min(rate * time / 1e9 + batch, Double(RateModel.mostBytes)))
    let bounded =
      state == .probeRoundTrip ? wanted : losses.bounded(wanted, isCruise: state == .cruise, least: leastFull)
    return max(isGuess ? PathController.firstWindow : PathController.leastWindow, bounded)
  }

  /// Nothing was proven yet, or not lately.
  private var isGuess: Bool { state == .startup || isUntested }

  /// Until something was proven, pings and handshakes say nothing: a path is good for a first window in a round trip.
  private var believed: Double {
    let seen = rates.rate > 0 ? rates.rate : PathController.firstRate
    if !isGuess || queues.usualRoundTrip <= 0 { return min(limit, seen) }
    let least = Double(PathController.firstWindow) / Double(max(queues.usualRoundTrip, 1_000_000)) * 1e9
    return min(limit, max(seen, min(least, PathController.firstRate)))
  }

  /// What is lost whatever we do is sent in addition.
  var paced: Double { min(limit, believed * gain / (1 - losses.floor)) }

  var gain: Double {
    switch state {
    case .startup: return rates.rate > 0 ? PathController.startupGain : 1
    case .drain: return 0.5
    case .up: return probeGain
    case .down:
      let isDeep = queues.queue > queues.usualRoundTrip / 2 && !isShared
      return isDeep ? PathController.deepDownGain : PathController.downGain
    case .probeRoundTrip: return PathController.downGain
    case .silent: return 1
    case .cruise:
      if isShared { return 1 }
      let threshold = Double(queues.threshold)
      return 1 - 0.06 * min(1, max(0, Double(queues.queue) - threshold) / threshold)
    }
  }

  /// In flight when the path is just full.
  var leastFull: Int {
    Int(min(rates.rate * Double(queues.usualRoundTrip + queues.reportGap) / 1e9, Double(RateModel.mostBytes)))
  }

  /// No state lasts for less than a millisecond's round trip: loops are not that punctual.
  var roundTrip: Interval { .nanoseconds(max(queues.usualRoundTrip, 1_000_000)) }

  private static func bitRate(_ bytesPerSecond: Double) -> BitRate {
    BitRate(bitsPerSecond: UInt64(min(max(bytesPerSecond, RateModel.leastRate), RateModel.mostRate) * 8))
  }
}
