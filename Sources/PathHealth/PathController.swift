public import Primitives

public struct PathController: Sendable, BitwiseCopyable {
  public enum State: UInt8, Sendable, BitwiseCopyable {
    case startup, drain, cruise, up, down, probeRoundTrip, silent
  }

  public enum Reason: UInt8, Sendable, BitwiseCopyable {
    case new, queueGrew, rateStoppedGrowing, overload, queueIsGone, timeToProbe, grewNothing, stillGrowing, drainedEnough, roundTripIsOld,
      roundTripIsKnown, nothingComesBack, cameBack, marked
  }

  static let firstWindow = 16 * 1_400
  static let firstPacing = 1.4e6
  static let startupGain = 2.0

  public private(set) var state = State.startup
  public private(set) var why = Reason.new
  public private(set) var isFull = false
  var model = RateModel()
  private let limit: Double
  private var since: Instant
  private var roundStart: Instant
  private var rounds = 0
  private var upGain = 1.25
  private var upQueue: Int64 = 0
  private var plateau = 0
  private var plateauRate = 0.0
  private var nextProbe: Instant
  private var downBegan: Instant = .zero
  private var downEnded: Instant = .zero
  private var isForeign = false
  private var undrained = 0
  private var mayFallByLoss = true
  private var grew = false
  private var sawEmpty = false
  private var crowded = 0
  private var pushed: Int64 = 0
  private var lastReceive = Instant.zero
  private var gainNow = 1.0
  private var gainBefore = 1.0
  private var hurries = false
  private var downQueue = Interval.zero
  private var longBound = Int.max
  private var shortBound = Int.max
  private var alpha = 0.0
  private var seed: UInt64 = 1
  private var lastSentAt: Instant
  private var usedBytes = 0
  private var usedSince: Instant
  private var touchedWindow = false
  private var wasFull = false
  private var lastInFlight = 0

  public init(limit: BitRate?, at now: Instant) {
    self.limit = limit.map { Double($0.bitsPerSecond) / 8 } ?? RateModel.mostRate
    since = now
    roundStart = now
    nextProbe = now
    lastSentAt = now
    usedSince = now
  }

  // MARK: Outputs
  var bytesPerSecond: Double { min(limit, model.rate > 0 ? model.rate : PathController.firstPacing) }
  public var rate: BitRate { bitRate(bytesPerSecond) }
  private func bitRate(_ r: Double) -> BitRate { BitRate(bitsPerSecond: UInt64(min(max(r, RateModel.leastRate), RateModel.mostRate) * 8)) }

  private var gain: Double {
    switch state {
    case .startup: model.rate > 0 ? PathController.startupGain : 1
    case .drain: 0.5
    case .cruise: isForeign ? 1 : 1 - 0.06 * min(1, max(0, Double(model.queue - model.queueThreshold) / Double(model.queueThreshold)))
    case .up: upGain
    case .down: model.queue > model.base / 2 && !isForeign ? 0.65 : 0.8
    case .probeRoundTrip: 0.8
    case .silent: 1
    }
  }
  var pacing: Double { min(limit, bytesPerSecond * gain / (1 - model.lossFloor)) }
  public var pacingRate: BitRate { bitRate(pacing) }
  public var leastRoundTrip: Interval { .nanoseconds(model.leastRoundTrip) }
  public var standingQueue: Interval { .nanoseconds(model.queue) }

  public var window: Int {
    if state == .silent { return 3_000 }
    if model.rate == 0 { return PathController.firstWindow }
    let r = bytesPerSecond / (1 - model.lossFloor)
    let least = Double(model.leastRoundTrip) + 0.6 * Double(model.base - model.leastRoundTrip)
    let slack = Double(model.reportGap)
    let trips = switch state {
      case .startup: 2.5
      case .probeRoundTrip: 0.5
      default: 2.0
    }
    let swing = Double(model.base - model.leastRoundTrip)
    let needed = state == .probeRoundTrip ? 0 : Double(model.leastRoundTrip) + 2 * swing
    var w = r * (max(least * trips, needed) + slack * (state == .startup ? 2.5 : 1)) / 1e9
    let quantum = min(max(r * 0.002, 3_000), 65_536)
    w += max(quantum, r * 0.001)
    var bound = min(longBound, shortBound)
    if state == .cruise && longBound != .max { bound = min(bound, longBound / 20 * 17) }
    return max(4 * 1_400, min(Int(min(w, 1e12)), max(bound, state == .probeRoundTrip ? 0 : leastWindow)))
  }

  private var leastWindow: Int { Int(model.rate * Double(model.base + model.reportGap) / 1e9) }
  private var roundTripNow: Interval { .nanoseconds(max(model.base, 1_000_000)) }

  // MARK: Inputs
  public mutating func sent(bytes: Int, inFlight: Int, at now: Instant) {
    lastSentAt = now
    usedBytes = min(usedBytes + max(bytes, 0), RateModel.mostBytes)
    if inFlight + 65_536 / 4 >= window { touchedWindow = true }
    lastInFlight = inFlight
  }

  private mutating func closeRound(at now: Instant) {
    let elapsed = Double((now - usedSince).nanoseconds) / 1e9
    wasFull = isFull
    isFull = touchedWindow || Double(usedBytes) >= 0.85 * pacing * elapsed
    usedBytes = 0
    usedSince = now
    touchedWindow = false
    roundStart = now
    gainBefore = gainNow
    gainNow = gain
    rounds += 1
  }

  private mutating func go(_ new: State, _ reason: Reason, at now: Instant) {
    state = new
    why = reason
    since = now
    rounds = 0
    gainNow = 1
    gainBefore = 1
    switch new {
    case .up:
      upGain = 1.25 + min(0.75, 0.75 * Double(model.jitterQueue) / Double(max(model.base, 1)))
      pushed = 0
      lastReceive = now
      grew = false
      upQueue = model.queue
      shortBound = .max
      model.startSpan(notBefore: now)
    case .down:
      downBegan = now
      downQueue = standingQueue
    case .cruise:
      sawEmpty = false
      if downEnded < downBegan { mayFallByLoss = true }
      downEnded = now
      model.startSpan(notBefore: now)
      seed = seed &* 6_364_136_223_846_793_005 &+ now.nanoseconds | 1
      let base = max(8 * model.base, model.jitterQueue > model.base / 4 ? 500_000_000 : 800_000_000)
      nextProbe = now + .nanoseconds(base * 3 / 4 + Int64((seed >> 33) % UInt64(base / 2)))
      if hurries { nextProbe = now + roundTripNow * 2 }
      hurries = false
    case .probeRoundTrip: model.startProbe()
    default: break
    }
  }

  public mutating func receive(_ s: DeliverySample, at now: Instant) {
    if state == .silent {
      guard s.delivered > 0 || s.receivedBytes > 0 else { return }
      go(model.rate > 0 ? .cruise : .startup, .cameBack, at: now)
      nextProbe = now + roundTripNow
      model.startSpan(notBefore: now)
    }
    if state == .up { pushed += Int64(Double(max(0, (now - lastReceive).nanoseconds)) * (upGain - 1)) }
    lastReceive = now
    model.pendingLength = model.spanLength(isShort: state == .startup || state == .up)
    if s.priorSent >= roundStart { closeRound(at: now) }
    let span = model.receive(s, isShort: state == .startup, isSteady: state == .cruise && rounds >= 2, isProbe: state == .probeRoundTrip, at: now)
    if downBegan > .zero && now - model.lastHigh > roundTripNow / 2 && s.priorSent >= downBegan + roundTripNow / 2 && (downEnded < downBegan || s.priorSent <= downEnded) {
      model.noteFloor(lost: s.lost, delivered: s.delivered)
    }
    if var span {
      if !isFull && !wasFull { span.isAppLimited = true }
      switch state {
      case .startup: if span.rate > model.rate { model.rate = span.rate }
      case .cruise, .up:
        let change = model.learn(span, isForeign: isForeign, mayFallByLoss: mayFallByLoss, gain: min(1, gainNow, gainBefore))
        if change == .fellByLoss { mayFallByLoss = false }
        if change == .rose && state == .up { grew = true }
      case .down, .drain: model.learnFall(span, gain: 0.3)
      default: break
      }
      step(span, s, at: now)
    }
    if state == .cruise && model.queue <= model.queueThreshold { sawEmpty = true }
    watch(s, at: now)
    gainNow = min(gainNow, gain)
  }

  private var upLimit: Int64 { max(model.base / 4, model.queueThreshold, 1_000_000) }

  /// What every report may change.
  private mutating func watch(_ s: DeliverySample, at now: Instant) {
    let trip = roundTripNow
    switch state {
    case .startup:
      if model.queue > max(model.base, 10_000_000) && model.rate > 0 {
        hurries = true
        go(.drain, .queueGrew, at: now)
      }
    case .drain:
      if model.comingQueue <= model.drainTarget || model.queue <= model.drainTarget || now - since > trip * 3 { go(.cruise, .queueIsGone, at: now) }
    case .cruise:
      if now >= nextProbe && isFull {
        if model.queue > 2 * model.queueThreshold { model.doubtFloor() }
        undrained = sawEmpty ? 0 : undrained + 1
        isForeign = !sawEmpty
        if undrained >= 2 { go(.probeRoundTrip, .roundTripIsOld, at: now) } else { go(.up, .timeToProbe, at: now) }
      }
    case .up:
      if model.queue > upQueue + upLimit && s.priorSent >= since && (model.hasEpoch || model.queue > upQueue + 3 * upLimit) {
        model.adoptEpoch(onlyUp: isForeign)
        go(.down, .queueGrew, at: now)
      }
    case .down:
      if model.comingQueue <= model.drainTarget && now - since > trip / 2 { isForeign = false; go(.cruise, .queueIsGone, at: now) }
      else if now - since > (isForeign ? trip : trip * 2 + .milliseconds(10) + min(downQueue, .nanoseconds(pushed)) * 4) { isForeign = true
        undrained += 1
        if undrained >= 2 { go(.probeRoundTrip, .roundTripIsOld, at: now) } else { go(.cruise, .drainedEnough, at: now) }
      }
    case .probeRoundTrip: break
    case .silent: break
    }
    if state == .cruise || state == .down, now - model.leastSeen > .seconds(10), isFull {
      go(.probeRoundTrip, .roundTripIsOld, at: now)
    }
  }

  /// What only a whole span may change.
  private mutating func step(_ span: RateModel.Span, _ s: DeliverySample, at now: Instant) {
    alpha += (span.marked - alpha) / 8
    switch state {
    case .startup:
      if span.marked > 0.3 { return go(.drain, .marked, at: now) }
      if span.queueLow > model.queueThreshold && span.received > span.sent * 1.25 {
        crowded += 1
        if crowded >= 2 {
          hurries = true
          return go(.drain, .queueGrew, at: now)
        }
      } else {
        crowded = 0
      }
      if span.isAppLimited { return }
      if span.rate > plateauRate * 1.25 {
        plateauRate = span.rate
        plateau = 0
      } else {
        plateau += 1
        if plateau >= 4 { go(.drain, .rateStoppedGrowing, at: now) }
      }
    case .up:
      if model.isOverloaded && model.queue > model.queueThreshold {
        longBound = max(s.inFlight, leastWindow)
        go(.down, .overload, at: now)
      } else if span.marked > 0.05 {
        go(.down, .marked, at: now)
      } else if grew {
        grew = false
        hurries = true
        upGain = max(upGain, 1.75)
        why = .stillGrowing
        since = now
        model.startSpan(notBefore: now)
        if longBound != .max { longBound = longBound / 4 * 5 }
      } else if model.epochTime * 1e9 > Double(model.allowance * 5 + model.base / 4) {
        if longBound != .max { longBound = longBound / 4 * 5 }
        if model.queue > upQueue + model.base / 16 { model.adoptEpoch(onlyUp: isForeign) }
        go(.down, .grewNothing, at: now)
      }
    case .cruise:
      if span.marked > 0.05 { shortBound = max(leastWindow, Int(Double(min(window, shortBound)) * (1 - alpha / 3))) }
      if model.isOverloaded && span.queueLow > model.queueThreshold {
        shortBound = max(Int(Double(min(window, shortBound)) * 0.7), leastWindow)
      }
    default: break
    }
  }

  public mutating func timedOut(at now: Instant) {
    if state != .silent { go(.silent, .nothingComesBack, at: now) }
  }

  public var deadline: Instant? { state == .probeRoundTrip ? since + max(.nanoseconds(model.roundTrip), .milliseconds(10)) * 2 : nil }

  public mutating func expire(at now: Instant) {
    if let deadline, now >= deadline {
      model.endProbe(replaces: undrained >= 2, at: now)
      undrained = 0
      go(.cruise, .roundTripIsKnown, at: now)
    }
  }
}
extension PathController {
  public var debug: String { "tj \(model.tripJitter/1000) jit \(model.jitter/1000) thr \(model.queueThreshold/1000) floor \(model.lossFloor) gap \(model.reportGap/1000) fgn \(isForeign) lb \(longBound) sb \(shortBound)" }
}
