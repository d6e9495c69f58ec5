//  RelayEngine.swift — a whole relay without a single system call: datagrams in, and where each of them goes on to.
//
//  Why.  A relay is the least that helps: it knows some gateways by their keys, each may ask it for a few bindings, and
//  what comes from one end of a binding goes to the other, unchanged. It has no keys of what it forwards, so it can
//  neither read nor alter it; who owns a relay can make a path slow, or end it, and that is all.
//
//  How.  One socket for clients (the front) and some for destinations (the back). Of each read of the front:
//
//      a session's number of ours, and it opens     ─▶ its text: questions, bindings
//      a handshake whose first code is for our key  ─▶ the gatekeeper, the client's handshake
//      anything else from the end of a binding      ─▶ goes on, as many datagrams at once as follow each other
//      anything else                                ─▶ silence, and a counter
//
//  and of the back: what comes from a binding's destination goes on to its client, all else is silence.
//
//  Nothing is copied: `nextForward` names a range of what was just received, and where it goes. Only what might be ours
//  is copied, before it is opened, since opening destroys what does not open.
//
//  A client's address is the one from which he asked, once he has shown that he receives there. So a translator that
//  forgets costs a path as long as it takes the gateway to ask again.
//
//  Rejected.  To decide by a header of our own (longer datagrams, and a copy); a session for each datagram that passes
//  (the two ends have one already, and this would be paid for in their MTU and our CPU).
//
//  Always true.  (1) Only who is configured gets an answer, but for cookies. (2) An answer is never longer than what it
//  answers, but for grants and pongs inside a session. (3) What waits to be sent is bounded, and what does not fit is
//  counted.
//
//  Not here.  Bindings, leases and limits (Relay); sockets (RelayLoop in Driver).

public import Handshake
public import Primitives
public import Relay
public import Sealing
public import Wire

/// Some of the bytes that were received last go on, each datagram as it is.
public struct RelayForward: BitwiseCopyable {
  fileprivate let lower: Int
  fileprivate let upper: Int
  public var pieceLength: Int
  public var socket: RelaySocket
  public var remote: Endpoint

  /// Of what was received.
  public var range: Range<Int> { lower..<upper }
}

/// Something of our own to send.
public struct RelayDatagram: BitwiseCopyable {
  public static let mostBytes = 192

  public fileprivate(set) var bytes = InlineArray<192, UInt8>(repeating: 0)
  public fileprivate(set) var count = 0
  public let socket: RelaySocket
  public let remote: Endpoint
  /// Our address that the other side knows; nil: whatever the kernel chooses.
  public let local: IPAddress?

  fileprivate init(socket: RelaySocket, remote: Endpoint, local: IPAddress? = nil) {
    self.socket = socket
    self.remote = remote
    self.local = local
  }
}

public struct RelayEngine: ~Copyable {
  /// Who may ask.
  public struct ClientSettings: Sendable {
    public var name: String
    public var publicKey: PublicKey
    public var presharedKey: KeptSecret?
    public var terms = RelayClientTerms()

    public init(name: String, publicKey: PublicKey, presharedKey: KeptSecret? = nil) {
      self.name = name
      self.publicKey = publicKey
      self.presharedKey = presharedKey
    }
  }

  public struct Settings: Sendable {
    public var clients: [ClientSettings] = []
    public var destinations = RelayDestinations()
    public var mostBindings = 10_000
    public var backSockets = 1_024
    public var wallClockAtZero: WallTime
    public var timing = Handshake.Timing()
    public var strangers = Gatekeeper.Limits()

    public init(wallClockAtZero: WallTime) {
      self.wallClockAtZero = wallClockAtZero
      timing.mostPause = .seconds(1)
    }
  }

  public struct Counters: Equatable, Sendable, BitwiseCopyable {
    /// Too short, or no text that we understand.
    public var malformed: UInt64 = 0
    /// A handshake with a key that nobody here has.
    public var unknownClient: UInt64 = 0
    public var replayed: UInt64 = 0
    /// It had the number of a session of ours, and did not open.
    public var forged: UInt64 = 0
    /// More answers at once than wait here.
    public var unsent: UInt64 = 0
  }

  /// Longer ones are no words to a relay.
  private static let mostOwn = 1_024
  /// A restart with a thousand clients: each has an answer and a question in its hand, one turn long.
  private static let mostOutgoing = 4_096
  /// A read brings so many datagrams at most, and each other one may be ours.
  private static let mostForwards = 128

  let identity: Identity
  let incarnation: UInt64
  var clients: FixedArray<RelayClient>
  private let clientOfKey: [PublicKey: Int]
  var sessions: Sessions
  private var gatekeeper: Gatekeeper
  public var relay: Relay
  var timers: DeadlineQueue
  private var forwards = RingBuffer<RelayForward>(minimumCapacity: RelayEngine.mostForwards)
  private var outgoing = RingBuffer<RelayDatagram>(minimumCapacity: 64)
  private let scratch: UnsafeMutableRawPointer
  public private(set) var counters = Counters()

  /// What settings contradict is said before anything is made.
  public static func make(_ settings: Settings, identity: Identity) throws(SettingsConflict) -> RelayEngine {
    var keys: [PublicKey: Int] = [:]
    for (index, client) in settings.clients.enumerated() {
      if client.publicKey == identity.publicKey { throw .isOurselves(client.name) }
      if let other = keys[client.publicKey] { throw .sameKey(settings.clients[other].name, client.name) }
      keys[client.publicKey] = index
    }
    var probe = Secret()
    probe.withMutableBytes { identity.cryptography.random($0) }
    if let weak = settings.clients.first(where: { identity.cryptography.sharedSecret(probe, $0.publicKey) == nil }) {
      throw .weakKey(weak.name)
    }
    return RelayEngine(settings, identity, keys)
  }

  private init(_ settings: Settings, _ identity: Identity, _ keys: [PublicKey: Int]) {
    let incarnation = identity.cryptography.randomNumber()
    self.incarnation = incarnation
    self.identity = identity
    clientOfKey = keys
    clients = FixedArray(count: settings.clients.count) { index in
      let client = settings.clients[index]
      guard
        let handshake = Handshake(
          identity, remote: client.publicKey, presharedKey: client.presharedKey?.copied(), incarnation: incarnation,
          wallClockAtZero: settings.wallClockAtZero, timing: settings.timing)
      else { preconditionFailure("keys were looked at before") }
      return RelayClient(name: client.name, handshake: handshake)
    }
    sessions = Sessions(peers: settings.clients.count, identity.cryptography)
    gatekeeper = Gatekeeper(identity, limits: settings.strangers)
    var limits = Relay.Limits(clients: settings.clients.count)
    limits.bindings = settings.mostBindings
    limits.backSockets = settings.backSockets
    var made = Relay(
      limits, destinations: settings.destinations,
      secret: (identity.cryptography.randomNumber(), identity.cryptography.randomNumber()))
    for (index, client) in settings.clients.enumerated() { made.setTerms(client.terms, of: index) }
    relay = made
    timers = DeadlineQueue(count: settings.clients.count)
    scratch = .allocate(byteCount: RelayEngine.mostOwn, alignment: 64)
  }

  deinit { scratch.deallocate() }

  // MARK: In

  /// What one read of a socket brought. Take what `nextForward` has before the bytes are used for something else.
  public mutating func receive(
    _ bytes: UnsafeRawBufferPointer, pieceLength: Int, on socket: RelaySocket, from source: Endpoint,
    to local: IPAddress? = nil, at now: Instant
  ) {
    if pieceLength <= 0 { return }
    precondition(forwards.isEmpty, "what was received before is still to be forwarded")
    let way = RelayClient.Way(remote: source, local: local)
    var runs = DatagramRuns(bytes, pieceLength: pieceLength, on: socket)
    while let run = runs.next(isSession: { sessions.slot(of: $0) != nil }) {
      let datagram = UnsafeRawBufferPointer(rebasing: bytes[run.range])
      let isOurs =
        switch run.kind {
        case .foreign: false
        case .session(let number): receiveOwn(datagram, number, from: way, at: now)
        case .initiation: receiveInitiation(datagram, from: way, at: now)
        case .question(let question): receive(question, on: socket, from: way, at: now)
        }
      if !isOurs { forward(run, pieceLength, on: socket, from: source, at: now) }
    }
  }

  /// Datagrams that follow each other, from one end of a binding to the other.
  @inline(__always)
  private mutating func forward(
    _ run: DatagramRuns.Run, _ pieceLength: Int, on socket: RelaySocket, from source: Endpoint, at now: Instant
  ) {
    if forwards.count >= RelayEngine.mostForwards { return }
    guard
      case .send(let socket, let remote) = relay.forward(
        from: source, on: socket, datagrams: run.datagrams, bytes: run.range.count, at: now)
    else { return }
    forwards.append(
      RelayForward(
        lower: run.range.lowerBound, upper: run.range.upperBound, pieceLength: pieceLength, socket: socket,
        remote: remote))
  }

  /// Always for us: neither is ever forwarded.
  private mutating func receive(
    _ question: RelayQuestion, on socket: RelaySocket, from way: RelayClient.Way, at now: Instant
  ) -> Bool {
    if case .send(let socket, let remote) = relay.receive(question, from: way.remote, on: socket, at: now) {
      post(question.answer, on: socket, to: remote)
    }
    return true
  }

  /// False: its first code is not for our key, so it may be for the other end.
  @inline(never)
  private mutating func receiveInitiation(
    _ datagram: UnsafeRawBufferPointer, from way: RelayClient.Way, at now: Instant
  ) -> Bool {
    var origin = InlineArray<18, UInt8>(repeating: 0)
    let address = way.remote.address
    for index in 0..<address.byteCount { origin[index] = address[index] }
    origin[address.byteCount] = UInt8(way.remote.port >> 8)
    origin[address.byteCount + 1] = UInt8(way.remote.port & 0xff)
    let count = address.byteCount + 2
    let admission = withUnsafeBytes(of: &origin) { origin in
      gatekeeper.receive(datagram, from: UnsafeRawBufferPointer(rebasing: origin[..<count]), at: now)
    }
    switch consume admission {
    case .refused(let verdict): return verdict != .wrongCode && verdict != .malformed
    case .answer(let answer): post(answer, on: way)
    case .initiation(let opened):
      guard let index = clientOfKey[opened.remote] else {
        counters.unknownClient &+= 1
        return true
      }
      lendIndices(to: index)
      _ = clients[index].handshake.receive(opened, at: now)
      pump(index, from: way, at: now)
    // A relay asks nobody.
    case .response: break
    case .cookie: break
    }
    return true
  }

  // MARK: Words of clients

  /// False: it does not open, and so it is not for us.
  @inline(never)
  private mutating func receiveOwn(
    _ datagram: UnsafeRawBufferPointer, _ number: UInt32, from way: RelayClient.Way, at now: Instant
  ) -> Bool {
    let length = datagram.count
    guard let header = ClearHeader(datagram), let slot = sessions.slot(of: number), length <= RelayEngine.mostOwn,
      let start = datagram.baseAddress
    else { return false }
    guard sessions.isFresh(header.counter, path: header.path, in: slot) else {
      counters.replayed &+= 1
      return true
    }
    scratch.copyMemory(from: start, byteCount: length)
    let session = sessions[slot].receiving
    let index = Int(session.peer)
    withUnsafeTemporaryAllocation(byteCount: SealingKey.sampleLength, alignment: 16) { sample in
      guard let mask = sample.baseAddress else { return }
      mask.copyMemory(from: scratch + length - DataHeader.tagLength, byteCount: SealingKey.sampleLength)
      session.key.mask(session.key.context, mask, 1, mask)
      Location.toggle(scratch + DataHeader.clearLength, mask: mask)
    }
    let sealed = scratch + DataHeader.length
    let textLength = length - DataHeader.overhead
    guard session.key.open(session.key.context, header.path, header.counter, scratch, sealed, textLength, sealed)
    else {
      counters.forged &+= 1
      return false
    }
    guard sessions.accept(header.counter, path: header.path, in: slot) else {
      counters.replayed &+= 1
      return true
    }
    hear(session: slot, of: index, at: now)
    clients[index].lastHeard = RelayClient.Heard(way: way, path: header.path, at: now)
    guard Location(scratch + DataHeader.clearLength).flags.contains(.control) else {
      counters.malformed &+= 1
      return true
    }
    let text = UnsafeRawBufferPointer(start: sealed, count: textLength)
    receive(text, on: header.path, of: index, from: way, at: now)
    return true
  }

  private mutating func receive(
    _ text: UnsafeRawBufferPointer, on path: UInt8, of index: Int, from way: RelayClient.Way, at now: Instant
  ) {
    var reader = ControlReader(text)
    while let message = reader.next() {
      switch message {
      case .probe(let probe):
        switch probe.kind {
        case .ping:
          tell(index, on: path, way) {
            $0.append(ControlMessage(.pong, mark: probe.mark)) && $0.append(Sighting(way.remote))
          }
        case .pong: proved(probe.mark, by: index, on: path, from: way, at: now)
        }
      case .relay(.bind(let bind)): consider(bind, of: index, on: path, from: way, at: now)
      case .relay(.unbind(let unbind)): relay.unbind(unbind, client: index)
      // A gateway says so to everybody whom it answers; a relay's own address is its operator's business.
      case .sighting: break
      // What gateways tell each other: paths over us are theirs.
      case .report, .size, .terms, .plan, .giveUp, .relay(.granted), .relay(.refused): counters.malformed &+= 1
      }
    }
    if reader.isBroken { counters.malformed &+= 1 }
  }

  /// Who is not known to receive where he sends from is asked first, or a client could have others' packets sent to
  /// somebody who never asked for them.
  private mutating func consider(
    _ bind: RelayBind, of index: Int, on path: UInt8, from way: RelayClient.Way, at now: Instant
  ) {
    if relay.endpoint(of: bind.number, client: index) == way.remote {
      return answer(bind, of: index, on: path, from: way, at: now)
    }
    let mark = identity.cryptography.randomNumber()
    clients[index].note(RelayClient.Wish(bind: bind, remote: way.remote, mark: mark))
    tell(index, on: path, way) { $0.append(ControlMessage(.ping, mark: mark)) }
  }

  private mutating func proved(
    _ mark: UInt64, by index: Int, on path: UInt8, from way: RelayClient.Way, at now: Instant
  ) {
    guard let wish = clients[index].take(mark, from: way.remote) else {
      return clients[index].probed(mark, at: now)
    }
    answer(wish.bind, of: index, on: path, from: way, at: now)
  }

  private mutating func answer(
    _ bind: RelayBind, of index: Int, on path: UInt8, from way: RelayClient.Way, at now: Instant
  ) {
    let answer = relay.bind(bind, client: index, from: way.remote, nonce: nonce(), at: now)
    tell(index, on: path, way) { $0.append(answer.message(bind.number)) }
  }

  private func nonce() -> RelayNonce {
    RelayNonce(low: identity.cryptography.randomNumber(), high: identity.cryptography.randomNumber())
  }

  // MARK: Handshakes

  private mutating func hear(session slot: Int, of index: Int, at now: Instant) {
    if sessions[slot].isHeard { return }
    sessions.noteHeard(slot)
    if sessions[slot].incarnation != clients[index].incarnation {
      // The gateway was started anew, and its numbers mean something else.
      clients[index].incarnation = sessions[slot].incarnation
      relay.unbindAll(client: index)
    }
    clients[index].handshake.confirm(sessions[slot].localIndex, at: now)
    pump(index, from: nil, at: now)
  }

  /// Takes everything that a handshake has for us. We never ask: who wants something forwarded keeps the keys fresh.
  private mutating func pump(_ index: Int, from way: RelayClient.Way?, at now: Instant) {
    clients[index].handshake.cease()
    if let session = clients[index].handshake.nextSession() {
      sessions.install(session, peer: UInt32(index), at: now)
    }
    while let retired = clients[index].handshake.nextRetired() { sessions.giveBack(retired) }
    lendIndices(to: index)
    while let message = clients[index].handshake.nextMessage() { if let way { post(message, on: way) } }
    clients[index].current = clients[index].handshake.sendingIndex.flatMap { sessions.slot(of: $0) }
    timers.set(index, clients[index].deadline)
  }

  private mutating func lendIndices(to index: Int) {
    while clients[index].handshake.wantsIndex, let number = sessions.lend(to: index) {
      clients[index].handshake.lend(number)
    }
  }

  // MARK: Out

  public mutating func nextForward() -> RelayForward? { forwards.popFirst() }

  public mutating func nextDatagram() -> RelayDatagram? {
    while let (endpoint, question) = relay.nextQuestion() { post(question, on: .front, to: endpoint) }
    while relay.nextRemoved() != nil {}
    return outgoing.popFirst()
  }

  private mutating func post(_ question: RelayQuestion, on socket: RelaySocket, to remote: Endpoint) {
    var datagram = RelayDatagram(socket: socket, remote: remote)
    datagram.count = RelayQuestion.length
    withUnsafeMutableBytes(of: &datagram.bytes) { bytes in
      guard let start = bytes.baseAddress else { return }
      question.write(to: start)
    }
    append(datagram)
  }

  private mutating func post(_ message: HandshakeMessage, on way: RelayClient.Way) {
    var datagram = RelayDatagram(socket: .front, remote: way.remote, local: way.local)
    message.withBytes { text in
      datagram.count = text.count
      withUnsafeMutableBytes(of: &datagram.bytes) { $0.copyMemory(from: text) }
    }
    append(datagram)
  }

  /// Words to a client, in his current session.
  mutating func tell(
    _ index: Int, on path: UInt8, _ way: RelayClient.Way, _ words: (inout ControlWriter) -> Bool
  ) {
    guard let current = clients[index].current else { return }
    tell(index, on: path, way, with: current, words)
  }

  private mutating func tell(
    _ index: Int, on path: UInt8, _ way: RelayClient.Way, with slot: Int, _ words: (inout ControlWriter) -> Bool
  ) {
    let session = sessions[slot].sending
    var datagram = RelayDatagram(socket: .front, remote: way.remote, local: way.local)
    clients[index].counter &+= 1
    let counter = clients[index].counter
    withUnsafeMutableBytes(of: &datagram.bytes) { bytes in
      guard let start = bytes.baseAddress else { return }
      withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { room in
        var writer = ControlWriter(room)
        guard words(&writer), let text = room.baseAddress else {
          preconditionFailure("an answer of a relay fits 64 bytes")
        }
        ClearHeader(path: path, receiver: session.remoteIndex, counter: counter).write(to: start)
        Location(lane: 0, flags: .control, segment: 0, length: 0, offset: 0, segmentSize: 0)
          .write(to: start + DataHeader.clearLength)
        session.key.seal(
          session.key.context, path, counter, start, text, writer.written, start + DataHeader.length)
        let length = DataHeader.overhead + writer.written
        // The sample is what the text was sealed with; the room is free again.
        text.copyMemory(from: start + length - DataHeader.tagLength, byteCount: SealingKey.sampleLength)
        session.key.mask(session.key.context, text, 1, text)
        Location.toggle(start + DataHeader.clearLength, mask: text)
        datagram.count = length
      }
    }
    sessions.noteSealed(bytes: datagram.count, by: session)
    append(datagram)
  }

  private mutating func append(_ datagram: RelayDatagram) {
    if outgoing.count >= RelayEngine.mostOutgoing {
      counters.unsent &+= 1
    } else {
      outgoing.append(datagram)
    }
  }

  // MARK: Time

  public var deadline: Instant? {
    guard let first = timers.first?.deadline else { return relay.deadline }
    return relay.deadline.map { min($0, first) } ?? first
  }

  public mutating func expire(at now: Instant) {
    while let first = timers.first, first.deadline <= now {
      timers.set(first.machine, nil)
      expireProbes(of: first.machine, at: now)
      clients[first.machine].handshake.expire(at: now)
      pump(first.machine, from: nil, at: now)
    }
    if let due = relay.deadline, due <= now { relay.expire(at: now) }
  }
}
