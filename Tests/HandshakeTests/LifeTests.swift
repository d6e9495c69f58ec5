import Handshake
import Primitives
import Sealing
import TestWorld
import Testing
import Wire

@Suite struct `A session's life` {
  @Test func `questions are repeated after a quarter of a second, then ever more slowly, up to five seconds`() throws {
    let duo = try Cast().duo(Channel(loss: .always))
    duo.left.begin(at: duo.now)
    duo.left.begin(at: duo.now)
    var (times, questions): ([Instant], [[UInt8]]) = ([], [])
    let start = duo.now
    while duo.now < start + .seconds(60) {
      for case (.message(let bytes), _) in duo.left.takeOutbox() {
        times.append(duo.now)
        questions.append(bytes)
      }
      let deadline = duo.left.handshake.deadline
      duo.now = try #require(deadline)
      duo.left.expire(at: duo.now)
    }
    let pauses = zip(times.dropFirst(), times).map { ($0 - $1).inMilliseconds }
    for (pause, least) in zip(pauses, [250, 500, 1_000, 2_000, 4_000] + Array(repeating: 5_000.0, count: 50)) {
      #expect(pause >= least && pause <= least * 1.25 + 0.001)
    }
    // The same question for ten seconds, then another one.
    #expect(Set(questions[..<6]).count == 1)
    #expect(Set(questions).count >= 4 && Set(questions).count <= 7)
  }

  @Test func `an initiator without traffic pings until something comes back, so that the other side can speak`() throws
  {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    duo.run(for: .milliseconds(30))
    duo.channel = Channel(loss: .always)
    duo.run(for: .seconds(4))
    #expect(duo.right.handshake.sendingIndex == nil)
    duo.channel = Channel()
    duo.run(for: .seconds(6))
    #expect(shareOneSession(duo.left, duo.right))
    let seen = duo.seen.count
    duo.run(for: .seconds(60))
    #expect(duo.seen.count == seen, "it is quiet then")
  }

  @Test func `nobody asks for a second session while the first is on its way`() throws {
    let duo = try Cast().duo(Channel(delay: .milliseconds(100)))
    for _ in 0..<50 {
      duo.left.begin(at: duo.now)
      duo.run(for: .milliseconds(3))
    }
    #expect(duo.left.handshake.counters.asked == 1)
  }

  @Test(arguments: 0..<5) func `the initiator renews it before two minutes are over, and not a datagram is lost`(
    seed: UInt64
  ) throws {
    let duo = try Cast(seed: seed).duo(seed: seed)
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(1))
    var (last, made) = (duo.now, 1)
    for _ in 0..<1_200 {
      duo.run(for: .milliseconds(500), talkingEvery: .milliseconds(50))
      guard duo.left.made.count > made else { continue }
      let age = (duo.now - last).inSeconds
      #expect(age > 108 && age < 122, "seed \(seed)")
      (last, made) = (duo.now, made + 1)
    }
    #expect(made >= 5 && made == duo.left.made.count && made == duo.right.made.count, "seed \(seed)")
    #expect(duo.left.lost == 0 && duo.right.lost == 0, "seed \(seed)")
    #expect(duo.left.received > 10_000 && duo.right.received > 10_000)
    #expect(duo.left.made.allSatisfy { $0.isInitiator })
    #expect(duo.left.sessions.count <= 3)
  }

  @Test func `a hundred renewals under traffic that overtakes itself lose nothing`() throws {
    var timing = Handshake.Timing()
    timing.rekeyAfter = .seconds(3)
    timing.rekeyEarly = .seconds(1)
    let duo = try Cast().duo(Channel(delay: .milliseconds(5), spread: .milliseconds(100)), timing: timing)
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(1))
    duo.run(for: .seconds(310), talkingEvery: .milliseconds(5))
    #expect(duo.left.made.count > 100)
    #expect(duo.left.lost == 0 && duo.right.lost == 0)
  }

  @Test func `when the initiator does not renew it, the responder does ten seconds later`() throws {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(1))
    duo.left.handshake.cease()
    duo.run(for: .seconds(128))
    #expect(duo.right.made.count == 1)
    duo.run(for: .seconds(2))
    #expect(duo.right.made.count == 2 && duo.right.made.last?.isInitiator == true)
    #expect(shareOneSession(duo.left, duo.right))
  }

  @Test func `who is needed again after a while renews what is there in its time, and asks when nothing is`() throws {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(1))
    for side in [duo.left, duo.right] { side.handshake.cease() }
    duo.run(for: .seconds(50))
    duo.left.handshake.resume(at: duo.now)
    duo.run(for: .seconds(5))
    #expect(duo.left.made.count == 1)
    duo.run(for: .seconds(70))
    #expect(duo.left.made.count == 2 && shareOneSession(duo.left, duo.right))
    for side in [duo.left, duo.right] { side.handshake.cease() }
    duo.run(for: .seconds(200))
    #expect(duo.left.sessions.isEmpty)
    duo.left.handshake.resume(at: duo.now)
    duo.run(for: .seconds(1))
    #expect(duo.left.made.count == 3 && shareOneSession(duo.left, duo.right))
  }

  @Test func `when nothing comes through, keys are gone after three minutes; the responder stops asking then`() throws {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(1))
    duo.channel = Channel(loss: .always)
    duo.run(for: .seconds(178))
    #expect(duo.left.sessions.count == 1 && duo.right.sessions.count == 1)
    duo.run(for: .seconds(2))
    #expect(duo.left.sessions.isEmpty && duo.right.sessions.isEmpty)
    #expect(duo.left.handshake.sendingIndex == nil && duo.right.handshake.sendingIndex == nil)
    #expect(duo.right.handshake.deadline == nil, "it was asked, and knows of no place to ask at")
    #expect(duo.left.handshake.deadline != nil)
    // The way is back.
    duo.channel = Channel()
    duo.run(for: .seconds(7))
    #expect(shareOneSession(duo.left, duo.right))
  }

  @Test func `an engine may begin earlier, for the bytes or for a silence`() throws {
    let duo = try Cast().duo()
    for round in 1...10 {
      (round % 2 == 0 ? duo.left : duo.right).begin(at: duo.now)
      duo.run(for: .seconds(5), talkingEvery: .milliseconds(50))
      #expect(duo.left.made.count == round && duo.right.made.count == round)
      #expect(shareOneSession(duo.left, duo.right))
    }
    #expect(duo.left.lost == 0 && duo.right.lost == 0)
  }

  @Test func `a peer that is taken away gives every index back`() throws {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(1))
    duo.left.begin(at: duo.now)
    var machine = duo.left.handshake.sendingIndex.map { [$0] } ?? []
    duo.left.handshake.close()
    var back: Set<UInt32> = []
    while let index = duo.left.handshake.nextRetired() { #expect(back.insert(index).inserted) }
    machine.removeAll { back.contains($0) }
    #expect(machine.isEmpty && back.count == 4)
    #expect(duo.left.handshake.deadline == nil && duo.left.handshake.sendingIndex == nil)
  }
}

@Suite struct `A gateway that starts again` {
  @Test(arguments: [true, false]) func `is back after one round trip, with a new incarnation`(initiator: Bool) throws {
    let cast = try Cast()
    let duo = try cast.duo()
    if initiator { duo.left.begin(at: duo.now) } else { duo.right.begin(at: duo.now) }
    duo.run(for: .seconds(10), talkingEvery: .milliseconds(100))
    duo.left = try Machine(
      cast.left, remote: cast.right.publicKey, incarnation: 77, wallClock: 1_700_000_100, firstIndex: 5_000)
    duo.forgetFlying()
    duo.left.begin(at: duo.now)
    duo.run(for: .milliseconds(100), talkingEvery: .milliseconds(10))
    #expect(shareOneSession(duo.left, duo.right))
    #expect(duo.right.made.last?.incarnation == 77)
  }

  @Test func `with its clock set back by years is asked by the other one, and is back after two round trips`() throws {
    let cast = try Cast()
    let duo = try cast.duo()
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(10), talkingEvery: .milliseconds(100))
    duo.left = try Machine(
      cast.left, remote: cast.right.publicKey, incarnation: 77, wallClock: 1_000, firstIndex: 5_000)
    duo.forgetFlying()
    duo.left.begin(at: duo.now)
    duo.run(for: .milliseconds(200), talkingEvery: .milliseconds(10))
    #expect(shareOneSession(duo.left, duo.right))
    #expect(duo.right.handshake.counters.stale == 1 && duo.right.made.last?.isInitiator == true)
    #expect(duo.right.made.last?.incarnation == 77)
    // And so again and again, as long as both live.
    duo.run(for: .seconds(400), talkingEvery: .milliseconds(100))
    #expect(shareOneSession(duo.left, duo.right))
  }

  @Test func `is asked where its old question came from, since its address may be new`() throws {
    let cast = try Cast()
    let duo = try cast.duo()
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(10))
    let again = try Machine(
      cast.left, remote: cast.right.publicKey, incarnation: 77, wallClock: 1_000, firstIndex: 5_000)
    again.begin(at: duo.now)
    duo.right.receive(try #require(again.takeOutbox().first).cargo, at: duo.now)
    let asked = duo.right.takeOutbox()
    #expect(asked.count == 1 && asked.first?.isAnswer == true)
  }

  @Test func `whose old questions somebody replays makes the other one ask once in five seconds, no more`() throws {
    let cast = try Cast()
    let duo = try cast.duo(Channel(loss: .always))
    duo.left.begin(at: duo.now)
    let old = try #require(duo.left.takeOutbox().first).cargo
    let new = Duo(
      try Machine(cast.left, remote: cast.right.publicKey, incarnation: 5, wallClock: 1_800_000_000), duo.right)
    new.left.begin(at: new.now)
    new.run(for: .seconds(1))
    #expect(shareOneSession(new.left, new.right))
    let start = new.now
    let asked = new.right.handshake.counters.asked
    for _ in 0..<300 {
      new.right.receive(old, at: new.now)
      new.run(for: .milliseconds(100), talkingEvery: .milliseconds(20))
    }
    #expect(new.right.handshake.counters.asked - asked <= UInt64((new.now - start).inSeconds / 5) + 1)
    #expect(new.left.lost == 0 && new.right.lost == 0)
    #expect(understandEachOther(new.left, new.right))
  }
}
