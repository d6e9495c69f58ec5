//  ControlServer.swift — a running gateway's answers: HTTP/1.1 with JSON on a Unix socket, and where it is wanted on
//  TCP.
//
//      curl --unix-socket /run/hawser/hawser0.sock http://hawser/v1/status
//      curl -H "Authorization: Bearer $TOKEN" https://gateway:8470/v1/status
//
//  Every answer is JSON; who accepts only `text/plain` gets the tables that `hawser status` prints, made from the same
//  snapshot, so that a program and its user never see two states. What is not there is 404, what is not read is 405,
//  a gateway that does not answer in time is 503, and each says so in a sentence. The pages are in ControlPages.
//
//  There are three doors. The Unix socket is for whom the file's mode lets in. TCP wants a token, whatever the page,
//  but for the page of a browser, in which nothing is told before somebody has typed the token in; it is for loopback,
//  or for HTTPS, and the configuration holds to that. The third is for a monitoring system and leads to the metrics
//  only.
//
//  Tokens are compared by their hashes, all 32 bytes in any case (TokenHash): what a guess has in common with the right
//  one cannot be measured.

import Crypto
import Glibc
public import HTTP
public import Primitives
public import Sealing
import Status

public struct ControlServer: ~Copyable {
  /// TCP, for whoever shows the token.
  public struct Remote: Equatable, Sendable {
    public var listen: [Endpoint]
    public var token: TokenHash
    /// Then it is HTTPS.
    public var identity: HTTPIdentity?

    public init(listen: [Endpoint], token: TokenHash, identity: HTTPIdentity?) {
      self.listen = listen
      self.token = token
      self.identity = identity
    }
  }

  /// Where somebody came in.
  enum Door: Sendable {
    case socket
    case remote(TokenHash)
    case metrics
  }

  /// What all doors lead to.
  public struct House: Sendable {
    let board: StatusBoard
    let events: EventBoard
    /// nil: nobody here changes anything.
    let actions: ControlActions?
    /// Somebody has shown a token that is not the one; where he came from.
    let refused: @Sendable (IPAddress?) -> Void

    public init(
      board: StatusBoard, events: EventBoard, actions: ControlActions? = nil,
      refused: @escaping @Sendable (IPAddress?) -> Void = { _ in }
    ) {
      self.board = board
      self.events = events
      self.actions = actions
      self.refused = refused
    }
  }

  /// The one at the socket.
  private let servers: HTTPServers
  private let path: String
  /// Over TCP.
  public let doors: ControlDoors

  private init(servers: HTTPServers, path: String, doors: ControlDoors) {
    self.servers = servers
    self.path = path
    self.doors = doors
  }

  /// Serves on this path until the value is gone; a second gateway is refused, a dead one's socket is replaced.
  public static func start(
    at path: String, _ house: House, remote: Remote? = nil, metrics: [Endpoint] = []
  ) throws(ControlFailure) -> ControlServer {
    // TCP first: a port that is taken must not cost another gateway's socket.
    let doors = try ControlDoors(ControlDoors.Wish(remote: remote, metrics: metrics), house)
    let descriptor = try ControlSocket.listen(at: path)
    let server = HTTPServer.start(
      listening: descriptor, limits: limits(.socket), isSlow: isSlow, handler: { answer($0, at: .socket, house) })
    guard let server else {
      unlink(path)
      throw .noServer(path: path)
    }
    let servers = HTTPServers()
    servers.add(server)
    return ControlServer(servers: servers, path: path, doors: doors)
  }

  // The name goes before the server does, so that nobody finds a socket without a gateway.
  deinit {
    unlink(path)
    servers.end()
    doors.end()
  }

  /// Nobody who only reads figures has anything to tell.
  static func limits(_ door: Door) -> HTTPLimits {
    var limits = HTTPLimits()
    if case .metrics = door { return limits }
    limits.mostBody = SettingsBody.mostBytes
    return limits
  }

  /// To write ten thousand flows takes a tenth of a second, and to ask a name server some: others do not wait for it.
  static let isSlow: HTTPServer.Slowness = { request in
    ["/v1/flows", "/v1/why", "/v1/reload"].contains(request.path)
      || request.path == "/v1/settings" && ["PATCH", "DELETE"].contains(request.method)
  }

  // MARK: Answering

  static func answer(_ request: HTTPRequest, at door: Door, _ house: House) -> HTTPResponse {
    let asText = request.accept?.hasPrefix("text/plain") == true
    func refusal(_ status: Int, _ sentence: String) -> HTTPResponse {
      if asText { return HTTPResponse(status: status, type: "text/plain; charset=utf-8", body: sentence + "\n") }
      let body = JSONText.object { $0.member("error", sentence) }
      return HTTPResponse(status: status, type: "application/json", body: body + "\n")
    }
    let page = ControlPages.all.first { $0.path == request.path && $0.isBehind(door) }
    if let objection = objection(to: request, at: door, page, house) {
      var response = refusal(401, objection)
      response.headers = [("WWW-Authenticate", "Bearer")]
      return response
    }
    guard let page else {
      let known = ControlPages.all.filter { $0.isBehind(door) }.map(\.path).joined(separator: ", ")
      return refusal(404, "there is no \(shortened(request.path)) here; there are \(known)")
    }
    guard page.methods.contains(request.method) else {
      let use = page.methods.filter { $0 != "HEAD" }
      let sentence =
        "\(shortened(request.method)) \(use.first == "GET" ? "changes" : "shows") nothing here; use "
        + use.joined(separator: ", ")
      var response = refusal(405, sentence)
      response.headers = [("Allow", page.methods.joined(separator: ", "))]
      return response
    }
    if !page.takesBody.contains(request.method) {
      if request.hasBody { return refusal(413, "a request has no body here") }
    } else if request.isTooLong {
      return refusal(413, "a body of more than \(SettingsBody.mostBytes) bytes: expected at most so many")
    }
    let asked = ControlRequest(
      method: request.method, query: Query(request.query), accept: request.accept, asText: asText, type: request.type,
      body: request.body,
      who: request.client.map { "\($0)" } ?? "the control socket",
      lastEvent: request.lastEventID.flatMap { UInt64($0) }, house: house)
    switch page.answer(asked) {
    case .refused(let status, let sentence): return refusal(status, sentence)
    case .silent:
      return refusal(503, "the gateway has not answered for a second; it is overloaded, or it hangs")
    case .other(let response): return response
    case .body(let body, let verdict, let status):
      let type = asText ? "text/plain; charset=utf-8" : "application/json"
      var response = HTTPResponse(status: status, type: type, body: asText ? body : body + "\n")
      // It travels in a header too, so that a client need not read JSON to know its exit code.
      response.headers = [(ControlClient.verdictHeader, verdict.rawValue)]
      return response
    }
  }

  /// Why whoever asks is not let in; nil: he is. What is not there is not told to strangers either.
  private static func objection(
    to request: HTTPRequest, at door: Door, _ page: ControlPage?, _ house: House
  ) -> String? {
    guard case .remote(let token) = door, page?.isOpen != true else { return nil }
    guard let shown = BearerToken.bytes(request.authorization) else {
      return "a token is needed: Authorization: Bearer TOKEN, with the Token of [Control]"
    }
    let hash = shown.withUnsafeBytes { TokenHash(SHA256.hash($0)) }
    if hash?.isSame(as: token) == true { return nil }
    house.refused(request.client)
    return "this token is not the one of [Control]"
  }

  private static func shortened(_ text: String) -> String { text.count > 60 ? text.prefix(60) + "…" : text }
}
