//  PathTerms.swift — what one side asks of the other on a path, because it is the one who pays for it.
//
//      0      1      2      3      4       8       16
//      │ kind │ path │ tier │ zero │ price │ limit │
//
//  A branch knows that its LTE card has 20 GB a month, and the headquarters sends the downloads: so the branch says
//  what the path is to it. It is said when the path comes up, whenever it changes, and about once a second while data
//  flows, so that a lost one does not matter. The latest holds; a new incarnation begins without any.

public struct PathTerms: Equatable, Sendable, BitwiseCopyable {
  public static let length = 16

  public var path: UInt8
  /// 0 primary, 1 secondary, 2 backup, 3 never; what is greater counts as 3.
  public var tier: UInt8
  /// Of a gigabyte, in thousandths.
  public var price: UInt32
  /// The most that the other side shall send on it, in bits a second of IP packets; 0: as much as it carries.
  public var limit: UInt64

  public init(path: UInt8, tier: UInt8 = 0, price: UInt32 = 0, limit: UInt64 = 0) {
    self.path = path
    self.tier = tier
    self.price = price
    self.limit = limit
  }
}
