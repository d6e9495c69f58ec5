//  Agreement.swift — X25519: what two sides can compute together and nobody else.

import COpenSSL
public import Sealing

extension LibraryCryptography {
  public func publicKey(of privateKey: borrowing Secret) -> PublicKey {
    let bytes = privateKey.bytes
    let pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nil, bytes.start, bytes.count)
    defer { EVP_PKEY_free(pair) }
    let key = withUnsafeTemporaryAllocation(byteCount: PublicKey.length, alignment: 8) { bytes -> PublicKey? in
      var length = bytes.count
      let isThere = EVP_PKEY_get_raw_public_key(pair, bytes.start, &length)
      return isThere == 1 ? PublicKey(UnsafeRawBufferPointer(rebasing: bytes[..<length])) : nil
    }
    guard let key else { preconditionFailure("every 32 bytes are a private key, and have a public one") }
    return key
  }

  public func sharedSecret(_ privateKey: borrowing Secret, _ publicKey: PublicKey) -> Secret? {
    guard let start = privateKey.bytes.baseAddress, let ours = hawser_x25519_deriving(start) else {
      preconditionFailure("every 32 bytes are a private key; there must have been no memory")
    }
    defer { EVP_PKEY_free(ours) }
    let theirs = withUnsafeBytes(of: publicKey.words) {
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nil, $0.start, $0.count)
    }
    defer { EVP_PKEY_free(theirs) }
    let context = EVP_PKEY_CTX_new(ours, nil)
    defer { EVP_PKEY_CTX_free(context) }
    guard EVP_PKEY_derive_init(context) == 1, EVP_PKEY_derive_set_peer(context, theirs) == 1 else { return nil }
    var secret = Secret()
    // OpenSSL refuses to derive zeros, which is what every private key gives with a point of small order. What it notes
    // about that in this thread's list of errors, nobody reads.
    let isDerived = secret.withMutableBytes { bytes in
      var length = bytes.count
      return EVP_PKEY_derive(context, bytes.start, &length) == 1 && length == Secret.length
    }
    guard isDerived else {
      ERR_clear_error()
      return nil
    }
    let nothing = Secret()
    if isEqualInConstantTime(secret.bytes, nothing.bytes) { return nil }
    return secret
  }
}

extension UnsafeRawBufferPointer {
  /// As OpenSSL wants it.
  var start: UnsafePointer<UInt8>? { baseAddress?.assumingMemoryBound(to: UInt8.self) }
}

extension UnsafeMutableRawBufferPointer {
  var start: UnsafeMutablePointer<UInt8>? { baseAddress?.assumingMemoryBound(to: UInt8.self) }
}
