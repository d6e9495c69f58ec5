//  Clerk.swift — says what the loop does, to people: log lines, and a snapshot when somebody asks.

import Configuration
import Control
import Engine
import Primitives
import Ring
import Service
import Status
import Underlay
import VNIC

struct Clerk {
  private(set) var setup: Gateway.Setup
  private let events: EventBoard
  private let startedAt: Instant
  private var gathering: FlowGathering?
  /// Why paths have no uplink, by their names.
  var reasons: [String: String] = [:]

  init(_ setup: Gateway.Setup, _ events: EventBoard, startedAt: Instant) {
    self.setup = setup
    self.events = events
    self.startedAt = startedAt
  }

  mutating func follow(_ setup: Gateway.Setup) { self.setup = setup }

  func tellStart(of loop: borrowing GatewayLoop) {
    let configuration = setup.configuration
    for path in configuration.paths {
      guard let place = loop.engine.place(ofPath: path.name), loop.sockets[place].isOpen else { continue }
      let port = loop.sockets[place].port
      setup.log(.socketOpened, "path \(path.name): UDP port \(port) on \(path.interface)", path: path.name)
      for limitation in loop.sockets[place].limitations {
        setup.log(.limitation, "path \(path.name): \(limitation)", path: path.name)
      }
    }
    for limitation in loop.ring.limitations + loop.device.limitations { setup.log(.limitation, limitation) }
    let line = "\(configuration.interface): up, \(loop.engine.implementation)"
    setup.log(.started, line)
    events.tell(.started, line)
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
      let isOurs = event.kind == .budgetSpent || event.kind == .budgetFresh
      let pathName = loop.engine.pathName(of: event)
      setup.log(kind, line, peer: isOurs ? nil : name, path: pathName)
      events.tell(EventRecord.Kind(event.kind), peer: isOurs ? nil : name, path: pathName, line)
    }
  }

  // MARK: Whoever asks

  /// A flow list takes several turns; then the loop must not sleep.
  var isBusy: Bool { gathering != nil }

  /// In each turn in which somebody asks, or a list is being made.
  mutating func answer(_ board: StatusBoard, of loop: borrowing GatewayLoop, _ advised: Advised?) {
    if board.isAsked, let ticket = board.takeQuestion() {
      switch ticket.question {
      case .status: board.publish(.status(snapshot(of: loop, advised)), for: ticket)
      case .rules: board.publish(.rules(loop.engine.ruleList), for: ticket)
      case .flow(let key): board.publish(.flow(loop.engine.explain(key, at: loop.now)), for: ticket)
      case .flows: gathering = FlowGathering(ticket, of: loop)
      }
    }
    guard let ticket = gathering?.ticket, let list = gathering?.step(of: loop) else { return }
    gathering = nil
    board.publish(.flows(list), for: ticket)
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

extension EventRecord.Kind {
  init(_ kind: Event.Kind) {
    switch kind {
    case .connected: self = .connected
    case .rekeyed: self = .rekeyed
    case .disconnected: self = .disconnected
    case .pathFound: self = .pathFound
    case .pathMoved: self = .pathMoved
    case .pathUp: self = .pathUp
    case .pathDown: self = .pathDown
    case .relayRefused: self = .relayRefused
    case .budgetSpent: self = .budgetSpent
    case .budgetFresh: self = .budgetFresh
    }
  }
}
