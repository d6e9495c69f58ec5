import Primitives
import Striper
import Testing

@Suite struct `Shares by rate, where everything is sent at once` {
  /// After every segment, however long the run: the bound does not grow.
  @Test(arguments: 0..<150) func `hold in the long run to within the parts that are being made up for`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let payload = 1_428
    let paths = (0..<Int(1 + random.below(8))).map { _ in
      Striper.Path.usual(0.1 * Double(1 + random.below(1 << random.below(17))))
    }
    var striper = Striper(paths)
    let total = paths.reduce(0.0) { $0 + Double($1.rate.bitsPerSecond) }
    let longest = [3_000, 20_000, 62_000, 500_000][Int(seed % 4)]
    let limit = max(1, min(longest, striper.mostSegmentLength))
    var carried = paths.map { _ in 0 }
    var sum = 0
    var worst = 0.0
    for _ in 0..<2_000 {
      let length = 1 + Int(random.below(UInt64(limit)))
      for part in striper.parts(of: length) {
        carried[Int(part.path)] += part.range.count
        striper.committed(part.range.count, on: Int(part.path))
      }
      striper.settle()
      sum += length
      for (index, path) in paths.enumerated() {
        let share = Double(sum) * Double(path.rate.bitsPerSecond) / total
        worst = max(worst, abs(Double(carried[index]) - share))
      }
    }
    let bound = Double(2 * Striper.leastDatagrams * payload * paths.count)
    #expect(worst <= bound, "seed \(seed), \(paths.count) paths")
  }

  @Test(arguments: [[1, 1], [5, 1], [100, 50, 20], [1, 2, 3, 4, 5, 6, 7, 8]] as [[Double]])
  func `of single datagrams stay within two of what is right`(rates: [Double]) {
    var striper = Striper(rates.map { .usual($0) })
    var carried = [Int](repeating: 0, count: rates.count)
    for step in 1...10_000 {
      guard let path = striper.single(1_428, as: .bulk) else { return #expect(Bool(false), "no path") }
      striper.committed(1_428, on: Int(path))
      striper.settle()
      carried[Int(path)] += 1
      for (index, rate) in rates.enumerated() {
        let share = Double(step) * rate / rates.reduce(0, +)
        #expect(abs(Double(carried[index]) - share) <= 2, "after \(step): \(carried)")
      }
    }
  }

  @Test func `are kept when a thin path needs many segments for one part`() {
    var striper = Striper([.usual(1_000), .usual(1)])
    var thin: [Int] = []
    for _ in 0..<1_000 {
      let parts = striper.parts(of: 62_000)
      striper.commit(parts)
      striper.settle()
      for part in parts where part.path == 1 { thin.append(part.range.count) }
    }
    // 61,938 bytes are its share of 62 MB.
    #expect(abs(thin.reduce(0, +) - 61_938) <= Striper.leastDatagrams * 1_428)
    #expect(thin.allSatisfy { $0 >= Striper.leastDatagrams * 1_428 })
  }

  @Test func `follow new rates at once`() {
    var striper = Striper([.usual(1), .usual(1)])
    #expect(striper.parts(of: 62_832).map(\.range.count) == [31_416, 31_416])
    striper.setPath(0, .usual(3))
    #expect(striper.parts(of: 57_120).map(\.range.count) == [42_840, 14_280])
  }

  @Test func `that a short batch cannot carry are forgotten, not owed for ever`() {
    // The first path deserves ten times what its batch holds.
    var striper = Striper([
      .init(rate: BitRate(bitsPerSecond: 10_000_000), delay: .zero, mostBytes: 1_428, payload: 1_428), .usual(1),
    ])
    for _ in 0..<10_000 {
      striper.commit(striper.parts(of: 60_000))
      striper.settle()
    }
    // What is left of the credit is spent soon; then the shares are right again.
    var carried = [0, 0]
    for _ in 0..<20_000 {
      guard let path = striper.single(1_000, as: .bulk) else { continue }
      striper.committed(1_000, on: Int(path))
      striper.settle()
      carried[Int(path)] += 1
    }
    #expect(carried[1] > 20_000 / 11 - 300, "\(carried)")
  }
}
