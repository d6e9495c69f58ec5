//  CryptographyFailure.swift — why this machine cannot do what the handshake needs.

public struct CryptographyFailure: Error, Equatable, CustomStringConvertible {
  /// What OpenSSL was asked for, by its own name.
  public let algorithm: String
  /// The version that was asked.
  public let library: String

  public var description: String {
    "\(library) does not offer \(algorithm): its default provider must be active; look at openssl.cnf and at "
      + "`openssl list -providers`"
  }
}
