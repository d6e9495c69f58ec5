//  AllowedAddresses.swift — which peer an address belongs to: the longest prefix that holds it.
//
//  Why.  Out, it says where a packet goes; in, whether the peer that sent it may use this source address. So it is
//  asked for each flow that begins and each packet that arrives, with the prefixes of 1,000 branches in it.
//
//  How.  Prefixes nest or lie apart, they never overlap halfway. So a family's addresses fall into at most 2n + 1
//  ranges, each with one answer, and a look-up is a binary search for the last range that begins at or before the
//  address:
//
//      10.0.0.0/8 → a, 10.3.0.0/16 → b
//      start   0.0.0.0   10.0.0.0   10.3.0.0   10.4.0.0   11.0.0.0
//      owner   nobody    a          b          a          nobody
//
//  The search takes no branch that depends on the address: a step is a load, a comparison and a conditional move.
//
//  Rejected.  A trie, by bits (32 to 128 dependent loads) or by strides (megabytes for IPv6, to save four steps);
//  changing it in place (configurations change seldom: build the next one, then replace this).
//
//  Always true.  Starts grow strictly, the first is the lowest address, and neighbours have different owners.
//
//  Cost.  8 bytes a range for IPv4, 20 for IPv6; building sorts once.

public import Primitives

public struct AllowedAddresses: ~Copyable {
  /// A prefix, and the peer whose packets come from there and go there.
  public struct Claim: Hashable, Sendable {
    public var prefix: IPPrefix
    public var peer: UInt32

    public init(_ prefix: IPPrefix, peer: UInt32) {
      self.prefix = prefix
      self.peer = peer
    }
  }

  /// Two peers claim the same prefix: nobody could say whose its packets are.
  public struct Conflict: Error, Equatable, CustomStringConvertible {
    public var prefix: IPPrefix
    public var first: UInt32
    public var second: UInt32

    public var description: String {
      "peers \(first) and \(second) both claim \(prefix); a prefix has one peer, the longest that fits an address wins"
    }
  }

  @usableFromInline let ipv4: Ranges<UInt32>
  @usableFromInline let ipv6: Ranges<UInt128>

  /// In any order. A prefix that a peer claims twice counts once.
  public init(_ claims: [Claim]) throws(Conflict) {
    let ipv4 = try AllowedAddresses.ranges(claims, .ipv4)
    let ipv6 = try AllowedAddresses.ranges(claims, .ipv6)
    self.ipv4 = Ranges(ipv4.map { (UInt32($0.start >> 96), $0.owner) })
    self.ipv6 = Ranges(ipv6)
  }

  /// nil when nobody claims the address.
  @inlinable public func peer(of address: IPAddress) -> UInt32? {
    let owner =
      address.family == .ipv4
      ? ipv4.owner(of: UInt32(truncatingIfNeeded: address.high >> 32))
      : ipv6.owner(of: UInt128(address.high) << 64 | UInt128(address.low))
    return owner == AllowedAddresses.nobody ? nil : owner
  }

  @usableFromInline static let nobody = UInt32.max

  // MARK: Building

  private typealias Range = (start: UInt128, owner: UInt32)

  private static func ranges(_ claims: [Claim], _ family: IPAddress.Family) throws(Conflict) -> [Range] {
    let sorted = claims.filter { $0.prefix.family == family }
      .map { (start: first($0.prefix), length: $0.prefix.length, peer: $0.peer) }
      .sorted { ($0.start, $0.length, $0.peer) < ($1.start, $1.length, $1.peer) }
    var ranges: [Range] = [(0, nobody)]
    /// The prefixes that hold the place where we are, the longest last.
    var open: [(last: UInt128, owner: UInt32)] = []
    func begin(_ start: UInt128, _ owner: UInt32) {
      if ranges[ranges.count - 1].start == start { ranges.removeLast() }
      if ranges.last?.owner != owner { ranges.append((start, owner)) }
    }
    func close(before start: UInt128?) {
      while let last = open.last, start.map({ last.last < $0 }) ?? true {
        open.removeLast()
        if last.last < .max { begin(last.last + 1, open.last?.owner ?? nobody) }
      }
    }
    for (index, claim) in sorted.enumerated() {
      precondition(claim.peer != nobody, "a peer's number is that of nobody")
      if index > 0, sorted[index - 1].start == claim.start, sorted[index - 1].length == claim.length {
        if sorted[index - 1].peer == claim.peer { continue }
        let prefix =
          claims.first {
            first($0.prefix) == claim.start && $0.prefix.length == claim.length
              && $0.prefix.family == family
          }?.prefix.network ?? .everything(family)
        throw Conflict(prefix: prefix, first: sorted[index - 1].peer, second: claim.peer)
      }
      close(before: claim.start)
      begin(claim.start, claim.peer)
      open.append((claim.start | (claim.length == 128 ? 0 : UInt128.max >> UInt128(claim.length)), claim.peer))
    }
    close(before: nil)
    return ranges
  }

  /// A prefix's first address; one of IPv4 stands in the top 32 bits, with all lengths counted from there.
  private static func first(_ prefix: IPPrefix) -> UInt128 {
    let network = prefix.network.address
    return UInt128(network.high) << 64 | UInt128(network.low)
  }
}

/// Ranges of keys from the lowest up, each with its owner.
@usableFromInline struct Ranges<Key: FixedWidthInteger>: ~Copyable {
  @usableFromInline let starts: FixedArray<Key>
  @usableFromInline let owners: FixedArray<UInt32>

  init(_ ranges: [(start: Key, owner: UInt32)]) {
    starts = FixedArray(count: ranges.count) { ranges[$0].start }
    owners = FixedArray(count: ranges.count) { ranges[$0].owner }
  }

  @inlinable func owner(of key: Key) -> UInt32 {
    var first = 0
    var length = starts.count
    while length > 1 {
      let half = length / 2
      first = starts[first + half] <= key ? first + half : first
      length -= half
    }
    return owners[first]
  }
}
