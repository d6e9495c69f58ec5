//  FlowQueues.swift — packets that wait, flow by flow, whose turn it is, and what goes when too much waits.
//
//  Why.  A download must not stand before a call, nor a hundred downloads before the hundred-and-first. And the more
//  that waits, the longer the segments that leave: so what waits is kept by flow, and leaves by runs.
//
//  How.
//        urgent     A ─▶ B                           flows that were idle and begin with an urgent packet
//        ordinary   C ─▶ D ─▶ E ─▶ (F)               all others; (F) has just been emptied
//                   │
//                   └─ waiting: 62,000 · 62,000 · 24,000 · 1,500          a flow's packets, in order
//                               ╰──────── run ────────╯ ╰─ another kind
//
//  Rounds are dealt by bytes (deficit round robin): a flow has its turn while its credit is positive and pays for what
//  leaves; out of credit it gets `quantum` more and goes to the end of the ordinary list. A run may overdraw, since
//  full batches are worth more than exact turns, and who overdrew waits more rounds.
//
//  A flow in the urgent list has the same credit, once: then it is ordinary. When it was emptied before, it may be
//  urgent again after as long as all others that wait would need for as much. So urgent packets overtake all that
//  waits, and a flood of them takes no more than its share. That is a time and not a round of the others: when their
//  paths have all that they can use, no round ends, and a call must not wait for one.
//
//  A run is what can be one segment: packets that follow each other, all or none with a checksum to finish, and of one
//  segment size. A plain packet may stand among super-packets only if its payload is no longer than their segment size,
//  since the far side tells the two apart by that.
//
//  Too much.  Each flow has its own `CoDel`, which is asked when a packet leaves; urgent ones are no exception. Who
//  does not listen fills his own queue until there is no room, in packets or in bytes; then the packet at the head of
//  the flow with the most bytes goes, so that a flood drops its own packets and not those of a call beside it (RFC 8290
//  §4.1.3). From the head, since that is what is too late already, and since its sender hears of it soonest. Segments
//  get their numbers behind this queue, so nothing that goes here leaves a hole.
//
//  Rejected.  Urgent packets before older ones of the same flow: reordering within a flow is what lanes exist to avoid.
//  A heap of flows by bytes: every packet would pay for what happens only when there is no room.
//
//  Always true.  (1) Order within a flow is kept. (2) At most `mostWaiting` packets and `mostBytes` bytes wait, and
//  `mostOfOneFlow` packets of one flow. (3) A flow whose packets wait is in exactly one list. (4) Between two turns of
//  a flow, any other gets its quantum and one overdraft at most. (5) A packet that was `queued` leaves in a run, or its
//  buffer comes out of `nextGivenUp`.
//
//  Cost: O(1) for a packet; without room, O(flows that wait). No allocation after `init`.

import Primitives

struct FlowQueues: ~Copyable {
  /// For each round: about ten full packets. A smaller one makes bulk flows pass many empty rounds after a full batch;
  /// a larger one makes everybody wait longer for his turn.
  static let quantum = 16_384
  /// Of all flows; with one buffer of 64 KiB for each this is the most that a driver can hand in.
  static let usualWaiting = 4_096
  /// A quarter of it: one flow cannot take all room, and has enough for a full window of super-packets.
  static let mostShare = 4
  /// Of all flows: 134 ms at 1 Gbit/s. Much less, and a fast flow that starts would meet this bound before CoDel has
  /// seen one interval of it; much more is memory for senders who do not listen anyway.
  static let usualBytes = 16 << 20
  /// While paths are still found out, a sender doubles what he sends and we double what they carry: what stands between
  /// is his next round trip, and no reason to stop him at a quarter of the line. But not longer than this.
  static let growth = Interval.seconds(1)
  /// Of an urgent flow, in nanoseconds: a second, however many wait and however slow their paths are.
  static let mostRest: UInt64 = 1_000_000_000
  /// The longest packet, of IPv6: one always finds room when nothing else waits.
  static let leastBytes = 40 + 65_535

  struct Counters: Equatable, Sendable {
    var queued: UInt64 = 0
    /// Refused: there was no room, and no flow had more waiting than this one.
    var full: UInt64 = 0
    /// Refused: the flow has as many waiting as it may.
    var flowFull: UInt64 = 0
    /// Given up at the head of the flow with the most bytes: there was no room for another.
    var evicted: UInt64 = 0
    /// Waited too long, and its sender was told by a mark.
    var marked: UInt64 = 0
    /// Waited too long, and its sender was told by its loss.
    var dropped: UInt64 = 0
    /// The same for a super-packet: its first piece.
    var trimmed: UInt64 = 0
  }

  enum Verdict { case queued, full, flowFull }

  private struct Entry: BitwiseCopyable {
    var packet: WaitingPacket
    var next: UInt32
  }

  private enum Place: UInt8, BitwiseCopyable { case nowhere = 0, urgent, ordinary }

  /// A flow's queue; all zero is an empty one in no list. Numbers of entries and flows are one higher than they are.
  private struct Queue: BitwiseCopyable {
    var head: UInt32
    var tail: UInt32
    var following: UInt32
    var credit: Int32
    var count: UInt32
    var bytes: UInt32
    var place: Place
    /// It may be urgent from then on.
    var resumes: UInt64
    var codel: CoDel
  }

  /// Flows one after the other, linked through their queues.
  private struct List: BitwiseCopyable {
    var head: UInt32 = 0
    var tail: UInt32 = 0
    var count = 0

    mutating func append(_ flow: UInt32, _ queues: UnsafeMutablePointer<Queue>) {
      count += 1
      if tail == 0 { head = flow + 1 } else { queues[Int(tail) - 1].following = flow + 1 }
      tail = flow + 1
    }

    mutating func removeHead(_ queues: UnsafeMutablePointer<Queue>) {
      count -= 1
      head = queues[Int(head) - 1].following
      if head == 0 { tail = 0 }
    }
  }

  let mostWaiting: Int
  let mostOfOneFlow: Int
  let mostOfOneRun: Int
  let mostBytes: Int
  private(set) var counters = Counters()
  private(set) var waiting = 0
  private(set) var waitingBytes = 0

  private let queues: UnsafeMutablePointer<Queue>
  private let entries: UnsafeMutablePointer<Entry>
  private let run: UnsafeMutablePointer<WaitingPacket>
  private var free: UInt32
  private var urgent = List()
  private var ordinary = List()
  /// Buffers of packets that go no further.
  private var givenUp: RingBuffer<UInt16>

  /// For queues of flows 0 ..< `flows`.
  static func bytes(flows: Int) -> Int { flows * MemoryLayout<Queue>.stride }

  /// `memory`: zeros, `bytes(flows:)` of them, longer alive than this.
  init(
    memory: UnsafeMutableRawBufferPointer, mostWaiting: Int = FlowQueues.usualWaiting, mostOfOneRun: Int = 128,
    mostBytes: Int = FlowQueues.usualBytes
  ) {
    precondition(mostWaiting > 0 && mostOfOneRun > 0, "a queue has room for a packet")
    precondition(
      mostBytes >= FlowQueues.leastBytes && mostBytes <= UInt32.max, "a queue has room for a packet of any length")
    guard let start = memory.baseAddress else { preconditionFailure("queues without memory") }
    let nothing = WaitingPacket(
      bytes: start, arrived: .zero, length: 0, payloadLength: 0, segmentSize: 0, buffer: 0, needsChecksum: false)
    let pool = UnsafeMutablePointer<Entry>.allocate(capacity: mostWaiting)
    for index in 0..<mostWaiting {
      (pool + index).initialize(to: Entry(packet: nothing, next: index + 1 < mostWaiting ? UInt32(index + 2) : 0))
    }
    let row = UnsafeMutablePointer<WaitingPacket>.allocate(capacity: mostOfOneRun)
    row.initialize(repeating: nothing, count: mostOfOneRun)
    queues = start.assumingMemoryBound(to: Queue.self)
    self.mostWaiting = mostWaiting
    self.mostOfOneRun = mostOfOneRun
    self.mostBytes = mostBytes
    mostOfOneFlow = max(1, mostWaiting / FlowQueues.mostShare)
    entries = pool
    run = row
    free = 1
    givenUp = RingBuffer(minimumCapacity: mostWaiting)
  }

  deinit {
    entries.deallocate()
    run.deallocate()
  }

  // MARK: In

  /// Lets a packet wait. Unless it is `queued`, its buffer is free.
  @inline(__always)
  mutating func append(
    _ packet: WaitingPacket, to flow: UInt32, isUrgent: Bool, in table: inout FlowTable
  ) -> Verdict {
    let queue = queues + Int(flow)
    if queue.pointee.count >= UInt32(mostOfOneFlow) {
      counters.flowFull += 1
      return .flowFull
    }
    if free == 0 || waitingBytes &+ Int(packet.length) > mostBytes {
      if !makeRoom(for: Int(packet.length), of: flow, in: &table) {
        counters.full += 1
        return .full
      }
    }
    let entry = free
    free = entries[Int(entry) - 1].next
    entries[Int(entry) - 1] = Entry(packet: packet, next: 0)
    if queue.pointee.count == 0 {
      queue.pointee.head = entry
    } else {
      entries[Int(queue.pointee.tail) - 1].next = entry
    }
    queue.pointee.tail = entry
    queue.pointee.count += 1
    queue.pointee.bytes += packet.length
    if queue.pointee.place == .nowhere {
      queue.pointee.credit = Int32(FlowQueues.quantum)
      insert(flow, into: isUrgent && packet.arrived.nanoseconds >= queue.pointee.resumes ? .urgent : .ordinary)
    }
    table[flow].waiting += 1
    waiting += 1
    waitingBytes += Int(packet.length)
    counters.queued += 1
    return .queued
  }

  /// Gives up what waits of the greatest flows until a packet of this length has room. False when its own flow would be
  /// the greatest and has nothing to give.
  @inline(never)
  private mutating func makeRoom(for length: Int, of flow: UInt32, in table: inout FlowTable) -> Bool {
    while free == 0 || waitingBytes + length > mostBytes {
      // Its own flow counts with the new packet, and goes first among equals.
      var greatest = flow
      var most = Int(queues[Int(flow)].bytes) + length
      findGreater(urgent, &greatest, &most)
      findGreater(ordinary, &greatest, &most)
      if queues[Int(greatest)].count == 0 { return false }
      evict(from: greatest, in: &table)
    }
    return true
  }

  private func findGreater(_ list: List, _ greatest: inout UInt32, _ most: inout Int) {
    var head = list.head
    while head != 0 {
      let queue = queues + Int(head - 1)
      if Int(queue.pointee.bytes) > most {
        most = Int(queue.pointee.bytes)
        greatest = head - 1
      }
      head = queue.pointee.following
    }
  }

  private mutating func evict(from flow: UInt32, in table: inout FlowTable) {
    let queue = queues + Int(flow)
    let index = queue.pointee.head
    let entry = entries[Int(index) - 1]
    queue.pointee.head = entry.next
    queue.pointee.count -= 1
    queue.pointee.bytes -= entry.packet.length
    entries[Int(index) - 1].next = free
    free = index
    table[flow].waiting -= 1
    waiting -= 1
    waitingBytes -= Int(entry.packet.length)
    counters.evicted += 1
    givenUp.append(entry.packet.buffer)
  }

  // MARK: Out

  /// The flow whose turn it is; nil when nothing waits. Until it changes by `takeRun`, `postpone` or `append`, it stays
  /// that flow's turn.
  mutating func nextFlow() -> UInt32? {
    while true {
      let place: Place = urgent.head != 0 ? .urgent : .ordinary
      let head = place == .urgent ? urgent.head : ordinary.head
      if head == 0 { return nil }
      let flow = head - 1
      let queue = queues + Int(flow)
      if queue.pointee.credit <= 0 {
        queue.pointee.credit += Int32(FlowQueues.quantum)
        removeHead(of: place)
        insert(flow, into: .ordinary)
      } else if queue.pointee.count > 0 {
        return flow
      } else {
        removeHead(of: place)
        queue.pointee.place = .nowhere
      }
    }
  }

  /// Whether the flow whose turn it is overtakes all others.
  var isUrgentTurn: Bool { urgent.head != 0 }

  /// A run of packets, in a place of its own that is good until the next one is taken.
  struct Run {
    var packets: UnsafeBufferPointer<WaitingPacket>
    var length: Int
    var segmentSize: UInt16
    var needsChecksum: Bool
  }

  /// What can leave as one segment of `nextFlow`'s flow, at most `mostBytes` long; one packet in any case. `rate`: at
  /// which packets of this flow's peer leave now, as far as anybody knows. `isGrowing`: that grows as fast as it can.
  mutating func takeRun(
    of flow: UInt32, mostBytes: Int, rate: BitRate? = nil, isGrowing: Bool = false, in table: inout FlowTable,
    at now: Instant
  ) -> Run {
    let queue = queues + Int(flow)
    precondition(queue.pointee.count > 0, "a run of a flow that has nothing waiting")
    // Nearly always nothing stands, and nothing stood: what came later than this need not be judged.
    let late = now.nanoseconds &- min(now.nanoseconds, UInt64(CoDel.target.nanoseconds))
    var isQuiet = queue.pointee.codel.isQuiet
    var head = queue.pointee.head
    var left = queue.pointee.count
    var gone = 0
    var length = 0
    var needsChecksum = false
    var size: UInt16 = 0
    /// The longest payload of a plain packet so far.
    var plain: UInt16 = 0
    var count = 0
    while left > 0 && count < mostOfOneRun {
      let entry = entries + (Int(head) - 1)
      let packet = run + count
      packet.pointee = entry.pointee.packet
      if count > 0 {
        if length + Int(packet.pointee.length) > mostBytes || packet.pointee.needsChecksum != needsChecksum { break }
        if packet.pointee.segmentSize == 0 {
          if size > 0 && packet.pointee.payloadLength > size { break }
        } else if size == 0 ? plain > packet.pointee.segmentSize : packet.pointee.segmentSize != size {
          break
        }
      }
      let following = entry.pointee.next
      entry.pointee.next = free
      free = head
      head = following
      left -= 1
      gone += Int(packet.pointee.length)
      if packet.pointee.arrived.nanoseconds <= late || !isQuiet {
        let mayLeave = judge(
          packet, queue, behind: Int(queue.pointee.bytes) - gone, rate: rate, isGrowing: isGrowing, at: now)
        isQuiet = queue.pointee.codel.isQuiet
        if !mayLeave { continue }
      }
      if packet.pointee.segmentSize == 0 {
        plain = max(plain, packet.pointee.payloadLength)
      } else {
        size = packet.pointee.segmentSize
      }
      needsChecksum = packet.pointee.needsChecksum
      count += 1
      length += Int(packet.pointee.length)
    }
    let taken = queue.pointee.count - left
    queue.pointee.head = head
    queue.pointee.count = left
    queue.pointee.bytes -= UInt32(gone)
    queue.pointee.credit -= Int32(truncatingIfNeeded: min(length, Int(Int32.max) / 2))
    if left == 0 && queue.pointee.place == .urgent { rest(queue, rate: rate, at: now) }
    table[flow].waiting -= taken
    waiting -= Int(taken)
    waitingBytes -= gone
    return Run(
      packets: UnsafeBufferPointer(start: run, count: count), length: length, segmentSize: size,
      needsChecksum: needsChecksum)
  }

  /// An urgent flow was emptied: it leaves the others as much as it took, each of them.
  @inline(__always)
  private func rest(_ queue: UnsafeMutablePointer<Queue>, rate: BitRate?, at now: Instant) {
    guard let rate, ordinary.count > 0 else { return }
    let taken = UInt64(max(0, FlowQueues.quantum - Int(queue.pointee.credit)))
    let time = taken * 8_000_000_000 / max(1_000, rate.bitsPerSecond) * UInt64(ordinary.count + 1)
    queue.pointee.resumes = now.nanoseconds + min(time, FlowQueues.mostRest)
  }

  /// False when the packet that left its queue goes no further.
  @inline(never)
  private mutating func judge(
    _ packet: UnsafeMutablePointer<WaitingPacket>, _ queue: UnsafeMutablePointer<Queue>, behind: Int, rate: BitRate?,
    isGrowing: Bool, at now: Instant
  ) -> Bool {
    var waited = now - packet.pointee.arrived
    if isGrowing && waited < FlowQueues.growth { waited = .zero }
    let isTold = queue.pointee.codel.judge(
      waited: waited, length: Int(packet.pointee.length), behind: behind, rate: rate, at: now)
    if !isTold { return true }
    switch packet.pointee.tellSender() {
    case .marked: counters.marked += 1
    case .trimmed: counters.trimmed += 1
    case .mustGo:
      counters.dropped += 1
      givenUp.append(packet.pointee.buffer)
      return false
    }
    return true
  }

  /// A buffer whose packet was queued and goes no further.
  mutating func nextGivenUp() -> UInt16? { givenUp.popFirst() }

  /// `nextFlow`'s flow cannot leave now (its peer has no room): it goes to the end, and keeps its credit.
  mutating func postpone(_ flow: UInt32) {
    let place = queues[Int(flow)].place
    precondition(
      (place == .urgent ? urgent.head : ordinary.head) == flow + 1, "only the flow whose turn it is can be postponed")
    removeHead(of: place)
    insert(flow, into: .ordinary)
  }

  /// Whether the first packet of a flow is a small one; one waits.
  @inline(__always)
  func beginsSmall(_ flow: UInt32) -> Bool {
    entries[Int(queues[Int(flow)].head) - 1].packet.length <= UInt32(Rhythm.mostSmall)
  }

  /// How many packets of a flow wait.
  func waiting(of flow: UInt32) -> Int { Int(queues[Int(flow)].count) }

  // MARK: Lists

  private mutating func insert(_ flow: UInt32, into place: Place) {
    queues[Int(flow)].place = place
    queues[Int(flow)].following = 0
    if place == .urgent { urgent.append(flow, queues) } else { ordinary.append(flow, queues) }
  }

  private mutating func removeHead(of place: Place) {
    if place == .urgent { urgent.removeHead(queues) } else { ordinary.removeHead(queues) }
  }
}
