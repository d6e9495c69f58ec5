//  oracle-bench — is what the oracle chooses nearly the best there is?
//
//  Prediction.  The oracle sees rates to within five in a hundred, and nothing of what a provider's backbone carries;
//  so it takes a set that is a few in a hundred worse than the best one. Chance gets half.
//
//  Method.  `choice`: a continent for each seed (Continent.swift: 12 relays, two sites, delays with shortcuts,
//  backbones and uplinks that ways share). For every set of at most k of the 13 ways two whole gateways bond them, and
//  one TCP sends in bulk, in simulated time over every single link (TestWorld's BondWorld). The best of these figures
//  is 1; who is best is found in rounds (Choice.swift says why). The oracle gets reports with noise (Reports.swift) and
//  answers one question for throughput by its model strategy, with the resequencing model as what a set costs. `random`
//  is what drawing k ways by chance brings on average: the mean over all sets of k.
//
//      oracle-bench choice                        20 continents, two paths: 3,500 simulations of 21 s, 9 minutes
//      oracle-bench choice -k 3                   9,200 of them, 35 minutes
//      oracle-bench choice --draws 1 --warmup 5 --seconds 5       80 s, and as much luck as merit
//      oracle-bench choice --keep DIR --details   what was simulated once is looked up the next time
//
//  The same seeds give the same figures on every machine. Below 0.95 on average the program fails.

import Commands
import Glibc
import PathOracle
import Primitives

@main struct OracleBench {
  static func main() {
    switch Words.program.action(for: Array(CommandLine.arguments.dropFirst())) {
    case .print(let text): print(text)
    case .fail(let sentence, let code): end(sentence, code)
    case .run(let invocation):
      do { try choose(invocation) } catch { end("oracle-bench: \(error)", 1) }
    }
  }

  private static func choose(_ invocation: Invocation) throws {
    let first = invocation[Words.first]
    let k = invocation[Words.k]
    let (warmUp, seconds) = (invocation[Words.warmUp], invocation[Words.seconds])
    var choices: [Choice] = []
    for seed in first..<first + UInt64(invocation[Words.seeds]) {
      var throughput = Throughput(continent: Continent(seed: seed))
      throughput.warmUp = .seconds(Int64(warmUp))
      throughput.time = .seconds(Int64(seconds))
      let kept = Kept(invocation[Words.directory], seed: seed, "\(warmUp)-\(seconds)")
      let choice = try Choice(throughput, k: k, draws: invocation[Words.draws], kept: kept)
      choices.append(choice)
      if invocation[Words.details] { tell(details(choice)) }
    }
    tell(table(choices))
    if mean(choices, \.chosen) < bar { exit(1) }
  }

  private static let bar = 0.95

  /// Of shares of the best.
  private static func mean(_ choices: [Choice], _ figure: (Choice) -> Double) -> Double {
    choices.reduce(0) { $0 + figure($1) / $1.best } / Double(choices.count)
  }

  private static func table(_ choices: [Choice]) -> String {
    var rows = [
      ["seed", "shortcuts", "direct", "best one", "random", "oracle", "best", "oracle/best", "chose", "best"]
    ]
    for choice in choices {
      rows.append([
        "\(choice.continent.seed)", "\(choice.continent.shortcuts)", megabits(choice.direct), megabits(choice.single),
        megabits(choice.chance), megabits(choice.chosen), megabits(choice.best), share(choice.chosen / choice.best),
        Choice.text(choice.oracle), Choice.text(choice.tried.first?.set ?? []),
      ])
    }
    func mean(_ figure: (Choice) -> Double) -> String { share(OracleBench.mean(choices, figure)) }
    var text = alignedColumns(rows, right: Set(0..<8))
    text += "mean of the best: oracle \(mean(\.chosen)), random \(mean(\.chance)), best one \(mean(\.single)), "
    text += "direct \(mean(\.direct))"
    return text
  }

  private static func details(_ choice: Choice) -> String {
    var rows = [["goodput", "set"]]
    for one in choice.tried.prefix(8) { rows.append([megabits(one.goodput), Choice.text(one.set)]) }
    var text = "continent \(choice.continent.seed)\n" + alignedColumns(rows, right: [0])
    for path in choice.answer.paths {
      text +=
        "oracle: \(path.via ?? "direct") of \(path.provider), \(megabits(Double(path.rate.bitsPerSecond))) Mbit/s, "
      text += "\(milliseconds(path.delay)), loss \(share(path.loss)), \(path.reason)\n"
    }
    if let cost = choice.answer.cost {
      text += "cost: \(cost.occupancy.value) bytes, \(milliseconds(cost.addedDelay)), "
      text += "loss \(share(cost.loss)); all in all \(megabits(Double(choice.answer.rate.bitsPerSecond)))\n"
    }
    for (number, way) in choice.continent.ways.enumerated() {
      let truth = choice.continent.truth(of: way)
      let provider = number == 0 ? "" : " as\(choice.continent.providerOf[number - 1])"
      text += "truth: \(Continent.name(of: number) ?? "direct")\(provider) \(megabits(truth.rate)) Mbit/s, "
      text += "\(milliseconds(truth.delay)) ± \(milliseconds(truth.deviation)), loss \(share(1 - truth.delivered)), "
      text += "alone \(megabits(choice.goodput(of: [number])))\n"
    }
    return text
  }

  private static func milliseconds(_ time: Interval) -> String {
    plainDecimal(time.inMilliseconds, decimals: 1) + " ms"
  }
  private static func megabits(_ bits: Double) -> String { fixed(bits / 1e6, 2) }
  private static func share(_ value: Double) -> String { fixed(value, 4) }

  /// With zeros at the end, so that columns are straight.
  private static func fixed(_ value: Double, _ places: Int) -> String {
    var text = plainDecimal(value, decimals: places)
    if !text.contains(".") { text += "." }
    let digits = text.count - 1 - (text.firstIndex(of: ".").map { text.distance(from: text.startIndex, to: $0) } ?? 0)
    return text + String(repeating: "0", count: max(0, places - digits))
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
