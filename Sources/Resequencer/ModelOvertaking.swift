//  ModelOvertaking.swift — how many successors arrive before a part does; which is also what a bounded buffer loses.
//
//  Why.  A buffer of N that is full when one more part comes gives up the part it waits for and moves on. Which parts
//  it loses looks like a question about the buffer's whole history, and is none: it gives up h exactly when more than
//  N successors of h are there and h is not. (While it waits for h nothing younger has left it, so those N + 1 are
//  its contents and the arrival; and before h is due it can have given up only older parts, which changes nothing for
//  h.) So one distribution, the number of successors that arrive strictly before a part, holds the loss for *every*
//  buffer size.
//
//  How.  A part of age a at the end of slot t that arrives in slot t + 1 had a delay of a + 1; the number of
//  successors that are there at t is the G of the walk (Model.swift). Over all phases every delay of every part comes
//  by once.
//
//  This holds on any path that loses parts too: what never arrives is overtaken by everybody.
//
//  Cost: O(P·W·width).

public struct Overtaking: Equatable, Sendable {
  /// The number of successors that arrive strictly before a part of this path.
  public let perPath: [DiscreteDistribution]
  /// The same over all parts.
  public let total: DiscreteDistribution

  init(perPath tallies: [[Double]], counts: [Int], losses: [Double]) {
    perPath = tallies.indices.map { DiscreteDistribution(tallies[$0], undefined: losses[$0]) }
    let parts = Double(counts.reduce(0, +))
    var sum: [Double] = []
    var lost = 0.0
    for path in tallies.indices {
      let share = Double(counts[path]) / parts
      grow(&sum, to: tallies[path].count)
      for (n, p) in tallies[path].enumerated() { sum[n] += share * p }
      lost += share * losses[path]
    }
    total = DiscreteDistribution(sum, undefined: lost)
  }

  /// The share of parts that a buffer with this room loses.
  public func loss(bufferOf room: Int) -> Double { total.tail(above: room) }

  /// The share of one path's parts that it loses.
  public func loss(bufferOf room: Int, path: Int) -> Double { perPath[path].tail(above: room) }

  /// The smallest buffer that loses no more than this; nil when no buffer does, since the paths lose more.
  public func buffer(losingAtMost share: Double) -> Int? {
    var sum = total.undefined
    if sum > share { return nil }
    var room = total.largest
    while room > 0 && sum + total[room] <= share {
      sum += total[room]
      room -= 1
    }
    return room
  }
}

extension ResequencingModel {
  public func overtaking(_ behaviour: DelayBehaviour = .independent) throws(Refusal) -> Overtaking {
    switch behaviour {
    case .independent: independentOvertaking()
    case .ordered, .wandering: try orderedWalk(behaviour).overtaking
    }
  }

  private func independentOvertaking() -> Overtaking {
    let counts = schedule.counts
    // Nothing arrives strictly before a part that needs no time.
    var tallies = delays.map { [$0.probability(of: 0)] }
    for phase in schedule.slots.indices {
      let window = Window(schedule, phase: phase, through: longestDelay)
      var younger = EventCount()
      for (index, q) in arrivalChances(window).enumerated() {
        let path = window.paths[index]
        let arrivesNext = delays[path].probability(of: window.ages[index] + 1)
        younger.add(to: &tallies[path], weight: arrivesNext / Double(counts[path]))
        younger.add(probability: q)
      }
    }
    return Overtaking(perPath: tallies, counts: counts, losses: delays.map(\.loss))
  }
}
