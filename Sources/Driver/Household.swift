//  Household.swift — what a running gateway has besides its loop, and how all of it follows another configuration.
//
//  How.  Everything that can be refused comes first: what only a restart can change, settings that contradict each
//  other (`Engine.examine`), sockets, the virtual interface. Then the engine takes the change, which cannot fail, and
//  the rest of the house follows.
//
//      plan ─▶ needs a restart? ─▶ examine ─▶ open the sockets of what comes ─▶ addresses, MTU, routes ─▶ apply
//                   │                 │                  │                              │
//                   └─────────────────┴──────────────────┴── refused: all as it was ◀───┘ (set back)
//
//  A path that comes while the places of those that go are not free yet has to wait for them: the same plan is applied
//  once more when they are.

import Configuration
import Control
import Crypto
import Engine
import Handshake
import Primitives
import Sealing
import Service
import VNIC

struct Household {
  var clerk: Clerk
  var advised: Advised?
  /// As it is used: with a path for each uplink where the file says `*`.
  private var setup: Gateway.Setup
  private var written: GatewayConfiguration
  private var inquiry: Inquiry?
  private var names = FoundNames()
  private var uplinking: Uplinking
  private let wake: @Sendable () -> Void
  /// Some paths have no place yet.
  private var isIncomplete = false

  init(
    _ setup: Gateway.Setup, as written: GatewayConfiguration, _ uplinking: Uplinking, _ events: EventBoard,
    at now: Instant, wake: @escaping @Sendable () -> Void
  ) throws(GatewayFailure) {
    self.setup = setup
    self.uplinking = uplinking
    self.written = written
    self.wake = wake
    clerk = Clerk(setup, events, startedAt: now)
    let places = Dictionary(
      setup.configuration.peers.enumerated().map { ($1.publicKey, $0) }, uniquingKeysWith: { first, _ in first })
    advised = try Advised.begin(setup.configuration, place: { places[$0.publicKey] }, at: now, wake: wake)
    inquiry = Inquiry.start(setup.unresolved, wake: wake)
    noteReasons()
  }

  func end() {
    advised?.end()
    inquiry?.end()
    uplinking.end()
  }

  // MARK: Names

  /// Names that have an address now.
  mutating func takeAddresses(_ loop: inout GatewayLoop) {
    for answer in inquiry?.take() ?? [] {
      names.note(answer, in: &setup)
      let count = setup.configuration.peers.count
      let key =
        answer.name.peer < count
        ? setup.configuration.peers[answer.name.peer].publicKey
        : setup.configuration.relays[answer.name.peer - count].publicKey
      if let place = loop.engine.place(ofPeer: key) {
        loop.engine.setEndpoints(setup.endpoints[answer.name.peer], ofPeer: place, at: loop.now)
      }
      clerk.tell(answer)
    }
  }

  // MARK: Sockets

  /// When the loop has to turn for us.
  var deadline: Instant? { uplinking.deadline }

  /// In each turn: those that nobody wants go, and who waited for their places comes.
  mutating func keepSockets(_ loop: inout GatewayLoop) {
    let isFree = loop.releaseSockets()
    uplinking.open(setup.configuration, &loop, log: { [log = setup.log] in log(.interface, $0) })
    if isFree && isIncomplete { again(&loop) }
  }

  /// Interfaces, addresses or routes are others than before.
  mutating func look(_ loop: inout GatewayLoop) {
    let (hasOtherSizes, isOther) = uplinking.look(
      setup.configuration, &loop, log: { [log = setup.log] in log(.interface, $0) })
    if isOther { noteReasons() }
    if isOther && written.hasEvery {
      var plan = setup
      plan.configuration = written.expanded(over: uplinking.facts, before: setup.configuration.paths)
      let difference = ConfigurationDifference(from: setup.configuration, to: plan.configuration)
      if !difference.sentences.isEmpty {
        switch change(to: plan, &loop) {
        case .applied(let sentences), .refused(let sentences):
          for sentence in sentences { setup.log(.configuration, sentence) }
        }
        return
      }
    }
    if hasOtherSizes { again(&loop) }
  }

  private mutating func noteReasons() {
    clerk.reasons = [:]
    for path in setup.configuration.paths {
      clerk.reasons[path.name] = uplinking.reason(ofPath: path.name, on: path.interface)
    }
  }

  /// The same settings, where something around them has changed.
  private mutating func again(_ loop: inout GatewayLoop) {
    guard case .refused(let mistakes) = change(to: setup, &loop) else { return }
    isIncomplete = false
    for mistake in mistakes { setup.log(.problem, mistake) }
  }

  // MARK: Another configuration

  mutating func follow(_ plan: Gateway.Setup, _ loop: inout GatewayLoop) -> Reload.Outcome {
    var plan = plan
    let asked = plan.unresolved
    names.fill(&plan, before: setup)
    let wanted = plan.configuration
    plan.configuration = wanted.expanded(over: uplinking.facts, before: setup.configuration.paths)
    let difference = ConfigurationDifference(from: setup.configuration, to: plan.configuration)
    if !difference.needsRestart.isEmpty { return .refused(difference.needsRestart) }
    if difference.sentences.isEmpty && plan.endpoints == setup.endpoints { return .applied([]) }
    let before = written
    written = wanted
    let outcome = change(to: plan, &loop)
    if case .refused = outcome { written = before } else { names.keep(only: asked) }
    return outcome
  }

  private mutating func change(to plan: Gateway.Setup, _ loop: inout GatewayLoop) -> Reload.Outcome {
    let before = setup.configuration
    let difference = ConfigurationDifference(from: before, to: plan.configuration)
    do throws(GatewayFailure) {
      let settings = try Gateway.settings(plan, at: loop.now)
      let identity = try difference.hasOtherKey ? Gateway.identity(plan.configuration) : nil
      let change = try Gateway.attempt { () throws(SettingsConflict) in
        try loop.engine.examine(settings, identity: identity)
      }
      var doors: [Door] = []
      for (number, place) in change.coming {
        guard let path = plan.configuration.paths.first(where: { $0.name == settings.paths[number].name }),
          uplinking.canOpen(path)
        else { continue }
        let door = try Door(place, of: path, plan.configuration, patience: .zero)
        try loop.makeRoom(for: door)
        doors.append(door)
      }
      try Gateway.attempt { () throws(InterfaceFailure) in
        try loop.device.change(
          addresses: plan.configuration.addresses, mtu: Int(plan.configuration.mtu.value),
          routes: plan.configuration.wantedRoutes)
      }
      loop.engine.apply(change, at: loop.now)
      for door in doors {
        loop.open(door)
        let name = loop.engine.nameOfPath(door.place)
        if let path = plan.configuration.paths.first(where: { $0.name == name }) { uplinking.note(door.place, path) }
      }
      isIncomplete = change.isIncomplete
    } catch {
      return .refused([error.description])
    }
    setup.configuration = plan.configuration
    setup.endpoints = plan.endpoints
    setup.unresolved = plan.unresolved
    clerk.follow(setup)
    uplinking.follow(
      setup.configuration, setup.endpoints, everyUplink: written.hasEvery, &loop,
      log: { [log = setup.log] in log(.interface, $0) })
    noteReasons()
    inquiry?.end()
    inquiry = Inquiry.start(plan.unresolved, wake: wake)
    Gateway.useRelays(setup, &loop)
    var sentences = difference.sentences
    if difference.concernsOracle {
      advised?.end()
      do throws(GatewayFailure) {
        let engine = loop.engine.placesByKey
        advised = try Advised.begin(setup.configuration, place: { engine[$0.publicKey] }, at: loop.now, wake: wake)
      } catch {
        advised = nil
        sentences.append("the oracle is not asked: \(error)")
      }
    }
    return .applied(sentences)
  }
}

extension Gateway {
  static func identity(_ configuration: GatewayConfiguration) throws(GatewayFailure) -> Identity {
    let cryptography = try attempt { () throws(CryptographyFailure) in try LibraryCryptography.make() }
    guard let key = configuration.privateKey.secret else {
      preconditionFailure("whoever runs a gateway has read its key")
    }
    return Identity(privateKey: key.copied(), cryptography)
  }
}
