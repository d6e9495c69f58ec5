//  SymmetricState.swift — what both sides of a Noise handshake know so far: a chain of secrets, and a digest of all
//  that was said.
//
//  Section 5.2 of the Noise specification, and its words. Each secret that the two come to share is mixed into the
//  chain, and gives the key of what is sealed next; each byte that travels is mixed into the digest, which everything
//  sealed is bound to. So whoever changes one byte, or lacks one secret, opens nothing from there on.
//
//      chain   ──┬─ HKDF(ephemeral) ─┬─ HKDF(DH) ─┬─ … ─┬─ split ──▶ one key for each direction
//                └▶ key              └▶ key       └▶ key
//      digest  ─── HASH(· ‖ key or sealed bytes) ─── …
//
//  In our pattern a key exists before anything is sealed, so the state without one, which Noise knows, does not exist.

import Sealing

@safe struct SymmetricState: ~Copyable {
  private let cryptography: any Cryptography
  private var chain: Secret
  /// 32 bytes; no secret, but kept like one.
  private(set) var digest: Secret
  private var key = Secret()
  private var nonce: UInt64 = 0

  /// `name` is longer than a digest, as all names with our three algorithms are.
  init(name: StaticString, prologue: UnsafeRawBufferPointer, _ cryptography: any Cryptography) {
    self.cryptography = cryptography
    digest = unsafe cryptography.hash([name.bytes])
    chain = Secret(copying: digest)
    unsafe mixHash(prologue)
  }

  /// A second state that goes its own way: a response is tried on it, so that a forged one spoils nothing.
  init(copying other: borrowing SymmetricState) {
    cryptography = other.cryptography
    chain = Secret(copying: other.chain)
    digest = Secret(copying: other.digest)
    key = Secret(copying: other.key)
    nonce = other.nonce
  }

  mutating func mixHash(_ bytes: UnsafeRawBufferPointer) {
    digest = unsafe cryptography.hash([digest.bytes, bytes])
  }

  mutating func mixHash(_ publicKey: PublicKey) {
    unsafe publicKey.withBytes { unsafe mixHash($0) }
  }

  mutating func mixKey(_ input: UnsafeRawBufferPointer) {
    let extracted = unsafe cryptography.authenticate(key: chain, [input])
    chain = unsafe cryptography.expand(extracted, [], 1)
    key = unsafe cryptography.expand(extracted, [chain.bytes], 2)
    nonce = 0
  }

  mutating func mixKeyAndHash(_ input: UnsafeRawBufferPointer) {
    let extracted = unsafe cryptography.authenticate(key: chain, [input])
    chain = unsafe cryptography.expand(extracted, [], 1)
    let second = unsafe cryptography.expand(extracted, [chain.bytes], 2)
    key = unsafe cryptography.expand(extracted, [second.bytes], 3)
    nonce = 0
    unsafe mixHash(second.bytes)
  }

  /// `sealed` is 16 bytes longer than `text`.
  mutating func sealAndHash(_ text: UnsafeRawBufferPointer, into sealed: UnsafeMutableRawBufferPointer) {
    unsafe cryptography.seal(key: key, nonce: nonce, header: digest.bytes, text, into: sealed)
    nonce += 1
    unsafe mixHash(UnsafeRawBufferPointer(sealed))
  }

  /// False when it was not sealed by who knows the same; the state is of no use then.
  mutating func openAndHash(_ sealed: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer) -> Bool {
    guard unsafe cryptography.open(key: key, nonce: nonce, header: digest.bytes, sealed, into: text) else {
      return false
    }
    nonce += 1
    unsafe mixHash(sealed)
    return true
  }

  /// The keys of both directions: first the initiator's, then the responder's.
  consuming func split() -> Split {
    let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    let extracted = unsafe cryptography.authenticate(key: chain, [nothing])
    let fromInitiator = unsafe cryptography.expand(extracted, [], 1)
    let fromResponder = unsafe cryptography.expand(extracted, [fromInitiator.bytes], 2)
    return Split(fromInitiator: fromInitiator, fromResponder: fromResponder)
  }
}

/// What a finished handshake is for.
struct Split: ~Copyable {
  var fromInitiator: Secret
  var fromResponder: Secret
}

extension Cryptography {
  func hash(_ parts: [UnsafeRawBufferPointer]) -> Secret {
    var digest = Secret()
    unsafe digest.withMutableBytes { unsafe hash(parts, into: $0) }
    return digest
  }

  func authenticate(key: borrowing Secret, _ parts: [UnsafeRawBufferPointer]) -> Secret {
    var code = Secret()
    let keyBytes = unsafe key.bytes
    unsafe code.withMutableBytes { unsafe authenticate(key: keyBytes, parts, into: $0) }
    return code
  }

  /// One step of HKDF's second half: HMAC of what came before and the number of the step.
  func expand(_ extracted: borrowing Secret, _ before: [UnsafeRawBufferPointer], _ number: UInt8) -> Secret {
    unsafe withUnsafeBytes(of: number) { number in unsafe authenticate(key: extracted, before + [number]) }
  }

  /// A new secret that nobody can guess.
  func randomSecret() -> Secret {
    var secret = Secret()
    unsafe secret.withMutableBytes { unsafe random($0) }
    return secret
  }
}

extension StaticString {
  var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount) }
}

extension PublicKey {
  func withBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe withUnsafeBytes(of: words) { bytes throws(Failure) in try unsafe body(bytes) }
  }
}
