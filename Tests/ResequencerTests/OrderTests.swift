import Primitives
import Testing

@testable import Resequencer

/// One seed: `swift test --filter ResequencerTests.OrderTests` prints which failed; `HostileRun(seed:)` runs it again.
@Suite struct `Order under a hostile network` {
  static let blocks = Array(0..<40)

  @Test(arguments: blocks)
  func `no payload byte comes twice, changed or out of order, and all memory comes back`(block: Int) {
    for seed in UInt64(block * 50)..<UInt64(block * 50 + 50) {
      var run = HostileRun(seed: seed)
      let complaints = run.run(seed: seed, audited: seed % 8 == 0)
      #expect(complaints.isEmpty, "HostileRun(seed: \(seed)): \(complaints.prefix(3))")
      let counters = run.receiver.core.counters
      if run.lost > 0 { continue }
      #expect(
        counters.accepted + counters.duplicate + counters.overlapping + counters.late + counters.full
          + counters.fragmented >= UInt64(run.arrivals.count), "HostileRun(seed: \(seed))")
    }
  }

  @Test func `the network is hostile enough: every verdict and every end of a hole occurs`() {
    var sum = Resequencer.Counters()
    var bundled: UInt64 = 0
    for seed in UInt64(0)..<150 {
      var run = HostileRun(seed: seed)
      _ = run.run(seed: seed, audited: false)
      let counters = run.receiver.core.counters
      for verdict in Verdict.allCases where counters.count(of: verdict) > 0 { sum.note(verdict) }
      sum.holesByProof += counters.holesByProof
      sum.holesByPatience += counters.holesByPatience
      sum.holesByOverrun += counters.holesByOverrun
      sum.holesByMemory += counters.holesByMemory
      sum.salvagedBytes += counters.salvagedBytes
      sum.strandedBytes += counters.strandedBytes
      bundled += counters.deliveredPackets - counters.deliveries
    }
    for verdict in [.accepted, .duplicate, .late, .full] as [Verdict] {
      #expect(sum.count(of: verdict) > 0, "\(verdict)")
    }
    #expect(sum.holesByProof > 0 && sum.holesByPatience > 0 && sum.holesByOverrun > 0 && sum.holesByMemory > 0)
    #expect(sum.salvagedBytes > 0 && sum.strandedBytes > 0 && bundled > 0)
  }

  @Test(arguments: blocks)
  func `a network that only delays and duplicates costs nothing`(block: Int) {
    for seed in UInt64(block * 10)..<UInt64(block * 10 + 10) {
      var run = HostileRun(seed: seed, loses: false)
      let complaints = run.run(seed: seed, audited: false)
      #expect(complaints.isEmpty, "HostileRun(seed: \(seed)): \(complaints.prefix(3))")
      let counters = run.receiver.core.counters
      // A path that reorders may look like one that loses, or make more ranges than are counted.
      if run.reorders && (counters.holesByProof > 0 || counters.fragmented > 0) { continue }
      #expect(counters.holes == 0, "HostileRun(seed: \(seed)): \(counters)")
      #expect(run.receiver.ledger.streamBytes == run.streamBytes, "HostileRun(seed: \(seed))")
      #expect(run.receiver.ledger.datagrams == run.datagrams, "HostileRun(seed: \(seed))")
      #expect(counters.deliveredBytes == UInt64(run.sent.reduce(0) { $0 + $1.bytes.count }))
      #expect(counters.deliveredPackets == UInt64(run.sent.reduce(0) { $0 + $1.entries.count }))
      #expect(counters.segments == UInt64(run.sent.count))
    }
  }
}
