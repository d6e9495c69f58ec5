//  WarmUp.swift — how long a flow runs before it counts.
//
//  Why.  "Plain TCP over this path" shall mean what the path gives, and not how long TCP takes to find out. CUBIC
//  first doubles its window every round trip, fills the queue, loses a good part of a window at once, repairs that
//  while nothing reaches the application, and hands over all that waited behind the holes. On a line of 50 Mbit/s and
//  320 ms each way, half-seconds of 0 and of 131 Mbit/s follow each other until 15.5 s (24 round trips) after the
//  start. Counted from 11 s on, five seconds of it showed 111 % of the line; on 300 Mbit/s and 10 ms all is over
//  after half a second.
//
//  How.  32 round trips, at least 2 s. After that CUBIC keeps the line busy for good wherever the queue holds one
//  bandwidth-delay product, as the grammar's default does: it backs off to 0.7 of (line + queue), which still fills
//  the line. So what is reported is rate × 1448/1514 (the TCP payload of a frame) to within half a per cent; measured
//  over 5 s:
//
//      300 Mbit/s, 10 ms    285.9 … 286.9 of 286.9 Mbit/s       80 Mbit/s, 30 ms    76.5 of 76.5 Mbit/s
//
//  Rejected.  Waiting until the rate no longer changes (a lossy line never settles, and the wait would choose the
//  result); remembering windows between connections (`tcp_metrics`: the second run would be faster than the first; the
//  lab switches it off).
//
//  Nothing here helps a path that TCP cannot fill, such as one with 2 % loss: what TCP gets there is the figure.

import Primitives

enum WarmUp {
  static let roundTrips: Int64 = 32
  static let least = Interval.seconds(2)
  /// iperf3 omits no more than this.
  static let most = Interval.seconds(600)

  /// In whole seconds, since iperf3 counts so.
  static func time(roundTrip: Interval?, least: Interval = WarmUp.least) -> Interval {
    let wanted = min(max((roundTrip ?? .zero) * roundTrips, least), most)
    return .seconds((wanted.nanoseconds + 999_999_999) / 1_000_000_000)
  }
}
