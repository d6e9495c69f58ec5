@testable import Engine
import Primitives
import Relay
import Sealing
import Status
import TestWorld
import Testing

/// A direct way of 100 ms, and one over a relay of 20 ms and 20 ms.
private struct Detour {
  let world: GatewayWorld
  static let near = Place(0, 1)

  /// `isKnown`: the branch knows its relays from the start. `addresses`: of the other gateway; only the first is one
  /// that anybody reaches.
  init(
    seed: UInt64 = 1, relays: Int = 1, line: Line = Line(), isKnown: Bool = true, addresses: Int = 1
  ) throws {
    var branch = GatewayPlan(sockets: 1, peers: [.init(1, sockets: Array(0..<addresses))])
    branch.slots = Array(repeating: 0, count: relays)
    if isKnown { branch.relays = Array(0..<relays) } else { branch.spareRelays = 2 }
    let hq = GatewayPlan(sockets: addresses, peers: [.init(0, sockets: [])])
    let plan = RelayPlan(clients: [0])
    world = try GatewayWorld(seed: seed, [branch, hq], relays: Array(repeating: plan, count: relays))
    var direct = line
    direct.delay = .milliseconds(100)
    world.connect(Place(0, 0), Place(1, 0), direct)
    for relay in 0..<relays {
      var half = line
      half.delay = .milliseconds(20)
      for slot in 0..<relays { world.connect(Place(0, 1 + slot), world.relayPlace(relay, 0), half) }
      for back in 1...plan.backSockets { world.connect(world.relayPlace(relay, back), Place(1, 0), half) }
      try world.startRelay(relay)
    }
    try world.start(0)
    try world.start(1)
    if isKnown { choose(Array(0..<relays)) }
  }

  /// As an oracle would: who has which place, and which of them serve.
  func name(_ relays: [Int], used: [Int], probed: [Int] = []) {
    let settings = relays.map { world.settings(ofRelay: $0) }
    world.at(.zero) {
      $0.tell(0) { engine, now in
        for (place, relay) in settings.enumerated() {
          let isTaken = engine.setRelay(place, to: relay, at: now)
          #expect(isTaken)
        }
        engine.setRelays(used, ofPeer: 0, at: now)
        for place in probed { engine.probe(relay: place, until: now + .seconds(3), at: now) }
      }
    }
  }

  /// Paths to relays on sockets that are for nobody, or for another relay.
  var strays: [String] {
    let gateway = world.gateway(0)
    var strays: [String] = []
    for relay in gateway.engine.relayPlaces {
      for place in 0..<PeerPath.mostPaths where gateway.engine.peers[relay].isUsed(place) {
        let socket = Int(gateway.engine.peers[relay].paths[place].route.socket)
        let slot = gateway.engine.slots[socket]
        if slot.isFree || Int(slot.relay) != relay { strays.append("relay in place \(relay) on socket \(socket)") }
      }
    }
    return strays
  }

  func figures(of relay: Int) -> WayFigures? {
    world.gateway(0).engine.figures(ofPeers: [0], at: world.now).first { $0.peer == nil && $0.relay == relay }
  }

  func choose(_ relays: [Int]) {
    world.at(.zero) { $0.tell(0) { engine, now in engine.setRelays(relays, ofPeer: 0, at: now) } }
  }

  /// Names of those that are up at the branch.
  var paths: [String] {
    let now = world.now
    let snapshot = world.gateway(0).engine.snapshot(version: "", interface: "", uptime: .zero, at: now)
    return snapshot.peers[0].paths.filter { $0.state == .up }
      .map { $0.via.map { "over \($0)" } ?? "direct" }.sorted()
  }

  var roundTrips: [String: Interval] {
    let now = world.now
    let snapshot = world.gateway(0).engine.snapshot(version: "", interface: "", uptime: .zero, at: now)
    return Dictionary(
      snapshot.peers[0].paths.compactMap { path in
        path.roundTrip.map { (path.via.map { "over \($0)" } ?? "direct", $0) }
      }, uniquingKeysWith: max)
  }

  /// Datagrams of 500 bytes, a hundred a second.
  @discardableResult
  func call() -> Int {
    world.add(.datagrams(least: 500, most: 500), from: 0, to: 1, pause: .milliseconds(10))
  }

  func expectNoFailures() {
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
  }
}

@Suite struct `A way over a relay` {
  @Test func `is a path like any other, measured and named`() throws {
    let detour = try Detour()
    detour.world.run(for: .seconds(2))
    #expect(detour.paths == ["direct", "over relay0"])
    let roundTrip = try #require(detour.roundTrips["over relay0"])
    #expect((.milliseconds(79)...(.milliseconds(100))).contains(roundTrip), "\(roundTrip)")
    // The other gateway has found two as well, and needs to know of no relay.
    let hq = detour.world.gateway(1).engine.snapshot(version: "", interface: "", uptime: .zero, at: detour.world.now)
    #expect(hq.peers[0].paths.count { $0.state == .up } == 2)
    detour.expectNoFailures()
  }

  @Test func `shows where the relay hears us, and the direct one where the peer does`() throws {
    let detour = try Detour()
    let near = Endpoint(IPAddress(ipv4: 0xcb00_7107), port: 4_711)
    let direct = Endpoint(IPAddress(ipv4: 0xcb00_7107), port: 4_712)
    detour.world.bind(Detour.near, to: near)
    detour.world.bind(Place(0, 0), to: direct)
    detour.world.run(for: .seconds(2))
    let snapshot = detour.world.gateway(0).engine
      .snapshot(version: "", interface: "", uptime: .zero, at: detour.world.now)
    let seen = snapshot.peers[0].paths.filter { $0.state == .up }.map { [$0.via ?? "", $0.seenAs ?? ""] }
    #expect(seen.sorted { $0[0] < $1[0] } == [["", "\(direct)"], ["relay0", "\(near)"]])
    // Of another address it hears with the next answer, within the time that keeps translators awake.
    detour.world.rebind(Place(0, 0))
    detour.world.run(for: .seconds(25))
    let later = detour.world.gateway(0).engine
      .snapshot(version: "", interface: "", uptime: .zero, at: detour.world.now)
    #expect(later.peers[0].paths.contains { $0.seenAs == "203.0.113.7:4713" }, "\(later.peers[0].paths)")
    detour.expectNoFailures()
  }

  @Test func `carries on when the direct way dies`() throws {
    let detour = try Detour()
    let flow = detour.call()
    detour.world.run(for: .seconds(3))
    detour.world.change(Place(0, 0), Place(1, 0)) { $0.isUp = false }
    detour.world.run(for: .seconds(1))
    let before = detour.world.flows[flow].deliveredNumbers
    detour.world.run(for: .seconds(5))
    #expect(detour.world.flows[flow].deliveredNumbers - before >= 490)
    detour.expectNoFailures()
  }

  @Test func `is there even when there never was a direct one`() throws {
    let detour = try Detour()
    detour.world.change(Place(0, 0), Place(1, 0)) { $0.isUp = false }
    detour.world.run(for: .seconds(8))
    #expect(detour.paths == ["over relay0"])
    detour.expectNoFailures()
  }

  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `is back within a second when its relay was started anew`(seed: UInt64) throws {
    let detour = try Detour(seed: seed)
    detour.world.change(Place(0, 0), Place(1, 0)) { $0.isUp = false }
    let flow = detour.call()
    detour.world.run(for: .seconds(10))
    #expect(detour.paths == ["over relay0"])
    detour.world.stopRelay(0)
    detour.world.run(for: .milliseconds(300))
    try detour.world.startRelay(0)
    // Half a second until he is sure that it is silent, and two round trips.
    let isBack = detour.world.run(atMost: .milliseconds(700)) { $0.relay(0).engine.relay.count > 0 }
    #expect(isBack)
    let before = detour.world.flows[flow].deliveredNumbers
    detour.world.run(for: .seconds(2))
    #expect(detour.world.flows[flow].deliveredNumbers - before > 150)
    detour.expectNoFailures()
  }

  /// It was, and three seconds later it was looked for at another of the peer's addresses: nobody had seen it down.
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `stays where it was when its relay is started anew before anybody notices`(seed: UInt64) throws {
    let detour = try Detour(seed: seed, addresses: 2)
    detour.world.run(for: .seconds(8))
    #expect(detour.paths == ["direct", "over relay0"])
    detour.call()
    for _ in 0..<2 {
      detour.world.run(for: .seconds(5))
      detour.world.stopRelay(0)
      detour.world.run(for: .milliseconds(50))
      try detour.world.startRelay(0)
      detour.world.run(for: .seconds(2))
      for second in 2..<12 {
        #expect(detour.paths == ["direct", "over relay0"], "\(second) s after the start")
        detour.world.run(for: .seconds(1))
      }
    }
    detour.expectNoFailures()
  }

  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `survives that a translator gives us another address`(seed: UInt64) throws {
    let detour = try Detour(seed: seed)
    detour.world.change(Place(0, 0), Place(1, 0)) { $0.isUp = false }
    let flow = detour.call()
    detour.world.run(for: .seconds(10))
    detour.world.rebind(Detour.near)
    detour.world.run(for: .seconds(2))
    let before = detour.world.flows[flow].deliveredNumbers
    detour.world.run(for: .seconds(2))
    #expect(detour.world.flows[flow].deliveredNumbers - before > 190)
    detour.expectNoFailures()
  }

  @Test func `goes when nobody wants it any more, here and at the relay`() throws {
    let detour = try Detour(relays: 2)
    detour.world.run(for: .seconds(2))
    #expect(detour.paths == ["direct", "over relay0", "over relay1"])
    detour.choose([1])
    detour.world.run(for: .seconds(1))
    #expect(detour.paths == ["direct", "over relay1"])
    #expect(detour.world.relay(0).engine.relay.count == 0)
    #expect(detour.world.relay(1).engine.relay.count == 1)
    detour.expectNoFailures()
  }

  @Test func `that was given up and is wanted again comes up under its fresh name`() throws {
    let detour = try Detour(relays: 2)
    for wanted in [[0, 1], [1], [0], [0, 1]] {
      detour.choose(wanted)
      detour.world.run(for: .seconds(3))
      #expect(detour.paths == ["direct"] + wanted.map { "over relay\($0)" })
    }
    detour.expectNoFailures()
  }

  @Test func `is made over a relay that is named while the gateway runs, and over another in its place`() throws {
    let detour = try Detour(relays: 3, isKnown: false)
    detour.world.run(for: .seconds(2))
    #expect(detour.paths == ["direct"])
    detour.name([0, 1], used: [0, 1])
    detour.world.run(for: .seconds(2))
    #expect(detour.paths == ["direct", "over relay0", "over relay1"])
    // The same again changes nothing; another in the second place changes that one.
    detour.name([0, 2], used: [0, 1])
    detour.world.run(for: .seconds(2))
    #expect(detour.paths == ["direct", "over relay0", "over relay2"])
    #expect(detour.world.relay(0).engine.relay.counters.granted == 1)
    detour.expectNoFailures()
  }

  @Test func `is made over a relay that was only probed before, and what was measured is told`() throws {
    let detour = try Detour(relays: 2, isKnown: false)
    detour.name([0, 1], used: [], probed: [0, 1])
    detour.world.run(for: .seconds(1))
    #expect(detour.paths == ["direct"], "a probe binds nothing")
    for relay in 0..<2 {
      let figures = try #require(detour.figures(of: relay))
      #expect(figures.isUp && figures.roundTrip == .milliseconds(40), "\(figures)")
      #expect(figures.loss == nil, "too few to say")
    }
    detour.world.run(for: .milliseconds(1_900))
    #expect(detour.figures(of: 0)?.loss == 0)
    detour.name([0, 1], used: [1])
    detour.world.run(for: .seconds(2))
    #expect(detour.paths == ["direct", "over relay1"])
    #expect(detour.figures(of: 0) == nil, "nobody needs it any more")
    #expect(detour.world.relay(0).engine.relay.counters.granted == 0)
    detour.expectNoFailures()
  }

  /// Keys are not renewed while nobody needs a relay; three minutes after it was needed again it had forgotten us.
  @Test func `lasts over a relay that nobody needed for a while`() throws {
    let detour = try Detour(isKnown: false)
    detour.name([0], used: [], probed: [0])
    detour.world.run(for: .seconds(10))
    detour.name([0], used: [0])
    detour.world.run(for: .seconds(5))
    for tenth in 0..<40 {
      #expect(detour.paths == ["direct", "over relay0"], "after \(tenth * 10) s")
      detour.world.run(for: .seconds(10))
    }
    detour.expectNoFailures()
  }

  @Test func `is measured by the relay as well, when somebody wants to know`() throws {
    let detour = try Detour()
    detour.world.run(for: .seconds(2))
    #expect(detour.world.relay(0).engine.figures(at: detour.world.now).isEmpty)
    detour.world.tellRelay(0) { engine, now in engine.probe(client: 0, until: now + .seconds(3), at: now) }
    detour.world.run(for: .seconds(3))
    let figures = try #require(detour.world.relay(0).engine.figures(at: detour.world.now).first)
    #expect(figures.peer == 0 && figures.roundTrip == .milliseconds(40) && figures.loss == 0, "\(figures)")
    // It asks no longer than it was told to.
    let asked = detour.world.carried(from: detour.world.relayPlace(0, 0), to: Detour.near)
    detour.world.run(for: .seconds(2))
    #expect(detour.world.carried(from: detour.world.relayPlace(0, 0), to: Detour.near) - asked < 10)
    detour.expectNoFailures()
  }

  @Test func `leaves nothing behind on a socket that another relay gets, whatever addresses there were`() throws {
    let detour = try Detour(relays: 4, isKnown: false)
    for relay in 0..<4 { detour.world.relayPlans[relay].hasDeadAddress = true }
    for turn in 0..<8 {
      // The even ones have the first place, the odd ones the second.
      let named = [(turn + 1) / 2 * 2 % 4, turn / 2 * 2 % 4 + 1]
      let isUsed = turn % 3 != 1
      detour.name(named, used: isUsed ? [0, 1] : [], probed: [0, 1])
      detour.world.run(for: .seconds(4))
      let relays = isUsed ? named : []
      #expect(Set(detour.paths) == Set(["direct"] + relays.map { "over relay\($0)" }))
      #expect(detour.strays == [])
    }
    detour.expectNoFailures()
  }

  @Test func `takes no relay with a key that somebody else has`() throws {
    let detour = try Detour(relays: 2, isKnown: false)
    detour.world.run(for: .seconds(1))
    let (first, second) = (detour.world.settings(ofRelay: 0), detour.world.settings(ofRelay: 1))
    let peer = detour.world.settings(of: 0).peers[0]
    var zero = first
    zero.publicKey = try #require(withUnsafeBytes(of: InlineArray<32, UInt8>(repeating: 0)) { PublicKey($0) })
    let offers = [(0, first), (1, first), (1, peer), (1, zero), (1, second)]
    var taken: [Bool] = []
    detour.world.at(.zero) { world in
      world.tell(0) { engine, now in
        for (place, settings) in offers { taken.append(engine.setRelay(place, to: settings, at: now)) }
        engine.setRelays([0, 1], ofPeer: 0, at: now)
      }
    }
    detour.world.run(for: .seconds(2))
    #expect(taken == [true, false, false, false, true])
    #expect(detour.paths == ["direct", "over relay0", "over relay1"])
    detour.expectNoFailures()
  }

  @Test(arguments: 0..<10 as Range<UInt64>)
  func `follows whatever an oracle names, and every byte arrives once`(seed: UInt64) throws {
    var line = Line()
    line.loss = 0.01
    line.reordering = 0.01
    let detour = try Detour(seed: seed, relays: 4, line: line, isKnown: false)
    detour.call()
    var random = SeededRandom(seed: seed)
    for _ in 0..<20 {
      detour.world.run(for: .milliseconds(Int64(100 + random.below(1_500))))
      let first = Int(random.below(4))
      let second = (first + 1 + Int(random.below(3))) % 4
      // A relay keeps its place, as an advisor sees to it.
      let places = first < second ? [first, second] : [second, first]
      let isSwapped =
        detour.world.gateway(0).engine.name(ofRelay: 0) == "relay\(places[1])"
        || detour.world.gateway(0).engine.name(ofRelay: 1) == "relay\(places[0])"
      detour.name(
        isSwapped ? places.reversed() : places, used: [[], [0], [1], [0, 1]][Int(random.below(4))],
        probed: [[], [0], [0, 1]][Int(random.below(3))])
      if random.below(4) == 0 { try detour.world.startRelay(Int(random.below(4))) }
      detour.expectNoFailures()
    }
    detour.name([], used: [0, 1])
    detour.world.run(for: .seconds(12))
    #expect(detour.paths.count == 3, "seed \(seed): \(detour.paths)")
    detour.expectNoFailures()
  }

  @Test func `is refused to gateways that the relay does not know, without a word`() throws {
    let detour = try Detour()
    detour.world.relayPlans[0].clients = []
    try detour.world.startRelay(0)
    detour.world.run(for: .seconds(5))
    #expect(detour.paths == ["direct"])
    #expect(detour.world.carried(from: detour.world.relayPlace(0, 0), to: Detour.near) == 0)
    detour.expectNoFailures()
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func `comes and goes with relays and lines, and every byte arrives once`(seed: UInt64) throws {
    var line = Line()
    line.loss = 0.01
    line.reordering = 0.01
    line.duplication = 0.01
    let detour = try Detour(seed: seed, relays: 2, line: line)
    detour.call()
    var random = SeededRandom(seed: seed)
    for _ in 0..<12 {
      detour.world.run(for: .milliseconds(Int64(200 + random.below(2_000))))
      switch random.below(5) {
      case 0: detour.world.stopRelay(Int(random.below(2)))
      case 1: try detour.world.startRelay(Int(random.below(2)))
      case 2: detour.world.rebind(Place(0, 1 + Int(random.below(2))))
      case 3: detour.choose([[], [0], [1], [0, 1], [1, 0]][Int(random.below(5))])
      default:
        let isUp = random.below(2) == 0
        detour.world.change(Place(0, 0), Place(1, 0)) { $0.isUp = isUp }
      }
      detour.expectNoFailures()
    }
    for relay in 0..<2 { try detour.world.startRelay(relay) }
    detour.choose([0, 1])
    detour.world.change(Place(0, 0), Place(1, 0)) { $0.isUp = true }
    detour.world.run(for: .seconds(20))
    #expect(detour.paths == ["direct", "over relay0", "over relay1"], "seed \(seed)")
    detour.expectNoFailures()
  }
}
