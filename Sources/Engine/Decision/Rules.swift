//  Rules.swift — which stack carries which flow, and as which class: an ordered list, and the first rule that holds
//  decides.
//
//  A rule is a row of conditions; one that is absent holds for everything, and each is a list of which one entry must
//  fit. Rules are asked about the first packet of a flow only; the flow keeps the plan. When the rules change,
//  `revision` does, and a flow whose plan has another one is decided again at its next packet: nobody walks over
//  100,000 flows.
//
//  A condition on size or DSCP is about the packet that is decided on. So a rule for small packets catches flows that
//  begin small: a call, not a download, unless the rules changed in between.
//
//  For the decision each rule is a row of numbers: sets of bits for what is small, ranges in two arrays that all rows
//  share. A rule as it was written holds six arrays, and to ask 256 of those took 6 µs, most of it counting references.
//  `explain` asks the rules as they were written, says of each which condition did not hold, and tests hold the two
//  together.
//
//  Rejected.  A decision tree over all conditions: rows are asked in order as everyone reads them, in some nanoseconds.

public import Packets
public import Primitives

/// If all of this holds for a flow, then that.
public struct Rule: Equatable, Sendable {
  public enum Action: Equatable, Sendable {
    case striped
    /// Over the path with this place in the configuration, or with nil over the best.
    case single(path: UInt8?)
    case raw
  }

  public var name: String
  public var from: [IPPrefix] = []
  public var to: [IPPrefix] = []
  public var family: IPAddress.Family?
  /// IANA's numbers.
  public var protocols: [UInt8] = []
  /// Of either side.
  public var ports: [ClosedRange<UInt16>] = []
  public var dscp: [UInt8] = []
  /// Lengths of IP packets.
  public var lengths: ClosedRange<Int>?
  public var action: Action
  /// The class that its flows have, see `Classes`; nil: what they are and do says it.
  public var classNumber: UInt8?

  public init(name: String, _ action: Action, classNumber: UInt8? = nil) {
    self.name = name
    self.action = action
    self.classNumber = classNumber
  }
}

/// What a rule can ask about: a flow, and the packet that it is decided on.
public struct FlowFacts: Equatable, Sendable, BitwiseCopyable {
  public var tuple: FiveTuple
  public var dscp: UInt8
  public var length: Int

  public init(_ tuple: FiveTuple, dscp: UInt8, length: Int) {
    self.tuple = tuple
    self.dscp = dscp
    self.length = length
  }
}

public struct Rules: Sendable {
  /// Ten times what anyone writes by hand; a flow's first packet waits for all of them, which takes a microsecond or
  /// two.
  public static let most = 256

  public let rules: [Rule]
  /// Never 0, so that a plan of zeros is always out of date.
  public let revision: UInt32

  /// The first rules of a gateway.
  public init(_ rules: [Rule] = []) { self.init(rules, revision: 1) }

  private let rows: [Row]
  private var ports: [ClosedRange<UInt16>] = []
  private var prefixes: [IPPrefix] = []

  private init(_ rules: [Rule], revision: UInt32) {
    precondition(rules.count <= Rules.most, "more rules than a gateway takes")
    self.rules = rules
    self.revision = revision
    var rows: [Row] = []
    for rule in rules {
      var row = Row()
      row.family = rule.family?.rawValue ?? 0
      for number in rule.protocols { row.protocols[Int(number) / 64] |= 1 << UInt64(number % 64) }
      row.hasProtocols = !rule.protocols.isEmpty
      for value in rule.dscp { row.dscp |= 1 << UInt64(value) }
      if rule.dscp.isEmpty { row.dscp = .max }
      row.ports = ports.count..<(ports.count + rule.ports.count)
      ports += rule.ports
      row.from = prefixes.count..<(prefixes.count + rule.from.count)
      prefixes += rule.from
      row.to = prefixes.count..<(prefixes.count + rule.to.count)
      prefixes += rule.to
      row.leastLength = rule.lengths?.lowerBound ?? 0
      row.mostLength = rule.lengths?.upperBound ?? .max
      rows.append(row)
    }
    self.rows = rows
  }

  /// A rule as numbers.
  private struct Row {
    /// 0: either.
    var family: UInt8 = 0
    var hasProtocols = false
    var protocols = InlineArray<4, UInt64>(repeating: 0)
    var dscp: UInt64 = 0
    var leastLength = 0
    var mostLength = Int.max
    /// Places in the arrays of all rules; empty: holds for everything.
    var ports = 0..<0
    var from = 0..<0
    var to = 0..<0
  }

  private func holds(_ row: Row, for facts: FlowFacts) -> Bool {
    let tuple = facts.tuple
    if row.family != 0 && row.family != tuple.source.family.rawValue { return false }
    if row.hasProtocols && row.protocols[Int(tuple.transport) / 64] >> UInt64(tuple.transport % 64) & 1 == 0 {
      return false
    }
    if row.dscp >> UInt64(facts.dscp) & 1 == 0 { return false }
    if facts.length < row.leastLength || facts.length > row.mostLength { return false }
    if !row.ports.isEmpty {
      var isFound = false
      for index in row.ports where !isFound {
        isFound = ports[index].contains(tuple.sourcePort) || ports[index].contains(tuple.destinationPort)
      }
      if !isFound { return false }
    }
    return contains(row.from, tuple.source) && contains(row.to, tuple.destination)
  }

  private func contains(_ range: Range<Int>, _ address: IPAddress) -> Bool {
    if range.isEmpty { return true }
    for index in range where prefixes[index].contains(address) { return true }
    return false
  }

  /// The rules that come instead of these: every flow is decided again.
  public func replaced(by rules: [Rule]) -> Rules {
    Rules(rules, revision: revision == .max ? 1 : revision + 1)
  }

  /// Of what has no ports and no protocol that a rule could look at.
  var planForUnreadable: Plan { Plan(.raw, path: nil, rule: nil, revision: revision) }

  public func plan(for facts: FlowFacts) -> Plan {
    for index in rows.indices where holds(rows[index], for: facts) {
      let classNumber = rules[index].classNumber
      return switch rules[index].action {
      case .striped: Plan(.striped, path: nil, classNumber: classNumber, rule: index, revision: revision)
      case .single(let path): Plan(.single, path: path, classNumber: classNumber, rule: index, revision: revision)
      case .raw: Plan(.raw, path: nil, classNumber: classNumber, rule: index, revision: revision)
      }
    }
    return Plan(.striped, path: nil, rule: nil, revision: revision)
  }
}

extension Rule {
  /// A condition that does not hold.
  public enum Obstacle: String, Sendable {
    case from = "source address"
    case to = "destination address"
    case family = "IP version"
    case protocols = "protocol"
    case ports
    case dscp = "DSCP"
    case lengths = "packet length"
  }

  /// The first condition that does not hold; nil when the rule does.
  public func obstacle(for facts: FlowFacts) -> Obstacle? {
    let tuple = facts.tuple
    if let family, tuple.source.family != family { return .family }
    if !protocols.isEmpty, !protocols.contains(tuple.transport) { return .protocols }
    if !ports.isEmpty, !ports.contains(where: { $0.contains(tuple.sourcePort) || $0.contains(tuple.destinationPort) }) {
      return .ports
    }
    if !from.isEmpty, !from.contains(where: { $0.contains(tuple.source) }) { return .from }
    if !to.isEmpty, !to.contains(where: { $0.contains(tuple.destination) }) { return .to }
    if !dscp.isEmpty, !dscp.contains(facts.dscp) { return .dscp }
    if let lengths, !lengths.contains(facts.length) { return .lengths }
    return nil
  }
}

/// Why a flow is carried as it is.
public struct Explanation: Equatable, Sendable, CustomStringConvertible {
  public var plan: Plan
  /// The rules before the one that decided, and what did not hold.
  public var passed: [(name: String, obstacle: Rule.Obstacle)]
  /// nil: no rule held.
  public var decidedBy: String?

  public static func == (a: Explanation, b: Explanation) -> Bool {
    a.plan == b.plan && a.decidedBy == b.decidedBy
      && a.passed.elementsEqual(b.passed) { $0.name == $1.name && $0.obstacle == $1.obstacle }
  }

  /// A line for each rule that was asked.
  public var description: String {
    let refusals = passed.map { "rule \"\($0.name)\" does not hold: \($0.obstacle.rawValue)" }
    let decision = decidedBy.map { "rule \"\($0)\" holds" } ?? "no rule holds, so the default does"
    let path = plan.stack == .single ? plan.path.map { ", path \($0)" } ?? ", the best path" : ""
    return (refusals + ["\(decision): \(plan.stack)\(path)"]).joined(separator: "\n")
  }
}

extension Rules {
  public func explain(_ facts: FlowFacts) -> Explanation {
    let plan = plan(for: facts)
    let passed = rules[..<(plan.rule ?? rules.count)].compactMap { rule in
      rule.obstacle(for: facts).map { (name: rule.name, obstacle: $0) }
    }
    return Explanation(plan: plan, passed: passed, decidedBy: plan.rule.map { rules[$0].name })
  }
}
