//  Algorithm.swift — what OpenSSL's providers are asked for once, since finding it takes longer than using it.

import COpenSSL

/// A cipher, hash or code that OpenSSL found; it is given back with the last reference.
final class Algorithm: Sendable {
  nonisolated(unsafe) let pointer: OpaquePointer
  private let release: @Sendable (OpaquePointer) -> Void

  private init(
    _ name: String, _ pointer: OpaquePointer?, release: @escaping @Sendable (OpaquePointer) -> Void
  ) throws(CryptographyFailure) {
    guard let pointer else { throw CryptographyFailure(algorithm: name, library: Algorithm.library) }
    self.pointer = pointer
    self.release = release
  }

  deinit { release(pointer) }

  static func cipher(_ name: String) throws(CryptographyFailure) -> Algorithm {
    try Algorithm(name, EVP_CIPHER_fetch(nil, name, nil)) { EVP_CIPHER_free($0) }
  }

  static func hash(_ name: String) throws(CryptographyFailure) -> Algorithm {
    try Algorithm(name, EVP_MD_fetch(nil, name, nil)) { EVP_MD_free($0) }
  }

  static func code(_ name: String) throws(CryptographyFailure) -> Algorithm {
    try Algorithm(name, EVP_MAC_fetch(nil, name, nil)) { EVP_MAC_free($0) }
  }

  /// "OpenSSL 3.0.17"
  static var library: String { "OpenSSL " + String(cString: OpenSSL_version(OPENSSL_VERSION_STRING)) }
}
