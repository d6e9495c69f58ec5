//  Instant.swift — points in time and the spans between them, as whole nanoseconds.
//
//  Sixty-four bits of nanoseconds last for 584 years, compare in one instruction, and never round. The origin of an
//  `Instant` is whoever hands it out: the Driver's monotonic clock, or second zero of a simulation. Two origins never
//  mix.

/// A point in time, counted from its clock's origin.
public struct Instant: Comparable, Hashable, BitwiseCopyable, Sendable {
  public var nanoseconds: UInt64

  @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  public static let zero = Instant(nanoseconds: 0)

  @inlinable public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

  @inlinable public static func + (instant: Instant, interval: Interval) -> Instant {
    Instant(nanoseconds: UInt64(Int64(instant.nanoseconds) + interval.nanoseconds))
  }

  @inlinable public static func - (instant: Instant, interval: Interval) -> Instant {
    Instant(nanoseconds: UInt64(Int64(instant.nanoseconds) - interval.nanoseconds))
  }

  @inlinable public static func - (later: Instant, earlier: Instant) -> Interval {
    Interval(nanoseconds: Int64(later.nanoseconds) - Int64(earlier.nanoseconds))
  }

  @inlinable public static func += (instant: inout Instant, interval: Interval) { instant = instant + interval }
}

/// A span of time; negative when it points back.
public struct Interval: Comparable, Hashable, BitwiseCopyable, Sendable {
  public var nanoseconds: Int64

  @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  public static let zero = Interval(nanoseconds: 0)

  @inlinable public static func nanoseconds(_ n: Int64) -> Interval { Interval(nanoseconds: n) }
  @inlinable public static func microseconds(_ n: Int64) -> Interval { Interval(nanoseconds: n * 1_000) }
  @inlinable public static func milliseconds(_ n: Int64) -> Interval { Interval(nanoseconds: n * 1_000_000) }
  @inlinable public static func seconds(_ n: Int64) -> Interval { Interval(nanoseconds: n * 1_000_000_000) }

  /// For reading and printing only: arithmetic stays in nanoseconds.
  @inlinable public var inMilliseconds: Double { Double(nanoseconds) / 1e6 }
  @inlinable public var inSeconds: Double { Double(nanoseconds) / 1e9 }

  @inlinable public static func < (a: Interval, b: Interval) -> Bool { a.nanoseconds < b.nanoseconds }
  @inlinable public static func + (a: Interval, b: Interval) -> Interval {
    Interval(nanoseconds: a.nanoseconds + b.nanoseconds)
  }
  @inlinable public static func - (a: Interval, b: Interval) -> Interval {
    Interval(nanoseconds: a.nanoseconds - b.nanoseconds)
  }
  @inlinable public static func * (interval: Interval, times: Int64) -> Interval {
    Interval(nanoseconds: interval.nanoseconds * times)
  }
  @inlinable public static func / (interval: Interval, parts: Int64) -> Interval {
    Interval(nanoseconds: interval.nanoseconds / parts)
  }
}
