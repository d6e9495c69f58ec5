//  Liveness.swift — whether somebody is still at the other end of a path, and when to ask.
//
//  Why.  A part sent into a dead path is lost, and with it the segment; a path asked every second for ever keeps radios
//  and CPUs awake. So who talks listens for an answer, and who is silent asks only so often that address translators in
//  between do not forget him.
//
//  How.  Anything authentic that arrives on the path is a sign of life. What we send starts a clock, unless it runs: it
//  stops with the next sign of life. When it has run for `askAfter` we ask (a ping, which the other side must answer),
//  and again and again; when it has run for `deadAfter`, or four round trips, the path is down.
//
//      probing ──heard──▶ up ──nothing heard for deadAfter──▶ down ──heard──▶ up
//         │ ping: 0, 250 ms, then twice as long each time, 10 s at most          │ ping: the same
//
//  So an idle path costs one ping in `keepAlive` on the side that knows the other's address, and nothing on the other.
//  One that may carry while others do is asked as soon as it is quiet: whoever needs it next finds out before, and not
//  by what he loses on it.
//
//  Rejected.  Heartbeats at a fixed rate: 10 per second are too many when idle and too few for a path that dies under
//  load. Counting lost pings: a path with 5 % loss would be called dead every few minutes.
//
//  Always true.  (1) While the clock runs there is a deadline. (2) `up` only after something authentic arrived.

import Primitives

struct Liveness: BitwiseCopyable {
  enum State: UInt8, BitwiseCopyable {
    /// Nothing was ever heard.
    case probing
    case up
    case down
  }

  /// Long enough for an answer over most paths, so that busy paths never ask; short against `deadAfter`.
  static let askAfter = Interval.milliseconds(250)
  /// Shorter, and a full modem queue would look like death; longer, and whoever sends on it loses more.
  static let deadAfter = Interval.seconds(1)
  /// When all paths of a peer are silent for so long, he may have lost our keys: ask for new ones.
  static let silentAfter = Interval.milliseconds(400)
  /// Address translators forget UDP flows after 30 s and more (RFC 4787 asks for 120).
  static let keepAlive = Interval.seconds(20)
  static let firstRetry = Interval.milliseconds(250)
  /// After a socket came back: what is at the other end of the cable may need a moment more than we do.
  static let reconnectRetry = Interval.milliseconds(50)
  static let lastRetry = Interval.seconds(10)
  /// Who was there comes back soon, as a rule: for a minute he is asked each second.
  static let soon = Interval.seconds(1)
  static let soonFor = Interval.seconds(60)

  private(set) var state = State.probing
  private(set) var lastHeard: Instant?
  /// When the first thing was sent that has seen no sign of life since.
  private(set) var unansweredSince: Instant?
  /// A question of ours came back since the path came up: then the other side has heard us on it, too.
  private(set) var isAnswered = false
  private(set) var smoothedRoundTrip = Interval.zero
  /// Since the last sign of life.
  private var questions: UInt8 = 0
  private var nextPing: Instant?
  private var retry = Liveness.firstRetry
  /// We know where the other side is, so we keep what is between us awake.
  private var keepsAlive: Bool
  private var pause: Interval
  /// Somebody wants a question at the next moment, whatever else holds.
  private var isAsked = false

  /// `pause` is how often, when it is not as usual.
  init(keepsAlive: Bool, every pause: Interval? = nil, at now: Instant) {
    self.keepsAlive = keepsAlive
    self.pause = pause ?? Liveness.keepAlive
    if keepsAlive { nextPing = now }
  }

  // MARK: What happens

  /// True when the clock starts: the deadline may have moved forward.
  @inline(__always)
  mutating func sent(at now: Instant) -> Bool {
    if unansweredSince != nil { return false }
    return startClock(at: now)
  }

  private mutating func startClock(at now: Instant) -> Bool {
    unansweredSince = now
    guard state == .up else { return false }
    nextPing = now + max(Liveness.askAfter, smoothedRoundTrip * 2)
    return true
  }

  /// True when the path comes up.
  @inline(__always)
  mutating func heard(at now: Instant) -> Bool {
    lastHeard = now
    unansweredSince = nil
    questions = 0
    if state == .up { return false }
    return comeUp(at: now)
  }

  private mutating func comeUp(at now: Instant) -> Bool {
    state = .up
    retry = Liveness.firstRetry
    nextPing = keepsAlive ? now + pause : nil
    return true
  }

  /// True for the first answer since the path came up.
  mutating func answered(after roundTrip: Interval) -> Bool {
    smoothedRoundTrip = smoothedRoundTrip == .zero ? roundTrip : smoothedRoundTrip * 7 / 8 + roundTrip / 8
    defer { isAnswered = true }
    return !isAnswered
  }

  /// There are new keys: whoever waited for the next question need not wait any longer.
  mutating func askNow(at now: Instant) {
    guard keepsAlive || state != .probing else { return }
    nextPing = now
    retry = Liveness.firstRetry
    isAsked = true
  }

  /// Its socket is gone: nothing is asked and nothing is expected until it is `reconnected`, or heard all the same.
  /// True when it was up.
  mutating func cut() -> Bool {
    let wasUp = state == .up
    if wasUp { state = .down }
    isAnswered = false
    unansweredSince = nil
    nextPing = nil
    isAsked = false
    return wasUp
  }

  /// There is a socket again. Who was found asks as well, once: the other side may not know that we are back.
  mutating func reconnected(at now: Instant) {
    retry = Liveness.reconnectRetry
    unansweredSince = nil
    nextPing = now
    isAsked = true
  }

  /// How often it is kept awake, from now on.
  mutating func setKeepalive(_ keepsAlive: Bool, every pause: Interval?, at now: Instant) {
    self.keepsAlive = keepsAlive
    self.pause = pause ?? Liveness.keepAlive
    if keepsAlive && nextPing.map({ $0 > now + self.pause }) ?? (state != .probing) { nextPing = now + self.pause }
  }

  // MARK: Time

  /// `start`: silence before that does not count.
  func isSilent(at now: Instant, countedFrom start: Instant = .zero) -> Bool {
    guard let since = unansweredSince else { return false }
    return now - max(since, start) >= max(Liveness.silentAfter, smoothedRoundTrip * 3)
  }

  /// It is up, and two questions had time enough: nobody has to be declared dead to be left alone for a while.
  func isDoubtful(at now: Instant) -> Bool {
    guard state == .up, questions > 1, let since = unansweredSince else { return false }
    return now - since >= max(Liveness.askAfter, smoothedRoundTrip * 2)
  }

  /// Nothing came for so long that what comes now was hardly overtaken by something on another way.
  func isQuiet(at now: Instant) -> Bool { now - (lastHeard ?? .zero) >= Liveness.askAfter }

  var deadline: Instant? { nextPing }

  enum Step: Equatable {
    case wait
    case ping
    /// Down since just now; ask all the same.
    case die
  }

  /// What is due.
  mutating func expire(at now: Instant) -> Step {
    guard let due = nextPing, due <= now else { return .wait }
    questions = min(questions + 1, 2)
    if isAsked {
      isAsked = false
      nextPing = now + (state == .up ? max(Liveness.askAfter, smoothedRoundTrip) : retry)
      return .ping
    }
    switch state {
    case .probing, .down:
      nextPing = now + retry
      let isRecent = state == .down && now - (lastHeard ?? .zero) < Liveness.soonFor
      retry = min(retry * 2, isRecent ? Liveness.soon : Liveness.lastRetry)
      return .ping
    case .up:
      guard let since = unansweredSince else {
        // Idle. Whatever was heard or sent lately has kept the path awake as well.
        questions = 1
        let awake = keepsAlive ? (lastHeard ?? now) + pause : nil
        if let awake, awake > now {
          nextPing = awake
          return .wait
        }
        nextPing = keepsAlive ? now + pause : nil
        return keepsAlive ? .ping : .wait
      }
      if now - since >= max(Liveness.deadAfter, smoothedRoundTrip * 4) {
        state = .down
        isAnswered = false
        retry = Liveness.firstRetry
        nextPing = now + retry
        return .die
      }
      nextPing = now + max(Liveness.askAfter, smoothedRoundTrip)
      return .ping
    }
  }
}
