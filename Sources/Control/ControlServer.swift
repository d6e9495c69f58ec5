//  ControlServer.swift — a running gateway's answers: HTTP/1.1 with JSON on a Unix socket.
//
//      curl --unix-socket /run/hawser/hawser0.sock http://hawser/v1/status
//
//  Every answer is JSON; who accepts only `text/plain` gets the tables that `hawser status` prints, made from the same
//  snapshot, so that a program and its user never see two states. What is not there is 404, what is not read is 405,
//  a gateway that does not answer in time is 503, and each says so in a sentence.

import Glibc
import HTTP
import Primitives
import Status

public struct ControlServer: ~Copyable {
  private let server: HTTPServer
  private let path: String

  private init(server: consuming HTTPServer, path: String) {
    self.server = server
    self.path = path
  }

  /// Serves on this path until the value is gone; a second gateway is refused, a dead one's socket is replaced.
  public static func start(
    at path: String, board: StatusBoard, actions: ControlActions? = nil
  ) throws(ControlFailure) -> ControlServer {
    let descriptor = try ControlSocket.listen(at: path)
    let server = HTTPServer.start(listening: descriptor, isSlow: ControlActions.isSlow) { request in
      actions?.answer(request, asText: wantsText(request.accept)) ?? answer(request, board)
    }
    guard let server else {
      unlink(path)
      throw .noServer(path: path)
    }
    return ControlServer(server: server, path: path)
  }

  // The name goes before the server does, so that nobody finds a socket without a gateway.
  deinit { unlink(path) }

  private struct Page: Sendable {
    let json: @Sendable (StatusSnapshot) -> String
    let text: @Sendable (StatusSnapshot) -> String
  }

  private static let pages: KeyValuePairs<String, Page> = [
    "/v1/status": Page(json: { $0.json() }, text: { $0.text() }),
    "/v1/peers": Page(json: { $0.peersJSON() }, text: { $0.peersText() }),
    "/v1/paths": Page(json: { $0.pathsJSON() }, text: { $0.pathsText() }),
    "/healthz": Page(json: { $0.healthJSON() }, text: { $0.healthText() }),
  ]

  private static func answer(_ request: HTTPRequest, _ board: StatusBoard) -> HTTPResponse {
    let asText = wantsText(request.accept)
    func refusal(_ status: Int, _ sentence: String) -> HTTPResponse {
      if asText { return HTTPResponse(status: status, type: "text/plain; charset=utf-8", body: sentence + "\n") }
      let body = JSONText.object { $0.member("error", sentence) }
      return HTTPResponse(status: status, type: "application/json", body: body + "\n")
    }
    guard let page = pages.first(where: { $0.key == request.path })?.value else {
      let known = pages.map(\.key).joined(separator: ", ")
      return refusal(404, "there is no \(shortened(request.path)) here; there are \(known)")
    }
    guard request.method == "GET" || request.method == "HEAD" else {
      var response = refusal(405, "\(shortened(request.method)) changes nothing here; use GET")
      response.headers = [("Allow", "GET, HEAD")]
      return response
    }
    if request.hasBody { return refusal(413, "a request has no body here") }
    guard let snapshot = board.ask() else {
      return refusal(503, "the gateway has not answered for a second; it is overloaded, or it hangs")
    }
    // Who asks whether it is healthy looks at the status first.
    let status = request.path == "/healthz" && snapshot.verdict == .down ? 503 : 200
    if asText {
      return HTTPResponse(
        status: status, type: "text/plain; charset=utf-8", body: page.text(snapshot), verdict: snapshot.verdict)
    }
    return HTTPResponse(
      status: status, type: "application/json", body: page.json(snapshot) + "\n", verdict: snapshot.verdict)
  }

  /// Browsers and curl accept everything, and get JSON.
  private static func wantsText(_ accept: String?) -> Bool { accept?.hasPrefix("text/plain") == true }

  private static func shortened(_ text: String) -> String { text.count > 60 ? text.prefix(60) + "…" : text }
}

extension HTTPResponse {
  /// The verdict travels in a header too, so that a client need not read JSON to know its exit code.
  fileprivate init(status: Int, type: String, body: String, verdict: StatusSnapshot.Verdict) {
    self.init(status: status, type: type, body: body)
    headers = [(ControlClient.verdictHeader, verdict.rawValue)]
  }
}
