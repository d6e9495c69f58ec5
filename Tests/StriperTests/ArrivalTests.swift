import Primitives
import Testing

@testable import Striper

/// What the striper's whole nanoseconds may hide: two roundings of a start, two of a time.
private let rounding = 4.0

@Suite struct `The parts of a segment` {
  /// Against every distribution of datagrams that there is.
  @Test(arguments: 0..<1_500) func `land as early as whole datagrams can`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let isRoomy = seed % 3 != 0
    var specimen = Specimen.small(&random, isRoomy: isRoomy)
    let longest = UInt64(min(specimen.capacity, 4_000))
    for step in 0..<4 {
      let length = 1 + Int(random.below(longest))
      let parts = specimen.striper.parts(of: length)
      let landing = specimen.landing(parts)
      let best = specimen.bestOfAll(length)
      let situation = Comment("seed \(seed), step \(step), \(length) bytes: \(landing) against \(best), \(parts)")
      let isLong = length >= specimen.known.reduce(0) { $0 + $1.least }
      if isLong && isRoomy {
        #expect(landing <= best + rounding, situation)
      } else {
        #expect(landing <= specimen.bestAlone(length) + rounding, situation)
      }
      if isRoomy { #expect(landing >= best - rounding, situation) }
    }
  }

  /// Against the equation itself, solved by bisection.
  @Test(arguments: 0..<300) func `land together, but for what datagrams and least parts cost`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var specimen = Specimen.likely(&random)
    for step in 0..<20 {
      let length = 1 + Int(random.below(62_000))
      let parts = specimen.striper.parts(of: length)
      let landing = specimen.landing(parts)
      let level = specimen.waterLevel(length)
      let situation = Comment("seed \(seed), step \(step), \(length) bytes: \(landing) against \(level), \(parts)")
      #expect(landing >= level - rounding - level * 1e-12, situation)
      let used = specimen.known.filter { $0.landing(0) < level }
      let datagram = Double(used.map(\.path.payload).max() ?? 0) / (used.map(\.rate).min() ?? 1)
      let short = used.filter { (level - $0.landing(0)) * $0.rate < Double($0.least) + rounding }.count
      #expect(landing <= level + datagram * Double(1 + Striper.leastDatagrams * short) + rounding, situation)
    }
  }

  @Test(arguments: 0..<200) func `are measured against a level that is exact to two nanoseconds`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var specimen = seed % 2 == 0 ? Specimen.likely(&random) : Specimen.extreme(&random)
    for step in 0..<20 {
      let length = 1 + Int(random.below(UInt64(specimen.capacity)) >> random.below(20))
      specimen.striper.sortByStart()
      let (level, full) = specimen.striper.waterLevel(length)
      let exact = specimen.waterLevel(length)
      let situation = Comment("seed \(seed), step \(step), \(length) bytes: \(level) against \(exact)")
      #expect(Double(level) <= exact + 1e-12 * exact, situation)
      // Not where a nanosecond of the fastest path is more than its batch.
      if seed % 2 == 1 || length > specimen.known.reduce(0, { $0 + $1.roomy }) { continue }
      // A batch that two nanoseconds' bytes make full, or not, moves the level by as many bytes of the slowest path.
      let rates = specimen.known.map(\.rate)
      let isOpen = full == 0 && exact == specimen.waterLevel(length, isRoomy: true)
      let bound = isOpen ? 2 : 2 + 2 * rates.reduce(0, +) / (rates.min() ?? 1)
      #expect(Double(level) > exact - bound - 1e-12 * exact, situation)
    }
  }

  @Test(arguments: 0..<600) func `never land later than over the best path alone`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var specimen = seed % 2 == 0 ? Specimen.likely(&random) : Specimen.extreme(&random)
    for step in 0..<20 {
      let length = 1 + Int(random.below(UInt64(min(200_000, specimen.capacity))))
      let resume = step % 2 * Int(random.below(165))
      let parts = specimen.striper.parts(of: length, resume: resume)
      let landing = specimen.landing(parts, resume: resume)
      let alone = specimen.bestAlone(length)
      #expect(
        landing <= alone + rounding + alone * 1e-12,
        "seed \(seed), step \(step), \(length) bytes, resume \(resume): \(landing) against \(alone), \(parts)")
    }
  }

  /// One of 2^30 bytes in front of 1 kbit/s, another of nothing in front of 100 Gbit/s: 270 years of nanoseconds would
  /// not do for the product.
  @Test func `are right at the ends of what is allowed`() {
    let slow = Striper.Path(
      rate: Striper.leastRate, delay: Striper.mostDelay, mostBytes: Striper.mostPart, payload: 1_400)
    var fast = slow
    fast.rate = Striper.mostRate
    var paths = [Striper.Path](repeating: slow, count: 15)
    paths.append(fast)
    var striper = Striper(paths)
    for index in 0..<16 { striper.committed(Striper.mostBacklog, on: index) }
    #expect(striper.parts(of: Striper.mostPart) == [.init(path: 15, range: 0..<Striper.mostPart)])
    #expect(striper.arrival(of: 0, on: 0) == .nanoseconds(10_000_000_000 + (1 << 30) * 8_000_000))
    // All that can be: every batch is full.
    let parts = striper.parts(of: 16 * Striper.mostPart)
    #expect(parts.count == 16 && parts.allSatisfy { $0.range.count == Striper.mostPart })
    #expect(striper.horizon(of: 0) == 0)
    striper.sent(Striper.mostBacklog, on: 15)
    #expect(striper.horizon(of: 15) == Striper.mostBacklog)
    striper.settle()
  }

  @Test func `outside of what is allowed count as what is nearest`() {
    let path = Striper.Path(
      rate: BitRate(bitsPerSecond: 1), delay: .seconds(-5), mostBytes: 1_400, payload: 1_400)
    var striper = Striper([path, .usual(2_000_000, 100_000)])
    #expect(striper.arrival(of: 125, on: 0) == .seconds(1))
    #expect(striper.arrival(of: 12_500, on: 1) == .seconds(10) + .microseconds(1))
    striper.committed(5 * Striper.mostBacklog, on: 1)
    #expect(striper.arrival(of: 0, on: 1).map { $0 < .milliseconds(10_086) } == true)
    #expect(striper.parts(of: 62_832 + 1_400).count == 2)
  }

  @Test func `are as many as there are paths that can help`() {
    // An idle pair: the long way cannot help before the short one has run ahead by the difference.
    var striper = Striper([.usual(300, 8), .usual(30, 40)])
    #expect(striper.parts(of: 62_832).map(\.path) == [0])
    striper.committed(1_150_000, on: 0)
    #expect(striper.parts(of: 62_832).map(\.path) == [0])
    striper.committed(80_000, on: 0)
    #expect(striper.parts(of: 62_832).map(\.path).sorted() == [0, 1])
    // More still, and the other has to be filled up first.
    striper.committed(1_000_000, on: 0)
    #expect(striper.parts(of: 62_832).map(\.path) == [1])
  }

  @Test func `go whole over the path that lands them first when there are few datagrams`() {
    var striper = Striper([.usual(10, 20), .usual(100, 25), .usual(50, 30)])
    #expect(striper.parts(of: 1_428).map(\.path) == [0])
    #expect(striper.parts(of: 7 * 1_428).map(\.path) == [1])
    striper.committed(125_000, on: 1)
    #expect(striper.parts(of: 7 * 1_428).map(\.path) == [0])
  }
}

@Suite struct `What is urgent` {
  @Test(arguments: 0..<300)
  func `goes where it lands first, and waits for what is urgent only; what is sent again comes next`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var known = Specimen.likely(&random).known
    for index in known.indices {
      known[index].urgent = Int(random.below(UInt64(known[index].backlog + 1)))
      known[index].again = Int(random.below(UInt64(known[index].backlog - known[index].urgent + 1)))
    }
    var specimen = Specimen(known)
    for _ in 0..<20 {
      let length = 1 + Int(random.below(3_000))
      for precedence in Striper.Precedence.allCases {
        let path = specimen.striper.single(length, as: precedence)
        let landings = known.map { one in
          let behind = [one.urgent, one.urgent + one.again, one.backlog][Int(precedence.rawValue)]
          return Double(one.path.delay.nanoseconds) + Double(behind + length) / one.rate
        }
        let landing = path.map { landings[Int($0)] } ?? .infinity
        #expect(landing <= (landings.min() ?? 0) + rounding, "seed \(seed), \(length) bytes, \(precedence)")
      }
    }
  }

  @Test func `stays on the best path while that is full of bulk`() {
    var striper = Striper([.usual(50, 10), .usual(50, 15)])
    striper.committed(500_000, on: 0)
    #expect(striper.single(1_200, as: .urgent) == 0 && striper.single(1_200, as: .bulk) == 1)
    #expect(striper.counters.urgent == 1 && striper.counters.singles == 1)
    // 5 ms of urgent ones, and the other is as quick.
    for _ in 0..<27 { striper.committed(1_200, on: 0, as: .urgent) }
    #expect(striper.single(1_200, as: .urgent) == 1)
    for _ in 0..<27 { striper.sent(1_200, on: 0, as: .urgent) }
    #expect(striper.single(1_200, as: .urgent) == 0)
  }

  @Test func `does not wait for what is sent again, and bulk does`() {
    var striper = Striper([.usual(50, 10), .usual(50, 15)])
    striper.committed(50_000, on: 0, as: .again)
    #expect(striper.single(1_200, as: .urgent) == 0)
    #expect(striper.single(1_200, as: .again) == 1 && striper.single(1_200, as: .bulk) == 1)
    striper.sent(50_000, on: 0, as: .again)
    #expect(striper.single(1_200, as: .again) == 0)
  }

  @Test func `makes bulk wait, too`() {
    var striper = Striper([.usual(50, 10), .usual(50, 11)])
    striper.committed(10_000, on: 0, as: .urgent)
    #expect(striper.single(1_200, as: .bulk) == 1)
  }

  @Test func `may take a path that is beyond the budget`() {
    var striper = Striper([.usual(50, 10), .usual(50, 60)])
    striper.setBudget(.milliseconds(20))
    for _ in 0..<400 { striper.committed(1_200, on: 0, as: .urgent) }
    #expect(striper.single(1_200, as: .urgent) == 1 && striper.single(1_200, as: .bulk) == 0)
    #expect(striper.parts(of: 62_000).map(\.path) == [0])
  }
}
