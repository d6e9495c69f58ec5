import PathHealth
import Primitives
import Testing
import Topology
import Wire

@testable import Engine
@testable import TestWorld

/// Pings a hundred times a second beside a stream that fills all of it.
@Suite struct `When a path dies in the midst of a download` {
  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func `a call on copies goes on`(seed: UInt64) throws {
    let outcome = try Outage.run(seed: seed, isCall: true)
    #expect(outcome.lost == 0)
    #expect(outcome.silence < .milliseconds(150), "\(outcome.silence.inMilliseconds) ms")
    #expect(outcome.silenceAfter < .milliseconds(100), "\(outcome.silenceAfter.inMilliseconds) ms")
  }

  /// What was lost on the slower path, once in a thousand, comes a round trip later.
  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func `others stand still for no longer than it takes to find out and to repair it`(seed: UInt64) throws {
    let outcome = try Outage.run(seed: seed, isCall: false)
    #expect(outcome.silence < .milliseconds(300), "\(outcome.silence.inMilliseconds) ms")
    #expect(outcome.silenceAfter < .milliseconds(150), "\(outcome.silenceAfter.inMilliseconds) ms")
  }

  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func `the download goes on over the others, and nothing of it is given up`(seed: UInt64) throws {
    let outcome = try Outage.run(seed: seed, isCall: false)
    #expect(outcome.goodput.prefix(8).allSatisfy { $0 > 2 }, "\(outcome.goodput)")
    #expect(outcome.goodput[1..<8].reduce(0, +) / 7 > 14, "\(outcome.goodput)")
    // A path that was silent is asked once a second.
    #expect(outcome.goodput[11..<16].allSatisfy { $0 > 80 }, "\(outcome.goodput)")
    #expect(outcome.holes == 0)
  }
}

/// A small stream takes the nearest path only.
@Suite struct `When a path dies that carries nothing just now` {
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `both sides know it within a second, before anything is lost on it`(seed: UInt64) throws {
    let text = """
      topology idle
      node branch gateway
      node hq gateway
      link near branch -- hq rate 100mbit delay 5ms
      link far  branch -- hq rate 100mbit delay 30ms
      event at 6s far down
      """
    let world = try BondWorld(try Topology(parsing: Array(text.utf8), file: "idle"), seed: seed)
    let streams = (0..<2).map {
      world.addUDP(from: $0, starting: .milliseconds(1_500), rate: BitRate(bitsPerSecond: 4_000_000))
    }
    world.run(until: BondWorld.origin + .seconds(6))
    for gateway in 0..<2 { #expect(silent(at: gateway, of: world) == []) }
    world.run(for: .seconds(1))
    for gateway in 0..<2 { #expect(silent(at: gateway, of: world) == [1]) }
    for stream in streams { stream.finish() }
    world.run(for: .seconds(1))
    #expect(streams.allSatisfy { $0.lost == 0 && $0.disordered == 0 })
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
  }

  /// The sockets of known ways that answered before and are not to be used.
  private func silent(at gateway: Int, of world: BondWorld) -> [Int] {
    let gateway = world.gateways[gateway]
    var sockets: [Int] = []
    for place in 0..<PeerPath.mostPaths where gateway.engine.peers[0].isUsed(place) {
      let path = gateway.engine.peers[0].paths[place]
      if path.liveness.smoothedRoundTrip == .zero { continue }
      if gateway.engine.peers[0].beliefs[place].isSilent || path.liveness.state != .up {
        sockets.append(Int(path.route.socket))
      }
    }
    return sockets
  }
}

/// The other side asks for less on one of two equal paths while parts wait for it.
@Suite struct `What waits for a path that falls behind the others` {
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `goes over those`(seed: UInt64) throws { #expect(try moved(limit: 100_000, seed: seed) > 0) }

  @Test func `stays where it is while paths are what they were`() throws {
    #expect(try moved(limit: 0, seed: 1) == 0)
  }

  @Test func `stays there when its flow has only this path`() throws {
    #expect(try moved(limit: 100_000, seed: 1) { $0.rules = [Rule(name: "all", .single(path: 0))] } == 0)
  }

  /// Parts, of eight streams; `limit` in bits a second.
  private func moved(
    limit: UInt64, seed: UInt64, _ adjust: @escaping (inout GatewaySettings) -> Void = { _ in }
  ) throws -> UInt64 {
    let text = """
      topology behind
      node branch gateway
      node hq gateway
      link a branch -- hq rate 40mbit delay 15ms
      link b branch -- hq rate 40mbit delay 15ms
      """
    let world = try BondWorld(try Topology(parsing: Array(text.utf8), file: "behind"), seed: seed) { adjust(&$1) }
    for _ in 0..<8 { _ = world.addTCP(from: 0, starting: .milliseconds(1_500)) }
    world.run(until: BondWorld.origin + .seconds(4))
    let gateway = world.gateways[0]
    let place = try #require(gateway.engine.peers[0].firstPlace { $0.route.socket == 0 && $0.liveness.state == .up })
    for _ in 0..<2_000 where gateway.engine.peers[0].paths[place].bulk.bytes < 20_000 {
      world.run(for: .microseconds(500))
    }
    #expect(gateway.engine.peers[0].paths[place].bulk.bytes >= 20_000)
    let terms = PathTerms(
      path: gateway.engine.peers[0].paths[place].id, tier: Tier.primary.rawValue, price: 0, limit: limit)
    gateway.engine.receive(terms, of: 0, at: world.now)
    world.run(for: .seconds(2))
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
    return world.count("engine", "moved", at: 0)
  }
}

/// `topologies/three-uplinks.topo`, whose fastest path is gone for four seconds.
private struct Outage {
  var lost: Int
  var silence: Interval
  var silenceAfter: Interval
  /// In megabits a second, of half seconds since the path was cut.
  var goodput: [Double]
  var holes: UInt64

  private static let text = """
    topology outage
    node branch gateway
    node hq gateway
    link fibre     branch -- hq rate 100mbit       delay 8ms
    link lte       branch -- hq rate 20mbit/60mbit delay 35ms jitter 5ms loss 0.1%
    link satellite branch -- hq rate 5mbit/25mbit  delay 270ms
    event at 8s fibre down
    event at 12s fibre up
    """
  private static let outage = Interval.seconds(4)

  private static var rule: Rule {
    var rule = Rule(name: "pings", .striped, classNumber: Classes().number(named: "realtime").map { UInt8($0) })
    rule.protocols = [1]
    return rule
  }

  static func run(seed: UInt64, isCall: Bool) throws -> Outage {
    let world = try BondWorld(try Topology(parsing: Array(text.utf8), file: "outage"), seed: seed) { _, settings in
      if isCall { settings.rules = [rule] }
    }
    let stream = world.addTCP(from: 0, starting: .milliseconds(1_500))
    let pings = world.addPings(from: 0, starting: .milliseconds(1_500), every: .milliseconds(10))
    world.run(until: BondWorld.origin + .seconds(8))
    let cut = world.now
    var goodput: [Double] = []
    for _ in 0..<16 {
      let before = stream.received
      world.run(for: .milliseconds(500))
      goodput.append(Double(stream.received - before) * 8 / 0.5e6)
    }
    let end = world.now
    pings.finish()
    world.run(for: .seconds(2))
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
    return Outage(
      lost: pings.sent - pings.samples.count, silence: pings.longestSilence(from: cut, to: cut + outage),
      silenceAfter: pings.longestSilence(from: cut + outage, to: end), goodput: goodput, holes: world.holes(at: 1))
  }
}
