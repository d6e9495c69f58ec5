//  ParityDecoder.swift — has back what a path lost, as soon as any k of a group's k + m pieces are there.
//
//  Why.  The sender added parity so that nobody has to ask for anything. Here is the other half: remember what came of
//  each group, and compute what did not come. A member that arrives is delivered at once by whoever owns this; the
//  decoder only keeps a copy, for the case that its neighbour needs it.
//
//  How.  A group has a slot, which is its number modulo `groups`, and its pieces lie in a ring of bytes:
//
//      slot     0         1         2         3
//             │ 40 done │ 41 0·2  │ 42 01   │ 39 gave up │        43 arrives: slot 3 has an older group, which goes
//                            ╲  p0
//                             ╲___ k = 3 is known since p0 is here: 2 members + 1 parity = 3, so 1 is rebuilt now
//
//  To rebuild e datagrams, the first e pieces of parity are taken, every member that arrived is added to them (which
//  takes it out, as + is XOR), and what is left is e equations with e unknowns. Without loss there is nothing to
//  compute, and the parity is not even copied.
//
//  Rejected.  To add each member to four sums on arrival and keep no copies: no memory, but all the work, for groups of
//  which nearly none needs it. A list of groups in order of age, to close the oldest: slots do it without a search, and
//  a sender that leaps ahead only takes what is his own.
//
//  Always true.  (1) The group of a slot only gets younger, so a group is opened once, and a datagram is rebuilt at
//  most once, and never after it arrived. (2) Fewer than k pieces give nothing. (3) Something is open ⇔ `deadline` is
//  not nil; it may be early. (4) Whatever the pieces say, memory is `bytes`, eight images and the slots.
//
//  Not here.  Order and duplicates of datagrams (the resequencer takes each byte once, so a member that comes after it
//  was rebuilt does no harm), lanes (one decoder each), keys, the clock.
//
//  Cost: 32 ns for a piece of 200 bytes, 38 for one of 1,400, most of it the copy; a loss in a group of 4 adds 35 and
//  65 ns (docs/benchmarks/parity.md). Nothing is allocated after the start.

public import Erasure
public import Primitives
public import Wire

@safe public struct ParityDecoder: ~Copyable {
  public struct Limits: Sendable {
    /// Of members; parity is longer by what `MemberImage` has before the text.
    public var mostText: Int
    /// Groups that can be open at a time, a power of two. The sender's next groups begin while the slowest path still
    /// carries pieces of this one: 16 of 40 ms are more than any path is behind.
    public var groups = 16
    /// For their pieces: the longest twenty of a group fit twice, the short ones of a call 200 times.
    public var bytes = 64 << 10
    /// How long a group may be open: what is rebuilt later than the resequencer waits is of no use.
    public var lifetime = Interval.milliseconds(500)

    public init(mostText: Int) { self.mostText = mostText }
  }

  public enum Verdict: Equatable, Sendable {
    /// New, and of use.
    case kept
    /// It was here before, or was rebuilt. A member with any other verdict is to be delivered: it is genuine, only of
    /// no use to its group.
    case duplicate
    /// A piece of parity for a group that lacks nothing.
    case needless
    /// Its group is closed.
    case late
    /// It says something else than the group's other pieces.
    case contradiction
    /// Longer than may be, or too short to be what it says.
    case wrongLength
    /// Its group was the oldest and had to make room.
    case crowded
  }

  public struct Counters: Equatable, Sendable {
    public var kept: UInt64 = 0
    public var duplicate: UInt64 = 0
    public var needless: UInt64 = 0
    public var late: UInt64 = 0
    public var contradiction: UInt64 = 0
    public var wrongLength: UInt64 = 0
    public var crowded: UInt64 = 0
    /// Groups that lacked nothing, and those that were made whole.
    public var wholeGroups: UInt64 = 0
    public var rebuiltGroups: UInt64 = 0
    /// Datagrams that were rebuilt, and those that turned out to be none.
    public var rebuilt: UInt64 = 0
    public var implausible: UInt64 = 0
    /// Groups that were given up: because of time, for a younger one in their slot, for want of memory.
    public var expired: UInt64 = 0
    public var overrun: UInt64 = 0
    public var outOfMemory: UInt64 = 0
    /// Members that groups lacked when they were given up, as far as their size was known.
    public var missing: UInt64 = 0
  }

  /// What a path lost.
  @unsafe public struct Rebuilt {
    public let location: Location
    /// Valid until the next input.
    public let text: UnsafeRawBufferPointer
  }

  struct Group: BitwiseCopyable {
    enum State: UInt8, BitwiseCopyable { case unused, open, whole, givenUp }

    var number: UInt32 = 0
    var state = State.unused
    /// Both 0 until a piece of parity has told them.
    var members: UInt8 = 0
    var rows: UInt8 = 0
    /// Of the longest image so far; all pieces of parity have the same length.
    var longest: UInt16 = 0
    var parityLength: UInt16 = 0
    /// A bit for each member, and from the 16th for each piece of parity.
    var arrived: UInt32 = 0
    var closesAt = Instant.zero
    var offsets = InlineArray<20, UInt32>(repeating: 0)
    var lengths = InlineArray<20, UInt16>(repeating: 0)

    var allMembers: UInt32 { 1 << UInt32(members) - 1 }
    var missing: UInt32 { allMembers & ~arrived }
    /// The size is known, and any so many pieces are there.
    var isSolvable: Bool {
      members > 0 && (arrived & (allMembers | 0xf_0000)).nonzeroBitCount >= Int(members)
    }
  }

  public let limits: Limits
  public private(set) var counters = Counters()
  private let code: ErasureCode
  private var groups: FixedArray<Group>
  private var store: PieceStore
  private var openGroups = 0
  private var firstClose: Instant?

  /// Four sums, then four results.
  private let scratch: UnsafeMutableRawPointer
  private let stride: Int
  /// Results that were not handed out, a bit each.
  private var waiting: UInt8 = 0
  private var waitingLane: UInt16 = 0

  public init(code: ErasureCode, limits: Limits) {
    precondition(limits.groups.nonzeroBitCount == 1 && limits.groups <= 1_024, "up to 1,024 groups, a power of two")
    precondition(limits.mostText > 0 && limits.mostText <= 65_535 - MemberImage.prefix, "a text's length has 16 bits")
    let longest = MemberImage.prefix + limits.mostText
    let stride = (longest + 63) / 64 * 64
    let pieces = ParityHeader.mostMembers + ParityHeader.mostParity
    precondition(limits.bytes >= (pieces + 1) * stride && limits.bytes <= 1 << 30, "the store holds the largest group")
    self.limits = limits
    unsafe self.code = code
    groups = FixedArray(count: limits.groups) { _ in Group() }
    store = PieceStore(capacity: limits.bytes)
    unsafe scratch = .allocate(byteCount: 2 * ParityHeader.mostParity * stride, alignment: 64)
    self.stride = stride
  }

  deinit { unsafe scratch.deallocate() }

  // MARK: What arrives

  /// A piece that was opened; `text` is what follows its header. Drain `nextRebuilt` afterwards.
  public mutating func receive(
    _ header: ParityHeader, _ location: Location, _ text: UnsafeRawBufferPointer, at now: Instant
  ) -> Verdict {
    precondition(waiting == 0, "drain what was rebuilt before the next piece")
    let verdict = unsafe judge(header, location, text, at: now)
    switch verdict {
    case .kept: counters.kept += 1
    case .duplicate: counters.duplicate += 1
    case .needless: counters.needless += 1
    case .late: counters.late += 1
    case .contradiction: counters.contradiction += 1
    case .wrongLength: counters.wrongLength += 1
    case .crowded: counters.crowded += 1
    }
    return verdict
  }

  private mutating func judge(
    _ header: ParityHeader, _ location: Location, _ text: UnsafeRawBufferPointer, at now: Instant
  ) -> Verdict {
    let number: Int
    let length: Int
    switch header.piece {
    case .member(let index):
      guard (0..<ParityHeader.mostMembers).contains(index) else { return .contradiction }
      number = index
      length = MemberImage.prefix + text.count
    case .parity(let row, let members, let rows):
      guard (1...ParityHeader.mostMembers).contains(members), (1...ParityHeader.mostParity).contains(rows),
        (0..<rows).contains(row)
      else { return .contradiction }
      number = ParityHeader.mostMembers + row
      length = text.count
    }
    guard length >= MemberImage.prefix && length <= MemberImage.prefix + limits.mostText else { return .wrongLength }

    let slot = Int(header.group) & (limits.groups - 1)
    guard enter(slot, header.group & ParityHeader.groupMask, at: now) else { return .late }
    let bit: UInt32 = 1 << UInt32(number)
    if groups[slot].arrived & bit != 0 { return .duplicate }
    switch groups[slot].state {
    case .unused, .givenUp: return .late
    case .whole: return number < ParityHeader.mostMembers ? .contradiction : .needless
    case .open: break
    }
    guard agree(slot, header.piece, length) else { return .contradiction }

    groups[slot].arrived |= bit
    if groups[slot].members > 0 && groups[slot].missing == 0 {
      counters.wholeGroups += 1
      close(slot, as: .whole)
      return number < ParityHeader.mostMembers ? .kept : .needless
    }
    guard unsafe keep(slot, number, header, location, text, length) else { return .crowded }
    if groups[slot].isSolvable { rebuild(slot, lane: location.lane) }
    return .kept
  }

  /// The slot has this group now; false when it has a younger one.
  private mutating func enter(_ slot: Int, _ number: UInt32, at now: Instant) -> Bool {
    if groups[slot].state != .unused {
      if groups[slot].number == number { return true }
      // In 24 bits, which is behind the other?
      if (number &- groups[slot].number) & ParityHeader.groupMask > ParityHeader.groupMask / 2 { return false }
      if groups[slot].state == .open {
        counters.overrun += 1
        close(slot, as: .givenUp)
      }
    }
    let closesAt = now + limits.lifetime
    groups[slot] = Group()
    groups[slot].number = number
    groups[slot].state = .open
    groups[slot].closesAt = closesAt
    openGroups += 1
    firstClose = firstClose.map { min($0, closesAt) } ?? closesAt
    return true
  }

  /// Whether the piece can be of the same group as the others; the first piece of parity tells the group's size.
  private mutating func agree(_ slot: Int, _ piece: ParityHeader.Piece, _ length: Int) -> Bool {
    switch piece {
    case .member(let index):
      if groups[slot].members > 0 && (index >= groups[slot].members || length > groups[slot].parityLength) {
        return false
      }
      groups[slot].longest = max(groups[slot].longest, UInt16(length))
    case .parity(_, let members, let rows):
      if groups[slot].members > 0 {
        return groups[slot].members == members && groups[slot].rows == rows && groups[slot].parityLength == length
      }
      if groups[slot].arrived >> UInt32(members) != 0 || groups[slot].longest > length { return false }
      groups[slot].members = UInt8(members)
      groups[slot].rows = UInt8(rows)
      groups[slot].parityLength = UInt16(length)
    }
    return true
  }

  /// Copies the piece; false when its group had to go to make room for it.
  private mutating func keep(
    _ slot: Int, _ number: Int, _ header: ParityHeader, _ location: Location, _ text: UnsafeRawBufferPointer,
    _ length: Int
  ) -> Bool {
    while true {
      guard groups[slot].state == .open else { return false }
      if let offset = store.place(length, group: groups[slot].number) {
        var place = unsafe store.piece(at: offset)
        if number < ParityHeader.mostMembers {
          unsafe MemberImage(location: location, length: UInt16(text.count)).write(to: place)
          unsafe place += MemberImage.prefix
        }
        if let start = text.baseAddress { unsafe place.copyMemory(from: start, byteCount: text.count) }
        groups[slot].offsets[number] = offset
        groups[slot].lengths[number] = UInt16(length)
        return true
      }
      guard let oldest = store.removeOldest() else { preconditionFailure("an empty store has room for a piece") }
      let owner = Int(oldest.group) & (limits.groups - 1)
      if groups[owner].number == oldest.group && groups[owner].state == .open {
        counters.outOfMemory += 1
        close(owner, as: .givenUp)
      }
    }
  }

  private mutating func close(_ slot: Int, as state: Group.State) {
    if state == .givenUp { counters.missing += UInt64(groups[slot].missing.nonzeroBitCount) }
    groups[slot].state = state
    openGroups -= 1
    if openGroups == 0 {
      store.removeAll()
      firstClose = nil
    }
  }

  // MARK: What is computed

  private mutating func rebuild(_ slot: Int, lane: UInt16) {
    let missing = groups[slot].missing
    let length = Int(groups[slot].parityLength)
    let results = unsafe scratch + ParityHeader.mostParity * stride
    var rows: UInt8 = 0
    var taken = 0
    for row in 0..<ParityHeader.mostParity where taken < missing.nonzeroBitCount {
      let number = ParityHeader.mostMembers + row
      if groups[slot].arrived >> UInt32(number) & 1 == 0 { continue }
      unsafe (scratch + taken * stride).copyMemory(
        from: store.piece(at: groups[slot].offsets[number]), byteCount: length)
      rows |= 1 << UInt8(row)
      taken += 1
    }
    for member in 0..<Int(groups[slot].members) where groups[slot].arrived >> UInt32(member) & 1 != 0 {
      unsafe code.add(
        code.context, rows, member, store.piece(at: groups[slot].offsets[member]), Int(groups[slot].lengths[member]),
        scratch, stride)
    }
    let isSolved = unsafe code.solve(
      code.context, rows, UInt16(truncatingIfNeeded: missing), scratch, length, stride, results)
    precondition(isSolved, "every square part of the matrix can be inverted")
    waitingLane = lane
    for result in 0..<missing.nonzeroBitCount {
      if let image = unsafe MemberImage(results + result * stride, lane: lane),
        MemberImage.prefix + Int(image.length) <= length
      {
        waiting |= 1 << UInt8(result)
        counters.rebuilt += 1
      } else {
        counters.implausible += 1
      }
    }
    counters.rebuiltGroups += 1
    groups[slot].arrived |= groups[slot].allMembers
    close(slot, as: .whole)
  }

  /// The next datagram that was rebuilt, in the order in which they were sent; nil when there is none.
  public mutating func nextRebuilt() -> Rebuilt? {
    while waiting != 0 {
      let result = waiting.trailingZeroBitCount
      waiting &= waiting - 1
      let start = unsafe scratch + (ParityHeader.mostParity + result) * stride
      guard let image = unsafe MemberImage(start, lane: waitingLane) else { continue }
      let text = unsafe UnsafeRawBufferPointer(start: start + MemberImage.prefix, count: Int(image.length))
      return unsafe Rebuilt(location: image.location, text: text)
    }
    return nil
  }

  // MARK: Time

  /// When the oldest open group may have been open for long enough.
  public var deadline: Instant? { firstClose }

  public mutating func expire(at now: Instant) {
    guard let due = firstClose, due <= now else { return }
    var earliest: Instant?
    for slot in groups.indices where groups[slot].state == .open {
      if groups[slot].closesAt <= now {
        counters.expired += 1
        close(slot, as: .givenUp)
      } else {
        let closesAt = groups[slot].closesAt
        earliest = earliest.map { min($0, closesAt) } ?? closesAt
      }
    }
    firstClose = earliest
  }

  /// The lane begins anew: its groups count from the start.
  public mutating func reset() {
    precondition(waiting == 0, "drain what was rebuilt before the lane begins anew")
    for slot in groups.indices {
      if groups[slot].state == .open { close(slot, as: .givenUp) }
      groups[slot] = Group()
    }
  }
}
