//  Snapshot.swift — how the engine is, at one moment, for whoever asks.

import Handshake
import PathMTU
public import Primitives
import Resequencer
import Sealing
public import Status

extension Engine {
  /// Handshakes that are not answered for so long: then it is no matter of a moment any more.
  static let unreachableAfter = Interval.seconds(5)

  /// What seals new sessions, and which library does it.
  public var implementation: String {
    guard let suite = identity.cryptography.suites.first else { return "no cipher" }
    return "\(suite) by \(identity.cryptography.implementation(of: suite))"
  }

  public func snapshot(version: String, interface: String, uptime: Interval, at now: Instant) -> StatusSnapshot {
    let suite = sealingSuite
    var snapshot = StatusSnapshot(
      version: version, uptime: uptime, incarnation: incarnation, publicKey: identity.publicKey, interface: interface,
      suite: suite, suiteImplementation: identity.cryptography.implementation(of: suite))
    let working = workingSockets
    for index in gatewayPlaces { snapshot.peers.append(peer(index, working, at: now)) }
    for verdict in Counters.Verdict.allCases {
      let name = Counters.Verdict.names[verdict.rawValue]
      snapshot.counters.append(StatusSnapshot.Counter("engine", name, counters[verdict]))
    }
    for (name, count) in queues.counters.named {
      snapshot.counters.append(StatusSnapshot.Counter("queues", name, count))
    }
    for (name, count) in resequencer.counters.named {
      snapshot.counters.append(StatusSnapshot.Counter("resequencer", name, count))
    }
    for (name, count) in gatekeeper.counters.named {
      snapshot.counters.append(StatusSnapshot.Counter("gatekeeper", name, count))
    }
    for (name, count) in classifier.counters.named {
      snapshot.counters.append(StatusSnapshot.Counter("classifier", name, count))
    }
    snapshot.resequencer.heldBytes = UInt64(resequencer.heldBytes)
    snapshot.resequencer.heldSegments = UInt64(resequencer.heldSegments)
    snapshot.flows = flows.count
    snapshot.resequencer.waits = resequencer.waits
    snapshot.resequencer.mostBytes = UInt64(resequencer.limits.memory.count)
    return snapshot
  }

  /// Of the session that was made last, or what the next one would have.
  private var sealingSuite: CipherSuite {
    for index in peers.indices {
      if let slot = peers[index].current { return sessions[slot].sending.key.suite }
    }
    return identity.cryptography.suites.first ?? .aes128GCM
  }

  /// A bit for each of our sockets over which somebody answers.
  var workingSockets: UInt32 {
    var working: UInt32 = 0
    for index in peers.indices {
      for place in 0..<PeerPath.mostPaths where peers[index].isUp(place) {
        working |= 1 << UInt32(peers[index].paths[place].route.socket)
      }
    }
    return working
  }

  /// We ask over every pair of our sockets and a peer's addresses, and most pairs of a hub lead nowhere. One that never
  /// answered says something only when nothing else works over its socket, or to its address.
  func isWorthTelling(_ place: Int, of index: Int, _ working: UInt32) -> Bool {
    let path = peers[index].paths[place]
    if path.liveness.state != .probing || working & 1 << UInt32(path.route.socket) == 0 { return true }
    return (0..<PeerPath.mostPaths).allSatisfy {
      !peers[index].isUp($0) || peers[index].paths[$0].route.remote != path.route.remote
    }
  }

  private func peer(_ index: Int, _ working: UInt32, at now: Instant) -> StatusSnapshot.Peer {
    let since = now - peers[index].since
    let state: StatusSnapshot.Peer.State =
      if peers[index].current != nil {
        .connected
      } else if peers[index].settings.endpoints.isEmpty {
        .idle
      } else {
        since < Engine.unreachableAfter ? .connecting : .unreachable
      }
    var peer = StatusSnapshot.Peer(
      name: peers[index].settings.name, publicKey: peers[index].settings.publicKey, state: state, since: since)
    if let slot = peers[index].current { peer.lastHandshake = now - sessions[slot].since }
    peer.traffic.receivedBytes = peers[index].received.bytes
    peer.traffic.receivedPackets = peers[index].received.packets
    peer.traffic.sentBytes = peers[index].sent.bytes
    peer.traffic.sentPackets = peers[index].sent.packets
    peer.sentRate = peers[index].sentPace.bitsPerSecond(peers[index].sent.bytes, at: now)
    peer.receivedRate = peers[index].receivedPace.bitsPerSecond(peers[index].received.bytes, at: now)
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) && isWorthTelling(place, of: index, working) {
      peer.paths.append(path(peers[index].paths[place], peers[index].beliefs + place, at: now))
      explain(&peer.paths[peer.paths.count - 1], place, of: index, at: now)
    }
    explain(&peer, index, at: now)
    return peer
  }

  private func path(
    _ path: PeerPath, _ belief: UnsafeMutablePointer<PathBelief>, at now: Instant
  ) -> StatusSnapshot.Path {
    let size = belief.pointee.size
    let local = localPaths[Int(path.route.socket)]
    let state: StatusSnapshot.Path.State =
      switch path.liveness.state {
      case .up: .up
      case .probing: .probing
      case .down: .down
      }
    var described = StatusSnapshot.Path(
      name: local.name, interface: "", state: state, weight: local.weight, mtu: ByteCount(size.mtuInUse),
      hasOffload: true)
    described.via = relay(of: path).map { peers[$0].settings.name }
    described.search =
      switch size.state {
      case .disabled: .stopped
      case .base, .searching: .searching
      case .complete: .complete
      case .error: .error
      }
    described.mtuReason = "\(size.why)"
    described.remote = "\(path.route.remote)"
    described.seenAs = seen(path, belief).map { "\($0)" }
    described.lastHeard = path.liveness.lastHeard.map { now - $0 }
    described.sentRate = belief.pointee.sentPace.bitsPerSecond(path.sent.bytes, at: now)
    described.receivedRate = belief.pointee.receivedPace.bitsPerSecond(path.received.bytes, at: now)
    described.roundTrip = path.liveness.smoothedRoundTrip == .zero ? nil : path.liveness.smoothedRoundTrip
    described.traffic.receivedBytes = path.received.bytes
    described.traffic.receivedPackets = path.received.datagrams
    described.traffic.sentBytes = path.sent.bytes
    described.traffic.sentPackets = path.sent.datagrams
    return described
  }

  /// Where the next one on the way hears us: the peer, or the relay that forwards for the path.
  private func seen(_ path: PeerPath, _ belief: UnsafeMutablePointer<PathBelief>) -> Endpoint? {
    let slot = slots[Int(path.route.socket)]
    if slot.isFree { return belief.pointee.seenAs }
    let relay = Int(slot.relay)
    let place = (0..<PeerPath.mostPaths).first {
      peers[relay].isUp($0) && peers[relay].paths[$0].route.socket == path.route.socket
    }
    return place.flatMap { peers[relay].beliefs[$0].seenAs }
  }

  /// `fibre to 192.0.2.1:51820`, for log lines; nil when the path is gone already.
  public func describe(path: UInt8, ofPeer peer: UInt32) -> String? {
    let place = Int(path)
    guard peers[Int(peer)].isUsed(place) else { return nil }
    let route = peers[Int(peer)].paths[place].route
    return "\(name(of: route.socket)) to \(route.remote)"
  }

  /// Of the path that an event is about, `fibre` or `fibre via r1`; nil: it is about none, or that is gone.
  public func pathName(of event: Event) -> String? {
    guard let place = event.path.map({ Int($0) }) else { return nil }
    switch event.kind {
    case .budgetSpent, .budgetFresh: return localPaths.indices.contains(place) ? localPaths[place].name : nil
    case .relayRefused, .connected, .rekeyed, .disconnected, .pathFound, .pathMoved, .pathUp, .pathDown:
      return peers[Int(event.peer)].isUsed(place) ? name(of: peers[Int(event.peer)].paths[place].route.socket) : nil
    }
  }

  /// `fibre`, or `fibre via r1`.
  func name(of socket: UInt8) -> String {
    let local = localPaths[Int(socket)]
    let slot = slots[Int(socket)]
    return slot.isFree ? local.name : "\(local.name) via \(peers[Int(slot.relay)].settings.name)"
  }
}

extension FlowQueues.Counters {
  private static let names = CounterNames(FlowQueues.Counters())
  /// For tables.
  var named: [(String, UInt64)] { FlowQueues.Counters.names.with(self) }
}
extension Resequencer.Counters {
  private static let names = CounterNames(Resequencer.Counters())
  var named: [(String, UInt64)] { Resequencer.Counters.names.with(self) }
}
extension Gatekeeper.Counters {
  private static let names = CounterNames(Gatekeeper.Counters())
  var named: [(String, UInt64)] { Gatekeeper.Counters.names.with(self) }
}
extension Classifier.Counters {
  var named: [(String, UInt64)] {
    [
      ("classified", classified), ("fragments", fragments), ("tooShort", tooShort), ("malformed", malformedSum),
      ("unreadable", unreadable),
      ("multicast", multicast), ("broadcast", broadcast), ("unknownOffload", unknownOffload),
    ]
  }
}
extension Counters.Verdict {
  fileprivate static let names = allCases.map { "\($0)" }
}

/// The fields of a struct of counters, in their order: one place less to forget a new one.
///
/// To ask a struct for its fields takes longer than all the rest of a snapshot; so it is asked once for their names,
/// and the values are read where they lie.
private struct CounterNames<Counters>: Sendable {
  private let names: [String]

  init(_ counters: Counters) {
    names = Mirror(reflecting: counters).children.compactMap { field in
      field.value is UInt64 ? field.label : nil
    }
    precondition(
      names.count * MemoryLayout<UInt64>.stride == MemoryLayout<Counters>.size, "counters have 64 bits, all of them")
  }

  func with(_ counters: Counters) -> [(String, UInt64)] {
    withUnsafeBytes(of: counters) { bytes in
      names.enumerated().map { number, name in
        (name, bytes.load(fromByteOffset: number * MemoryLayout<UInt64>.stride, as: UInt64.self))
      }
    }
  }
}
