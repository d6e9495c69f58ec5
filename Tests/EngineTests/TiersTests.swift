import Engine
import Primitives
import Testing

/// The paths of a peer, asked ten times a second as an engine does.
private struct Bond {
  var tiers = Tiers()
  var paths: [PathStanding]
  var now = Instant.zero + .seconds(100)

  init(_ paths: PathStanding...) { self.paths = paths }

  mutating func update() -> Bool {
    let paths = paths
    return tiers.update(paths.span, at: now)
  }

  /// So long as it stands; the moments at which something changed.
  @discardableResult mutating func run(for time: Interval) -> [Interval] {
    let start = now
    var changes: [Interval] = []
    while now - start < time {
      now += .milliseconds(100)
      if update() { changes.append(now - start) }
    }
    return changes
  }

  /// What a load makes of the paths that carry it: shared by their rates.
  mutating func load(_ bytes: Int) {
    let carrying = paths.indices.filter { tiers.mayCarry(.bulk) & 1 << UInt16($0) != 0 }
    let rate = carrying.reduce(0) { $0 + paths[$1].rate }
    for place in paths.indices {
      let carries = carrying.contains(place) && rate > 0
      paths[place].carried = carries ? min(bytes, rate) * paths[place].rate / rate : 0
      paths[place].isFull = carries && bytes >= rate
    }
  }

  var bulk: UInt16 { tiers.mayCarry(.bulk) }
  func why(_ place: Int) -> Tiers.Reason { tiers.why(place, of: paths.span) }
}

private func path(_ tier: Tier, rate: Int = 1_000_000, price: UInt32 = 0) -> PathStanding {
  var path = PathStanding(tier)
  path.rate = rate
  path.price = price
  return path
}

@Suite struct `A path that costs money` {
  @Test func `stays out of it while the others have room, and says so`() {
    var bond = Bond(path(.primary), path(.secondary), path(.backup), path(.never))
    bond.load(900_000)
    bond.run(for: .seconds(60))
    #expect(bond.bulk == 0b0001 && bond.tiers.mayCarry(.interactive) == 0b0001)
    #expect((0..<5).map { bond.why($0) } == [.ground, .room, .standsBy, .never, .unknown])
    #expect(bond.tiers.mayCarry(.realtime) == 0b0011, "calls may always use the second one")
    #expect(bond.tiers.joins == 0 && bond.tiers.leaves == 0)
  }

  @Test func `joins when they were full for two seconds, and leaves ten seconds after they would do`() {
    var bond = Bond(path(.primary), path(.secondary))
    bond.run(for: .seconds(1))
    bond.load(5_000_000)
    #expect(bond.run(for: .seconds(5)) == [.milliseconds(2_100)], "the first tenth sees it begin")
    #expect(bond.bulk == 0b11 && bond.why(1) == .joined)
    // 90 % of the first: shared by two each is half empty, but one alone would be as good as full.
    bond.load(900_000)
    bond.run(for: .seconds(60))
    #expect(bond.bulk == 0b11)
    bond.load(700_000)
    #expect(bond.run(for: .seconds(15)) == [.milliseconds(10_100)])
    #expect(bond.bulk == 0b01 && bond.tiers.joins == 1 && bond.tiers.leaves == 1)
  }

  @Test func `is not called for one busy second, but for many with pauses`() {
    var bond = Bond(path(.primary), path(.secondary))
    bond.run(for: .seconds(1))
    for _ in 0..<20 {
      bond.load(5_000_000)
      bond.run(for: .seconds(1))
      bond.load(0)
      bond.run(for: .seconds(2))
    }
    #expect(bond.tiers.joins == 0)
    for _ in 0..<20 {
      bond.load(5_000_000)
      bond.run(for: .milliseconds(900))
      bond.load(500_000)
      bond.run(for: .milliseconds(200))
    }
    #expect(bond.tiers.joins == 1)
  }

  @Test func `takes over at once when the others die, and leaves slowly when they come back`() {
    var bond = Bond(path(.primary), path(.secondary), path(.backup))
    bond.load(700_000)
    bond.run(for: .seconds(1))
    bond.paths[0].isUp = false
    #expect(bond.run(for: .milliseconds(100)).count == 1)
    #expect(bond.bulk == 0b010 && bond.why(1) == .ground && bond.why(0) == .down)
    bond.paths[1].isUp = false
    bond.run(for: .milliseconds(100))
    #expect(bond.bulk == 0b100 && bond.why(2) == .ground)
    bond.paths[1].isUp = true
    bond.run(for: .milliseconds(100))
    #expect(bond.bulk == 0b010, "a backup leaves at once")
    bond.paths[0].isUp = true
    bond.run(for: .milliseconds(100))
    #expect(bond.bulk == 0b011, "who just came back has yet to show what it can carry")
    bond.load(700_000)
    bond.run(for: .seconds(11))
    #expect(bond.bulk == 0b001)
  }

  @Test func `that must never be used is not, whatever else dies`() {
    var bond = Bond(path(.primary), path(.never))
    bond.paths[0].isUp = false
    bond.run(for: .seconds(1))
    for treatment in Treatment.allCases { #expect(bond.tiers.mayCarry(treatment) == 0) }
  }

  @Test func `whose budget is spent counts as one tier lower`() {
    var bond = Bond(path(.primary), path(.primary), path(.secondary), path(.backup))
    bond.run(for: .seconds(1))
    #expect(bond.bulk == 0b0011)
    bond.paths[0].isSpent = true
    bond.paths[2].isSpent = true
    bond.paths[3].isSpent = true
    bond.run(for: .milliseconds(100))
    #expect(bond.bulk == 0b0010 && bond.why(0) == .room && bond.why(2) == .standsBy && bond.why(3) == .never)
    bond.paths[1].isUp = false
    bond.run(for: .milliseconds(100))
    #expect(bond.bulk == 0b0001, "the only one left carries, spent or not")
  }

  @Test func `comes after the cheaper one of its tier`() {
    var bond = Bond(path(.secondary, price: 50), path(.secondary, price: 10), path(.primary))
    bond.run(for: .seconds(1))
    bond.load(9_000_000)
    let first = bond.run(for: .seconds(3))
    #expect(first.count == 1 && bond.bulk == 0b110)
    bond.load(9_000_000)
    bond.run(for: .seconds(3))
    #expect(bond.bulk == 0b111)
    bond.load(1_000_000)
    bond.run(for: .seconds(11))
    #expect(bond.bulk == 0b110, "the dear one leaves first")
  }

  @Test func `is not used after a pause in which nobody asked`() {
    var bond = Bond(path(.primary), path(.secondary))
    bond.load(5_000_000)
    bond.run(for: .seconds(1))
    bond.load(5_000_000)
    bond.run(for: .seconds(5))
    #expect(bond.bulk == 0b11)
    bond.now += .seconds(30)
    _ = bond.update()
    #expect(bond.bulk == 0b01)
  }

  @Test func `is decided on again at the deadline`() throws {
    var bond = Bond(path(.primary), path(.secondary))
    bond.run(for: .seconds(1))
    #expect(bond.tiers.deadline == nil)
    bond.load(5_000_000)
    _ = bond.update()
    let due = try #require(bond.tiers.deadline)
    #expect(due - bond.now == Tiers.joinAfter)
    bond.now = due
    let hasChanged = bond.update()
    #expect(hasChanged && bond.bulk == 0b11)
  }

  @Test func `costs a peer few bytes`() { #expect(MemoryLayout<Tiers>.size <= 56, "\(MemoryLayout<Tiers>.size)") }

  @Test(arguments: [UInt64](0..<150)) func `is used by these rules and never to and fro`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var bond = Bond()
    for _ in 0..<(1 + random.below(16)) {
      bond.paths.append(
        path(Tier.allCases[Int(random.below(4))], rate: 1 + Int(random.below(1 << 24)), price: UInt32(random.below(3))))
    }
    var quietSince = bond.now
    var changes: [(at: Instant, before: UInt16, after: UInt16)] = []
    var load = 0
    for _ in 0..<4_000 {
      bond.now += .milliseconds(Int64(random.below(300)))
      if random.below(400) == 0 {
        let place = Int(random.below(UInt64(bond.paths.count)))
        if random.below(2) == 0 { bond.paths[place].isUp.toggle() } else { bond.paths[place].isSpent.toggle() }
        quietSince = bond.now
        changes.removeAll()
      }
      if random.below(80) == 0 { load = Int(random.below(1 << 26)) * Int(random.below(2)) }
      bond.load(load)
      let before = bond.bulk
      if bond.update() && bond.bulk != before { changes.append((bond.now, before, bond.bulk)) }

      var usable: UInt16 = 0
      var top: UInt16 = 0
      for (place, path) in bond.paths.enumerated() where path.isUp {
        let spent = path.isSpent ? 1 : 0
        let tier = min(Int(path.tier.rawValue) + spent, 3)
        if tier < 3 { usable |= 1 << UInt16(place) }
        if tier < 2 { top |= 1 << UInt16(place) }
      }
      // An expectation costs more than all the rest.
      for treatment in Treatment.allCases {
        let mask = bond.tiers.mayCarry(treatment)
        if mask & ~usable != 0 { Issue.record("seed \(seed): one that is down, or must not") }
        if usable != 0 && mask == 0 { Issue.record("seed \(seed): nothing may carry") }
        if top != 0 && mask & ~top != 0 { Issue.record("seed \(seed): a backup carries beside others") }
      }
    }
    for (one, other) in zip(changes, changes.dropFirst()) where one.at > quietSince {
      let isJoin = other.after & ~other.before != 0
      let least = isJoin ? Tiers.joinAfter : Tiers.leaveAfter
      #expect(other.at - one.at >= least, "seed \(seed): \((other.at - one.at).inSeconds) s, join \(isJoin)")
    }
  }
}
