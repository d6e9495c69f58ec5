//  WindowedLeast.swift — the least value of the last while, in a few words and without a list.
//
//  The window has two halves: the one that is running, and the one before. So a value counts for at least half a window
//  and for at most a whole one, and forgetting costs nothing.

import Primitives

struct WindowedLeast: BitwiseCopyable, Sendable {
  static let none = Int64.max

  private let half: UInt64
  private var began: UInt64 = 0
  private var before = WindowedLeast.none
  private var running = WindowedLeast.none

  init(window: Interval) { half = UInt64(max(2, window.nanoseconds) / 2) }

  var isEmpty: Bool { before == WindowedLeast.none && running == WindowedLeast.none }

  /// `none` when nothing was noted.
  var least: Int64 { min(before, running) }

  mutating func note(_ value: Int64, at now: Instant) {
    if now.nanoseconds > began && now.nanoseconds - began >= half {
      // After a long silence what is left is better than nothing, until there is something new.
      if running != WindowedLeast.none { before = running }
      running = WindowedLeast.none
      began = now.nanoseconds
    }
    running = min(running, value)
  }

  /// Somebody looked closely: what was before does not count any more.
  mutating func replace(_ value: Int64, at now: Instant) {
    before = value
    running = value
    began = now.nanoseconds
  }
}
