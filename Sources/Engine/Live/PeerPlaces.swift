//  PeerPlaces.swift — places of peers and relays: who gets one, and what has to go before somebody else does.
//
//  A peer's place is a number in sessions, paths, lanes, flows and timers. So whoever goes is taken out of all of them
//  first: his ways over relays, what waits for him, what was sent and not reported, his parity, his keys, his lanes. A
//  free place waits under a key that nobody has.

import Handshake
import Primitives
import Resequencer
public import Sealing

extension Engine {
  /// Whoever is in this place has nothing left in it.
  mutating func clear(_ index: Int, at now: Instant) {
    for socket in localPlaces.slots where !slots[socket].isFree {
      let isRelay = Int(slots[socket].relay) == index
      if isRelay || !slots[socket].servesNobody && Int(slots[socket].peer) == index { release(socket, at: now) }
    }
    closeBatches(of: index)
    // Nobody waits for it any more, so nothing of it goes another way.
    dropParts(of: index)
    guarded.reset(peer: index)
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      disown(place, of: index)
      forget(place, of: index, at: now)
    }
    sessions.giveBack(allOf: index)
    timers.set(index, nil)
    if let laneSet = peers[index].laneSet {
      resequencer.close(laneSet)
      peerOfLanes[laneSet.number] = .max
      peers[index].laneSet = nil
    }
    peerOfKey[peers[index].settings.publicKey] = nil
  }

  mutating func settle(
    _ settings: PeerSettings, _ handshake: consuming Handshake, as kind: Peer.Kind, in index: Int, at now: Instant
  ) {
    peerOfKey[settings.publicKey] = index
    let isElder = settings.publicKey.bytes.lexicographicallyPrecedes(identity.publicKey.bytes)
    peers[index] = Peer(index: UInt32(index), kind: kind, settings: settings, isElder: isElder, handshake: handshake)
    peers[index].since = now
  }

  mutating func settleNobody(as kind: Peer.Kind, in index: Int, at now: Instant) {
    let nobody = PeerSettings(name: "", publicKey: identity.cryptography.randomKey())
    settle(nobody, handshake(with: nobody), as: kind, in: index, at: now)
  }

  mutating func vacate(_ index: Int, at now: Instant) {
    clear(index, at: now)
    settleNobody(as: .nobody, in: index, at: now)
  }

  /// One that nobody has, or one more.
  mutating func freePlace() -> Int {
    if let place = peers.indices.first(where: { peers[$0].kind == .nobody }) { return place }
    let nobody = PeerSettings(name: "", publicKey: identity.cryptography.randomKey())
    let place = peers.count
    peers.append(
      Peer(
        index: UInt32(place), kind: .nobody, settings: nobody, isElder: false, handshake: handshake(with: nobody)))
    sessions.addPeer()
    let timer = timers.append()
    precondition(timer == place && sessions.count == peers.count * Sessions.perPeer, "all tables have the same places")
    return place
  }

  /// To somebody whom we had forgotten we are a new run: he may remember us, and count where we begin anew.
  func handshake(with peer: PeerSettings) -> Handshake {
    guard
      let handshake = Handshake(
        identity, remote: peer.publicKey, presharedKey: peer.presharedKey?.copied(),
        incarnation: identity.cryptography.randomNumber(),
        wallClockAtZero: wallClockAtZero, timing: timing)
    else { preconditionFailure("keys were looked at before") }
    return handshake
  }

  public var placesByKey: [PublicKey: Int] { peerOfKey }

  /// Where the gateway with this key is, for who reports on it.
  public func place(ofPeer key: PublicKey) -> Int? { peerOfKey[key] }
}

extension Cryptography {
  /// One that nobody has.
  func randomKey() -> PublicKey {
    let key = withUnsafeTemporaryAllocation(byteCount: PublicKey.length, alignment: 8) { room in
      random(room)
      return PublicKey(UnsafeRawBufferPointer(room))
    }
    guard let key else { preconditionFailure("that many bytes are a key") }
    return key
  }
}
