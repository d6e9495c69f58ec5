//  PathVector.swift — which parts of the network a path goes through, so that a client sees what two paths share.
//
//  Two paths of 100 Mbit/s are 200 Mbit/s, unless both go through the same uplink. RFC 9275 tells it with names: the
//  cost of a pair is the list of the elements that its traffic passes, and a second document says what each can carry.
//
//      POST /alto/pathvector/costmap ──▶  multipart/related
//                                           ├─ costmap   {"branch": {"hq": ["uplink", "r1"]}}
//                                           └─ propmap   {".ane:r1": {"max-reservable-bandwidth": 100000000}}
//
//  The second depends on the first, whose version is the fingerprint of its content. Bandwidth is in bits per second
//  here, as this RFC has it, and not in bytes as RFC 9439 has it.

import JSON
import Primitives

struct PathVector {
  static let bandwidth = "max-reservable-bandwidth"
  static let properties = [bandwidth]

  private let map: ALTOMap
  private let properties: [String]
  private var table = JSONObject()
  private var isUsed: [Bool]

  init(_ map: ALTOMap, properties: [String]) {
    self.map = map
    self.properties = properties
    isUsed = Array(repeating: false, count: map.elements.count)
  }

  /// The routes from one source to these destinations; nil for what is not known.
  mutating func add(_ source: String, to destinations: [String], _ routes: [[Int]?]) {
    var costs = JSONObject()
    for (destination, route) in zip(destinations, routes) {
      guard let route else { continue }
      for element in route { isUsed[element] = true }
      costs.append(destination, .array(route.map { .string(map.elements[$0].name) }))
    }
    if !costs.isEmpty { table.append(source, .object(costs)) }
  }

  /// The two documents. `dependent` are the versions that the first one is about; nil: it is about addresses.
  func parts(id: String, of directory: ALTODirectory, dependent: [JSONValue]?) -> Parts {
    let isCostMap = dependent != nil
    let part = isCostMap ? "costmap" : "ecs"
    let data = JSONValue.object(table)
    let version = JSONValue.object([
      "resource-id": .string("\(id).\(part)"), "tag": .string(fingerprint(Array(data.text.utf8))),
    ])
    var meta: JSONObject = ["vtag": version]
    if let dependent { meta.append("dependent-vtags", .array(dependent)) }
    meta.append("cost-type", CostType.pathVector.value())
    var elements = JSONObject()
    for (index, element) in map.elements.enumerated() where isUsed[index] {
      var values = JSONObject()
      if properties.contains(PathVector.bandwidth), let rate = element.rate {
        values.append(PathVector.bandwidth, .integer(Int64(rate.bitsPerSecond)))
      }
      elements.append(".ane:" + element.name, .object(values))
    }
    let type = isCostMap ? MediaType.costMap : MediaType.endpointCost
    return Parts(
      type: type,
      parts: [
        Parts.Part(
          id: "\(part)@\(directory.domain)", type: type,
          content: .object(["meta": .object(meta), (isCostMap ? "cost-map" : "endpoint-cost-map"): data])),
        Parts.Part(
          id: "propmap@\(directory.domain)", type: MediaType.propertyMap,
          content: .object([
            "meta": .object(["dependent-vtags": .array([version])]), "property-map": .object(elements),
          ])),
      ])
  }
}

/// Several documents in one answer (RFC 2387).
struct Parts {
  struct Part {
    let id: String
    let type: String
    let content: JSONValue
  }

  /// Documents are one line that begins with a brace, so no line of theirs looks like this.
  static let boundary = "hawser-part"

  /// Of the part that the others belong to.
  let type: String
  let parts: [Part]

  var mediaType: String { "multipart/related;boundary=\(Parts.boundary);type=\(type)" }

  var text: String {
    let documents = parts.map { part in
      "--\(Parts.boundary)\r\nContent-ID: <\(part.id)>\r\nContent-Type: \(part.type)\r\n\r\n\(part.content.text)\r\n"
    }
    return documents.joined() + "--\(Parts.boundary)--\r\n"
  }
}

/// The body of an answer.
enum Content {
  case json(JSONValue)
  case parts(Parts)

  var text: String {
    switch self {
    case .json(let value): value.text
    case .parts(let parts): parts.text
    }
  }

  /// What the resource says, or that with the boundary.
  func mediaType(_ ofResource: String) -> String {
    if case .parts(let parts) = self { return parts.mediaType }
    return ofResource
  }
}
