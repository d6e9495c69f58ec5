//  BondLines.swift — the links between the two gateways of a topology, with the bytes that are on them.
//
//  Each direction of a link is a Simulation.Link. What a line counts is the whole frame: what lies in a slot, and the
//  headers that do not (of IPv4, UDP and Ethernet around a datagram; of Ethernet around a host's packet). Chance comes
//  from a stream named after the direction, as in Simulation.World, so the same seed loses the same.
//
//  Lines are numbered: 2n is link n of `links` from the first gateway to the second, 2n + 1 the way back.

import Primitives
import Simulation
import Topology

struct BondLines: ~Copyable {
  /// The topology's links that join its first two gateways, by their places in the file.
  let links: [Int]
  let gateways: [Int]
  let topology: Topology
  private var shapes: [Topology.Link]
  private let traces: [String: DeliveryTrace]
  var lines: FixedArray<Simulation.Link>
  let frames: FramePool

  struct Mistake: Error, CustomStringConvertible { let description: String }

  init(_ topology: Topology, traces: [String: DeliveryTrace], seed: UInt64) throws(Mistake) {
    let nodes = Array(topology.nodes.indices.filter { topology.nodes[$0].kind == .gateway }.prefix(2))
    guard nodes.count == 2 else { throw Mistake(description: "\(topology.name) has no two gateways") }
    let joining = topology.links.indices.filter { Set([topology.links[$0].a, topology.links[$0].b]) == Set(nodes) }
    guard !joining.isEmpty else {
      throw Mistake(description: "no link of \(topology.name) joins its first two gateways directly")
    }
    for file in topology.traceFiles where traces[file] == nil {
      throw Mistake(description: "the trace \(file) of \(topology.name) was not read")
    }
    let root = SeededRandom(seed: seed)
    let made = FixedArray<Simulation.Link>(count: joining.count * 2) { number in
      let link = topology.links[joining[number / 2]]
      let isForward = (link.a == nodes[0]) == (number % 2 == 0)
      return Simulation.Link(
        LinkConditions(link, isForward ? .forward : .backward, traces: traces),
        random: root.stream(named: "\(link.name) \(isForward ? ">" : "<")"))
    }
    var largest = 2_048
    for link in topology.links { largest = max(largest, link.mtu?.value ?? 0) }
    links = joining
    gateways = nodes
    self.topology = topology
    shapes = topology.links
    self.traces = traces
    lines = made
    frames = FramePool(capacity: largest + 64)
  }

  func link(ofLine line: Int) -> Topology.Link { shapes[links[line / 2]] }

  /// Of a link, by its place, whatever events make of it.
  func smallestMTU(of place: Int) -> Int {
    var smallest = topology.links[links[place]].mtu?.value ?? BondSettings.usualMTU
    for event in topology.events where event.link == links[place] {
      guard case .attributes(let attributes) = event.change else { continue }
      for case .mtu(let bytes) in attributes { smallest = min(smallest, bytes.value) }
    }
    return smallest
  }

  /// Which way a line goes, in the file's words.
  func direction(ofLine line: Int) -> Topology.Direction {
    (topology.links[links[line / 2]].a == gateways[0]) == (line % 2 == 0) ? .forward : .backward
  }

  /// Takes over what an event changes; the lines whose outcomes may have come.
  mutating func change(_ event: Topology.Event, at now: Instant) -> [Int] {
    if case .attributes(let attributes) = event.change {
      for attribute in attributes { shapes[event.link].apply(attribute) }
    }
    guard let place = links.firstIndex(of: event.link) else { return [] }
    for line in [2 * place, 2 * place + 1] {
      switch event.change {
      case .down: lines[line].set(isDown: true, at: now)
      case .up: lines[line].set(isDown: false, at: now)
      case .attributes:
        lines[line].change(to: LinkConditions(shapes[event.link], direction(ofLine: line), traces: traces), at: now)
      }
    }
    return [2 * place, 2 * place + 1]
  }

  /// Puts a frame on a line. `headers`: what its slot does not hold, Ethernet's included.
  mutating func send(_ slot: UInt32, headers: Int, on line: Int, at now: Instant) {
    let length = ByteCount(frames.bytes(slot).count + headers)
    if lines[line].accept(slot: slot, length: length, at: now) != .queued { frames.giveBack(slot) }
  }

  /// The next frame that came out of a line, as it was sent, or with a bit flipped. The slot is the caller's.
  mutating func nextArrival(on line: Int) -> UInt32? {
    while let outcome = lines[line].nextOutcome() {
      switch outcome {
      case .lost(let slot, _, _): frames.giveBack(slot)
      case .delivered(let slot, _, let isLast, let corruption):
        let arrived = isLast ? slot : frames.copy(of: slot)
        if let corruption { frames.flipBit(of: arrived, chosenBy: corruption) }
        return arrived
      }
    }
    return nil
  }
}
