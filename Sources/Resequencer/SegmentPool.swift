//  SegmentPool.swift — the memory in which segments are put together, and what is known of each while it grows.
//
//  Why.  A datagram is opened straight into its place, so a segment needs its whole length in one piece before its
//  first byte is there; and a stranger to one peer must not be able to take the memory of another.
//
//  How.  The memory is handed in and divided once into blocks of a few sizes. A block, its `Slot` and its list of
//  received ranges have the same number, so finding one from the other is a multiplication. Free blocks of a size are a
//  list, last in, first out: one flow uses the same block again and again, and the cache knows it. Blocks that were
//  never used are not touched, so memory that is not needed costs addresses only.
//
//      │ 2 KiB │ 2 KiB │ … │ 16 KiB │ … │ 64 KiB │ … │ 192 KiB │ …       what a segment holds ─┬─ resume records ─ free
//        an eighth           an eighth     the rest, equally                     0 … length      └ length …
//
//  A lane set may have twice as many blocks of a size as are free. So one greedy peer gets two thirds, and a second one
//  still finds room; nobody configures shares, and none is reserved for who is silent. A segment whose size is used up
//  takes the next larger one.
//
//  Rejected.  Splitting and joining blocks (a peer who keeps the right small ones takes the large ones from all
//  others); fixed shares (with a thousand peers each would hold one segment).
//
//  Always true.  (1) A slot is free, or in use by one segment. (2) `used` counts the latter by set and size.
//  (3) Ranges are sorted, not empty, and neither overlap nor touch.

import Wire

/// Bytes of a segment: lower ..< upper.
struct ByteRange: BitwiseCopyable {
  var lower: UInt32
  var upper: UInt32
  /// The first byte is the first of a packet: its datagram said so.
  var begins = false
}

/// The number of something in a table, or none.
typealias Number = UInt32
extension Number {
  @inline(__always) static var none: Number { .max }
}

/// What is known of a segment that has memory.
struct Slot {
  enum State: UInt8 {
    case free
    /// Has memory for a datagram that may turn out to be forged.
    case claimed
    /// Part of its lane's window.
    case held
    /// Released; its packets leave.
    case ready
    /// All its packets were handed out; some are being written.
    case leaving
  }

  var memory: UnsafeMutableRawPointer
  var segment: UInt32 = 0
  var length: UInt32 = 0
  /// Bytes that have arrived.
  var received: UInt32 = 0
  var segmentSize: UInt16 = 0
  var lane: UInt16 = 0
  var set: UInt16 = 0
  /// `needsChecksum` or nothing.
  var flags = Location.Flags()
  var sizeClass: UInt8
  var state = State.free
  var rangeCount: UInt8 = 0
  var markCount: UInt8 = 0
  var recordCount: UInt8 = 0
  /// Bytes of resume records behind the segment.
  var recordBytes: UInt16 = 0
  /// Deliveries that were handed out and not finished.
  var outstanding: UInt16 = 0
  /// Its lane's state, while held.
  var laneState = Number.none
  /// Of its set's held slots, from the oldest on. While ready: the next that leaves. While free: the next free one.
  var next = Number.none
  var previous = Number.none
  /// When its first byte came, or a later one, see `expire`.
  var since: UInt64 = 0
  /// When its last one came.
  var touched: UInt64 = 0
  /// Where the packet begins that leaves next, and how much of it is settled already.
  var walk: UInt32 = 0
  var within: UInt32 = 0

  @inline(__always) var isComplete: Bool { received == length }
}

struct SegmentPool: ~Copyable {
  /// More holes than this in one segment: its path is beyond help, and each one costs time at every datagram.
  static let mostRanges = 32
  /// Ranges that were marked by a router as congested; more are joined.
  static let mostMarks = 4
  /// One for each part that begins inside a packet, and there are at most as many parts as paths.
  static let mostRecords = 16
  static let classCount = 5
  /// Where sizes end: an ordinary packet; a few of them; a super-packet; three; eight.
  private static let sizes = [2 << 10, 16 << 10, 64 << 10, 192 << 10, 512 << 10]

  private struct SizeClass: BitwiseCopyable {
    var blockSize = 0
    var firstSlot: Number = 0
    var count: UInt32 = 0
    /// Blocks beyond this were never used.
    var made: UInt32 = 0
    var firstFree = Number.none
    var freeCount: UInt32 = 0
    var base: UnsafeMutableRawPointer
  }

  private let classes: UnsafeMutablePointer<SizeClass>
  private var used: UnsafeMutablePointer<UInt32>
  private var setCount: Int
  let slots: UnsafeMutablePointer<Slot>
  let ranges: UnsafeMutablePointer<ByteRange>
  let marks: UnsafeMutablePointer<ByteRange>
  let slotCount: Int
  private(set) var slotsInUse = 0
  /// Of blocks in use.
  private(set) var bytesInUse = 0

  init(memory: UnsafeMutableRawBufferPointer, mostSegmentLength: Int, setCount: Int) {
    precondition(mostSegmentLength > 0 && mostSegmentLength < 1 << 24, "a segment's length has 24 bits")
    guard let start = memory.baseAddress else { preconditionFailure("a resequencer without memory") }
    let most = mostSegmentLength + SegmentPool.room(forRecordsOf: mostSegmentLength)
    var sizes = SegmentPool.sizes.prefix { $0 < most }
    // The largest is no larger than it must be, but for whole pages.
    sizes.append(most <= 64 << 10 ? SegmentPool.sizes[sizes.count] : (most + 4_095) & ~4_095)
    precondition(sizes.count <= SegmentPool.classCount, "segments of at most 8 super-packets")

    let small = min(2, sizes.count - 1)
    let share = memory.count / 8
    let large = (memory.count - small * share) / (sizes.count - small)
    let classes = UnsafeMutablePointer<SizeClass>.allocate(capacity: SegmentPool.classCount)
    classes.initialize(repeating: SizeClass(base: start), count: SegmentPool.classCount)
    var next = start.alignedUp(toMultipleOf: 64)
    let end = start + memory.count
    var slotCount: Number = 0
    for (number, size) in sizes.enumerated() {
      let bytes = min(number < small ? share : large, end - next)
      classes[number].blockSize = size
      classes[number].base = next
      classes[number].firstSlot = slotCount
      classes[number].count = UInt32(max(0, bytes) / size)
      classes[number].freeCount = classes[number].count
      slotCount += classes[number].count
      next += Int(classes[number].count) * size
    }
    precondition(classes[sizes.count - 1].count > 0, "memory for not even one segment of the greatest length")
    let blocks = Int(slotCount)
    let used = UnsafeMutablePointer<UInt32>.allocate(capacity: setCount * SegmentPool.classCount)
    used.initialize(repeating: 0, count: setCount * SegmentPool.classCount)
    self.setCount = setCount
    self.classes = classes
    self.slotCount = blocks
    slots = .allocate(capacity: blocks)
    ranges = .allocate(capacity: blocks * SegmentPool.mostRanges)
    marks = .allocate(capacity: blocks * SegmentPool.mostMarks)
    self.used = used
  }

  deinit {
    classes.deallocate()
    slots.deallocate()
    ranges.deallocate()
    marks.deallocate()
    used.deallocate()
  }

  /// Room for more sets.
  mutating func makeRoom(sets: Int) {
    let room = UnsafeMutablePointer<UInt32>.allocate(capacity: sets * SegmentPool.classCount)
    room.initialize(repeating: 0, count: sets * SegmentPool.classCount)
    room.update(from: used, count: setCount * SegmentPool.classCount)
    used.deallocate()
    used = room
    setCount = sets
  }

  /// Behind a segment. An ordinary packet's is small, so that both fit a small block.
  private static func room(forRecordsOf length: Int) -> Int {
    min(max(length / 4, ResumeRecord.mostLength), 4 * ResumeRecord.mostLength)
  }

  // MARK: Blocks

  /// A slot with memory for so many bytes; `none` when this set has what it may have.
  mutating func take(length: Int, for set: Int) -> Number {
    let needed = length + SegmentPool.room(forRecordsOf: length)
    var number = 0
    while number < SegmentPool.classCount && classes[number].blockSize < needed { number += 1 }
    for candidate in number..<min(number + 2, SegmentPool.classCount) {
      let mine = used + (set * SegmentPool.classCount + candidate)
      if mine.pointee < 2 * classes[candidate].freeCount {
        mine.pointee += 1
        let slot = take(fromClass: candidate)
        slots[Int(slot)].set = UInt16(truncatingIfNeeded: set)
        return slot
      }
    }
    return .none
  }

  /// Whether this set would not get another slot like this one.
  func isShort(of number: Number, for set: Int) -> Bool {
    let first = Int(slots[Int(number)].sizeClass)
    for candidate in first..<min(first + 2, SegmentPool.classCount)
    where used[set * SegmentPool.classCount + candidate] < 2 * classes[candidate].freeCount {
      return false
    }
    return true
  }

  private mutating func take(fromClass number: Int) -> Number {
    slotsInUse += 1
    let blocks = classes + number
    blocks.pointee.freeCount -= 1
    bytesInUse += blocks.pointee.blockSize
    let free = blocks.pointee.firstFree
    if free != .none {
      blocks.pointee.firstFree = slots[Int(free)].next
      return free
    }
    let made = blocks.pointee.made
    blocks.pointee.made += 1
    let slot = blocks.pointee.firstSlot + made
    let memory = blocks.pointee.base + Int(made) * blocks.pointee.blockSize
    (slots + Int(slot)).initialize(to: Slot(memory: memory, sizeClass: UInt8(number)))
    return slot
  }

  mutating func giveBack(_ number: Number) {
    slotsInUse -= 1
    let slot = slots + Int(number)
    let sizeClass = Int(slot.pointee.sizeClass)
    used[Int(slot.pointee.set) * SegmentPool.classCount + sizeClass] -= 1
    bytesInUse -= classes[sizeClass].blockSize
    slot.pointee.state = .free
    slot.pointee.next = classes[sizeClass].firstFree
    classes[sizeClass].firstFree = number
    classes[sizeClass].freeCount += 1
  }

  @inline(__always) func capacity(of slot: UnsafeMutablePointer<Slot>) -> Int {
    classes[Int(slot.pointee.sizeClass)].blockSize
  }

  /// The numbers of free slots in the order in which they will be used, by size; for tests.
  func freeSlots() -> [Number] {
    var list: [Number] = []
    for number in 0..<SegmentPool.classCount {
      var free = classes[number].firstFree
      while free != .none {
        list.append(free)
        free = slots[Int(free)].next
      }
      list += classes[number].firstSlot + classes[number].made..<classes[number].firstSlot + classes[number].count
    }
    return list
  }

  /// Blocks in use by this set; for tests.
  func blocksInUse(by set: Int) -> Int {
    (0..<SegmentPool.classCount).reduce(0) { $0 + Int(used[set * SegmentPool.classCount + $1]) }
  }
}
