import PathHealth
import Primitives
import Redundancy
import Simulation
import Testing
import Topology

@testable import Engine
@testable import TestWorld

/// 50 packets of 200 bytes a second. Where the way is 550 ms long, nothing can be repaired in time: what arrives is
/// what protection is worth.
@Suite struct `A call that is protected` {
  @Test func `with copies loses a packet only when both paths do`() throws {
    let call = try Call(.copies, over: ["delay 550ms loss 10%", "delay 550ms loss 10%"], seed: 3)
    call.run(for: .seconds(200))
    // Both are lost of one in a hundred.
    #expect(call.lostShare <= 0.015, "\(call.lostShare)")
    #expect(call.lostShare >= 0.005, "\(call.lostShare)")
    call.expectNothingRepaired()
    call.expectOrder()
    #expect(call.world.count("engine", "copied", at: 0) == UInt64(call.datagrams.sent))
  }

  @Test func `with copies loses next to nothing when there is time for a repair as well`() throws {
    let call = try Call(.copies, over: ["delay 20ms loss 10%", "delay 30ms loss 10%"], seed: 5)
    call.run(for: .seconds(100))
    #expect(call.lostShare < 0.002, "\(call.lostShare)")
    #expect(call.world.count("engine", "repaired", at: 0) > 0)
    call.expectOrder()
  }

  @Test func `counts the second copies, and holds none of them for a loss or an attack`() throws {
    let call = try Call(.copies, over: ["delay 20ms", "delay 35ms"], seed: 1)
    call.run(for: .seconds(20))
    #expect(call.datagrams.lost == 0)
    #expect(call.world.count("engine", "needless", at: 1) == UInt64(call.datagrams.sent))
    for name in ["replayed", "forged", "malformed"] { #expect(call.world.count("engine", name, at: 1) == 0, "\(name)") }
    var delivered: UInt64 = 0
    for place in 0..<PeerPath.mostPaths where call.world.gateways[0].engine.peers[0].isUsed(place) {
      let counters = call.world.gateways[0].engine.peers[0].beliefs[place].log.counters
      #expect(counters.lost.datagrams == 0)
      delivered += counters.delivered.datagrams
    }
    #expect(delivered == 2 * UInt64(call.datagrams.sent))
    call.expectOrder()
  }

  @Test(arguments: 1...3 as ClosedRange<UInt64>)
  func `with parity 2+1 over three bad paths loses what theory says`(seed: UInt64) throws {
    let call = try Call(
      .parity(data: 2, parity: 1), over: Array(repeating: "delay 550ms loss 10%", count: 3), seed: seed)
    call.run(for: .seconds(400))
    let theory = ResidualLoss(members: 2, parity: 1, losses: [0.1, 0.1, 0.1]).ofDatagrams
    #expect(abs(call.lostShare - theory) <= 0.2 * theory, "\(call.lostShare), and theory says \(theory)")
    call.expectNothingRepaired()
    call.expectOrder()
    #expect(call.world.count("engine", "rebuilt", at: 1) > 1_000)
    // One for two.
    let parity = Int(call.world.count("engine", "parity", at: 0))
    #expect(abs(parity - call.datagrams.sent / 2) < 10, "\(parity)")
  }

  /// No path has more pieces of a group than its parity can make up for.
  @Test(arguments: [
    (Protection.copies, 2), (.copies, 3), (.parity(data: 1, parity: 1), 2), (.parity(data: 2, parity: 1), 3),
    (.parity(data: 2, parity: 2), 2), (.parity(data: 4, parity: 2), 3), (.parity(data: 6, parity: 4), 3),
  ])
  func `loses nothing when a path dies in the midst of it`(protection: Protection, paths: Int) throws {
    let call = try Call(
      protection, over: Array(repeating: "delay 550ms", count: paths), seed: 2,
      events: "event at 9s p0 down")
    call.run(for: .seconds(12))
    #expect(call.datagrams.sent > 500)
    #expect(call.datagrams.lost == 0, "\(call.datagrams.lost) of \(call.datagrams.sent)")
    #expect(call.world.pathsUp == paths - 1)
    call.expectNothingRepaired()
    call.expectOrder()
  }

  @Test func `with the only path left sends no copies`() throws {
    let call = try Call(.copies, over: ["delay 20ms loss 5%"], seed: 4)
    call.run(for: .seconds(60))
    #expect(call.world.count("engine", "copied", at: 0) == 0)
    // Repair is all that is left.
    #expect(call.world.count("engine", "repaired", at: 0) > 50)
    #expect(call.lostShare < 0.01, "\(call.lostShare)")
    call.expectOrder()
  }

  /// A thin second path: it gets no more than it can bring in time, and delays nobody.
  @Test func `with copies is not held up by a path that is too slow for it`() throws {
    let call = try Call(.copies, over: ["rate 10mbit delay 20ms", "rate 64kbit delay 20ms"], seed: 7)
    var most = 0
    for _ in 0..<600 {
      call.world.run(for: .milliseconds(100))
      for place in 0..<PeerPath.mostPaths where call.world.gateways[0].engine.peers[0].isUsed(place) {
        let path = call.world.gateways[0].engine.peers[0].paths[place]
        most = max(most, path.waitingBytes)
      }
    }
    call.run(for: .zero)
    #expect(call.datagrams.lost == 0)
    let copied = call.world.count("engine", "copied", at: 0)
    #expect(copied > 100 && copied < UInt64(call.datagrams.sent) * 9 / 10, "\(copied)")
    // What it carries within half a second.
    #expect(most < 6_000, "\(most) bytes waited for a path")
    call.expectOrder()
  }

  @Test func `with adaptive protection sends parity when something is lost, and only then`() throws {
    let good = try Call(.adaptive, over: ["delay 20ms", "delay 20ms", "delay 20ms"], seed: 6)
    good.run(for: .seconds(60))
    #expect(good.world.count("engine", "parity", at: 0) == 0)
    #expect(good.datagrams.lost == 0)
    let loss = Array(repeating: "delay 550ms loss 5%", count: 3)
    let bad = try Call(.adaptive, over: loss, seed: 6)
    bad.run(for: .seconds(200))
    let sent = Double(bad.datagrams.sent)
    let parity = Double(bad.world.count("engine", "parity", at: 0))
    // About what copies cost, and they would leave 0.25 %; here most is lost before it is known that paths lose.
    #expect(parity > sent / 3 && parity < sent * 1.15, "\(parity) for \(sent)")
    #expect(bad.lostShare < 0.002, "\(bad.lostShare)")
    bad.expectNothingRepaired()
    bad.expectOrder()
  }

  /// Downloads that a rule put among calls, pings and small packets, over paths that change and fail.
  @Test(arguments: [Protection.copies, .parity(data: 3, parity: 2), .adaptive], 0..<3)
  func `costs no other traffic a byte, whatever the paths do`(protection: Protection, chunk: UInt64) throws {
    for seed in chunk * 2..<chunk * 2 + 2 {
      let outcome = try BondTrial.run(seed: seed, .stormy, time: .seconds(2)) { Call.protect(&$0, protection) }
      #expect(outcome.failures.isEmpty, "seed \(seed): \(outcome.failures.joined(separator: "\n"))")
      #expect(outcome.received > 0, "seed \(seed)")
    }
  }
}

@Suite struct `Protected flows on a hostile network` {
  /// Groups that were open name segments of a run of the gateway that is over.
  @Test(
    arguments: [Protection.copies, .parity(data: 2, parity: 2), .parity(data: 1, parity: 4)], 0..<3 as Range<UInt64>)
  func `find their order again when a gateway was restarted`(protection: Protection, seed: UInt64) throws {
    var line = Line(delay: .milliseconds(8))
    line.loss = 0.1
    line.duplication = 0.05
    line.reordering = 0.1
    let world = try GatewayWorld.pair(seed: seed, paths: 3, line: line) { plans in
      for index in plans.indices { plans[index].protect(protection) }
    }
    try world.start(0)
    try world.start(1)
    world.run(for: .seconds(2))
    let flows = [0, 1].flatMap { from in
      [UserFlow.Kind.datagrams(least: 20, most: 1_300), .pings, .tcp(size: 1_384, most: 9_000)].map {
        world.add($0, from: from, to: 1 - from, pause: .milliseconds(7))
      }
    }
    for turn in 0..<4 {
      world.run(for: .milliseconds(700 + 13 * Int64(seed)))
      try world.start(turn % 2)
    }
    world.run(for: .seconds(4))
    let before = flows.map { world.flows[$0].deliveredNumbers + world.flows[$0].deliveredBytes }
    world.run(for: .seconds(2))
    for (place, flow) in flows.enumerated() {
      let now = world.flows[flow].deliveredNumbers + world.flows[flow].deliveredBytes
      #expect(now > before[place], "seed \(seed): flow \(place) stands still")
    }
    for gateway in 0..<2 {
      let count = world.gateway(gateway).engine.counters[protection == .copies ? .needless : .rebuilt]
      #expect(count > 0, "seed \(seed): nothing of it was of use at gateway \(gateway)")
    }
    for index in world.flows.indices { world.flows[index].next = nil }
    world.run(for: .seconds(20))
    world.checkRest()
    #expect(world.failures.isEmpty, "seed \(seed): \(world.failures.joined(separator: "\n"))")
  }

  /// Gateway 1 has true keys and changes what it seals: places, headers of groups, members, parity.
  @Test(arguments: [Protection.copies, .parity(data: 2, parity: 2), .parity(data: 16, parity: 4)], 0..<3)
  func `harm nobody when the peer means harm`(protection: Protection, chunk: UInt64) throws {
    for seed in chunk * 4..<chunk * 4 + 4 {
      var random = SeededRandom(seed: seed)
      let script = (0..<600).map { _ in UInt8(random.below(256)) }
      let failures = try GatewayFuzz.crook(script, protection)
      #expect(failures.isEmpty, "seed \(seed): \(failures.joined(separator: "\n"))")
    }
  }
}

private struct Call {
  let world: BondWorld
  let datagrams: UDPFlow

  init(_ protection: Protection, over lines: [String], seed: UInt64, events: String = "") throws {
    let links = lines.enumerated().map { "link p\($0.offset) branch -- hq \($0.element)\n" }.joined()
    let text = "topology test\nnode branch gateway\nnode hq gateway\n\(links)\(events)\n"
    let topology = try Topology(parsing: Array(text.utf8), file: "test")
    world = try BondWorld(topology, seed: seed) { Call.protect(&$1, protection) }
    datagrams = world.addUDP(
      from: 0, starting: .seconds(6), rate: BitRate(bitsPerSecond: 80_000), length: 200)
  }

  /// Every flow is of a class with this protection.
  static func protect(_ settings: inout GatewaySettings, _ protection: Protection) {
    settings.classes = Classes([TrafficClass("call", .interactive, protection)])
    let number = settings.classes.number(named: "call").map { UInt8($0) }
    settings.rules = [Rule(name: "all", .striped, classNumber: number)]
  }

  func run(for time: Interval) {
    world.run(for: .seconds(6) + time)
    world.finish()
    world.run(for: .seconds(3))
  }

  var lostShare: Double { Double(datagrams.lost) / Double(datagrams.sent) }

  func expectNothingRepaired() {
    let repaired = world.count("engine", "repaired", at: 0)
    #expect(repaired == 0, "\(repaired) were sent again, so this says nothing about protection")
  }

  /// Nothing twice, nothing changed, nothing out of order, nothing kept.
  func expectOrder() {
    world.checkRest()
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
    #expect(datagrams.disordered == 0)
    #expect(datagrams.sent > 0 && datagrams.received <= datagrams.sent)
  }
}
