//  Sessions.swift — the keys in use, found by the number that the other side writes into every datagram.
//
//  A session's number is its place in the table and sixteen random bits, so a stranger who guesses places still has to
//  guess the rest before we spend a decryption on him. Places are lent to a peer's handshake, which says when a session
//  begins and when it is over:
//
//      free ──lend──▶ lent ──install──▶ in use ──destroy──▶ lent ──giveBack──▶ free
//
//  Always true.  (1) A place's keys are destroyed before it is used again. (2) `slot(of:)` returns only places in use.
//  (3) A peer has eight places, so no peer can take another's.

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
  /// Which run of the other gateway it was made with.
  var incarnation: UInt64
  /// Something authentic came with its keys.
  var isHeard = false
  var sealedBytes: UInt64 = 0
  var since: Instant
}

struct Sessions: ~Copyable {
  /// Four that a handshake keeps, one that it asks for, two in its hand, and one that is on its way back.
  static let perPeer = 8
  /// A key is changed long before GCM's bounds, by bytes or by time.
  static let mostBytes: UInt64 = 1 << 40

  private var table: UnsafeMutablePointer<Session?>
  private var isLent: UnsafeMutablePointer<Bool>
  /// One for each path's name that was heard with a session's keys.
  private var windows: UnsafeMutablePointer<Window?>
  private let cryptography: any Cryptography
  private(set) var count: Int
  private var room: Int
  /// A session that has sealed its fill: its peer must begin a new one.
  private(set) var exhausted: Int?

  init(peers: Int, _ cryptography: any Cryptography) {
    let places = peers * Sessions.perPeer
    precondition(places <= 1 << 16, "a session's number has room for 65,536 of them")
    let room = max(1, places)
    let sessions = UnsafeMutablePointer<Session?>.allocate(capacity: room)
    sessions.initialize(repeating: nil, count: room)
    let loans = UnsafeMutablePointer<Bool>.allocate(capacity: room)
    loans.initialize(repeating: false, count: room)
    let views = UnsafeMutablePointer<Window?>.allocate(capacity: room * PeerPath.mostIDs)
    views.initialize(repeating: nil, count: room * PeerPath.mostIDs)
    self.cryptography = cryptography
    count = places
    self.room = room
    table = sessions
    isLent = loans
    windows = views
  }

  deinit {
    for slot in 0..<count { Sessions.destroy(slot, table, windows, cryptography) }
    table.deallocate()
    windows.deallocate()
    isLent.deallocate()
  }

  /// As many peers as fit their numbers.
  static let mostPeers = (1 << 16) / perPeer

  /// Places for one peer more, behind those of the others.
  mutating func addPeer() {
    precondition(count / Sessions.perPeer < Sessions.mostPeers, "a session's number has room for 65,536 of them")
    if count + Sessions.perPeer > room { makeRoom(2 * max(room, Sessions.perPeer)) }
    count += Sessions.perPeer
  }

  private mutating func makeRoom(_ places: Int) {
    let sessions = UnsafeMutablePointer<Session?>.allocate(capacity: places)
    sessions.initialize(repeating: nil, count: places)
    let loans = UnsafeMutablePointer<Bool>.allocate(capacity: places)
    loans.initialize(repeating: false, count: places)
    let views = UnsafeMutablePointer<Window?>.allocate(capacity: places * PeerPath.mostIDs)
    views.initialize(repeating: nil, count: places * PeerPath.mostIDs)
    sessions.update(from: table, count: count)
    loans.update(from: isLent, count: count)
    views.update(from: windows, count: count * PeerPath.mostIDs)
    table.deallocate()
    isLent.deallocate()
    windows.deallocate()
    (table, isLent, windows, room) = (sessions, loans, views, places)
  }

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

  func isInUse(_ slot: Int) -> Bool { table[slot] != nil }

  /// Whose handshake this number was lent to.
  func peer(of index: UInt32) -> Int? {
    let slot = Int(index & 0xffff)
    return slot < count ? slot / Sessions.perPeer : nil
  }

  // MARK: Places

  /// A number for a peer's next session: one of its places, and what makes it hard to guess. nil when all are taken.
  mutating func lend(to peer: Int) -> UInt32? {
    let first = peer * Sessions.perPeer
    for slot in first..<first + Sessions.perPeer where !isLent[slot] {
      isLent[slot] = true
      var random: UInt16 = 0
      withUnsafeMutableBytes(of: &random) { cryptography.random($0) }
      return UInt32(slot) | UInt32(random) << 16
    }
    return nil
  }

  mutating func install(_ session: consuming NewSession, peer: UInt32, at now: Instant) {
    let slot = Int(session.localIndex & 0xffff)
    precondition(isLent[slot] && table[slot] == nil, "a session comes with a number that was lent for it")
    let sealing = cryptography.expand(
      session.suite, sealing: session.sending.sealing, masking: session.sending.masking)
    let opening = cryptography.expand(
      session.suite, sealing: session.receiving.sealing, masking: session.receiving.masking)
    table[slot] = Session(
      localIndex: session.localIndex,
      sending: SendingSession(key: sealing, remoteIndex: session.remoteIndex, slot: slot),
      receiving: ReceivingSession(key: opening, peer: peer), incarnation: session.incarnation, since: now)
  }

  /// The keys go; the number stays with the handshake.
  mutating func destroy(_ slot: Int) { Sessions.destroy(slot, table, windows, cryptography) }

  private static func destroy(
    _ slot: Int, _ table: UnsafeMutablePointer<Session?>, _ windows: UnsafeMutablePointer<Window?>,
    _ cryptography: any Cryptography
  ) {
    guard let session = table[slot] else { return }
    cryptography.destroy(session.sending.key)
    cryptography.destroy(session.receiving.key)
    table[slot] = nil
    for place in slot * PeerPath.mostIDs..<(slot + 1) * PeerPath.mostIDs {
      windows[place]?.free()
      windows[place] = nil
    }
  }

  mutating func giveBack(_ index: UInt32) { giveBack(place: Int(index & 0xffff)) }

  mutating func giveBack(place slot: Int) {
    destroy(slot)
    isLent[slot] = false
    if exhausted == slot { exhausted = nil }
  }

  /// All that were lent to a handshake that is no more.
  mutating func giveBack(allOf peer: Int) {
    for slot in peer * Sessions.perPeer..<(peer + 1) * Sessions.perPeer { giveBack(place: slot) }
  }

  mutating func noteHeard(_ slot: Int) { table[slot]?.isHeard = true }

  // MARK: Replay

  /// Whether this counter may be opened: never seen on this path, and not too old. Changes nothing.
  @inline(__always)
  func isFresh(_ counter: UInt64, path: UInt8, in slot: Int) -> Bool {
    guard Int(path) < PeerPath.mostIDs else { return false }
    guard let window = windows[slot * PeerPath.mostIDs + Int(path)] else { return true }
    return window.pointer.pointee.check(counter) == .fresh
  }

  /// It was genuine. False: a copy of it came in the same batch.
  @inline(__always)
  mutating func accept(_ counter: UInt64, path: UInt8, in slot: Int) -> Bool {
    let place = slot * PeerPath.mostIDs + Int(path)
    guard let window = windows[place] else {
      windows[place] = Window(accepting: counter)
      return true
    }
    return window.pointer.pointee.accept(counter) == .fresh
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

/// A window against replay at a place of its own: a path has one from the first datagram that was heard on it.
struct Window: BitwiseCopyable {
  // Raw: the thread sanitizer's build does not take pointers to values that cannot be copied as fields.
  private let memory: UnsafeMutableRawPointer

  init(accepting counter: UInt64) {
    memory = .allocate(byteCount: MemoryLayout<ReplayWindow>.stride, alignment: MemoryLayout<ReplayWindow>.alignment)
    var window = ReplayWindow()
    _ = window.accept(counter)
    memory.bindMemory(to: ReplayWindow.self, capacity: 1).initialize(to: window)
  }

  @inline(__always)
  var pointer: UnsafeMutablePointer<ReplayWindow> { memory.assumingMemoryBound(to: ReplayWindow.self) }

  func free() {
    pointer.deinitialize(count: 1)
    memory.deallocate()
  }
}
