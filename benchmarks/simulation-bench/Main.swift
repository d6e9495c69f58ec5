//  simulation-bench — how many datagrams does the simulator deliver in a second of one core?
//
//  Prediction.  A datagram is a write into a slot, an accept, two moves in the deadline queue and a look at the
//  receiver: a few hundred instructions, some 100 ns. The bar is 1,000 ns.
//
//  Method.  A machine that keeps a window of 64 datagrams of 1,400 bytes on the way and one that counts them and
//  answers every 32nd, so that most of what is measured is the datagram itself. Each case runs five times; printed are
//  the median and the spread, in datagrams delivered a second of this process's CPU time. `simulation-bench CASE` runs
//  one case once, for callgrind:
//
//      valgrind --tool=callgrind --toggle-collect='*World*run*' .build/release/simulation-bench rate

import Glibc
import Primitives
import Simulation
import Topology

/// Sends datagrams of one size, as many as its credit allows.
final class Source: Machine {
  private var credit = 64
  private let length: Int

  init(length: Int) { self.length = length }

  func receive(_ datagram: Span<UInt8>, from port: Int, at now: Instant) { credit += 32 }

  func nextTransmission(into datagram: inout OutputSpan<UInt8>) -> Int? {
    if credit == 0 { return nil }
    credit -= 1
    datagram.append(repeating: 0x5a, count: length)
    return 0
  }

  var deadline: Instant? { nil }
  func expire(at now: Instant) {}
}

/// Counts datagrams and answers every 32nd.
final class Drain: Machine {
  private(set) var count = 0
  private var owesAnswer = false

  func receive(_ datagram: Span<UInt8>, from port: Int, at now: Instant) {
    count += 1
    owesAnswer = count % 32 == 0
  }

  func nextTransmission(into datagram: inout OutputSpan<UInt8>) -> Int? {
    if !owesAnswer { return nil }
    owesAnswer = false
    datagram.append(1)
    return 0
  }

  var deadline: Instant? { nil }
  func expire(at now: Instant) {}
}

/// Takes what it is given.
final class Nowhere: ByteSink {
  private(set) var count = 0
  func write(_ bytes: Span<UInt8>) { count += bytes.count }
}

struct Case {
  var name: String
  var links: String
  var path: [Int] = [0]
  var isLogged = false
  var isCaptured = false
}

let cases = [
  Case(name: "rate", links: "link l a -- b rate 10gbit delay 10us"),
  Case(name: "delay", links: "link l a -- b delay 10us"),
  Case(
    name: "chance", links: "link l a -- b rate 10gbit delay 10us jitter 1us duplicate 0.1% corrupt 0.1%"),
  Case(
    name: "three-links", links: "link l a -- r delay 5us\nlink m r -- s rate 10gbit\nlink n s -- b delay 5us",
    path: [0, 1, 2]),
  Case(name: "logged", links: "link l a -- b rate 10gbit delay 10us", isLogged: true),
  Case(name: "captured", links: "link l a -- b rate 10gbit delay 10us", isCaptured: true),
]

@main struct SimulationBench {
  static func main() throws {
    let only = CommandLine.arguments.dropFirst().first
    if let only, !cases.contains(where: { $0.name == only }) {
      print("no case '\(only)'; there are \(cases.map(\.name).joined(separator: ", "))")
      exit(64)
    }
    print("case           datagrams/s   ns each   spread of 5   (1,400 bytes, one core)")
    for one in cases where only == nil || one.name == only {
      let goal = only == nil ? 2_000_000 : 200_000
      var costs: [Double] = []
      for _ in 0..<(only == nil ? 5 : 1) { costs.append(try nanosecondsEach(one, goal)) }
      costs.sort()
      let median = costs[costs.count / 2]
      let spread = (costs[costs.count - 1] - costs[0]) / median * 100
      print(
        padded(one.name, 13, left: true), padded("\(Int(1e9 / median))", 12), padded("\(Int(median))", 9),
        padded("\(Int(spread)) %", 13))
    }
  }

  static func nanosecondsEach(_ one: Case, _ goal: Int) throws -> Double {
    let topology = try Topology(
      parsing: Array(
        "topology bench\nnode a gateway\nnode b gateway\nnode r router\nnode s router\n\(one.links)\n".utf8),
      file: "bench")
    let sink = Nowhere()
    var world = World(topology, seed: 1, log: one.isLogged ? sink : nil, capture: one.isCaptured ? sink : nil)
    let drain = Drain()
    let a = world.attach(Source(length: 1_400), at: 0)
    let b = world.attach(drain, at: 1)
    let hops = one.path.map { Topology.Hop(link: $0, direction: .forward) }
    _ = world.connect(a, b, over: Topology.Path(name: "path", hops: hops, relay: nil))
    world.run(until: .zero + .milliseconds(10))  // warm
    let before = drain.count
    let start = processorTime()
    while drain.count - before < goal { world.run(until: world.now + .milliseconds(10)) }
    return Double(processorTime() - start) / Double(drain.count - before)
  }

  static func processorTime() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }

  static func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
    let blanks = String(repeating: " ", count: max(0, width - text.count))
    return left ? text + blanks : blanks + text
  }
}
