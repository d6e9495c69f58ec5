//  PathBelief.swift — what is known of a path beyond its name and its ends: what arrived on it, and what became of what
//  we sent.
//
//  It lies apart from `PeerPath`, which is small and copied; this one is never copied, and never touched for a path
//  that carries nothing.

import PathHealth
import PathMTU
import Primitives
import Wire

struct PathBelief: BitwiseCopyable {
  /// What the peer sent and we have.
  var receipts: Receipts
  /// What we sent, until the peer has reported it.
  var log = PathLog()
  /// Of what we sent: forward delays above their least.
  var delays = DelayHistogram()
  /// The same since the path is there, for monitoring systems.
  var tally = SpanTally()
  /// How fast it may be used.
  var controller: PathController
  var pacer: Pacer
  /// How large its datagrams may be.
  var size: PathMTU
  /// No question for a size before.
  var sizeNotBefore = Instant.zero
  /// Of what we sent, lately.
  var loss = LossShare()
  /// How much later than over the quickest path it arrives, as the striper was told.
  var behind = Interval.zero
  /// Since when it has been tried with copies, see Trying.swift.
  private var triedSince: Instant?
  /// Until then what was found counts, though the path was never full.
  private var triedUntil = Instant.zero
  private var triedFor = PathBelief.firstTried
  /// Where the other side says that it hears us: to be shown, and nothing else.
  var seenAs: Endpoint?
  /// Of what is on our side of it: what was sent and came, all in all.
  var sentPace: Pace
  var receivedPace: Pace
  /// Parts wait for the pacer.
  var isPaced = false
  /// Nothing was reported of what we sent lately: it carries nothing until something is, or a question is answered.
  private(set) var isSilent = false
  /// When to ask whether it is still silent.
  private var asksAt: Instant?
  private var pause = PathBelief.firstPause

  /// About a round trip of most paths, since an answer ends it; and no more than once a second for a path that stays
  /// silent one way while the other side is heard.
  static let firstPause = Interval.milliseconds(100)
  static let lastPause = Interval.seconds(1)

  /// Half a dozen doublings of a startup fit, twice; then copies tell no more, since there are no more of them.
  static let leastTrial = Interval.seconds(3)
  static let roundsOfTrial: Int64 = 16
  /// Lines are repaired, and neighbours go to bed; but copies are bytes as well.
  static let firstTried = Interval.seconds(60)
  static let lastTried = Interval.seconds(960)

  init(path: UInt8, size: PathMTU, at now: Instant) {
    self.size = size
    receipts = Receipts(path: path)
    sentPace = Pace(at: now)
    receivedPace = Pace(at: now)
    controller = PathController(limit: nil, at: now)
    pacer = Pacer(rate: controller.pacingRate, at: now)
  }

  /// Nobody knows what it could carry, and it is not that it was just tried.
  func isUnknown(at now: Instant) -> Bool { now >= triedUntil && controller.isUnknown(at: now) }

  /// A copy is sent over it to see what becomes of it.
  mutating func tried(at now: Instant) {
    let since = triedSince ?? now
    triedSince = since
    if now - since < max(PathBelief.leastTrial, controller.leastRoundTrip * PathBelief.roundsOfTrial) { return }
    triedSince = nil
    triedUntil = now + triedFor
    triedFor = min(triedFor * 2, PathBelief.lastTried)
  }

  mutating func setLimit(_ limit: BitRate?, at now: Instant) {
    controller.setLimit(limit)
    pacer.setRate(controller.pacingRate, at: now)
  }

  /// When something is due, besides what `Liveness` wants.
  var deadline: Instant? {
    var earliest = receipts.deadline
    PathBelief.advance(&earliest, log.deadline)
    PathBelief.advance(&earliest, controller.deadline)
    PathBelief.advance(&earliest, asksAt)
    PathBelief.advance(&earliest, sizeDeadline)
    if isPaced { PathBelief.advance(&earliest, pacer.nextSend) }
    return earliest
  }

  var sizeDeadline: Instant? { size.deadline.map { max($0, sizeNotBefore) } }

  private static func advance(_ earliest: inout Instant?, _ other: Instant?) {
    guard let other else { return }
    earliest = min(earliest ?? other, other)
  }

  mutating func learn(from sample: DeliverySample, at now: Instant) {
    delays.note(sample.forwardDelay, at: now)
    tally.note(max(.zero, sample.forwardDelay - (delays.least(at: now) ?? sample.forwardDelay)))
    controller.receive(sample, at: now)
    pacer.setRate(controller.pacingRate, at: now)
  }

  /// True when that is news.
  mutating func fallSilent(at now: Instant) -> Bool {
    if isSilent { return false }
    isSilent = true
    pause = PathBelief.firstPause
    asksAt = now
    return true
  }

  /// What we send arrives. True when that is news.
  mutating func speak() -> Bool {
    if !isSilent { return false }
    isSilent = false
    asksAt = nil
    return true
  }

  mutating func stopAsking() { asksAt = nil }

  /// Whether it is time to ask again.
  mutating func asks(at now: Instant) -> Bool {
    guard let due = asksAt, due <= now else { return false }
    asksAt = now + pause
    pause = min(pause * 2, PathBelief.lastPause)
    return true
  }

  /// Somebody is about to ask what this path can do.
  mutating func refresh(at now: Instant) {
    controller.refresh(at: now)
    pacer.setRate(controller.pacingRate, at: now)
  }

  /// What is due by the time alone. True when nothing was reported for so long that something should have been.
  mutating func expire(at now: Instant, in runs: inout SentRuns) -> Bool {
    var isLate = false
    if let due = log.deadline, due <= now {
      let before = log.counters.timeouts
      log.expire(at: now, in: &runs)
      isLate = log.counters.timeouts != before
      // The first may be a report that was late: the path rests, and what is known of it stays.
      if isLate && log.timeoutsInARow > 1 { controller.timedOut(at: now) }
    }
    if let due = controller.deadline, due <= now { controller.expire(at: now) }
    pacer.setRate(controller.pacingRate, at: now)
    // What waited for this leaves at the end of the turn.
    if pacer.nextSend.map({ $0 <= now }) ?? true { isPaced = false }
    return isLate
  }
}
