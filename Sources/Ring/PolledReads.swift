//  PolledReads.swift — repeating reads for kernels that have none: the kernel says when, we read.
//
//  Why.  A read that repeats by itself came with Linux 6.7; Debian 12 runs 6.1. Single reads through the ring are no
//  substitute: with more than one in flight they go to worker threads and come back out of order, and a worker that
//  hangs in a TUN device keeps it busy after our death.
//
//  How.  The file is watched (a poll that repeats), and read without waiting when something has come:
//
//        poll says "readable" ──▶ isReadable ──▶ read ──▶ bytes: a completion with the group's next buffer
//                 ▲                               │──▶ EAGAIN: not readable; the poll will say when
//                 └── stays armed ────────────────┘──▶ no buffer: -ENOBUFS; the caller asks again, and we look at once
//
//  The group is the same piece of memory, filled by the same `provide`; only the hand that takes buffers out is ours.
//  So a caller sees tags, buffers, order and ends as with a repeating read. It costs one system call for each packet
//  (0.3 µs) and one more for each EAGAIN.
//
//  A busy file could be read for ever, and what the caller wants to send would never be submitted. So each turn (a call
//  of `submit` or `wait`) brings one round of the group's buffers at most, and while something is left nobody sleeps.
//
//  Rejected.  Single reads with one in flight (three times the enters, and out again for each packet); recvmmsg (a TUN
//  is no socket); a linked poll and read for each packet (two entries and two completions for each).
//
//  Always true.  (1) A read that has ended has no poll that could complete under its tag: polls have tags of the ring's
//  own. (2) While `isHungry`, `wait` returns at once.
//
//  Not here.  Receives: repeating ones are as old as the ring's other needs (Linux 6.0).

internal import CUring
import Glibc

struct PolledReads {
  struct Read {
    var descriptor: Int32
    var group: UInt16
    var tag: Tag
    /// Tells a poll of an earlier read in this place from this one's.
    var generation: UInt32
    /// The caller has asked and not yet heard of an end.
    var isWanted = true
    var isReadable = false
    /// It has ended in this turn. Asked for again, it goes on in the next: the caller may have no buffer before.
    var isOver = false
    /// How many buffers may be filled in a turn, and how many of them are left in this one.
    var round: Int
    var budget: Int
  }

  /// By place; nil is free. Each device has one.
  var reads: [Read?] = []
  private var generations: UInt32 = 0
  /// Where to look next.
  var cursor = 0
  /// Something may be left to read in this turn.
  private(set) var isHungry = false

  /// The kind of tags that belongs to the ring.
  static let kind: UInt8 = 0xff

  // MARK: Tags

  func tag(at place: Int) -> Tag {
    let generation = reads[place]?.generation ?? 0
    return Tag(bits: UInt64(PolledReads.kind) | UInt64(generation & 0xff_ffff) << 8 | UInt64(place) << 32)
  }

  /// Where the read is whose poll has this tag; nil when it has ended.
  func place(of tag: Tag) -> Int? {
    let place = Int(tag.number)
    guard place < reads.count, let read = reads[place], read.generation & 0xff_ffff == tag.place else { return nil }
    return place
  }

  /// The tag of the poll behind the caller's tag.
  func poll(of target: Tag) -> Tag? { reads.firstIndex { $0?.tag == target }.map { tag(at: $0) } }

  // MARK: Places

  mutating func insert(_ descriptor: Int32, group: UInt16, tag: Tag, round: Int) -> Int {
    generations &+= 1
    let read = Read(
      descriptor: descriptor, group: group, tag: tag, generation: generations, round: round, budget: round)
    if let free = reads.firstIndex(where: { $0 == nil }) {
      reads[free] = read
      return free
    }
    reads.append(read)
    return reads.count - 1
  }

  mutating func setReadable(_ place: Int) {
    reads[place]?.isReadable = true
    cursor = min(cursor, place)
    isHungry = true
  }

  // MARK: Turns

  /// Before the kernel is entered. Whether something may be left to read.
  mutating func beginTurn() -> Bool {
    cursor = 0
    isHungry = false
    for place in reads.indices {
      guard let read = reads[place] else { continue }
      reads[place]?.budget = read.round
      reads[place]?.isOver = false
      if read.isReadable && read.isWanted { isHungry = true }
    }
    return isHungry
  }

  /// All that the turn allows has been read.
  mutating func endTurn() { isHungry = false }
}

extension Ring {
  mutating func startPolledRead(_ descriptor: Int32, _ group: BufferGroup, _ tag: Tag) {
    let known = polledReads.reads.firstIndex {
      $0?.tag == tag && $0?.descriptor == descriptor && $0?.group == group.number
    }
    if let place = known {
      polledReads.reads[place]?.isWanted = true
      polledReads.reads[place]?.isReadable = true  // what came since the end was announced to nobody
      return
    }
    // On a descriptor that is none this fails, and the poll says so.
    let flags = fcntl(descriptor, F_GETFL)
    if flags >= 0 && flags & O_NONBLOCK == 0 { _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) }
    submitPoll(polledReads.insert(descriptor, group: group.number, tag: tag, round: group.capacity))
  }

  private mutating func submitPoll(_ place: Int) {
    guard let read = polledReads.reads[place] else { return }
    hawser_ring_prepare_poll_multishot(entry(), read.descriptor, UInt32(POLLIN), polledReads.tag(at: place).bits)
  }

  @usableFromInline mutating func nextCompletionOrRead() -> Completion? {
    while let completion = nextKernelCompletion() {
      if completion.tag.bits & 0xff != UInt64(PolledReads.kind) { return completion }
      if let end = takePoll(completion) { return end }
    }
    while polledReads.cursor < polledReads.reads.count {
      if let completion = readOnce(polledReads.cursor) { return completion }
      polledReads.cursor += 1
    }
    polledReads.endTurn()
    return nil
  }

  /// The end of a read, if this is one.
  private mutating func takePoll(_ completion: Completion) -> Completion? {
    guard let place = polledReads.place(of: completion.tag), let read = polledReads.reads[place] else { return nil }
    if completion.result < 0 {
      polledReads.reads[place] = nil
      return read.isWanted ? Completion(read.tag, result: completion.result) : nil
    }
    // It ends by itself when the completion queue was full.
    if !completion.isRepeating { submitPoll(place) }
    polledReads.setReadable(place)
    return nil
  }

  private mutating func readOnce(_ place: Int) -> Completion? {
    guard let read = polledReads.reads[place], read.isWanted, read.isReadable, !read.isOver else { return nil }
    guard let buffer = firstBuffer(of: read.group) else {
      polledReads.reads[place]?.isWanted = false
      polledReads.reads[place]?.isOver = true
      return Completion(read.tag, result: -ENOBUFS)
    }
    if read.budget == 0 { return nil }
    var count = Glibc.read(read.descriptor, buffer.bytes, buffer.count)
    while count < 0 && errno == EINTR { count = Glibc.read(read.descriptor, buffer.bytes, buffer.count) }
    let error = count < 0 ? errno : 0
    if count > 0 {
      polledReads.reads[place]?.budget -= 1
      groups[Int(read.group)].head &+= 1
      let flags = UInt32(IORING_CQE_F_MORE | IORING_CQE_F_BUFFER) | UInt32(buffer.number) << 16
      return Completion(read.tag, result: Int32(count), flags: flags)
    }
    if error == EAGAIN {
      polledReads.reads[place]?.isReadable = false
      return nil
    }
    // The end of the file, or an error that will not go away. The poll's last word, and the cancellation's, find
    // nobody.
    let poll = polledReads.tag(at: place)
    polledReads.reads[place] = nil
    hawser_ring_prepare_cancel(entry(), poll.bits, poll.bits)
    return Completion(read.tag, result: -error)
  }

  private func firstBuffer(of group: UInt16) -> (bytes: UnsafeMutableRawPointer, count: Int, number: UInt16)? {
    let buffers = groups[Int(group)]
    let ring = UnsafeRawPointer(buffers.ring)
    // The kernel's layout: 16 bytes for each buffer; the tail lies in what the first one leaves free.
    let tail = ring.load(fromByteOffset: 14, as: UInt16.self)
    if tail == buffers.head { return nil }
    let entry = ring + (Int(buffers.head) & Int(buffers.mask)) * MemoryLayout<io_uring_buf>.stride
    guard let bytes = UnsafeMutableRawPointer(bitPattern: UInt(entry.load(as: UInt64.self))) else { return nil }
    return (
      bytes, Int(entry.load(fromByteOffset: 8, as: UInt32.self)), entry.load(fromByteOffset: 12, as: UInt16.self)
    )
  }
}
