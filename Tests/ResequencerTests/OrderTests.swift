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

  @Test(arguments: blocks)
  func `a network that only delays and duplicates costs nothing`(block: Int) {
    for seed in UInt64(block * 10)..<UInt64(block * 10 + 10) {
      var run = HostileRun(seed: seed, loses: false)
      let complaints = run.run(seed: seed, audited: false)
      #expect(complaints.isEmpty, "HostileRun(seed: \(seed)): \(complaints.prefix(3))")
      let counters = run.receiver.core.counters
      if counters.holesByProof > 0 { continue }  // a path that reorders may look like one that loses
      #expect(counters.holes == 0, "HostileRun(seed: \(seed))")
      #expect(run.receiver.ledger.bytes == run.sent.reduce(0) { $0 + $1.bytes.count }, "HostileRun(seed: \(seed))")
      #expect(counters.deliveredBytes == UInt64(run.receiver.ledger.bytes))
      #expect(counters.segments == UInt64(run.sent.count))
    }
  }
}
