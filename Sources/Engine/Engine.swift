//  Engine.swift — a whole gateway without a single system call: packets and datagrams in, datagrams and packets out.
//
//  Why.  Everything that a gateway decides is here, and nothing that it touches: so two of them and the network between
//  run in one test, from a seed, and the program that drives real descriptors is thin.
//
//  How.  One turn of the loop that drives it:
//
//      packet(…)    for each packet that the virtual NIC brought       flow ─▶ plan ─▶ the flow's queue
//      receive(…)   for each read of a socket                          session ─▶ opened into its segment ─▶ in order
//      flush(…)     once                                               queues ─▶ segments ─▶ parts ─▶ pace ─▶ batches
//      nextBatch / nextDelivery / nextFreeBuffer / nextEvent           what the driver has to do now
//      deadline, expire(at:)                                           when nothing else happens
//
//  The memory of all that is handed in once; a turn allocates nothing. A batch or a delivery belongs to the driver
//  until he gives it back (`sent`, `written`); a packet's buffer comes back through `nextFreeBuffer`: a small one's
//  when it has left, a large one's when it was reported.
//
//  The folders are the picture of a virtual stack: Analysis looks at a packet, Decision chooses its flow's stack, Flows
//  remembers flows and what waits in them, Stacks carries; Peers knows the other side, Control tells what is going on.
//
//  Always true.  (1) What arrives from outside ends in a verdict and a counter. (2) Everything that waits is bounded:
//  packets by their buffers, datagrams by batches, segments by the resequencer's memory.

public import Erasure
public import Handshake
import Packets
import PathHealth
public import Primitives
public import Resequencer
import Sealing
import Striper
import Wire

public struct Engine: ~Copyable {
  // The other side.
  /// By place; what each place is says `Peer.kind`.
  var peers: GrowingArray<Peer>
  /// Places of gateways, in the order of the settings, and of relays, by the numbers under which others name them.
  var gatewayPlaces: [Int]
  var relayPlaces: [Int]
  var sessions: Sessions
  var peerOfKey: [PublicKey: Int]
  /// By the number of the lane set.
  var peerOfLanes: GrowingArray<UInt32>
  var gatekeeper: Gatekeeper
  var identity: Identity
  /// Which run of this gateway it is.
  let incarnation: UInt64
  /// Our sockets by place, see `LocalPlaces.swift`.
  var localPaths: [LocalPath]
  var localPlaces: LocalPlaces
  // For the handshakes of peers and relays that come later.
  let wallClockAtZero: WallTime
  var timing: Handshake.Timing
  /// For each socket; of those of paths, free for ever.
  var slots: FixedArray<RelaySlot>
  var allowed: AllowedAddresses
  /// What it was made of.
  var claims: [AllowedAddresses.Claim]

  // What is on its way.
  var classifier = Classifier()
  var flows: FlowTable
  var queues: FlowQueues
  var rules: Rules
  var decisions = RuleDecisions()
  /// What comes back, flow by flow.
  var returns: Returns
  var ledger: Ledger
  var budgeted: Bool
  /// A path of ours is, or was, something else than primary, free, without a limit and there: others were told.
  var hasTerms: Bool
  /// For whoever asks for their names.
  var classes: Classes
  /// By the number of a class; those that nobody has are bulk, since a flow may still have the number of one that went.
  var treatments: FixedArray<Treatment>
  var batches: SendBatches
  var resequencer: Resequencer
  /// Batches that were sent, until they were reported.
  var runs = SentRuns(capacity: Engine.mostRuns)
  var cargoes = Cargoes()
  var shipments = Shipments()
  var parts = PartQueues()
  /// What was looked at last, and which shipment it is.
  var draft: SegmentDraft
  var drafted: UInt32?
  /// By the number of a class, see `Classes`, and a bit for each that has any.
  var protections: InlineArray<64, Protection>
  var protectedClasses: UInt64
  var guarded: GuardedLanes
  /// Peers for which parts wait that could not leave in their turn.
  var loadedPeers = RingBuffer<UInt32>(minimumCapacity: 16)
  var freeBuffers = RingBuffer<UInt16>(minimumCapacity: 256)
  /// Paths with an open batch.
  var openBatches = RingBuffer<OpenBatch>(minimumCapacity: 64)
  var refusals: Refusals
  let masks: UnsafeMutableRawPointer
  static let mostMasks = 128
  /// Lanes of their own for what has no order: a packet waits for one that was sent so many before, at most.
  static let rawLanes = 64
  var nextRawLane: UInt16 = 0

  struct OpenBatch: BitwiseCopyable {
    var peer: UInt32
    var place: UInt8
  }

  // When, and what happened.
  /// When queues were flushed last: a turn's time, for what is not told it.
  var lastTurn = Instant.zero
  /// When to look how fast everything goes.
  var nextPaces = Instant.zero
  var timers: DeadlineQueue
  var events = RingBuffer<Event>(minimumCapacity: Engine.mostEvents)
  public internal(set) var counters = Counters()

  /// What settings contradict is said before anything is made.
  public static func make(
    _ settings: GatewaySettings, identity: Identity, erasure: ErasureCode, memory: Memory
  ) throws(SettingsConflict) -> Engine {
    var settings = settings
    settings.addSpareRelays(identity.cryptography)
    let list = settings.peers + settings.relays
    try settings.check(for: identity)
    var keys: [PublicKey: Int] = [:]
    for (index, peer) in list.enumerated() { keys[peer.publicKey] = index }
    return Engine(settings, identity, erasure, memory, keys, try settings.allowedAddresses { $0 })
  }

  private init(
    _ settings: GatewaySettings, _ identity: Identity, _ erasure: ErasureCode, _ memory: Memory,
    _ keys: [PublicKey: Int], _ allowed: consuming AllowedAddresses
  ) {
    let cryptography = identity.cryptography
    let incarnation = cryptography.randomNumber()
    self.incarnation = incarnation
    let list = settings.peers + settings.relays
    gatewayPlaces = Array(settings.peers.indices)
    relayPlaces = Array(settings.peers.count..<list.count)
    wallClockAtZero = settings.wallClockAtZero
    timing = settings.timing
    slots = FixedArray(count: LocalPlaces.count) { _ in RelaySlot() }
    self.identity = identity
    self.allowed = allowed
    claims = settings.claims { $0 }
    peerOfKey = keys
    peers = GrowingArray(count: list.count) { index in
      let peer = list[index]
      guard
        let handshake = Handshake(
          identity, remote: peer.publicKey, presharedKey: peer.presharedKey?.copied(), incarnation: incarnation,
          wallClockAtZero: settings.wallClockAtZero, timing: settings.timing)
      else { preconditionFailure("keys were looked at before") }
      let isElder = peer.publicKey.bytes.lexicographicallyPrecedes(identity.publicKey.bytes)
      return Peer(
        index: UInt32(index), kind: index < settings.peers.count ? .gateway : .relay, settings: peer,
        isElder: isElder, handshake: handshake)
    }
    peerOfLanes = GrowingArray(count: max(1, list.count)) { _ in .max }
    sessions = Sessions(peers: list.count, cryptography)
    gatekeeper = Gatekeeper(identity, limits: settings.strangers)
    let (placed, places) = LocalPlaces.first(for: settings.paths)
    localPaths = placed
    localPlaces = places
    rules = Rules(settings.rules)
    ledger = Ledger(placed, today: settings.today)
    budgeted = settings.paths.contains { $0.budget != nil }
    hasTerms = settings.paths.contains { $0.hasTerms }
    classes = settings.classes
    treatments = Engine.treatments(of: settings.classes)
    returns = Returns(seed: incarnation)
    flows = FlowTable(
      memory: memory.flows.first(FlowTable.bytes(for: settings.mostFlows)), capacity: settings.mostFlows,
      random: cryptography.randomNumber())
    queues = FlowQueues(memory: memory.flows.dropping(FlowTable.bytes(for: settings.mostFlows).rounded(to: 128)))
    batches = SendBatches(memory: memory.batches, mostPieces: settings.mostPieces)
    resequencer = Resequencer(
      Resequencer.Limits(
        laneSets: max(1, list.count), mostSegmentLength: Engine.mostSegmentLength, memory: memory.segments))
    refusals = Refusals(from: settings.addresses)
    let (protections, protectedClasses) = Engine.protections(of: settings.classes)
    self.protections = protections
    self.protectedClasses = protectedClasses
    guarded = GuardedLanes(code: erasure)
    draft = shipments.nothing
    masks = .allocate(byteCount: Engine.mostMasks * SealingKey.sampleLength, alignment: 64)
    timers = DeadlineQueue(count: list.count)
  }

  deinit { masks.deallocate() }

  /// 1.4 GB in full batches, or 32,768 single datagrams: 300 ms of the fastest flood of single packets.
  static let mostRuns = 32_768
  /// Eight batches of 44 full datagrams: more paths than that share them.
  static let mostSegmentLength = 8 * 44 * 1428

  /// Greets everybody whose address is known. Events and batches follow.
  public mutating func start(at now: Instant) { begin(at: now) }

  // MARK: Time

  public var deadline: Instant? {
    // Asked in every turn: no list, which would be an object.
    Engine.earlier(
      Engine.earlier(Engine.earlier(resequencer.deadline, guarded.deadline), localPlaces.deadline),
      Engine.earlier(timers.first?.deadline, flows.deadline))
  }

  @inline(__always)
  private static func earlier(_ one: Instant?, _ other: Instant?) -> Instant? {
    guard let one else { return other }
    guard let other else { return one }
    return min(one, other)
  }

  public mutating func expire(at now: Instant) {
    if let due = resequencer.deadline, due <= now { resequencer.expire(at: now) }
    while let first = timers.first, first.deadline <= now {
      timers.set(first.machine, nil)
      expirePeer(first.machine, at: now)
    }
    if let due = guarded.deadline, due <= now { expireGroups(at: now) }
    if let slot = sessions.takeExhausted() {
      let index = slot / Sessions.perPeer
      peers[index].handshake.begin(at: now)
      pump(index, from: nil, at: now)
    }
    if let due = flows.deadline, due <= now { flows.expire(at: now) }
    if let due = localPlaces.deadline, due <= now { localPlaces.expire(at: now) }
  }

  // MARK: What the driver sends

  /// A batch to be sent; it is the driver's until `sent`.
  public mutating func nextBatch() -> UInt16? { batches.nextReady() }

  public func batch(_ index: UInt16) -> SendBatch { batches[index] }

  /// None is with the driver, and none is being filled.
  public var hasAllBatches: Bool { batches.isAllFree }

  /// The kernel has taken it, or never will.
  public mutating func sent(_ index: UInt16, wasTaken: Bool) {
    if !wasTaken { counters.count(.unsent, times: batches[index].pieces) }
    batches.release(index)
  }

  // MARK: What the driver writes to the virtual NIC

  /// The next packets in order; they are the driver's until `written`.
  public mutating func nextDelivery() -> Delivery? {
    while let delivery = resequencer.nextDelivery() {
      let packet = delivery.slices[1]
      let peer = peerOfLanes[delivery.laneSet.number]
      guard isFromPeer(packet, peer) else {
        counters.count(.foreignSource)
        resequencer.finish(delivery.handle)
        continue
      }
      peers[Int(peer)].received.packets &+= UInt64(delivery.packetCount)
      peers[Int(peer)].received.bytes &+= UInt64(delivery.length)
      if returns.isDue(delivery.length) { noteReturn(packet, at: lastTurn) }
      return delivery
    }
    return nil
  }

  public mutating func written(_ handle: Delivery.Handle, wasTaken: Bool) {
    if !wasTaken { counters.count(.unwritten) }
    resequencer.finish(handle)
  }

  /// Whether the inner source address is one of this peer's.
  @inline(__always)
  private func isFromPeer(_ packet: Slice, _ peer: UInt32) -> Bool {
    let bytes = packet.start
    let source: IPAddress
    if packet.count >= 20 && bytes.load(as: UInt8.self) >> 4 == 4 {
      source = IPAddress(ipv4: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self)))
    } else if packet.count >= 40 {
      source = IPAddress(
        .ipv6, high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
        low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)))
    } else {
      return false
    }
    return allowed.peer(of: source) == peer
  }

  /// A buffer whose packet has left, for the driver to read into again.
  public mutating func nextFreeBuffer() -> UInt16? { freeBuffers.popFirst() ?? shipments.nextFreeBuffer() }
}

extension UnsafeMutableRawBufferPointer {
  func first(_ count: Int) -> UnsafeMutableRawBufferPointer {
    precondition(count <= self.count, "the engine was given too little memory")
    return UnsafeMutableRawBufferPointer(rebasing: self[..<count])
  }

  func dropping(_ count: Int) -> UnsafeMutableRawBufferPointer {
    precondition(count <= self.count, "the engine was given too little memory")
    return UnsafeMutableRawBufferPointer(rebasing: self[count...])
  }
}

extension Int {
  func rounded(to multiple: Int) -> Int { (self + multiple - 1) / multiple * multiple }
}
