//  Judgement.swift — what becomes of each message, as the gatekeeper lets it in. The rules are in Handshake.swift.

public import Primitives
import Sealing
import Wire

extension Handshake {
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
    let finished = respond(initiation, suite, validCookie(at: now), into: &message)
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
    _ initiation: borrowing OpenedInitiation, _ suite: CipherSuite, _ cookie: Cookie?,
    into message: inout HandshakeMessage
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
    MessageCodes.response.seal(&message, firstKey: firstKey, cookie: cookie, cryptography)
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
