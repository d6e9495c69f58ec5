//  LaneTable.swift — where each lane stands, and the window of those that wait for something.
//
//  Why.  There may be a thousand peers with a thousand lanes each, of which nearly all hold nothing: they must cost
//  next to nothing, and a lane that waits must find a segment at once, however many it holds.
//
//  How.  A lane is eight bytes: the segment that it owes next, and the number of its state or none. A state is taken
//  from a pool when something must be held and given back when nothing is. It has a ring of slot numbers, indexed by
//  segment modulo window, and for each path the furthest position of this lane that came over it:
//
//        next                       next + window
//         ▼                              ▼
//      │  ·  │ slot │ slot │  ·  │ slot │          ring of one state; `·` has not begun to arrive
//
//  A ring is all `·` when its state is given back, so taking one is cheap. Positions of a path count only when its bit
//  is in `seen`. There are as many states as slots, and each has at least one: they never run out.

/// A byte of a lane: the segment in the upper half, the offset in the lower. Segment numbers wrap, so positions are
/// compared by their distance.
struct Position: Equatable, BitwiseCopyable {
  var bits: UInt64

  @inline(__always) init(segment: UInt32, offset: UInt32) { bits = UInt64(segment) << 32 | UInt64(offset) }

  @inline(__always) static func < (a: Position, b: Position) -> Bool { Int64(bitPattern: a.bits &- b.bits) < 0 }
}

/// How far `segment` is ahead of `other`; negative when it is behind.
@inline(__always) func distance(from other: UInt32, to segment: UInt32) -> Int {
  Int(Int32(bitPattern: segment &- other))
}

struct Lane: BitwiseCopyable {
  /// The segment that is owed.
  var next: UInt32 = 0
  var state = Number.none
}

struct LaneState: BitwiseCopyable {
  var set: UInt16 = 0
  var lane: UInt16 = 0
  /// Segments in the ring.
  var held: UInt32 = 0
  /// Paths that have delivered something of this lane since it has a state.
  var seen: UInt32 = 0
  /// An active path that has not passed `hole`, when there was one at the last look.
  var laggard: UInt8 = 0
  /// Where the last bytes begin that are missing of the segment that is owed.
  var hole = Position(segment: 0, offset: 0)
  var nextFree = Number.none
}

struct LaneTable: ~Copyable {
  /// Path numbers; larger ones are nobody's.
  static let mostPaths = 32

  let lanesPerSet: Int
  let window: Int
  private var lanes: UnsafeMutablePointer<Lane>
  let states: UnsafeMutablePointer<LaneState>
  private let rings: UnsafeMutablePointer<Number>
  private let latest: UnsafeMutablePointer<Position>
  private let stateCount: Int
  private var made = 0
  private var firstFree = Number.none
  /// States in use.
  private(set) var inUse = 0

  /// `window` is a power of two.
  init(sets: Int, lanesPerSet: Int, window: Int, states count: Int) {
    self.lanesPerSet = lanesPerSet
    self.window = window
    stateCount = count
    lanes = .allocate(capacity: sets * lanesPerSet)
    states = .allocate(capacity: count)
    rings = .allocate(capacity: count * window)
    latest = .allocate(capacity: count * LaneTable.mostPaths)
  }

  deinit {
    lanes.deallocate()
    states.deallocate()
    rings.deallocate()
    latest.deallocate()
  }

  /// Room for more sets; of those of before only what `isKept` says is kept.
  mutating func makeRoom(sets: Int, before: Int, isKept: (Int) -> Bool) {
    let room = UnsafeMutablePointer<Lane>.allocate(capacity: sets * lanesPerSet)
    for set in 0..<before where isKept(set) {
      (room + set * lanesPerSet).initialize(from: lanes + set * lanesPerSet, count: lanesPerSet)
    }
    lanes.deallocate()
    lanes = room
  }

  @inline(__always) func lane(_ lane: UInt16, of set: Int) -> UnsafeMutablePointer<Lane> {
    lanes + set * lanesPerSet + Int(lane)
  }

  /// All lanes of a set begin again at 0. None of them holds anything.
  func restart(_ set: Int) { (lanes + set * lanesPerSet).initialize(repeating: Lane(), count: lanesPerSet) }

  @inline(__always) func entry(_ segment: UInt32, of state: Number) -> UnsafeMutablePointer<Number> {
    rings + Int(state) * window + Int(segment) & (window - 1)
  }

  mutating func take(set: UInt16, lane: UInt16) -> Number {
    var state = firstFree
    if state != .none {
      firstFree = states[Int(state)].nextFree
    } else {
      precondition(made < stateCount, "more lanes hold something than there are segments")
      state = Number(made)
      made += 1
      (rings + Int(state) * window).initialize(repeating: .none, count: window)
    }
    inUse += 1
    (states + Int(state)).initialize(to: LaneState(set: set, lane: lane))
    return state
  }

  mutating func giveBack(_ state: Number) {
    states[Int(state)].nextFree = firstFree
    firstFree = state
    inUse -= 1
  }

  // MARK: Proof of loss

  /// A datagram of this lane came over this path. A path keeps its order, or nearly: what was sent over it earlier has
  /// come, or never will.
  @inline(__always) func note(_ position: Position, over path: UInt8, in state: Number) {
    guard Int(path) < LaneTable.mostPaths else { return }
    let bit = UInt32(1) << UInt32(path)
    let place = latest + Int(state) * LaneTable.mostPaths + Int(path)
    if states[Int(state)].seen & bit == 0 {
      states[Int(state)].seen |= bit
      place.initialize(to: position)
    } else if place.pointee < position {
      place.pointee = position
    }
  }

  @inline(__always) private func hasPassed(_ path: UInt32, _ hole: Position, in state: Number) -> Bool {
    states[Int(state)].seen & (1 << path) != 0
      && hole < latest[Int(state) * LaneTable.mostPaths + Int(path)]
  }

  /// Whether every path has delivered something from behind the hole. Costs one look while the same path is the last.
  @inline(__always) func isProvenLost(_ state: Number, paths: UInt32) -> Bool {
    let one = states + Int(state)
    let laggard = UInt32(one.pointee.laggard)
    if paths == 0 || paths & (1 << laggard) != 0 && !hasPassed(laggard, one.pointee.hole, in: state) { return false }
    var left = paths
    while left != 0 {
      let path = UInt32(left.trailingZeroBitCount)
      if !hasPassed(path, one.pointee.hole, in: state) {
        one.pointee.laggard = UInt8(path)
        return false
      }
      left &= left - 1
    }
    return true
  }

  /// For tests: the free states in the order in which they will be used.
  func freeStates() -> [Number] {
    var list: [Number] = []
    var free = firstFree
    while free != .none {
      list.append(free)
      free = states[Int(free)].nextFree
    }
    return list + (Number(made)..<Number(stateCount))
  }
}
