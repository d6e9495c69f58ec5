import Engine
import Handshake
import Primitives
import TestWorld
import Testing
import Wire

@Suite struct `Gateways find each other` {
  @Test(arguments: 0..<20) func `when both begin at once`(seed: UInt64) throws {
    let world = try GatewayWorld.pair(seed: seed, bothKnow: true)
    try world.start(0)
    try world.start(1)
    world.run(for: .milliseconds(300))
    let flows = [0, 1].map { world.add(bulk, from: $0, to: 1 - $0, pause: .milliseconds(2), packets: 100) }
    world.run(for: .seconds(1))
    #expect(world.isConnected(0) && world.isConnected(1))
    for flow in flows { #expect(world.flows[flow].missing == 0 && world.flows[flow].sentPackets == 100) }
    #expect(
      world.carried(from: Place(0, 0), to: Place(1, 0)) > 50 && world.carried(from: Place(1, 1), to: Place(0, 1)) > 50)
    end(world)
  }

  @Test func `when only one knows where the other is, behind a translator`() throws {
    let world = try GatewayWorld.pair()
    world.rebind(Place(0, 0))
    try world.start(1)
    world.run(for: .seconds(2))
    #expect(world.observer.datagrams == 0, "who knows no address asks nobody")
    try world.start(0)
    world.run(for: .milliseconds(200))
    let flow = world.add(bulk, from: 1, to: 0, pause: .milliseconds(2), packets: 100)
    world.run(for: .seconds(1))
    #expect(world.flows[flow].missing == 0 && world.flows[flow].sentPackets == 100)
    end(world)
  }

  @Test func `within a second and a quarter of the moment at which the other one is there`() throws {
    let world = try GatewayWorld.pair()
    try world.start(0)
    world.run(for: .seconds(30))
    try world.start(1)
    let isThere = world.run(atMost: .milliseconds(1_250)) { $0.isConnected(0) && $0.isConnected(1) }
    #expect(isThere)
    end(world)
  }

  @Test func `and ask a cable that is plugged in later`() throws {
    let world = try GatewayWorld.pair()
    world.change(Place(0, 1), Place(1, 1)) { $0.isUp = false }
    try world.start(0)
    try world.start(1)
    world.run(for: .seconds(60))
    world.change(Place(0, 1), Place(1, 1)) { $0.isUp = true }
    let before = world.carried(from: Place(1, 1), to: Place(0, 1))
    world.run(for: .seconds(11))
    world.add(bulk, from: 1, to: 0, pause: .milliseconds(2), packets: 100)
    world.run(for: .seconds(1))
    #expect(world.carried(from: Place(1, 1), to: Place(0, 1)) > before + 100)
    end(world)
  }
}

@Suite struct `Traffic goes on` {
  @Test(arguments: [false, true]) func `when a translator forgets in mid-transfer`(fromBehind: Bool) throws {
    let world = try GatewayWorld.pair(paths: 1)
    try startAll(world)
    let flow = world.add(bulk, from: fromBehind ? 0 : 1, to: fromBehind ? 1 : 0, pause: .milliseconds(2))
    // Somebody behind the translator says something, as a stream's receiver does.
    world.add(.datagrams(least: 40, most: 40), from: 0, to: 1, pause: .milliseconds(20))
    world.run(for: .seconds(1))
    for _ in 0..<5 {
      world.rebind(Place(0, 0))
      world.run(for: .seconds(1))
    }
    #expect(world.gateway(1).events.count { $0 == .pathMoved } == 5)
    #expect(world.flows[flow].longestPause < .milliseconds(100))
    end(world)
  }

  @Test(arguments: [0, 1]) func `when a path dies and comes back, the others carry on within two seconds`(path: Int)
    throws
  {
    let world = try GatewayWorld.pair(paths: 3)
    try startAll(world)
    let flows = [0, 1].flatMap { from in
      [
        world.add(bulk, from: from, to: 1 - from, pause: .milliseconds(3)),
        world.add(.datagrams(least: 160, most: 160), from: from, to: 1 - from, pause: .milliseconds(20)),
        world.add(.pings, from: from, to: 1 - from, pause: .milliseconds(100)),
      ]
    }
    world.run(for: .seconds(2))
    world.change(Place(0, path), Place(1, path)) { $0.isUp = false }
    world.run(for: .seconds(10))
    let carried = world.carried(from: Place(0, path), to: Place(1, path))
    world.change(Place(0, path), Place(1, path)) { $0.isUp = true }
    world.run(for: .seconds(12))
    for flow in flows {
      #expect(
        world.flows[flow].longestPause < .seconds(2), "flow \(flow): \(world.flows[flow].longestPause.inSeconds) s")
    }
    #expect(world.carried(from: Place(0, path), to: Place(1, path)) > carried + 1_000, "it carries again")
    end(world)
  }

  @Test func `when all paths die for a while, it is back within a second and a half of the first that returns`() throws
  {
    let world = try GatewayWorld.pair(paths: 2)
    try startAll(world)
    let flows = [0, 1].map { world.add(bulk, from: $0, to: 1 - $0, pause: .milliseconds(3)) }
    world.run(for: .seconds(1))
    for path in [0, 1] { world.change(Place(0, path), Place(1, path)) { $0.isUp = false } }
    world.run(for: .milliseconds(2_500))
    let before = flows.map { world.flows[$0].deliveredBytes }
    world.change(Place(0, 1), Place(1, 1)) { $0.isUp = true }
    world.run(for: .milliseconds(1_500))
    for (flow, bytes) in zip(flows, before) { #expect(world.flows[flow].deliveredBytes > bytes) }
    end(world)
  }

  /// Whoever restarts has the same keys, and has forgotten everything else.
  @Test(arguments: [0, 1], [1, 2, 3] as [UInt64])
  func `within a second when either gateway restarts while packets flow`(who: Int, seed: UInt64) throws {
    let world = try GatewayWorld.pair(seed: seed, paths: 2)
    try startAll(world)
    let flows = [0, 1].map { world.add(bulk, from: $0, to: 1 - $0, pause: .milliseconds(3)) }
    world.run(for: .seconds(2))
    for _ in 0..<4 {
      try world.start(who)
      let before = flows.map { world.flows[$0].deliveredBytes }
      world.run(for: .seconds(1))
      for (flow, bytes) in zip(flows, before) { #expect(world.flows[flow].deliveredBytes > bytes, "flow \(flow)") }
      world.run(for: .milliseconds(1_777))
    }
    end(world)
  }

  @Test(arguments: [0, 1]) func `within a second of the first packet, when a gateway restarted long before`(who: Int)
    throws
  {
    let world = try GatewayWorld.pair(paths: 2)
    try startAll(world)
    world.run(for: .seconds(5))
    try world.start(who)
    world.run(for: .seconds(7))
    let flow = world.add(.pings, from: 0, to: 1, pause: .milliseconds(20))
    let isBack = world.run(atMost: .seconds(1)) { $0.flows[flow].deliveredNumbers > 0 }
    #expect(isBack)
    end(world)
  }

  @Test func `and no packet is lost while keys change twenty times a second, a hundred times over`() throws {
    let world = try GatewayWorld.pair(paths: 2) { plans in
      for index in plans.indices {
        var timing = GatewaySettings(wallClockAtZero: .init(seconds: 0, nanoseconds: 0)).timing
        timing.rekeyAfter = .milliseconds(50)
        timing.rekeyEarly = .milliseconds(1)
        timing.rekeyAfterAsResponder = .milliseconds(150)
        timing.sessionLife = .seconds(2)
        plans[index].timing = timing
      }
    }
    try startAll(world)
    let flows = [0, 1].flatMap { from in
      [
        world.add(bulk, from: from, to: 1 - from, pause: .milliseconds(3)),
        world.add(.datagrams(least: 64, most: 800), from: from, to: 1 - from, family: .ipv6, pause: .milliseconds(1)),
      ]
    }
    world.run(for: .seconds(7))
    for flow in flows { world.flows[flow].next = nil }
    world.run(for: .milliseconds(500))
    let changes = world.gateway(0).events.count { $0 == .rekeyed }
    #expect(changes >= 100, "\(changes) changes")
    for flow in flows {
      #expect(world.flows[flow].missing == 0 && world.flows[flow].sentPackets > 2_000, "flow \(flow)")
    }
    end(world)
  }
}

@Suite struct `A hub and its branches` {
  @Test func `each branch reaches the hub, and packets go where they belong`() throws {
    let world = try GatewayWorld.hub(branches: 5)
    try startAll(world)
    var flows: [Int] = []
    for branch in 1...5 {
      flows.append(world.add(bulk, from: branch, to: 0, pause: .milliseconds(4), packets: 50))
      flows.append(world.add(.pings, from: 0, to: branch, family: .ipv6, pause: .milliseconds(9), packets: 30))
    }
    world.run(for: .seconds(1))
    for flow in flows { #expect(world.flows[flow].missing == 0 && world.flows[flow].left == 0, "flow \(flow)") }
    end(world)
  }

  @Test func `a noisy branch does not take the memory of a quiet one`() throws {
    let world = try GatewayWorld.hub(branches: 2) { plans in plans[0].segmentBytes = 3 << 20 }
    // It sends much, and a third of it is lost: everything behind each hole has to be held.
    var noisy = Line(delay: .milliseconds(40))
    noisy.loss = 0.3
    noisy.reordering = 0.3
    noisy.detour = .milliseconds(300)
    try startAll(world)
    world.connect(Place(1, 0), Place(0, 0), noisy)
    for _ in 0..<8 { world.add(bulk, from: 1, to: 0, pause: .milliseconds(1), packets: 1_500) }
    let quiet = world.add(.tcp(size: 1_384, most: 20_000), from: 2, to: 0, pause: .milliseconds(2), packets: 900)
    let call = world.add(.datagrams(least: 160, most: 160), from: 2, to: 0, pause: .milliseconds(20), packets: 100)
    world.run(for: .seconds(4))
    #expect(world.gateway(1).count("engine", "repaired", at: world.now) > 100, "the noisy one loses much")
    for flow in [quiet, call] { #expect(world.flows[flow].missing == 0 && world.flows[flow].left == 0) }
    // What it lost again and again is asked for less and less often.
    for index in world.flows.indices { world.flows[index].next = nil }
    world.run(for: .seconds(8))
    end(world)
  }

  @Test func `an inner source address that is not the sender's is dropped and counted`() throws {
    let world = try GatewayWorld.hub(branches: 2)
    try startAll(world)
    let impostor = world.add(.datagrams(least: 100, most: 100), from: 1, to: 0, pause: .milliseconds(5), packets: 20)
    world.flows[impostor].claimedSource = 2
    let honest = world.add(.datagrams(least: 100, most: 100), from: 1, to: 0, pause: .milliseconds(5), packets: 20)
    world.run(for: .seconds(1))
    #expect(world.flows[impostor].deliveredNumbers == 0 && world.flows[honest].deliveredNumbers == 20)
    #expect(world.gateway(0).count("engine", "foreignSource", at: world.now) == 20)
    end(world)
  }

  @Test func `a prefix belongs to one peer, and to claim it twice is refused by name`() throws {
    let world = try GatewayWorld.hub(branches: 2) { plans in
      plans[0].peers[1].allowed = [IPPrefix(innerAddress(.ipv4, behind: 1), length: 24).network]
    }
    let error = #expect(throws: SettingsConflict.self) { try world.start(0) }
    #expect(
      "\(try #require(error))" == "peers gateway1 and gateway2 both claim 10.0.1.0/24; an address belongs to one peer")
  }
}

@Suite struct `Idle gateways` {
  @Test func `wake at most twice a second, once they are connected`() throws {
    let world = try GatewayWorld.pair(paths: 4, bothKnow: true)
    try startAll(world)
    world.run(for: .seconds(30))
    let before = [0, 1].map { world.gateway($0).wakes }
    let datagrams = world.observer.datagrams
    world.run(for: .seconds(100))
    for (gateway, wakes) in zip([0, 1], before) {
      #expect(world.gateway(gateway).wakes - wakes <= 200, "gateway \(gateway)")
    }
    // Each pair of addresses is asked every ten seconds.
    #expect(world.observer.datagrams - datagrams <= 500, "and say little")
    end(world)
  }
}

@Suite struct `Who watches the wires` {
  @Test func `never sees a number twice and no byte of a packet, over restarts and rekeys`() throws {
    let world = try GatewayWorld.pair(paths: 3, bothKnow: true) { plans in
      for index in plans.indices {
        var timing = GatewaySettings(wallClockAtZero: .init(seconds: 0, nanoseconds: 0)).timing
        timing.rekeyAfter = .milliseconds(300)
        timing.rekeyEarly = .milliseconds(100)
        plans[index].timing = timing
      }
    }
    try startAll(world)
    for from in [0, 1] {
      world.add(bulk, from: from, to: 1 - from, pause: .milliseconds(5))
      world.add(.bursts(size: 500, count: 20), from: from, to: 1 - from, pause: .milliseconds(7))
    }
    for restart in 1...4 { world.at(.milliseconds(Int64(700 * restart))) { try $0.start(restart % 2) } }
    world.run(for: .seconds(4))
    #expect(world.observer.datagrams > 20_000)
    end(world)
  }
}

/// A download in full super-packets.
private let bulk = UserFlow.Kind.tcp(size: 1_384, most: 62_000)

private func startAll(_ world: GatewayWorld) throws {
  for gateway in world.plans.indices { try world.start(gateway) }
  world.run(for: .milliseconds(400))
}

/// Nobody sends any more: everything comes to rest, and nothing was wrong on the way.
private func end(_ world: GatewayWorld) {
  for index in world.flows.indices { world.flows[index].next = nil }
  world.run(for: .seconds(2))
  world.checkRest()
  #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
}

extension GatewayWorld {
  fileprivate func isConnected(_ number: Int) -> Bool { gateway(number).events.contains(.connected) }
}
