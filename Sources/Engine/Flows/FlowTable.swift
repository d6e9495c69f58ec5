//  FlowTable.swift — every flow that lives, found by its addresses and ports, and forgotten when it is silent.
//
//  Why.  A flow's plan, lane and counters are decided once and wanted for each packet; and anybody inside can open
//  flows as fast as he sends packets. So a look-up costs the same with ten flows and with 100,000, nobody can make
//  flows that collide, and memory is bounded: when the table is full, the flow that has been idle for longest goes.
//
//  How.
//        key ──hash(seed)──▶ buckets: hash and slot │ . │h 7│ . │h 2│h 0│ . │ …      open addressing, at most half full
//                                                         │        ╲
//                                            flows: │ 0 │ 1 │ 2 │ … │ 7 │ …           128 bytes each, by slot
//                                            links: before and after, by slot         three lists, latest first
//
//  A bucket holds 32 bits of the hash beside the slot, so a flow is only looked at when it is (nearly always) the right
//  one, and removing one closes the gap without looking at any. Links have an array of their own: to move a flow to the
//  front of its list touches three of them, and the links of a full table fit a second-level cache where the flows do
//  not.
//
//  A list for each time of silence (`Flow.Rest`) keeps every list in the order of both last packet and expiry; so the
//  oldest flow of all is the last of one of three.
//
//  Slots are given out lowest first, see `SlotMap`. All memory is handed in as zeros and touched only as flows come:
//  ten flows in a table for 131,072 take a dozen pages.
//
//  Lanes.  A flow's lane is `slot % lanes`. While there are no more flows than lanes, slots are smaller than that
//  number and each flow has a lane of its own: nobody waits for another's loss. With more, each lane has about as many
//  flows as the others, and a flow keeps its lane for life, so its order holds.
//
//  A flow with packets in a queue is not idle, however old its last packet is: it neither expires nor makes room. When
//  it is found at the end of a list it is put to the front.
//
//  Rejected.  Chains (a miss for each flow on the way); a clock hand or a coarse order ("the oldest goes first" is
//  promised); timers per flow; both directions in one flow (they meet at two gateways, and each decides for its own).
//
//  Always true.  (1) A key is in the table once. (2) Every flow is in exactly one list, and lists are ordered by last
//  packet.
//  (3) No bucket between a flow's home and its place is empty. (4) count ≤ capacity. `audit` checks them.
//
//  Not here.  What waits (FlowQueues), and what is decided (Rules).

import Packets
import Primitives

struct FlowTable: ~Copyable {
  /// As many as a busy site has, and 24 MiB when all of them live.
  static let usualCapacity = 131_072

  /// How long a flow may be silent. Nothing is lost when it is forgotten but its counters and its lane's quiet: the
  /// next packet makes a new flow. So these are far below a NAT's: shorter, and a flow with rare packets would be
  /// decided again for each; longer, and the table of a busy site is full of the dead.
  enum Rest: UInt8, BitwiseCopyable, CaseIterable {
    /// TCP, and what we know nothing of: keep-alives and long polls come every minute or two.
    case long = 0
    /// UDP, ICMP: most are a question and an answer.
    case short = 1
    /// TCP after FIN or RST: the last acknowledgements.
    case closing = 2

    var patience: Interval {
      switch self {
      case .long: .seconds(300)
      case .short: .seconds(60)
      case .closing: .seconds(30)
      }
    }
  }

  struct Counters: Equatable, Sendable {
    var created: UInt64 = 0
    /// Silent for too long.
    var expired: UInt64 = 0
    /// Made room for another.
    var evicted: UInt64 = 0
    /// No room: every flow that was looked at had packets waiting.
    var refused: UInt64 = 0
  }

  struct Links: BitwiseCopyable {
    var before: UInt32
    var after: UInt32
  }

  /// What is seldom wanted of a flow, apart from it: what came back (see `Returns`), and since when it is there.
  struct Back: BitwiseCopyable {
    var bytes: UInt64 = 0
    var pace: Pace
    /// A window of `Pace`.
    let born: UInt32

    init(at now: Instant) {
      pace = Pace(at: now)
      born = Pace.number(now)
    }
  }

  /// Nobody is woken more often for silent flows.
  static let expiryGrain = Interval.seconds(1)
  /// One call frees so many at most: 0.1 ms. With more due, `deadline` is now.
  static let mostExpiries = 1024
  /// How many flows with waiting packets a full table looks at before it refuses a new one.
  static let mostLooks = 64
  private static let none = UInt32.max

  let capacity: Int
  private(set) var counters = Counters()
  var count: Int { slots.count }

  private var slots: SlotMap
  private let seed: FiveTuple.HashSeed
  private let mask: Int
  private let buckets: UnsafeMutablePointer<UInt64>
  private let links: UnsafeMutablePointer<Links>
  private let flows: UnsafeMutablePointer<Flow>
  private let backs: UnsafeMutablePointer<Back>
  /// First and last of each list.
  private var first = InlineArray<3, UInt32>(repeating: .max)
  private var last = InlineArray<3, UInt32>(repeating: .max)
  private var nextExpiry = Instant.zero

  // MARK: Memory

  private struct Layout {
    var buckets: Int
    var links: Int
    var flows: Int
    var backs: Int
    var total: Int

    init(_ capacity: Int) {
      buckets = (SlotMap.bytes(for: capacity) + 127) / 128 * 128
      links = buckets + FlowTable.bucketCount(capacity) * MemoryLayout<UInt64>.stride
      flows = (links + capacity * MemoryLayout<Links>.stride + 127) / 128 * 128
      backs = flows + capacity * FlowTable.stride
      total = backs + capacity * MemoryLayout<Back>.stride
    }
  }

  /// Two cache lines: the key in the first.
  private static var stride: Int { 128 }

  /// At most half of them are used.
  private static func bucketCount(_ capacity: Int) -> Int {
    1 << (Int.bitWidth - (2 * capacity - 1).leadingZeroBitCount)
  }

  /// What a table for so many flows is handed.
  static func bytes(for capacity: Int) -> Int { Layout(capacity).total }

  /// `memory`: zeros, `bytes(for: capacity)` of them, aligned to 128, longer alive than the table. `random`: 64 bits
  /// that no sender knows.
  init(memory: UnsafeMutableRawBufferPointer, capacity: Int = FlowTable.usualCapacity, random: UInt64) {
    precondition(MemoryLayout<Flow>.size <= FlowTable.stride, "a flow outgrew its place")
    let layout = Layout(capacity)
    guard let start = memory.baseAddress, memory.count >= layout.total else {
      preconditionFailure("a flow table needs \(layout.total) bytes")
    }
    self.capacity = capacity
    seed = FiveTuple.HashSeed(random)
    mask = FlowTable.bucketCount(capacity) - 1
    slots = SlotMap(memory: start, capacity: capacity)
    buckets = (start + layout.buckets).assumingMemoryBound(to: UInt64.self)
    links = (start + layout.links).assumingMemoryBound(to: Links.self)
    flows = (start + layout.flows).assumingMemoryBound(to: Flow.self)
    backs = (start + layout.backs).assumingMemoryBound(to: Back.self)
  }

  @inline(__always)
  private func place(_ slot: UInt32) -> UnsafeMutablePointer<Flow> {
    (UnsafeMutableRawPointer(flows) + Int(slot) &* FlowTable.stride).assumingMemoryBound(to: Flow.self)
  }

  /// A flow that lives.
  subscript(slot: UInt32) -> Flow {
    @inline(__always) unsafeAddress {
      assert(slots.isTaken(Int(slot)), "a flow that is gone")
      return UnsafePointer(place(slot))
    }
    @inline(__always) unsafeMutableAddress {
      assert(slots.isTaken(Int(slot)), "a flow that is gone")
      return place(slot)
    }
  }

  static func lane(of slot: UInt32, lanes: Int) -> UInt16 { UInt16(truncatingIfNeeded: Int(slot) % lanes) }

  // MARK: Looking up

  /// The flow with this key, if it lives. Changes nothing.
  @inline(__always)
  func find(_ key: FiveTuple) -> UInt32? { find(key, hash(key)) }

  /// The flow that a packet belongs to, made when it is the first; nil when there is no room. The packet counts, and
  /// the flow is the latest of its list; of `changed` when the packet begins or ends a connection.
  @inline(__always)
  mutating func note(_ key: FiveTuple, bytes: Int, changed: Rest? = nil, at now: Instant) -> UInt32? {
    let hash = hash(key)
    guard let slot = find(key, hash) ?? insert(key, hash, at: now) else { return nil }
    let flow = place(slot)
    flow.pointee.lastSeen = now
    flow.pointee.packets &+= 1
    flow.pointee.bytes &+= UInt64(bytes)
    let rest = flow.pointee.rest
    if let changed, changed != rest {
      unlink(slot, from: rest)
      flow.pointee.rest = changed
      link(slot, to: changed)
    } else if first[Int(rest.rawValue)] != slot {
      unlink(slot, from: rest)
      link(slot, to: rest)
    }
    return slot
  }

  @inline(__always) private func hash(_ key: FiveTuple) -> UInt32 {
    // The upper half: all bits are good, and any 32 will do.
    UInt32(truncatingIfNeeded: key.hash64(seed: seed) >> 32)
  }

  @inline(__always) private func home(_ hash: UInt32) -> Int { Int(hash) & mask }

  @inline(__always)
  private func find(_ key: FiveTuple, _ hash: UInt32) -> UInt32? {
    var at = home(hash)
    while true {
      let bucket = buckets[at]
      if bucket == 0 { return nil }
      if UInt32(truncatingIfNeeded: bucket >> 32) == hash {
        let slot = UInt32(truncatingIfNeeded: bucket) &- 1
        if place(slot).pointee.hasKey(key) { return slot }
      }
      at = (at &+ 1) & mask
    }
  }

  // MARK: Coming and going

  private mutating func insert(_ key: FiveTuple, _ hash: UInt32, at now: Instant) -> UInt32? {
    if slots.count == capacity && !evict(at: now) {
      counters.refused += 1
      return nil
    }
    guard let taken = slots.take() else { preconditionFailure("a table that is not full has no slot") }
    let slot = UInt32(taken)
    var at = home(hash)
    while buckets[at] != 0 { at = (at + 1) & mask }
    buckets[at] = UInt64(hash) << 32 | UInt64(slot + 1)
    let rest: Rest = Flow.isShort(key.transport) ? .short : .long
    place(slot).initialize(to: Flow(key: key, rest: rest, at: now))
    (backs + Int(slot)).initialize(to: Back(at: now))
    link(slot, to: rest)
    counters.created += 1
    return slot
  }

  /// Frees the flow that has been idle for longest. False when all that it looked at have packets waiting.
  private mutating func evict(at now: Instant) -> Bool {
    for _ in 0..<FlowTable.mostLooks {
      guard let slot = oldest else { return false }
      if keepIfBusy(slot, at: now) { continue }
      remove(slot)
      counters.evicted += 1
      return true
    }
    return false
  }

  /// A flow with waiting packets is as alive as one with a packet now.
  private mutating func keepIfBusy(_ slot: UInt32, at now: Instant) -> Bool {
    let flow = place(slot)
    if flow.pointee.waiting == 0 { return false }
    flow.pointee.lastSeen = now
    unlink(slot, from: flow.pointee.rest)
    link(slot, to: flow.pointee.rest)
    return true
  }

  /// The flow whose last packet is the oldest; nil when there is none.
  private var oldest: UInt32? {
    var oldest: UInt32?
    for rest in Rest.allCases {
      let slot = last[Int(rest.rawValue)]
      if slot == FlowTable.none { continue }
      if let other = oldest, place(other).pointee.lastSeen <= place(slot).pointee.lastSeen { continue }
      oldest = slot
    }
    return oldest
  }

  /// Forgets a flow. Its packets have left their queue before.
  mutating func remove(_ slot: UInt32) {
    precondition(place(slot).pointee.waiting == 0, "a flow with waiting packets is forgotten")
    let hash = hash(place(slot).pointee.key)
    var at = home(hash)
    let wanted = UInt64(hash) << 32 | UInt64(slot + 1)
    while buckets[at] != wanted { at = (at + 1) & mask }
    closeGap(at)
    unlink(slot, from: place(slot).pointee.rest)
    slots.giveBack(Int(slot))
  }

  /// Moves back what would not be found any more behind an empty bucket.
  private func closeGap(_ at: Int) {
    var gap = at
    var next = (at + 1) & mask
    while buckets[next] != 0 {
      let home = home(UInt32(truncatingIfNeeded: buckets[next] >> 32))
      // It may move when its home is not between the gap and itself, all seen on a ring.
      if (next - home) & mask >= (next - gap) & mask {
        buckets[gap] = buckets[next]
        gap = next
      }
      next = (next + 1) & mask
    }
    buckets[gap] = 0
  }

  // MARK: Lists

  @inline(__always)
  private mutating func link(_ slot: UInt32, to rest: Rest) {
    let list = Int(rest.rawValue)
    let head = first[list]
    links[Int(slot)] = Links(before: FlowTable.none, after: head)
    if head == FlowTable.none { last[list] = slot } else { links[Int(head)].before = slot }
    first[list] = slot
  }

  @inline(__always)
  private mutating func unlink(_ slot: UInt32, from rest: Rest) {
    let list = Int(rest.rawValue)
    let link = links[Int(slot)]
    if link.before == FlowTable.none { first[list] = link.after } else { links[Int(link.before)].after = link.after }
    if link.after == FlowTable.none { last[list] = link.before } else { links[Int(link.after)].before = link.before }
  }

  // MARK: Time

  /// When the first silent flow is to be forgotten; nil when there is no flow.
  var deadline: Instant? {
    var earliest: Instant?
    // Asked in every turn, and `allCases` is an object.
    var list: UInt8 = 0
    while let rest = Rest(rawValue: list) {
      list += 1
      let slot = last[Int(rest.rawValue)]
      if slot == FlowTable.none { continue }
      let due = place(slot).pointee.lastSeen + rest.patience
      earliest = min(earliest ?? due, due)
    }
    return earliest.map { max($0, nextExpiry) }
  }

  /// Forgets flows that are silent for too long; a bounded number of them.
  mutating func expire(at now: Instant) {
    if now < nextExpiry { return }
    var budget = FlowTable.mostExpiries
    for rest in Rest.allCases {
      while budget > 0, last[Int(rest.rawValue)] != FlowTable.none {
        let slot = last[Int(rest.rawValue)]
        if place(slot).pointee.lastSeen + rest.patience > now { break }
        budget -= 1
        if keepIfBusy(slot, at: now) { continue }
        remove(slot)
        counters.expired += 1
      }
    }
    nextExpiry = budget > 0 ? now + FlowTable.expiryGrain : now
  }

  // MARK: For those who look

  mutating func noteReturn(_ bytes: Int, of slot: UInt32, at now: Instant) {
    let back = backs + Int(slot)
    back.pointee.pace.turn(back.pointee.bytes, window: Pace.number(now))
    back.pointee.bytes &+= UInt64(bytes)
  }

  func back(_ slot: UInt32) -> Back { backs[Int(slot)] }

  /// The next slots from this one on that have a flow, `most` of them, and where to go on; nil: that was all. A flow
  /// keeps its slot, so who lives all the time is told once, whoever comes and goes meanwhile.
  func walk(from first: Int, atMost most: Int, _ body: (UInt32) -> Void) -> Int? {
    var found = 0
    var slot = first
    // Slots are given out lowest first: behind the last flow there are few free ones, and then none to look at.
    let end = min(capacity, first + 64 * most)
    while slot < end {
      if slots.isTaken(slot) {
        body(UInt32(slot))
        found += 1
      }
      slot += 1
      if found == most { break }
    }
    return slot >= capacity ? nil : slot
  }

  /// Calls `body` for each flow, by slot; for `status` and tests, O(capacity ÷ 64) and more.
  func forEach(_ body: (UInt32) -> Void) {
    for slot in 0..<capacity where slots.isTaken(slot) { body(UInt32(slot)) }
  }

  /// Checks what is always true; O(capacity).
  func audit() {
    var found = 0
    forEach { slot in
      precondition(find(place(slot).pointee.key) == slot, "a flow is not where its key leads")
      found += 1
    }
    precondition(found == count && count <= capacity, "the count of flows is wrong")
    precondition((0...mask).reduce(0) { $0 + (buckets[$1] == 0 ? 0 : 1) } == count, "a bucket leads to no flow")
    var listed = 0
    for rest in Rest.allCases {
      var slot = first[Int(rest.rawValue)]
      var before = FlowTable.none
      while slot != FlowTable.none {
        precondition(place(slot).pointee.rest == rest, "a flow is in another's list")
        precondition(links[Int(slot)].before == before, "a list is torn")
        if before != FlowTable.none {
          precondition(place(slot).pointee.lastSeen <= place(before).pointee.lastSeen, "a list is not in order")
        }
        before = slot
        slot = links[Int(slot)].after
        listed += 1
      }
      precondition(last[Int(rest.rawValue)] == before, "a list ends elsewhere")
    }
    precondition(listed == count, "a flow is in no list, or in two")
  }
}
