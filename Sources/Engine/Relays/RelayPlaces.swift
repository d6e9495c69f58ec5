//  RelayPlaces.swift — relays that come and go while the gateway runs, and how far they are.
//
//  Why.  An oracle names relays that nobody wrote into a file. What an engine has of a peer is made once; so it has a
//  few places for relays, and each is lent to one relay after another.
//
//  How.  A place that nobody has waits under a key that nobody has, and without an address. Whoever gets it brings his
//  key: what was there of another goes first, its slots and paths, its sessions, its handshake.
//
//      spare ──setRelay──▶ lent ──setRelays──▶ serves peers      (as a relay of the file does)
//                           │ └───probe───────▶ is asked how far it is, ten times a second; serves nobody
//                           └──setRelay────▶ another's
//
//  Always true.  (1) No two peers or relays have one key. (2) A relay in its place keeps its sessions and paths when it
//  is named again.
//
//  Not here.  Which relays these are (Advice, and the oracle).

import Handshake
import PathHealth
public import Primitives
import Sealing

extension GatewaySettings {
  mutating func addSpareRelays(_ cryptography: any Cryptography) {
    for _ in 0..<spareRelays {
      relays.append(PeerSettings(name: "", publicKey: cryptography.randomKey()))
    }
  }
}

/// What was measured of a way: to a relay, to a peer, or to a peer over a relay.
public struct WayFigures: Sendable {
  /// By their places in the settings.
  public var peer: Int?
  public var relay: Int?
  public var isUp: Bool
  public var roundTrip: Interval?
  /// One way to a peer; there and back to a relay.
  public var excess: [(delay: Interval, count: Int)] = []
  public var loss: Double?
  public var rate: BitRate?
}

/// What came of asking a relay.
struct ProbeRecord: BitwiseCopyable {
  /// Fewer say nothing of loss.
  static let leastAsked = 20
  /// Then what is old counts half.
  static let mostAsked = 512

  private(set) var asked = 0
  private(set) var answered = 0
  private(set) var delays = DelayHistogram()

  mutating func ask() {
    if asked >= ProbeRecord.mostAsked { (asked, answered) = (asked / 2, answered / 2) }
    asked += 1
  }

  mutating func note(_ roundTrip: Interval, at now: Instant) {
    answered = min(answered + 1, asked)
    delays.note(roundTrip, at: now)
  }

  /// Of both directions together. The last question is still on its way.
  var loss: Double? {
    asked < ProbeRecord.leastAsked ? nil : Double(asked - 1 - min(answered, asked - 1)) / Double(asked - 1)
  }
}

extension Engine {
  /// Lends a place to a relay; to the one that has it already only its addresses are told. False: its key is ours, a
  /// peer's or another relay's, or is no key.
  public mutating func setRelay(_ place: Int, to settings: PeerSettings, at now: Instant) -> Bool {
    let index = relayPlaces[place]
    if peers[index].settings.publicKey == settings.publicKey {
      peers[index].settings = settings
      if peers[index].current != nil { seekPaths(of: index, at: now) }
      return true
    }
    guard settings.publicKey != identity.publicKey, peerOfKey[settings.publicKey] == nil,
      let handshake = Handshake(
        identity, remote: settings.publicKey, presharedKey: settings.presharedKey?.copied(), incarnation: incarnation,
        wallClockAtZero: wallClockAtZero, timing: timing)
    else { return false }
    clear(index, at: now)
    settle(settings, handshake, as: .relay, in: index, at: now)
    return true
  }

  public func name(ofRelay place: Int) -> String { peers[relayPlaces[place]].settings.name }

  /// Asks how far a relay is, over each path that has a socket left for it.
  public mutating func probe(relay place: Int, until end: Instant, at now: Instant) {
    let relay = UInt32(relayPlaces[place])
    for path in localPlaces.paths {
      let ofPath = localPlaces.slots.filter { localPaths[$0].carrier == path }
      guard
        let socket = ofPath.first(where: { !slots[$0].isFree && slots[$0].relay == relay })
          ?? ofPath.first(where: { slots[$0].isFree })
      else {
        counters.count(.noSlot)
        continue
      }
      if slots[socket].isFree { slots[socket].assign(peer: RelaySlot.nobody, relay: relay, at: now) }
      slots[socket].probe(until: end, at: now)
    }
    meet(Int(relay), at: now)
    slotsChanged(of: Int(relay), at: now)
  }

  mutating func probe(_ socket: Int, of relay: Int, at now: Instant) {
    guard let place = place(of: socket, in: relay), peers[relay].isUp(place) else { return }
    slots[socket].probes.ask()
    ask(place, of: relay, at: now)
  }

  mutating func noteProbe(answeredAfter roundTrip: Interval, on place: Int, of relay: Int, at now: Instant) {
    let socket = Int(peers[relay].paths[place].route.socket)
    if slots[socket].isFree { return }
    slots[socket].probes.note(roundTrip, at: now)
  }

  /// The peer has asked this relay to forward to us, and is the one to do so: two tunnels over one relay carry no more
  /// than one.
  public func comes(over place: Int, fromPeer index: Int) -> Bool {
    if peers[index].isElder { return false }
    return (0..<PeerPath.mostPaths).contains { path in
      peers[index].isUp(path) && relay(of: peers[index].paths[path]) == relayPlaces[place]
        && slots[Int(peers[index].paths[path].route.socket)].isFree
    }
  }

  /// The relay that a path leads over: we have asked it, or it comes from one of its addresses.
  func relay(of path: PeerPath) -> Int? {
    let slot = slots[Int(path.route.socket)]
    if !slot.isFree { return Int(slot.relay) }
    return relayPlaces.first { relay in
      peers[relay].settings.endpoints.contains { $0.address == path.route.remote.address }
    }
  }

  // MARK: Figures

  /// Of each way the best path: to these peers directly and over relays, and to relays.
  public func figures(ofPeers indices: [Int], at now: Instant) -> [WayFigures] {
    var figures: [WayFigures] = []
    for index in indices { best(to: index, into: &figures, at: now) }
    for relay in relayPlaces {
      if let best = best(toRelay: relay, at: now) { figures.append(best) }
    }
    return figures
  }

  private func best(to index: Int, into figures: inout [WayFigures], at now: Instant) {
    let endpoints = peers[index].settings.endpoints
    var ways: [(relay: Int?, best: (place: Int, roundTrip: Interval)?)] = []
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      let path = peers[index].paths[place]
      let relay = self.relay(of: path)
      // What comes from elsewhere may come over a relay that only the other side knows.
      if relay == nil && !endpoints.contains(where: { $0.address == path.route.remote.address }) { continue }
      let way = ways.firstIndex { $0.relay == relay } ?? ways.endIndex
      if way == ways.endIndex { ways.append((relay, nil)) }
      let roundTrip = path.liveness.smoothedRoundTrip
      if !peers[index].isUp(place) || roundTrip == .zero { continue }
      if ways[way].best.map({ roundTrip < $0.roundTrip }) ?? true { ways[way].best = (place, roundTrip) }
    }
    for (relay, best) in ways {
      var way = WayFigures(peer: index, relay: relay.flatMap { relayPlaces.firstIndex(of: $0) }, isUp: best != nil)
      if let best { measure(best.place, of: index, best.roundTrip, into: &way, at: now) }
      figures.append(way)
    }
  }

  private func measure(
    _ place: Int, of index: Int, _ roundTrip: Interval, into figures: inout WayFigures, at now: Instant
  ) {
    let belief = peers[index].beliefs + place
    let least = belief.pointee.controller.leastRoundTrip
    figures.roundTrip = least > .zero ? least : belief.pointee.log.roundTrip.least(at: now) ?? roundTrip
    figures.excess = belief.pointee.delays.shares.map { (delay: $0.excess, count: $0.count) }
    if belief.pointee.log.delivered > UInt64(ProbeRecord.leastAsked) * 1_400 {
      figures.loss = belief.pointee.loss.share
      // What was never full says nothing of what there would be.
      if !belief.pointee.isUnknown(at: now) { figures.rate = belief.pointee.controller.rate }
    }
  }

  private func best(toRelay relay: Int, at now: Instant) -> WayFigures? {
    var best: (record: ProbeRecord, least: Interval)?
    var isThere = false
    for socket in localPlaces.slots where !slots[socket].isFree && Int(slots[socket].relay) == relay {
      isThere = true
      guard let place = place(of: socket, in: relay), peers[relay].isUp(place) else { continue }
      let record = slots[socket].probes
      let least = record.delays.least(at: now) ?? peers[relay].paths[place].liveness.smoothedRoundTrip
      if least > .zero, best.map({ least < $0.least }) ?? true { best = (record, least) }
    }
    guard isThere else { return nil }
    var figures = WayFigures(peer: nil, relay: relayPlaces.firstIndex(of: relay), isUp: best != nil)
    guard let (record, least) = best else { return figures }
    figures.roundTrip = least
    figures.excess = record.delays.shares.map { (delay: $0.excess, count: $0.count) }
    figures.loss = record.loss
    return figures
  }
}
