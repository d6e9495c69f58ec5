//  Releasing.swift — when a segment leaves its lane's window: in order, or because its holes are not waited for any
//  more.

import Primitives

extension Resequencer {
  // MARK: The window

  /// A slot that its claim had alone becomes one of its lane.
  mutating func enterWindow(_ number: Number, at now: Instant) {
    let slot = pool.slots + Int(number)
    let set = Int(slot.pointee.set)
    let lane = lanes.lane(slot.pointee.lane, of: set)
    var state = lane.pointee.state
    let isNew = state == .none
    if isNew {
      state = lanes.take(set: slot.pointee.set, lane: slot.pointee.lane)
      lane.pointee.state = state
    }
    slot.pointee.state = .held
    slot.pointee.laneState = state
    lanes.entry(slot.pointee.segment, of: state).pointee = number
    lanes.states[Int(state)].held += 1
    if isNew || slot.pointee.segment == lane.pointee.next { lookAtHole(lane.pointee) }

    // The list stays sorted, should a caller's clock go back.
    let newest = sets[set].newest
    slot.pointee.since = now.nanoseconds
    slot.pointee.next = .none
    slot.pointee.previous = newest
    if newest != .none {
      slot.pointee.since = max(now.nanoseconds, pool.slots[Int(newest)].since)
      pool.slots[Int(newest)].next = number
      sets[set].newest = number
    } else {
      sets[set].oldest = number
      sets[set].newest = number
      refreshDeadline(set)
    }
  }

  /// The oldest of a set counts from a later moment: to where that is in the list, or behind its end when that is far.
  /// The deadline is the caller's.
  mutating func postpone(_ number: Number, in set: Int, to moment: UInt64) {
    let slot = pool.slots + Int(number)
    slot.pointee.since = moment
    var before = slot.pointee.next
    if before == .none { return }
    // Out of the list's beginning.
    sets[set].oldest = before
    pool.slots[Int(before)].previous = .none
    var steps = 0
    while before != .none, pool.slots[Int(before)].since < slot.pointee.since, steps < Resequencer.mostSteps {
      before = pool.slots[Int(before)].next
      steps += 1
    }
    if steps == Resequencer.mostSteps { before = .none }
    let previous = before == .none ? sets[set].newest : pool.slots[Int(before)].previous
    slot.pointee.previous = previous
    slot.pointee.next = before
    if previous != .none {
      pool.slots[Int(previous)].next = number
      if before == .none { slot.pointee.since = max(slot.pointee.since, pool.slots[Int(previous)].since) }
    } else {
      sets[set].oldest = number
    }
    if before != .none { pool.slots[Int(before)].previous = number } else { sets[set].newest = number }
  }

  /// Among the segments of some milliseconds. Somebody who makes all of ours grow a little at a time shall not make us
  /// walk over all of them for each.
  static let mostSteps = 64

  /// Out of the ring and the set's list. The deadline is the caller's.
  mutating func leaveWindow(_ number: Number) {
    let slot = pool.slots + Int(number)
    let set = sets + Int(slot.pointee.set)
    lanes.entry(slot.pointee.segment, of: slot.pointee.laneState).pointee = .none
    lanes.states[Int(slot.pointee.laneState)].held -= 1
    let next = slot.pointee.next
    let previous = slot.pointee.previous
    if previous != .none { pool.slots[Int(previous)].next = next } else { set.pointee.oldest = next }
    if next != .none { pool.slots[Int(next)].previous = previous } else { set.pointee.newest = previous }
    if recent.slot == number { recent = Recent() }
    waits.note(nanoseconds: moment &- min(slot.pointee.since, moment))
  }

  mutating func becomeReady(_ number: Number) {
    let slot = pool.slots + Int(number)
    slot.pointee.state = .ready
    slot.pointee.next = .none
    sets[Int(slot.pointee.set)].leaving += 1
    counters.segments += 1
    if lastReady == .none { firstReady = number } else { pool.slots[Int(lastReady)].next = number }
    lastReady = number
  }

  // MARK: In order

  /// Notes for its lane what the range that grew last has become. Until then only its own end moved, which proves
  /// nothing new: in the segment that is owed a hole follows it, and a later one had passed the hole when it began to
  /// grow.
  @inline(__always) mutating func settleRecent() {
    if recent.slot == .none { return }
    let slot = pool.slots + Int(recent.slot)
    let position = Position(segment: slot.pointee.segment, offset: recent.lower)
    lanes.note(position, over: recent.path, in: slot.pointee.laneState)
    let lane = lanes.lane(slot.pointee.lane, of: Int(slot.pointee.set))
    if slot.pointee.segment == lane.pointee.next { lookAtHole(lane.pointee) }
  }

  /// The datagram that was just taken is noted for its path; does it prove the loss of what its lane waits for?
  mutating func watch(_ slot: UnsafeMutablePointer<Slot>, at offset: UInt32, _ path: UInt8) {
    let state = slot.pointee.laneState
    let position = Position(segment: slot.pointee.segment, offset: offset)
    lanes.note(position, over: path, in: state)
    let lane = lanes.lane(slot.pointee.lane, of: Int(slot.pointee.set))
    if slot.pointee.segment == lane.pointee.next { lookAtHole(lane.pointee) }
    if lanes.states[Int(state)].hole < position
      && lanes.isProvenLost(state, paths: sets[Int(slot.pointee.set)].paths)
    {
      advance(state)
    }
  }

  /// A segment has its last byte.
  mutating func complete(_ slot: UnsafeMutablePointer<Slot>, at offset: UInt32, _ path: UInt8) {
    lanes.note(Position(segment: slot.pointee.segment, offset: offset), over: path, in: slot.pointee.laneState)
    advance(slot.pointee.laneState)
  }

  /// Where the last bytes begin that are missing of the segment that is owed.
  @inline(__always) func lookAtHole(_ lane: Lane) {
    let number = lanes.entry(lane.next, of: lane.state).pointee
    lanes.states[Int(lane.state)].hole = Position(
      segment: lane.next, offset: number == .none ? 0 : pool.lastHole(of: number))
  }

  /// Releases what is complete and owed, and gives up what is proven lost, as far as it goes.
  mutating func advance(_ state: Number) {
    let set = Int(lanes.states[Int(state)].set)
    let lane = lanes.lane(lanes.states[Int(state)].lane, of: set)
    while lanes.states[Int(state)].held > 0 {
      let number = lanes.entry(lane.pointee.next, of: state).pointee
      if number == .none || !pool.slots[Int(number)].isComplete {
        lookAtHole(lane.pointee)
        if !lanes.isProvenLost(state, paths: sets[set].paths) { break }
      }
      giveUpNext(lane, number, .proof)
    }
    forgetIfEmpty(lane)
    refreshDeadline(set)
  }

  private mutating func forgetIfEmpty(_ lane: UnsafeMutablePointer<Lane>) {
    let state = lane.pointee.state
    if state == .none || lanes.states[Int(state)].held > 0 { return }
    lane.pointee.state = .none
    lanes.giveBack(state)
  }

  // MARK: Not in order

  /// The segment that is owed goes as it is: complete, with holes, or not at all.
  private mutating func giveUpNext(_ lane: UnsafeMutablePointer<Lane>, _ number: Number, _ reason: GiveUpReason) {
    lane.pointee.next &+= 1
    if number == .none { return counters.note(reason, holes: 1) }
    leaveWindow(number)
    let slot = pool.slots + Int(number)
    if !slot.pointee.isComplete {
      counters.note(reason, holes: pool.holeCount(of: number))
      heldBytes += pool.fillFromRecords(number)
      counters.missingBytes += UInt64(slot.pointee.length - slot.pointee.received)
    }
    becomeReady(number)
  }

  /// Waits for nothing up to and with this segment.
  mutating func giveUp(through segment: UInt32, state: Number, reason: GiveUpReason) {
    let set = Int(lanes.states[Int(state)].set)
    let lane = lanes.lane(lanes.states[Int(state)].lane, of: set)
    while lanes.states[Int(state)].held > 0 && distance(from: lane.pointee.next, to: segment) >= 0 {
      giveUpNext(lane, lanes.entry(lane.pointee.next, of: state).pointee, reason)
    }
    advance(state)
  }

  /// The sender is further ahead than the window reaches: what it owes before that is given up.
  mutating func slide(_ lane: UnsafeMutablePointer<Lane>, of set: Int, soThatItHolds segment: UInt32) {
    let first = segment &- UInt32(lanes.window - 1)
    if lane.pointee.state != .none { giveUp(through: first &- 1, state: lane.pointee.state, reason: .overrun) }
    let skipped = distance(from: lane.pointee.next, to: first)
    if skipped <= 0 { return }
    // Nothing is held any more before `first`, and so nowhere.
    counters.note(.overrun, holes: skipped)
    lane.pointee.next = first
  }

  /// Memory is short. When nothing of this set is on its way out already, what has waited longest is sent there.
  mutating func makeRoom(_ set: Int) {
    if sets[set].leaving > 0 || sets[set].oldest == .none { return }
    let slot = pool.slots + Int(sets[set].oldest)
    giveUp(through: slot.pointee.segment, state: slot.pointee.laneState, reason: .memory)
  }

  mutating func giveBack(_ number: Number) {
    heldBytes -= Int(pool.slots[Int(number)].received)
    pool.giveBack(number)
  }
}
