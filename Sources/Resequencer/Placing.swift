//  Placing.swift — where a datagram is opened, and what it means once it is known to be authentic.
//
//  Why.  The place must be named before the datagram is known to be authentic, since it is opened right there. So up to
//  `accept` nothing may change that `reject` cannot undo: a forger must not push a window on, evict what others hold,
//  or write over bytes that have arrived.
//
//  How.  A place is given only where no byte has arrived yet; what a forgery writes there is garbage that was never
//  received. The first datagram of a segment takes a slot that belongs to the claim alone. All that cannot be undone
//  waits: a datagram beyond the window, one for which there is no memory, and one with a resume record (whose length is
//  sealed, so where its bytes go is not known before) is opened `aside` and copied when it is authentic.
//
//  One claim is open at a time. Two could name the same bytes, and a forgery opened later would spoil what was accepted
//  in between.

public import Primitives
public import Wire

extension Resequencer {
  /// A datagram between `place` and `accept` or `reject`.
  public struct Claim: Equatable, Sendable {
    let serial: UInt32
  }

  public enum Placement {
    /// Open it straight there.
    case into(UnsafeMutableRawPointer, Claim)
    /// Open it anywhere, and bring its text to `accept`.
    case aside(Claim)
    case refused(Verdict)
  }

  // MARK: Before it is authentic

  /// Where a datagram's text belongs. `textLength` is what it has without headers and tag. The claim must be settled
  /// before the next call.
  public mutating func place(
    _ location: Location, textLength: Int, from set: LaneSet, at now: Instant
  ) -> Placement {
    settled()
    // The usual case: the next bytes of the range that grew last.
    if location.offset == recent.upper && location.segment == recent.segment && location.lane == recent.lane
      && set == recent.set && location.length == recent.length && location.segmentSize == recent.segmentSize
      && location.flags.subtracting(.begins) == recent.flags && location.extra == 0 && textLength > 0
      && textLength <= Int(recent.limit &- recent.upper), let memory = recent.memory
    {
      claimed.kind = .growing
      claimed.textLength = textLength
      claimed.serial &+= 1
      return .into(memory + Int(recent.upper), Claim(serial: claimed.serial))
    }
    return find(location, textLength, set)
  }

  @inline(never)
  private mutating func find(_ location: Location, _ textLength: Int, _ set: LaneSet) -> Placement {
    guard let index = check(set) else { return refuse(.closed) }
    guard location.flags.isSubset(of: [.needsChecksum, .resumes, .begins]), location.extra == 0,
      Int(location.lane) < limits.lanesPerSet
    else { return refuse(.unknown) }
    let resumes = location.flags.contains(.resumes)
    // A record's length is not known yet; at least one byte follows it.
    let least = resumes ? textLength - ResumeRecord.fixedLength : textLength
    guard least > 0, location.length > 0 else { return refuse(.empty) }
    guard Int(location.length) <= limits.mostSegmentLength else { return refuse(.tooLong) }
    let known = resumes ? 1 : textLength
    guard Int(location.offset) + known <= Int(location.length) else { return refuse(.outside) }

    claimed.location = location
    claimed.textLength = textLength
    claimed.set = UInt16(truncatingIfNeeded: index)
    let lane = lanes.lane(location.lane, of: index).pointee
    let ahead = distance(from: lane.next, to: location.segment)
    if ahead < 0 { return refuse(.late) }
    if ahead >= lanes.window { return aside() }
    if lane.state != .none {
      let number = lanes.entry(location.segment, of: lane.state).pointee
      if number != .none {
        let slot = pool.slots + Int(number)
        if !agrees(location, slot) { return refuse(.contradiction) }
        switch pool.fit(ByteRange(lower: location.offset, upper: location.offset + UInt32(known)), in: number) {
        case .duplicate: return refuse(.duplicate)
        case .overlapping: return refuse(.overlapping)
        case .fragmented: return resumes ? aside() : refuse(.fragmented)
        case .new: return resumes ? aside() : into(number)
        }
      }
    }
    if resumes { return aside() }
    let number = pool.take(length: Int(location.length), for: index)
    if number == .none { return aside() }
    prepare(number, for: location)
    return into(number)
  }

  /// What all datagrams of a segment must say alike.
  @inline(__always) private func agrees(_ location: Location, _ slot: UnsafeMutablePointer<Slot>) -> Bool {
    location.length == slot.pointee.length && location.segmentSize == slot.pointee.segmentSize
      && location.flags.subtracting([.resumes, .begins]) == slot.pointee.flags
  }

  private mutating func into(_ number: Number) -> Placement {
    claimed.kind = .inPlace
    claimed.slot = number
    claimed.serial &+= 1
    return .into(pool.slots[Int(number)].memory + Int(claimed.location.offset), Claim(serial: claimed.serial))
  }

  private mutating func aside() -> Placement {
    claimed.kind = .aside
    claimed.serial &+= 1
    return .aside(Claim(serial: claimed.serial))
  }

  private mutating func refuse(_ verdict: Verdict) -> Placement {
    counters.note(verdict)
    return .refused(verdict)
  }

  private func prepare(_ number: Number, for location: Location) {
    let slot = pool.slots + Int(number)
    slot.pointee.state = .claimed
    slot.pointee.segment = location.segment
    slot.pointee.length = location.length
    slot.pointee.segmentSize = location.segmentSize
    slot.pointee.lane = location.lane
    slot.pointee.flags = location.flags.subtracting([.resumes, .begins])
    slot.pointee.received = 0
    slot.pointee.rangeCount = 0
    slot.pointee.markCount = 0
    slot.pointee.recordCount = 0
    slot.pointee.recordBytes = 0
    slot.pointee.outstanding = 0
    slot.pointee.walk = 0
    slot.pointee.within = 0
    slot.pointee.laneState = .none
  }

  /// It was forged, or could not be opened.
  public mutating func reject(_ claim: Claim) {
    settle(claim)
    if claimed.kind == .inPlace && pool.slots[Int(claimed.slot)].state == .claimed { pool.giveBack(claimed.slot) }
    claimed.kind = .nothing
  }

  @inline(__always) private func settle(_ claim: Claim) {
    precondition(
      claimed.kind != .nothing && claim.serial == claimed.serial, "a claim is settled once, before the next one")
  }

  // MARK: Now that it is

  /// It is authentic. `text` is needed when it was opened aside.
  @discardableResult
  public mutating func accept(
    _ claim: Claim, path: UInt8, congestion: Bool, text: UnsafeRawBufferPointer? = nil, at now: Instant
  ) -> Verdict {
    settle(claim)
    let kind = claimed.kind
    claimed.kind = .nothing
    if kind == .aside { return acceptAside(text, path: path, congestion: congestion, at: now) }

    counters.accepted += 1
    if kind == .growing {
      let upper = recent.upper &+ UInt32(truncatingIfNeeded: claimed.textLength)
      if path == recent.path && upper < recent.limit && !congestion {
        recent.lower = recent.upper
        recent.upper = upper
        pool.ranges(of: recent.slot)[recent.range].upper = upper
        pool.slots[Int(recent.slot)].received &+= upper &- recent.lower
        pool.slots[Int(recent.slot)].touched = now.nanoseconds
        heldBytes &+= claimed.textLength
        return .accepted
      }
      claimed.slot = recent.slot
      claimed.location.offset = recent.upper
    }
    return acceptInPlace(path: path, congestion: congestion, at: now)
  }

  @inline(never)
  private mutating func acceptInPlace(path: UInt8, congestion: Bool, at now: Instant) -> Verdict {
    let number = claimed.slot
    let range = ByteRange(
      lower: claimed.location.offset, upper: claimed.location.offset &+ UInt32(truncatingIfNeeded: claimed.textLength),
      begins: claimed.location.flags.contains(.begins))
    if congestion { note(congestion: range, number) }
    if case .new(let index) = pool.fit(range, in: number) { take(range, index, number, path: path, at: now) }
    return .accepted
  }

  private mutating func note(congestion range: ByteRange, _ number: Number) {
    counters.congested += 1
    pool.mark(range, in: number)
  }

  /// Bytes of an authentic datagram are in their place.
  private mutating func take(_ range: ByteRange, _ index: Int, _ number: Number, path: UInt8, at now: Instant) {
    moment = now.nanoseconds
    settleRecent()
    let slot = pool.slots + Int(number)
    let set = Int(slot.pointee.set)
    let isNew = slot.pointee.state == .claimed
    let grown = pool.insert(range, in: number, before: index)
    slot.pointee.touched = now.nanoseconds
    heldBytes += Int(range.upper - range.lower)
    if isNew {
      let lane = lanes.lane(slot.pointee.lane, of: set)
      if slot.pointee.isComplete && slot.pointee.segment == lane.pointee.next && lane.pointee.state == .none {
        // Whole, and owed: it never enters the window.
        lane.pointee.next &+= 1
        becomeReady(number)
        return
      }
      enterWindow(number, at: now)
    }
    if slot.pointee.isComplete {
      if recent.slot == number { recent = Recent() }
      complete(slot, at: range.lower, path)
    } else {
      remember(number, range: grown, lower: range.lower, path)
      watch(slot, at: range.lower, path)
    }
    // Better one segment too early than a datagram lost: what is released now leaves before the next one comes.
    if isNew && pool.isShort(of: number, for: set) { makeRoom(set) }
  }

  private mutating func remember(_ number: Number, range: Int, lower: UInt32, _ path: UInt8) {
    let slot = pool.slots + Int(number)
    let list = pool.ranges(of: number)
    recent.memory = slot.pointee.memory
    recent.slot = number
    recent.set = LaneSet(index: slot.pointee.set, generation: sets[Int(slot.pointee.set)].generation)
    recent.segment = slot.pointee.segment
    recent.length = slot.pointee.length
    recent.lane = slot.pointee.lane
    recent.segmentSize = slot.pointee.segmentSize
    recent.flags = slot.pointee.flags
    recent.path = path
    recent.lower = lower
    recent.upper = list[range].upper
    recent.limit = range + 1 < Int(slot.pointee.rangeCount) ? list[range + 1].lower : slot.pointee.length
    recent.range = range
  }

  @inline(never)
  private mutating func acceptAside(
    _ text: UnsafeRawBufferPointer?, path: UInt8, congestion: Bool, at now: Instant
  ) -> Verdict {
    guard let text, text.count == claimed.textLength else {
      preconditionFailure("a datagram that was opened aside comes with its text")
    }
    let verdict = takeAside(text, path: path, congestion: congestion, at: now)
    counters.note(verdict)
    return verdict
  }

  private mutating func takeAside(
    _ text: UnsafeRawBufferPointer, path: UInt8, congestion: Bool, at now: Instant
  ) -> Verdict {
    let location = claimed.location
    let set = Int(claimed.set)
    var bytes = text
    var record: ResumeRecord?
    if location.flags.contains(.resumes) {
      guard let read = ResumeRecord(text), read.length < text.count, read.packetOffset <= location.offset else {
        return .badRecord
      }
      record = read
      bytes = UnsafeRawBufferPointer(rebasing: text[read.length...])
    }
    guard let start = bytes.baseAddress else { return .empty }
    guard Int(location.offset) + bytes.count <= Int(location.length) else { return .outside }
    let range = ByteRange(
      lower: location.offset, upper: location.offset + UInt32(bytes.count), begins: location.flags.contains(.begins))

    let lane = lanes.lane(location.lane, of: set)
    if distance(from: lane.pointee.next, to: location.segment) >= lanes.window {
      slide(lane, of: set, soThatItHolds: location.segment)
    }
    var number = Number.none
    if lane.pointee.state != .none { number = lanes.entry(location.segment, of: lane.pointee.state).pointee }
    var index = 0
    if number != .none {
      switch pool.fit(range, in: number) {
      case .duplicate: return .duplicate
      case .overlapping: return .overlapping
      case .fragmented: return .fragmented
      case .new(let found): index = found
      }
    } else {
      number = pool.take(length: Int(location.length), for: set)
      if number == .none {
        makeRoom(set)
        // What was owed a moment ago may have been given up.
        if distance(from: lane.pointee.next, to: location.segment) < 0 { return .late }
        return .full
      }
      prepare(number, for: location)
    }
    let slot = pool.slots + Int(number)
    (slot.pointee.memory + Int(range.lower)).copyMemory(from: start, byteCount: bytes.count)
    if congestion { note(congestion: range, number) }
    if let record { pool.keep(record, text, in: number) }
    take(range, index, number, path: path, at: now)
    return .accepted
  }
}
