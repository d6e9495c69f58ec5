//  RuleDecisions.swift — how many flows each rule has decided since the rules were made.
//
//  Counted where a flow gets its plan, once for each flow. Plans say which rules made them: the first plan of other
//  rules begins the count anew, so nobody has to tell.

struct RuleDecisions {
  private var counts = [UInt64](repeating: 0, count: Rules.most + 1)
  private var revision: UInt32 = 0

  mutating func note(_ plan: Plan) {
    if plan.revision != revision {
      revision = plan.revision
      for place in counts.indices { counts[place] = 0 }
    }
    counts[plan.rule ?? Rules.most] &+= 1
  }

  /// Of the rule at this place; nil: of those for which none held.
  func count(of rule: Int?, in rules: Rules) -> UInt64 {
    rules.revision == revision ? counts[rule ?? Rules.most] : 0
  }
}
