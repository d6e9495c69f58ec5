import Testing

@testable import Primitives

@Suite struct `Chance from a seed` {
  @Test func `the same seed gives the same values, another seed others`() {
    var a = SeededRandom(seed: 7)
    var b = SeededRandom(seed: 7)
    var c = SeededRandom(seed: 8)
    let first = (0..<8).map { _ in a.next() }
    #expect(first == (0..<8).map { _ in b.next() })
    #expect(first != (0..<8).map { _ in c.next() })
  }

  @Test func `the values are the published generator's, so that logs stay comparable over releases`() {
    // Computed with an independent program from the published definitions of SplitMix64 and xoshiro256++.
    var random = SeededRandom(seed: 0)
    #expect(random.next() == 5_987_356_902_031_041_503)
  }

  @Test func `streams of different names are independent of each other and of their order`() {
    let world = SeededRandom(seed: 3)
    var fibre = world.stream(named: "fibre")
    var lte = world.stream(named: "lte")
    var again = world.stream(named: "fibre")
    let value = fibre.next()
    #expect(value != lte.next())
    #expect(value == again.next())
  }

  @Test func `a probability is met within the 99.9 % interval`() {
    var random = SeededRandom(seed: 11)
    let half = Probability(partsPerBillion: 5_000_000)  // 0.5 %
    let draws = 400_000
    let hits = (0..<draws).count { _ in random.happens(half) }
    let expected = Double(draws) * 0.005
    #expect(abs(Double(hits) - expected) < 3.3 * (expected * 0.995).squareRoot())
    #expect(!random.happens(.never) && random.happens(.always))
  }

  @Test func `normal values have mean 0, variance 1 and the right tails`() {
    var random = SeededRandom(seed: 5)
    let n = 200_000
    var sum = 0.0
    var squares = 0.0
    var beyondTwo = 0
    for _ in 0..<n {
      let x = random.normal()
      sum += x
      squares += x * x
      if abs(x) > 2 { beyondTwo += 1 }
    }
    #expect(abs(sum / Double(n)) < 0.01)
    #expect(abs(squares / Double(n) - 1) < 0.02)
    #expect(abs(Double(beyondTwo) / Double(n) - 0.0455) < 0.003)
  }

  @Test(arguments: [(1.0, 0.0), (2.0, 0.6931471805599453), (0.001, -6.907755278982137), (1e-300, -690.7755278982137)])
  func `the logarithm is right to the last digits`(x: Double, expected: Double) {
    #expect(abs(naturalLogarithm(x) - expected) <= abs(expected) * 4e-16)
  }
}
