import Primitives
import Simulation
import Testing
import Topology

@Suite struct `Networks that nobody drew` {
  @Test(arguments: 0..<200)
  func `random networks under random faults trap nothing and lose no packet uncounted`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let network = randomNetwork(&random)
    // What was made up is what a file can say, so that a seed can be looked at: netlab simulate.
    let again = try Topology(parsing: Array(network.printed().utf8), file: "seed \(seed)")
    #expect(again == network, "seed \(seed)")
    let run = SimulationRun(again, seed: seed, duration: .milliseconds(Int64(300 + random.below(700))))
    do {
      let summary = try run.run()
      let counters = summary.counters
      let made: UInt64 = counters.sent + counters.duplicated
      let gone: UInt64 = counters.delivered + counters.dropped + counters.lost + counters.outOfMemory
      #expect(made == gone + UInt64(summary.packetsInside), "seed \(seed)")
      var dropped: UInt64 = 0
      var lost: UInt64 = 0
      for line in summary.lines {
        let one = line.counters
        let out: UInt64 = one.delivered - one.duplicated + one.lostByChance + one.cut
        #expect(one.accepted >= out, "seed \(seed), \(line.link)")
        // A bit may be carried across the change of a rate.
        #expect(line.utilisation ?? 0 <= 1.001, "seed \(seed), \(line.link)")
        dropped += one.queueFull + one.tooBig
        dropped += one.down + one.flooded
        lost += one.lostByChance + one.cut
      }
      #expect(dropped == counters.dropped && lost == counters.lost, "seed \(seed)")
      #expect(!summary.table().isEmpty && !summary.json().isEmpty)
    } catch {
      // Some have no way from one end to the other.
      #expect(
        error.description.hasPrefix("there is no path") || error.description.hasPrefix("topology random has nothing"))
    }
  }

  @Test(arguments: [3, 50, 51] as [UInt64])
  func `a random network tells the same story twice`(seed: UInt64) throws {
    func run() -> (summary: SimulationSummary?, log: [UInt8], capture: [UInt8]) {
      var random = SeededRandom(seed: seed)
      let (log, capture) = (MemorySink(), MemorySink())
      let run = SimulationRun(
        randomNetwork(&random), seed: seed, duration: .milliseconds(400), log: log, capture: capture)
      return (try? run.run(), log.bytes, capture.bytes)
    }
    let (first, second) = (run(), run())
    #expect(first.summary == second.summary && first.log == second.log && first.capture == second.capture)
    #expect(first.log.count > 10_000 && first.capture.count > 10_000)
  }

  @Test func `the networks differ: some have relays, some none, some a dozen paths`() {
    let paths = (0..<200).map { seed in
      var random = SeededRandom(seed: UInt64(seed))
      let network = randomNetwork(&random)
      return network.paths(from: 0, to: 1)
    }
    #expect(paths.count { $0.isEmpty } < 60)
    #expect(paths.count { $0.contains { $0.relay != nil } } > 30)
    #expect(paths.count { $0.contains { $0.hops.count > 2 } } > 20 && paths.contains { $0.count > 8 })
  }
}

private func randomNetwork(_ random: inout SeededRandom) -> Topology {
  var network = Topology(name: "random")
  let kinds: [Topology.Node.Kind] = [.relay, .router, .nat, .relay, .host, .gateway]
  for index in 0..<Int(2 + random.below(6)) {
    let kind = index < 2 ? .gateway : kinds[Int(random.below(UInt64(kinds.count)))]
    network.nodes.append(Topology.Node(name: "n\(index)", kind: kind))
  }
  let count = UInt64(network.nodes.count)
  for index in 0..<Int(1 + random.below(2 * count)) {
    let a = Int(random.below(count))
    let b = (a + 1 + Int(random.below(count - 1))) % Int(count)
    var link = Topology.Link(name: "l\(index)", a: a, b: b)
    // Most have a rate: without one, a second is a hundred thousand packets.
    if random.below(8) != 0 { link.apply(randomRate(&random)) }
    for _ in 0..<random.below(5) { link.apply(randomAttribute(&random)) }
    network.links.append(link)
  }
  for _ in 0..<random.below(12) {
    let link = Int(random.below(UInt64(network.links.count)))
    let time = Interval.milliseconds(Int64(random.below(900)))
    let change: Topology.Change =
      switch random.below(4) {
      case 0: .down
      case 1: .up
      case 2: .attributes([randomRate(&random)])
      default: .attributes([randomAttribute(&random)])
      }
    network.events.append(Topology.Event(time: time, link: link, change: change))
  }
  return network
}

private func randomRate(_ random: inout SeededRandom) -> Topology.Attribute {
  func rate() -> Topology.Rate { .fixed(BitRate(bitsPerSecond: 1_000 * (50 + random.below(60_000)))) }
  return .rate(.init(rate(), rate()))
}

private func randomAttribute(_ random: inout SeededRandom) -> Topology.Attribute {
  func share() -> Probability { Probability(partsPerBillion: UInt32(random.below(300_000_000))) }
  func time(_ milliseconds: UInt64) -> Interval { .microseconds(Int64(random.below(milliseconds * 1_000))) }
  switch random.below(8) {
  case 0, 1: return .delay(.init(time(80), time(80)))
  case 2: return .jitter(.init(time(20), time(20)), reorders: random.below(3) == 0)
  case 3: return .loss(.init(share(), share()), burst: random.below(2) == 0 ? nil : Int(2 + random.below(20)))
  case 4: return .duplicate(.init(share(), share()))
  case 5: return .corrupt(.init(share(), share()))
  case 6:
    return random.below(2) == 0
      ? .queue(.init(.time(time(300)), .time(time(300))))
      : .queue(.init(both: .bytes(ByteCount(Int(random.below(200_000))))))
  default: return .mtu(ByteCount(Int(576 + random.below(1_200))))
  }
}
