//  SentRuns.swift — the memory of what was sent: one entry for each batch, in a pool that all paths share.
//
//  Why.  A path at a gigabit a second sends 85,000 datagrams a second, but 2,000 batches. What happens to them nearly
//  always happens to a batch as a whole, so an entry stands for up to 64 datagrams, and two masks say which of them
//  arrived and which are held for lost.
//
//      first 70,000, 44 datagrams of 1,472 bytes (the last 980), sent at 1.204 s, tag 17
//      arrived   1111111111111111111111111111111111110111111           bit i: datagram first + i
//      lost      0000000000000000000000000000000000001000000
//      news      0000000000000000000000000000000000001000000           what its owner was not told yet
//
//  An entry is 64 bytes, a line of the cache. It can be in one of two lists of its path (what is open, what is kept
//  since some of it was lost and may still arrive), and beside that in the path's list of news.
//
//  Rejected.  A ring of entries for each path: a thousand idle paths would hold a thousand rings, and one that fills a
//  satellite's bandwidth-delay product would still be too small.
//
//  Always true.  (1) An entry is free, or in a list, or both of a list and the news, or only in the news. (2) `inUse`
//  is the number of entries that are not free. Entries that were never used are never touched.
//
//  Not here.  What the masks mean for a path: PathLog.swift.

@safe public struct SentRuns: ~Copyable {
  @usableFromInline static let none = UInt32.max

  public let capacity: Int
  public private(set) var inUse = 0

  private let entries: UnsafeMutablePointer<SentRun>
  private var firstFree = SentRuns.none
  private var touched: UInt32 = 0

  /// As many as may be in flight over all paths: 64 MiB of full batches are 1,100 runs, of single datagrams 47,000.
  public init(capacity: Int) {
    precondition(capacity > 0 && capacity < Int(UInt32.max), "a pool has room for something")
    let count = capacity
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<SentRun>.stride, alignment: 64)
    unsafe entries = memory.bindMemory(to: SentRun.self, capacity: count)
    self.capacity = count
  }

  deinit { unsafe entries.deallocate() }

  mutating func take() -> UInt32? {
    if firstFree != SentRuns.none {
      let number = firstFree
      firstFree = self[number].next
      inUse += 1
      return number
    }
    if Int(touched) == capacity { return nil }
    touched += 1
    inUse += 1
    return touched - 1
  }

  mutating func giveBack(_ number: UInt32) {
    self[number].next = firstFree
    firstFree = number
    inUse -= 1
  }

  subscript(_ number: UInt32) -> SentRun {
    @inline(__always) unsafeAddress {
      precondition(number < UInt32(truncatingIfNeeded: capacity), "no such run")
      return unsafe UnsafePointer(entries + Int(number))
    }
    @inline(__always) unsafeMutableAddress {
      precondition(number < UInt32(truncatingIfNeeded: capacity), "no such run")
      return unsafe entries + Int(number)
    }
  }
}

/// A batch that was sent.
struct SentRun: BitwiseCopyable {
  /// What happened beside the masks.
  struct Marks: OptionSet, BitwiseCopyable {
    let rawValue: UInt8
    /// There was nothing else to send.
    static var isAppLimited: Marks { Marks(rawValue: 1) }
    /// Held for lost since the path was silent: when it arrives after all, that tells nothing of the path's order.
    static var timedOut: Marks { Marks(rawValue: 2) }
    /// In no list of its path any more, only in the news.
    static var isDetached: Marks { Marks(rawValue: 4) }
  }

  /// First counter × 2¹⁶ + number of datagrams.
  private var place: UInt64
  var arrived: UInt64 = 0
  var lost: UInt64 = 0
  var news: UInt64 = 0
  var sent: UInt64
  /// Bytes that the path had delivered in all when this was sent.
  var priorDelivered: UInt64
  var tag: UInt32
  /// In the list that it is in, or of what is free.
  var next = SentRuns.none
  var nextNews = SentRuns.none
  private var each: UInt16
  private var ofLast: UInt16

  init(
    tag: UInt32, first: UInt64, count: Int, bytes: Int, lastBytes: Int, sent: UInt64, priorDelivered: UInt64,
    marks: Marks
  ) {
    place = first << 16 | UInt64(marks.rawValue) << 8 | UInt64(count)
    self.tag = tag
    self.sent = sent
    self.priorDelivered = priorDelivered
    each = UInt16(bytes)
    ofLast = UInt16(lastBytes)
  }

  var first: UInt64 { place >> 16 }
  var count: Int { Int(place & 0xff) }
  var last: UInt64 { first + (place & 0xff) - 1 }

  var marks: Marks {
    get { Marks(rawValue: UInt8(truncatingIfNeeded: place >> 8)) }
    set { place = place & ~0xff00 | UInt64(newValue.rawValue) << 8 }
  }

  /// A bit for each datagram.
  var all: UInt64 { SentRun.mask(0, count - 1) }
  /// Neither arrived nor held for lost.
  var unsettled: UInt64 { all & ~(arrived | lost) }

  /// Those with counters up to this one, which is not smaller than `first`.
  func upTo(_ counter: UInt64) -> UInt64 { counter >= last ? all : SentRun.mask(0, Int(counter - first)) }

  func bytes(of datagrams: UInt64) -> Int {
    let isWithLast = datagrams >> UInt64(count - 1) & 1 != 0
    return datagrams.nonzeroBitCount * Int(each) + (isWithLast ? Int(ofLast) - Int(each) : 0)
  }

  /// Bits from `lowest` to `highest`, both below 64.
  static func mask(_ lowest: Int, _ highest: Int) -> UInt64 {
    (UInt64.max >> UInt64(63 - highest)) & (UInt64.max << UInt64(lowest))
  }
}
