//  FlowShowing.swift — flows and rules for whoever looks: a few flows at a time, so that nobody's packet waits for it.
//
//  A full table has 131,072 flows, and to write all of them down at once would take milliseconds, in which a line of
//  10 Gbit/s brings megabytes. So whoever gathers them comes back each turn with the place where he stopped. Flows that
//  live all the time are told once; of those that come and go meanwhile some are.

import Packets
public import Primitives
public import Status

extension Engine {
  /// In one turn: two lines of the cache each, some ten microseconds.
  public static let mostFlowsATurn = 256

  public var flowCount: Int { flows.count }

  /// The names that rows of flows speak of by their places.
  public var flowNames: FlowList {
    FlowList(
      peers: (0..<peers.count).map { peers[$0].settings.name }, classes: classes.list.map(\.name),
      rules: rules.rules.map(\.name))
  }

  /// Appends the next flows from this place on, at most `mostFlowsATurn`; where to go on, nil: that was all.
  public func listFlows(from place: Int, into rows: inout [FlowList.Row], at now: Instant) -> Int? {
    flows.walk(from: place, atMost: Engine.mostFlowsATurn) { rows.append(row(of: $0, at: now)) }
  }

  func row(of slot: UInt32, at now: Instant) -> FlowList.Row {
    let flow = flows[slot]
    let back = flows.back(slot)
    let windows = Pace.number(now) &- back.born
    return FlowList.Row(
      key: FlowKey(flow.key), peer: flow.peer, classNumber: flow.classNumber, stack: FlowList.Stack(flow.plan.stack),
      rule: flow.plan.revision == rules.revision ? flow.plan.rule.map { UInt16($0) } : nil,
      lane: FlowTable.lane(of: slot, lanes: Peer.lanes - Engine.rawLanes),
      sentBytes: flow.bytes, sentPackets: flow.packets, receivedBytes: back.bytes,
      sentRate: flow.pace.bitsPerSecond(flow.bytes, at: now),
      receivedRate: back.pace.bitsPerSecond(back.bytes, at: now),
      age: Interval(nanoseconds: Int64(windows) * Pace.window), silence: max(.zero, now - flow.lastSeen))
  }

  /// The rules in their order, with what each has decided.
  public var ruleList: RuleList {
    var list = RuleList()
    for (place, rule) in rules.rules.enumerated() {
      let (stack, path): (FlowList.Stack, UInt8?) =
        switch rule.action {
        case .striped: (.striped, nil)
        case .single(let path): (.single, path)
        case .raw: (.raw, nil)
        }
      list.rules.append(
        RuleList.Rule(
          name: rule.name, conditions: rule.conditions, stack: stack,
          path: path.map { localPaths.indices.contains(Int($0)) ? localPaths[Int($0)].name : "?" },
          className: rule.classNumber.map { classes.list[Int($0)].name }, flows: decisions.count(of: place, in: rules)))
    }
    list.others = decisions.count(of: nil, in: rules)
    return list
  }
}

extension FlowKey {
  init(_ key: FiveTuple) {
    self.init(
      source: key.source, sourcePort: key.sourcePort, destination: key.destination,
      destinationPort: key.destinationPort, transport: key.transport)
  }
}

extension FiveTuple {
  init(_ key: FlowKey) {
    self.init(
      source: key.source, destination: key.destination, sourcePort: key.sourcePort,
      destinationPort: key.destinationPort, transport: key.transport)
  }
}

extension FlowList.Stack {
  init(_ stack: Plan.Stack) {
    switch stack {
    case .striped: self = .striped
    case .single: self = .single
    case .raw: self = .raw
    }
  }
}

extension Rule {
  /// What must hold, a phrase each.
  var conditions: [String] {
    func list(_ name: String, _ values: [String]) -> String? {
      values.isEmpty ? nil : "\(name) \(values.joined(separator: " or "))"
    }
    return [
      family.map { $0 == .ipv4 ? "IPv4" : "IPv6" },
      list("from", from.map(\.description)), list("to", to.map(\.description)),
      list("protocol", protocols.map { FlowKey.name(of: $0) }),
      list("port", ports.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }),
      list("DSCP", dscp.map { "\($0)" }),
      lengths.map { "packets of at most \($0.upperBound) bytes" },
    ].compactMap { $0 }
  }
}
