//  PathController.swift — how fast a path may be used, learned from what arrives, with no bandwidth configured.
//
//  Why.  Too slow wastes the line. Too fast fills a modem's queue, where a call waits behind a download and nobody can
//  reorder, drop or overtake. And nobody can tell us the rate: it is a radio's, a neighbour's, or was typed in wrongly.
//
//  How.  Taken from BBRv3: a model (rate × round trip) instead of reactions to single losses; pacing decides, the
//  window only catches what the model got wrong; one state at a time asks one question.
//
//     startup ──▶ drain ──▶ cruise ──▶ up ──▶ down ──▶ cruise …       any ──nothing comes back──▶ silent ──▶ cruise
//      × 2         × ½        × 1     × 1¼     × 0.8                 cruise ──10 s──▶ probeRoundTrip ──▶ cruise
//                                     × 2 while there is more
//
//  What differs, since a gateway knows more than a TCP sender (arrival times at the receiver, forward delays), and must
//  follow within two seconds what it cannot know:
//    · The rate stands until arrivals disprove it; no maximum over a window (RateModel). Up ends as soon as a queue of
//      a quarter round trip was made, or nothing came of it. While it does find more it goes on, twice as fast each
//      time, and the next probe follows in two round trips: tenfold takes some eight of them.
//    · The queue is measured (QueueModel), so drain and down last as long as needed; a cruise sends up to 6 % less
//      while something waits; startup ends when packets wait *and* spread on the way, for two spans in a row, since a
//      radio's jitter does either by itself.
//    · A queue that stays through a whole cruise is somebody else's, or the way has become longer. The controller then
//      stops yielding (else a TCP would starve it: the patience of a fall is doubled), and the second time looks: a
//      probe of the round trip, whose answer replaces the least.
//    · Losses are ours only if sending less ends them (LossModel). What may be in flight, and why, is in PathAllowance.
//    · A sender that is slower than the path never leaves the startup, and is not hindered: neither the flag in the
//      samples nor what was sent compared with what was allowed lets such a span prove anything.
//
//  Where the way is noisy (2 × jitter against a round trip), probes are bolder, up to × 2, and more frequent: a
//  question must be louder than the noise.
//
//  Rejected.  Keeping a small queue always, as Vegas and Copa do: whoever shares the line with TCP starves. Coupling
//  the paths of a peer: uplinks are disjoint as a rule. Following each fall of the delivery rate: radio paths collapsed
//  to a tenth. ProbeRTT at fixed times: with measured queues it is hardly ever needed.
//
//  Always true.  (1) `pacingRate` and `rate` are never above the limit. (2) The window is at least four datagrams, two
//  while silent. (3) Nothing that a report claims traps. (4) There is a deadline ⇔ the state must end by itself.
//
//  Not here.  Datagrams, who is lost (SentRuns), when bytes leave (Pacer), how segments are split. Cost: 0.3 µs for a
//  report, a few ns for `sent`; 700 bytes of state.

public import Primitives

public struct PathController: Sendable, BitwiseCopyable {
  /// BBRv3 waits 2 to 3 s for the sake of Reno. Then a rate that has grown tenfold is noticed too late.
  static let probeEvery: Int64 = 800_000_000
  static let probeEveryIfNoisy: Int64 = 500_000_000
  /// Shorter pauses are those of an application between two thoughts, or of a loop between two reports.
  static let idleAfter = Interval.milliseconds(200)
  /// Who had little to send for so long knows the path's rate only from below.
  static let untestedAfter = Interval.seconds(2)
  /// Two full datagrams: what is less in a round is no test of a path, however slow it is believed to be.
  static let leastTest = 2_800
  /// Lines are repaired, and neighbours go to bed; but to try a path costs some round trips of everybody's delay.
  static let unknownAfter = Interval.seconds(60)
  static let leastBurst = 16.0 * 1_400
  /// More than radio loses by chance, and less than a tail drop loses when twice the line's rate is sent.
  static let burstLoss = 0.1
  static let roundTripIsOldAfter = Interval.seconds(10)

  public private(set) var state = State.startup
  public private(set) var why = Reason.isNew
  /// The path is used as fast as it may be.
  public private(set) var isFull = false
  /// How many bytes may be in flight. It changes with reports only: whoever sends asks it for each batch.
  public private(set) var window = PathController.firstWindow
  public private(set) var counters = Counters()

  private(set) var queues = QueueModel()
  private(set) var rates = RateModel()
  private(set) var losses = LossModel()
  /// Bytes a second.
  private(set) var limit: Double

  private var since: Instant
  private var wasStarting = false
  /// A round ends when something was reported that was sent after it began.
  private var roundBegan: Instant
  private var rounds = 0
  private var wasFull = false
  private var lastFull: Instant
  /// It was not full for a while, see `untestedAfter`.
  private(set) var isUntested = false
  private var roundBytes = 0
  /// Bytes a second: the slowest pace of this round.
  private var leastPaced = 0.0
  private var touchedWindow = false
  private var lastSend: Instant
  private var lastSample: Instant
  /// The least gain of this round and of the one before: spans must not be judged by more.
  private var gainInRound = 1.0
  private var gainBefore = 1.0

  private var crowdedSpans = 0
  private var flatSpans = 0
  private var flatRate = 0.0

  private var nextProbe: Instant
  /// The probe after next follows soon, since the last one found more.
  private var hurries = false
  /// The last probe met neither a queue nor more: perhaps only the window was in its way.
  private(set) var isProbeWide = false
  private var wasInVain = false
  private(set) var probeGain = PathController.upGain
  private var queueBefore: Int64 = 0
  /// What this probe put into the queue, at most: in nanoseconds of the rate.
  private var pushed: Int64 = 0
  private var queueAfter: Int64 = 0
  private var restBegan: Instant?
  private var restEnded: Instant
  private var mayCut = true
  /// The queue is somebody else's.
  private(set) var isShared = false
  private var sawEmpty = false
  private var fullCruises = 0
  /// Which pattern of waiting times this path has: two controllers on one line must not ask at the same moments.
  private var dice: UInt64 = 1

  /// `limit` is an upper bound and nothing else.
  public init(limit: BitRate?, at now: Instant) {
    self.limit = PathController.bytes(limit)
    since = now
    roundBegan = now
    lastSend = now
    lastSample = now
    lastFull = now
    nextProbe = now
    restEnded = now
  }

  private static func bytes(_ limit: BitRate?) -> Double {
    limit.map { Double($0.bitsPerSecond) / 8 } ?? RateModel.mostRate
  }

  // MARK: Outputs (the rest is in PathAllowance.swift)

  /// When `expire` wants to be called, whatever reports come.
  public var deadline: Instant? {
    if state != .probeRoundTrip { return nil }
    return since + .nanoseconds(2 * max(queues.roundTrip, 10_000_000))
  }

  // MARK: Inputs

  /// Somebody wants less of the path used, or more. What is known of it stays.
  public mutating func setLimit(_ limit: BitRate?) {
    let limit = PathController.bytes(limit)
    if limit == self.limit { return }
    self.limit = limit
    leastPaced = min(leastPaced, paced)
    window = wantedWindow
  }

  /// `inFlight` counts these bytes, too.
  public mutating func sent(bytes: Int, inFlight: Int, at now: Instant) {
    if inFlight <= bytes && now - lastSend > roundTrip + PathController.idleAfter {
      wake(at: now)
      window = wantedWindow
    }
    lastSend = now
    roundBytes = min(roundBytes + min(max(bytes, 0), RateModel.mostBytes), RateModel.mostBytes)
    // Who has less room than a quarter of a batch, or of the window, waits for it.
    if min(inFlight, RateModel.mostBytes) + min(Pacer.batch, window) / 4 >= window { touchedWindow = true }
  }

  public mutating func receive(_ claimed: DeliverySample, at now: Instant) {
    let sample = claimed.bounded(at: now)
    counters.samples += 1
    if sample != claimed { counters.implausible += 1 }
    if state == .silent {
      guard sample.delivered > 0 || sample.receivedBytes > 0 else { return }
      comeBack(at: now)
    }
    if state == .up {
      // A second without reports is no probe any more.
      let elapsed = min(max(0, (now - lastSample).nanoseconds), 1_000_000_000)
      pushed += Int64(Double(elapsed) * (probeGain - 1))
    }
    lastSample = now
    let length = max(queues.usualRoundTrip / 2, RateModel.leastSpan)
    if sample.priorSent >= roundBegan { closeRound(at: now) }
    refresh(at: now)

    let arriving = rates.rate / (1 - losses.floor)
    // Not before what was sent a round trip after the cruise began: what came before still saw the queue of a probe.
    let isSteady =
      state == .cruise && rounds >= 2 && sample.priorSent >= since + .nanoseconds(queues.usualRoundTrip)
    queues.receive(sample, rate: arriving, isSteady: isSteady, at: now)
    noteAtRest(sample, at: now)
    if var span = rates.receive(sample, queue: queues.queue, length: length) {
      if !isFull && !wasFull { span.isAppLimited = true }
      judge(span, at: now)
      losses.note(span)
      step(span, inFlight: sample.inFlight, at: now)
    }
    if state == .cruise && queues.queue <= queues.threshold { sawEmpty = true }
    watch(sample, at: now)
    gainInRound = min(gainInRound, gain)
    leastPaced = min(leastPaced, paced)
    window = wantedWindow
  }

  /// Nobody knows what it could carry: it was never full, or not for a while.
  public func isUnknown(at now: Instant) -> Bool {
    state == .startup || now - lastFull > PathController.unknownAfter
  }

  /// Time has passed: what was believed may be old.
  public mutating func refresh(at now: Instant) {
    let isOld = now - lastFull > max(PathController.untestedAfter, roundTrip * 8)
    if isOld == isUntested { return }
    isUntested = isOld
    window = wantedWindow
  }

  /// Nothing came back for so long that all in flight is held for lost.
  public mutating func timedOut(at now: Instant) {
    counters.timeouts += 1
    if state == .silent { return }
    go(to: .silent, .hearsNothing, at: now)
    window = wantedWindow
  }

  public mutating func expire(at now: Instant) {
    guard let deadline, now >= deadline else { return }
    queues.endProbe(replaces: fullCruises >= 2, at: now)
    fullCruises = 0
    go(to: .cruise, .roundTripIsKnown, at: now)
    window = wantedWindow
  }

  // MARK: Rounds

  private mutating func closeRound(at now: Instant) {
    let allowed = leastPaced * Double(max(0, (now - roundBegan).nanoseconds)) / 1e9
    wasFull = isFull
    isFull = roundBytes >= PathController.leastTest && (touchedWindow || Double(roundBytes) >= 0.85 * allowed)
    if isFull { lastFull = now }
    roundBytes = 0
    leastPaced = paced
    touchedWindow = false
    roundBegan = now
    rounds += 1
    gainBefore = gainInRound
    gainInRound = gain
  }

  private mutating func judge(_ span: RateModel.Span, at now: Instant) {
    switch state {
    case .startup: rates.raise(to: span)
    case .cruise, .up:
      let verdict = rates.judge(
        span, queues: queues, gain: min(gainInRound, gainBefore), patience: isShared ? 3 : 1.5,
        isCut: mayCut && losses.exceedsFloor(span.loss))
      switch verdict {
      case .confirmed: break
      case .rose: counters.rises += 1
      case .fell: counters.falls += 1
      case .cut:
        // Once for each probe: by then we know whether it was chance.
        mayCut = false
        counters.cuts += 1
      }
      if verdict == .rose && state == .up { foundMore(at: now) }
    case .down, .drain:
      if rates.judgeAtRest(span, queues: queues) == .fell { counters.falls += 1 }
    case .probeRoundTrip, .silent: break
    }
  }

  /// Losses among what was sent in the last `down`, when there was no queue.
  private mutating func noteAtRest(_ sample: DeliverySample, at now: Instant) {
    guard let restBegan, now - queues.queueSeen > roundTrip / 2, sample.priorSent >= restBegan + roundTrip / 2 else {
      return
    }
    if state != .down && sample.priorSent > restEnded { return }
    losses.noteAtRest(lost: sample.lost, delivered: sample.delivered)
  }

  // MARK: States

  private mutating func go(to new: State, _ reason: Reason, at now: Instant) {
    let old = state
    // Whoever fell silent before the rate was proven still has to find it.
    if new == .silent { wasStarting = old == .startup }
    state = new
    why = reason
    since = now
    rounds = 0
    gainInRound = 1
    gainBefore = 1
    switch new {
    case .up:
      counters.probes += 1
      let noise = Double(queues.excusable) / Double(max(queues.usualRoundTrip, 1))
      probeGain = PathController.upGain + min(0.75, 0.75 * noise)
      pushed = 0
      isProbeWide = wasInVain
      lastSample = now
      queueBefore = queues.queue
      losses.liftShortBound()
      beginEpoch(at: now)
    case .down:
      wasInVain = reason == .foundNothing && queues.queue <= queueBefore + queues.usualRoundTrip / 16
      restBegan = now
      queueAfter = queues.queue
    case .cruise:
      if old == .down { restEnded = now }
      mayCut = true
      sawEmpty = false
      beginEpoch(at: now)
      nextProbe = now + (hurries ? roundTrip * 2 : pause(at: now))
      hurries = false
    case .probeRoundTrip:
      counters.roundTripProbes += 1
      queues.beginProbe()
    case .startup, .drain, .silent: break
    }
  }

  private mutating func beginEpoch(at now: Instant) {
    rates.beginEpoch(at: now)
    losses.beginEpoch()
  }

  /// Between two probes: ¾ to 1¼ of six round trips, or of `probeEvery`.
  private mutating func pause(at now: Instant) -> Interval {
    dice = dice &* 6_364_136_223_846_793_005 &+ (now.nanoseconds | 1)
    let isNoisy = queues.excusable > queues.usualRoundTrip / 4
    let least = isNoisy ? PathController.probeEveryIfNoisy : PathController.probeEvery
    let usual = max(6 * queues.usualRoundTrip, least)
    return .nanoseconds(usual / 4 * 3 + Int64(dice >> 33) % (usual / 2))
  }

  /// Once more, from the new rate.
  private mutating func foundMore(at now: Instant) {
    hurries = true
    since = now
    beginEpoch(at: now)
    why = .foundMore
    probeGain = max(probeGain, PathController.foundMoreGain)
    losses.growLongBound()
  }

  private mutating func comeBack(at now: Instant) {
    go(to: rates.rate > 0 && !wasStarting ? .cruise : .startup, .cameBack, at: now)
    beginEpoch(at: now)
    // The rate is what it was, until we know better; and we ask soon.
    nextProbe = now + roundTrip
  }

  /// After a pause there is no queue of ours, and what a state had begun is void.
  private mutating func wake(at now: Instant) {
    switch state {
    case .startup, .cruise: beginEpoch(at: now)
    case .drain, .up, .down: go(to: .cruise, .wasIdle, at: now)
    case .probeRoundTrip, .silent: break
    }
  }

  private mutating func leaveStartup(_ reason: Reason, at now: Instant) {
    hurries = true
    rates.endStartup()
    go(to: .drain, reason, at: now)
  }

  /// What every report may end.
  private mutating func watch(_ sample: DeliverySample, at now: Instant) {
    let age = now - since
    let isDrained = queues.comingQueue <= queues.empty
    switch state {
    case .startup:
      if (isFull || wasFull) && rates.rate > 0 && queues.queue > max(queues.usualRoundTrip, 10_000_000) {
        leaveStartup(.queueGrew, at: now)
      }
    case .drain:
      if isDrained || queues.queue <= queues.empty || age > roundTrip * 3 { go(to: .cruise, .isDrained, at: now) }
    case .cruise:
      if now >= nextProbe && isFull { endCruise(at: now) }
    case .up:
      let grown = queues.queue - queueBefore
      let most = max(queues.usualRoundTrip / 4, queues.threshold)
      if grown > most && sample.priorSent >= since && (rates.epochTime > 0 || grown > 3 * most) {
        rates.adoptEpoch(jitter: queues.jitter, onlyMore: isShared)
        go(to: .down, .queueGrew, at: now)
      }
    case .down:
      // As long as it takes to send less than we sent too much; what then remains is not ours.
      let longest = roundTrip * 2 + .milliseconds(10) + .nanoseconds(4 * min(queueAfter, pushed))
      if isDrained && age > roundTrip / 2 {
        isShared = false
        go(to: .cruise, .isDrained, at: now)
      } else if age > (isShared ? roundTrip : longest) {
        isShared = true
        go(to: .cruise, .isNotDrained, at: now)
      }
    case .probeRoundTrip, .silent: break
    }
    let isOld = now - queues.leastSeen > PathController.roundTripIsOldAfter
    if isOld && isFull && (state == .cruise || state == .down) { go(to: .probeRoundTrip, .roundTripIsOld, at: now) }
  }

  private mutating func endCruise(at now: Instant) {
    if queues.queue > 2 * queues.threshold { losses.doubtFloor() }
    isShared = !sawEmpty
    fullCruises = sawEmpty ? 0 : fullCruises + 1
    if fullCruises >= 2 {
      go(to: .probeRoundTrip, .roundTripIsOld, at: now)
    } else {
      go(to: .up, .isTime, at: now)
    }
  }

  /// What only a whole span may end.
  private mutating func step(_ span: RateModel.Span, inFlight: Int, at now: Instant) {
    switch state {
    case .startup: stepStartup(span, at: now)
    case .up:
      if losses.isOverloaded && queues.queue > queues.threshold {
        counters.overloads += 1
        losses.boundLong(at: max(inFlight, leastFull))
        go(to: .down, .lostTooMuch, at: now)
      } else if span.marked > 0.05 && !span.isAppLimited {
        go(to: .down, .wasMarked, at: now)
      } else if rates.epochTime * 1e9 > Double(queues.tolerance * 5 + queues.usualRoundTrip / 4) {
        losses.growLongBound()
        if queues.queue > queueBefore + queues.usualRoundTrip / 16 {
          rates.adoptEpoch(jitter: queues.jitter, onlyMore: isShared)
        }
        go(to: .down, .foundNothing, at: now)
      }
    case .cruise:
      if span.marked > 0.05 && !span.isAppLimited { losses.boundShort(below: wantedWindow, by: losses.markedShare / 3) }
      if losses.isOverloaded && span.leastQueue > queues.threshold {
        counters.overloads += 1
        losses.boundShort(below: wantedWindow, by: 0.3)
      }
    case .drain, .down, .probeRoundTrip, .silent: break
    }
  }

  private mutating func stepStartup(_ span: RateModel.Span, at now: Instant) {
    // A burst that arrives more slowly than it was sent shows the line as well, if it is long; a trickle that radio has
    // moved about does not.
    let isProof = !span.isAppLimited || (span.bytes >= PathController.leastBurst && span.rate > rates.rate * 0.8)
    if isProof && span.marked > 0.3 { return leaveStartup(.wasMarked, at: now) }
    let isCrowded = isProof && span.leastQueue > queues.threshold && span.received > span.sent * 1.25
    crowdedSpans = isCrowded ? crowdedSpans + 1 : 0
    if crowdedSpans >= 2 { return leaveStartup(.queueGrew, at: now) }
    // Of who has not more to send little is known; unless much of it is lost all the same: then bursts fill the line.
    if span.isAppLimited && !(span.loss > PathController.burstLoss && span.datagramsLost >= 4) { return }
    if span.rate > flatRate * 1.25 {
      flatRate = span.rate
      flatSpans = 0
    } else {
      flatSpans += 1
      if flatSpans >= 4 { leaveStartup(.stoppedGrowing, at: now) }
    }
  }
}
