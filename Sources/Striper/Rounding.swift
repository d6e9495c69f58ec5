//  Rounding.swift — from the exact cut to parts that are worth a send: whole datagrams, and not too few.
//
//  Below T every path gets the whole datagrams that it can land by then, if they are enough for a part. What is left is
//  less than a datagram for each, and the parts that were too short. It is given out in the order in which things can
//  happen: whose next datagram, or first part, would land first? As if time went on from T until all is handed out.
//
//      landing at    T            a's next   c's first part      b's next
//                    ┼───────────────┼──────────────┼────────────────┼──────▶
//                    rest 5        rest 4         rest 0        not needed
//
//  When a first part is longer than the rest, the others give back what is too much. The last
//  piece of the segment is a short datagram, wherever it lands first.
//
//  Always true.  (1) If the segment is long enough for a least part on each path, and batches are roomy, no other
//  distribution of whole datagrams with these least parts and one short end lands earlier: every event before the last
//  was taken. (2) Whatever the length, it lands not later than over the best path that has room for all of it
//  (`preferOne`), the copied headers counted.
//
//  Cost: a division and `paths` comparisons for each piece; less than `leastDatagrams` pieces for each path, times the
//  ratio of the greatest datagram to the smallest.

import Primitives

extension Striper {
  /// Hands out a segment and returns who carries its end: the one with a short datagram, if there is one.
  mutating func giveOut(_ length: Int) -> Int {
    let (level, full) = waterLevel(length)
    var slack = 0
    var rest = length
    parts = 0
    for position in 0..<count {
      let index = Int(order[position])
      let whole = wholeUnits(index, level, isFull: full & 1 << UInt32(index) != 0)
      accounts[index].given = whole
      rest -= whole
      if whole > 0 {
        slack += whole - accounts[index].least
        parts |= 1 << UInt32(index)
      }
      foresee(index)
    }
    var short: Int?
    while rest > 0 {
      guard let index = soonest(rest, slack) else {
        short = cram(&rest)
        continue
      }
      let isFirst = accounts[index].given == 0
      parts |= 1 << UInt32(index)
      let wanted = isFirst ? accounts[index].least : accounts[index].unit
      if rest < wanted {
        if isFirst {
          short = takeBack(wanted - rest, for: index) ?? short
          accounts[index].given = wanted
        } else {
          accounts[index].given += rest
          short = index
        }
        break
      }
      accounts[index].given += wanted
      rest -= wanted
      if !isFirst { slack += wanted }
      foresee(index)
    }
    return short ?? UInt32.bitWidth - 1 - parts.leadingZeroBitCount
  }

  /// What it can land by then, in whole units; nothing if that is too little for a part.
  private func wholeUnits(_ index: Int, _ level: Int, isFull: Bool) -> Int {
    if isFull { return accounts[index].room }
    if level <= accounts[index].start { return 0 }
    let bytes = accounts[index].rate &* (level - accounts[index].start) / Account.second
    if bytes < accounts[index].least { return 0 }
    return bytes / accounts[index].unit &* accounts[index].unit
  }

  private mutating func foresee(_ index: Int) {
    let given = accounts[index].given
    accounts[index].next = accounts[index].landing(
      given == 0 ? accounts[index].least : given + accounts[index].unit)
  }

  /// Who can land the next piece first; nil when nobody has room for one. `slack`: what the parts so far could give
  /// back and still be long enough.
  private func soonest(_ rest: Int, _ slack: Int) -> Int? {
    var best: Int?
    var earliest = Int.max
    for position in 0..<count {
      let index = Int(order[position])
      var landing = accounts[index].next
      if accounts[index].given == 0 {
        if rest + slack < accounts[index].least { continue }
      } else if rest >= accounts[index].unit {
        if accounts[index].given + accounts[index].unit > accounts[index].mostBytes { continue }
      } else {
        if accounts[index].given + rest > accounts[index].mostBytes { continue }
        landing = accounts[index].landing(accounts[index].given + rest)
      }
      if landing < earliest {
        earliest = landing
        best = index
      }
    }
    return best
  }

  /// Parts give up what a first part is too long by: whichever, since none of them lands later than that one. Returns
  /// whose part has a short end now.
  private mutating func takeBack(_ bytes: Int, for newcomer: Int) -> Int? {
    var missing = bytes
    for position in 0..<count {
      let index = Int(order[position])
      if index == newcomer || accounts[index].given <= accounts[index].least { continue }
      let piece = min(missing, accounts[index].given - accounts[index].least)
      accounts[index].given -= piece
      missing -= piece
      if missing == 0 { return piece % accounts[index].unit == 0 ? nil : index }
    }
    preconditionFailure("the parts have as much to give back as was counted")
  }

  /// No batch has room for whole units, or for a part that is long enough: it goes where there is room.
  private mutating func cram(_ rest: inout Int) -> Int {
    var best: Int?
    var earliest = Int.max
    for position in 0..<count {
      let index = Int(order[position])
      let room = accounts[index].mostBytes - accounts[index].given
      if room == 0 { continue }
      let landing = accounts[index].landing(accounts[index].given + min(rest, room))
      if landing < earliest {
        earliest = landing
        best = index
      }
    }
    guard let best else { preconditionFailure("a segment fits all batches together") }
    let bytes = min(rest, accounts[best].mostBytes - accounts[best].given)
    accounts[best].given += bytes
    parts |= 1 << UInt32(best)
    rest -= bytes
    foresee(best)
    return best
  }

  /// Each part in the middle leaves `resume` bytes to the last one, whose end is short anyhow.
  mutating func makeRoom(_ resume: Int, tail: Int) {
    var middle = parts & ~(1 << UInt32(tail))
    middle &= middle &- 1
    while middle != 0 {
      let index = middle.trailingZeroBitCount
      middle &= middle &- 1
      let room = accounts[tail].mostBytes - accounts[tail].given
      if accounts[index].given <= resume || room < resume { continue }
      accounts[index].given -= resume
      accounts[tail].given += resume
    }
  }

  /// One part instead of several, if it lands as early. Returns who carries the end.
  mutating func preferOne(_ length: Int, resume: Int, tail: Int) -> Int {
    var latest = Int.min
    var left = parts
    // All but the first carry a copy of headers. The tail is never the first of several.
    let first = (parts & ~(1 << UInt32(tail))).trailingZeroBitCount
    while left != 0 {
      let index = left.trailingZeroBitCount
      left &= left &- 1
      latest = max(latest, accounts[index].landing(accounts[index].given + (index == first ? 0 : resume)))
    }
    guard let one = firstToLand(length), accounts[one].landing(length) <= latest else { return tail }
    parts = 1 << UInt32(one)
    accounts[one].given = length
    return one
  }

  /// Who lands all of it first; nil when no batch has room.
  func firstToLand(_ length: Int) -> Int? {
    var best: Int?
    var earliest = Int.max
    for position in 0..<count {
      let index = Int(order[position])
      if accounts[index].mostBytes < length { continue }
      let landing = accounts[index].landing(length)
      if landing < earliest {
        earliest = landing
        best = index
      }
    }
    return best
  }
}
