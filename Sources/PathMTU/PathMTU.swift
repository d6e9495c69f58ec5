//  PathMTU.swift — finds out how large a datagram a path carries, by asking with datagrams of that size (RFC 8899).
//
//  Why.  What is too large for a path is lost, all of it and for ever, and routers seldom say so: between us and the
//  other gateway there are tunnels of providers, PPPoE, LTE, and firewalls that eat ICMP. What is smaller than it could
//  be costs headers and work. So each path learns its own size; the bond's packets are cut by bytes and do not suffer.
//
//  How.  A probe is a question that is padded to a size, and only a small answer comes back. What was answered fits.
//  What was asked three times and never answered is held to be too large.
//
//      disabled ──start──▶ base ──answered──▶ searching ──nothing left to ask──▶ complete
//                           ▲ │ unanswered        ▲                                │ │
//                           │ ▼                   └─ 10 s, 1 min, 10 min; data ────┘ │
//                           │ error (below base)                                     │
//                           └── full datagrams lost, small ones not: black hole ─────┘
//
//  The base, 1,200 bytes of UDP payload, is what QUIC asks of every path. Until it is answered we use what IP itself
//  promises, and so we do when it is not answered (`error`); then sizes below it are searched. `SizeSearch` chooses
//  what to ask, `FullSizeWatch` notices that what fitted fits no more.
//
//  Hints.  "Packet too big, n" comes from routers, and from anybody who can guess a port. It is never needed, so it
//  never decides: a hint is a size to ask for soon. One that contradicts the size in use lowers it to the base, which
//  was answered before, until a probe of n has been; whose hint turns out wrong is not listened to for ten minutes.
//
//  Who is silent stays so.  After the first search a probe goes only with data: `carried` has to be said since the one
//  before. A thousand idle peers have no deadline.
//
//  Rejected.  Asking for half-sizes only (seven questions for what is nearly always one of ten known numbers). Taking
//  "don't fragment" away for the time of the search (a router's fragments are lost as one, and forgeable). Learning
//  from data of unproven size (each wrong guess costs the user's bytes).
//
//  Always true.  (1) `payload` is what a probe has proven since the last fall, or the base, or what IP promises. (2) At
//  most one probe is on its way, and between two there is a round trip. (3) No hint, whoever sent it, makes `payload`
//  less than the base. (4) In `complete` at the interface's own size nothing is ever asked.
//
//  Not here.  The datagrams, their keys, the socket's "don't fragment". The loss of a probe is no sign of congestion
//  and must not be counted as one. Who asks for the deadline can also send (`stop` says that nobody can).
//
//  Cost: 136 bytes a path, no memory besides; a note of what was delivered is one comparison.

public import Primitives

/// All sizes are bytes of UDP payload.
public struct PathMTU: Sendable, BitwiseCopyable {
  /// RFC 9000 §14: paths that carry less do not carry QUIC either. Larger, and tunnels in tunnels fall into `error`;
  /// smaller, and a black hole costs more than it must while it is searched.
  public static let base = 1_200
  /// RFC 8899 §5.1.2. Two, and one loss in ten would make 4 % of all sizes wrong; more, and each size that does not fit
  /// costs longer.
  static let mostProbes: UInt8 = 3
  /// When the search has ended below the interface's size: whether more fits is asked soon, since the path may have
  /// been overloaded while it was searched, and then seldom (RFC 8899 §5.1.1): routes change seldom, and if one grows,
  /// nothing is lost by using less for a while.
  private static var raiseAfter: InlineArray<3, Interval> { [.seconds(10), .seconds(60), .seconds(600)] }
  /// Without the base a path is worth little, so it is asked more often.
  static let mostRetry = Interval.seconds(60)
  static let leastPatience = Interval.milliseconds(100)
  /// Nobody waits longer for an answer: the radio may be down.
  static let mostPatience = Interval.seconds(3)
  /// Before anything was measured.
  static let firstRoundTrip = Interval.milliseconds(100)
  /// Ten minutes of a liar's silence; he costs two round trips at the base before he is found out again.
  static let distrustFor = Interval.seconds(600)

  public enum State: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case disabled, base, searching, complete
    /// The base was not answered.
    case error
  }

  public enum Verdict: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// An answer or a hint that counts.
    case taken
    /// Nobody could have asked for this.
    case unasked
    /// Asked for before the path fell or moved.
    case stale
    /// A hint below the base, or of no less than what is in use and asked.
    case implausible
    /// A hint, shortly after one that was wrong.
    case distrusted
    /// The path is not in use.
    case disabled
  }

  public struct Counters: Equatable, Sendable, BitwiseCopyable {
    public var taken: UInt32 = 0
    public var unasked: UInt32 = 0
    public var stale: UInt32 = 0
    public var implausible: UInt32 = 0
    public var distrusted: UInt32 = 0
    public var disabled: UInt32 = 0
    public var probes: UInt32 = 0
    public var lostProbes: UInt32 = 0
    public var blackHoles: UInt32 = 0
  }

  private enum Phase: UInt8, BitwiseCopyable { case disabled, base, searching, complete }

  private var phase = Phase.disabled
  private var search: SizeSearch
  private var watch = FullSizeWatch()
  public let family: IPAddress.Family
  private var isBaseMissing = false
  /// The first search goes on without data.
  private var isFirst = true
  private var hasCarried = false

  /// The probe on its way; 0: none.
  private var outstanding: UInt16 = 0
  /// What was asked last, and how often it was not answered.
  private var asked: UInt16 = 0
  private var unanswered: UInt8 = 0
  /// The hint that we follow; 0: none.
  private var hint: UInt16 = 0
  /// How often it was asked in vain whether more fits.
  private var raises: UInt8 = 0
  /// The probe's end, or the moment for the next one.
  private var due = Instant.zero
  private var notBefore = Instant.zero
  /// As the last probe was told, and no longer than we wait for an answer.
  private var roundTrip = Interval.zero
  private var raiseAt = Instant.zero
  private var distrustUntil = Instant.zero
  /// Answers to what was asked before say nothing any more.
  private var validFrom = Instant.zero

  public private(set) var why = Reason.untested
  public private(set) var counters = Counters()

  /// `limit`: what the interface's own MTU leaves.
  public init(limit: Int, family: IPAddress.Family) {
    self.family = family
    search = SizeSearch(limit: limit, family: family)
    search.restart(at: SizeSearch.promised(family), wish: 0)
  }

  /// UDP payload of the longest IP packet on this interface.
  public static func payload(mtu: Int, family: IPAddress.Family) -> Int { mtu - SizeSearch.headers(family) }

  // MARK: What it says

  /// What a full datagram may have now.
  public var payload: Int { search.confirmed }

  /// What the interface would carry.
  public var limit: Int { search.limit }

  public var state: State {
    switch phase {
    case .disabled: .disabled
    case .base where !isBaseMissing: .base
    case .searching where !isBaseMissing: .searching
    case .complete where !isBaseMissing: .complete
    default: .error
    }
  }

  private var base: Int { min(PathMTU.base, search.limit) }
  private var promised: Int { min(SizeSearch.promised(family), base) }
  /// Where a black hole lets us fall to; what is in use when there is nothing below.
  private var fallback: Int { payload > base ? base : promised }

  // MARK: A path comes, goes, moves

  /// The path is up; or it has moved, or was down, and may now lead another way.
  public mutating func start(at now: Instant) {
    let before = payload
    if phase == .disabled && why == .untested {
      search.restart(at: promised, wish: 0)
    } else {
      search.restart(at: min(before, base), wish: before > base ? before : 0)
      why = .moved
    }
    phase = .base
    isFirst = true
    isBaseMissing = false
    forgetProbes(at: now)
  }

  /// The path is down: nothing is asked, and nothing is due.
  public mutating func stop() { phase = .disabled }

  /// The interface carries another size than before.
  public mutating func setLimit(_ limit: Int, at now: Instant) {
    if limit == search.limit { return }
    let before = payload
    search.limit = limit
    search.restart(at: min(before, search.limit), wish: 0)
    if before > payload { why = .interface }
    if phase == .complete { phase = .searching }
    forgetProbes(at: now)
    settle(at: now)
  }

  /// Something was sent on the path. True when there is a deadline because of it.
  @inline(__always)
  public mutating func carried(at now: Instant) -> Bool {
    if hasCarried { return false }
    hasCarried = true
    return deadline != nil
  }

  // MARK: Probes

  /// The size to ask for now.
  public func nextProbe(at now: Instant) -> Int? {
    guard outstanding == 0, isFirst || hasCarried, now >= due else { return nil }
    return wanted
  }

  /// It was sent. `roundTrip`: what is known of the path; zero: nothing.
  public mutating func probeSent(_ size: Int, roundTrip: Interval, at now: Instant) {
    precondition(outstanding == 0 && (1...search.limit).contains(size), "a probe that nobody asked for")
    let expected = roundTrip > .zero ? roundTrip : PathMTU.firstRoundTrip
    if Int(asked) != size {
      asked = UInt16(size)
      unanswered = 0
    }
    outstanding = asked
    hasCarried = false
    self.roundTrip = min(expected, PathMTU.mostPatience)
    notBefore = now + self.roundTrip
    due = now + min(max(expected * 2, PathMTU.leastPatience), PathMTU.mostPatience)
    counters.probes &+= 1
  }

  /// The answer to a probe of this size, sent at that moment: both come back with the answer.
  public mutating func probeAnswered(_ size: Int, sentAt: Instant, at now: Instant) -> Verdict {
    if phase == .disabled { return count(.disabled) }
    guard (1...search.limit).contains(size), sentAt <= now else { return count(.unasked) }
    if sentAt < validFrom { return count(.stale) }
    if outstanding == size {
      outstanding = 0
      due = now
    }
    if asked == size {
      if unanswered > 0 { search.isLossy = true }
      unanswered = 0
    }
    if size >= base { isBaseMissing = false }
    if hint > 0 && size > hint {
      // Whoever said that this does not fit was wrong, or lied.
      distrustUntil = now + PathMTU.distrustFor
      hint = 0
    }
    if watch.isSuspicious && size <= fallback {
      fall(isBaseAnswered: size >= base, at: now)
      return count(.taken)
    }
    watch.delivered(size, 1)
    if size > payload {
      search.answered(size)
      why = .answered
      raises = 0
      if phase != .base || size >= base { phase = .searching }
    } else if phase == .base && size == base {
      phase = .searching
      if payload == base { why = .answered }
    }
    if size == hint { search.wish = min(size + SizeSearch.resolution, search.limit) }
    settle(at: now)
    return count(.taken)
  }

  /// Somebody on the way, or our own kernel, says that a datagram was too big, and `size` would not be.
  public mutating func tooBig(_ size: Int, at now: Instant) -> Verdict {
    if phase == .disabled { return count(.disabled) }
    guard size >= base, size < max(payload, Int(outstanding)) else { return count(.implausible) }
    if now < distrustUntil { return count(.distrusted) }
    if size < payload {
      search.restart(at: base, wish: size)
      phase = .searching
      why = .hint
      forgetProbes(at: now)
    } else {
      search.wish = size
    }
    hint = UInt16(size)
    settle(at: now)
    return count(.taken)
  }

  // MARK: Data

  /// Datagrams of this size arrived, says an acknowledgement. Not for probes.
  @inline(__always)
  public mutating func delivered(_ size: Int, count: Int, at now: Instant) {
    if watch.isQuiet { return }
    watch.delivered(size, count)
    if watch.isProven { fall(isBaseAnswered: false, at: now) }
  }

  /// Datagrams of this size are held for lost. Not for probes.
  public mutating func lost(_ size: Int, count: Int, at now: Instant) {
    guard phase != .disabled, size > fallback, size <= payload, count > 0 else { return }
    let wasSuspicious = watch.isSuspicious
    watch.lost(size, count, roundTrip: roundTrip, at: now)
    if watch.isProven { return fall(isBaseAnswered: false, at: now) }
    if watch.isSuspicious && !wasSuspicious && outstanding == 0 { due = max(now, notBefore) }
  }

  // MARK: Time

  public var deadline: Instant? {
    if phase == .disabled { return nil }
    if outstanding > 0 { return due }
    guard isFirst || hasCarried else { return nil }
    if wanted != nil { return due }
    return isRaisable ? raiseAt : nil
  }

  public mutating func expire(at now: Instant) {
    if phase == .disabled { return }
    if outstanding > 0 {
      if due > now { return }
      let size = Int(outstanding)
      outstanding = 0
      unanswered += 1
      counters.lostProbes &+= 1
      if unanswered >= PathMTU.mostProbes {
        unanswered = 0
        asked = 0
        giveUp(size, at: now)
      }
    } else if hasCarried, wanted == nil, isRaisable, raiseAt <= now {
      due = now
      raises = min(raises + 1, 2)
      if isBaseMissing && promised == base {
        phase = .base
      } else {
        search.raise()
        phase = .searching
      }
    }
  }

  // MARK: Inside

  private var isRaisable: Bool { phase == .complete && (payload < search.limit || isBaseMissing) }

  private var raisePause: Interval {
    let pause = PathMTU.raiseAfter[Int(raises)]
    return isBaseMissing ? min(pause, PathMTU.mostRetry) : pause
  }

  private var wanted: Int? {
    if watch.isSuspicious { return fallback }
    return switch phase {
    case .disabled, .complete: nil
    case .base: base
    case .searching: search.next
    }
  }

  private mutating func giveUp(_ size: Int, at now: Instant) {
    if watch.isSuspicious {
      // Not even what is small gets through: that is no black hole but a dead path.
      watch = FullSizeWatch()
    } else if phase == .base {
      isBaseMissing = true
      why = .baseUnanswered
      search.restart(at: promised, wish: 0)
      search.failed(base)
      phase = .searching
      if promised == base { complete(at: now) }
    } else {
      search.failed(size)
    }
    settle(at: now)
  }

  /// What fitted does not fit any more.
  private mutating func fall(isBaseAnswered: Bool, at now: Instant) {
    counters.blackHoles &+= 1
    why = .blackHole
    let before = payload
    if before > base {
      search.restart(at: base, wish: before)
      phase = isBaseAnswered ? .searching : .base
    } else {
      isBaseMissing = true
      search.restart(at: promised, wish: 0)
      search.failed(before)
      phase = .searching
    }
    forgetProbes(at: now)
    settle(at: now)
  }

  private mutating func forgetProbes(at now: Instant) {
    watch = FullSizeWatch()
    outstanding = 0
    asked = 0
    unanswered = 0
    hint = 0
    raises = 0
    validFrom = now
    due = max(now, notBefore)
  }

  private mutating func settle(at now: Instant) {
    if phase == .searching && search.next == nil { complete(at: now) }
  }

  private mutating func complete(at now: Instant) {
    phase = .complete
    isFirst = false
    hint = 0
    raiseAt = now + raisePause
  }

  private mutating func count(_ verdict: Verdict) -> Verdict {
    switch verdict {
    case .taken: counters.taken &+= 1
    case .unasked: counters.unasked &+= 1
    case .stale: counters.stale &+= 1
    case .implausible: counters.implausible &+= 1
    case .distrusted: counters.distrusted &+= 1
    case .disabled: counters.disabled &+= 1
    }
    return verdict
  }
}

extension PathMTU {
  /// Why `payload` is what it is.
  public enum Reason: UInt8, Sendable, BitwiseCopyable, CaseIterable, CustomStringConvertible {
    case untested, answered, baseUnanswered, blackHole, hint, moved, interface

    public var description: String {
      switch self {
      case .untested: "nothing larger has been answered yet; every path must carry this"
      case .answered: "a probe of this size was answered"
      case .baseUnanswered: "no probe of \(PathMTU.base) bytes was answered; every path must carry this"
      case .blackHole: "full datagrams were lost while small ones arrived"
      case .hint: "somebody on the way said that a larger packet was too big"
      case .moved: "the path was down or has moved, and is asked again"
      case .interface: "the interface carries no more"
      }
    }
  }
}
