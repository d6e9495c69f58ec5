//  StopSignal.swift — SIGTERM and SIGINT end the loop between two turns; SIGHUP asks for the file again.

import Glibc
import Ring
import Synchronization

/// One per process: a signal handler can be told nothing.
struct StopSignal {
  private static let requested = Atomic<Bool>(false)
  private static let hungUp = Atomic<Bool>(false)
  private nonisolated(unsafe) static var waker: RingWaker?

  init(_ waker: RingWaker) {
    StopSignal.waker = waker
    StopSignal.requested.store(false, ordering: .relaxed)
    for number in [SIGTERM, SIGINT] {
      signal(number) { _ in
        StopSignal.requested.store(true, ordering: .relaxed)
        StopSignal.waker?.wake()
      }
    }
    StopSignal.hungUp.store(false, ordering: .relaxed)
    signal(SIGHUP) { _ in
      StopSignal.hungUp.store(true, ordering: .relaxed)
      StopSignal.waker?.wake()
    }
    // Who reads our answers may be gone.
    signal(SIGPIPE, SIG_IGN)
  }

  /// Once for all that came since the last call.
  func takeHangup() -> Bool { StopSignal.hungUp.exchange(false, ordering: .relaxed) }

  var isRequested: Bool { StopSignal.requested.load(ordering: .relaxed) }
}
