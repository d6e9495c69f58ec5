//  Steering.swift — which of a peer's paths carry what now: what the operator allows, less what does harm.
//
//  Why.  Three know something of this and none decides alone: `Liveness` who is up, `Tiers` who is meant to carry, the
//  `Governor` who makes the others worse. Here they are asked one after the other, so that the rest of the engine has
//  three sets of places and no opinions.
//
//  How.
//
//      up, answered ──▶ Tiers: rank and reach ──▶ Governor: none that harms ──▶ bulk        bulk, interactive, repairs
//                          │
//                          └─▶ secondaries that stand by ──────────────────────▶ helping     realtime, besides bulk
//
//      observed ten times a second while reports come: what was delivered, lost, believed; whether more waited
//
//  Who is up and in neither set is in no striper: it has no part in shares, horizon or delays, and its pings go on.
//  What was learned of it stays, so it begins where it ended. Who is `helping` is in the striper, but segments are not
//  cut for it (`standsBy`): it is there for whoever names it.
//
//  What the governor dropped carries nothing that is interactive, and no repairs: both go to who lands first, by a
//  model that knows delays and not losses, and the governor has just found the model wrong. A call is sent twice, so it
//  may use such a path when there would be no second one otherwise.
//
//  More waited.  The governor must not judge a set by what an application did not want to send. So an interval counts
//  when more waited at half of its reports: a flow found no room (`noteWaiting`), or what is committed to the fastest
//  path is more than the few milliseconds that keep it busy, as it is when a slow path lets the quick ones run ahead.
//  But a set can do so much harm that nothing ever waits: a TCP that is told of a loss each second is too slow to fill
//  even one path. What is given up for lost is such a word, and after it the flows are suspected to want more
//  (`isSuspicious`), for as long as a TCP needs to recover. A set that is found wanting on suspicion alone has to be
//  beaten by the smaller set, not equalled (Governor).
//
//  A path that has something waiting at three of four reports shows what it carries; what its controller believes
//  counts only beyond that, for who lacks work.
//
//  Rejected.  A timer (idle peers would wake up); asking with each report (a hundred answers a second to a question
//  about seconds). Keeping those who stand by in the striper with a large delay: their delay is the horizon of others.
//
//  Always true.  (1) `bulk` is a subset of what is up, and not empty while something may carry. (2) `helping` and
//  `bulk` share none. (3) `never`, told by us or by the other side, is in neither.
//
//  Not here.  What follows from it for striper and parts: `Ways.pathsChanged`. 3 KB for each peer that ever had a path.

import Primitives

struct Steering {
  /// Ten times a second is what tiers and governor are made for.
  static let interval = Interval.milliseconds(100)
  /// Turns follow each other more closely while data flows.
  static let isRecent = Interval.milliseconds(20)
  /// A TCP of 100 Mbit/s over 20 ms is back at its rate some four seconds after a loss.
  static let suspicionLasts = Interval.seconds(4)

  /// A path as it is now. Of those that are not usable only the place counts.
  struct View {
    var standing = PathStanding(.never, isUp: false)
    /// Bytes that arrived, and that were lost, ever.
    var delivered: UInt64 = 0
    var lost: UInt64 = 0
    var rate: BitRate?
    var roundTrip = Interval.zero
    var delay = Interval.zero
    var isFull = false
  }

  private(set) var tiers = Tiers()
  private(set) var governor = Governor()
  private(set) var bulk: UInt32 = 0
  private(set) var helping: UInt32 = 0
  private(set) var lastAsked: Instant?
  private var unwanted: UInt32 = 0
  /// Somebody was called for help.
  private var hasJoined = false

  private var delivered = InlineArray<16, UInt64>(repeating: 0)
  private var lost = InlineArray<16, UInt64>(repeating: 0)
  /// The shortest of late, as far as it is known.
  private var roundTrips = InlineArray<16, Interval>(repeating: .zero)
  /// Shares, a second's mean, as they were when the path last carried something.
  private(set) var losses = InlineArray<16, Double>(repeating: 0)
  private var standings = InlineArray<16, PathStanding>(repeating: PathStanding(.never, isUp: false))

  /// How often each path had something waiting, and what it carries while it has, in bits a second.
  private var busy = InlineArray<16, Int>(repeating: 0)
  private var carried = InlineArray<16, Double>(repeating: 0)
  private var samples = 0
  private var waitingSamples = 0
  private var lastWait = Instant.zero
  private var lastGivenUp: Instant?

  // MARK: What happens

  /// A flow had its turn and no path had room for it.
  @inline(__always)
  mutating func noteWaiting(at now: Instant) { lastWait = now }

  /// A report came; `isCommitted`: more than a few milliseconds wait for the fastest path; `loaded`: for whom anything
  /// waits.
  mutating func sample(isCommitted: Bool, loaded: UInt32, at now: Instant) {
    samples += 1
    for place in loaded.places { busy[place] += 1 }
    if isCommitted || now - lastWait <= Steering.isRecent { waitingSamples += 1 }
  }

  /// Something will never arrive.
  mutating func noteGivenUp(at now: Instant) { lastGivenUp = now }

  func isDue(at now: Instant) -> Bool {
    guard let lastAsked else { return true }
    return now - lastAsked >= Steering.interval
  }

  /// When the answer changes although nothing is heard.
  var deadline: Instant? {
    if let due = tiers.deadline { return due }
    guard hasJoined, let lastAsked else { return nil }
    return lastAsked + Tiers.leaveAfter
  }

  /// Paths came or went, or are another tier. `unwanted`: those on which nothing is to be sent, as we know or were
  /// told; also when they are silent.
  mutating func pathsChanged(
    _ views: borrowing InlineArray<16, View>, unwanted: UInt32 = 0, at now: Instant
  ) {
    self.unwanted = unwanted
    for place in 0..<16 {
      let before = standings[place]
      standings[place] = views[place].standing
      if !standings[place].isUp || !before.isUp { continue }
      standings[place].isFull = before.isFull
      standings[place].carried = before.carried
    }
    let mayCarry = updateTiers(at: now)
    governor.pathsChanged(mayCarry, at: now)
    settle(mayCarry)
  }

  /// It is time to look. True when the answer is another.
  mutating func observe(_ views: borrowing InlineArray<16, View>, at now: Instant) -> Bool {
    let before = (bulk, helping)
    let passed = lastAsked.map { now - $0 } ?? .zero
    lastAsked = now
    let hasBacklog = samples > 0 && waitingSamples * 2 >= samples
    let busyFrom = max(1, samples * 3 / 4)
    (samples, waitingSamples) = (0, 0)
    var sum: UInt64 = 0
    var paths = InlineArray<16, Governor.Path>(
      repeating: Governor.Path(rate: nil, roundTrip: .zero, delay: .zero, loss: 0, isFull: false))
    var best: (rate: UInt64, delay: Interval)?
    var longest = Interval.zero
    for place in 0..<16 {
      let view = views[place]
      let arrived = view.delivered &- min(delivered[place], view.delivered)
      let gone = view.lost &- min(lost[place], view.lost)
      delivered[place] = view.delivered
      lost[place] = view.lost
      standings[place] = view.standing
      sum &+= arrived
      if view.rate == nil { losses[place] = 0 }
      // Of a few datagrams a share says nothing.
      if arrived &+ gone > 20_000 {
        losses[place] += 0.1 * (Double(gone) / Double(arrived &+ gone) - losses[place])
      }
      standings[place].carried = Steering.perSecond(arrived, passed)
      standings[place].isFull = view.isFull && hasBacklog
      if view.roundTrip > .zero { roundTrips[place] = view.roundTrip }
      var rate = view.rate
      // Who has enough to send shows what he carries; only of who lacks work the model must say it.
      if busy[place] >= busyFrom {
        carried[place] += 0.1 * (Double(standings[place].carried) * 8 - carried[place])
        rate = rate.map { min($0, BitRate(measured: max(carried[place], 8_000))) }
      } else if let believed = rate?.bitsPerSecond {
        carried[place] += 0.1 * (Double(believed) - carried[place])
      }
      busy[place] = 0
      paths[place] = Governor.Path(
        rate: rate, roundTrip: roundTrips[place], delay: view.delay, loss: losses[place], isFull: view.isFull,
        isFresh: bulk.has(place))
      if !bulk.has(place) { continue }
      longest = max(longest, view.delay)
      guard let rate = view.rate?.bitsPerSecond else { continue }
      if best.map({ rate > $0.rate }) ?? true { best = (rate, view.delay) }
    }
    let mayCarry = updateTiers(at: now)
    let isSuspicious = !hasBacklog && sum > 0 && isSuspected(at: now)
    governor.observe(
      delivered: ByteCount(Int(clamping: sum)), hasBacklog: hasBacklog, isSuspicious: isSuspicious,
      extraDelay: longest - (best?.delay ?? longest), paths, usable: mayCarry, at: now)
    settle(mayCarry)
    return before != (bulk, helping)
  }

  private func isSuspected(at now: Instant) -> Bool {
    guard let lastGivenUp else { return false }
    return now - lastGivenUp < Steering.suspicionLasts
  }

  private static func perSecond(_ bytes: UInt64, _ time: Interval) -> Int {
    if time <= .zero { return 0 }
    return Int(min(Double(bytes) / time.inSeconds, 1e15))
  }

  // MARK: The sets

  private mutating func updateTiers(at now: Instant) -> UInt32 {
    _ = tiers.update(standings.span, at: now)
    let mayCarry = UInt32(tiers.mayCarry(.bulk))
    governor.resting = unwanted
    for place in 0..<16 where standings[place].isUp && !mayCarry.has(place) { governor.resting |= place.bit }
    return mayCarry
  }

  private mutating func settle(_ mayCarry: UInt32) {
    bulk = governor.used
    hasJoined = mayCarry.places.contains { tiers.why($0, of: standings.span) == .joined }
    helping = UInt32(tiers.mayCarry(.realtime)) & ~mayCarry
    // Better a second path that was found bad than none.
    if (bulk | helping).nonzeroBitCount < 2 { helping |= mayCarry & ~bulk }
  }

  // MARK: Why

  /// Of a path that is up: whether it carries, and the sentence for it.
  func why(_ place: Int) -> (carries: Bool, isDropped: Bool, reason: Tiers.Reason) {
    let reason = tiers.why(place, of: standings.span)
    let isMeant = UInt32(tiers.mayCarry(.bulk)).has(place)
    return (bulk.has(place), isMeant && !bulk.has(place), reason)
  }
}
