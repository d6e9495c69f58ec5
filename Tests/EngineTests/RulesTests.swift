import Engine
import Packets
import Primitives
import Testing

@Suite struct `Rules decide how a flow is carried` {
  static func facts(
    _ source: String = "10.1.0.7", _ destination: String = "10.2.0.9", ports: (UInt16, UInt16) = (40_000, 443),
    transport: UInt8 = 6, dscp: UInt8 = 0, length: Int = 60
  ) throws -> FlowFacts {
    let tuple = FiveTuple(
      source: try #require(IPAddress(source)), destination: try #require(IPAddress(destination)),
      sourcePort: ports.0, destinationPort: ports.1, transport: transport)
    return FlowFacts(tuple, dscp: dscp, length: length)
  }

  static func rule(_ name: String = "one", _ action: Rule.Action = .raw, _ change: (inout Rule) -> Void) -> Rule {
    var rule = Rule(name: name, action)
    change(&rule)
    return rule
  }

  @Test func `by striping, when there is none`() throws {
    let plan = Rules().plan(for: try Self.facts())
    #expect(plan.stack == .striped && plan.rule == nil && plan.path == nil && plan.revision == 1)
  }

  @Test func `by the first that holds`() throws {
    let rules = Rules([
      Self.rule("voice", .single(path: nil)) { $0.dscp = [46] },
      Self.rule("web", .single(path: 2)) { $0.ports = [443...443] },
      Self.rule("rest", .raw) { _ in },
    ])
    let voice = rules.plan(for: try Self.facts(dscp: 46))
    #expect(voice.stack == .single && voice.path == nil && voice.rule == 0)
    let web = rules.plan(for: try Self.facts())
    #expect(web.stack == .single && web.path == 2 && web.rule == 1)
    let rest = rules.plan(for: try Self.facts(ports: (22, 40_000)))
    #expect(rest.stack == .raw && rest.path == nil && rest.rule == 2)
  }

  @Test func `by each of their conditions, and by all together`() throws {
    let source = try #require(IPPrefix("10.1.0.0/24"))
    let destination = try #require(IPPrefix("10.2.0.0/16"))
    let rule = Self.rule {
      $0.from = [source, .everything(.ipv6)]
      $0.to = [destination]
      $0.family = .ipv4
      $0.protocols = [6, 17]
      $0.ports = [80...80, 400...500]
      $0.dscp = [0, 8]
      $0.lengths = 0...100
    }
    #expect(rule.obstacle(for: try Self.facts()) == nil)
    #expect(rule.obstacle(for: try Self.facts(ports: (401, 9))) == nil, "ports of either side")
    #expect(rule.obstacle(for: try Self.facts("10.1.1.0")) == .from)
    #expect(rule.obstacle(for: try Self.facts("10.1.0.7", "10.3.0.0")) == .to)
    #expect(rule.obstacle(for: try Self.facts("fd00::1", "fd00::2")) == .family)
    #expect(rule.obstacle(for: try Self.facts(transport: 1)) == .protocols)
    #expect(rule.obstacle(for: try Self.facts(ports: (399, 501))) == .ports)
    #expect(rule.obstacle(for: try Self.facts(dscp: 46)) == .dscp)
    #expect(rule.obstacle(for: try Self.facts(length: 101)) == .lengths)
  }

  @Test func `until they change: an old plan does not belong to the new rules`() throws {
    let first = Rules([Self.rule { _ in }])
    let plan = first.plan(for: try Self.facts())
    let second = first.replaced(by: [])
    #expect(plan.revision == first.revision && plan.revision != second.revision)
    #expect(second.plan(for: try Self.facts()).stack == .striped)
    #expect(second.replaced(by: []).revision != first.revision)
  }

  @Test func `and say why`() throws {
    let rules = Rules([
      Self.rule("voice", .single(path: 1)) { $0.dscp = [46] },
      Self.rule("ssh", .single(path: nil)) { $0.ports = [22...22] },
      Self.rule("udp", .raw) { $0.protocols = [17] },
    ])
    #expect(
      rules.explain(try Self.facts(ports: (50_000, 22))).description
        == """
        rule "voice" does not hold: DSCP
        rule "ssh" holds: single, the best path
        """)
    #expect(
      rules.explain(try Self.facts()).description
        == """
        rule "voice" does not hold: DSCP
        rule "ssh" does not hold: ports
        rule "udp" does not hold: protocol
        no rule holds, so the default does: striped
        """)
    let voice = rules.explain(try Self.facts(dscp: 46))
    #expect(voice.passed.isEmpty && voice.decidedBy == "voice" && voice.plan.path == 1)
    #expect(voice.description == "rule \"voice\" holds: single, path 1")
  }

  @Test(arguments: 0..<100) func `the same way as they explain it`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let rules = Rules(
      (0..<random.below(257)).map { index in
        Self.rule("\(index)", [.striped, .raw, .single(path: 3)][Int(random.below(3))]) {
          if random.below(2) == 0 { $0.protocols = [UInt8(random.below(4))] }
          if random.below(2) == 0 { $0.ports = [UInt16(random.below(9))...UInt16(9 + random.below(9))] }
          if random.below(2) == 0 { $0.dscp = [UInt8(random.below(4))] }
        }
      })
    for _ in 0..<50 {
      let facts = try Self.facts(
        ports: (UInt16(random.below(20)), UInt16(random.below(20))), transport: UInt8(random.below(5)),
        dscp: UInt8(random.below(5)))
      let explanation = rules.explain(facts)
      #expect(explanation.plan == rules.plan(for: facts))
      #expect(explanation.passed.count == explanation.plan.rule ?? rules.rules.count, "seed \(seed)")
      #expect(explanation.decidedBy == explanation.plan.rule.map { rules.rules[$0].name }, "seed \(seed)")
    }
  }
}
