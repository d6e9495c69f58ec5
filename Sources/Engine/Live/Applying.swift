//  Applying.swift — a running gateway becomes what other settings say, between two turns.
//
//  Why.  Whoever changes a rule or adds a branch must not restart the gateway for it: a restart ends every session, and
//  each flow waits for it. And a file with a mistake must change nothing at all.
//
//  How.  Everything that can be wrong is found first; then the difference is made, in an order in which no step needs a
//  later one:
//
//      settings ─▶ examine ──▶ SettingsConflict: nothing happened
//                     │
//                     ▼         driver: opens the sockets of what comes; one fails: nothing happened
//                  Change ──▶ apply:  own key ▶ paths, slots ▶ relays ▶ peers ▶ who has what addresses ▶ classes, rules
//                                                                                      │
//                            places that leave: `nextClosing` ─▶ driver closes ─▶ `closed(place)`
//
//  What is the same stays untouched: a path is known by its name and its socket, a peer and a relay by the public key.
//  What changes in place changes in place: tier, price, limit, budget, weight and MTU of a path, and our address on it;
//  a peer's name, addresses, keepalive; with another preshared key there is a handshake at once, and the session that
//  there is serves until it is done.
//
//  Flows.  Nobody walks over 100,000 of them. Rules have a revision (`Rules`); it moves on when rules, classes, paths
//  or addresses of peers did, and a flow is decided again at its next packet. What already waits of it goes to whom its
//  addresses belong now (`Inlet.flush`), so that nothing reaches who took the place of its peer. A flow whose plan
//  comes out the same keeps its lane, its path and its place in the queues: nothing of it is lost and nothing
//  overtakes.
//
//  Rejected.  A second engine beside the first one and moving what is alive (everything that is on its way has the
//  numbers of the first); changing single fields through a call each (a file's meaning is its whole: two peers that
//  exchange an address would be a conflict whichever comes first).
//
//  Always true.  (1) After `examine` nothing has changed, after `apply` nothing can fail. (2) A place of a peer, a
//  relay or a socket is somebody else's only when nothing of before is left in it. (3) Memory grows with the most peers
//  there ever were at one time, by doubling, and with nothing else.
//
//  Not here.  Where settings come from, sockets, names (Driver). Cost: linear in peers; nothing for a packet.

public import Handshake
public import Primitives
import Resequencer
import Sealing

extension Engine {
  /// What other settings come to, here and now. Void after anything else was applied.
  public struct Change: Sendable {
    let settings: GatewaySettings
    let identity: Identity?
    let arrangement: LocalPlaces.Arrangement

    /// Sockets that are needed: which of the settings' paths, and the place that it gets.
    public var coming: [(path: Int, place: Int)] {
      arrangement.coming.compactMap { number in arrangement.places[number].map { (number, $0) } }
    }
    /// Some have to wait until others have gone: the same again after the next `nextClosing`.
    public var isIncomplete: Bool { arrangement.places.contains { $0 == nil } }
    /// For each of the settings' paths.
    public var places: [Int?] { arrangement.places }
  }

  /// `identity`: ours from now on, when that is another.
  public func examine(_ settings: GatewaySettings, identity: Identity? = nil) throws(SettingsConflict) -> Change {
    let other = identity?.publicKey == self.identity.publicKey ? nil : identity
    try settings.check(for: other ?? self.identity)
    let arrangement = localPlaces.arrange(settings.paths, now: localPaths) { slots[$0].isFree }
    return Change(settings: settings, identity: other, arrangement: arrangement)
  }

  /// All events of before have been taken.
  public mutating func apply(_ change: Change, at now: Instant) {
    closeBatches()
    if let identity = change.identity { take(identity, at: now) }
    let settings = change.settings
    if settings.timing.rekeyAfter != timing.rekeyAfter {
      timing = settings.timing
      for index in peers.indices {
        peers[index].handshake.setTiming(timing)
        peerDeadlineChanged(index, at: now)
      }
    }
    applyPaths(change, at: now)
    applyRelays(settings, at: now)
    applyPeers(settings.peers, at: now)
    for index in gatewayPlaces { seekNew(index, at: now) }
    applyDecisions(change)
    refusals.addresses = settings.addresses
    closeBatches()
  }

  // MARK: Paths

  private mutating func applyPaths(_ change: Change, at now: Instant) {
    let wanted = change.settings.paths
    // What a path has used is still written where it was.
    for (number, place) in change.arrangement.places.enumerated() {
      guard let place else { continue }
      var path = wanted[number]
      path.carrier = path.carrier.flatMap { change.arrangement.places[$0] }
      if change.arrangement.coming.contains(number) {
        localPlaces.take(place)
        localPaths[place] = path
      } else {
        update(place, to: path, at: now)
      }
      ledger.set(place, path)
      if path.hasTerms { hasTerms = true }
    }
    for place in change.arrangement.returning.places { stay(place, at: now) }
    for place in change.arrangement.leaving.places { leave(place, at: now) }
    budgeted = wanted.contains { $0.budget != nil }
  }

  private mutating func update(_ place: Int, to path: LocalPath, at now: Instant) {
    let before = localPaths[place]
    localPaths[place] = path
    let isLimited = before.limit?.up != path.limit?.up || before.mtu != path.mtu
    let isOther =
      before.tier != path.tier || before.price != path.price || before.budget != path.budget
      || before.weight != path.weight || isLimited || before.limit?.down != path.limit?.down
    let isMoved = before.address != path.address
    if !isOther && !isMoved { return }
    if before.hasTerms || path.hasTerms { hasTerms = true }
    for index in peers.indices {
      var isConcerned = false
      for way in 0..<PeerPath.mostPaths
      where peers[index].isUsed(way) && Int(peers[index].paths[way].route.socket) == place {
        isConcerned = true
        if isLimited { limitChanged(way, of: index, at: now) }
        if before.mtu != path.mtu { sizeMoved(way, of: index, at: now) }
        if isMoved { readdress(way, of: index, at: now) }
      }
      guard isConcerned else { continue }
      if isOther && peers[index].kind == .gateway {
        pathsChanged(of: index, at: now)
        tellTerms(of: index, isNew: true, at: now)
      }
      peerDeadlineChanged(index, at: now)
    }
  }

  // MARK: Relays

  /// Those of the settings have the first numbers; behind them are places for relays that somebody names later.
  private mutating func applyRelays(_ settings: GatewaySettings, at now: Instant) {
    let wanted = settings.relays
    var spare = relayPlaces.filter { place in !wanted.contains { $0.publicKey == peers[place].settings.publicKey } }
    var places: [Int] = []
    for relay in wanted {
      if let place = peerOfKey[relay.publicKey], peers[place].kind == .relay {
        update(place, to: relay, at: now)
        places.append(place)
        continue
      }
      // It may have been a gateway until now.
      if let other = peerOfKey[relay.publicKey] { vacate(other, at: now) }
      let place = spare.isEmpty ? freePlace() : spare.removeLast()
      clear(place, at: now)
      settle(relay, handshake(with: relay), as: .relay, in: place, at: now)
      places.append(place)
    }
    while spare.count > settings.spareRelays { vacate(spare.removeLast(), at: now) }
    while spare.count < settings.spareRelays {
      let place = freePlace()
      clear(place, at: now)
      settleNobody(as: .relay, in: place, at: now)
      spare.append(place)
    }
    relayPlaces = places + spare
  }

  // MARK: Peers

  private mutating func applyPeers(_ wanted: [PeerSettings], at now: Instant) {
    var isWanted: [PublicKey: Bool] = [:]
    for peer in wanted { isWanted[peer.publicKey] = true }
    for place in gatewayPlaces
    where peers[place].kind == .gateway && isWanted[peers[place].settings.publicKey] == nil {
      vacate(place, at: now)
    }
    gatewayPlaces = wanted.map { peer in
      if let place = peerOfKey[peer.publicKey] {
        if peers[place].kind == .gateway {
          update(place, to: peer, at: now)
          return place
        }
        // An oracle named it as a relay, and the operator knows better.
        clear(place, at: now)
        settleNobody(as: .relay, in: place, at: now)
      }
      let place = freePlace()
      clear(place, at: now)
      settle(peer, handshake(with: peer), as: .gateway, in: place, at: now)
      begin(place, at: now)
      return place
    }
    resequencer.makeRoom(laneSets: Engine.room(for: gatewayPlaces.count, now: resequencer.limits.laneSets))
    while peerOfLanes.count < resequencer.limits.laneSets { peerOfLanes.append(.max) }
  }

  private static func room(for count: Int, now room: Int) -> Int {
    var room = room
    while room < count { room *= 2 }
    return min(room, Sessions.mostPeers)
  }

  private mutating func update(_ place: Int, to peer: PeerSettings, at now: Instant) {
    let before = peers[place].settings
    peers[place].settings = peer
    if before.keepalive != peer.keepalive && peers[place].kind == .gateway {
      for way in 0..<PeerPath.mostPaths where peers[place].isUsed(way) {
        let keepsAlive = peers[place].paths[way].isOurs || peer.keepalive != nil
        // What leads over a relay keeps the relay's pace.
        if localPaths[Int(peers[place].paths[way].route.socket)].carrier != nil { continue }
        peers[place].paths[way].liveness.setKeepalive(keepsAlive, every: peer.keepalive, at: now)
      }
    }
    if before.presharedKey != peer.presharedKey {
      peers[place].handshake.setPresharedKey(peer.presharedKey?.copied())
      if !peer.endpoints.isEmpty || peers[place].pathCount > 0 {
        peers[place].handshake.begin(at: now)
        pump(place, from: nil, at: now)
      }
    }
    if before.endpoints != peer.endpoints {
      if peers[place].kind == .gateway {
        peers[place].settings.endpoints = before.endpoints
        setEndpoints(peer.endpoints, ofPeer: place, at: now)
      } else if peers[place].current != nil {
        seekPaths(of: place, at: now)
      }
    }
    peerDeadlineChanged(place, at: now)
  }

  /// Over sockets that are new.
  private mutating func seekNew(_ index: Int, at now: Instant) {
    if peers[index].current != nil && !peers[index].settings.endpoints.isEmpty { seekPaths(of: index, at: now) }
  }

  // MARK: Decisions

  private mutating func applyDecisions(_ change: Change) {
    let settings = change.settings
    let rules = settings.rules.map { rule in
      var placed = rule
      if case .single(let path?) = rule.action {
        let place = change.arrangement.places.indices.contains(Int(path)) ? change.arrangement.places[Int(path)] : nil
        placed.action = .single(path: place.map { UInt8($0) } ?? Plan.noPath)
      }
      return placed
    }
    let claims = settings.claims { gatewayPlaces[$0] }
    let isOther = claims != self.claims
    if isOther {
      guard let allowed = try? settings.allowedAddresses({ gatewayPlaces[$0] }) else {
        preconditionFailure("addresses were looked at before")
      }
      self.allowed = allowed
      self.claims = claims
    }
    if !isOther && rules == self.rules.rules && settings.classes.list == classes.list { return }
    classes = settings.classes
    treatments = Engine.treatments(of: classes)
    (protections, protectedClasses) = Engine.protections(of: classes)
    self.rules = self.rules.replaced(by: rules)
  }
}
