import Primitives
import Sealing
import TestWorld
import Testing
import Wire

@testable import Handshake

@Suite struct `Somebody between two gateways` {
  @Test func `who changes one bit of a question gets silence, and the true one still works`() throws {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    let question = try message(duo.left)
    for place in question.indices {
      var changed = question
      changed[place] ^= 1 << UInt8(place % 8)
      // mac2 says nothing to who is not busy.
      if place >= Initiation.mac2 { continue }
      duo.right.receive(.message(changed), at: duo.now)
    }
    #expect(duo.right.refusals.count == Initiation.mac2 && duo.right.outbox.isEmpty && duo.right.made.isEmpty)
    duo.right.receive(.message(question), at: duo.now)
    #expect(duo.right.verdicts == [.answered])
  }

  @Test func `who changes a question and knows how to compute its code changes nothing either`() throws {
    let cast = try Cast()
    let duo = try cast.duo()
    duo.left.begin(at: duo.now)
    let question = try message(duo.left)
    for place in Initiation.ephemeral..<Initiation.mac1 {
      var changed = question
      changed[place] ^= 0x80
      duo.right.receive(.message(recoded(changed, .initiation, for: cast.right)), at: duo.now)
    }
    let counters = duo.right.gatekeeper.counters
    #expect(counters.wrongCode == 0)
    // The ephemeral key and the sealed name end at the gatekeeper, the sealed payload at the peer's handshake. The last
    // bit of an X25519 key is ignored by the curve, and still counts for what was said.
    #expect(counters.notForUs == 80)
    #expect(duo.right.verdicts == Array(repeating: .notAuthentic, count: 48))
    #expect(duo.right.outbox.isEmpty && duo.right.made.isEmpty)
    duo.right.receive(.message(question), at: duo.now)
    #expect(duo.right.verdicts.last == .answered)
  }

  @Test func `who changes an answer changes nothing, and the true one still works`() throws {
    let cast = try Cast()
    let duo = try cast.duo()
    duo.left.begin(at: duo.now)
    duo.right.receive(.message(try message(duo.left)), at: duo.now)
    let answer = try message(duo.right)
    for place in Response.ephemeral..<Response.mac1 {
      var changed = answer
      changed[place] ^= 0x80
      duo.left.receive(.message(recoded(changed, .response, for: cast.left)), at: duo.now)
    }
    #expect(duo.left.verdicts == Array(repeating: .notAuthentic, count: Response.mac1 - Response.ephemeral))
    #expect(duo.left.made.isEmpty)
    duo.left.receive(.message(answer), at: duo.now)
    #expect(duo.left.verdicts.last == .completed)
    duo.left.receive(.message(answer), at: duo.now)
    #expect(duo.left.verdicts.last == .repeated)
    #expect(duo.left.made.count == 1)
  }

  @Test func `a key of small order in place of the true one ends at a counter`() throws {
    let cast = try Cast()
    let duo = try cast.duo()
    duo.left.begin(at: duo.now)
    let question = try message(duo.left)
    duo.right.receive(.message(question), at: duo.now)
    let answer = try message(duo.right)
    for first in [0, 1] as [UInt8] {
      let small = [first] + [UInt8](repeating: 0, count: 31)
      var changed = question
      changed.replaceSubrange(Initiation.ephemeral..<Initiation.ephemeral + 32, with: small)
      duo.right.receive(.message(recoded(changed, .initiation, for: cast.right)), at: duo.now)
      #expect(duo.right.refusals.last == .notForUs)
      changed = answer
      changed.replaceSubrange(Response.ephemeral..<Response.ephemeral + 32, with: small)
      duo.left.receive(.message(recoded(changed, .response, for: cast.left)), at: duo.now)
      #expect(duo.left.verdicts.last == .notAuthentic)
    }
  }

  @Test func `every other length of every message is refused`() throws {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    let question = try message(duo.left)
    duo.right.receive(.message(question), at: duo.now)
    let answer = try message(duo.right)
    for message in [question, answer] {
      for length in 0..<message.count { duo.right.receive(.message(Array(message[..<length])), at: duo.now) }
      duo.right.receive(.message(message + [0]), at: duo.now)
    }
    #expect(duo.right.gatekeeper.counters.malformed == UInt64(question.count + answer.count + 2))
    #expect(duo.right.verdicts == [.answered])
  }

  @Test func `what comes back to its sender is refused`() throws {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    let question = try message(duo.left)
    duo.left.receive(.message(question), at: duo.now)
    duo.right.receive(.message(question), at: duo.now)
    let answer = try message(duo.right)
    duo.right.receive(.message(answer), at: duo.now)
    #expect(duo.left.refusals == [.wrongCode] && duo.right.refusals == [.wrongCode])
  }

  @Test func `a question sent again is answered with the same bytes until the session is confirmed, and then never`()
    throws
  {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    let question = try message(duo.left)
    duo.right.receive(.message(question), at: duo.now)
    let answer = try message(duo.right)
    for _ in 0..<3 {
      duo.right.receive(.message(question), at: duo.now)
      #expect(try message(duo.right) == answer)
    }
    duo.left.receive(.message(answer), at: duo.now)
    for (cargo, _) in duo.left.takeOutbox() { duo.right.receive(cargo, at: duo.now) }
    _ = duo.right.takeOutbox()
    duo.right.receive(.message(question), at: duo.now)
    #expect(duo.right.outbox.isEmpty && duo.right.made.count == 1)
    #expect(duo.right.verdicts == [.answered, .repeated, .repeated, .repeated, .repeated])
  }

  @Test func `an old question is not answered, and disturbs no session`() throws {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    let old = try message(duo.left)
    duo.right.receive(.message(old), at: duo.now)
    _ = duo.right.takeOutbox()
    // Nothing came through; after ten seconds the left one asks anew.
    duo.run(for: .seconds(15))
    #expect(shareOneSession(duo.left, duo.right))
    let sending = duo.right.handshake.sendingIndex
    for _ in 0..<10 { duo.right.receive(.message(old), at: duo.now) }
    #expect(duo.right.outbox.isEmpty)
    #expect(duo.right.handshake.sendingIndex == sending)
    #expect(understandEachOther(duo.left, duo.right))
  }

  @Test(arguments: 0..<50) func `everything that was ever sent, sent again in any order, changes no session in use`(
    seed: UInt64
  ) throws {
    let cast = try Cast(seed: seed)
    let duo = try cast.duo(Channel(loss: percent(20), duplication: percent(20), spread: .milliseconds(200)), seed: seed)
    for _ in 0..<4 {
      duo.left.begin(at: duo.now)
      duo.right.begin(at: duo.now)
      duo.run(for: .seconds(20), talkingEvery: .milliseconds(200))
    }
    duo.channel = Channel()
    duo.run(for: .seconds(5), talkingEvery: .milliseconds(200))
    #expect(understandEachOther(duo.left, duo.right), "seed \(seed)")
    let sending = (duo.left.handshake.sendingIndex, duo.right.handshake.sendingIndex)
    var random = SeededRandom(seed: seed)
    var made: [Int] = []
    for _ in 0..<2 {
      for cargo in duo.seen.shuffled(using: &random) {
        duo.left.receive(cargo, at: duo.now)
        duo.right.receive(cargo, at: duo.now)
      }
      made.append(duo.left.made.count + duo.right.made.count)
      #expect(sending == (duo.left.handshake.sendingIndex, duo.right.handshake.sendingIndex), "seed \(seed)")
      #expect(understandEachOther(duo.left, duo.right), "seed \(seed)")
    }
    // A question that was lost is new to who gets it now, and its session is never confirmed. The second time, none is.
    #expect(made[0] == made[1], "seed \(seed)")
  }

  @Test(arguments: 0..<20) func `any bytes at all end at a counter`(seed: UInt64) throws {
    let duo = try Cast(seed: seed).duo()
    duo.left.begin(at: duo.now)
    _ = duo.left.takeOutbox()
    var random = SeededRandom(seed: seed)
    for _ in 0..<500 {
      let length = [Initiation.length, Response.length, CookieReply.length, Int(random.below(200))][
        Int(random.below(4))]
      var bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      if length >= 4 { bytes.replaceSubrange(0..<4, with: [UInt8(0x11 + random.below(3)), 0, 0, 0]) }
      // Some are for the question that is open.
      if length >= 12 && random.below(2) == 0 {
        bytes.replaceSubrange(4..<12, with: [100, 0, 0, 0, 100, 0, 0, 0])
      }
      duo.left.receive(.message(bytes), at: duo.now)
    }
    #expect(duo.left.outbox.isEmpty && duo.left.made.isEmpty)
    #expect(duo.left.verdicts.allSatisfy { $0 == .notAuthentic || $0 == .unexpected })
    #expect(duo.left.refusals.allSatisfy { $0 == .malformed || $0 == .wrongCode })
  }

  private func message(_ machine: Machine) throws -> [UInt8] {
    for case (.message(let bytes), _) in machine.takeOutbox() { return bytes }
    throw Nothing()
  }

  private struct Nothing: Error {}
}

/// The message with the code that it needs to come past the gatekeeper.
func recoded(_ message: [UInt8], _ layout: MessageCodes, for receiver: Identity) -> [UInt8] {
  var bytes = message
  let covered = Array(message[..<layout.mac1])
  bytes.withUnsafeMutableBytes { bytes in
    covered.withUnsafeBytes { covered in
      receiver.cryptography.shortCode(
        key: receiver.firstKey.bytes, [covered], into: bytes.part(layout.mac1, HandshakeHeader.macLength))
    }
  }
  return bytes
}
