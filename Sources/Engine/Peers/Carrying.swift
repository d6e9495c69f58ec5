//  Carrying.swift — asks a peer's steering which paths carry what, with all that is believed of them.
//
//      report ─▶ belief ─┬─▶ 100 ms since the last time? ─▶ steer ─▶ other sets? ─▶ pathsChanged ─▶ striper, parts
//      up, down, terms ──┴──────────────────────────────▶ pathsChanged
//
//  What counts as up.  A path that answered, as long as one of those that may carry did; before that, the one of the
//  least rank that was heard, and when nobody is heard any more, who was heard last: what is sent then is a question.
//
//  No timer.  Reports come while data flows, and `Tiers.deadline` rings once for each step that is left to be undone
//  when it stops, so that the next packet does not leave by the card that the last download had called for.

import PathHealth
import Primitives
import Striper
import Wire

extension Engine {
  /// What our side and the other make of a path, together: the one who wants it less decides.
  func standing(_ place: Int, of index: Int) -> PathStanding {
    let path = peers[index].paths + place
    let local = localPaths[Int(path.pointee.route.socket)]
    let own = tier(of: path.pointee.route.socket)
    var standing = PathStanding(max(own, path.pointee.told.tier), isUp: false)
    let price = local.price.addingReportingOverflow(path.pointee.told.price)
    standing.price = price.overflow ? .max : price.partialValue
    return standing
  }

  /// The places whose paths may be sent on: who answered, or whoever there is. Only the former is anything to steer.
  private func usable(
    _ index: Int, arriving: UInt32, answered: UInt32, lastHeard: Int?
  ) -> (answered: UInt32, other: UInt32) {
    var first: (place: Int, standing: PathStanding)?
    var allowed: UInt32 = 0
    let candidates = arriving != 0 ? arriving : lastHeard.map { $0.bit } ?? 0
    for place in candidates.places {
      let standing = standing(place, of: index)
      if standing.standing == .never { continue }
      allowed |= place.bit
      if let first, (first.standing.standing, first.standing.price) <= (standing.standing, standing.price) { continue }
      first = (place, standing)
    }
    return (allowed & answered, first.map { $0.place.bit } ?? 0)
  }

  /// Ways whose socket is cut, here or there, or that somebody keeps for nothing.
  private func unwanted(of index: Int) -> UInt32 {
    var unwanted: UInt32 = 0
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      if standing(place, of: index).standing == .never { unwanted |= place.bit }
    }
    return unwanted
  }

  private func views(of index: Int, usable: UInt32, at now: Instant) -> InlineArray<16, Steering.View> {
    var views = InlineArray<16, Steering.View>(repeating: Steering.View())
    for place in usable.places {
      let belief = peers[index].beliefs + place
      var view = Steering.View()
      view.standing = standing(place, of: index)
      view.standing.isUp = true
      let log = belief.pointee.log.counters
      view.delivered = belief.pointee.log.delivered
      view.lost = log.lost.bytes &- min(log.recovered.bytes, log.lost.bytes)
      let rate = belief.pointee.controller.rate
      // Who is in the startup has not found the end yet: twice as much is what it would try next.
      let factor: UInt64 = belief.pointee.controller.state == .startup ? 2 : 1
      view.standing.rate = Int(rate.bitsPerSecond / 8 * factor)
      if view.delivered > 0 { view.rate = rate }
      view.isFull = belief.pointee.controller.isFull
      // Of one that is quiet, nothing is known but what it was.
      view.roundTrip = belief.pointee.log.roundTrip.least(at: now) ?? .zero
      let queue = belief.pointee.controller.standingQueue(inFlight: belief.pointee.log.inFlight, at: now)
      view.delay = belief.pointee.behind + queue
      views[place] = view
    }
    return views
  }

  /// Some came or went, or are another tier: the sets are chosen anew, what carries bulk and who helps besides.
  mutating func chooseCarrying(
    _ index: Int, arriving: UInt32, answered: UInt32, lastHeard: Int?, at now: Instant
  ) -> (bulk: UInt32, helping: UInt32) {
    let (usable, other) = usable(index, arriving: arriving, answered: answered, lastHeard: lastHeard)
    peers[index].usable = usable
    if usable == 0 && peers[index].steering == nil { return (other, 0) }
    let steering = peers[index].makeSteering()
    steering.pointee.pathsChanged(
      views(of: index, usable: usable, at: now), unwanted: unwanted(of: index), at: now)
    return usable == 0 ? (other, 0) : (steering.pointee.bulk, steering.pointee.helping)
  }

  /// Ten times a second while reports come.
  @inline(__always)
  mutating func steerIfDue(_ index: Int, at now: Instant) {
    guard let steering = peers[index].steering else { return }
    steering.pointee.sample(isCommitted: isAhead(index), loaded: peers[index].loaded, at: now)
    if steering.pointee.isDue(at: now) { steer(index, steering, at: now) }
  }

  /// What waits for the fastest path takes it longer than twice the quantum that keeps it busy. What waits for others
  /// says nothing as long as this one has room.
  private func isAhead(_ index: Int) -> Bool {
    var best: (place: Int, rate: UInt64)?
    for place in peers[index].carrying.places {
      let rate = peers[index].beliefs[place].controller.rate.bitsPerSecond
      if best.map({ rate > $0.rate }) ?? true { best = (place, rate) }
    }
    guard let best else { return false }
    return peers[index].paths[best.place].bulk.bytes > Int(best.rate / 8_000 * 4)
  }

  private mutating func steer(_ index: Int, _ steering: UnsafeMutablePointer<Steering>, at now: Instant) {
    let views = views(of: index, usable: peers[index].usable, at: now)
    if steering.pointee.observe(views, at: now) { pathsChanged(of: index, at: now) }
    keepBooks(of: index, at: now)
  }

  /// Ten times a second while data flows in either direction.
  @inline(__always)
  mutating func keepBooks(of index: Int, at now: Instant) {
    if !hasTerms || now - peers[index].lastBilled < Steering.interval { return }
    peers[index].lastBilled = now
    bill(index, at: now)
    tellTerms(of: index, at: now)
  }

  /// Nothing is heard, and what was called for help may go.
  mutating func expireSteering(of index: Int, at now: Instant) {
    guard let steering = peers[index].steering, let due = steering.pointee.deadline, due <= now else { return }
    steer(index, steering, at: now)
  }
}
