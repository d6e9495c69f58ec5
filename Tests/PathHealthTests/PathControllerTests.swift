import PathHealth
import Primitives
import Testing

@Suite struct `What a controller answers` {
  @Test(arguments: 1...30 as ClosedRange<UInt64>)
  func `no report makes it trap or leave its bounds`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let limit = random.below(2) == 0 ? BitRate(bitsPerSecond: 30_000_000) : nil
    var controller = PathController(limit: limit, at: .zero)
    var now = Instant.zero
    for _ in 0..<2_000 {
      now += .nanoseconds(Int64(random.below(20_000_000)))
      switch random.below(8) {
      case 0: controller.timedOut(at: now)
      case 1: controller.expire(at: now)
      case 2: controller.sent(bytes: wild(&random), inFlight: wild(&random), at: now)
      default: controller.receive(anything(&random, at: now), at: now)
      }
      #expect(controller.window >= 3_000 && controller.window <= 1 << 41, "seed \(seed)")
      #expect(controller.rate <= limit ?? .maximum && controller.pacingRate <= limit ?? .maximum, "seed \(seed)")
      #expect(controller.leastRoundTrip >= .zero, "seed \(seed)")
      #expect(controller.standingQueue(inFlight: wild(&random), at: now) >= .zero, "seed \(seed)")
      #expect(controller.lossAtRest >= 0 && controller.lossAtRest <= 0.3, "seed \(seed)")
      #expect((controller.deadline != nil) == (controller.state == .probeRoundTrip), "seed \(seed)")
    }
    #expect(controller.counters.implausible > 0)
  }

  @Test func `marks end a probe and shrink the window before anything is lost`() {
    var path = Marking()
    path.run(4_000)
    let window = path.controller.window
    path.share = 1
    // The next probe begins within a second.
    path.run(1_100)
    #expect(path.controller.window < window)
    #expect(path.sawMarkedProbe)
    path.share = 0
    path.run(4_000)
    #expect(path.controller.window * 10 > window * 9)
  }

  @Test func `silence leaves two datagrams at a time, and the rate is remembered`() {
    var path = Marking()
    path.run(2_000)
    let rate = path.controller.rate
    path.controller.timedOut(at: path.now)
    #expect(path.controller.state == .silent)
    #expect(path.controller.window == 3_000)
    path.run(1)
    #expect(path.controller.why == .cameBack)
    #expect(path.controller.rate == rate)
  }

  @Test func `each state has a word and each reason a sentence`() {
    #expect(Set(PathController.State.allCases.map(\.word)).count == PathController.State.allCases.count)
    #expect(Set(PathController.Reason.allCases.map(\.sentence)).count == PathController.Reason.allCases.count)
  }

  @Test func `a thousand idle paths cost what they hold, and nothing else`() {
    #expect(MemoryLayout<PathController>.size < 1_024)
    #expect(MemoryLayout<Pacer>.size <= 40)
    func isPlain<T: BitwiseCopyable>(_: T.Type) -> Bool { true }
    #expect(isPlain(PathController.self) && isPlain(Pacer.self) && isPlain(DeliverySample.self))
    #expect(PathController(limit: nil, at: .zero).deadline == nil)
  }
}

@Suite struct `A path before its first flow` {
  @Test func `is good for a first window in a round trip, whatever pings have shown`() {
    var controller = PathController(limit: nil, at: .zero)
    var now = Instant.zero
    // A ping each second: 100 bytes in a round trip of 40 ms are no measure of what the path carries.
    for _ in 0..<30 {
      now += .seconds(1)
      controller.sent(bytes: 100, inFlight: 100, at: now)
      var sample = DeliverySample()
      sample.roundTrip = .milliseconds(40)
      sample.forwardDelay = .milliseconds(20)
      sample.delivered = 100
      sample.receivedBytes = 100
      sample.receivedTime = .seconds(1)
      sample.priorSent = now
      sample.isAppLimited = true
      now += .milliseconds(40)
      controller.receive(sample, at: now)
    }
    // Sixteen datagrams of 1,400 bytes in 40 ms.
    #expect(controller.state == .startup)
    #expect(controller.rate >= BitRate(bitsPerSecond: 4_400_000))
    #expect(controller.window >= 16 * 1_400)
  }
}

@Suite struct `A sender of bursts that has no more to send` {
  @Test func `ends the startup when much of them is lost: the line was full each time`() {
    #expect(after(lost: 0.3) != .startup)
  }

  @Test(arguments: [0, 0.05]) func `goes on looking while they arrive, but for what chance takes`(lost: Double) {
    #expect(after(lost: lost) == .startup)
  }

  /// Twenty bursts of 100 datagrams, one each round trip of 50 ms.
  private func after(lost share: Double) -> PathController.State {
    var controller = PathController(limit: nil, at: .zero)
    var now = Instant.zero
    for _ in 0..<20 {
      let sent = now + .milliseconds(50)
      controller.sent(bytes: 100 * 1_452, inFlight: 100 * 1_452, at: sent)
      // Five reports of twenty datagrams, 5 ms apart; the sender's part took half of that.
      for part in 0..<5 {
        now = sent + .milliseconds(50 + 5 * Int64(part))
        var sample = DeliverySample()
        sample.roundTrip = .milliseconds(50)
        sample.forwardDelay = .milliseconds(25)
        sample.lostDatagrams = Int(20 * share)
        sample.lost = sample.lostDatagrams * 1_452
        sample.delivered = 20 * 1_452 - sample.lost
        sample.receivedBytes = sample.delivered
        sample.receivedTime = .milliseconds(5)
        sample.inFlight = (4 - part) * 20 * 1_452
        sample.priorSent = sent + .microseconds(2_500 * Int64(part))
        sample.isAppLimited = true
        controller.receive(sample, at: now)
      }
    }
    return controller.state
  }
}

/// A path of 8 Mbit/s and 20 ms with an endless buffer, as a fluid: a report each millisecond.
private struct Marking {
  var controller = PathController(limit: nil, at: .zero)
  var now = Instant.zero
  /// Of marked datagrams.
  var share = 0.0
  var sawMarkedProbe = false
  private var queued = 0.0
  private var inFlight = 0.0
  /// Bytes, and how long they waited, that will be reported in 1, 2, … 20 ms.
  private var underWay: [(bytes: Double, wait: Double)] = Array(repeating: (0, 0), count: 20)

  mutating func run(_ milliseconds: Int) {
    for _ in 0..<milliseconds {
      now += .milliseconds(1)
      let paced = Double(controller.pacingRate.bitsPerSecond) / 8_000
      let sent = max(0, min(paced, Double(controller.window) - inFlight))
      inFlight += sent
      queued += sent
      controller.sent(bytes: Int(sent), inFlight: Int(inFlight), at: now)
      underWay.append((min(queued, 1_000), max(0, queued - 1_000) / 1_000))
      queued = max(0, queued - 1_000)
      let arrived = underWay.removeFirst()
      if arrived.bytes == 0 { continue }
      inFlight -= arrived.bytes
      let trip = Interval.nanoseconds(20_000_000 + Int64(arrived.wait * 1e6))
      var sample = DeliverySample()
      sample.roundTrip = trip
      sample.forwardDelay = trip - .milliseconds(10)
      sample.delivered = Int(arrived.bytes)
      sample.receivedBytes = Int(arrived.bytes)
      sample.receivedTime = .milliseconds(1)
      sample.inFlight = Int(inFlight)
      sample.marked = share > 0 ? 1 : 0
      sample.priorSent = now - min(trip, now - .zero)
      controller.receive(sample, at: now)
      if controller.state == .down && controller.why == .wasMarked { sawMarkedProbe = true }
    }
  }
}

/// Any number at all, small ones as often as large ones.
private func wild(_ random: inout SeededRandom) -> Int {
  let value = Int(truncatingIfNeeded: random.next() >> random.below(64))
  return random.below(4) == 0 ? -value : value
}

private func anything(_ random: inout SeededRandom, at now: Instant) -> DeliverySample {
  var sample = DeliverySample()
  sample.roundTrip = .nanoseconds(Int64(wild(&random)))
  sample.forwardDelay = .nanoseconds(Int64(wild(&random)))
  sample.delivered = wild(&random)
  sample.lost = wild(&random)
  sample.lostDatagrams = wild(&random)
  sample.marked = wild(&random)
  sample.inFlight = wild(&random)
  sample.receivedBytes = wild(&random)
  sample.receivedTime = .nanoseconds(Int64(wild(&random)))
  sample.priorDelivered = random.next()
  sample.priorSent =
    random.below(2) == 0 ? now - min(now - .zero, .milliseconds(30)) : Instant(nanoseconds: random.next())
  sample.isAppLimited = random.below(2) == 0
  return sample
}
