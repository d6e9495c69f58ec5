//  Settings.swift — what an engine is told when it is made: plain values, checked by whoever read them.

public import Handshake
public import Primitives
public import Sealing
public import Wire

public struct GatewaySettings: Sendable {
  public var paths: [LocalPath] = []
  public var peers: [PeerSettings] = []
  /// Who may forward for us; each with addresses, and without any that are allowed.
  public var relays: [PeerSettings] = []
  /// Places behind these for relays that somebody names later.
  public var spareRelays = 0
  /// Ours on the virtual NIC: senders inside are answered from them.
  public var addresses: [IPAddress] = []
  /// The first that matches a flow decides.
  public var rules: [Rule] = []
  public var classes = Classes()
  /// In the operator's time zone, for budgets.
  public var today = CalendarDay(number: 0)
  /// What the wall clock showed at the zero of the clock that all calls use.
  public var wallClockAtZero: WallTime
  public var timing = Handshake.Timing()
  /// What people whom we do not know may cost us.
  public var strangers = Gatekeeper.Limits()
  public var mostFlows = 131_072
  /// Datagrams that the kernel takes in one call.
  public var mostPieces = 64

  public init(wallClockAtZero: WallTime) {
    self.wallClockAtZero = wallClockAtZero
    // A gateway that restarts shall be back within a second, so nobody may be asked less often than that.
    timing.mostPause = .seconds(1)
  }
}

/// One of our own ends: a socket on an interface.
public struct LocalPath: Sendable {
  public var name: String
  /// How fast it is beside the others, until that is measured.
  public var weight: UInt32
  /// Of the IP packets that the interface carries.
  public var mtu: Int
  /// Our address for it; nil: whatever the kernel chooses.
  public var address: IPAddress?
  /// For a socket that leads over relays: the place of the path whose interface it uses.
  public var carrier: Int?
  public var tier = Tier.primary
  public var budget: Budget?
  /// For a gigabyte, in thousandths; it orders the paths of one tier.
  public var price: UInt32 = 0
  /// The most that it may carry, from here and to here.
  public var limit: (up: BitRate, down: BitRate)?
  /// What it had used of its budget when the gateway ended.
  public var used: BudgetRecord?

  public init(name: String, weight: UInt32 = 1, mtu: Int = 1500, address: IPAddress? = nil) {
    self.name = name
    self.address = address
    self.weight = weight
    self.mtu = mtu
  }
}

/// Somebody on the other side.
public struct PeerSettings: Sendable {
  public var name: String
  public var publicKey: PublicKey
  /// 32 bytes that both know besides their keys.
  public var presharedKey: KeptSecret?
  /// Where to find him; empty: he finds us.
  public var endpoints: [Endpoint]
  /// The inner addresses that are his, in both directions.
  public var allowed: [IPPrefix]
  /// How often a path to him is kept awake, whoever found it; nil: seldom, and only by who found it.
  public var keepalive: Interval?

  public init(
    name: String, publicKey: PublicKey, presharedKey: KeptSecret? = nil, endpoints: [Endpoint] = [],
    allowed: [IPPrefix] = []
  ) {
    self.name = name
    self.publicKey = publicKey
    self.presharedKey = presharedKey
    self.endpoints = endpoints
    self.allowed = allowed
  }
}

/// Settings that no gateway can run with.
public enum SettingsConflict: Error, Equatable, CustomStringConvertible {
  case isOurselves(String)
  case sameKey(String, String)
  case samePrefix(IPPrefix, String, String)
  case weakKey(String)

  public var description: String {
    switch self {
    case .isOurselves(let name): "peer \(name) has our own public key; it must have that of the other gateway"
    case .sameKey(let one, let other): "peers \(one) and \(other) have the same public key; each gateway has its own"
    case .samePrefix(let prefix, let one, let other):
      "peers \(one) and \(other) both claim \(prefix); an address belongs to one peer"
    case .weakKey(let name):
      "the public key of peer \(name) is no usable X25519 key; copy it from `hawser pubkey` there"
    }
  }
}

extension Engine {
  /// Where its data lives: zeros, aligned to pages, touched only as far as it is used.
  public struct Memory {
    /// 64 KiB for each batch.
    public var batches: UnsafeMutableRawBufferPointer
    /// Segments that wait for the rest of them, or for the one before.
    public var segments: UnsafeMutableRawBufferPointer
    /// `flowBytes` of it.
    public var flows: UnsafeMutableRawBufferPointer

    public init(
      batches: UnsafeMutableRawBufferPointer, segments: UnsafeMutableRawBufferPointer,
      flows: UnsafeMutableRawBufferPointer
    ) {
      self.batches = batches
      self.segments = segments
      self.flows = flows
    }

    /// What so many flows need.
    public static func flowBytes(for flows: Int) -> Int {
      FlowTable.bytes(for: flows).rounded(to: 128) + FlowQueues.bytes(flows: flows)
    }
  }
}
