//  MultiBufferCiphers.swift — both suites by Intel's multi-buffer library (ipsec-mb), which is made for datagrams.
//
//  Why.  It takes one call for a datagram and uses the widest vectors that the processor has: AES-128-GCM of 1,400
//  bytes in a quarter of OpenSSL's time (docs/benchmarks/sealing.md). It exists for x86 only.
//
//  How.  AES-128-GCM is a function of the library's table, which depends on nothing but its arguments: the key's
//  context keeps the address. ChaCha20-Poly1305 is fastest as a job, and the queue of jobs belongs to the table, of
//  which there is one in each `LibraryCryptography`; a thread that finds it taken uses the slower functions without a
//  queue. So keys of one instance may be used by several threads, each key by one at a time.
//
//  Rejected.  A table for each key: 52 KB, against 1.3 KB. Masks by this library: it encrypts one block in 3 ns where
//  OpenSSL needs 9, and 44 in 31 where OpenSSL needs 58; a nanosecond for each datagram is not worth a second
//  mechanism.
//
//  Always true.  A `MultiBuffer` lives as long as its keys: whoever makes a key of it keeps it (`LibraryCryptography`).

#if arch(x86_64)
  import CIpsecMb
  import COpenSSL
  import Sealing

  /// The library's table of functions for this processor.
  final class MultiBuffer: Sendable {
    nonisolated(unsafe) fileprivate let table: UnsafeMutablePointer<hawser_imb>

    /// nil when the library does not work here.
    init?() {
      guard let table = hawser_imb_make() else { return nil }
      self.table = table
    }

    deinit { hawser_imb_free(table) }

    var hasAES: Bool { table.pointee.has_aes != 0 }
    var library: String { "Intel ipsec-mb " + String(cString: imb_get_version_str()) }
  }

  enum MultiBufferCiphers {
    static func aes128GCM(_ buffer: MultiBuffer) throws(CryptographyFailure) -> DatagramCipher {
      let mask = try Algorithm.cipher("AES-128-ECB")
      return DatagramCipher(
        suite: .aes128GCM, library: buffer.library, seal: sealAES, open: openAES, mask: KeyContext.maskAES,
        sealAny: sealAnyAES, openAny: openAnyAES
      ) { sealing, masking in
        let context = KeyContext.make(
          sealing: sealing, with: nil, masking: masking, with: mask, further: hawser_imb_aes_size)
        expand(sealing) { hawser_imb_aes_expand(buffer.table, context + hawser_key_size, $0) }
        return context
      }
    }

    static func chaCha20Poly1305(_ buffer: MultiBuffer) throws(CryptographyFailure) -> DatagramCipher {
      let mask = try Algorithm.cipher("ChaCha20")
      return DatagramCipher(
        suite: .chaCha20Poly1305, library: buffer.library, seal: sealChaCha20, open: openChaCha20,
        mask: KeyContext.maskChaCha20, sealAny: sealAnyChaCha20, openAny: openAnyChaCha20
      ) { sealing, masking in
        let context = KeyContext.make(
          sealing: sealing, with: nil, masking: masking, with: mask, further: hawser_imb_chacha_size)
        expand(sealing) { hawser_imb_chacha_expand(buffer.table, context + hawser_key_size, $0) }
        return context
      }
    }

    private static func expand(_ secret: borrowing Secret, _ body: (UnsafeRawPointer) -> Void) {
      guard let start = secret.bytes.baseAddress else { preconditionFailure("a secret has 32 bytes") }
      body(start)
    }

    private static let sealAES: SealingKey.Seal = { context, path, counter, header, source, length, destination in
      var nonce = Nonce(path: path, counter: counter)
      hawser_imb_aes_seal(
        context + hawser_key_size, &nonce, header, SealingKey.headerLength, source, length, destination)
    }

    private static let openAES: SealingKey.Open = { context, path, counter, header, source, length, destination in
      var nonce = Nonce(path: path, counter: counter)
      return hawser_imb_aes_open(
        context + hawser_key_size, &nonce, header, SealingKey.headerLength, source, length, destination) == 1
    }

    private static let sealAnyAES: DatagramCipher.SealAny = {
      context, nonce, header, count, source, length, destination in
      hawser_imb_aes_seal(context + hawser_key_size, nonce, header, count, source, length, destination)
    }

    private static let openAnyAES: DatagramCipher.OpenAny = {
      context, nonce, header, count, source, length, destination in
      hawser_imb_aes_open(context + hawser_key_size, nonce, header, count, source, length, destination) == 1
    }

    private static let sealChaCha20: SealingKey.Seal = { context, path, counter, header, source, length, destination in
      var nonce = Nonce(path: path, counter: counter)
      let isSealed = hawser_imb_chacha_seal(
        context + hawser_key_size, &nonce, header, SealingKey.headerLength, source, length, destination)
      precondition(isSealed == 1, "ipsec-mb does such a job at once")
    }

    private static let openChaCha20: SealingKey.Open = { context, path, counter, header, source, length, destination in
      var nonce = Nonce(path: path, counter: counter)
      return hawser_imb_chacha_open(
        context + hawser_key_size, &nonce, header, SealingKey.headerLength, source, length, destination) == 1
    }

    private static let sealAnyChaCha20: DatagramCipher.SealAny = {
      context, nonce, header, count, source, length, destination in
      let isSealed = hawser_imb_chacha_seal(
        context + hawser_key_size, nonce, header, count, source, length, destination)
      precondition(isSealed == 1, "ipsec-mb does such a job at once")
    }

    private static let openAnyChaCha20: DatagramCipher.OpenAny = {
      context, nonce, header, count, source, length, destination in
      hawser_imb_chacha_open(context + hawser_key_size, nonce, header, count, source, length, destination) == 1
    }
  }
#endif
