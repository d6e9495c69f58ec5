//  Cryptography.swift — what the cores need of cryptography, as an interface. `Crypto` fills it with libraries; nothing
//  here computes anything.
//
//  The names of the Noise protocol framework: DH is X25519, HASH is BLAKE2s, the handshake's AEAD is ChaCha20-Poly1305
//  with a counter nonce. All of it happens a few times a minute and may take microseconds; what happens for every
//  datagram is in `SealingKey`.

public protocol Cryptography: AnyObject, Sendable {
  /// Fills with bytes that nobody can guess. A simulation gives bytes from its seed.
  func random(_ bytes: UnsafeMutableRawBufferPointer)

  /// X25519 with the base point.
  func publicKey(of privateKey: borrowing Secret) -> PublicKey

  /// X25519. nil when the other's key is of small order, so that the result would be no secret.
  func sharedSecret(_ privateKey: borrowing Secret, _ publicKey: PublicKey) -> Secret?

  /// BLAKE2s, 32 bytes, of several strings one after the other.
  func hash(_ parts: [UnsafeRawBufferPointer], into digest: UnsafeMutableRawBufferPointer)

  /// HMAC with that hash, 32 bytes.
  func authenticate(
    key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into code: UnsafeMutableRawBufferPointer)

  /// Keyed BLAKE2s with a digest of 16 bytes: the short codes that a stranger's message must carry. Fast, since it is
  /// what a flood costs us.
  func shortCode(
    key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into code: UnsafeMutableRawBufferPointer)

  /// ChaCha20-Poly1305, nonce = four zeros and the counter (8 bytes, little-endian), as Noise wants it. The result is
  /// 16 bytes longer than the text.
  func seal(
    key: borrowing Secret, nonce: UInt64, header: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer,
    into result: UnsafeMutableRawBufferPointer)

  /// The other way round; false when it was not sealed with this key, nonce and header.
  func open(
    key: borrowing Secret, nonce: UInt64, header: UnsafeRawBufferPointer, _ sealed: UnsafeRawBufferPointer,
    into text: UnsafeMutableRawBufferPointer
  ) -> Bool

  /// The same with any nonce of 12 bytes, for cookies: whoever sends one draws its nonce at random. After 2³² of them
  /// under one key, the chance that two nonces were the same is 2⁻³³, and then a stranger learns the XOR of two old
  /// cookies.
  func sealCookie(
    key: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer, header: UnsafeRawBufferPointer,
    _ text: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer)
  func openCookie(
    key: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer, header: UnsafeRawBufferPointer,
    _ sealed: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer
  ) -> Bool

  /// What can seal datagrams here, the fastest first.
  var suites: [CipherSuite] { get }

  /// Which library does it, for people.
  func implementation(of suite: CipherSuite) -> String

  /// Keys of one direction of a session, ready to use. `sealing` is for the datagrams, `masking` for their headers; a
  /// suite that needs fewer than 32 bytes takes the first ones.
  func expand(_ suite: CipherSuite, sealing: borrowing Secret, masking: borrowing Secret) -> SealingKey
  func destroy(_ key: SealingKey)
}

extension Cryptography {
  /// 64 bits that nobody can guess.
  public func randomNumber() -> UInt64 {
    var number: UInt64 = 0
    unsafe withUnsafeMutableBytes(of: &number) { unsafe random($0) }
    return number
  }
}
