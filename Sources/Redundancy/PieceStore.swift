//  PieceStore.swift — where a decoder keeps the pieces of its open groups: a ring of bytes that forgets the oldest
//  first.
//
//      ┌──────────┬──────┬──────────┬ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ┬──────┬─────────┬───────┐
//      │ piece 5  │  6   │    7     │ free                │  3   │    4    │ waste │
//      └──────────┴──────┴──────────┴ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ┴──────┴─────────┴───────┘
//                                   ▲ end                 ▲ oldest
//
//  Why.  Pieces have any length, come in the order of time and are of use for a short time, so the bound is in bytes
//  and whoever is too old makes room. Nothing is allocated after the start, nothing is searched, and what a sender
//  sends decides only how soon his own pieces go.
//
//  Always true.  (1) A piece lies in one run of bytes. (2) Pieces do not overlap, and start at multiples of 64.

import Primitives

@safe struct PieceStore: ~Copyable {
  struct Record: BitwiseCopyable {
    var offset: UInt32
    /// Of the group that it belongs to.
    var group: UInt32
  }

  /// A piece takes whole lines of the cache; so a store has at most so many pieces as lines.
  static let unit = 64

  let capacity: Int
  private let memory: UnsafeMutableRawPointer
  private var records = RingBuffer<Record>(minimumCapacity: 64)
  private var end = 0

  init(capacity: Int) {
    self.capacity = capacity / PieceStore.unit * PieceStore.unit
    unsafe memory = .allocate(byteCount: max(capacity, PieceStore.unit), alignment: 64)
  }

  deinit { unsafe memory.deallocate() }

  func piece(at offset: UInt32) -> UnsafeMutableRawPointer { unsafe memory + Int(offset) }

  /// Room for so many bytes; nil when the oldest piece must go first.
  mutating func place(_ length: Int, group: UInt32) -> UInt32? {
    let size = (length + PieceStore.unit - 1) / PieceStore.unit * PieceStore.unit
    precondition(size <= capacity, "a piece is longer than the store")
    var start = end
    if let oldest = records.first {
      let limit = Int(oldest.offset)
      if end <= limit {
        if end + size > limit { return nil }
      } else if end + size > capacity {
        if size > limit { return nil }
        start = 0
      }
    } else {
      start = 0
    }
    records.append(Record(offset: UInt32(start), group: group))
    end = start + size
    return UInt32(start)
  }

  mutating func removeOldest() -> Record? { records.popFirst() }

  mutating func removeAll() {
    records.removeAll()
    end = 0
  }
}
