//  Machines.swift — two gateways as far as keys go, and a channel between them that does what networks do.

import Crypto
import Handshake
import Primitives
import Sealing
import TestWorld
import Testing
import Wire

/// What travels: bytes of a handshake, or a datagram, which stands for any that is sealed with a session's keys.
enum Cargo: Equatable {
  case message([UInt8])
  case datagram(receiver: UInt32, key: [UInt8], isPing: Bool)
}

/// One gateway with one peer: what an engine does for it.
final class Machine {
  struct Session {
    let remoteIndex: UInt32
    let suite: CipherSuite
    let isInitiator: Bool
    let incarnation: UInt64
    let sending, receiving, sendingMask, receivingMask: [UInt8]
  }

  let identity: Identity
  var gatekeeper: Gatekeeper
  var handshake: Handshake
  /// By local index, as long as they are not retired.
  private(set) var sessions: [UInt32: Session] = [:]
  /// All that there ever were.
  private(set) var made: [Session] = []
  private(set) var outbox: [(cargo: Cargo, isAnswer: Bool)] = []
  private(set) var received = 0
  private(set) var lost = 0
  private(set) var refusals: [Gatekeeper.Verdict] = []
  private(set) var verdicts: [Handshake.Verdict] = []
  private var lent: Set<UInt32> = []
  private var nextIndex: UInt32
  private let address: [UInt8]

  init(
    _ identity: Identity, remote: PublicKey, presharedKey: [UInt8]? = nil, incarnation: UInt64 = 1,
    wallClock: UInt64 = 1_700_000_000, limits: Gatekeeper.Limits = .init(), timing: Handshake.Timing = .init(),
    firstIndex: UInt32 = 100, port: UInt8 = 1
  ) throws {
    self.identity = identity
    gatekeeper = Gatekeeper(identity, limits: limits)
    let secret = presharedKey.map { secretOf($0) }
    guard
      let handshake = Handshake(
        identity, remote: remote, presharedKey: secret, incarnation: incarnation,
        wallClockAtZero: WallTime(seconds: wallClock, nanoseconds: 0), timing: timing)
    else { throw Refused() }
    self.handshake = handshake
    nextIndex = firstIndex
    address = [192, 0, 2, 1, 0, port]
    lend()
  }

  struct Refused: Error {}

  func begin(at now: Instant) {
    handshake.begin(at: now)
    drain()
  }

  func expire(at now: Instant) {
    guard let deadline = handshake.deadline, deadline <= now else { return }
    handshake.expire(at: now)
    drain()
  }

  func receive(_ cargo: Cargo, at now: Instant, from source: [UInt8]? = nil) {
    switch cargo {
    case .datagram(let receiver, let key, let isPing):
      guard let session = sessions[receiver], session.receiving == key else { return lost += 1 }
      received += 1
      handshake.confirm(receiver, at: now)
      if isPing { talk() }
    case .message(let bytes):
      bytes.withUnsafeBytes { bytes in
        (source ?? address).withUnsafeBytes { source in
          switch gatekeeper.receive(bytes, from: source, at: now) {
          case .refused(let verdict): refusals.append(verdict)
          case .answer(let reply): outbox.append((.message(reply.withBytes { Array($0) }), true))
          case .initiation(let opened):
            guard opened.remote == handshake.remote else { return }
            verdicts.append(handshake.receive(opened, at: now))
          case .response(let receiver): deliver(bytes, to: receiver, at: now)
          case .cookie(let receiver): deliver(bytes, to: receiver, at: now)
          }
        }
      }
    }
    drain()
  }

  private func deliver(_ message: UnsafeRawBufferPointer, to receiver: UInt32, at now: Instant) {
    if lent.contains(receiver) { verdicts.append(handshake.receive(message, at: now)) }
  }

  func isBusy(at now: Instant) -> Bool { gatekeeper.isBusy(at: now) }

  /// A datagram with the session that is sent with, if there is one.
  func talk() {
    if let index = handshake.sendingIndex { send(with: index, isPing: false) }
  }

  private func send(with index: UInt32, isPing: Bool) {
    guard let session = sessions[index] else { return }
    outbox.append((.datagram(receiver: session.remoteIndex, key: session.sending, isPing: isPing), false))
  }

  func takeOutbox() -> [(cargo: Cargo, isAnswer: Bool)] {
    let all = outbox
    outbox = []
    return all
  }

  private func drain() {
    while let message = handshake.nextMessage() {
      #expect(message.count <= 256)
      outbox.append((.message(message.withBytes { Array($0) }), message.isAnswer))
    }
    while let new = handshake.nextSession() {
      let session = Session(
        remoteIndex: new.remoteIndex, suite: new.suite, isInitiator: new.isInitiator, incarnation: new.incarnation,
        sending: Array(new.sending.sealing.bytes), receiving: Array(new.receiving.sealing.bytes),
        sendingMask: Array(new.sending.masking.bytes), receivingMask: Array(new.receiving.masking.bytes))
      #expect(lent.contains(new.localIndex) && sessions[new.localIndex] == nil)
      sessions[new.localIndex] = session
      made.append(session)
    }
    while let index = handshake.nextProof() { send(with: index, isPing: true) }
    while let index = handshake.nextRetired() {
      #expect(lent.remove(index) != nil, "an index came back that was not out")
      sessions[index] = nil
    }
    lend()
    #expect(lent.count <= 8, "indices leak")
    let stillOpened = sessions.keys.allSatisfy { handshake.opens($0) }
    #expect(stillOpened)
  }

  private func lend() {
    while handshake.wantsIndex {
      lent.insert(nextIndex)
      handshake.lend(nextIndex)
      nextIndex += 1
    }
  }
}

/// A seed's network between two machines.
struct Channel {
  var loss = Probability.never
  var duplication = Probability.never
  var delay = Interval.milliseconds(20)
  /// Added by chance, so that what was sent later may arrive earlier.
  var spread = Interval.zero
}

final class Duo {
  var now = Instant(nanoseconds: 1_000_000_000)
  var left: Machine
  var right: Machine
  var channel: Channel
  /// Everything that an observer sees.
  private(set) var seen: [Cargo] = []
  private var flying: [(due: Instant, toRight: Bool, cargo: Cargo)] = []
  private var random: SeededRandom

  init(_ left: Machine, _ right: Machine, _ channel: Channel = Channel(), seed: UInt64 = 1) {
    self.left = left
    self.right = right
    self.channel = channel
    random = SeededRandom(seed: seed).stream(named: "channel")
  }

  /// Both talk this often, if they can.
  func run(for time: Interval, talkingEvery pause: Interval? = nil) {
    let end = now + time
    var nextTalk = pause.map { now + $0 }
    post()
    while true {
      var next = end
      for deadline in [left.handshake.deadline, right.handshake.deadline, flying.map(\.due).min(), nextTalk] {
        if let deadline { next = min(next, max(deadline, now)) }
      }
      now = next
      if now >= end { return }
      if let talk = nextTalk, talk <= now, let pause {
        left.talk()
        right.talk()
        nextTalk = now + pause
      }
      while let place = flying.firstIndex(where: { $0.due <= now }) {
        let packet = flying.remove(at: place)
        (packet.toRight ? right : left).receive(packet.cargo, at: now)
        post()
      }
      left.expire(at: now)
      right.expire(at: now)
      post()
    }
  }

  /// What is on its way never arrives.
  func forgetFlying() { flying = [] }

  private func post() {
    for (machine, toRight) in [(left, true), (right, false)] {
      for (cargo, _) in machine.takeOutbox() {
        seen.append(cargo)
        for _ in 0..<(random.happens(channel.duplication) ? 2 : 1) where !random.happens(channel.loss) {
          let extra = Int64(random.below(UInt64(channel.spread.nanoseconds + 1)))
          flying.append((now + channel.delay + .nanoseconds(extra), toRight, cargo))
        }
      }
    }
  }
}

/// Keys and cryptography from a seed.
struct Cast {
  let leftCryptography: SeededCryptography
  let rightCryptography: SeededCryptography
  let left: Identity
  let right: Identity

  init(
    seed: UInt64 = 1, leftSuites: [CipherSuite] = [.aes128GCM, .chaCha20Poly1305],
    rightSuites: [CipherSuite] = [.aes128GCM, .chaCha20Poly1305]
  ) throws {
    let library = try LibraryCryptography.make()
    leftCryptography = SeededCryptography(library, seed: 2 * seed, suites: leftSuites)
    rightCryptography = SeededCryptography(library, seed: 2 * seed + 1, suites: rightSuites)
    left = Identity(privateKey: randomSecret(leftCryptography), leftCryptography)
    right = Identity(privateKey: randomSecret(rightCryptography), rightCryptography)
  }

  /// The two, ready; the left one is the elder one if `elderIsLeft`.
  func duo(_ channel: Channel = Channel(), seed: UInt64 = 1, timing: Handshake.Timing = .init()) throws -> Duo {
    Duo(
      try Machine(left, remote: right.publicKey, timing: timing),
      try Machine(right, remote: left.publicKey, incarnation: 2, timing: timing, firstIndex: 900, port: 2), channel,
      seed: seed)
  }

  var leftIsElder: Bool { right.publicKey.bytes.lexicographicallyPrecedes(left.publicKey.bytes) }

  /// The same two, the other way round.
  var swapped: Cast { Cast(self) }

  private init(_ other: Cast) {
    leftCryptography = other.rightCryptography
    rightCryptography = other.leftCryptography
    left = other.right
    right = other.left
  }
}

func secretOf(_ bytes: [UInt8]) -> Secret {
  var secret = Secret()
  secret.withMutableBytes { place in
    for (index, byte) in bytes.prefix(32).enumerated() { place[index] = byte }
  }
  return secret
}

func randomSecret(_ cryptography: any Cryptography) -> Secret {
  var secret = Secret()
  secret.withMutableBytes { cryptography.random($0) }
  return secret
}

/// Whether one opens what the other seals, in both directions, with the sessions that they send with.
func understandEachOther(_ left: Machine, _ right: Machine) -> Bool {
  guard let one = left.handshake.sendingIndex, let other = right.handshake.sendingIndex,
    let mine = left.sessions[one], let theirs = right.sessions[other]
  else { return false }
  return right.sessions[mine.remoteIndex]?.receiving == mine.sending
    && left.sessions[theirs.remoteIndex]?.receiving == theirs.sending
}

/// Whether both send with the two ends of one session.
func shareOneSession(_ left: Machine, _ right: Machine) -> Bool {
  guard let one = left.handshake.sendingIndex, let other = right.handshake.sendingIndex else { return false }
  return left.sessions[one]?.remoteIndex == other && right.sessions[other]?.remoteIndex == one
}

func percent(_ number: UInt32) -> Probability { Probability(partsPerBillion: number * 10_000_000) }
