//  Pairs.swift — how many parts there are, for pairs of uplinks as people have them: `striper-bench table`.
//
//  A segment of 62,832 bytes (44 datagrams) is cut while the second path is idle and the first has more and more to
//  send: where does the second join, and where does it get all? Then both are kept busy up to the horizon for ten
//  seconds, and each sends at its rate, every half millisecond: how many parts has a segment then?

import Primitives
import Striper

struct Pair {
  let first: (UInt64, Int64)
  let second: (UInt64, Int64)

  static let all = [
    Pair(first: (50, 20), second: (50, 20)), Pair(first: (50, 20), second: (50, 120)),
    Pair(first: (50, 20), second: (12, 20)), Pair(first: (100, 20), second: (10, 20)),
    Pair(first: (300, 8), second: (30, 40)), Pair(first: (100, 25), second: (40, 30)),
    Pair(first: (40, 30), second: (20, 320)),
  ]

  static func printTable() {
    print("pair (Mbit/s, ms)    alone below   both below   horizon of both     parts, 44 datagrams   132   use of both")
    for pair in all {
      let striper = pair.striper()
      let small = pair.busy(62_832)
      let long = pair.busy(3 * 62_832)
      print(
        "\(pair.first.0)/\(pair.first.1) + \(pair.second.0)/\(pair.second.1)",
        "\(pair.joins(1) / 1_000) kB", "\(pair.joins(2) / 1_000) kB",
        "\(striper.horizon(of: 0) / 1_000) + \(striper.horizon(of: 1) / 1_000) kB",
        hundredths(small.parts), hundredths(long.parts),
        "\(hundredths(small.use[0])) \(hundredths(small.use[1]))", separator: "   ")
    }
  }

  func striper() -> Striper {
    var striper = Striper()
    striper.setPath(0, .uplink(first.0, first.1))
    striper.setPath(1, .uplink(second.0, second.1))
    return striper
  }

  /// The least backlog of the first path with which the second has a part (1), or all (2).
  func joins(_ stage: Int) -> Int {
    var low = 0
    var high = Striper.mostBacklog
    while low < high {
      var striper = striper()
      let middle = (low + high) / 2
      striper.committed(middle, on: 0)
      striper.split(62_832)
      var paths = 0
      while let part = striper.nextPart() { paths |= 1 << Int(part.path) }
      if stage == 1 ? paths & 2 != 0 : paths == 2 { high = middle } else { low = middle + 1 }
    }
    return low
  }

  func busy(_ length: Int) -> (parts: Double, use: [Double]) {
    var striper = striper()
    let rates = [Int(first.0), Int(second.0)].map { $0 * 1_000_000 }
    var queued = [0, 0]
    var credit = [0, 0]
    var carried = [0, 0]
    for _ in 0..<20_000 {
      while striper.horizon > 0 {
        striper.split(length)
        while let part = striper.nextPart() {
          striper.committed(part.range.count, on: Int(part.path))
          queued[Int(part.path)] += part.range.count
        }
      }
      for index in 0..<2 {
        credit[index] += rates[index] / 2_000
        while credit[index] >= 0 && queued[index] > 0 {
          let bytes = min(1_428, queued[index])
          queued[index] -= bytes
          carried[index] += bytes
          credit[index] -= bytes * 8
          striper.sent(bytes, on: index)
        }
        if queued[index] == 0 { credit[index] = min(credit[index], 0) }
      }
    }
    let parts = Double(striper.counters.parts) / Double(striper.counters.segments)
    return (parts, zip(carried, rates).map { Double($0 * 8) / Double($1) / 10 })
  }

  static func hundredths(_ value: Double) -> String {
    let whole = Int((value * 100).rounded())
    return "\(whole / 100)." + (whole % 100 < 10 ? "0" : "") + "\(whole % 100)"
  }
}

private func print(_ parts: String..., separator: String) { Swift.print(parts.joined(separator: separator)) }
