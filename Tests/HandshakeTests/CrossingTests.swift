import Handshake
import Primitives
import Sealing
import TestWorld
import Testing
import Wire

@Suite struct `Both begin at once` {
  @Test(arguments: 1..<20) func `exactly one session is used, and nobody repeats anything`(seed: UInt64) throws {
    let duo = try Cast(seed: seed).duo(seed: seed)
    duo.left.begin(at: duo.now)
    duo.right.begin(at: duo.now)
    duo.run(for: .seconds(20))
    #expect(shareOneSession(duo.left, duo.right), "seed \(seed)")
    // Two questions, two answers, a ping and its answer.
    #expect(duo.seen.count == 6, "seed \(seed)")
    #expect(duo.left.handshake.counters.askedAgain == 0 && duo.right.handshake.counters.askedAgain == 0)
    #expect(duo.left.handshake.counters.crossed + duo.right.handshake.counters.crossed == 1, "seed \(seed)")
  }

  @Test func `it is the elder's session, whoever was first by a little`() throws {
    for milliseconds in [0, 1, 10, 19] as [Int64] {
      for swapped in [false, true] {
        var cast = try Cast(seed: 3)
        if swapped { cast = cast.swapped }
        let duo = try cast.duo()
        duo.left.begin(at: duo.now)
        duo.run(for: .milliseconds(milliseconds))
        duo.right.begin(at: duo.now)
        duo.run(for: .seconds(5))
        #expect(shareOneSession(duo.left, duo.right))
        let sending = duo.left.handshake.sendingIndex
        let index = try #require(sending)
        #expect(duo.left.sessions[index]?.isInitiator == cast.leftIsElder)
      }
    }
  }

  @Test func `when the elder's questions never arrive, the younger's do`() throws {
    let duo = try elderLeft()
    duo.left.begin(at: duo.now)
    _ = duo.left.takeOutbox()
    duo.right.begin(at: duo.now)
    let question = try #require(duo.right.takeOutbox().first?.cargo)
    duo.left.receive(question, at: duo.now)
    duo.run(for: .milliseconds(200))
    #expect(shareOneSession(duo.left, duo.right))
    #expect(duo.left.handshake.counters.asked == 1 && duo.left.handshake.counters.askedAgain == 0)
  }

  @Test func `when both got a session of their own, the elder's is used after its first datagram`() throws {
    let duo = try elderLeft()
    let (elder, younger) = (duo.left, duo.right)
    // The elder asks; the younger's answer is late. The younger asks, once its patience ends; the elder answers.
    elder.begin(at: duo.now)
    younger.receive(try only(elder), at: duo.now)
    let late = try only(younger)
    younger.begin(at: duo.now)
    #expect(younger.outbox.isEmpty, "it waits for the confirmation first")
    duo.now += .milliseconds(1_001)
    younger.expire(at: duo.now)
    elder.receive(try only(younger), at: duo.now)
    let answer = try only(elder)
    younger.receive(answer, at: duo.now)
    elder.receive(late, at: duo.now)
    #expect(elder.made.count == 2 && younger.made.count == 2)
    #expect(!shareOneSession(elder, younger))
    #expect(understandEachOther(elder, younger))
    duo.run(for: .seconds(1), talkingEvery: .milliseconds(100))
    #expect(shareOneSession(elder, younger))
    #expect(elder.lost == 0 && younger.lost == 0)
    let sending = elder.handshake.sendingIndex
    let index = try #require(sending)
    #expect(elder.sessions[index]?.isInitiator == true)
  }

  /// The channel loses up to half, repeats up to half and disorders by up to 600 ms.
  @Test(arguments: 0..<1_000) func `over any bad channel they come to understand each other, and stay so`(
    seed: UInt64
  ) throws {
    var random = SeededRandom(seed: seed)
    let channel = Channel(
      loss: percent(UInt32(random.below(51))), duplication: percent(UInt32(random.below(51))),
      delay: .milliseconds(Int64(1 + random.below(300))), spread: .milliseconds(Int64(random.below(600))))
    let duo = try Cast(seed: seed).duo(channel, seed: seed)
    if random.below(3) > 0 { duo.left.begin(at: duo.now) }
    duo.run(for: .milliseconds(Int64(random.below(2_000))))
    if random.below(3) > 0 || duo.left.outbox.isEmpty && duo.seen.isEmpty { duo.right.begin(at: duo.now) }
    let pause = random.below(2) == 0 ? Interval.milliseconds(300) : .seconds(3)
    var time = Interval.zero
    while !understandEachOther(duo.left, duo.right), time < .seconds(180) {
      duo.run(for: .seconds(2), talkingEvery: pause)
      time = time + .seconds(2)
    }
    #expect(understandEachOther(duo.left, duo.right), "seed \(seed): after \(time.inSeconds) s")
    // Through three changes of keys, with both talking; then calm, and everything arrives.
    duo.run(for: .seconds(370), talkingEvery: .seconds(2))
    duo.channel = Channel()
    duo.run(for: .seconds(10), talkingEvery: .milliseconds(500))
    let before = (duo.left.lost, duo.right.lost)
    duo.run(for: .seconds(10), talkingEvery: .milliseconds(500))
    #expect(understandEachOther(duo.left, duo.right), "seed \(seed)")
    #expect(before == (duo.left.lost, duo.right.lost), "seed \(seed)")
    #expect(duo.left.sessions.count <= 4 && duo.right.sessions.count <= 4, "seed \(seed)")
  }

  @Test(arguments: [600, 2_000, 4_000] as [Int64]) func `a round trip longer than the pauses costs no session twice`(
    milliseconds: Int64
  ) throws {
    let duo = try Cast().duo(Channel(delay: .milliseconds(milliseconds / 2)))
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(10))
    #expect(shareOneSession(duo.left, duo.right))
    #expect(duo.left.made.count == 1 && duo.right.made.count == 1)
  }

  private func elderLeft() throws -> Duo {
    let cast = try Cast(seed: 3)
    return cast.leftIsElder ? try cast.duo() : try cast.swapped.duo()
  }

  private func only(_ machine: Machine) throws -> Cargo {
    let outbox = machine.takeOutbox()
    return try #require(outbox.first { if case .message = $0.cargo { true } else { false } }).cargo
  }
}
