import Primitives
import Simulation
import Testing
import Topology

@Suite struct `A simulation for people` {
  static let file = """
    node branch gateway
    node hq gateway
    node r1 relay
    link fibre branch -- hq rate 50mbit delay 10ms
    link lte   branch -- hq rate 10mbit/20mbit delay 30ms jitter 3ms loss 0.01% mtu 1400
    link up    branch -- r1 rate 20mbit delay 5ms
    link down  r1 -- hq
    event at 4s fibre rate 25mbit
    event at 20s fibre down
    """

  @Test func `it says what each path carries, idle and loaded, and what happened`() throws {
    let summary = try SimulationRun(try topology(`A simulation for people`.file), seed: 7).run()
    #expect(summary.paths.map(\.name) == ["fibre", "lte", "up+down"])
    #expect(summary.paths.map(\.relay) == [nil, nil, "r1"])
    #expect(summary.paths.map(\.rate) == [megabits(50), megabits(10), megabits(20)])
    #expect(summary.from == "branch" && summary.to == "hq" && summary.idle == .seconds(2))
    let fibre = summary.paths[0]
    #expect(fibre.eachSecond.count == 10 && fibre.eachSecond[0...1].allSatisfy { $0 == 0 })
    #expect(
      fibre.eachSecond[3] > 46_000_000 && fibre.eachSecond[6...9].allSatisfy { $0 > 23_000_000 && $0 < 24_000_000 })
    // Two frames of 98 bytes and 20 ms there and back.
    let idle = try #require(fibre.idle.median)
    #expect(abs(idle - 20.03) < 0.01 && fibre.idle.least == fibre.idle.p99)
    let loaded = try #require(fibre.loaded.p99)
    #expect(loaded > 40 && loaded < 100)
    #expect(fibre.pings == 200 && fibre.pingsAnswered > 190)
    let up = summary.paths[2]
    #expect(up.goodput > 18_000_000 && up.goodput < 19_200_000 && summary.paths[1].goodput > 6_000_000)
    #expect(summary.events.map { "\($0.time.printed) \($0.link) \($0.change)" } == ["4s fibre rate 25mbit"])
    let line = summary.lines[0]
    #expect(line.link == "fibre" && line.from == "branch" && line.rate == megabits(25))
    // The flow has eight of ten seconds.
    let used = try #require(line.utilisation)
    #expect(used > 0.7 && used < 0.8 && line.counters.queueFull > 0)
    #expect(summary.lines.count == 8 && summary.lines[6].utilisation == nil)
    #expect(isBalanced(summary.counters, inside: summary.packetsInside))
  }

  @Test func `a smaller MTU makes smaller segments, and nothing is too big`() throws {
    let summary = try SimulationRun(try topology(`A simulation for people`.file), seed: 7, duration: .seconds(3)).run()
    #expect(summary.lines.allSatisfy { $0.counters.tooBig == 0 })
    #expect(summary.paths[1].payloadShare == 1_348.0 / 1_414 && summary.paths[0].payloadShare == 1_448.0 / 1_514)
    let late = try topology("node a gateway\nnode b gateway\nlink l a -- b rate 1mbit\nevent at 2s l mtu 600")
    #expect(try SimulationRun(late, seed: 7, duration: .seconds(4)).run().lines[0].counters.tooBig == 0)
  }

  @Test func `the table has a line for each path, each used direction and each event`() throws {
    let table = try SimulationRun(try topology(`A simulation for people`.file), seed: 7).run().table()
    let lines = table.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines[0] == "test, branch to hq: 10 s simulated, seed 7")
    #expect(lines[2].hasPrefix("path     Mbit/s  of line  idle ms"))
    #expect(lines[3].hasPrefix("fibre ") && lines[5].hasPrefix("up+down ") && lines[5].contains(" % "))
    #expect(lines[3].contains("▇") || lines[3].contains("█"))
    #expect(lines[7].hasPrefix("link   direction"))
    #expect(lines.contains("at 4s fibre rate 25mbit") && lines.last == "")
    #expect(lines.allSatisfy { $0.count <= 120 && $0.last != " " })
  }

  @Test func `paths that share a link are told to do so`() throws {
    let network = try topology(
      "node a gateway\nnode b gateway\nnode r router\nlink x a -- r rate 10mbit\nlink y r -- b\nlink z r -- b delay 1ms"
    )
    let summary = try SimulationRun(network, seed: 1, duration: .seconds(2)).run()
    #expect(summary.paths.map(\.shared) == [["x"], ["x"]])
    #expect(summary.table().contains("x+y shares x with another path\n"))
    let together = summary.paths.map(\.goodput).reduce(0, +)
    #expect(together > 8_500_000 && together < 9_600_000)
  }

  @Test func `JSON says the same, with units in the keys`() throws {
    let summary = try SimulationRun(try topology(`A simulation for people`.file), seed: 7, duration: .seconds(5)).run()
    let json = summary.json()
    #expect(json.hasPrefix("{\n  \"topology\": \"test\",\n  \"seed\": 7,\n  \"seconds\": 5,\n  \"from\": \"branch\","))
    #expect(json.contains("\"name\": \"up+down\",\n      \"relay\": \"r1\",\n      \"rate_bps\": 20000000,"))
    #expect(json.contains("\"rtt_idle_ms\": 20.0") && json.contains("\"rtt_loaded_p99_ms\": "))
    #expect(json.contains("\"at_s\": 4,\n      \"link\": \"fibre\",\n      \"change\": \"rate 25mbit\""))
    #expect(json.contains("\"utilisation\": null") && json.contains("\"utilisation\": 0."))
    #expect(json.contains("\"out_of_memory\": 0"))
  }

  @Test func `log and summary are the same for the same seed, and differ for another`() throws {
    func run(_ seed: UInt64) throws -> (SimulationSummary, [UInt8]) {
      let sink = MemorySink()
      let plain = try topology("node a gateway\nnode b gateway\nlink l a -- b rate 5mbit delay 10ms")
      var summary = try SimulationRun(plain, seed: seed, duration: .seconds(2), log: sink).run()
      summary.seed = 0
      return (summary, Array(sink.bytes.drop { $0 != UInt8(ascii: "\n") }))
    }
    let (first, second, other) = (try run(3), try run(3), try run(4))
    #expect(first == second)
    // Nothing is random on this line, but the flow and the pings do not start at the same moment.
    #expect(first.1 != other.1)
  }

  @Test func `without gateways, the first two nodes that are no helpers will do`() throws {
    let hosts = try topology("node o oracle\nnode r relay\nnode x router\nnode y host\nlink l r -- x\nlink m y -- r")
    let summary = try SimulationRun(hosts, seed: 1, duration: .milliseconds(100)).run()
    #expect(summary.from == "x" && summary.to == "y" && summary.paths.map(\.name) == ["l+m"])
  }

  @Test func `where there is nothing to simulate, one sentence says what is missing`() throws {
    func reason(_ lines: String) throws -> String? {
      let run = SimulationRun(try topology(lines), seed: 1)
      return #expect(throws: SimulationRun.Unable.self) { try run.run() }?.description
    }
    #expect(
      try reason("node a gateway\nnode b gateway\nnode r relay\nlink l a -- r")
        == "topology test has nothing to send between: it needs two gateways with links, or two hosts, routers or "
        + "nats with links")
    #expect(
      try reason(
        "node a gateway\nnode b gateway\nnode r relay\nnode s relay\nlink l a -- r\nlink m r -- s\nlink n s -- b")
        == "there is no path from a to b: only routers, nats and a single relay may stand between them")
  }

  @Test func `round trips are sorted out as they should be`() {
    let trips = SimulationSummary.RoundTrips((1...200).reversed().map { .milliseconds($0) })
    #expect(trips.count == 200 && trips.least == 1 && trips.median == 100 && trips.p99 == 198)
    let one = SimulationSummary.RoundTrips([.microseconds(1_500)])
    #expect(one.least == 1.5 && one.median == 1.5 && one.p99 == 1.5)
    #expect(SimulationSummary.RoundTrips([]).median == nil)
  }
}
