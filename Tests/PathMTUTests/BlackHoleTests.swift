import Primitives
import Testing

@testable import PathMTU

@Suite struct `A path that becomes smaller` {
  private func settled(
    truth: Int = 1_472, limit: Int = 1_472, seed: UInt64 = 1, _ change: (inout PathUnderTest) -> Void = { _ in }
  ) -> PathUnderTest {
    var path = PathUnderTest(limit: limit, truth: truth, seed: seed)
    change(&path)
    path.run(for: .seconds(60)) { $0.state == .complete }
    return path
  }

  /// One every twenty milliseconds, with nothing else on the path.
  private func loseInARow(_ count: Int, of size: Int = 1_472, _ path: inout PathUnderTest) {
    for _ in 0..<count {
      path.now += .milliseconds(20)
      path.mtu.lost(size, count: 1, at: path.now)
    }
  }

  @Test func `carries again a tenth of a second after the first loss is known, at the base`() {
    var path = settled()
    path.changeTruth(to: 1_372)
    let before = path.now
    path.run(for: .seconds(10)) { $0.payload <= 1_372 }
    #expect(path.mtu.payload == 1_200 && path.mtu.why == .blackHole)
    #expect(
      path.now - before <= .milliseconds(100) + path.roundTrip + .milliseconds(10),
      "\((path.now - before).inMilliseconds) ms")
    path.run(for: .seconds(10)) { $0.state == .complete }
    #expect((1_364...1_372).contains(path.mtu.payload))
  }

  @Test func `is noticed also where nothing small is sent`() {
    var path = settled { $0.smallOnesInTen = 0 }
    path.changeTruth(to: 1_300)
    let before = path.now
    path.run(for: .seconds(10)) { $0.payload <= 1_300 }
    #expect(path.now - before <= .milliseconds(100) + path.roundTrip * 2 + .milliseconds(10))
    #expect(path.mtu.payload == 1_200)
  }

  @Test func `below the base is left for what IP promises, and searched from there`() {
    var path = settled()
    path.changeTruth(to: 1_000)
    path.run(for: .seconds(20)) { $0.payload <= 1_000 }
    #expect(path.mtu.payload == 548 && path.mtu.state == .error)
    path.run(for: .seconds(30))
    #expect((992...1_000).contains(path.mtu.payload))
    path.changeTruth(to: 1_472)
    path.run(for: .seconds(80))
    #expect(path.mtu.payload == 1_472 && path.mtu.state == .complete)
  }

  @Test(arguments: [UInt64](0..<500))
  func `is noticed within a second and a few round trips, whatever it was and is`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let truth = 1_250 + Int(random.below(7_000))
    var path = settled(truth: truth, limit: 8_972, seed: seed) {
      $0.loss = Probability(partsPerBillion: UInt32(random.below(100_000_001)))
      $0.roundTrip = .milliseconds(1 + Int64(random.below(300)))
      $0.smallOnesInTen = random.below(10)
    }
    let smaller = 1_200 + Int(random.below(UInt64(path.mtu.payload - 1_200)))
    path.changeTruth(to: smaller)
    let before = path.now
    path.run(for: .seconds(60)) { $0.payload <= smaller }
    #expect(path.now - before <= .seconds(1) + path.roundTrip * 10, "seed \(seed): \((path.now - before).inSeconds) s")
    path.run(for: .seconds(120)) { $0.state == .complete }
    #expect(
      (smaller - 8...smaller).contains(path.mtu.payload),
      "seed \(seed) \(path.mtu) \(path.loss) \(path.roundTrip) \(path.probes.map(\.size)) \(path.smallOnesInTen)")
    #expect(path.mtu.counters.blackHoles >= 1)
  }

  @Test(arguments: [UInt64](0..<100)) func `is not what a bad line looks like`(seed: UInt64) {
    var path = settled(seed: seed) { $0.loss = Probability(partsPerBillion: 100_000_000) }
    path.run(for: .seconds(60)) { $0.counters.blackHoles > 0 }
    #expect(path.mtu.counters.blackHoles == 0, "seed \(seed)")
    #expect(path.mtu.payload == 1_472, "seed \(seed)")
  }

  @Test(arguments: [UInt64](0..<50)) func `is not what a line looks like whose rate falls to a tenth`(seed: UInt64) {
    var path = settled(seed: seed) { $0.dataEvery = .milliseconds(1) }
    // Its queue is full: of large ones one in ten gets in, of small ones nearly all.
    path.largeThrough = 10
    path.run(for: .seconds(2))
    #expect(path.mtu.counters.blackHoles == 0 && path.mtu.payload == 1_472, "seed \(seed)")
  }

  @Test func `is not what a burst looks like that loses many at once`() {
    var path = settled()
    for _ in 0..<50 { path.mtu.lost(1_472, count: 1, at: path.now) }
    path.mtu.delivered(100, count: 9, at: path.now)
    #expect(path.mtu.payload == 1_472 && path.mtu.counters.blackHoles == 0)
    path.mtu.delivered(1_472, count: 1, at: path.now)
    loseInARow(5, &path)
    #expect(path.mtu.payload == 1_472)
  }

  @Test func `is not what a dead one looks like, and dead ones are not asked all the time`() {
    var path = settled()
    path.forgetProbes()
    path.changeTruth(to: 0)
    path.run(for: .seconds(60))
    #expect(path.mtu.counters.blackHoles == 0 && path.mtu.payload == 1_472)
    #expect(path.probes.count <= 60 * 10)
    path.changeTruth(to: 1_472)
    path.run(for: .seconds(1))
    #expect(path.mtu.payload == 1_472)
  }

  @Test func `taken for one by mistake is back at its size two round trips later`() {
    var path = settled()
    loseInARow(20, &path)
    path.mtu.delivered(100, count: 3, at: path.now)
    #expect(path.mtu.payload == 1_200 && path.mtu.counters.blackHoles == 1)
    let before = path.now
    path.run(for: .seconds(5)) { $0.payload == 1_472 }
    #expect(path.now - before <= path.roundTrip * 2 + .milliseconds(4))
  }

  @Test func `does not believe answers to what was asked before`() {
    var path = settled()
    let before = path.now
    path.run(for: .milliseconds(10))
    loseInARow(20, &path)
    path.mtu.delivered(100, count: 3, at: path.now)
    let late = path.mtu.probeAnswered(1_472, sentAt: before, at: path.now)
    #expect(late == .stale && path.mtu.payload == 1_200 && path.mtu.counters.stale == 1)
  }

  @Test func `is told of losses of a size between, too`() {
    var path = settled()
    loseInARow(20, of: 1_300, &path)
    for _ in 0..<3 { path.mtu.delivered(1_250, count: 1, at: path.now) }
    #expect(path.mtu.payload == 1_200)
    path.run(for: .seconds(5)) { $0.state == .complete }
    loseInARow(7, &path)
    path.mtu.delivered(1_472, count: 1, at: path.now)
    loseInARow(7, &path)
    path.mtu.delivered(100, count: 9, at: path.now)
    #expect(path.mtu.payload == 1_472, "one that arrived ends the row")
  }
}
