import Foundation
import Glibc
import Primitives
import Synchronization

enum MonotonicClock {
  static var now: Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
  }
}

/// Runs all of them at the same time, each on a thread of its own, and waits for the last.
func together(_ jobs: [@Sendable () -> Void]) {
  let group = DispatchGroup()
  for job in jobs {
    group.enter()
    detached {
      job()
      group.leave()
    }
  }
  group.wait()
}

func detached(_ job: @escaping @Sendable () -> Void) { Thread.detachNewThread(job) }

/// Goes up once.
final class Flag: Sendable {
  private let value = Atomic(false)
  var isSet: Bool { value.load(ordering: .acquiring) }
  func set() { value.store(true, ordering: .releasing) }
}
