//  striper-bench — what does it cost to cut a segment so that all parts land together?
//
//  Prediction.  Three paths take nine divisions for the level and the whole datagrams, and three to six pieces are
//  given out one by one, with a division each: 100 ns. Sixteen take ten times as long, since what is left is more and
//  each piece asks all of them.
//
//  Method.  Segments of 64 KiB as an engine would cut them: split, drain, commit; then the paths send as much as they
//  can in the time of a segment, so that backlogs stay where the horizon has them. Each case runs seven times; printed
//  are the median and the spread, of this process's CPU time. A case's name runs it once, for callgrind:
//
//      valgrind --tool=callgrind --toggle-collect='*striper_bench*measured*' .build/release/striper-bench 3

import Glibc
import Primitives
import Striper

@main struct StriperBench {
  static let length = 65_536
  /// Rates in Mbit/s and delays in ms, as uplinks are: repeated beyond the first four.
  static let uplinks: [(UInt64, Int64)] = [(300, 8), (100, 12), (50, 20), (30, 40)]

  static func main() {
    let only = CommandLine.arguments.dropFirst().first.flatMap { Int($0) }
    print("paths   ns a segment   parts   ns urgent   spread of 7")
    for count in [1, 2, 3, 8, 16] where only == nil || only == count { run(count, once: only != nil) }
  }

  static func run(_ count: Int, once: Bool) {
    var striper = Striper()
    for index in 0..<count {
      let (rate, delay) = uplinks[index % uplinks.count]
      striper.setPath(
        index,
        Striper.Path(
          rate: BitRate(bitsPerSecond: rate * 1_000_000), delay: .milliseconds(delay + Int64(index)),
          mostBytes: 2 * 62_832, payload: 1_428))
    }
    var sent = [Int](repeating: 0, count: count)
    let rounds = once ? 20_000 : 300_000
    measured(&striper, &sent, 20_000)
    var costs: [Double] = []
    var urgent: [Double] = []
    let before = striper.counters
    for _ in 0..<(once ? 1 : 7) {
      let start = processorTime()
      measured(&striper, &sent, rounds)
      let middle = processorTime()
      singled(&striper, rounds)
      costs.append(Double(middle - start) / Double(rounds))
      urgent.append(Double(processorTime() - middle) / Double(rounds))
    }
    let parts = Double(striper.counters.parts - before.parts) / Double(striper.counters.segments - before.segments)
    costs.sort()
    urgent.sort()
    let median = costs[costs.count / 2]
    let spread = (costs[costs.count - 1] - costs[0]) / median * 100
    print(
      padded("\(count)", 5), padded("\(Int(median))", 14), padded(tenths(parts), 7),
      padded("\(Int(urgent[urgent.count / 2]))", 11), padded("\(Int(spread)) %", 13))
  }

  @inline(never) static func measured(_ striper: inout Striper, _ queued: inout [Int], _ rounds: Int) {
    for _ in 0..<rounds {
      striper.split(length)
      while let part = striper.nextPart() {
        queued[Int(part.path)] += part.range.count
        striper.committed(part.range.count, on: Int(part.path))
      }
      // Who is beyond the horizon sends one batch.
      for index in queued.indices where queued[index] > 0 && striper.horizon(of: index) == 0 {
        let bytes = min(queued[index], length)
        queued[index] -= bytes
        striper.sent(bytes, on: index)
      }
    }
  }

  @inline(never) static func singled(_ striper: inout Striper, _ rounds: Int) {
    for _ in 0..<rounds { precondition(striper.single(1_400, urgent: true) != nil, "there are paths") }
  }

  static func processorTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  static func tenths(_ value: Double) -> String { "\(Int(value * 10) / 10).\(Int(value * 10) % 10)" }

  static func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
