//  CookieJar.swift — cookies that we need not remember: each is a code of its address under a secret of ours.
//
//  A new secret comes every two minutes, and the one before it remains good, so a cookie is good for two to four
//  minutes and a change of secrets refuses nobody. Nothing is allocated after `init`: a flood comes through here.

import Primitives
import Sealing
import Wire

@safe struct CookieJar: ~Copyable {
  /// Shorter, and peers on slow retries would ask again; longer, and a cookie that was overheard helps for longer.
  static let secretLife = Interval.seconds(120)

  private let cryptography: any Cryptography
  private var current = Secret()
  private var previous = Secret()
  private var born: Instant?
  private var codes = unsafe ShortCodes()

  init(_ cryptography: any Cryptography) { self.cryptography = cryptography }

  mutating func cookie(for source: UnsafeRawBufferPointer, at now: Instant) -> Cookie {
    refresh(at: now)
    return unsafe codes.cookie(current, source, cryptography)
  }

  /// Whether who sent this message has seen a cookie of ours at this address.
  mutating func isProven(
    _ message: UnsafeRawBufferPointer, _ layout: MessageCodes, from source: UnsafeRawBufferPointer, at now: Instant
  ) -> Bool {
    let claimed = unsafe message.part(layout.mac2, HandshakeHeader.macLength)
    // Most of a flood claims nothing, which is found without four codes.
    if unsafe claimed.allSatisfy({ $0 == 0 }) { return false }
    refresh(at: now)
    let covered = unsafe message.part(0, layout.mac2)
    let byCurrent = unsafe codes.cookie(current, source, cryptography)
    if unsafe codes.isCode(claimed, of: covered, key: byCurrent, cryptography) { return true }
    let byPrevious = unsafe codes.cookie(previous, source, cryptography)
    return unsafe codes.isCode(claimed, of: covered, key: byPrevious, cryptography)
  }

  private mutating func refresh(at now: Instant) {
    if let born, now - born < CookieJar.secretLife { return }
    let isOld = born.map { now - $0 >= CookieJar.secretLife * 2 } ?? true
    swap(&previous, &current)
    unsafe current.withMutableBytes { unsafe cryptography.random($0) }
    // What nobody used for so long is not the secret of the last two minutes.
    if isOld { unsafe previous.withMutableBytes { unsafe cryptography.random($0) } }
    born = now
  }
}

/// Short codes without an allocation: the list that `shortCode` wants is kept and filled again.
@unsafe struct ShortCodes {
  private var parts = unsafe [UnsafeRawBufferPointer(start: nil, count: 0)]

  mutating func cookie(
    _ secret: borrowing Secret, _ source: UnsafeRawBufferPointer, _ cryptography: any Cryptography
  ) -> Cookie {
    var cookie = Cookie()
    let key = unsafe secret.bytes
    unsafe parts[0] = source
    let parts = unsafe parts
    unsafe cookie.withMutableBytes { unsafe cryptography.shortCode(key: key, parts, into: $0) }
    return cookie
  }

  mutating func isCode(
    _ claimed: UnsafeRawBufferPointer, of bytes: UnsafeRawBufferPointer, key: Cookie, _ cryptography: any Cryptography
  ) -> Bool {
    unsafe key.withBytes { key in unsafe isCode(claimed, of: bytes, key: key, cryptography) }
  }

  mutating func isCode(
    _ claimed: UnsafeRawBufferPointer, of bytes: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer,
    _ cryptography: any Cryptography
  ) -> Bool {
    unsafe parts[0] = bytes
    let parts = unsafe parts
    var code = Cookie()
    unsafe code.withMutableBytes { unsafe cryptography.shortCode(key: key, parts, into: $0) }
    return unsafe code.withBytes { unsafe isEqualInConstantTime($0, claimed) }
  }
}
