//  Identity.swift — who this gateway is: its private key, and what follows from it.
//
//  One for the whole gateway, shared by its gatekeeper and by the handshake of each peer. It is a class because it is
//  one thing that many look at and nobody changes; it is never touched for a datagram.

public import Sealing

public final class Identity: Sendable {
  public let publicKey: PublicKey
  public let cryptography: any Cryptography
  let privateKey: Secret
  /// What the first code of each message to us is computed with.
  let firstKey: Secret

  public init(privateKey: consuming Secret, _ cryptography: any Cryptography) {
    publicKey = cryptography.publicKey(of: privateKey)
    self.privateKey = privateKey
    self.cryptography = cryptography
    firstKey = cryptography.firstKey(of: publicKey)
  }
}

extension Cryptography {
  /// Only who knows the public key of a gateway can compute this, so the gateway is silent to all others.
  func firstKey(of publicKey: PublicKey) -> Secret {
    unsafe publicKey.withBytes { key in unsafe hash([Labels.mac1.bytes, key]) }
  }

  /// What a cookie reply to the message with this mac1 is sealed with: another key for each message, so that 12 bytes
  /// of nonce are plenty, and no secret to who knows the public key. It keeps the cookie from all others.
  func cookieKey(_ publicKey: PublicKey, mac1: UnsafeRawBufferPointer) -> Secret {
    unsafe publicKey.withBytes { key in unsafe hash([Labels.cookie.bytes, key, mac1]) }
  }
}

/// What keeps keys of different purpose apart.
enum Labels {
  static let mac1: StaticString = "hawser mac1"
  static let cookie: StaticString = "hawser cookie"
  static let sealing: StaticString = "hawser sealing"
  static let masking: StaticString = "hawser masking"
}
