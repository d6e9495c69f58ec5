//  ModelLatency.swift — how long a part waits for the parts before it, and how old it is when it goes out in order.
//
//  How.  A part of delay d goes out when it is there and everything older is. The chance that everything older is
//  there at the end of a slot is the ∏ q of the walk (Model.swift), so one pass over the windows of all phases fills
//  a table
//
//      others[n][x] = the chance that all parts before n have arrived x slots after n was sent
//
//  and then  P(wait ≤ w) = Σ over d of P(d) · others[n][d + w]   and   P(latency ≤ x) = P(d ≤ x) · others[n][x],
//  averaged over the parts n of the period. On a path that keeps its order a part never waits for its own path:
//  `others` then means the other paths, and d the delay with the hold-up behind predecessors in it.
//
//  Cost: O(P·W + L·M²) with L parts in the period and M slots of longest delay. Memory: L·M.

extension ResequencingModel {
  /// Slots that a part waits in the buffer without a limit: zero for one that comes in order.
  public func resequencingDelay(_ behaviour: DelayBehaviour = .independent) throws(Refusal) -> DiscreteDistribution {
    try refuseLoss()
    let chances = latencyChances(behaviour)
    var tally = Array(repeating: 0.0, count: longestDelay + 1)
    for (own, others) in zip(chances.own, chances.others) {
      var upTo = Array(repeating: 0.0, count: longestDelay + 1)
      var before = 0.0
      for delay in 0...longestDelay {
        let probability = own[delay] - before
        before = own[delay]
        if probability <= 0 { continue }
        // What is as old as the longest delay waits for nobody.
        let waiting = longestDelay - delay
        for wait in 0..<waiting { upTo[wait] += probability * others[delay + wait] }
        for wait in waiting...longestDelay { upTo[wait] += probability }
      }
      addDifferences(of: upTo, to: &tally)
    }
    return DiscreteDistribution(tally)
  }

  /// Slots from the sending of a part until it goes out in order, from a buffer without a limit.
  public func inOrderLatency(_ behaviour: DelayBehaviour = .independent) throws(Refusal) -> DiscreteDistribution {
    try refuseLoss()
    let chances = latencyChances(behaviour)
    var tally = Array(repeating: 0.0, count: longestDelay + 1)
    for (own, others) in zip(chances.own, chances.others) {
      addDifferences(of: zip(own, others).map { $0 * $1 }, to: &tally)
    }
    return DiscreteDistribution(tally)
  }

  private func addDifferences(of cumulative: [Double], to tally: inout [Double]) {
    var before = 0.0
    for (n, value) in cumulative.enumerated() {
      tally[n] += (value - before) / Double(schedule.partCount)
      before = value
    }
  }

  /// For each part of the period and each age: the chance that it has arrived, and that those it waits for have.
  private func latencyChances(_ behaviour: DelayBehaviour) -> (own: [[Double]], others: [[Double]]) {
    let row = Array(repeating: 1.0, count: longestDelay + 1)
    var own = Array(repeating: row, count: schedule.partCount)
    var others = own
    for phase in schedule.slots.indices {
      let window = Window(schedule, phase: phase, through: longestDelay)
      // The chance, for each path, that all its parts up to where we stand have arrived.
      var reached = Array(repeating: 1.0, count: schedule.pathCount)
      for index in window.paths.indices.reversed() {
        let path = window.paths[index]
        let alone = delays[path].arrived(by: window.ages[index])
        let position = window.positions[index]
        let age = window.ages[index]
        var product = 1.0
        for (other, chance) in reached.enumerated() where behaviour == .independent || other != path {
          product *= chance
        }
        others[position][age] = product
        reached[path] = behaviour == .wandering ? min(reached[path], alone) : reached[path] * alone
        own[position][age] = behaviour == .ordered ? reached[path] : alone
      }
    }
    return (own, others)
  }
}
