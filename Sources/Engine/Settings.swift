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
  /// For a socket that leads over relays: the path whose interface it uses, as its number in the settings; in the
  /// engine its place.
  public var carrier: Int?
  /// Which socket it is, in words that only its maker knows (an interface, a port): a path that has others is another.
  public var end = ""
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

extension LocalPath {
  /// The other side has to be told something of it.
  var hasTerms: Bool { tier != .primary || price > 0 || limit != nil || budget != nil }
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
  case tooManyPaths(Int)
  case tooManyPeers(Int)

  public var description: String {
    switch self {
    case .isOurselves(let name): "peer \(name) has our own public key; it must have that of the other gateway"
    case .sameKey(let one, let other): "peers \(one) and \(other) have the same public key; each gateway has its own"
    case .samePrefix(let prefix, let one, let other):
      "peers \(one) and \(other) both claim \(prefix); an address belongs to one peer"
    case .weakKey(let name):
      "the public key of peer \(name) is no usable X25519 key; copy it from `hawser pubkey` there"
    case .tooManyPaths(let count): "there are \(count) paths; a gateway has \(LocalPlaces.mostPaths) at most"
    case .tooManyPeers(let count): "there are \(count) peers and relays; a gateway has \(Sessions.mostPeers) at most"
    }
  }
}

extension GatewaySettings {
  /// What no gateway can run with is said before anything is made or changed.
  func check(for identity: Identity) throws(SettingsConflict) {
    let list = peers + relays
    let paths = paths.count { $0.carrier == nil }
    if paths > LocalPlaces.mostPaths { throw .tooManyPaths(paths) }
    if list.count + spareRelays > Sessions.mostPeers { throw .tooManyPeers(list.count + spareRelays) }
    var keys: [PublicKey: Int] = [:]
    for (index, peer) in list.enumerated() {
      if peer.publicKey == identity.publicKey { throw .isOurselves(peer.name) }
      if let other = keys[peer.publicKey] { throw .sameKey(list[other].name, peer.name) }
      keys[peer.publicKey] = index
    }
    // Any private key shows whether a public one gives a secret.
    var probe = Secret()
    probe.withMutableBytes { identity.cryptography.random($0) }
    if let weak = list.first(where: { identity.cryptography.sharedSecret(probe, $0.publicKey) == nil }) {
      throw .weakKey(weak.name)
    }
    _ = try allowedAddresses { $0 }
  }

  /// `place`: where the peer with this number is.
  func allowedAddresses(_ place: (Int) -> Int) throws(SettingsConflict) -> AllowedAddresses {
    do throws(AllowedAddresses.Conflict) {
      _ = try AllowedAddresses(claims { $0 })
    } catch {
      throw .samePrefix(error.prefix, peers[Int(error.first)].name, peers[Int(error.second)].name)
    }
    guard let allowed = try? AllowedAddresses(claims(place)) else {
      preconditionFailure("two peers are in one place")
    }
    return allowed
  }

  func claims(_ place: (Int) -> Int) -> [AllowedAddresses.Claim] {
    peers.enumerated().flatMap { index, peer in
      peer.allowed.map { AllowedAddresses.Claim($0, peer: UInt32(place(index))) }
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
