//  Worth.swift — what a set of paths is worth for each objective, and how much it could become worth at best.
//
//  Why.  Paths chosen one by one are not the best set: two through one provider share its bottleneck and its fate, and
//  a fast path is no help beside one that lands much later. So sets are compared, and each objective is one number.
//
//  How.  More is better; whatever is shared counts once.
//
//    throughput   (Σ over providers of the best rate there, at most what the ends carry) · 0.98 ^ (paths − 1)
//                 · (1 − slowest delay / 10 s)             a path must bring two in a hundred; 100 ms are worth one;
//                                                          a rate is what flows make of it (Candidate.goodRate)
//    latency      − (t₁ + t₂/4 + t₃/16 + t₄/64)             t: effective delays, the least first; a missing path is a
//                                                           second late, one that shares a provider 20 ms
//    resilience   − Π over providers (q + (1 − q) Π u) · Π (1 + t)      the chance that all fail; u: of a path,
//                                                                       q: of all of a provider's at once
//    cost         − (what carrying the wanted rate costs, cheapest first, + a trifle for delays and each path)
//                 who wants more than the paths can carry gets the most there is: that is throughput
//
//  Delays are in all of them, so that paths alike in the rest are not alike, and the choice does not hang on names.
//
//  `bound` is what a set can become worth at best when members from the rest of the order join it. Orders put the most
//  useful first; so the bound adds the next ones that are compatible as if nothing stood between them.
//
//  Two more rules hold for every set (`mayJoin`): nobody lands later than all others by more than what may be added,
//  and what the early ones must store until the last one lands, Σ rate · (latest − delay), fits the buffer. Both only
//  grow when paths join. They are the least that any resequencer needs: each model asks for more.
//
//  Rejected.  Weights for the user to set (nobody can say what a millisecond is worth in gigabytes).
//
//  Always true.  (1) bound(S, i, n) ≥ worth(S ∪ T) for all T of at most n from position i on that may join. (2) It does
//  not grow with i. Brute force over small maps checks both.

import Primitives

/// A candidate in the order of an objective.
struct Contender {
  var candidate: Int
  var provider: Int
  /// Bits per second that flows make of it.
  var good: Double
  /// Bytes per nanosecond that are sent.
  var rate: Double
  /// Mean delay in nanoseconds, and the effective one in seconds.
  var delay: Double
  var time: Double
  /// The chance that this path fails while its provider does not.
  var hazard: Double
  /// For a gigabyte in millionths, with the trifle for its delay.
  var price: Double
}

/// Positions in the order, the least first.
struct Selection: Equatable {
  private var positions = InlineArray<4, Int>(repeating: 0)
  private(set) var count = 0

  subscript(index: Int) -> Int { positions[index] }

  func adding(_ position: Int) -> Selection {
    var more = self
    more.positions[count] = position
    more.count += 1
    return more
  }

  static func == (a: Selection, b: Selection) -> Bool {
    a.count == b.count && (0..<a.count).allSatisfy { a[$0] == b[$0] }
  }
}

struct Worth {
  /// A path for two in a hundred more is not worth another socket and another queue.
  static let perPath = 0.98
  static let longest = 10e9
  static let standby = 0.25
  static let missing = 1.0
  static let sharing = 0.020
  /// A leg is there for 99.6 of 100 attempts (SOSR measured as much between servers), a provider's whole network fails
  /// less often than one path by far.
  static let legHazard = 0.004
  static let providerHazard = 0.001
  /// Millionths a gigabyte for a second of delay, and for one path more: they decide only between equal prices.
  static let pricePerSecond = 1_000.0
  static let pricePerPath = 10.0
  /// Nobody's price: what is not carried costs more than anything that is.
  static let shortfall = 1e12
  /// Who is in use is as good as one that is better by this.
  static let favour = 1.05

  let objective: Objective
  let contenders: [Contender]
  let most: Int
  private let capacity: Double
  private let wanted: Double
  private let addedDelay: Double
  private let buffer: Double
  /// The best rates from each position on, summed up for 0 … 4 paths.
  private var bestRates: [InlineArray<5, Double>] = []

  init(_ field: PathField) {
    let limits = field.query.limits
    most = field.query.count
    capacity = field.capacity
    addedDelay = Double(limits.addedDelay.nanoseconds)
    buffer = Double(limits.buffer.value)
    let contenders = field.candidates.indices.map {
      Worth.contender($0, field.candidates[$0], among: field.query.count)
    }

    wanted = min(Double(limits.wantedRate.bitsPerSecond), field.capacity)
    var objective = field.query.objective
    if objective == .cost && Worth.carried(by: contenders, count: most) < wanted { objective = .throughput }
    self.objective = objective
    // Equal ones stay in the field's order, which is by name.
    self.contenders =
      contenders.enumerated().map { (key: Worth.key(objective, $0.element), place: $0.offset, contender: $0.element) }
      .sorted { ($0.key, $0.place) < ($1.key, $1.place) }.map { $0.contender }
    if objective == .cost { bestRates = Worth.bestRates(self.contenders) }
  }

  private static func key(_ objective: Objective, _ one: Contender) -> Double {
    switch objective {
    case .throughput: -one.good
    case .latency: one.time
    case .resilience: alone(one)
    case .cost: one.price
    }
  }

  private static func contender(_ index: Int, _ candidate: Candidate, among paths: Int) -> Contender {
    let favour = candidate.isInUse ? Worth.favour : 1
    let legs = candidate.relay == nil ? 1 - legHazard : (1 - legHazard) * (1 - legHazard)
    let time = candidate.effectiveDelay / 1e9 / favour
    return Contender(
      candidate: index, provider: candidate.provider, good: candidate.goodRate(among: paths) * favour,
      rate: candidate.rate / 8e9, delay: candidate.delay, time: time,
      hazard: (1 - legs * (1 - candidate.loss) * candidate.confidence) / favour,
      price: candidate.price / favour + time * pricePerSecond)
  }

  /// The most that so many paths carry, providers once.
  private static func carried(by contenders: [Contender], count: Int) -> Double {
    var seen: [Int] = []
    var sum = 0.0
    for contender in contenders.sorted(by: { $0.good > $1.good }) where seen.count < count {
      if seen.contains(contender.provider) { continue }
      seen.append(contender.provider)
      sum += contender.good
    }
    return sum
  }

  private static func bestRates(_ contenders: [Contender]) -> [InlineArray<5, Double>] {
    var best = [InlineArray<5, Double>](repeating: InlineArray(repeating: 0), count: contenders.count + 1)
    var top = InlineArray<4, Double>(repeating: 0)
    for position in contenders.indices.reversed() {
      var rate = contenders[position].good
      for rank in 0..<4 where rate > top[rank] { (top[rank], rate) = (rate, top[rank]) }
      for count in 1...4 { best[position][count] = best[position][count - 1] + top[count - 1] }
    }
    return best
  }

  // MARK: Rules

  /// Whether the set with this one more is still one that a receiver can put in order.
  func mayJoin(_ set: Selection, _ position: Int) -> Bool {
    let one = contenders[position]
    var earliest = one.delay
    var latest = one.delay
    for index in 0..<set.count {
      let other = contenders[set[index]]
      earliest = min(earliest, other.delay)
      latest = max(latest, other.delay)
      // The second of a provider carries nothing that the first does not: the same worth less the two in a hundred.
      if objective == .throughput && other.provider == one.provider { return false }
    }
    if latest - earliest > addedDelay { return false }
    var stored = one.rate * (latest - one.delay)
    for index in 0..<set.count {
      let other = contenders[set[index]]
      stored += other.rate * (latest - other.delay)
    }
    return stored <= buffer
  }

  private func shares(_ set: Selection, _ position: Int, upTo count: Int) -> Bool {
    for index in 0..<count where contenders[set[index]].provider == contenders[position].provider { return true }
    return false
  }

  // MARK: Worth

  func worth(_ set: Selection) -> Double {
    switch objective {
    case .throughput: throughput(set)
    case .latency: latency(set)
    case .resilience: -failure(set)
    case .cost: -cost(set)
    }
  }

  /// Of a set with at most so many more from this position on; at least one of them.
  func bound(_ set: Selection, from position: Int, adding slots: Int) -> Double {
    switch objective {
    case .throughput: throughputBound(set, position, slots)
    case .latency: latencyBound(set, position, slots)
    case .resilience: failureBound(set, position, slots)
    case .cost: costBound(set, position, slots)
    }
  }

  /// What all of them carry together; bits per second.
  func goodRate(_ set: Selection) -> Double {
    var sum = 0.0
    for index in 0..<set.count {
      // The order of another objective may put a slower one of the same provider first: the fastest counts.
      var best = contenders[set[index]].good
      var isFirst = true
      for other in 0..<set.count where other != index {
        if contenders[set[other]].provider != contenders[set[index]].provider { continue }
        if other < index { isFirst = false }
        best = max(best, contenders[set[other]].good)
      }
      if isFirst { sum += best }
    }
    return min(sum, capacity)
  }

  private func latest(_ set: Selection) -> Double {
    var latest = 0.0
    for index in 0..<set.count { latest = max(latest, contenders[set[index]].delay) }
    return min(latest, Worth.longest)
  }

  private func discount(_ count: Int) -> Double {
    var discount = 1.0
    for _ in 1..<max(1, count) { discount *= Worth.perPath }
    return discount
  }

  private func throughput(_ set: Selection) -> Double {
    goodRate(set) * discount(set.count) * (1 - latest(set) / Worth.longest)
  }

  private func throughputBound(_ set: Selection, _ position: Int, _ slots: Int) -> Double {
    var picked = set
    var sum = goodRate(set)
    var best = -Double.infinity
    var next = position
    while picked.count < set.count + slots && next < contenders.count {
      // One of a provider that was picked before carries less than that one.
      if !shares(picked, next, upTo: picked.count) && mayJoin(set, next) {
        picked = picked.adding(next)
        sum = min(sum + contenders[next].good, capacity)
        best = max(best, sum * discount(picked.count))
      }
      next += 1
    }
    return best * (best > 0 ? 1 - latest(set) / Worth.longest : 1)
  }

  private func latency(_ set: Selection) -> Double {
    var sum = 0.0
    var weight = 1.0
    for index in 0..<most {
      if index < set.count {
        sum += weight * contenders[set[index]].time
        if shares(set, set[index], upTo: index) { sum += weight * Worth.sharing }
      } else {
        sum += weight * Worth.missing
      }
      weight *= Worth.standby
    }
    return -sum
  }

  private func latencyBound(_ set: Selection, _ position: Int, _ slots: Int) -> Double {
    var sum = 0.0
    var weight = 1.0
    var next = position
    for index in 0..<most {
      var time = Worth.missing
      if index < set.count {
        time = contenders[set[index]].time
        if shares(set, set[index], upTo: index) { time += Worth.sharing }
      } else if index < set.count + slots {
        while next < contenders.count && !mayJoin(set, next) { next += 1 }
        // Who is later than a missing one need not join.
        if next < contenders.count { time = min(time, contenders[next].time) }
        next += 1
      }
      sum += weight * time
      weight *= Worth.standby
    }
    return -sum
  }

  /// As if it had its provider for itself, times what its delay makes of it.
  private static func alone(_ one: Contender) -> Double {
    (providerHazard + (1 - providerHazard) * one.hazard) * (1 + one.time)
  }

  private func failure(_ set: Selection) -> Double {
    if set.count == 0 { return 1 }
    var all = 1.0
    for index in 0..<set.count {
      all *= 1 + contenders[set[index]].time
      if shares(set, set[index], upTo: index) { continue }
      var together = contenders[set[index]].hazard
      for other in (index + 1)..<max(index + 1, set.count)
      where contenders[set[other]].provider == contenders[set[index]].provider {
        together *= contenders[set[other]].hazard
      }
      all *= Worth.providerHazard + (1 - Worth.providerHazard) * together
    }
    return all
  }

  /// A path that shares its provider with others helps less than one that is alone: so all count as alone.
  private func failureBound(_ set: Selection, _ position: Int, _ slots: Int) -> Double {
    var least = failure(set)
    var open = slots
    var next = position
    while open > 0 && next < contenders.count {
      if mayJoin(set, next) {
        least *= min(1, Worth.alone(contenders[next]))
        open -= 1
      }
      next += 1
    }
    return -least
  }

  private func cost(_ set: Selection) -> Double {
    var sum = 0.0
    var open = wanted
    for index in 0..<set.count where !shares(set, set[index], upTo: index) {
      let one = contenders[set[index]]
      let carried = min(one.good, open)
      sum += carried * one.price
      open -= carried
    }
    return (sum + open * Worth.shortfall) / wanted + Double(set.count) * Worth.pricePerPath
  }

  private func costBound(_ set: Selection, _ position: Int, _ slots: Int) -> Double {
    var sum = 0.0
    var open = wanted
    for index in 0..<set.count where !shares(set, set[index], upTo: index) {
      let one = contenders[set[index]]
      let carried = min(one.good, open)
      sum += carried * one.price
      open -= carried
    }
    let left = max(0, open - bestRates[position][slots])
    var next = position
    while open > 0 && next < contenders.count {
      if mayJoin(set, next) {
        let carried = min(contenders[next].good, open)
        sum += carried * contenders[next].price
        open -= carried
      }
      next += 1
    }
    let least = max(sum + open * Worth.shortfall, left * Worth.shortfall)
    return -(least / wanted + Double(set.count + 1) * Worth.pricePerPath)
  }
}
