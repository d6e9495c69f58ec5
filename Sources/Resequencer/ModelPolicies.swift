//  ModelPolicies.swift — other ways to end the waiting: a deadline, a timer for each gap, whole segments.
//
//  All for independent delays. A deadline or a timer has no use for the order of a path: it looks at a part's own
//  age, or at the first successor that shows the gap. Occupancy under a gap timer has no product form (whether a part
//  is still waited for depends on when each of its successors came), so there is none here.
//
//  Cost: O(P·W), and O(P·W·width) for whole segments.

extension ResequencingModel {
  /// The share of parts that have not arrived when they are given up, at the end of the slot that is so many slots
  /// after their sending.
  public func loss(deadline: Int) -> Double {
    precondition(deadline >= 0, "a deadline before the sending")
    var missing = 0.0
    for (path, count) in schedule.counts.enumerated() {
      missing += Double(count) * (1 - delays[path].arrived(by: deadline))
    }
    return missing / Double(schedule.partCount)
  }

  /// The share of parts that are given up at the end of the slot that is `patience` slots after the one in which the
  /// first of their successors arrived. What never arrives is always given up, since some successor does arrive.
  public func loss(gapTimer patience: Int) -> Double {
    precondition(patience >= 0, "a timer that runs backwards")
    // For each part of the period and each age: the chance that none of its successors has arrived.
    var none = Array(repeating: Array(repeating: 1.0, count: longestDelay + 1), count: schedule.partCount)
    for phase in schedule.slots.indices {
      let window = Window(schedule, phase: phase, through: longestDelay)
      var product = 1.0
      for (index, q) in arrivalChances(window).enumerated() {
        none[window.positions[index]][window.ages[index]] = product
        product *= 1 - q
      }
    }
    var given = 0.0
    for (position, path) in schedule.slots.joined().enumerated() {
      var before = 1.0
      for (age, now) in none[position].enumerated() {
        given += (before - now) * (1 - delays[path].arrived(by: age + patience))
        before = now
      }
      given += before * delays[path].loss  // a gap that shows only when no part of this age can come any more
    }
    return given / Double(schedule.partCount)
  }

  /// Parts that wait at the end of a slot when the parts of one period of the pattern are a segment, and leave only
  /// together.
  ///
  /// Before the oldest incomplete segment everything has left; of that one and of all younger ones, what is there
  /// waits.
  public func occupancyReleasingWholeSegments() throws(Refusal) -> DiscreteDistribution {
    try refuseLoss()
    let size = schedule.partCount
    let period = schedule.slots.count
    var tally = [0.0]
    let share = 1 / Double(period)
    for phase in schedule.slots.indices {
      let window = Window(schedule, phase: phase, through: longestDelay + period)
      let chances = arrivalChances(window)
      // Youngest segment first. Parts of it that have not been sent are missing; the window is long enough to end in
      // segments that are complete for certain, so a cut one at its end changes nothing.
      var segments: [[Double]] = [[]]
      for (index, q) in chances.enumerated() {
        segments[segments.count - 1].append(q)
        if window.positions[index] == 0 { segments.append([]) }
      }
      let youngest = segments[0].count
      var complete = segments.indices.map { segments[$0].reduce(1, *) }
      if youngest < size { complete[0] = 0 }
      let older = allOlderArrived(complete)
      var younger = EventCount()
      for (index, segment) in segments.enumerated() {
        let weight = share * older[index]
        if complete[index] < 1 { younger.add(to: &tally, weight: -weight * complete[index], shift: segment.count) }
        for q in segment { younger.add(probability: q) }
        if complete[index] < 1 { younger.add(to: &tally, weight: weight) }
      }
      tally[0] += share * older[0] * complete[0]
    }
    return DiscreteDistribution(tally.map { max(0, $0) })
  }
}
