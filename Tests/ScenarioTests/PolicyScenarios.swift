import Engine
import Primitives
import Simulation
import Status
import TestWorld
import Testing
import Topology

//  Tiers, budgets and limits, of whole gateways: what the branch wrote holds for both directions.

@Suite struct `What an operator pays for` {
  /// The first of two paths is called a, the second b; gateway 0 has the configuration.
  static func world(
    _ lines: [String], seed: UInt64 = 1, events: [String] = [], _ configure: @escaping (inout [LocalPath]) -> Void
  ) throws -> BondWorld {
    try BondWorld(policyTopology(lines, events: events), seed: seed) { gateway, settings in
      settings.today = CalendarDay(number: 20_000)
      if gateway == 0 { configure(&settings.paths) }
    }
  }

  @Test(arguments: [0, 1]) func `a secondary path joins after two seconds of a full primary, and leaves ten after`(
    sender: Int
  ) throws {
    let world = try Self.world(["rate 20mbit delay 10ms", "rate 10mbit delay 30ms"]) { $0[1].tier = .secondary }
    world.run(for: .seconds(2))
    let stream = world.addTCP(from: sender)
    world.run(for: .milliseconds(1_900))
    #expect(world.use("b", at: sender) == .standby)
    #expect(world.sent("b", at: sender) < 20_000, "pings and terms")
    world.run(for: .seconds(4))
    #expect(world.use("b", at: sender) == .carrying)
    let before = stream.received
    world.run(for: .seconds(3))
    let rate = Double(stream.received - before) * 8 / 3e6
    #expect(rate > 20, "\(rate) Mbit/s of 30")
    world.finish()
    #expect(world.run(atMost: .seconds(10)) { world.areFlowsDone })
    world.run(for: .seconds(11))
    #expect(world.use("b", at: sender) == .standby, "without any traffic")
    let left = world.sent("b", at: sender)
    _ = world.addUDP(from: sender, rate: BitRate(bitsPerSecond: 2_000_000))
    world.run(for: .seconds(10))
    #expect(world.sent("b", at: sender) - left < 5_000)
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
  }

  @Test(arguments: [0, 1]) func `a backup carries while nothing else is up, and not a moment longer`(
    sender: Int
  ) throws {
    let world = try Self.world(
      ["rate 20mbit delay 10ms", "rate 10mbit delay 30ms"], events: ["event at 5s a down", "event at 10s a up"]
    ) { $0[1].tier = .backup }
    world.run(for: .seconds(1))
    let stream = world.addTCP(from: sender)
    world.run(for: .milliseconds(3_900))
    #expect(world.sent("b", at: sender) < 20_000)
    world.run(for: .seconds(3))
    #expect(world.use("b", at: sender) == .carrying)
    let before = stream.received
    world.run(for: .seconds(2))
    #expect(stream.received - before > 1_000_000)
    // Dead paths are asked every ten seconds at the latest.
    world.run(for: .seconds(11))
    #expect(world.use("b", at: sender) == .standby && world.use("a", at: sender) == .carrying)
    let after = world.sent("b", at: sender)
    world.run(for: .seconds(5))
    #expect(world.sent("b", at: sender) - after < 5_000)
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
  }

  @Test(arguments: [0, 1]) func `a path that must never carry carries nothing, even when it is the only one`(
    sender: Int
  ) throws {
    let world = try Self.world(
      ["rate 20mbit delay 10ms", "rate 10mbit delay 30ms"], events: ["event at 4s a down"]
    ) { $0[1].tier = .never }
    world.run(for: .seconds(1))
    let stream = world.addTCP(from: sender)
    let datagrams = world.addUDP(from: 1 - sender, rate: BitRate(bitsPerSecond: 500_000))
    world.run(for: .seconds(9))
    let before = (stream.received, datagrams.received)
    world.run(for: .seconds(5))
    #expect((stream.received, datagrams.received) == before && before.0 > 1_000_000)
    for gateway in [0, 1] {
      #expect(world.sent("b", at: gateway) < 20_000)
      #expect(world.path("b", at: gateway)?.state == .up)
    }
    #expect(world.count("engine", "noPath", at: sender) > 0)
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
  }

  @Test(arguments: [0, 1]) func `a path that has spent its budget is a tier lower until the next day`(
    sender: Int
  ) throws {
    let world = try Self.world(["rate 20mbit delay 10ms", "rate 20mbit delay 10ms"]) {
      $0[0].budget = Budget(bytes: 30_000_000, per: .day)
      $0[0].used = BudgetRecord(path: "a", start: CalendarDay(number: 20_000), used: 24_000_000)
      $0[0].price = 10
      $0[1].tier = .secondary
    }
    world.run(for: .seconds(1))
    _ = world.addUDP(from: sender, rate: BitRate(bitsPerSecond: 12_000_000))
    world.run(for: .milliseconds(3_500))
    #expect(world.use("a", at: sender) == .carrying && world.use("b", at: sender) == .standby)
    // The 6 MB that are left are 3.7 s at 13 Mbit/s: then both are secondary, and the cheaper one is first.
    world.run(for: .seconds(1))
    #expect(world.path("a", at: 0)?.tier == .secondary && world.path("a", at: 1)?.tier == .secondary)
    #expect(world.use("a", at: sender) == .standby && world.use("b", at: sender) == .carrying)
    #expect(world.events(of: 0).contains(.budgetSpent))
    let left = world.sent("a", at: sender)
    let budget = try #require(world.path("a", at: 0)?.budget)
    #expect(budget.used >= 30_000_000 && budget.used < 30_500_000, "\(budget.used)")
    #expect(budget.since == "2024-10-04" && budget.until == "2024-10-05")
    world.run(for: .seconds(5))
    #expect(world.sent("a", at: sender) - left < 10_000)
    world.tell(0) { $0.dayBegins(CalendarDay(number: 20_001), at: $1) }
    world.run(for: .milliseconds(300))
    #expect(world.path("a", at: sender)?.tier == .primary && world.use("a", at: sender) == .carrying)
    #expect(world.events(of: 0).filter { $0 == .budgetFresh }.count == 1)
    world.run(for: .seconds(12))
    #expect(world.use("b", at: sender) == .standby)
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
  }

  @Test func `a budget counts what the line carries, both ways, and goes on where it ended`() throws {
    let world = try Self.world(["rate 20mbit delay 10ms"]) {
      $0[0].budget = Budget(bytes: 20_000_000_000, per: .month(from: 1))
      $0[0].used = BudgetRecord(path: "a", start: CalendarDay(number: 19_997), used: 1_000_000_000)
    }
    world.run(for: .seconds(1))
    _ = world.addTCP(from: 0)
    _ = world.addUDP(from: 1, rate: BitRate(bitsPerSecond: 3_000_000))
    world.run(for: .seconds(4))
    world.finish()
    world.run(for: .seconds(2))
    var record: BudgetRecord?
    world.tell(0) { record = $0.nextBudgetRecords(isEnd: true, at: $1)?.first }
    let used = try #require(record?.used) - 1_000_000_000
    // Of Ethernet there are 14 bytes for each frame that providers do not see.
    let frames = world.counters(of: 0, from: 0).delivered + world.counters(of: 0, from: 1).delivered
    let bytes = world.counters(of: 0, from: 0).deliveredBytes + world.counters(of: 0, from: 1).deliveredBytes
    let packets = Double(bytes) - 14 * Double(frames)
    #expect(packets > 10_000_000)
    #expect(abs(Double(used) / packets - 1) < 0.005, "\(used) of \(packets)")
    #expect(record?.path == "a")
  }

  @Test func `limits hold in both directions, whoever sends`() throws {
    let limit = (up: BitRate(bitsPerSecond: 8_000_000), down: BitRate(bitsPerSecond: 20_000_000))
    let world = try Self.world(["rate 100mbit delay 10ms", "rate 100mbit delay 20ms"]) { paths in
      paths[0].limit = limit
      paths[1].limit = limit
    }
    world.run(for: .seconds(1))
    // More than both may carry; what is too much never leaves.
    for gateway in [0, 1] { _ = world.addUDP(from: gateway, rate: BitRate(bitsPerSecond: 60_000_000)) }
    world.run(for: .seconds(3))
    let before = [0, 1].map { gateway in [0, 1].map { world.counters(of: $0, from: gateway) } }
    world.run(for: .seconds(5))
    for gateway in [0, 1] {
      for link in [0, 1] {
        let now = world.counters(of: link, from: gateway)
        let frames = now.delivered - before[gateway][link].delivered
        let bytes = now.deliveredBytes - before[gateway][link].deliveredBytes
        let rate = (Double(bytes) - 14 * Double(frames)) * 8 / 5e6
        let most = gateway == 0 ? 8.0 : 20
        #expect(rate < most * 1.03, "link \(link) from \(gateway): \(rate)")
        #expect(rate > most * 0.85, "link \(link) from \(gateway): \(rate)")
        #expect(world.path(link == 0 ? "a" : "b", at: gateway)?.limit == UInt64(most * 1e6))
      }
    }
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
  }

  @Test func `who has nothing to say about his paths says nothing`() throws {
    let quiet = try Self.world(["rate 20mbit delay 10ms", "rate 10mbit delay 30ms"]) { _ in }
    let other = try Self.world(["rate 20mbit delay 10ms", "rate 10mbit delay 30ms"]) { $0[0].price = 5 }
    for world in [quiet, other] { world.run(for: .seconds(15)) }
    #expect(quiet.sent("a", at: 0) < other.sent("a", at: 0))
    #expect(
      other.use("a", at: 1) == .standby && other.use("b", at: 1) == .carrying,
      "\(String(describing: other.path("a", at: 1)))")
  }
}

extension BondWorld {
  func path(_ name: String, at gateway: Int) -> StatusSnapshot.Path? {
    let paths = status(of: gateway).peers[0].paths.filter { $0.name == name }
    // Gateways also try what leads nowhere: one's first address over the other's second line.
    return paths.first { $0.state == .up } ?? paths.max { $0.traffic.sentBytes < $1.traffic.sentBytes }
  }

  func use(_ name: String, at gateway: Int) -> StatusSnapshot.Path.Use { path(name, at: gateway)?.use ?? .none }

  func sent(_ name: String, at gateway: Int) -> UInt64 { path(name, at: gateway)?.traffic.sentBytes ?? 0 }
}

/// Links a, b, … between two gateways.
func policyTopology(_ lines: [String], events: [String] = []) throws -> Topology {
  var text = "topology policy\nnode g gateway\nnode h gateway\nnode x host behind g\nnode y host behind h\n"
  for (name, line) in zip("abcdefgh", lines) { text += "link \(name) g -- h \(line)\n" }
  return try Topology(parsing: Array((text + events.joined(separator: "\n") + "\n").utf8), file: "policy")
}
