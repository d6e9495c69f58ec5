//  Hashing.swift — BLAKE2s: as a hash, under HMAC, and keyed with 16 bytes of result for the short codes.
//
//  Why the short codes differ.  Everything else is computed for somebody who knows our public key, a few times a
//  minute. A short code is computed for every message that a stranger sends, so a flood of them is a flood of these:
//  OpenSSL's context for it is kept, and gets only a new key (300 ns, of which most is the hash itself). A second
//  thread that needs it at the same moment makes one of its own.

import COpenSSL

final class Hashing: Sendable {
  fileprivate let hash: Algorithm
  private let hmac: Algorithm
  private let shortCode: Algorithm
  nonisolated(unsafe) private let kept: UnsafeMutablePointer<hawser_kept_mac>

  init() throws(CryptographyFailure) {
    hash = try Algorithm.hash("BLAKE2S-256")
    hmac = try Algorithm.code("HMAC")
    shortCode = try Algorithm.code("BLAKE2SMAC")
    kept = .allocate(capacity: 1)
    kept.initialize(to: hawser_kept_mac(context: hawser_mac_context(shortCode.pointer, 16, nil), busy: 0))
  }

  deinit {
    EVP_MAC_CTX_free(kept.pointee.context)
    kept.deallocate()
  }

  /// The kept context, or one for this time only.
  fileprivate func shortCode(
    _ key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into code: UnsafeMutableRawBufferPointer
  ) -> Bool {
    if hawser_kept_mac_claim(kept) != 0 {
      defer { hawser_kept_mac_release(kept) }
      return Hashing.compute(kept.pointee.context, key, parts, into: code)
    }
    let context = hawser_mac_context(shortCode.pointer, code.count, nil)
    defer { EVP_MAC_CTX_free(context) }
    return Hashing.compute(context, key, parts, into: code)
  }

  fileprivate func hmac(
    _ key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into code: UnsafeMutableRawBufferPointer
  ) -> Bool {
    let context = hawser_mac_context(hmac.pointer, code.count, "BLAKE2S-256")
    defer { EVP_MAC_CTX_free(context) }
    return Hashing.compute(context, key, parts, into: code)
  }

  private static func compute(
    _ context: OpaquePointer?, _ key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer],
    into code: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let context else { return false }
    // No address would mean the key of before, and an empty key is one.
    let isKeyed = withUnsafePointer(to: UInt8(0)) { EVP_MAC_init(context, key.start ?? $0, key.count, nil) == 1 }
    guard isKeyed else { return false }
    for part in parts where part.count > 0 && EVP_MAC_update(context, part.start, part.count) != 1 { return false }
    var length = 0
    return EVP_MAC_final(context, code.start, &length, code.count) == 1 && length == code.count
  }
}

extension LibraryCryptography {
  public func hash(_ parts: [UnsafeRawBufferPointer], into digest: UnsafeMutableRawBufferPointer) {
    precondition(digest.count == 32, "a hash has 32 bytes")
    let context = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(context) }
    var isHashed = EVP_DigestInit_ex2(context, hashing.hash.pointer, nil) == 1
    for part in parts where part.count > 0 {
      isHashed = isHashed && EVP_DigestUpdate(context, part.baseAddress, part.count) == 1
    }
    isHashed = isHashed && EVP_DigestFinal_ex(context, digest.start, nil) == 1
    precondition(isHashed, "OpenSSL always hashes")
  }

  public func authenticate(
    key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into code: UnsafeMutableRawBufferPointer
  ) {
    precondition(code.count == 32, "an HMAC has 32 bytes")
    precondition(hashing.hmac(key, parts, into: code), "OpenSSL always authenticates")
  }

  public func shortCode(
    key: UnsafeRawBufferPointer, _ parts: [UnsafeRawBufferPointer], into code: UnsafeMutableRawBufferPointer
  ) {
    precondition(code.count == 16 && (1...32).contains(key.count), "a short code has 16 bytes, its key 1 to 32")
    precondition(hashing.shortCode(key, parts, into: code), "OpenSSL always authenticates")
  }
}
