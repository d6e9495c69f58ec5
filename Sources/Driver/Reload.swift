//  Reload.swift — the way of another configuration into a running gateway, from whoever asks to the loop and back.
//
//  Why.  Reading a file, its secrets, and the names in it takes milliseconds, and seconds when a name server is gone.
//  The loop has none of them to spare; and only the loop may touch the engine.
//
//  How.  Whoever asks does the slow part on his own thread, one after the other, and lays the plan down:
//
//      SIGHUP ──▶ loop ──▶ a thread ─┐
//      POST /v1/reload ──▶ its own ──┴▶ read, audit, resolve ──▶ plan ──▶ wake the loop ──▶ between two turns: apply
//                                            │ a mistake                                          │
//                                            ▼                                                    ▼
//                                      all sentences, to who asked and to the log ◀────── what changed, or why not
//
//  Rejected.  To hand over single changes (two of them may be right together and wrong alone); to let the loop read the
//  file (a disk that hangs would stop the traffic).
//
//  Always true.  (1) One plan at a time. (2) A plan is answered once, or its asker has stopped waiting and takes it
//  back: what the loop has not taken by then is never applied.

import Configuration
import Control
import POSIX
import Primitives
import Service
import Synchronization

final class Reload: Sendable {
  /// What came of it, in sentences.
  enum Outcome: Sendable {
    case applied([String])
    case refused([String])
  }

  /// A turn takes microseconds. What is not taken in this time will not be.
  static let patience = Interval.seconds(10)

  private struct State {
    var plan: Gateway.Setup?
    var outcome: Outcome?
  }

  /// Held while somebody's reload goes on.
  private let turn = Mutex<Void>(())
  private let state = Mutex(State())
  private let read: (@Sendable () -> Gateway.Reading)?
  private let log: Log
  private let wake: @Sendable () -> Void
  private let doors = Locked<ControlDoors?>(nil)
  /// The loop has answered.
  private let answered = Signal.atStart()

  /// `wake` makes the loop turn once, from any thread.
  init(
    _ read: (@Sendable () -> Gateway.Reading)?, log: Log,
    wake: @escaping @Sendable () -> Void
  ) {
    self.read = read
    self.log = log
    self.wake = wake
  }

  /// They follow the file too.
  func keep(_ doors: ControlDoors) { self.doors.withLock { $0 = doors } }

  // MARK: Whoever asks

  /// Returns when it is done; it may take as long as a name server needs to be given up.
  func perform(for who: String) -> Outcome {
    let outcome = turn.withLock { _ -> Outcome in
      guard let read else { return .refused(["this gateway was not started from a file"]) }
      ServiceManager.reloading(at: MonotonicClock.now)
      defer { ServiceManager.ready("reloaded by \(who)") }
      switch read() {
      case .mistakes(let sentences): return .refused(sentences)
      case .plan(let plan): return carryOut(plan)
      }
    }
    switch outcome {
    case .applied(let changes):
      if changes.isEmpty { log(.configuration, "reload by \(who): nothing is different") }
      for change in changes { log(.configuration, "reload by \(who): \(change)") }
    case .refused(let mistakes):
      log(.configuration, "reload by \(who): refused, nothing has changed")
      for mistake in mistakes { log(.configuration, mistake) }
    }
    return outcome
  }

  /// The same on a thread of its own, for who cannot wait.
  func begin(for who: String) {
    guard let worker = Worker.start("reload", { [self] in _ = perform(for: who) }) else {
      return log(.problem, "reload by \(who): refused, the system has no thread for it")
    }
    worker.detach()
  }

  /// Doors are opened before anything is handed over, and used when it was taken: so a port that somebody has changes
  /// nothing, and the loop waits for no certificate.
  private func carryOut(_ plan: Gateway.Setup) -> Outcome {
    guard let doors = doors.withLock({ $0 }) else { return hand(over: plan) }
    let wish = ControlDoors.Wish(remote: plan.remoteControl, metrics: plan.configuration.metricsListen)
    let news = doors.differences(to: wish)
    do throws(ControlFailure) {
      let opened = try news.isEmpty ? nil : doors.open(wish)
      let outcome = hand(over: plan)
      guard case .applied(let sentences) = outcome else { return outcome }
      if let opened { doors.use(opened) }
      return .applied(sentences + news)
    } catch {
      return .refused(["\(error)"])
    }
  }

  private func hand(over plan: Gateway.Setup) -> Outcome {
    state.withLock { $0 = State(plan: plan) }
    wake()
    let end = MonotonicClock.now + Reload.patience
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
      _ = answered.wait(for: max(left, .milliseconds(100)))
    }
  }

  // MARK: The loop

  func takePlan() -> Gateway.Setup? { state.withLock { $0.plan.take() } }

  func answer(_ outcome: Outcome) {
    state.withLock { $0.outcome = outcome }
    answered.raise()
  }
}

extension ControlActions {
  init(_ reload: Reload) {
    self.init { who in
      switch reload.perform(for: who) {
      case .applied(let changes):
        ControlOutcome(isApplied: true, sentences: changes.isEmpty ? ["nothing is different"] : changes)
      case .refused(let mistakes): ControlOutcome(isApplied: false, sentences: mistakes)
      }
    }
  }
}
