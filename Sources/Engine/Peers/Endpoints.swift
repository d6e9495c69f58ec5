//  Endpoints.swift — somebody has learnt where a peer can be found, while the gateway runs.

import Handshake
public import Primitives
import Wire

extension Engine {
  /// All addresses of the peer that are known now. He is greeted, or asked for paths over those that are new; a path to
  /// an address that is none of his any more goes unless it works.
  public mutating func setEndpoints(_ endpoints: [Endpoint], ofPeer index: Int, at now: Instant) {
    let hadNone = peers[index].settings.endpoints.isEmpty
    peers[index].settings.endpoints = endpoints
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) && !peers[index].isUp(place) {
      let path = peers[index].paths[place]
      if localPaths[Int(path.route.socket)].carrier != nil { continue }
      if path.isOurs && !endpoints.contains(path.route.remote) { forget(place, of: index, at: now) }
    }
    // The one that was heard last carries when none is up, and it may be gone now.
    pathsChanged(of: index, at: now)
    if endpoints.isEmpty { return }
    if peers[index].current != nil { return seekPaths(of: index, at: now) }
    if hadNone { peers[index].since = now }
    peers[index].handshake.begin(at: now)
    pump(index, from: nil, at: now)
  }
}
