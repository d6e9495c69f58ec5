//  NewSession.swift — what a handshake is for: an index on each side, and keys that nobody else has.
//
//      split ─┬─ initiator's ─┬─ HMAC("hawser sealing" ‖ suite) ──▶ seals the datagrams from initiator to responder
//             │               └─ HMAC("hawser masking" ‖ suite) ──▶ masks their headers
//             └─ responder's ─┬─ …
//
//  The suite is part of the derivation, so no key is ever used with two ciphers. The secrets are wiped when this value
//  is gone: whoever takes it expands them into the contexts of a cipher and lets go.

public import Sealing

public struct NewSession: ~Copyable {
  /// One direction's.
  public struct Keys: ~Copyable {
    public let sealing: Secret
    public let masking: Secret
  }

  /// What the other side writes into its datagrams: an index that was lent to the handshake.
  public let localIndex: UInt32
  /// What we write into ours.
  public let remoteIndex: UInt32
  public let suite: CipherSuite
  /// We began it: the other side waits for a first datagram before it may send.
  public let isInitiator: Bool
  /// The other's. A new one means that it has started anew, and that all lanes begin at 0.
  public let incarnation: UInt64
  public let sending: Keys
  public let receiving: Keys

  init(
    localIndex: UInt32, remoteIndex: UInt32, suite: CipherSuite, isInitiator: Bool, incarnation: UInt64,
    split: consuming Split, _ cryptography: any Cryptography
  ) {
    self.localIndex = localIndex
    self.remoteIndex = remoteIndex
    self.suite = suite
    self.isInitiator = isInitiator
    self.incarnation = incarnation
    let initiator = Keys(split.fromInitiator, suite, cryptography)
    let responder = Keys(split.fromResponder, suite, cryptography)
    if isInitiator {
      sending = initiator
      receiving = responder
    } else {
      sending = responder
      receiving = initiator
    }
  }
}

extension NewSession.Keys {
  init(_ secret: borrowing Secret, _ suite: CipherSuite, _ cryptography: any Cryptography) {
    sealing = cryptography.derive(secret, Labels.sealing, suite)
    masking = cryptography.derive(secret, Labels.masking, suite)
  }
}

extension Cryptography {
  func derive(_ secret: borrowing Secret, _ label: StaticString, _ suite: CipherSuite) -> Secret {
    unsafe withUnsafeBytes(of: suite.rawValue) { suite in unsafe authenticate(key: secret, [label.bytes, suite]) }
  }
}
