//  ALTOServer.swift — an ALTO server without a socket: a request in, an answer or a stream of events out.
//
//  Why.  Programs that were not written for us can ask the oracle what a path costs, in the protocol that the IETF made
//  for it: RFC 7285, with several costs at once (8189), streams of updates (8895), measured metrics (9439) and shared
//  bottlenecks (9275).
//
//  How.
//      request ──▶ path? method? Accept? type? size? ──▶ JSON ──▶ Query ──▶ answer from the map
//                    │404   405     406    415   413      400     400│
//                    ▼                                               └─▶ 400, exactly one error with field and value
//      new map ──▶ for each stream: the answer from the old map, and from the new one ──▶ what changed ──▶ nextOutput
//
//  A query is read once; a stream keeps it and is sent what changed in its answer (UpdateStreams.swift).
//
//  A wrong path, method, type or length is a request that cannot be read, so ALTO's word for it is E_SYNTAX with a
//  sentence. Two refusals are plain text: to a client that does not accept what there is, and for want of room, of
//  which ALTO has no word.
//
//  Always true.  (1) Every request gets one answer and is counted once. (2) A refused request changes nothing but a
//  counter. (3) An error's value comes with its field. (4) No media type has a charset. (5) A stream's first event
//  names its control, and of two resources the one that the other depends on is sent first.
//
//  Not here.  HTTP, TLS, who may ask; a connection's buffer (whoever cannot send tells `close`); how the map is made.

import JSON
public import Primitives

public struct ALTORequest: Sendable {
  public var method: String
  /// Without the query.
  public var path: String
  /// Content-Type, as it was sent.
  public var mediaType: String?
  public var accept: String?
  public var body: [UInt8]
  /// nil when it has none, as on a Unix socket.
  public var client: IPAddress?

  public init(
    method: String, path: String, mediaType: String? = nil, accept: String? = nil, body: [UInt8] = [],
    client: IPAddress? = nil
  ) {
    self.method = method
    self.path = path
    self.mediaType = mediaType
    self.accept = accept
    self.body = body
    self.client = client
  }
}

public struct ALTOResponse: Sendable {
  public var status: Int
  /// nil: there is no body.
  public var mediaType: String?
  public var headers: [(name: String, value: String)] = []
  public var body: String
}

public enum ALTOAnswer: Sendable {
  case response(ALTOResponse)
  /// 200, `text/event-stream`; what is to be sent comes out of `nextOutput` until one is the last.
  case stream(ALTOServer.StreamID)

  /// Of every stream.
  public static let streamType = MediaType.events
}

public struct ALTOServer: Sendable {
  public struct Limits: Sendable {
    /// A request names a thousand endpoints in 30 KB; one that needs more asks twice.
    public var body = 256 << 10
    /// Each holds its questions and a connection.
    public var streams = 64
    /// Of one stream, from its beginning to its end: their names may not be used again and are remembered.
    public var substreams = 64
    /// Different ones that streams follow: a new map answers each of them twice. Ours all follow the same five.
    public var questions = 128

    public init() {}
  }

  public struct Counters: Equatable, Sendable {
    public var answered: UInt64 = 0
    public var syntaxErrors: UInt64 = 0
    public var missingFields: UInt64 = 0
    public var wrongTypes: UInt64 = 0
    public var wrongValues: UInt64 = 0
    public var notFound: UInt64 = 0
    public var wrongMethods: UInt64 = 0
    public var notAcceptable: UInt64 = 0
    public var wrongMediaTypes: UInt64 = 0
    public var tooLong: UInt64 = 0
    public var unavailable: UInt64 = 0
    public var streamsOpened: UInt64 = 0
    public var streamsChanged: UInt64 = 0

    public init() {}
  }

  public let directory: ALTODirectory
  public let limits: Limits
  public internal(set) var map: ALTOMap
  public internal(set) var counters = Counters()
  var streams = UpdateStreams()

  public init(_ directory: ALTODirectory, map: ALTOMap, limits: Limits = Limits()) {
    self.directory = directory
    self.map = map
    self.limits = limits
  }

  /// `random` makes the secret part of a stream's control URI: nobody else may guess it.
  public mutating func respond(
    to request: ALTORequest, at now: Instant, random: inout some RandomNumberGenerator
  ) -> ALTOAnswer {
    streams.drained()
    let controls = directory.root + "/updates/"
    if request.path.hasPrefix(controls) {
      return .response(control(String(request.path.dropFirst(controls.count)), request, at: now))
    }
    guard let resource = directory.resource(at: request.path) else { return .response(notFound()) }
    if let early = refusal(of: request, mediaType: resource.mediaType, accepts: resource.accepts) {
      return .response(early)
    }
    if resource.kind.isDirectory {
      counters.answered += 1
      let document = resource.kind == .directory ? directory.document : directory.vectorDocument
      return .response(ALTOResponse(status: 200, mediaType: resource.mediaType, body: document.text))
    }
    do throws(Failure) {
      let body = try resource.accepts == nil ? .null : read(request.body)
      if resource.kind == .updates { return try open(Fields(body), request.client, at: now, random: &random) }
      let content = try Query(resource.kind, body, of: directory, client: request.client).answer(map, directory)
      counters.answered += 1
      return .response(ALTOResponse(status: 200, mediaType: content.mediaType(resource.mediaType), body: content.text))
    } catch {
      return .response(refused(error))
    }
  }

  // MARK: Refusals

  /// What is wrong with a request before its body is read; nil: nothing. An answer without a body suits everybody.
  mutating func refusal(of request: ALTORequest, mediaType: String?, accepts: String?) -> ALTOResponse? {
    let methods = accepts == nil ? ["GET", "HEAD"] : ["POST"]
    if !methods.contains(request.method) {
      counters.wrongMethods += 1
      let allowed = [(name: "Allow", value: methods.joined(separator: ", "))]
      return mistake(405, .syntax("this is asked with \(methods[0])"), allowed)
    }
    if let mediaType, !MediaType.isAccepted(mediaType, by: request.accept) {
      counters.notAcceptable += 1
      return sentence(406, "this is \(mediaType)")
    }
    guard let accepts else { return nil }
    if request.mediaType.map({ MediaType.essence($0) }) != accepts {
      counters.wrongMediaTypes += 1
      return mistake(415, .syntax("the body must be \(accepts)"))
    }
    if request.body.count > limits.body {
      counters.tooLong += 1
      return mistake(413, .syntax("a body has at most \(limits.body) bytes here"))
    }
    return nil
  }

  mutating func refused(_ failure: Failure) -> ALTOResponse {
    switch failure.code {
    case .syntax: counters.syntaxErrors += 1
    case .missingField: counters.missingFields += 1
    case .fieldType: counters.wrongTypes += 1
    case .fieldValue: counters.wrongValues += 1
    }
    return mistake(400, failure)
  }

  mutating func notFound() -> ALTOResponse {
    counters.notFound += 1
    return mistake(404, .syntax("nothing is here; \(directory.uri("/")) says what there is"))
  }

  mutating func unavailable(_ reason: String) -> ALTOResponse {
    counters.unavailable += 1
    return sentence(503, reason, [("Retry-After", "60")])
  }

  private func mistake(
    _ status: Int, _ failure: Failure, _ headers: [(name: String, value: String)] = []
  ) -> ALTOResponse {
    ALTOResponse(status: status, mediaType: MediaType.error, headers: headers, body: failure.document.text)
  }

  private func sentence(
    _ status: Int, _ sentence: String, _ headers: [(name: String, value: String)] = []
  ) -> ALTOResponse {
    ALTOResponse(status: status, mediaType: MediaType.plain, headers: headers, body: sentence + "\n")
  }

  func read(_ body: [UInt8]) throws(Failure) -> JSONValue {
    var bounds = JSONLimits()
    bounds.bytes = limits.body
    do throws(JSONError) {
      return try JSONValue(reading: body, limits: bounds)
    } catch {
      throw .syntax(error.description)
    }
  }
}
