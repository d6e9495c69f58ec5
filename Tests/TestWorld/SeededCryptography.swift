//  SeededCryptography.swift — true cryptography with chance from a seed, so that every run can be run again.

public import Crypto
import Primitives
public import Sealing
import Synchronization

public final class SeededCryptography: Cryptography {
  private let library: LibraryCryptography
  private let chance: Mutex<SeededRandom>
  public let suites: [CipherSuite]
  private let tampering: Tampering?

  /// `suites` are those that this machine shall have, the fastest first.
  public init(
    _ library: LibraryCryptography, seed: UInt64, suites: [CipherSuite] = [.aes128GCM, .chaCha20Poly1305],
    tampering: Tampering? = nil
  ) {
    self.tampering = tampering
    self.library = library
    self.suites = suites
    chance = Mutex(SeededRandom(seed: seed))
  }

  public func random(_ bytes: UnsafeMutableRawBufferPointer) {
    chance.withLock { chance in
      for index in bytes.indices { unsafe bytes[index] = UInt8(truncatingIfNeeded: chance.next() >> 32) }
    }
  }

  public func implementation(of suite: CipherSuite) -> String { library.implementation(of: suite) }

  public func publicKey(of privateKey: borrowing Secret) -> PublicKey { library.publicKey(of: privateKey) }

  public func sharedSecret(_ privateKey: borrowing Secret, _ publicKey: PublicKey) -> Secret? {
    library.sharedSecret(privateKey, publicKey)
  }

  public func hash(_ parts: [UnsafeRawBufferPointer], into digest: UnsafeMutableRawBufferPointer) {
    unsafe library.hash(parts, into: digest)
  }

  public func authenticate(
    key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into code: UnsafeMutableRawBufferPointer
  ) {
    unsafe library.authenticate(key: key, parts, into: code)
  }

  public func shortCode(
    key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into code: UnsafeMutableRawBufferPointer
  ) {
    unsafe library.shortCode(key: key, parts, into: code)
  }

  public func seal(
    key: borrowing Secret, nonce: UInt64, header: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer,
    into result: UnsafeMutableRawBufferPointer
  ) {
    unsafe library.seal(key: key, nonce: nonce, header: header, text, into: result)
  }

  public func open(
    key: borrowing Secret, nonce: UInt64, header: UnsafeRawBufferPointer, _ sealed: UnsafeRawBufferPointer,
    into text: UnsafeMutableRawBufferPointer
  ) -> Bool {
    unsafe library.open(key: key, nonce: nonce, header: header, sealed, into: text)
  }

  public func sealCookie(
    key: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer, header: UnsafeRawBufferPointer,
    _ text: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) {
    unsafe library.sealCookie(key: key, nonce: nonce, header: header, text, into: result)
  }

  public func openCookie(
    key: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer, header: UnsafeRawBufferPointer,
    _ sealed: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer
  ) -> Bool {
    unsafe library.openCookie(key: key, nonce: nonce, header: header, sealed, into: text)
  }

  public func expand(_ suite: CipherSuite, sealing: borrowing Secret, masking: borrowing Secret) -> SealingKey {
    let key = unsafe library.expand(suite, sealing: sealing, masking: masking)
    return unsafe tampering?.wrap(key) ?? key
  }

  public func destroy(_ key: SealingKey) { unsafe library.destroy(tampering?.unwrap(key) ?? key) }
}
