//  CopyingCryptography.swift — true cryptography, and datagrams that are copied with a cheap sum where they would be
//  sealed.
//
//  Why.  A world that simulates ten seconds of a hundred megabits seals and opens a quarter of a million datagrams, and
//  most of its time would go into that. What the engine must notice is kept: a tag depends on the key, the path, the
//  counter, the header and every bit of the text, so what was changed, or is opened with another key, is refused.
//
//  Nothing here is secret, and whoever wants to forge can. Places of segments are not masked. Worlds of GatewayWorld,
//  where there are strangers, use true cryptography.

import Crypto
import Sealing

final class CopyingCryptography: Cryptography {
  private let cryptography: SeededCryptography

  init(_ library: LibraryCryptography, seed: UInt64) { cryptography = SeededCryptography(library, seed: seed) }

  var suites: [CipherSuite] { cryptography.suites }
  func implementation(of suite: CipherSuite) -> String { "copying" }
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
    let context = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
    var word: UInt64 = 0
    for (index, byte) in Array(sealing.bytes).enumerated() { word ^= UInt64(byte) << UInt64(index % 8 * 8) }
    context.storeBytes(of: word, as: UInt64.self)
    return SealingKey(suite: suite, context: context, seal: copyingSeal, open: copyingOpen, mask: copyingMask)
  }

  func destroy(_ key: SealingKey) { key.context.deallocate() }
}

private let copyingSeal: SealingKey.Seal = { context, path, counter, header, source, length, target in
  let tag = tag(context, path, counter, header, source, length)
  if source != UnsafeRawPointer(target) { target.copyMemory(from: source, byteCount: length) }
  (target + length).storeBytes(of: tag, as: (UInt64, UInt64).self)
}

private let copyingOpen: SealingKey.Open = { context, path, counter, header, source, length, target in
  let tag = tag(context, path, counter, header, source, length)
  if (source + length).loadUnaligned(as: (UInt64, UInt64).self) != tag { return false }
  if source != UnsafeRawPointer(target) { target.copyMemory(from: source, byteCount: length) }
  return true
}

private let copyingMask: SealingKey.Mask = { _, _, count, masks in
  masks.initializeMemory(as: UInt8.self, repeating: 0, count: count * SealingKey.sampleLength)
}

/// Each step is undone by another, so a change of one word always shows.
private func tag(
  _ key: UnsafeRawPointer, _ path: UInt8, _ counter: UInt64, _ header: UnsafeRawPointer, _ text: UnsafeRawPointer,
  _ length: Int
) -> (UInt64, UInt64) {
  var one = key.load(as: UInt64.self) ^ counter &* 0x9e37_79b9_7f4a_7c15
  var other = UInt64(path) << 32 ^ UInt64(length)
  absorb(header, SealingKey.headerLength, &one, &other)
  absorb(text, length, &one, &other)
  return (one ^ other >> 32, other ^ one >> 32)
}

private func absorb(_ bytes: UnsafeRawPointer, _ count: Int, _ one: inout UInt64, _ other: inout UInt64) {
  var a = one
  var b = other
  var place = 0
  while place &+ 16 <= count {
    a = (a ^ bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)) &* 0xff51_afd7_ed55_8ccd
    b = (b ^ bytes.loadUnaligned(fromByteOffset: place &+ 8, as: UInt64.self)) &* 0xc4ce_b9fe_1a85_ec53
    place &+= 16
  }
  while place < count {
    a = (a ^ UInt64(bytes.load(fromByteOffset: place, as: UInt8.self))) &* 0xff51_afd7_ed55_8ccd
    place &+= 1
  }
  one = a ^ a >> 29
  other = b ^ b >> 31
}
