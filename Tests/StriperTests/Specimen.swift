//  Specimen.swift — striper and oracle of the same paths: what the cut should be, found the slow way.
//
//  The oracle knows nothing of sorting, closed forms or rounding by events: it halves the interval in which the water
//  level must lie, and tries every distribution of datagrams where there are few enough.

import Primitives
import Striper

/// A path and what waits for it.
struct Known {
  var index: Int
  var path: Striper.Path
  var backlog = 0
  var urgent = 0
  var again = 0

  var rate: Double { Double(path.rate.bitsPerSecond / 8) / 1e9 }
  var least: Int { min(Striper.leastDatagrams, path.mostBytes / path.payload) * path.payload }

  /// The longest part of whole datagrams.
  var roomy: Int { path.mostBytes / path.payload * path.payload }

  /// Of bytes that are committed now; all times in nanoseconds.
  func landing(_ bytes: Int) -> Double {
    Double(path.delay.nanoseconds) + Double(backlog + bytes) / rate
  }
}

struct Specimen: ~Copyable {
  var known: [Known] = []
  var striper = Striper()

  init(_ known: [Known]) {
    self.known = known
    for one in known {
      striper.setPath(one.index, one.path)
      striper.committed(one.backlog - one.urgent - one.again, on: one.index)
      striper.committed(one.again, on: one.index, as: .again)
      striper.committed(one.urgent, on: one.index, as: .urgent)
    }
  }

  var capacity: Int { known.reduce(0) { $0 + $1.path.mostBytes } }

  subscript(path: UInt8) -> Known? { known.first { $0.index == Int(path) } }

  /// When the last of these parts lands; `resume` bytes are copied into all but the first.
  func landing(_ parts: [Striper.Part], resume: Int = 0) -> Double {
    var latest = 0.0
    for part in parts {
      let copied = part.range.lowerBound == 0 ? 0 : resume
      latest = max(latest, self[part.path]?.landing(part.range.count + copied) ?? .infinity)
    }
    return latest
  }

  /// Over the best path that has room for all of it.
  func bestAlone(_ length: Int) -> Double {
    known.filter { $0.path.mostBytes >= length }.map { $0.landing(length) }.min() ?? .infinity
  }

  /// The water level, by bisection; as if batches were endless, if they are roomy.
  func waterLevel(_ length: Int, isRoomy: Bool = false) -> Double {
    var low = 0.0
    var high = known.map { $0.landing(length) }.max() ?? 0
    for _ in 0..<200 {
      let middle = (low + high) / 2
      let held = known.reduce(0.0) { sum, one in
        let room = isRoomy ? .infinity : Double(one.roomy)
        return sum + min(max(0, (middle - one.landing(0)) * one.rate), room)
      }
      if held < Double(length) { low = middle } else { high = middle }
    }
    return high
  }

  /// The earliest landing of all distributions in whole datagrams, with least parts and one short end.
  func bestOfAll(_ length: Int) -> Double {
    var best = bestAlone(length)
    for tail in known.indices { distribute(length, among: known.indices.filter { $0 != tail }[...], tail, 0, &best) }
    return best
  }

  private func distribute(
    _ rest: Int, among others: ArraySlice<Int>, _ tail: Int, _ latest: Double, _ best: inout Double
  ) {
    if latest >= best { return }
    guard let index = others.first else {
      if rest > 0 && (rest < known[tail].least || rest > known[tail].path.mostBytes) { return }
      best = min(best, rest == 0 ? latest : max(latest, known[tail].landing(rest)))
      return
    }
    let one = known[index]
    distribute(rest, among: others.dropFirst(), tail, latest, &best)
    var bytes = one.least
    while bytes <= min(rest, one.path.mostBytes) {
      distribute(rest - bytes, among: others.dropFirst(), tail, max(latest, one.landing(bytes)), &best)
      bytes += one.path.payload
    }
  }
}

extension Specimen {
  /// Paths as they may be: fibre and modems, jumbo frames, long ways, and all kinds of backlogs.
  static func likely(_ random: inout SeededRandom, count: Int? = nil) -> Specimen {
    let count = count ?? 1 + Int(random.below(16))
    return Specimen(
      (0..<count).map { index in
        let payload = [1_200, 1_228, 1_428, 1_428, 8_928][Int(random.below(5))]
        let rate = BitRate(bitsPerSecond: 500_000 << random.below(12) + random.below(500_000))
        let delay = Interval.microseconds(Int64(random.below(1 << (7 + random.below(11)))))
        let path = Striper.Path(
          rate: rate, delay: delay, mostBytes: max(1, 62_832 * Int(1 + random.below(3)) / payload) * payload,
          payload: payload)
        return Known(index: index, path: path, backlog: backlog(&random, rate, most: .milliseconds(100)))
      })
  }

  /// Anything that is allowed, and a little that is not.
  static func extreme(_ random: inout SeededRandom) -> Specimen {
    Specimen(
      (0..<Int(2 + random.below(15))).map { index in
        let payload = 1 + Int(random.below(1 << random.below(14)))
        let rate: UInt64 = [1_000, 100_000_000_000, 1_000 << random.below(27)][Int(random.below(3))]
        let delay: Int64 = [0, 10_000_000_000, Int64(random.below(10_000_000_000))][Int(random.below(3))]
        let most = [payload, Striper.mostPart, payload + Int(random.below(1 << 17))][Int(random.below(3))]
        let path = Striper.Path(
          rate: BitRate(bitsPerSecond: rate), delay: .nanoseconds(delay), mostBytes: max(payload, most),
          payload: payload)
        let backlog = [0, Striper.mostBacklog, Int(random.below(1 << random.below(31)))][Int(random.below(3))]
        return Known(index: index, path: path, backlog: backlog)
      })
  }

  /// Few datagrams, so that all distributions can be tried.
  static func small(_ random: inout SeededRandom, isRoomy: Bool) -> Specimen {
    Specimen(
      (0..<Int(2 + random.below(2))).map { index in
        let payload = [100, 100, 150][Int(random.below(3))]
        let rate = BitRate(bitsPerSecond: 80_000 << random.below(7) + random.below(80_000))
        let path = Striper.Path(
          rate: rate, delay: .microseconds(Int64(random.below(1 << (10 + random.below(8))))),
          mostBytes: isRoomy ? 10_000 : payload * Int(4 + random.below(16)) + Int(random.below(2)) * 37,
          payload: payload)
        return Known(index: index, path: path, backlog: backlog(&random, rate, most: .milliseconds(80)))
      })
  }

  private static func backlog(_ random: inout SeededRandom, _ rate: BitRate, most: Interval) -> Int {
    if random.below(3) == 0 { return 0 }
    return Int(random.below(UInt64(rate.bytes(in: most).value) + 1))
  }
}

extension Striper.Path {
  /// A path of an Ethernet: 44 datagrams of 1,428 bytes in a batch.
  static func usual(_ megabits: Double, _ milliseconds: Int64 = 0, batches: Int = 1) -> Striper.Path {
    Striper.Path(
      rate: BitRate(bitsPerSecond: UInt64(megabits * 1e6)), delay: .milliseconds(milliseconds),
      mostBytes: batches * 62_832, payload: 1_428)
  }
}

extension Striper {
  init(_ paths: [Path]) {
    self.init()
    for (index, path) in paths.enumerated() { setPath(index, path) }
  }

  mutating func parts() -> [Part] {
    var parts: [Part] = []
    while let part = nextPart() { parts.append(part) }
    return parts
  }

  mutating func parts(of length: Int, granularity: Int = 1, resume: Int = 0) -> [Part] {
    split(length, granularity: granularity, resume: resume)
    return parts()
  }

  mutating func commit(_ parts: [Part]) {
    for part in parts { committed(part.range.count, on: Int(part.path)) }
  }
}
