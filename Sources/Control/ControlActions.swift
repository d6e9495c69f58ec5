//  ControlActions.swift — what the control socket can do besides answering: POST /v1/reload.
//
//  Who may speak to the socket may change the gateway; the file's permissions say who that is, and over TCP the token
//  does. A reload is no question
//  to the data path: it reads a file and may ask a name server, so it is answered on a thread of its own, and those who
//  only look do not wait for it.
//
//      200  {"applied": true, "changes": ["path lte: Tier is backup now", …]}
//      422  {"applied": false, "mistakes": ["hawser.conf:4:8: …", …]}

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

  /// What came of it, for who asked.
  static func said(_ outcome: ControlOutcome, asText: Bool) -> HTTPResponse {
    let status = outcome.isApplied ? 200 : 422
    if asText {
      let text = outcome.sentences.map { $0 + "\n" }.joined()
      return HTTPResponse(status: status, type: "text/plain; charset=utf-8", body: text)
    }
    let json = JSONText.object { object in
      object.member("applied", outcome.isApplied)
      object.array(outcome.isApplied ? "changes" : "mistakes") { list in
        for sentence in outcome.sentences { list.element(sentence) }
      }
    }
    return HTTPResponse(status: status, type: "application/json", body: json + "\n")
  }
}
