//  LossModel.swift — which losses are the path's nature, and which are our fault.
//
//  Why.  A radio loses 2 % whatever we do; to slow down for that halves the rate for nothing. A full queue loses what
//  we send too much; not to slow down for that wastes everybody's line. A single loss does not say which it is.
//
//  How.  By experiment. After each probe for more the controller sends less than the path carries for a round trip or
//  two. What is lost *then*, without a queue, has nothing to do with our rate: it is the path's `floor`. The
//  controller adds it to what it sends, so that the path stays full of what arrives *and* what does not.
//
//      loss                 ╭─╮  ours: a bound on what is in flight
//            ─ ─ ─ ─ ─ ─ ─ ─│ │─ ─ ─ ─ ─ ─ ─   twice the floor and 4 datagrams: chance does that
//            ▁▂▁▁▂▁▁▁▂▁▂▁▁▂▁╯ ╰▁▂▁▁▁▂▁▁        floor, learned in ↓
//            cruise         up  down  cruise
//
//  Losses beyond chance that come with a queue set bounds, as in BBRv3: found while probing, a long-term one (what was
//  in flight then; it grows with every probe that finds nothing wrong, and a cruise keeps 15 % below it); found in a
//  cruise, a short-term one (30 % less, until the next probe). Marks (ECN) set the short-term one as DCTCP would: by a
//  third of their share. No bound is less than what the path needs to be full, since it only has to end the queue.
//
//  A floor that was learned from a full queue after all would keep it full for ever: then the floor is doubted
//  (halved), which happens whenever a cruise ends with a queue that lowering the rate by 6 % did not end.
//
//  Rejected.  Loss as a signal without a queue: that is what makes TCP slow on radio. A policer, which has no queue,
//  shows itself in the rate that arrives (RateModel). Loss compared between fast and slow spans of one cruise: too few
//  losses to tell.
//
//  Always true.  The floor is between 0 and `mostFloor`. Not here: who is lost (SentRuns), rates.

struct LossModel: BitwiseCopyable, Sendable {
  /// Beyond 30 % a path is broken, and to send half as much again would be an attack.
  static let mostFloor = 0.3
  /// A floor is believed slowly: as if this much had arrived without loss before. 2 % of one round trip of a slow line
  /// is one datagram, or none, or three.
  private static let doubt = 300_000.0
  /// Half is forgotten when so much was seen: some 20 probes of 50 Mbit/s.
  private static let memory = 4_000_000.0
  /// Less than this proves nothing, neither a floor nor that there is none.
  private static let enough = 50_000.0
  /// Losses that chance explains at any rate.
  private static let chance = 4
  /// What a datagram is counted as where only datagrams or only bytes are known.
  static let datagram = 1_200.0
  static let unbounded = Int.max

  private var floorLost = 0.0
  private var floorSeen = 0.0
  /// Of marked datagrams, smoothed.
  private(set) var markedShare = 0.0
  private(set) var longBound = LossModel.unbounded
  private(set) var shortBound = LossModel.unbounded

  // Since the last `beginEpoch`.
  private var epochBytes = 0.0
  private var epochDatagramsLost = 0

  /// The share of losses that is not our fault.
  var floor: Double { min(LossModel.mostFloor, floorLost / (floorSeen + LossModel.doubt)) }

  /// More was lost in this epoch than chance does.
  var isOverloaded: Bool {
    epochDatagramsLost > LossModel.chance
      && Double(epochDatagramsLost - LossModel.chance) > 2 * max(floor, 0.02) * epochBytes / LossModel.datagram
  }

  /// Whether so large a share, without a queue, says that somebody cuts our rate.
  func exceedsFloor(_ share: Double) -> Bool { floorSeen > LossModel.enough && share > floor * 1.5 + 0.02 }

  // MARK: What was seen

  mutating func beginEpoch() {
    epochBytes = 0
    epochDatagramsLost = 0
  }

  mutating func note(_ span: RateModel.Span) {
    epochBytes += span.bytes
    epochDatagramsLost = min(epochDatagramsLost + span.datagramsLost, 1 << 40)
    markedShare += (span.marked - markedShare) / 8
  }

  /// Of packets that were sent more slowly than the path carries, and met no queue.
  mutating func noteAtRest(lost: Int, delivered: Int) {
    floorLost += Double(lost)
    floorSeen += Double(lost) + Double(delivered)
    if floorSeen > LossModel.memory {
      floorLost /= 2
      floorSeen /= 2
    }
  }

  mutating func doubtFloor() { floorLost /= 2 }

  // MARK: Bounds, in bytes in flight

  mutating func boundLong(at inFlight: Int) { longBound = inFlight }

  /// A probe found nothing wrong with so much.
  mutating func growLongBound() {
    if longBound != LossModel.unbounded { longBound = min(longBound / 4 * 5 + 1, RateModel.mostBytes) }
  }

  mutating func boundShort(below window: Int, by share: Double) {
    shortBound = Int(Double(min(window, shortBound, RateModel.mostBytes)) * (1 - share))
  }

  mutating func liftShortBound() { shortBound = LossModel.unbounded }

  /// What the bounds leave of a window; `least` is what the path needs to be full.
  func bounded(_ window: Int, isCruise: Bool, least: Int) -> Int {
    let long = isCruise && longBound != LossModel.unbounded ? longBound / 20 * 17 : longBound
    return min(window, max(least, min(long, shortBound)))
  }
}
