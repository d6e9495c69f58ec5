import PathMTU
import Primitives
import Testing

@Suite struct `The size of a path` {
  /// Of IP packets over IPv4.
  private static let usual = [1_280, 1_358, 1_380, 1_400, 1_420, 1_454, 1_480, 1_492, 1_500]

  @Test func `is Ethernet's after two round trips, where the path is Ethernet's`() {
    var path = PathUnderTest(truth: 1_472)
    #expect(path.mtu.payload == 548, "before anything was answered, only what IPv4 promises")
    path.run(for: .seconds(1)) { $0.state == .complete }
    #expect(path.mtu.payload == 1_472)
    #expect(path.probes.map(\.size) == [1_200, 1_472])
    #expect(path.now == .zero + .seconds(1) + .milliseconds(40))
    #expect(path.mtu.deadline == nil, "nothing more can ever fit")
  }

  @Test func `is what IPv6 promises until it is known`() {
    var path = PathUnderTest(limit: 1_452, family: .ipv6, truth: 1_452)
    #expect(path.mtu.payload == 1_200)
    path.run(for: .seconds(1)) { $0.state == .complete }
    #expect(path.mtu.payload == 1_452)
  }

  @Test(arguments: usual) func `is found exactly when it is a usual one`(size: Int) {
    var path = PathUnderTest(truth: size - 28)
    path.run(for: .seconds(10)) { $0.state == .complete }
    #expect(path.mtu.payload == size - 28)
    #expect(path.probes.count <= 20, "\(path.probes.map(\.size))")
    #expect(path.unproven.isEmpty)
  }

  @Test(arguments: [UInt64](0..<200)) func `is not wrong for long when the path was overloaded meanwhile`(seed: UInt64)
  {
    var path = PathUnderTest(truth: 1_472, seed: seed)
    path.dataEvery = .milliseconds(20)
    path.loss = Probability(partsPerBillion: 900_000_000)
    path.run(for: .seconds(Int64(seed % 5)))
    path.loss = .never
    path.run(for: .seconds(15))
    #expect(path.mtu.payload == 1_472, "seed \(seed)")
  }

  @Test(arguments: [UInt64](0..<2_000))
  func `is found whatever it is, with any loss up to one in ten each way`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let family: IPAddress.Family = random.below(3) == 0 ? .ipv6 : .ipv4
    let limit = PathMTU.payload(mtu: [1_500, 1_500, 9_000, 1_280, 4_000][Int(random.below(5))], family: family)
    let least = family == .ipv4 ? 548 : 1_232
    var path = PathUnderTest(
      limit: limit, family: family, truth: least + Int(random.below(UInt64(9_000 - least))), seed: seed)
    path.loss = Probability(partsPerBillion: UInt32(random.below(100_000_001)))
    path.roundTrip = .milliseconds(1 + Int64(random.below(600)))
    path.dataEvery = random.below(2) == 0 ? nil : .milliseconds(50)
    path.run(for: .seconds(600)) { $0.state == .complete || $0.state == .error && $0.deadline == nil }
    // With data the deadline of an error is that of the next attempt.
    if path.mtu.state == .error { path.run(for: .seconds(30)) }
    let reachable = min(path.truth, limit)
    #expect((reachable - 8...reachable).contains(path.mtu.payload), "seed \(seed): \(path.mtu) truth \(path.truth)")
    #expect(path.probes.count <= 80, "seed \(seed): \(path.probes.count) probes")
    #expect(path.unproven.isEmpty, "seed \(seed)")
    for (before, after) in zip(path.probes, path.probes.dropFirst()) where before.at + path.roundTrip > after.at {
      Issue.record("seed \(seed): two probes within a round trip")
      break
    }
  }
}
