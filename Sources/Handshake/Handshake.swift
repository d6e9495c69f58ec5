//  Handshake.swift — one peer's side of agreeing on keys, again and again: who asks, who answers, and what if all goes wrong.
//
//  Why.  Keys change every two minutes while traffic flows, over paths that lose, repeat and reorder, between gateways that
//  restart without notice and may both begin at once. Nothing of it may stop the traffic, and nobody in the middle
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
//  *Both begin at once.* Each answers the other; the elder (the greater public key) goes by the answer that he gets, the
//  younger, having answered, does not. So one session comes out of it, without a word more. If his answer was lost,
//  the elder repeats the question; if the elder is gone, the younger asks again after `yieldFor`.
//
//  *Confirmation.* An answerer sends with the new keys only when something authentic came with them (`confirm`), since his
//  answer may be lost. Until then he uses the old ones, which both still have: a rekey stops nothing.
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
//  Always true.  (1) At most one question is open. (2) Whatever is not authentic changes nothing but a counter. (3) A session
//  comes from a question that was never answered before. (4) No index is in two places.

public import Primitives
public import Sealing
public import Wire

@safe public struct Handshake: ~Copyable {
  public struct Timing: Sendable {
    /// Before the first repetition; it doubles up to `mostPause`. Shorter than most round trips would be noise; a gateway
    /// that restarts should be back within a second.
    public var firstPause = Interval.milliseconds(250)
    public var mostPause = Interval.seconds(5)
    /// How long one question is repeated.
    public var initiationLife = Interval.seconds(10)
    /// How long who has answered waits for the confirmation before he asks himself.
    public var yieldFor = Interval.seconds(1)
    public var askBackEvery = Interval.seconds(5)
    /// The initiator renews a session at this age; up to `rekeyEarly` before, by chance, so that a hub's thousand
    /// branches, once together, drift apart.
    public var rekeyAfter = Interval.seconds(120)
    public var rekeyEarly = Interval.seconds(10)
    /// The responder does at this age, when the initiator did not.
    public var rekeyAfterAsResponder = Interval.seconds(130)
    /// Keys are destroyed at this age, whatever happened.
    public var sessionLife = Interval.seconds(180)
    /// The other side forgets its secret after 2 to 4 minutes.
    public var cookieLife = Interval.seconds(120)

    public init() {}
  }

  public enum Verdict: Equatable, CaseIterable, Sendable {
    /// A question was answered: there is a session that waits for its confirmation.
    case answered
    /// An answer came: there is a session.
    case completed
    /// A copy of what came before.
    case repeated
    /// A question older than one that we know.
    case stale
    /// An answer to a question that we gave up for theirs.
    case crossed
    /// An answer or a cookie to nothing that we asked.
    case unexpected
    /// Not from this peer, or changed on the way.
    case notAuthentic
    case noCommonSuite
    /// The engine lent no index.
    case noIndex
    case cookieTaken
  }

  public struct Counters: Equatable, Sendable {
    public var answered: UInt64 = 0
    public var completed: UInt64 = 0
    public var repeated: UInt64 = 0
    public var stale: UInt64 = 0
    public var crossed: UInt64 = 0
    public var unexpected: UInt64 = 0
    public var notAuthentic: UInt64 = 0
    public var noCommonSuite: UInt64 = 0
    public var noIndex: UInt64 = 0
    public var cookieTaken: UInt64 = 0
    /// Questions of ours, and repetitions of them.
    public var asked: UInt64 = 0
    public var askedAgain: UInt64 = 0
    public var confirmed: UInt64 = 0
  }

  /// The last question that was answered.
  private struct Answer {
    let question: PublicKey
    let localIndex: UInt32
    var message: HandshakeMessage
    var wasHurried = false
  }

  public let remote: PublicKey
  private let identity: Identity
  private let timing: Timing
  private let presharedKey: Secret
  private let staticShared: Secret
  /// What the first code of each message to the peer is computed with.
  private let firstKey: Secret
  private let isElder: Bool
  private let incarnation: UInt64
  private let wallClockAtZero: WallTime

  private var attempt: Attempt?
  /// What the attempt's answer needs.
  private var noise: NoiseInitiator?
  /// When to ask next, if nothing happens before.
  private var beginAt: Instant?
  private var lastAsked: WallTime?
  private var lastAskedBack: Instant?
  private var latest: (time: WallTime, incarnation: UInt64)?
  private var answer: Answer?
  private var cookie: (value: Cookie, until: Instant)?
  private var ring: KeyRing<UInt32>
  /// The session that we began and that nothing has come with yet.
  private var unheard: (localIndex: UInt32, pause: Interval, nextPing: Instant)?
  private var owesPing = false

  private var indices: [UInt32] = []
  private var retired: [UInt32] = []
  private var messages: [HandshakeMessage] = []
  private var session: NewSession?
  public private(set) var counters = Counters()

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

  // MARK: Indices

  /// The engine lends until this is false, first thing and after each input: one for asking, one for answering.
  public var wantsIndex: Bool { indices.count < 2 }

  public mutating func lend(_ index: UInt32) { indices.append(index) }

  /// An index that is free again; if it had a session, its keys are to be destroyed.
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

  /// Agree on keys now: at first contact, when a session has carried too much, or when the peer is silent. It goes on until
  /// it succeeds or `cease`.
  public mutating func begin(at now: Instant) {
    if attempt != nil {
      attempt?.endsAt = nil
    } else if let waiting = ring.unconfirmed, waiting.born + timing.yieldFor > now {
      beginAt = waiting.born + timing.yieldFor
    } else {
      ask(at: now, endsAt: nil)
    }
  }

  /// Do not ask any more: nobody knows where the peer is. Sessions stay, questions are answered.
  public mutating func cease() {
    endAttempt()
    beginAt = nil
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
      let isOurs = sending?.isInitiator ?? true
      ask(at: now, endsAt: isOurs ? nil : sending.map { $0.born + timing.sessionLife })
    }
  }

  private mutating func ask(at now: Instant, endsAt: Instant?, isAnswer: Bool = false) {
    beginAt = nil
    guard !indices.isEmpty, makeAttempt(indices[0], at: now) else {
      counters.noIndex += 1
      beginAt = now + timing.firstPause
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
  private mutating func hurry() {
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

  private mutating func pingAgain(_ localIndex: UInt32, after pause: Interval, at now: Instant) {
    unheard = nil
    guard ring.sending?.token == localIndex else { return }
    owesPing = true
    unheard = (localIndex, min(pause * 2, timing.mostPause), now + pause + jitter(pause / 4))
  }

  private mutating func giveBack(_ index: UInt32) {
    if wantsIndex { indices.append(index) } else { retired.append(index) }
  }

  private mutating func planRekey() {
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

  private func validCookie(at now: Instant) -> Cookie? {
    guard let cookie, now < cookie.until else { return nil }
    return cookie.value
  }

  // MARK: Messages, as the gatekeeper lets them in

  public mutating func receive(_ initiation: consuming OpenedInitiation, at now: Instant) -> Verdict {
    count(judge(initiation, at: now))
  }

  /// A response, or a cookie reply, whose `receiver` is an index that was lent to this handshake.
  public mutating func receive(_ message: UnsafeRawBufferPointer, at now: Instant) -> Verdict {
    switch unsafe HandshakeHeader(message) {
    case .response(let sender, let receiver):
      count(unsafe judge(message, sender: sender, receiver: receiver, at: now))
    case .cookieReply(let receiver):
      count(unsafe judge(cookieReply: message, receiver: receiver, at: now))
    case .initiation, nil:
      count(.unexpected)
    }
  }

  private mutating func judge(_ initiation: consuming OpenedInitiation, at now: Instant) -> Verdict {
    guard initiation.remote == remote, let payload = initiation.readPayload(staticShared: staticShared) else {
      return .notAuthentic
    }
    let question = initiation.noise.theirEphemeral
    if let latest, payload.time <= latest.time {
      if let answer, answer.question == question {
        if ring.unconfirmed?.token == answer.localIndex { messages.append(answer.message) }
        return .repeated
      }
      if payload.incarnation != latest.incarnation { askBack(at: now) }
      return .stale
    }
    let ours = identity.cryptography.suites
    let suite = CipherSuites.choose(
      CipherSuites(ours), favourite: ours.favourite, CipherSuites(rawValue: payload.suites),
      favourite: payload.favourite)
    guard let suite else { return .noCommonSuite }
    guard let index = indices.last else { return .noIndex }

    var message = HandshakeMessage(.response(sender: index, receiver: initiation.sender), isAnswer: true)
    let remoteIndex = initiation.sender
    let finished = respond(initiation, suite, into: &message)
    guard let finished else { return .notAuthentic }
    indices.removeLast()
    latest = (payload.time, payload.incarnation)
    answer = Answer(question: question, localIndex: index, message: message)
    messages.append(message)
    ring.add(index, isInitiator: false, at: now)
    session = NewSession(
      localIndex: index, remoteIndex: remoteIndex, suite: suite, isInitiator: false,
      incarnation: payload.incarnation, split: finished.split(), identity.cryptography)
    if let nextSend = attempt?.nextSend {
      attempt?.isYielding = true
      attempt?.nextSend = max(nextSend, now + timing.yieldFor)
    } else if let planned = beginAt {
      beginAt = max(planned, now + timing.yieldFor)
    }
    return .answered
  }

  private func respond(
    _ initiation: borrowing OpenedInitiation, _ suite: CipherSuite, into message: inout HandshakeMessage
  ) -> Finished? {
    let cryptography = identity.cryptography
    var text = InlineArray<16, UInt8>(repeating: 0)
    let payload = ResponsePayload(incarnation: incarnation, suite: suite.rawValue)
    unsafe withUnsafeMutableBytes(of: &text) { text in
      if let start = text.baseAddress { unsafe payload.write(to: start) }
    }
    let finished = unsafe withUnsafeBytes(of: text) { text in
      unsafe message.withMutableBytes { bytes in
        unsafe initiation.noise.respond(
          ephemeral: cryptography.randomSecret(), presharedKey: presharedKey, payload: text,
          ephemeralOut: bytes.part(Response.ephemeral, PublicKey.length),
          payloadOut: bytes.part(Response.sealedPayload, ResponsePayload.length + Noise.tagLength))
      }
    }
    MessageCodes.response.seal(&message, firstKey: firstKey, cookie: cookie?.value, cryptography)
    return finished
  }

  /// Somebody sends an old question of another incarnation: either the peer, with its clock set back, or a replayer.
  private mutating func askBack(at now: Instant) {
    if attempt != nil { return hurry() }
    if let lastAskedBack, now - lastAskedBack < timing.askBackEvery { return }
    lastAskedBack = now
    let planned = beginAt
    ask(at: now, endsAt: now + timing.initiationLife, isAnswer: true)
    beginAt = planned
  }

  private mutating func judge(
    _ message: UnsafeRawBufferPointer, sender: UInt32, receiver: UInt32, at now: Instant
  ) -> Verdict {
    guard attempt?.localIndex == receiver else { return ring.contains(receiver) ? .repeated : .unexpected }
    if attempt?.isYielding == true && !isElder { return .crossed }
    guard let ephemeral = unsafe PublicKey(message.part(Response.ephemeral, PublicKey.length)) else {
      return .notAuthentic
    }
    var text = InlineArray<16, UInt8>(repeating: 0)
    let sealed = unsafe message.part(Response.sealedPayload, ResponsePayload.length + Noise.tagLength)
    let finished = unsafe withUnsafeMutableBytes(of: &text) { text in
      unsafe noise?.finish(
        privateKey: identity.privateKey, presharedKey: presharedKey, theirEphemeral: ephemeral, sealedPayload: sealed,
        into: text)
    }
    let payload = unsafe withUnsafeBytes(of: text) { unsafe ResponsePayload($0) }
    guard let finished, let payload else { return .notAuthentic }
    guard let suite = CipherSuite(rawValue: payload.suite),
      CipherSuites(identity.cryptography.suites).contains(suite)
    else { return .noCommonSuite }
    attempt = nil
    noise = nil
    ring.add(receiver, isInitiator: true, at: now)
    session = NewSession(
      localIndex: receiver, remoteIndex: sender, suite: suite, isInitiator: true, incarnation: payload.incarnation,
      split: finished.split(), identity.cryptography)
    pingAgain(receiver, after: timing.firstPause, at: now)
    planRekey()
    return .completed
  }

  /// The peer is busy, and wants to see that we are where we say.
  private mutating func judge(
    cookieReply message: UnsafeRawBufferPointer, receiver: UInt32, at now: Instant
  ) -> Verdict {
    if attempt?.localIndex == receiver, var question = attempt?.message {
      guard let cookie = unsafe open(message, to: question, .initiation) else { return .notAuthentic }
      self.cookie = (cookie, now + timing.cookieLife)
      MessageCodes.initiation.prove(&question, cookie, identity.cryptography)
      attempt?.message = question
      hurry()
      return .cookieTaken
    }
    guard var last = answer, last.localIndex == receiver, ring.unconfirmed?.token == receiver else {
      return .unexpected
    }
    guard let cookie = unsafe open(message, to: last.message, .response) else { return .notAuthentic }
    self.cookie = (cookie, now + timing.cookieLife)
    MessageCodes.response.prove(&last.message, cookie, identity.cryptography)
    if !last.wasHurried { messages.append(last.message) }
    last.wasHurried = true
    answer = last
    return .cookieTaken
  }

  private func open(
    _ reply: UnsafeRawBufferPointer, to message: HandshakeMessage, _ layout: MessageCodes
  ) -> Cookie? {
    let cryptography = identity.cryptography
    var cookie = Cookie()
    let isOurs = unsafe message.withBytes { bytes in
      let mac1 = unsafe bytes.part(layout.mac1, HandshakeHeader.macLength)
      let key = unsafe cryptography.cookieKey(remote, mac1: mac1)
      let keyBytes = unsafe key.bytes
      return unsafe cookie.withMutableBytes { cookie in
        unsafe cryptography.openCookie(
          key: keyBytes, nonce: reply.part(CookieReply.nonce, CookieReply.nonceLength), header: mac1,
          reply.part(CookieReply.sealedCookie, CookieReply.cookieLength + Noise.tagLength), into: cookie)
      }
    }
    return isOurs ? cookie : nil
  }

  private mutating func count(_ verdict: Verdict) -> Verdict {
    switch verdict {
    case .answered: counters.answered += 1
    case .completed: counters.completed += 1
    case .repeated: counters.repeated += 1
    case .stale: counters.stale += 1
    case .crossed: counters.crossed += 1
    case .unexpected: counters.unexpected += 1
    case .notAuthentic: counters.notAuthentic += 1
    case .noCommonSuite: counters.noCommonSuite += 1
    case .noIndex: counters.noIndex += 1
    case .cookieTaken: counters.cookieTaken += 1
    }
    return verdict
  }
}

extension [CipherSuite] {
  /// The number of the fastest; zero when there is none.
  var favourite: UInt8 { first?.rawValue ?? 0 }
}
