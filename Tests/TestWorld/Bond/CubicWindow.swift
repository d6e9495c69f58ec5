//  CubicWindow.swift — how many segments a TCP sender may have on the way, as Linux decides it by default.
//
//  Why.  Whether a bond is faster than its best link depends on what TCP makes of it, and nearly every TCP that meets a
//  gateway is Linux's CUBIC. A window that only halves and adds one is too meek on long paths, and too bold in its
//  first second: it would judge bonds by other faults than those that users meet.
//
//  How.  Below the threshold the window grows by what was delivered (slow start). HyStart ends that before the queue
//  overflows: when acknowledgements have come without a pause of 2 ms for half of the least round trip (the train of
//  what is on the way is that long), or when the round trip of this round exceeds the least by an eighth (4 to 16 ms).
//  Above the threshold the window follows RFC 9438,
//
//      W(t) = origin + 0.4 · (t − K)³      t: since the last reduction, and a least round trip ahead
//
//  but never below what Reno would have by now, and by one segment for two delivered at most. A loss leaves 717/1024 of
//  it; the origin is where it was, and a tenth lower when it had not reached its last origin (fast convergence).
//
//  Left out.  Idle times (the flows here always have data), and the granularity of a kernel's jiffies, except that the
//  curve is evaluated at most once for one instant.
//
//  Not here.  Losses, acknowledgements, timers: TCPSender.

import Glibc
import Primitives

struct CubicWindow {
  /// Of RFC 6928.
  static let first = 10
  /// A share that stays after a loss, in 1024ths.
  private static let beta = 717
  /// Segments per second cubed.
  private static let curve = 0.4
  /// HyStart says nothing below so many segments.
  private static let leastForHyStart = 16
  private static let trainGap: UInt64 = 2_000_000
  private static let samplesOfRound = 8

  /// In segments.
  var window = CubicWindow.first
  var threshold = Int.max
  /// Slow start was ended by HyStart.
  private(set) var isFound = false

  private var lastMost = 0
  private var epoch: UInt64?
  private var inflection = 0.0
  private var origin = 0
  /// Segments that must be delivered for one more.
  private var pace = 0
  private var credit = 0
  private var delivered = 0
  private var reno = 0
  private var lastWindow = 0
  private var lastLook: UInt64 = 0
  private(set) var leastRoundTrip: UInt64 = 0

  // HyStart's round: from here until the segment that was sent last is acknowledged.
  private var roundEnd = 0
  private var roundStart: UInt64 = 0
  private var lastAcknowledgement: UInt64 = 0
  private var roundTripOfRound = UInt64.max
  private var samples = 0

  var isInSlowStart: Bool { window < threshold }

  /// A segment that was sent once was acknowledged after `roundTrip`. Everything before `acknowledged` arrived, and
  /// segments before `next` were sent.
  mutating func sample(
    roundTrip: UInt64, acknowledged: Int, next: Int, bytesPerSecond: Int, at now: UInt64
  ) {
    // Just after a reduction the queue is still that of before.
    if let epoch, now - epoch < 1_000_000_000 { return }
    if leastRoundTrip == 0 || roundTrip < leastRoundTrip { leastRoundTrip = max(1, roundTrip) }
    if isFound || !isInSlowStart || window < CubicWindow.leastForHyStart { return }
    if acknowledged > roundEnd { beginRound(next: next, at: now) }
    if now - lastAcknowledgement <= CubicWindow.trainGap {
      lastAcknowledgement = now
      let stretch = min(1_000_000, 4 * 65_536 * 1_000_000_000 / UInt64(max(1, bytesPerSecond)))
      if now - roundStart > (leastRoundTrip + stretch) / 2 { return leaveSlowStart() }
    }
    roundTripOfRound = min(roundTripOfRound, roundTrip)
    if samples < CubicWindow.samplesOfRound {
      samples += 1
    } else if roundTripOfRound > leastRoundTrip + min(max(leastRoundTrip / 8, 4_000_000), 16_000_000) {
      leaveSlowStart()
    }
  }

  private mutating func beginRound(next: Int, at now: UInt64) {
    roundEnd = next
    roundStart = now
    lastAcknowledgement = now
    roundTripOfRound = .max
    samples = 0
  }

  private mutating func leaveSlowStart() {
    isFound = true
    threshold = window
  }

  /// So many segments were delivered while the window was what limited the sender.
  mutating func grow(by segments: Int, at now: UInt64) {
    var left = segments
    if isInSlowStart {
      let before = window
      window = min(window + left, threshold)
      left -= window - before
      if left == 0 { return }
    }
    look(left, at: now)
    if credit >= pace {
      credit = 0
      window += 1
    }
    credit += left
    if credit >= pace {
      window += credit / pace
      credit %= pace
    }
  }

  /// Where the curve is now, hence how fast to grow.
  private mutating func look(_ segments: Int, at now: UInt64) {
    delivered += segments
    if pace > 0, lastWindow == window, now - lastLook <= 31_250_000 { return }
    if epoch == nil || now != lastLook {
      lastWindow = window
      lastLook = now
      let begin = epoch ?? now
      if epoch == nil {
        epoch = now
        delivered = segments
        reno = window
        let gap = Double(lastMost - window)
        inflection = gap > 0 ? cbrt(gap / CubicWindow.curve) : 0
        origin = max(lastMost, window)
      }
      let time = Double(now - begin + leastRoundTrip) / 1e9 - inflection
      // Linux rounds the distance from the origin down, so ahead of it a small window finds the curve one higher.
      let gap = origin + Int(CubicWindow.curve * time * time * time) - window
      pace = gap > 0 ? window / gap : 100 * window
      if lastMost == 0 { pace = min(pace, 20) }
    }
    // Reno with our share after a loss grows by one for 1.88 windows.
    let perSegment = max(1, window * 15 / 8)
    while delivered > perSegment {
      delivered -= perSegment
      reno += 1
    }
    if reno > window { pace = min(pace, window / (reno - window)) }
    pace = max(pace, 2)
  }

  /// The threshold after a loss.
  mutating func reducedThreshold() -> Int {
    epoch = nil
    lastMost = window < lastMost ? window * (1024 + CubicWindow.beta) / 2048 : window
    return max(2, window * CubicWindow.beta / 1024)
  }

  /// After a timeout nothing of before is worth anything.
  mutating func forget(next: Int, at now: UInt64) {
    lastMost = 0
    epoch = nil
    pace = 0
    credit = 0
    delivered = 0
    lastWindow = 0
    leastRoundTrip = 0
    isFound = false
    beginRound(next: next, at: now)
  }
}
