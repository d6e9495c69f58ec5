//  RoundTrip.swift — how long a path and back takes: smoothed, how much it varies, and at the least.
//
//  Smoothed value and variation are those of RFC 6298: the variation goes a quarter of the way to each new deviation,
//  then the mean an eighth of the way to each new sample. The least one of the last 10 s is what the path takes with
//  empty queues: shorter, and a queue that stands for a while becomes the path's nature; longer, and a path that was
//  re-routed is measured against its past.
//
//  A sliding minimum needs no history: time is cut into quarters of the window, each remembers its least, and the least
//  of the last four is that of the last ¾ to 1 window.
//
//          │ 31 │ 30 │ 34 │ 33 … │            now is in the fourth quarter: 30; when the fifth begins, 31 goes
//
//  Rejected.  A queue of ascending minima (exact, but unbounded), the three best samples (as short, and with rules that
//  nobody remembers).

public import Primitives

/// The least of the values of the last while.
public struct SlidingMinimum: Sendable, BitwiseCopyable {
  private static let quarters = 4

  private let quarter: Int64
  private var least = InlineArray<4, Int64>(repeating: .max)
  /// The number of the quarter that is being filled, since the clock began; -1 before the first value.
  private var current: Int64 = -1

  public init(window: Interval) {
    precondition(window > .zero, "a window has a length")
    quarter = max(window.nanoseconds / Int64(SlidingMinimum.quarters), 1)
  }

  public mutating func note(_ value: Interval, at now: Instant) {
    advance(to: now)
    let place = Int(current % Int64(SlidingMinimum.quarters))
    least[place] = min(least[place], value.nanoseconds)
  }

  /// nil before the first value. When nothing was noted for a window, the last that is known.
  public func value(at now: Instant) -> Interval? {
    if current < 0 { return nil }
    let oldest = max(number(of: now), current) - Int64(SlidingMinimum.quarters) + 1
    var found = Int64.max
    for back in 0..<Int64(SlidingMinimum.quarters) where current - back >= 0 {
      if current - back < oldest && found != .max { break }
      found = min(found, least[Int((current - back) % Int64(SlidingMinimum.quarters))])
    }
    return found == .max ? nil : Interval(nanoseconds: found)
  }

  private func number(of now: Instant) -> Int64 { Int64(clamping: now.nanoseconds) / quarter }

  private mutating func advance(to now: Instant) {
    let number = number(of: now)
    if number <= current { return }
    let steps = current < 0 ? Int64(SlidingMinimum.quarters) : number - current
    for step in 0..<min(steps, Int64(SlidingMinimum.quarters)) where number - step >= 0 {
      least[Int((number - step) % Int64(SlidingMinimum.quarters))] = .max
    }
    current = number
  }
}

public struct RoundTrip: Sendable, BitwiseCopyable {
  public static let window = Interval.seconds(10)
  /// Of a path that was never measured (RFC 6298).
  public static let firstTimeout = Interval.seconds(1)
  /// Two loops turn in between, each perhaps busy for a few milliseconds: less, and a stalled machine is taken for
  /// loss.
  static let leastSlack = Interval.milliseconds(10)
  /// However much it varied once: on a path that is seldom measured the variation is what it was long ago, and who
  /// waits for four of those waits for nothing. What was only late costs a second copy.
  static let enough = Interval.milliseconds(250)
  /// Longer is of no use: by then the path is declared dead.
  static let mostTimeout = Interval.seconds(4)

  /// Zero before the first sample.
  public private(set) var smoothed = Interval.zero
  public private(set) var variation = Interval.zero
  public private(set) var latest = Interval.zero
  public private(set) var isKnown = false
  private var shortest = SlidingMinimum(window: RoundTrip.window)

  public init() {}

  public mutating func note(_ sample: Interval, at now: Instant) {
    let sample = max(sample, .zero)
    latest = sample
    shortest.note(sample, at: now)
    guard isKnown else {
      isKnown = true
      smoothed = sample
      variation = sample / 2
      return
    }
    let deviation = max(smoothed - sample, sample - smoothed)
    variation = variation - variation / 4 + deviation / 4
    smoothed = smoothed - smoothed / 8 + sample / 8
  }

  /// Of the last 10 s; nil before the first sample.
  public func least(at now: Instant) -> Interval? { shortest.value(at: now) }

  /// How long the receiver may keep a report, with what the way back may vary.
  var reportPause: Interval { max(smoothed / 4, Receipts.leastInterval) + variation }

  /// Silence for so long means that what is on the way is lost.
  var timeout: Interval {
    guard isKnown else { return RoundTrip.firstTimeout }
    let usual = smoothed + max(variation * 4, RoundTrip.leastSlack) + max(smoothed / 4, Receipts.leastInterval)
    return min(usual, max(smoothed * 2, RoundTrip.enough), RoundTrip.mostTimeout)
  }
}
