//  GuardedLanes.swift — the lanes that have parity at the moment: those that we protect, and those that peers protect.
//
//  How much memory that may take is decided here, and nothing else. A call of 50 packets a second fills a group of two
//  in 20 ms; `openFor` lets one of three be full as well, and whoever says `parity 4+1` for a call has groups of three
//  then, which end by the time.
//
//  An encoder that was idle for `LanePool.idle` may get another lane; whatever number its next group has, the other
//  side's decoder was idle as long and begins anew. So numbers of groups need no memory in each lane.
//
//  Cost: 8 KiB for a lane that we protect and 48 for one that a peer does, made on demand.

import Erasure
import Primitives
import Redundancy
import Wire

struct GuardedLanes: ~Copyable {
  /// 2 MiB; more calls at a time go without.
  static let mostSenders = 256
  /// 12 MiB.
  static let mostReceivers = 256
  /// Of one peer, on both sides the same: whatever one sends, the other has room for.
  static let share = 64
  /// What a path of 1,500 bytes carries beside parity's own. Longer ones are no calls.
  static let mostText = 1_408
  /// How long a group waits for its last member: packets of a call come every 20 ms, so shorter ones would be groups of
  /// one or two, and longer ones come when nobody waits for them any more. Where the other side's patience is shorter
  /// than this, so is the round trip, and a repair is in time.
  static let openFor = Interval.milliseconds(40)
  /// The most for adaptive protection: more would make its parity late, and not much less.
  static let adaptiveMembers = 4
  /// Until it is known how many come in time: as many as of a call.
  private static let firstMembers = 2
  /// The longest pieces of one group.
  private static let storeBytes = 32 << 10

  struct Sender: ~Copyable {
    var encoder: ParityEncoder
    /// What measured loss asked for last, and when.
    var rows: Int?
    var shapedAt = Instant.zero
    /// Members that a group of this lane gets before its time is over, as far as we know.
    private var members = GuardedLanes.firstMembers
    private var before: ParityEncoder.Counters

    init(encoder: consuming ParityEncoder) {
      before = encoder.counters
      self.encoder = encoder
    }

    /// How many members adaptive protection counts with. A group that is not full in time was given parity for members
    /// that it does not have: when half of them are so, they get one fewer, and when none is for long, one more.
    mutating func usualMembers() -> Int {
      let counters = encoder.counters
      let timedOut = counters.timedOut - before.timedOut
      let groups = counters.full - before.full + timedOut
      if groups >= 4 && 2 * timedOut >= groups {
        members = max(members - 1, 1)
        before = counters
      } else if groups >= 32 {
        if timedOut == 0 { members = min(members + 1, GuardedLanes.adaptiveMembers) }
        before = counters
      }
      return members
    }

    /// What is open will not be sent.
    mutating func discard() {
      encoder.flush()
      while encoder.nextParity() != nil {}
      rows = nil
    }
  }

  private let code: ErasureCode
  var senders = LanePool<Sender>(capacity: GuardedLanes.mostSenders, share: GuardedLanes.share)
  var receivers = LanePool<ParityDecoder>(capacity: GuardedLanes.mostReceivers, share: GuardedLanes.share)
  /// When a group of ours has been open for long enough; it may be early.
  private(set) var deadline: Instant?
  /// Where a member's text is put together that lies in several buffers.
  let scratch: UnsafeMutableRawPointer

  init(code: ErasureCode) {
    self.code = code
    scratch = .allocate(byteCount: GuardedLanes.mostText, alignment: 64)
  }

  deinit { scratch.deallocate() }

  /// The place of a lane that we protect; nil when all are busy.
  mutating func sender(for lane: UInt16, of peer: Int, at now: Instant) -> Int? {
    let code = code
    let found = senders.use(peer: peer, lane: lane, at: now) {
      Sender(encoder: ParityEncoder(code: code, mostText: GuardedLanes.mostText, openFor: GuardedLanes.openFor))
    }
    guard let found else { return nil }
    if found.wasIdle { senders[found.place].discard() }
    return found.place
  }

  /// The place of a lane that a peer protects; nil when all are busy.
  mutating func receiver(for lane: UInt16, of peer: Int, at now: Instant) -> Int? {
    let code = code
    let found = receivers.use(peer: peer, lane: lane, at: now) {
      var limits = ParityDecoder.Limits(mostText: GuardedLanes.mostText)
      limits.bytes = GuardedLanes.storeBytes
      return ParityDecoder(code: code, limits: limits)
    }
    guard let found else { return nil }
    if found.wasIdle {
      receivers[found.place].reset()
    } else {
      receivers[found.place].expire(at: now)
    }
    return found.place
  }

  /// The group of this sender may have begun.
  mutating func noteGroup(of place: Int) {
    guard let due = senders[place].encoder.deadline else { return }
    deadline = min(deadline ?? due, due)
  }

  /// The next sender whose group has to end; nil when there is none, and `deadline` is right again.
  mutating func nextDue(at now: Instant) -> Int? {
    var earliest: Instant?
    for place in 0..<senders.count {
      guard let due = senders[place].encoder.deadline else { continue }
      if due <= now {
        senders[place].encoder.expire(at: now)
        return place
      }
      earliest = min(earliest ?? due, due)
    }
    deadline = earliest
    return nil
  }

  /// Lanes with this peer count anew: what is open names segments of before.
  mutating func reset(peer: Int) {
    for place in 0..<senders.count where senders.peer(of: place) == peer { senders[place].discard() }
    for place in 0..<receivers.count where receivers.peer(of: place) == peer { receivers[place].reset() }
  }
}
