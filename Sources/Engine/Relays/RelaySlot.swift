//  RelaySlot.swift — one socket of ours, and what a relay forwards for it.
//
//  Why.  A relay tells by the address from which a datagram comes where it goes. So each way over a relay has a socket
//  of its own, and somebody has to see to it that the relay still knows what that socket is for: relays restart, leases
//  end, translators on the way give us another address, and the address at the far end may be the wrong one.
//
//  How.                 the relay answers      we ask         it grants
//      free ──assign──▶ greeting ──────────▶ asking ──▶ … ──────────▶ bound ──half of the lease──▶ (asks, stays bound)
//                          ▲                   ▲  ▲                    │ │
//                          └─── it is silent ──┼──┼────────────────────┘ │ nothing came over it for `leastTrial`:
//                                              │  └──────────────────────┘ the next address of the peer
//                       it refuses: `refused` ─┘ after `refusedFor`
//
//  Bound and silent are two things: while the relay does not answer, what it forwarded may still be forwarded, and the
//  path's own liveness says whether it is.
//
//  A slot may also serve nobody: then it only greets the relay, and asks it how far it is, for as long as it is told
//  to.
//
//  Always true.  (1) A free slot has no deadline and wants nothing. (2) It asks at most once in `firstPause`, and less
//  and less often while nobody answers. (3) A binding is asked for again before its lease ends, if the relay answers.
//
//  Not here.  Sessions with relays, paths over them (Relayed.swift); which relays serve a peer (an oracle, or the
//  operator).

import Primitives

struct RelaySlot: BitwiseCopyable {
  enum State: UInt8, BitwiseCopyable {
    case free
    /// There is no session with the relay, or it does not answer on this socket.
    case greeting
    case asking
    case bound
    case refused
  }

  enum Step: Equatable {
    case wait
    /// Ask for a binding to the peer's address with this number, modulo as many as there are.
    case ask(address: Int)
    /// Ask how far the relay is.
    case probe
    /// Nobody needs it any more.
    case release
  }

  /// In place of a peer.
  static let nobody = UInt32.max
  /// Thirty in the time that an advisor gives, with 100 bytes each: as much as a telephone call.
  static let probePause = Interval.milliseconds(100)

  /// Long against a restart of ours, short against an oracle's memory of who is where.
  static let lease = Interval.seconds(120)
  /// About a round trip of most ways; a lost question costs one.
  static let firstPause = Interval.milliseconds(250)
  static let lastPause = Interval.seconds(4)
  /// Three pings and their pauses. Then an address over which nothing came back is not the right one.
  static let leastTrial = Interval.seconds(3)
  /// Relays are full for minutes, and their operators change their minds in hours.
  static let refusedFor = Interval.seconds(30)

  private(set) var state = State.free
  /// Whom it serves, and who forwards, both by their places among the peers.
  private(set) var peer: UInt32 = 0
  private(set) var relay: UInt32 = 0
  /// Of the peer's addresses.
  private var address = 0
  private var pause = RelaySlot.firstPause
  private var due: Instant?
  /// When to look whether anything came over it.
  private var trialEnds: Instant?
  /// What came of asking it.
  var probes = ProbeRecord()
  private var nextProbe: Instant?
  private var probesEnd = Instant.zero

  var isFree: Bool { state == .free }
  var servesNobody: Bool { peer == RelaySlot.nobody }

  // MARK: What happens

  mutating func assign(peer: UInt32, relay: UInt32, at now: Instant) {
    precondition(isFree, "a slot serves one peer over one relay")
    self = RelaySlot()
    self.peer = peer
    self.relay = relay
    state = .greeting
  }

  mutating func release() { self = RelaySlot() }

  /// Whom it was probed for is known now.
  mutating func serve(_ peer: UInt32, at now: Instant) {
    precondition(!isFree && servesNobody, "a slot serves one peer over one relay")
    self.peer = peer
    if state == .asking { due = now }
  }

  mutating func probe(until end: Instant, at now: Instant) {
    if nextProbe == nil { nextProbe = now }
    probesEnd = end
  }

  /// It answers on this socket: a session is there, and a question came back.
  mutating func relayAnswers(at now: Instant) {
    guard state == .greeting else { return }
    state = .asking
    pause = RelaySlot.firstPause
    due = servesNobody ? nil : now
  }

  /// It was started anew, or is out of reach: what it knew of us is gone, as far as we know.
  mutating func relayIsSilent() {
    guard state != .free && state != .refused else { return }
    state = .greeting
    due = nil
    trialEnds = nil
  }

  mutating func granted(for lease: Interval, at now: Instant) {
    guard state == .asking || state == .bound else { return }
    if state == .asking { trialEnds = now + RelaySlot.leastTrial }
    state = .bound
    pause = RelaySlot.firstPause
    // A relay may grant less than was asked for.
    due = now + max(min(lease, RelaySlot.lease) / 2, RelaySlot.firstPause)
  }

  mutating func refused(at now: Instant) {
    guard state == .asking || state == .bound else { return }
    state = .refused
    trialEnds = nil
    due = now + RelaySlot.refusedFor
  }

  /// The path over it is up: its address is the right one.
  mutating func pathIsUp() { trialEnds = nil }

  /// Nothing comes over it: perhaps we have another address, of which the relay hears when we ask.
  mutating func pathIsDown(at now: Instant) {
    guard state == .bound else { return }
    if trialEnds == nil { trialEnds = now + RelaySlot.leastTrial }
    if pause == RelaySlot.firstPause { due = now }
  }

  // MARK: Time

  var deadline: Instant? {
    let wish = due.map { due in trialEnds.map { min($0, due) } ?? due } ?? trialEnds
    guard let nextProbe else { return wish }
    return wish.map { min($0, nextProbe) } ?? nextProbe
  }

  mutating func expire(at now: Instant) -> Step {
    if let next = nextProbe, next <= now {
      nextProbe = now < probesEnd ? now + RelaySlot.probePause : nil
      return nextProbe != nil ? .probe : servesNobody ? .release : .wait
    }
    if let end = trialEnds, end <= now {
      // Somewhere else, at once; the way there is asked for like a new one.
      trialEnds = nil
      address += 1
      state = .asking
      pause = RelaySlot.firstPause
      due = now
    }
    guard let due, due <= now else { return .wait }
    if state == .refused {
      state = .asking
      pause = RelaySlot.firstPause
    }
    self.due = now + pause
    pause = min(pause * 2, RelaySlot.lastPause)
    return .ask(address: address)
  }
}
