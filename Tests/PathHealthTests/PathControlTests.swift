import PathHealth
import Primitives
import Simulation
import Testing
import Topology

//  What a path's controller does on lines of all kinds. Each test prints its figures as a row of the tables in
//  docs/benchmarks/path-control.md; `swift test -c release --filter PathControl` makes them again.

@Suite struct `How fast a path is used` {
  static let plain: [Case] = [
    Case("50 Mbit/s, 20 ms", .line(megabits(50), ms(20))),
    Case("300 Mbit/s, 8 ms", .line(megabits(300), ms(8))),
    Case("1 Gbit/s, 1 ms", .line(megabits(1_000), ms(1)), seconds: 6),
    Case("2 Mbit/s, 60 ms", .line(megabits(2), ms(60)), seconds: 22),
    Case("10 Gbit/s, 50 µs", .line(megabits(10_000), .microseconds(25)) { $0.datagram = 8_900 }, seconds: 3),
  ]

  @Test(arguments: plain) func `a plain line is filled within two seconds and its queue stays short`(line: Case) {
    let figures = line.measure()
    figures.print(line.name)
    #expect(figures.early >= 0.95, "\(line.name)")
    #expect(figures.long >= 0.97, "\(line.name)")
    #expect(figures.wait95 < 1.25, "\(line.name)")
    // Reports come every 5 ms: a probe lasts for two of them, however short the round trip.
    let short = max(0.5, 0.02 * 5 / line.setup.roundTripMilliseconds)
    #expect(figures.waitMean < short, "\(line.name)")
  }

  @Test(arguments: plain.dropLast()) func `the queue that the startup makes is bounded and drained`(line: Case) {
    var setup = line.setup
    setup.conditions.queue = .bytes(ByteCount(1 << 30))
    var rig = PathRig(setup)
    rig.run(until: .zero + ms(5_000))
    let most = rig.queueMost.inMilliseconds / setup.roundTripMilliseconds
    var line = "| startup of \(line.name), endless buffer | most \(rounded(most)) round trips |"
    rig.resetQueue()
    rig.run(until: .zero + ms(5_500))
    line += " later, in the mean, \(rounded(rig.queueMean.inMilliseconds / setup.roundTripMilliseconds)) |"
    print(line)
    // Two round trips at twice the rate, and what is sent between two reports.
    #expect(most < 2.5 + 2 * 5 / setup.roundTripMilliseconds)
    #expect(rig.queueMean.inMilliseconds / setup.roundTripMilliseconds < 0.6)
  }

  static let rough: [Case] = [
    Case("loss 0.5 %", deep { $0.conditions.loss = percent(0.5) }),
    Case("loss 2 %", deep { $0.conditions.loss = percent(2) }),
    Case(
      "loss 2 % in bursts of 8",
      deep {
        $0.conditions.loss = percent(2); $0.conditions.burst = 8
      }),
    Case("loss 2 %, 300 Mbit/s, 8 ms", .line(megabits(300), ms(8)) { $0.conditions.loss = percent(2) }),
    Case("jitter ±5 ms", deep { $0.conditions.jitter = ms(5) }, least: 0.95, queue: 2),
    Case(
      "jitter ±5 ms, reordering",
      deep {
        $0.conditions.jitter = ms(5); $0.conditions.reorders = true
      }),
    Case("jitter ±20 ms", deep { $0.conditions.jitter = ms(20) }, least: 0.93, queue: 2.5),
    Case(
      "jitter ±20 ms, reordering",
      deep {
        $0.conditions.jitter = ms(20); $0.conditions.reorders = true
      }, least: 0.93),
    Case(
      "jitter ±20 ms both ways",
      deep {
        $0.conditions.jitter = ms(20); $0.wayBack.jitter = ms(20)
      }, least: 0.85,
      queue: 2.5),
    Case(
      "40 Mbit/s, 30 ±5 ms, 0.5 %",
      .line(megabits(40), ms(30)) {
        $0.conditions.jitter = ms(5)
        $0.conditions.loss = percent(0.5)
      }, least: 0.93),
    Case(
      "100 Mbit/s, 50 ±25 ms, 1 %",
      .line(megabits(100), ms(50)) {
        $0.conditions.jitter = ms(25)
        $0.conditions.loss = percent(1)
      }, least: 0.85),
    Case(
      "20 Mbit/s, 30 ±10 ms, 2 %",
      .line(megabits(20), ms(30)) {
        $0.conditions.jitter = ms(10)
        $0.conditions.loss = percent(2)
      }, least: 0.9),
  ]

  /// 50 Mbit/s and 20 ms with a buffer of ten round trips: nothing but the controller keeps the queue short.
  static func deep(_ describe: (inout PathRig.Setup) -> Void) -> PathRig.Setup {
    .line(megabits(50), ms(20)) {
      $0.conditions.queue = .time(ms(400))
      describe(&$0)
    }
  }

  @Test(arguments: rough) func `chance and weather cost a few per cent`(line: Case) {
    var figures: [Figures] = []
    for seed in 1...4 as ClosedRange<UInt64> { figures.append(line.measure(seed: seed)) }
    let mean = Figures(meanOf: figures)
    mean.print(line.name + ", 4 seeds")
    #expect(mean.long >= line.least, "\(line.name), seeds 1 to 4")
    #expect(mean.wait95 < line.queue, "\(line.name), seeds 1 to 4")
  }

  @Test func `a token bucket with 100 ms of credit does not fool it`() {
    for delay in [ms(20), ms(5)] {
      let rate = megabits(50)
      var bucket = TokenBucket(rate: rate, credit: ms(100))
      var rig = PathRig(.line(rate, delay) { $0.conditions.queue = .bytes(ByteCount(250_000)) })
      rig.scriptPeriod = .microseconds(500)
      rig.run(until: .zero + ms(2_000)) { bucket.fill(&$0) }
      rig.resetQueue()
      let before = rig.flows[0].delivered
      rig.run(until: .zero + ms(12_000)) { bucket.fill(&$0) }
      let figures = Figures(rig, early: 1, long: rig.share(of: rate, since: before, in: ms(10_000)))
      figures.print("token bucket, 100 ms of credit, \(Int(delay.inMilliseconds)) ms")
      #expect(figures.long >= 0.97)
    }
  }

  @Test func `a radio's rate that jumps every 20 to 100 ms is followed`() {
    var figures: [Figures] = []
    for seed in 1...3 as ClosedRange<UInt64> {
      var radio = Radio(mean: 40e6, seed: seed)
      var rig = PathRig(.line(megabits(40), ms(30), seed: seed))
      rig.run(until: .zero + ms(2_000)) { radio.change(&$0) }
      rig.resetQueue()
      let before = rig.flows[0].delivered
      let offered = radio.offered
      rig.run(until: .zero + ms(17_000)) { radio.change(&$0) }
      let share = Double(rig.flows[0].delivered - before) / (radio.offered - offered) / rig.payloadShare
      figures.append(Figures(rig, early: 1, long: share))
    }
    let mean = Figures(meanOf: figures)
    mean.print("radio, 10 to 70 Mbit/s, 30 ms, 3 seeds")
    #expect(mean.long >= 0.85, "seeds 1 to 3")
    #expect(mean.standing95 < 1.25, "seeds 1 to 3")
  }

  @Test(arguments: [(50, 5, 20), (5, 50, 20), (1_000, 100, 5), (100, 1_000, 5), (50, 5, 60), (5, 50, 60)])
  func `a rate that falls to a tenth or grows tenfold is followed within two seconds`(from: Int, to: Int, delay: Int) {
    let rate = megabits(UInt64(to))
    var rig = PathRig(.line(megabits(UInt64(from)), ms(Int64(delay))))
    rig.run(until: .zero + ms(5_000))
    rig.setRate(rate)
    var reached: Int64?
    for step in 1...16 as ClosedRange<Int64> {
      let before = rig.flows[0].delivered
      if step == 13 { rig.resetQueue() }
      rig.run(until: .zero + ms(5_000 + 250 * step))
      let share = rig.share(of: rate, since: before, in: ms(250))
      let estimate = Double(rig.flows[0].controller.rate.bitsPerSecond) / Double(rate.bitsPerSecond)
      if share < 0.9 || share > 1.1 || estimate > 1.2 { reached = nil } else if reached == nil { reached = 250 * step }
    }
    let wait = rounded(rig.queueMean.inMilliseconds / (2 * Double(delay)))
    let name = "\(from) → \(to) Mbit/s, \(delay) ms"
    print("| \(name) | follows after \(reached.map { "\($0 - 250) to \($0)" } ?? "—") ms | queue \(wait) round trips |")
    #expect(reached ?? .max <= 2_000, "\(name)")
  }
}

@Suite struct `What a path's controller does with others and with nobody` {
  @Test func `two controllers share a line, and a late one gets its part`() {
    for delay in [ms(20), ms(5)] {
      for isLate in [false, true] {
        var rig = PathRig(.line(megabits(50), delay) { $0.flows = 2 })
        rig.flows[1].wants = !isLate
        if isLate { rig.run(until: .zero + ms(3_000)) }
        rig.flows[1].wants = true
        let start = rig.now
        rig.run(until: start + ms(5_000))
        let before = rig.flows.map(\.delivered)
        rig.resetQueue()
        rig.run(until: start + ms(35_000))
        let shares = rig.flows.indices.map { rig.share(of: megabits(50), since: before[$0], in: ms(30_000), flow: $0) }
        let wait = rounded(rig.queueMean.inMilliseconds / rig.roundTrip.inMilliseconds)
        print(
          "| two on 50 Mbit/s, \(Int(delay.inMilliseconds)) ms\(isLate ? ", one later" : "")"
            + " | \(rounded(shares[0])) and \(rounded(shares[1])) | queue \(wait) round trips |")
        #expect(min(shares[0], shares[1]) > max(shares[0], shares[1]) / 3)
        #expect(shares[0] + shares[1] > 0.95)
      }
    }
  }

  @Test func `beside a TCP it neither starves nor takes it all`() {
    for (rate, delay) in [(megabits(50), ms(20)), (megabits(100), ms(5)), (megabits(20), ms(60))] {
      var rig = PathRig(.line(rate, delay) { $0.withRival = true })
      rig.run(until: .zero + ms(60_000))
      let ours = rig.share(of: rate, since: 0, in: ms(60_000))
      let theirs = Double(rig.rivalReceived) / rig.capacity(rate, in: ms(60_000))
      print(
        "| beside AIMD, \(rate.bitsPerSecond / 1_000_000) Mbit/s, \(Int(delay.inMilliseconds)) ms"
          + " | ours \(rounded(ours)), its \(rounded(theirs)) |")
      #expect(ours > 0.25 && ours / (ours + theirs) < 0.77)
      #expect(theirs > 0.15)
    }
  }

  @Test func `an application with little to say neither lowers nor freezes the estimate`() {
    let rate = megabits(50)
    var rig = PathRig(.line(rate, ms(20)) { $0.application = megabits(10) })
    rig.run(until: .zero + ms(5_000))
    let slow = rig.share(of: rate, since: 0, in: ms(5_000))
    #expect(slow > 0.19, "ten of fifty Mbit/s were asked for")
    #expect(!rig.flows[0].controller.isFull)

    // It wants more, and gets it.
    rig.setup.application = nil
    rig.run(until: .zero + ms(6_000))
    var before = rig.flows[0].delivered
    rig.run(until: .zero + ms(7_000))
    let full = rig.share(of: rate, since: before, in: ms(1_000))
    #expect(full > 0.95)

    // Ten seconds of little, and forty of nothing, and the rate is still known.
    rig.setup.application = megabits(10)
    rig.run(until: .zero + ms(17_000))
    #expect(rig.flows[0].controller.rate > megabits(45))
    rig.flows[0].wants = false
    rig.run(until: .zero + ms(57_000))
    #expect(rig.flows[0].controller.rate > megabits(45))
    #expect(rig.flows[0].controller.deadline == nil)
    rig.flows[0].wants = true
    rig.setup.application = nil
    rig.resetQueue()
    rig.run(until: .zero + ms(57_100))
    before = rig.flows[0].delivered
    rig.run(until: .zero + ms(57_600))
    let again = rig.share(of: rate, since: before, in: ms(500))
    print("| 10 of 50 Mbit/s, then all | \(rounded(full)) | after 40 s of nothing, from 100 ms on, \(rounded(again)) |")
    #expect(again > 0.95)
    #expect(rig.queueMost < ms(50))
  }

  @Test func `a line that was dead for three seconds is used again in two round trips`() {
    for (rate, delay) in [(megabits(50), ms(20)), (megabits(300), ms(5))] {
      var rig = PathRig(.line(rate, delay))
      rig.run(until: .zero + ms(5_000))
      rig.link.set(isDown: true, at: rig.now)
      rig.run(until: .zero + ms(8_000))
      #expect(rig.flows[0].controller.state == .silent)
      #expect(rig.flows[0].controller.why == .hearsNothing)
      rig.link.set(isDown: false, at: rig.now)
      let silent = rig.flows[0].lastHeard
      while rig.flows[0].lastHeard == silent { rig.run(until: rig.now + ms(1)) }
      let heard = rig.now
      // A datagram that leaves at the sign of life arrives half a round trip later.
      rig.run(until: heard + rig.roundTrip / 2)
      let before = rig.flows[0].delivered
      rig.run(until: heard + rig.roundTrip / 2 + rig.roundTrip * 2)
      let share = rig.share(of: rate, since: before, in: rig.roundTrip * 2)
      print(
        "| dead for 3 s, \(Int(delay.inMilliseconds)) ms | the two round trips after the first sign \(rounded(share)) |"
      )
      #expect(share > 0.9)
    }
  }

  @Test func `a sender that is slower than the path is never held up`() {
    var rig = PathRig(
      .line(megabits(8_000), .microseconds(30)) {
        $0.conditions.line = .unlimited
        $0.datagram = 8_900
        $0.application = megabits(8_000)
      })
    rig.run(until: .zero + ms(500))
    let before = rig.flows[0].delivered
    rig.run(until: .zero + ms(1_500))
    let share = Double(rig.flows[0].delivered - before) / 1e9
    print("| 8 Gbit/s over a line without a rate, 60 µs | \(rounded(share)) of what it has | paced at ", terminator: "")
    print("\(rig.flows[0].controller.pacingRate.bitsPerSecond / 1_000_000) Mbit/s |")
    #expect(share > 0.999)
    #expect(rig.flows[0].controller.pacingRate > megabits(12_000))
    #expect(!rig.flows[0].controller.isFull)
  }

  @Test func `a configured limit is an upper bound and nothing else`() {
    for (limit, expected) in [(megabits(20), 0.4), (megabits(100), 0.998)] {
      var rig = PathRig(.line(megabits(50), ms(20)) { $0.limit = limit })
      rig.run(until: .zero + ms(2_000))
      let before = rig.flows[0].delivered
      rig.run(until: .zero + ms(6_000))
      // A limit counts UDP payload, a line whole frames.
      let share = rig.share(of: megabits(50), since: before, in: ms(4_000))
      print("| limit of \(limit.bitsPerSecond / 1_000_000) on 50 Mbit/s | \(rounded(share)) |")
      #expect(share > expected * 0.97 && share < expected * 1.04)
      #expect(rig.flows[0].controller.rate <= limit && rig.flows[0].controller.pacingRate <= limit)
    }
  }

  @Test func `a path that is full stays full in the eyes of whoever waits for that`() {
    // Through cruises, probes and what follows them: a second path that joins when this one is full must not flap.
    var rig = PathRig(.line(megabits(50), ms(20)))
    rig.run(until: .zero + ms(2_000))
    var notFull = 0
    for _ in 0..<800 {
      rig.run(until: rig.now + ms(10))
      if !rig.flows[0].controller.isFull { notFull += 1 }
    }
    #expect(notFull == 0)
  }

  @Test func `a way that becomes longer is found out`() {
    var rig = PathRig(.line(megabits(50), ms(10)))
    rig.run(until: .zero + ms(5_000))
    rig.link.change(to: conditions(rig.link.conditions) { $0.delay = ms(70) }, at: rig.now)
    rig.run(until: .zero + ms(10_000))
    let before = rig.flows[0].delivered
    rig.run(until: .zero + ms(12_000))
    let share = rig.share(of: megabits(50), since: before, in: ms(2_000))
    print("| the way grows from 20 to 80 ms | five seconds later \(rounded(share)) |")
    #expect(share > 0.9)
    #expect(rig.flows[0].controller.leastRoundTrip > ms(75))
  }
}

// MARK: Helpers

struct Case: CustomTestStringConvertible, Sendable {
  var name: String
  var setup: PathRig.Setup
  var seconds: Int64
  var least: Double
  var queue: Double

  init(_ name: String, _ setup: PathRig.Setup, seconds: Int64 = 12, least: Double = 0.96, queue: Double = 1.25) {
    self.name = name
    self.setup = setup
    self.seconds = seconds
    self.least = least
    self.queue = queue
  }

  var testDescription: String { name }

  /// From the second second on; `early` is the first half second of that.
  func measure(seed: UInt64 = 1) -> Figures {
    var setup = setup
    setup.seed = seed
    guard let rate = setup.conditions.line.rate else { preconditionFailure("a line to fill has a rate") }
    let kept = 1 - setup.conditions.loss.fraction
    var rig = PathRig(setup)
    rig.run(until: .zero + ms(2_000))
    let before = rig.flows[0].delivered
    rig.resetQueue()
    rig.run(until: .zero + ms(2_500))
    let early = rig.share(of: rate, since: before, in: ms(500)) / kept
    rig.run(until: .zero + ms(seconds * 1_000))
    let long = rig.share(of: rate, since: before, in: ms((seconds - 2) * 1_000)) / kept
    return Figures(rig, early: early, long: long)
  }
}

/// Shares of what the line could carry, and waiting times in round trips.
struct Figures {
  var early: Double
  var long: Double
  var waitMean: Double
  var wait95: Double
  var standing95: Double

  init(_ rig: borrowing PathRig, early: Double, long: Double) {
    self.early = early
    self.long = long
    waitMean = rig.queueMean.inMilliseconds / rig.roundTrip.inMilliseconds
    wait95 = rig.queueQuantile(0.95)
    standing95 = rig.standingQuantile(0.95)
  }

  init(meanOf all: [Figures]) {
    func mean(_ value: (Figures) -> Double) -> Double { all.map(value).reduce(0, +) / Double(all.count) }
    early = mean(\.early)
    long = mean(\.long)
    waitMean = mean(\.waitMean)
    wait95 = mean(\.wait95)
    standing95 = mean(\.standing95)
  }

  func print(_ name: String) {
    Swift.print(
      "| \(name) | \(rounded(early)) | \(rounded(long)) | \(rounded(waitMean)) | \(rounded(wait95))"
        + " | \(rounded(standing95)) |")
  }
}

/// A shaper that lets a burst through at ten times its rate as long as it has credit.
struct TokenBucket {
  let rate: BitRate
  let depth: Double
  var tokens: Double
  var carried: UInt64 = 0
  var last = Instant.zero

  init(rate: BitRate, credit: Interval) {
    self.rate = rate
    depth = Double(rate.bytes(in: credit).value)
    tokens = depth
  }

  mutating func fill(_ rig: inout PathRig) {
    let all = rig.link.counters.carriedBytes
    let earned = Double(rate.bitsPerSecond) / 8 * (rig.now - last).inSeconds
    tokens = min(depth, tokens + earned - Double(all - carried))
    carried = all
    last = rig.now
    rig.setRate(tokens > 0 ? BitRate(bitsPerSecond: rate.bitsPerSecond * 10) : rate)
  }
}

/// A rate between a quarter and 1¾ of its mean, new every 20 to 100 ms.
struct Radio {
  let mean: Double
  var random: SeededRandom
  var rate: Double
  /// Bytes that it could have carried.
  var offered = 0.0
  var last = Instant.zero

  init(mean: Double, seed: UInt64) {
    self.mean = mean
    rate = mean
    random = SeededRandom(seed: seed).stream(named: "radio")
  }

  mutating func change(_ rig: inout PathRig) {
    offered += rate / 8 * (rig.now - last).inSeconds
    last = rig.now
    rate = mean * (0.25 + 1.5 * random.unit())
    rig.setRate(BitRate(bitsPerSecond: UInt64(rate)))
    rig.scriptPeriod = ms(20 + Int64(random.below(80)))
  }
}

private func ms(_ milliseconds: Int64) -> Interval { .milliseconds(milliseconds) }

private func megabits(_ n: UInt64) -> BitRate { BitRate(bitsPerSecond: n * 1_000_000) }

private func percent(_ p: Double) -> Probability { Probability(partsPerBillion: UInt32((p * 1e7).rounded())) }

private func rounded(_ x: Double) -> Double { (x * 1_000).rounded() / 1_000 }

private func conditions(_ old: LinkConditions, _ change: (inout LinkConditions) -> Void) -> LinkConditions {
  var new = old
  change(&new)
  return new
}
