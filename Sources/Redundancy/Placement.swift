//  Placement.swift — which piece of a group goes over which path.
//
//  Why.  Parity helps only if what is lost together was not sent together: paths fail one by one, so no path shall
//  carry more pieces of a group than it must.
//
//  How.  In turns, beginning with the best path in every group; parity goes on where the members ended:
//
//      k = 4, m = 2, three paths            best     A  0  3
//                                                    B  1  p0
//                                           worst    C  2  p1
//
//  With p paths, none carries more than ⌈(k + m) ÷ p⌉ pieces, so as long as that is at most m, a path can die without a
//  loss; and the odd pieces are on the best paths. It works piece by piece: nobody has to know k when a member leaves.
//
//  Rejected.  Shares by rate, as for bulk: the class sends little and needs every path to be independent. Turns that go
//  on from group to group: parity would land on the best path as often as members do, and members on the worst.
//
//  Not here.  Which paths are good enough to be asked at all, and which of them is the best: a path that lands later
//  than the class can wait delays every p-th packet, so the caller leaves it out.

public struct Placement: Equatable, Sendable {
  /// Paths of the class, the best first.
  public let paths: Int

  public init(paths: Int) {
    precondition(paths > 0, "without a path nothing leaves")
    self.paths = paths
  }

  /// The rank of its path: 0 is the best.
  public func path(ofMember index: Int) -> Int { index % paths }

  public func path(ofParity row: Int, members: Int) -> Int { (members + row) % paths }

  /// Pieces of one group that one path can take with it when it dies.
  public func mostTogether(members: Int, parity: Int) -> Int { (members + parity + paths - 1) / paths }
}
