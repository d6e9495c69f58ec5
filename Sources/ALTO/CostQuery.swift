//  CostQuery.swift — which costs are asked for, and of which pairs.
//
//  Why.  Filtered cost maps, endpoint costs and path vectors ask in the same words, and RFC 8189 adds some: several
//  costs in one answer, tests of costs that are not in it, and tests of which one list of several must hold.
//
//      "multi-cost-types": [routingcost, tput]           what each pair's array holds, in this order
//      "testable-cost-types": [routingcost, delay-ow]    what the numbers in brackets count
//      "or-constraints": [["[0] le 10"], ["[0] le 100", "[1] lt 20000"]]
//
//  How.  All becomes a list of types, some shown and some only tested, and an OR of ANDs over it. `constraints` is an
//  OR of one. A pair that lacks a tested cost fails the test.
//
//      pair ──▶ costs of all types ──▶ any list of tests holds? ──▶ shown ones ──▶ 7, or [7,null]
//
//  A resource without the extension ignores its members, as it would any that it does not know; a client that sends
//  only them lacks `cost-type`. Ordinal costs are ranks among the pairs that were asked for, before any test.

import JSON

struct CostQuery {
  struct Test {
    enum Relation: String { case gt, lt, ge, le, eq }

    let type: Int
    let relation: Relation
    let bound: Double

    func holds(_ cost: Double) -> Bool {
      switch relation {
      case .gt: cost > bound
      case .lt: cost < bound
      case .ge: cost >= bound
      case .le: cost <= bound
      case .eq: cost == bound
      }
    }
  }

  /// Tests in one request, of all lists together: each is made for each pair, and a map may have a million.
  static let mostTests = 32

  /// The shown ones first, then those that are only tested.
  private(set) var types: [CostType] = []
  private(set) var shownCount = 0
  private(set) var isMulti = false
  private var alternatives: [[Test]] = []

  var shown: ArraySlice<CostType> { types[..<shownCount] }

  /// All of one cost map.
  init(_ type: CostType) {
    types = [type]
    shownCount = 1
  }

  /// `offered` is what the resource has; a resource without tests and without several costs is a path vector's.
  init(_ fields: Fields, offered: [CostType], isExtended: Bool) throws(Failure) {
    if isExtended, let elements = try fields.array("multi-cost-types") {
      let path = fields.full("multi-cost-types")
      if fields.has("cost-type") { throw .wrongValue(path, .array(elements)) }
      guard (1...offered.count).contains(elements.count) else { throw .wrongValue(path, .array(elements)) }
      for element in elements { types.append(try CostQuery.find(element, of: offered, in: path)) }
      isMulti = true
    } else {
      types.append(try CostQuery.find(fields.requiredFields("cost-type"), of: offered))
    }
    shownCount = types.count
    try readTests(fields, offered: offered, isExtended: isExtended)
  }

  private static func find(_ fields: Fields, of offered: [CostType]) throws(Failure) -> CostType {
    let metric = try fields.requiredString("cost-metric")
    let mode = try fields.requiredString("cost-mode")
    let ofMetric = offered.filter { $0.metric.name == metric }
    if ofMetric.isEmpty { throw .wrongValue(fields.full("cost-metric"), metric) }
    let ofMode = ofMetric.filter { $0.mode.rawValue == mode }
    if ofMode.isEmpty { throw .wrongValue(fields.full("cost-mode"), mode) }
    let context = try fields.fields("cost-context")
    let source = try context?.string("cost-source") ?? CostType.Source.estimation.rawValue
    if let type = ofMode.first(where: { ($0.source ?? .estimation).rawValue == source }) { return type }
    // Who names no context takes what there is.
    guard let context else { return ofMode[0] }
    throw .wrongValue(context.full("cost-source"), source)
  }

  /// An element of an array: what is wrong with it is told of the array.
  private static func find(_ element: JSONValue, of offered: [CostType], in path: String) throws(Failure) -> CostType {
    guard element.object != nil else { throw .wrongValue(path, element) }
    do throws(Failure) {
      return try find(Fields(element, path: path), of: offered)
    } catch {
      throw error.code == .missingField ? error : .wrongValue(path, element)
    }
  }

  // MARK: Tests

  private mutating func readTests(_ fields: Fields, offered: [CostType], isExtended: Bool) throws(Failure) {
    var tested = Array(types.indices)
    if isExtended, let elements = try fields.array("testable-cost-types") {
      let path = fields.full("testable-cost-types")
      guard (1...offered.count).contains(elements.count) else { throw .wrongValue(path, .array(elements)) }
      tested = []
      for element in elements {
        let type = try CostQuery.find(element, of: offered, in: path)
        if let known = types.firstIndex(where: { $0.isSame(as: type) }) {
          tested.append(known)
        } else {
          types.append(type)
          tested.append(types.count - 1)
        }
      }
    }
    let single = try fields.array("constraints")
    if let single {
      // A resource without the capability refuses the member, be it empty or not.
      if types[0].mode == .array { throw .wrongValue(fields.full("constraints"), .array(single)) }
      if !single.isEmpty { alternatives = [try tests(single, "constraints", fields, of: tested, isExtended)] }
    }
    guard isExtended, let lists = try fields.array("or-constraints") else { return }
    let path = fields.full("or-constraints")
    if single != nil { throw .wrongValue(path, .array(lists)) }
    if lists.isEmpty { throw .wrongValue(path, .array(lists)) }
    for list in lists {
      guard let elements = list.array, !elements.isEmpty else { throw .wrongValue(path, list) }
      alternatives.append(try tests(elements, "or-constraints", fields, of: tested, isExtended))
    }
  }

  private func tests(
    _ elements: [JSONValue], _ name: String, _ fields: Fields, of tested: [Int], _ isExtended: Bool
  ) throws(Failure) -> [Test] {
    let before = alternatives.reduce(0) { $0 + $1.count }
    if before + elements.count > CostQuery.mostTests { throw .wrongValue(fields.full(name)) }
    var tests: [Test] = []
    for element in elements {
      guard let text = element.string, let test = CostQuery.test(text, of: tested, isExtended: isExtended) else {
        throw .wrongValue(fields.full(name), element)
      }
      tests.append(test)
    }
    return tests
  }

  /// `le 5`, or `[1] le 5`.
  private static func test(_ text: String, of tested: [Int], isExtended: Bool) -> Test? {
    var words = text.split { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" }
    var index = 0
    if isExtended, let first = words.first, first.hasPrefix("[") {
      let inner = String(first.dropFirst().dropLast())
      guard first.hasSuffix("]"), case .integer(let number)? = try? JSONValue(reading: inner), number >= 0,
        number < Int64(tested.count)
      else { return nil }
      index = Int(number)
      words.removeFirst()
    }
    guard words.count == 2, let relation = Test.Relation(rawValue: String(words[0])),
      let bound = try? JSONValue(reading: String(words[1])).number
    else { return nil }
    return Test(type: tested[index], relation: relation, bound: bound)
  }

  /// `costs` has one for each of `types`.
  func admits(_ costs: [Double?]) -> Bool {
    if alternatives.isEmpty { return true }
    return alternatives.contains { tests in
      tests.allSatisfy { test in costs[test.type].map { test.holds($0) } ?? false }
    }
  }

  // MARK: Answers

  /// `meta` says what the costs are.
  func describe(in meta: inout JSONObject) {
    if isMulti {
      meta.append("cost-type", .object([:]))
      meta.append("multi-cost-types", .array(shown.map { $0.value() }))
    } else {
      meta.append("cost-type", types[0].value())
    }
  }

  /// The costs of all pairs that have one and pass. `row` gives those from a source to every destination.
  func table(
    from sources: [String], to destinations: [String], row: (CostMetric, _ source: Int) -> [Double?]
  ) -> JSONObject {
    let ranks = types.map { type in
      type.mode == .ordinal ? Ranks(sources.indices.flatMap { row(type.metric, $0) }, of: type.metric) : nil
    }
    var table = JSONObject()
    for (source, name) in sources.enumerated() {
      let columns = types.indices.map { index -> [Double?] in
        let costs = row(types[index].metric, source)
        guard let ranks = ranks[index] else { return costs }
        return costs.map { $0.map { ranks[$0] } }
      }
      var costs = JSONObject()
      for (place, destination) in destinations.enumerated() {
        let ofPair = columns.map { $0[place] }
        guard ofPair[..<shownCount].contains(where: { $0 != nil }), admits(ofPair) else { continue }
        let values = ofPair[..<shownCount].map { $0.map { JSONValue.number($0) } ?? .null }
        costs.append(destination, isMulti ? .array(values) : values[0])
      }
      if !costs.isEmpty { table.append(name, .object(costs)) }
    }
    return table
  }
}

/// The place of a cost among others: 1 for the best, and the same for equal ones.
private struct Ranks {
  private let ordered: [Double]
  private let isDescending: Bool

  init(_ costs: [Double?], of metric: CostMetric) {
    var distinct: [Double] = []
    for cost in costs.compactMap({ $0 }).sorted() where distinct.last != cost { distinct.append(cost) }
    ordered = distinct
    isDescending = metric.prefersMore
  }

  subscript(cost: Double) -> Double {
    var (low, high) = (0, ordered.count)
    while low < high {
      let middle = (low + high) / 2
      if ordered[middle] < cost { low = middle + 1 } else { high = middle }
    }
    return Double(isDescending ? ordered.count - low : low + 1)
  }
}
