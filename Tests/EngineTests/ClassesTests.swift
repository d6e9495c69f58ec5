import Engine
import Packets
import Primitives
import Testing

@Suite struct `Without any rule` {
  private static func tuple(_ transport: UInt8, _ ports: (UInt16, UInt16) = (40_000, 443)) throws -> FiveTuple {
    FiveTuple(
      source: try #require(IPAddress("10.1.0.7")), destination: try #require(IPAddress("10.2.0.9")),
      sourcePort: ports.0, destinationPort: ports.1, transport: transport)
  }

  /// Packets of a flow, each so long after the one before.
  private static func rhythm(_ packets: Int, every gap: Interval, length: (Int) -> Int) -> Rhythm {
    var rhythm = Rhythm()
    var now = Instant.zero + .seconds(1_000)
    for index in 0..<packets {
      now += gap
      _ = rhythm.note(length(index), at: now)
    }
    return rhythm
  }

  @Test func `a shell, a ping and the question for a name go first, a download does not`() throws {
    let quiet = Rhythm()
    #expect(Classes.reason(for: try Self.tuple(1, (0, 0)), quiet) == .icmp)
    #expect(Classes.reason(for: try Self.tuple(58, (0, 0)), quiet) == .icmp)
    #expect(Classes.reason(for: try Self.tuple(17, (40_000, 53)), quiet) == .dns)
    #expect(Classes.reason(for: try Self.tuple(6, (53, 40_000)), quiet) == .dns)
    #expect(Classes.reason(for: try Self.tuple(6, (40_000, 22)), quiet) == .ssh)
    #expect(Classes.reason(for: try Self.tuple(17, (40_000, 22)), quiet) == .ordinary)
    for transport: UInt8 in [6, 17, 33, 47, 50, 132] {
      #expect(Classes.reason(for: try Self.tuple(transport), quiet) == .ordinary)
    }
    let classes = Classes()
    for reason in [Classes.Reason.icmp, .dns, .ssh, .steady] {
      #expect(classes.list[Int(reason.treatment.rawValue)].name == "interactive")
    }
    #expect(classes.list[Classes.number(of: try Self.tuple(6), planned: nil, quiet)].name == "bulk")
  }

  @Test func `a call goes first from its second second on`() throws {
    let call = try Self.tuple(17)
    let early = Self.rhythm(25, every: .milliseconds(20)) { _ in 200 }
    #expect(Classes.reason(for: call, early) == .ordinary)
    let later = Self.rhythm(75, every: .milliseconds(20)) { _ in 200 }
    #expect(Classes.reason(for: call, later) == .steady)
    #expect(Classes.reason(for: try Self.tuple(6), later) == .ordinary, "TCP is never a call")
  }

  @Test func `a call goes first also when its packets come in pairs, and after somebody was silent`() throws {
    var rhythm = Rhythm()
    var now = Instant.zero + .seconds(9)
    for _ in 0..<40 {
      now += .milliseconds(40)
      _ = rhythm.note(180, at: now)
      _ = rhythm.note(180, at: now)
    }
    #expect(rhythm.isSteady)
    now += .seconds(8)
    _ = rhythm.note(180, at: now)
    #expect(rhythm.isSteady)
    now += .seconds(11)
    _ = rhythm.note(180, at: now)
    #expect(!rhythm.isSteady, "after ten seconds it is another call, if it is one")
  }

  @Test func `a flow that only begins small, or is fast, or has no pace is no call`() {
    let grows = Self.rhythm(300, every: .milliseconds(20)) { $0 < 100 ? 200 : 1_200 }
    #expect(!grows.isSteady)
    let flood = Self.rhythm(10_000, every: .microseconds(500)) { _ in 100 }
    #expect(!flood.isSteady)
    let slow = Self.rhythm(100, every: .seconds(1)) { _ in 100 }
    #expect(!slow.isSteady)
    let border = Self.rhythm(200, every: .milliseconds(20)) { _ in 300 }
    #expect(!border.isSteady)
    let below = Self.rhythm(200, every: .milliseconds(20)) { _ in 299 }
    #expect(below.isSteady)
  }

  @Test func `a copy over SSH's port waits its turn, and the shell after it does not`() throws {
    let ssh = try Self.tuple(6, (40_000, 22))
    var rhythm = Self.rhythm(400, every: .milliseconds(10)) { _ in 1_500 }
    #expect(Classes.reason(for: ssh, rhythm) == .heavy)
    // The window in which it ended, and as many below as it takes to forget.
    var now = Instant.zero + .seconds(1_004)
    for _ in 0..<30 {
      now += .milliseconds(100)
      _ = rhythm.note(90, at: now)
    }
    #expect(Classes.reason(for: ssh, rhythm) == .ssh)
    let page = Self.rhythm(30, every: .milliseconds(10)) { _ in 1_500 }
    #expect(Classes.reason(for: ssh, page) == .ssh, "a page of text is no copy")
  }

  @Test func `a super-packet is as much as its bytes`() {
    #expect(Self.rhythm(8, every: .milliseconds(250)) { _ in 64_000 }.isHeavy)
    #expect(!Self.rhythm(8, every: .milliseconds(250)) { _ in 1_500 }.isHeavy)
  }

  @Test(arguments: [UInt64](0..<200)) func `a call is known whatever the host does to its pace`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var rhythm = Rhythm()
    let gap = 10 + Int64(random.below(51))
    var arrivals: [Int64] = []
    for index in 0..<Int64(500) { arrivals.append(index * gap * 1_000 + Int64(random.below(30_000))) }
    for (index, arrival) in arrivals.sorted().enumerated() {
      _ = rhythm.note(60 + Int(random.below(240)), at: .zero + .seconds(50) + .microseconds(arrival))
      if Int64(index) * gap > 2_500 { #expect(rhythm.isSteady, "seed \(seed): packet \(index), \(gap) ms") }
    }
  }

  @Test(arguments: [UInt64](0..<100)) func `any times and lengths can come`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var rhythm = Rhythm()
    var now = Instant.zero
    for _ in 0..<10_000 {
      switch random.below(50) {
      case 0: now = Instant(nanoseconds: random.next())
      case 1...10: now = Instant(nanoseconds: now.nanoseconds &+ random.below(2_000_000_000))
      default: break
      }
      _ = rhythm.note([Int.min, -1, 0, 40, 299, 65_535, .max][Int(random.below(7))], at: now)
    }
    #expect(MemoryLayout<Rhythm>.size <= 16)
  }
}

@Suite struct `A class` {
  @Test func `of the operator's is added, or takes the place of ours`() throws {
    let classes = Classes([
      TrafficClass("voip", .realtime, .parity(data: 2, parity: 1)),
      TrafficClass("realtime", .realtime, .adaptive),
    ])
    #expect(classes.list.map(\.name) == ["bulk", "interactive", "realtime", "voip"])
    #expect(classes.list[2].protection == .adaptive && classes.number(named: "voip") == 3)
    #expect(classes.number(named: "video") == nil)
    #expect(Classes().list[2].protection == .copies)
  }

  @Test func `that a rule names holds whatever the flow does`() throws {
    var rule = Rule(name: "calls", .striped, classNumber: 62)
    rule.protocols = [17]
    let rules = Rules([rule, Rule(name: "rest", .single(path: 3))])
    let tuple = FiveTuple(
      source: try #require(IPAddress("10.1.0.7")), destination: try #require(IPAddress("10.2.0.9")),
      sourcePort: 1, destinationPort: 2, transport: 17)
    let plan = rules.plan(for: FlowFacts(tuple, dscp: 0, length: 1_400))
    #expect(plan.classNumber == 62 && plan.stack == .striped && plan.rule == 0)
    var heavy = Rhythm()
    for step in 0..<100 { _ = heavy.note(60_000, at: .zero + .milliseconds(Int64(step) * 100)) }
    #expect(heavy.isHeavy && Classes.number(of: tuple, planned: plan.classNumber, heavy) == 62)
    var other = tuple
    other.transport = 6
    let rest = rules.plan(for: FlowFacts(other, dscp: 0, length: 1_400))
    #expect(rest.classNumber == nil && rest.stack == .single && rest.path == 3)
    #expect(MemoryLayout<Plan>.size == 8)
  }
}
