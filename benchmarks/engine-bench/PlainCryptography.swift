//  PlainCryptography.swift — true handshakes, and datagrams that are copied where they would be sealed.
//
//  What is to be counted is the engine: a library that takes other instructions on every processor would drown it.

import Crypto
import Sealing

final class PlainCryptography: Cryptography {
  private let cryptography: LibraryCryptography

  init(_ cryptography: LibraryCryptography) { self.cryptography = cryptography }

  var suites: [CipherSuite] { [.aes128GCM] }
  func implementation(of suite: CipherSuite) -> String { "nothing" }
  func random(_ bytes: UnsafeMutableRawBufferPointer) { cryptography.random(bytes) }
  func publicKey(of privateKey: borrowing Secret) -> PublicKey { cryptography.publicKey(of: privateKey) }
  func sharedSecret(_ privateKey: borrowing Secret, _ publicKey: PublicKey) -> Secret? {
    cryptography.sharedSecret(privateKey, publicKey)
  }
  func hash(_ parts: [UnsafeRawBufferPointer], into digest: UnsafeMutableRawBufferPointer) {
    cryptography.hash(parts, into: digest)
  }
  func authenticate(
    key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into code: UnsafeMutableRawBufferPointer
  ) { cryptography.authenticate(key: key, parts, into: code) }
  func shortCode(
    key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into code: UnsafeMutableRawBufferPointer
  ) { cryptography.shortCode(key: key, parts, into: code) }
  func seal(
    key: borrowing Secret, nonce: UInt64, header: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer,
    into result: UnsafeMutableRawBufferPointer
  ) { cryptography.seal(key: key, nonce: nonce, header: header, text, into: result) }
  func open(
    key: borrowing Secret, nonce: UInt64, header: UnsafeRawBufferPointer, _ sealed: UnsafeRawBufferPointer,
    into text: UnsafeMutableRawBufferPointer
  ) -> Bool { cryptography.open(key: key, nonce: nonce, header: header, sealed, into: text) }
  func sealCookie(
    key: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer, header: UnsafeRawBufferPointer,
    _ text: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer
  ) { cryptography.sealCookie(key: key, nonce: nonce, header: header, text, into: result) }
  func openCookie(
    key: UnsafeRawBufferPointer, nonce: UnsafeRawBufferPointer, header: UnsafeRawBufferPointer,
    _ sealed: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer
  ) -> Bool { cryptography.openCookie(key: key, nonce: nonce, header: header, sealed, into: text) }

  func expand(_ suite: CipherSuite, sealing: borrowing Secret, masking: borrowing Secret) -> SealingKey {
    SealingKey(
      suite: suite, context: UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64),
      seal: { _, _, _, _, source, length, destination in
        if source != UnsafeRawPointer(destination) { destination.copyMemory(from: source, byteCount: length) }
        (destination + length).storeBytes(of: (0, 0), as: (UInt64, UInt64).self)
      },
      open: { _, _, _, _, source, length, destination in
        if source != UnsafeRawPointer(destination) { destination.copyMemory(from: source, byteCount: length) }
        return true
      },
      mask: { _, _, count, masks in
        masks.initializeMemory(as: UInt8.self, repeating: 0, count: count * SealingKey.sampleLength)
      })
  }
  func destroy(_ key: SealingKey) { key.context.deallocate() }
}
