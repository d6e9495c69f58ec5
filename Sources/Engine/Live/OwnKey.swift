//  OwnKey.swift — the gateway has another private key.
//
//  The others know us by our key: to them we are somebody else from now on, whom their operators have yet to write
//  down. Until they have, what was agreed on before serves: the session that we send with goes on for as long as keys
//  live, and ends when there is a new one.
//
//      sessions of before ──── one of each peer: inherited ────────────────────────▶ its keys' time is over
//      new key: handshake ──▶ asks and asks ──▶ the other side knows us: begin anew ─▶ the inherited one ends
//
//  Names of paths go with it: who names which half of them is decided by the two keys.

import Handshake
import Primitives
import Sealing

/// A session made with our key of before.
struct Inheritance: BitwiseCopyable {
  var slot: Int
  var until: Instant
}

extension Engine {
  mutating func take(_ identity: Identity, at now: Instant) {
    self.identity = identity
    gatekeeper.setIdentity(identity)
    for index in peers.indices {
      closeBatches(of: index)
      let kept = peers[index].current
      for slot in index * Sessions.perPeer..<(index + 1) * Sessions.perPeer where slot != kept {
        sessions.giveBack(place: slot)
      }
      peers[index].handshake = handshake(with: peers[index].settings)
      // A second change of keys in its time makes it no younger.
      if let kept {
        peers[index].inherited = Inheritance(slot: kept, until: sessions[kept].since + timing.sessionLife)
      } else {
        peers[index].isElder = isElder(index)
      }
      lendIndices(to: index)
      if peers[index].kind == .gateway && (!peers[index].settings.endpoints.isEmpty || peers[index].pathCount > 0)
        || kept != nil
      {
        peers[index].handshake.begin(at: now)
        pump(index, from: nil, at: now)
      }
      peerDeadlineChanged(index, at: now)
    }
  }

  private func isElder(_ index: Int) -> Bool {
    peers[index].settings.publicKey.bytes.lexicographicallyPrecedes(identity.publicKey.bytes)
  }

  /// Whether this session is one with which everything begins: of another run, or of another key of ours.
  func isAnew(_ slot: Int, of index: Int) -> Bool {
    if let inherited = peers[index].inherited { return slot != inherited.slot }
    return sessions[slot].incarnation != peers[index].incarnation
  }

  /// Its session goes, and what had names by the key of before.
  mutating func endInheritance(of index: Int, at now: Instant) {
    guard let inherited = peers[index].inherited else { return }
    peers[index].inherited = nil
    closeBatches(of: index)
    dropParts(of: index)
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      disown(place, of: index)
      forget(place, of: index, at: now)
    }
    sessions.giveBack(place: inherited.slot)
    if peers[index].current == inherited.slot { peers[index].current = nil }
    peers[index].incarnation = nil
    peers[index].isElder = isElder(index)
    pathsChanged(of: index, at: now)
  }
}
