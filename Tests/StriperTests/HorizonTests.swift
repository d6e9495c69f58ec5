import Primitives
import Striper
import Testing

@Suite struct `What may be committed` {
  @Test func `is as much as lands before the slowest path's first part does`() {
    var striper = Striper([.usual(300, 8), .usual(30, 40)])
    // 4 datagrams at 30 Mbit/s are 1,523,200 ns, and 2 ms more.
    #expect(striper.horizon(of: 1) == 3_523_200 * 30 / 8_000)
    #expect(striper.horizon(of: 0) == 35_523_200 * 300 / 8_000)
    #expect(striper.horizon == 1_345_332)
    striper.committed(1_000_000, on: 0)
    #expect(striper.horizon(of: 0) == 332_120)
    striper.committed(332_200, on: 0)
    striper.committed(14_280, on: 1)
    #expect(striper.horizon == 0)
  }

  @Test func `never ends while a path has nothing to send`() {
    for megabits in [0.001, 0.1, 1, 100, 10_000] {
      var striper = Striper([.usual(megabits, 0), .usual(100, 500)])
      striper.committed(Striper.mostBacklog, on: 1)
      #expect(striper.horizon > 0)
    }
  }

  @Test func `is nothing for paths that are not used`() {
    var striper = Striper([.usual(300, 8), .usual(30, 40)])
    striper.setBudget(.milliseconds(30))
    #expect(striper.usable == 1 && striper.horizon(of: 1) == 0)
    // The quick one need not run ahead any more: 4 datagrams and 2 ms.
    #expect(striper.horizon == 2_152_320 * 300 / 8_000)
  }
}

@Suite struct `A budget for delay` {
  @Test func `takes the paths that do not cost more, and always the best`() {
    let striper = Striper([.usual(50, 20), .usual(50, 120), .usual(50, 60), .usual(0.1, 20)])
    #expect(striper.paths(within: .zero) == 0b0001)
    #expect(striper.paths(within: .milliseconds(39)) == 0b0001)
    #expect(striper.paths(within: .milliseconds(40)) == 0b0101)
    #expect(striper.paths(within: .milliseconds(100)) == 0b0111)
    // 4 datagrams take 457 ms at 100 kbit/s, however short the way.
    #expect(striper.paths(within: .milliseconds(450)) == 0b0111)
    #expect(striper.paths(within: .milliseconds(460)) == 0b1111)
    #expect(striper.usable == 0b1111)
  }

  @Test func `is kept when paths change`() {
    var striper = Striper([.usual(50, 20), .usual(50, 120)])
    striper.setBudget(.milliseconds(50))
    #expect(striper.usable == 0b01 && striper.budget == .milliseconds(50))
    striper.setPath(1, .usual(50, 60))
    #expect(striper.usable == 0b11)
    striper.setPath(0, nil)
    #expect(striper.usable == 0b10)
    striper.setBudget(.seconds(-1))
    #expect(striper.usable == 0b10)
  }

  @Test func `that shrinks takes nothing back, and leaves nothing behind`() {
    var striper = Striper([.usual(50, 20), .usual(50, 21)])
    #expect(striper.parts(of: 62_832).count == 2)
    striper.setBudget(.zero)
    #expect(striper.parts(of: 62_832) == [.init(path: 0, range: 0..<62_832)])
    striper.setBudget(Striper.mostBudget)
    #expect(striper.parts(of: 62_832).count == 2)
  }
}

@Suite struct `Busy paths` {
  /// A sender who commits up to the horizon, and paths that send what was committed at their rates: everybody works all
  /// the time, and what leaves together lands together.
  @Test(arguments: 0..<24) func `all work all the time, each as fast as it can`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let paths = (0..<Int(2 + random.below(3))).map { _ in
      Striper.Path.usual(Double(2 + random.below(1 << (2 + random.below(4)))), Int64(random.below(80)))
    }
    // Every datagram for itself, a few, or super-packets.
    let length = [1_428, 1_000, 5_000, 20_000, 62_000][Int(seed % 5)]
    var line = Line(paths)
    line.run(.seconds(3), segments: length)  // the quick ones run ahead
    line.carried = [Int](repeating: 0, count: paths.count)
    line.run(.seconds(12), segments: length)
    for (path, carried) in zip(paths, line.carried) {
      let share = Double(carried) * 8 / 12 / Double(path.rate.bitsPerSecond)
      #expect(share > 0.985 && share < 1.005, "seed \(seed), segments of \(length): \(share) of \(path)")
    }
  }

  /// What the other side has to hold: not the difference of the delays, but some datagrams of the slowest path.
  @Test(arguments: 0..<30) func `bring everything nearly in order, however unlike their delays are`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let paths = (0..<Int(2 + random.below(3))).map { _ in
      Striper.Path.usual(Double(4 + random.below(1 << (2 + random.below(5)))), Int64(random.below(200)))
    }
    var line = Line(paths)
    line.run(.seconds(5), segments: [1_428, 1_000, 5_000, 20_000, 62_000][Int(seed % 5)])
    let slowest = paths.map(\.rate).min() ?? Striper.leastRate
    let bound = slowest.time(toSend: ByteCount(1_428 * (2 + Striper.leastDatagrams))) + .milliseconds(1)
    let wait = Interval(nanoseconds: line.longestWait)
    #expect(
      wait <= bound, "seed \(seed): waits for \(wait.inMilliseconds) ms, \(bound.inMilliseconds) are right: \(paths)")
  }

  @Test(arguments: 0..<24) func `are never further ahead than the horizon, one segment and a part`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let paths = (0..<Int(2 + random.below(3))).map { _ in
      Striper.Path.usual(Double(2 + random.below(100)), Int64(random.below(80)))
    }
    var line = Line(paths)
    line.run(.seconds(4), segments: 20_000)
    let shore = Striper(paths)
    for (index, path) in paths.enumerated() {
      let most = shore.horizon(of: index) + 20_000 + Striper.leastDatagrams * path.payload
      #expect(line.mostQueued[index] <= most, "seed \(seed): \(line.mostQueued[index]) bytes wait for \(path)")
    }
  }
}

/// A sender with always something to send, and what the paths send of it every half millisecond.
private struct Line: ~Copyable {
  struct Waiting {
    var segment: Int
    var bytes: Int
  }

  let paths: [Striper.Path]
  var striper: Striper
  var queues: [[Waiting]]
  /// The first in each queue that was not sent, and how many bytes there are.
  private var heads: [Int]
  private var queued: [Int]
  var mostQueued: [Int]
  var carried: [Int]
  /// When the parts of each segment landed: the first of them, and the last, in nanoseconds.
  var landings: [(first: Int64, last: Int64)] = []
  private var now: Int64 = 0
  /// Bits × 1e9 that a path has had time for and not sent; negative while a datagram is on its way out.
  private var credit: [Int64]

  init(_ paths: [Striper.Path]) {
    self.paths = paths
    striper = Striper(paths)
    queues = paths.map { _ in [] }
    heads = paths.map { _ in 0 }
    queued = heads
    mostQueued = heads
    carried = heads
    credit = paths.map { _ in 0 }
  }

  mutating func run(_ time: Interval, segments length: Int) {
    let turn = Interval.microseconds(500).nanoseconds
    for _ in 0..<time.nanoseconds / turn {
      while striper.horizon > 0 { commit(length) }
      now += turn
      for index in paths.indices {
        credit[index] += Int64(paths[index].rate.bitsPerSecond) * turn
        while queued[index] > 0 && credit[index] >= 0 { sendDatagram(index) }
        // Time that nobody used is gone.
        if queued[index] == 0 { credit[index] = min(credit[index], 0) }
      }
    }
  }

  private mutating func commit(_ length: Int) {
    striper.split(length)
    while let part = striper.nextPart() {
      let index = Int(part.path)
      striper.committed(part.range.count, on: index)
      queues[index].append(Waiting(segment: landings.count, bytes: part.range.count))
      queued[index] += part.range.count
      mostQueued[index] = max(mostQueued[index], queued[index])
    }
    landings.append((.max, .min))
  }

  private mutating func sendDatagram(_ index: Int) {
    let bytes = min(paths[index].payload, queues[index][heads[index]].bytes)
    credit[index] -= Int64(bytes) * 8_000_000_000
    queues[index][heads[index]].bytes -= bytes
    queued[index] -= bytes
    carried[index] += bytes
    striper.sent(bytes, on: index)
    if queues[index][heads[index]].bytes > 0 { return }
    let landing = now - credit[index] / Int64(paths[index].rate.bitsPerSecond) + paths[index].delay.nanoseconds
    let segment = queues[index][heads[index]].segment
    landings[segment].first = min(landings[segment].first, landing)
    landings[segment].last = max(landings[segment].last, landing)
    heads[index] += 1
  }

  /// The longest that a part had to wait for the rest of its segment, and for those before it.
  var longestWait: Int64 {
    let unsent = queues.indices.compactMap { heads[$0] < queues[$0].count ? queues[$0][heads[$0]].segment : nil }
    var longest: Int64 = 0
    var released: Int64 = 0
    for landing in landings.prefix(unsent.min() ?? landings.count) {
      released = max(released, landing.last)
      longest = max(longest, released - landing.first)
    }
    return longest
  }
}

@Suite struct `A path that stands by` {
  @Test func `is in no segment, makes nobody wait, and carries what names it`() {
    var striper = Striper([.usual(50, 20), .usual(50, 20)])
    let before = Striper([.usual(50, 20)])
    var path = Striper.Path.usual(500, 0)
    path.standsBy = true
    striper.setPath(1, path)
    #expect(striper.usable == 0b01 && striper.horizon == before.horizon)
    #expect(striper.mostSegmentLength == before.mostSegmentLength)
    striper.split(60_000)
    while let part = striper.nextPart() { #expect(part.path == 0) }
    #expect(striper.single(1_000, as: .urgent, among: 0b01) == 0)
    #expect(striper.single(1_000, as: .urgent, among: 0b11) == 1)
    #expect(striper.single(1_000, as: .bulk, among: 0b10) == nil)
  }
}
