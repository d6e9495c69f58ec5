//  GatekeeperTarget.swift — a gateway with one peer, and somebody between them who sends what he likes.
//
//  The input is a list of acts, each a byte that says what and a byte for the rest:
//
//      0  bytes         the next `rest` bytes as a message
//      1  coded bytes   the same, with the code of who knows the gateway's key, so that the fuzzer comes past it
//      2  question      the peer's true question; `rest` bytes follow in pairs (place, XOR)
//      3  answer        the answer of the peer to the gateway's true question, changed in the same way
//      4  time          `rest` × 100 ms go by
//      5  begin         the gateway asks
//
//  Whatever comes: nothing traps, every message is counted once, only unchanged messages make sessions, and in the end
//  the two come to an agreement in one round trip.

import Crypto
import Handshake
import Primitives
import Sealing
import TestWorld
import Wire

func checkGatekeeper(_ bytes: [UInt8]) throws(Violation) {
  guard let library else { throw Violation("this machine has no cryptography") }
  let cryptography = SeededCryptography(library, seed: 1)
  let ours = identity(cryptography)
  let theirs = identity(cryptography)
  guard var gateway = Side(ours, remote: theirs.publicKey, firstIndex: 100),
    var peer = Side(theirs, remote: ours.publicKey, firstIndex: 200)
  else { throw Violation("two keys of chance give no secret") }
  // Soon busy, so that cookies are within reach.
  var limits = Gatekeeper.Limits()
  limits.calmPerSecond = 1
  limits.calmAtOnce = 8
  var gatekeeper = Gatekeeper(ours, limits: limits)
  var now = Instant(nanoseconds: 1_000_000_000)
  var sent: UInt64 = 0

  var acts = bytes[...]
  var most = 64
  while let act = acts.popFirst(), let rest = acts.popFirst(), most > 0 {
    most -= 1
    var message: [UInt8] = []
    var isTrue = false
    switch act % 6 {
    case 0, 1:
      message = Array(acts.prefix(Int(rest)))
      acts = acts.dropFirst(Int(rest))
      if act % 6 == 1 { recode(&message, for: ours) }
    case 2, 3:
      if act % 6 == 2 { peer.handshake.begin(at: now) } else { gateway.handshake.begin(at: now) }
      let question = act % 6 == 2 ? peer.drain() : gateway.drain()
      if act % 6 == 2 {
        message = question ?? []
      } else {
        message = question.flatMap { peer.answer($0, at: now) } ?? []
      }
      let before = message
      for _ in 0..<rest / 2 {
        guard let place = acts.popFirst(), let change = acts.popFirst(), !message.isEmpty else { break }
        message[Int(place) % message.count] ^= change
      }
      isTrue = message == before || onlySecondCode(message, before)
    case 4:
      now += .milliseconds(Int64(rest) * 100)
      gateway.handshake.expire(at: now)
      peer.handshake.expire(at: now)
    default:
      gateway.handshake.begin(at: now)
    }
    _ = gateway.drain()
    _ = peer.drain()
    if message.isEmpty { continue }
    let sessions = gateway.sessions
    gateway.receive(message, through: &gatekeeper, at: now)
    sent += 1
    try demand(isTrue || gateway.sessions == sessions, "a changed message made a session")
  }
  let seen = gatekeeper.counters
  let refused = seen.malformed + seen.wrongCode + seen.cookieWithheld + seen.overSource + seen.overLimit + seen.notForUs
  let counted = refused + seen.cookiesGiven + seen.initiations + seen.responses + seen.cookies
  try demand(counted == sent, "\(sent) messages, and \(counted) counted")

  now += .seconds(200)
  gateway.handshake.expire(at: now)
  peer.handshake.expire(at: now)
  gateway.handshake.cease()
  peer.handshake.cease()
  _ = gateway.drain()
  _ = peer.drain()
  gateway.handshake.begin(at: now)
  guard let question = gateway.drain(), let answer = peer.answer(question, at: now) else {
    throw Violation("the peer does not answer any more")
  }
  let sessions = gateway.sessions
  gateway.receive(answer, through: &gatekeeper, at: now)
  try demand(gateway.sessions == sessions + 1, "the two do not come to an agreement any more")
}

/// Made once: it looks at the processor.
private let library = try? LibraryCryptography.make()

/// One gateway's handshake, and what an engine does for it.
private struct Side: ~Copyable {
  var handshake: Handshake
  var sessions = 0
  private let identity: Identity
  private var lent: [UInt32] = []
  private var nextIndex: UInt32

  init?(_ identity: Identity, remote: PublicKey, firstIndex: UInt32) {
    guard
      let handshake = Handshake(
        identity, remote: remote, presharedKey: nil, incarnation: UInt64(firstIndex),
        wallClockAtZero: WallTime(seconds: 1_700_000_000, nanoseconds: 0))
    else { return nil }
    self.handshake = handshake
    self.identity = identity
    nextIndex = firstIndex
    _ = drain()
  }

  /// The last message that wants to be sent, if any.
  mutating func drain() -> [UInt8]? {
    var last: [UInt8]?
    while let message = handshake.nextMessage() { last = unsafe message.withBytes { unsafe Array($0) } }
    while handshake.nextSession() != nil { sessions += 1 }
    while handshake.nextProof() != nil {}
    while let index = handshake.nextRetired() { lent.removeAll { $0 == index } }
    while handshake.wantsIndex {
      lent.append(nextIndex)
      handshake.lend(nextIndex)
      nextIndex += 1
    }
    return last
  }

  mutating func answer(_ question: [UInt8], at now: Instant) -> [UInt8]? {
    var gatekeeper = Gatekeeper(identity)
    return receive(question, through: &gatekeeper, at: now)
  }

  @discardableResult
  mutating func receive(_ message: [UInt8], through gatekeeper: inout Gatekeeper, at now: Instant) -> [UInt8]? {
    let source: [UInt8] = [192, 0, 2, 1, 0, 1]
    unsafe message.withUnsafeBytes { message in
      unsafe source.withUnsafeBytes { source in
        switch unsafe gatekeeper.receive(message, from: source, at: now) {
        case .refused: break
        case .answer: break
        case .initiation(let opened): _ = handshake.receive(opened, at: now)
        case .response(let receiver): if lent.contains(receiver) { _ = unsafe handshake.receive(message, at: now) }
        case .cookie(let receiver): if lent.contains(receiver) { _ = unsafe handshake.receive(message, at: now) }
        }
      }
    }
    return drain()
  }
}

private func identity(_ cryptography: SeededCryptography) -> Identity {
  var secret = Secret()
  unsafe secret.withMutableBytes { unsafe cryptography.random($0) }
  return Identity(privateKey: secret, cryptography)
}

/// Puts the code there that only who knows the gateway's public key can compute.
private func recode(_ message: inout [UInt8], for identity: Identity) {
  let place: Int
  switch message.count {
  case Initiation.length: place = Initiation.mac1
  case Response.length: place = Response.mac1
  default: return
  }
  let name = Array("hawser mac1".utf8) + identity.publicKey.bytes
  var key = [UInt8](repeating: 0, count: 32)
  unsafe name.withUnsafeBytes { name in
    unsafe key.withUnsafeMutableBytes { unsafe identity.cryptography.hash([name], into: $0) }
  }
  let covered = Array(message[..<place])
  unsafe message.withUnsafeMutableBytes { message in
    let code = unsafe UnsafeMutableRawBufferPointer(rebasing: message[place..<place + HandshakeHeader.macLength])
    unsafe covered.withUnsafeBytes { covered in
      unsafe key.withUnsafeBytes { unsafe identity.cryptography.shortCode(key: $0, [covered], into: code) }
    }
  }
}

/// Who is not busy does not look at it.
private func onlySecondCode(_ message: [UInt8], _ other: [UInt8]) -> Bool {
  message.count == other.count
    && message.dropLast(HandshakeHeader.macLength) == other.dropLast(HandshakeHeader.macLength)
}
