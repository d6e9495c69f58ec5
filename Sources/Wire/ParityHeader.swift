//  ParityHeader.swift — which group a protected datagram belongs to, and which piece of it this one is.
//
//      location.extra            the sealed text begins with
//                                0       3       4
//      1 … 16   member 0 … 15    │ group │ 0     │ what would be the text without protection …
//      17 … 20  parity 0 … 3     │ group │ shape │ a sum of the members' images …
//
//      shape = (members − 1) + 16 × (parity pieces − 1)
//
//  Why.  A member leaves at once, before anybody knows how many will be in its group, so it names only the group and
//  its own place; a piece of parity leaves when the group is complete, and says how large that is. The place is in the
//  location's spare byte: a receiver sees there that four bytes come before the text.
//
//  What parity is the sum of is a member's *image*: all that is needed to have it back.
//
//      0        2                            16
//      │ length │ location without its lane  │ text …        the lane is that of the group; `extra` is zero
//
//  Groups are numbered within a lane, in 24 bits: at 10,000 protected packets a second in groups of two, a number comes
//  back after an hour, and a datagram would have to be half an hour late to be taken for another's.
//
//  All numbers are little-endian. `docs/wire-format.md` has the same with examples, and tests parse them.

public struct ParityHeader: Equatable, Sendable, BitwiseCopyable {
  public enum Piece: Equatable, Sendable, BitwiseCopyable {
    case member(Int)
    /// The sum of this row; of a group with so many members and pieces of parity.
    case parity(Int, members: Int, of: Int)
  }

  public static let length = 4
  public static let mostMembers = 16
  public static let mostParity = 4
  public static let groupMask: UInt32 = 0xff_ffff

  /// 24 bits.
  public var group: UInt32
  public var piece: Piece

  @inlinable public init(group: UInt32, piece: Piece) {
    self.group = group
    self.piece = piece
  }

  /// nil when it is no piece that we know. The rest of the text follows at `length`.
  @inlinable public init?(extra: UInt8, _ text: UnsafeRawBufferPointer) {
    guard text.count >= ParityHeader.length else { return nil }
    let word = unsafe UInt32(littleEndian: text.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
    let shape = Int(word >> 24)
    group = word & ParityHeader.groupMask
    switch extra {
    case 1...16:
      guard shape == 0 else { return nil }
      piece = .member(Int(extra) - 1)
    case 17...20:
      let row = Int(extra) - 17
      let count = shape >> 4 + 1
      guard count <= ParityHeader.mostParity, row < count else { return nil }
      piece = .parity(row, members: shape & 15 + 1, of: count)
    default:
      return nil
    }
  }

  /// For the location of the datagram.
  @inlinable public var extra: UInt8 {
    switch piece {
    case .member(let index): UInt8(truncatingIfNeeded: 1 + index)
    case .parity(let row, _, _): UInt8(truncatingIfNeeded: 17 + row)
    }
  }

  /// Writes 4 bytes.
  @inlinable public func write(to bytes: UnsafeMutableRawPointer) {
    var shape: UInt32 = 0
    if case .parity(_, let members, let count) = piece {
      shape = UInt32(truncatingIfNeeded: (members - 1) & 15 | ((count - 1) & 3) << 4)
    }
    unsafe bytes.storeBytes(of: (group & ParityHeader.groupMask | shape << 24).littleEndian, as: UInt32.self)
  }
}

/// What comes before a member's text in its image.
public struct MemberImage: Equatable, Sendable {
  public static let prefix = 16
  /// What protection takes from the text of a datagram: a member must leave room for the parity of its group, which has
  /// a header, too.
  public static let overhead = ParityHeader.length + prefix

  /// Its lane is not part of the image, its `extra` is zero.
  public var location: Location
  /// Of the text.
  public var length: UInt16

  @inlinable public init(location: Location, length: UInt16) {
    self.location = location
    self.location.extra = 0
    self.length = length
  }

  /// From 16 bytes. Where something else than a location and zero lies, the image was computed from pieces that do not
  /// belong together: nil.
  @inlinable public init?(_ bytes: UnsafeRawPointer, lane: UInt16) {
    location = unsafe Location(bytes)
    guard location.extra == 0 else { return nil }
    length = location.lane
    location.lane = lane
  }

  /// Writes 16 bytes.
  @inlinable public func write(to bytes: UnsafeMutableRawPointer) {
    var image = location
    image.lane = length
    unsafe image.write(to: bytes)
  }
}
