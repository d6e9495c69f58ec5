//  striper-bench — what does it cost to cut a segment so that all parts land together, and how many parts are there?
//
//  Prediction.  Three paths take nine divisions for the level and the whole datagrams, and three to six pieces are
//  given out one by one, with a division each: 100 ns. Sixteen take ten times as long, since what is left is more and
//  each piece asks all of them.
//
//  Method.  Segments of 64 KiB as an engine would cut them: split, drain, commit; then whoever is beyond the horizon
//  sends a batch, so that backlogs stay where the horizon has them. `worst`: all paths are equal and idle, every
//  segment is cut for as many as can have a part. Each case runs seven times; printed are the median and the spread, of
//  this process's CPU time. `striper-bench PATHS` runs one case once, for callgrind:
//
//      valgrind --tool=callgrind --toggle-collect='*striper_bench*measured*' .build/release/striper-bench 3
//
//  `striper-bench table` prints what comes out for pairs of uplinks (Pairs.swift).

import Glibc
import Primitives
import Striper

@main struct StriperBench {
  static let length = 65_536
  /// Rates in Mbit/s and delays in ms, as uplinks are: repeated beyond the first four.
  static let uplinks: [(UInt64, Int64)] = [(300, 8), (100, 12), (50, 20), (30, 40)]

  static func main() {
    let wish = CommandLine.arguments.dropFirst().first
    if wish == "table" { return Pair.printTable() }
    let only = wish.flatMap { Int($0) }
    print("paths   ns a segment   parts   ns at worst   parts   ns urgent   spread of 7")
    for count in [1, 2, 3, 8, 16] where only == nil || only == count { run(count, once: only != nil) }
  }

  static func run(_ count: Int, once: Bool) {
    var striper = Striper()
    var equal = Striper()
    for index in 0..<count {
      let (rate, delay) = uplinks[index % uplinks.count]
      striper.setPath(index, .uplink(rate, delay + Int64(index)))
      equal.setPath(index, .uplink(100, 10))
    }
    var queued = [Int](repeating: 0, count: count)
    let rounds = once ? 20_000 : 200_000
    measured(&striper, &queued, 20_000)
    var costs = (usual: [Double](), worst: [Double](), urgent: [Double]())
    let before = striper.counters
    let fresh = equal.counters
    for _ in 0..<(once ? 1 : 7) {
      costs.usual.append(nanoseconds(rounds) { measured(&striper, &queued, rounds) })
      costs.worst.append(nanoseconds(rounds) { idle(&equal, rounds) })
      costs.urgent.append(nanoseconds(rounds) { singled(&striper, rounds) })
    }
    costs.usual.sort()
    let spread = ((costs.usual.last ?? 0) - (costs.usual.first ?? 0)) / median(costs.usual) * 100
    print(
      padded("\(count)", 5), padded("\(Int(median(costs.usual)))", 14), padded(parts(striper, since: before), 7),
      padded("\(Int(median(costs.worst)))", 13), padded(parts(equal, since: fresh), 7),
      padded("\(Int(median(costs.urgent)))", 11), padded("\(Int(spread)) %", 13))
  }

  @inline(never) static func measured(_ striper: inout Striper, _ queued: inout [Int], _ rounds: Int) {
    for _ in 0..<rounds {
      striper.split(length)
      while let part = striper.nextPart() {
        queued[Int(part.path)] += part.range.count
        striper.committed(part.range.count, on: Int(part.path))
      }
      for index in queued.indices where queued[index] > 0 && striper.horizon(of: index) == 0 {
        let bytes = min(queued[index], length)
        queued[index] -= bytes
        striper.sent(bytes, on: index)
      }
    }
  }

  @inline(never) static func idle(_ striper: inout Striper, _ rounds: Int) {
    for _ in 0..<rounds {
      striper.split(length)
      while striper.nextPart() != nil {}
    }
  }

  @inline(never) static func singled(_ striper: inout Striper, _ rounds: Int) {
    for _ in 0..<rounds { precondition(striper.single(1_400, as: .urgent) != nil, "there are paths") }
  }

  static func nanoseconds(_ rounds: Int, _ work: () -> Void) -> Double {
    let start = processorTime()
    work()
    return Double(processorTime() - start) / Double(rounds)
  }

  static func processorTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  static func parts(_ striper: borrowing Striper, since before: Striper.Counters) -> String {
    tenths(Double(striper.counters.parts - before.parts) / Double(striper.counters.segments - before.segments))
  }

  static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  static func tenths(_ value: Double) -> String { "\(Int(value * 10) / 10).\(Int(value * 10) % 10)" }

  static func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}

extension Striper.Path {
  static func uplink(_ megabits: UInt64, _ milliseconds: Int64) -> Striper.Path {
    Striper.Path(
      rate: BitRate(bitsPerSecond: megabits * 1_000_000), delay: .milliseconds(milliseconds), mostBytes: 2 * 62_832,
      payload: 1_428)
  }
}
