//  StatusSnapshot.swift — how a gateway is at one moment: a plain value that the data path fills when it is asked.
//
//  Why here.  Three parties must agree on it who do not import each other: the driver fills it, the control socket
//  renders it, and the tests make some up. So it is a value without any machinery, below all of them.
//
//  Times are spans that end now, not points in time: whoever reads them has another clock. What has not happened yet is
//  nil and becomes null. Counters count since the gateway started.

public import Primitives
public import Sealing

public struct StatusSnapshot: Equatable, Sendable {
  public var version: String
  public var uptime: Interval
  /// The random number of this start; the peers see a restart by it.
  public var incarnation: UInt64
  public var publicKey: PublicKey
  /// The virtual interface.
  public var interface: String
  /// What seals new sessions, and which library does it.
  public var suite: CipherSuite
  public var suiteImplementation: String
  public var peers: [Peer] = []
  /// One for each verdict, those that never happened included.
  public var counters: [Counter] = []
  public var resequencer = Resequencer()
  /// Flows that live.
  public var flows = 0
  /// nil: there is none to ask.
  public var oracle: Oracle?

  public init(
    version: String, uptime: Interval, incarnation: UInt64, publicKey: PublicKey, interface: String, suite: CipherSuite,
    suiteImplementation: String
  ) {
    self.version = version
    self.uptime = uptime
    self.incarnation = incarnation
    self.publicKey = publicKey
    self.interface = interface
    self.suite = suite
    self.suiteImplementation = suiteImplementation
  }

  /// Whoever is asked which relays serve best.
  public struct Oracle: Equatable, Sendable {
    public enum State: String, CaseIterable, Sendable {
      case asking
      case answers
      /// What it said last holds.
      case silent
    }

    public var url: String
    public var state: State
    /// How long it has been so.
    public var since: Interval
    /// How long ago it said something useful.
    public var lastAnswer: Interval?
    /// What is wrong, in a sentence.
    public var why: String?

    public init(url: String, state: State, since: Interval, lastAnswer: Interval? = nil, why: String? = nil) {
      self.url = url
      self.state = state
      self.since = since
      self.lastAnswer = lastAnswer
      self.why = why
    }
  }

  public struct Peer: Equatable, Sendable {
    public enum State: String, CaseIterable, Sendable {
      /// There is a session.
      case connected
      /// There is none, and nobody wants one.
      case idle
      /// A handshake is under way.
      case connecting
      /// Handshakes remain without an answer.
      case unreachable
    }

    public var name: String
    public var publicKey: PublicKey
    public var state: State
    /// How long it has been in this state.
    public var since: Interval
    /// How long ago the last handshake was completed.
    public var lastHandshake: Interval?
    public var traffic = Traffic()
    /// Of inner packets, over the last second or two, in bits a second.
    public var sentRate: UInt64 = 0
    public var receivedRate: UInt64 = 0
    public var paths: [Path] = []
    /// How many of its usable paths the governor lets carry, and why it is so many; nil: it has none.
    public var mode: Mode?
    public var modeReason = ""

    public enum Mode: String, CaseIterable, Sendable { case all, some, single }

    public init(name: String, publicKey: PublicKey, state: State, since: Interval) {
      self.name = name
      self.publicKey = publicKey
      self.state = state
      self.since = since
    }
  }

  public struct Path: Equatable, Sendable {
    public enum State: String, CaseIterable, Sendable {
      case up
      /// Not known to work, and being tried.
      case probing
      /// Known not to work.
      case down
    }

    public var name: String
    public var interface: String
    /// The relay that forwards for it; nil: it leads straight to the peer.
    public var via: String?
    /// Where the peer was heard last, or is tried: `192.0.2.1:51820`.
    public var remote: String?
    /// Where whoever is next on the way, the peer or the relay, says that it hears us; nil: nothing was said yet.
    public var seenAs: String?
    public var state: State
    /// How long ago anything came back on it.
    public var lastHeard: Interval?
    public var roundTrip: Interval?
    /// Its share of the bytes, against the weights of the others.
    public var weight: UInt32
    public var traffic = Traffic()
    /// Over the last second or two, in bits a second.
    public var sentRate: UInt64 = 0
    public var receivedRate: UInt64 = 0
    /// How sure it is that no larger packet gets through.
    public enum Search: String, CaseIterable, Sendable {
      /// Nothing is asked: the path is not up.
      case stopped
      case searching
      case complete
      /// Not even what every path should carry was answered.
      case error
    }

    /// The largest IP packet that is sent on it, as far as anybody found out.
    public var mtu: ByteCount
    public var search = Search.stopped
    /// Why it is what it is, in a few words.
    public var mtuReason: String?
    /// Whether the kernel cuts our batches; if not, every datagram is a call of its own.
    public var hasOffload: Bool
    /// What it is to us and the other side together, a spent budget included.
    public var tier = Tier.primary
    public var use = Use.none
    /// A sentence: why it carries, or does not.
    public var useReason = ""
    /// What it is believed to carry from here, in bits a second; nil: nothing is known yet.
    public var rate: UInt64?
    /// The most that it may carry from here.
    public var limit: UInt64?
    public var leastRoundTrip: Interval?
    /// Of what was sent lately, 0 ... 1.
    public var loss = 0.0
    /// Of what was reported: how much longer than the least it took to get there.
    public var delays = SpanTally()
    /// What its controller does, and why.
    public var control = ""
    public var controlReason = ""
    public var budget: Budget?

    public enum Tier: String, CaseIterable, Sendable { case primary, secondary, backup, never }

    public enum Use: String, CaseIterable, Sendable {
      /// It does not work.
      case none
      case carrying
      /// It could, and is not needed.
      case standby
      /// The others are better without it.
      case dropped
    }

    /// Of the interface: other peers use it, too.
    public struct Budget: Equatable, Sendable {
      public var bytes: UInt64
      public var used: UInt64
      /// The first day of the period, and of the next one, as in ISO 8601.
      public var since: String
      public var until: String

      public init(bytes: UInt64, used: UInt64, since: String, until: String) {
        self.bytes = bytes
        self.used = used
        self.since = since
        self.until = until
      }

      public var left: UInt64 { bytes - min(used, bytes) }
    }

    public init(name: String, interface: String, state: State, weight: UInt32, mtu: ByteCount, hasOffload: Bool) {
      self.name = name
      self.interface = interface
      self.state = state
      self.weight = weight
      self.mtu = mtu
      self.hasOffload = hasOffload
    }
  }

  /// Of a peer: inner packets. Of a path: our datagrams, with all that is ours in them.
  public struct Traffic: Equatable, Sendable {
    public var receivedBytes: UInt64 = 0
    public var receivedPackets: UInt64 = 0
    public var sentBytes: UInt64 = 0
    public var sentPackets: UInt64 = 0

    public init() {}
  }

  public struct Counter: Equatable, Sendable {
    /// Who counts: `resequencer`.
    public var group: String
    /// What happened: `duplicate`.
    public var verdict: String
    public var count: UInt64

    public init(_ group: String, _ verdict: String, _ count: UInt64) {
      self.group = group
      self.verdict = verdict
      self.count = count
    }
  }

  /// What waits for what is missing.
  public struct Resequencer: Equatable, Sendable {
    public var heldBytes: UInt64 = 0
    public var heldSegments: UInt64 = 0
    public var mostBytes: UInt64 = 0
    /// From a segment's first byte to its release, of those that were not whole and owed at once.
    public var waits = SpanTally()

    public init() {}
  }

  /// Everything in one word, which is also an exit code.
  public enum Verdict: String, CaseIterable, Sendable {
    case fine
    /// Traffic flows, but not over everything that is configured.
    case degraded
    /// Nothing can flow.
    case down

    public var exitCode: Int32 {
      switch self {
      case .fine: 0
      case .degraded: 1
      case .down: 2
      }
    }
  }

  public var verdict: Verdict {
    if peers.allSatisfy(\.isWhole) && !peers.isEmpty { return .fine }
    return peers.contains(where: \.isReachable) ? .degraded : .down
  }
}

extension StatusSnapshot.Path {
  /// `fibre`, or `fibre via r1`.
  public var title: String { via.map { "\(name) via \($0)" } ?? name }
}

extension StatusSnapshot.Peer {
  /// Of what goes over all its paths now, 0 ... 1; nil: nothing does.
  public func share(of path: StatusSnapshot.Path) -> Double? {
    let sum = paths.reduce(0) { $0 + Double($1.sentRate) + Double($1.receivedRate) }
    return sum > 0 ? (Double(path.sentRate) + Double(path.receivedRate)) / sum : nil
  }

  /// What is idle worked when it was used last.
  public var isReachable: Bool { state == .connected || state == .idle }

  /// Nothing of what is configured is missing. Of an idle peer nobody knows how its paths are, and nobody minds.
  public var isWhole: Bool { state == .idle || state == .connected && paths.allSatisfy { $0.state == .up } }
}
