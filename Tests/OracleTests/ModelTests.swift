@testable import Oracle
import PathOracle
import Primitives
import Resequencer
import Testing

@Suite struct `What a set of paths costs` {
  private func path(_ random: inout SeededRandom) -> PathPrediction {
    let least = Interval.microseconds(Int64(5_000 + random.below(40_000)))
    let counts = (0..<Int(1 + random.below(6))).map { _ in Double(1 + random.below(100)) }
    let total = counts.reduce(0, +)
    var excess: [ExcessShare] = []
    var at: Int64 = 0
    for count in counts {
      excess.append(ExcessShare(excess: .microseconds(at), probability: count / total))
      at += Int64(200 + random.below(4_000))
    }
    return PathPrediction(
      via: nil, rate: BitRate(bitsPerSecond: 5_000_000 + random.below(200_000_000)), least: least, excess: excess,
      loss: 0)
  }

  /// Against the same model over a thousand slots and true packets, as `path-oracle predict` asks it.
  @Test(arguments: 0..<12 as Range<UInt64>) func `is what the fine model says, within its grain`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let paths = (0..<Int(2 + seed % 2)).map { _ in path(&random) }
    let fine = try ResequencingPrediction(
      paths: paths.map { path in
        StripedPath(
          rate: path.rate,
          delay: .measured(
            path.excess.map { share in
              DelayLaw.Sample(delay: path.least + share.excess, count: Int((share.probability * 1e6).rounded()))
            }))
      }, partSize: ByteCount(1_400))
    let buffer = ByteCount(64 << 10)
    let cost = try #require(SetModel.cost(of: paths, buffer: buffer))
    let spread =
      (paths.map { $0.least + ($0.excess.last?.excess ?? .zero) }.max() ?? .zero)
      - (paths.map(\.least).min() ?? .zero)
    let delay = fine.time(Double(fine.addedDelay.quantile(0.99)))
    #expect(abs((cost.addedDelay - delay).inSeconds) <= spread.inSeconds * 0.03, "seed \(seed)")
    let rate = paths.reduce(0) { $0 + Double($1.rate.bitsPerSecond) } / 8
    let bytes = Double(fine.bytes(Double(fine.occupancy.quantile(0.999))).value)
    #expect(abs(Double(cost.occupancy.value) - bytes) <= spread.inSeconds * rate * 0.05 + 2_800, "seed \(seed)")
    #expect(abs(cost.loss - fine.overtaking.loss(bufferOf: buffer.value / 1_400)) <= 0.05, "seed \(seed)")
  }

  @Test func `is nothing for one path, and for paths alike`() {
    var random = SeededRandom(seed: 1)
    #expect(SetModel.cost(of: [path(&random)], buffer: .zero) == .nothing)
    let steady = PathPrediction(
      via: "r", rate: BitRate(bitsPerSecond: 1_000_000), least: .milliseconds(10),
      excess: [ExcessShare(excess: .zero, probability: 1)], loss: 0)
    #expect(SetModel.cost(of: [steady, steady, steady], buffer: .zero) == .nothing)
  }

  @Test(arguments: [(1, 1_000_000_000_000), (64_000, 10_000_000_000), (1, 1)])
  func `is told for any rates`(one: UInt64, other: UInt64) throws {
    let paths = [(one, 5), (other, 900)].map { rate, delay in
      PathPrediction(
        via: nil, rate: BitRate(bitsPerSecond: rate), least: .milliseconds(Int64(delay)),
        excess: [
          ExcessShare(excess: .zero, probability: 0.999_999), ExcessShare(excess: .seconds(2), probability: 0.000_001),
        ], loss: 0)
    }
    let cost = try #require(SetModel.cost(of: paths, buffer: ByteCount(1 << 20)))
    #expect(cost.addedDelay <= .seconds(1) && cost.occupancy >= .zero && (0...1).contains(cost.loss))
  }
}

@Suite struct `What is kept of a measurement` {
  @Test(arguments: 0..<50 as Range<UInt64>) func `is read back as it was`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let samples = (0..<Int(random.below(40))).map { _ in
      DelayShape.Sample(
        excess: .microseconds(Int64(random.below(3_000_000))), count: Int(random.below(1 << (1 + random.below(20)))))
    }
    var measurement = Measurement(source: "a", from: "a", to: "b", shape: DelayShape(samples) ?? DelayShape())
    if random.below(2) == 0 { measurement.roundTrip = .microseconds(Int64(1 + random.below(60_000_000))) }
    let bytes = KeptMeasurement.bytes(of: measurement)
    #expect(bytes.count <= 5 + 6 * DelayShape.buckets)
    var again = Measurement(source: "a", from: "a", to: "b")
    #expect(KeptMeasurement.read(bytes, into: &again))
    #expect(again == measurement, "seed \(seed)")
  }

  @Test func `is not taken from other bytes`() {
    var measurement = Measurement(source: "a", from: "a", to: "b")
    for bytes: [UInt8] in [
      [], [1], [2, 0, 0, 0, 0], [1, 0, 0, 0, 0, 9], [UInt8](repeating: 1, count: 5 + 6 * (DelayShape.buckets + 1)),
    ] {
      #expect(!KeptMeasurement.read(bytes, into: &measurement))
    }
    #expect(measurement == Measurement(source: "a", from: "a", to: "b"))
    var random = SeededRandom(seed: 9)
    for _ in 0..<500 {
      let count = 5 + 6 * Int(random.below(33))
      let bytes = [1] + (1..<count).map { _ in UInt8(random.below(256)) }
      #expect(KeptMeasurement.read(bytes, into: &measurement))
    }
  }
}
