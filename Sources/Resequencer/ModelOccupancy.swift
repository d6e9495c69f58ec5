//  ModelOccupancy.swift — how many parts wait in the buffer, when every part's delay is its own.
//
//  How.  The walk of Model.swift, for each slot of the period. A full buffer of N changes one factor: the part h is
//  the one we wait for if at most N successors are there, and if every older missing part has been given up, for
//  which more than N successors must be there. With b arrivals after h, an older part that is j places before h and
//  missing has at least b + j − 1; so exactly the N + 1 − b parts just before h must have arrived, and nothing need
//  be asked of those before them.
//
//  Cost: O(P·W·width), and O(P·W·N) for a full buffer.

extension ResequencingModel {
  /// Parts that wait at the end of a slot, in a buffer without a limit.
  public func occupancy(_ behaviour: DelayBehaviour = .independent) throws(Refusal) -> DiscreteDistribution {
    try refuseLoss()
    switch behaviour {
    case .independent: return occupancy(through: longestDelay, chances: arrivalChances)
    case .ordered, .wandering: return try orderedWalk(behaviour).occupancy
    }
  }

  /// Both for the price of one, where one walk gives both.
  public func occupancyAndOvertaking(_ behaviour: DelayBehaviour) throws(Refusal) -> (DiscreteDistribution, Overtaking)
  {
    try refuseLoss()
    if behaviour == .independent { return (try occupancy(), try overtaking()) }
    let walk = try orderedWalk(behaviour)
    return (walk.occupancy, walk.overtaking)
  }

  /// The same, when a part is given up for good at the end of the slot that is `deadline` slots after its sending.
  /// Paths may lose parts: what is lost holds the others up until its deadline.
  public func occupancy(deadline: Int) throws(Refusal) -> DiscreteDistribution {
    precondition(deadline >= 0, "a deadline before the sending")
    let oldest = delays.allSatisfy { $0.loss == 0 } ? min(deadline, longestDelay) : deadline
    try bound(oldest: oldest)
    return occupancy(through: oldest) { window in
      var chances = arrivalChances(window)
      for index in chances.indices where window.ages[index] >= deadline { chances[index] = 1 }
      return chances
    }
  }

  /// The same, when the buffer has room for so many parts, and gives up the part it waits for when it is full.
  public func occupancy(bufferOf room: Int) throws(Refusal) -> DiscreteDistribution {
    precondition(room >= 0, "a buffer of less than nothing")
    try refuseLoss()
    // Beyond as many parts as can be there at all, more room changes nothing.
    let window = (longestDelay + 1) * schedule.partCount
    let room = min(room, window)
    try bound(steps: Double(schedule.slots.count) * partsPerSlot * Double(longestDelay) * Double(room))
    var tally = [0.0]
    for phase in schedule.slots.indices {
      let chances = arrivalChances(Window(schedule, phase: phase, through: longestDelay))
      var younger = EventCount()
      for (index, q) in chances.enumerated() {
        // `before` is the chance that the room + 1 − b parts just before this one have arrived, for b from room down.
        var before = 1.0
        var reached = index + 1
        var b = room
        let most = min(room, younger.lowest + younger.probabilities.count - 1)
        if q < 1 {
          while b >= max(1, younger.lowest) {
            before *= reached < chances.count ? chances[reached] : 1
            reached += 1
            if before == 0 { break }
            if b <= most {
              grow(&tally, to: b + 1)
              tally[b] += (1 - q) * younger[b] * before
            }
            b -= 1
          }
        }
        younger.add(probability: q)
      }
    }
    var occupied = 0.0
    for b in tally.indices.dropFirst() {
      tally[b] /= Double(schedule.slots.count)
      occupied += tally[b]
    }
    tally[0] = max(0, 1 - occupied)
    return DiscreteDistribution(tally)
  }

  /// For each part of a window, the chance that it has arrived.
  func arrivalChances(_ window: Window) -> [Double] {
    window.paths.indices.map { delays[window.paths[$0]].arrived(by: window.ages[$0]) }
  }

  private func occupancy(through oldest: Int, chances chancesOf: (Window) -> [Double]) -> DiscreteDistribution {
    var tally = [0.0]
    let share = 1 / Double(schedule.slots.count)
    for phase in schedule.slots.indices {
      let chances = chancesOf(Window(schedule, phase: phase, through: oldest))
      let older = allOlderArrived(chances)
      var younger = EventCount()
      for (index, q) in chances.enumerated() {
        younger.add(to: &tally, weight: share * older[index] * (1 - q))
        younger.add(probability: q)
      }
      tally[0] += share * chances.reduce(1, *)  // nothing is missing at all
    }
    return DiscreteDistribution(tally)
  }

  /// For each part of a window, youngest first, the chance that all older ones have arrived.
  func allOlderArrived(_ chances: [Double]) -> [Double] {
    var older = Array(repeating: 1.0, count: chances.count)
    for index in chances.indices.dropLast().reversed() { older[index] = older[index + 1] * chances[index + 1] }
    return older
  }
}
