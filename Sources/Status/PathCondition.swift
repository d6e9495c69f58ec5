//  PathCondition.swift — how a path is, in one word and a sentence: what everybody reads first.
//
//  Why.  A path has a liveness, a tier, a use, a budget, losses and delays, and nobody reads six columns at night. So
//  one word is decided here, once, and the table, the page, the metrics and JSON all say the same.
//
//  How.  The first that holds, since what comes first explains what comes after it:
//
//      down ─ probing ─ over-budget ─ standby ─ lossy ─ congested ─ up
//        nobody answers │ we do not want it now │ it works, but ill │ it carries, and all is well
//
//  Rejected.  Hysteresis (this is a display: what acts on losses and delays is the governor, which has its own); a word
//  for each pair of causes (the sentence has room for both).
//
//  Always true.  What is not `up` by its liveness is `down` or `probing` here.

import Primitives

extension StatusSnapshot.Path {
  public enum Word: String, CaseIterable, Sendable {
    /// Not known to work, and being tried.
    case probing
    case up
    case lossy
    case congested
    case standby
    case overBudget = "over-budget"
    case down
  }

  public struct Condition: Equatable, Sendable {
    public var word: Word
    /// A sentence without its full stop.
    public var reason: String

    public init(word: Word, reason: String) {
      self.word = word
      self.reason = reason
    }
  }

  /// BBRv3 takes 2 % for the most that a path loses without being overfull. A radio's usual thousandths are less, and a
  /// TCP beside the tunnel would feel this much.
  static let lossyFrom = 0.02
  /// A round trip has to be so much longer than the least one, and twice as long: less is jitter of a radio, and on a
  /// line of a millisecond twice as long is nothing that anybody feels.
  static let leastQueue = Interval.milliseconds(30)
  /// In bits a second, both ways: of a path with less the last round trip was measured some time ago.
  static let leastLoad: UInt64 = 64_000

  public var condition: Condition {
    switch state {
    case .down:
      let silence = lastHeard.map { "nothing has come back for \(shortAge($0))" } ?? "nothing comes back"
      return Condition(word: .down, reason: useReason.isEmpty ? silence : useReason)
    case .probing: return Condition(word: .probing, reason: "nothing has come back yet; it is being asked")
    case .up: break
    }
    if let budget, budget.left == 0 {
      return Condition(
        word: .overBudget,
        reason: "its budget of \(amount(budget.bytes)) is spent until \(budget.until), so it counts as \(tier.rawValue)"
      )
    }
    if use == .standby || use == .dropped { return Condition(word: .standby, reason: useReason) }
    if loss >= Self.lossyFrom {
      return Condition(word: .lossy, reason: "\(plainDecimal(loss * 100, decimals: 1)) % of what it was sent was lost")
    }
    if sentRate &+ receivedRate >= Self.leastLoad, let roundTrip, let least = leastRoundTrip,
      roundTrip - least >= Self.leastQueue, roundTrip >= least * 2
    {
      return Condition(
        word: .congested,
        reason: "a round trip takes \(milliseconds(roundTrip)), and \(milliseconds(least)) when nothing waits on it")
    }
    if use == .carrying { return Condition(word: .up, reason: useReason) }
    return Condition(word: .up, reason: "it answers; nothing had to be carried yet")
  }
}
