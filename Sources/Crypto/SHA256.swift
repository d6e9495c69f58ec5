//  SHA256.swift — the hash that everybody can compute with what he has: `printf %s TOKEN | sha256sum`.
//
//  Between our own programs it is BLAKE2s (Hashing.swift); this one is for what people write into files.

import COpenSSL

public enum SHA256 {
  public static let length = 32

  public static func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: length)
    let isHashed = digest.withUnsafeMutableBytes { place in
      // No address would be nothing at all, and nothing has a hash too.
      withUnsafePointer(to: UInt8(0)) {
        EVP_Digest(bytes.baseAddress ?? UnsafeRawPointer($0), bytes.count, place.baseAddress, nil, EVP_sha256(), nil)
          == 1
      }
    }
    precondition(isHashed, "OpenSSL always hashes")
    return digest
  }
}
