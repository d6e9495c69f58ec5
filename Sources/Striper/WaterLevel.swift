//  WaterLevel.swift — the moment at which all parts land together, if bytes could be cut anywhere.
//
//  Every path is a vessel as wide as its rate, and its floor is the moment at which a byte that is committed now would
//  land: delay + backlog ÷ rate. The segment is poured in; where the water stands is the moment T of
//
//      Σ max(0, rate × (T − delay) − backlog) = length
//
//      time ▲
//        T  │~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~          ┌────────┐
//           │      water      │    water    │          │ its    │  floor above T: this path
//           │                 ├─────────────┤          │ floor  │  gets nothing of it
//           │                 │ waits for b │          │        │
//           ├─────────────────┤             │          │        │
//           │  waits for a    │  delay of b │          │        │
//           └──── rate a ─────┴── rate b ───┘          └ rate c ┘
//
//  The floors are sorted; as long as the water reaches the next one, that path's width is added. One pass, no
//  iteration: but a path cannot hold more than one batch, so whoever overflows is filled to the brim and the others are
//  filled again, at most once for each path and as a rule never.
//
//  Always true.  (1) T is not later than the real solution, and less than 2 ns earlier as long as no batch is full. (2)
//  What the paths hold at T is not more than the segment. Cost: one division for each path and one for T.

import Primitives

extension Striper {
  /// Puts the paths into the order of their floors. They come nearly sorted, from the segment before.
  mutating func sortByStart() {
    for position in 0..<count {
      let index = order[position]
      let start = accounts[Int(index)].wait(behind: accounts[Int(index)].backlog)
      accounts[Int(index)].start = start
      var place = position
      while place > 0 && accounts[Int(order[place - 1])].start > start {
        order[place] = order[place - 1]
        place -= 1
      }
      order[place] = index
    }
  }

  /// T, and the paths that are full before it, a bit each.
  func waterLevel(_ length: Int) -> (level: Int, full: UInt32) {
    var full: UInt32 = 0
    var rest = length
    while true {
      let level = pour(rest, without: full)
      var overflowing: UInt32 = 0
      for position in 0..<count {
        let index = Int(order[position])
        if full & 1 << UInt32(index) != 0 { continue }
        if accounts[index].start >= level { break }
        if accounts[index].rate &* (level - accounts[index].start) >= accounts[index].room &* Account.second {
          overflowing |= 1 << UInt32(index)
          rest -= accounts[index].room
        }
      }
      full |= overflowing
      if overflowing == 0 || rest == 0 || full.nonzeroBitCount == count { return (level, full) }
    }
  }

  private func pour(_ length: Int, without full: UInt32) -> Int {
    var rest = length &* Account.second
    var width = 0
    var level = 0
    for position in 0..<count {
      let index = Int(order[position])
      if full & 1 << UInt32(index) != 0 { continue }
      let floor = accounts[index].start
      let (needed, isOver) = width.multipliedReportingOverflow(by: floor - level)
      if width > 0 && (isOver || needed >= rest) { break }
      rest -= needed
      width += accounts[index].rate
      level = floor
    }
    return level + rest / width
  }
}
