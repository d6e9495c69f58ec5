//  PlainStrategies.swift — chance, habit and thrift: what the model must beat.
//
//  · random-k asks nobody: SOSR's "random-4" finds a way around most failures without any measurement.
//  · last-good stays with what worked, and takes the next in delay when it failed (history-k of RON's followers).
//  · cheapest takes the paths with the lowest prices, whatever they carry.

public import Primitives

public struct RandomStrategy: PathStrategy {
  public static let name = "random-k"
  private var random: SeededRandom

  public init(random: SeededRandom) { self.random = random }

  public mutating func choose(from field: PathField, at now: Instant) -> PathChoice {
    var left = Array(field.candidates.indices)
    var picks: [PathChoice.Pick] = []
    while picks.count < field.query.count && !left.isEmpty {
      let drawn = left.remove(at: Int(random.below(UInt64(left.count))))
      picks.append(PathChoice.Pick(candidate: drawn, reason: .drawn))
    }
    return PathChoice(picks)
  }
}

public struct CheapestStrategy: PathStrategy {
  public static let name = "cheapest"

  public init() {}

  public func choose(from field: PathField, at now: Instant) -> PathChoice {
    let order = field.candidates.indices.sorted {
      let (a, b) = (field.candidates[$0], field.candidates[$1])
      return (a.price, a.effectiveDelay, $0) < (b.price, b.effectiveDelay, $1)
    }
    return PathChoice(
      order.prefix(field.query.count).map { index in
        let price = Price(microsPerGigabyte: UInt64(field.candidates[index].price))
        return PathChoice.Pick(candidate: index, reason: .cheapest(price))
      })
  }
}

public struct LastGoodStrategy: PathStrategy {
  public static let name = "last-good"
  /// What failed is not taken again for so long, and what worked is not asked about any more after it: routes that
  /// were repaired should be found, and those that worked last week mean nothing.
  public static let memory = Interval.seconds(1_800)

  private struct Past {
    /// The latest first.
    var worked: [(via: String?, at: Instant)] = []
    var failed: [(via: String?, at: Instant)] = []
  }

  private var pasts = PairMemory<Past>()

  public init() {}

  public mutating func choose(from field: PathField, at now: Instant) -> PathChoice {
    let past = pasts.value(of: field.query.from, field.query.to) ?? Past()
    var picks: [PathChoice.Pick] = []
    for one in past.worked where isFresh(one.at, now) && picks.count < field.query.count {
      guard let index = field.names.firstIndex(of: one.via) else { continue }
      picks.append(PathChoice.Pick(candidate: index, reason: .workedBefore(ago: now - one.at)))
    }
    let failed = past.failed.filter { isFresh($0.at, now) }.map { $0.via }
    let others = field.byDelay.filter { index in !picks.contains { $0.candidate == index } }
    // Who failed is better than nobody.
    let order = others.filter { !failed.contains(field.names[$0]) } + others.filter { failed.contains(field.names[$0]) }
    for index in order where picks.count < field.query.count {
      let first = field.candidates[picks.first?.candidate ?? index]
      let after = max(0, field.candidates[index].delay - first.delay)
      picks.append(
        PathChoice.Pick(candidate: index, reason: .landsNext(after: field.interval(after), shares: false)))
    }
    return PathChoice(picks)
  }

  private func isFresh(_ then: Instant, _ now: Instant) -> Bool { now - then <= LastGoodStrategy.memory }

  public mutating func note(_ outcome: PathOutcome, at now: Instant) {
    var past = pasts.value(of: outcome.from, outcome.to) ?? Past()
    past.worked.removeAll { $0.via == outcome.via }
    past.failed.removeAll { $0.via == outcome.via }
    if outcome.hasWorked {
      past.worked.insert((outcome.via, now), at: 0)
      past.worked = Array(past.worked.prefix(PathQuery.mostPaths))
    } else {
      past.failed.insert((outcome.via, now), at: 0)
      past.failed = Array(past.failed.prefix(PathQuery.mostPaths))
    }
    pasts.set(past, of: outcome.from, outcome.to)
  }
}

extension PathField {
  /// The earliest first.
  var byDelay: [Int] {
    candidates.indices.sorted {
      (candidates[$0].effectiveDelay, $0) < (candidates[$1].effectiveDelay, $1)
    }
  }
}
