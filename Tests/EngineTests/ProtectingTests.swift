import Primitives
import Testing

@testable import Engine

@Suite struct `Lanes that have parity` {
  private static func pool(_ capacity: Int, share: Int) -> LanePool<Int> { LanePool(capacity: capacity, share: share) }

  @Test func `keep their place while they are used, and nobody takes it`() {
    var pool = Self.pool(4, share: 2)
    var now = Instant.zero
    func use(_ peer: Int, _ lane: UInt16) -> Int? { pool.use(peer: peer, lane: lane, at: now) { 0 }?.place }
    #expect([use(0, 7), use(0, 8), use(1, 7), use(2, 7)] == [0, 1, 2, 3])
    // All are busy, and so is this peer's share.
    now += .seconds(1)
    #expect([use(1, 9), use(0, 9), use(0, 7), use(1, 7), use(2, 7)] == [nil, nil, 0, 2, 3])
    // Lane 8 of the first peer is idle now, and the last of all.
    now += .seconds(1)
    #expect(use(1, 9) == 1)
    let (peer, lane, count) = (pool.peer(of: 1), pool.lane(of: 1), pool.count)
    #expect(peer == 1 && lane == 9 && count == 4)
  }

  @Test func `begin anew when they were idle`() {
    var pool = Self.pool(2, share: 2)
    let wasIdle = [0, 1_999, 3_999].map { pool.use(peer: 0, lane: 1, at: .zero + .milliseconds($0)) { 0 }?.wasIdle }
    #expect(wasIdle == [true, false, true])
  }

  /// Against a model that searches through all that ever happened.
  @Test(arguments: 0..<20) func `never share a place, and no peer has more than its share`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var pool = Self.pool(8, share: 3)
    var now = Instant.zero
    var owners: [Int: (key: Int, at: Instant)] = [:]
    var taken = 0
    for step in 0..<5_000 {
      now += .milliseconds(Int64(random.below(200)))
      let peer = Int(random.below(4))
      let lane = UInt16(random.below(6))
      let key = peer * 100 + Int(lane)
      let context = Comment("seed \(seed), step \(step)")
      let known = owners.first { $0.value.key == key }
      guard let (place, wasIdle) = pool.use(peer: peer, lane: lane, at: now, make: { 0 }) else {
        #expect(known == nil, context)
        continue
      }
      taken += 1
      if let known {
        #expect(known.key == place && wasIdle == (now - known.value.at >= .seconds(2)), context)
      } else {
        #expect(wasIdle, context)
        if let before = owners[place] { #expect(now - before.at >= .seconds(2), context) }
      }
      owners[place] = (key, now)
      #expect(owners.values.count { $0.key / 100 == peer } <= 3, context)
      #expect(Set(owners.values.map(\.key)).count == owners.count && owners.count <= 8, context)
    }
    #expect(taken > 1_000)
  }
}

@Suite struct `The order of paths for what is urgent` {
  private static func ranking(_ arrivals: [Int64]) -> PathRanking {
    var ranking = PathRanking(patience: .milliseconds(200))
    for (place, arrival) in arrivals.enumerated() {
      ranking.add(place, lands: .milliseconds(arrival), payload: 1_428 - place)
    }
    return ranking
  }

  @Test(arguments: 0..<50) func `is that of their arrival`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let arrivals = (0..<1 + random.below(16)).map { _ in Int64(random.below(60)) }
    let ranking = Self.ranking(arrivals)
    #expect(ranking.count == arrivals.count && ranking.leastPayload == 1_429 - arrivals.count)
    let sorted = arrivals.sorted()
    #expect((0..<ranking.count).map { arrivals[ranking[$0]] } == sorted, "seed \(seed)")
    #expect(ranking.near == sorted.count { $0 - sorted[0] <= 20 }, "seed \(seed)")
  }

  @Test func `puts members on near paths in turns, and parity where no member is`() {
    let ranking = Self.ranking([90, 10, 12, 60])
    #expect((0..<4).map { ranking.path(ofMember: $0) } == [1, 2, 1, 2])
    #expect((0..<3).map { ranking.path(ofParity: $0, members: 4) } == [3, 0, 3])
    let level = Self.ranking([10, 11, 12])
    #expect((0..<2).map { level.path(ofMember: $0) } == [0, 1] && level.path(ofParity: 0, members: 2) == 2)
    #expect(Self.ranking([30]).path(ofParity: 1, members: 2) == 0)
  }

  @Test func `leaves out who would land when nobody waits any more`() {
    let late = Self.ranking([250, 10, 211, 210])
    #expect((0..<late.count).map { late[$0] } == [1, 3] && late.near == 1)
    // The one that came first turns out to be the late one.
    let first = Self.ranking([500, 490, 20])
    #expect(first.count == 1 && first[0] == 2 && first.near == 1)
  }
}
