//  Contact.swift — how two gateways come to share keys, and what happens when they do.
//
//  A peer whose address we know is greeted at once, over every pair of our sockets and his addresses; copies of a
//  greeting are answered once. With the keys come the paths (Ways.swift). Keys change without a pause: what was sealed
//  before still opens, and nobody seals with keys that the other may not have.
//
//      begin ──initiation──▶ all pairs ──response──▶ session ──ping on each pair──▶ pong: the path is up
//
//      the other side: initiation ──▶ session (unconfirmed) ──anything authentic──▶ confirmed, path adopted
//
//  When the other gateway is another run of itself (incarnation), nothing of before is worth keeping: its sessions go,
//  since late datagrams of theirs would end up in lanes that count anew; and both sides' lanes count from zero. That
//  happens with the first proof that it is there: the answer to a question of ours, or a datagram with the new keys.
//
//  Always true.  (1) A session that is not confirmed by the other side seals nothing. (2) After each input to a
//  handshake all of its outputs are taken (`pump`).

import Handshake
import PathHealth
import Primitives
import Resequencer
import Sealing
import Wire

extension Engine {
  // MARK: Messages that are no data

  mutating func receiveOther(_ message: UnsafeRawBufferPointer, _ route: Route, at now: Instant) {
    var source = InlineArray<18, UInt8>(repeating: 0)
    let address = route.remote.address
    for index in 0..<address.byteCount { source[index] = address[index] }
    source[address.byteCount] = UInt8(route.remote.port >> 8)
    source[address.byteCount + 1] = UInt8(route.remote.port & 0xff)
    let count = address.byteCount + 2
    let admission = withUnsafeBytes(of: &source) { source in
      gatekeeper.receive(message, from: UnsafeRawBufferPointer(rebasing: source[..<count]), at: now)
    }
    switch consume admission {
    case .refused: break
    case .answer(let answer): post(answer, on: route)
    case .initiation(let opened):
      guard let index = peerOfKey[opened.remote] else { return counters.count(.unknownPeer) }
      _ = peers[index].handshake.receive(opened, at: now)
      pump(index, from: route, at: now)
    case .response(let receiver): receiveAnswer(message, for: receiver, route, at: now)
    case .cookie(let receiver): receiveAnswer(message, for: receiver, route, at: now)
    }
  }

  private mutating func receiveAnswer(
    _ message: UnsafeRawBufferPointer, for receiver: UInt32, _ route: Route, at now: Instant
  ) {
    guard let index = sessions.peer(of: receiver) else { return counters.count(.stranger) }
    _ = peers[index].handshake.receive(message, at: now)
    pump(index, from: route, at: now)
  }

  /// The first authentic datagram of a session: now it is certain that the other side has these keys, and which run of
  /// it that is.
  mutating func hear(session slot: Int, of index: Int, at now: Instant) {
    sessions.noteHeard(slot)
    if isAnew(slot, of: index) { begin(anew: index, with: slot, at: now) }
    peers[index].handshake.confirm(sessions[slot].localIndex, at: now)
    pump(index, from: nil, at: now)
  }

  // MARK: After each input to a handshake

  /// Takes everything that a handshake has for us. `route` is where the input came from, if it was a message.
  mutating func pump(_ index: Int, from route: Route?, at now: Instant) {
    if let session = peers[index].handshake.nextSession() { install(session, for: index, at: now) }
    while let retired = peers[index].handshake.nextRetired() {
      closeBatches(of: index)
      sessions.giveBack(retired)
    }
    lendIndices(to: index)
    while let message = peers[index].handshake.nextMessage() {
      if message.isAnswer, let route { post(message, on: route) } else { spread(message, to: index, at: now) }
    }
    var sending = peers[index].handshake.sendingIndex.flatMap { sessions.slot(of: $0) }
    // Keys of before serve until there are new ones.
    if sending == nil { sending = peers[index].inherited?.slot }
    if sending != peers[index].current {
      let wasConnected = peers[index].current != nil
      closeBatches(of: index)
      peers[index].current = sending
      if wasConnected != (sending != nil) { peers[index].since = now }
      if sending != nil {
        report(wasConnected ? .rekeyed : .connected, peer: index, path: nil)
        greetPaths(of: index, at: now)
      } else {
        report(.disconnected, peer: index, path: nil)
      }
    }
    if let number = peers[index].handshake.nextProof(), let slot = sessions.slot(of: number) {
      prove(slot, to: index, at: now)
    }
    peerDeadlineChanged(index, at: now)
  }

  /// The other side waits for a first datagram of this session before it may send.
  private mutating func prove(_ session: Int, to index: Int, at now: Instant) {
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      send(ControlMessage(.ping, mark: now.nanoseconds), on: place, of: index, with: session, at: now)
    }
  }

  mutating func lendIndices(to index: Int) {
    while peers[index].handshake.wantsIndex, let number = sessions.lend(to: index) {
      peers[index].handshake.lend(number)
    }
  }

  private mutating func install(_ session: consuming NewSession, for index: Int, at now: Instant) {
    let slot = Int(session.localIndex & 0xffff)
    let isAnswer = session.isInitiator
    sessions.install(session, peer: UInt32(index), at: now)
    // An answer to our question is fresh. A question may be an old one that somebody kept: it changes nothing until he
    // who asks has shown that he has the keys.
    if isAnswer && isAnew(slot, of: index) { begin(anew: index, with: slot, at: now) }
  }

  /// The other gateway was started since: all of before is void, but for the session with the new run.
  private mutating func begin(anew index: Int, with kept: Int, at now: Instant) {
    closeBatches(of: index)
    dropParts(of: index)
    guarded.reset(peer: index)
    if peers[index].inherited != nil { endInheritance(of: index, at: now) }
    // Nobody will ever report what was sent before, and his clock is another one.
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      disown(place, of: index)
      peers[index].beliefs[place] = PathBelief(
        path: peers[index].paths[place].id, size: peers[index].beliefs[place].size, at: now)
      peers[index].paths[place].told = ToldTerms()
      limitChanged(place, of: index, at: now)
    }
    peers[index].clock = PeerClock()
    for slot in index * Sessions.perPeer..<(index + 1) * Sessions.perPeer where slot != kept { sessions.destroy(slot) }
    if peers[index].current != kept { peers[index].current = nil }
    peers[index].incarnation = sessions[kept].incarnation
    peers[index].resetLanes()
    peers[index].provesFrom = now + Engine.mostPatience
    // His datagrams are counted anew: what comes from another address now is newer than anything before.
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) { peers[index].paths[place].newestHeard = 0 }
    if isRelay(index) { return relayIsNew(index, at: now) }
    if let laneSet = peers[index].laneSet {
      resequencer.reset(laneSet)
    } else if let laneSet = resequencer.open() {
      peers[index].laneSet = laneSet
      peerOfLanes[laneSet.number] = UInt32(index)
    }
  }

  /// New keys: look for paths that are not there yet, and let the other side see the keys on those that are.
  private mutating func greetPaths(of index: Int, at now: Instant) {
    seekPaths(of: index, at: now)
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      peers[index].paths[place].liveness.askNow(at: now)
    }
    pathsChanged(of: index, at: now)
    expirePaths(of: index, at: now)
  }

  // MARK: Sending what is no data

  mutating func post(_ message: HandshakeMessage, on route: Route) {
    let isTaken = message.withBytes { batches.append(message: $0, on: route) }
    if !isTaken { counters.count(.noBatch) }
  }

  /// A question goes over the paths that are up; when none is, or none answers, to wherever the peer may be.
  private mutating func spread(_ message: HandshakeMessage, to index: Int, at now: Instant) {
    var isSent = false
    if peers[index].current != nil && !isSilent(index, at: now) {
      for place in 0..<PeerPath.mostPaths
      where peers[index].isUsed(place) && peers[index].paths[place].liveness.state == .up {
        post(message, on: peers[index].paths[place].route)
        isSent = true
      }
    }
    if isSent { return }
    for endpoint in peers[index].settings.endpoints {
      for socket in localPlaces.all where mayUse(socket, for: index) {
        post(message, on: route(from: socket, to: endpoint))
      }
    }
    if isRelay(index) { return }
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      let path = peers[index].paths[place]
      if !localPlaces.open.has(Int(path.route.socket)) { continue }
      if !path.isOurs || localPaths[Int(path.route.socket)].carrier != nil { post(message, on: path.route) }
    }
  }

  // MARK: Time

  /// Begins to look for everybody whose address we know.
  mutating func begin(at now: Instant) {
    for index in peers.indices { begin(index, at: now) }
  }

  mutating func begin(_ index: Int, at now: Instant) {
    lendIndices(to: index)
    peers[index].since = now
    // A relay is greeted when somebody needs it.
    if peers[index].settings.endpoints.isEmpty || peers[index].kind != .gateway { return }
    peers[index].handshake.begin(at: now)
    pump(index, from: nil, at: now)
  }

  /// What is due for one peer.
  mutating func expirePeer(_ index: Int, at now: Instant) {
    peers[index].armed = nil
    if let until = peers[index].inherited?.until, until <= now {
      endInheritance(of: index, at: now)
      pump(index, from: nil, at: now)
    }
    if let due = peers[index].handshake.deadline, due <= now {
      peers[index].handshake.expire(at: now)
      pump(index, from: nil, at: now)
    }
    if let provesFrom = peers[index].provesFrom, provesFrom <= now {
      peers[index].provesFrom = nil
      pathsChanged(of: index, at: now)
    }
    expirePaths(of: index, at: now)
    if isRelay(index) {
      expireSlots(of: index, at: now)
    } else {
      expireBeliefs(of: index, at: now)
      expireSizes(of: index, at: now)
      sendReports(of: index, at: now)
      expireSteering(of: index, at: now)
    }
    if peers[index].pathCount == 0 && peers[index].settings.endpoints.isEmpty {
      // Nobody knows where he is: he will come.
      peers[index].handshake.cease()
    } else if isSilent(index, at: now) {
      peers[index].handshake.begin(at: now)
      pump(index, from: nil, at: now)
    }
    peerDeadlineChanged(index, at: now)
  }

  /// The engine must look at this peer when something of his is due. Early is harmless: then it looks and waits again.
  /// So a deadline that moves back, as the clocks of busy paths do with each answer, costs nothing.
  @inline(__always)
  mutating func peerDeadlineChanged(_ index: Int, at now: Instant) {
    guard let due = peers[index].deadline else { return }
    if let armed = peers[index].armed, armed <= due { return }
    peers[index].armed = due
    timers.set(index, due)
  }
}
