//  CoDel.swift — when a sender must be told that his packets stand in a queue for no good.
//
//  Why.  A sender that fills whatever it is given keeps every queue full, and a full queue does nothing but make all
//  answers late. A burst looks the same at first, and a queue that swallows bursts is what keeps a line busy. What
//  tells the two apart is time: a burst is gone after a round trip, a standing queue is not.
//
//  How.  (Controlled delay, RFC 8289.) The least time that any packet waited during the last `interval` is what stands
//  for no good. While even that is above `target`, senders are told, one packet at a time and more and more often:
//
//      waited
//        │        ╭╮    ╭─╮  ╭╮╭─────╮ ╭───╮  ╭─╮ ╭╮
//        │      ╭─╯╰╮  ╭╯ ╰──╯╰╯     ╰─╯   ╰──╯ ╰─╯╰╮
//      target ──┼───┼──┼───────────────────────────┼───
//        │   ╭──╯   ╰──╯      ▲      ▲    ▲  ▲  ▲   ╰──╮
//        └──────────┼─────────┼──────┼────┼──┼──┼──────┴──▶ time
//              a burst│  200 ms │200/√1│ /√2│/√3  ╰ below: no more
//
//  1/√n, since the rate of a TCP goes with 1/√(losses): each step takes off about the same. If the queue is back soon,
//  it begins near the rate that was needed the last time.
//
//  Super-packets.  A queue of one packet is no queue, however long it takes; RFC 8289 says so of an MTU, and our
//  packets have up to 64 KiB. So no more is told while no more is left behind than one packet as long as this one; and
//  the target is at least twice the time that this packet takes at the outgoing rate, if that is known: at 20 Mbit/s
//  and 64 KiB that is 52 ms, of which nobody could be blamed for less. It goes by the packet's own length and not by
//  the longest possible: senders make shorter ones for slow lines, and shall not be allowed what they do not need. The
//  interval grows by as much as the target, since the queue itself is part of a sender's round trip.
//
//  Rejected.  Limits in bytes (right for one rate only, and rates change tenfold in a second); PIE (a timer and a
//  random draw for each packet, and the same result per flow); catching up: when nothing left for a second, what was
//  due in that second is not told afterwards, or a run that leaves at one moment would lose dozens.
//
//  Always true.  (1) All zero is a flow of which nothing is known. (2) The last packet of a queue is never told of.
//  (3) Within one interval no more than √n + 1 packets are told of late, n being how many it was since it began.
//
//  Not here.  How a sender is told: see `WaitingPacket.tellSender`. Cost: two comparisons for a packet that did not
//  wait.

import Primitives

struct CoDel: BitwiseCopyable {
  /// What may stand. Less, and a line runs dry between two bursts of one sender; more is delay that nobody profits
  /// from. A tenth of the interval is the upper end of what the RFC recommends. It is delay of this flow alone, all
  /// others have queues of their own; with 5 ms two equal paths carried 91 % of what they can, with 20 ms 96 %.
  @inline(__always) static var target: Interval { .milliseconds(20) }
  /// A round trip that is long for most: senders need one to hear of it and to slow down. Shorter, and bursts of far
  /// senders are punished; longer, and a queue stands for so long before anybody says so. Behind a bond it is twice
  /// what it is elsewhere: what was lost and repaired comes a round trip later, and all behind it with it, so what a
  /// sender then sends at once stands here although nobody sends too much.
  @inline(__always) static var interval: Interval { .milliseconds(200) }
  /// For so long a flow that comes back begins where it ended (16 intervals).
  static var memory: Interval { interval * 16 }
  /// An Ethernet packet: less than that behind it, and a packet was not waiting for others.
  static let shortQueue = 1_514

  /// When patience ends, if it is above the target until then; zero while it is not above.
  private var patienceEnds = Instant.zero
  private var nextTelling = Instant.zero
  /// Told since it began.
  private var told: UInt32 = 0
  /// `told` when it began the last time.
  private var toldBefore: UInt32 = 0
  private var isTelling = false

  /// Nothing stood lately: a packet that waited less than `target` need not be judged.
  @inline(__always) var isQuiet: Bool { patienceEnds == .zero && !isTelling }

  /// Whether the sender must be told by this packet, which leaves the queue now. `behind`: bytes that stay in it.
  mutating func judge(
    waited: Interval, length: Int, behind: Int, rate: BitRate?, at now: Instant
  ) -> Bool {
    let target = CoDel.target(length: length, rate: rate)
    if waited < target || behind <= max(length, CoDel.shortQueue) {
      patienceEnds = .zero
      isTelling = false
      return false
    }
    let interval = CoDel.interval + target - CoDel.target
    if patienceEnds == .zero {
      patienceEnds = now + interval
      return false
    }
    if isTelling {
      if now < nextTelling { return false }
      told &+= 1
      nextTelling = max(nextTelling, now - interval) + CoDel.pause(interval, told)
      return true
    }
    if now < patienceEnds { return false }
    isTelling = true
    let recent = told &- toldBefore
    told = recent > 1 && now - nextTelling < CoDel.memory ? recent : 1
    toldBefore = told
    nextTelling = now + CoDel.pause(interval, told)
    return true
  }

  /// What a packet of this length may wait.
  static func target(length: Int, rate: BitRate?) -> Interval {
    guard let rate else { return target }
    return max(target, rate.time(toSend: ByteCount(2 * length)))
  }

  private static func pause(_ interval: Interval, _ told: UInt32) -> Interval {
    // The square root of IEEE 754 is the same on every machine.
    Interval(nanoseconds: Int64(Double(interval.nanoseconds) / Double(max(told, 1)).squareRoot()))
  }
}
