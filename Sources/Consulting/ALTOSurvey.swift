//  ALTOSurvey.swift — asks any ALTO server what it knows of the ways between two places.
//
//  Why.  Who has no path oracle of ours may have a provider with an ALTO server (RFC 7285). It knows places and costs
//  between them, so it can say whether a detour over a third place is shorter, and that is half of what an oracle does.
//
//  How.  One request after the other, each made of the answers before:
//
//      directory (and those that it leads to) ──▶ network map ──▶ costs, one metric after the other ──▶ choice
//                                                 which places     delay, loss, rate, price; what the objective
//                                                 are meant?       falls back on when these are missing
//
//  The ranking is ALTORanking's. What a server does not offer is no failure: it is said with the answer.
//
//  Rejected.  Asking for several costs at once (RFC 8189), which saves requests with the few servers that have it and
//  needs a second way for all others.
//
//  Always true.  (1) There are at most `mostRequests`. (2) After a failure there is no next request. (3) All that a
//  server sends ends in a value or in a failure of one sentence.

import JSON
import Primitives

public struct ALTOSurvey: Sendable {
  /// Directories, the map, a request for each figure.
  public static let mostRequests = 24
  private static let mostDirectories = 8
  /// Addresses in one question about costs between addresses: their pairs are its square.
  private static let mostEndpoints = 64

  private enum Step {
    case directory(ResourceAddress)
    case map(ALTOCatalogue.Resource)
    case costs(ALTOFigure, ALTOCatalogue.Resource, ALTOCatalogue.CostType)
  }

  private let question: PathQuestion
  private let root: ResourceAddress
  private var steps: [Step]
  private var isAsking = false
  private var visited: [ResourceAddress] = []
  private var catalogue = ALTOCatalogue()
  private var ranking: ALTORanking?

  public init(_ question: PathQuestion, at root: ResourceAddress) {
    self.question = question
    self.root = root
    steps = [.directory(root)]
  }

  /// nil when all is known that can be.
  public mutating func nextRequest() -> WebRequest? {
    guard let step = steps.first else { return nil }
    precondition(!isAsking, "an answer comes before the next question")
    isAsking = true
    func accept(_ type: String) -> String { "\(type),\(ALTOCatalogue.MediaType.error)" }
    switch step {
    case .directory(let address): return WebRequest(address, accept: accept(ALTOCatalogue.MediaType.directory))
    case .map(let resource): return WebRequest(resource.address, accept: accept(resource.type))
    case .costs(_, let resource, let type):
      let body = resource.accepts.map { WebRequest.Body(type: $0, text: filter(resource, type)) }
      return WebRequest(resource.address, accept: accept(resource.type), body: body)
    }
  }

  /// The answer to the request before.
  public mutating func receive(_ reply: WebReply) throws(ConsultingFailure) {
    precondition(isAsking && !steps.isEmpty, "this answers nothing")
    isAsking = false
    let step = steps.removeFirst()
    do throws(ConsultingFailure) {
      switch step {
      case .directory(let address): try read(directory: reply, at: address)
      case .map(let resource): try read(map: reply, of: resource)
      case .costs(let figure, let resource, _): try read(costs: reply, figure, resource)
      }
    } catch {
      steps = []
      ranking = nil
      throw error
    }
  }

  /// Behind the last answer.
  public func choice() throws(ConsultingFailure) -> PathChoice {
    guard let ranking, steps.isEmpty else { throw ConsultingFailure("the server was not asked to the end") }
    return try ranking.choice()
  }

  // MARK: Answers

  private mutating func read(directory reply: WebReply, at address: ResourceAddress) throws(ConsultingFailure) {
    visited.append(address)
    try catalogue.add(reply.document(from: address), at: address)
    if let map = catalogue.networkMap {
      steps = [.map(map)]
      return
    }
    guard let next = catalogue.directories.first(where: { !visited.contains($0) }),
      visited.count < ALTOSurvey.mostDirectories
    else { throw ConsultingFailure("\(root) offers no network map, so it has no places to look for ways between") }
    steps = [.directory(next)]
  }

  private mutating func read(map reply: WebReply, of resource: ALTOCatalogue.Resource) throws(ConsultingFailure) {
    let network = try ALTONetwork(reply.document(from: resource.address), id: resource.id)
    var ranking = try ALTORanking(question, network)
    for figure in ALTOFigure.allCases {
      var found: (ALTOCatalogue.Resource, ALTOCatalogue.CostType)?
      for metric in figure.metrics where found == nil { found = catalogue.source(of: metric, on: network.id) }
      if let (resource, type) = found {
        steps.append(.costs(figure, resource, type))
      } else {
        ranking.lacks(figure)
      }
    }
    self.ranking = ranking
    precondition(steps.count + visited.count < ALTOSurvey.mostRequests, "each figure is one question")
  }

  private mutating func read(
    costs reply: WebReply, _ figure: ALTOFigure, _ resource: ALTOCatalogue.Resource
  ) throws(ConsultingFailure) {
    let document = try reply.document(from: resource.address)
    if let table = document["cost-map"]?.object {
      ranking?.add(figure, table) { $0 }
    } else if let table = document["endpoint-cost-map"]?.object, let ranking {
      let names = ranking.endpoints(atMost: ALTOSurvey.mostEndpoints)
      self.ranking?.add(figure, table) { text in names.first { $0.text == text }?.name }
    } else {
      throw ConsultingFailure("\(resource.address) answers without a map of costs")
    }
  }

  // MARK: Questions

  private func filter(_ resource: ALTOCatalogue.Resource, _ type: ALTOCatalogue.CostType) -> String {
    JSONText.object { page in
      page.object("cost-type") {
        $0.member("cost-mode", type.mode)
        $0.member("cost-metric", type.metric)
      }
      guard resource.type == ALTOCatalogue.MediaType.endpointCost, let ranking else { return }
      let endpoints = ranking.endpoints(atMost: ALTOSurvey.mostEndpoints)
      page.object("endpoints") {
        $0.array("srcs") { for endpoint in endpoints where endpoint.isSource { $0.element(endpoint.text) } }
        $0.array("dsts") { for endpoint in endpoints where endpoint.isDestination { $0.element(endpoint.text) } }
      }
    }
  }
}
