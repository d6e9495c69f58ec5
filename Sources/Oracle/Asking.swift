//  Asking.swift — a question for paths as it comes, and its answer as it goes: JSON on both sides.
//
//  Units are in the names. What a question leaves out has the default of PathQuery; `from` may be left out by who shows
//  the token of a node. That there is no path is an answer too: an empty list, and why each way was left out.

import JSON
import PathOracle
import Primitives

struct Question {
  var query: PathQuery
  var strategy: String?

  init(_ document: JSONValue, by identity: Identity) throws(Failure) {
    let fields = try Fields(document: document)
    var from = try fields.string("from")
    if from == nil, case .node(let name) = identity { from = name }
    guard let from else { throw fields.missing("from") }
    query = PathQuery(from: from, to: try fields.requiredString("to"))
    if let count = try fields.integer("k", 1...Int64(PathQuery.mostPaths)) { query.count = Int(count) }
    if let name = try fields.string("objective") {
      guard let objective = Objective(rawValue: name) else {
        throw fields.wrongValue("objective", "one of " + Objective.allCases.map(\.rawValue).joined(separator: ", "))
      }
      query.objective = objective
    }
    if let name = try fields.string("strategy") {
      guard Strategies.names.contains(name) else {
        throw fields.wrongValue("strategy", "one of " + Strategies.names.joined(separator: ", "))
      }
      strategy = name
    }
    query.limits.price = try fields.price("max_price")
    query.limits.delay = try fields.microseconds("max_delay_us", 0...60e6)
    query.limits.loss = try fields.loss("max_loss")
    query.limits.forbiddenProviders = try fields.strings("forbidden_providers", atMost: Oracle.Limits.names) ?? []
    query.limits.forbiddenRegions = try fields.strings("forbidden_regions", atMost: Oracle.Limits.names) ?? []
    if let most = try fields.microseconds("max_added_delay_us", 0...60e6) { query.limits.addedDelay = most }
    if let most = try fields.integer("buffer_bytes", 0...(1 << 40)) { query.limits.buffer = ByteCount(Int(most)) }
    if let wanted = try fields.rate("wanted_rate_bps") { query.limits.wantedRate = wanted }
    query.inUse = try Question.relays(fields)
  }

  /// `null` is the direct path, which nobody need name.
  private static func relays(_ fields: Fields) throws(Failure) -> [String] {
    var names: [String] = []
    for (index, value) in (try fields.list("in_use", atMost: Oracle.Limits.names) ?? []).enumerated() {
      if value == .null { continue }
      guard let name = value.string else { throw fields.wrongType("in_use[\(index)]", "a string or null") }
      names.append(name)
    }
    return names
  }
}

extension Oracle {
  /// The answer's text. `noPath` is an answer; the other refusals are mistakes of who asks.
  mutating func answer(_ question: Question, at now: Instant) throws(Failure) -> String {
    let query = question.query
    let strategy = question.strategy ?? settings.strategy
    do throws(PathQuery.Refusal) {
      let answer = try strategies.answer(query, by: strategy, on: map, at: now)
      return text(of: answer)
    } catch {
      switch error {
      case .unknownNode(let name):
        throw Failure(
          .fieldValue, "there is no node \"\(name)\" on this map", field: name == query.from ? "from" : "to")
      case .sameEnds: throw Failure(.fieldValue, "from and to are the same", field: "to")
      case .count(_, let most): throw Failure(.fieldValue, "expected a whole number from 1 to \(most)", field: "k")
      case .noPath(let leftOut):
        counters.noPath += 1
        return JSONText.object {
          $0.member("revision", revision)
          $0.member("strategy", strategy)
          $0.member("optimal", true)
          $0.member("race", false)
          $0.member("considered", 0)
          Oracle.write(leftOut, to: &$0)
          $0.array("paths") { _ in }
          $0.null("set")
          $0.null("runner_up")
        }
      }
    }
  }

  private func text(of answer: PathAnswer) -> String {
    JSONText.object { page in
      page.member("revision", revision)
      page.member("strategy", answer.strategy)
      page.member("optimal", answer.isOptimal)
      page.member("race", answer.isRace)
      page.member("considered", answer.considered)
      Oracle.write(answer.leftOut, to: &page)
      page.array("paths") { list in
        for path in answer.paths { list.object { write(path, to: &$0) } }
      }
      page.object("set") {
        $0.member("rate_bps", answer.rate.bitsPerSecond)
        if let cost = answer.cost { Oracle.write(cost, to: &$0) }
      }
      guard let other = answer.runnerUp else { return page.null("runner_up") }
      page.object("runner_up") {
        $0.array("via") { list in
          for via in other.via { list.element(via) }
        }
        $0.member("rate_bps", other.rate.bitsPerSecond)
        $0.member("delay_us", other.delay.inMicroseconds)
        Oracle.write(other.cost, to: &$0)
      }
    }
  }

  private func write(_ path: PathAnswer.Path, to page: inout JSONText.Object) {
    page.member("via", path.via)
    page.member("delay_us", path.delay.inMicroseconds)
    page.member("round_trip_us", path.roundTrip.inMicroseconds)
    page.member("deviation_us", path.deviation.inMicroseconds)
    page.member("loss", path.loss, decimals: 9)
    page.member("rate_bps", path.rate.bitsPerSecond)
    page.member("rate_measured", path.isRateMeasured)
    page.member("price_per_gb", path.price.perGigabyte)
    page.member("confidence", path.confidence, decimals: 3)
    page.member("provider", path.provider)
    page.member("reason", path.reason.description)
    guard let via = path.via, let node = nodes[via] else { return page.null("relay") }
    page.object("relay") { node.writeContact(to: &$0) }
  }

  private static func write(_ cost: SetCost, to page: inout JSONText.Object) {
    page.member("occupancy_bytes", cost.occupancy.value)
    page.member("added_delay_us", cost.addedDelay.inMicroseconds)
    page.member("loss", cost.loss, decimals: 9)
  }

  private static func write(_ leftOut: PathQuery.LeftOut, to page: inout JSONText.Object) {
    page.object("left_out") {
      $0.member("unmeasured", leftOut.unmeasured)
      $0.member("forbidden_provider", leftOut.forbiddenProvider)
      $0.member("forbidden_region", leftOut.forbiddenRegion)
      $0.member("too_expensive", leftOut.tooExpensive)
      $0.member("too_slow", leftOut.tooSlow)
      $0.member("too_lossy", leftOut.tooLossy)
    }
  }
}

extension Interval {
  var inMicroseconds: Int64 { (nanoseconds + 500) / 1_000 }
}

extension Price {
  var perGigabyte: Double { Double(microsPerGigabyte) / 1e6 }
}
