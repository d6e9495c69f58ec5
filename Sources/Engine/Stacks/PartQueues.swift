//  PartQueues.swift — parts of segments that wait for their path.
//
//  Why.  A path gets no more than it carries; what it cannot take yet waits with us, where a call may still overtake
//  it, and where it may still go another way. What waits is a range of a segment, not sealed bytes: no number of the
//  path is used yet, and no copy was made.
//
//  How.  Each path has two lists, urgent parts before all others, through one pool of entries:
//
//      path A   urgent  (12: 0..<84)                       bulk  (9: 0..<31,416) ─▶ (11: 0..<31,416)
//      path B   urgent  –                                  bulk  (9: 31,416..<62,000)
//
//  Always true.  (1) An entry is free or in one list. (2) A list's `bytes` are the sum of its ranges. (3) Parts of one
//  list leave in the order in which they came.
//
//  Cost: O(1) for a part, no allocation after `init`.

import Primitives

/// A range of a shipment, without its number's turn of the pool.
struct WaitingPart: BitwiseCopyable {
  var shipment: UInt32
  var lower: UInt32
  var upper: UInt32
  /// Nothing before `lower` has left as a part of this one: if a packet does not begin there, its headers go with it.
  var isWhole = true
  /// What is particular about it: nothing, 0; a member of a protected group, its location's `extra`; or a second copy.
  var kind: UInt8 = 0
  static let secondCopy: UInt8 = 0x80

  var count: Int { Int(upper - lower) }
  /// Which copy of the segment it is.
  var copy: UInt8 { kind >> 7 }
}

/// Of one path; entries are one higher than they are, 0 is none.
struct PartList: BitwiseCopyable {
  fileprivate var head: UInt16 = 0
  fileprivate var tail: UInt16 = 0
  private(set) var bytes = 0

  var isEmpty: Bool { head == 0 }

  fileprivate mutating func note(_ change: Int) { bytes += change }
}

struct PartQueues: ~Copyable {
  /// Of all paths. A segment needs one for each path it is cut for, and as many bytes as this holds of even the
  /// smallest parts are more than what may be committed.
  static let mostParts = 32_768

  private struct Entry: BitwiseCopyable {
    var part: WaitingPart
    var next: UInt16
  }

  private let entries: UnsafeMutablePointer<Entry>
  private var free: UInt16 = 1
  private(set) var freeCount = PartQueues.mostParts - 1

  init() {
    let pool = UnsafeMutablePointer<Entry>.allocate(capacity: PartQueues.mostParts)
    let nothing = WaitingPart(shipment: 0, lower: 0, upper: 0)
    for index in 0..<PartQueues.mostParts - 1 {
      let next = index + 2 < PartQueues.mostParts ? UInt16(index + 2) : 0
      (pool + index).initialize(to: Entry(part: nothing, next: next))
    }
    entries = pool
  }

  deinit { entries.deallocate() }

  /// Whoever appends has made sure that there is room (`freeCount`).
  @inline(__always)
  mutating func append(_ part: WaitingPart, to list: inout PartList) {
    let index = free
    precondition(index != 0, "parts are committed only while there is room for them")
    free = entries[Int(index) - 1].next
    freeCount -= 1
    entries[Int(index) - 1] = Entry(part: part, next: 0)
    if list.tail == 0 { list.head = index } else { entries[Int(list.tail) - 1].next = index }
    list.tail = index
    list.note(part.count)
  }

  @inline(__always)
  func first(of list: PartList) -> WaitingPart? { list.head == 0 ? nil : entries[Int(list.head) - 1].part }

  /// So many bytes of the first part have left; all of it, and it is gone.
  @inline(__always)
  mutating func take(_ bytes: Int, from list: inout PartList) {
    precondition(list.head != 0, "nothing waits")
    let entry = entries + (Int(list.head) - 1)
    precondition(bytes <= entry.pointee.part.count, "more is taken of a part than there is")
    list.note(-bytes)
    entry.pointee.part.lower += UInt32(bytes)
    entry.pointee.part.isWhole = false
    if entry.pointee.part.count > 0 { return }
    let index = list.head
    list.head = entry.pointee.next
    if list.head == 0 { list.tail = 0 }
    entry.pointee.next = free
    free = index
    freeCount += 1
  }
}
