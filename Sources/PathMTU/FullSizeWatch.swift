//  FullSizeWatch.swift — notices when full datagrams stop arriving and small ones do not: the path has become a black
//  hole for what is large (RFC 8899 §4.3).
//
//  Why.  A route changes to a line with a smaller MTU, and no word comes back. The path looks alive, since questions
//  and answers are small, and every full datagram on it is lost.
//
//  How.  Large ones that are lost in a row are counted; one that arrives, no smaller than the smallest lost, ends the
//  row. Eight are a suspicion when the row has lasted for a tenth of a second and a round trip. Small ones that arrive
//  meanwhile are the proof; where nothing small is sent, the owner asks with a small probe.
//
//  The time is there for queues: one that is counted in bytes and overflows lets small ones in and large ones not. When
//  a line's rate falls to a tenth, nine in ten are lost, and rows of eight are common; but every few milliseconds a
//  large one gets through. Rows do not come by chance: eight at 10 % loss happen once in 10⁸. An outage loses small
//  ones as well; when it makes a mistake of us all the same, two round trips at the base are its price.

import Primitives

struct FullSizeWatch: Sendable, BitwiseCopyable {
  /// Fewer, and a burst of a radio would do; more, and slow paths lose more before it is noticed.
  static let longestRow: UInt8 = 8
  /// A line of 300 kbit/s gets two large ones through; longer, and who uses the path notices.
  static let leastTime = Interval.milliseconds(100)
  /// One could have been sent before the path changed.
  static let proof: UInt8 = 3

  private var since = Instant.zero
  private var row: UInt8 = 0
  private var smallOnes: UInt8 = 0
  private var smallestLost = UInt16.max
  private(set) var isSuspicious = false

  /// Nothing large is missing: what is delivered needs no note.
  @inline(__always)
  var isQuiet: Bool { row == 0 }
  var isProven: Bool { isSuspicious && smallOnes >= FullSizeWatch.proof }

  mutating func lost(_ size: Int, _ count: Int, roundTrip: Interval, at now: Instant) {
    if row == 0 { since = now }
    row = UInt8(clamping: Int(row) + min(count, 255))
    smallestLost = min(smallestLost, UInt16(clamping: size))
    isSuspicious = row >= FullSizeWatch.longestRow && now - since >= max(FullSizeWatch.leastTime, roundTrip)
  }

  mutating func delivered(_ size: Int, _ count: Int) {
    if row == 0 || count <= 0 { return }
    if size >= Int(smallestLost) {
      self = FullSizeWatch()
    } else {
      smallOnes = UInt8(clamping: Int(smallOnes) + min(count, 255))
    }
  }
}
