import Engine
import Primitives
import Status
import TestWorld
import Testing

//  What a running gateway says of itself, held against what really passed.

@Suite struct `What a gateway shows` {
  static let lines = ["rate 20mbit delay 10ms", "rate 10mbit delay 20ms"]

  /// All flows, as a driver gathers them: a slice at a time.
  static func flows(of world: BondWorld, at gateway: Int) -> FlowList {
    var list: FlowList?
    world.tell(gateway) { engine, now in
      var made = engine.flowNames
      var place: Int? = 0
      while let from = place { place = engine.listFlows(from: from, into: &made.rows, at: now) }
      list = made
    }
    return list ?? FlowList(peers: [], classes: [], rules: [])
  }

  @Test func `rates are those of the last second, at both ends, and nothing once nobody sends`() throws {
    let world = try BondWorld(policyTopology(Self.lines), seed: 3)
    world.run(for: .seconds(1))
    _ = world.addUDP(from: 0, rate: BitRate(bitsPerSecond: 8_000_000))
    world.run(for: .seconds(5))
    let (sender, receiver) = (world.status(of: 0).peers[0], world.status(of: 1).peers[0])
    #expect((7_400_000...8_600_000).contains(sender.sentRate), "\(sender.sentRate)")
    #expect((7_400_000...8_600_000).contains(receiver.receivedRate), "\(receiver.receivedRate)")
    // What goes over the paths has our headers, so it is more; and shares are parts of one.
    let sum = sender.paths.reduce(0) { $0 + $1.sentRate }
    #expect(sum > sender.sentRate && sum < sender.sentRate * 5 / 4, "\(sum)")
    let shares = sender.paths.compactMap { sender.share(of: $0) }
    #expect(shares.count == 2 && abs(shares.reduce(0, +) - 1) < 1e-9)
    world.finish()
    world.run(for: .seconds(30))
    #expect(world.status(of: 0).peers[0].sentRate < 100_000 && world.status(of: 1).peers[0].receivedRate < 100_000)
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
  }

  @Test func `a download is a large flow where it arrives, although only its acknowledgements leave there`() throws {
    let world = try BondWorld(policyTopology(Self.lines), seed: 5)
    world.run(for: .seconds(1))
    let download = world.addTCP(from: 1)
    let calls = world.addUDP(from: 0, rate: BitRate(bitsPerSecond: 64_000), length: 160)
    world.run(for: .seconds(8))
    withExtendedLifetime(calls) {}
    let list = Self.flows(of: world, at: 0)
    let chosen = list.chosen(FlowList.Wish()).rows
    #expect(chosen.map(\.key.transport) == [6, 17], "the download is the faster one")
    let row = try #require(chosen.first)
    let received = Double(download.received)
    #expect(abs(Double(row.receivedBytes) / received - 1) < 0.08, "\(row.receivedBytes) of \(received)")
    #expect(row.sentBytes < row.receivedBytes / 10 && row.receivedRate > 10_000_000)
    let call = chosen[1]
    #expect((50_000...90_000).contains(call.sentRate), "\(call.sentRate)")
    #expect(call.age >= .seconds(7) && call.age <= .seconds(8) && call.silence < .milliseconds(100))
    #expect(list.classes[Int(call.classNumber)] == "interactive" && list.peers[Int(call.peer)] == "h")
    #expect(world.failures.isEmpty, "\(world.failures.joined(separator: "\n"))")
  }

  @Test func `who lives all the time is listed once, whoever comes and goes meanwhile`() throws {
    let world = try BondWorld(policyTopology(Self.lines), seed: 7)
    world.run(for: .seconds(1))
    for _ in 0..<100 { _ = world.addUDP(from: 0, rate: BitRate(bitsPerSecond: 20_000), length: 100) }
    world.run(for: .seconds(1))
    let before = Set(Self.flows(of: world, at: 0).rows.map(\.key))
    #expect(before.count == 100)
    var rows: [FlowList.Row] = []
    var place: Int? = 0
    while let from = place {
      world.tell(0) { engine, now in place = engine.listFlows(from: from, into: &rows, at: now) }
      for _ in 0..<10 { _ = world.addUDP(from: 0, rate: BitRate(bitsPerSecond: 20_000), length: 100) }
      world.run(for: .milliseconds(50))
    }
    #expect(Set(rows.map(\.key)).isSuperset(of: before) && Set(rows.map(\.key)).count == rows.count)
  }

  @Test func `rules say how many flows they decided, and why says of each rule whether it held`() throws {
    let world = try BondWorld(policyTopology(Self.lines), seed: 9) { _, settings in
      var marked = Rule(name: "marked", .striped, classNumber: 2)
      marked.dscp = [46]
      var web = Rule(name: "web", .single(path: 0))
      web.ports = [443...443]
      var stream = Rule(name: "stream", .single(path: 1), classNumber: 0)
      stream.protocols = [6]
      settings.rules = [marked, web, stream]
    }
    world.run(for: .seconds(1))
    _ = world.addTCP(from: 0)
    for _ in 0..<3 { _ = world.addUDP(from: 0, rate: BitRate(bitsPerSecond: 20_000), length: 100) }
    world.run(for: .seconds(2))
    let rows = Self.flows(of: world, at: 0).rows
    let key = try #require(rows.first { $0.key.transport == 6 }?.key)
    var (list, why, other) = (RuleList(), FlowExplanation(key: key), FlowExplanation(key: key))
    var unknown = key
    unknown.sourcePort = 9
    unknown.destinationPort = 443
    world.tell(0) { engine, now in
      list = engine.ruleList
      why = engine.explain(key.reversed, at: now)
      other = engine.explain(unknown, at: now)
    }
    #expect(list.rules.map(\.flows) == [0, 0, 1] && list.others == 3)
    #expect(list.rules.map(\.conditions) == [["DSCP 46"], ["port 443"], ["protocol tcp"]])
    #expect(list.rules.map { $0.path ?? "-" } == ["-", "a", "b"])
    #expect(list.rules.map { $0.className ?? "-" } == ["realtime", "-", "bulk"])

    #expect(why.key == key && why.flow != nil && why.rule == "stream" && why.peer == "h")
    #expect(
      why.passed.map(\.obstacle) == ["DSCP of its first packet did not fit", "ports does not fit"], "\(why.passed)")
    #expect(why.className == "bulk" && why.classReason == "its rule says so")
    #expect(why.stackReason == "over b, now b, its rule says so", "\(why.stackReason)")
    #expect(why.ways.map(\.path) == ["a", "b"] && why.ways.map(\.carries) == [false, true])
    #expect(why.ways[0].reason == "this flow keeps to one path")

    #expect(other.flow == nil && other.rule == "web" && other.passed.map(\.rule) == ["marked"])
    #expect(other.passed[0].obstacle == "DSCP does not fit")
    #expect(other.classReason == "nothing says that somebody waits for it")
    let text = other.text(world.status(of: 0))
    #expect(text.contains("there is none now") && text.contains("rule   \"web\" holds"), "\(text)")
  }

  @Test func `a path says why it rests, and a flow to nobody that it is refused`() throws {
    let world = try BondWorld(policyTopology(Self.lines), seed: 11) { _, settings in settings.paths[1].tier = .backup }
    world.run(for: .seconds(1))
    _ = world.addTCP(from: 0)
    world.run(for: .seconds(3))
    let status = world.status(of: 0)
    let condition = try #require(status.peers[0].paths.first { $0.name == "b" }?.condition)
    #expect(condition == .init(word: .standby, reason: "it is a backup, and other paths are up"))
    let text = try #require(status.explainPath("b")).text()
    #expect(text.contains("state       standby: it is a backup, and other paths are up"), "\(text)")
    #expect(status.explainPath("c") == nil)
    let nobody = FlowKey(
      source: IPAddress(ipv4: 0xc000_0201), sourcePort: 1, destination: IPAddress(ipv4: 0xc000_0202),
      destinationPort: 2, transport: 17)
    var why = FlowExplanation(key: nobody)
    world.tell(0) { engine, now in why = engine.explain(nobody, at: now) }
    #expect(why.peer == nil && why.text(status).contains("in nobody's AllowedIPs"))
  }
}
