//  Completion.swift — what comes back from the kernel, and the tag by which we know it again.
//
//  The kernel returns 64 bits of ours with every completion. They hold what kind of operation it was (the caller's own
//  enum) and a number or two (a slot, a device), so that no table of operations in flight is needed and nothing is
//  allocated for one.

public import CUring

/// The caller's 64 bits: a kind (255 is the ring's own), and two numbers that mean what the kind says.
public struct Tag: Equatable, Sendable {
  public let bits: UInt64

  @inlinable public init(bits: UInt64) { self.bits = bits }

  /// `number` is anything; `place` is below 2²⁴.
  @inlinable @inline(__always)
  public init<Kind: RawRepresentable<UInt8>>(_ kind: Kind, number: UInt32 = 0, place: UInt32 = 0) {
    bits = UInt64(kind.rawValue) | UInt64(place & 0xff_ffff) << 8 | UInt64(number) << 32
  }

  /// nil for a tag that was made of another kind of kinds.
  @inlinable @inline(__always) public func kind<Kind: RawRepresentable<UInt8>>(_: Kind.Type) -> Kind? {
    Kind(rawValue: UInt8(truncatingIfNeeded: bits))
  }
  @inlinable public var number: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) }
  @inlinable public var place: UInt32 { UInt32(truncatingIfNeeded: bits >> 8) & 0xff_ffff }
}

/// The end of an operation, or one result of a repeating one.
public struct Completion: Sendable {
  public let tag: Tag
  /// What the system call would have returned: a count, or -errno.
  public let result: Int32
  @usableFromInline let flags: UInt32

  @inlinable @inline(__always) init(_ entry: io_uring_cqe) {
    tag = Tag(bits: entry.user_data)
    result = entry.res
    flags = entry.flags
  }

  /// For operations of the kernel that the ring does itself.
  init(_ tag: Tag, result: Int32, flags: UInt32 = 0) {
    self.tag = tag
    self.result = result
    self.flags = flags
  }

  /// A repeating operation goes on; without it, it has ended and must be asked for again.
  @inlinable public var isRepeating: Bool { flags & UInt32(IORING_CQE_F_MORE) != 0 }

  /// Which provided buffer holds the data; it is the caller's until he provides it again.
  @inlinable public var buffer: UInt16? {
    flags & UInt32(IORING_CQE_F_BUFFER) == 0 ? nil : UInt16(truncatingIfNeeded: flags >> 16)
  }
}
