//  PathUnderTest.swift — a path with a true size, loss and data on it, for PathMTU to find its way.

import PathMTU
import Primitives

struct PathUnderTest {
  var mtu: PathMTU
  var now = Instant.zero + .seconds(1)
  var random: SeededRandom

  /// UDP payload that gets through.
  var truth: Int
  /// Of each direction.
  var loss = Probability.never
  var roundTrip = Interval.milliseconds(20)
  /// One full datagram, and now and then a small one; nil: the path is idle.
  var dataEvery: Interval? = .milliseconds(2)
  var smallOnesInTen: UInt64 = 1
  /// Of full ones, and of probes, one in so many.
  var largeThrough = 1
  private var largeOnes = 0

  /// When each probe left, and its size.
  private(set) var probes: [(at: Instant, size: Int)] = []
  /// The longest that was ever answered since the last change of the truth.
  private(set) var largestAnswered = 0
  /// Moments at which more was in use than had been answered.
  private(set) var unproven: [(at: Instant, payload: Int)] = []

  private var answers: [(at: Instant, size: Int, sentAt: Instant)] = []
  private var reports: [(at: Instant, size: Int, isDelivered: Bool)] = []
  private var firstAnswer = 0
  private var firstReport = 0
  private var nextData: Instant

  init(limit: Int = 1_472, family: IPAddress.Family = .ipv4, truth: Int, seed: UInt64 = 1) {
    mtu = PathMTU(limit: limit, family: family)
    self.truth = truth
    random = SeededRandom(seed: seed)
    nextData = now
    mtu.start(at: now)
  }

  mutating func changeTruth(to size: Int) {
    truth = size
    largestAnswered = min(largestAnswered, size)
  }

  mutating func forgetProbes() { probes.removeAll() }

  private mutating func arrives(_ size: Int) -> Bool {
    if size > 1_000 {
      largeOnes += 1
      if largeOnes % largeThrough != 0 { return false }
    }
    return size <= truth && !random.happens(loss)
  }

  /// Runs until then, or until something holds.
  mutating func run(for time: Interval, until isOver: (PathMTU) -> Bool = { _ in false }) {
    let end = now + time
    while now < end && !isOver(mtu) { step(to: end) }
  }

  private mutating func step(to end: Instant) {
    var next = end
    if let due = mtu.deadline { next = min(next, max(due, now)) }
    if firstAnswer < answers.count { next = min(next, answers[firstAnswer].at) }
    if firstReport < reports.count { next = min(next, reports[firstReport].at) }
    if dataEvery != nil { next = min(next, max(nextData, now)) }
    now = next

    while firstAnswer < answers.count, answers[firstAnswer].at <= now {
      let answer = answers[firstAnswer]
      firstAnswer += 1
      largestAnswered = max(largestAnswered, answer.size)
      _ = mtu.probeAnswered(answer.size, sentAt: answer.sentAt, at: now)
    }
    while firstReport < reports.count, reports[firstReport].at <= now {
      let report = reports[firstReport]
      firstReport += 1
      if report.isDelivered {
        mtu.delivered(report.size, count: 1, at: now)
      } else {
        mtu.lost(report.size, count: 1, at: now)
      }
    }
    mtu.expire(at: now)
    if let dataEvery, nextData <= now {
      nextData = now + dataEvery
      _ = mtu.carried(at: now)
      let size = random.below(10) < smallOnesInTen ? 120 : mtu.payload
      reports.append((now + roundTrip, size, arrives(size)))
    }
    if let size = mtu.nextProbe(at: now) {
      probes.append((now, size))
      mtu.probeSent(size, roundTrip: roundTrip, at: now)
      if arrives(size), !random.happens(loss) { answers.append((now + roundTrip, size, now)) }
    }
    if mtu.payload > max(largestAnswered, 1_200) { unproven.append((now, mtu.payload)) }
  }
}
