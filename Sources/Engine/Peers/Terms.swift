//  Terms.swift — what we are to send on a path, as the other side wants it, and what we tell him.
//
//  Our own `Tier`, `Cost`, `Limit` (the part from here) and budget hold for what we send. For what comes here only the
//  other side can keep them, so he is told: when a path is answered, when something changes, and once a second while
//  data flows in either direction, until he has other things to forget. Who has nothing to say says nothing.
//
//  The lesser wins: the higher of two tiers, the lower of two limits. So nobody can make the other use a path that the
//  other keeps for emergencies; he can only ask for less, and that he could have without us, by dropping.

import PathHealth
import Primitives
import Wire

/// What the other side wants of a path.
struct ToldTerms: BitwiseCopyable, Equatable {
  var tier = Tier.primary
  var price: UInt32 = 0
  /// In bits a second of IP packets; 0: none.
  var limit: UInt64 = 0
}

extension Engine {
  static let tellEvery = Interval.seconds(1)
  /// A limit below it would starve reports and pings, and is taken for this.
  static let leastLimit: UInt64 = 64_000

  // MARK: What we tell

  /// What we want of a path that leaves by this socket.
  func tier(of socket: UInt8) -> Tier {
    let tier = localPaths[Int(socket)].tier
    if !localPlaces.open.has(Int(socket)) { return .never }
    // It goes, but until others are up it is all there is.
    if localPlaces.leaving.has(Int(socket)) { return max(tier, .backup) }
    return ledger.isSpent(carrier(of: socket)) ? tier.lower : tier
  }

  /// A path of ours is not what it was: over another one, since nobody hears it here any more.
  mutating func withdraw(_ place: Int, of index: Int, at now: Instant) {
    if peers[index].current == nil { return }
    hasTerms = true
    let terms = terms(place, of: index)
    peers[index].paths[place].hasToldTerms = true
    let others = (peers[index].carrying & ~place.bit).places.first { peers[index].isUp($0) }
    guard let other = others ?? (0..<PeerPath.mostPaths).first(where: { $0 != place && peers[index].isUp($0) }) else {
      return
    }
    withUnsafeTemporaryAllocation(byteCount: PathTerms.length, alignment: 8) { room in
      var writer = ControlWriter(room)
      guard writer.append(terms) else { return }
      sendControl(UnsafeRawBufferPointer(room), on: other, of: index, at: now)
    }
  }

  private func terms(_ place: Int, of index: Int) -> PathTerms {
    let path = peers[index].paths + place
    let local = localPaths[Int(path.pointee.route.socket)]
    return PathTerms(
      path: path.pointee.id, tier: tier(of: path.pointee.route.socket).rawValue, price: local.price,
      limit: local.limit?.down.bitsPerSecond ?? 0)
  }

  /// Tells the terms of all paths that have any, when it is time; `isNew`: it is.
  mutating func tellTerms(of index: Int, isNew: Bool = false, at now: Instant) {
    if !hasTerms { return }
    guard peers[index].current != nil, isNew || now - peers[index].lastTold >= Engine.tellEvery else { return }
    peers[index].lastTold = now
    for place in 0..<PeerPath.mostPaths where peers[index].isUp(place) { tellTerms(place, of: index, at: now) }
  }

  /// On the path that they are about: they concern nobody while it does not work.
  mutating func tellTerms(_ place: Int, of index: Int, at now: Instant) {
    let terms = terms(place, of: index)
    if terms == PathTerms(path: terms.path) && !peers[index].paths[place].hasToldTerms { return }
    peers[index].paths[place].hasToldTerms = true
    withUnsafeTemporaryAllocation(byteCount: PathTerms.length, alignment: 8) { room in
      var writer = ControlWriter(room)
      guard writer.append(terms) else { return }
      sendControl(UnsafeRawBufferPointer(room), on: place, of: index, at: now)
    }
  }

  // MARK: What we are told

  mutating func receive(_ terms: PathTerms, of index: Int, at now: Instant) {
    guard let place = peers[index].place(of: terms.path) else { return counters.count(.unknownTerms) }
    let limit = terms.limit == 0 ? 0 : min(max(terms.limit, Engine.leastLimit), BitRate.maximum.bitsPerSecond)
    let told = ToldTerms(tier: Tier(rawValue: terms.tier) ?? .never, price: terms.price, limit: limit)
    let before = peers[index].paths[place].told
    if told == before { return }
    peers[index].paths[place].told = told
    if told.limit != before.limit { limitChanged(place, of: index, at: now) }
    if told.tier != before.tier || told.price != before.price { pathsChanged(of: index, at: now) }
  }

  /// The most that may be sent on a path, of IP packets.
  func limit(_ place: Int, of index: Int) -> BitRate? {
    let path = peers[index].paths + place
    let own = localPaths[Int(path.pointee.route.socket)].limit?.up
    if path.pointee.told.limit == 0 { return own }
    let told = BitRate(bitsPerSecond: path.pointee.told.limit)
    return own.map { min($0, told) } ?? told
  }

  /// What the path's control may use: limits count IP packets, and it counts what is in them.
  mutating func limitChanged(_ place: Int, of index: Int, at now: Instant) {
    let path = peers[index].paths + place
    let local = localPaths[Int(path.pointee.route.socket)]
    let wanted = limit(place, of: index)
    let packet = UInt64(max(local.mtu, 576))
    let headers: UInt64 = path.pointee.route.remote.address.family == .ipv4 ? 28 : 48
    let inside = wanted.map { BitRate(bitsPerSecond: max(1, $0.bitsPerSecond / packet * (packet - headers))) }
    peers[index].beliefs[place].setLimit(inside, at: now)
  }
}
