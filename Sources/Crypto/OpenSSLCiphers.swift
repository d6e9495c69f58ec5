//  OpenSSLCiphers.swift — both suites by OpenSSL: for processors that no special library serves, and to compare with.
//
//  One context with its key serves both directions, since OpenSSL takes the direction with each nonce. Setting the
//  nonce, the header and the tag are calls of their own through its provider interface: 150 ns for each datagram,
//  whatever its length (docs/benchmarks/sealing.md).

import COpenSSL
import Sealing

enum OpenSSLCiphers {
  static func aes128GCM() throws(CryptographyFailure) -> DatagramCipher {
    let cipher = try Algorithm.cipher("AES-128-GCM")
    let mask = try Algorithm.cipher("AES-128-ECB")
    return DatagramCipher(
      suite: .aes128GCM, library: Algorithm.library, seal: seal, open: open, mask: KeyContext.maskAES,
      sealAny: sealAny, openAny: openAny
    ) { sealing, masking in KeyContext.make(sealing: sealing, with: cipher, masking: masking, with: mask) }
  }

  static func chaCha20Poly1305() throws(CryptographyFailure) -> DatagramCipher {
    let cipher = try Algorithm.cipher("ChaCha20-Poly1305")
    let mask = try Algorithm.cipher("ChaCha20")
    return DatagramCipher(
      suite: .chaCha20Poly1305, library: Algorithm.library, seal: seal, open: open, mask: KeyContext.maskChaCha20,
      sealAny: sealAny, openAny: openAny
    ) { sealing, masking in KeyContext.make(sealing: sealing, with: cipher, masking: masking, with: mask) }
  }

  private static let seal: SealingKey.Seal = { context, path, counter, header, source, length, destination in
    var nonce = Nonce(path: path, counter: counter)
    let isSealed = hawser_openssl_seal(context, &nonce, header, SealingKey.headerLength, source, length, destination)
    precondition(isSealed == 1, "OpenSSL always seals")
  }

  private static let open: SealingKey.Open = { context, path, counter, header, source, length, destination in
    var nonce = Nonce(path: path, counter: counter)
    return hawser_openssl_open(context, &nonce, header, SealingKey.headerLength, source, length, destination) == 1
  }

  private static let sealAny: DatagramCipher.SealAny = { context, nonce, header, count, source, length, destination in
    let isSealed = hawser_openssl_seal(context, nonce, header, count, source, length, destination)
    precondition(isSealed == 1, "OpenSSL always seals")
  }

  private static let openAny: DatagramCipher.OpenAny = { context, nonce, header, count, source, length, destination in
    hawser_openssl_open(context, nonce, header, count, source, length, destination) == 1
  }
}
