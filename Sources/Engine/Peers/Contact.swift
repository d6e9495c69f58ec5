//  Contact.swift — how two gateways find each other, agree on keys, and learn which ways there are between them.
//
//  How.  A peer whose address we know is greeted at once, over every pair of our sockets and his addresses; the first
//  greeting that arrives counts, and copies of it are refused as replays. With the keys come the paths: whoever knows an address
//  of the other asks over each pair that has no path yet (a ping under a fresh name), and a pair that answers is a path. Pairs that
//  never answer are asked every ten seconds: a cable that is plugged in later is found.
//
//      begin ──initiation──▶ all pairs ──response──▶ session ──ping on each pair──▶ pong: the path is up
//                                                                                  │
//      the other side: initiation ──▶ session (unconfirmed) ──anything authentic──▶ confirmed, path adopted
//
//  Keys change without a pause: the session before stays readable until the other side speaks with the new one and for
//  a while longer. When the other gateway is another run of itself (incarnation), nothing of before is worth keeping: its sessions
//  go at once, and both sides' lanes count from zero.
//
//  Roaming.  A newer authentic datagram from another address moves the path there. That is all there is to it: address
//  translators that forget, laptops that travel, LTE cells.
//
//  Always true.  (1) A session that is not confirmed by the other side seals nothing. (2) Of two paths between the same
//  two addresses, the elder's stays.

import Handshake
import Primitives
import Resequencer
import Sealing
import Striper
import Wire

extension Engine {
  // MARK: Messages that are no data

  mutating func receiveOther(_ message: UnsafeRawBufferPointer, _ route: Route, at now: Instant) {
    var source = route.remote
    let admission = withUnsafeBytes(of: &source) { source in
      gatekeeper.receive(message, from: source, identity: identity, cryptography: cryptography, at: now)
    }
    switch admission {
    case .refused: break
    case .answer(let answer): post(answer, on: route)
    case .initiation(let opened):
      guard let index = peerOfKey[opened.remote] else { return counters.count(.unknownPeer) }
      greet(opened, from: index, on: route, at: now)
    case .response(let receiver), .cookie(let receiver):
      guard let index = sessions.peer(of: receiver) else { return counters.count(.stranger) }
      peers[index].handshake.receive(message, cryptography: cryptography, identity: identity, at: now)
      pump(index, answering: route, at: now)
    }
  }
}
