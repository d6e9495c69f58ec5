//  Striper.swift — cuts segments into parts, one for each path, so that every path carries its share.
//
//  Why.  One flow gets the sum of all paths only if its bytes travel on all of them at once. The cost of a part is a
//  kernel call, not its bytes; so parts are few, long and made of full datagrams, and whoever is too slow to fill a
//  part of this segment waits for a later one instead of getting a crumb of each.
//
//  How.  Two steps, and the first knows nothing of datagrams:
//
//    1. What is each path owed?   owed += length × weight        (fixed shares; in bytes × the sum of all weights)
//    2. Give it out.              whole datagrams first, then the rest to whoever is owed most
//
//      segment of 62,000 bytes; paths a, b, c with weights 100 : 50 : 20; datagrams of 1,428
//      owed             a 36,470   b 18,235   c 7,295
//      ├────────────────┼──────────┼──────────────────────────────────┤
//      │ b 13 = 18,564  │ c 5 =    │ a 25.4 = 36,296                  │   only the last part ends in a short datagram
//      └────────────────┴──  7,140 ┴──────────────────────────────────┘
//      still owed       a   +174   b   −329   c  +155   count for the next segment
//
//  What a segment could not give exactly is carried over, so that shares hold in the long run however short the
//  segments are: a segment of one datagram goes whole to whoever is owed most. A path that joins a segment at all takes
//  `leastDatagrams`; until it is owed half of that its bytes go over the others, and they are behind the next time.
//
//  A part that begins inside a packet carries a copy of that packet's headers before its bytes. The caller says how
//  long they are (`resume`), and parts in the middle give up as many bytes, so that the copy does not spill into a
//  datagram of its own.
//
//  Urgent packets go over the path with the greatest weight and are not charged: acknowledgements and questions are
//  few, and a debt for them would push the next bulk segment off the best path.
//
//  Rejected.  Rounding the cut points where the shares end (one path's rounding error lands on its neighbour, and
//  minimum lengths break it); dealing out datagram by datagram (hundreds of steps for what two divisions say); floating
//  point (credit that is carried for weeks must be exact).
//
//  Always true.  (1) The parts of a segment cover it exactly, in order, without overlap. (2) No part is longer than its
//  path's batch. (3) What is owed to a path, or lent by it, stays below `mostCarried` datagrams, however long it runs.
//
//  Not here.  When a path can send: rates, backlogs and delays. They change step 1 only. Cost: O(paths) for a segment,
//  no allocation after `init`.

public import Primitives

public struct Striper: ~Copyable {
  public static let mostPaths = 16
  /// One more send costs 6 to 9 µs while the other side sleeps: as much as sealing 40 datagrams. With fewer than 4 in a
  /// part, small segments would cost a multiple; with more than 8, those of a dozen packets would never use a second
  /// path.
  public static let leastDatagrams = 4
  /// What batches without room make impossible for longer than this is forgotten: owed for ever, it would come back
  /// as a burst that empties one path and floods the other.
  public static let mostCarried = mostPaths * 2 * leastDatagrams

  /// A path as the striper sees it.
  public struct Path: Equatable, Sendable {
    public var id: UInt8
    /// Its share is weight ÷ the sum of all weights; a path with 0 carries nothing.
    public var weight: UInt32
    /// Of a part: what one send may carry.
    public var mostBytes: Int
    /// Of a full datagram.
    public var payload: Int

    public init(id: UInt8, weight: UInt32, mostBytes: Int, payload: Int) {
      self.id = id
      self.weight = weight
      self.mostBytes = mostBytes
      self.payload = payload
    }
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

  /// A path's account.
  @usableFromInline struct Account: BitwiseCopyable {
    var id: UInt8 = 0
    var weight = 0
    var mostBytes = 0
    var payload = 0
    /// In bytes × the sum of weights: positive when the path carried less than its share so far.
    var owed = 0
    /// Of the segment that is being split.
    var given = 0
    /// What a part's length is a multiple of: a full datagram, or the whole packets that fit one.
    var unit = 0
    /// A part's least length; a batch may be shorter still.
    var least = 0

    mutating func setUnit(_ granularity: Int) {
      unit = granularity == 1 ? payload : max(granularity, payload / granularity * granularity)
      least = min(Striper.leastDatagrams, mostBytes / unit) * unit
    }
  }

  public private(set) var counters = Counters()
  /// The longest segment whose shares fit the paths' batches; 0 without paths.
  public private(set) var mostSegmentLength = 0

  @usableFromInline var accounts = FixedArray<Account>(count: Striper.mostPaths) { _ in Account() }
  private var count = 0
  private var totalWeight = 0
  /// What all batches together can carry.
  private var capacity = 0
  private var heaviest = 0
  /// What the accounts' units are made for.
  private var granularity = 1

  // The segment that is being handed out.
  private var waiting = 0
  private var offset = 0
  private var next = 0
  private var tail = 0

  public init() {}

  /// Replaces the paths. What was owed among the old ones (a few datagrams) is settled.
  public mutating func setPaths(_ paths: [Path]) {
    precondition(waiting == 0, "drain the parts of a segment before its paths change")
    count = 0
    totalWeight = 0
    capacity = 0
    heaviest = 0
    for path in paths where path.weight > 0 {
      precondition(count < Striper.mostPaths, "more paths than a striper has room for")
      precondition(path.payload > 0 && path.mostBytes >= path.payload, "a batch holds at least one datagram")
      accounts[count] = Account(
        id: path.id, weight: Int(path.weight), mostBytes: path.mostBytes, payload: path.payload)
      accounts[count].setUnit(granularity)
      if accounts[count].weight > accounts[heaviest].weight { heaviest = count }
      totalWeight += Int(path.weight)
      capacity += path.mostBytes
      count += 1
    }
    // Longer, and the path with the greatest share for its batch could not carry it: all shares would bend.
    mostSegmentLength = capacity
    for index in 0..<count {
      let full = accounts[index].mostBytes / accounts[index].payload * accounts[index].payload
      let (high, low) = UInt64(full).multipliedFullWidth(by: UInt64(totalWeight))
      let weight = UInt64(accounts[index].weight)
      // full × total ÷ weight, at least `full`; beyond 64 bits it does not limit anything.
      if high < weight {
        mostSegmentLength = min(mostSegmentLength, clamped(weight.dividingFullWidth((high, low)).quotient))
      }
    }
  }

  private func clamped(_ value: UInt64) -> Int { value > UInt64(Int.max) ? Int.max : Int(value) }

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
    next = 0
    waiting = length
    if count == 1 {
      accounts[0].given = length
      tail = 0
      return
    }
    if granularity != self.granularity {
      self.granularity = granularity
      for index in 0..<count { accounts[index].setUnit(granularity) }
    }
    charge(length)
    tail = giveRest(giveWholeParts(length))
    if resume > 0 { makeRoom(resume) }
    settle()
  }

  /// The next part of the segment; nil when all of it is handed out.
  public mutating func nextPart() -> Part? {
    if waiting == 0 { return nil }
    while next < count && (next == tail || accounts[next].given == 0) { next += 1 }
    let index = next < count ? next : tail
    let length = accounts[index].given
    accounts[index].given = 0
    next += 1
    let part = Part(path: accounts[index].id, range: offset..<(offset + length))
    offset += length
    waiting -= length
    counters.parts += 1
    return part
  }

  /// The one path for a segment that shall not be cut; nil when there is none.
  public mutating func single(_ length: Int, urgent: Bool) -> UInt8? {
    precondition(waiting == 0, "drain the parts of a segment before the next one")
    if urgent, count > 0, length <= accounts[heaviest].mostBytes {
      counters.urgent += 1
      return accounts[heaviest].id
    }
    var best: Int?
    for index in 0..<count where length <= accounts[index].mostBytes {
      let owed = accounts[index].owed + length * accounts[index].weight
      if best.map({ owed > accounts[$0].owed + length * accounts[$0].weight }) ?? true { best = index }
    }
    guard let best else {
      counters.withoutPath += 1
      return nil
    }
    charge(length)
    accounts[best].owed -= length * totalWeight
    settle()
    counters.singles += 1
    return accounts[best].id
  }

  // MARK: Step 1: what is each path owed?

  private mutating func charge(_ length: Int) {
    for index in 0..<count { accounts[index].owed += length * accounts[index].weight }
  }

  /// Forgets what could not be kept for too long.
  private mutating func settle() {
    for index in 0..<count {
      let bound = Striper.mostCarried * accounts[index].payload * totalWeight
      accounts[index].owed = min(max(accounts[index].owed, -bound), bound)
    }
  }

  // MARK: Step 2: give it out

  private mutating func give(_ bytes: Int, to index: Int) {
    accounts[index].given += bytes
    accounts[index].owed -= bytes * totalWeight
  }

  /// To each the whole datagrams that it is owed. Returns what is left of the segment.
  private mutating func giveWholeParts(_ length: Int) -> Int {
    var rest = length
    for index in 0..<count where accounts[index].owed > 0 {
      let unit = accounts[index].unit
      let owed = min(accounts[index].owed / totalWeight, accounts[index].mostBytes, rest)
      if owed < max(unit, accounts[index].least) { continue }
      let whole = owed / unit * unit
      give(whole, to: index)
      rest -= whole
    }
    return rest
  }

  /// The rest, less than `leastDatagrams` for each path as a rule. Returns who carries the end of the segment: the one
  /// with a short datagram, if there is one.
  private mutating func giveRest(_ length: Int) -> Int {
    var rest = length
    var short: Int?
    while rest > 0 {
      let index = neediest(rest)
      let unit = accounts[index].unit
      let room = accounts[index].mostBytes - accounts[index].given
      let wanted = accounts[index].given == 0 ? max(unit, accounts[index].least) : unit
      var bytes = min(wanted, rest, room)
      if bytes > unit && bytes < rest { bytes = bytes / unit * unit }
      give(bytes, to: index)
      rest -= bytes
      if bytes % unit != 0 { short = index }
    }
    return short ?? accounts.indices.last { accounts[$0].given > 0 } ?? 0
  }

  /// Who takes the next piece of the rest.
  private func neediest(_ rest: Int) -> Int {
    var best = 0
    var bestRank = -1
    for index in 0..<count {
      let rank = rank(index, rest)
      if rank > bestRank || (rank == bestRank && accounts[index].owed > accounts[best].owed) {
        best = index
        bestRank = rank
      }
    }
    precondition(bestRank >= 0, "no batch has room for the rest of a segment that fits them all")
    return best
  }

  /// 3: has a part already, or is owed enough to begin one. 2: would begin one too early. 1: has room, but for no full
  /// datagram. -1: its batch is full.
  private func rank(_ index: Int, _ rest: Int) -> Int {
    let room = accounts[index].mostBytes - accounts[index].given
    if room == 0 { return -1 }
    if room < min(accounts[index].unit, rest) { return 1 }
    if accounts[index].given > 0 { return 3 }
    let least = accounts[index].least
    return rest >= least && accounts[index].owed >= least * totalWeight / 2 ? 3 : 2
  }

  /// Each part in the middle leaves `resume` bytes to the last one, whose end is short anyhow.
  private mutating func makeRoom(_ resume: Int) {
    var isFirst = true
    for index in 0..<count where index != tail && accounts[index].given > 0 {
      if isFirst {
        isFirst = false
        continue
      }
      let room = accounts[tail].mostBytes - accounts[tail].given
      if accounts[index].given <= resume || room < resume { continue }
      give(-resume, to: index)
      give(resume, to: tail)
    }
  }
}
