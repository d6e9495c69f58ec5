//  Main.swift — paths-bench: does a bond keep its promises, with real TCP and real pings, in the laboratory?
//
//  Question.  `netlab bench` says how fast a bond is. Its users ask more: how long until it is fast, whether a call
//  stays clear beside a download, what they feel when a path dies, what copies are worth, whether memory stays bounded,
//  and whether what the model says of the resequencing buffer is true.
//
//      sudo .build/release/paths-bench ramp topologies/fibre-lte.topo
//      sudo .build/release/paths-bench latency topologies/matrix/baseline.topo topologies/fibre-lte.topo
//      sudo .build/release/paths-bench failover topologies/three-uplinks.topo --case down,one-way
//      sudo .build/release/paths-bench redundancy
//      sudo .build/release/paths-bench memory topologies/fibre-lte.topo
//      sudo .build/release/paths-bench occupancy topologies/matrix/jit_5.topo topologies/matrix/jit_20.topo
//      sudo .build/release/paths-bench document build/report/report.json --mptcp build/report-mptcp/report.json
//
//  Method.  A topology is brought up, two gateways are started with new keys for each measurement, and traffic runs
//  between the hosts behind them. Any topology with two gateways will do; nothing is known of the files.
//
//  Honest or nothing.  The wire counts what it delivered late. With more than one packet in a thousand a measurement is
//  made again, twice at most, and then refused: it would be about this machine.

import Commands
import Glibc
import Lab
import Primitives
import Topology

@main struct PathsBench {
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    switch Words.program.action(for: Array(CommandLine.arguments.dropFirst())) {
    case .print(let text): print(text)
    case .fail(let sentence, let code): end(sentence, code)
    case .run(let invocation):
      do throws(LabError) { try run(invocation) } catch { end("paths-bench: \(error)", error.exitCode) }
    }
  }

  private static func run(_ invocation: Invocation) throws(LabError) {
    switch invocation.command {
    case Words.source.name: exit(Source.run(invocation))
    case Words.sink.name: exit(Sink.run(invocation))
    case Words.send.name: exit(Datagrams.send(invocation))
    case Words.receive.name: exit(Datagrams.receive(invocation))
    case Words.stripe.name: exit(Parts.stripe(invocation))
    case Words.resequence.name: exit(Parts.resequence(invocation))
    case Words.paper.name: try Document.write(invocation)
    default:
      try TestStand.require([.gateway])
      let answer: Answer
      switch invocation.command {
      case Words.ramp.name: answer = try Ramp(invocation).measure()
      case Words.latency.name: answer = try Latency(invocation).measure()
      case Words.failover.name: answer = try Failover(invocation).measure()
      case Words.occupancy.name: answer = try Occupancy(invocation).measure()
      case Words.redundancy.name: answer = try Redundancy(invocation).measure()
      default: answer = try Memory(invocation).measure()
      }
      let isJSON = invocation[Words.json]
      tell("")
      put(answer.table, to: isJSON ? STDERR_FILENO : STDOUT_FILENO)
      if isJSON { put(answer.json(invocation.command) + "\n", to: STDOUT_FILENO) }
    }
  }

  private static func end(_ sentence: String, _ code: Int32) -> Never {
    put("\(sentence)\n", to: STDERR_FILENO)
    exit(code)
  }
}

extension TestStand {
  /// Joins the sites and measures, again while the wire was too late, three times at most.
  func honestly<Result>(
    _ invocation: Invocation, policy: String = "", _ body: (JoinedSites) throws(LabError) -> Result
  ) throws(LabError) -> Result {
    try honest(invocation) { () throws(LabError) in
      let joined = try join(.gateway, policy: policy)
      defer { joined.takeDown() }
      try resetLateness()
      return try body(joined)
    }
  }

  /// The same with nothing that joins them.
  func honest<Result>(_ invocation: Invocation, _ body: () throws(LabError) -> Result) throws(LabError) -> Result {
    let most = Double(invocation[Words.late]) / 1_000
    var share = 0.0
    for attempt in 1...3 {
      if attempt > 1 { tell("too much was late; measuring again") }
      try resetLateness()
      let result = try body()
      share = try lateShare()
      if share <= most { return result }
    }
    throw LabError(
      "no figure, since the wire delivered \(fixed(share * 100, 2)) % of the packets too late (more than "
        + "\(fixed(most * 100, 1)) %): this machine is too busy or too slow for it", exitCode: 1)
  }

  /// What was asked for, or what the slowest path needs.
  func warmUp(_ invocation: Invocation) throws(LabError) -> Interval {
    invocation[Words.warmUp] > 0 ? .seconds(Int64(invocation[Words.warmUp])) : try warmUp()
  }
}

/// What happens now, on a line that the next replaces; only where somebody watches.
func tell(_ text: String) {
  if isatty(STDERR_FILENO) == 1 { put("\r\u{1b}[K\(text)", to: STDERR_FILENO) }
}

/// Straight to the descriptor: whoever reads us waits for the line.
func put(_ text: String, to descriptor: Int32) {
  var rest = Array(text.utf8)[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count <= 0 { return }
    rest = rest.dropFirst(count)
  }
}
