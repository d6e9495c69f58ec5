//  Gauge.swift — how fast a flow is just now, from the counters of the interfaces by which it arrives.
//
//  For whoever waits: headers and retransmissions are in it, so it is a few per cent above the goodput. It also tells
//  how much each path carried.

import Netlink
import POSIX
import Primitives

/// How fast bytes come in at the flow's meters.
struct Gauge {
  private let testbed: Testbed
  private let meters: [Flow.Meter]
  private var last: (time: Instant, bytes: UInt64)

  init(_ testbed: Testbed, _ flow: Flow) throws(LabError) {
    self.testbed = testbed
    meters = flow.meters
    last = (MonotonicClock.now, 0)
    last.bytes = try totals().reduce(0, +)
  }

  func totals() throws(LabError) -> [UInt64] {
    var totals: [UInt64] = []
    for meter in meters { totals.append(try testbed.link(meter.interface, at: meter.node)?.received.bytes ?? 0) }
    return totals
  }

  /// The rate since the last reading.
  mutating func read() throws(LabError) -> String {
    let now = (time: MonotonicClock.now, bytes: try totals().reduce(0, +))
    let elapsed = (now.time - last.time).inSeconds
    let bits = now.bytes >= last.bytes ? Double(now.bytes - last.bytes) * 8 : 0
    last = now
    return megabits(elapsed > 0 ? bits / elapsed : 0) + " Mbit/s"
  }
}
