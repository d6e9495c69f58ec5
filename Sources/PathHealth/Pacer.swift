//  Pacer.swift — when how many bytes may leave, so that they go at a rate and not in heaps.
//
//  Why.  What leaves faster than the path's rate waits in somebody's modem, where we cannot reorder it, drop it or
//  overtake it. But a kernel call costs the same for one datagram as for forty, so nobody wants to send them one by
//  one.
//
//  How.  A bucket fills at the path's rate and holds one burst. `room` says nothing until half a batch is there, and
//  then all of it; `nextSend` is the moment when that will be.
//
//      credit   burst ┤ · · · · · · · · · ·╭───── full: a late turn of the loop catches up with this, never with more
//               batch ┤      ╱│      ╱│   ╱
//           half of it┤    ╱  │    ╱  │ ╱       ◀─ here `room` opens
//                   0 ┼──╱────┴──╱────┴╱──────▶ time
//
//  Burst: 2 ms of the rate; at least two datagrams, since less could not carry one and a fraction; up to 64 KiB, what a
//  send batch holds; and 1 ms of the rate where that is more, because a loop that is late by a millisecond must not
//  lose it. So a slow line never sees more than 2 ms at once (or two datagrams), and at 10 Gbit/s a batch goes out
//  every 52 µs.
//
//  Who must send more than there is room for (the answer to a question, one urgent datagram) may: `spend` goes into
//  debt, for one burst at most.
//
//  Credit is counted in billionths of a bit: rate in bits per second × nanoseconds is a whole number of them, so
//  nothing is ever rounded and a week at 333 bit/s is exact.
//
//  Always true.  (1) Over any time t no more than rate × t + one burst leaves, but for debt. (2) What was not used
//  beyond one burst is gone. (3) `nextSend` is nil ⇔ there is room already.
//
//  Not here.  What the rate should be (PathController), what is sent. Cost: a multiplication for `room`.

public import Primitives

public struct Pacer: Sendable, BitwiseCopyable {
  /// What one kernel call carries.
  public static let batch = 64 << 10
  /// Two datagrams of Ethernet's size.
  public static let leastBurst = 2 * 1_500
  /// More would be felt by a call that shares the line with a download.
  static let slowBurst = Interval.milliseconds(2)
  /// By so much a loop may be late without losing rate.
  static let fastBurst = Interval.milliseconds(1)
  private static let billionth: Int64 = 8_000_000_000

  private var bitsPerSecond: UInt64
  /// In billionths of a bit.
  private var credit: Int64
  private var capacity: Int64 = 0
  private var threshold: Int64 = 0
  private var filledAt: Instant

  /// The first burst may leave at once.
  public init(rate: BitRate, at now: Instant) {
    bitsPerSecond = Pacer.bounded(rate)
    filledAt = now
    credit = 0
    fit()
    credit = capacity
  }

  public var rate: BitRate { BitRate(bitsPerSecond: bitsPerSecond) }

  /// How many bytes may leave together.
  public var burst: Int { Int(capacity / Pacer.billionth) }

  // MARK: Inputs

  /// From now on; what was earned so far was earned at the old rate.
  public mutating func setRate(_ rate: BitRate, at now: Instant) {
    let new = Pacer.bounded(rate)
    if new == bitsPerSecond { return }
    fill(at: now)
    bitsPerSecond = new
    fit()
    credit = min(max(credit, -capacity), capacity)
  }

  /// How many bytes may leave now.
  public mutating func room(at now: Instant) -> Int {
    fill(at: now)
    return credit >= threshold ? Int(credit / Pacer.billionth) : 0
  }

  /// These bytes left.
  public mutating func spend(_ bytes: Int, at now: Instant) {
    fill(at: now)
    let debit = Int64(min(max(bytes, 0), Pacer.mostBytes)) * Pacer.billionth
    credit = max(credit - debit, -capacity)
  }

  // MARK: Output

  /// When there will be room; nil when there was some at the last call.
  public var nextSend: Instant? {
    if credit >= threshold { return nil }
    let missing = UInt64(threshold - credit)
    return filledAt + Interval(nanoseconds: Int64((missing + bitsPerSecond - 1) / bitsPerSecond))
  }

  // MARK: The bucket

  /// 128 MB: a millisecond of the fastest rate that we can state, in units of which 64 bits hold nine.
  private static let mostBytes = 128 << 20

  /// Slower than 1 kbit/s nothing useful passes, and a burst would take longer to earn than anyone waits.
  private static func bounded(_ rate: BitRate) -> UInt64 {
    min(max(rate.bitsPerSecond, 1_000), BitRate.maximum.bitsPerSecond)
  }

  private mutating func fit() {
    func span(_ interval: Interval) -> Int64 { Int64(bitsPerSecond) * interval.nanoseconds }
    let least = Int64(Pacer.leastBurst) * Pacer.billionth
    let batch = Int64(Pacer.batch) * Pacer.billionth
    let atOnce = min(max(span(Pacer.slowBurst), least), batch)
    capacity = max(atOnce, span(Pacer.fastBurst))
    threshold = atOnce / 2
  }

  private mutating func fill(at now: Instant) {
    if now <= filledAt { return }
    let elapsed = now.nanoseconds - filledAt.nanoseconds
    filledAt = now
    let (earned, isLong) = bitsPerSecond.multipliedReportingOverflow(by: elapsed)
    if isLong || earned >= UInt64(capacity - credit) {
      credit = capacity
    } else {
      credit += Int64(earned)
    }
  }
}
