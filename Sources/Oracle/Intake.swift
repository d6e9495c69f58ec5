//  Intake.swift — what a node reports: measurements of edges, and how paths did that it used.
//
//      {"edges": [{"from": "branch", "to": "west-1", "age_s": 0.5, "one_way_us": 20100, "round_trip_us": 40200,
//                  "excess": [[0, 120], [250, 30]], "loss": 0.01, "rate_bps": 50000000, "price_per_gb": 0.01}],
//       "outcomes": [{"from": "branch", "to": "hq", "via": "west-1", "worked": true, "won": false}]}
//
//  Two kinds of wrong.  What cannot be read (a loss of 2, a string in the place of a number) is a mistake of the
//  program that sent it: 400, with the field, and nothing of the body is taken. What can be read and is not for this
//  map (a node that we do not know, a figure that is too old) is told beside what was taken: maps differ between
//  oracles, and a gateway that knows a relay more must still be able to report the rest.

import JSON
import PathOracle
import Primitives

struct Report {
  var measurements: [Measurement] = []
  var outcomes: [PathOutcome] = []

  /// Of a body as it came; nothing is looked up.
  init(_ document: JSONValue, by source: String) throws(Failure) {
    let fields = try Fields(document: document)
    let edges = try fields.objects("edges", atMost: Oracle.Limits.edges)
    let results = try fields.objects("outcomes", atMost: Oracle.Limits.outcomes)
    if edges == nil && results == nil { throw fields.missing("edges") }
    measurements.reserveCapacity(edges?.count ?? 0)
    for edge in edges ?? [] { measurements.append(try Report.measurement(edge, by: source)) }
    for result in results ?? [] { outcomes.append(try Report.outcome(result)) }
  }

  /// 30 years: clocks since boot and since 1970 in one fleet, as PathMap has it.
  private static let oneWay = -9.5e14...9.5e14
  private static let roundTrip = 0.001...60e6
  private static let ages = 0.0...1e9

  private static func measurement(_ fields: Fields, by source: String) throws(Failure) -> Measurement {
    var measurement = Measurement(
      source: source, from: try fields.requiredString("from"), to: try fields.requiredString("to"))
    if let age = try fields.number("age_s", ages, of: "seconds") {
      measurement.age = Interval(nanoseconds: Int64((age * 1e9).rounded()))
    }
    measurement.oneWay = try fields.microseconds("one_way_us", oneWay)
    measurement.roundTrip = try fields.microseconds("round_trip_us", roundTrip)
    if let shape = try shape(fields) { measurement.shape = shape }
    measurement.loss = try fields.loss("loss")
    measurement.rate = try fields.rate("rate_bps")
    measurement.price = try fields.price("price_per_gb")
    return measurement
  }

  private static func shape(_ fields: Fields) throws(Failure) -> DelayShape? {
    guard let list = try fields.list("excess", atMost: Oracle.Limits.histogram) else { return nil }
    var samples: [DelayShape.Sample] = []
    samples.reserveCapacity(list.count)
    for (index, value) in list.enumerated() {
      let name = "excess[\(index)]"
      guard let pair = value.array, pair.count == 2, let excess = pair[0].number, pair[1].number != nil else {
        throw fields.wrongType(name, "two numbers: microseconds, and how often")
      }
      guard let count = pair[1].integer, (0...1_000_000_000).contains(count), (0...1e9).contains(excess) else {
        throw fields.wrongValue(name, "microseconds up to 1000000000, and how often up to 1000000000")
      }
      samples.append(
        DelayShape.Sample(excess: Interval(nanoseconds: Int64((excess * 1_000).rounded())), count: Int(count)))
    }
    return DelayShape(samples)
  }

  private static func outcome(_ fields: Fields) throws(Failure) -> PathOutcome {
    guard let worked = try fields.bool("worked") else { throw fields.missing("worked") }
    return PathOutcome(
      from: try fields.requiredString("from"), to: try fields.requiredString("to"), via: try fields.string("via"),
      hasWorked: worked, hasWon: try fields.bool("won") ?? false)
  }
}

extension Fields {
  func price(_ name: String) throws(Failure) -> Price? {
    let most = Double(Price.most.microsPerGigabyte) / 1e6
    return try number(name, 0...most, of: "units for a gigabyte").map {
      Price(microsPerGigabyte: UInt64(($0 * 1e6).rounded()))
    }
  }
}

extension Measurement.Verdict {
  /// Why it was not kept; for whoever reported it.
  var why: String {
    switch self {
    case .added, .updated: "kept"
    case .unknownNode: "an end is no node of this map"
    case .noEdge: "it leads from a node to itself"
    case .empty: "it says nothing"
    case .fromTheFuture: "it was measured later than now"
    case .tooOld: "it is older than a half-life"
    case .superseded: "a later one of the same source is known"
    case .impossibleDelay: "no path has such a delay"
    case .impossibleRate: "no path has such a rate"
    case .impossiblePrice: "no path has such a price"
    case .sourceFull: "this source has as many edges on the map as one may"
    case .edgeFull: "enough others report of this edge"
    case .mapFull: "the map is full"
    }
  }
}
