import Primitives
import Striper
import Testing

@Suite struct `A segment is cut into parts` {
  @Test(arguments: 0..<200) func `that cover it exactly, in order, each within its path's batch`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var striper = Striper()
    let paths = Specimen.paths(&random)
    striper.setPaths(paths)
    let capacity = paths.reduce(0) { $0 + ($1.weight > 0 ? $1.mostBytes : 0) }
    for step in 0..<60 {
      let length = 1 + Int(random.below(UInt64(min(capacity, 500_000))))
      let granularity = random.below(3) == 0 ? 1 + Int(random.below(3_000)) : 1
      striper.split(length, granularity: granularity, resume: Int(random.below(165)))
      let parts = striper.parts()
      let where_ = Comment("seed \(seed), step \(step), \(length) bytes: \(parts)")
      var end = 0
      for part in parts {
        #expect(part.range.lowerBound == end && !part.range.isEmpty, where_)
        end = part.range.upperBound
        let path = paths.first { $0.id == part.path }
        #expect(path.map { part.range.count <= $0.mostBytes && $0.weight > 0 } == true, where_)
      }
      #expect(end == length, where_)
      #expect(Set(parts.map(\.path)).count == parts.count, where_)
    }
  }

  @Test(arguments: 0..<200) func `of whole datagrams, but for the last`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var striper = Striper()
    let paths = Specimen.paths(&random)
    striper.setPaths(paths)
    // A little below the limit, since credit of earlier segments may push a path against its batch.
    let longest = min(striper.mostSegmentLength, 500_000) / 2
    for step in 0..<60 where longest > 0 {
      let length = 1 + Int(random.below(UInt64(longest)))
      let resume = step % 2 == 0 ? 0 : 64
      striper.split(length, resume: resume)
      let parts = striper.parts()
      for (index, part) in parts.dropLast().enumerated() {
        let payload = paths.first { $0.id == part.path }?.payload ?? 1
        let carried = part.range.count + (index > 0 ? resume : 0)
        #expect(carried % payload == 0, "seed \(seed), step \(step), resume \(resume): \(parts)")
      }
    }
  }

  @Test(arguments: 0..<200) func `that are worth a send`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var striper = Striper()
    let paths = Specimen.paths(&random)
    striper.setPaths(paths)
    let longest = min(striper.mostSegmentLength, 500_000) / 2
    for step in 0..<60 where longest > 0 {
      striper.split(1 + Int(random.below(UInt64(longest))))
      let parts = striper.parts()
      if parts.count == 1 { continue }
      for part in parts {
        guard let path = paths.first(where: { $0.id == part.path }) else { continue }
        let least = min(Striper.leastDatagrams, path.mostBytes / path.payload) * path.payload
        // Or the others had no room for it.
        let isForced = parts.allSatisfy { other in
          paths.contains { $0.id == other.path && other.range.count + $0.payload > $0.mostBytes } || other == part
        }
        #expect(part.range.count >= least || isForced, "seed \(seed), step \(step): \(parts)")
      }
    }
  }

  @Test func `as the drawing at the top of the source shows it`() {
    var striper = Striper()
    striper.setPaths([.usual(1, weight: 100), .usual(2, weight: 50), .usual(3, weight: 20)])
    striper.split(62_000)
    #expect(
      striper.parts() == [
        .init(path: 2, range: 0..<18_564), .init(path: 3, range: 18_564..<25_704),
        .init(path: 1, range: 25_704..<62_000),
      ])
  }

  @Test func `of one full batch for each of three equal paths`() {
    var striper = Striper()
    striper.setPaths([.usual(0, weight: 1), .usual(1, weight: 1), .usual(2, weight: 1)])
    #expect(striper.mostSegmentLength == 3 * 62_832)
    for _ in 0..<5 {
      striper.split(striper.mostSegmentLength)
      #expect(striper.parts().map(\.range.count) == [62_832, 62_832, 62_832])
    }
  }

  @Test(arguments: [100, 1_028, 1_428, 4_000]) func `between packets, when all have one length`(packet: Int) {
    var striper = Striper()
    striper.setPaths([.usual(0, weight: 5), .usual(1, weight: 3), .usual(2, weight: 2)])
    for count in 1...20 {
      striper.split(packet * count, granularity: packet)
      for part in striper.parts() { #expect(part.range.lowerBound % packet == 0, "\(count) packets: \(part)") }
    }
  }
}

@Suite struct `Shares` {
  /// After every segment, however long the run: the bound does not grow.
  @Test(arguments: 0..<150) func `hold in the long run to within the parts that are being made up for`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var striper = Striper()
    let paths = Specimen.paths(&random, count: 1 + Int(random.below(8)))
    striper.setPaths(paths)
    let totalWeight = paths.reduce(0) { $0 + Double($1.weight) }
    if totalWeight == 0 { return }
    let longest = [3_000, 20_000, 62_000, 500_000][Int(seed % 4)]
    let limit = max(1, min(longest, striper.mostSegmentLength))
    var carried = [UInt8: Int]()
    var sum = 0
    let payload = paths.map(\.payload).max() ?? 0
    let bound = Double(2 * Striper.leastDatagrams * payload * paths.count)
    var worst = 0.0
    for _ in 0..<3_000 {
      let length = 1 + Int(random.below(UInt64(limit)))
      sum += length
      if random.below(4) == 0, let path = striper.single(min(length, 1_200), urgent: false) {
        sum += min(length, 1_200) - length
        carried[path, default: 0] += min(length, 1_200)
      } else {
        striper.split(length)
        for part in striper.parts() { carried[part.path, default: 0] += part.range.count }
      }
      for path in paths where path.weight > 0 {
        let share = Double(sum) * Double(path.weight) / totalWeight
        worst = max(worst, abs(Double(carried[path.id, default: 0]) - share))
      }
    }
    #expect(worst <= bound, "seed \(seed), \(paths.count) paths")
  }

  @Test(arguments: [[1, 1], [5, 1], [100, 50, 20], [1, 2, 3, 4, 5, 6, 7, 8]] as [[UInt32]])
  func `of single datagrams stay within two of what is right`(weights: [UInt32]) {
    var striper = Striper()
    striper.setPaths(weights.enumerated().map { .usual(UInt8($0.offset), weight: $0.element) })
    var carried = [Int](repeating: 0, count: weights.count)
    for step in 1...10_000 {
      guard let path = striper.single(1_428, urgent: false) else { return #expect(Bool(false), "no path") }
      carried[Int(path)] += 1
      for (index, weight) in weights.enumerated() {
        let share = Double(step) * Double(weight) / Double(weights.reduce(0, +))
        #expect(abs(Double(carried[index]) - share) <= 2, "after \(step): \(carried)")
      }
    }
  }

  @Test func `are kept when a thin path needs many segments for one part`() {
    var striper = Striper()
    striper.setPaths([.usual(0, weight: 1_000), .usual(1, weight: 1)])
    var thin: [Int] = []
    for _ in 0..<1_000 {
      striper.split(62_000)
      for part in striper.parts() where part.path == 1 { thin.append(part.range.count) }
    }
    // 61,938 bytes are its share of 62 MB.
    #expect(abs(thin.reduce(0, +) - 61_938) <= Striper.leastDatagrams * 1_428)
    #expect(thin.allSatisfy { $0 >= Striper.leastDatagrams * 1_428 })
  }

  @Test func `are not bent by urgent packets, which take the widest path`() {
    var striper = Striper()
    striper.setPaths([.usual(0, weight: 1), .usual(7, weight: 3), .usual(2, weight: 1)])
    for _ in 0..<10_000 { #expect(striper.single(64, urgent: true) == 7) }
    striper.split(62_832)
    let parts = striper.parts()
    #expect(parts.first { $0.path == 7 }.map { abs($0.range.count - 62_832 * 3 / 5) <= 1_428 } == true, "\(parts)")
    #expect(striper.counters.urgent == 10_000 && striper.counters.singles == 0 && striper.counters.segments == 1)
  }

  @Test func `follow new weights at once`() {
    var striper = Striper()
    striper.setPaths([.usual(0, weight: 1), .usual(1, weight: 1)])
    striper.split(62_832)
    #expect(striper.parts().map(\.range.count) == [31_416, 31_416])
    striper.setPaths([.usual(0, weight: 3), .usual(1, weight: 1)])
    striper.split(57_120)
    #expect(striper.parts().map(\.range.count) == [42_840, 14_280])
  }

  @Test func `that a short batch cannot carry are forgotten, not owed for ever`() {
    var striper = Striper()
    // The first path deserves ten times what its batch holds.
    striper.setPaths([.init(id: 0, weight: 10, mostBytes: 1_428, payload: 1_428), .usual(1, weight: 1)])
    for _ in 0..<10_000 {
      striper.split(60_000)
      _ = striper.parts()
    }
    // What is left of the credit is spent soon; then the shares are right again.
    var carried = [0, 0]
    for _ in 0..<4_000 { if let path = striper.single(1_000, urgent: false) { carried[Int(path)] += 1 } }
    #expect(carried[1] > 4_000 / 11 - 300, "\(carried)")
  }
}

@Suite struct `Paths` {
  @Test func `that do not exist carry nothing, and it is counted`() {
    var striper = Striper()
    striper.split(1_000)
    #expect(striper.nextPart() == nil && striper.single(100, urgent: true) == nil && striper.mostSegmentLength == 0)
    striper.setPaths([.usual(0, weight: 0)])
    striper.split(1_000)
    #expect(striper.nextPart() == nil && striper.single(100, urgent: false) == nil)
    #expect(striper.counters.withoutPath == 4 && striper.counters.segments == 0)
  }

  @Test func `that are alone carry everything in one part`() {
    var striper = Striper()
    striper.setPaths([.usual(9, weight: 12), .usual(3, weight: 0)])
    #expect(striper.mostSegmentLength == 62_832)
    striper.split(62_832, resume: 64)
    #expect(striper.parts() == [.init(path: 9, range: 0..<62_832)])
    #expect(striper.single(62_832, urgent: false) == 9 && striper.single(62_833, urgent: false) == nil)
  }

  @Test func `with unequal shares limit the segment to what keeps them`() {
    var striper = Striper()
    striper.setPaths([.usual(0, weight: 100), .usual(1, weight: 50), .usual(2, weight: 20)])
    #expect(striper.mostSegmentLength == 62_832 * 170 / 100)
    var carried = [0, 0, 0]
    for _ in 0..<2_000 {
      striper.split(striper.mostSegmentLength)
      for part in striper.parts() { carried[Int(part.path)] += part.range.count }
    }
    let sum = Double(carried.reduce(0, +))
    for (bytes, weight) in zip(carried, [100.0, 50, 20]) { #expect(abs(Double(bytes) / sum - weight / 170) < 0.000_5) }
  }
}

enum Specimen {
  /// Paths as they may be: fibre and modems, jumbo frames, some without a share.
  static func paths(_ random: inout SeededRandom, count: Int? = nil) -> [Striper.Path] {
    let count = count ?? 1 + Int(random.below(16))
    return (0..<count).map { index in
      let payload = [1_200, 1_228, 1_428, 1_428, 8_928][Int(random.below(5))]
      let weight = random.below(10) == 0 ? 0 : 1 + random.below(1 << random.below(17))
      return Striper.Path(
        id: UInt8(index * 3), weight: UInt32(index == 0 ? max(1, weight) : weight),
        mostBytes: max(payload, 62_832 / payload * payload), payload: payload)
    }
  }
}

extension Striper.Path {
  /// A path of an Ethernet: 44 datagrams of 1,428 bytes in a batch.
  static func usual(_ id: UInt8, weight: UInt32) -> Striper.Path {
    Striper.Path(id: id, weight: weight, mostBytes: 62_832, payload: 1_428)
  }
}

extension Striper {
  mutating func parts() -> [Part] {
    var parts: [Part] = []
    while let part = nextPart() { parts.append(part) }
    return parts
  }
}
