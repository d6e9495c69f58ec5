import Primitives
import Resequencer
import Simulation
import Testing

@Suite struct `What a set of paths costs` {
  let fibre = StripedPath(
    rate: BitRate(bitsPerSecond: 300_000_000), delay: .normal(mean: .milliseconds(10), deviation: .zero))
  let lte = StripedPath(
    rate: BitRate(bitsPerSecond: 80_000_000), delay: .normal(mean: .milliseconds(30), deviation: .milliseconds(5)))
  let part = ByteCount(1_400)

  @Test func `a steady fast path runs ahead by its rate times the difference of the delays`() throws {
    var steady = lte
    steady.delay = .normal(mean: .milliseconds(30), deviation: .zero)
    for behaviour in DelayBehaviour.allCases {
      let prediction = try ResequencingPrediction(paths: [fibre, steady], partSize: part, behaviour: behaviour)
      let ahead = 300e6 / 8 / 1_400 * 0.020
      #expect(abs(prediction.occupancy.mean / ahead - 1) < 0.01)
      // Only the fast path's parts wait, and each as long as the difference, give or take a slow path's part.
      #expect(abs(prediction.time(Double(prediction.addedDelay.quantile(0.99))).inMilliseconds - 20) < 0.2)
      #expect(abs(prediction.shares[0] - 300.0 / 380) < 0.005)
      #expect(prediction.overtaking.loss(bufferOf: Int(ahead) * 9 / 10) > 0.2)
      #expect(prediction.overtaking.loss(bufferOf: Int(ahead) * 11 / 10) == 0)
      let latency = prediction.origin + prediction.time(Double(prediction.latency.quantile(0.5)))
      #expect(abs(latency.inMilliseconds - 30) < 0.2)
    }
  }

  @Test func `equal paths need next to nothing, a faster third path needs more`() throws {
    func occupancy(of delays: [Int64]) throws -> Double {
      let paths = delays.map {
        StripedPath(
          rate: BitRate(bitsPerSecond: 50_000_000),
          delay: .normal(mean: .milliseconds($0), deviation: .milliseconds(2)))
      }
      return try ResequencingPrediction(paths: paths, partSize: ByteCount(14_000)).occupancy.mean
    }
    #expect(try occupancy(of: [20, 20]) < occupancy(of: [20, 25]))
    #expect(try occupancy(of: [20, 20, 20]) < occupancy(of: [20, 20, 10]))
    #expect(try occupancy(of: [20, 20, 20]) < occupancy(of: [20, 20, 40]))
  }

  @Test func `a delay that all paths have in common costs nothing`() throws {
    let near = try ResequencingPrediction(paths: [fibre, lte], partSize: part)
    var farFibre = fibre
    var farLTE = lte
    farFibre.delay = .normal(mean: .milliseconds(310), deviation: .zero)
    farLTE.delay = .normal(mean: .milliseconds(330), deviation: .milliseconds(5))
    let far = try ResequencingPrediction(paths: [farFibre, farLTE], partSize: part)
    #expect(near.occupancy == far.occupancy && near.addedDelay == far.addedDelay)
    #expect(far.origin - near.origin == .milliseconds(300))
  }

  @Test func `a histogram of a normal delay predicts what the normal delay does`() throws {
    // Ten thousand measurements in bins of 0.1 ms.
    var random = SeededRandom(seed: 5)
    var bins: [Int64: Int] = [:]
    for _ in 0..<10_000 { bins[Int64((300 + 50 * random.normal()).rounded()), default: 0] += 1 }
    let samples = bins.keys.sorted().map { DelayLaw.Sample(delay: .microseconds($0 * 100), count: bins[$0] ?? 0) }
    var measured = lte
    measured.delay = .measured(samples)
    let a = try ResequencingPrediction(paths: [fibre, lte], partSize: part)
    let b = try ResequencingPrediction(paths: [fibre, measured], partSize: part)
    #expect(abs(a.occupancy.mean / b.occupancy.mean - 1) < 0.02)
    #expect(abs(Double(a.occupancy.quantile(0.99)) / Double(b.occupancy.quantile(0.99)) - 1) < 0.03)
  }

  @Test(arguments: [1, 20, 333] as [UInt64], [7, 40, 1_000] as [UInt64])
  func `shares follow the rates within half a percent`(a: UInt64, b: UInt64) throws {
    let paths = [a, b].map {
      StripedPath(
        rate: BitRate(bitsPerSecond: $0 * 1_000_000),
        delay: .normal(mean: .milliseconds(1), deviation: .zero))
    }
    let prediction = try ResequencingPrediction(paths: paths, partSize: part)
    #expect(abs(prediction.shares[0] / (Double(a) / Double(a + b)) - 1) < 0.005)
  }

  @Test func `simulated lines with jitter need the buffer that was predicted`() throws {
    let rates: [UInt64] = [3_000_000, 1_000_000]
    let delays = [Interval.milliseconds(10), .milliseconds(30)]
    let jitters = [Interval.milliseconds(2), .milliseconds(6)]
    let prediction = try ResequencingPrediction(
      paths: rates.indices.map {
        StripedPath(
          rate: BitRate(bitsPerSecond: rates[$0]), delay: .normal(mean: delays[$0], deviation: jitters[$0]))
      }, partSize: part)
    let measured = measureLines(rates, delays, jitters, part, parts: 100_000)
    // The slower line's delay has some 4,500 independent values, so the mean is known to a percent.
    #expect(abs(measured.mean / prediction.occupancy.mean - 1) < 0.03)
    #expect(abs(measured.q99 - prediction.occupancy.quantile(0.99)) <= 1)
    #expect(abs(measured.waitSeconds / prediction.time(prediction.addedDelay.mean).inSeconds - 1) < 0.03)
  }

  @Test func `a set that cannot be computed is refused, with the reason`() throws {
    var nothing = lte
    nothing.delay = .measured([DelayLaw.Sample(delay: .milliseconds(5), count: 0)])
    #expect(throws: ResequencingPrediction.Refusal.nothingMeasured(path: 1)) {
      try ResequencingPrediction(paths: [fibre, nothing], partSize: part)
    }
    #expect(throws: ResequencingPrediction.Refusal.noPaths) { try ResequencingPrediction(paths: [], partSize: part) }
    #expect(throws: ResequencingPrediction.Refusal.tooManyPaths(9, limit: 8)) {
      try ResequencingPrediction(paths: Array(repeating: fibre, count: 9), partSize: part)
    }
    var slow = lte
    slow.rate = BitRate(bitsPerSecond: 100_000)
    guard case .shareTooSmall(path: 1, _)? = refusal(of: [fibre, slow], part) else {
      Issue.record("a share of a three-thousandth")
      return
    }
    guard case .tooManyPartsInFlight? = refusal(of: [fibre, lte], ByteCount(10)) else {
      Issue.record("a million parts of ten bytes")
      return
    }
  }

  private func refusal(of paths: [StripedPath], _ part: ByteCount) -> ResequencingPrediction.Refusal? {
    do {
      _ = try ResequencingPrediction(paths: paths, partSize: part)
      return nil
    } catch {
      return error
    }
  }
}

/// Sends evenly spaced parts over the simulator's lines and puts them in order.
private func measureLines(
  _ rates: [UInt64], _ delays: [Interval], _ jitters: [Interval], _ size: ByteCount, parts count: Int
) -> (mean: Double, q99: Int, waitSeconds: Double) {
  var sent: [(time: UInt64, path: Int)] = []
  let total = rates.reduce(0, +)
  for (path, rate) in rates.enumerated() {
    let spacing = UInt64(size.value) * 8 * 1_000_000_000 / rate
    for i in 0..<UInt64(count) * rate / total { sent.append((spacing / 2 + i * spacing, path)) }
  }
  sent.sort { ($0.time, $0.path) < ($1.time, $1.path) }

  var arrivals: [(time: UInt64, number: Int)] = []
  for path in rates.indices {
    var conditions = LinkConditions()
    conditions.delay = delays[path]
    conditions.jitter = jitters[path]
    var link = Link(conditions, random: SeededRandom(seed: 77).stream(number: UInt64(path)))
    for (number, part) in sent.enumerated() where part.path == path {
      _ = link.accept(slot: UInt32(number), length: size, at: Instant(nanoseconds: part.time))
      drain(&link, into: &arrivals)
    }
    link.expire(at: Instant(nanoseconds: (sent.last?.time ?? 0) + 10_000_000_000))
    drain(&link, into: &arrivals)
  }
  arrivals.sort { ($0.time, $0.number) < ($1.time, $1.number) }

  // How long the buffer held how many, and how long each part waited.
  var isThere = Array(repeating: false, count: sent.count)
  var next = 0
  var held = 0
  var before: UInt64 = 0
  var timeAt: [Double] = []
  for (time, number) in arrivals {
    while timeAt.count <= held { timeAt.append(0) }
    timeAt[held] += Double(time - before)
    before = time
    isThere[number] = true
    held += 1
    while next < sent.count, isThere[next] {
      next += 1
      held -= 1
    }
  }
  let sum = timeAt.reduce(0, +)
  var mean = 0.0
  for (parts, time) in timeAt.enumerated() { mean += Double(parts) * time / sum }
  var below = 0.0
  let q99 = timeAt.firstIndex { time in
    below += time / sum
    return below >= 0.99
  }
  return (mean, q99 ?? 0, mean * sum / 1e9 / Double(sent.count))
}

private func drain(_ link: inout Link, into arrivals: inout [(time: UInt64, number: Int)]) {
  while let outcome = link.nextOutcome() {
    if case .delivered(let slot, let due, _, _) = outcome { arrivals.append((due.nanoseconds, Int(slot))) }
  }
}
