//  RelayQuestion.swift — is there another relay between us?
//
//      0      1        2      4                 20
//      │ kind │ answer │ zero │ nonce           │
//      └──────┴────────┴──────┴─────────────────┘
//
//  A relay asks so each client that it grants a binding to. A gateway ignores it; a relay that gets it from where it
//  forwards to answers itself, with the same bytes and a one in `answer`, and does not forward it. So an answer means
//  that the client is behind another relay. It is not sealed: who can read the nonce could drop the path as well.

/// Sixteen bytes of chance.
public struct RelayNonce: Equatable, Sendable, BitwiseCopyable {
  public var low: UInt64
  public var high: UInt64

  @inlinable public init(low: UInt64, high: UInt64) {
    self.low = low
    self.high = high
  }
}

public struct RelayQuestion: Equatable, Sendable, BitwiseCopyable {
  public static let length = 20

  public var isAnswer: Bool
  public var nonce: RelayNonce

  @inlinable public init(nonce: RelayNonce, isAnswer: Bool = false) {
    self.nonce = nonce
    self.isAnswer = isAnswer
  }

  /// To a question that arrived.
  @inlinable public var answer: RelayQuestion { RelayQuestion(nonce: nonce, isAnswer: true) }

  /// nil when the datagram is neither question nor answer, or has bits where zeros belong.
  @inlinable public init?(_ datagram: UnsafeRawBufferPointer) {
    guard datagram.count == RelayQuestion.length else { return nil }
    let head = unsafe UInt32(littleEndian: datagram.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
    guard head & ~0x100 == UInt32(MessageKind.relayQuestion.rawValue) else { return nil }
    isAnswer = head & 0x100 != 0
    nonce = RelayNonce(
      low: unsafe UInt64(littleEndian: datagram.loadUnaligned(fromByteOffset: 4, as: UInt64.self)),
      high: unsafe UInt64(littleEndian: datagram.loadUnaligned(fromByteOffset: 12, as: UInt64.self)))
  }

  /// Writes 20 bytes.
  @inlinable public func write(to datagram: UnsafeMutableRawPointer) {
    let head = UInt32(MessageKind.relayQuestion.rawValue) | (isAnswer ? 0x100 : 0)
    unsafe datagram.storeBytes(of: head.littleEndian, toByteOffset: 0, as: UInt32.self)
    unsafe datagram.storeBytes(of: nonce.low.littleEndian, toByteOffset: 4, as: UInt64.self)
    unsafe datagram.storeBytes(of: nonce.high.littleEndian, toByteOffset: 12, as: UInt64.self)
  }
}
