//  OneWay.swift — delays in one direction, from clocks that nobody set.
//
//  Why.  Striping asks by how much later one path lands than another, in one direction. Round trips do not say it: an
//  uplink's queue is in both. One-way figures do, but each has the difference of two clocks in it, which may be years.
//
//  How.  With true delays d and clocks that are off by o, an edge from A to R reads f(AR) = d(AR) + o(R) − o(A), and
//  the way back g(RA) = d(RA) + o(A) − o(R). So
//
//   1. f + g is the round trip, whatever the clocks say. It must be what was measured with one clock, too; else a clock
//      jumped between the two reports, and this pair is known by its round trip only.
//   2. Along a path the relay's clock cancels: f(AR) + f(RB) = d + o(B) − o(A). All paths from A to B share the same
//      unknown o(B) − o(A), so their differences are exact.
//   3. That one unknown is fixed by the path with the least round trip: it is split evenly. What asymmetry there is on
//      just that path nobody can know from outside; it moves all paths by the same amount, and that changes no choice.
//
//          A ──20 ms──▶ B direct      f = 20 + o        round trip 60: split as 30 + 30, so o = f − 30
//          A ──15─▶ R ──20─▶ B        f = 35 + o        = 45 one way: 15 later than direct, as it is
//
//  A path with a leg that is known only by its round trip counts half of it.
//
//  Rejected.  An offset for each host, solved over the whole fleet (a wrong report would move everybody's delays, and
//  hosts come and go); asking for synchronised clocks.
//
//  Always true.  (1) Adding any constant to a host's clock changes nothing that comes out. (2) A delay is never below
//  zero, nor above its path's round trip.
//
//  Limits: clocks that drift against each other by 50 millionths are apart by 0.5 ms after the ten seconds between two
//  reports.

import Primitives

/// The delays between two nodes, seen from one of them; all in nanoseconds.
struct Leg {
  /// There and back, queues apart.
  var roundTrip: Int64
  /// With the difference of the clocks in it; nil when it cannot be trusted.
  var forward: Int64?

  /// A clock that jumps by less than this between two reports is not noticed, and does not matter.
  private static let tolerance: Int64 = 2_000_000

  /// nil when nobody knows how long the way is.
  init?(_ there: DelayFigures, _ back: DelayFigures) {
    let measured: Int64?
    switch (there.roundTrip, back.roundTrip) {
    case (let one?, let other?): measured = min(one, other)
    case (let one?, nil): measured = one
    case (nil, let other): measured = other
    }
    var sum: Int64?
    if let f = there.oneWay, let g = back.oneWay {
      // Neither is beyond ±2⁶⁰.
      if f + g >= 0 && f + g <= Measurement.Limits.roundTrip.nanoseconds { sum = f + g }
    }
    if let measured {
      roundTrip = measured
      if let sum, abs(sum - measured) <= max(Leg.tolerance, measured / 4) { forward = there.oneWay }
    } else if let sum {
      roundTrip = sum
      forward = there.oneWay
    } else {
      return nil
    }
  }
}

/// A path's delays as its legs give them.
struct Way {
  var roundTrip: Int64
  var forward: Int64?

  init(_ first: Leg, _ second: Leg? = nil) {
    roundTrip = first.roundTrip + (second?.roundTrip ?? 0)
    if let second {
      if let a = first.forward, let b = second.forward { forward = Way.sum(a, b) }
    } else {
      forward = first.forward
    }
  }

  /// Two clocks that are 36 years apart, twice, still fit; a liar's medians do too.
  private static func sum(_ a: Int64, _ b: Int64) -> Int64? {
    let (sum, isOver) = a.addingReportingOverflow(b)
    return isOver ? nil : sum
  }

  /// By how much all forward figures of these ways are off; nil when none has one.
  static func offset(of ways: some Sequence<Way>) -> Int64? {
    var shortest: Way?
    for way in ways where way.forward != nil && way.roundTrip < shortest?.roundTrip ?? .max { shortest = way }
    guard let shortest, let forward = shortest.forward else { return nil }
    return forward - shortest.roundTrip / 2
  }

  /// One way, in nanoseconds.
  func delay(offset: Int64?) -> Int64 {
    guard let forward, let offset else { return roundTrip / 2 }
    return min(max(forward - offset, 0), roundTrip)
  }
}
