import Primitives
import Simulation
import Testing
import Topology

@Suite struct `What always holds for a line` {
  @Test(arguments: 0..<1_000)
  func `every accepted packet comes out exactly once, whatever happens to the line`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let script = Script(&random)
    var link = Link(script.start, random: random.stream(named: "link"))
    var inside: Set<UInt32> = []
    func take(_ outcome: Link.Outcome) {
      #expect(inside.contains(outcome.slot), "seed \(seed): slot \(outcome.slot) came out and was not inside")
      if outcome.isLast { inside.remove(outcome.slot) }
    }
    for step in script.steps {
      if case .accept(let slot, let length) = step.input {
        if link.accept(slot: slot, length: length, at: step.time) == .queued { inside.insert(slot) }
      } else {
        step.input.apply(to: &link, at: step.time)
      }
      while let outcome = link.nextOutcome() { take(outcome) }
      #expect((link.deadline != nil) == !inside.isEmpty, "seed \(seed): something is held ⇔ there is a deadline")
      #expect(link.deadline.map { $0 > step.time } ?? true, "seed \(seed): drained, so nothing is due")
    }
    for outcome in link.drainToTheEnd() { take(outcome) }
    #expect(inside.isEmpty, "seed \(seed)")
    #expect(link.queued == .zero && link.inFlight == .zero, "seed \(seed)")
    let counters = link.counters
    #expect(
      counters.accepted == counters.delivered - counters.duplicated + counters.lostByChance + counters.cut,
      "seed \(seed)")
  }

  @Test(arguments: 0..<300)
  func `a line does not care how often it is looked at`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let script = Script(&random)
    let rarely = play(script, seed: seed) { _, _ in [] }
    let atEachDeadline = play(script, seed: seed) { deadline, _ in deadline.map { [$0] } ?? [] }
    let often = play(script, seed: seed) { _, now in [now + .microseconds(Int64(random.below(700)))] }
    #expect(rarely == atEachDeadline, "seed \(seed)")
    #expect(rarely == often, "seed \(seed)")
  }

  @Test(arguments: 0..<200)
  func `nothing comes out before its deadline, and something always does at one`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let script = Script(&random)
    var link = Link(script.start, random: random.stream(named: "link"))
    for step in script.steps {
      // With jitter a deadline is the earliest moment that is possible, so several may pass before something comes out.
      var wakes = 0
      while let next = link.deadline, next < step.time {
        if next.nanoseconds > 0 {
          link.expire(at: Instant(nanoseconds: next.nanoseconds - 1))
          #expect(link.nextOutcome() == nil, "seed \(seed)")
        }
        link.expire(at: next)
        wakes = link.drain().isEmpty ? wakes + 1 : 0
        #expect(wakes < 1_000, "seed \(seed): deadlines at which nothing happens")
        if wakes >= 1_000 { break }
      }
      step.input.apply(to: &link, at: step.time)
      _ = link.drain()
    }
  }

  @Test func `a line that goes down loses what it holds, takes nothing, and comes back empty`() {
    var link = Link(roomy(megabits(10)) { $0.delay = .milliseconds(10) }, random: SeededRandom(seed: 1))
    for slot in 0..<20 { _ = link.accept(slot: UInt32(slot), length: ByteCount(1_250), at: .zero) }
    // At 15 ms five have arrived, ten are in flight, five wait; that nobody fetched the five does not lose them.
    link.set(isDown: true, at: ms(15))
    let outcomes = link.drain()
    #expect(outcomes.map(\.slot) == Array(0..<20))
    #expect(outcomes.map(\.isDelivered) == Array(repeating: true, count: 5) + Array(repeating: false, count: 15))
    #expect(outcomes[5] == .lost(slot: 5, at: ms(15), reason: .cut))
    #expect(link.deadline == nil && link.queued == .zero && link.inFlight == .zero && link.isDown)
    #expect(link.accept(slot: 99, length: ByteCount(100), at: ms(16)) == .down)
    link.set(isDown: false, at: ms(20))
    #expect(link.accept(slot: 21, length: ByteCount(1_250), at: ms(20)) == .queued)
    #expect(link.drainToTheEnd().map(\.time) == [ms(31)])
    #expect(link.counters.cut == 15 && link.counters.down == 1)
  }

  @Test func `a delay that shrinks lets nobody overtake those who are on their way`() {
    var link = Link(conditions { $0.delay = .milliseconds(50) }, random: SeededRandom(seed: 1))
    for slot in 0..<3 as Range<UInt32> { _ = link.accept(slot: slot, length: ByteCount(100), at: ms(Int64(slot))) }
    link.change(to: conditions { $0.delay = .milliseconds(1) }, at: ms(10))
    _ = link.accept(slot: 3, length: ByteCount(100), at: ms(10))
    _ = link.accept(slot: 4, length: ByteCount(100), at: ms(52))
    var outcomes = link.drainToTheEnd()
    #expect(outcomes.map(\.slot) == [0, 1, 2, 3, 4])
    #expect(outcomes.map(\.time) == [ms(50), ms(51), ms(52), ms(52), ms(53)])
    // Where packets may overtake each other anyway, they do.
    link.change(
      to: conditions {
        $0.delay = .milliseconds(50)
        $0.reorders = true
      }, at: ms(60))
    _ = link.accept(slot: 5, length: ByteCount(100), at: ms(60))
    link.change(to: conditions { $0.reorders = true }, at: ms(61))
    _ = link.accept(slot: 6, length: ByteCount(100), at: ms(61))
    outcomes = link.drainToTheEnd()
    #expect(outcomes.map(\.slot) == [6, 5])
  }

  @Test func `a cut loses both copies of a duplicate, and its slot once`() {
    var link = Link(
      conditions {
        $0.delay = .milliseconds(10)
        $0.duplication = .always
      }, random: SeededRandom(seed: 1))
    _ = link.accept(slot: 3, length: ByteCount(100), at: .zero)
    link.set(isDown: true, at: ms(1))
    #expect(link.drain() == [.lost(slot: 3, at: ms(1), reason: .cut)])
    #expect(link.inFlight == .zero)
  }
}

/// A random life of a link: its first conditions, and what is done to it.
private struct Script {
  enum Input {
    case accept(slot: UInt32, length: ByteCount)
    case change(LinkConditions)
    case set(isDown: Bool)

    func apply(to link: inout Link, at now: Instant) {
      switch self {
      case .accept(let slot, let length): _ = link.accept(slot: slot, length: length, at: now)
      case .change(let conditions): link.change(to: conditions, at: now)
      case .set(let isDown): link.set(isDown: isDown, at: now)
      }
    }
  }

  var start: LinkConditions
  var steps: [(time: Instant, input: Input)] = []

  init(_ random: inout SeededRandom) {
    start = Script.randomConditions(&random)
    var now: UInt64 = 0
    for slot in 0..<UInt32(50 + random.below(200)) {
      if random.below(3) != 0 { now += random.below(1 << (10 + random.below(14))) }
      let time = Instant(nanoseconds: now)
      switch random.below(40) {
      case 0: steps.append((time, .set(isDown: true)))
      case 1, 2: steps.append((time, .set(isDown: false)))
      case 3, 4, 5: steps.append((time, .change(Script.randomConditions(&random))))
      default: steps.append((time, .accept(slot: slot, length: ByteCount(Int(60 + random.below(9_000))))))
      }
    }
  }

  static func randomConditions(_ random: inout SeededRandom) -> LinkConditions {
    let rate = BitRate(bitsPerSecond: 1 + random.below(1 << (16 + random.below(20))))
    let kind = random.below(5)
    let trace = randomTrace(&random)
    return conditions {
      $0.line = kind == 0 ? .unlimited : kind == 1 ? .trace(trace) : .fixed(rate)
      $0.delay = .microseconds(Int64(random.below(4) == 0 ? 0 : random.below(20_000)))
      if random.below(2) == 0 { $0.jitter = .microseconds(Int64(random.below(10_000))) }
      $0.reorders = random.below(3) == 0
      if random.below(2) == 0 { $0.loss = percent(Double(random.below(101))) }
      if random.below(2) == 0 { $0.burst = Int(1 + random.below(10)) }
      if random.below(3) == 0 { $0.duplication = percent(Double(random.below(101))) }
      if random.below(3) == 0 { $0.corruption = percent(Double(random.below(101))) }
      if random.below(2) == 0 { $0.queue = .bytes(ByteCount(Int(random.below(60_000)))) }
      if random.below(3) == 0 { $0.largestFrame = ByteCount(Int(590 + random.below(8_000))) }
    }
  }

  private static func randomTrace(_ random: inout SeededRandom) -> DeliveryTrace {
    var text = ""
    var time: UInt64 = 0
    for _ in 0..<(1 + random.below(30)) {
      time += random.below(8)
      text += "\(time)\n"
    }
    guard let trace = try? DeliveryTrace(parsing: Array("\(text)\(time + 1)\n".utf8)) else {
      preconditionFailure("a trace of the test is wrong")
    }
    return trace
  }
}

private enum Seen: Equatable {
  case verdict(Link.Verdict)
  case outcome(Link.Outcome)
}

/// Everything that a script makes a link say, when it is also looked at at the times that `looks` names after each
/// step.
private func play(_ script: Script, seed: UInt64, looks: (_ deadline: Instant?, _ now: Instant) -> [Instant]) -> [Seen]
{
  var link = Link(script.start, random: SeededRandom(seed: seed).stream(named: "link"))
  var verdicts: [Seen] = []
  var outcomes: [Seen] = []
  var now = Instant.zero
  for step in script.steps {
    while let look = looks(link.deadline, now).first, look < step.time {
      now = look
      link.expire(at: look)
      outcomes += link.drain().map { .outcome($0) }
    }
    now = step.time
    if case .accept(let slot, let length) = step.input {
      verdicts.append(.verdict(link.accept(slot: slot, length: length, at: now)))
    } else {
      step.input.apply(to: &link, at: now)
    }
    outcomes += link.drain().map { .outcome($0) }
  }
  return verdicts + outcomes + link.drainToTheEnd().map { .outcome($0) }
}
