//  ReceivedRanges.swift — which bytes of a segment have arrived, as a short sorted list.
//
//  Each of k parts fills its range from the front, so there are k ranges that grow, and one more for each hole. A bit
//  for each datagram would need to know their size, which differs by path.

extension SegmentPool {
  /// What a datagram would be in a segment.
  enum Fit {
    /// New, and before the range with this index.
    case new(Int)
    case duplicate
    case overlapping
    case fragmented
  }

  @inline(__always) func ranges(of number: Number) -> UnsafeMutablePointer<ByteRange> {
    ranges + Int(number) * SegmentPool.mostRanges
  }

  func fit(_ new: ByteRange, in number: Number) -> Fit {
    let list = ranges(of: number)
    let count = Int(slots[Int(number)].rangeCount)
    var index = count
    while index > 0 && list[index - 1].lower > new.lower { index -= 1 }
    if index > 0 && list[index - 1].upper > new.lower {
      return list[index - 1].upper >= new.upper ? .duplicate : .overlapping
    }
    if index < count && list[index].lower < new.upper { return .overlapping }
    let touches = index > 0 && list[index - 1].upper == new.lower || index < count && list[index].lower == new.upper
    return count == SegmentPool.mostRanges && !touches ? .fragmented : .new(index)
  }

  /// Adds what `fit` found new. Returns the index of the range that it is part of now.
  mutating func insert(_ new: ByteRange, in number: Number, before index: Int) -> Int {
    let list = ranges(of: number)
    let slot = slots + Int(number)
    let count = Int(slot.pointee.rangeCount)
    slot.pointee.received += new.upper - new.lower
    let joinsLeft = index > 0 && list[index - 1].upper == new.lower
    let joinsRight = index < count && list[index].lower == new.upper
    if joinsLeft && joinsRight {
      list[index - 1].upper = list[index].upper
      for later in index..<count - 1 { list[later] = list[later + 1] }
      slot.pointee.rangeCount -= 1
      return index - 1
    }
    if joinsLeft {
      list[index - 1].upper = new.upper
      return index - 1
    }
    if joinsRight {
      list[index].lower = new.lower
      list[index].begins = new.begins
      return index
    }
    for later in stride(from: count, to: index, by: -1) { list[later] = list[later - 1] }
    list[index] = new
    slot.pointee.rangeCount += 1
    return index
  }

  /// Where the last missing bytes of an incomplete segment begin.
  @inline(__always) func lastHole(of number: Number) -> UInt32 {
    let list = ranges(of: number)
    let count = Int(slots[Int(number)].rangeCount)
    if count == 0 { return 0 }
    let last = list[count - 1]
    if last.upper < slots[Int(number)].length { return last.upper }
    return count > 1 ? list[count - 2].upper : 0
  }

  /// How many ranges are missing.
  func holeCount(of number: Number) -> Int {
    let list = ranges(of: number)
    let count = Int(slots[Int(number)].rangeCount)
    if count == 0 { return 1 }
    let before = list[0].lower > 0 ? 1 : 0
    let behind = list[count - 1].upper < slots[Int(number)].length ? 1 : 0
    return count - 1 + before + behind
  }

  /// How many bytes have arrived without a gap from here on.
  func run(from offset: UInt32, in number: Number) -> UInt32 {
    let list = ranges(of: number)
    for index in 0..<Int(slots[Int(number)].rangeCount) where list[index].upper > offset {
      return list[index].lower <= offset ? list[index].upper - offset : 0
    }
    return 0
  }

  // MARK: Congestion

  /// A router on the way of these bytes was congested. Beyond a few places, neighbours are marked with them.
  func mark(_ range: ByteRange, in number: Number) {
    let list = marks + Int(number) * SegmentPool.mostMarks
    let slot = slots + Int(number)
    let count = Int(slot.pointee.markCount)
    if count > 0 && (list[count - 1].upper == range.lower || count == SegmentPool.mostMarks) {
      list[count - 1].lower = min(list[count - 1].lower, range.lower)
      list[count - 1].upper = max(list[count - 1].upper, range.upper)
      return
    }
    list[count] = range
    slot.pointee.markCount += 1
  }

  func isMarked(_ range: ByteRange, in number: Number) -> Bool {
    let list = marks + Int(number) * SegmentPool.mostMarks
    for index in 0..<Int(slots[Int(number)].markCount)
    where list[index].lower < range.upper && range.lower < list[index].upper {
      return true
    }
    return false
  }
}
