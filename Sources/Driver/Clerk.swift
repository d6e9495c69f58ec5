//  Clerk.swift — says what the loop does, to people: log lines, and a snapshot when somebody asks.

import Configuration
import Engine
import Primitives
import Ring
import Status
import Underlay
import VNIC

struct Clerk {
  private(set) var setup: Gateway.Setup
  private let startedAt: Instant
  /// Why paths have no uplink, by their names.
  var reasons: [String: String] = [:]

  init(_ setup: Gateway.Setup, startedAt: Instant) {
    self.setup = setup
    self.startedAt = startedAt
  }

  mutating func follow(_ setup: Gateway.Setup) { self.setup = setup }

  func tellStart(of loop: borrowing GatewayLoop) {
    let configuration = setup.configuration
    for path in configuration.paths {
      guard let place = loop.engine.place(ofPath: path.name), loop.sockets[place].isOpen else { continue }
      setup.log("path \(path.name): UDP port \(loop.sockets[place].port) on \(path.interface)")
      for limitation in loop.sockets[place].limitations { setup.log("path \(path.name): \(limitation)") }
    }
    for limitation in loop.ring.limitations + loop.device.limitations { setup.log(limitation) }
    setup.log("\(configuration.interface): up, \(loop.engine.implementation)")
  }

  func tellEnd() { setup.log("\(setup.configuration.interface): ended by a signal") }

  func tell(_ answer: Inquiry.Answer) {
    let count = setup.configuration.peers.count
    let who =
      answer.name.peer < count
      ? "peer \(setup.configuration.peers[answer.name.peer].name)"
      : "relay \(setup.configuration.relays[answer.name.peer - count].name)"
    let addresses = answer.endpoints.map { "\($0)" }.joined(separator: ", ")
    setup.log("\(who): \(answer.name.host) has an address now: \(addresses)")
  }

  func tellEvents(of loop: inout GatewayLoop) {
    while let event = loop.engine.nextEvent() {
      let peer = (loop.engine.isRelay(event.peer) ? "relay " : "peer ") + loop.engine.name(ofPeer: event.peer)
      let path = event.path.flatMap { loop.engine.describe(path: $0, ofPeer: event.peer) } ?? ""
      let line =
        switch event.kind {
        case .connected: "\(peer): connected"
        case .rekeyed: "\(peer): new keys"
        case .disconnected: "\(peer): no session any more"
        case .pathFound: "\(peer): it comes over \(path)"
        case .pathMoved: "\(peer): it has moved to \(path)"
        case .pathUp: "\(peer): \(path) is up"
        case .pathDown: "\(peer): \(path) does not answer any more"
        case .relayRefused: "\(peer): it does not forward for \(path); asked again in half a minute"
        case .budgetSpent, .budgetFresh: loop.engine.sentence(about: event.kind, ofLocalPath: event.path ?? 0)
        }
      setup.log(line)
    }
  }

  func snapshot(of loop: borrowing GatewayLoop, _ advised: Advised?) -> StatusSnapshot {
    var snapshot = loop.engine.snapshot(
      version: setup.version, interface: setup.configuration.interface, uptime: loop.now - startedAt, at: loop.now)
    snapshot.oracle = advised?.snapshot(at: loop.now)
    for peer in snapshot.peers.indices {
      for path in snapshot.peers[peer].paths.indices {
        let name = snapshot.peers[peer].paths[path].name
        guard let index = setup.configuration.paths.firstIndex(where: { $0.name == name }),
          let place = loop.engine.place(ofPath: name)
        else { continue }
        snapshot.peers[peer].paths[path].interface = setup.configuration.paths[index].interface
        if let reason = reasons[name], snapshot.peers[peer].paths[path].state == .down {
          snapshot.peers[peer].paths[path].useReason = reason
        }
        snapshot.peers[peer].paths[path].hasOffload = !loop.sockets[place].segmentation.isRefused
      }
    }
    return snapshot
  }
}
