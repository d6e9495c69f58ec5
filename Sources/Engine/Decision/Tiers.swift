//  Tiers.swift — which of a peer's paths may carry what, now: the cheap ones first, the dear ones when they are needed.
//
//  Why.  An LTE card with 20 GB a month beside a fibre shall help when the fibre is full and stand in when it is cut.
//  It shall not carry half of every download because it happens to be up.
//
//  How.  Paths have a rank: their tier, and within a tier their price. The least rank that is up is the ground, and
//  always carries. What ranks above it joins step by step, and goes step by step:
//
//      rank           primary          secondary 1 ct      secondary 5 ct   │  backup       never
//                 ├── ground ──┤◀─ 2 s full ─▶┤◀── 2 s full ──▶┤            │  only when    only asked whether
//                                  reach moves right when all that carry    │  it is the    it is alive
//                                  were full for 2 s; left when the load    │  ground
//                                  fitted below the last step for 10 s
//
//  Full and room are added up over time and taken off again, so that one quiet tenth of a second in a download counts
//  for a tenth of a second. "Fits" is asked of what all paths carry together: shared among more, each has room, and
//  that alone must not send the helper away.
//
//  When a path of a lesser rank comes back the reach stays, and what is above leaves by the same 10 s: it was just
//  gone, and its rate has yet to be learnt. A backup leaves at once: it was there for nobody else.
//
//  A path whose budget is spent counts as one tier lower. Calls (`realtime`) may always use secondary paths too: they
//  are sent twice, and their bytes are few; bulk and interactive share the paths, where interactive goes first.
//
//  Rejected.  A threshold on the rate alone (flaps at the threshold); moving all tiers at once (three dear cards would
//  start for a lack that one covers).
//
//  Always true.  (1) What may carry is up and not `never`, and when anything is up but `never`, something may carry.
//  (2) A backup carries only when nothing above it is up. (3) While no path comes or goes there are 2 s before each
//  step to the right and 10 s before each to the left.
//
//  Not here.  Rates, and what is full: `PathStanding` says it, some ten times a second while data flows. Which of these
//  paths a segment takes is the striper's. Cost: three passes over 16 paths a call; 56 bytes a peer.

public import Primitives

public enum Tier: UInt8, Sendable, BitwiseCopyable, CaseIterable, Comparable {
  case primary, secondary, backup, never

  public static func < (a: Tier, b: Tier) -> Bool { a.rawValue < b.rawValue }

  /// For a path that has spent its budget.
  var lower: Tier { Tier(rawValue: rawValue + 1) ?? .never }
}

/// One path, as far as tiers are concerned.
public struct PathStanding: Equatable, Sendable, BitwiseCopyable {
  public var tier: Tier
  public var isUp: Bool
  public var isSpent = false
  /// All that it can carry is used: something waits for it.
  public var isFull = false
  /// What it could carry and what it carried lately, in bytes a second.
  public var rate: Int = 0
  public var carried: Int = 0
  /// For a gigabyte, in thousandths; it orders the paths of one tier.
  public var price: UInt32 = 0

  public init(_ tier: Tier, isUp: Bool = true) {
    self.tier = tier
    self.isUp = isUp
  }

  var standing: Tier { isSpent ? tier.lower : tier }
  fileprivate var rank: UInt64 { UInt64(standing.rawValue) << 32 | UInt64(price) }
}

public struct Tiers: Sendable, BitwiseCopyable {
  public static let mostPaths = 16
  /// Shorter, and the start of every web page calls for help; longer, and a download notices.
  public static let joinAfter = Interval.seconds(2)
  /// Five times as long: who was needed once is likely needed again, and each change moves the flows' delays.
  public static let leaveAfter = Interval.seconds(10)
  /// Of what is below the last step, in percent: with less room to spare the next packet would call it back.
  static let fits = 80

  public enum Reason: UInt8, Sendable, BitwiseCopyable, CaseIterable, CustomStringConvertible {
    case unknown, down, ground, joined, room, standsBy, never

    public var description: String {
      switch self {
      case .unknown: "there is no such path"
      case .down: "it is down"
      case .ground: "no path that is up comes before it"
      case .joined: "the paths before it were full"
      case .room: "the paths before it have room"
      case .standsBy: "it is a backup, and other paths are up"
      case .never: "it must never carry data"
      }
    }
  }

  /// The greatest rank that carries.
  private var reach: UInt64 = 0
  private var lastUpdate: Instant?
  private var fullFor = Interval.zero
  private var roomFor = Interval.zero
  private var isFull = false
  private var hasRoom = false
  private var carrying: UInt16 = 0
  private var helping: UInt16 = 0
  /// How often the reach moved.
  public private(set) var joins: UInt32 = 0
  public private(set) var leaves: UInt32 = 0

  public init() {}

  // MARK: What it says

  /// The paths that this kind of traffic may use, a bit for each place.
  public func mayCarry(_ treatment: Treatment) -> UInt16 { treatment == .realtime ? carrying | helping : carrying }

  /// When the answer changes if nothing else does: `update` then.
  public var deadline: Instant? {
    guard let lastUpdate else { return nil }
    if isFull { return lastUpdate + (Tiers.joinAfter - fullFor) }
    return hasRoom ? lastUpdate + (Tiers.leaveAfter - roomFor) : nil
  }

  // MARK: What happens

  /// How all paths stand, by their places. True when what may carry has changed.
  public mutating func update(_ paths: Span<PathStanding>, at now: Instant) -> Bool {
    precondition(paths.count <= Tiers.mostPaths, "more paths than a peer has")
    let before = (carrying, helping)
    let ground = least(of: paths)
    guard let ground, ground < Tiers.first(.never) else {
      (carrying, helping, reach) = (0, 0, 0)
      forget(at: now)
      return before != (0, 0)
    }
    let passed = lastUpdate.map { now - $0 } ?? .zero
    let reached = reach
    // Nobody had anything to send: that is room enough.
    if passed >= Tiers.leaveAfter { reach = ground }
    if reach < ground || reach >= Tiers.first(.backup) && ground < Tiers.first(.backup) { reach = ground }
    // What is left of the reach when the paths of the last step went.
    reach = last(of: paths, upTo: reach) ?? ground
    if reach == reached { count(passed, paths, ground) } else { forget(at: now) }
    if fullFor >= Tiers.joinAfter, let further = next(of: paths, above: reach) {
      reach = further
      joins &+= 1
      forget(at: now)
    } else if roomFor >= Tiers.leaveAfter, reach > ground {
      reach = last(of: paths, upTo: reach - 1) ?? ground
      leaves &+= 1
      forget(at: now)
    }
    lastUpdate = now
    (isFull, hasRoom) = look(at: paths, ground)
    carrying = places(of: paths) { $0.rank <= reach }
    helping = places(of: paths) { $0.standing <= .secondary }
    return before != (carrying, helping)
  }

  /// Why the path at this place carries, or does not.
  public func why(_ place: Int, of paths: Span<PathStanding>) -> Reason {
    guard (0..<min(paths.count, Tiers.mostPaths)).contains(place) else { return .unknown }
    let path = paths[place]
    if !path.isUp { return .down }
    if path.standing == .never { return .never }
    if carrying & 1 << UInt16(place) != 0 { return least(of: paths) == path.rank ? .ground : .joined }
    return path.standing == .backup ? .standsBy : .room
  }

  // MARK: Inside

  /// The rank that a tier begins with.
  private static func first(_ tier: Tier) -> UInt64 { UInt64(tier.rawValue) << 32 }

  private mutating func forget(at now: Instant) {
    (fullFor, roomFor, isFull, hasRoom) = (.zero, .zero, false, false)
    lastUpdate = now
  }

  /// Adds what passed since the last call, as it was then.
  private mutating func count(_ passed: Interval, _ paths: Span<PathStanding>, _ ground: UInt64) {
    let (isFullNow, hasRoomNow) = look(at: paths, ground)
    fullFor = max(.zero, fullFor + (isFull && isFullNow ? passed : .zero - passed))
    roomFor = max(.zero, roomFor + (hasRoom && hasRoomNow ? passed : .zero - passed))
  }

  /// Whether all that carries is full and more could join; whether what carries would fit below the last step.
  private func look(at paths: Span<PathStanding>, _ ground: UInt64) -> (isFull: Bool, hasRoom: Bool) {
    var isFull = next(of: paths, above: reach) != nil
    var carried = 0
    var rate = 0
    for place in paths.indices where paths[place].isUp && paths[place].rank <= reach {
      let path = paths[place]
      if !path.isFull { isFull = false }
      carried = carried &+ max(0, min(path.carried, 1 << 50))
      if path.rank < reach { rate = rate &+ max(0, min(path.rate, 1 << 50)) }
    }
    return (isFull, reach > ground && carried <= rate / 100 * Tiers.fits)
  }

  private func least(of paths: Span<PathStanding>) -> UInt64? {
    var least: UInt64?
    for place in paths.indices where paths[place].isUp { least = min(least ?? .max, paths[place].rank) }
    return least
  }

  private func last(of paths: Span<PathStanding>, upTo rank: UInt64) -> UInt64? {
    var last: UInt64?
    for place in paths.indices where paths[place].isUp && paths[place].rank <= rank {
      last = max(last ?? 0, paths[place].rank)
    }
    return last
  }

  /// The next that may join: backups do not.
  private func next(of paths: Span<PathStanding>, above rank: UInt64) -> UInt64? {
    var next: UInt64?
    for place in paths.indices where paths[place].isUp && paths[place].rank > rank {
      if paths[place].standing <= .secondary { next = min(next ?? .max, paths[place].rank) }
    }
    return next
  }

  private func places(of paths: Span<PathStanding>, where isMeant: (PathStanding) -> Bool) -> UInt16 {
    var mask: UInt16 = 0
    for place in paths.indices where paths[place].isUp && isMeant(paths[place]) { mask |= 1 << UInt16(place) }
    return mask
  }
}
