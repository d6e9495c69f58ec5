//  Striper.swift — cuts segments into parts, one for each path, so that all parts land at the same moment.
//
//  Why.  One flow gets the sum of all paths only if its bytes travel on all of them at once; and who gets the parts
//  must hold the early ones until the late ones are there. Parts that land together need no memory and cost no delay.
//  The price of a part is a kernel call, not its bytes; so parts are few, long and made of full datagrams.
//
//  How.  Of each path we know its rate, its delay, and the bytes that are committed to it and wait with us. Then
//
//    1. When could all of it have landed?    the water level T (WaterLevel.swift), a closed form
//    2. Who carries what until then?         whole datagrams, parts worth a send (Rounding.swift)
//
//      segment of 62,000 bytes; a 100 Mbit/s, b 50, c 20, all idle and 8 ms away; datagrams of 1,428
//      wanted           a 36,470   b 18,235   c 7,295         T = 10.92 ms
//      ├─────────────────────────────┼──────────┼──────────────┤
//      │ a 26 = 37,128               │ c 5 =    │ b 12.4 =     │   only the last part ends in a short datagram;
//      └─────────────────────────────┴──  7,140 ┴──────  17,732┘   all have landed at 10.97 ms
//
//  A path that would land its first byte after T gets nothing: nobody chooses how many parts there are. What a segment
//  could not give exactly stays in the backlogs, and the next one levels it out: so shares follow the rates in the long
//  run, however short the segments are, as long as the paths are busy. While they are not, the best path alone has it.
//
//  A part that begins inside a packet carries a copy of that packet's headers before its bytes. The caller says how
//  long they are (`resume`), and parts in the middle give up as many bytes, so that the copy does not spill into a
//  datagram of its own.
//
//  Who is urgent is not cut, and goes where it lands first. It overtakes all else, so only urgent bytes count as
//  backlog for it. What is sent again is not cut either, and goes behind what is urgent: when a path dies, all that was
//  on it is sent again at once, and a call must not stand behind that. For all others, everything counts.
//
//  Rejected.  Fixed shares with debts carried over (right only when delays are equal, and every change of a rate needs
//  a settlement); the path with the shortest queue, datagram by datagram (hundreds of steps for what a dozen divisions
//  say); floating point (a backlog that is added to and taken from for weeks must be exact).
//
//  Always true.  (1) The parts of a segment cover it exactly, in order, without overlap, one for each path at most. (2)
//  No part is longer than its path's batch. (3) The segment lands not later than it would over the best usable path
//  that has room for all of it. (4) As long as no batch is full, it lands later than T by less than a datagram's time
//  on the slowest path that T uses, and `leastDatagrams` more for each of those paths whose share is too short for a
//  part. (5) A split changes no backlog: what is committed, and what was sent, is for the caller to say.
//
//  Not here.  Where rates and delays come from, the queues of parts, when a path may send.
//
//  Cost: 64 KiB over 2 or 3 paths 0.1 to 0.15 µs, over 16 of them 0.35 to 0.7; what is urgent 10 to 40 ns. How many
//  parts come out for pairs of uplinks is in docs/benchmarks/striper.md. No allocation after `init`.

public import Primitives

public struct Striper: ~Copyable {
  public static let mostPaths = 16
  /// One more send costs 6 to 9 µs while the other side sleeps: as much as sealing 40 datagrams. With fewer than 4 in a
  /// part, small segments would cost a multiple; with more than 8, those of a dozen packets would never use a second
  /// path.
  public static let leastDatagrams = 4
  // What lies outside of these counts as the nearest inside: see Account.swift for what they are good for.
  public static let leastRate = BitRate(bitsPerSecond: 1_000)
  public static let mostRate = BitRate(bitsPerSecond: 100_000_000_000)
  public static let mostDelay = Interval.seconds(10)
  public static let mostBacklog = 1 << 30
  /// A part cannot be longer: 256 times what a send carries today.
  public static let mostPart = 1 << 24
  /// How far a path may be ahead after `settle`, in datagrams of the slowest one. What batches without room make
  /// impossible for longer is forgotten: owed for ever, it would come back as a burst that empties one path and floods
  /// the other.
  public static let mostAhead = mostPaths * 2 * leastDatagrams

  /// A path as the striper sees it. Rate, backlog and lengths are bytes of one kind: who measures what arrives with all
  /// headers, and cuts what has none, corrects the rate for it.
  public struct Path: Equatable, Sendable {
    public var rate: BitRate
    /// One way, and not negative. Only differences matter: what is unknown but the same for all may be left out.
    public var delay: Interval
    /// Of a part: what one send may carry.
    public var mostBytes: Int
    /// Of a full datagram.
    public var payload: Int
    /// Segments are not cut for it: it is there for what goes over a single path, when its caller names it.
    public var standsBy: Bool

    public init(rate: BitRate, delay: Interval, mostBytes: Int, payload: Int, standsBy: Bool = false) {
      self.rate = rate
      self.delay = delay
      self.mostBytes = mostBytes
      self.payload = payload
      self.standsBy = standsBy
    }
  }

  /// Who overtakes whom on a path.
  public enum Precedence: UInt8, CaseIterable, Sendable {
    /// Somebody waits for just this.
    case urgent
    /// It is sent again, and all that came after it waits.
    case again
    case bulk
  }

  /// A contiguous piece of the segment, and the path that it goes over.
  public struct Part: Equatable, Sendable {
    public var path: UInt8
    public var range: Range<Int>

    public init(path: UInt8, range: Range<Int>) {
      self.path = path
      self.range = range
    }
  }

  public struct Counters: Equatable, Sendable {
    public var segments: UInt64 = 0
    public var parts: UInt64 = 0
    /// Went over one path by the caller's wish (`single`).
    public var singles: UInt64 = 0
    public var urgent: UInt64 = 0
    /// There was no path, or none with a batch long enough.
    public var withoutPath: UInt64 = 0
  }

  public private(set) var counters = Counters()
  /// The longest segment whose shares by rate fit the paths' batches; 0 without paths.
  public internal(set) var mostSegmentLength = 0
  /// The paths that segments are cut for, a bit each: those within the budget.
  public internal(set) var usable: UInt32 = 0
  public private(set) var budget = Striper.mostBudget
  /// See `setWorthy`.
  var worthy = UInt32.max
  /// No path is so slow: all of them are used.
  public static let mostBudget = Interval.seconds(3_600)

  var accounts = FixedArray<Account>(count: Striper.mostPaths) { _ in Account() }
  /// The usable paths, as the last segment found them: who lands the first byte first comes first.
  var order = InlineArray<16, UInt8>(repeating: 0)
  var count = 0
  /// What all batches together can carry.
  var capacity = 0
  /// How far paths may be ahead: see Horizon.swift.
  var shore = 0
  var mostAheadTime = 0
  /// The least part of all; with less than two of it, a segment is not cut.
  var shortest = Int.max
  /// What the accounts' units are made for.
  private var granularity = 1

  // The segment that is being handed out.
  private var waiting = 0
  private var offset = 0
  private var tail = 0
  /// Who has a part of it, a bit each: the tail's comes last.
  var parts: UInt32 = 0

  public init() {}

  // MARK: What is known of the paths

  /// Something is new about a path, or it is gone (nil), and with it its backlog.
  public mutating func setPath(_ index: Int, _ path: Path?) {
    precondition(waiting == 0, "drain the parts of a segment before its paths change")
    precondition(index >= 0 && index < Striper.mostPaths, "more paths than a striper has room for")
    var account = Account()
    if let path {
      account = Account(path)
      account.backlog = accounts[index].backlog
      account.swiftBacklog = accounts[index].swiftBacklog
      account.urgentBacklog = accounts[index].urgentBacklog
      account.setUnit(granularity)
    }
    accounts[index] = account
    choose()
  }

  /// How much later than over the best path a segment may land for the sake of another: beyond it, paths carry only
  /// what is urgent.
  public mutating func setBudget(_ budget: Interval) {
    precondition(waiting == 0, "drain the parts of a segment before its paths change")
    self.budget = min(max(budget, .zero), Striper.mostBudget)
    choose()
  }

  /// Only these carry what is not urgent, a bit each, as long as one of them is within the budget.
  public mutating func setWorthy(_ paths: UInt32) {
    precondition(waiting == 0, "drain the parts of a segment before its paths change")
    if paths == worthy { return }
    worthy = paths
    choose()
  }

  /// So many bytes wait for this path now.
  public mutating func committed(_ bytes: Int, on index: Int, as precedence: Precedence = .bulk) {
    precondition(bytes >= 0, "what is taken back was sent")
    accounts[index].add(bytes, as: precedence)
  }

  /// So many bytes wait no longer: they were sent, or given to another path.
  public mutating func sent(_ bytes: Int, on index: Int, as precedence: Precedence = .bulk) {
    accounts[index].add(-bytes, as: precedence)
    precondition(accounts[index].isSound, "what was sent had been committed")
  }

  /// For a caller who sends at once and knows only the proportions of the rates: so much time passes that one path has
  /// nothing left. What the others have left is what they carried too much.
  public mutating func settle() {
    var time = Int.max
    for position in 0..<count {
      let index = Int(order[position])
      if accounts[index].backlog == 0 { return }
      time = min(time, accounts[index].time(min(accounts[index].backlog, Striper.mostBacklog)))
    }
    for position in 0..<count {
      let index = Int(order[position])
      var left = min(accounts[index].backlog, Striper.mostBacklog) - accounts[index].rate * time / Account.second
      if left > Striper.mostAhead * accounts[index].payload && accounts[index].time(left) > mostAheadTime {
        left = accounts[index].rate * mostAheadTime / Account.second
      }
      accounts[index].backlog = max(left, 0)
      accounts[index].swiftBacklog = min(accounts[index].swiftBacklog, accounts[index].backlog)
      accounts[index].urgentBacklog = min(accounts[index].urgentBacklog, accounts[index].backlog)
    }
  }

  // MARK: Segments

  /// Cuts a segment; drain `nextPart` afterwards. `granularity`: its packets all have this length, and a datagram shall
  /// hold whole ones (kept as long as the batches have room). `resume`: how many bytes a part that begins inside a
  /// packet carries before its own.
  public mutating func split(_ length: Int, granularity: Int = 1, resume: Int = 0) {
    precondition(waiting == 0, "drain the parts of a segment before the next one")
    precondition(length > 0 && granularity > 0 && resume >= 0, "a segment has bytes")
    if count == 0 {
      counters.withoutPath += 1
      return
    }
    precondition(length <= capacity, "a segment is longer than all batches together")
    counters.segments += 1
    offset = 0
    waiting = length
    if count == 1 {
      return takeAll(Int(order[0]))
    }
    if granularity != self.granularity { setGranularity(granularity) }
    sortByStart()
    if length < 2 * shortest, let one = firstToLand(length) { return takeAll(one) }
    tail = giveOut(length)
    if resume > 0 { makeRoom(resume, tail: tail) }
    tail = preferOne(length, resume: resume, tail: tail)
    parts &= ~(1 << UInt32(tail))
  }

  private mutating func takeAll(_ index: Int) {
    tail = index
    accounts[index].given = waiting
    parts = 0
  }

  /// The next part of the segment; nil when all of it is handed out.
  public mutating func nextPart() -> Part? {
    if waiting == 0 { return nil }
    let index = parts == 0 ? tail : parts.trailingZeroBitCount
    parts &= parts &- 1
    let length = accounts[index].given
    let part = Part(path: UInt8(index), range: offset..<(offset + length))
    offset += length
    waiting -= length
    counters.parts += 1
    return part
  }

  /// The one path for a segment that shall not be cut; nil when there is none. What is not bulk may take any path of
  /// `candidates`, a bit each.
  public mutating func single(
    _ length: Int, as precedence: Precedence, among candidates: UInt32 = .max
  ) -> UInt8? {
    precondition(waiting == 0, "drain the parts of a segment before the next one")
    var best: Int?
    var earliest = Interval(nanoseconds: .max)
    for index in 0..<Striper.mostPaths where accounts[index].mostBytes >= length {
      if candidates & 1 << UInt32(index) == 0 { continue }
      if precedence == .bulk && usable & 1 << UInt32(index) == 0 { continue }
      if let landing = arrival(of: length, on: index, as: precedence), landing < earliest {
        earliest = landing
        best = index
      }
    }
    guard let best else {
      counters.withoutPath += 1
      return nil
    }
    if precedence == .urgent { counters.urgent += 1 } else { counters.singles += 1 }
    return UInt8(best)
  }

  private mutating func setGranularity(_ granularity: Int) {
    self.granularity = granularity
    for index in 0..<Striper.mostPaths where accounts[index].rate > 0 { accounts[index].setUnit(granularity) }
    findShortest()
  }
}
