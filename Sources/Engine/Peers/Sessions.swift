//  Sessions.swift — the keys in use, found by the number that the other side writes into every datagram.
//
//  A session's number is its place in the table and sixteen random bits, so a stranger who guesses places still has to guess the
//  rest before we spend a decryption on him. A peer has three places: the session before, the one in use, the next.
//
//  Always true.  (1) A place's keys are destroyed before it is used again. (2) `slot(of:)` returns only places in use.

import Handshake
import Primitives
import Sealing

/// What the way out needs of a session.
struct SendingSession: BitwiseCopyable {
  var key: SealingKey
  var remoteIndex: UInt32
  var slot: Int
}

/// What the way in needs of it.
struct ReceivingSession: BitwiseCopyable {
  var key: SealingKey
  var peer: UInt32
}

struct Session: BitwiseCopyable {
  var localIndex: UInt32
  var sending: SendingSession
  var receiving: ReceivingSession
  /// Both sides are known to have the keys.
  var isConfirmed: Bool
  var sealedBytes: UInt64 = 0
  var since: Instant
}

struct Sessions: ~Copyable {
  /// Before, now, next.
  static let perPeer = 3
  /// A key is changed long before GCM's bounds, by bytes or by time.
  static let mostBytes: UInt64 = 1 << 40

  private let table: UnsafeMutablePointer<Session?>
  private var windows: FixedArray<ReplayWindow?>
  let count: Int
  /// The session that has sealed its fill: its peer must begin a new one.
  private(set) var exhausted: Int?

  init(peers: Int) {
    count = peers * Sessions.perPeer
    precondition(count <= 1 << 16, "a session's number has room for 65,536 of them")
    table = .allocate(capacity: max(1, count))
    table.initialize(repeating: nil, count: max(1, count))
    windows = FixedArray(count: count * PeerPath.mostIDs) { _ in nil }
  }

  deinit { table.deallocate() }

  @inline(__always)
  subscript(slot: Int) -> Session {
    guard let session = table[slot] else { preconditionFailure("no session in this place") }
    return session
  }

  /// The place of a session that somebody names; nil when there is none with this number.
  @inline(__always)
  func slot(of index: UInt32) -> Int? {
    let slot = Int(index & 0xffff)
    guard slot < count, let session = table[slot], session.localIndex == index else { return nil }
    return slot
  }

  /// A number for a peer's next session: one of its three places, and what makes it hard to guess. nil when all three are taken.
  func freshIndex(for peer: Int, random: UInt32) -> UInt32? {
    let first = peer * Sessions.perPeer
    for slot in first..<first + Sessions.perPeer where table[slot] == nil {
      return UInt32(slot) | random & 0xffff_0000
    }
    return nil
  }

  /// Whose handshake this number was given to.
  func peer(of index: UInt32) -> Int? {
    let slot = Int(index & 0xffff)
    return slot < count ? slot / Sessions.perPeer : nil
  }

  mutating func install(_ session: Session, in slot: Int) {
    precondition(table[slot] == nil, "the place is taken")
    table[slot] = session
  }

  /// The keys are for whoever destroys them.
  mutating func remove(_ slot: Int) -> (SealingKey, SealingKey)? {
    guard let session = table[slot] else { return nil }
    table[slot] = nil
    for id in 0..<PeerPath.mostIDs { windows[slot * PeerPath.mostIDs + id] = nil }
    return (session.sending.key, session.receiving.key)
  }

  mutating func confirm(_ slot: Int) { table[slot]?.isConfirmed = true }

  func isInUse(_ slot: Int) -> Bool { table[slot] != nil }

  // MARK: Replay

  /// Whether this counter may be opened: never seen on this path, and not too old. Changes nothing.
  @inline(__always)
  func isFresh(_ counter: UInt64, path: UInt8, in slot: Int) -> Bool {
    guard Int(path) < PeerPath.mostIDs else { return false }
    return windows[slot * PeerPath.mostIDs + Int(path)]?.isFresh(counter) ?? true
  }

  /// It was genuine.
  @inline(__always)
  mutating func accept(_ counter: UInt64, path: UInt8, in slot: Int) {
    let index = slot * PeerPath.mostIDs + Int(path)
    if windows[index] == nil { windows[index] = ReplayWindow() }
    windows[index]?.accept(counter)
  }

  // MARK: Use

  @inline(__always)
  mutating func noteSealed(bytes: Int, by session: SendingSession) {
    let before = table[session.slot]?.sealedBytes ?? 0
    table[session.slot]?.sealedBytes = before &+ UInt64(bytes)
    if before < Sessions.mostBytes && before &+ UInt64(bytes) >= Sessions.mostBytes { exhausted = session.slot }
  }

  /// The session whose bytes have run out since the last call.
  mutating func takeExhausted() -> Int? {
    defer { exhausted = nil }
    return exhausted
  }
}
