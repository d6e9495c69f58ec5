//  Ways.swift — the paths of a peer: how they are found, kept, moved and given up.
//
//  Who knows an address of the other asks over every pair (one of our sockets, one of his addresses) that has no path
//  yet: a ping under a fresh name, sealed with the session's keys. A pair that answers is a path; one that does not is
//  asked less and less often, every ten seconds in the end, so a cable that is plugged in later is found.
//
//  Roaming.  A newer authentic datagram from another address moves the path there. That is all there is to it: address
//  translators that forget, laptops that travel, LTE cells. A path that went down after it was moved is also looked for
//  where it was found: somebody between us who sent on what he overheard leads both sides to himself, and is silent.
//
//  Who was found asks back. Until he is answered he sends only on his first path: the other side may not have heard of
//  the others yet. That every path has passed a hole ends no wait for it: what is lost is sent again, and comes later.
//
//  Always true.  (1) Only a path that is up carries segments, unless none is: then the one that was heard last does.
//  (2) Of two paths between the same two addresses the elder gateway's stays; of two that one side named, the newer.

import PathMTU
import Primitives
import Resequencer
import Striper
import Wire

extension Engine {
  /// Spread of one-way delays that nobody has measured yet, and what timers and schedulers add.
  static let leastPatience = Interval.milliseconds(20)
  /// Until all round trips are measured, too. A repair over a satellite takes less; so long does a flow stand still of
  /// which something is lost that nobody sends again, and a TCP's own repair begins to be quicker.
  static let mostPatience = Interval.seconds(1)
  /// A segment may be so many full batches long, also on a single path: hosts make super-packets a little longer than a
  /// batch, and each alone would cost two calls (34 µs instead of 39 for 64 KiB, measured).
  static let leastBatches = 4
  /// One path alone may have to carry the longest packet there is, which does not fit a batch.
  static let leastBatchesOfPart = 2

  /// From our end to an address of his.
  func route(from socket: Int, to endpoint: Endpoint) -> Route {
    let own = localPaths[socket].address
    return Route(
      socket: UInt8(socket), remote: endpoint, local: own?.family == endpoint.address.family ? own : nil)
  }

  /// Begins to ask over each pair of addresses that has no path.
  mutating func seekPaths(of index: Int, at now: Instant) {
    let endpoints = peers[index].settings.endpoints
    for turn in endpoints.indices {
      for socket in localPlaces.all where mayUse(socket, for: index) {
        // The first with the first, the second with the second: nearly always these are the ones that lead anywhere.
        let route = route(from: socket, to: endpoints[(socket + turn) % endpoints.count])
        if peers[index].firstPlace(where: { $0.route.leadsTo(route) }) != nil { continue }
        guard let id = peers[index].freshID() else { return counters.count(.tooManyPaths) }
        let size = PathMTU(mtu: localPaths[socket].mtu, to: route.remote)
        let path = PeerPath(
          id: id, peer: UInt32(index), route: route, size: size, isOurs: true,
          keepalive: isRelay(index) ? Engine.relayKeepalive : peers[index].settings.keepalive, at: now)
        guard let place = peers[index].add(path, size, at: now) else { return counters.count(.tooManyPaths) }
        limitChanged(place, of: index, at: now)
      }
    }
    peerDeadlineChanged(index, at: now)
  }

  /// The other side uses a name that we do not know yet: a path that he has found. nil, and counted, when it is not his
  /// to name, when we have found it as well and are the elder, or when there are too many.
  mutating func adopt(_ id: UInt8, _ route: Route, for index: Int, at now: Instant) -> Int? {
    guard peers[index].isTheirs(id) else {
      counters.count(.foreignPath)
      return nil
    }
    if let twin = peers[index].firstPlace(where: { $0.route.leadsTo(route) }) {
      // Both found it: his stays if he is the elder, else he will learn from ours. Or he gave it up, has found it again
      // and calls it by a fresh name; then he is silent under the old one, but for what comes late.
      let isKept =
        peers[index].isTheirs(peers[index].paths[twin].id)
        ? !peers[index].paths[twin].liveness.isQuiet(at: now) : peers[index].isElder
      if isKept {
        counters.count(.twinPath)
        return nil
      }
      forget(twin, of: index, at: now)
    }
    let socket = Int(route.socket)
    let size = PathMTU(mtu: localPaths[socket].mtu, to: route.remote)
    let path = PeerPath(
      id: id, peer: UInt32(index), route: route, size: size, isOurs: false,
      keepalive: peers[index].settings.keepalive, at: now)
    guard let place = peers[index].add(path, size, at: now) else {
      counters.count(.tooManyPaths)
      return nil
    }
    limitChanged(place, of: index, at: now)
    report(.pathFound, peer: index, path: place)
    return place
  }

  mutating func move(_ place: Int, of index: Int, to route: Route, at now: Instant) {
    let before = peers[index].paths[place].route
    if hasBudgets { bill(place, of: index) }
    peers[index].paths[place].route = route
    if before.socket != route.socket { limitChanged(place, of: index, at: now) }
    closeBatch(place, of: index)
    // A first answer from another address than we asked, or only our own address became known: nothing to tell.
    if before.remote != route.remote || before.socket != route.socket {
      report(.pathMoved, peer: index, path: place)
      sizeMoved(place, of: index, at: now)
      pathsChanged(of: index, at: now)
    }
  }

  mutating func forget(_ place: Int, of index: Int, at now: Instant) {
    closeBatch(place, of: index)
    if hasBudgets { bill(place, of: index) }
    peers[index].carrying &= ~(1 << UInt32(place))
    peers[index].helping &= ~(1 << UInt32(place))
    peers[index].usable &= ~(1 << UInt32(place))
    redirectParts(of: place, index)
    abandon(place, of: index, at: now)
    peers[index].remove(place)
  }

  /// Tells the cores which paths there are.
  mutating func pathsChanged(of index: Int, at now: Instant) {
    if isRelay(index) { return relayPathsChanged(index, at: now) }
    var arriving: UInt32 = 0
    var answered: UInt32 = 0
    var silent: UInt32 = 0
    var lastHeard: (place: Int, at: Instant)?
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      let liveness = peers[index].paths[place].liveness
      if liveness.state == .up { arriving |= 1 << UInt32(place) }
      if liveness.state == .up && liveness.isAnswered { answered |= 1 << UInt32(place) }
      if peers[index].beliefs[place].isSilent { silent |= 1 << UInt32(place) }
      if let heard = liveness.lastHeard, heard > lastHeard?.at ?? .zero { lastHeard = (place, heard) }
    }
    let (bulk, helpers) = chooseCarrying(
      index, arriving: arriving, answered: answered, lastHeard: lastHeard?.place, at: now)
    // Who is silent rests, and others stand in at once: nobody has to be declared dead for that.
    var chosen = bulk & ~silent
    if chosen == 0 { chosen = peers[index].usable & ~silent }
    if chosen == 0 { chosen = bulk }
    let helping = helpers & ~silent & ~chosen
    if arriving == 0, let lastHeard { arriving = 1 << UInt32(lastHeard.place) }
    followReadiness(of: index, at: now)
    let before = peers[index].carrying
    peers[index].carryingPaths = chosen.nonzeroBitCount
    // What waits for a path that carries no more, but for the urgent parts of one that stood by and still does.
    var stranded = peers[index].loaded & (before & ~chosen | ~(chosen | helping))
    peers[index].carrying = chosen
    peers[index].helping = helping
    beliefsChanged(of: index, at: now)
    while stranded != 0 {
      redirectParts(of: stranded.trailingZeroBitCount, index)
      stranded &= stranded &- 1
    }
    for place in 0..<PeerPath.mostPaths where peers[index].striped & ~(chosen | helping) & 1 << UInt32(place) != 0 {
      peers[index].striper.setPath(place, nil)
    }
    peers[index].striped = chosen | helping
    peers[index].arrivingPaths = arriving
    if let laneSet = peers[index].laneSet {
      resequencer.setPaths(0, for: laneSet)
    }
    roundTripsChanged(of: index)
    peerDeadlineChanged(index, at: now)
  }

  /// How long a segment may wait for its slowest part. The ways here differ by no more than the longest round trip,
  /// however unlike the two directions of a path are; and twice the spread, since a queue may come and go. Until all
  /// are measured it is the most: to give up what is only late is worse than to wait for what is lost, once.
  mutating func roundTripsChanged(of index: Int) {
    guard let laneSet = peers[index].laneSet else { return }
    let arriving = peers[index].arrivingPaths
    var slowest = Interval.zero
    var quickest = Engine.mostPatience
    var isMeasured = peers[index].provesFrom == nil
    for place in 0..<PeerPath.mostPaths where arriving & 1 << UInt32(place) != 0 {
      let roundTrip = peers[index].paths[place].liveness.smoothedRoundTrip
      if roundTrip == .zero && arriving.nonzeroBitCount > 1 { isMeasured = false }
      slowest = max(slowest, roundTrip)
      quickest = min(quickest, roundTrip)
    }
    let patience =
      !isMeasured
      ? Engine.mostPatience
      : arriving.nonzeroBitCount < 2
        ? Engine.leastPatience + slowest * 4 : Engine.leastPatience + slowest * 4 + (slowest - quickest) * 2
    resequencer.setPatience(min(Engine.mostPatience, patience), for: laneSet)
  }

  /// What is due on the paths of a peer.
  mutating func expirePaths(of index: Int, at now: Instant) {
    var isChanged = false
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      if peers[index].paths[place].isForgotten(at: now) {
        forget(place, of: index, at: now)
        isChanged = true
        continue
      }
      switch peers[index].paths[place].liveness.expire(at: now) {
      case .wait: break
      case .ping:
        ask(place, of: index, at: now)
        if peers[index].paths[place].liveness.unansweredSince != nil { suspectRelay(of: place, index, at: now) }
        if peers[index].paths[place].liveness.isDoubtful(at: now) && !isRelay(index)
          && peers[index].beliefs[place].fallSilent(at: now)
        {
          isChanged = true
        }
      case .die:
        isChanged = true
        report(.pathDown, peer: index, path: place)
        noteSlot(place, of: index, isUp: false, at: now)
        ask(place, of: index, at: now)
      }
    }
    if isChanged { pathsChanged(of: index, at: now) }
  }

  /// A question on a path; when it is down, also where it was found. An answer from there moves it back.
  mutating func ask(_ place: Int, of index: Int, at now: Instant) {
    send(ControlMessage(.ping, mark: now.nanoseconds), on: place, of: index, at: now)
    let path = peers[index].paths[place]
    guard path.liveness.state == .down, let home = path.home, home.remote != path.route.remote,
      localPlaces.open.has(Int(home.socket))
    else { return }
    closeBatch(place, of: index)
    peers[index].paths[place].route = home
    send(ControlMessage(.ping, mark: now.nanoseconds), on: place, of: index, at: now)
    closeBatch(place, of: index)
    peers[index].paths[place].route = path.route
  }

  /// Every path that should answer has been silent for too long: he may have lost our keys.
  func isSilent(_ index: Int, at now: Instant) -> Bool {
    var isAnySilent = false
    // New keys have their time: asked for again at once, the other side would drop them before our first datagram is
    // there.
    let start = peers[index].current.map { sessions[$0].since } ?? .zero
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      let liveness = peers[index].paths[place].liveness
      // What was never heard counts only as long as nothing else is there: the other side may have restarted before it
      // was.
      if liveness.isSilent(at: now, countedFrom: start) {
        isAnySilent = true
      } else if liveness.state == .up && standing(place, of: index).standing != .never {
        // What may not carry is asked so seldom that it says nothing.
        return false
      }
    }
    return isAnySilent
  }
}

extension Route {
  /// The same two ends, as far as we know yet which of our addresses is used. Where both are known they count: the
  /// other side may reach two of our addresses through one interface, and these are two paths to him.
  func leadsTo(_ other: Route) -> Bool {
    socket == other.socket && remote == other.remote && (local == nil || other.local == nil || local == other.local)
  }
}
