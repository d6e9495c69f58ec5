//  Bindings.swift — ten thousand pairs of addresses, found from either side in a few nanoseconds.
//
//  Why.  Each read of a socket asks once whose it is: at 10 Gbit/s in reads of 64 KiB that is 19,000 times a second,
//  and at worst, in datagrams of strangers that nobody can merge, a million. A dictionary takes 20 ns and an allocation
//  now and then, and its hash is the same for everybody who knows the seed.
//
//  How.  Records lie in one block and never move. Two indexes lead to them, one from the gateway's address, one from
//  the back socket and the destination together:
//
//                                       ┌──────── record ────────┐
//      client's address ──▶ SlotIndex ──▶ │ client │ destination │ │ ◀── SlotIndex ◀── (back socket, destination)
//                                       └────────────────────────┘
//      client's number ──▶ first ─ next ─ next ─▶ …        a list of each client's, for its question and its limits
//      the next lease that ends ──▶ DeadlineQueue
//
//  A record is free, bound or leaving. Leaving ones are in no index and wait only to be told of; then they are free.
//
//      free ──insert──▶ bound ──remove──▶ leaving ──nextLeaving──▶ free
//
//  The lowest back socket that has no binding to a destination yet is taken, so the sockets in use are as many as the
//  most popular destination has clients, and no more.
//
//  Always true.  (1) No two bound records have the same client's address, or the same socket and destination. (2) A
//  bound record is in both indexes, in its client's list and in the queue of leases; no other one is. (3) Nothing is
//  allocated after `init`. Checked in `audit()`.
//
//  Not here.  Who may have how many, and what it means.
//
//  Cost: 120 bytes a record, 16 for its lease and 26 for both indexes: 162 at 10,000 (`byteCount`). A whole decision of
//  `Relay.forward` takes 17 ns with 10 bindings, 23 with 1,000, and 35 to 42 with 10,000 that speak in random order,
//  since they are not in the first caches then (benchmarks/relay-bench); for strangers 19 to 30 ns.

import Primitives
import Wire

struct Bindings: ~Copyable {
  enum State: UInt8, BitwiseCopyable { case free, bound, leaving }

  struct Record: BitwiseCopyable {
    // What is looked at for each read comes first: one line of the cache.
    var client = Bindings.nobody
    var destination = Bindings.nobody
    var toDestination: UInt64 = 0
    var toClient: UInt64 = 0
    var nonce = RelayNonce(low: 0, high: 0)
    /// Its client, and the client's own number of it.
    var owner: UInt32 = 0
    var number: UInt32 = 0
    /// Of its client's list; of the free or leaving ones otherwise.
    var next: Int32 = -1
    var previous: Int32 = -1
    var socket: UInt16 = 0
    var state = State.free
    /// Its question has not been fetched yet.
    var isAsked = false
    var end = RelayRemoval.Reason.lapsed
  }

  struct Owner: BitwiseCopyable {
    var first: Int32 = -1
    var count: Int32 = 0
  }

  static let nobody = Endpoint(IPAddress(ipv4: 0), port: 0)

  let capacity: Int
  private(set) var count = 0
  /// Others count and note in bound records; what leads to a record changes only here.
  var records: FixedArray<Record>
  private var owners: FixedArray<Owner>
  private var byClient: SlotIndex
  private var byDestination: SlotIndex
  private var leases: DeadlineQueue
  private let hash: KeyedHash
  private var firstFree: Int32
  private var firstLeaving: Int32 = -1
  private var lastLeaving: Int32 = -1

  init(capacity: Int, owners number: Int, _ hash: KeyedHash) {
    precondition(capacity > 0 && capacity < 1 << 24, "a relay has room for some bindings")
    self.capacity = capacity
    self.hash = hash
    records = FixedArray(count: capacity) { slot in
      var record = Record()
      record.next = slot + 1 < capacity ? Int32(slot + 1) : -1
      return record
    }
    owners = FixedArray(count: number) { _ in Owner() }
    byClient = SlotIndex(capacity: capacity)
    byDestination = SlotIndex(capacity: capacity)
    leases = DeadlineQueue(count: capacity)
    firstFree = 0
  }

  /// Of all that grows with the capacity. The queue of leases has a deadline, a place and a place in its heap for each.
  var byteCount: Int {
    capacity * (MemoryLayout<Record>.stride + 16) + byClient.byteCount + byDestination.byteCount
  }

  var isFull: Bool { firstFree < 0 }

  // MARK: Looking up

  @inline(__always)
  private func clientHash(_ client: Endpoint) -> UInt64 {
    hash(client.address.high, client.address.low, UInt64(client.scope) << 32 | UInt64(client.port))
  }

  @inline(__always)
  private func destinationHash(_ destination: Endpoint, _ socket: UInt16) -> UInt64 {
    hash(
      destination.address.high, destination.address.low,
      UInt64(destination.scope) << 32 | UInt64(socket) << 16 | UInt64(destination.port))
  }

  @inline(__always)
  func slot(client: Endpoint) -> Int? {
    let hash = clientHash(client)
    var place = byClient.start(hash)
    while let slot = byClient.next(hash, &place) {
      if records[slot].client == client { return slot }
    }
    return nil
  }

  @inline(__always)
  func slot(destination: Endpoint, socket: UInt16) -> Int? {
    let hash = destinationHash(destination, socket)
    var place = byDestination.start(hash)
    while let slot = byDestination.next(hash, &place) {
      if records[slot].socket == socket && records[slot].destination == destination { return slot }
    }
    return nil
  }

  /// A client has few: its limit bounds the walk.
  func slot(owner: Int, number: UInt32) -> Int? {
    var slot = Int(owners[owner].first)
    while slot >= 0 {
      if records[slot].number == number { return slot }
      slot = Int(records[slot].next)
    }
    return nil
  }

  func first(of owner: Int) -> Int? {
    let slot = Int(owners[owner].first)
    return slot < 0 ? nil : slot
  }

  func count(of owner: Int) -> Int { Int(owners[owner].count) }

  /// The lowest one of these from which nothing goes to the destination. A look-up each: 1,024 take some 15 µs, for a
  /// question that a client may ask `requestsPerSecond` times.
  func freeSocket(to destination: Endpoint, of sockets: Int) -> UInt16? {
    for number in 0..<sockets where slot(destination: destination, socket: UInt16(number)) == nil {
      return UInt16(number)
    }
    return nil
  }

  // MARK: Changing

  /// There is room, and neither the client's address nor the socket with this destination is taken.
  mutating func insert(
    owner: Int, number: UInt32, client: Endpoint, destination: Endpoint, socket: UInt16
  ) -> Int {
    precondition(firstFree >= 0, "there is room for what is inserted")
    let slot = Int(firstFree)
    firstFree = records[slot].next
    var record = Record()
    record.client = client
    record.destination = destination
    record.owner = UInt32(owner)
    record.number = number
    record.socket = socket
    record.state = .bound
    record.isAsked = records[slot].isAsked
    record.next = owners[owner].first
    records[slot] = record
    if record.next >= 0 { records[Int(record.next)].previous = Int32(slot) }
    owners[owner].first = Int32(slot)
    owners[owner].count += 1
    byClient.insert(slot, clientHash(client))
    byDestination.insert(slot, destinationHash(destination, socket))
    count += 1
    return slot
  }

  mutating func move(_ slot: Int, client: Endpoint) {
    byClient.remove(slot, clientHash(records[slot].client))
    records[slot].client = client
    byClient.insert(slot, clientHash(client))
  }

  mutating func move(_ slot: Int, destination: Endpoint, socket: UInt16) {
    byDestination.remove(slot, destinationHash(records[slot].destination, records[slot].socket))
    records[slot].destination = destination
    records[slot].socket = socket
    byDestination.insert(slot, destinationHash(destination, socket))
  }

  mutating func extend(_ slot: Int, to end: Instant) { leases.set(slot, end) }

  /// It is found no longer, and waits to be told of.
  mutating func remove(_ slot: Int, _ reason: RelayRemoval.Reason) {
    precondition(records[slot].state == .bound, "only what is bound can be removed")
    let record = records[slot]
    byClient.remove(slot, clientHash(record.client))
    byDestination.remove(slot, destinationHash(record.destination, record.socket))
    leases.set(slot, nil)
    if record.next >= 0 { records[Int(record.next)].previous = record.previous }
    if record.previous >= 0 {
      records[Int(record.previous)].next = record.next
    } else {
      owners[Int(record.owner)].first = record.next
    }
    owners[Int(record.owner)].count -= 1
    records[slot].state = .leaving
    records[slot].end = reason
    records[slot].next = -1
    if lastLeaving >= 0 { records[Int(lastLeaving)].next = Int32(slot) } else { firstLeaving = Int32(slot) }
    lastLeaving = Int32(slot)
    count -= 1
  }

  /// What left first; its record is free from now on.
  mutating func nextLeaving() -> Record? {
    if firstLeaving < 0 { return nil }
    let slot = Int(firstLeaving)
    let record = records[slot]
    firstLeaving = record.next
    if firstLeaving < 0 { lastLeaving = -1 }
    records[slot].state = .free
    records[slot].next = firstFree
    firstFree = Int32(slot)
    return record
  }

  // MARK: Leases

  var firstEnd: (slot: Int, end: Instant)? {
    guard let first = leases.first else { return nil }
    return (first.machine, first.deadline)
  }

  /// Checks what is always true; for tests, O(n).
  func audit() {
    leases.audit()
    var bound = 0
    for slot in records.indices where records[slot].state == .bound {
      bound += 1
      let record = records[slot]
      precondition(self.slot(client: record.client) == slot, "a binding is not found by its client's address")
      precondition(
        self.slot(destination: record.destination, socket: record.socket) == slot,
        "a binding is not found by its socket and destination")
      precondition(
        self.slot(owner: Int(record.owner), number: record.number) == slot, "a binding is not in its client's list")
    }
    precondition(bound == count, "more or fewer are bound than counted")
    var listed = 0
    for owner in owners.indices {
      var slot = Int(owners[owner].first)
      var length = 0
      while slot >= 0 {
        precondition(records[slot].state == .bound && Int(records[slot].owner) == owner, "a list has another's binding")
        length += 1
        slot = Int(records[slot].next)
      }
      precondition(length == count(of: owner), "a client's list is longer or shorter than it is counted")
      listed += length
    }
    precondition(listed == count, "a binding belongs to nobody")
    precondition(free + leaving + count == capacity, "a record was lost")
  }

  private var free: Int { length(from: firstFree) }
  private var leaving: Int { length(from: firstLeaving) }

  private func length(from first: Int32) -> Int {
    var length = 0
    var slot = first
    while slot >= 0 && length <= capacity {
      length += 1
      slot = records[Int(slot)].next
    }
    return length
  }
}
