import Primitives

struct RateModel: BitwiseCopyable, Sendable {
  static let memory = Interval.seconds(10)
  static let leastSpan: Int64 = 2_000_000
  static let leastQueue: Int64 = 1_500_000
  static let mostInterval: Int64 = 60_000_000_000
  static let mostBytes = 1 << 40
  static let mostRate = 1.25e11
  static let leastRate = 1_000.0

  /// Bytes a second that arrive when the path is full; 0: unknown.
  var rate = 0.0
  private var roundTrips = WindowedLeast(window: RateModel.memory)
  private var forwards = WindowedLeast(window: RateModel.memory)
  private(set) var roundTrip: Int64 = 0
  var leastSeen = Instant.zero
  private(set) var queue: Int64 = 0
  /// What the queue will be when all that is on the way has arrived, by Little's law.
  private(set) var comingQueue: Int64 = 0
  private(set) var lastHigh = Instant.zero
  private(set) var jitter: Int64 = 0
  private var peakForward: Int64 = 0
  private var peakTrip: Int64 = 0
  private(set) var tripJitter: Int64 = 0

  private var probedTrip = WindowedLeast.none
  private var probedForward = WindowedLeast.none
  // A span
  private var lastSent = Instant.zero
  private var notBefore = Instant.zero
  private var bytes = 0
  private var received: Int64 = 0
  private var sent: Int64 = 0
  private var lost = 0
  private var lostDatagrams = 0
  private var delivered = 0
  private var marked = 0
  private var queueLow = Int64.max
  private var isAppLimited = false

  private var plusBytes = 0.0
  private var plusReceived = 0.0
  private var plusSent = 0.0
  private var minusBytes = 0.0
  private var minusTime = 0.0
  private var epochBytes = 0.0
  private var epochLost = 0.0
  private var epochDatagramsLost = 0
  /// More than chance explains.
  var isOverloaded: Bool {
    guard epochDatagramsLost > 4 else { return false }
    let usual = max(lossFloor, 0.02) * 2
    return Double(epochDatagramsLost) > 4 + usual * epochBytes / 1_200
  }
  private var epochReceived = 0.0
  private var epochSent = 0.0
  var epochTime: Double { max(epochReceived, epochSent) }

  // Loss at rest
  private var floorLost = 0.0
  private var floorTotal = 0.0
  private(set) var lossAverage = 0.0

  // reports
  private var lastReport = Instant.zero
  private(set) var reportGap: Int64 = 0

  struct Span {
    var rate: Double
    var bytes: Double
    var received: Double
    var sent: Double
    var queueLow: Int64
    var loss: Double
    var isAppLimited: Bool
    var marked: Double
    var datagramsLost: Int
  }

  var leastRoundTrip: Int64 { roundTrips.isEmpty ? 0 : roundTrips.least }
  /// What a round trip takes without a queue, as a rule.
  var base: Int64 { leastRoundTrip + min(tripJitter, 50_000_000) }
  var lossFloor: Double { floorTotal > 0 ? min(0.3, floorLost / (floorTotal + 300_000)) : 0 }
  /// How much of a queue must be there before we believe in it.
  var queueThreshold: Int64 { max(base / 8, jitterQueue, RateModel.leastQueue) }
  var jitterQueue: Int64 { min(2 * jitter, base * 3 / 4 + 2_000_000) }
  var drainTarget: Int64 { max(base / 16, jitterQueue, RateModel.leastQueue / 2) }

  mutating func startProbe() {
    probedTrip = WindowedLeast.none
    probedForward = WindowedLeast.none
  }
  mutating func endProbe(replaces: Bool, at now: Instant) {
    leastSeen = now
    guard replaces, probedTrip != WindowedLeast.none else { return }
    roundTrips.replace(probedTrip, at: now)
    forwards.replace(probedForward, at: now)
  }
  func spanLength(isShort: Bool) -> Int64 {
    let least = base
    return max(least / 2, RateModel.leastSpan)
  }

  mutating func startSpan(notBefore: Instant) {
    self.notBefore = notBefore
    set(rate)
    epochBytes = 0
    epochLost = 0
    epochDatagramsLost = 0
    epochReceived = 0
    epochSent = 0
    clearSpan()
  }

  private mutating func clearSpan() {
    bytes = 0
    received = 0
    sent = 0
    lost = 0
    lostDatagrams = 0
    delivered = 0
    marked = 0
    queueLow = .max
    isAppLimited = false
  }

  mutating func receive(_ s: DeliverySample, isShort: Bool, isSteady: Bool, isProbe: Bool, at now: Instant) -> Span? {
    let trip = min(max(s.roundTrip.nanoseconds, 1_000), RateModel.mostInterval)
    let forward = min(max(s.forwardDelay.nanoseconds, -RateModel.mostInterval * 60), RateModel.mostInterval * 60)
    roundTrip = trip
    if roundTrips.isEmpty || trip <= leastRoundTrip + max(leastRoundTrip / 32, 50_000) { leastSeen = now }
    probedTrip = min(probedTrip, trip)
    probedForward = min(probedForward, forward)
    roundTrips.note(trip, at: now)
    forwards.note(forward, at: now)
    queue = max(0, min(trip - roundTrips.least, forward - forwards.least))
    if rate > 0 {
      let hold = min(max(Int64(now.nanoseconds) - Int64(s.priorSent.nanoseconds) - trip, 0), 200_000_000)
      let life = Double(min(max(s.inFlight, 0), RateModel.mostBytes)) / rate * 1e9 * (1 - lossFloor)
      comingQueue = Int64(min(life, 1e11)) - roundTrips.least - hold
    }
    if queue > queueThreshold { lastHigh = now }

    // jitter
    if isSteady {
      peakForward = max(peakForward, forward)
      let off = peakForward - forward - jitter
      jitter += off > 0 ? off / 16 : off / 128
      peakTrip = max(peakTrip, trip)
      let offTrip = peakTrip - trip - tripJitter
      tripJitter += offTrip > 0 ? offTrip / 16 : offTrip / 256
    } else {
      peakForward = forward
      peakTrip = trip
    }

    let gap = min(max(now.nanoseconds > lastReport.nanoseconds ? (now - lastReport).nanoseconds : 0, 0), 100_000_000)
    lastReport = now
    if gap > reportGap { reportGap = gap } else { reportGap += (gap - reportGap) / 32 }

    return span(s)
  }

  private mutating func span(_ s: DeliverySample) -> Span? {
    let baseline = lastSent
    lastSent = s.priorSent
    let new = min(max(s.receivedBytes, 0), RateModel.mostBytes)
    if baseline == .zero || baseline < notBefore {
      clearSpan()
      return nil
    }
    bytes = min(bytes + new, RateModel.mostBytes)
    received += min(max(s.receivedTime.nanoseconds, 0), RateModel.mostInterval)
    if s.priorSent > baseline { sent += min((s.priorSent - baseline).nanoseconds, RateModel.mostInterval) }
    lost = min(lost + min(max(s.lost, 0), RateModel.mostBytes), RateModel.mostBytes)
    lostDatagrams = min(lostDatagrams + min(max(s.lostDatagrams, 0), 1 << 20), 1 << 30)
    delivered = min(delivered + min(max(s.delivered, 0), RateModel.mostBytes), RateModel.mostBytes)
    marked = min(marked + min(max(s.marked, 0), RateModel.mostBytes), RateModel.mostBytes)
    queueLow = min(queueLow, queue)
    if s.isAppLimited { isAppLimited = true }
    let time = max(received, sent)
    if time < pendingLength { return nil }
    let total = Double(lost + delivered)
    let result = Span(
      rate: min(max(Double(bytes) * 1e9 / Double(time), 0), RateModel.mostRate), bytes: Double(bytes),
      received: Double(received) / 1e9, sent: Double(sent) / 1e9, queueLow: queueLow,
      loss: total > 0 ? Double(lost) / total : 0, isAppLimited: isAppLimited,
      marked: total > 0 ? min(1, Double(marked) * 1_200 / total) : 0, datagramsLost: lostDatagrams)
    lossAverage += (result.loss - lossAverage) / 8
    clearSpan()
    return result
  }
  var pendingLength: Int64 = RateModel.leastSpan

  mutating func doubtFloor() { floorLost /= 2 }
  mutating func noteFloor(lost: Int, delivered: Int) {
    floorLost += Double(min(max(lost, 0), RateModel.mostBytes))
    floorTotal += Double(min(max(delivered, 0), RateModel.mostBytes)) + Double(min(max(lost, 0), RateModel.mostBytes))
    if floorTotal > 4_000_000 {
      floorLost /= 2
      floorTotal /= 2
    }
  }

  /// A span of packets that were sent as fast as we believed: what it says of the rate.
  mutating func learn(_ span: Span, isForeign: Bool, mayFallByLoss: Bool, gain: Double) -> Change {
    epochBytes += span.bytes
    epochReceived += span.received
    epochLost += span.loss * span.bytes
    epochDatagramsLost += span.datagramsLost
    epochSent += span.sent
    let allowed = Double(allowance) / 1e9
    plusBytes += span.bytes
    plusReceived += span.received
    plusSent += span.sent
    let plusTime = max(plusReceived, plusSent)
    let surplus = plusBytes / rate - plusTime
    if surplus <= 0 {
      plusBytes = 0
      plusReceived = 0
      plusSent = 0
    } else if surplus > allowed {
      set(plusBytes / plusTime)
      return .rose
    }
    let isLossy = span.loss > lossFloor * 1.5 + 0.02 && mayFallByLoss && floorTotal > 50_000
    let isQueued = span.queueLow > queueThreshold
    guard !span.isAppLimited, isQueued || isLossy else {
      minusBytes = 0
      minusTime = 0
      return .none
    }
    minusBytes += span.bytes
    minusTime += span.received
    let deficit = minusTime - minusBytes / (rate * gain * 0.98)
    if deficit <= 0 {
      minusBytes = 0
      minusTime = 0
    } else if deficit > allowed * (isForeign ? 3 : 1) * 1.5 {
      set(minusBytes / minusTime)
      return isQueued ? .fell : .fellByLoss
    }
    return .none
  }

  /// The same of packets that were sent more slowly than that.
  mutating func learnFall(_ span: Span, gain: Double) {
    guard !span.isAppLimited, span.queueLow > queueThreshold, span.rate < rate * gain else {
      minusBytes = 0
      minusTime = 0
      return
    }
    minusBytes += span.bytes
    minusTime += span.received
    if minusTime - minusBytes / (rate * gain) > Double(allowance) * 1.5e-9 { set(minusBytes / minusTime) }
  }

  enum Change { case none, rose, fell, fellByLoss }

  private mutating func set(_ new: Double) {
    rate = min(max(new, RateModel.leastRate), RateModel.mostRate)
    plusBytes = 0
    plusReceived = 0
    plusSent = 0
    minusBytes = 0
    minusTime = 0
  }

  /// The line was busy all the time: this is what it carries.
  mutating func adoptEpoch(onlyUp: Bool) {
    guard epochTime > 0 else { return }
    let measured = epochBytes / epochTime
    if onlyUp && measured < rate { return }
    let weight = epochTime / (epochTime + 16e-9 * Double(jitter))
    set(rate + (measured - rate) * weight)
  }

  var allowance: Int64 { max(base / 8, 3 * jitter, 500_000) }
  var hasEpoch: Bool { epochTime > 0 }
}
