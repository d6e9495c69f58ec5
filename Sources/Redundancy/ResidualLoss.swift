//  ResidualLoss.swift — what is still lost behind parity, and how much parity is enough.
//
//  Why.  Too little parity and a call crackles; too much and it pushes its own packets out of a thin path. What is
//  right follows from the measured losses of the paths, without trying.
//
//  How.  Each of the k + m pieces is lost with the probability of its path, independently. Let A be the number of lost
//  members and B that of lost parity; each is a sum of unequal coin tosses (Poisson's binomial), and its distribution
//  comes from tossing one coin after the other:
//
//      P(n coins) ──▶ P(n + 1 coins)         P'(a) = P(a) × (1 − p) + P(a − 1) × p
//
//      group lost     Σ P(A = a) × P(B = b)              over a > 0 and a + b > m
//      datagram lost  Σ a ÷ k × P(A = a) × P(B = b)      over the same: members that arrive are of use in any case
//
//  2 + 1 over three paths that lose 10 %: a member is gone when it is lost and so is one of the other two pieces, so
//  0.1 × (1 − 0.9²) = 1.9 % of the datagrams; 2.8 % of the groups lose more than one piece, and so a datagram.
//
//  What it does not know.  Losses of one path come in bursts, and then its pieces of one group go together. `Placement`
//  gives a path few of them; where it must give several, the truth is worse than the figure.
//
//  Cost: (k + m)² multiplications, a microsecond; it is asked when losses are measured anew, not for each datagram.

import Wire

public struct ResidualLoss: Equatable, Sendable {
  /// The share of datagrams that are lost for good.
  public let ofDatagrams: Double
  /// The share of groups that lack a datagram in the end.
  public let ofGroups: Double

  /// `losses`: of the paths, the best first, each between 0 and 1. What is no number counts as lost.
  public init(members: Int, parity: Int, losses: [Double]) {
    precondition((1...ParityHeader.mostMembers).contains(members), "a group has 1 to 16 members")
    precondition((0...ParityHeader.mostParity).contains(parity), "a group has up to 4 pieces of parity")
    let placement = Placement(paths: losses.count)
    var lostMembers = Tosses()
    var lostParity = Tosses()
    for index in 0..<members { lostMembers.toss(losses[placement.path(ofMember: index)]) }
    for row in 0..<parity { lostParity.toss(losses[placement.path(ofParity: row, members: members)]) }
    var datagrams = 0.0
    var groups = 0.0
    for lost in 1...members {
      for alsoLost in 0...parity where lost + alsoLost > parity {
        let probability = lostMembers.probabilities[lost] * lostParity.probabilities[alsoLost]
        groups += probability
        datagrams += probability * Double(lost)
      }
    }
    ofDatagrams = datagrams / Double(members)
    ofGroups = groups
  }

  /// The least parity with which no more than `target` of the datagrams are lost; all that there is when nothing is
  /// enough. Less than the `current` one only if that leaves half of the target: a loss that is measured to be now
  /// here, now there of the boundary would change the shape with every report.
  public static func leastParity(members: Int, losses: [Double], target: Double, current: Int? = nil) -> Int {
    for parity in 0..<ParityHeader.mostParity {
      let left = ResidualLoss(members: members, parity: parity, losses: losses).ofDatagrams
      let isLess = current.map { parity < $0 } ?? false
      if left <= (isLess ? target / 2 : target) { return parity }
    }
    return ParityHeader.mostParity
  }
}

/// How many of several unequal coins fall on "lost".
private struct Tosses {
  var probabilities = InlineArray<17, Double>(repeating: 0)
  private var count = 0

  init() { probabilities[0] = 1 }

  mutating func toss(_ probability: Double) {
    let lost = probability.isNaN ? 1 : min(max(probability, 0), 1)
    count += 1
    for number in stride(from: count, to: 0, by: -1) {
      probabilities[number] = probabilities[number] * (1 - lost) + probabilities[number - 1] * lost
    }
    probabilities[0] *= 1 - lost
  }
}
