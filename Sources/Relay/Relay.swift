//  Relay.swift — forwards a gateway's datagrams once, unread, to one destination, and what comes back to the gateway.
//
//  Why.  Where the direct way between two gateways is bad, the way over a host in between is often better. That host
//  shall need neither their keys nor their trust, and shall not become a tool of strangers: so it forwards only for
//  clients that it knows, where they asked it to, as much as they may, and as long as they go on asking.
//
//  How.  A client makes an ordinary session with the relay, from the socket that its path will use. What it asks for in
//  there is a binding:
//
//          client's address  ◀──▶  │ front │ relay │ back 3 │  ◀──▶  destination
//          as the relay sees it             one binding             as the client names it
//
//  There is one front port for all clients, and a few back ports: two bindings to one destination need two of them,
//  since only the port tells then whose the answer is. The driver sorts a read with `DatagramRuns`, and asks once for
//  all that goes on together:
//
//      read ──▶ DatagramRuns ──▶ foreign ────▶ forward(…) ──▶ send over (socket, endpoint) │ drop (verdict)
//                           ├──▶ session ────▶ (opened) ──▶ bind, unbind ──▶ granted │ refused
//                           └──▶ question ───▶ receive(question) ──▶ send the answer │ drop
//
//  Clients move.  An authentic question from another address under the same number moves its binding there; so does one
//  for another destination. An address belongs to who asked from it last: when a translator gives it to another client,
//  the binding that had it ends.
//
//  Two relays.  With each grant the relay asks the client's address whether there is another relay (RelayQuestion). One
//  that is there answers; then the binding ends, and for a minute its client gets nothing new. What it has already was
//  asked as well, and stays.
//
//  Rejected.  A header before each forwarded datagram (it must fit the path, too, and every read would be copied).
//  Binding by session alone, for all sockets of a gateway (a relayed path is one socket's path; a second one would need
//  to say which). Keeping bindings over a restart (they are asked for again within a second of being missed).
//
//  Always true.  (1) What is forwarded comes from a bound address and goes to the other end of the same binding. (2) No
//  stranger hears anything: only a bound destination's question is answered, with as many bytes. (3) A binding ends
//  with its lease. (4) Each binding that ended is told of once. (5) Nothing is allocated while it forwards.
//
//  Not here.  Sessions, keys, sockets. Whether a client receives at the address that he sends from: the driver hands in
//  what he says from there once a ping of the session came back from it, or a client could have others' packets sent to
//  a victim, within his own limits. Addresses are in the form that the sockets give them: IPv4 as IPv4.

public import Primitives
public import Wire

/// Where a datagram came in, or leaves.
public enum RelaySocket: Hashable, Sendable, BitwiseCopyable {
  case front
  case back(UInt16)
}

public struct Relay: ~Copyable {
  public struct Limits: Sendable {
    public var clients: Int
    public var bindings = 10_000
    /// As many clients can have one destination. Each is a port and a socket of the host.
    public var backSockets = 1_024

    public init(clients: Int) { self.clients = clients }
  }

  /// Two of its halves may be lost before a path fails.
  public static let lease: UInt16 = 120
  /// Shorter, and asking costs more than forwarding; longer, and what is forgotten keeps its place.
  public static let leases: ClosedRange<UInt16> = 10...600
  static let banFor = Interval.seconds(60)

  public enum Answer: Equatable, Sendable {
    /// For so many seconds.
    case granted(UInt16)
    case refused(RelayRefused.Reason)

    public func message(_ number: UInt32) -> RelayMessage {
      switch self {
      case .granted(let lease): .granted(RelayGranted(number: number, lease: lease))
      case .refused(let reason): .refused(RelayRefused(number: number, reason: reason))
      }
    }
  }

  public enum Decision: Equatable, Sendable {
    case send(RelaySocket, Endpoint)
    case drop(Verdict)
  }

  public enum Verdict: Equatable, Sendable {
    /// At the front, from no client's address.
    case stranger
    /// At a back port, from where nothing of that port goes to.
    case unasked
    case overRate
    case overDay
    /// A question of nobody's destination, or an answer to none.
    case strayQuestion
    /// The answer that ended a binding.
    case relayed
  }

  public private(set) var counters = Counters()
  /// Back ports from 0 on that are, or were, in use: the driver opens them when the number grows.
  public private(set) var backSockets = 0
  public var destinations: RelayDestinations
  private var bindings: Bindings
  private var admission: Admission
  /// Bindings whose client is to be asked; each is in it once.
  private var asked: RingBuffer<UInt32>
  private let mostBackSockets: Int

  /// `secret` are numbers that nobody can guess.
  public init(_ limits: Limits, destinations: RelayDestinations, secret: (UInt64, UInt64)) {
    precondition((1...1_024).contains(limits.backSockets), "a relay has 1 to 1,024 back ports")
    self.destinations = destinations
    bindings = Bindings(
      capacity: limits.bindings, owners: limits.clients, KeyedHash(low: secret.0, high: secret.1))
    admission = Admission(clients: limits.clients)
    asked = RingBuffer(minimumCapacity: limits.bindings)
    mostBackSockets = limits.backSockets
  }

  /// What the table of bindings takes, its queue of questions included; clients come on top.
  public var footprint: ByteCount {
    var questions = 16
    while questions < bindings.capacity { questions *= 2 }
    return ByteCount(bindings.byteCount + questions * MemoryLayout<UInt32>.stride)
  }

  public var count: Int { bindings.count }

  /// In no order that means anything.
  public func forEach(_ body: (RelayBinding) -> Void) {
    for slot in bindings.records.indices where bindings.records[slot].state == .bound {
      body(RelayBinding(bindings.records[slot]))
    }
  }

  // MARK: Clients

  /// A client's limits, new or changed; nil: it is none any longer, and its bindings end.
  public mutating func setTerms(_ terms: RelayClientTerms?, of client: Int) {
    admission.setTerms(terms, of: client)
    if terms != nil { return }
    while let slot = bindings.first(of: client) { end(slot, .dismissed) }
  }

  /// The client asked for it in its session, from this address. `nonce` is chance of this moment.
  public mutating func bind(
    _ wish: RelayBind, client: Int, from endpoint: Endpoint, nonce: RelayNonce, at now: Instant
  ) -> Answer {
    guard admission.isKnown(client) else { return refuse(.unspecified) }
    guard admission.takeRequest(of: client, at: now) else { return refuse(.tooOften) }
    guard destinations.allow(wish.destination) else { return refuse(.forbidden) }
    let lease =
      wish.lease == 0
      ? Relay.lease : min(max(wish.lease, Relay.leases.lowerBound), Relay.leases.upperBound)
    if let slot = bindings.slot(owner: client, number: wish.number) {
      let isHere = bindings.records[slot].client == endpoint
      let isSame = bindings.records[slot].destination == wish.destination
      if isHere && isSame {
        counters.renewed &+= 1
      } else {
        if admission.isBanned(client, at: now) { return refuse(.relayed) }
        if !isSame {
          guard let socket = takeSocket(to: wish.destination) else { return refuse(.full) }
          bindings.move(slot, destination: wish.destination, socket: socket)
        }
        if !isHere {
          if let other = bindings.slot(client: endpoint) { end(other, .replaced) }
          bindings.move(slot, client: endpoint)
        }
        counters.moved &+= 1
      }
      return grant(slot, lease, nonce, at: now)
    }
    if admission.isBanned(client, at: now) { return refuse(.relayed) }
    let other = bindings.slot(client: endpoint)
    var held = bindings.count(of: client)
    if let other, Int(bindings.records[other].owner) == client { held -= 1 }
    guard held < admission.mostBindings(of: client) else { return refuse(.tooMany) }
    guard !bindings.isFull, let socket = takeSocket(to: wish.destination) else { return refuse(.full) }
    if let other { end(other, .replaced) }
    let slot = bindings.insert(
      owner: client, number: wish.number, client: endpoint, destination: wish.destination, socket: socket)
    counters.granted &+= 1
    return grant(slot, lease, nonce, at: now)
  }

  /// False when there is none with this number.
  @discardableResult
  public mutating func unbind(_ wish: RelayUnbind, client: Int) -> Bool {
    guard let slot = bindings.slot(owner: client, number: wish.number) else {
      counters.unboundUnknown &+= 1
      return false
    }
    end(slot, .unbound)
    return true
  }

  /// The client was started anew, and means other things by its numbers.
  public mutating func unbindAll(client: Int) {
    while let slot = bindings.first(of: client) { end(slot, .unbound) }
  }

  /// Where the client is bound under this number.
  public func endpoint(of number: UInt32, client: Int) -> Endpoint? {
    bindings.slot(owner: client, number: number).map { bindings.records[$0].client }
  }

  private mutating func takeSocket(to destination: Endpoint) -> UInt16? {
    guard let socket = bindings.freeSocket(to: destination, of: mostBackSockets) else { return nil }
    backSockets = max(backSockets, Int(socket) + 1)
    return socket
  }

  private mutating func grant(_ slot: Int, _ lease: UInt16, _ nonce: RelayNonce, at now: Instant) -> Answer {
    bindings.extend(slot, to: now + .seconds(Int64(lease)))
    bindings.records[slot].nonce = nonce
    if !bindings.records[slot].isAsked {
      bindings.records[slot].isAsked = true
      asked.append(UInt32(slot))
    }
    return .granted(lease)
  }

  private mutating func refuse(_ reason: RelayRefused.Reason) -> Answer {
    switch reason {
    case .unspecified: counters.refusedUnknown &+= 1
    case .full: counters.refusedFull &+= 1
    case .tooMany: counters.refusedTooMany &+= 1
    case .forbidden: counters.refusedForbidden &+= 1
    case .relayed: counters.refusedRelayed &+= 1
    case .tooOften: counters.refusedTooOften &+= 1
    }
    return .refused(reason)
  }

  private mutating func end(_ slot: Int, _ reason: RelayRemoval.Reason) {
    bindings.remove(slot, reason)
    switch reason {
    case .lapsed: counters.lapsed &+= 1
    case .unbound: counters.unbound &+= 1
    case .replaced: counters.replaced &+= 1
    case .relayed: counters.relayed &+= 1
    case .dismissed: counters.dismissed &+= 1
    }
  }

  // MARK: Datagrams

  /// Where datagrams go that came together from one source.
  public mutating func forward(
    from source: Endpoint, on socket: RelaySocket, datagrams: Int, bytes: Int, at now: Instant
  ) -> Decision {
    switch socket {
    case .front:
      guard let slot = bindings.slot(client: source) else {
        counters.strangers.count(datagrams, bytes)
        return .drop(.stranger)
      }
      if let verdict = charge(slot, datagrams, bytes, at: now) { return .drop(verdict) }
      bindings.records[slot].toDestination &+= UInt64(bytes)
      counters.toDestinations.count(datagrams, bytes)
      return .send(.back(bindings.records[slot].socket), bindings.records[slot].destination)
    case .back(let number):
      guard let slot = bindings.slot(destination: source, socket: number) else {
        counters.unasked.count(datagrams, bytes)
        return .drop(.unasked)
      }
      if let verdict = charge(slot, datagrams, bytes, at: now) { return .drop(verdict) }
      bindings.records[slot].toClient &+= UInt64(bytes)
      counters.toClients.count(datagrams, bytes)
      return .send(.front, bindings.records[slot].client)
    }
  }

  /// nil when the client may have it.
  @inline(__always)
  private mutating func charge(_ slot: Int, _ datagrams: Int, _ bytes: Int, at now: Instant) -> Verdict? {
    switch admission.take(bytes, of: Int(bindings.records[slot].owner), at: now) {
    case .fine: return nil
    case .overRate:
      counters.overRate.count(datagrams, bytes)
      return .overRate
    case .overDay:
      counters.overDay.count(datagrams, bytes)
      return .overDay
    }
  }

  /// A question or an answer of another relay; neither is ever forwarded. What is to be sent is `question.answer`.
  public mutating func receive(
    _ question: RelayQuestion, from source: Endpoint, on socket: RelaySocket, at now: Instant
  ) -> Decision {
    switch (socket, question.isAnswer) {
    case (.back(let number), false):
      guard let slot = bindings.slot(destination: source, socket: number) else { break }
      if let verdict = charge(slot, 1, RelayQuestion.length, at: now) { return .drop(verdict) }
      counters.questionsAnswered &+= 1
      return .send(socket, source)
    case (.front, true):
      guard let slot = bindings.slot(client: source), bindings.records[slot].nonce == question.nonce else { break }
      admission.ban(Int(bindings.records[slot].owner), until: now + Relay.banFor)
      end(slot, .relayed)
      return .drop(.relayed)
    default: break
    }
    counters.strayQuestions &+= 1
    return .drop(.strayQuestion)
  }

  // MARK: Outputs

  /// What is to be sent to a client's address, over the front port.
  public mutating func nextQuestion() -> (endpoint: Endpoint, question: RelayQuestion)? {
    while let slot = asked.popFirst().map({ Int($0) }) {
      bindings.records[slot].isAsked = false
      if bindings.records[slot].state != .bound { continue }
      counters.questionsAsked &+= 1
      return (bindings.records[slot].client, RelayQuestion(nonce: bindings.records[slot].nonce))
    }
    return nil
  }

  /// What ended. Its place is free from then on.
  public mutating func nextRemoved() -> RelayRemoval? {
    guard let record = bindings.nextLeaving() else { return nil }
    return RelayRemoval(binding: RelayBinding(record), reason: record.end)
  }

  public var deadline: Instant? { bindings.firstEnd?.end }

  /// Ends the leases that are over.
  public mutating func expire(at now: Instant) {
    while let first = bindings.firstEnd, first.end <= now { end(first.slot, .lapsed) }
  }

  /// Checks what is always true; for tests, O(n).
  public func audit() { bindings.audit() }
}
