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

import Control
import Glibc
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
  private let (answered, answering): (Int32, Int32)

  /// `wake` makes the loop turn once, from any thread.
  init(
    _ read: (@Sendable () -> Gateway.Reading)?, log: Log,
    wake: @escaping @Sendable () -> Void
  ) {
    self.read = read
    self.log = log
    self.wake = wake
    var ends: [Int32] = [-1, -1]
    precondition(
      pipe2(&ends, O_CLOEXEC | O_NONBLOCK) == 0, "a process has room for two more descriptors when it starts")
    (answered, answering) = (ends[0], ends[1])
  }

  deinit {
    close(answered)
    close(answering)
  }

  // MARK: Whoever asks

  /// Returns when it is done; it may take as long as a name server needs to be given up.
  func perform(for who: String) -> Outcome {
    let outcome = turn.withLock { _ -> Outcome in
      guard let read else { return .refused(["this gateway was not started from a file"]) }
      ServiceManager.reloading(at: MonotonicClock.now)
      defer { ServiceManager.ready("reloaded by \(who)") }
      switch read() {
      case .mistakes(let sentences): return .refused(sentences)
      case .plan(let plan): return hand(over: plan)
      }
    }
    switch outcome {
    case .applied(let changes):
      for change in changes { log(.configuration, "reload by \(who): \(change)") }
    case .refused(let mistakes):
      log(.configuration, "reload by \(who): refused, nothing has changed")
      for mistake in mistakes { log(.configuration, mistake) }
    }
    return outcome
  }

  /// The same on a thread of its own, for who cannot wait.
  func begin(for who: String) {
    let work = Unmanaged.passRetained(Work { [self] in _ = perform(for: who) })
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { raw in
        guard let raw else { return nil }
        Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().run()
        return nil
      }, work.toOpaque())
    if error != 0 {
      work.release()
      return log(.problem, "reload by \(who): refused, the system has no thread for it")
    }
    pthread_detach(thread)
  }

  private final class Work {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
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
      var watched = pollfd(fd: answered, events: Int16(POLLIN), revents: 0)
      poll(&watched, 1, Int32(max(left.nanoseconds, 100_000_000) / 1_000_000))
      var byte: UInt8 = 0
      _ = Glibc.read(answered, &byte, 1)
    }
  }

  // MARK: The loop

  func takePlan() -> Gateway.Setup? { state.withLock { $0.plan.take() } }

  func answer(_ outcome: Outcome) {
    state.withLock { $0.outcome = outcome }
    var byte: UInt8 = 1
    _ = write(answering, &byte, 1)
  }
}

extension ControlActions {
  init(_ reload: Reload) {
    self.init { who in
      switch reload.perform(for: who) {
      case .applied(let changes): ControlOutcome(isApplied: true, sentences: changes)
      case .refused(let mistakes): ControlOutcome(isApplied: false, sentences: mistakes)
      }
    }
  }
}
