//  Attempt.swift — a question of ours that waits for its answer: what was said, when to say it again, and what to add.
//
//  It is repeated byte by byte, so that an answer to any of the copies fits; with a new question for every repetition,
//  an answer that takes longer than the pause would never be of use (a satellite's takes 600 ms). After
//  `initiationLife` it is asked anew, so that an ephemeral key never lives for long.

import Primitives
import Sealing
import Wire

struct Attempt {
  let localIndex: UInt32
  var message: HandshakeMessage
  let born: Instant
  /// Until the next repetition but one.
  var pause: Interval
  var nextSend: Instant
  /// Nobody wants it any more after this.
  var endsAt: Instant?
  /// The other side's question was answered meanwhile.
  var isYielding = false
  /// It was sent out of turn since the last repetition: once is enough, or two gateways could keep each other busy.
  var wasHurried = false

  /// What the answer needs is put into `noise`. nil when the remote key gives no secret.
  init?(
    _ noise: inout NoiseInitiator?, _ identity: Identity, remote: PublicKey, staticShared: borrowing Secret,
    firstKey: borrowing Secret,
    payload: InitiationPayload, localIndex: UInt32, cookie: Cookie?, at now: Instant
  ) {
    let cryptography = identity.cryptography
    var message = HandshakeMessage(.initiation(sender: localIndex), isAnswer: false)
    var text = InlineArray<32, UInt8>(repeating: 0)
    unsafe withUnsafeMutableBytes(of: &text) { text in
      if let start = text.baseAddress { unsafe payload.write(to: start) }
    }
    noise = unsafe withUnsafeBytes(of: text) { text in
      unsafe message.withMutableBytes { bytes in
        unsafe NoiseInitiator.make(
          prologue: Noise.prologue.bytes, ephemeral: cryptography.randomSecret(), ourKey: identity.publicKey,
          remote: remote, staticShared: staticShared, payload: text,
          ephemeralOut: bytes.part(Initiation.ephemeral, PublicKey.length),
          staticOut: bytes.part(Initiation.sealedStatic, Noise.sealedKeyLength),
          payloadOut: bytes.part(Initiation.sealedPayload, InitiationPayload.length + Noise.tagLength), cryptography)
      }
    }
    guard noise != nil else { return nil }
    MessageCodes.initiation.seal(&message, firstKey: firstKey, cookie: cookie, cryptography)
    self.localIndex = localIndex
    self.message = message
    born = now
    pause = .zero
    nextSend = now
  }
}
