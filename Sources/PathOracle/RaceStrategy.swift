//  RaceStrategy.swift — three paths race, and the winner is taken until the next race.
//
//  Why.  What matters is how a path does for this sender, today; a race of the promising ones measures just that. It is
//  how Akamai's SureRoute chooses: three routes, an object of 8 KiB, and a winner that holds for half an hour.
//
//  How.  Without a winner the answer names three to race: the direct path, since it may be good enough; the one that is
//  believed to land first; and one by chance among the rest, or else nobody would ever learn that a path got better.
//  Whoever asked lets them race and says who won (`note`). From then on the winner comes first, the next in delay stand
//  by, until half an hour has passed or the winner failed.
//
//  Rejected.  Racing all (a hundred probes for a page); racing the three that are believed best (they share a provider
//  more often than not).
//
//  Always true.  (1) An answer is either a race of different paths or begins with a winner who is younger than
//  `validity`. (2) Equal seeds give equal races.

public import Primitives

public struct RaceStrategy: PathStrategy {
  public static let name = "race-3"
  public static let racers = 3
  /// SureRoute's usual half an hour: longer than most troubles, shorter than a night.
  public static let validity = Interval.seconds(1_800)

  private var random: SeededRandom
  private var winners = PairMemory<(via: String?, at: Instant)>()

  public init(random: SeededRandom) { self.random = random }

  public mutating func choose(from field: PathField, at now: Instant) -> PathChoice {
    if let winner = winners.value(of: field.query.from, field.query.to), now - winner.at <= RaceStrategy.validity,
      let index = field.names.firstIndex(of: winner.via)
    {
      return PathChoice(
        [PathChoice.Pick(candidate: index, reason: .wonRace(ago: now - winner.at))] + standbys(behind: index, field))
    }
    var racers: [Int] = []
    func enter(_ index: Int?) {
      if let index, !racers.contains(index) { racers.append(index) }
    }
    let order = field.byDelay
    enter(field.names.firstIndex(of: nil))
    enter(order.first { !racers.contains($0) })
    let rest = order.filter { !racers.contains($0) }
    if !rest.isEmpty { enter(rest[Int(random.below(UInt64(rest.count)))]) }
    // Two relays and no direct path leave a place.
    for index in order where racers.count < RaceStrategy.racers { enter(index) }
    var choice = PathChoice(racers.map { PathChoice.Pick(candidate: $0, reason: .races) })
    choice.isRace = true
    return choice
  }

  private func standbys(behind winner: Int, _ field: PathField) -> [PathChoice.Pick] {
    let others = field.byDelay.filter { $0 != winner }.prefix(field.query.count - 1)
    return others.map { index in
      let after = max(0, field.candidates[index].delay - field.candidates[winner].delay)
      let shares = field.candidates[index].provider == field.candidates[winner].provider
      return PathChoice.Pick(
        candidate: index, reason: .landsNext(after: field.interval(after), shares: shares))
    }
  }

  public mutating func note(_ outcome: PathOutcome, at now: Instant) {
    if outcome.hasWon && outcome.hasWorked {
      winners.set((outcome.via, now), of: outcome.from, outcome.to)
    } else if !outcome.hasWorked, let winner = winners.value(of: outcome.from, outcome.to),
      winner.via == outcome.via
    {
      winners.set(nil, of: outcome.from, outcome.to)
    }
  }
}
