//  UpdateWatch.swift — follows an ALTO server's map: subscribes to its stream of updates, and tells what changes.
//
//  Why.  RFC 8895 sends documents and patches of documents. People want to hear that the delay from branch to hq has
//  doubled.
//
//  How.  Each resource is followed under a name of ours, and its last version is kept:
//
//      event: application/alto-costmap+json,w1       whole ──▶ what differs from the version before, as a patch ─┐
//      event: application/merge-patch+json,w1        patch ──────────────────────────────────────────────────────┴─▶
//                                                          a change for each cost in it; then it is applied
//
//  So it is all the same whether a server sends patches or whole documents, and after a connection was lost the first
//  documents of the next one tell what happened in between.
//
//  Always true.  (1) At most `mostResources` are followed, and each document has a bound. (2) What a server sends ends
//  in changes or in a failure of one sentence. (3) A document's first version is told as one line, not as thousands.

import JSON
import Primitives

public struct UpdateWatch: Sendable {
  /// Costs of a network map have a handful of metrics.
  static let mostResources = 32
  private static let mostDirectories = 8

  /// What people look at first, when they do not say what they want.
  private static let usual = ["delay-ow", "lossrate", "tput"]

  private struct Followed {
    let resource: ALTOCatalogue.Resource
    /// nil: the network map.
    let metric: String?
    /// False when the server might send changes in a form that we cannot read.
    let takesPatches: Bool
    var document: JSONValue?
  }

  private let metrics: [String]
  private var catalogue = ALTOCatalogue()
  private var pending: ResourceAddress?
  private var visited: [ResourceAddress] = []
  private var followed: [Followed] = []
  private var stream: ResourceAddress?

  /// Follows the costs of these metrics, or of the usual ones.
  public init(at root: ResourceAddress, metrics: [String] = []) {
    self.metrics = metrics
    pending = root
  }

  // MARK: Before the stream

  /// The directories; nil when the subscription can be made.
  public func nextRequest() -> WebRequest? {
    pending.map {
      WebRequest($0, accept: "\(ALTOCatalogue.MediaType.directory),\(ALTOCatalogue.MediaType.error)")
    }
  }

  public mutating func receive(_ reply: WebReply) throws(ConsultingFailure) {
    guard let address = pending else { preconditionFailure("this answers nothing") }
    pending = nil
    visited.append(address)
    try catalogue.add(reply.document(from: address), at: address)
    let updates = catalogue.resources.first {
      $0.type == ALTOCatalogue.MediaType.events && $0.accepts == ALTOCatalogue.MediaType.updates
    }
    if let updates {
      stream = updates.address
      followed = try choose(of: updates)
      return
    }
    pending = catalogue.directories.first { !visited.contains($0) }
    if pending == nil || visited.count >= UpdateWatch.mostDirectories {
      throw ConsultingFailure("\(visited[0]) offers no stream of updates (RFC 8895)")
    }
  }

  private func choose(of updates: ALTOCatalogue.Resource) throws(ConsultingFailure) -> [Followed] {
    func isOffered(_ resource: ALTOCatalogue.Resource) -> Bool { updates.uses.contains(resource.id) }
    func follow(_ resource: ALTOCatalogue.Resource, _ metric: String?) -> Followed {
      Followed(resource: resource, metric: metric, takesPatches: !updates.foreign.contains(resource.id))
    }
    var list: [Followed] = []
    if let map = catalogue.networkMap, isOffered(map) { list.append(follow(map, nil)) }
    var known: [String] = []
    var costs: [(metric: String, resource: ALTOCatalogue.Resource)] = []
    for type in catalogue.costTypes where type.mode == "numerical" && !known.contains(type.metric) {
      let resource = catalogue.resources.first {
        $0.type == ALTOCatalogue.MediaType.costMap && $0.accepts == nil && $0.costs == [type.name] && isOffered($0)
      }
      guard let resource else { continue }
      known.append(type.metric)
      costs.append((type.metric, resource))
    }
    if let strange = metrics.first(where: { !known.contains($0) }) {
      let near = nearestWord(to: strange, in: known).map { "did you mean '\(Figures.shown($0))'?" }
      let all = "it has \(known.map { Figures.shown($0) }.joined(separator: ", "))"
      throw ConsultingFailure("the server streams no costs of the metric '\(Figures.shown(strange))'; \(near ?? all)")
    }
    let usual = UpdateWatch.usual.contains { known.contains($0) } ? UpdateWatch.usual : known
    let wanted = metrics.isEmpty ? usual : metrics
    list += costs.filter { wanted.contains($0.metric) }.map { follow($0.resource, $0.metric) }
    if list.isEmpty { throw ConsultingFailure("\(updates.address) streams neither a network map nor cost maps") }
    return Array(list.prefix(UpdateWatch.mostResources))
  }

  /// What opens the stream; the answer is `text/event-stream`.
  public func subscription() -> WebRequest {
    guard let stream else { preconditionFailure("the directory comes first") }
    let text = JSONText.object { page in
      page.object("add") {
        for (number, entry) in followed.enumerated() {
          $0.object("w\(number)") {
            $0.member("resource-id", entry.resource.id)
            if !entry.takesPatches { $0.member("incremental-changes", false) }
          }
        }
      }
    }
    return WebRequest(
      stream, accept: "\(ALTOCatalogue.MediaType.events),\(ALTOCatalogue.MediaType.error)",
      body: .init(type: ALTOCatalogue.MediaType.updates, text: text))
  }

  /// Why the stream was not opened, of an answer that is none.
  public func refusal(_ reply: WebReply) -> ConsultingFailure {
    do throws(ConsultingFailure) {
      _ = try reply.document(from: subscription().address)
      return ConsultingFailure("\(subscription().address) answers with no stream of events")
    } catch {
      return error
    }
  }

  // MARK: The stream

  public mutating func receive(event name: String, _ data: String) throws(ConsultingFailure) -> [MapChange] {
    let words = name.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
    let type = ALTOCatalogue.MediaType.essence(String(words[0]))
    guard let document = try? JSONValue(reading: data, limits: Bounds.reading) else {
      throw ConsultingFailure("the server's stream has something in it that is no JSON")
    }
    guard words.count == 2 else { return try control(document) }
    guard words[1].hasPrefix("w"), let number = Int(words[1].dropFirst()), followed.indices.contains(number) else {
      throw ConsultingFailure("the server's stream is about something that nobody asked for")
    }
    let before = followed[number].document
    if type == MergePatch.mediaType {
      guard let before else { throw ConsultingFailure("the server sends a change of what it never sent") }
      let changes = self.changes(document, of: followed[number], before)
      followed[number].document = MergePatch.apply(document, to: before)
      return changes
    }
    guard type == followed[number].resource.type else {
      throw ConsultingFailure("the server's stream tells a change in a form that nobody asked for")
    }
    followed[number].document = document
    guard let before, let patch = MergePatch.difference(from: before, to: document) else {
      return [summary(of: followed[number])]
    }
    return changes(patch, of: followed[number], before)
  }

  /// The server says what it begins and what it ends.
  private func control(_ document: JSONValue) throws(ConsultingFailure) -> [MapChange] {
    guard let stopped = document["stopped"]?.array, !stopped.isEmpty else { return [] }
    let why = document["description"]?.string.map { ": \(Figures.shown($0))" } ?? ""
    throw ConsultingFailure("the server ends the stream\(why)")
  }

  private func summary(of entry: Followed) -> MapChange {
    let table = entry.document?[entry.metric == nil ? "network-map" : "cost-map"]?.object
    let rows = table?.members ?? []
    let count = entry.metric == nil ? rows.count : rows.reduce(0) { $0 + ($1.value.object?.count ?? 0) }
    return MapChange(
      resource: Figures.shown(entry.resource.id),
      what: .whole(metric: entry.metric.map { Figures.shown($0) }, count: count))
  }

  private func changes(_ patch: JSONValue, of entry: Followed, _ before: JSONValue) -> [MapChange] {
    let id = Figures.shown(entry.resource.id)
    guard let metric = entry.metric else {
      return (patch["network-map"]?.object?.members ?? []).map { member in
        let name = Figures.shown(member.name)
        if member.value == .null { return MapChange(resource: id, what: .placeGone(name)) }
        let old = before["network-map"]?[member.name]
        let place = MergePatch.apply(member.value, to: old ?? .null)
        let prefixes = ["ipv4", "ipv6"].flatMap { place[$0]?.array ?? [] }.compactMap { $0.string }
        return MapChange(
          resource: id, what: .place(name, isNew: old == nil, holds: prefixes.map { Figures.shown($0) }))
      }
    }
    var changes: [MapChange] = []
    let old = before["cost-map"]
    for row in patch["cost-map"]?.object?.members ?? [] {
      // A row that is gone takes all of its costs along.
      let gone = old?[row.name]?.object?.members.map { ($0.name, JSONValue.null) } ?? []
      for (destination, value) in row.value.object?.members.map({ ($0.name, $0.value) }) ?? gone {
        changes.append(
          MapChange(
            resource: id,
            what: .cost(
              metric: Figures.shown(metric), from: Figures.shown(row.name), to: Figures.shown(destination),
              before: old?[row.name]?[destination]?.number, after: value.number)))
      }
    }
    return changes
  }
}
