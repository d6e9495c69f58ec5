//  HandshakePayloads.swift — what two gateways tell each other inside the sealed parts of a handshake.
//
//      initiation   0             8         16            20       21          22      32
//                   │ incarnation │ seconds │ nanoseconds │ suites │ favourite │ zeros │
//      response     0             8       9       16
//                   │ incarnation │ suite │ zeros │
//
//  An incarnation is 64 random bits that a gateway makes when it starts: the other one learns from a new one that all
//  lanes begin anew. The time is the sender's wall clock; it only has to grow from one initiation to the next, so that
//  an old one can be told from a new one. The zeros are ignored when read: room that needs no new version.

/// A wall clock's time, for comparing with others of the same clock.
public struct WallTime: Comparable, Hashable, Sendable {
  public static let length = 12

  /// Since 1970.
  public var seconds: UInt64
  /// Within the second.
  public var nanoseconds: UInt32

  public init(seconds: UInt64, nanoseconds: UInt32) {
    precondition(nanoseconds < 1_000_000_000, "a second has a thousand million nanoseconds")
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  public static func < (a: WallTime, b: WallTime) -> Bool {
    (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
  }

  /// So much later. The end of time stays the end of time.
  public func advanced(byNanoseconds nanoseconds: UInt64) -> WallTime {
    let sum = UInt64(self.nanoseconds) + nanoseconds % 1_000_000_000
    let (seconds, overflow) = self.seconds.addingReportingOverflow(
      nanoseconds / 1_000_000_000 + sum / 1_000_000_000)
    return WallTime(seconds: overflow ? .max : seconds, nanoseconds: UInt32(sum % 1_000_000_000))
  }
}

public struct InitiationPayload: Equatable, Sendable {
  public static let length = 32

  public var incarnation: UInt64
  public var time: WallTime
  /// One bit for each cipher suite that the sender can use.
  public var suites: UInt8
  /// The number of the one that is fastest for him.
  public var favourite: UInt8

  public init(incarnation: UInt64, time: WallTime, suites: UInt8, favourite: UInt8) {
    self.incarnation = incarnation
    self.time = time
    self.suites = suites
    self.favourite = favourite
  }

  /// nil when it has another length, or a second of more than its nanoseconds.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count == InitiationPayload.length else { return nil }
    unsafe incarnation = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
    let seconds = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    let nanoseconds = unsafe UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
    guard nanoseconds < 1_000_000_000 else { return nil }
    time = WallTime(seconds: seconds, nanoseconds: nanoseconds)
    unsafe suites = bytes[20]
    unsafe favourite = bytes[21]
  }

  /// Writes 32 bytes.
  public func write(to bytes: UnsafeMutableRawPointer) {
    unsafe bytes.storeBytes(of: incarnation.littleEndian, toByteOffset: 0, as: UInt64.self)
    unsafe bytes.storeBytes(of: time.seconds.littleEndian, toByteOffset: 8, as: UInt64.self)
    unsafe bytes.storeBytes(of: time.nanoseconds.littleEndian, toByteOffset: 16, as: UInt32.self)
    unsafe bytes.storeBytes(
      of: (UInt32(suites) | UInt32(favourite) << 8).littleEndian, toByteOffset: 20, as: UInt32.self)
    unsafe bytes.storeBytes(of: 0, toByteOffset: 24, as: UInt64.self)
  }
}

public struct ResponsePayload: Equatable, Sendable {
  public static let length = 16

  public var incarnation: UInt64
  /// The number of the cipher suite that this session uses.
  public var suite: UInt8

  public init(incarnation: UInt64, suite: UInt8) {
    self.incarnation = incarnation
    self.suite = suite
  }

  /// nil when it has another length.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count == ResponsePayload.length else { return nil }
    unsafe incarnation = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
    unsafe suite = bytes[8]
  }

  /// Writes 16 bytes.
  public func write(to bytes: UnsafeMutableRawPointer) {
    unsafe bytes.storeBytes(of: incarnation.littleEndian, toByteOffset: 0, as: UInt64.self)
    unsafe bytes.storeBytes(of: UInt64(suite).littleEndian, toByteOffset: 8, as: UInt64.self)
  }
}
