//  ModelOrderedPaths.swift — the walk for paths that keep their order.
//
//  Why.  Most paths are one line with one queue: parts of one path never overtake each other, and only those of
//  different paths do. Then independent delays predict a large buffer even for a single path, which needs none at
//  all.
//
//  How.  On a path that keeps its order all that matters is how far it has got: J, its first missing part. With
//
//      S(j) = the chance that the j oldest parts of the path have arrived      P(J = j) = S(j) − S(j+1)
//
//  S is the product of the parts' own chances when each draws its delay and then waits for its predecessors
//  (`ordered`), and simply the chance of the youngest of the j when they share a delay (`wandering`). The paths are
//  independent, so the oldest missing part of all is h on path p with P(J = h), and the others are further: each
//  contributes the J − base parts that it has got beyond h. The walk goes over h from young to old and keeps, for
//  each set S of paths, the distribution of Σ over S of (J − base), restricted to J ≥ base, as
//
//      Π_S [κ],   κ = Σ of the number of parts that are *not* there         (they never move when base does)
//
//  When h on path p becomes a part beyond which one may look, Π_S gains a · Π_{S∖p} shifted, for all S with p. Both
//  questions then are sums over these: occupancy takes Π of all other paths; a part's overtakers come from every set of
//  others, where those outside the set are still behind h and have sent nothing beyond it.
//
//  Rejected.  Convolving the k − 1 other paths anew for each h (cubic in W); generating functions at roots of unity
//  (fewer steps from five paths on, but sines in a module without a C library, and small probabilities drown in
//  rounding).
//
//  Always true.  Only sums and products of probabilities: nothing is negative, small values keep their digits.
//
//  Cost: O(P·U·2ᵏ·W) with U the parts whose arrival is uncertain; the others have a = 0 and cost nothing.

struct OrderedWalk {
  var occupancy: DiscreteDistribution
  var overtaking: Overtaking
}

extension ResequencingModel {
  func orderedWalk(_ behaviour: DelayBehaviour) throws(Refusal) -> OrderedWalk {
    try boundOrderedWalk()
    let counts = schedule.counts
    let share = 1 / Double(schedule.slots.count)
    var occupancy = [0.0]
    var overtakers = delays.map { _ in [0.0] }
    for phase in schedule.slots.indices {
      let window = Window(schedule, phase: phase, through: longestDelay)
      let now = progress(window, later: 0, behaviour)
      let next = progress(window, later: 1, behaviour)
      var products = PathProducts(nothingMissing: now.nothingMissing)
      for (index, path) in window.paths.enumerated() {
        let isFirstMissing = now.olderArrived[index] - now.arrived[index]
        products.addBeyond(path, to: &occupancy, weight: share * isFirstMissing)

        // Nothing arrives strictly before a part that needs no time.
        if window.ages[index] == 0 { overtakers[path][0] += now.arrived[index] / Double(counts[path]) }
        let arrivesNext = next.arrived[index] - now.arrived[index]
        if arrivesNext > 0 {
          products.addOvertakers(
            of: path, to: &overtakers[path], weight: arrivesNext / Double(counts[path]),
            behind: now.behind(at: index))
        }
        products.pass(path, firstMissing: isFirstMissing)
      }
      occupancy[0] += share * now.nothingMissing.reduce(1, *)
    }
    return OrderedWalk(
      occupancy: DiscreteDistribution(occupancy),
      overtaking: Overtaking(perPath: overtakers, counts: counts, losses: delays.map(\.loss)))
  }

  /// Each part whose arrival is uncertain moves a vector for every other set of paths, and each vector is as long as
  /// the window.
  private func boundOrderedWalk() throws(Refusal) {
    var uncertain = 0.0
    for (path, count) in schedule.counts.enumerated() {
      let first = delays[path].probabilities.firstIndex { $0 > 0 } ?? 0
      uncertain += Double(count) * Double(delays[path].longest - first)
    }
    let vectors = Double(1 << (schedule.pathCount - 1))
    try bound(steps: uncertain * vectors * partsPerSlot * Double(longestDelay))
  }

  /// How far the paths have got, some slots after the window's moment.
  private func progress(_ window: Window, later: Int, _ behaviour: DelayBehaviour) -> PathProgress {
    var arrived = Array(repeating: 1.0, count: window.count)
    var olderArrived = arrived
    var reached = Array(repeating: 1.0, count: schedule.pathCount)
    var behind: [[Double]] = []
    for index in window.paths.indices.reversed() {
      let path = window.paths[index]
      let own = delays[path].arrived(by: window.ages[index] + later)
      olderArrived[index] = reached[path]
      behind.append(reached.map { 1 - $0 })
      reached[path] = behaviour == .wandering ? min(reached[path], own) : reached[path] * own
      arrived[index] = reached[path]
    }
    return PathProgress(
      arrived: arrived, olderArrived: olderArrived, nothingMissing: reached, behindOldestFirst: behind)
  }
}

/// The S of the header, for every part of a window.
private struct PathProgress {
  /// The chance that this part and all older ones of its path have arrived.
  var arrived: [Double]
  /// The chance that all older ones of its path have.
  var olderArrived: [Double]
  /// For each path, the chance that all its parts have arrived.
  var nothingMissing: [Double]
  var behindOldestFirst: [[Double]]

  /// For each path, the chance that it misses something older than this part.
  func behind(at index: Int) -> [Double] { behindOldestFirst[behindOldestFirst.count - 1 - index] }
}

/// Π_S for every set of paths, as the walk goes from young to old.
private struct PathProducts {
  private struct Sum {
    var lowest = 0
    var values: [Double] = []
  }

  /// Indexed by the set's bits.
  private var sums: [Sum]
  /// How many parts of each path the walk has passed.
  private var passed: [Int]
  private let all: Int

  /// What adds less than this to a result is not worth a vector's pass.
  private static let negligible = 1e-20

  init(nothingMissing: [Double]) {
    let paths = nothingMissing.count
    all = (1 << paths) - 1
    passed = Array(repeating: 0, count: paths)
    sums = Array(repeating: Sum(), count: 1 << paths)
    sums[0].values = [1]
    for set in 1...all {
      var product = 1.0
      for path in 0..<paths where set & (1 << path) != 0 { product *= nothingMissing[path] }
      if product > 0 { sums[set].values = [product] }
    }
  }

  /// The part of this path where the walk stands is the first missing one of its path with this probability; from now
  /// on, the others look beyond it.
  mutating func pass(_ path: Int, firstMissing: Double) {
    let bit = 1 << path
    passed[path] += 1
    if firstMissing <= PathProducts.negligible { return }
    for set in 1..<sums.count where set & bit != 0 && set != all {
      let source = sums[set & ~bit]
      if source.values.isEmpty { continue }
      let lowest = source.lowest + passed[path]
      if sums[set].values.isEmpty { sums[set].lowest = lowest }
      let offset = lowest - sums[set].lowest
      grow(&sums[set].values, to: offset + source.values.count)
      for index in source.values.indices { sums[set].values[offset + index] += firstMissing * source.values[index] }
    }
  }

  /// What the other paths have got beyond the part of `path` where the walk stands.
  func addBeyond(_ path: Int, to tally: inout [Double], weight: Double) {
    if weight > PathProducts.negligible { add(all & ~(1 << path), to: &tally, weight) }
  }

  /// The same for a part that need not be the first missing one of all.
  func addOvertakers(of path: Int, to tally: inout [Double], weight: Double, behind: [Double]) {
    let others = all & ~(1 << path)
    for set in 0..<sums.count where set & ~others == 0 {
      var factor = weight
      for other in behind.indices where (others & ~set) & (1 << other) != 0 { factor *= behind[other] }
      if factor > PathProducts.negligible { add(set, to: &tally, factor) }
    }
  }

  private func add(_ set: Int, to tally: inout [Double], _ weight: Double) {
    var beyond = 0
    for path in passed.indices where set & (1 << path) != 0 { beyond += passed[path] }
    let sum = sums[set]
    if sum.values.isEmpty { return }
    grow(&tally, to: beyond - sum.lowest + 1)
    for index in sum.values.indices { tally[beyond - sum.lowest - index] += weight * sum.values[index] }
  }
}
