//  BondLines.swift — the links between the two gateways of a topology, with the bytes that are on them.
//
//  Each direction of a link is a Simulation.Link. What a line counts is the whole frame: what lies in a slot, and the
//  headers that do not (of IPv4, UDP and Ethernet around a datagram; of Ethernet around a host's packet). Chance comes
//  from a stream named after the direction, as in Simulation.World, so the same seed loses the same.
//
//  Ways.  As a rule each link that joins the gateways is a way of its own, with a socket at either end. A way may lead
//  over several links, one behind the other (an uplink, a relay's two legs), and ways may share links: then they share
//  queues, rates and losses, each where it is. A way adds what its links add, and who forwards takes no time.
//
//      way 0    up ── direct
//      way 1    up ── near ── far              up carries both
//
//  Lines are numbered: 2n is link n of `links` from the first gateway to the second, 2n + 1 the way back.

import Primitives
import Simulation
import Topology

struct BondLines: ~Copyable {
  /// The topology's links that ways lead over, by their places in the file.
  let links: [Int]
  /// From the first gateway to the second, by places in `links`.
  let ways: [[Int]]
  private let isForward: [Bool]
  let gateways: [Int]
  let topology: Topology
  private var shapes: [Topology.Link]
  private let traces: [String: DeliveryTrace]
  var lines: FixedArray<Simulation.Link>
  let frames: FramePool

  struct Mistake: Error, CustomStringConvertible { let description: String }

  /// `ways`: by places in the file; nil: each link that joins the first two gateways is one.
  init(
    _ topology: Topology, ways: [[Int]]? = nil, traces: [String: DeliveryTrace], seed: UInt64
  ) throws(Mistake) {
    let nodes = Array(topology.nodes.indices.filter { topology.nodes[$0].kind == .gateway }.prefix(2))
    guard nodes.count == 2 else { throw Mistake(description: "\(topology.name) has no two gateways") }
    let joining = topology.links.indices.filter { Set([topology.links[$0].a, topology.links[$0].b]) == Set(nodes) }
    let wanted = ways ?? joining.map { [$0] }
    guard !wanted.isEmpty else {
      throw Mistake(description: "no link of \(topology.name) joins its first two gateways directly")
    }
    var used: [Int] = []
    var senses: [Bool] = []
    for way in wanted {
      var node = nodes[0]
      for link in way {
        let isForward = topology.links[link].a == node
        guard isForward || topology.links[link].b == node else {
          throw Mistake(description: "\(topology.links[link].name) does not go on where its way is")
        }
        node = isForward ? topology.links[link].b : topology.links[link].a
        if let place = used.firstIndex(of: link) {
          if senses[place] != isForward { throw Mistake(description: "a link is used in both senses") }
        } else {
          used.append(link)
          senses.append(isForward)
        }
      }
      if node != nodes[1] { throw Mistake(description: "a way does not end at the other gateway") }
    }
    let (links, isForward) = (used, senses)
    for file in topology.traceFiles where traces[file] == nil {
      throw Mistake(description: "the trace \(file) of \(topology.name) was not read")
    }
    let root = SeededRandom(seed: seed)
    let made = FixedArray<Simulation.Link>(count: links.count * 2) { number in
      let link = topology.links[links[number / 2]]
      let isForward = isForward[number / 2] == (number % 2 == 0)
      return Simulation.Link(
        LinkConditions(link, isForward ? .forward : .backward, traces: traces),
        random: root.stream(named: "\(link.name) \(isForward ? ">" : "<")"))
    }
    var largest = 2_048
    for link in topology.links { largest = max(largest, link.mtu?.value ?? 0) }
    self.links = links
    self.isForward = isForward
    self.ways = wanted.map { way in way.compactMap { links.firstIndex(of: $0) } }
    gateways = nodes
    self.topology = topology
    shapes = topology.links
    self.traces = traces
    lines = made
    frames = FramePool(capacity: largest + 64)
  }

  func link(at place: Int) -> Topology.Link { shapes[links[place]] }

  // MARK: Ways

  /// Where what this gateway sends on a way begins.
  func firstLine(of way: Int, from gateway: Int) -> Int {
    2 * (gateway == 0 ? ways[way][0] : ways[way][ways[way].count - 1]) + gateway
  }

  /// What a way allows in this gateway's direction; nil: anything.
  func rate(of way: Int, from gateway: Int) -> BitRate? {
    ways[way].compactMap { lines[2 * $0 + gateway].conditions.line.rate }.min()
  }

  /// As the file has it now; nil: anything.
  func mtu(of way: Int) -> Int? { ways[way].compactMap { link(at: $0).mtu?.value }.min() }

  /// The line behind this one on the way that a frame takes; nil at its end.
  private func next(after line: Int, of way: Int) -> Int? {
    let places = ways[way]
    if places.count == 1 { return nil }
    guard let hop = places.firstIndex(of: line / 2) else { return nil }
    let next = line % 2 == 0 ? hop + 1 : hop - 1
    return places.indices.contains(next) ? 2 * places[next] + line % 2 : nil
  }

  /// Puts a frame that came out of one line on the next one of its way: that line; nil when the way ends here.
  mutating func forward(_ slot: UInt32, from line: Int, headers: Int, at now: Instant) -> Int? {
    guard let next = next(after: line, of: frames.way(of: slot)) else { return nil }
    send(slot, headers: headers, on: next, at: now)
    return next
  }

  /// Whatever events make of it.
  func smallestMTU(of way: Int) -> Int {
    ways[way].map { smallestMTU(ofLink: links[$0]) }.min() ?? BondSettings.usualMTU
  }

  private func smallestMTU(ofLink link: Int) -> Int {
    var smallest = topology.links[link].mtu?.value ?? BondSettings.usualMTU
    for event in topology.events where event.link == link {
      guard case .attributes(let attributes) = event.change else { continue }
      for case .mtu(let bytes) in attributes { smallest = min(smallest, bytes.value) }
    }
    return smallest
  }

  /// Which way a line goes, in the file's words.
  func direction(ofLine line: Int) -> Topology.Direction {
    isForward[line / 2] == (line % 2 == 0) ? .forward : .backward
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
