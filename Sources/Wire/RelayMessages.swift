//  RelayMessages.swift — what a gateway asks of a relay inside their session, and what it hears.
//
//      bind      0      1        2       4        8         24     26     28
//                │ kind │ family │ lease │ number │ address │ port │ zero │
//      granted   0      1      2       4        8           refused, unbind   0      1              2      4        8
//                │ kind │ zero │ lease │ number │                             │ kind │ reason, zero │ zero │ number │
//
//  A binding carries one path: what the gateway sends to the relay from the address that this message came from goes to
//  the destination, and back. So the message says only where to; where from is what the relay sees. The gateway chooses
//  the number and asks again under it before the lease ends, when its own address has changed, or when the destination
//  has another one. What is lost is asked again; every message means the same when it comes twice.
//
//  The address has sixteen bytes in network order, an IPv4 address the first four of them and zeros. All numbers are
//  little-endian.

public import Primitives

/// What one side tells the other, one message of a control text.
public enum RelayMessage: Equatable, Sendable {
  case bind(RelayBind)
  case unbind(RelayUnbind)
  case granted(RelayGranted)
  case refused(RelayRefused)

  /// Bytes that it takes.
  public var length: Int {
    switch self {
    case .bind: RelayBind.length
    case .unbind: RelayUnbind.length
    case .granted: RelayGranted.length
    case .refused: RelayRefused.length
    }
  }

  /// From the start of what follows; nil when it is none of the four, or not whole, or has no family that we know.
  init?(_ kind: ControlKind, _ text: UnsafeRawBufferPointer) {
    guard text.count >= RelayUnbind.length else { return nil }
    let lease = unsafe UInt16(littleEndian: text.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    let number = unsafe UInt32(littleEndian: text.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    switch kind {
    case .relayBind:
      guard text.count >= RelayBind.length else { return nil }
      guard let address = unsafe WireAddress.read(text, family: text[1], at: 8) else { return nil }
      let port = unsafe UInt16(littleEndian: text.loadUnaligned(fromByteOffset: 24, as: UInt16.self))
      self = .bind(RelayBind(number: number, destination: Endpoint(address, port: port), lease: lease))
    case .relayUnbind: self = .unbind(RelayUnbind(number: number))
    case .relayGranted: self = .granted(RelayGranted(number: number, lease: lease))
    case .relayRefused:
      let reason = unsafe RelayRefused.Reason(rawValue: text[1]) ?? .unspecified
      self = .refused(RelayRefused(number: number, reason: reason))
    default: return nil
    }
  }

  /// Writes `length` bytes.
  func write(to bytes: UnsafeMutableRawPointer) {
    switch self {
    case .bind(let bind):
      let address = bind.destination.address
      unsafe RelayMessage.writeHead(
        .relayBind, WireAddress.family(of: address), bind.lease, bind.number, to: bytes)
      unsafe WireAddress.write(address, to: bytes + 8)
      unsafe bytes.storeBytes(of: UInt32(bind.destination.port).littleEndian, toByteOffset: 24, as: UInt32.self)
    case .unbind(let unbind): unsafe RelayMessage.writeHead(.relayUnbind, 0, 0, unbind.number, to: bytes)
    case .granted(let granted):
      unsafe RelayMessage.writeHead(.relayGranted, 0, granted.lease, granted.number, to: bytes)
    case .refused(let refused):
      unsafe RelayMessage.writeHead(.relayRefused, refused.reason.rawValue, 0, refused.number, to: bytes)
    }
  }

  private static func writeHead(
    _ kind: ControlKind, _ second: UInt8, _ lease: UInt16, _ number: UInt32, to bytes: UnsafeMutableRawPointer
  ) {
    let head = UInt64(kind.rawValue) | UInt64(second) << 8 | UInt64(lease) << 16 | UInt64(number) << 32
    unsafe bytes.storeBytes(of: head.littleEndian, toByteOffset: 0, as: UInt64.self)
  }
}

/// Forward what I send you from here to this destination, and back.
public struct RelayBind: Equatable, Sendable {
  public static let length = 28

  /// The gateway's own choice.
  public var number: UInt32
  /// Without a scope: what a link-local address means is known only on its own link.
  public var destination: Endpoint
  /// For how many seconds; 0 leaves it to the relay.
  public var lease: UInt16

  public init(number: UInt32, destination: Endpoint, lease: UInt16 = 0) {
    self.number = number
    self.destination = destination
    self.lease = lease
  }
}

/// I need this one no longer.
public struct RelayUnbind: Equatable, Sendable {
  public static let length = 8

  public var number: UInt32

  public init(number: UInt32) { self.number = number }
}

public struct RelayGranted: Equatable, Sendable {
  public static let length = 8

  public var number: UInt32
  /// In seconds, from when it was granted; ask again at half of it.
  public var lease: UInt16

  public init(number: UInt32, lease: UInt16) {
    self.number = number
    self.lease = lease
  }
}

public struct RelayRefused: Equatable, Sendable {
  public static let length = 8

  public enum Reason: UInt8, CaseIterable, Sendable {
    /// Also what a reader has of a reason that he does not know.
    case unspecified = 0
    /// The relay has no room for one more, by all its clients or by this destination's.
    case full = 1
    /// This client has as many as it may.
    case tooMany = 2
    /// The relay does not forward to this destination.
    case forbidden = 3
    /// The client came through another relay, a minute ago at most.
    case relayed = 4
    /// This client asks too often.
    case tooOften = 5
  }

  public var number: UInt32
  public var reason: Reason

  public init(number: UInt32, reason: Reason) {
    self.number = number
    self.reason = reason
  }
}
