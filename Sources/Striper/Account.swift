//  Account.swift — one path in numbers: how fast it is, how far away, and what waits for it with us.
//
//  Times are nanoseconds from now, rates bytes a second, and everything is an Int: with the bounds below nothing in
//  this module can overflow, and nothing is carried from segment to segment but byte counts, so nothing drifts.
//
//      rate      125 ... 12.5e9        1 kbit/s to 100 Gbit/s; the sum of 16 paths is 2e11
//      delay     0 ... 1e10            10 s
//      backlog   0 ... 2^30            what is beyond it counts as 2^30 here
//      part      1 ... 2^24            so a segment has at most 16 × 2^24 = 2^28 bytes
//
//      bytes × 1e9                (2^30 + 2^28) × 1e9  <  1.4e18    Int ends at 9.2e18
//      a moment                   1e10 + 1.4e18 ÷ 125  <  1.2e16
//      a batch × sum of rates     2^24 × 2e11          <  3.4e18
//      rate × (level − start)     at most the segment's bytes × 1e9, since that is what the level is made of

import Primitives

struct Account: BitwiseCopyable {
  static let second = 1_000_000_000

  /// 0: there is no such path.
  var rate = 0
  var delay = 0
  var backlog = 0
  /// Of the backlog, what is sent again or urgent.
  var swiftBacklog = 0
  /// Of that, what is urgent.
  var urgentBacklog = 0
  /// Of a part: what one send may carry.
  var mostBytes = 0
  /// Of a full datagram.
  var payload = 0
  /// When the least part would land if nothing waited.
  var idleArrival = 0
  var standsBy = false

  /// What a part's length is a multiple of: a full datagram, or the whole packets that fit one.
  var unit = 1
  /// A part's least length, and the greatest that is made of whole units.
  var least = 1
  var room = 1

  // Of the segment that is being split.
  /// When the first byte of it would land.
  var start = 0
  var given = 0
  /// When what is given would land with one unit more, or the least part.
  var next = 0

  init() {}

  init(_ path: Striper.Path) {
    precondition(path.payload > 0 && path.mostBytes >= path.payload, "a batch holds at least one datagram")
    precondition(path.mostBytes <= Striper.mostPart, "a part is not as long as that")
    let bits = min(max(path.rate, Striper.leastRate), Striper.mostRate).bitsPerSecond
    rate = Int(bits / 8)
    delay = Int(min(max(path.delay, .zero), Striper.mostDelay).nanoseconds)
    mostBytes = path.mostBytes
    payload = path.payload
    standsBy = path.standsBy
    setUnit(1)
    idleArrival = delay + time(least)
  }

  @inline(__always) mutating func add(_ bytes: Int, as precedence: Striper.Precedence) {
    backlog += bytes
    if precedence != .bulk { swiftBacklog += bytes }
    if precedence == .urgent { urgentBacklog += bytes }
  }

  @inline(__always) var isSound: Bool {
    urgentBacklog >= 0 && swiftBacklog >= urgentBacklog && backlog >= swiftBacklog
  }

  /// What something waits for that is committed now.
  @inline(__always) func behind(_ precedence: Striper.Precedence) -> Int {
    switch precedence {
    case .urgent: urgentBacklog
    case .again: swiftBacklog
    case .bulk: backlog
    }
  }

  mutating func setUnit(_ granularity: Int) {
    unit = min(granularity == 1 ? payload : max(granularity, payload / granularity * granularity), mostBytes)
    room = mostBytes / unit * unit
    least = min(Striper.leastDatagrams * unit, room)
  }

  /// How long these bytes occupy the path.
  @inline(__always) func time(_ bytes: Int) -> Int { bytes &* Account.second / rate }

  /// When so many bytes of the segment would have landed.
  @inline(__always) func landing(_ bytes: Int) -> Int { start &+ time(bytes) }

  /// When the first byte that is committed now would land.
  @inline(__always) func wait(behind backlog: Int) -> Int { delay &+ time(min(backlog, Striper.mostBacklog)) }
}
