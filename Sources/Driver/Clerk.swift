//  Clerk.swift — says what the loop does, to people: log lines, and a snapshot when somebody asks.

import Configuration
import Engine
import Primitives
import Ring
import Service
import Status
import Underlay
import VNIC

struct Clerk {
  private let setup: Gateway.Setup
  private let startedAt: Instant

  init(_ setup: Gateway.Setup, startedAt: Instant) {
    self.setup = setup
    self.startedAt = startedAt
  }

  func tellStart(of loop: borrowing GatewayLoop) {
    let configuration = setup.configuration
    for (index, path) in configuration.paths.enumerated() {
      let port = loop.sockets[index].socket.port
      setup.log(.socketOpened, "path \(path.name): UDP port \(port) on \(path.interface)", path: path.name)
      for limitation in loop.sockets[index].socket.limitations {
        setup.log(.limitation, "path \(path.name): \(limitation)", path: path.name)
      }
    }
    for limitation in loop.ring.limitations + loop.device.limitations { setup.log(.limitation, limitation) }
    setup.log(.started, "\(configuration.interface): up, \(loop.engine.implementation)")
  }

  func tellEnd() {
    setup.log(.ended, "\(setup.configuration.interface): ended by a signal")
    setup.log.end()
  }

  func tell(_ answer: Inquiry.Answer) {
    let count = setup.configuration.peers.count
    let who =
      answer.name.peer < count
      ? "peer \(setup.configuration.peers[answer.name.peer].name)"
      : "relay \(setup.configuration.relays[answer.name.peer - count].name)"
    let addresses = answer.endpoints.map { "\($0)" }.joined(separator: ", ")
    setup.log(.nameResolved, "\(who): \(answer.name.host) has an address now: \(addresses)")
  }

  func tellEvents(of loop: inout GatewayLoop) {
    while let event = loop.engine.nextEvent() {
      let name = loop.engine.name(ofPeer: event.peer)
      let peer = (loop.engine.isRelay(event.peer) ? "relay " : "peer ") + name
      let path = event.path.flatMap { loop.engine.describe(path: $0, ofPeer: event.peer) } ?? ""
      let (kind, line): (LogEvent, String) =
        switch event.kind {
        case .connected: (.peerConnected, "\(peer): connected")
        case .rekeyed: (.peerRekeyed, "\(peer): new keys")
        case .disconnected: (.peerDisconnected, "\(peer): no session any more")
        case .pathFound: (.pathFound, "\(peer): it comes over \(path)")
        case .pathMoved: (.pathMoved, "\(peer): it has moved to \(path)")
        case .pathUp: (.pathUp, "\(peer): \(path) is up")
        case .pathDown: (.pathDown, "\(peer): \(path) does not answer any more")
        case .relayRefused:
          (.relayRefused, "\(peer): it does not forward for \(path); asked again in half a minute")
        case .budgetSpent:
          (.budgetSpent, loop.engine.sentence(about: event.kind, ofLocalPath: event.path ?? 0))
        case .budgetFresh:
          (.budgetFresh, loop.engine.sentence(about: event.kind, ofLocalPath: event.path ?? 0))
        }
      if kind == .budgetSpent || kind == .budgetFresh {
        let own = Int(event.path ?? 0)
        setup.log(kind, line, path: own < setup.configuration.paths.count ? setup.configuration.paths[own].name : nil)
      } else {
        // Names have no blank, and the first word is one.
        setup.log(kind, line, peer: name, path: path.isEmpty ? nil : String(path.prefix { $0 != " " }))
      }
    }
  }

  func snapshot(of loop: borrowing GatewayLoop, _ advised: Advised?) -> StatusSnapshot {
    var snapshot = loop.engine.snapshot(
      version: setup.version, interface: setup.configuration.interface, uptime: loop.now - startedAt, at: loop.now)
    snapshot.oracle = advised?.snapshot(at: loop.now)
    for peer in snapshot.peers.indices {
      for path in snapshot.peers[peer].paths.indices {
        let name = snapshot.peers[peer].paths[path].name
        guard let index = setup.configuration.paths.firstIndex(where: { $0.name == name }) else { continue }
        snapshot.peers[peer].paths[path].interface = setup.configuration.paths[index].interface
        snapshot.peers[peer].paths[path].hasOffload = !loop.sockets[index].segmentation.isRefused
      }
    }
    return snapshot
  }
}
