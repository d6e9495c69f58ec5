//  Network.swift — the links of a topology as they are now: two directions each, after every change so far.
//
//  Number 2n is link n from left to right, 2n + 1 its way back. Each draws its chance from a stream named after it, so
//  a link that is added to the file changes nothing on the others. What a line could have carried is counted beside it, since
//  "how much of it was used" needs the rates that it had, not the last one.

import Primitives
import Topology

struct Network: ~Copyable {
  var lines: FixedArray<Link>
  private var shapes: [Topology.Link]
  private let traces: [String: DeliveryTrace]
  /// For each line, the bits that it could have carried up to a moment.
  private var capacities: [(bits: UInt64, until: Instant)]

  init(_ topology: Topology, traces: [String: DeliveryTrace], seed: UInt64) {
    self.traces = traces
    shapes = topology.links
    capacities = Array(repeating: (0, .zero), count: topology.links.count * 2)
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
      capacities[number] = (bits(number, at: now), now)
      switch change {
      case .down: lines[number].set(isDown: true, at: now)
      case .up: lines[number].set(isDown: false, at: now)
      case .attributes: lines[number].change(to: LinkConditions(shapes[link], direction, traces: traces), at: now)
      }
    }
  }

  /// How many bits the line could have carried so far, while it was up; nil when it has no rate.
  func capacity(_ number: Int, at now: Instant) -> UInt64? {
    lines[number].conditions.line.isUnlimited ? nil : bits(number, at: now)
  }

  private func bits(_ number: Int, at now: Instant) -> UInt64 {
    let (bits, until) = capacities[number]
    guard let rate = lines[number].conditions.line.rate, !lines[number].isDown else { return bits }
    return bits + rate.bits(in: now - until)
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
