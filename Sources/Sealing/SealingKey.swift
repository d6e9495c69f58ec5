//  SealingKey.swift — one direction of a session, ready to use: what seals, opens and masks its datagrams.
//
//  Why.  The engine seals 46 datagrams for every super-packet, and must not know which library does it: the simulator
//  runs the same engine with the same code. A protocol would cost a witness call and reference counts for each; a C
//  function pointer and an opaque context cost one indirect call.
//
//  How.  `Cryptography.expand` makes one from raw keys. The functions get the context back with every call:
//
//      seal   plaintext + header ──▶ ciphertext and tag    nonce = path (1 byte), 3 zeros, counter (8, little-endian)
//      open   ciphertext and tag ──▶ plaintext, or false   the same nonce, the same header
//      mask   16-byte samples ──▶ 16-byte masks            a cipher under a second key, as QUIC protects headers
//
//  Always true.  (1) `seal` and `open` read exactly the lengths they are given, and `source` may be `destination`.
//  (2) When `open` says false, the plaintext place holds nothing that may be used. (3) Whoever called `expand` calls
//  `destroy` once; the context is wiped there.

public enum CipherSuite: UInt8, BitwiseCopyable, CaseIterable, Sendable, CustomStringConvertible {
  case aes128GCM = 1
  case chaCha20Poly1305 = 2

  public var description: String {
    switch self {
    case .aes128GCM: "AES-128-GCM"
    case .chaCha20Poly1305: "ChaCha20-Poly1305"
    }
  }
}

/// A set of suites in one byte: bit n stands for the suite with the number n.
public struct CipherSuites: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  public init(_ suite: CipherSuite) { rawValue = 1 << suite.rawValue }
  public func contains(_ suite: CipherSuite) -> Bool { rawValue & 1 << suite.rawValue != 0 }
}

@unsafe public struct SealingKey: BitwiseCopyable, Sendable {
  public static let tagLength = 16
  /// What is authenticated in the clear before every ciphertext: the header of a datagram.
  public static let headerLength = 28
  public static let sampleLength = 16

  /// (context, path, counter, header, source, length, destination): writes `length` bytes and the tag.
  public typealias Seal =
    @convention(c) (
      UnsafeMutableRawPointer, UInt8, UInt64, UnsafeRawPointer, UnsafeRawPointer, Int, UnsafeMutableRawPointer
    ) -> Void
  /// (context, path, counter, header, source, length of the plaintext, destination): reads `length` bytes and the tag.
  public typealias Open =
    @convention(c) (
      UnsafeMutableRawPointer, UInt8, UInt64, UnsafeRawPointer, UnsafeRawPointer, Int, UnsafeMutableRawPointer
    ) -> Bool
  /// (context, samples, count, masks): `count` times 16 bytes; both may be the same memory.
  public typealias Mask =
    @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer, Int, UnsafeMutableRawPointer) -> Void

  public let suite: CipherSuite
  nonisolated(unsafe) public let context: UnsafeMutableRawPointer
  public let seal: Seal
  public let open: Open
  public let mask: Mask

  public init(
    suite: CipherSuite, context: UnsafeMutableRawPointer, seal: @escaping Seal, open: @escaping Open,
    mask: @escaping Mask
  ) {
    unsafe self.suite = suite
    unsafe self.context = context
    unsafe self.seal = seal
    unsafe self.open = open
    unsafe self.mask = mask
  }
}
