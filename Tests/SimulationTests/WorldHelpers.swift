import Primitives
import Simulation
import Testing
import Topology

//  What the tests of a world share: topologies in a line, and machines that do what a test says.

func topology(_ lines: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> Topology {
  try Topology(parsing: Array("topology test\n\(lines)\n".utf8), file: "test")
}

/// The path over these links, in this order, from a node.
func path(_ links: [String], from start: String, in topology: Topology) throws -> Topology.Path {
  var node = try #require(topology.node(named: start))
  var hops: [Topology.Hop] = []
  for name in links {
    let link = try #require(topology.link(named: name))
    hops.append(Topology.Hop(link: link, direction: topology.links[link].a == node ? .forward : .backward))
    node = topology.links[link].other(node)
  }
  return Topology.Path(name: links.joined(separator: "+"), hops: hops, relay: nil)
}

/// Sends what it was told at the times that it was told, and keeps all that it gets.
final class Scripted: Machine {
  struct Arrival: Equatable {
    var time: Instant
    var port: Int
    var bytes: [UInt8]
  }

  private(set) var arrivals: [Arrival] = []
  private(set) var timesCalled = 0
  /// What it sends back when something comes.
  var answer: [UInt8]?

  private var script: [(time: Instant, port: Int, bytes: [UInt8])]
  private var ready: [(port: Int, bytes: [UInt8])] = []

  init(_ script: [(time: Instant, port: Int, bytes: [UInt8])] = []) { self.script = script }

  func receive(_ datagram: Span<UInt8>, from port: Int, at now: Instant) {
    arrivals.append(Arrival(time: now, port: port, bytes: datagram.indices.map { datagram[$0] }))
    if let answer { ready.append((port, answer)) }
  }

  func nextTransmission(into datagram: inout OutputSpan<UInt8>) -> Int? {
    if ready.isEmpty { return nil }
    let next = ready.removeFirst()
    for byte in next.bytes { datagram.append(byte) }
    return next.port
  }

  var deadline: Instant? { script.first?.time }

  func expire(at now: Instant) {
    timesCalled += 1
    while let next = script.first, next.time <= now {
      script.removeFirst()
      ready.append((next.port, next.bytes))
    }
  }

  func send(_ bytes: [UInt8], port: Int = 0) { ready.append((port, bytes)) }
}

/// Sends random datagrams at random times through all its ports, and counts what it gets.
final class Chatter: Machine {
  private(set) var received = 0
  private var random: SeededRandom
  private let ports: Int
  private let meanGap: UInt64
  private var due: UInt64 = 0
  private var burst = 0

  init(_ random: SeededRandom, ports: Int, meanGap: UInt64) {
    self.random = random
    self.ports = ports
    self.meanGap = meanGap
    due = self.random.below(2 * meanGap)
  }

  func receive(_ datagram: Span<UInt8>, from port: Int, at now: Instant) { received += 1 }

  func nextTransmission(into datagram: inout OutputSpan<UInt8>) -> Int? {
    if burst == 0 { return nil }
    burst -= 1
    for _ in 0..<random.below(40) { datagram.append(UInt8(truncatingIfNeeded: random.next())) }
    datagram.append(repeating: 7, count: Int(random.below(1_430)))
    return Int(random.below(UInt64(ports)))
  }

  var deadline: Instant? { Instant(nanoseconds: due) }

  func expire(at now: Instant) {
    burst = Int(1 + random.below(6))
    due = now.nanoseconds + 1 + random.below(2 * meanGap)
  }
}

/// Every datagram that was sent, and every copy that a link made, is somewhere.
func isBalanced(_ counters: World.Counters, inside: Int) -> Bool {
  let made: UInt64 = counters.sent + counters.duplicated
  let gone: UInt64 = counters.delivered + counters.dropped + counters.lost + counters.outOfMemory
  return made == gone + UInt64(inside)
}

/// The text that a run wrote to its log.
func text(_ sink: MemorySink) -> String { String(decoding: sink.bytes, as: UTF8.self) }

/// FNV-1a: a fingerprint for bytes that must never change.
func fingerprint(_ bytes: [UInt8]) -> UInt64 {
  var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
  return hash
}
