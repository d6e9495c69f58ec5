import Primitives
import Simulation
import Topology

//  What the tests of a single link share: conditions in a line, and a few ways to use a link.

func ms(_ milliseconds: Int64) -> Instant { .zero + .milliseconds(milliseconds) }
func us(_ microseconds: Int64) -> Instant { .zero + .microseconds(microseconds) }

func megabits(_ n: UInt64) -> BitRate { BitRate(bitsPerSecond: n * 1_000_000) }

func percent(_ p: Double) -> Probability { Probability(partsPerBillion: UInt32((p * 1e7).rounded())) }

func conditions(_ describe: (inout LinkConditions) -> Void) -> LinkConditions {
  var conditions = LinkConditions()
  describe(&conditions)
  return conditions
}

/// A line that holds whatever a test puts into it.
func roomy(_ rate: BitRate, _ describe: (inout LinkConditions) -> Void = { _ in }) -> LinkConditions {
  conditions {
    $0.line = .fixed(rate)
    $0.queue = .bytes(ByteCount(1 << 40))
    describe(&$0)
  }
}

extension Link {
  mutating func drain() -> [Outcome] {
    var outcomes: [Outcome] = []
    while let outcome = nextOutcome() { outcomes.append(outcome) }
    return outcomes
  }

  /// Follows the deadlines until nothing is held.
  mutating func drainToTheEnd() -> [Outcome] {
    var outcomes = drain()
    while let next = deadline {
      expire(at: next)
      outcomes += drain()
    }
    return outcomes
  }
}

extension Link.Outcome {
  var slot: UInt32 {
    switch self {
    case .delivered(let slot, _, _, _): slot
    case .lost(let slot, _, _): slot
    }
  }

  var time: Instant {
    switch self {
    case .delivered(_, let due, _, _): due
    case .lost(_, let at, _): at
    }
  }

  var isDelivered: Bool {
    if case .delivered = self { true } else { false }
  }

  var isLast: Bool {
    switch self {
    case .delivered(_, _, let isLast, _): isLast
    case .lost: true
    }
  }
}
