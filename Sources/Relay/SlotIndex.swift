//  SlotIndex.swift — from a hash to the slots that may be meant: open addressing, in one block of memory.
//
//  How.  A cell has 32 bits of the hash and the slot; a slot lies in the first free cell behind its hash's own. Whoever
//  looks something up walks from there to the first empty cell and asks of each slot with the same 32 bits whether it
//  is the one. At most two thirds of the cells are taken, so that walk has 2 cells as a rule.
//
//      hash & mask ──▶ │ h, slot 7 │ h', slot 2 │ empty │        h' may belong here or one cell before
//
//  What is removed leaves no mark: the cells behind it move up as far as their hash allows (Knuth's algorithm R). So
//  the table never fills with tombstones, however long the relay runs.
//
//  Always true.  (1) Between a slot's own cell and the one it lies in no cell is empty. (2) Each slot is in it once.
//
//  Cost: 8 bytes a cell; a look-up is one line of cache, as a rule.

import Primitives

struct SlotIndex: ~Copyable {
  private var cells: FixedArray<UInt64>
  private let mask: Int

  init(capacity: Int) {
    var count = 4
    while count < capacity + capacity / 2 { count *= 2 }
    cells = FixedArray(count: count) { _ in 0 }
    mask = count - 1
  }

  var byteCount: Int { cells.count * MemoryLayout<UInt64>.stride }

  /// Where the walk for this hash begins.
  @inline(__always)
  func start(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & mask }

  /// The next slot with these 32 bits from `place` on; nil when there are no more.
  @inline(__always)
  func next(_ hash: UInt64, _ place: inout Int) -> Int? {
    while true {
      let cell = cells[place]
      if cell == 0 { return nil }
      place = (place &+ 1) & mask
      if cell >> 32 == hash & 0xffff_ffff { return Int(truncatingIfNeeded: cell & 0xffff_ffff) &- 1 }
    }
  }

  mutating func insert(_ slot: Int, _ hash: UInt64) {
    var place = start(hash)
    var steps = 0
    while cells[place] != 0 {
      precondition(steps < cells.count, "an index has more cells than slots")
      place = (place + 1) & mask
      steps += 1
    }
    cells[place] = hash << 32 | UInt64(slot + 1)
  }

  mutating func remove(_ slot: Int, _ hash: UInt64) {
    let wanted = hash << 32 | UInt64(slot + 1)
    var hole = start(hash)
    while cells[hole] != wanted {
      precondition(cells[hole] != 0, "a slot is removed from where it was inserted")
      hole = (hole + 1) & mask
    }
    var place = hole
    while true {
      place = (place + 1) & mask
      let cell = cells[place]
      if cell == 0 { break }
      // It moves into the hole unless its own cell lies behind the hole.
      let distance = (place - Int(truncatingIfNeeded: cell >> 32)) & mask
      if distance >= (place - hole) & mask {
        cells[hole] = cell
        hole = place
      }
    }
    cells[hole] = 0
  }
}
