//  Pace.swift — how fast a counter of bytes grows, over the last second or two, for whoever looks.
//
//  Why.  A person who types `hawser status` once wants rates, and two snapshots a second apart would make him wait for
//  them, or wake an idle gateway all the time. So whoever counts keeps where his counter stood at the beginning of its
//  second.
//
//  How.  Time has windows of 250 ms. A mark is set in a turn that finds the last one four windows old or older:
//
//        mark                  mark            now
//      ───┼───── 1 s, rate ─────┼── t, grown ───┤         pace = rate × (1 − t) + grown, of the last second
//
//  Whoever is idle has no turns, so his mark may be an hour old; then nothing has grown either, and the pace is what
//  grew, over that hour. The second after an hour's silence is the only one that is told as slower than it is.
//
//  Always true.  A pace is never more than all that grew since the mark before the last, per second. 16 bytes.

import Primitives

struct Pace: BitwiseCopyable {
  @inline(__always) static var window: Int64 { 250_000_000 }
  static let windows: UInt32 = 4

  private var mark: UInt64 = 0
  /// Counted from the clock's origin.
  private var since: UInt32 = 0
  /// Bytes a second, of the second before the mark.
  private var rate: Float = 0

  init() {}

  /// A counter that begins now.
  init(at now: Instant) { since = Pace.number(now) }

  @inline(__always) static func number(_ now: Instant) -> UInt32 {
    UInt32(truncatingIfNeeded: now.nanoseconds / UInt64(window))
  }

  /// The counter stands at `total` in this window; the next bytes belong to it.
  @inline(never)
  mutating func turn(_ total: UInt64, window: UInt32) {
    let passed = window &- since
    if passed < Pace.windows { return }
    rate = Float(total &- mark) / (Float(passed) / Float(Pace.windows))
    mark = total
    since = window
  }

  /// Bits a second.
  func bitsPerSecond(_ total: UInt64, at now: Instant) -> UInt64 {
    let passed = Double(Pace.number(now) &- since) / Double(Pace.windows)
    let grown = Double(total &- mark)
    let bytes = passed < 1 ? Double(rate) * (1 - passed) + grown : grown / passed
    return UInt64(min(max(bytes * 8, 0), 1e15))
  }
}

extension Engine {
  /// Once a second, in a turn that happens anyway.
  mutating func measurePaces(at now: Instant) {
    nextPaces = now + .seconds(1)
    let window = Pace.number(now)
    for index in peers.indices where peers[index].steering != nil {
      peers[index].sentPace.turn(peers[index].sent.bytes, window: window)
      peers[index].receivedPace.turn(peers[index].received.bytes, window: window)
      for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
        let path = peers[index].paths + place
        let belief = peers[index].beliefs + place
        belief.pointee.sentPace.turn(path.pointee.sent.bytes, window: window)
        belief.pointee.receivedPace.turn(path.pointee.received.bytes, window: window)
      }
    }
  }
}
