import PathMTU
import Primitives
import Testing

@Suite struct `Somebody who says that a packet was too big` {
  private func settled(truth: Int = 1_472) -> PathUnderTest {
    var path = PathUnderTest(truth: truth)
    path.run(for: .seconds(60)) { $0.state == .complete }
    return path
  }

  @Test func `is heard: the path uses his size two round trips later`() {
    var path = settled()
    path.changeTruth(to: 1_391)
    let verdict = path.mtu.tooBig(1_391, at: path.now)
    #expect(verdict == .taken && path.mtu.payload == 1_200 && path.mtu.why == .hint)
    let before = path.now
    path.run(for: .seconds(5)) { $0.payload == 1_391 }
    #expect(path.mtu.payload == 1_391 && path.now - before <= path.roundTrip * 2)
    path.forgetProbes()
    path.run(for: .seconds(30)) { $0.state == .complete }
    #expect(path.mtu.payload == 1_391 && path.probes.count <= 7, "three above it, and three for certainty")
  }

  @Test func `shortens a search`() {
    var path = PathUnderTest(truth: 1_311)
    path.run(for: .seconds(5)) { $0.payload == 1_200 }
    path.run(for: .milliseconds(5))
    #expect(path.probes.last?.size == 1_472)
    let verdict = path.mtu.tooBig(1_311, at: path.now)
    #expect(verdict == .taken && path.mtu.payload == 1_200)
    path.run(for: .seconds(5)) { $0.payload == 1_311 }
    #expect(path.probes.map(\.size) == [1_200, 1_472, 1_311, 1_319], "one answer is missing, and two are saved")
  }

  @Test func `is counted and not heard when that cannot be, or is less than every path must carry`() {
    var path = settled()
    for size in [0, -1, 68, 548, 1_199, 1_472, 1_473, 9_000, .max, .min] {
      let verdict = path.mtu.tooBig(size, at: path.now)
      #expect(verdict == .implausible, "\(size)")
    }
    #expect(path.mtu.payload == 1_472 && path.mtu.counters.implausible == 10)
  }

  @Test func `and lies costs some round trips at the base, once in ten minutes`() {
    var path = settled()
    var timeAtBase = Interval.zero
    var deepest = Int.max
    // He says it a hundred times a second for twenty minutes.
    for _ in 0..<120_000 {
      _ = path.mtu.tooBig(1_200, at: path.now)
      deepest = min(deepest, path.mtu.payload)
      let before = path.now
      path.run(for: .milliseconds(10))
      if path.mtu.payload < 1_472 { timeAtBase = timeAtBase + (path.now - before) }
    }
    #expect(deepest == 1_200)
    #expect(path.mtu.counters.taken < 20 && path.mtu.counters.distrusted > 100_000)
    #expect(timeAtBase < .seconds(1), "\(timeAtBase.inSeconds) s")
  }

  @Test(arguments: [UInt64](0..<300))
  func `whatever he invents, the path finds its size again`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let truth = 1_200 + Int(random.below(273))
    var path = PathUnderTest(truth: truth, seed: seed)
    path.roundTrip = .milliseconds(1 + Int64(random.below(100)))
    for _ in 0..<300 {
      _ = path.mtu.tooBig(1_100 + Int(random.below(400)), at: path.now)
      #expect(path.mtu.payload == 548 || path.mtu.payload >= 1_200, "seed \(seed)")
      path.run(for: .milliseconds(Int64(random.below(200))))
    }
    path.dataEvery = .milliseconds(100)
    path.run(for: .seconds(700))
    #expect((truth - 8...truth).contains(path.mtu.payload), "seed \(seed): \(path.mtu.payload) of \(truth)")
    #expect(path.unproven.isEmpty, "seed \(seed)")
    #expect(path.mtu.counters.blackHoles == 0)
  }
}
