//  ALTOCatalogue.swift — what an ALTO server's directory offers, as far as somebody can use it who looks for paths.
//
//  Servers differ: some have a cost map for each cost type, some only a filtered one, some only costs between
//  addresses. A directory may lead to others (RFC 7285 §9.2.4). What we do not know is left aside, as the RFC wants it;
//  what we know and cannot read is left aside as well, since another entry may do.

import JSON
import Primitives

struct ALTOCatalogue {
  enum MediaType {
    static let directory = "application/alto-directory+json"
    static let networkMap = "application/alto-networkmap+json"
    static let costMap = "application/alto-costmap+json"
    static let costFilter = "application/alto-costmapfilter+json"
    static let endpointCost = "application/alto-endpointcost+json"
    static let endpointCostQuestion = "application/alto-endpointcostparams+json"
    static let events = "text/event-stream"
    static let updates = "application/alto-updatestreamparams+json"
    static let error = "application/alto-error+json"

    /// `type/subtype` in small letters, without parameters.
    static func essence(_ text: String) -> String {
      String(text.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }).lowercased()
    }
  }

  struct Resource {
    let id: String
    let address: ResourceAddress
    let type: String
    /// Of a request's body; nil: GET.
    let accepts: String?
    /// Names of cost types.
    let costs: [String]
    let uses: [String]
    /// Of a stream: resources whose changes it may tell in a form that we cannot read.
    let foreign: [String]
  }

  struct CostType: Equatable {
    let name: String
    let metric: String
    let mode: String
  }

  private(set) var defaultMap: String?
  private(set) var costTypes: [CostType] = []
  private(set) var resources: [Resource] = []

  /// More is no directory of paths.
  static let mostResources = 1_000

  /// Adds what a directory at this address says.
  mutating func add(_ document: JSONValue, at address: ResourceAddress) throws(ConsultingFailure) {
    guard let entries = document["resources"]?.object, resources.count + entries.count <= ALTOCatalogue.mostResources
    else { throw ConsultingFailure("\(address) is no ALTO directory: it has no list of resources") }
    let meta = document["meta"]
    defaultMap = defaultMap ?? meta?["default-alto-network-map"]?.string
    for member in meta?["cost-types"]?.object?.members.prefix(ALTOCatalogue.mostResources) ?? [] {
      guard let metric = member.value["cost-metric"]?.string, let mode = member.value["cost-mode"]?.string else {
        continue
      }
      costTypes.append(CostType(name: member.name, metric: metric, mode: mode))
    }
    for entry in entries.members {
      guard let reference = entry.value["uri"]?.string, let place = address.resolving(reference),
        let type = entry.value["media-type"]?.string
      else { continue }
      let costs = entry.value["capabilities"]?["cost-type-names"]?.array ?? []
      let uses = entry.value["uses"]?.array ?? []
      let changes = entry.value["capabilities"]?["incremental-change-media-types"]?.object?.members ?? []
      resources.append(
        Resource(
          id: entry.name, address: place, type: MediaType.essence(type),
          accepts: entry.value["accepts"]?.string.map { MediaType.essence($0) }, costs: costs.compactMap(\.string),
          uses: uses.compactMap(\.string),
          foreign: changes.filter { !ALTOCatalogue.isMergePatch($0.value.string ?? "") }.map(\.name)))
    }
  }

  /// Only that, of the forms in a list.
  private static func isMergePatch(_ types: String) -> Bool {
    types.split(separator: ",").allSatisfy { MediaType.essence(String($0)) == MergePatch.mediaType }
  }

  /// The one that the server names, or else the first.
  var networkMap: Resource? {
    let maps = resources.filter { $0.type == MediaType.networkMap && $0.accepts == nil }
    return maps.first { $0.id == defaultMap } ?? maps.first
  }

  var directories: [ResourceAddress] {
    resources.filter { $0.type == MediaType.directory && $0.accepts == nil }.map(\.address)
  }

  /// Where numbers of this metric come from: a whole cost map, a filtered one, or costs between addresses.
  func source(of metric: String, on map: String) -> (resource: Resource, type: CostType)? {
    for type in costTypes where type.metric == metric && type.mode == "numerical" {
      func first(_ media: String, _ accepts: String?) -> Resource? {
        resources.first {
          $0.type == media && $0.accepts == accepts && $0.costs.contains(type.name)
            && ($0.uses.isEmpty || $0.uses.contains(map))
        }
      }
      if let found = first(MediaType.costMap, nil) ?? first(MediaType.costMap, MediaType.costFilter)
        ?? first(MediaType.endpointCost, MediaType.endpointCostQuestion)
      {
        return (found, type)
      }
    }
    return nil
  }
}

/// A network map: places and the addresses that belong to them.
struct ALTONetwork {
  struct Place {
    let name: String
    let prefixes: [IPPrefix]

    /// Somewhere in it.
    var address: IPAddress? { prefixes.first { $0.length > 0 }?.network.address }
    /// Whatever belongs nowhere else.
    var isRest: Bool { address == nil && !prefixes.isEmpty }
  }

  let id: String
  private(set) var places: [Place] = []

  private static let mostPlaces = 100_000

  init(_ document: JSONValue, id: String) throws(ConsultingFailure) {
    self.id = id
    guard let map = document["network-map"]?.object, map.count <= ALTONetwork.mostPlaces else {
      throw ConsultingFailure("the server's network map has no list of places")
    }
    for member in map.members {
      let texts = ["ipv4", "ipv6"].flatMap { member.value[$0]?.array ?? [] }
      places.append(Place(name: member.name, prefixes: texts.compactMap { $0.string.flatMap { IPPrefix($0) } }))
    }
  }

  /// A place's name, or an address in it, with the address if it was one.
  func find(_ text: String) throws(ConsultingFailure) -> (place: Int, address: IPAddress?) {
    if let place = places.firstIndex(where: { $0.name == text }) { return (place, nil) }
    let bare = ["ipv4:", "ipv6:"].contains { text.hasPrefix($0) } ? text.dropFirst(5) : text[...]
    guard let address = IPAddress(bare) else {
      let near = nearestWord(to: text, in: places.map(\.name)).map { "; did you mean '\(Figures.shown($0))'?" }
      throw ConsultingFailure(
        "the server knows no place '\(Figures.shown(text))'" + (near ?? "; give a PID of its map, or an address"))
    }
    var best: (place: Int, length: Int)?
    for (place, entry) in places.enumerated() {
      for prefix in entry.prefixes where prefix.contains(address) && prefix.length > best?.length ?? -1 {
        best = (place, prefix.length)
      }
    }
    guard let best else { throw ConsultingFailure("no place of the server's map holds \(address)") }
    return (best.place, address)
  }
}
