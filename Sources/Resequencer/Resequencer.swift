//  Resequencer.swift — puts the bytes of segments back together, and segments back in order, and never waits for ever.
//
//  Why.  The k parts of a segment leave together and arrive apart, since each path has its own delay. A TCP inside
//  the tunnel would read that disorder as loss and slow down; so we pay memory and a little time to hide it.
//
//  How.  A datagram says where its bytes belong: lane, segment, offset. `place` answers with the very place, so that it
//  can be opened there and its bytes are never copied again; `accept` or `reject` follows when it is known whether it
//  is authentic. Each lane has a window of segments, and `next` is the one that it owes:
//
//           next = 42              43               44          45                       next + window
//          │ ███████·······████ │ ███████████████ │   ·   │ ████████████·· │  …           │
//                   ▲
//                  hole: 43 is complete and has to wait; 45 grows
//
//  A complete segment leaves when it is owed, and its packets come out of `nextDelivery` one by one, in one write for
//  each super-packet. A hole ends in one of five ways: it is filled; its loss is *proven*, since every path that the
//  set uses has delivered something that was sent later (paths keep their order, nearly); something has waited behind
//  it, and not grown, for as long as *patience*; the sender is a window further (*overrun*); or *memory* is short. Then
//  all that did arrive is delivered: packets between the holes as they are, and of a cut super-packet every piece whose
//  headers are known, from the segment or from a resume record (Salvage.swift).
//
//      datagram ──▶ place ──▶ (opened) ──▶ accept ──▶ window ──▶ ready ──▶ nextDelivery ──▶ (TUN write) ──▶ finish
//                     │                       │                                                              │
//                  refused                 verdict                                             memory comes back here
//
//  All lanes of a set share its patience, so what has waited longest is the first of one list a set; the sets'
//  deadlines are a heap. So a deadline costs O(log sets), whatever number of lanes have holes.
//
//  Rejected.  A timer for each gap (a stream with loss stalls for a whole patience each time; the proof takes one
//  datagram a path). Releasing parts of a segment early (a super-packet would be written in pieces, at the price of
//  several writes, to save a fraction of a millisecond). Giving holes up by count (an idle flow would hold its last
//  segment for ever). Holding datagrams and copying them when complete (the copy costs what the kernel's costs).
//
//  Always true.  (1) `next` never goes back. (2) Every held segment is in next ..< next + window of its lane. (3) A
//  byte of a segment is taken at most once, and delivered at most once. (4) Something is held ⇔ `deadline` is not nil,
//  and it is not later than the arrival of what has waited longest plus patience. (5) `place` with `reject` changes
//  nothing.
//  (6) A slot is free, claimed by the open claim, held, ready or leaving. Checked in `audit()` by the tests.
//
//  Not here.  Paths' delays, keys, sockets, the clock; who may send which packet (the engine looks at each delivery).
//
//  Cost: a datagram that follows the last one in its segment takes a dozen comparisons; any other one a look into a
//  ring and a list of at most 32 ranges. Memory: what is handed in, 8 bytes a lane, about 700 bytes a block in use.

import Packets
public import Primitives
import Wire

public struct Resequencer: ~Copyable {
  public struct Limits {
    /// Peers.
    public var laneSets: Int
    public var lanesPerSet = 1_024
    /// A power of two. 256 segments of one super-packet are 16 MB a lane: 100 ms at 1.3 Gbit/s. A lane of small packets
    /// reaches it first; its sender then must not be further ahead on one path than 256 segments on the others.
    public var windowSegments = 256
    public var mostSegmentLength: Int
    public var memory: UnsafeMutableRawBufferPointer
    /// Handed out and not finished. Each has room for its headers and the pieces of a UDP bundle.
    public var mostDeliveries = 256

    public init(laneSets: Int, mostSegmentLength: Int, memory: UnsafeMutableRawBufferPointer) {
      self.laneSets = laneSets
      self.mostSegmentLength = mostSegmentLength
      self.memory = memory
    }
  }

  /// The lanes of one peer.
  public struct LaneSet: Hashable, Sendable {
    @usableFromInline let index: UInt16
    /// Below the number of lane sets, and no other open one's.
    @inlinable public var number: Int { Int(index) }
    let generation: UInt16
  }

  struct SetState: BitwiseCopyable {
    var generation: UInt16 = 0
    var isOpen = false
    /// Paths that must have passed a hole, a bit each.
    var paths: UInt32 = 0
    var patience: Int64 = 0
    /// The held slots in the order of their first bytes.
    var oldest = Number.none
    var newest = Number.none
    /// Slots that were released and whose memory has not come back.
    var leaving: UInt32 = 0
    var nextFree = Number.none
  }

  /// The datagram that is being opened: at most one.
  struct Claimed {
    enum Kind: UInt8 { case nothing, growing, inPlace, aside }

    var kind = Kind.nothing
    var serial: UInt32 = 0
    var slot = Number.none
    var set: UInt16 = 0
    var textLength = 0
    var location = Location(lane: 0, segment: 0, length: 0, offset: 0, segmentSize: 0)
  }

  /// The range that grew last, and what the next datagram must say to continue it. It is all that such a datagram looks
  /// at; what it means for its lane is noted when another range has its turn (`settleRecent`).
  struct Recent {
    var memory: UnsafeMutableRawPointer?
    var slot = Number.none
    var set = LaneSet(index: .max, generation: 0)
    var segment: UInt32 = 0
    var length: UInt32 = 0
    var lane: UInt16 = 0
    var segmentSize: UInt16 = 0
    var flags = Location.Flags()
    var path: UInt8 = 0
    /// Where the last datagram began and ended, and how far the range may grow.
    var lower: UInt32 = 0
    var upper: UInt32 = 0
    var limit: UInt32 = 0
    var range = 0
  }

  /// Patience of a set until it is told its own: longer than the spread of common paths, shorter than a TCP's patience.
  public static let firstPatience = Interval.milliseconds(100)

  public private(set) var limits: Limits
  public internal(set) var counters = Counters()
  /// How long segments waited for the rest of them, or for those before.
  public internal(set) var waits = SpanTally()
  /// When something came last, or was given up.
  var moment: UInt64 = 0
  /// Bytes that have arrived and are still here.
  public internal(set) var heldBytes = 0
  /// Segments that have memory: incomplete, waiting, or not yet written.
  public var heldSegments: Int { pool.slotsInUse }

  private(set) var sets: UnsafeMutablePointer<SetState>
  private var firstFreeSet: Number
  var lanes: LaneTable
  var pool: SegmentPool
  var deliveries: DeliveryTable
  var deadlines: DeadlineQueue
  var claimed = Claimed()
  var recent = Recent()
  /// Released slots whose packets have not all been handed out, in their order.
  var firstReady = Number.none
  var lastReady = Number.none

  public init(_ limits: Limits) {
    precondition(limits.laneSets > 0 && limits.laneSets < 1 << 16, "between 1 and 65,535 lane sets")
    precondition(limits.lanesPerSet > 0 && limits.lanesPerSet <= 1 << 16, "a lane's number has 16 bits")
    precondition(limits.windowSegments.nonzeroBitCount == 1, "a window is a power of two")
    let pool = SegmentPool(
      memory: limits.memory, mostSegmentLength: limits.mostSegmentLength, setCount: limits.laneSets)
    let slotCount = pool.slotCount
    let states = UnsafeMutablePointer<SetState>.allocate(capacity: limits.laneSets)
    for index in 0..<limits.laneSets {
      var state = SetState()
      state.nextFree = index + 1 < limits.laneSets ? Number(index + 1) : .none
      (states + index).initialize(to: state)
    }
    self.limits = limits
    self.pool = pool
    lanes = LaneTable(
      sets: limits.laneSets, lanesPerSet: limits.lanesPerSet, window: limits.windowSegments, states: slotCount)
    deliveries = DeliveryTable(count: limits.mostDeliveries)
    deadlines = DeadlineQueue(count: limits.laneSets)
    sets = states
    firstFreeSet = 0
  }

  deinit { sets.deallocate() }

  // MARK: Lane sets

  /// Room for so many lane sets, or as many as there are. Those that are open stay; memory for segments stays the same.
  public mutating func makeRoom(laneSets: Int) {
    let before = limits.laneSets
    if laneSets <= before { return }
    precondition(laneSets < 1 << 16, "between 1 and 65,535 lane sets")
    settled()
    let states = UnsafeMutablePointer<SetState>.allocate(capacity: laneSets)
    states.moveInitialize(from: sets, count: before)
    for index in before..<laneSets {
      var state = SetState()
      state.nextFree = index + 1 < laneSets ? Number(index + 1) : firstFreeSet
      (states + index).initialize(to: state)
      _ = deadlines.append()
    }
    firstFreeSet = Number(before)
    sets.deallocate()
    sets = states
    lanes.makeRoom(sets: laneSets, before: before) { states[$0].isOpen }
    pool.makeRoom(sets: laneSets)
    limits.laneSets = laneSets
  }

  /// A peer's lanes; nil when there are as many as may be.
  public mutating func open() -> LaneSet? {
    let index = firstFreeSet
    if index == .none { return nil }
    let state = sets + Int(index)
    firstFreeSet = state.pointee.nextFree
    state.pointee.isOpen = true
    state.pointee.patience = Resequencer.firstPatience.nanoseconds
    state.pointee.paths = 0
    lanes.restart(Int(index))
    return LaneSet(index: UInt16(index), generation: state.pointee.generation)
  }

  /// The peer started anew: what is incomplete or waits goes, and all lanes count from 0. What was released is
  /// delivered.
  public mutating func reset(_ set: LaneSet) {
    guard let index = check(set) else { return }
    settled()
    while sets[index].oldest != .none {
      let number = sets[index].oldest
      let slot = pool.slots + Int(number)
      counters.strandedBytes += UInt64(slot.pointee.received)
      let state = slot.pointee.laneState
      leaveWindow(number)
      giveBack(number)
      if lanes.states[Int(state)].held == 0 { lanes.giveBack(state) }
    }
    lanes.restart(index)
    refreshDeadline(index)
  }

  /// The peer is gone; so is all that it sent and was not handed out.
  public mutating func close(_ set: LaneSet) {
    guard let index = check(set) else { return }
    reset(set)
    dropReady(of: index)
    sets[index].isOpen = false
    sets[index].generation &+= 1
    sets[index].nextFree = firstFreeSet
    firstFreeSet = Number(index)
  }

  /// How long something may wait for what is missing before it.
  public mutating func setPatience(_ patience: Interval, for set: LaneSet) {
    guard let index = check(set) else { return }
    sets[index].patience = max(0, patience.nanoseconds)
    refreshDeadline(index)
  }

  /// The paths that the peer sends on, a bit each. Without any, loss is never proven. Holes that are proven only by
  /// this change are found when their lane hears of another segment, or by patience.
  public mutating func setPaths(_ active: UInt32, for set: LaneSet) {
    guard let index = check(set) else { return }
    sets[index].paths = active
  }

  /// What a claim names must stay until it is settled.
  func settled() { precondition(claimed.kind == .nothing, "a claim is settled before anything else is asked") }

  @inline(__always) func check(_ set: LaneSet) -> Int? {
    let index = Int(set.index)
    guard index < limits.laneSets, sets[index].isOpen, sets[index].generation == set.generation else { return nil }
    return index
  }

  // MARK: Time

  /// When something will have waited for as long as its set's patience.
  public var deadline: Instant? { deadlines.first?.deadline }

  /// Time passed: what has waited long enough leaves.
  public mutating func expire(at now: Instant) {
    moment = now.nanoseconds
    settled()
    settleRecent()
    while let (index, deadline) = deadlines.first, deadline <= now {
      let slot = pool.slots + Int(sets[index].oldest)
      // What still grows is not lost: a long segment takes its time on a slow path, and who is behind it waits.
      let owed = lanes.entry(lanes.lane(slot.pointee.lane, of: index).pointee.next, of: slot.pointee.laneState).pointee
      if owed != .none, pool.slots[Int(owed)].touched > slot.pointee.since {
        postpone(sets[index].oldest, in: index, to: pool.slots[Int(owed)].touched)
        refreshDeadline(index)
        continue
      }
      giveUp(through: slot.pointee.segment, state: slot.pointee.laneState, reason: .patience)
      refreshDeadline(index)
    }
  }

  mutating func refreshDeadline(_ index: Int) {
    let oldest = sets[index].oldest
    if oldest == .none { return deadlines.set(index, nil) }
    let (due, overflow) = pool.slots[Int(oldest)].since.addingReportingOverflow(UInt64(sets[index].patience))
    deadlines.set(index, Instant(nanoseconds: overflow ? .max : due))
  }
}
