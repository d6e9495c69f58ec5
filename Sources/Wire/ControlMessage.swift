//  ControlMessage.swift — is this path alive, and how far is it?
//
//      0      1          8        16
//      │ kind │ reserved │ mark   │
//      └──────┴──────────┴────────┘
//
//  A ping carries the sender's clock, which only he understands; the pong brings it back unchanged on the same path,
//  and the difference is the round trip. That makes nothing to remember for either side. A pong is also the proof that
//  the path works both ways. What else gateways say to each other is in ControlText.swift.

public struct ControlMessage: Equatable, Sendable {
  public enum Kind: UInt8, Sendable {
    /// Answer me. `mark` comes back.
    case ping = 1
    case pong = 2
  }

  public static let length = 16

  public var kind: Kind
  public var mark: UInt64

  @inlinable public init(_ kind: Kind, mark: UInt64) {
    self.kind = kind
    self.mark = mark
  }

  /// nil when it is no message that we know.
  @inlinable public init?(_ text: UnsafeRawBufferPointer) {
    guard text.count == ControlMessage.length, let kind = unsafe Kind(rawValue: text[0]) else { return nil }
    self.kind = kind
    unsafe mark = UInt64(littleEndian: text.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
  }

  @inlinable public func write(to bytes: UnsafeMutableRawPointer) {
    unsafe bytes.storeBytes(of: UInt64(kind.rawValue).littleEndian, toByteOffset: 0, as: UInt64.self)
    unsafe bytes.storeBytes(of: mark.littleEndian, toByteOffset: 8, as: UInt64.self)
  }
}
