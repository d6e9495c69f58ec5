//  Relayed.swift — ways to a peer that lead over a relay.
//
//  Why.  The direct way between two sites is often not the best: over a third place it may be shorter, or lose less, or
//  just be one more. A relay forwards our datagrams once, unchanged; so to everything above it is a path like any
//  other, which is measured, striped over, governed and shown like any other.
//
//  How.  A relay is a peer to whom no packet goes: the same handshake, the same sessions, questions and paths. What is
//  particular is that each way over it has a socket of its own (`RelaySlot`), and that two things go over that socket:
//
//                        ┌─ session with the relay: "to 198.51.100.7:51820, please" ─▶ granted
//      slot (fibre's) ───┤                                                                │
//                        └─ session with the peer: a path to the relay's address ◀────────┘ ═▶ relay ═▶ peer
//
//  Which of the two a datagram belongs to its receiver's number says, here and there. The other gateway need not know
//  of any of it: he hears his peer from one more address, and answers there.
//
//      setRelays ─▶ free slot of each own path ─▶ relay answers there ─▶ ask ─▶ granted ─▶ path, up when a pong comes
//                                                     ▲                          │
//                       the path falls silent: is the relay there? ◀─────────────┘ nothing comes: his next address
//
//  Rejected.  A header of our own for the relay to read (every datagram would be longer, and the relay's copy would
//  cost it a pass over the bytes); one socket for all ways (a translator or the relay could not tell them apart by
//  address, and would have to be told in each datagram).
//
//  Always true.  (1) A slot's socket carries nothing but what is for its relay or over it. (2) A relay has no lanes,
//  no allowed addresses and no flows. (3) What a slot carries is billed to the path whose interface it uses.
//
//  Not here.  Which relays serve a peer. The relay itself (RelayEngine).

import Handshake
import PathMTU
public import Primitives
import Wire

extension Engine {
  /// Translators forget after 30 s and more, and a relay would not know us any more; and its lease is kept so as well.
  static let relayKeepalive = Interval.seconds(15)

  func isRelay(_ index: Int) -> Bool { peers[index].kind == .relay }

  /// Whether what is for this peer may leave by this socket while nobody knows better.
  func mayUse(_ socket: Int, for index: Int) -> Bool {
    if !localPlaces.open.has(socket) { return false }
    if localPaths[socket].carrier == nil { return peers[index].kind == .gateway }
    return isRelay(index) && !slots[socket].isFree && Int(slots[socket].relay) == index
  }

  /// The path whose interface a socket uses: its own, or the one that a slot belongs to.
  @inline(__always)
  func carrier(of socket: UInt8) -> Int { localPaths[Int(socket)].carrier ?? Int(socket) }

  // MARK: Which relays serve whom

  /// These relays, by their places in the settings, the best first. What is used already stays as it is; who is not
  /// among them any more goes.
  public mutating func setRelays(_ relays: [Int], ofPeer index: Int, at now: Instant) {
    let wanted = relays.map { UInt32(relayPlaces[$0]) }
    for socket in localPlaces.slots where serves(socket, index) && !wanted.contains(slots[socket].relay) {
      release(socket, at: now)
    }
    for relay in wanted {
      for path in localPlaces.paths {
        let ofPath = localPlaces.slots.filter { localPaths[$0].carrier == path }
        if ofPath.contains(where: { serves($0, index) && slots[$0].relay == relay }) { continue }
        if let socket = ofPath.first(where: { isProbing($0, relay) }) {
          slots[socket].serve(UInt32(index), at: now)
          slotsChanged(of: Int(relay), at: now)
          continue
        }
        guard let socket = ofPath.first(where: { slots[$0].isFree }) else {
          counters.count(.noSlot)
          continue
        }
        slots[socket].assign(peer: UInt32(index), relay: relay, at: now)
      }
      meet(Int(relay), at: now)
    }
  }

  private func serves(_ socket: Int, _ index: Int) -> Bool {
    localPaths[socket].carrier != nil && !slots[socket].isFree && Int(slots[socket].peer) == index
  }

  func isProbing(_ socket: Int, _ relay: UInt32) -> Bool {
    !slots[socket].isFree && slots[socket].servesNobody && slots[socket].relay == relay
  }

  mutating func release(_ socket: Int, at now: Instant) {
    let relay = Int(slots[socket].relay)
    let peer = slots[socket].servesNobody ? nil : Int(slots[socket].peer)
    if peer != nil, let place = place(of: socket, in: relay) { unbind(place, of: relay, at: now) }
    // One to each of its addresses; none may outlive the slot, which another relay gets.
    for place in 0..<PeerPath.mostPaths where peers[relay].isUsed(place) {
      if Int(peers[relay].paths[place].route.socket) == socket { forget(place, of: relay, at: now) }
    }
    if let peer, let place = place(of: socket, in: peer) {
      forget(place, of: peer, at: now)
      pathsChanged(of: peer, at: now)
    }
    slots[socket].release()
    slotsChanged(of: relay, at: now)
  }

  /// A relay may have several addresses, of which only some can be reached from here.
  func place(of socket: Int, in index: Int) -> Int? {
    peers[index].firstPlace { Int($0.route.socket) == socket && $0.liveness.state == .up }
      ?? peers[index].firstPlace { Int($0.route.socket) == socket }
  }

  /// Greets a relay that somebody needs, or looks for it over sockets that are new.
  mutating func meet(_ relay: Int, at now: Instant) {
    if peers[relay].current != nil {
      // While nobody needed it, its keys were not to be renewed.
      peers[relay].handshake.resume(at: now)
      peerDeadlineChanged(relay, at: now)
      return seekPaths(of: relay, at: now)
    }
    lendIndices(to: relay)
    peers[relay].since = now
    peers[relay].handshake.begin(at: now)
    pump(relay, from: nil, at: now)
  }

  // MARK: What happens

  /// A relay's sockets answer, or do not any more.
  mutating func relayPathsChanged(_ relay: Int, at now: Instant) {
    for place in 0..<PeerPath.mostPaths where peers[relay].isUsed(place) {
      let socket = Int(peers[relay].paths[place].route.socket)
      let liveness = peers[relay].paths[place].liveness
      if liveness.state == .up && liveness.isAnswered {
        slots[socket].relayAnswers(at: now)
      } else if liveness.state == .down {
        slots[socket].relayIsSilent()
      }
    }
    slotsChanged(of: relay, at: now)
  }

  /// The relay was started anew: it knows nothing of us.
  mutating func relayIsNew(_ relay: Int, at now: Instant) {
    for place in 0..<PeerPath.mostPaths where peers[relay].isUp(place) {
      let socket = Int(peers[relay].paths[place].route.socket)
      slots[socket].relayIsSilent()
      slots[socket].relayAnswers(at: now)
    }
    slotsChanged(of: relay, at: now)
  }

  mutating func receive(_ granted: RelayGranted, on place: Int, of relay: Int, at now: Instant) {
    guard let socket = slot(granted.number, on: place, of: relay) else { return counters.count(.oddGrant) }
    slots[socket].granted(for: .seconds(Int64(granted.lease)), at: now)
    slotsChanged(of: relay, at: now)
    let index = Int(slots[socket].peer)
    if let place = self.place(of: socket, in: index) {
      // Somebody else may forward it now.
      peers[index].paths[place].liveness.askNow(at: now)
      return peerDeadlineChanged(index, at: now)
    }
    guard let id = peers[index].freshID() else { return counters.count(.tooManyPaths) }
    let route = peers[relay].paths[place].route
    let size = PathMTU(mtu: localPaths[socket].mtu, to: route.remote)
    let path = PeerPath(
      id: id, peer: UInt32(index), route: route, size: size, isOurs: true, keepalive: Engine.relayKeepalive, at: now)
    guard let found = peers[index].add(path, size, at: now) else { return counters.count(.tooManyPaths) }
    limitChanged(found, of: index, at: now)
    peerDeadlineChanged(index, at: now)
  }

  mutating func receive(_ refused: RelayRefused, on place: Int, of relay: Int, at now: Instant) {
    guard let socket = slot(refused.number, on: place, of: relay) else { return counters.count(.oddGrant) }
    slots[socket].refused(at: now)
    report(.relayRefused, peer: relay, path: place)
    let index = Int(slots[socket].peer)
    if let place = self.place(of: socket, in: index) {
      forget(place, of: index, at: now)
      pathsChanged(of: index, at: now)
    }
    slotsChanged(of: relay, at: now)
  }

  /// The socket that an answer is about: the one on which we asked, under the name of that path.
  private func slot(_ number: UInt32, on place: Int, of relay: Int) -> Int? {
    guard isRelay(relay), number == UInt32(peers[relay].paths[place].id) else { return nil }
    let socket = Int(peers[relay].paths[place].route.socket)
    let slot = slots[socket]
    return slot.isFree || slot.servesNobody || Int(slot.relay) != relay ? nil : socket
  }

  /// A path over a relay came up, or is not heard any more.
  mutating func noteSlot(_ place: Int, of index: Int, isUp: Bool, at now: Instant) {
    let socket = Int(peers[index].paths[place].route.socket)
    guard localPaths[socket].carrier != nil, !isRelay(index), serves(socket, index) else { return }
    if isUp { slots[socket].pathIsUp() } else { slots[socket].pathIsDown(at: now) }
    slotsChanged(of: Int(slots[socket].relay), at: now)
    if !isUp { suspectRelay(of: place, index, at: now) }
  }

  /// A question came back: the peer's address that the relay forwards to is the right one, also when the path was never
  /// believed to be down while the relay was started anew.
  mutating func noteSlotAnswered(_ place: Int, of index: Int) {
    let socket = Int(peers[index].paths[place].route.socket)
    if localPaths[socket].carrier != nil, serves(socket, index) { slots[socket].pathIsUp() }
  }

  /// Nothing comes over it. Perhaps the relay does not know us any more: it was started anew, or we have another
  /// address. So it is asked as soon as the peer is.
  mutating func suspectRelay(of place: Int, _ index: Int, at now: Instant) {
    let socket = Int(peers[index].paths[place].route.socket)
    guard localPaths[socket].carrier != nil, !isRelay(index), serves(socket, index) else { return }
    let relay = Int(slots[socket].relay)
    // At all its addresses together: while one of them was not asked, nobody would think that it has lost our keys.
    for place in 0..<PeerPath.mostPaths where peers[relay].isUsed(place) {
      let path = peers[relay].paths[place]
      if Int(path.route.socket) != socket || path.liveness.unansweredSince != nil { continue }
      peers[relay].paths[place].liveness.askNow(at: now)
      peerDeadlineChanged(relay, at: now)
    }
  }

  // MARK: Time

  mutating func slotsChanged(of relay: Int, at now: Instant) {
    var due: Instant?
    var isNeeded = false
    for socket in localPlaces.slots where !slots[socket].isFree && Int(slots[socket].relay) == relay {
      isNeeded = true
      if let other = slots[socket].deadline { due = min(due ?? other, other) }
    }
    // Nobody needs fresh keys any more.
    if !isNeeded { peers[relay].handshake.cease() }
    peers[relay].slotsDue = due
    peerDeadlineChanged(relay, at: now)
  }

  /// What is due at the slots of a relay.
  mutating func expireSlots(of relay: Int, at now: Instant) {
    guard let due = peers[relay].slotsDue, due <= now else { return }
    for socket in localPlaces.slots where !slots[socket].isFree && Int(slots[socket].relay) == relay {
      switch slots[socket].expire(at: now) {
      case .wait: break
      case .ask(let address): ask(socket, address, of: relay, at: now)
      case .probe: probe(socket, of: relay, at: now)
      case .release: release(socket, at: now)
      }
    }
    slotsChanged(of: relay, at: now)
  }

  private mutating func ask(_ socket: Int, _ address: Int, of relay: Int, at now: Instant) {
    let endpoints = peers[Int(slots[socket].peer)].settings.endpoints
    guard let place = place(of: socket, in: relay), !endpoints.isEmpty else { return }
    let bind = RelayBind(
      number: UInt32(peers[relay].paths[place].id), destination: endpoints[address % endpoints.count],
      lease: UInt16(RelaySlot.lease.nanoseconds / 1_000_000_000))
    tell(relay, on: place, at: now) { $0.append(.bind(bind)) }
  }

  private mutating func unbind(_ place: Int, of relay: Int, at now: Instant) {
    let unbind = RelayUnbind(number: UInt32(peers[relay].paths[place].id))
    tell(relay, on: place, at: now) { $0.append(.unbind(unbind)) }
  }

  private mutating func tell(_ relay: Int, on place: Int, at now: Instant, _ words: (inout ControlWriter) -> Bool) {
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { room in
      var writer = ControlWriter(room)
      guard words(&writer) else { preconditionFailure("a question to a relay fits 64 bytes") }
      sendControl(
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[..<writer.written]), on: place, of: relay, at: now
      )
    }
  }
}
