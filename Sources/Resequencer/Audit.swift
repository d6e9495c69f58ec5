//  Audit.swift — holds what is always true of a resequencer against its tables. For tests; it looks at everything.

import Primitives

extension Resequencer {
  /// Fails when something is not as Resequencer.swift promises.
  func audit() {
    var used = 0
    var bytes = 0
    var states = 0
    for index in 0..<limits.laneSets {
      var heldInList = 0
      var before: UInt64 = 0
      var previous = Number.none
      var number = sets[index].oldest
      while number != .none {
        let slot = pool.slots[Int(number)]
        precondition(slot.state == .held && Int(slot.set) == index, "a set's list holds what is not its own")
        precondition(slot.previous == previous && slot.since >= before, "a set's list is not in the order of time")
        let lane = lanes.lane(slot.lane, of: index).pointee
        precondition(lane.state == slot.laneState, "a held slot does not know its lane's state")
        let ahead = distance(from: lane.next, to: slot.segment)
        precondition(ahead >= 0 && ahead < lanes.window, "a held segment is not in its lane's window")
        precondition(lanes.entry(slot.segment, of: lane.state).pointee == number, "a ring does not know its slot")
        precondition(ahead > 0 || !slot.isComplete, "a segment that is complete and owed was not released")
        audit(ranges: number)
        (before, previous, number) = (slot.since, number, slot.next)
        heldInList += 1
        bytes += Int(slot.received)
      }
      precondition(sets[index].newest == previous, "a set's list does not end with its newest slot")
      used += heldInList

      guard sets[index].isOpen else {
        precondition(heldInList == 0, "a closed set holds something")
        continue
      }
      var heldInLanes = 0
      for lane in 0..<limits.lanesPerSet {
        let state = lanes.lane(UInt16(lane), of: index).pointee.state
        if state == .none { continue }
        states += 1
        let held = Int(lanes.states[Int(state)].held)
        precondition(held > 0, "a lane has a state and holds nothing")
        precondition(
          Int(lanes.states[Int(state)].set) == index && Int(lanes.states[Int(state)].lane) == lane,
          "a state does not know its lane")
        heldInLanes += held
      }
      precondition(heldInLanes == heldInList, "lanes and list of a set do not hold the same")
    }
    precondition(states == lanes.inUse, "a lane's state was lost")
    auditDeadline()

    let free = pool.freeSlots()
    var isFree = Array(repeating: false, count: pool.slotCount)
    for number in free {
      precondition(!isFree[Int(number)], "a slot is free twice")
      isFree[Int(number)] = true
    }
    var leaving = Array(repeating: 0, count: limits.laneSets)
    var claims = 0
    for number in 0..<pool.slotCount where !isFree[number] {
      let slot = pool.slots[number]
      switch slot.state {
      case .free: preconditionFailure("a free slot is not in its list")
      case .claimed: claims += 1
      case .held: continue
      case .ready, .leaving:
        leaving[Int(slot.set)] += 1
        bytes += Int(slot.received)
      }
      used += 1
    }
    precondition(claims <= (claimed.kind == .nothing ? 0 : 1), "a slot belongs to a claim that was settled")
    precondition(used + free.count == pool.slotCount, "a slot is neither free nor in use")
    precondition(bytes == heldBytes, "bytes that are held were not counted")
    for index in 0..<limits.laneSets {
      precondition(Int(sets[index].leaving) == leaving[index], "a set does not know how many of its segments leave")
    }
  }

  private func auditDeadline() {
    deadlines.audit()
    var earliest: UInt64?
    for index in 0..<limits.laneSets where sets[index].oldest != .none {
      let due = pool.slots[Int(sets[index].oldest)].since + UInt64(sets[index].patience)
      earliest = min(earliest ?? due, due)
    }
    precondition(deadline?.nanoseconds == earliest, "the deadline is not that of what has waited longest")
  }

  private func audit(ranges number: Number) {
    let list = pool.ranges(of: number)
    let slot = pool.slots[Int(number)]
    var end: UInt32 = 0
    var sum: UInt32 = 0
    for index in 0..<Int(slot.rangeCount) {
      precondition(list[index].lower < list[index].upper, "an empty range")
      precondition(index == 0 || list[index].lower > end, "ranges that touch or overlap")
      end = list[index].upper
      sum += list[index].upper - list[index].lower
    }
    precondition(end <= slot.length && sum == slot.received, "received bytes were not counted")
  }

  /// Equal for states that will behave alike; counters aside.
  func digest() -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func add(_ value: some BinaryInteger) { hash = (hash ^ UInt64(truncatingIfNeeded: value)) &* 0x0000_0100_0000_01b3 }
    for number in pool.freeSlots() { add(number) }
    for state in lanes.freeStates() { add(state) }
    for index in 0..<limits.laneSets {
      add(sets[index].generation)
      add(sets[index].leaving)
      add(sets[index].paths)
      var number = sets[index].oldest
      while number != .none {
        let slot = pool.slots[Int(number)]
        for value in [number, slot.segment, slot.length, slot.received, UInt32(slot.lane), slot.laneState] {
          add(value)
        }
        for value in [slot.rangeCount, slot.markCount, slot.recordCount, slot.sizeClass] { add(value) }
        add(slot.since)
        for index in 0..<Int(slot.rangeCount) {
          add(pool.ranges(of: number)[index].lower)
          add(pool.ranges(of: number)[index].upper)
        }
        add(lanes.states[Int(slot.laneState)].hole.bits)
        add(lanes.states[Int(slot.laneState)].seen)
        number = slot.next
      }
      if !sets[index].isOpen { continue }
      for lane in 0..<limits.lanesPerSet { add(lanes.lane(UInt16(lane), of: index).pointee.next) }
    }
    var number = firstReady
    while number != .none {
      add(number)
      add(pool.slots[Int(number)].walk)
      number = pool.slots[Int(number)].next
    }
    add(heldBytes)
    add(deliveries.inUse)
    return hash
  }
}
