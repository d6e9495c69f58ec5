//  ALTOMap.swift — what the ALTO server knows of the network: places, what lies between them, and what they share.
//
//  Why.  The oracle's own map has edges, histograms and sources, which are nobody's business outside. This is what it
//  shows of them: a value that was computed once and answers any number of requests, and that an update stream can hold
//  on to while the next one is made.
//
//  How.  A PID is a place with the prefixes that belong to it; an address belongs to the PID with its longest prefix.
//  Costs are rows, one for each source, of (destination, cost) in the order of the destinations:
//
//      pids    0 branch  192.0.2.0/24       costs[delay-ow]    0 ▶ (1, 5200) (2, 31000)
//              1 r1      198.51.100.7/32                       1 ▶ (0, 5100)
//              2 hq      203.0.113.0/24                        2 ▶
//
//  so a map of a thousand gateways of which each measures ten has ten thousand entries and not a million. RFC 7285
//  wants a map that holds every address: what nobody claims belongs to the PID `elsewhere`.
//
//  Always true.  (1) Names of PIDs are valid and different. (2) No prefix belongs to two PIDs. (3) Every address
//  belongs to one. (4) Every cost is finite and not negative, and there is one at most for a metric and a pair.
//
//  Not here.  Which cost types are offered, and under which names (ALTODirectory). Cost: an address is found with a
//  binary search for each length of a prefix that occurs; a thousand gateways have two or three.

import JSON
public import Primitives

public struct ALTOMap: Sendable {
  public struct PID: Sendable {
    public var name: String
    public var prefixes: [IPPrefix]
    /// What is said of each of its addresses: `priv:region`, …
    public var properties: [(name: String, value: String)]

    public init(_ name: String, _ prefixes: [IPPrefix], properties: [(name: String, value: String)] = []) {
      self.name = name
      self.prefixes = prefixes
      self.properties = properties
    }
  }

  /// A number between two PIDs, by their places in the list.
  public struct Cost: Sendable {
    public var source: Int
    public var destination: Int
    public var value: Double

    public init(from source: Int, to destination: Int, _ value: Double) {
      self.source = source
      self.destination = destination
      self.value = value
    }
  }

  /// A part of the network that several paths may share: a relay, a provider, an uplink.
  public struct Element: Sendable {
    public var name: String
    /// What all traffic through it can have together.
    public var rate: BitRate?

    public init(_ name: String, rate: BitRate? = nil) {
      self.name = name
      self.rate = rate
    }
  }

  /// The elements that traffic passes, in its order, as places in the list of elements.
  public struct Route: Sendable {
    public var source: Int
    public var destination: Int
    public var elements: [Int]

    public init(from source: Int, to destination: Int, _ elements: [Int]) {
      self.source = source
      self.destination = destination
      self.elements = elements
    }
  }

  /// What is known of two addresses that their PIDs do not say; nil: what their PIDs say.
  public typealias EndpointCost = @Sendable (_ metric: CostMetric, IPAddress, IPAddress) -> Double?

  public enum Defect: Error, Equatable, Sendable {
    /// Not 1 to 64 letters, digits and `-:@_`.
    case name(String)
    case nameTwice(String)
    case prefixTwice(IPPrefix)
    /// A number of a PID or an element that is not in its list.
    case noSuchPlace
    case tag(String)
    case costTwice(CostMetric)
  }

  /// Whom the addresses belong to that nobody claims.
  public static let elsewhere = "elsewhere"

  public let pids: [PID]
  /// The network map's version.
  public let tag: String
  let elements: [Element]
  let endpointCost: EndpointCost?
  private var rows: [(metric: CostMetric, rows: Rows<Double>)] = []
  private let routes: Rows<[Int]>
  private let places: [Places]

  /// Without a tag the map's content makes one: the same content, the same tag.
  public init(
    pids given: [PID], costs: [(metric: CostMetric, costs: [Cost])] = [], elements: [Element] = [],
    routes: [Route] = [], tag: String? = nil, endpointCost: EndpointCost? = nil
  ) throws(Defect) {
    var pids = given
    let missing = IPAddress.Family.allCases.map { IPPrefix.everything($0) }
      .filter { everything in !given.contains { $0.prefixes.contains { $0.network == everything } } }
    if !missing.isEmpty {
      if let index = pids.firstIndex(where: { $0.name == ALTOMap.elsewhere }) {
        pids[index].prefixes += missing
      } else {
        pids.append(PID(ALTOMap.elsewhere, missing))
      }
    }
    try ALTOMap.check(pids.map(\.name))
    try ALTOMap.check(elements.map(\.name))
    places = try Places.all(of: pids)
    for (metric, list) in costs {
      if rows.contains(where: { $0.metric == metric }) { throw .costTwice(metric) }
      let known = list.filter { $0.value.isFinite && $0.value >= 0 }
      rows.append((metric, try Rows(known.map { ($0.source, $0.destination, $0.value) }, count: pids.count)))
    }
    for route in routes where !route.elements.allSatisfy({ elements.indices.contains($0) }) { throw .noSuchPlace }
    self.routes = try Rows(routes.map { ($0.source, $0.destination, $0.elements) }, count: pids.count)
    self.pids = pids
    self.elements = elements
    self.endpointCost = endpointCost
    if let tag, !Name.isTag(tag) { throw .tag(tag) }
    let content = NetworkMapDocument.data(of: pids, families: IPAddress.Family.allCases)
    self.tag = tag ?? fingerprint(Array(content.text.utf8))
  }

  private static func check(_ names: [String]) throws(Defect) {
    for name in names where !Name.isValid(name) { throw .name(name) }
    let sorted = names.sorted()
    for (one, next) in zip(sorted, sorted.dropFirst()) where one == next { throw .nameTwice(one) }
  }

  // MARK: Questions

  /// The PID of an address: there is always one.
  func pid(of address: IPAddress) -> Int {
    for place in places {
      if let pid = place.find(address) { return pid }
    }
    preconditionFailure("every address belongs to a PID")
  }

  /// The costs from a PID to these, which are in ascending order; nil for what is not known.
  func costs(_ metric: CostMetric, from source: Int, to destinations: [Int]) -> [Double?] {
    guard let rows = rows.first(where: { $0.metric == metric })?.rows else {
      return [Double?](repeating: nil, count: destinations.count)
    }
    return rows.row(source, to: destinations)
  }

  /// The cost between two addresses, from what is known of them or of their PIDs.
  func cost(_ metric: CostMetric, from source: IPAddress, to destination: IPAddress) -> Double? {
    if let value = endpointCost?(metric, source, destination) { return value.isFinite && value >= 0 ? value : nil }
    return costs(metric, from: pid(of: source), to: [pid(of: destination)])[0]
  }

  func routes(from source: Int, to destinations: [Int]) -> [[Int]?] { routes.row(source, to: destinations) }
}

/// For each source the values that there are, in the order of the destinations.
private struct Rows<Value: Sendable>: Sendable {
  private var rows: [[(destination: Int, value: Value)]]

  init(_ list: [(source: Int, destination: Int, value: Value)], count: Int) throws(ALTOMap.Defect) {
    rows = Array(repeating: [], count: count)
    for entry in list {
      guard rows.indices.contains(entry.source), rows.indices.contains(entry.destination) else { throw .noSuchPlace }
      rows[entry.source].append((entry.destination, entry.value))
    }
    for index in rows.indices {
      // The last of two values for one pair counts.
      let sorted = rows[index].enumerated().sorted {
        ($0.element.destination, $0.offset) < ($1.element.destination, $1.offset)
      }
      rows[index] = []
      for (_, entry) in sorted {
        if rows[index].last?.destination == entry.destination { rows[index].removeLast() }
        rows[index].append(entry)
      }
    }
  }

  /// Both lists ascend, so one pass is enough.
  func row(_ source: Int, to destinations: [Int]) -> [Value?] {
    let row = rows[source]
    var at = 0
    return destinations.map { destination in
      while at < row.count, row[at].destination < destination { at += 1 }
      return at < row.count && row[at].destination == destination ? row[at].value : nil
    }
  }
}

/// All prefixes of one family and length, in order.
private struct Places: Sendable {
  private struct Entry {
    let high: UInt64
    let low: UInt64
    let pid: Int
  }

  private let family: IPAddress.Family
  private let length: Int
  private let entries: [Entry]

  /// The longest first.
  static func all(of pids: [ALTOMap.PID]) throws(ALTOMap.Defect) -> [Places] {
    var lists: [(prefix: IPPrefix, pid: Int)] = []
    for (index, pid) in pids.enumerated() { lists += pid.prefixes.map { ($0.network, index) } }
    lists.sort { a, b in
      (b.prefix.length, a.prefix.family.rawValue, a.prefix.address.high, a.prefix.address.low)
        < (a.prefix.length, b.prefix.family.rawValue, b.prefix.address.high, b.prefix.address.low)
    }
    for (one, next) in zip(lists, lists.dropFirst()) where one.prefix == next.prefix { throw .prefixTwice(one.prefix) }
    var places: [Places] = []
    var rest = lists[...]
    while let first = rest.first {
      let group = rest.prefix { $0.prefix.length == first.prefix.length && $0.prefix.family == first.prefix.family }
      places.append(
        Places(
          family: first.prefix.family, length: first.prefix.length,
          entries: group.map { Entry(high: $0.prefix.address.high, low: $0.prefix.address.low, pid: $0.pid) }))
      rest = rest.dropFirst(group.count)
    }
    return places
  }

  func find(_ address: IPAddress) -> Int? {
    guard address.family == family else { return nil }
    let wanted = IPPrefix(address, length: length).network.address
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      let entry = entries[middle]
      if (entry.high, entry.low) < (wanted.high, wanted.low) { low = middle + 1 } else { high = middle }
    }
    guard low < entries.count, entries[low].high == wanted.high, entries[low].low == wanted.low else { return nil }
    return entries[low].pid
  }
}
