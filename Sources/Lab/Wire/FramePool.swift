//  FramePool.swift — all frames that a wire can hold, in one block of memory.
//
//  Why.  A frame stays where the kernel put it until it is written: between read and write nobody copies it.
//
//  How.  Slots of one size, that of the topology's largest frame. Free slots are a stack: what was used last is used
//  next, and is still in the cache. A page that is touched for the first time costs 1.7 µs, and a ring of them made a
//  wire stand still for 7 to 16 ms: so what a usual topology needs is faulted in at the start, in huge pages where the
//  machine has them. What lies deeper in the stack is only address space until so many frames are under way.
//
//  Size.  What the lines hold by their own queues and delays, in frames of `meanFrame`, at the worst moment of the
//  file's events. When the pool is empty all the same, a frame that arrives is dropped and counted.
//
//  Rejected.  A second size for small frames: an acknowledgement wastes 1.4 KB of its slot, but copying it to a better
//  place costs more than the memory.

import Glibc
import Primitives
import Simulation
import Topology

struct FramePool: ~Copyable {
  /// Between a full frame and an acknowledgement: a queue that is bounded in bytes holds that many more small ones.
  static let meanFrame = ByteCount(500)
  /// Room for what `set` may do to a link by hand: 25 MB at the usual MTU.
  static let leastSlots = 16_384
  /// The bound of a wire's memory: 40 links of 100 Mbit/s and 100 ms with both queues full.
  static let mostMemory = ByteCount(512 << 20)
  /// What is faulted in at the start: the frames of 1 Gbit/s for half a second. More would cost every small lab memory.
  static let readyMemory = ByteCount(64 << 20)
  /// What a machine can push through a line that has no rate.
  static let unlimitedRate = BitRate(bitsPerSecond: 3_000_000_000)

  let slotCount: Int
  let slotLength: Int
  private let memory: UnsafeMutableRawPointer
  private let memoryLength: Int
  private let free: UnsafeMutablePointer<UInt32>
  private var freeCount: Int

  /// nil when the machine does not have the memory.
  init?(slots: Int, slotLength: Int) {
    let hugePage = 2 << 20
    let length = (slots * slotLength + hugePage - 1) / hugePage * hugePage
    let mapped = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let mapped, mapped != MAP_FAILED else { return nil }
    // Either may be refused, and only costs precision.
    madvise(mapped, length, MADV_HUGEPAGE)
    mlock2(mapped, length, UInt32(MLOCK_ONFAULT))
    memset(mapped, 0, min(length, FramePool.readyMemory.value))
    let list = UnsafeMutablePointer<UInt32>.allocate(capacity: slots)
    for slot in 0..<slots { list[slot] = UInt32(slots - 1 - slot) }
    memory = mapped
    memoryLength = length
    slotCount = slots
    self.slotLength = slotLength
    free = list
    freeCount = slots
  }

  deinit {
    free.deallocate()
    munmap(memory, memoryLength)
  }

  mutating func take() -> UInt32? {
    if freeCount == 0 { return nil }
    freeCount -= 1
    return free[freeCount]
  }

  mutating func give(_ slot: UInt32) {
    precondition(freeCount < slotCount, "a slot came back twice")
    free[freeCount] = slot
    freeCount += 1
  }

  subscript(slot: UInt32) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: memory + Int(slot) * slotLength, count: slotLength)
  }

  // MARK: How large

  /// Room for the largest frame of these links behind its offload header, with a VLAN tag; whole cache lines.
  static func slotLength(for topology: Topology) -> Int {
    let largest = topology.links.map { $0.mtu?.value ?? 1_500 }.max() ?? 1_500
    return (10 + 14 + 4 + largest + 63) / 64 * 64
  }

  /// How many slots the lines of a topology need, besides those that are lent for reading.
  static func slots(for topology: Topology, traces: [String: DeliveryTrace], lent: Int) -> Int {
    var links = topology.links
    var most = links.map { bytesHeld($0, traces) }
    for event in topology.events {
      guard case .attributes(let attributes) = event.change else { continue }
      for attribute in attributes { links[event.link].apply(attribute) }
      most[event.link] = max(most[event.link], bytesHeld(links[event.link], traces))
    }
    let needed = links.indices.filter(topology.isEmulated).map { most[$0] }.reduce(0, +) / meanFrame.value
    return min(max(needed, leastSlots), mostMemory.value / slotLength(for: topology)) + lent
  }

  /// What both directions hold when their queues are full and their lines busy.
  private static func bytesHeld(_ link: Topology.Link, _ traces: [String: DeliveryTrace]) -> Int {
    Topology.Direction.allCases.map { direction in
      let conditions = LinkConditions(link, direction, traces: traces)
      let queue = conditions.line.isUnlimited ? 0 : conditions.queueLimit.value
      let longest = conditions.delay + conditions.jitter * 4
      let rate = conditions.line.rate ?? unlimitedRate
      return queue + min(rate.bytes(in: longest).value, Link.flightLimit.value)
    }.reduce(0, +)
  }
}
