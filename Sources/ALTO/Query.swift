//  Query.swift — a request that was understood, and its answer from any map.
//
//  An update stream asks the same question of every new map. So a request is read once, into a value that names places
//  and addresses as the client did, and is answered as often as there are maps. After it was read nothing can be wrong
//  any more: a PID that is gone is left out.

import JSON
import Primitives

/// `ipv4:192.0.2.1`, as it was written.
struct Endpoint {
  let text: String
  let address: IPAddress

  init?(_ text: String) {
    guard let colon = text.firstIndex(of: ":"), let address = IPAddress(text[text.index(after: colon)...]),
      text[..<colon] == Endpoint.type(address.family)
    else { return nil }
    self.text = text
    self.address = address
  }

  init(_ address: IPAddress) {
    self.address = address
    text = "\(Endpoint.type(address.family)):\(address)"
  }

  static func type(_ family: IPAddress.Family) -> String { family == .ipv4 ? "ipv4" : "ipv6" }
}

enum Query {
  /// Source PIDs and destination PIDs; nil: all.
  struct Pairs {
    var sources: [String]?
    var destinations: [String]?
  }

  case networkMap(pids: [String]?, families: [IPAddress.Family])
  case costs(CostQuery, Pairs)
  case endpointCosts(CostQuery, [Endpoint], [Endpoint])
  case properties([String], [Endpoint])
  case pathVector(Pairs, properties: [String])
  case endpointPathVector([Endpoint], [Endpoint], properties: [String])

  /// Pairs of endpoints in one request. A fleet of a hundred sites has ten thousand.
  static let mostPairs = 10_000
  /// Endpoints that one request asks properties of.
  static let mostEndpoints = 10_000

  // MARK: Reading

  /// Of a resource that is asked with GET.
  init?(_ kind: ALTODirectory.Kind, of directory: ALTODirectory) {
    switch kind {
    case .networkMap: self = .networkMap(pids: nil, families: IPAddress.Family.allCases)
    case .costMap(let index): self = .costs(CostQuery(directory.costTypes[index]), Pairs())
    default: return nil
    }
  }

  init(
    _ kind: ALTODirectory.Kind, _ body: JSONValue, of directory: ALTODirectory, client: IPAddress?
  ) throws(Failure) {
    if let query = Query(kind, of: directory) {
      self = query
      return
    }
    let fields = try Fields(body)
    switch kind {
    case .filteredNetworkMap:
      let pids = try fields.requiredStrings("pids")
      let types = try fields.strings("address-types") ?? []
      let families = IPAddress.Family.allCases.filter { types.isEmpty || types.contains(Endpoint.type($0)) }
      self = .networkMap(pids: pids.isEmpty ? nil : pids, families: families)
    case .filteredCostMap:
      let costs = try CostQuery(fields, offered: directory.costTypes, isExtended: true)
      self = .costs(costs, try Query.pairs(fields))
    case .endpointCost:
      let costs = try CostQuery(fields, offered: directory.costTypes, isExtended: true)
      let (sources, destinations) = try Query.endpoints(fields, client: client)
      self = .endpointCosts(costs, sources, destinations)
    case .endpointProperties:
      let names = try fields.requiredStrings("properties")
      if names.isEmpty { throw .wrongValue("properties", .array([])) }
      for name in names where !directory.propertyNames.contains(name) { throw .wrongValue("properties", name) }
      let endpoints = try Query.endpoints(fields.requiredStrings("endpoints"), "endpoints")
      if endpoints.isEmpty { throw .wrongValue("endpoints", .array([])) }
      if endpoints.count > Query.mostEndpoints { throw .wrongValue("endpoints") }
      self = .properties(Query.once(names) { $0 }, endpoints)
    case .pathVector:
      _ = try CostQuery(fields, offered: [.pathVector], isExtended: false)
      self = .pathVector(try Query.pairs(fields), properties: try Query.elementProperties(fields))
    case .endpointPathVector:
      _ = try CostQuery(fields, offered: [.pathVector], isExtended: false)
      let (sources, destinations) = try Query.endpoints(fields, client: client)
      self = .endpointPathVector(sources, destinations, properties: try Query.elementProperties(fields))
    case .directory, .vectorDirectory, .networkMap, .costMap, .updates:
      preconditionFailure("these are not asked with a body of this kind")
    }
  }

  private static func pairs(_ fields: Fields) throws(Failure) -> Pairs {
    guard let pids = try fields.fields("pids") else { return Pairs() }
    let sources = try pids.requiredStrings("srcs")
    let destinations = try pids.requiredStrings("dsts")
    return Pairs(sources: sources.isEmpty ? nil : sources, destinations: destinations.isEmpty ? nil : destinations)
  }

  /// An empty side is the client itself.
  private static func endpoints(
    _ fields: Fields, client: IPAddress?
  ) throws(Failure) -> (sources: [Endpoint], destinations: [Endpoint]) {
    let filter = try fields.requiredFields("endpoints")
    var sources = try endpoints(filter.strings("srcs") ?? [], filter.full("srcs"))
    var destinations = try endpoints(filter.strings("dsts") ?? [], filter.full("dsts"))
    if sources.isEmpty && destinations.isEmpty { throw .wrongValue(filter.path, .object(filter.object)) }
    if sources.isEmpty {
      guard let client else { throw .missing(filter.full("srcs")) }
      sources = [Endpoint(client)]
    }
    if destinations.isEmpty {
      guard let client else { throw .missing(filter.full("dsts")) }
      destinations = [Endpoint(client)]
    }
    let (pairs, overflow) = sources.count.multipliedReportingOverflow(by: destinations.count)
    if overflow || pairs > mostPairs { throw .wrongValue(filter.path) }
    return (sources, destinations)
  }

  private static func endpoints(_ texts: [String], _ path: String) throws(Failure) -> [Endpoint] {
    var endpoints: [Endpoint] = []
    for text in texts {
      guard let endpoint = Endpoint(text) else { throw .wrongValue(path, text) }
      endpoints.append(endpoint)
    }
    return once(endpoints) { $0.text }
  }

  private static func elementProperties(_ fields: Fields) throws(Failure) -> [String] {
    let names = try fields.strings("ane-property-names") ?? []
    for name in names where !PathVector.properties.contains(name) {
      throw .wrongValue(fields.full("ane-property-names"), name)
    }
    return once(names) { $0 }
  }

  /// Each as often as once, where it was first.
  private static func once<Element>(_ list: [Element], _ name: (Element) -> String) -> [Element] {
    var seen = Set<String>()
    return list.filter { seen.insert(name($0)).inserted }
  }

  // MARK: Answering

  func answer(_ map: ALTOMap, _ directory: ALTODirectory) -> Content {
    switch self {
    case .networkMap(let pids, let families):
      let chosen = Query.places(pids, of: map).map { map.pids[$0] }
      return .json(
        .object([
          "meta": .object(["vtag": directory.version(of: map)]),
          "network-map": NetworkMapDocument.data(of: chosen, families: families),
        ]))
    case .costs(let query, let pairs):
      let sources = Query.places(pairs.sources, of: map)
      let destinations = Query.places(pairs.destinations, of: map)
      var meta: JSONObject = ["dependent-vtags": .array([directory.version(of: map)])]
      query.describe(in: &meta)
      let table = query.table(
        from: sources.map { map.pids[$0].name }, to: destinations.map { map.pids[$0].name }
      ) { metric, source in map.costs(metric, from: sources[source], to: destinations) }
      return .json(.object(["meta": .object(meta), "cost-map": .object(table)]))
    case .endpointCosts(let query, let sources, let destinations):
      let table = query.table(from: sources.map(\.text), to: destinations.map(\.text)) { metric, source in
        destinations.map { map.cost(metric, from: sources[source].address, to: $0.address) }
      }
      // No RFC asks for a version here, but OpenALTO's client does not go on without one.
      let tag = fingerprint(Array(JSONValue.object(table).text.utf8))
      var meta: JSONObject = [
        "vtag": .object(["resource-id": .string(directory.endpointCost), "tag": .string(tag)])
      ]
      query.describe(in: &meta)
      return .json(.object(["meta": .object(meta), "endpoint-cost-map": .object(table)]))
    case .properties(let names, let endpoints):
      return .json(Query.propertyDocument(names, endpoints, map, directory))
    case .pathVector(let pairs, let properties):
      let sources = Query.places(pairs.sources, of: map)
      let destinations = Query.places(pairs.destinations, of: map)
      var vector = PathVector(map, properties: properties)
      for source in sources {
        vector.add(
          map.pids[source].name, to: destinations.map { map.pids[$0].name },
          map.routes(from: source, to: destinations))
      }
      return .parts(vector.parts(id: directory.pathVector, of: directory, dependent: [directory.version(of: map)]))
    case .endpointPathVector(let sources, let destinations, let properties):
      var vector = PathVector(map, properties: properties)
      for source in sources {
        let pid = map.pid(of: source.address)
        vector.add(
          source.text, to: destinations.map(\.text),
          destinations.map { map.routes(from: pid, to: [map.pid(of: $0.address)])[0] })
      }
      return .parts(vector.parts(id: directory.endpointPathVector, of: directory, dependent: nil))
    }
  }

  /// The places of these PIDs, in the map's order; unknown ones are left out, and nil is all.
  private static func places(_ names: [String]?, of map: ALTOMap) -> [Int] {
    guard let names else { return Array(map.pids.indices) }
    let wanted = Set(names)
    return map.pids.indices.filter { wanted.contains(map.pids[$0].name) }
  }

  private static func propertyDocument(
    _ names: [String], _ endpoints: [Endpoint], _ map: ALTOMap, _ directory: ALTODirectory
  ) -> JSONValue {
    var table = JSONObject()
    for endpoint in endpoints {
      let pid = map.pids[map.pid(of: endpoint.address)]
      var properties = JSONObject()
      for name in names {
        if name == directory.pidProperty {
          properties.append(name, .string(pid.name))
        } else if let property = pid.properties.first(where: { $0.name == name }) {
          properties.append(name, .string(property.value))
        }
      }
      table.append(endpoint.text, .object(properties))
    }
    let versions = names.contains(directory.pidProperty) ? [directory.version(of: map)] : []
    return .object([
      "meta": .object(["dependent-vtags": .array(versions)]), "endpoint-properties": .object(table),
    ])
  }
}

extension ALTODirectory {
  /// The version of the network map, as others depend on it.
  func version(of map: ALTOMap) -> JSONValue {
    .object(["resource-id": .string(networkMap), "tag": .string(map.tag)])
  }
}

enum NetworkMapDocument {
  /// PIDs with their prefixes by family; a family without any is left out.
  static func data(of pids: [ALTOMap.PID], families: [IPAddress.Family]) -> JSONValue {
    var object = JSONObject()
    for pid in pids {
      var addresses = JSONObject()
      for family in families {
        let prefixes = pid.prefixes.filter { $0.family == family }
        if prefixes.isEmpty { continue }
        addresses.append(Endpoint.type(family), .array(prefixes.map { .string($0.network.description) }))
      }
      object.append(pid.name, .object(addresses))
    }
    return .object(object)
  }
}
