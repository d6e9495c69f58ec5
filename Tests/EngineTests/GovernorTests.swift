import Primitives
import Testing

@testable import Engine

@Suite struct `The paths that bulk may use` {
  /// Sums from well above the best path to exactly as much: the second path is then of no use, and no harm.
  @Test(arguments: [[50, 50], [100, 10], [20, 20, 20], [300, 30, 5], [46, 30]], 0..<4 as Range<UInt64>)
  func `are all of them, whatever the noise, while they carry as much as the best`(rates: [Double], seed: UInt64) {
    for useless in [false, true] {
      var stand = Stand(rates, noise: 0.1, seed: seed)
      // Then together they carry what the best does alone.
      if useless { stand.harm[rates.count - 1] = 1 - (rates.max() ?? 0) / rates.reduce(0, +) }
      stand.run(for: .seconds(400))
      #expect(stand.changes.isEmpty, "seed \(seed), useless \(useless): \(stand.changes)")
      #expect(stand.governor.mode == .all && stand.governor.why == .everyPath)
    }
  }

  @Test(arguments: [0, 0.1], [[46, 30], [46, 30, 20], [20, 19, 18, 17]] as [[Double]])
  func `are the best alone within three seconds of harm`(noise: Double, rates: [Double]) {
    for seed in 0..<10 as Range<UInt64> {
      var stand = Stand(rates, noise: noise, seed: seed)
      stand.run(for: .seconds(30))
      // All but the best together leave 0.8 of what the best carries.
      let others = rates.count - 1
      let left = 0.8 * rates[0] / rates.reduce(0, +)
      for place in 1...others { stand.harm[place] = 1 - left }
      stand.run(for: .seconds(3))
      let context = Comment("seed \(seed): \(stand.sentence) \(stand.changes)")
      #expect(stand.governor.used == 1 && stand.governor.mode == .single, context)
    }
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func `are all but one, when one is the harm`(seed: UInt64) {
    var stand = Stand([40, 35, 10, 30], noise: 0.1, seed: seed)
    stand.paths[2].delay = .milliseconds(200)
    stand.run(for: .seconds(20))
    stand.harm[2] = 0.75
    stand.run(for: .seconds(2))
    #expect(stand.governor.used == 0b1011 && stand.governor.mode == .some, "seed \(seed): \(stand.sentence)")
    stand.run(for: .seconds(7))
    #expect(stand.governor.used == 0b1011, "seed \(seed): \(stand.sentence)")
  }

  /// A harm of a few percent takes longer to tell from noise, and is found all the same.
  @Test(arguments: [0.97, 0.95, 0.9]) func `are the best alone also when the harm is small`(left: Double) {
    var stand = Stand([40, 20], noise: 0, seed: 1)
    stand.run(for: .seconds(10))
    stand.harm[1] = 1 - left * 40 / 60
    stand.run(for: .seconds(5))
    #expect(stand.governor.used == 1, "\(stand.sentence)")
  }

  @Test(arguments: 0..<10 as Range<UInt64>) func `are all again soon after the harm is over`(seed: UInt64) {
    for lasts in [5, 40, 300] as [Int64] {
      var stand = Stand([46, 30, 12], noise: 0.1, seed: seed)
      stand.run(for: .seconds(10))
      stand.harm[1] = 0.5
      stand.harm[2] = 0.5
      stand.run(for: .seconds(lasts))
      stand.harm = [0, 0, 0]
      // The pauses of 10, 20, 40, … have grown no longer than the harm itself, and each path comes back for itself.
      stand.run(for: .seconds(2 * max(10, lasts) + 30))
      #expect(stand.governor.mode == .all, "seed \(seed), harm for \(lasts) s: \(stand.sentence)")
    }
  }

  @Test(arguments: [0, 0.1], [2, 3, 5]) func `cost little time when one of them is bad for ever`(
    noise: Double, count: Int
  ) {
    let hour = 3_600.0
    var stand = Stand([46] + Array(repeating: 20, count: count - 1), noise: noise, seed: 1)
    for place in 1..<count { stand.harm[place] = 0.8 }
    stand.run(for: .seconds(3_600))
    // For each path at 10, 20, … 320 s, and then every 10 minutes; each try is over after two decisions.
    let tries = Double(count - 1) * (6 + hour / 600)
    #expect(Double(stand.governor.counters.probes) <= tries + 1)
    #expect(stand.secondsBelowBest <= 3 + tries * 1.8, "\(stand.secondsBelowBest) s of an hour")
    #expect(stand.governor.counters.probes >= 8)
  }

  @Test func `are not judged while the application has no more to send`() {
    var stand = Stand([46, 30], noise: 0, seed: 1)
    stand.run(for: .seconds(10))
    stand.harm[1] = 0.6
    stand.hasBacklog = false
    stand.run(for: .seconds(60))
    #expect(stand.changes.isEmpty)
    stand.hasBacklog = true
    stand.run(for: .seconds(2))
    #expect(stand.governor.used == 1)
    // And nothing is tried again meanwhile.
    stand.hasBacklog = false
    stand.run(for: .seconds(100))
    #expect(stand.governor.counters.probes == 0)
  }

  @Test func `must bring more than a little when they make bulk wait`() {
    var stand = Stand([40, 1.5], noise: 0.02, seed: 1)
    stand.paths[1].delay = .milliseconds(300)
    stand.extraDelay = .milliseconds(140)
    stand.run(for: .seconds(30))
    #expect(stand.changes.isEmpty)
    stand.extraDelay = .milliseconds(200)
    stand.run(for: .seconds(7))
    #expect(stand.governor.used == 1)
    #expect(stand.sentence.contains("made bulk wait 15"), "\(stand.sentence)")
    // As it is worth its while, it stays.
    var other = Stand([40, 10], noise: 0.02, seed: 1)
    other.extraDelay = .milliseconds(300)
    other.run(for: .seconds(60))
    #expect(other.changes.isEmpty)
  }

  /// A token bucket, or a guess from better days: the path carries less than anybody believes.
  @Test(arguments: 0..<10 as Range<UInt64>)
  func `are not given up for a path that only claims to be better`(seed: UInt64) {
    var stand = Stand([20, 15], noise: 0.1, seed: seed)
    stand.claim[0] = 60
    stand.run(for: .seconds(1_800))
    #expect(stand.governor.counters.restored > 0 && stand.governor.mode == .all, "seed \(seed): \(stand.sentence)")
    // It was asked after 10, 20, 40, … s.
    #expect(stand.governor.counters.restored <= 9 && stand.governor.counters.shrunk <= 10, "seed \(seed)")
    #expect(stand.share(of: 35) > 0.97, "seed \(seed): \(stand.share(of: 35))")
  }

  @Test func `come back sooner when they are no more what they were`() {
    func stand() -> Stand {
      var stand = Stand([46, 30], noise: 0.05, seed: 1)
      stand.harm[1] = 0.6
      stand.run(for: .seconds(700))
      return stand
    }
    for change in 0..<3 {
      var stand = stand()
      let probes = stand.governor.counters.probes
      stand.harm[1] = 0
      stand.run(for: .seconds(5))
      #expect(stand.governor.used == 1 && stand.governor.counters.probes == probes)
      switch change {
      case 0: stand.paths[1].rate = 70
      case 1: stand.paths[1].roundTrip = .milliseconds(200)
      default: stand.paths[1].loss = 0.1
      }
      stand.run(for: .seconds(17))
      #expect(stand.governor.used == 3, "change \(change): \(stand.sentence)")
      #expect(stand.governor.counters.conditionsChanged > 0)
    }
  }

  @Test func `are those that are up, at once`() {
    var stand = Stand([46, 30, 12], noise: 0.1, seed: 1)
    stand.run(for: .seconds(20))
    stand.usable = 0b110
    stand.run(for: .milliseconds(100))
    #expect(stand.governor.used == 0b110)
    // Who comes up is in at once, but not when it was only a moment ago.
    stand.usable = 0b111
    stand.run(for: .milliseconds(100))
    #expect(stand.governor.used == 0b111)
    stand.usable = 0b110
    stand.run(for: .milliseconds(100))
    stand.usable = 0b111
    stand.run(for: .seconds(8))
    #expect(stand.governor.used == 0b110)
    stand.run(for: .seconds(3))
    #expect(stand.governor.used == 0b111)
    stand.usable = 0
    stand.run(for: .milliseconds(100))
    #expect(stand.governor.used == 0 && stand.governor.why == .pathsChanged)
    stand.usable = 0b100
    stand.run(for: .milliseconds(100))
    #expect(stand.governor.used == 0b100)
  }

  @Test func `are any that is up when the only one in use is gone`() {
    var stand = Stand([46, 30], noise: 0, seed: 1)
    stand.harm[1] = 0.6
    stand.run(for: .seconds(5))
    #expect(stand.governor.used == 1)
    stand.usable = 2
    stand.run(for: .milliseconds(100))
    #expect(stand.governor.used == 2 && stand.governor.mode == .all)
  }

  @Test func `are the new one alone, when the others only hold it back`() {
    var stand = Stand([20, 300], noise: 0.05, seed: 1)
    stand.usable = 1
    stand.run(for: .seconds(20))
    stand.harm[0] = 0.3
    stand.usable = 3
    stand.run(for: .seconds(3))
    #expect(stand.governor.used == 2, "\(stand.sentence)")
  }

  @Test func `are explained in numbers`() {
    var stand = Stand([46, 20], noise: 0, seed: 1)
    stand.harm[1] = 1 - 41.0 / 66
    stand.run(for: .seconds(3))
    let sentence = "the set delivered 41 Mbit/s where fibre alone carries 46 Mbit/s; using fibre alone for 9 s"
    #expect(stand.sentence == sentence)
    stand.run(for: .seconds(9))
    #expect(stand.sentence.hasPrefix("trying lte again: without, fibre alone delivered 46 Mbit/s"), "\(stand.sentence)")
  }

  /// Rates, harm, noise, backlog and paths that come and go, at random.
  @Test(arguments: 0..<100 as Range<UInt64>) func `never change more than once in ten seconds for no good`(seed: UInt64)
  {
    var random = SeededRandom(seed: seed)
    let count = 1 + Int(random.below(6))
    var stand = Stand(
      (0..<count).map { _ in 1 + 200 * random.unit() * random.unit() }, noise: 0.5 * random.unit(), seed: seed)
    let isStable = random.below(2) == 0
    for _ in 0..<60 {
      let place = Int(random.below(UInt64(count)))
      switch random.below(6) {
      case 0: stand.harm[place] = random.below(2) == 0 ? 0 : random.unit()
      case 1: stand.paths[place].rate *= 0.3 + 2 * random.unit()
      case 2: stand.paths[place].delay = .milliseconds(Int64(random.below(400)))
      case 3: stand.hasBacklog = random.below(4) > 0
      case 4: if !isStable { stand.usable ^= 1 << UInt32(place) }
      default: stand.claim[place] = random.below(2) == 0 ? nil : 200 * random.unit()
      }
      stand.run(for: .milliseconds(Int64(100 + random.below(15_000))))
    }
    let context = Comment("seed \(seed): \(stand.changes)")
    #expect(stand.momentsWithout == 0, context)
    var returns: [Instant] = []
    for change in stand.changes {
      #expect(change.after & ~change.usable == 0 && (change.after != 0 || change.usable == 0), context)
      // None that was taken because nothing else was up, and none that came up.
      if change.after & ~change.before != 0 && !change.isForced { returns.append(change.at) }
    }
    for (one, other) in zip(returns, returns.dropFirst()) { #expect(other - one >= .seconds(10), context) }
    for place in 0..<count {
      // But for those that were taken because nothing else was left.
      let joins = stand.changes.filter { $0.after & ~$0.before & place.bit != 0 && $0.before & $0.usable != 0 }
      for (one, other) in zip(joins, joins.dropFirst()) { #expect(other.at - one.at >= .seconds(10), context) }
    }
  }
}

/// Paths as they really are, and a governor who is told of them ten times a second.
private struct Stand {
  struct Line {
    /// Mbit/s.
    var rate: Double
    var roundTrip = Interval.milliseconds(40)
    var delay = Interval.milliseconds(20)
    var loss = 0.0
  }

  struct Change: CustomStringConvertible {
    var at: Instant
    var before: UInt32
    var after: UInt32
    var usable: UInt32
    var isForced: Bool
    var description: String {
      "\(Double(at.nanoseconds / 10_000_000) / 100) s: \(String(before, radix: 2)) → "
        + "\(String(after, radix: 2)) of \(String(usable, radix: 2))\(isForced ? ", forced" : "")"
    }
  }

  var paths: [Line]
  /// Of the set's rate, while the path is in use beside others.
  var harm: [Double]
  /// What is believed instead of the truth.
  var claim: [Double?]
  var usable: UInt32
  var hasBacklog = true
  var extraDelay = Interval.zero
  var governor = Governor()
  private(set) var changes: [Change] = []
  private(set) var secondsBelowBest = 0.0
  /// When a path was up and none was used.
  private(set) var momentsWithout = 0
  private var carried = 0.0
  private let noise: Double
  private var random: SeededRandom
  private static let start = Instant.zero + .seconds(1)
  private var now = Stand.start
  private var usableBefore: UInt32 = 0

  init(_ rates: [Double], noise: Double, seed: UInt64) {
    paths = rates.map { Line(rate: $0) }
    harm = rates.map { _ in 0 }
    claim = rates.map { _ in nil }
    usable = (1 << UInt32(rates.count)) - 1
    self.noise = noise
    random = SeededRandom(seed: seed)
    // They come up at the beginning, which is no change that anybody chose.
    governor.pathsChanged(usable, at: now)
    usableBefore = usable
  }

  var sentence: String {
    governor.why.sentence(used: governor.used, at: now) { ["fibre", "lte", "sat", "dsl", "wifi", "cable"][$0] }
  }

  /// In Mbit/s.
  private func truth(_ set: UInt32) -> Double {
    var sum = 0.0
    var left = 1.0
    for place in set.places {
      sum += paths[place].rate
      if set.nonzeroBitCount > 1 { left *= 1 - harm[place] }
    }
    return sum * left
  }

  func share(of rate: Double) -> Double { carried / (rate * (now - Stand.start).inSeconds) }

  private mutating func noisy(_ value: Double) -> Double { value * (1 + noise * (2 * random.unit() - 1)) }

  mutating func run(for time: Interval) {
    let end = now + time
    while now < end {
      let step = Interval.milliseconds(100)
      now += step
      let set = governor.used & usable
      let rate = truth(set)
      let best = usable.places.map { paths[$0].rate }.max() ?? 0
      if hasBacklog && rate < 0.98 * best { secondsBelowBest += step.inSeconds }
      carried += rate * step.inSeconds
      let delivered = noisy(hasBacklog ? rate : rate / 3) * 1e6 / 8 * step.inSeconds
      let believed = InlineArray<16, Governor.Path> { place in
        guard place < paths.count else {
          return Governor.Path(rate: nil, roundTrip: .zero, delay: .zero, loss: 0, isFull: false)
        }
        let rate = noisy(claim[place] ?? paths[place].rate)
        return Governor.Path(
          rate: BitRate(measured: rate * 1e6), roundTrip: paths[place].roundTrip, delay: paths[place].delay,
          loss: paths[place].loss, isFull: true)
      }
      let before = governor.used
      let isForced = usable & ~usableBefore != 0 || before & usable == 0
      governor.observe(
        delivered: ByteCount(Int(delivered)), hasBacklog: hasBacklog, extraDelay: extraDelay, believed, usable: usable,
        at: now)
      if governor.used != before {
        changes.append(Change(at: now, before: before, after: governor.used, usable: usable, isForced: isForced))
      }
      if governor.used == 0 && usable != 0 || governor.used & ~usable != 0 { momentsWithout += 1 }
      usableBefore = usable
    }
  }
}
