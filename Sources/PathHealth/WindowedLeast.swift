//  WindowedLeast.swift — the least value of the last while, in two words and without a list.
//
//  Two halves of the window: the least of the half that is running, and of the one before. So a value counts for at
//  least half a window and for at most a whole one, and forgetting costs nothing.

import Primitives

struct WindowedLeast: BitwiseCopyable, Sendable {
  static let none = Int64.max

  private let half: Int64
  private var began: UInt64 = 0
  private var before = WindowedLeast.none
  private(set) var running = WindowedLeast.none

  init(window: Interval) { half = max(1, window.nanoseconds / 2) }

  var isEmpty: Bool { before == WindowedLeast.none && running == WindowedLeast.none }

  /// `none` when nothing was noted.
  var least: Int64 { min(before, running) }

  mutating func note(_ value: Int64, at now: Instant) {
    let elapsed = now.nanoseconds &- began
    if now.nanoseconds > began && elapsed >= UInt64(half) {
      // After a long silence what is left is better than nothing, until there is something new.
      if running != WindowedLeast.none { before = running }
      running = WindowedLeast.none
      began = now.nanoseconds
    }
    running = min(running, value)
  }

  /// A probe has shown how things are now: what was before does not count.
  mutating func replace(_ value: Int64, at now: Instant) {
    before = value
    running = value
    began = now.nanoseconds
  }
}
