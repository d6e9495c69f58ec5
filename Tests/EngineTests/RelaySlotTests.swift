import Primitives
import Testing

@testable import Engine

@Suite struct `A socket for a way over a relay` {
  private static func greeted(at now: Instant) -> RelaySlot {
    var slot = RelaySlot()
    slot.assign(peer: 3, relay: 7, at: now)
    slot.relayAnswers(at: now)
    return slot
  }

  @Test func `wants nothing before it serves somebody`() {
    var slot = RelaySlot()
    #expect(slot.isFree && slot.deadline == nil)
    #expect(slot.expire(at: .zero + .seconds(100)) == .wait)
    // And nothing before its relay answers.
    slot.assign(peer: 3, relay: 7, at: .zero)
    #expect(slot.deadline == nil && slot.peer == 3 && slot.relay == 7)
  }

  @Test func `asks at once when the relay answers, and less and less often while nobody does`() {
    var slot = Self.greeted(at: .zero)
    var asked: [Interval] = []
    for _ in 0..<8 {
      guard let due = slot.deadline else { return #expect(Bool(false), "it gave up") }
      #expect(slot.expire(at: due) == .ask(address: 0))
      asked.append(due - .zero)
    }
    #expect(asked[0] == .zero && asked[1] == RelaySlot.firstPause)
    let pauses = zip(asked, asked.dropFirst()).map { $1 - $0 }
    #expect(zip(pauses, pauses.dropFirst()).allSatisfy { $0 <= $1 } && pauses.last == RelaySlot.lastPause)
  }

  @Test func `asks again at half of the lease, however long the relay grants`() {
    for (granted, expected) in [(120, 60), (40, 20), (100_000, 60)] as [(Int64, Int64)] {
      var slot = Self.greeted(at: .zero)
      _ = slot.expire(at: .zero)
      slot.granted(for: .seconds(granted), at: .zero)
      slot.pathIsUp()
      #expect(slot.state == .bound && slot.deadline == .zero + .seconds(expected))
      #expect(slot.expire(at: .zero + .seconds(expected)) == .ask(address: 0))
      #expect(slot.state == .bound)
    }
  }

  @Test func `tries the peer's next address when nothing comes over one`() {
    var slot = Self.greeted(at: .zero)
    _ = slot.expire(at: .zero)
    slot.granted(for: .seconds(120), at: .zero)
    let end = Instant.zero + RelaySlot.leastTrial
    #expect(slot.deadline == end)
    #expect(slot.expire(at: end) == .ask(address: 1))
    slot.granted(for: .seconds(120), at: end)
    slot.pathIsUp()
    // Months later it goes down for good: the next one again.
    let down = end + .seconds(10)
    slot.pathIsDown(at: down)
    #expect(slot.expire(at: down) == .ask(address: 1))
    slot.pathIsDown(at: down + .milliseconds(1))
    #expect(slot.expire(at: down + .milliseconds(1)) == .wait)
    slot.granted(for: .seconds(120), at: down + .milliseconds(50))
    #expect(slot.expire(at: down + RelaySlot.leastTrial) == .ask(address: 2))
  }

  @Test func `waits for the relay when it falls silent, and asks anew when it is back`() {
    var slot = Self.greeted(at: .zero)
    _ = slot.expire(at: .zero)
    slot.granted(for: .seconds(120), at: .zero)
    slot.relayIsSilent()
    #expect(slot.state == .greeting && slot.deadline == nil)
    slot.relayAnswers(at: .zero + .seconds(5))
    #expect(slot.expire(at: .zero + .seconds(5)) == .ask(address: 0))
  }

  @Test func `lets a relay alone for a while that refuses`() {
    var slot = Self.greeted(at: .zero)
    _ = slot.expire(at: .zero)
    slot.refused(at: .zero)
    #expect(slot.state == .refused && slot.deadline == .zero + RelaySlot.refusedFor)
    slot.relayIsSilent()
    slot.granted(for: .seconds(120), at: .zero)
    #expect(slot.state == .refused)
    #expect(slot.expire(at: .zero + RelaySlot.refusedFor) == .ask(address: 0))
    #expect(slot.state == .asking)
  }

  @Test(arguments: 0..<100 as Range<UInt64>)
  func `whatever happens in any order, it asks no more often than it may`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var slot = RelaySlot()
    var now = Instant.zero
    var asked: [Instant] = []
    for _ in 0..<500 {
      now += .milliseconds(Int64(random.below(400)))
      switch random.below(8) {
      case 0: if slot.isFree { slot.assign(peer: 0, relay: 1, at: now) }
      case 1: slot.relayAnswers(at: now)
      case 2: if random.below(5) == 0 { slot.relayIsSilent() }
      case 3: slot.granted(for: .milliseconds(Int64(random.below(200_000))), at: now)
      case 4: if random.below(5) == 0 { slot.refused(at: now) }
      case 5: slot.pathIsUp()
      case 6: slot.pathIsDown(at: now)
      default: if random.below(20) == 0 { slot.release() }
      }
      if slot.isFree { #expect(slot.deadline == nil, "seed \(seed)") }
      while let due = slot.deadline, due <= now {
        if slot.expire(at: now) != .wait { asked.append(now) }
      }
    }
    // Twice in a pause when a relay came back, or an address was given up, right after a question.
    for (one, third) in zip(asked, asked.dropFirst(8)) {
      #expect(third - one >= RelaySlot.firstPause, "seed \(seed)")
    }
  }
}
