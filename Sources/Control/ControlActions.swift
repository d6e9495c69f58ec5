//  ControlActions.swift — what the control socket can do besides answering: POST /v1/reload.
//
//  Who may speak to the socket may change the gateway; the file's permissions say who that is. A reload is no question
//  to the data path: it reads a file and may ask a name server, so it is answered on a thread of its own, and those who
//  only look do not wait for it.
//
//      200  {"applied": true, "changes": ["path lte: Tier is backup now", …]}
//      422  {"applied": false, "mistakes": ["hawser.conf:4:8: …", …]}

import Glibc
import HTTP
import Primitives

/// What came of a change: what is different now, or all that is wrong with it.
public struct ControlOutcome: Equatable, Sendable {
  public var isApplied: Bool
  public var sentences: [String]

  public init(isApplied: Bool, sentences: [String]) {
    self.isApplied = isApplied
    self.sentences = sentences
  }
}

/// What whoever runs the gateway does for others.
public struct ControlActions: Sendable {
  /// Reads the file again; who asks is for the log.
  let reload: @Sendable (String) -> ControlOutcome

  public init(reload: @escaping @Sendable (String) -> ControlOutcome) { self.reload = reload }

  static let reloadPath = "/v1/reload"

  static func isSlow(_ request: HTTPRequest) -> Bool { request.path == reloadPath && request.method == "POST" }

  /// nil: it is no change that is asked for.
  func answer(_ request: HTTPRequest, asText: Bool) -> HTTPResponse? {
    guard request.path == ControlActions.reloadPath else { return nil }
    func say(_ status: Int, _ sentences: [String], _ json: String) -> HTTPResponse {
      asText
        ? HTTPResponse(
          status: status, type: "text/plain; charset=utf-8", body: sentences.map { $0 + "\n" }.joined())
        : HTTPResponse(status: status, type: "application/json", body: json + "\n")
    }
    guard request.method == "POST" else {
      let sentence = "a reload changes the gateway; use POST"
      var response = say(405, [sentence], JSONText.object { $0.member("error", sentence) })
      response.headers = [("Allow", "POST")]
      return response
    }
    if request.hasBody {
      let sentence = "a reload has no body: it reads the gateway's own file"
      return say(413, [sentence], JSONText.object { $0.member("error", sentence) })
    }
    let outcome = reload("the control socket")
    let json = JSONText.object { object in
      object.member("applied", outcome.isApplied)
      object.array(outcome.isApplied ? "changes" : "mistakes") { list in
        for sentence in outcome.sentences { list.element(sentence) }
      }
    }
    return say(outcome.isApplied ? 200 : 422, outcome.sentences, json)
  }
}
