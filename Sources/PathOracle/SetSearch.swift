//  SetSearch.swift — the best sets of up to four paths among a hundred: all of them, without looking at most of them.
//
//  Why.  100 relays make four million sets of four; a query has a millisecond. The best few are wanted and not only the
//  best, since the resequencing model, which is too slow to ask for every set, may still refuse some.
//
//  How.  Depth first through the sets in the objective's order, each set once, members in ascending position:
//
//      {}  ─▶ {0} ─▶ {0,1} ─▶ {0,1,2} …          at each set: is it one of the best so far? then, for each next
//          │      └▶ {0,2} …                      position i, can any set that goes on from there still be?
//          └▶ {1} ─▶ {1,2} …                      bound(S, i, n) ≤ the least of the best: no, and none after i
//
//  `Worth.bound` is tight where the order is right, so that few steps should do. The number of steps is bounded all
//  the same: a map made to be hard gets a good answer that does not call itself the best.
//
//  Rejected.  Greedy (takes the fastest path first, which may land so late that nothing fits beside it); integer
//  programming (the sharing is not linear).
//
//  Always true.  (1) When `isComplete`, no set within the rules is worth more than the first found. (2) What was found
//  is in the order of its worth, and of equal ones the first in the objective's order comes first.
//
//  Cost: a bound for each step, which is a handful of candidates as a rule. On maps made to be hard a whole
//  question took 0.5 ms at most (map-bench).

struct SetSearch {
  /// At an estimated half a microsecond each, the ten milliseconds that an answer may take.
  static let mostSteps = 20_000

  struct Found {
    var set: Selection
    var worth: Double
  }

  let worth: Worth
  private let room: Int
  private(set) var found: [Found] = []
  private(set) var steps = 0

  /// `room`: how many of the best are kept.
  init(_ worth: Worth, room: Int) {
    self.worth = worth
    self.room = room
    found.reserveCapacity(room + 1)
    explore(Selection(), from: 0)
  }

  var isComplete: Bool { steps < SetSearch.mostSteps }

  /// What a set must be worth more than.
  private var threshold: Double { found.count < room ? -.infinity : found[found.count - 1].worth }

  private mutating func explore(_ set: Selection, from first: Int) {
    if set.count > 0 { keep(set) }
    if set.count == worth.most { return }
    for position in first..<worth.contenders.count {
      if steps >= SetSearch.mostSteps { return }
      steps += 1
      let limit = threshold
      if limit > -.infinity && worth.bound(set, from: position, adding: worth.most - set.count) <= limit { return }
      if worth.mayJoin(set, position) { explore(set.adding(position), from: position + 1) }
    }
  }

  private mutating func keep(_ set: Selection) {
    let value = worth.worth(set)
    if value <= threshold { return }
    // Behind those of equal worth: they came first in the order.
    let place = found.firstIndex { $0.worth < value } ?? found.count
    found.insert(Found(set: set, worth: value), at: place)
    if found.count > room { found.removeLast() }
  }
}
