import Engine
import Handshake
import Primitives
import Sealing
import Status
import TestWorld
import Status
import Testing

@Suite struct `A running gateway follows other settings` {
  @Test(arguments: 0..<6) func `rules, classes, tiers and prices, and a flow that they do not concern loses nothing`(
    seed: UInt64
  ) throws {
    let world = try GatewayWorld.pair(seed: seed)
    try startAll(world)
    let flows = steady(world)
    for step in 0..<8 {
      world.at(.milliseconds(200 * Int64(step + 1))) { world in
        try world.apply(Int(world.random.below(2))) { settings in
          settings.classes = Classes([TrafficClass("extra\(step % 3)", .interactive, step % 2 == 0 ? .copies : .none)])
          settings.rules = [
            Rule(name: "others", .single(path: UInt8(step % 2)), classNumber: 3).to(innerAddress(.ipv6, behind: 1))
          ]
          settings.paths[1].tier = [.primary, .secondary, .backup, .primary][step % 4]
          settings.paths[0].price = UInt32(step)
          settings.paths[1].weight = UInt32(step + 1)
        }
      }
    }
    world.run(for: .seconds(3))
    arrived(flows, in: world)
    end(world)
  }

  @Test(arguments: 0..<6) func `a path comes and carries, one goes, and nothing is lost`(seed: UInt64) throws {
    let world = try GatewayWorld.pair(seed: seed, paths: 3)
    for gateway in 0..<2 { try world.start(gateway) { $0.paths.removeLast() } }
    world.run(for: .milliseconds(400))
    let flows = steady(world)
    world.at(.milliseconds(300)) { world in
      for gateway in 0..<2 { try world.apply(gateway) { $0.paths.append(LocalPath(name: "path2")) } }
    }
    world.run(for: .seconds(1))
    #expect(world.upCount(0) == 3 && world.upCount(1) == 3, "the path that came is not up")
    for gateway in 0..<2 { try world.apply(gateway) { $0.paths.remove(at: 0) } }
    world.run(for: .seconds(2))
    let before = world.carried(from: Place(0, 0), to: Place(1, 0))
    world.run(for: .milliseconds(500))
    #expect(world.carried(from: Place(0, 0), to: Place(1, 0)) == before, "a path that went still carries")
    arrived(flows, in: world)
    // Its place is somebody else's.
    for gateway in 0..<2 { try world.apply(gateway) { $0.paths.append(LocalPath(name: "again")) } }
    world.run(for: .seconds(1))
    #expect(world.upCount(0) == 3 && world.upCount(1) == 3, "the path that came is not up")
    #expect(world.carried(from: Place(0, 0), to: Place(1, 0)) > before)
    arrived(flows, in: world)
    end(world)
  }

  @Test func `a path that goes and comes back at once is the same path, under another name too`() throws {
    let world = try GatewayWorld.pair(paths: 2)
    for gateway in 0..<2 {
      try world.start(gateway) { settings in
        for path in settings.paths.indices { settings.paths[path].end = "line\(path)" }
      }
    }
    world.run(for: .milliseconds(400))
    let flows = steady(world)
    world.run(for: .milliseconds(300))
    let whole = world.gateway(0).settings.paths
    for round in 0..<6 {
      try world.apply(0) { $0.paths = [whole[0]] }
      world.run(for: .milliseconds(Int64(100 + round * 200)))
      try world.apply(0) { settings in
        settings.paths = whole
        settings.paths[1].name = "name\(round)"
      }
      world.run(for: .milliseconds(400))
      #expect(world.gateway(0).engine.place(ofPath: "name\(round)") == 1, "round \(round)")
      #expect(world.upCount(0) == 2 && world.upCount(1) == 2, "round \(round)")
    }
    arrived(flows, in: world)
    end(world)
  }

  @Test func `the only path is replaced by another, and nothing is lost`() throws {
    let world = try GatewayWorld.pair(paths: 2)
    for gateway in 0..<2 { try world.start(gateway) { $0.paths.removeLast() } }
    world.run(for: .milliseconds(400))
    let flows = steady(world)
    world.run(for: .milliseconds(500))
    for gateway in 0..<2 { try world.apply(gateway) { $0.paths[0].end = "another interface" } }
    world.run(for: .seconds(3))
    arrived(flows, in: world)
    #expect(world.carried(from: Place(0, 1), to: Place(1, 1)) > 100)
    end(world)
  }

  @Test(arguments: 0..<4) func `peers come and go beside one that stays`(seed: UInt64) throws {
    let world = try GatewayWorld.hub(seed: seed, branches: 3)
    try world.start(0) { $0.peers = [$0.peers[0]] }
    for branch in 1...3 { try world.start(branch) }
    world.run(for: .milliseconds(400))
    let staying = [
      world.add(bulk, from: 1, to: 0, pause: .milliseconds(3)),
      world.add(bulk, from: 0, to: 1, pause: .milliseconds(3)),
    ]
    let all = world.settings(of: 0).peers
    let others = [2, 3].flatMap { branch in
      [
        world.add(bulk, from: branch, to: 0, pause: .milliseconds(5)),
        world.add(bulk, from: 0, to: branch, pause: .milliseconds(5)),
      ]
    }
    for step in 0..<12 {
      world.at(.milliseconds(Int64(step) * 700)) { world in
        try world.apply(0) { settings in
          settings.peers = [all[0]] + [[], [all[1]], [all[2]], [all[2], all[1]]][(step + Int(seed)) % 4]
        }
      }
    }
    world.run(for: .seconds(9))
    arrived(staying, in: world)
    for flow in others { #expect(world.flows[flow].deliveredBytes > 0, "flow \(flow) never had its peer") }
    try world.apply(0) { $0.peers = all }
    world.run(for: .seconds(3))
    end(world)
  }

  @Test func `a hub grows from one branch to forty and back`() throws {
    let world = try GatewayWorld.hub(branches: 40)
    try world.start(0) { $0.peers = [$0.peers[0]] }
    for branch in 1...40 { try world.start(branch) }
    let all = world.settings(of: 0).peers
    let staying = [
      world.add(bulk, from: 1, to: 0, pause: .milliseconds(5)),
      world.add(bulk, from: 0, to: 1, pause: .milliseconds(5)),
    ]
    world.run(for: .milliseconds(500))
    for index in staying { world.flows[index].next = nil }
    world.run(for: .milliseconds(500))
    let before = staying.map { world.flows[$0].missing }
    for index in staying { world.flows[index].next = world.now }
    for count in [2, 5, 17, 40] {
      try world.apply(0) { $0.peers = Array(all[..<count]) }
      world.run(for: .milliseconds(300))
    }
    world.run(for: .seconds(2))
    for branch in 1...40 { #expect(world.gateway(branch).events.contains(.connected), "branch \(branch)") }
    for count in [31, 3, 1] {
      try world.apply(0) { $0.peers = Array(all[..<count]) }
      world.run(for: .milliseconds(300))
    }
    for index in staying { world.flows[index].next = nil }
    world.run(for: .seconds(1))
    #expect(staying.map { world.flows[$0].missing } == before)
    end(world)
  }

  @Test func `another preshared key, first here and then there, and traffic goes on`() throws {
    let world = try GatewayWorld.pair { plans in
      for gateway in 0..<2 { plans[gateway].peers[0].presharedKey = Array(repeating: 7, count: 32) }
    }
    try startAll(world)
    let flows = steady(world)
    var bytes = Secret()
    bytes.withMutableBytes { $0[0] = 9 }
    let key = KeptSecret(bytes)
    world.run(for: .milliseconds(300))
    try world.apply(1) { $0.peers[0].presharedKey = key }
    world.run(for: .seconds(20))
    #expect(!world.gateway(0).events.contains(.rekeyed) || !world.gateway(1).events.contains(.rekeyed))
    try world.apply(0) { $0.peers[0].presharedKey = key }
    world.run(for: .seconds(12))
    #expect(world.gateway(0).events.contains(.rekeyed) && world.gateway(1).events.contains(.rekeyed))
    arrived(flows, in: world)
    end(world)
  }

  @Test(arguments: [0, 1]) func `another key of its own serves as soon as the other side knows it`(who: Int) throws {
    let world = try GatewayWorld.pair(bothKnow: true)
    try startAll(world)
    let flows = steady(world)
    world.run(for: .seconds(1))
    let identity = world.freshIdentity()
    try world.apply(who, identity: identity) { _ in }
    world.run(for: .seconds(5))
    // Nothing was agreed on yet, and nothing stopped.
    arrived(flows, in: world)
    try world.apply(1 - who) { $0.peers[0].publicKey = identity.publicKey }
    world.run(for: .milliseconds(500))
    for flow in flows {
      #expect(world.flows[flow].lastDelivery ?? .zero > world.now - .milliseconds(50), "flow \(flow) after the change")
    }
    arrived(flows, in: world, lostAtMost: 0.1)
    end(world)
  }

  @Test func `what cannot be is said, and nothing has changed`() throws {
    let world = try GatewayWorld.hub(branches: 2)
    try startAll(world)
    let peers = world.gateway(0).settings.peers
    #expect(throws: SettingsConflict.sameKey(peers[0].name, "again")) {
      try world.apply(0) { settings in
        var copy = peers[0]
        copy.name = "again"
        settings.peers.append(copy)
      }
    }
    #expect(throws: SettingsConflict.samePrefix(peers[0].allowed[0], peers[0].name, peers[1].name)) {
      try world.apply(0) { $0.peers[1].allowed = peers[0].allowed }
    }
    #expect(throws: SettingsConflict.tooManyPaths(17)) {
      try world.apply(0) { $0.paths = (0..<17).map { LocalPath(name: "path\($0)") } }
    }
    let flow = world.add(bulk, from: 1, to: 0, pause: .milliseconds(2), packets: 100)
    world.run(for: .seconds(1))
    #expect(world.flows[flow].missing == 0 && world.flows[flow].sentPackets == 100)
    end(world)
  }

  @Test func `a rule may name a path that waits for a place, and whoever asks why is told`() throws {
    let world = try GatewayWorld.pair()
    try startAll(world)
    // The places of those that go are not free yet.
    try world.apply(0) { settings in
      settings.paths = (0..<LocalPlaces.mostPaths).map { LocalPath(name: "other\($0)") }
      settings.rules = [Rule(name: "one", .single(path: UInt8(LocalPlaces.mostPaths - 1)))]
    }
    let host = try #require(world.gateway(0).settings.peers[0].allowed.first?.address)
    let key = FlowKey(source: host, sourcePort: 1, destination: host, destinationPort: 2, transport: 17)
    var (list, why) = (RuleList(), FlowExplanation(key: key))
    world.tell(0) { engine, now in
      list = engine.ruleList
      why = engine.explain(key, at: now)
    }
    #expect(list.rules.map(\.path) == ["?"])
    #expect(why.stackReason == "over the path with the shortest round trip, its rule says so", "\(why.stackReason)")
  }

  @Test func `two peers exchange their addresses in one step`() throws {
    let world = try GatewayWorld.hub(branches: 2)
    try startAll(world)
    try world.apply(0) { settings in
      let first = settings.peers[0].allowed
      settings.peers[0].allowed = settings.peers[1].allowed
      settings.peers[1].allowed = first
    }
    world.checksTraffic = false
    let (first, second) = (world.gateway(1).deliveries, world.gateway(2).deliveries)
    world.add(.datagrams(least: 100, most: 100), from: 0, to: 1, pause: .milliseconds(10), packets: 20)
    world.run(for: .seconds(1))
    #expect(world.gateway(1).deliveries == first, "it went to whom the address belonged before")
    #expect(world.gateway(2).deliveries == second + 20)
  }
}

@Suite struct `A socket goes and comes back` {
  @Test(arguments: 0..<10) func `and the bond goes on within a round trip or two`(seed: UInt64) throws {
    let world = try GatewayWorld.pair(seed: seed)
    try startAll(world)
    let flows = steady(world)
    world.run(for: .seconds(1))
    for round in 0..<6 {
      let (gateway, place) = (Int(world.random.below(2)), round % 2)
      world.tell(gateway) { engine, now in engine.closePath(place, at: now) }
      world.run(for: .milliseconds(Int64(50 + world.random.below(2_000))))
      #expect(world.upCount(gateway) == 1, "round \(round)")
      world.tell(gateway) { engine, now in engine.openPath(place, at: now) }
      world.run(for: .milliseconds(100))
      #expect(world.upCount(0) == 2 && world.upCount(1) == 2, "round \(round): it is not back")
      for side in 0..<2 { #expect(world.carryingCount(side) == 2, "round \(round): \(side) does not use it") }
    }
    for flow in flows { #expect(world.flows[flow].longestPause < .milliseconds(300), "flow \(flow) stood still") }
    arrived(flows, in: world, lostAtMost: 0.02)
    end(world)
  }

  @Test func `the only one, and traffic goes on when it is back`() throws {
    let world = try GatewayWorld.pair(paths: 1)
    try startAll(world)
    let flows = steady(world)
    world.run(for: .seconds(1))
    for gateway in 0..<2 {
      world.tell(gateway) { engine, now in engine.closePath(0, at: now) }
      world.run(for: .seconds(30))
      world.tell(gateway) { engine, now in engine.openPath(0, at: now) }
      let back = world.now
      world.run(for: .milliseconds(300))
      for flow in flows { #expect(world.flows[flow].lastDelivery ?? .zero > back, "flow \(flow)") }
    }
    end(world)
  }

  @Test func `with another address, and the other side moves the path there at once`() throws {
    let world = try GatewayWorld.pair(paths: 1)
    try startAll(world)
    let flow = world.add(bulk, from: 1, to: 0, pause: .milliseconds(2))
    world.run(for: .seconds(1))
    world.rebind(Place(0, 0))
    world.tell(0) { engine, now in engine.addressChanged(0, at: now) }
    world.run(for: .milliseconds(200))
    #expect(world.flows[flow].longestPause < .milliseconds(100))
    end(world)
  }
}

@Suite struct `Many changes` {
  /// Valid ones and invalid ones, in any order, while hosts send.
  @Test(arguments: 0..<12) func `leave nothing behind`(seed: UInt64) throws {
    let world = try GatewayWorld.hub(seed: seed, branches: 3) { plans in
      for gateway in plans.indices { plans[gateway].sockets = 3 }
      for branch in 1...3 { plans[branch].peers[0].sockets = [0, 1, 2] }
    }
    for branch in 1...3 { for socket in 0..<3 { world.connect(Place(branch, socket), Place(0, socket), Line()) } }
    try startAll(world)
    let all = world.gateway(0).settings
    let staying = [
      world.add(bulk, from: 1, to: 0, pause: .milliseconds(4)),
      world.add(bulk, from: 0, to: 1, pause: .milliseconds(4)),
    ]
    for branch in 2...3 {
      world.add(bulk, from: branch, to: 0, pause: .milliseconds(7))
      world.add(.datagrams(least: 40, most: 1_200), from: 0, to: branch, pause: .milliseconds(7))
    }
    var refused = 0
    for step in 0..<40 {
      world.run(for: .milliseconds(Int64(20 + world.random.below(400))))
      do {
        try world.apply(0) { settings in
          // One that cannot be is always among them.
          switch step == 20 ? 6 : world.random.below(9) {
          case 0: settings.peers = [all.peers[0]] + (world.random.below(2) == 0 ? [] : [all.peers[1]])
          case 1: settings.peers = all.peers
          case 2: settings.paths = Array(all.paths[..<(1 + Int(world.random.below(3)))])
          case 3: settings.paths = [all.paths[0]] + [LocalPath(name: "new\(step)")]
          case 4:
            settings.rules = [
              Rule(name: "r\(step)", .single(path: UInt8(world.random.below(3)))).to(innerAddress(.ipv4, behind: 2))
            ]
          case 5 where settings.paths.count > 1:
            settings.paths[settings.paths.count - 1].tier = [.primary, .backup, .never][Int(world.random.below(3))]
          case 6: settings.peers.append(all.peers[0])
          case 7: settings.classes = Classes([TrafficClass("c\(step)", .realtime, .parity(data: 2, parity: 1))])
          default:
            settings.paths[0].limit =
              world.random.below(2) == 0 ? nil : (.init(bitsPerSecond: 400_000_000), .init(bitsPerSecond: 400_000_000))
          }
        }
      } catch {
        refused += 1
      }
    }
    #expect(refused > 0)
    try world.apply(0) { $0 = all }
    world.run(for: .seconds(3))
    arrived(staying, in: world)
    end(world)
    let rest = world.gateway(0).engine.inventory
    #expect(rest.parts == 0 && rest.shipments == 0 && rest.laneSets == 3 && rest.places == 3, "\(rest)")
    try world.apply(0) { settings in
      settings.peers = []
      settings.paths = [all.paths[0]]
    }
    world.run(for: .seconds(2))
    let empty = world.gateway(0).engine.inventory
    #expect(
      empty.runs == 0 && empty.sessions == 0 && empty.laneSets == 0 && empty.sockets == 1 && empty.places == 3,
      "\(empty)")
  }
}

// MARK: Helpers

private let bulk = UserFlow.Kind.tcp(size: 1_384, most: 30_000)

private func startAll(_ world: GatewayWorld) throws {
  for gateway in world.plans.indices { try world.start(gateway) }
  world.run(for: .milliseconds(400))
}

/// Both directions, streams and datagrams, for as long as the test goes.
private func steady(_ world: GatewayWorld) -> [Int] {
  [0, 1].flatMap { from in
    [
      world.add(bulk, from: from, to: 1 - from, pause: .milliseconds(3)),
      world.add(.datagrams(least: 40, most: 1_200), from: from, to: 1 - from, pause: .milliseconds(9)),
    ]
  }
}

/// All that was sent has come, when what is on its way has come too.
private func arrived(_ flows: [Int], in world: GatewayWorld, lostAtMost share: Double = 0) {
  let next = flows.map { world.flows[$0].next }
  for flow in flows { world.flows[flow].next = nil }
  world.run(for: .milliseconds(900))
  for flow in flows {
    let sent = world.flows[flow].sentPackets
    let most =
      Double(world.flows[flow].missing) <= share
      * Double(world.flows[flow].deliveredBytes + world.flows[flow].deliveredNumbers)
    #expect(
      sent > 50 && most, "flow \(flow), seed \(world.seed): \(world.flows[flow].missing) missing of \(sent) packets")
  }
  for (flow, instant) in zip(flows, next) where instant != nil { world.flows[flow].next = world.now }
}

/// Nobody sends any more: everything comes to rest, and nothing was wrong on the way.
private func end(_ world: GatewayWorld) {
  for index in world.flows.indices { world.flows[index].next = nil }
  world.run(for: .seconds(3))
  world.checkRest()
  #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
}

extension GatewayWorld {
  fileprivate func upCount(_ gateway: Int) -> Int { self.gateway(gateway).sizes(at: now).count }

  fileprivate func carryingCount(_ gateway: Int) -> Int {
    self.gateway(gateway).engine.snapshot(version: "", interface: "", uptime: .zero, at: now).peers[0].paths.count {
      $0.use == .carrying
    }
  }
}

extension Rule {
  fileprivate func to(_ address: IPAddress) -> Rule {
    var rule = self
    rule.to = [IPPrefix(address)]
    return rule
  }
}
