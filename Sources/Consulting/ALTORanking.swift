//  ALTORanking.swift — direct and one-hop ways between two places, in order, from whatever costs a server has.
//
//      delays   branch ─5▶ r1   branch ─40▶ hq   r1 ─6▶ hq       direct 40, over r1 11: r1 first
//
//  Times, prices and routing costs add up along a way, the lesser rate counts, and what one leg does not lose the other
//  may. An objective ranks by its own figure, or by the next one of its list that the server has. Limits apply where
//  the figure is known; where it is not, that is said.
//
//  Ways are ranked one by one: costs of ALTO do not tell what two ways share, nor what it takes to put their parts in
//  order again. Every place but "everything else" is taken for one that could forward.

import JSON
import Primitives

/// What is asked of a server, in this order.
enum ALTOFigure: Int, CaseIterable {
  case delay, roundTrip, loss, rate, price, routing

  /// Names of metrics, the best first (RFC 9439 §3.1, RFC 7285 §6.1.1).
  var metrics: [String] {
    switch self {
    case .delay: ALTOFigure.variants("delay-ow")
    case .roundTrip: ALTOFigure.variants("delay-rt")
    case .loss: ALTOFigure.variants("lossrate")
    case .rate: ["tput", "bw-available", "bw-residual"].flatMap { ALTOFigure.variants($0) }
    case .price: ["priv:price-per-gb", "priv:price"]
    case .routing: ["routingcost"]
    }
  }

  private static func variants(_ name: String) -> [String] {
    [name] + ["mean", "median", "cur"].map { "\(name):\($0)" }
  }

  var noun: String {
    switch self {
    case .delay: "delays"
    case .roundTrip: "round trips"
    case .loss: "losses"
    case .rate: "rates"
    case .price: "prices"
    case .routing: "routing costs"
    }
  }

  /// Of a whole way, from its legs.
  func joined(_ one: Double, _ other: Double) -> Double {
    switch self {
    case .rate: min(one, other)
    case .loss: 100 - (100 - min(100, one)) * (100 - min(100, other)) / 100
    case .delay, .roundTrip, .price, .routing: one + other
    }
  }

  var prefersMore: Bool { self == .rate }
}

extension PathQuestion.Objective {
  /// What it ranks by: the first of these that is known.
  fileprivate var figures: [ALTOFigure] {
    switch self {
    case .throughput: [.rate, .delay, .roundTrip, .routing]
    case .latency: [.delay, .roundTrip, .routing]
    case .resilience: [.loss, .delay, .roundTrip, .routing]
    case .cost: [.price, .routing]
    }
  }
}

struct ALTORanking {
  /// Costs of one figure: from the source, to the destination, and between them.
  private struct Legs {
    var direct: Double?
    var out: [String: Double] = [:]
    var back: [String: Double] = [:]
  }

  private struct Way {
    let via: String?
    /// By the figure's number.
    var values: [Double?]

    subscript(figure: ALTOFigure) -> Double? { values[figure.rawValue] }
  }

  private let question: PathQuestion
  private let from: String
  private let to: String
  /// Places that could forward, with an address of each that has any.
  private let relays: [(name: String, address: IPAddress?)]
  private let ends: (from: IPAddress?, to: IPAddress?)
  private var legs = Array(repeating: Legs(), count: ALTOFigure.allCases.count)
  private var missing: [ALTOFigure] = []

  init(_ question: PathQuestion, _ network: ALTONetwork) throws(ConsultingFailure) {
    let (source, destination) = (try network.find(question.from), try network.find(question.to))
    if source.place == destination.place {
      throw ConsultingFailure(
        "both ends are in the place '\(Figures.shown(network.places[source.place].name))'; no way leads between")
    }
    self.question = question
    from = network.places[source.place].name
    to = network.places[destination.place].name
    ends = (
      source.address ?? network.places[source.place].address,
      destination.address ?? network.places[destination.place].address
    )
    relays = network.places.enumerated().compactMap { index, place in
      if index == source.place || index == destination.place || place.isRest { return nil }
      return (place.name, place.address)
    }
  }

  // MARK: What the server says

  mutating func lacks(_ figure: ALTOFigure) { missing.append(figure) }

  /// A table of costs; `name` says which place a row or a column is about.
  mutating func add(_ figure: ALTOFigure, _ table: JSONObject, _ name: (String) -> String?) {
    for row in table.members {
      guard let source = name(row.name), let costs = row.value.object else { continue }
      for cost in costs.members {
        guard let destination = name(cost.name), let value = Figures.amount(cost.value.number) else { continue }
        if source == from && destination == to {
          legs[figure.rawValue].direct = value
        } else if source == from {
          legs[figure.rawValue].out[destination] = value
        } else if destination == to {
          legs[figure.rawValue].back[source] = value
        }
      }
    }
  }

  struct Endpoint {
    let name: String
    let text: String
    let isSource: Bool
    let isDestination: Bool
  }

  /// The ends and as many places between them as may be, as ALTO writes addresses.
  func endpoints(atMost most: Int) -> [Endpoint] {
    func text(_ address: IPAddress) -> String { "\(address.family == .ipv4 ? "ipv4" : "ipv6"):\(address)" }
    var endpoints: [Endpoint] = []
    if let address = ends.from {
      endpoints.append(Endpoint(name: from, text: text(address), isSource: true, isDestination: false))
    }
    if let address = ends.to {
      endpoints.append(Endpoint(name: to, text: text(address), isSource: false, isDestination: true))
    }
    for case (let name, let address?) in relays.prefix(most - endpoints.count) {
      endpoints.append(Endpoint(name: name, text: text(address), isSource: true, isDestination: true))
    }
    return endpoints
  }

  // MARK: The choice

  func choice() throws(ConsultingFailure) -> PathChoice {
    let objective = question.objective ?? .throughput
    let all = ([nil] + relays.map(\.name)).map { way(over: $0) }
    guard let key = objective.figures.first(where: { figure in all.contains { $0[figure] != nil } }) else {
      throw ConsultingFailure(
        "the server has no costs between '\(Figures.shown(question.from))' and '\(Figures.shown(question.to))'")
    }
    var counts = (unmeasured: 0, slow: 0, lossy: 0, expensive: 0)
    var ways: [Way] = []
    for way in all {
      if way[key] == nil {
        counts.unmeasured += 1
      } else if let most = question.mostDelay, let delay = ALTORanking.microseconds(way),
        delay > Double(most.nanoseconds) / 1e3
      {
        counts.slow += 1
      } else if let most = question.mostLoss, let loss = way[.loss], loss / 100 > most {
        counts.lossy += 1
      } else if let most = question.mostPrice, let price = way[.price], price > most {
        counts.expensive += 1
      } else {
        ways.append(way)
      }
    }
    guard !ways.isEmpty else { throw ConsultingFailure("no way keeps within the limits") }
    // Equal ones keep the server's order, the direct one first.
    let ordered = ways.enumerated().sorted { one, other in
      let (a, b) = (one.element[key] ?? 0, other.element[key] ?? 0)
      return a == b ? one.offset < other.offset : (a > b) == key.prefersMore
    }.map(\.element)
    let direct = ways.first { $0.via == nil }
    var choice = PathChoice(
      paths: ordered.prefix(question.count).enumerated().map { place, way in
        path(way, by: key, first: place == 0 ? nil : ordered[0], direct: direct)
      })
    if ordered.count > question.count {
      var whole = PathChoice.Whole()
      let next = path(ordered[question.count], by: key, first: ordered[0], direct: direct)
      whole.rate = next.rate
      choice.runnerUp = .init(via: [next.via], whole: whole)
    }
    choice.considered = ways.count
    choice.strategy = key.noun + " alone"
    choice.leftOut = [
      ("unmeasured", counts.unmeasured), ("too slow", counts.slow), ("too lossy", counts.lossy),
      ("too expensive", counts.expensive),
    ].filter { $0.1 > 0 }.map { .init(reason: $0.0, count: $0.1) }
    choice.unknown = unknown(objective, key)
    return choice
  }

  private func way(over relay: String?) -> Way {
    let values = ALTOFigure.allCases.map { figure -> Double? in
      let legs = legs[figure.rawValue]
      guard let relay else { return legs.direct }
      guard let out = legs.out[relay], let back = legs.back[relay] else { return nil }
      return figure.joined(out, back)
    }
    return Way(via: relay, values: values)
  }

  /// One way: half of the round trip where nobody knows better.
  private static func microseconds(_ way: Way) -> Double? { way[.delay] ?? way[.roundTrip].map { $0 / 2 } }

  private func path(_ way: Way, by key: ALTOFigure, first: Way?, direct: Way?) -> PathChoice.Path {
    var path = PathChoice.Path(via: way.via.map { Figures.shown($0) })
    path.delay = Figures.interval(microseconds: way[.delay])
    path.roundTrip = Figures.interval(microseconds: way[.roundTrip])
    path.loss = Figures.share(way[.loss].map { min(100, $0) / 100 })
    path.rate = Figures.rate(bitsPerSecond: way[.rate].map { $0 * 8 })
    path.price = way[.price]
    let value = way[key] ?? 0
    switch key {
    case .delay, .roundTrip:
      let against = first ?? (way.via == nil ? nil : direct)
      let gap = Figures.interval(microseconds: against?[key].map { abs(value - $0) })
      let distance = gap.map { Figures.time($0) }
      path.reason =
        first == nil
        ? "lands first" + (distance.map { ", \($0) before the direct path" } ?? "")
        : "lands later" + (distance.map { " by \($0)" } ?? "")
    case .loss: path.reason = first == nil ? "loses least" : "loses \(Figures.share(min(100, value) / 100))"
    case .rate: path.reason = first == nil ? "carries most" : "carries less"
    case .price: path.reason = first == nil ? "cheapest" : "costs more"
    case .routing:
      path.reason = "\(first == nil ? "least routing cost" : "routing cost"): \(Figures.number(value))"
    }
    return path
  }

  private func unknown(_ objective: PathQuestion.Objective, _ key: ALTOFigure) -> [String] {
    var sentences: [String] = []
    let absent = missing.filter { $0 != .routing && $0 != .roundTrip }
    if !absent.isEmpty {
      sentences.append("\(absent.map(\.noun).joined(separator: ", ")): the server does not offer them")
    }
    if key != objective.figures[0] {
      sentences.append("what is best for \(objective.rawValue); paths are in the order of their \(key.noun)")
    }
    for (limit, figure) in [
      (question.mostDelay != nil, ALTOFigure.delay), (question.mostLoss != nil, .loss),
      (question.mostPrice != nil, .price),
    ] where limit && missing.contains(figure) && !(figure == .delay && !missing.contains(.roundTrip)) {
      sentences.append("whether the limit on \(figure.noun) is kept")
    }
    sentences.append("what paths share and what it takes to put their parts in order: ALTO tells of one path at a time")
    if !relays.isEmpty { sentences.append("which places forward: every PID was taken for a relay") }
    return sentences
  }
}
