//  LogLimit.swift — how many lines of one kind a log gets: enough to see what happens, too few to fill a disk.
//
//  Why.  A hub with a thousand branches whose provider flaps would write ten thousand lines a minute, and the one line
//  that says why would be among them. So each kind has a bucket of its own: a storm of one does not silence another.
//
//  How.  A bucket holds `burst` lines and gets one back each second. What finds it empty is only counted; the next line
//  that is written, of whatever kind, says how many more there were of each kind whose bucket has room again.
//
//  Always true.  Each line is written, or counted in a line that is written later, at the end at the latest.

import Primitives

struct LogLimit {
  /// What a start writes of one kind: a line for each of 16 paths, and what each cannot do.
  static let burst = 64
  static let pause = Interval.seconds(1)

  private struct Bucket {
    var lines = LogLimit.burst
    var filledAt: Instant
    var left = 0
  }
  /// By the kind's number.
  private var buckets: [Bucket]

  init(at now: Instant) {
    let most = LogEvent.allCases.map(\.rawValue).max() ?? 0
    buckets = Array(repeating: Bucket(filledAt: now), count: Int(most) + 1)
  }

  /// Whether a line of this kind is written now.
  mutating func admits(_ event: LogEvent, at now: Instant) -> Bool {
    let index = Int(event.rawValue)
    fill(index, at: now)
    if buckets[index].lines == 0 {
      buckets[index].left += 1
      return false
    }
    buckets[index].lines -= 1
    return true
  }

  /// What was left out of the kinds that may be told of again, or of all; told once.
  mutating func takeLeft(at now: Instant, all: Bool = false) -> [(event: LogEvent, count: Int)] {
    var left: [(event: LogEvent, count: Int)] = []
    for event in LogEvent.allCases {
      let index = Int(event.rawValue)
      if buckets[index].left == 0 { continue }
      fill(index, at: now)
      if buckets[index].lines == 0 && !all { continue }
      left.append((event, buckets[index].left))
      buckets[index].left = 0
    }
    return left
  }

  private mutating func fill(_ index: Int, at now: Instant) {
    let passed = max(.zero, now - buckets[index].filledAt)
    let lines = passed.nanoseconds / LogLimit.pause.nanoseconds
    if lines == 0 { return }
    buckets[index].lines = Int(min(Int64(LogLimit.burst), Int64(buckets[index].lines) + lines))
    buckets[index].filledAt = buckets[index].filledAt + .nanoseconds(lines * LogLimit.pause.nanoseconds)
  }
}
