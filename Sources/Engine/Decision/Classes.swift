//  Classes.swift — how urgent a flow is and how much is done so that none of it is lost: what the operator says, what
//  everybody knows, and what it does.
//
//  Why.  A shell, a name's address and a call are worth nothing when they are late; a download does not mind. Nobody
//  writes rules for that, so the defaults must be right, and must not be of use to who lies about himself.
//
//  How.  Asked in this order, and the first that answers decides:
//
//    1. a rule that names a class                               whatever the flow does
//    2. it has carried much lately (`Rhythm.isHeavy`)      ──▶  bulk: a copy over SSH's port is no shell
//    3. ICMP, DNS, SSH                                     ──▶  interactive
//    4. UDP, small packets at a steady pace                ──▶  interactive: calls, games, telemetry
//    5. everything else                                    ──▶  bulk
//
//  The rhythm of a flow is looked at in windows of 250 ms, whatever the arrivals in them: hosts and adapters hand over
//  several packets at once, so the gaps between single packets say little.
//
//      packets   12    13    12     0      13   │ 80 large      a window like the one before: +1; unlike: −1; with
//      score      0     1     2     2 (silent) 3│ 0             large packets: −4. Steady from 4 up, until it is 0.
//
//  Rejected.  Ports of calls (there are none); DSCP without a rule (hosts mark what they like, and a download marked
//  EF would be urgent); asking about what is inside.
//
//  Cost: 12 bytes a flow; a packet adds to a window, and four times a second at most the window is judged.

public import Packets
public import Primitives

public enum Treatment: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  /// Over all paths; waits its turn.
  case bulk
  /// Goes first, over the path that lands first.
  case interactive
  /// The same, and one loss matters: it may use secondary paths and be sent more than once.
  case realtime
}

public enum Protection: Equatable, Sendable, BitwiseCopyable {
  case none
  /// The whole on the two paths that land first.
  case copies
  /// So many more parts for so many, and any `data` of them suffice.
  case parity(data: UInt8, parity: UInt8)
  /// As much as the loss that is measured asks for.
  case adaptive
}

/// What a rule can choose by name.
public struct TrafficClass: Equatable, Sendable {
  public var name: String
  public var treatment: Treatment
  public var protection: Protection

  public init(_ name: String, _ treatment: Treatment, _ protection: Protection = .none) {
    self.name = name
    self.treatment = treatment
    self.protection = protection
  }
}

/// All classes: three that are always there, and the operator's, which may redefine them.
public struct Classes: Sendable {
  /// As many as a flow's plan can name.
  public static let most = 63

  /// The first three are bulk, interactive and realtime, as in `Treatment`.
  public let list: [TrafficClass]

  public init(_ own: [TrafficClass] = []) {
    var list = [
      TrafficClass("bulk", .bulk), TrafficClass("interactive", .interactive),
      TrafficClass("realtime", .realtime, .copies),
    ]
    for one in own {
      if let place = list.firstIndex(where: { $0.name == one.name }) { list[place] = one } else { list.append(one) }
    }
    precondition(list.count <= Classes.most, "more classes than a plan can name")
    self.list = list
  }

  public func number(named name: String) -> Int? { list.firstIndex { $0.name == name } }

  /// The class of a flow: the plan's, or what its protocol and its rhythm say. Reads no memory but its arguments.
  @inline(__always)
  public static func number(of tuple: FiveTuple, planned: Int?, _ rhythm: Rhythm) -> Int {
    if let planned { return planned }
    return Int((reason(for: tuple, rhythm).treatment).rawValue)
  }

  /// Why a flow without a rule is treated as it is.
  public enum Reason: UInt8, Sendable, BitwiseCopyable, CaseIterable, CustomStringConvertible {
    case heavy, icmp, dns, ssh, steady, ordinary

    public var treatment: Treatment { self == .heavy || self == .ordinary ? .bulk : .interactive }

    public var description: String {
      switch self {
      case .heavy: "it carries much"
      case .icmp: "it is ICMP"
      case .dns: "it has DNS's port"
      case .ssh: "it has SSH's port and carries little"
      case .steady: "it is small UDP at a steady pace"
      case .ordinary: "nothing says that somebody waits for it"
      }
    }
  }

  public static func reason(for tuple: FiveTuple, _ rhythm: Rhythm) -> Reason {
    if rhythm.isHeavy { return .heavy }
    func has(_ port: UInt16) -> Bool { tuple.sourcePort == port || tuple.destinationPort == port }
    switch tuple.transport {
    case PacketView.Transport.icmp, PacketView.Transport.icmpv6: return .icmp
    case PacketView.Transport.tcp: return has(53) ? .dns : has(22) ? .ssh : .ordinary
    case PacketView.Transport.udp: return has(53) ? .dns : rhythm.isSteady ? .steady : .ordinary
    default: return .ordinary
    }
  }
}

/// The pace of a flow: what it did in the windows before this one.
public struct Rhythm: Equatable, Sendable, BitwiseCopyable {
  /// Four a second: a call has a dozen packets in one, and one second is enough to know it.
  static let window = Interval(nanoseconds: Pace.window)
  /// A call's frame with its headers has 100 to 250 bytes.
  public static let mostSmall = 299
  /// In a window. One is no pace; more than 400 a second are no call and no game.
  static let pace = 2...100
  static let steadyFrom: UInt8 = 4
  static let mostScore: UInt8 = 8
  /// 32 KB in a window are a megabit a second: more than a terminal ever prints for long.
  static let heavyBytes = 32_768
  /// Windows in a row; a page of text is not a copy.
  static let heavyFrom: UInt8 = 4
  /// Windows of silence that a call makes when nobody speaks; after more the flow is another.
  static let longestSilence: UInt32 = 40

  /// Counted from the clock's origin; it comes round after 34 years.
  private var number: UInt32 = 0
  /// Of 64 bytes.
  private var volume: UInt16 = 0
  private var packets: UInt8 = 0
  private var large: UInt8 = 0
  private var before: UInt8 = 0
  private var score: UInt8 = 0
  private var heavy: UInt8 = 0
  public private(set) var isSteady = false

  public init() {}

  public var isHeavy: Bool { heavy >= Rhythm.heavyFrom }

  /// A packet of the flow; a super-packet counts as one that is large. True when its class may have changed.
  @inline(__always)
  public mutating func note(_ length: Int, at now: Instant) -> Bool { note(length, in: Pace.number(now)) }

  /// Whether the last packet came in this window.
  @inline(__always) func isIn(_ window: UInt32) -> Bool { window == number }

  @inline(__always)
  mutating func note(_ length: Int, in current: UInt32) -> Bool {
    let hasChanged = current != number && judge(until: current)
    packets = packets == .max ? .max : packets + 1
    if length > Rhythm.mostSmall { large = large == .max ? .max : large + 1 }
    volume = UInt16(clamping: Int(volume) + min(max(length, 0), 1 << 20) / 64 + 1)
    return hasChanged
  }

  /// A window has ended.
  @inline(never)
  private mutating func judge(until current: UInt32) -> Bool {
    let old = (isSteady, isHeavy)
    let silent = current &- number
    if packets > 0 {
      let isAlike = Int(packets) <= Int(before) * 2 && Int(before) <= Int(packets) * 2
      if Int(large) * 4 > Int(packets) {
        lower(by: 4)
      } else if large == 0 && isAlike && Rhythm.pace.contains(Int(packets)) {
        score = min(score + 1, Rhythm.mostScore)
      } else {
        lower(by: 1)
      }
      before = packets
      if Int(volume) * 64 >= Rhythm.heavyBytes {
        heavy = min(heavy + 1, Rhythm.mostScore)
      } else if heavy > 0 {
        heavy -= 1
      }
    }
    // What was silent carried nothing.
    heavy -= UInt8(clamping: min(UInt32(heavy), silent &- 1))
    if silent > Rhythm.longestSilence {
      self = Rhythm()
    } else if score >= Rhythm.steadyFrom {
      isSteady = true
    } else if score == 0 {
      isSteady = false
    }
    (number, packets, large, volume) = (current, 0, 0, 0)
    return old != (isSteady, isHeavy)
  }

  private mutating func lower(by steps: UInt8) { score -= min(score, steps) }
}
