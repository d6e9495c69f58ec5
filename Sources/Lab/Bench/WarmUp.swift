//  WarmUp.swift — how long a flow runs before it counts.
//
//  Why.  "Plain TCP over this path" shall mean what the path gives, and not how long TCP takes to find out. CUBIC
//  first doubles its window every round trip, fills the queue, loses a good part of a window at once, and repairs
//  that. On a line of 50 Mbit/s and 320 ms each way that took 9.5 s (14.8 round trips), in which half-seconds of 0
//  and of 81 Mbit/s followed each other; on 300 Mbit/s and 10 ms it was over after half a second. A fixed two seconds
//  would have measured the first line 20 % too low.
//
//  How.  16 round trips, at least 2 s. Doubling from the initial window of 10 segments to the 64 MiB that sockets may
//  hold in the lab takes 12.2; the rest is for the repair. After that CUBIC keeps the line busy for good wherever the
//  queue holds one bandwidth-delay product, as the grammar's default does: it backs off to 0.7 of (line + queue),
//  which still fills the line. So what is reported is rate × 1448/1514 (the TCP payload of a frame) to within half a
//  per cent; measured over 5 s:
//
//      300 Mbit/s, 10 ms    285.9 … 286.9 of 286.9 Mbit/s       80 Mbit/s, 30 ms    76.5 of 76.5 Mbit/s
//
//  Rejected.  Waiting until the rate no longer grows (a lossy line never settles, and the wait would choose the
//  result); remembering windows between connections (`tcp_metrics`: the second run would be faster than the first;
//  the lab switches it off).
//
//  Nothing here helps a path that TCP cannot fill, such as one with 2 % loss: what TCP gets there is the figure.

import Primitives

enum WarmUp {
  static let roundTrips: Int64 = 16
  static let least = Interval.seconds(2)
  /// iperf3 omits no more than this.
  static let most = Interval.seconds(600)

  /// In whole seconds, since iperf3 counts so.
  static func time(roundTrip: Interval?, least: Interval = WarmUp.least) -> Interval {
    let wanted = min(max((roundTrip ?? .zero) * roundTrips, least), most)
    return .seconds((wanted.nanoseconds + 999_999_999) / 1_000_000_000)
  }
}
