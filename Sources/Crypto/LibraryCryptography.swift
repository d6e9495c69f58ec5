//  LibraryCryptography.swift — cryptography by Debian's libraries. None of it is ours; what is ours is the choice.
//
//  Why.  A datagram of 1,400 bytes costs about 500 ns to carry and 100 to 1,000 to seal: which library does it decides
//  how fast a gateway is. `make` looks at the processor once and takes the fastest that there is; everything that
//  happens a few times a minute is OpenSSL's.
//
//      suite                  x86 with AES instructions   x86 without     elsewhere
//      AES-128-GCM            ipsec-mb                    OpenSSL         OpenSSL
//      ChaCha20-Poly1305      ipsec-mb                    ipsec-mb        OpenSSL
//
//  `suites` begins with AES where the processor has instructions for it (x86, ARMv8), with ChaCha20 where it has not:
//  AES in software is the slower one, and its time may tell of the key.
//
//  Threads.  Every function may be called by any thread; a key that `expand` returned, by one at a time. Most of what
//  the handshake asks for makes and frees its own state in OpenSSL, except the short codes, where a stranger decides
//  how often they are computed: see `Hashing`.
//
//  Always true.  (1) A stranger's bytes end in a value: nil, false. What stops the program is OpenSSL's refusal to
//  hash, to seal or to give random bytes, which it has no reason for but missing memory. (2) OpenSSL wipes what it
//  frees, and we do.

import COpenSSL
public import Sealing

public final class LibraryCryptography: Cryptography {
  /// Who seals datagrams.
  public enum Library: CaseIterable, Sendable {
    case multiBuffer
    case openSSL
  }

  public let suites: [CipherSuite]
  private let ciphers: [DatagramCipher]
  let hashing: Hashing
  let messages: MessageSealing

  private init(ciphers: [DatagramCipher], hashing: Hashing, messages: MessageSealing) {
    self.ciphers = ciphers
    suites = ciphers.map(\.suite)
    self.hashing = hashing
    self.messages = messages
  }

  /// The fastest library for each suite; or the one preferred, wherever this processor can use it.
  public static func make(preferring library: Library? = nil) throws(CryptographyFailure) -> LibraryCryptography {
    let special = library == .openSSL ? [] : try multiBuffer()
    let ciphers = [try OpenSSLCiphers.aes128GCM(), try OpenSSLCiphers.chaCha20Poly1305()].map { plain in
      special.first { $0.suite == plain.suite } ?? plain
    }
    return LibraryCryptography(
      ciphers: hawser_processor_has_aes() != 0 ? ciphers : ciphers.reversed(), hashing: try Hashing(),
      messages: try MessageSealing())
  }

  /// What Intel's library can do on this processor.
  private static func multiBuffer() throws(CryptographyFailure) -> [DatagramCipher] {
    #if arch(x86_64)
      guard let buffer = MultiBuffer() else { return [] }
      let chaCha20 = try MultiBufferCiphers.chaCha20Poly1305(buffer)
      return buffer.hasAES ? [try MultiBufferCiphers.aes128GCM(buffer), chaCha20] : [chaCha20]
    #else
      return []
    #endif
  }

  /// Who does it, for people: "Intel ipsec-mb 1.3.0", "OpenSSL 3.0.17".
  public func implementation(of suite: CipherSuite) -> String { cipher(suite).library }

  func cipher(_ suite: CipherSuite) -> DatagramCipher {
    guard let cipher = ciphers.first(where: { $0.suite == suite }) else {
      preconditionFailure("every suite has somebody who does it")
    }
    return cipher
  }

  public func expand(
    _ suite: CipherSuite, sealing: borrowing Secret, masking: borrowing Secret
  ) -> SealingKey {
    let cipher = cipher(suite)
    return SealingKey(
      suite: suite, context: cipher.expand(sealing, masking), seal: cipher.seal, open: cipher.open, mask: cipher.mask)
  }

  public func destroy(_ key: SealingKey) { KeyContext.destroy(key.context) }

  public func random(_ bytes: UnsafeMutableRawBufferPointer) {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return }
    let isFilled = RAND_bytes(start.assumingMemoryBound(to: UInt8.self), Int32(bytes.count))
    precondition(isFilled == 1, "OpenSSL gives random bytes, or nothing here would be secret")
  }
}
