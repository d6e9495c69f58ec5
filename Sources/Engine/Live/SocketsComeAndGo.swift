//  SocketsComeAndGo.swift — a path of ours loses its socket, gets one, gets another address, or is not wanted any more.
//
//  Why.  An interface that is unplugged says so at once. Whoever waits for silence to tell him loses a second of what
//  he sends, and the other side, who hears nothing of it, one more.
//
//  How.  With the socket every peer's path over it is down in the same moment: what was sent on it and not reported
//  goes again over the others, what waited for it too, and over one of those the other side is told to send nothing on
//  it any more (Terms: never). When it comes back each of them asks at once, under the name that it had: so to the
//  other side it is the same path with a newer datagram, perhaps from a new address.
//
//      closePath   up ──▶ cut: down, asks nothing    in flight ─▶ lost ─▶ repaired     terms "never" over another path
//      openPath    cut ──▶ ping at once ──▶ pong ──▶ up, terms as they are
//      readdress   up ──▶ ping from the new address ──▶ the other side moves the path there
//
//  Rejected.  To forget the paths and find them again: their names would be new, and the other side would keep the old
//  ones, as twins, until they were silent.

import Handshake
import PathMTU
public import Primitives

extension Engine {
  /// Nothing can be sent by this socket, and nothing comes.
  public mutating func closePath(_ place: Int, at now: Instant) {
    guard localPlaces.open.has(place) else { return }
    localPlaces.setOpen(place, false)
    forEachWay(over: place) { engine, way, index in engine.cut(way, of: index, at: now) }
  }

  /// It can again.
  public mutating func openPath(_ place: Int, at now: Instant) {
    guard localPlaces.used.has(place), !localPlaces.open.has(place) else { return }
    localPlaces.setOpen(place, true)
    forEachWay(over: place) { engine, way, index in engine.reconnect(way, of: index, at: now) }
    for index in gatewayPlaces where peers[index].current != nil && !peers[index].settings.endpoints.isEmpty {
      seekPaths(of: index, at: now)
    }
    // Who could not be asked for want of a socket is asked now.
    for index in gatewayPlaces where peers[index].current == nil && !peers[index].settings.endpoints.isEmpty {
      peers[index].handshake.cease()
      peers[index].handshake.begin(at: now)
      pump(index, from: nil, at: now)
    }
    closeBatches()
  }

  /// The interface has another address than before, or carries other sizes.
  public mutating func addressChanged(_ place: Int, at now: Instant) {
    guard localPlaces.open.has(place) else { return }
    forEachWay(over: place) { engine, way, index in
      engine.readdress(way, of: index, at: now)
      engine.expirePaths(of: index, at: now)
    }
  }

  public func isOpen(_ place: Int) -> Bool { localPlaces.open.has(place) }

  /// Somebody wanted it, and nobody does any more.
  public func isLeaving(_ place: Int) -> Bool { localPlaces.leaving.has(place) }

  /// Where the path with this name is.
  public func place(ofPath name: String) -> Int? { localPlaces.paths.first { localPaths[$0].name == name } }

  /// It and its ways over relays.
  public func places(ofPath name: String) -> [Int] { localPlaces.all.filter { localPaths[$0].name == name } }

  /// All that are wanted: their places, and the names of the paths whose interfaces they use.
  public var wantedSockets: [(place: Int, path: String)] {
    localPlaces.all.map { (place: $0, path: localPaths[$0].name) }
  }

  /// The name of the path in this place, or of the path that a slot is of; nil: nobody is there.
  public func nameOfPath(_ place: Int) -> String? { localPlaces.used.has(place) ? localPaths[place].name : nil }

  private mutating func forEachWay(over place: Int, _ body: (inout Engine, Int, Int) -> Void) {
    for index in peers.indices where peers[index].pathCount > 0 {
      for way in 0..<PeerPath.mostPaths where peers[index].isUsed(way) {
        if Int(peers[index].paths[way].route.socket) == place { body(&self, way, index) }
      }
    }
  }

  // MARK: One way

  private mutating func cut(_ way: Int, of index: Int, at now: Instant) {
    closeBatch(way, of: index)
    if peers[index].paths[way].liveness.cut() {
      report(.pathDown, peer: index, path: way)
      noteSlot(way, of: index, isUp: false, at: now)
      if peers[index].kind == .gateway { withdraw(way, of: index, at: now) }
    }
    // The others must know first that this one rests: what is lost goes to them.
    pathsChanged(of: index, at: now)
    abandon(way, of: index, at: now)
  }

  private mutating func reconnect(_ way: Int, of index: Int, at now: Instant) {
    let route = peers[index].paths[way].route
    peers[index].paths[way].route = self.route(from: Int(route.socket), to: route.remote)
    peers[index].paths[way].liveness.reconnected(at: now)
    sizeMoved(way, of: index, at: now)
    expirePaths(of: index, at: now)
    peerDeadlineChanged(index, at: now)
  }

  /// From here on the kernel chooses our address, or it is the one that the operator chose.
  mutating func readdress(_ way: Int, of index: Int, at now: Instant) {
    closeBatch(way, of: index)
    let route = peers[index].paths[way].route
    peers[index].paths[way].route = self.route(from: Int(route.socket), to: route.remote)
    peers[index].paths[way].liveness.reconnected(at: now)
    peerDeadlineChanged(index, at: now)
  }

  // MARK: Nobody wants it any more

  mutating func leave(_ place: Int, at now: Instant) {
    if localPaths[place].carrier != nil {
      if !slots[place].isFree { release(place, at: now) }
      return localPlaces.leave(place, after: .zero, at: now)
    }
    localPlaces.leave(place, after: localPlaces.open.has(place) ? LocalPlaces.linger : .zero, at: now)
    hasTerms = true
    forEachWay(over: place) { engine, way, index in
      if engine.peers[index].kind != .gateway { return }
      engine.pathsChanged(of: index, at: now)
      engine.tellTerms(of: index, isNew: true, at: now)
    }
  }

  /// It is wanted again, and is what it was.
  mutating func stay(_ place: Int, at now: Instant) {
    localPlaces.stay(place)
    forEachWay(over: place) { engine, way, index in
      if engine.peers[index].kind != .gateway { return }
      engine.pathsChanged(of: index, at: now)
      engine.tellTerms(of: index, isNew: true, at: now)
    }
  }

  /// A place whose socket is to be closed now; the driver says `closed` when nothing of it is left.
  public mutating func nextClosing(at now: Instant) -> Int? {
    if localPlaces.leaving == 0 { return nil }
    guard let place = localPlaces.nextClosing() else { return nil }
    forEachWay(over: place) { engine, way, index in
      engine.forget(way, of: index, at: now)
      engine.pathsChanged(of: index, at: now)
    }
    closeBatches()
    return place
  }

  /// Its socket is gone, and all of its batches have come back.
  public mutating func closed(_ place: Int) {
    ledger.set(place, nil)
    localPlaces.free(place)
    localPaths[place] = LocalPath(name: "")
  }
}
