//  ControlActions.swift — what the control socket can do besides answering: POST /v1/reload, PATCH and DELETE of
//  /v1/settings.
//
//  Who may speak to the socket may change the gateway; the file's permissions say who that is, and over TCP the token
//  does. Such a wish is no question to the data path: it reads a file and may ask a name server, so it is answered on a
//  thread of its own, and those who only look do not wait for it.
//
//      200  {"applied": true, "changes": ["path lte: Tier is backup now", …]}
//           and of what was set {…, "lasts": "until the next reload or restart", "keep": {"file": "…", "lines": […]}}
//      422  {"applied": false, "mistakes": ["hawser.conf:4:8: …", …]}

public import Configuration
import HTTP
import Primitives

/// What came of a change: what is different now, or all that is wrong with it.
public struct ControlOutcome: Equatable, Sendable {
  /// How what was set outlives the next reload: these lines in this file.
  public struct Keep: Equatable, Sendable {
    public var file: String
    public var lines: [String]

    public init(file: String, lines: [String]) {
      self.file = file
      self.lines = lines
    }
  }

  public var isApplied: Bool
  public var sentences: [String]
  /// nil: it lasts by itself.
  public var keep: Keep?

  public init(isApplied: Bool, sentences: [String], keep: Keep? = nil) {
    self.isApplied = isApplied
    self.sentences = sentences
    self.keep = keep
  }
}

/// What whoever runs the gateway does for others.
public struct ControlActions: Sendable {
  /// What is laid over the file; who asks is for the log.
  public struct Settings: Sendable {
    let list: @Sendable () -> Overlay
    let set: @Sendable ([Overlay.Wish], String) -> ControlOutcome
    let takeBack: @Sendable (Overlay.Choice, String) -> ControlOutcome

    public init(
      list: @escaping @Sendable () -> Overlay,
      set: @escaping @Sendable ([Overlay.Wish], String) -> ControlOutcome,
      takeBack: @escaping @Sendable (Overlay.Choice, String) -> ControlOutcome
    ) {
      self.list = list
      self.set = set
      self.takeBack = takeBack
    }
  }

  /// Reads the file again; who asks is for the log.
  let reload: @Sendable (String) -> ControlOutcome
  let settings: Settings

  public init(settings: Settings, reload: @escaping @Sendable (String) -> ControlOutcome) {
    self.settings = settings
    self.reload = reload
  }

  static let lasts = "until the next reload or restart"

  /// What came of it, for who asked.
  static func said(_ outcome: ControlOutcome, asText: Bool) -> HTTPResponse {
    let status = outcome.isApplied ? 200 : 422
    if asText {
      var text = outcome.sentences.map { $0 + "\n" }.joined()
      if let keep = outcome.keep {
        text += "\nThis lasts \(lasts). To keep it, write to \(keep.file):\n\n"
        text += keep.lines.map { $0 + "\n" }.joined()
      }
      return HTTPResponse(status: status, type: "text/plain; charset=utf-8", body: text)
    }
    let json = JSONText.object { object in
      object.member("applied", outcome.isApplied)
      object.array(outcome.isApplied ? "changes" : "mistakes") { list in
        for sentence in outcome.sentences { list.element(sentence) }
      }
      guard let keep = outcome.keep else { return }
      object.member("lasts", lasts)
      object.object("keep") {
        $0.member("file", keep.file)
        $0.array("lines") { list in for line in keep.lines { list.element(line) } }
      }
    }
    return HTTPResponse(status: status, type: "application/json", body: json + "\n")
  }
}
