//  ALTODirectory.swift — which resources the server has, where they are, and how it tells clients.
//
//  A client knows one URI, the directory's, and finds the rest there: for each resource its place, the type of its
//  answers, the type of what it accepts (then it is asked with POST, else with GET), what it can do, and which
//  resources it is about. The list does not change while the server runs; what the resources say does.
//
//      /alto/                        the directory
//      /alto/networkmap              the network map             /alto/networkmap/filtered
//      /alto/costmap/types/NAME      one for each cost type      /alto/costmap/filtered
//      /alto/endpointprop/lookup     properties of addresses
//      /alto/endpointcost/lookup     costs between addresses
//      /alto/updates                 a stream of updates         /alto/updates/SECRET     its control
//      /alto/pathvector/             a directory of its own for path vectors
//      /alto/pathvector/costmap      of PIDs                     /alto/pathvector/endpointcost    of addresses
//
//  Path vectors stand apart because their cost mode, `array`, is younger than RFC 7285: a client that knows only the
//  two modes of that RFC would refuse the whole directory for it. The first directory leads to the second (§9.2.4).

import JSON

public struct ALTODirectory: Sendable {
  enum Kind: Hashable {
    case directory
    case vectorDirectory
    case networkMap
    case filteredNetworkMap
    /// The cost type's place in `costTypes`.
    case costMap(Int)
    case filteredCostMap
    case endpointProperties
    case endpointCost
    case pathVector
    case endpointPathVector
    case updates

    var isDirectory: Bool { self == .directory || self == .vectorDirectory }
    var isVector: Bool { self == .pathVector || self == .endpointPathVector }
  }

  struct Resource {
    let kind: Kind
    let id: String
    /// Behind the root.
    let path: String
    let mediaType: String
    /// The type of a request's body; nil: GET.
    let accepts: String?
  }

  /// What stands before every path, without a slash at its end: `/alto`.
  public let root: String
  /// What stands before the root in a URI: `https://oracle.example.com`, or nothing, and then URIs are relative.
  public let base: String
  /// Whose parts the parts of a multipart answer are.
  public let domain: String
  public let costTypes: [CostType]
  /// Endpoint properties beside the PID.
  public let properties: [String]
  /// The network map's resource ID.
  public let networkMap: String
  let endpointCost = "endpoint-cost"
  let pathVector = "path-vector"
  let endpointPathVector = "endpoint-path-vector"
  let resources: [Resource]

  public init(
    costTypes: [CostType], properties: [String] = [], networkMap: String = "network-map", root: String = "/alto",
    base: String = "", domain: String = "hawser.invalid"
  ) {
    precondition(
      costTypes.contains { $0.metric == .routingCost && $0.mode == .numerical }, "ALTO has a map of routing costs")
    precondition(!costTypes.contains { $0.mode == .array }, "the path vector is there without being named")
    for (index, type) in costTypes.enumerated() {
      precondition(
        !costTypes[..<index].contains { $0.name == type.name || $0.isSame(as: type) }, "cost types are different")
      precondition(Name.isValid("costmap-" + type.name), "a cost map's name is a name")
    }
    for name in properties {
      precondition(Name.isValid(name) && name.utf8.count <= 32, "a property of addresses has a name of 1 to 32 bytes")
    }
    precondition(Name.isValid(networkMap) && root.hasPrefix("/") && !root.hasSuffix("/"), "a name and a root")
    self.costTypes = costTypes
    self.properties = properties
    self.networkMap = networkMap
    self.root = root
    self.base = base
    self.domain = domain

    func get(_ kind: Kind, _ id: String, _ path: String, _ type: String) -> Resource {
      Resource(kind: kind, id: id, path: path, mediaType: type, accepts: nil)
    }
    func post(_ kind: Kind, _ id: String, _ path: String, _ type: String, _ accepts: String) -> Resource {
      Resource(kind: kind, id: id, path: path, mediaType: type, accepts: accepts)
    }
    var resources = [
      get(.directory, "directory", "/", MediaType.directory),
      get(.networkMap, networkMap, "/networkmap", MediaType.networkMap),
      post(
        .filteredNetworkMap, "filtered-network-map", "/networkmap/filtered", MediaType.networkMap,
        MediaType.networkMapFilter),
    ]
    for (index, type) in costTypes.enumerated() {
      resources.append(get(.costMap(index), "costmap-" + type.name, "/costmap/types/" + type.name, MediaType.costMap))
    }
    resources += [
      post(.filteredCostMap, "filtered-cost-map", "/costmap/filtered", MediaType.costMap, MediaType.costMapFilter),
      post(
        .endpointProperties, "endpoint-properties", "/endpointprop/lookup", MediaType.endpointProperties,
        MediaType.endpointPropertyParameters),
      post(
        .endpointCost, endpointCost, "/endpointcost/lookup", MediaType.endpointCost,
        MediaType.endpointCostParameters),
      post(.updates, "updates", "/updates", MediaType.events, MediaType.updateParameters),
      get(.vectorDirectory, "path-vector-directory", "/pathvector/", MediaType.directory),
      post(
        .pathVector, pathVector, "/pathvector/costmap", MediaType.related(MediaType.costMap),
        MediaType.costMapFilter),
      post(
        .endpointPathVector, endpointPathVector, "/pathvector/endpointcost",
        MediaType.related(MediaType.endpointCost), MediaType.endpointCostParameters),
    ]
    precondition(Set(resources.map(\.id)).count == resources.count, "the network map's name is nobody else's")
    self.resources = resources
  }

  /// nil when nothing is there.
  func resource(at path: String) -> Resource? {
    if path == root { return resources[0] }
    return resources.first { root + $0.path == path }
  }

  func uri(_ path: String) -> String { base + root + path }

  /// What an update stream can follow: everything but directories and itself.
  var followed: [Resource] { resources.filter { !$0.kind.isDirectory && $0.kind != .updates } }

  // MARK: The documents

  /// The first directory, which clients know.
  var document: JSONValue {
    var types = JSONObject()
    for type in costTypes { types.append(type.name, type.value(described: true)) }
    var entries = JSONObject()
    for resource in resources where resource.kind != .directory && !resource.kind.isVector {
      entries.append(resource.id, entry(resource))
    }
    return .object([
      "meta": .object(["cost-types": .object(types), "default-alto-network-map": .string(networkMap)]),
      "resources": .object(entries),
    ])
  }

  var vectorDocument: JSONValue {
    var entries = JSONObject()
    for resource in resources where resource.kind.isVector { entries.append(resource.id, entry(resource)) }
    let type = CostType.pathVector
    return .object([
      "meta": .object(["cost-types": .object([type.name: type.value()])]), "resources": .object(entries),
    ])
  }

  private func entry(_ resource: Resource) -> JSONValue {
    var entry: JSONObject = ["uri": .string(uri(resource.path)), "media-type": .string(resource.mediaType)]
    if let accepts = resource.accepts { entry.append("accepts", .string(accepts)) }
    let abilities = capabilities(resource.kind)
    if !abilities.isEmpty { entry.append("capabilities", .object(abilities)) }
    let used = uses(resource.kind)
    if !used.isEmpty { entry.append("uses", .array(used.map { .string($0) })) }
    return .object(entry)
  }

  private func capabilities(_ kind: Kind) -> JSONObject {
    func names(_ types: [CostType]) -> JSONValue { .array(types.map { .string($0.name) }) }
    switch kind {
    case .directory, .vectorDirectory, .networkMap, .filteredNetworkMap: return [:]
    case .costMap(let index): return ["cost-type-names": names([costTypes[index]])]
    case .filteredCostMap, .endpointCost:
      return [
        "cost-type-names": names(costTypes), "cost-constraints": .bool(true),
        "max-cost-types": .integer(Int64(costTypes.count)),
      ]
    case .endpointProperties: return ["prop-types": .array(propertyNames.map { .string($0) })]
    case .pathVector, .endpointPathVector:
      return [
        "cost-type-names": names([.pathVector]),
        "ane-property-names": .array(PathVector.properties.map { .string($0) }),
      ]
    case .updates:
      var incremental = JSONObject()
      for resource in followed where !resource.mediaType.hasPrefix("multipart/") {
        incremental.append(resource.id, .string(MergePatch.mediaType))
      }
      // The RFC has one spelling, and the schema that others check with has another.
      return [
        "incremental-change-media-types": .object(incremental), "support-stream-control": .bool(true),
        "supported-stream-control": .bool(true),
      ]
    }
  }

  /// Costs and properties of endpoints are about addresses and not about PIDs, so they name no map (§11.4.1.5,
  /// §11.5.1.5).
  private func uses(_ kind: Kind) -> [String] {
    switch kind {
    case .directory, .vectorDirectory, .networkMap, .endpointProperties, .endpointCost, .endpointPathVector: []
    case .filteredNetworkMap, .costMap, .filteredCostMap, .pathVector: [networkMap]
    case .updates: followed.map(\.id)
    }
  }

  /// The property that says to which PID an address belongs.
  var pidProperty: String { networkMap + ".pid" }

  var propertyNames: [String] { [pidProperty] + properties }
}
