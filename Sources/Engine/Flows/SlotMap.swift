//  SlotMap.swift — which of the numbers 0 ..< n are taken, and always the lowest free one.
//
//  Flows are numbered so that few flows have small numbers: then they touch few pages of the table, and each has a lane
//  of its own. A last-in-first-out list would forget that after the first peak of traffic.
//
//  A tree of words: a bit of a level says that 64 bits of the level below are all taken. Bits that are zero mean free,
//  so memory that was never touched is a map with nothing taken. Three levels serve 262,144 numbers in three steps.

struct SlotMap: ~Copyable {
  private static let levels = 3
  static let most = 64 * 64 * 64

  /// Bytes for numbers below `count`.
  static func bytes(for count: Int) -> Int { (words(count) + words(words(count)) + 1 + words(words(count)) / 64) * 8 }

  private static func words(_ bits: Int) -> Int { (bits + 63) / 64 }

  let capacity: Int
  private(set) var count = 0
  private let taken: UnsafeMutablePointer<UInt64>
  private let full: UnsafeMutablePointer<UInt64>
  private let fuller: UnsafeMutablePointer<UInt64>

  /// `memory`: zeros, of `bytes(for: capacity)`.
  init(memory: UnsafeMutableRawPointer, capacity: Int) {
    precondition(capacity > 0 && capacity <= SlotMap.most, "a slot map has 1 to 262,144 numbers")
    self.capacity = capacity
    taken = memory.assumingMemoryBound(to: UInt64.self)
    full = taken + SlotMap.words(capacity)
    fuller = full + SlotMap.words(SlotMap.words(capacity))
  }

  /// The lowest free number; nil when all are taken.
  mutating func take() -> Int? {
    if count == capacity { return nil }
    var word = 0
    while fuller[word] == .max { word += 1 }
    word = word * 64 + (~fuller[word]).trailingZeroBitCount
    word = word * 64 + (~full[word]).trailingZeroBitCount
    let slot = word * 64 + (~taken[word]).trailingZeroBitCount
    precondition(slot < capacity, "a free number lies beyond the end")
    taken[word] |= 1 << UInt64(slot % 64)
    if taken[word] == .max {
      full[word / 64] |= 1 << UInt64(word % 64)
      if full[word / 64] == .max { fuller[word / 4096] |= 1 << UInt64(word / 64 % 64) }
    }
    count += 1
    return slot
  }

  mutating func giveBack(_ slot: Int) {
    precondition(isTaken(slot), "a number that nobody has was given back")
    let word = slot / 64
    taken[word] &= ~(1 << UInt64(slot % 64))
    full[word / 64] &= ~(1 << UInt64(word % 64))
    fuller[word / 4096] &= ~(1 << UInt64(word / 64 % 64))
    count -= 1
  }

  func isTaken(_ slot: Int) -> Bool { slot < capacity && taken[slot / 64] & 1 << UInt64(slot % 64) != 0 }
}
