//  NoiseState.swift — Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s: two messages after which two gateways share keys, and each
//  knows that the other is who he says.
//
//      IKpsk2:   <- s                            the responder's public key is in the initiator's configuration
//                -> e, es, s, ss, payload        initiation
//                <- e, ee, se, psk, payload      response
//
//  Each two letters are a Diffie–Hellman of the initiator's key and the responder's, (e)phemeral or (s)tatic. The
//  initiator's own public key travels sealed under `es`, so an observer learns neither name, and a stranger gets no
//  answer. `ee` makes the keys worthless to who steals the private ones tomorrow. The pre-shared key protects against
//  who can break X25519 one day; without one, it is zeros.
//
//  `ss` never changes between two gateways: it is computed once and handed in. So an initiation costs its receiver one
//  multiplication for learning who asks, and three more only when it is someone whom he knows.
//
//  Always true.  (1) After false or nil, nothing was learned and nothing may be used. (2) A forged response leaves the
//  initiator's state as it was. (3) Any prologue and any payload: the published vectors bring their own.
//
//  Not here.  Framing, time, cookies, what the payloads mean: `Handshake` and `Gatekeeper`.

import Sealing

enum Noise {
  static let name: StaticString = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
  /// Another protocol, or another version of ours, shares no key with this one.
  static let prologue: StaticString = "hawser 1"
  static let tagLength = 16
  static let sealedKeyLength = PublicKey.length + tagLength
}

/// Who asks. Made when the initiation is written, kept until a response fits.
@safe struct NoiseInitiator: ~Copyable {
  private let cryptography: any Cryptography
  private let ephemeral: Secret
  private var state: SymmetricState

  /// nil when the remote key is of small order. `ephemeralOut` gets 32 bytes, `staticOut` 48, `payloadOut` 16 more than
  /// the payload has.
  static func make(
    prologue: UnsafeRawBufferPointer, ephemeral: consuming Secret, ourKey: PublicKey, remote: PublicKey,
    staticShared: borrowing Secret, payload: UnsafeRawBufferPointer, ephemeralOut: UnsafeMutableRawBufferPointer,
    staticOut: UnsafeMutableRawBufferPointer, payloadOut: UnsafeMutableRawBufferPointer,
    _ cryptography: any Cryptography
  ) -> NoiseInitiator? {
    guard let shared = cryptography.sharedSecret(ephemeral, remote) else { return nil }
    var state = unsafe SymmetricState(name: Noise.name, prologue: prologue, cryptography)
    state.mixHash(remote)
    let ephemeralKey = cryptography.publicKey(of: ephemeral)
    unsafe ephemeralKey.withBytes { bytes in
      unsafe ephemeralOut.copyMemory(from: bytes)
      unsafe state.mixHash(bytes)
      unsafe state.mixKey(bytes)
    }
    unsafe state.mixKey(shared.bytes)
    unsafe ourKey.withBytes { bytes in unsafe state.sealAndHash(bytes, into: staticOut) }
    unsafe state.mixKey(staticShared.bytes)
    unsafe state.sealAndHash(payload, into: payloadOut)
    return NoiseInitiator(cryptography, ephemeral, state)
  }

  private init(_ cryptography: any Cryptography, _ ephemeral: consuming Secret, _ state: consuming SymmetricState) {
    self.cryptography = cryptography
    self.ephemeral = ephemeral
    self.state = state
  }

  /// nil when the response is not the answer of whom we asked.
  borrowing func finish(
    privateKey: borrowing Secret, presharedKey: borrowing Secret, theirEphemeral: PublicKey,
    sealedPayload: UnsafeRawBufferPointer, into payload: UnsafeMutableRawBufferPointer
  ) -> Finished? {
    var state = SymmetricState(copying: state)
    unsafe theirEphemeral.withBytes { bytes in
      unsafe state.mixHash(bytes)
      unsafe state.mixKey(bytes)
    }
    guard let both = cryptography.sharedSecret(ephemeral, theirEphemeral) else { return nil }
    unsafe state.mixKey(both.bytes)
    guard let ours = cryptography.sharedSecret(privateKey, theirEphemeral) else { return nil }
    unsafe state.mixKey(ours.bytes)
    unsafe state.mixKeyAndHash(presharedKey.bytes)
    guard unsafe state.openAndHash(sealedPayload, into: payload) else { return nil }
    return Finished(state)
  }
}

/// Who is asked.
@safe struct NoiseResponder: ~Copyable {
  private let cryptography: any Cryptography
  let theirEphemeral: PublicKey
  /// Who asks; proven only when the payload could be opened.
  let remote: PublicKey
  private var state: SymmetricState

  /// Reads up to who asks; nil when it was not sealed for us.
  static func read(
    prologue: UnsafeRawBufferPointer, privateKey: borrowing Secret, ourKey: PublicKey, theirEphemeral: PublicKey,
    sealedStatic: UnsafeRawBufferPointer, _ cryptography: any Cryptography
  ) -> NoiseResponder? {
    guard let shared = cryptography.sharedSecret(privateKey, theirEphemeral) else { return nil }
    var state = unsafe SymmetricState(name: Noise.name, prologue: prologue, cryptography)
    state.mixHash(ourKey)
    unsafe theirEphemeral.withBytes { bytes in
      unsafe state.mixHash(bytes)
      unsafe state.mixKey(bytes)
    }
    unsafe state.mixKey(shared.bytes)
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    let remote = unsafe withUnsafeMutableBytes(of: &words) { bytes -> PublicKey? in
      guard unsafe state.openAndHash(sealedStatic, into: bytes) else { return nil }
      return unsafe PublicKey(UnsafeRawBufferPointer(bytes))
    }
    guard let remote else { return nil }
    return NoiseResponder(cryptography, theirEphemeral, remote, state)
  }

  private init(
    _ cryptography: any Cryptography, _ theirEphemeral: PublicKey, _ remote: PublicKey,
    _ state: consuming SymmetricState
  ) {
    self.cryptography = cryptography
    self.theirEphemeral = theirEphemeral
    self.remote = remote
    self.state = state
  }

  /// False when it is not who it says.
  mutating func readPayload(
    _ sealedPayload: UnsafeRawBufferPointer, staticShared: borrowing Secret,
    into payload: UnsafeMutableRawBufferPointer
  ) -> Bool {
    unsafe state.mixKey(staticShared.bytes)
    return unsafe state.openAndHash(sealedPayload, into: payload)
  }

  /// nil when a key of the other's is of small order.
  borrowing func respond(
    ephemeral: consuming Secret, presharedKey: borrowing Secret, payload: UnsafeRawBufferPointer,
    ephemeralOut: UnsafeMutableRawBufferPointer, payloadOut: UnsafeMutableRawBufferPointer
  ) -> Finished? {
    guard let both = cryptography.sharedSecret(ephemeral, theirEphemeral),
      let theirs = cryptography.sharedSecret(ephemeral, remote)
    else { return nil }
    var state = SymmetricState(copying: state)
    unsafe cryptography.publicKey(of: ephemeral).withBytes { bytes in
      unsafe ephemeralOut.copyMemory(from: bytes)
      unsafe state.mixHash(bytes)
      unsafe state.mixKey(bytes)
    }
    unsafe state.mixKey(both.bytes)
    unsafe state.mixKey(theirs.bytes)
    unsafe state.mixKeyAndHash(presharedKey.bytes)
    unsafe state.sealAndHash(payload, into: payloadOut)
    return Finished(state)
  }
}

/// A handshake whose last byte is read or written.
struct Finished: ~Copyable {
  private let state: SymmetricState

  init(_ state: consuming SymmetricState) { self.state = state }

  /// 32 bytes that are the same on both sides and in no other handshake.
  var digest: UnsafeRawBufferPointer { unsafe state.digest.bytes }

  consuming func split() -> Split { state.split() }
}
