//  bond-bench — is the bond faster than its best path? The same question as `netlab bench`, in simulated time.
//
//      bond-bench run topologies/matrix/*.topo                   each path alone, the bond, and a line each at the end
//      bond-bench run FILE --details                             with what was lost where, and what gateways counted
//      bond-bench random --seed 17 > 17.topo                     a random topology, to look at and to change
//      bond-bench sweep --seeds 1000 --weather fair              where is the bond worse than its best path?
//      bond-bench trial --seeds 1000                             does everything arrive, and come to rest?
//      bond-bench survey --seeds 10000                           both, with what the bad ones have in common
//
//  A seed gives the same figures each time, on any machine, in a small part of the time that they are about; what TCP
//  does was compared with Linux's in the lab (Tests/TestWorld/Bond/TCPSender.swift says what it models).

import Commands
import Glibc
import Primitives
import Simulation
import TestWorld
import Topology

@main struct BondBench {
  static func main() {
    switch Words.program.action(for: Array(CommandLine.arguments.dropFirst())) {
    case .print(let text): print(text)
    case .fail(let sentence, let code): end(sentence, code)
    case .run(let invocation):
      do {
        switch invocation.command {
        case Words.random.name: printRandom(invocation)
        case Words.sweep.name: try sweep(invocation)
        case Words.trial.name: try trial(invocation)
        case Words.survey.name: exit(try Survey.run(invocation))
        case Words.seedsOfSurvey.name: try lookAtSeeds(invocation)
        default: try run(invocation)
        }
      } catch { end("bond-bench: \(error)", 1) }
    }
  }

  private static func printRandom(_ invocation: Invocation) {
    let seed = invocation[Words.seed]
    var topology = randomTopology(seed, invocation)
    if invocation[Words.measured] {
      var measurement = BondMeasurement(topology, seed: seed)
      measurement.time = .seconds(Int64(invocation[Words.seconds]))
      topology = RandomBond.topology(seed: seed, invocation[Words.weather], time: measurement.duration)
    }
    print(topology.printed(), terminator: "")
  }

  private static func run(_ invocation: Invocation) throws {
    var results: [BondMeasurement.Result] = []
    for path in invocation[Words.files] {
      let topology: Topology
      do throws(Topology.ParseError) {
        topology = try Topology(parsing: read(path), file: path)
      } catch { end("bond-bench: \(error)", Program.wrongUsage) }
      var measurement = measurement(of: topology, seed: invocation[Words.seed], invocation)
      if invocation[Words.udp] > 0 { measurement.datagramShare = Double(invocation[Words.udp]) / 100 }
      if invocation[Words.warmUp] > 0 { measurement.warmUp = .seconds(Int64(invocation[Words.warmUp])) }
      measurement.pingPause = .milliseconds(Int64(invocation[Words.pings]))
      for name in topology.traceFiles {
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        do throws(DeliveryTrace.ParseError) {
          measurement.traces[name] = try DeliveryTrace(parsing: read(directory + name))
        } catch { end("bond-bench: \(name): \(error)", Program.wrongUsage) }
      }
      let result = try measurement.run()
      if !result.failures.isEmpty { end(result.failures.joined(separator: "\n"), 1) }
      if !invocation[Words.json] { tell(Report.table(result, isDetailed: invocation[Words.details])) }
      results.append(result)
    }
    if invocation[Words.json] {
      print(
        Report.json(
          results, invocation[Words.direction], flows: invocation[Words.flows], seconds: invocation[Words.seconds]))
    } else if results.count > 1 {
      print(Report.summary(results), terminator: "")
    }
  }

  /// Each where the bond got less than 0.98 of the best path, and how many there were.
  private static func sweep(_ invocation: Invocation) throws {
    var ratios: [Double] = []
    for seed in seeds(invocation) {
      // Links do not depend on the time in which they change, and how long we look depends on the links.
      let calm = measurement(of: randomTopology(seed, invocation), seed: seed, invocation)
      let topology = RandomBond.topology(seed: seed, invocation[Words.weather], time: calm.duration)
      let result = try measurement(of: topology, seed: seed, invocation).run()
      if !result.failures.isEmpty { end(result.failures.joined(separator: "\n"), 1) }
      ratios.append(result.bestRatio)
      if result.bestRatio >= 0.98 { continue }
      let links = result.paths.map { "\($0.name) \(Report.megabits($0.figures.goodput))" }.joined(separator: ", ")
      tell("seed \(seed): \(Report.percent(result.bestRatio)), bond \(Report.megabits(result.bond.goodput)); \(links)")
    }
    let sorted = ratios.sorted()
    let quantiles = [0.01, 0.1, 0.5, 0.9].map { Report.percent(quantile($0, of: sorted) ?? 0) }
    let good = ratios.count { $0 >= 0.98 }
    print(
      "\(good) of \(ratios.count) are as fast as their best path; quantiles of the ratio at 1, 10, 50, 90 %: "
        + quantiles.joined(separator: ", "))
    exit(good == ratios.count ? 0 : 1)
  }

  private static func trial(_ invocation: Invocation) throws {
    var failed = 0
    var received = 0
    for seed in seeds(invocation) {
      let outcome = try BondTrial.run(
        seed: seed, invocation[Words.weather], time: .seconds(Int64(invocation[Words.seconds])))
      received += outcome.received
      if invocation[Words.details] { for note in outcome.notes { print("seed \(seed): \(note)") } }
      if outcome.failures.isEmpty { continue }
      failed += 1
      for failure in outcome.failures.prefix(2) { tell(failure) }
    }
    print("\(invocation[Words.seeds]) seeds, \(failed) failed; \(received >> 20) MiB arrived")
    exit(failed == 0 ? 0 : 1)
  }

  private static func lookAtSeeds(_ invocation: Invocation) throws {
    for number in 0..<UInt64(invocation[Words.seeds]) {
      let seed = invocation[Words.first] + number * UInt64(invocation[Words.step])
      // Whoever waits must know which seed it was, should this be the last line.
      tell("begin \(seed)")
      tell(try Survey.look(at: seed, invocation).line)
    }
  }

  private static func seeds(_ invocation: Invocation) -> Range<UInt64> {
    invocation[Words.first]..<invocation[Words.first] + UInt64(invocation[Words.seeds])
  }

  private static func randomTopology(_ seed: UInt64, _ invocation: Invocation) -> Topology {
    RandomBond.topology(
      seed: seed, invocation[Words.weather], time: .seconds(Int64(invocation[Words.seconds])))
  }

  private static func measurement(of topology: Topology, seed: UInt64, _ invocation: Invocation) -> BondMeasurement {
    var measurement = BondMeasurement(topology, seed: seed)
    measurement.from = invocation[Words.direction].gateway
    measurement.flows = invocation[Words.flows]
    measurement.time = .seconds(Int64(invocation[Words.seconds]))
    return measurement
  }

  private static func read(_ path: String) -> [UInt8] {
    guard let file = fopen(path, "r") else {
      end("bond-bench: cannot read \(path): \(String(cString: strerror(errno)))", Program.wrongUsage)
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&block, 1, block.count, file)
      if count == 0 { return bytes }
      bytes += block[..<count]
    }
  }

  /// What happened so far, for who waits.
  private static func tell(_ line: String) {
    print(line)
    fflush(nil)
  }

  private static func end(_ sentence: String, _ code: Int32) -> Never {
    fflush(nil)
    let line = Array((sentence + "\n").utf8)
    _ = Glibc.write(STDERR_FILENO, line, line.count)
    exit(code)
  }
}
