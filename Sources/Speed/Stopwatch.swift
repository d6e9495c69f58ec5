//  Stopwatch.swift — what a piece of work costs this thread, in nanoseconds.
//
//  The thread's own processor time, so that neighbours who take the processor do not count; what the kernel does in its
//  name does. Of several rounds the best counts: others can only slow one down.

import Glibc

enum Stopwatch {
  /// Nanoseconds of this thread.
  static var now: Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  static let rounds = 5

  /// Of one unit of work, the best of `rounds` that together take about `budget` nanoseconds. `body` does so many units
  /// and returns what they cost.
  static func best(within budget: Int, _ body: (Int) -> Int) -> Double {
    // Warm, and long enough to know how many fit.
    var count = 1
    var cost = body(count)
    while cost < budget / 50 && count < 1 << 24 {
      count *= 2
      cost = body(count)
    }
    let fitting = max(1, count * (budget / rounds) / max(1, cost))
    var best = Double.infinity
    for _ in 0..<rounds { best = min(best, Double(body(fitting)) / Double(fitting)) }
    return best
  }
}
