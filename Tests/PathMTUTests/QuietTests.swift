import PathMTU
import Primitives
import Testing

@Suite struct `Questions about the size` {
  @Test func `are asked on an idle path only until it is known once`() {
    var path = PathUnderTest(truth: 1_400)
    path.dataEvery = nil
    path.run(for: .seconds(10))
    #expect(path.mtu.state == .complete && path.mtu.deadline == nil)
    let first = path.probes.count
    path.run(for: .seconds(86_400))
    #expect(path.probes.count == first && first <= 25)
  }

  /// Over IPv6, IP promises more than the base: nothing below it is searched.
  @Test(arguments: [IPAddress.Family.ipv4, .ipv6])
  func `are asked no more on an idle path without the base`(family: IPAddress.Family) {
    var path = PathUnderTest(family: family, truth: 0)
    path.dataEvery = nil
    path.run(for: .seconds(60))
    #expect(path.mtu.state == .error && path.mtu.deadline == nil)
  }

  @Test func `take little memory, since a thousand peers have a path or two each`() {
    #expect(MemoryLayout<PathMTU>.size <= 136, "\(MemoryLayout<PathMTU>.size)")
  }

  @Test func `cost a busy path three datagrams in ten minutes`() {
    var path = PathUnderTest(truth: 1_400)
    path.dataEvery = .milliseconds(100)
    path.run(for: .seconds(60))
    path.forgetProbes()
    path.run(for: .seconds(3_600))
    #expect(path.probes.count == 18, "\(path.probes.map(\.size))")
    #expect(path.mtu.payload >= 1_392)
  }

  @Test func `cost a path below the base three in a minute`() {
    var path = PathUnderTest(truth: 900)
    path.dataEvery = .milliseconds(100)
    path.run(for: .seconds(60))
    path.forgetProbes()
    path.run(for: .seconds(3_600))
    #expect(path.probes.count <= 180 && path.probes.count >= 150)
  }

  @Test func `find out when a path grows, within ten minutes of use`() {
    var path = PathUnderTest(truth: 1_372)
    // After ten seconds and after another minute it was asked in vain.
    path.run(for: .seconds(100))
    path.changeTruth(to: 1_472)
    path.run(for: .seconds(660 - 100)) { $0.payload > 1_372 }
    #expect(path.mtu.payload == 1_372)
    path.run(for: .seconds(40))
    #expect(path.mtu.payload == 1_472 && path.mtu.state == .complete && path.mtu.deadline == nil)
  }

  @Test func `begin again when a path moves, at the size that it had`() {
    var path = PathUnderTest(truth: 1_472)
    path.run(for: .seconds(1))
    path.mtu.stop()
    #expect(path.mtu.deadline == nil && path.mtu.state == .disabled && path.mtu.nextProbe(at: path.now) == nil)
    path.forgetProbes()
    path.mtu.start(at: path.now)
    #expect(path.mtu.payload == 1_200 && path.mtu.why == .moved)
    path.run(for: .milliseconds(45))
    #expect(path.probes.map(\.size) == [1_200, 1_472] && path.mtu.payload == 1_472)
  }

  @Test func `follow the interface's own size`() {
    var path = PathUnderTest(limit: 8_972, truth: 8_972)
    path.run(for: .seconds(1))
    #expect(path.mtu.payload == 8_972)
    path.mtu.setLimit(1_472, at: path.now)
    #expect(path.mtu.payload == 1_472 && path.mtu.state == .complete && path.mtu.why == .interface)
    path.mtu.setLimit(8_972, at: path.now)
    path.run(for: .seconds(1))
    #expect(path.mtu.payload == 8_972)
    path.mtu.setLimit(600, at: path.now)
    #expect(path.mtu.payload == 600)
  }

  @Test(arguments: [UInt64](0..<200)) func `stay within bounds whatever is answered and said`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let limit = 600 + Int(random.below(9_000))
    var mtu = PathMTU(limit: limit, family: random.below(2) == 0 ? .ipv4 : .ipv6)
    var now = Instant.zero + .seconds(5)
    for _ in 0..<5_000 {
      now += .microseconds(Int64(random.below(200_000)))
      // Now and then a size that somebody made up, or the ends of what a number can be.
      let size = [Int(random.below(10_000)), .max, .min, 0, -1, 65_536, 1_200][Int(random.below(7))]
      let earlier = Instant(nanoseconds: random.below(20) == 0 ? random.next() : random.below(now.nanoseconds))
      switch random.below(12) {
      case 0: mtu.start(at: now)
      case 1 where random.below(10) == 0: mtu.stop()
      case 2: _ = mtu.probeAnswered(random.below(2) == 0 ? size : mtu.payload, sentAt: earlier, at: now)
      case 3: _ = mtu.tooBig(size, at: now)
      case 4: mtu.lost(size, count: [Int.max, .min, 0, 9][Int(random.below(4))], at: now)
      case 5: mtu.delivered(size, count: [Int.max, .min, 0, 9][Int(random.below(4))], at: now)
      case 6: _ = mtu.carried(at: now)
      case 7 where random.below(50) == 0: mtu.setLimit(600 + Int(random.below(9_000)), at: now)
      default:
        mtu.expire(at: now)
        guard let size = mtu.nextProbe(at: now) else {
          #expect(mtu.deadline.map { $0 > now } ?? true, "seed \(seed): who looked when it was due looks for ever")
          break
        }
        #expect((1...mtu.limit).contains(size))
        mtu.probeSent(size, roundTrip: .milliseconds(Int64(random.below(4_000))), at: now)
        #expect(mtu.deadline.map { $0 > now } ?? true, "seed \(seed)")
        if random.below(2) == 0 { _ = mtu.probeAnswered(size, sentAt: now, at: now + .milliseconds(1)) }
      }
      #expect(mtu.payload >= 1 && mtu.payload <= mtu.limit, "seed \(seed)")
    }
  }
}
