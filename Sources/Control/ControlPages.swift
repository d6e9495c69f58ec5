//  ControlPages.swift — everything that a gateway answers to, as one table: path, methods, what is made of them.
//
//  A page is asked about the data path through the board, and renders what comes back: as JSON, or as the text that the
//  commands print. A page that needs no data path does not wait for one.

import HTTP
import Primitives
import Status

/// One address of the API.
struct ControlPage: Sendable {
  let path: String
  let methods: [String]
  /// It tells nothing of this gateway, so nobody has to show a token for it.
  let isOpen: Bool
  /// Methods whose requests have a body.
  let takesBody: [String]
  let answer: @Sendable (ControlRequest) -> ControlResult

  init(
    _ path: String, _ methods: [String] = ["GET", "HEAD"], isOpen: Bool = false, takesBody: [String] = [],
    _ answer: @escaping @Sendable (ControlRequest) -> ControlResult
  ) {
    self.path = path
    self.methods = methods
    self.isOpen = isOpen
    self.takesBody = takesBody
    self.answer = answer
  }

  func isBehind(_ door: ControlServer.Door) -> Bool {
    if case .metrics = door { return path == "/metrics" }
    return true
  }
}

/// What a page is told.
struct ControlRequest: Sendable {
  let method: String
  let query: Query
  let accept: String?
  let asText: Bool
  /// What its body is, as whoever asks says, and the body; empty where none is taken.
  let type: String?
  let body: [UInt8]
  /// For the log, when something is to change.
  let who: String
  /// What who listens has seen.
  let lastEvent: UInt64?
  let house: ControlServer.House

  var board: StatusBoard { house.board }
  var isHead: Bool { method == "HEAD" }
}

/// What a page says.
enum ControlResult {
  /// In the form that was wanted, and the verdict where there is one.
  case body(String, verdict: StatusSnapshot.Verdict, status: Int = 200)
  case refused(Int, String)
  /// The data path did not answer.
  case silent
  /// Neither JSON nor a table.
  case other(HTTPResponse)
}

enum ControlPages {
  static let all = [status, peers, paths, flows, rules, why, events, reload, settings, metrics, health, dashboard]

  private static let reload = ControlPage("/v1/reload", ["POST"]) { asked in
    guard let actions = asked.house.actions else { return notFromAFile }
    return .other(ControlActions.said(actions.reload(asked.who), asText: asked.asText))
  }

  static let status = snapshotPage("/v1/status") {
    $0.json()
  } text: {
    $0.text()
  }
  static let peers = snapshotPage("/v1/peers") {
    $0.peersJSON()
  } text: {
    $0.peersText()
  }
  static let paths = snapshotPage("/v1/paths") {
    $0.pathsJSON()
  } text: {
    $0.pathsText()
  }

  static let health = ControlPage("/healthz") { request in
    guard let snapshot = request.board.snapshot() else { return .silent }
    // Who asks whether it is healthy looks at the status first.
    return .body(
      request.asText ? snapshot.healthText() : snapshot.healthJSON(), verdict: snapshot.verdict,
      status: snapshot.verdict == .down ? 503 : 200)
  }

  /// For Prometheus and who reads its format.
  static let metrics = ControlPage("/metrics") { request in
    guard let snapshot = request.board.snapshot() else { return .silent }
    return .other(
      HTTPResponse(status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: snapshot.metrics()))
  }

  /// For browsers. It tells nothing of this gateway, and asks for the token itself.
  static let dashboard = ControlPage("/", isOpen: true) { _ in
    var response = HTTPResponse(status: 200, type: "text/html; charset=utf-8", body: Dashboard.page)
    response.headers = [
      ("Content-Security-Policy", Dashboard.policy), ("X-Content-Type-Options", "nosniff"),
      ("Referrer-Policy", "no-referrer"),
    ]
    return .other(response)
  }

  static let flows = ControlPage("/v1/flows") { request in
    var wish = FlowList.Wish()
    if let text = request.query["sort"] {
      guard let order = FlowList.Order(rawValue: text) else {
        let known = FlowList.Order.allCases.map(\.rawValue).joined(separator: ", ")
        return .refused(400, "sort: expected one of \(known)")
      }
      wish.order = order
    }
    if let text = request.query["top"] {
      guard let top = Int(text), (1...FlowList.Wish.mostTop).contains(top) else {
        return .refused(400, "top: expected a whole number from 1 to \(FlowList.Wish.mostTop)")
      }
      wish.top = top
    }
    if let text = request.query["flow"] {
      guard let pattern = FlowPattern(text) else { return .refused(400, notAFlow) }
      wish.pattern = pattern
    }
    guard let snapshot = request.board.snapshot(), case .flows(let list) = request.board.ask(.flows) else {
      return .silent
    }
    return .body(request.asText ? list.text(wish) : list.json(wish), verdict: snapshot.verdict)
  }

  static let rules = ControlPage("/v1/rules") { request in
    guard let snapshot = request.board.snapshot(), case .rules(let list) = request.board.ask(.rules) else {
      return .silent
    }
    return .body(request.asText ? list.text() : list.json(), verdict: snapshot.verdict)
  }

  static let why = ControlPage("/v1/why") { request in
    guard let snapshot = request.board.snapshot() else { return .silent }
    if let name = request.query["path"] {
      guard let found = snapshot.explainPath(name) else {
        let known = snapshot.peers.flatMap(\.paths).map(\.title)
        let hint = nearestWord(to: name, in: known).map { "did you mean '\($0)'?" }
        return .refused(404, "there is no path '\(name)'; \(hint ?? "hawser paths lists them")")
      }
      return .body(request.asText ? found.text() : found.json(), verdict: snapshot.verdict)
    }
    guard let text = request.query["flow"] else {
      return .refused(400, "expected ?path=NAME or ?flow=ADDRESS:PORT+ADDRESS:PORT+PROTOCOL")
    }
    guard let pattern = FlowPattern(text) else { return .refused(400, notAFlow) }
    guard let key = pattern.key ?? greatest(pattern, request.board) else {
      return .refused(404, "no flow fits '\(text)'; one that is told in full is explained also when there is none")
    }
    guard case .flow(let explanation) = request.board.ask(.flow(key)) else { return .silent }
    return .body(request.asText ? explanation.text(snapshot) : explanation.json(), verdict: snapshot.verdict)
  }

  /// A stream, or for who wants one of these two the last events as JSON or as lines.
  static let events = ControlPage("/v1/events") { request in
    let events = request.house.events
    if request.asText {
      let lines = events.recent.map { "\($0.id) \($0.text)\n" }.joined()
      return .other(HTTPResponse(status: 200, type: "text/plain; charset=utf-8", body: lines))
    }
    if request.accept?.hasPrefix("application/json") == true {
      return .other(
        HTTPResponse(status: 200, type: "application/json", body: EventRecord.list(events.recent) + "\n"))
    }
    var response = HTTPResponse(status: 200, type: "text/event-stream", body: "")
    if request.isHead { return .other(response) }
    guard let stream = events.listen(after: request.lastEvent ?? request.query["since"].flatMap { UInt64($0) }) else {
      return .refused(503, "as many listen as may: \(EventBoard.mostStreams)")
    }
    response.stream = stream
    return .other(response)
  }

  private static let notAFlow =
    "flow: expected ADDRESS:PORT ADDRESS:PORT PROTOCOL, such as 10.1.0.1:443 10.2.0.7:51234 tcp, with - for anything"

  /// Of all flows that may be meant, the fastest.
  private static func greatest(_ pattern: FlowPattern, _ board: StatusBoard) -> FlowKey? {
    guard case .flows(let list) = board.ask(.flows) else { return nil }
    var wish = FlowList.Wish()
    wish.pattern = pattern
    wish.top = 1
    return list.chosen(wish).rows.first?.key
  }

  private static func snapshotPage(
    _ path: String, json: @escaping @Sendable (StatusSnapshot) -> String,
    text: @escaping @Sendable (StatusSnapshot) -> String
  ) -> ControlPage {
    ControlPage(path) { request in
      guard let snapshot = request.board.snapshot() else { return .silent }
      return .body(request.asText ? text(snapshot) : json(snapshot), verdict: snapshot.verdict)
    }
  }
}
