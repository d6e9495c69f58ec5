import Primitives
import Sealing
import TestWorld
import Testing
import Wire

@testable import Handshake

@Suite struct `What strangers can reach` {
  /// Asks for cookies from the second message on.
  private var nervous: Gatekeeper.Limits {
    var limits = Gatekeeper.Limits()
    limits.calmPerSecond = 1
    limits.calmAtOnce = 1
    return limits
  }

  @Test func `a busy gateway asks for a cookie, and a peer that has it gets its session`() throws {
    let cast = try Cast()
    let duo = Duo(
      try Machine(cast.left, remote: cast.right.publicKey, limits: nervous),
      try Machine(cast.right, remote: cast.left.publicKey, limits: nervous, firstIndex: 900))
    for machine in [duo.left, duo.right] { exhaust(machine, at: duo.now) }
    duo.left.begin(at: duo.now)
    duo.run(for: .milliseconds(500))
    // Question, cookie, question with it, answer, cookie, answer with it, first datagram.
    #expect(duo.left.verdicts == [.cookieTaken, .completed])
    #expect(duo.right.verdicts == [.answered, .cookieTaken])
    // One went to who made it busy.
    #expect(duo.right.gatekeeper.counters.cookiesGiven == 2 && duo.left.gatekeeper.counters.cookiesGiven == 2)
    #expect(shareOneSession(duo.left, duo.right))
    // The next time it brings the cookie along.
    duo.left.begin(at: duo.now)
    duo.run(for: .milliseconds(400))
    #expect(duo.right.isBusy(at: duo.now))
    #expect(duo.right.gatekeeper.counters.cookiesGiven == 2)
    #expect(duo.left.made.count == 2)
  }

  @Test func `a cookie is good at its own address only`() throws {
    let cast = try Cast()
    let (left, right) = (
      try Machine(cast.left, remote: cast.right.publicKey),
      try Machine(cast.right, remote: cast.left.publicKey, limits: nervous, firstIndex: 900)
    )
    let now = Instant(nanoseconds: 1_000_000_000)
    exhaust(right, at: now)
    let here: [UInt8] = [198, 51, 100, 1, 10, 10]
    let there: [UInt8] = [198, 51, 100, 1, 10, 11]
    left.begin(at: now)
    right.receive(try next(left), at: now, from: here)
    left.receive(try next(right), at: now)
    let proven = try next(left)
    right.receive(proven, at: now, from: there)
    #expect(right.verdicts.isEmpty && right.gatekeeper.counters.cookiesGiven == 3)
    _ = right.takeOutbox()
    right.receive(proven, at: now, from: here)
    #expect(right.verdicts == [.answered])
  }

  @Test func `a cookie is good for two minutes at least and four at most`() throws {
    let cast = try Cast()
    for (seconds, isGood) in [(1, true), (119, true), (125, true), (241, false), (10_000, false)] as [(Int64, Bool)] {
      let left = try Machine(cast.left, remote: cast.right.publicKey)
      let right = try Machine(cast.right, remote: cast.left.publicKey, limits: nervous, firstIndex: 900)
      let now = Instant(nanoseconds: 1_000_000_000)
      exhaust(right, at: now)
      left.begin(at: now)
      right.receive(try next(left), at: now)
      left.receive(try next(right), at: now)
      let proven = try next(left)
      let later = now + .seconds(seconds)
      exhaust(right, at: later)
      right.receive(proven, at: later)
      #expect((right.verdicts == [.answered]) == isGood, "after \(seconds) s")
    }
  }

  @Test func `a cookie reply that was changed, is for another question or comes twice is no cookie`() throws {
    let cast = try Cast()
    let left = try Machine(cast.left, remote: cast.right.publicKey)
    let right = try Machine(cast.right, remote: cast.left.publicKey, limits: nervous, firstIndex: 900)
    let now = Instant(nanoseconds: 1_000_000_000)
    exhaust(right, at: now)
    left.begin(at: now)
    right.receive(try next(left), at: now)
    guard case .message(let reply) = try next(right) else { return }
    for place in 4..<reply.count {
      var changed = reply
      changed[place] ^= 1
      left.receive(.message(changed), at: now)
    }
    // One of the changed receivers is another index of ours.
    #expect(left.verdicts.count { $0 == .notAuthentic } == reply.count - 8)
    #expect(!left.verdicts.contains(.cookieTaken))
    #expect(left.outbox.isEmpty)
    left.receive(.message(reply), at: now)
    left.receive(.message(reply), at: now)
    #expect(left.takeOutbox().count == 1, "one hurried question in a pause")
    // After ten seconds it is another question, with the same index.
    left.expire(at: now + .seconds(11))
    _ = left.takeOutbox()
    left.receive(.message(reply), at: now + .seconds(11))
    #expect(left.verdicts.last == .notAuthentic && left.outbox.isEmpty)
  }

  @Test func `a flood from forged addresses costs cookies, and never the curve; a peer comes through`() throws {
    let cast = try Cast()
    let duo = try cast.duo()
    let flood = try knowing(cast)
    var gatekeeper = Gatekeeper(cast.right)
    let now = Instant(nanoseconds: 1_000_000_000)
    for number in 0..<100_000 {
      let source = [10, UInt8(number >> 16 & 255), UInt8(number >> 8 & 255), UInt8(number & 255), 1, 1] as [UInt8]
      receive(flood, &gatekeeper, from: source, at: now + .microseconds(Int64(number) * 10))
    }
    let counters = gatekeeper.counters
    let limits = Gatekeeper.Limits()
    #expect(counters.initiations + counters.notForUs <= UInt64(limits.calmAtOnce + limits.calmPerSecond + 1))
    #expect(counters.cookiesGiven <= UInt64(limits.cookiesAtOnce + limits.cookiesPerSecond + 1))
    #expect(counters.cookieWithheld > 80_000)
    let busy = (gatekeeper.isBusy(at: now + .seconds(1)), gatekeeper.isBusy(at: now + .seconds(3)))
    #expect(busy == (true, false))

    // The peer, in the middle of the same flood.
    duo.left.begin(at: duo.now)
    for round in 0..<20_000 where duo.left.made.isEmpty {
      duo.right.receive(.message(flood), at: duo.now, from: [10, 0, UInt8(round >> 8 & 255), UInt8(round & 255), 1, 1])
      _ = duo.right.takeOutbox()
      duo.run(for: .microseconds(100))
    }
    #expect(duo.left.made.count == 1)
  }

  @Test func `a flood of who does not know the key costs a short code each, and is not answered`() throws {
    let cast = try Cast()
    var flood = try knowing(cast)
    flood[Initiation.mac1] ^= 1
    var gatekeeper = Gatekeeper(cast.right)
    for number in 0..<10_000 {
      receive(flood, &gatekeeper, from: [10, 0, 0, 1, 1, 1], at: Instant(nanoseconds: UInt64(number) * 10_000))
    }
    #expect(gatekeeper.counters.wrongCode == 10_000)
    let isBusy = gatekeeper.isBusy(at: .zero)
    #expect(!isBusy)
  }

  @Test func `one address that proved itself has its share, and the others have theirs`() throws {
    var allowances = SourceAllowances(perSecond: 20, atOnce: 10, sources: 1_024, salt: 0x1234_5678_9abc_def0)
    func take(_ address: [UInt8], at now: Instant) -> Bool {
      (address + [1, UInt8(now.nanoseconds % 251)]).withUnsafeBytes { allowances.take($0, at: now) }
    }
    let start = Instant(nanoseconds: 5_000_000_000)
    let greedy = (0..<1_000).count { take([192, 0, 2, 1], at: start + .milliseconds($0)) }
    #expect((28...31).contains(greedy))
    for other in 2..<100 { #expect(take([192, 0, 2, UInt8(other)], at: start + .milliseconds(500))) }
    // The same IPv4 address in IPv6's clothes is the same; a /64 is one source.
    let mapped = [UInt8](repeating: 0, count: 10) + [255, 255, 192, 0, 2, 1]
    while take([192, 0, 2, 1], at: start + .milliseconds(1_000)) {}
    #expect(!take(mapped, at: start + .milliseconds(1_000)))
    let network: [UInt8] = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 7]
    let whole = (0..<100).count { take(network + [0, 0, 0, 0, 0, 0, 0, UInt8($0)], at: start) }
    #expect(whole == 10)
  }

  @Test(arguments: 0..<20) func `no more than the allowance ever passes, and a quiet source always does`(
    seed: UInt64
  ) {
    var random = SeededRandom(seed: seed)
    let (perSecond, atOnce) = (Int(1 + random.below(500)), Int(1 + random.below(50)))
    var allowance = Allowance(perSecond: perSecond, atOnce: atOnce)
    var now = Instant(nanoseconds: random.below(1_000_000_000))
    var passed: [Instant] = []
    for _ in 0..<5_000 {
      now += .nanoseconds(Int64(random.below(4_000_000)))
      if allowance.take(at: now) { passed.append(now) }
    }
    for (index, first) in passed.enumerated() {
      let within = passed[index...].prefix { $0 - first <= .seconds(1) }.count
      #expect(within <= perSecond + atOnce + 1, "seed \(seed)")
    }
    now += .seconds(60)
    #expect((0..<atOnce).allSatisfy { _ in allowance.take(at: now) }, "seed \(seed)")
  }

  /// A question of somebody who knows the right one's key.
  private func knowing(_ cast: Cast) throws -> [UInt8] {
    let stranger = try Machine(try Cast(seed: 77).left, remote: cast.right.publicKey)
    stranger.begin(at: Instant(nanoseconds: 7))
    guard case .message(let bytes) = try next(stranger) else { return [] }
    return bytes
  }

  /// Makes a nervous gateway busy.
  private func exhaust(_ machine: Machine, at now: Instant) {
    var noise = [UInt8](repeating: 9, count: Initiation.length)
    noise.withUnsafeMutableBytes { HandshakeHeader.initiation(sender: 1).write(to: $0.baseAddress!) }
    let message = recoded(noise, .initiation, for: machine.identity)
    while !machine.gatekeeper.isBusy(at: now) {
      receive(message, &machine.gatekeeper, from: [9, 9, 9, 9, 9, 9], at: now)
    }
  }

  private func receive(
    _ message: [UInt8], _ gatekeeper: inout Gatekeeper, from source: [UInt8], at now: Instant
  ) {
    message.withUnsafeBytes { message in
      source.withUnsafeBytes { source in _ = gatekeeper.receive(message, from: source, at: now) }
    }
  }

  private func next(_ machine: Machine) throws -> Cargo {
    let outbox = machine.takeOutbox()
    #expect(outbox.count == 1)
    return try #require(outbox.first).cargo
  }
}
