//  StopSignal.swift — SIGTERM and SIGINT end the loop between two turns.

import Glibc
import Ring
import Synchronization

/// One per process: a signal handler can be told nothing.
struct StopSignal {
  private static let requested = Atomic<Bool>(false)
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
    // Who reads our answers may be gone.
    signal(SIGPIPE, SIG_IGN)
  }

  var isRequested: Bool { StopSignal.requested.load(ordering: .relaxed) }
}
