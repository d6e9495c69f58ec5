//  Network.swift — the links of a topology as they are now: two directions each, after every change so far.
//
//  Number 2n is link n from left to right, 2n + 1 its way back. Each draws its chance from a stream named after it, so
//  a link that is added to the file changes nothing on the others. What a line carried and could have carried is
//  counted beside it, since "how much of it was used" needs the rates that it had, not the last one.

import Primitives
import Topology

struct Network: ~Copyable {
  var lines: FixedArray<Link>
  private var shapes: [Topology.Link]
  private let traces: [String: DeliveryTrace]
  private var meters: [Meter]

  /// Bits that a line carried and could have carried, while it was up and had a rate.
  struct Usage: Equatable {
    var carried: UInt64
    var possible: UInt64
  }

  private struct Meter {
    var usage = Usage(carried: 0, possible: 0)
    /// Since when the present conditions hold, and what the line had carried by then.
    var since = Instant.zero
    var carriedBefore: UInt64 = 0
  }

  init(_ topology: Topology, traces: [String: DeliveryTrace], seed: UInt64) {
    self.traces = traces
    shapes = topology.links
    meters = Array(repeating: Meter(), count: topology.links.count * 2)
    let root = SeededRandom(seed: seed)
    lines = FixedArray(count: topology.links.count * 2) { number in
      let direction: Topology.Direction = number % 2 == 0 ? .forward : .backward
      let link = topology.links[number / 2]
      return Link(
        LinkConditions(link, direction, traces: traces),
        random: root.stream(named: "\(link.name) \(direction == .forward ? ">" : "<")"))
    }
  }

  mutating func change(_ link: Int, _ change: Topology.Change, at now: Instant) {
    if case .attributes(let attributes) = change { for attribute in attributes { shapes[link].apply(attribute) } }
    for direction in Topology.Direction.allCases {
      let number = link * 2 + direction.rawValue
      lines[number].expire(at: now)
      meters[number] = Meter(
        usage: usage(number, at: now), since: now, carriedBefore: lines[number].counters.carriedBytes)
      switch change {
      case .down: lines[number].set(isDown: true, at: now)
      case .up: lines[number].set(isDown: false, at: now)
      case .attributes: lines[number].change(to: LinkConditions(shapes[link], direction, traces: traces), at: now)
      }
    }
  }

  func usage(_ number: Int, at now: Instant) -> Usage {
    let meter = meters[number]
    guard let rate = lines[number].conditions.line.rate, !lines[number].isDown else { return meter.usage }
    return Usage(
      carried: meter.usage.carried + (lines[number].counters.carriedBytes - meter.carriedBefore) * 8,
      possible: meter.usage.possible + rate.bits(in: now - meter.since))
  }

  /// The largest packet that a link of this topology ever takes, and never less than a usual one.
  static func largestPacket(of topology: Topology) -> Int {
    var largest = 2_048
    for link in topology.links { largest = max(largest, link.mtu?.value ?? 0) }
    for case .attributes(let attributes) in topology.events.map(\.change) {
      for case .mtu(let bytes) in attributes { largest = max(largest, bytes.value) }
    }
    return largest
  }
}
