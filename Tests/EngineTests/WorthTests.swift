import Primitives
import Testing

@testable import Engine

@Suite struct `What a slow path is worth` {
  /// Places in the order of the list; megabits, and milliseconds one way.
  private func worthy(
    _ paths: [(rate: UInt64, delay: Int64)], unknown: Set<Int> = [], before: UInt32 = 0
  ) -> UInt32 {
    var worth = Worth()
    for (place, path) in paths.enumerated() {
      worth.add(
        place, rate: BitRate(bitsPerSecond: path.rate * 1_000_000), delay: .milliseconds(path.delay), least: 4 * 1_428,
        isUnknown: unknown.contains(place))
    }
    return worth.choose(before: before)
  }

  @Test func `is its rate, as long as that costs the others little`() {
    #expect(worthy([(300, 8), (30, 40)]) == 0b11)
    #expect(worthy([(50, 20), (50, 120)]) == 0b11)
    #expect(worthy([(50, 20), (50, 20), (12, 20)]) == 0b111)
  }

  @Test func `is nothing when all would wait for a trickle`() {
    #expect(worthy([(900, 2), (2, 20)]) == 0b01)
    #expect(worthy([(2, 20), (900, 2)]) == 0b10)
    // Twice as much for 300 ms is not enough, ten times is.
    #expect(worthy([(50, 20), (50, 320)]) == 0b01)
    #expect(worthy([(5, 20), (50, 320)]) == 0b11)
  }

  @Test func `is hoped to be like the fastest, until it was tried`() {
    #expect(worthy([(900, 2), (2, 20)], unknown: [1]) == 0b11)
    #expect(worthy([(50, 20), (11, 120)], unknown: [1]) == 0b11)
    #expect(worthy([(50, 20), (11, 270)], unknown: [1]) == 0b01)
  }

  @Test func `does not change with each small difference`() {
    // 100 against 110 ÷ 1.1: equal, so whoever is there stays.
    #expect(worthy([(100, 0), (9, 40)], before: 0b01) == 0b01)
    #expect(worthy([(100, 0), (9, 40)], before: 0b11) == 0b11)
    #expect(worthy([(100, 0), (1, 80)], before: 0b11) == 0b01)
    #expect(worthy([(100, 0), (11, 40)], before: 0b11) == 0b11)
  }

  @Test(arguments: 0..<200) func `never leaves out who lands first, and never is nobody`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let paths = (0..<(1 + Int(random.below(16)))).map { _ in
      (rate: 1 + random.below(1_000), delay: Int64(random.below(500)))
    }
    let found = worthy(paths, before: UInt32(truncatingIfNeeded: random.next()))
    let landings = paths.map { Double($0.delay) + Double(4 * 1_428 * 8) / Double($0.rate) / 1e3 }
    let first = landings.indices.min { landings[$0] < landings[$1] } ?? 0
    #expect(found & 1 << UInt32(first) != 0, "seed \(seed)")
    #expect(found >> UInt32(paths.count) == 0, "seed \(seed)")
  }
}
