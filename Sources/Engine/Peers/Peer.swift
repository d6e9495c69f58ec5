//  Peer.swift — everything that we keep for one gateway on the other side.
//
//  A hub has a thousand of them, most of them idle: so what only a connected peer needs (lanes) is made when it
//  connects, and what it has is bounded here, path by path and lane by lane, so that none can take from another.

import Handshake
import PathHealth
import PathMTU
import Primitives
import Resequencer
import Sealing
import Striper

struct Peer: ~Copyable {
  /// Orders that one peer can have at a time. More, and an idle peer costs too much; fewer, and unrelated flows wait
  /// for each other's losses: with 1,024, a hundred flows share a lane with another one in one case of ten.
  static let lanes = 1024

  struct Traffic: BitwiseCopyable {
    var packets: UInt64 = 0
    var bytes: UInt64 = 0
  }

  enum Kind: UInt8, BitwiseCopyable {
    case gateway
    case relay
    /// Nobody is here; who was had a key that nobody has any more.
    case nobody
  }

  let index: UInt32
  let kind: Kind
  var settings: PeerSettings
  /// We have the greater key, so our names for paths are 0 ... 31 and our paths stay when both sides found the same.
  var isElder: Bool
  var handshake: Handshake
  var striper = Striper()
  /// How many paths the striper has, and which, by their places.
  var carryingPaths = 0
  var carrying: UInt32 = 0
  /// Those that only realtime flows may use besides.
  var helping: UInt32 = 0
  /// Those that may be sent on at all: what carries is chosen among them.
  var usable: UInt32 = 0
  /// From the first path that was heard on.
  private(set) var steering: UnsafeMutablePointer<Steering>?
  var lastTold = Instant.zero
  var lastBilled = Instant.zero
  /// Those that the striper has.
  var striped: UInt32 = 0
  /// Those that are worth it, see `Worth`.
  var worthy = UInt32.max
  /// Of the others, those that nobody knows: see `Trying.swift`.
  var trials: UInt32 = 0
  /// Those of which it is known what they carry.
  var proven: UInt32 = 0
  /// What they are believed to carry.
  var rate = BitRate(bitsPerSecond: 1_000)
  /// Of none that carries anybody knows yet how much it can.
  var isGrowing = false
  /// For which something waits.
  var loaded: UInt32 = 0
  /// It is in the list of peers for which something waits.
  var isListed = false
  /// What may come from him comes on these, by their places.
  var arrivingPaths: UInt32 = 0
  var laneSet: Resequencer.LaneSet?

  /// The place of the session that we seal with: the newest whose keys the other side is known to have.
  var current: Int?
  /// Which run of the other gateway our lanes belong to.
  var incarnation: UInt64?
  /// Keys of before, which serve until there are new ones: see `OwnKey.swift`.
  var inherited: Inheritance?

  /// Loss is not proven before, see `pathsChanged`.
  var provesFrom: Instant?

  /// Of a relay: when one of the slots that it serves wants something.
  var slotsDue: Instant?

  /// Since when there is a session, or none.
  var since = Instant.zero
  /// The earliest moment at which the engine looks at this peer again.
  var armed: Instant?
  var sent = Traffic()
  var received = Traffic()
  var sentPace = Pace()
  var receivedPace = Pace()

  let paths: UnsafeMutablePointer<PeerPath>
  /// Of the same places.
  let beliefs: UnsafeMutablePointer<PathBelief>
  /// The other side's, as our measurements see it.
  var clock = PeerClock()
  /// How many reports were sent.
  var reports: UInt32 = 0
  private var used: UInt32 = 0
  private let places: UnsafeMutablePointer<UInt8>
  private let counters: UnsafeMutablePointer<UInt64>
  private var segments: UnsafeMutablePointer<UInt32>?
  /// Where to look for a name first.
  private var nextID: UInt8 = 0

  init(
    index: UInt32, kind: Kind, settings: PeerSettings, isElder: Bool, handshake: consuming Handshake
  ) {
    self.index = index
    self.kind = kind
    self.settings = settings
    self.isElder = isElder
    self.handshake = handshake
    let names = UnsafeMutablePointer<UInt8>.allocate(capacity: PeerPath.mostIDs)
    names.initialize(repeating: .max, count: PeerPath.mostIDs)
    let numbers = UnsafeMutablePointer<UInt64>.allocate(capacity: PeerPath.mostIDs)
    numbers.initialize(repeating: 0, count: PeerPath.mostIDs)
    paths = .allocate(capacity: PeerPath.mostPaths)
    beliefs = .allocate(capacity: PeerPath.mostPaths)
    places = names
    counters = numbers
  }

  deinit {
    paths.deallocate()
    beliefs.deallocate()
    places.deallocate()
    counters.deallocate()
    segments?.deallocate()
    steering?.deallocate()
  }

  mutating func makeSteering() -> UnsafeMutablePointer<Steering> {
    if let steering { return steering }
    let made = UnsafeMutablePointer<Steering>.allocate(capacity: 1)
    made.initialize(to: Steering())
    steering = made
    return made
  }

  // MARK: Lanes

  /// Counts from zero: for the first session, and when the other gateway was restarted.
  mutating func resetLanes() {
    if segments == nil { segments = .allocate(capacity: Peer.lanes) }
    segments?.initialize(repeating: 0, count: Peer.lanes)
  }

  @inline(__always)
  mutating func nextSegment(of lane: UInt16) -> UInt32 {
    guard let segments else { preconditionFailure("a lane before the first session") }
    let segment = segments[Int(lane)]
    segments[Int(lane)] = segment &+ 1
    return segment
  }

  // MARK: Paths

  /// The number of the next datagram of a path, never given before: it goes on over all keys and over paths that came
  /// and went under the same name.
  @inline(__always)
  mutating func nextCounter(of id: UInt8) -> UInt64 {
    counters[Int(id)] &+= 1
    return counters[Int(id)]
  }

  /// Where the path with this name is kept.
  @inline(__always)
  func place(of id: UInt8) -> Int? {
    guard Int(id) < PeerPath.mostIDs, places[Int(id)] != .max else { return nil }
    return Int(places[Int(id)])
  }

  func isUsed(_ place: Int) -> Bool { used & 1 << UInt32(place) != 0 }

  func isUp(_ place: Int) -> Bool { isUsed(place) && paths[place].liveness.state == .up }

  var pathCount: Int { used.nonzeroBitCount }

  func firstPlace(where isWanted: (PeerPath) -> Bool) -> Int? {
    (0..<PeerPath.mostPaths).first { isUsed($0) && isWanted(paths[$0]) }
  }

  /// nil when there are as many paths as may be.
  mutating func add(_ path: PeerPath, _ size: PathMTU, at now: Instant) -> Int? {
    guard let place = (0..<PeerPath.mostPaths).first(where: { !isUsed($0) }) else { return nil }
    (paths + place).initialize(to: path)
    (beliefs + place).initialize(to: PathBelief(path: path.id, size: size, at: now))
    used |= 1 << UInt32(place)
    places[Int(path.id)] = UInt8(place)
    return place
  }

  mutating func remove(_ place: Int) {
    used &= ~(1 << UInt32(place))
    places[Int(paths[place].id)] = .max
  }

  /// A name from our half that no path has; nil when all are taken.
  mutating func freshID() -> UInt8? {
    let first = isElder ? 0 : UInt8(PeerPath.idsOfOneSide)
    for _ in 0..<PeerPath.idsOfOneSide {
      let id = first + nextID
      nextID = (nextID + 1) % UInt8(PeerPath.idsOfOneSide)
      if places[Int(id)] == .max { return id }
    }
    return nil
  }

  /// Whether a name is the other side's to give.
  func isTheirs(_ id: UInt8) -> Bool { (Int(id) < PeerPath.idsOfOneSide) != isElder }

  var deadline: Instant? {
    var earliest = handshake.deadline
    if let due = steering?.pointee.deadline { earliest = min(earliest ?? due, due) }
    if let slotsDue { earliest = min(earliest ?? slotsDue, slotsDue) }
    if let inherited { earliest = min(earliest ?? inherited.until, inherited.until) }
    if let provesFrom { earliest = min(earliest ?? provesFrom, provesFrom) }
    for place in 0..<PeerPath.mostPaths where isUsed(place) {
      if let due = paths[place].liveness.deadline { earliest = min(earliest ?? due, due) }
      if let due = beliefs[place].deadline { earliest = min(earliest ?? due, due) }
    }
    return earliest
  }
}
