//  Explaining.swift — why a peer's paths are used as they are, in words: what `hawser status` shows.

import PathHealth
import Primitives
import Status

extension Engine {
  func explain(_ peer: inout StatusSnapshot.Peer, _ index: Int, at now: Instant) {
    guard let steering = peers[index].steering, peers[index].usable != 0 else { return }
    let governor = steering.pointee.governor
    switch governor.mode {
    case .all: peer.mode = .all
    case .some: peer.mode = .some
    case .single: peer.mode = .single
    }
    peer.modeReason = governor.why.sentence(used: governor.used, at: now) { place in
      peers[index].isUsed(place) ? name(of: peers[index].paths[place].route.socket) : "a path that is gone"
    }
  }

  func explain(_ path: inout StatusSnapshot.Path, _ place: Int, of index: Int, at now: Instant) {
    let peerPath = peers[index].paths + place
    let socket = Int(peerPath.pointee.route.socket)
    let belief = peers[index].beliefs + place
    switch standing(place, of: index).standing {
    case .primary: path.tier = .primary
    case .secondary: path.tier = .secondary
    case .backup: path.tier = .backup
    case .never: path.tier = .never
    }
    if let meter = ledger.meter(socket) {
      path.budget = StatusSnapshot.Path.Budget(
        bytes: meter.budget.bytes, used: meter.used, since: "\(meter.start)", until: "\(meter.end)")
    }
    path.limit = limit(place, of: index)?.bitsPerSecond
    guard peers[index].isUp(place), let steering = peers[index].steering else { return }
    let (carries, isDropped, reason) = steering.pointee.why(place)
    path.use = carries ? .carrying : isDropped ? .dropped : .standby
    path.useReason = isDropped ? "the others carry more without it" : reason.description
    if ledger.isSpent(socket) { path.useReason += "; its budget is spent" }
    path.delays = belief.pointee.tally
    path.loss = steering.pointee.losses[place]
    if belief.pointee.log.delivered > 0 { path.rate = belief.pointee.controller.rate.bitsPerSecond }
    let least = belief.pointee.controller.leastRoundTrip
    path.leastRoundTrip = least > .zero ? least : belief.pointee.log.roundTrip.least(at: now)
    path.control = belief.pointee.controller.state.word
    path.controlReason = belief.pointee.controller.why.sentence
  }
}
