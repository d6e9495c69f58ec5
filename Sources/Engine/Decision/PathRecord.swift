//  PathRecord.swift — what the governor remembers of a path: how fast it is believed to be, and what became of it.

import Primitives

struct PathRecord {
  /// A second's mean of what was believed, in bits per second; 0: nothing yet.
  private(set) var rate = 0.0
  /// And of its square's distance from that.
  private var variance = 0.0
  private var weight = 1.0
  /// Nanoseconds.
  private(set) var delay = 0.0
  private var roundTrip = 0.0
  private(set) var loss = 0.0
  private(set) var isFull = false

  var lastJoined: Instant?
  /// It came up and is not in the set yet.
  var isWaiting = false
  /// It was out of the set when it went.
  var wasDropped = false
  /// When it may be tried again.
  private(set) var returnsAt = Instant.zero
  private var timesDropped = 0
  private var rateThen = 0.0
  private var roundTripThen = 0.0
  private var lossThen = 0.0

  /// Within a pause: a plug that is wiggled in, a modem that takes another address. Who goes more often than once a
  /// second is a bad contact, and never there for long enough to be judged.
  static let mostReturns = 10
  private var returns = 0
  private var returnsCountFrom = Instant.zero

  init() {}

  /// A path that comes up is a new one, but for how often it did.
  init(after former: PathRecord) {
    lastJoined = former.lastJoined
    returns = former.returns
    returnsCountFrom = former.returnsCountFrom
  }

  /// It leaves because somebody says so. True unless it has done that too often lately.
  mutating func mayLeaveAndReturn(at now: Instant) -> Bool {
    if now - returnsCountFrom >= Governor.firstPause { (returns, returnsCountFrom) = (0, now) }
    returns += 1
    return returns <= PathRecord.mostReturns
  }

  /// It came into the set less than a pause ago.
  func wasIn(lately now: Instant) -> Bool {
    guard let lastJoined else { return false }
    return now - lastJoined < Governor.firstPause
  }

  /// A mean that is moved by `weight` each time keeps that much of the noise.
  var error: Double { (variance * weight / (2 - weight)).squareRoot() }

  /// True when the path is suddenly much faster than it was: then there is nothing to average.
  mutating func believe(_ path: Governor.Path, _ weight: Double) -> Bool {
    self.weight = weight
    let isFirst = rate == 0
    let factor = isFirst ? 1 : weight
    roundTrip += factor * (Double(path.roundTrip.nanoseconds) - roundTrip)
    // What was held against it when it was dropped is not to change by itself.
    if !path.isFresh && !isFirst { return false }
    isFull = path.isFull
    delay += factor * (Double(path.delay.nanoseconds) - delay)
    loss += factor * (min(max(0, path.loss), 1) - loss)
    guard let believed = path.rate.map({ Double($0.bitsPerSecond) }) else { return false }
    // ± 10 % of noise are never more than that.
    if isFirst || believed > rate * 1.33 || believed < rate * 0.75 {
      let isFaster = believed > rate
      rate = believed
      variance = rate * rate * Evidence.usualNoise * Evidence.usualNoise
      return isFaster
    }
    let distance = believed - rate
    rate += weight * distance
    variance += weight * (distance * distance - variance)
    return false
  }

  /// Since it was forgiven.
  var wasEverDropped: Bool { timesDropped > 0 }

  /// Not what it was when it was dropped.
  var isOther: Bool {
    if rateThen > 0 && (rate > 2 * rateThen || rate * 2 < rateThen) { return true }
    if abs(roundTrip - roundTripThen) > max(20e6, roundTripThen / 2) { return true }
    return abs(loss - lossThen) > max(0.02, lossThen / 2)
  }

  mutating func drop(at now: Instant) {
    if let lastJoined, now - lastJoined >= Governor.forgivenAfter { timesDropped = 0 }
    returnsAt = now + Governor.pause(timesDropped)
    timesDropped += 1
    remember()
  }

  /// What was held against it is of a path that it is no more.
  mutating func forgive(at now: Instant) {
    timesDropped = 0
    returnsAt = min(returnsAt, now + Governor.firstPause)
    remember()
  }

  private mutating func remember() {
    rateThen = rate
    roundTripThen = roundTrip
    lossThen = loss
  }
}
