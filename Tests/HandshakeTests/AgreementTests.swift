import Handshake
import Primitives
import Sealing
import TestWorld
import Testing
import Wire

@Suite struct `Two gateways agree on keys` {
  @Test func `after one question and one answer both have the same four keys, and nobody else's`() throws {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(1))
    let mine = try #require(duo.left.made.first)
    let theirs = try #require(duo.right.made.first)
    #expect(mine.sending == theirs.receiving && mine.receiving == theirs.sending)
    #expect(mine.sendingMask == theirs.receivingMask && mine.receivingMask == theirs.sendingMask)
    #expect(Set([mine.sending, mine.receiving, mine.sendingMask, mine.receivingMask]).count == 4)
    #expect(mine.isInitiator && !theirs.isInitiator)
    #expect(mine.incarnation == 2 && theirs.incarnation == 1)
    #expect(mine.suite == .aes128GCM && theirs.suite == .aes128GCM)
    #expect(shareOneSession(duo.left, duo.right))
    #expect(duo.seen.count == 4, "question, answer, and a ping with its answer")
  }

  @Test func `no two handshakes give the same keys, not even between the same two`() throws {
    let cast = try Cast()
    var keys: Set<[UInt8]> = []
    for _ in 0..<20 {
      let duo = try cast.duo()
      duo.left.begin(at: duo.now)
      duo.run(for: .seconds(1))
      for session in duo.left.made { keys.formUnion([session.sending, session.receiving]) }
    }
    #expect(keys.count == 40)
  }

  @Test func `who has answered sends nothing with the new keys before something came with them`() throws {
    let duo = try Cast().duo()
    duo.left.begin(at: duo.now)
    let question = try #require(duo.left.takeOutbox().first?.cargo)
    duo.right.receive(question, at: duo.now)
    #expect(duo.right.sessions.count == 1)
    #expect(duo.right.handshake.sendingIndex == nil)
    let answer = try #require(duo.right.takeOutbox().first?.cargo)
    duo.left.receive(answer, at: duo.now)
    #expect(duo.left.handshake.sendingIndex != nil)
    let first = try #require(duo.left.takeOutbox().first?.cargo)
    duo.right.receive(first, at: duo.now)
    #expect(duo.right.handshake.sendingIndex != nil)
    #expect(understandEachOther(duo.left, duo.right))
  }

  @Test func `a pre-shared key is part of it: with another one, or with none, there is no session`() throws {
    let cast = try Cast()
    let key = [UInt8](1...32)
    for (left, right) in [(key, nil), (nil, key), (key, [UInt8](2...33))] as [([UInt8]?, [UInt8]?)] {
      let duo = Duo(
        try Machine(cast.left, remote: cast.right.publicKey, presharedKey: left),
        try Machine(cast.right, remote: cast.left.publicKey, presharedKey: right, firstIndex: 900))
      duo.left.begin(at: duo.now)
      duo.run(for: .seconds(5))
      #expect(duo.left.made.isEmpty)
      #expect(duo.left.handshake.counters.notAuthentic > 0)
      #expect(duo.right.handshake.sendingIndex == nil)
    }
    let duo = Duo(
      try Machine(cast.left, remote: cast.right.publicKey, presharedKey: key),
      try Machine(cast.right, remote: cast.left.publicKey, presharedKey: key, firstIndex: 900))
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(5))
    #expect(shareOneSession(duo.left, duo.right))
  }

  @Test func `who expects another key of the peer gets silence`() throws {
    let cast = try Cast(seed: 1)
    let stranger = try Cast(seed: 2)
    let duo = Duo(
      try Machine(cast.left, remote: stranger.right.publicKey),
      try Machine(cast.right, remote: cast.left.publicKey, firstIndex: 900))
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(20))
    #expect(duo.right.refusals.allSatisfy { $0 == .wrongCode } && duo.right.refusals.count >= 5)
    #expect(duo.right.outbox.isEmpty && duo.right.verdicts.isEmpty)
  }

  @Test func `a stranger who knows the gateway's key, and is no peer, gets silence too`() throws {
    let cast = try Cast(seed: 1)
    let stranger = try Cast(seed: 2)
    let duo = Duo(
      try Machine(stranger.left, remote: cast.right.publicKey),
      try Machine(cast.right, remote: cast.left.publicKey, firstIndex: 900))
    duo.left.begin(at: duo.now)
    duo.run(for: .seconds(20))
    #expect(duo.right.gatekeeper.counters.initiations >= 5)
    #expect(duo.right.outbox.isEmpty && duo.right.verdicts.isEmpty && duo.left.verdicts.isEmpty)
  }

  @Test func `our own key, and keys that give no secret, are refused as peers`() throws {
    let cast = try Cast()
    #expect(throws: Machine.Refused.self) { try Machine(cast.left, remote: cast.left.publicKey) }
    for first in [0, 1] as [UInt8] {
      let small = [first] + [UInt8](repeating: 0, count: 31)
      let key = try #require(small.withUnsafeBytes { PublicKey($0) })
      #expect(throws: Machine.Refused.self) { try Machine(cast.left, remote: key) }
    }
  }

  @Test func `an observer sees neither name, nor a byte twice that would link two handshakes`() throws {
    let cast = try Cast()
    let duo = try cast.duo(Channel(loss: percent(10)), seed: 4)
    for _ in 0..<20 {
      duo.left.begin(at: duo.now)
      duo.run(for: .seconds(20), talkingEvery: .seconds(1))
    }
    var names: Set<[UInt8]> = []
    for name in [cast.left.publicKey.bytes, cast.right.publicKey.bytes] { names.formUnion(windows(of: name)) }
    var seen: Set<[UInt8]> = []
    var messages: Set<[UInt8]> = []
    for case .message(let bytes) in duo.seen where messages.insert(bytes).inserted {
      // Behind the indices; mac2 is zeros here.
      let windows = windows(of: Array(bytes[12..<bytes.count - 16]))
      #expect(windows.allSatisfy { !names.contains($0) })
      #expect(windows.allSatisfy { seen.insert($0).inserted }, "eight bytes came twice")
    }
    #expect(messages.count >= 40)
  }

  @Test func `the cipher is the favourite of both, or the one that is good without hardware; whoever begins`() throws {
    let cases: [(left: [CipherSuite], right: [CipherSuite], chosen: CipherSuite?)] = [
      ([.aes128GCM, .chaCha20Poly1305], [.aes128GCM, .chaCha20Poly1305], .aes128GCM),
      ([.aes128GCM, .chaCha20Poly1305], [.chaCha20Poly1305, .aes128GCM], .chaCha20Poly1305),
      ([.chaCha20Poly1305, .aes128GCM], [.chaCha20Poly1305, .aes128GCM], .chaCha20Poly1305),
      ([.aes128GCM], [.chaCha20Poly1305, .aes128GCM], .aes128GCM),
      ([.aes128GCM], [.chaCha20Poly1305], nil),
    ]
    for (left, right, chosen) in cases {
      for (one, other) in [(left, right), (right, left)] {
        let duo = try Cast(leftSuites: one, rightSuites: other).duo()
        duo.left.begin(at: duo.now)
        duo.run(for: .seconds(2))
        #expect(duo.left.made.first?.suite == chosen && duo.right.made.first?.suite == chosen)
        #expect((duo.right.handshake.counters.noCommonSuite > 0) == (chosen == nil))
      }
    }
  }

  private func windows(of bytes: [UInt8]) -> [[UInt8]] {
    (0...bytes.count - 8).map { Array(bytes[$0..<$0 + 8]) }
  }
}
