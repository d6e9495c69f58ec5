import Engine
import Primitives
import TestWorld
import Testing
import Topology

@Suite struct `A path is sent datagrams as large as it carries` {
  /// What is found, and how much less than the truth that may be: sizes that nobody uses are found to eight bytes.
  @Test(
    arguments: [
      (1_500, 1_500...1_500), (1_492, 1_492...1_492), (1_400, 1_400...1_400), (1_337, 1_330...1_337),
      (1_280, 1_280...1_280), (1_248, 1_241...1_248),
    ], [IPAddress.Family.ipv4, .ipv6])
  func `whatever is on the way, and nothing is lost for long while that is found out`(
    truth: (most: Int, found: ClosedRange<Int>), family: IPAddress.Family
  ) throws {
    let world = try pair(seed: 1, family)
    world.narrow(to: truth.most)
    try startAll(world)
    let flows = [0, 1].map { world.add(bulk, from: $0, to: 1 - $0, pause: .milliseconds(3)) }
    world.run(for: .seconds(8))
    for gateway in [0, 1] {
      let path = try #require(world.gateway(gateway).sizes(at: world.now).first)
      #expect(truth.found.contains(path.mtu) && !path.isSearching && !path.hasFailed, "\(path)")
      #expect(world.flows[flows[gateway]].missing < 5 * 62_000)
      #expect(world.flows[flows[gateway]].longestPause < .milliseconds(300))
    }
    end(world)
    for flow in flows { #expect(world.flows[flow].missing == 0) }
  }

  @Test func `below what every path should carry, too, and status says that something is wrong there`() throws {
    let world = try pair(seed: 1, .ipv4)
    world.narrow(to: 700)
    try startAll(world)
    let flow = world.add(bulk, from: 0, to: 1, pause: .milliseconds(20), packets: 200)
    world.run(for: .seconds(8))
    let path = try #require(world.gateway(0).sizes(at: world.now).first)
    #expect((693...700).contains(path.mtu) && path.hasFailed, "\(path)")
    #expect(world.flows[flow].missing == 0 && world.flows[flow].sentPackets == 200)
    end(world)
  }

  @Test func `each direction by itself`() throws {
    let world = try pair(seed: 1, .ipv4)
    var line = Line()
    line.mostPacket = 1_400
    world.set(line, from: Place(0, 0), to: Place(1, 0))
    try startAll(world)
    world.run(for: .seconds(5))
    #expect(world.gateway(0).sizes(at: world.now).map(\.mtu) == [1_400])
    #expect(world.gateway(1).sizes(at: world.now).map(\.mtu) == [1_500])
    end(world)
  }

  @Test func `within two round trips, where it carries what its interface does`() throws {
    let world = try pair(seed: 1, .ipv4, line: Line(delay: .milliseconds(100)))
    try world.start(0)
    try world.start(1)
    // A round trip each for the handshake, the first ping and two questions; who was found asks back half of one later.
    let isThere = world.run(atMost: .milliseconds(920)) { world in
      [0, 1].allSatisfy { world.gateway($0).sizes(at: world.now).map(\.mtu) == [1_500] }
    }
    #expect(isThere)
    end(world)
  }

  @Test func `also when it moves to another line, and when it dies and comes back as another`() throws {
    let world = try pair(seed: 1, .ipv4)
    try startAll(world)
    world.add(bulk, from: 1, to: 0, pause: .milliseconds(3))
    world.run(for: .seconds(2))
    #expect(world.gateway(1).sizes(at: world.now).map(\.mtu) == [1_500])
    world.narrow(to: 1_400)
    world.rebind(Place(0, 0))
    world.run(for: .seconds(5))
    #expect(world.gateway(1).sizes(at: world.now).map(\.mtu) == [1_400])
    world.change(Place(0, 0), Place(1, 0)) { $0.isUp = false }
    world.run(for: .seconds(3))
    world.change(Place(0, 0), Place(1, 0)) { $0.isUp = true }
    world.narrow(to: 1_280)
    world.run(for: .seconds(15))
    #expect(world.gateway(1).sizes(at: world.now).map(\.mtu) == [1_280])
    end(world)
  }

  @Test func `and is not asked again while it is idle`() throws {
    let world = try pair(seed: 1, .ipv4)
    world.narrow(to: 1_400)
    try startAll(world)
    world.run(for: .seconds(10))
    for gateway in [0, 1] {
      let path = try #require(world.gateway(gateway).sizes(at: world.now).first)
      #expect(path.mtu == 1_400 && !path.isSearching)
    }
    let bytes = world.observer.bytes
    let datagrams = world.observer.datagrams
    world.run(for: .seconds(600))
    let length = (world.observer.bytes - bytes) / max(1, world.observer.datagrams - datagrams)
    #expect(length < 150, "pings and handshakes")
    #expect(world.gateway(0).wakes < 700)
    end(world)
  }
}

@Suite struct `A path that was silent for a while` {
  /// What was lost meanwhile is sent again and comes too late for anybody: that it comes is told all the same.
  @Test(arguments: [300, 500, 700, 900] as [Int64]) func `carries again as soon as it is back`(outage: Int64) throws {
    let world = try pair(seed: 1, .ipv4)
    try startAll(world)
    let flow = world.add(bulk, from: 0, to: 1, pause: .milliseconds(3))
    world.run(for: .seconds(1))
    world.change(Place(0, 0), Place(1, 0)) { $0.isUp = false }
    world.run(for: .milliseconds(outage))
    world.change(Place(0, 0), Place(1, 0)) { $0.isUp = true }
    world.run(for: .seconds(2))
    let before = world.flows[flow].deliveredBytes
    world.run(for: .seconds(1))
    // It sends 20 MB in a second.
    #expect(world.flows[flow].deliveredBytes - before > 8_000_000)
    end(world)
  }
}

@Suite struct `A path that swallows what is large` {
  @Test(arguments: [UInt64](0..<10), [IPAddress.Family.ipv4, .ipv6])
  func `carries again within a second, and its new size soon after`(seed: UInt64, family: IPAddress.Family) throws {
    let world = try pair(seed: seed, family)
    try startAll(world)
    let flow = world.add(bulk, from: 0, to: 1, pause: .milliseconds(3))
    world.run(for: .seconds(2))
    world.narrow(to: 1_400)
    let isFound = world.run(atMost: .seconds(1)) { world in
      world.gateway(0).sizes(at: world.now).allSatisfy { $0.mtu < 1_400 }
    }
    #expect(isFound, "seed \(seed): \(world.gateway(0).sizes(at: world.now))")
    #expect(world.gateway(0).count("engine", "blackHole", at: world.now) == 1)
    world.run(for: .seconds(9))
    #expect(world.gateway(0).sizes(at: world.now).map(\.mtu) == [1_400], "seed \(seed)")
    #expect(world.flows[flow].longestPause < .milliseconds(1_100), "seed \(seed): \(world.flows[flow].longestPause)")
    end(world)
  }

  @Test(arguments: [UInt64](0..<10)) func `does not stop a flow that has another path`(seed: UInt64) throws {
    let world = try GatewayWorld.pair(seed: seed, paths: 2)
    try startAll(world)
    let flow = world.add(bulk, from: 0, to: 1, pause: .milliseconds(3))
    world.add(.datagrams(least: 100, most: 100), from: 0, to: 1, pause: .milliseconds(20))
    world.run(for: .seconds(2))
    world.change(Place(0, 1), Place(1, 1)) { $0.mostPacket = 1_400 }
    world.run(for: .seconds(8))
    #expect(world.gateway(0).sizes(at: world.now).map(\.mtu).sorted() == [1_400, 1_500], "seed \(seed)")
    #expect(world.flows[flow].longestPause < .milliseconds(700), "seed \(seed): \(world.flows[flow].longestPause)")
    end(world)
  }

  @Test func `costs a TCP stream over two paths two seconds at most, then it is as fast as before`() throws {
    let lines = (0..<2).map { "link p\($0) branch -- hq rate 50mbit delay 10ms\n" }.joined()
    let text = "topology test\nnode branch gateway\nnode hq gateway\n\(lines)event at 5s p0 mtu 1400\n"
    let world = try BondWorld(try Topology(parsing: Array(text.utf8), file: "test"), seed: 1)
    let stream = world.addTCP(from: 0, starting: .milliseconds(500))
    func received(in time: Interval) -> Int {
      let before = stream.received
      world.run(for: time)
      return stream.received - before
    }
    world.run(for: .seconds(3))
    let before = received(in: .seconds(2))
    world.run(for: .seconds(2))
    let after = received(in: .seconds(2))
    #expect(before > 15_000_000 && after > before * 9 / 10, "\(before) before, \(after) after")
    #expect(world.count("engine", "blackHole", at: 0) >= 1)
    world.finish()
    #expect(world.run(atMost: .seconds(60)) { world.areFlowsDone })
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
  }

  @Test func `is told by our own interface at once`() throws {
    let world = try pair(seed: 1, .ipv4)
    try startAll(world)
    let flow = world.add(bulk, from: 0, to: 1, pause: .milliseconds(3))
    world.run(for: .seconds(2))
    world.interfaceMTU = 1_400
    world.run(for: .milliseconds(5))
    #expect(world.gateway(0).sizes(at: world.now).map(\.mtu) == [1_228])
    #expect(world.gateway(0).count("engine", "tooLarge", at: world.now) > 0)
    world.run(for: .seconds(5))
    #expect(world.gateway(0).sizes(at: world.now).map(\.mtu) == [1_400])
    #expect(world.flows[flow].longestPause < .milliseconds(300))
    end(world)
  }
}

/// A download in full super-packets.
private let bulk = UserFlow.Kind.tcp(size: 1_384, most: 62_000)

private func pair(seed: UInt64, _ family: IPAddress.Family, line: Line = Line()) throws -> GatewayWorld {
  try GatewayWorld.pair(seed: seed, paths: 1, line: line) { plans in
    for index in plans.indices { plans[index].isIPv6 = family == .ipv6 }
  }
}

private func startAll(_ world: GatewayWorld) throws {
  for gateway in world.plans.indices { try world.start(gateway) }
  world.run(for: .milliseconds(400))
}

private func end(_ world: GatewayWorld) {
  for index in world.flows.indices { world.flows[index].next = nil }
  world.run(for: .seconds(2))
  world.checkRest()
  #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
}

extension GatewayWorld {
  /// From now on, in both directions of the first line.
  fileprivate func narrow(to mtu: Int) { change(Place(0, 0), Place(1, 0)) { $0.mostPacket = mtu } }
}
