//  ParityEncoder.swift — adds parity to the small datagrams of a lane that cannot wait for a repair.
//
//  Why.  A call has no use for a packet that comes a round trip late, so what a path loses must be in what the others
//  bring anyway. A copy of everything on a second path costs 100 %; one piece of parity for every four costs 25 % and
//  mends the same single loss.
//
//  How.  A datagram leaves at once, as member j of the group that is open, and its image (16 bytes and its text) is
//  added to the sums. The group closes with its last member, or when it has been open for `openFor`; then each sum is a
//  piece of parity, as long as the longest image.
//
//      member 0  ─────────────────────────────────────────▶
//          member 1  ─────────────────────────────────────▶        k = 3, m = 2: the group survives any two losses
//                  member 2  ─────────────────────────────▶
//                           parity 0 = 0 + 1 + 2  ────────▶
//                           parity 1 = 0 + c·1 + c'·2  ───▶
//
//  So the sender holds m sums and no member, and a lane that falls silent gets the parity of what it has: k is what
//  there is when the group closes. With k = 1 each piece of parity is a copy.
//
//  Rejected.  To keep the members and compute at the end: the memory of a group for each lane, and the work comes as
//  one burst. Groups that overlap (a sliding window): they mend a burst sooner, but a receiver must solve systems that
//  chain, for a class whose groups last 40 ms. To delay members until the group is full: the delay is what the class is
//  about.
//
//  Always true.  (1) A member is never delayed, changed or copied for good. (2) A group that has a member has a
//  deadline.
//  (3) No two groups of 2²⁴ in succession have the same number. (4) Shape is that of the moment in which a group began.
//
//  Not here.  Paths (`Placement`), how much parity is enough (`ResidualLoss`), sealing, the clock.
//
//  Cost: one copy and one sum a row for each member. 200 bytes: 20 ns with one row, 23 with two; 1,400 bytes: 36 and
//  45 (docs/benchmarks/parity.md). Memory: five images.

public import Erasure
public import Primitives
public import Wire

@safe public struct ParityEncoder: ~Copyable {
  public struct Counters: Equatable, Sendable {
    /// Datagrams in groups, and their text.
    public var members: UInt64 = 0
    public var memberBytes: UInt64 = 0
    /// Groups that ended with their last member, or because of time, or by `flush`.
    public var full: UInt64 = 0
    public var timedOut: UInt64 = 0
    public var flushed: UInt64 = 0
    public var parity: UInt64 = 0
    public var parityBytes: UInt64 = 0
    /// Went without: the shape had no parity, or the text was longer than may be.
    public var unprotected: UInt64 = 0
    public var tooLong: UInt64 = 0
  }

  /// A piece of parity, to be sealed as it is: the header is the beginning of the text.
  @unsafe public struct Piece {
    public let header: ParityHeader
    /// Valid until the next input.
    public let text: UnsafeRawBufferPointer
  }

  private static let sums = ParityHeader.mostParity
  /// Before each sum, so that its bytes begin on a line of the cache and its header lies before them.
  private static let headroom = 64

  public private(set) var counters = Counters()
  private let code: ErasureCode
  private let mostText: Int
  private let openFor: Interval
  private let memory: UnsafeMutableRawPointer
  private let stride: Int

  // Of the next group.
  private var members = 1
  private var rows = 0
  // Of the open one.
  private var group: UInt32 = 0
  private var count = 0
  private var wanted = 0
  private var openRows = 0
  private var longest = 0
  private var lane: UInt16 = 0
  private var closesAt: Instant?
  /// The next piece to hand out; `openRows` when there is none.
  private var next = 0
  private var isClosed = false

  /// `mostText`: longer ones are not protected; it must leave `MemberImage.overhead` of what a datagram can carry.
  /// `openFor`: how long a group waits for its last member. Longer than the packets of k take to come, and every group
  /// is full; longer than a receiver would wait for a repair, and the parity comes too late to be of use.
  public init(code: ErasureCode, mostText: Int, openFor: Interval) {
    precondition(mostText > 0 && mostText <= 65_535 - MemberImage.prefix, "a text's length has 16 bits")
    let stride = (ParityEncoder.headroom + MemberImage.prefix + mostText + 63) / 64 * 64
    unsafe self.code = code
    self.mostText = mostText
    self.openFor = openFor
    self.stride = stride
    unsafe memory = .allocate(byteCount: (ParityEncoder.sums + 1) * stride, alignment: 64)
  }

  deinit { unsafe memory.deallocate() }

  /// Of the groups that begin from now on: no parity, no protection.
  public mutating func setShape(members: Int, parity: Int) {
    precondition((1...ParityHeader.mostMembers).contains(members), "a group has 1 to 16 members")
    precondition((0...ParityHeader.mostParity).contains(parity), "a group has up to 4 pieces of parity")
    self.members = members
    rows = parity
  }

  /// A datagram leaves. What its text has to begin with, and its location's `extra`; nil when it goes as it is. Drain
  /// `nextParity` afterwards.
  public mutating func protect(
    _ location: Location, _ text: UnsafeRawBufferPointer, at now: Instant
  ) -> ParityHeader? {
    precondition(!isClosed, "drain the parity of a group before the next datagram")
    if count == 0 && rows == 0 {
      counters.unprotected += 1
      return nil
    }
    guard text.count <= mostText else {
      counters.tooLong += 1
      return nil
    }
    if count > 0 && location.lane != lane { preconditionFailure("an encoder serves one lane") }
    if count == 0 { open(location.lane, at: now) }
    unsafe add(location, text)
    let header = ParityHeader(group: group, piece: .member(count))
    count += 1
    counters.members += 1
    counters.memberBytes += UInt64(text.count)
    if count == wanted {
      close()
      counters.full += 1
    }
    return header
  }

  /// The next piece of parity of the group that closed; nil when all are handed out.
  public mutating func nextParity() -> Piece? {
    guard isClosed else { return nil }
    if next == openRows {
      isClosed = false
      count = 0
      group = (group &+ 1) & ParityHeader.groupMask
      return nil
    }
    let header = ParityHeader(group: group, piece: .parity(next, members: count, of: openRows))
    let start = unsafe sum(next) - ParityHeader.length
    unsafe header.write(to: start)
    let text = unsafe UnsafeRawBufferPointer(start: start, count: ParityHeader.length + longest)
    next += 1
    counters.parity += 1
    counters.parityBytes += UInt64(text.count)
    return unsafe Piece(header: header, text: text)
  }

  /// The open group ends here, with what it has. Drain `nextParity` afterwards.
  public mutating func flush() {
    guard count > 0, !isClosed else { return }
    close()
    counters.flushed += 1
  }

  // MARK: Time

  /// When the open group has been open for long enough.
  public var deadline: Instant? { closesAt }

  public mutating func expire(at now: Instant) {
    guard let closesAt, closesAt <= now else { return }
    close()
    counters.timedOut += 1
  }

  // MARK: Sums

  private mutating func open(_ lane: UInt16, at now: Instant) {
    self.lane = lane
    wanted = members
    openRows = rows
    longest = 0
    closesAt = now + openFor
  }

  private mutating func close() {
    closesAt = nil
    next = 0
    isClosed = true
  }

  private mutating func add(_ location: Location, _ text: UnsafeRawBufferPointer) {
    let length = MemberImage.prefix + text.count
    let image = unsafe sum(ParityEncoder.sums)
    unsafe MemberImage(location: location, length: UInt16(text.count)).write(to: image)
    if let start = text.baseAddress {
      unsafe (image + MemberImage.prefix).copyMemory(from: start, byteCount: text.count)
    }
    if length > longest {
      // A sum is zero where no member has reached so far.
      for row in 0..<openRows {
        unsafe (sum(row) + longest).initializeMemory(as: UInt8.self, repeating: 0, count: length - longest)
      }
      longest = length
    }
    unsafe code.add(code.context, 1 << UInt8(openRows) - 1, count, image, length, sum(0), stride)
  }

  private func sum(_ row: Int) -> UnsafeMutableRawPointer {
    unsafe memory + row * stride + ParityEncoder.headroom
  }
}
