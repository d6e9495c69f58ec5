import Primitives
import Testing

@testable import Topology

@Suite struct `Reading a topology` {
  @Test func `the grammar's own example gives what it says`() throws {
    let topology = try parse(example)
    #expect(topology.name == "fibre-lte")
    #expect(topology.nodes.map(\.name) == ["branch", "hq", "alice", "bob", "r1"])
    #expect(topology.nodes[2] == Topology.Node(name: "alice", kind: .host, behind: 0))
    let lte = try #require(topology.links.first { $0.name == "lte" })
    #expect(lte.forward.rate == .fixed(BitRate(bitsPerSecond: 20_000_000)))
    #expect(lte.backward.rate == .fixed(BitRate(bitsPerSecond: 80_000_000)))
    #expect(lte.forward.delay == .milliseconds(30) && lte.backward.jitter == .milliseconds(5))
    #expect(lte.forward.loss == Probability(partsPerBillion: 5_000_000))
    #expect(lte.forward.queue == .time(.milliseconds(100)) && lte.mtu == ByteCount(1400))
    #expect(topology.events.count == 4)
    #expect(topology.events[0] == Topology.Event(time: .seconds(5), link: 0, change: .down))
    let slow = Topology.Attribute.rate(.init(both: .fixed(BitRate(bitsPerSecond: 5_000_000))))
    #expect(topology.events[2].change == .attributes([slow]))
  }

  @Test func `a node may be mentioned before it is described`() throws {
    let topology = try parse("topology t\nlink l b -- a\nnode a gateway\nnode b gateway\n")
    #expect(topology.links[0].a == 1 && topology.links[0].b == 0)
  }

  @Test func `what is printed reads back as the same value`() throws {
    for text in [example, everything] {
      let topology = try parse(text)
      #expect(try parse(topology.printed()) == topology)
    }
  }

  @Test(arguments: 0..<200)
  func `what is printed reads back as the same value, for random topologies`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let topology = randomTopology(&random)
    let text = topology.printed()
    #expect(try parse(text) == topology, "seed \(seed):\n\(text)")
  }

  @Test func `every word of the grammar is understood`() throws {
    let topology = try parse(everything)
    let radio = topology.links[0]
    #expect(radio.forward.reorders && radio.forward.jitter == .microseconds(300))
    #expect(radio.forward.burst == 3 && radio.backward.loss == .always)
    #expect(radio.forward.duplication.partsPerBillion == 10_000_000)
    #expect(radio.backward.corruption.partsPerBillion == 10)
    #expect(radio.forward.queue == .bytes(ByteCount(64_000)) && radio.backward.queue == .bytes(ByteCount(65_536)))
    #expect(topology.traceFiles == ["up.trace", "down.trace", "both.trace", "later.trace"])
  }

  /// Each with its place and its remedy; a `¦` marks where the message must point.
  @Test(arguments: [
    ("topology t\nnode a gatway\n", "t.topo:2:8: unknown kind of node 'gatway'; did you mean 'gateway'?"),
    ("topology t\nnod a gateway\n", "t.topo:2:1: unknown statement 'nod'; did you mean 'node'?"),
    ("node a gateway\n", "t.topo:1:1: 'node' before the topology has a name; begin with 'topology NAME'"),
    ("", "t.topo:1:1: no topology here; begin with 'topology NAME'"),
    ("# nothing\n\n", "t.topo:2:1: no topology here; begin with 'topology NAME'"),
    ("topology t\ntopology u\n", "t.topo:2:1: a second 'topology'; one file describes one"),
    (
      "topology t\nnode a gateway\nnode a relay\n",
      "t.topo:3:6: 'a' is already a name in line 2; names of nodes and links are unique"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink a a -- b\n",
      "t.topo:4:6: 'a' is already a name in line 2; names of nodes and links are unique"
    ),
    (
      "topology t\nnode branch gateway\nlink l branch -- brunch\n",
      "t.topo:3:18: unknown node 'brunch'; did you mean 'branch'?"
    ),
    (
      "topology t\nnode a gateway\nlink l a -- a\n",
      "t.topo:3:13: this link connects a with itself; a link needs two nodes"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a b\n",
      "t.topo:4:10: '--' belongs between the two ends of a link, found 'b'"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b rate 300\n",
      "t.topo:4:20: '300' has no unit; write kbit, mbit or gbit, as in 300mbit"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b rate 1mbit/3mbits\n",
      "t.topo:4:26: '3mbits' is no rate: unknown unit 'mbits'; write kbit, mbit or gbit, as in 300mbit"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b delay 10\n",
      "t.topo:4:21: '10' has no unit; write us, ms or s, as in 30ms"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b dealy 10ms\n",
      "t.topo:4:15: unknown attribute 'dealy'; did you mean 'delay'?"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b delay 1ms delay 2ms\n",
      "t.topo:4:25: 'delay' is given twice; once is enough"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b rate 1mbit trace x\n",
      "t.topo:4:26: 'rate' and 'trace' on one link; it has a rate or a trace"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b trace-up x\n",
      "t.topo:4:24: 'trace-up' alone; add 'trace-down FILE', or use 'trace FILE' for both"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b loss 101%\n",
      "t.topo:4:20: 101% is more than all; at most 100%"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b loss 1% burst 0\n",
      "t.topo:4:29: '0' does not count packets in a burst; write a whole number from 1 to 10000"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b mtu 100\n",
      "t.topo:4:19: '100' does not count bytes of MTU; write a whole number from 576 to 9216"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b rate 0mbit\n",
      "t.topo:4:20: a rate of 0 carries nothing; a link that is cut is 'down'"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b queue 5\n",
      "t.topo:4:21: '5' is no length of a queue; write a time as in 100ms or a size as in 64kb"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b rate\n",
      "t.topo:4:19: the line ends too early; here belongs a value after 'rate'"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b rate 1mbit/\n",
      "t.topo:4:20: '1mbit/' lacks a side; 'a/b' gives left-to-right/right-to-left"
    ),
    (
      "topology t\nnode a relay\nnode h host behind a\n",
      "t.topo:3:20: a is of kind relay; a host stands behind a gateway, router or nat"
    ),
    (
      "topology t\nnode a relay behind b\n",
      "t.topo:2:14: only a host stands behind another node; connect a relay by links"
    ),
    (
      "topology t\nnode a gateway\nnode h host behind a\nlink l a -- h\n",
      "t.topo:4:13: h stands behind another node and has no links; drop its 'behind' or this link"
    ),
    ("topology T\n", "t.topo:1:10: 'T' is no name; names are made of a-z, 0-9 and '-'"),
    ("topology a_b\n", "t.topo:1:11: 'a_b' is no name; names are made of a-z, 0-9 and '-'"),
    ("topology t extra\n", "t.topo:1:12: 'extra' is more than this statement takes; one statement a line"),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b\nevent at 5s m down\n",
      "t.topo:5:13: unknown link 'm'; known are l"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b\nevent at 5s l dwon\n",
      "t.topo:5:15: unknown change 'dwon'; did you mean 'down'?"
    ),
    (
      "topology t\nnode a gateway\nnode b gateway\nlink l a -- b\nevent in 5s l down\n",
      "t.topo:5:7: 'at' belongs here, as in 'event at 5s fibre down'"
    ),
    ("topology t\n\u{0}\n", "t.topo:2:1: a NUL byte; a topology is plain text"),
    ("topology t # a\u{0}\n", "t.topo:1:15: a NUL byte; a topology is plain text"),
  ])
  func `a mistake is told in one line, with its place and what would be right`(text: String, message: String) {
    #expect(complaint(about: text) == message)
  }

  @Test func `bytes that are no text are a mistake like any other`() {
    let bytes = Array("topology t\nnode ".utf8) + [0xff, 0xfe, 0x20] + Array("gateway\n".utf8)
    #expect(
      throws: Topology.ParseError(
        file: "t.topo", line: 2, column: 6, message: "bytes that are no UTF-8; a topology is plain text")
    ) {
      try Topology(parsing: bytes, file: "t.topo")
    }
  }

  @Test func `a line of a mebibyte is refused before anything is built from it`() {
    let text = "topology t\n" + String(repeating: "x", count: 1 << 20)
    #expect(complaint(about: text) == "t.topo:2:4097: a line of 1048576 bytes; at most 4096, one statement a line")
  }

  @Test func `more than the limits of nodes, links and events is refused`() {
    let nodes = (0...256).map { "node n\($0) gateway\n" }.joined()
    #expect(complaint(about: "topology t\n" + nodes) == "t.topo:258:6: more than 256 nodes")
    let links = (0...1024).map { "link l\($0) a -- b\n" }.joined()
    let two = "topology t\nnode a gateway\nnode b gateway\n"
    #expect(complaint(about: two + links) == "t.topo:1028:6: more than 1024 links")
    let events = String(repeating: "event at 1s l down\n", count: 4097)
    #expect(complaint(about: two + "link l a -- b\n" + events) == "t.topo:4101:7: more than 4096 events")
  }

  @Test func `a change is read from the words that follow a link's name`() throws {
    #expect(try Topology.Change(parsing: "down") == .down)
    let loss = Topology.Attribute.loss(.init(.always, .never), burst: nil)
    #expect(try Topology.Change(parsing: "loss 100%/0%") == .attributes([loss]))
    #expect(throws: Topology.ParseError.self) { try Topology.Change(parsing: "") }
    #expect(throws: Topology.ParseError.self) { try Topology.Change(parsing: "down now") }
  }
}

private func parse(_ text: String) throws -> Topology { try Topology(parsing: Array(text.utf8), file: "t.topo") }

private func complaint(about text: String) -> String {
  do {
    _ = try Topology(parsing: Array(text.utf8), file: "t.topo")
    return "no complaint"
  } catch { return error.description }
}

private let example = """
  topology fibre-lte
  node branch gateway
  node hq     gateway
  node alice  host behind branch
  node bob    host behind hq
  node r1     relay
  link fibre  branch -- hq  rate 300mbit delay 10ms   # the good one
  link lte    branch -- hq  rate 20mbit/80mbit delay 30ms jitter 5ms loss 0.5% queue 100ms mtu 1400
  link up1    branch -- r1  rate 100mbit delay 5ms
  link down1  r1 -- hq      rate 100mbit delay 5ms
  event at 5s fibre down
  event at 8s fibre up
  event at 9s lte rate 5mbit
  event at 10s lte loss 10%
  """

private let everything = """
  topology everything
  node a gateway
  node b router
  node c nat
  node d oracle
  node e relay
  node f host behind c
  link radio a -- b rate 1.5gbit/1kbit delay 0.1ms/60s jitter 300us reorder loss 1%/100% burst 3 \
  duplicate 1% corrupt 0%/0.000001% queue 64kb/64kib mtu 9216
  link cut b -- c trace-up up.trace trace-down down.trace
  link recorded c -- d trace both.trace
  link plain d -- e
  event at 0.5s plain rate 1mbit/2mbit queue 10ms
  event at 1s cut trace later.trace
  """

private func randomTopology(_ random: inout SeededRandom) -> Topology {
  func roll(_ bound: UInt64) -> Int { Int(random.below(bound)) }
  func time() -> Interval { .nanoseconds(Int64(roll(4) == 0 ? roll(50_000_000) : roll(60) * 1_000_000)) }
  func share() -> Probability { Probability(partsPerBillion: UInt32(roll(1_000_000_001))) }
  func rate() -> Topology.Rate { .fixed(BitRate(bitsPerSecond: 1 + UInt64(roll(2_000_000_000)))) }
  func queue() -> Topology.Queue { roll(2) == 0 ? .time(time()) : .bytes(ByteCount(roll(1 << 20))) }
  func attributes() -> [Topology.Attribute] {
    var list: [Topology.Attribute] = []
    if roll(2) == 0 {
      list.append(roll(4) == 0 ? .rate(.init(.trace("u"), .trace("d"))) : .rate(.init(rate(), rate())))
    }
    if roll(2) == 0 { list.append(.delay(.init(time(), time()))) }
    if roll(2) == 0 { list.append(.jitter(.init(time(), time()), reorders: roll(2) == 0)) }
    if roll(2) == 0 { list.append(.loss(.init(share(), share()), burst: roll(2) == 0 ? nil : 1 + roll(100))) }
    if roll(4) == 0 { list.append(.duplicate(.init(share(), share()))) }
    if roll(4) == 0 { list.append(.corrupt(.init(share(), share()))) }
    if roll(4) == 0 { list.append(.queue(.init(queue(), queue()))) }
    if roll(4) == 0 { list.append(.mtu(ByteCount(576 + roll(8_000)))) }
    return list
  }
  var topology = Topology(name: "random-\(roll(100))")
  let count = 2 + roll(8)
  for index in 0..<count {
    topology.nodes.append(.init(name: "n\(index)", kind: [.gateway, .relay, .router, .nat, .oracle, .host][index % 6]))
  }
  for index in 0..<roll(4) { topology.nodes.append(.init(name: "h\(index)", kind: .host, behind: 0)) }
  for index in 0..<(1 + roll(8)) {
    let a = roll(UInt64(count))
    var link = Topology.Link(name: "l\(index)", a: a, b: (a + 1 + roll(UInt64(count - 1))) % count)
    for attribute in attributes() { link.apply(attribute) }
    topology.links.append(link)
  }
  for _ in 0..<roll(5) {
    var list = attributes()
    if list.isEmpty { list = [.delay(.init(both: time()))] }
    let change: Topology.Change = [.down, .up, .attributes(list)][roll(3)]
    topology.events.append(.init(time: time(), link: roll(UInt64(topology.links.count)), change: change))
  }
  return topology
}
