//  FlowQueues.swift — packets that wait, flow by flow, and whose turn it is.
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
//  A flow in the urgent list has the same credit, once: then it is ordinary, and so it is when it was emptied. Only
//  after a round in which nothing of it waited may it be urgent again. So urgent packets overtake all that waits, and a
//  flood of them takes no more than its share.
//
//  A run is what can be one segment: packets that follow each other, all or none with a checksum to finish, and of one
//  segment size. A plain packet may stand among super-packets only if its payload is no longer than their segment size,
//  since the far side tells the two apart by that.
//
//  Rejected.  Urgent packets before older ones of the same flow: reordering within a flow is what lanes exist to avoid.
//
//  Always true.  (1) Order within a flow is kept. (2) At most `mostWaiting` packets wait, and `mostOfOneFlow` of one
//  flow.
//  (3) A flow whose packets wait is in exactly one list. (4) Between two turns of a flow, any other gets its quantum
//  and one overdraft at most.
//
//  Not here.  How long a packet waited, and what to drop then. Cost: O(1) for a packet, no allocation after `init`.

import Primitives

/// A packet in the buffer that it was read into.
struct WaitingPacket: BitwiseCopyable {
  var bytes: UnsafeRawPointer
  var length: UInt32
  /// Behind its transport header.
  var payloadLength: UInt16
  /// Of the pieces of a super-packet; 0 when it is none.
  var segmentSize: UInt16
  /// Of the driver's; it goes back when the packet has left.
  var buffer: UInt16
  var needsChecksum: Bool
}

struct FlowQueues: ~Copyable {
  /// For each round: about ten full packets. A smaller one makes bulk flows pass many empty rounds after a full batch;
  /// a larger one makes everybody wait longer for his turn.
  static let quantum = 16_384
  /// Of all flows; with one buffer of 64 KiB for each this is the most that a driver can hand in.
  static let usualWaiting = 4_096
  /// A quarter of it: one flow cannot take all room, and has enough for a full window of super-packets.
  static let mostShare = 4

  struct Counters: Equatable, Sendable {
    var queued: UInt64 = 0
    /// No room in the pool.
    var full: UInt64 = 0
    /// The flow has as many waiting as it may.
    var flowFull: UInt64 = 0
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
    var place: Place
  }

  /// Flows one after the other, linked through their queues.
  private struct List: BitwiseCopyable {
    var head: UInt32 = 0
    var tail: UInt32 = 0

    mutating func append(_ flow: UInt32, _ queues: UnsafeMutablePointer<Queue>) {
      if tail == 0 { head = flow + 1 } else { queues[Int(tail) - 1].following = flow + 1 }
      tail = flow + 1
    }

    mutating func removeHead(_ queues: UnsafeMutablePointer<Queue>) {
      head = queues[Int(head) - 1].following
      if head == 0 { tail = 0 }
    }
  }

  let mostWaiting: Int
  let mostOfOneFlow: Int
  let mostOfOneRun: Int
  private(set) var counters = Counters()
  private(set) var waiting = 0

  private let queues: UnsafeMutablePointer<Queue>
  private let entries: UnsafeMutablePointer<Entry>
  private let run: UnsafeMutablePointer<WaitingPacket>
  private var free: UInt32
  private var urgent = List()
  private var ordinary = List()

  /// For queues of flows 0 ..< `flows`.
  static func bytes(flows: Int) -> Int { flows * MemoryLayout<Queue>.stride }

  /// `memory`: zeros, `bytes(flows:)` of them, longer alive than this.
  init(
    memory: UnsafeMutableRawBufferPointer, mostWaiting: Int = FlowQueues.usualWaiting, mostOfOneRun: Int = 128
  ) {
    precondition(mostWaiting > 0 && mostOfOneRun > 0, "a queue has room for a packet")
    guard let start = memory.baseAddress else { preconditionFailure("queues without memory") }
    let nothing = WaitingPacket(
      bytes: UnsafeRawPointer(start), length: 0, payloadLength: 0, segmentSize: 0, buffer: 0, needsChecksum: false)
    let pool = UnsafeMutablePointer<Entry>.allocate(capacity: mostWaiting)
    for index in 0..<mostWaiting {
      (pool + index).initialize(to: Entry(packet: nothing, next: index + 1 < mostWaiting ? UInt32(index + 2) : 0))
    }
    let row = UnsafeMutablePointer<WaitingPacket>.allocate(capacity: mostOfOneRun)
    row.initialize(repeating: nothing, count: mostOfOneRun)
    queues = start.assumingMemoryBound(to: Queue.self)
    self.mostWaiting = mostWaiting
    self.mostOfOneRun = mostOfOneRun
    mostOfOneFlow = max(1, mostWaiting / FlowQueues.mostShare)
    entries = pool
    run = row
    free = 1
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
    if free == 0 {
      counters.full += 1
      return .full
    }
    if queue.pointee.count >= UInt32(mostOfOneFlow) {
      counters.flowFull += 1
      return .flowFull
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
    if queue.pointee.place == .nowhere {
      queue.pointee.credit = Int32(FlowQueues.quantum)
      insert(flow, into: isUrgent ? .urgent : .ordinary)
    }
    table[flow].waiting += 1
    waiting += 1
    counters.queued += 1
    return .queued
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
        // An urgent flow goes through a round as an ordinary one, or it would be urgent at once with its next packet.
        if place == .urgent && ordinary.head != 0 {
          insert(flow, into: .ordinary)
        } else {
          queue.pointee.place = .nowhere
        }
      }
    }
  }

  /// A run of packets, in a place of its own that is good until the next one is taken.
  struct Run {
    var packets: UnsafeBufferPointer<WaitingPacket>
    var length: Int
    var segmentSize: UInt16
    var needsChecksum: Bool
  }

  /// What can leave as one segment of `nextFlow`'s flow, at most `mostBytes` long; one packet in any case.
  mutating func takeRun(of flow: UInt32, mostBytes: Int, in table: inout FlowTable) -> Run {
    let queue = queues + Int(flow)
    precondition(queue.pointee.count > 0, "a run of a flow that has nothing waiting")
    let first = entries[Int(queue.pointee.head) - 1].packet
    var length = 0
    var size = first.segmentSize
    /// The longest payload of a plain packet so far.
    var plain: UInt16 = 0
    var count = 0
    while queue.pointee.count > 0 && count < mostOfOneRun {
      let index = queue.pointee.head
      let entry = entries[Int(index) - 1]
      let packet = entry.packet
      if count > 0 {
        if length + Int(packet.length) > mostBytes || packet.needsChecksum != first.needsChecksum { break }
        if packet.segmentSize == 0 {
          if size > 0 && packet.payloadLength > size { break }
        } else if size == 0 ? plain > packet.segmentSize : packet.segmentSize != size {
          break
        }
      }
      if packet.segmentSize == 0 { plain = max(plain, packet.payloadLength) } else { size = packet.segmentSize }
      run[count] = packet
      count += 1
      length += Int(packet.length)
      queue.pointee.head = entry.next
      queue.pointee.count -= 1
      entries[Int(index) - 1].next = free
      free = index
    }
    queue.pointee.credit -= Int32(truncatingIfNeeded: min(length, Int(Int32.max) / 2))
    table[flow].waiting -= UInt32(count)
    waiting -= count
    return Run(
      packets: UnsafeBufferPointer(start: run, count: count), length: length, segmentSize: size,
      needsChecksum: first.needsChecksum)
  }

  /// `nextFlow`'s flow cannot leave now (its peer has no room): it goes to the end, and keeps its credit.
  mutating func postpone(_ flow: UInt32) {
    let place = queues[Int(flow)].place
    precondition(
      (place == .urgent ? urgent.head : ordinary.head) == flow + 1, "only the flow whose turn it is can be postponed")
    removeHead(of: place)
    insert(flow, into: .ordinary)
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
