//  TestGateway.swift — an engine with the memory, buffers and sockets that a driver would give it.

import Crypto
public import Engine
import Glibc
public import Handshake
import Packets
import Parity
public import Primitives
import Resequencer
import Sealing
import Status
import Wire

/// What a gateway of a world is like.
public struct GatewayPlan: Sendable {
  public struct Peer: Sendable {
    public var gateway: Int
    /// Sockets of his whose addresses are known here.
    public var sockets: [Int]
    public var presharedKey: [UInt8]?
    /// nil: what is behind that gateway.
    public var allowed: [IPPrefix]?

    public init(_ gateway: Int, sockets: [Int]) {
      self.gateway = gateway
      self.sockets = sockets
    }
  }

  public var sockets = 1
  /// Sockets besides, for ways over relays: each is of the path with this number.
  public var slots: [Int] = []
  /// Relays that it knows, by their numbers.
  public var relays: [Int] = []
  /// Places for relays that it is told of later.
  public var spareRelays = 0
  public var isIPv6 = false
  public var mtu = 1500
  public var weights: [UInt32] = []
  public var peers: [Peer] = []
  public var rules: [Rule] = []
  public var classes = Classes()
  public var batches = 64
  public var segmentBytes = 8 << 20
  public var mostFlows = 256
  /// For packets from the virtual NIC.
  public var buffers = 32
  public var mostPieces = 64
  public var timing: Handshake.Timing?
  public var strangers = Gatekeeper.Limits()

  public init(sockets: Int = 1, peers: [Peer] = []) {
    self.sockets = sockets
    self.peers = peers
  }

  /// Every flow is of a class with this protection.
  public mutating func protect(_ protection: Protection) {
    classes = Classes([TrafficClass("protected", .interactive, protection)])
    rules = [Rule(name: "all", .striped, classNumber: classes.number(named: "protected").map { UInt8($0) })]
  }
}

/// Zeros at the beginning of a page, as long as it lives.
final class Memory {
  let bytes: UnsafeMutableRawBufferPointer

  init(_ count: Int) {
    let memory = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    precondition(memory != MAP_FAILED, "no memory for a test")
    bytes = UnsafeMutableRawBufferPointer(start: memory, count: count)
  }

  deinit { munmap(bytes.baseAddress, bytes.count) }
}

/// One engine, from its start until it is replaced.
public final class TestGateway {
  static let bufferLength = OffloadHeader.length + 65_536

  public var engine: Engine
  public let number: Int
  /// How often this gateway was started before.
  public let run: Int
  let plan: GatewayPlan
  private let memory: [Memory]
  private let packets: Memory
  private(set) var freeBuffers: [UInt16]
  private var isLent: [Bool]
  var arrivals: [Parcel] = []
  /// What it was told last.
  public internal(set) var settings: GatewaySettings
  /// Batches that the driver has, by the place of their socket.
  var batchesOf = Array(repeating: 0, count: LocalPlaces.count)
  /// Sockets that are closed as soon as none is left of theirs.
  var closing: Set<Int> = []
  /// Batches and deliveries that the driver has not given back.
  var outstanding = 0
  /// What its turns were for.
  public internal(set) var turns = 0
  public internal(set) var wakes = 0
  public internal(set) var events: [Event.Kind] = []
  public internal(set) var deliveries = 0

  init(
    _ number: Int, run: Int, plan: GatewayPlan, settings: GatewaySettings, identity: Identity
  ) throws(SettingsConflict) {
    self.number = number
    self.run = run
    self.plan = plan
    self.settings = settings
    let batches = Memory(plan.batches * 65_536)
    let segments = Memory(plan.segmentBytes)
    let flows = Memory(Engine.Memory.flowBytes(for: plan.mostFlows))
    memory = [batches, segments, flows]
    packets = Memory(plan.buffers * TestGateway.bufferLength)
    freeBuffers = (0..<UInt16(plan.buffers)).map { $0 }
    isLent = Array(repeating: false, count: plan.buffers)
    engine = try Engine.make(
      settings, identity: identity, erasure: ReedSolomon.code,
      memory: Engine.Memory(batches: batches.bytes, segments: segments.bytes, flows: flows.bytes))
  }

  // MARK: Sockets

  /// Ways over relays have places of their own; in a world their sockets come behind those of paths.
  func socket(ofPlace place: Int) -> Int {
    place < LocalPlaces.mostPaths ? place : plan.sockets + place - LocalPlaces.mostPaths
  }

  func place(ofSocket socket: Int) -> Int {
    socket < plan.sockets ? socket : LocalPlaces.mostPaths + socket - plan.sockets
  }

  func closeSockets(at now: Instant) {
    while let place = engine.nextClosing(at: now) { closing.insert(place) }
    for place in closing.sorted() where batchesOf[place] == 0 {
      closing.remove(place)
      engine.closed(place)
    }
  }

  // MARK: Buffers

  /// A buffer to read a packet into; nil when the engine has them all.
  func takeBuffer() -> (number: UInt16, bytes: UnsafeMutableRawBufferPointer)? {
    guard let number = freeBuffers.popLast() else { return nil }
    isLent[Int(number)] = true
    let start = Int(number) * TestGateway.bufferLength
    return (number, UnsafeMutableRawBufferPointer(rebasing: packets.bytes[start..<start + TestGateway.bufferLength]))
  }

  /// False: it was not lent.
  func giveBack(_ number: UInt16) -> Bool {
    guard isLent[Int(number)] else { return false }
    isLent[Int(number)] = false
    freeBuffers.append(number)
    return true
  }

  /// The memory for what waits to be put in order.
  var segmentBytes: Int { plan.segmentBytes }

  /// How many buffers there are for packets from the virtual NIC.
  var buffers: Int { plan.buffers }

  public var lentBuffers: Int { plan.buffers - freeBuffers.count }

  // MARK: Questions

  /// A counter of `status`, by its group and name.
  public func count(_ group: String, _ name: String, at now: Instant) -> UInt64 {
    let snapshot = engine.snapshot(version: "", interface: "", uptime: .zero, at: now)
    return snapshot.counters.first { $0.group == group && $0.verdict == name }?.count ?? 0
  }

  /// A path that is up.
  public struct SizedPath: Sendable {
    public var name: String
    /// The largest IP packet that it is sent.
    public var mtu: Int
    public var isSearching: Bool
    public var hasFailed: Bool
  }

  public func sizes(at now: Instant) -> [SizedPath] {
    engine.snapshot(version: "", interface: "", uptime: .zero, at: now).peers.flatMap(\.paths)
      .filter { $0.state == .up }
      .map {
        SizedPath(
          name: $0.name, mtu: $0.mtu.value, isSearching: $0.search == .searching, hasFailed: $0.search == .error)
      }
  }

  public func heldBytes(at now: Instant) -> UInt64 {
    engine.snapshot(version: "", interface: "", uptime: .zero, at: now).resequencer.heldBytes
  }

  /// All counters that are not zero.
  public func tally(at now: Instant) -> String {
    engine.snapshot(version: "", interface: "", uptime: .zero, at: now).counters.filter { $0.count != 0 }
      .map { "\($0.group).\($0.verdict) \($0.count)" }.joined(separator: ", ")
  }
}
