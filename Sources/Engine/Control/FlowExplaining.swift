//  FlowExplaining.swift — why one flow is carried as it is: the rules that were asked, its class, its paths.
//
//  Of a flow that lives the plan says which rule decided; nobody remembers the first packet's length and marks. So of a
//  rule before it whose other conditions hold, those two are what did not. Of a flow that does not live the rules are
//  asked now, for a packet without marks that is not long.

import Packets
public import Primitives
public import Status

extension Engine {
  /// Of the flow with this key, or of the one in the other direction.
  public func explain(_ wanted: FlowKey, at now: Instant) -> FlowExplanation {
    let wantedTuple = FiveTuple(wanted)
    let slot = flows.find(wantedTuple) ?? flows.find(wantedTuple.reversed)
    var tuple = slot.map { flows[$0].key } ?? wantedTuple
    // Who asks about what comes in means the flow that goes out.
    if slot == nil && allowed.peer(of: tuple.destination) == nil && allowed.peer(of: tuple.source) != nil {
      tuple = tuple.reversed
    }
    var explanation = FlowExplanation(key: FlowKey(tuple))
    let facts = FlowFacts(tuple, dscp: 0, length: 64)
    var plan = rules.plan(for: facts)
    var number = Classes.number(of: tuple, planned: plan.classNumber, Rhythm())
    var index = allowed.peer(of: tuple.destination).map { Int($0) }
    if let slot, flows[slot].plan.revision == rules.revision {
      explanation.flow = row(of: slot, at: now)
      plan = flows[slot].plan
      number = Int(flows[slot].classNumber)
      index = Int(flows[slot].peer)
    }
    guard let index, !isRelay(index) else { return explanation }
    explanation.peer = peers[index].settings.name
    for rule in rules.rules[..<(plan.rule ?? rules.rules.count)] {
      explanation.passed.append(FlowExplanation.Passed(rule: rule.name, obstacle: obstacle(of: rule, facts, slot)))
    }
    explanation.rule = plan.rule.map { rules.rules[$0].name }
    explanation.className = classes.list[number].name
    explanation.classReason = classReason(plan, tuple, slot)
    explanation.stack = FlowList.Stack(plan.stack)
    let pin = slot.flatMap { flows[$0].pin }.map { Int($0) }
    explanation.stackReason = stackReason(plan, pin, index)
    explanation.ways = ways(of: index, plan, pin, treatment: treatments[number], at: now)
    return explanation
  }

  private func obstacle(of rule: Rule, _ facts: FlowFacts, _ slot: UInt32?) -> String {
    var bare = rule
    bare.dscp = []
    bare.lengths = nil
    if let obstacle = bare.obstacle(for: facts) { return "\(obstacle.rawValue) does not fit" }
    if slot == nil { return rule.obstacle(for: facts).map { "\($0.rawValue) does not fit" } ?? "it holds" }
    return rule.dscp.isEmpty
      ? "packet length of its first packet did not fit"
      : rule.lengths == nil ? "DSCP of its first packet did not fit" : "DSCP or length of its first packet did not fit"
  }

  private func classReason(_ plan: Plan, _ tuple: FiveTuple, _ slot: UInt32?) -> String {
    if plan.classNumber != nil { return "its rule says so" }
    return Classes.reason(for: tuple, slot.map { flows[$0].rhythm } ?? Rhythm()).description
  }

  private func stackReason(_ plan: Plan, _ pin: Int?, _ index: Int) -> String {
    let by = plan.rule == nil ? "the default" : "its rule says so"
    switch plan.stack {
    case .striped: return "over all paths that carry, \(by)"
    case .raw: return "as it comes and without order, \(by)"
    case .single:
      // A rule may name a path that waits for a place: then the shortest round trip decides meanwhile.
      let path = plan.path.flatMap { localPaths.indices.contains(Int($0)) ? localPaths[Int($0)] : nil }
      let wanted = path.map { "over \($0.name)" } ?? "over the path with the shortest round trip"
      let now = pin.flatMap { peers[index].isUsed($0) ? ", now \(name(of: peers[index].paths[$0].route.socket))" : nil }
      return "\(wanted)\(now ?? ""), \(by)"
    }
  }

  private func ways(
    of index: Int, _ plan: Plan, _ pin: Int?, treatment: Treatment, at now: Instant
  ) -> [FlowExplanation.Way] {
    let helping = treatment == .realtime ? peers[index].helping : 0
    let working = workingSockets
    return (0..<PeerPath.mostPaths).compactMap { place in
      guard peers[index].isUsed(place), isWorthTelling(place, of: index, working) else { return nil }
      let path = peers[index].paths[place]
      let mayCarry = (peers[index].carrying | helping).has(place)
      let isPinned = plan.stack != .striped && pin != nil
      let carries = mayCarry && (plan.stack == .striped || pin == place) || pin == place && isPinned
      return FlowExplanation.Way(
        path: name(of: path.route.socket), remote: "\(path.route.remote)", carries: carries,
        reason: carries && isPinned
          ? "the one that this flow stays on"
          : reason(of: place, index, isPinned: isPinned, isHelp: helping.has(place), at: now))
    }
  }

  private func reason(of place: Int, _ index: Int, isPinned: Bool, isHelp: Bool, at now: Instant) -> String {
    switch peers[index].paths[place].liveness.state {
    case .down: return "it does not answer"
    case .probing: return "it has not answered yet"
    case .up: break
    }
    if peers[index].beliefs[place].isSilent { return "nothing is reported of what was sent on it lately" }
    let (_, isDropped, reason) = peers[index].steering?.pointee.why(place) ?? (true, false, .ground)
    if isDropped { return "the others carry more without it" }
    if isHelp { return "calls may use it besides" }
    if peers[index].carrying.has(place) && !peers[index].worthy.has(place) {
      return "it would delay bulk more than it brings; what is urgent may use it"
    }
    return isPinned ? "this flow keeps to one path" : reason.description
  }
}
