//  Governor.swift — asks all the time whether the paths in use beat the best of them alone, and uses fewer when not.
//
//  Why.  "Bonded is slower than my best link" is what people say of every product that bonds: a path that loses, or is
//  late, or lies about its rate, costs the others more than it brings. No model foresees all the ways in which that
//  happens. So besides the models there is one who looks at results only.
//
//  How.  While there is more to send than goes out, what the set delivers is held against the believed rate of its best
//  path. `Evidence` says when it is below 0.98 of that, not by chance, for a decision's time:
//
//              below, for a second                    still below                    not below
//      steady ────────────────────▶ without the worst ────────────▶ the best alone ─────────────▶ steady
//       ▲  │                                                              │ even less than before
//       │  │ a path's pause is over: 10 s, 20 s, … 10 min                 ▼
//       │  └───────────────▶ with it: probing                      as it was; not judged for 10 s, 20 s, …
//       │       kept, or out again for twice as long │
//       └────────────────────────────────────────────┘
//
//  The worst is who brings least for its spread of delay and its loss; a guess, which may be wrong, so the next step is
//  the best path, which is always among those that are left. What was dropped is tried again when its pause is over,
//  and sooner, 10 s from then, when its rate, delay or loss, or the best path's rate, are no more what they were.
//
//  A smaller set is on trial. That its path carries so much alone is what is believed, and jitter, loss or an old guess
//  make beliefs wrong; then the set was not the harm. So in the end it must deliver a quarter of what it was believed
//  to have more, whether anything waits or not, or the larger set is back, and not judged for 10 s, 20 s, ….
//
//  A set that makes bulk wait for more than `delayBudget` besides must bring 5 % more, not 2 % less.
//
//  Without more to send, nothing is judged: then the application is the limit, and any set is good enough. But there is
//  harm that leaves nothing waiting: a TCP that is told of a loss each second does not fill even one path. So while
//  things are given up for lost (`isSuspicious`), what is clearly below the best path is judged as well; and since it
//  may have been the application after all, the smaller set has to deliver a tenth more, in its first eight seconds.
//
//  Rejected.  Believing the sum of rates (the harm is what no path knows of itself); the mean of a fixed second (noise
//  of ± 10 % would change the set every few minutes; hysteresis large enough for that would let 10 % of harm pass);
//  trying every subset (2^n, and each costs a second of somebody's download).
//
//  Always true.  (1) Used paths are usable; some are while any is. (2) The best of those in use is never dropped.
//  (3) By choice, paths come back at most once in 10 s; who fell silent and comes up again, at most once in 10 s each;
//  who was said to be gone, a cable or a tier, ten times. (4) Between two returns, changes only take paths away. So
//  harm for good costs a decision or two each 10 s, 20 s, 40 s, …
//
//  Not here.  Rates, delays and losses (each path's health), who is up (Liveness), the shares of the paths in use. No
//  deadline: it is asked when there is news, some ten times a second. Cost: O(paths), and only then.

import Primitives

struct Governor {
  static let mostPaths = PeerPath.mostPaths
  /// Of the best path's rate; the 2 % are for headers of parts and for rates that are believed a little too high.
  static let leastShare = 0.98
  /// A TCP needs some round trips to show what a set is worth; and a second is about how long people do not mind.
  static let leastDecisionTime = Interval.seconds(1)
  static let decisionRoundTrips: Int64 = 8
  /// Over two satellites. Who claims more does not make decisions longer than 16 s.
  static let mostRoundTrip = Interval.seconds(2)
  /// After a change what arrives is still of the set before.
  static let settlingRoundTrips: Int64 = 2
  /// Each try costs a second of harm, so that 10 s are a tenth of what there is; after half a dozen it is a percent.
  static let firstPause = Interval.seconds(10)
  static let lastPause = Interval.seconds(600)
  /// Who was no harm for so long begins with the first pause again.
  static let forgivenAfter = Interval.seconds(60)
  /// Bulk may wait that much longer; beyond it a page takes visibly longer to begin.
  static let delayBudget = Interval.milliseconds(150)
  static let leastGain = 1.05
  /// On suspicion alone: what TCP gets of a path that loses nothing, and what the smaller set must bring.
  static let suspectShare = 0.85
  static let suspectGain = 1.1
  /// Of what the best path was believed to carry beyond the set: less, and the belief was wrong.
  static let leastHope = 0.25
  /// How long a TCP may take until its rate shows that nothing is lost any more.
  static let recoveryTime = Interval.seconds(4)

  /// What is believed of a path.
  struct Path: Equatable, Sendable {
    /// nil: nobody knows yet.
    var rate: BitRate?
    var roundTrip: Interval
    /// One way; only differences between paths of one observation count.
    var delay: Interval
    /// Of what is sent, 0 ... 1.
    var loss: Double
    /// As much is on its way as may be.
    var isFull: Bool
    /// It was used since the last observation. If not, only its round trip is news.
    var isFresh = true
  }

  enum Mode: Equatable, Sendable { case all, some, single }

  struct Counters: Equatable, Sendable {
    /// The set was below the best path, or not worth its delay.
    var shrunk: UInt64 = 0
    /// A smaller set was no better.
    var restored: UInt64 = 0
    /// Of those that were shrunk, the ones without a backlog.
    var suspected: UInt64 = 0
    /// What was dropped was tried again.
    var probes: UInt64 = 0
    /// These, and who came up and was looked at in the same way: not below, or below.
    var probesKept: UInt64 = 0
    var probesFailed: UInt64 = 0
    /// Paths had changed so much that pauses began again.
    var conditionsChanged: UInt64 = 0
  }

  private enum Phase {
    case steady
    /// These are new in the set; before them it delivered so much.
    case probing(added: UInt32, before: Double, isSecond: Bool)
    /// The set was shrunk; the best one before it, and what it was worth.
    case trying(before: UInt32, worth: Double)
  }

  /// The paths that bulk may use, a bit for each.
  private(set) var used: UInt32 = 0
  private(set) var why = GovernorReason.noPath
  private(set) var counters = Counters()

  /// Paths that nobody wants to carry now, whether they are up or their cable is out.
  var resting: UInt32 = 0
  private var usable: UInt32 = 0
  private var records = InlineArray<16, PathRecord>(repeating: PathRecord())
  private var phase = Phase.steady
  private var evidence = Evidence()
  private var extraDelay = 0.0
  private var formerBest = 0
  /// Of the best path when something was last dropped.
  private var bestRateThen = 0.0
  private var longestRoundTrip = Interval.zero
  private var lastObserved: Instant?
  private var lastBacklog = Instant.zero
  private var settlesAt = Instant.zero
  private var judgesFrom = Instant.zero
  private var mistakes = 0
  /// The same for what is judged on suspicion alone.
  private var suspectsFrom = Instant.zero
  private var suspectMistakes = 0
  /// When the set was shrunk on suspicion, until that was found right or wrong.
  private var suspectedAt: Instant?
  private var trialBytes = 0.0
  private var trialTime = Interval.zero
  private var triedAt = Instant.zero
  /// What the smaller set shall deliver in the end, in bits a second.
  private var hope = 0.0
  /// How much of the evidence has a backlog behind it, 0 ... 1.
  private var backlogShare = 1.0
  private var lastReturn: Instant?

  var mode: Mode { used == usable ? .all : used.nonzeroBitCount == 1 ? .single : .some }

  // MARK: What happens

  /// Which paths are up. Whoever is gone is out at once, and whoever is new is in.
  mutating func pathsChanged(_ usable: UInt32, at now: Instant) {
    let gone = self.usable & ~usable
    let come = usable & ~self.usable
    self.usable = usable
    for place in gone.places {
      if case .probing(let added, _, _) = phase, added.has(place), records[place].wasEverDropped {
        // Who falls silent while it is tried again has failed.
        counters.probesFailed += 1
        records[place].drop(at: now)
        records[place].wasDropped = true
      } else {
        records[place].wasDropped = !used.has(place) && !records[place].isWaiting
      }
      records[place].isWaiting = false
      // Silence may be what it does to itself; this was said. Who says that it is back need not wait, unless it goes
      // and comes all the time.
      if resting.has(place), records[place].mayLeaveAndReturn(at: now) { records[place].lastJoined = nil }
    }
    for place in come.places {
      // A path that loses much also loses its pings. To fall silent makes nobody better.
      if records[place].wasDropped && now < records[place].returnsAt { continue }
      records[place] = PathRecord(after: records[place])
      records[place].isWaiting = true
    }
    if used & gone != 0 {
      used &= ~gone
      change(.pathsChanged, at: now)
      phase = .steady
    }
    if used == 0 && usable != 0 {
      // Better any path than none, whatever was held against it.
      for place in usable.places { join(place, at: now) }
      change(.everyPath, at: now)
    }
    admit(come, at: now)
  }

  /// `delivered`: acknowledged since the last observation. `hasBacklog`: meanwhile there was more to send than went
  /// out.
  /// `isSuspicious`: there was not, but what is given up for lost may be why.
  /// `extraDelay`: how much longer bulk waits than the best path alone would make it wait. Of `paths`, those count
  /// whose bit is in `usable`.
  mutating func observe(
    delivered: ByteCount, hasBacklog: Bool, isSuspicious: Bool = false, extraDelay: Interval,
    _ paths: borrowing InlineArray<16, Path>, usable: UInt32, at now: Instant
  ) {
    if usable != self.usable { pathsChanged(usable, at: now) }
    let interval = lastObserved.map { now - $0 } ?? .zero
    lastObserved = now
    if interval <= .zero { return }
    believe(paths, interval, extraDelay: extraDelay, at: now)
    if mayReturn(at: now) && admit(usable & ~used, at: now) { lastReturn = now }
    doubt(delivered, interval, at: now)
    if !hasBacklog && !isSuspicious || interval > decisionTime {
      // What follows silence is not what the set can do.
      settlesAt = max(settlesAt, now + longestRoundTrip * Governor.settlingRoundTrips)
      if now - lastBacklog > decisionTime { evidence.clear() }
      return
    }
    lastBacklog = now
    backlogShare += 0.1 * ((hasBacklog ? 1 : 0) - backlogShare)
    if now < settlesAt { return }
    if evidence.add(delivered, in: interval, decisionTime: decisionTime) { judge(at: now) }
  }

  private var decisionTime: Interval {
    max(Governor.leastDecisionTime, longestRoundTrip * Governor.decisionRoundTrips)
  }

  private mutating func believe(
    _ paths: borrowing InlineArray<16, Path>, _ interval: Interval, extraDelay: Interval, at now: Instant
  ) {
    let weight = min(1, interval.inSeconds)
    let extra = Double(min(max(.zero, extraDelay), .seconds(60)).nanoseconds)
    self.extraDelay += weight * (extra - self.extraDelay)
    longestRoundTrip = .zero
    let before = best
    formerBest = before ?? formerBest
    var hasJumped = false
    for place in usable.places {
      let path = paths[place]
      if records[place].believe(path, weight) && place == before { hasJumped = true }
      if used.has(place) { longestRoundTrip = max(longestRoundTrip, path.roundTrip) }
    }
    longestRoundTrip = min(longestRoundTrip, Governor.mostRoundTrip)
    // What was delivered before is no measure for a best path that is much faster now.
    if hasJumped { evidence.clear() }
    var isOther = false
    if let best {
      let rate = records[best].rate
      if bestRateThen > 0 && (rate > 2 * bestRateThen || rate * 2 < bestRateThen) { isOther = true }
      if isOther || bestRateThen == 0 { bestRateThen = rate }
    }
    if isOther {
      mistakes = 0
      judgesFrom = min(judgesFrom, now + Governor.firstPause)
    }
    for place in (usable & ~used).places where !records[place].isWaiting && (isOther || records[place].isOther) {
      counters.conditionsChanged += 1
      records[place].forgive(at: now)
    }
  }

  // MARK: Judging

  /// The fastest of the paths in use. Who was it stays it until another is faster by more than the noise of beliefs, or
  /// of many equals the one with the luckiest second would be the measure.
  private var best: Int? {
    let known = used.has(formerBest) ? records[formerBest].rate : 0
    var best = known > 0 ? formerBest : nil
    var rate = known * 1.03
    for place in used.places where records[place].rate > rate {
      best = place
      rate = records[place].rate
    }
    return best
  }

  private var isSuspicion: Bool { backlogShare < 0.5 }

  /// What the smaller set delivers, backlog or not: a path that was wrongly believed to be the best may be bad in a way
  /// that leaves none. Who cannot show that the smaller set is better gets the larger one back.
  private mutating func doubt(_ delivered: ByteCount, _ interval: Interval, at now: Instant) {
    guard case .trying(let before, let worth) = phase else { return }
    if now <= triedAt + longestRoundTrip * Governor.settlingRoundTrips { return }
    trialBytes += Double(min(max(0, delivered.value), 1 << 40))
    trialTime = trialTime + interval
    let wait = max(Governor.recoveryTime, decisionTime)
    let mean = trialBytes * 8 / trialTime.inSeconds
    let isWorse = suspectedAt == nil && trialTime >= wait && mean < worth * Governor.leastShare
    guard isWorse || trialTime >= wait * 2 && mean < max(worth * Governor.leastShare, hope) else { return }
    restore(before, worth: worth, now: mean, at: now)
  }

  private var isCostly: Bool { extraDelay > Double(Governor.delayBudget.nanoseconds) }
  private var share: Double {
    if isSuspicion { return Governor.suspectShare }
    return isCostly ? Governor.leastGain : Governor.leastShare
  }

  /// There is a look more.
  private mutating func judge(at now: Instant) {
    guard let best else { return }
    var bar = records[best].rate
    switch phase {
    case .steady:
      if used.nonzeroBitCount > 1, now >= (isSuspicion ? suspectsFrom : judgesFrom), let rate = isBelow(bar, best) {
        let isSuspicion = isSuspicion
        let worth = isSuspicion ? rate * Governor.suspectGain : isCostly ? rate / Governor.leastGain : rate
        let before = used
        shrink(used & ~best.bit, best, rate, isLast: used.nonzeroBitCount == 2, at: now)
        phase = .trying(before: before, worth: worth)
        beginTrial(at: now)
        hope = isCostly ? worth : rate + Governor.leastHope * max(0, bar - rate)
        suspectedAt = nil
        if isSuspicion {
          counters.suspected += 1
          suspectedAt = now
          settlesAt = max(settlesAt, now + Governor.recoveryTime)
        }
      } else {
        probe(at: now)
      }
    case .probing(let added, let before, let isSecond):
      // When the new one is the best of all, the others have to show what they are good for.
      let isBestNew = added.has(best)
      let suspects = isBestNew ? used & ~best.bit : added & used
      if !isBestNew { bar = max(bar, before) }
      if suspects != 0, let rate = isBelow(bar, best) {
        let isLast = isSecond || suspects.nonzeroBitCount == 1
        if isLast { counters.probesFailed += 1 }
        let former = used
        shrink(suspects, best, rate, isLast: isLast, at: now)
        if isBestNew {
          // That it is the best is what is believed of it, and was never seen.
          phase = .trying(before: former, worth: rate)
          suspectedAt = nil
          beginTrial(at: now)
          hope = rate + Governor.leastHope * max(0, bar - rate)
          return
        }
        phase = isLast ? .steady : .probing(added: added & used, before: before, isSecond: true)
      } else if evidence.count == Evidence.most {
        counters.probesKept += 1
        phase = .steady
        if mode == .all { why = .everyPath }
      }
    case .trying(let before, let worth):
      if used.nonzeroBitCount > 1, let rate = isBelow(bar, best) {
        let known = worth >= rate ? (before, worth) : (used, rate)
        shrink(used & ~best.bit, best, rate, isLast: true, at: now)
        phase = .trying(before: known.0, worth: known.1)
        beginTrial(at: now)
        if suspectedAt != nil {
          suspectedAt = now
          settlesAt = max(settlesAt, now + Governor.recoveryTime)
        }
      } else if let rate = evidence.isBelow(worth * Governor.leastShare) {
        restore(before, worth: worth, now: rate, at: now)
      } else if evidence.count == Evidence.most {
        if let recent = evidence.estimate(Evidence.most / 2)?.mean, recent < hope {
          // Not worse, but nothing of what the best path was believed to carry has come either.
          return restore(before, worth: worth, now: recent, at: now)
        }
        if suspectedAt == nil { mistakes = 0 } else { suspectMistakes = 0 }
        suspectedAt = nil
        phase = .steady
      }
    }
  }

  /// A TCP's rate swings after each loss, and a dip is no harm yet. What was just added is suspected for good reason.
  private var leastLooks: Int {
    if !isSuspicion { return Evidence.few }
    if case .probing = phase { return Evidence.most / 2 }
    return Evidence.most
  }

  private func isBelow(_ bar: Double, _ best: Int) -> Double? {
    evidence.isBelow(bar * share, barError: records[best].error * share, least: leastLooks)
  }

  /// Drops all of the suspects, or the worst of them.
  private mutating func shrink(_ suspects: UInt32, _ best: Int, _ rate: Double, isLast: Bool, at now: Instant) {
    guard let worst = worst(of: suspects, best) else { return }
    let dropped = isLast ? suspects : worst.bit
    bestRateThen = records[best].rate
    var until = now + Governor.lastPause
    for place in dropped.places {
      records[place].drop(at: now)
      until = min(until, records[place].returnsAt)
    }
    used &= ~dropped
    counters.shrunk += 1
    let comparison = GovernorReason.Comparison(
      delivered: BitRate(measured: rate), best: UInt8(best), alone: BitRate(measured: records[best].rate))
    change(
      isCostly
        ? .delay(comparison, Interval(nanoseconds: Int64(extraDelay)), until: until)
        : .harm(comparison, until: until), at: now)
  }

  /// Who brings least for what it costs. 25 ms later than the first, or 1 % of loss, cost as much as being there at
  /// all.
  private func worst(of suspects: UInt32, _ best: Int) -> Int? {
    var first = records[best].delay
    for place in used.places { first = min(first, records[place].delay) }
    var worst: Int?
    var most = -1.0
    for place in suspects.places {
      let record = records[place]
      let cost = 1 + (record.delay - first) / 25e6 + record.loss / 0.01
      let share = record.rate / max(records[best].rate, 1)
      let score = cost / max(0.01, record.isFull ? share : share / 2)
      if score <= most { continue }
      most = score
      worst = place
    }
    return worst
  }

  private mutating func beginTrial(at now: Instant) {
    triedAt = now
    (trialBytes, trialTime) = (0, .zero)
  }

  // MARK: Coming back

  private func mayReturn(at now: Instant) -> Bool {
    guard let lastReturn else { return true }
    return now - lastReturn >= Governor.firstPause
  }

  /// Tries what was dropped and has waited for long enough.
  private mutating func probe(at now: Instant) {
    guard mayReturn(at: now), evidence.count >= Evidence.few, let before = evidence.mean else { return }
    var due: UInt32 = 0
    for place in (usable & ~used).places where !records[place].isWaiting && records[place].returnsAt <= now {
      due |= place.bit
    }
    if due == 0 { return }
    for place in due.places { join(place, at: now) }
    lastReturn = now
    counters.probes += 1
    change(.probing(due, before: BitRate(measured: before)), at: now)
    phase = .probing(added: due, before: before, isSecond: false)
  }

  /// The smaller set is no better: what was believed of its best path was wrong.
  private mutating func restore(_ before: UInt32, worth: Double, now rate: Double, at now: Instant) {
    let back = before & usable & ~used
    guard mayReturn(at: now), back.places.allSatisfy({ !records[$0].wasIn(lately: now) }) else { return }
    let until: Instant
    if suspectedAt != nil {
      until = now + Governor.pause(suspectMistakes)
      suspectMistakes += 1
      suspectsFrom = until
      suspectedAt = nil
    } else {
      until = now + Governor.pause(mistakes)
      mistakes += 1
      judgesFrom = until
    }
    for place in back.places { join(place, at: now) }
    lastReturn = now
    counters.restored += 1
    change(.mistake(smaller: BitRate(measured: rate), larger: BitRate(measured: worth), until: until), at: now)
    phase = .steady
  }

  /// Lets those in who came up, unless they were in a moment ago.
  @discardableResult
  private mutating func admit(_ candidates: UInt32, at now: Instant) -> Bool {
    var added: UInt32 = 0
    for place in candidates.places where records[place].isWaiting && !records[place].wasIn(lately: now) {
      added |= place.bit
    }
    if added == 0 { return false }
    let before = evidence.mean ?? 0
    for place in added.places { join(place, at: now) }
    change(mode == .all ? .everyPath : .pathsChanged, at: now)
    // Before the first traffic there is nothing that it could be held against.
    phase = before > 0 ? .probing(added: added, before: before, isSecond: false) : .steady
    return true
  }

  private mutating func join(_ place: Int, at now: Instant) {
    used |= place.bit
    records[place].isWaiting = false
    records[place].lastJoined = now
  }

  /// The set is another.
  private mutating func change(_ reason: GovernorReason, at now: Instant) {
    why = reason
    evidence.clear()
    settlesAt = now + longestRoundTrip * Governor.settlingRoundTrips
  }

  /// 10 s, and twice as long each time, up to 10 min.
  static func pause(_ times: Int) -> Interval { min(lastPause, firstPause * (1 << Int64(min(times, 10)))) }
}
