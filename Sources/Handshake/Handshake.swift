//  Handshake.swift — one peer's side of agreeing on keys, again and again: who asks, who answers, and what if all goes
//  wrong.
//
//  Why.  Keys change every two minutes while traffic flows, over paths that lose, repeat and reorder, between gateways
//  that restart without notice and may both begin at once. Nothing of it may stop the traffic, and nobody in the middle
//  may gain from sending old messages again.
//
//  How.  A question (initiation) and an answer (response). Three states, beside the ring of sessions:
//
//                        │ idle                 │ asking                │ yielding
//      ──────────────────┼──────────────────────┼───────────────────────┼─────────────────────────────────────────
//      begin             │ ask ▶ asking         │ nothing               │ nothing
//      their question    │ answer               │ answer ▶ yielding     │ answer
//        …asked before   │ same answer again while it is not confirmed; no new session (`repeated`)
//        …older          │ nothing (`stale`); if from another incarnation, ask back
//        …wrong          │ nothing (`notAuthentic`, `noCommonSuite`)
//      an answer         │ `unexpected`, or     │ session ▶ idle        │ the elder: session ▶ idle
//                        │ `repeated`           │                       │ the younger: nothing (`crossed`)
//        …wrong          │                      │ nothing, goes on (`notAuthentic`)
//      a cookie          │ repeat our answer    │ repeat with it, once in each pause
//      confirm(session)  │ send with it         │ send with it ▶ idle   │ send with it ▶ idle
//      pause is over     │                      │ repeat; after 10 s, ask anew; a yielding one is asking again
//
//  *Both begin at once.* Each answers the other; the elder (the greater public key) goes by the answer that he gets,
//  the younger, having answered, does not. So one session comes out of it, without a word more. If his answer was lost,
//  the elder repeats the question; if the elder is gone, the younger asks again after `yieldFor`.
//
//  *Confirmation.* An answerer sends with the new keys only when something authentic came with them (`confirm`), since
//  his answer may be lost. Until then he uses the old ones, which both still have: a rekey stops nothing.
//
//  An initiator sends a ping with the new session at once, and again after each pause until something comes back
//  (`nextProof`): without traffic of his own, a single datagram that is lost would leave the other side mute.
//
//  *Old questions.* A question carries its sender's wall clock, and must be later than the last one. Within a process
//  the clock is the monotonic one plus a constant, so it only grows. A gateway that restarts with its clock set back
//  cannot be told from somebody who replays its old questions; so it is not answered, but asked: the question goes to
//  where the old one came from, at most one at a time and one in `askBackEvery`. The restarted gateway can answer that,
//  and a replayer cannot. So no time is ever written to a disk.
//
//  *Indices.* A session's number is the engine's. It lends them: `lend` while `wantsIndex`. Each comes back once, by
//  `nextRetired`, alone or after its session.
//
//  Rejected.  Deciding a crossing by who answers at all: an elder whose questions do not arrive would never hear one.
//  A new question for each repetition: see Attempt.swift.
//
//  Always true.  (1) At most one question is open. (2) Whatever is not authentic changes nothing but a counter. (3) A
//  session comes from a question that was never answered before. (4) No index is in two places.

public import Primitives
public import Sealing
public import Wire

@safe public struct Handshake: ~Copyable {
  /// The last question that was answered.
  struct Answer {
    let question: PublicKey
    let localIndex: UInt32
    var message: HandshakeMessage
    var wasHurried = false
  }

  public let remote: PublicKey
  let identity: Identity
  var timing: Timing
  var presharedKey: Secret
  let staticShared: Secret
  /// What the first code of each message to the peer is computed with.
  let firstKey: Secret
  let isElder: Bool
  let incarnation: UInt64
  private let wallClockAtZero: WallTime

  var attempt: Attempt?
  /// What the attempt's answer needs.
  var noise: NoiseInitiator?
  /// When to ask next, if nothing happens before.
  var beginAt: Instant?
  /// The engine wants it, not the age of a session.
  private var isWanted = false
  private var lastAsked: WallTime?
  var lastAskedBack: Instant?
  var latest: (time: WallTime, incarnation: UInt64)?
  var answer: Answer?
  var cookie: (value: Cookie, until: Instant)?
  var ring: KeyRing<UInt32>
  /// The session that we began and that nothing has come with yet.
  private var unheard: (localIndex: UInt32, pause: Interval, nextPing: Instant)?
  private var owesPing = false

  var indices: [UInt32] = []
  private var retired: [UInt32] = []
  var messages: [HandshakeMessage] = []
  var session: NewSession?
  public internal(set) var counters = Counters()

  /// nil when the peer's key is our own, or of small order. `wallClockAtZero` is what the wall clock showed at the zero
  /// of the clock that `at now` comes from.
  public init?(
    _ identity: Identity, remote: PublicKey, presharedKey: consuming Secret?, incarnation: UInt64,
    wallClockAtZero: WallTime, timing: Timing = Timing()
  ) {
    guard remote != identity.publicKey,
      let staticShared = identity.cryptography.sharedSecret(identity.privateKey, remote)
    else { return nil }
    self.identity = identity
    self.remote = remote
    self.timing = timing
    self.incarnation = incarnation
    self.wallClockAtZero = wallClockAtZero
    self.staticShared = staticShared
    self.presharedKey = presharedKey ?? Secret()
    firstKey = identity.cryptography.firstKey(of: remote)
    isElder = remote.bytes.lexicographicallyPrecedes(identity.publicKey.bytes)
    ring = KeyRing(life: timing.sessionLife)
  }

  // MARK: Changes

  /// Both sides know other bytes besides their keys now. The session that there is stays until there is another, which
  /// the engine begins.
  public mutating func setPresharedKey(_ key: consuming Secret?) { presharedKey = key ?? Secret() }

  /// Keys become so old from now on.
  public mutating func setTiming(_ timing: Timing) {
    self.timing = timing
    ring.setLife(timing.sessionLife)
    if attempt == nil { planRekey() }
  }

  // MARK: Indices

  /// The engine lends until this is false, first thing and after each input: one for asking, one for answering.
  public var wantsIndex: Bool { indices.count < 2 }

  public mutating func lend(_ index: UInt32) {
    precondition(wantsIndex, "an index that nobody asked for")
    indices.append(index)
  }

  /// An index that is free again; if it had a session, its keys are to be destroyed. Drained after the sessions.
  public mutating func nextRetired() -> UInt32? { retired.isEmpty ? ring.nextRetired() : retired.removeFirst() }

  // MARK: Sessions

  /// The local index of the session to send with.
  public var sendingIndex: UInt32? { ring.sending?.token }

  /// Whether datagrams for this index are still opened.
  public func opens(_ localIndex: UInt32) -> Bool { ring.contains(localIndex) }

  /// Something authentic came with the keys of this session. To be said at least for the first datagram of each.
  public mutating func confirm(_ localIndex: UInt32, at now: Instant) {
    if unheard?.localIndex == localIndex { unheard = nil }
    guard ring.confirm(localIndex, isElder: isElder) else { return }
    counters.confirmed += 1
    endAttempt()
    planRekey()
  }

  /// The local index of a session to send a ping with, now: the other side waits for a first datagram.
  public mutating func nextProof() -> UInt32? {
    guard owesPing else { return nil }
    owesPing = false
    return unheard?.localIndex
  }

  /// A new session, to be taken before the next input.
  public mutating func nextSession() -> NewSession? { session.take() }

  public mutating func nextMessage() -> HandshakeMessage? { messages.isEmpty ? nil : messages.removeFirst() }

  // MARK: Asking

  /// Agree on keys now: at first contact, when a session has carried too much, or when the peer is silent. It goes on
  /// until it succeeds or `cease`.
  public mutating func begin(at now: Instant) {
    if attempt != nil {
      attempt?.endsAt = nil
    } else if let waiting = ring.unconfirmed, waiting.born + timing.yieldFor > now {
      beginAt = waiting.born + timing.yieldFor
      isWanted = true
    } else {
      ask(at: now, endsAt: nil)
    }
  }

  /// Do not ask any more: nobody knows where the peer is. Sessions stay, questions are answered.
  public mutating func cease() {
    endAttempt()
    beginAt = nil
    isWanted = false
  }

  /// After `cease`, when somebody needs the peer again: what is there is renewed in its time, and what is not is agreed
  /// on now.
  public mutating func resume(at now: Instant) {
    if attempt != nil || beginAt != nil { return }
    planRekey()
    if beginAt == nil { begin(at: now) }
  }

  /// The peer is no peer any more: all goes.
  public mutating func close() {
    cease()
    ring.removeAll()
    retired += indices
    indices = []
    answer = nil
    unheard = nil
    session = nil
    messages = []
  }

  public var deadline: Instant? {
    var earliest = ring.deadline
    func note(_ instant: Instant?) {
      if let instant, instant < earliest ?? instant + .nanoseconds(1) { earliest = instant }
    }
    if attempt != nil {
      note(attempt?.nextSend)
      note(attempt?.endsAt)
    } else {
      note(beginAt)
    }
    note(unheard?.nextPing)
    return earliest
  }

  public mutating func expire(at now: Instant) {
    ring.expire(at: now)
    if let unheard, unheard.nextPing <= now { pingAgain(unheard.localIndex, after: unheard.pause, at: now) }
    if let ends = attempt?.endsAt, ends <= now { endAttempt() }
    if let nextSend = attempt?.nextSend {
      if nextSend <= now { askAgain(at: now) }
    } else if let beginAt, beginAt <= now {
      // Who answered renews only as long as there is something to renew: the initiator may be gone for good.
      let sending = ring.sending
      let isOurs = isWanted || sending?.isInitiator ?? true
      ask(at: now, endsAt: isOurs ? nil : sending.map { $0.born + timing.sessionLife })
    }
  }

  mutating func ask(at now: Instant, endsAt: Instant?, isAnswer: Bool = false) {
    beginAt = nil
    isWanted = false
    guard !indices.isEmpty, makeAttempt(indices[0], at: now) else {
      counters.noIndex += 1
      beginAt = now + timing.firstPause
      isWanted = endsAt == nil
      return
    }
    indices.removeFirst()
    attempt?.endsAt = endsAt
    attempt?.pause = timing.firstPause
    counters.asked += 1
    sendQuestion(at: now, isAnswer: isAnswer)
  }

  private mutating func askAgain(at now: Instant) {
    guard let old = attempt else { return }
    if now - old.born < timing.initiationLife {
      counters.askedAgain += 1
    } else if makeAttempt(old.localIndex, at: now) {
      counters.asked += 1
    } else {
      return giveBack(old.localIndex)
    }
    attempt?.pause = min(old.pause * 2, timing.mostPause)
    attempt?.endsAt = old.endsAt
    attempt?.isYielding = false
    sendQuestion(at: now, isAnswer: false)
  }

  private mutating func makeAttempt(_ index: UInt32, at now: Instant) -> Bool {
    var time = wallClockAtZero.advanced(byNanoseconds: now.nanoseconds)
    if let lastAsked, time <= lastAsked { time = lastAsked.advanced(byNanoseconds: 1) }
    lastAsked = time
    let suites = identity.cryptography.suites
    let payload = InitiationPayload(
      incarnation: incarnation, time: time, suites: CipherSuites(suites).rawValue, favourite: suites.favourite)
    attempt = Attempt(
      &noise, identity, remote: remote, staticShared: staticShared, firstKey: firstKey, payload: payload,
      localIndex: index,
      cookie: validCookie(at: now), at: now)
    return attempt != nil
  }

  private mutating func sendQuestion(at now: Instant, isAnswer: Bool) {
    guard let pause = attempt?.pause, var message = attempt?.message else { return }
    message.isAnswer = isAnswer
    messages.append(message)
    let wait = pause + jitter(pause / 4)
    attempt?.nextSend = now + wait
    attempt?.wasHurried = isAnswer
  }

  /// Says it again at once, to where something came from that makes it worth while; once in each pause.
  mutating func hurry() {
    guard attempt?.wasHurried == false, var message = attempt?.message else { return }
    message.isAnswer = true
    messages.append(message)
    attempt?.wasHurried = true
    counters.askedAgain += 1
  }

  private mutating func endAttempt() {
    guard let old = attempt else { return }
    attempt = nil
    noise = nil
    giveBack(old.localIndex)
  }

  mutating func pingAgain(_ localIndex: UInt32, after pause: Interval, at now: Instant) {
    unheard = nil
    guard ring.sending?.token == localIndex else { return }
    owesPing = true
    unheard = (localIndex, min(pause * 2, timing.mostPause), now + pause + jitter(pause / 4))
  }

  private mutating func giveBack(_ index: UInt32) {
    if wantsIndex { indices.append(index) } else { retired.append(index) }
  }

  mutating func planRekey() {
    isWanted = false
    guard let sending = ring.sending else { return }
    beginAt =
      sending.isInitiator
      ? sending.born + timing.rekeyAfter - jitter(timing.rekeyEarly) : sending.born + timing.rekeyAfterAsResponder
  }

  /// By chance, up to so long.
  private func jitter(_ most: Interval) -> Interval {
    let share = identity.cryptography.randomNumber().multipliedFullWidth(by: UInt64(most.nanoseconds + 1)).high
    return .nanoseconds(Int64(share))
  }

  func validCookie(at now: Instant) -> Cookie? {
    guard let cookie, now < cookie.until else { return nil }
    return cookie.value
  }
}
