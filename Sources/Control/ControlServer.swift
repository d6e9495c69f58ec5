//  ControlServer.swift — a running gateway's answers: HTTP/1.1 with JSON on a Unix socket.
//
//      curl --unix-socket /run/hawser/hawser0.sock http://hawser/v1/status
//
//  Every answer is JSON; who accepts only `text/plain` gets the tables that `hawser status` prints, made from the same
//  snapshot, so that a program and its user never see two states. What is not there is 404, what is not read is 405,
//  a gateway that does not answer in time is 503, and each says so in a sentence. The pages are in ControlPages.

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
  public static func start(at path: String, board: StatusBoard) throws(ControlFailure) -> ControlServer {
    let descriptor = try ControlSocket.listen(at: path)
    guard let server = HTTPServer.start(listening: descriptor, handler: { answer($0, board) }) else {
      unlink(path)
      throw .noServer(path: path)
    }
    return ControlServer(server: server, path: path)
  }

  // The name goes before the server does, so that nobody finds a socket without a gateway.
  deinit { unlink(path) }

  static func answer(_ request: HTTPRequest, _ board: StatusBoard) -> HTTPResponse {
    let asText = wantsText(request.accept)
    func refusal(_ status: Int, _ sentence: String) -> HTTPResponse {
      if asText { return HTTPResponse(status: status, type: "text/plain; charset=utf-8", body: sentence + "\n") }
      let body = JSONText.object { $0.member("error", sentence) }
      return HTTPResponse(status: status, type: "application/json", body: body + "\n")
    }
    guard let page = ControlPages.all.first(where: { $0.path == request.path }) else {
      let known = ControlPages.all.map(\.path).joined(separator: ", ")
      return refusal(404, "there is no \(shortened(request.path)) here; there are \(known)")
    }
    guard page.methods.contains(request.method) else {
      let methods = page.methods.joined(separator: ", ")
      var response = refusal(405, "\(shortened(request.method)) changes nothing here; use GET")
      response.headers = [("Allow", methods)]
      return response
    }
    if request.hasBody { return refusal(413, "a request has no body here") }
    switch page.answer(ControlRequest(query: Query(request.query), board: board, asText: asText)) {
    case .refused(let status, let sentence): return refusal(status, sentence)
    case .silent:
      return refusal(503, "the gateway has not answered for a second; it is overloaded, or it hangs")
    case .body(let body, let verdict, let status):
      let type = asText ? "text/plain; charset=utf-8" : "application/json"
      var response = HTTPResponse(status: status, type: type, body: asText ? body : body + "\n")
      // It travels in a header too, so that a client need not read JSON to know its exit code.
      response.headers = [(ControlClient.verdictHeader, verdict.rawValue)]
      return response
    }
  }

  /// Browsers and curl accept everything, and get JSON.
  private static func wantsText(_ accept: String?) -> Bool { accept?.hasPrefix("text/plain") == true }

  private static func shortened(_ text: String) -> String { text.count > 60 ? text.prefix(60) + "…" : text }
}
