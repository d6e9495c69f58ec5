//  Gatekeeper.swift — all that a stranger can reach: every handshake message comes here first, and most end here.
//
//  Why.  To open an initiation costs a multiplication on the curve, some 40 µs: 25,000 of them a second are a core.
//  What a stranger can make us do must cost him more than us, and must not cost our peers their session.
//
//  How.  The cheapest question first; whoever does not answer it right is counted and gone:
//
//      kind and length, zeros     ── else malformed                    a comparison
//      mac1                       ── else wrongCode                    0.4 µs; he does not know our key: silence
//      calm?  ──────────── yes ─────────────────────────┐              a counter
//      mac2                       ── else cookie reply  │              1.2 µs; he may forge his address: a cookie,
//      his share                  ── else overSource    │              or nothing when there are too many
//      our share                  ── else overLimit  ◀──┘
//      who asks (X25519, AEAD)    ── else notForUs
//
//  A gateway is busy from the moment when `calmPerSecond` is exceeded until a second after. A busy one asks for a
//  cookie, which proves that its owner receives at his address; then his address has an allowance. The last limit holds
//  even against ten thousand true addresses.
//
//  Responses come the same way, as they make us compute as well; cookie replies only when they are for a message that
//  we sent, which `Handshake` knows.
//
//  Rejected.  Cookies always: one more round trip for everyone, each two minutes. A limit for all instead of cookies:
//  then a flood with forged addresses locks the peers out.
//
//  Always true.  (1) Nothing is remembered of who was refused, but a bounded table of allowances. (2) What is refused
//  before the curve allocates nothing. (3) No answer to who does not know our public key. (4) An answer is shorter than
//  its question.
//
//  It has no deadline: cookie secrets change when they are next used.

public import Primitives
public import Sealing
import Wire

@safe public struct Gatekeeper: ~Copyable {
  public struct Limits: Sendable {
    /// Handshakes a second that are simply answered: 4 ms of computing. Lower, and a hub's restart with its branches'
    /// reconnecting costs all of them a round trip more; higher, and a stranger's flood costs what it can.
    public var calmPerSecond = 100
    public var calmAtOnce = 200
    /// How long a gateway stays busy after the last excess: it shall not flap within a flood.
    public var busyFor = Interval.seconds(1)
    /// For each address that has proved itself; a peer that retries on all its paths needs less.
    public var sourcePerSecond = 20
    public var sourceAtOnce = 10
    public var sources = 1_024
    /// Whatever happens: 8 % of a core.
    public var openingsPerSecond = 2_000
    public var openingsAtOnce = 500
    /// Cookie replies cost 5 µs each with the sending.
    public var cookiesPerSecond = 10_000
    public var cookiesAtOnce = 500

    public init() {}
  }

  public enum Verdict: Equatable, Sendable {
    /// Kind, length or zeros are not right.
    case malformed
    /// mac1 is not that of our public key.
    case wrongCode
    /// It would get a cookie, but too many others do.
    case cookieWithheld
    /// Its address asks too often.
    case overSource
    /// All together ask too often.
    case overLimit
    /// It was not sealed for us, or with a key that gives no secret.
    case notForUs
  }

  public struct Counters: Equatable, Sendable {
    public var malformed: UInt64 = 0
    public var wrongCode: UInt64 = 0
    public var cookieWithheld: UInt64 = 0
    public var overSource: UInt64 = 0
    public var overLimit: UInt64 = 0
    public var notForUs: UInt64 = 0
    /// Answered.
    public var cookiesGiven: UInt64 = 0
    /// Let in.
    public var initiations: UInt64 = 0
    public var responses: UInt64 = 0
    public var cookies: UInt64 = 0

    public init() {}
  }

  public enum Admission: ~Copyable {
    case refused(Verdict)
    /// A cookie reply, to be sent back to where the message came from.
    case answer(HandshakeMessage)
    /// For the peer with the key `remote`, if there is one.
    case initiation(OpenedInitiation)
    /// For the peer whose handshake uses this index, if there is one.
    case response(receiver: UInt32)
    case cookie(receiver: UInt32)
  }

  private var identity: Identity
  private let limits: Limits
  private var calm: Allowance
  private var busyUntil = Instant.zero
  private var openings: Allowance
  private var replies: Allowance
  private var sources: SourceAllowances
  private var jar: CookieJar
  private var codes = unsafe ShortCodes()
  public private(set) var counters = Counters()

  public init(_ identity: Identity, limits: Limits = Limits()) {
    self.identity = identity
    self.limits = limits
    calm = Allowance(perSecond: limits.calmPerSecond, atOnce: limits.calmAtOnce)
    openings = Allowance(perSecond: limits.openingsPerSecond, atOnce: limits.openingsAtOnce)
    replies = Allowance(perSecond: limits.cookiesPerSecond, atOnce: limits.cookiesAtOnce)
    sources = SourceAllowances(
      perSecond: limits.sourcePerSecond, atOnce: limits.sourceAtOnce, sources: limits.sources,
      salt: identity.cryptography.randomNumber())
    jar = CookieJar(identity.cryptography)
  }

  /// We have another key. Whoever wrote to the one of before is a stranger now.
  public mutating func setIdentity(_ identity: Identity) { self.identity = identity }

  /// Whether newcomers have to prove their address now.
  public func isBusy(at now: Instant) -> Bool { now < busyUntil }

  /// `source` is the address as 4 or 16 bytes and two bytes of port.
  public mutating func receive(
    _ message: UnsafeRawBufferPointer, from source: UnsafeRawBufferPointer, at now: Instant
  ) -> Admission {
    guard let header = unsafe HandshakeHeader(message) else { return refuse(.malformed) }
    let layout: MessageCodes
    let sender: UInt32
    switch header {
    case .cookieReply(let receiver):
      counters.cookies += 1
      return .cookie(receiver: receiver)
    case .initiation(let index): (layout, sender) = (.initiation, index)
    case .response(let index, _): (layout, sender) = (.response, index)
    }
    let mac1 = unsafe message.part(layout.mac1, HandshakeHeader.macLength)
    let isRight = unsafe codes.isCode(
      mac1, of: message.part(0, layout.mac1), key: identity.firstKey.bytes, identity.cryptography)
    guard isRight else { return refuse(.wrongCode) }

    if !calm.take(at: now) { busyUntil = now + limits.busyFor }
    if isBusy(at: now) {
      guard unsafe jar.isProven(message, layout, from: source, at: now) else {
        guard replies.take(at: now) else { return refuse(.cookieWithheld) }
        counters.cookiesGiven += 1
        return unsafe .answer(reply(to: sender, mac1: mac1, source, at: now))
      }
      guard unsafe sources.take(source, at: now) else { return refuse(.overSource) }
    }
    guard openings.take(at: now) else { return refuse(.overLimit) }

    if case .response(_, let receiver) = header {
      counters.responses += 1
      return .response(receiver: receiver)
    }
    guard let opened = unsafe OpenedInitiation(message, sender: sender, identity) else {
      return refuse(.notForUs)
    }
    counters.initiations += 1
    return .initiation(opened)
  }

  private mutating func refuse(_ verdict: Verdict) -> Admission {
    switch verdict {
    case .malformed: counters.malformed += 1
    case .wrongCode: counters.wrongCode += 1
    case .cookieWithheld: counters.cookieWithheld += 1
    case .overSource: counters.overSource += 1
    case .overLimit: counters.overLimit += 1
    case .notForUs: counters.notForUs += 1
    }
    return .refused(verdict)
  }

  private mutating func reply(
    to receiver: UInt32, mac1: UnsafeRawBufferPointer, _ source: UnsafeRawBufferPointer, at now: Instant
  ) -> HandshakeMessage {
    let cryptography = identity.cryptography
    let cookie = unsafe jar.cookie(for: source, at: now)
    let key = unsafe cryptography.cookieKey(identity.publicKey, mac1: mac1)
    var message = HandshakeMessage(.cookieReply(receiver: receiver), isAnswer: true)
    let keyBytes = unsafe key.bytes
    unsafe message.withMutableBytes { bytes in
      let nonce = unsafe bytes.part(CookieReply.nonce, CookieReply.nonceLength)
      unsafe cryptography.random(nonce)
      unsafe cookie.withBytes { cookie in
        unsafe cryptography.sealCookie(
          key: keyBytes, nonce: UnsafeRawBufferPointer(nonce), header: mac1, cookie,
          into: bytes.part(CookieReply.sealedCookie, CookieReply.cookieLength + Noise.tagLength))
      }
    }
    return message
  }
}

/// An initiation whose sender is known, though not yet proven.
@safe public struct OpenedInitiation: ~Copyable {
  /// Who says that he asks.
  public var remote: PublicKey { noise.remote }
  let sender: UInt32
  var noise: NoiseResponder
  private let sealedPayload: InlineArray<48, UInt8>

  init?(_ message: UnsafeRawBufferPointer, sender: UInt32, _ identity: Identity) {
    guard let ephemeral = unsafe PublicKey(message.part(Initiation.ephemeral, PublicKey.length)) else { return nil }
    let noise = unsafe NoiseResponder.read(
      prologue: Noise.prologue.bytes, privateKey: identity.privateKey, ourKey: identity.publicKey,
      theirEphemeral: ephemeral, sealedStatic: message.part(Initiation.sealedStatic, Noise.sealedKeyLength),
      identity.cryptography)
    guard let noise else { return nil }
    self.noise = noise
    self.sender = sender
    var sealed = InlineArray<48, UInt8>(repeating: 0)
    unsafe withUnsafeMutableBytes(of: &sealed) {
      unsafe $0.copyMemory(from: message.part(Initiation.sealedPayload, InitiationPayload.length + Noise.tagLength))
    }
    sealedPayload = sealed
  }

  /// Proves who asks, and reads what he says; nil when it is not he.
  mutating func readPayload(staticShared: borrowing Secret) -> InitiationPayload? {
    var text = InlineArray<32, UInt8>(repeating: 0)
    let sealed = sealedPayload
    return unsafe withUnsafeMutableBytes(of: &text) { text in
      let isTrue = unsafe withUnsafeBytes(of: sealed) { sealed in
        unsafe noise.readPayload(sealed, staticShared: staticShared, into: text)
      }
      return unsafe isTrue ? InitiationPayload(UnsafeRawBufferPointer(text)) : nil
    }
  }
}
