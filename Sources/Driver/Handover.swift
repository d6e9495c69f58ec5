//  Handover.swift — how a plan gets from whoever made it to the loop, and the answer back.
//
//  The loop is woken and takes the plan between two turns; whoever gave it sleeps meanwhile, since a turn
//  takes microseconds and a poll in steps would take milliseconds.
//
//  Always true.  (1) One plan at a time, which its callers see to. (2) A plan is answered once, or its asker has
//  stopped waiting and takes it back: what the loop has not taken by then is never applied.

import POSIX
import Primitives
import Synchronization

final class Handover: Sendable {
  /// What is not taken in this time will not be.
  static let patience = Interval.seconds(10)

  private struct State {
    var plan: Gateway.Setup?
    var outcome: Reload.Outcome?
  }

  private let state = Mutex(State())
  private let wake: @Sendable () -> Void
  private let isAnswered = Signal.atStart()

  /// `wake` makes the loop turn once, from any thread.
  init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

  // MARK: Whoever asks

  func hand(over plan: Gateway.Setup) -> Reload.Outcome {
    state.withLock { $0 = State(plan: plan) }
    wake()
    let end = MonotonicClock.now + Handover.patience
    while true {
      if let outcome = state.withLock({ $0.outcome }) { return outcome }
      let left = end - MonotonicClock.now
      if left <= .zero {
        let wasTaken = state.withLock { state -> Bool in
          defer { state.plan = nil }
          return state.plan == nil
        }
        if !wasTaken {
          return .refused(["the gateway has not answered for ten seconds; it is overloaded, or it hangs"])
        }
      }
      _ = isAnswered.wait(for: max(left, .milliseconds(100)))
    }
  }

  // MARK: The loop

  func takePlan() -> Gateway.Setup? { state.withLock { $0.plan.take() } }

  func answer(_ outcome: Reload.Outcome) {
    state.withLock { $0.outcome = outcome }
    isAnswered.raise()
  }
}
