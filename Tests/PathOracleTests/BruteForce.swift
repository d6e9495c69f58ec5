//  BruteForce.swift — the best set, found by looking at every one: written from the formulas, not from the search.

@testable import PathOracle
import Primitives

struct BruteForce {
  let field: PathField
  var query: PathQuery { field.query }

  /// What everybody may choose, a list of candidates each.
  var sets: [[Int]] {
    var sets: [[Int]] = [[]]
    for candidate in field.candidates.indices {
      sets += sets.filter { $0.count < query.count }.map { $0 + [candidate] }
    }
    return sets.filter { !$0.isEmpty && isOrderly($0) }
  }

  func isOrderly(_ set: [Int]) -> Bool {
    let delays = set.map { field.candidates[$0].delay }
    let latest = delays.max() ?? 0
    if latest - (delays.min() ?? 0) > Double(query.limits.addedDelay.nanoseconds) { return false }
    let stored = set.reduce(0.0) { $0 + field.candidates[$1].rate / 8e9 * (latest - field.candidates[$1].delay) }
    return stored <= Double(query.limits.buffer.value)
  }

  func favour(_ one: Int) -> Double { field.candidates[one].isInUse ? 1.05 : 1 }
  func good(_ one: Int) -> Double { field.candidates[one].goodRate(among: query.count) * favour(one) }
  func time(_ one: Int) -> Double { field.candidates[one].effectiveDelay / 1e9 / favour(one) }

  func hazard(_ one: Int) -> Double {
    let candidate = field.candidates[one]
    let legs = candidate.relay == nil ? 0.996 : 0.996 * 0.996
    return (1 - legs * (1 - candidate.loss) * candidate.confidence) / favour(one)
  }

  /// The members by provider, each group once.
  func groups(_ set: [Int]) -> [[Int]] {
    var groups: [[Int]] = []
    for one in set {
      let provider = field.candidates[one].provider
      if let place = groups.firstIndex(where: { field.candidates[$0[0]].provider == provider }) {
        groups[place].append(one)
      } else {
        groups.append([one])
      }
    }
    return groups
  }

  var wanted: Double { min(Double(query.limits.wantedRate.bitsPerSecond), field.capacity) }

  /// A cost that cannot be had is a throughput.
  var objective: Objective {
    guard query.objective == .cost else { return query.objective }
    let best = groups(Array(field.candidates.indices)).map { $0.map(good).max() ?? 0 }.sorted(by: >)
    return best.prefix(query.count).reduce(0, +) < wanted ? .throughput : .cost
  }

  func worth(_ set: [Int]) -> Double {
    switch objective {
    case .throughput:
      let rate = min(groups(set).reduce(0.0) { $0 + ($1.map(good).max() ?? 0) }, field.capacity)
      let latest = min(set.map { field.candidates[$0].delay }.max() ?? 0, 10e9)
      return rate * (1..<set.count).reduce(1.0) { product, _ in product * 0.98 } * (1 - latest / 10e9)
    case .latency:
      let order = set.sorted { (time($0), $0) < (time($1), $1) }
      var sum = 0.0
      var weight = 1.0
      for place in 0..<query.count {
        var late = 1.0
        if place < order.count {
          late = time(order[place])
          let before = order[..<place].map { field.candidates[$0].provider }
          if before.contains(field.candidates[order[place]].provider) { late += 0.020 }
        }
        sum += weight * late
        weight /= 4
      }
      return -sum
    case .resilience:
      let delays = set.reduce(1.0) { $0 * (1 + time($1)) }
      return -groups(set).reduce(delays) { $0 * (0.001 + 0.999 * $1.reduce(1.0) { $0 * hazard($1) }) }
    case .cost:
      let price: (Int) -> Double = {
        field.candidates[$0].price / favour($0) + time($0) * 1_000
      }
      let order = set.sorted { (price($0), $0) < (price($1), $1) }
      var open = wanted
      var sum = 0.0
      // Of each provider only the cheapest.
      for group in groups(order) {
        let carried = min(good(group[0]), open)
        sum += carried * price(group[0])
        open -= carried
      }
      return -((sum + open * 1e12) / wanted + Double(set.count) * 10)
    }
  }
}
