import Foundation
import Status
import Synchronization
import Testing

@testable import Control

@Suite struct `Asking a gateway to read its file again` {
  private final class Served: Sendable {
    let folder: String
    let asked: Counter
    private let server: Mutex<ControlServer?>

    final class Counter: Sendable {
      let count = Atomic<Int>(0)
    }

    var path: String { folder + "/g.sock" }

    init(_ outcome: ControlOutcome) throws {
      var name = Array("/tmp/hawser-tests.XXXXXX".utf8CString)
      guard mkdtemp(&name) != nil else { throw CocoaError(.fileWriteUnknown) }
      folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let counter = Counter()
      asked = counter
      let actions = ControlActions(settings: Laid().actions.settings) { who in
        counter.count.add(who == "the control socket" ? 1 : 100, ordering: .relaxed)
        return outcome
      }
      guard let events = EventBoard() else { throw CocoaError(.fileReadUnknown) }
      let house = ControlServer.House(board: StatusBoard(wake: {}), events: events, actions: actions)
      server = Mutex(try ControlServer.start(at: folder + "/g.sock", house))
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
  }

  @Test func `tells what has changed`() throws {
    let served = try Served(ControlOutcome(isApplied: true, sentences: ["path lte: it goes", "rules: 2"]))
    let text = try ControlClient.post("/v1/reload", at: served.path, asText: true)
    #expect(text.status == 200 && text.body == "path lte: it goes\nrules: 2\n")
    let json = try ControlClient.post("/v1/reload", at: served.path, asText: false)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(json.body.utf8)) as? [String: Any])
    #expect(object["applied"] as? Bool == true && object["changes"] as? [String] == ["path lte: it goes", "rules: 2"])
    #expect(served.asked.count.load(ordering: .relaxed) == 2)
  }

  @Test func `tells all mistakes, and that nothing has changed`() throws {
    let served = try Served(ControlOutcome(isApplied: false, sentences: ["a.conf:1:2: this", "a.conf:3:4: and that"]))
    let answer = try ControlClient.post("/v1/reload", at: served.path, asText: false)
    #expect(answer.status == 422)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
    #expect(object["applied"] as? Bool == false)
    #expect(object["mistakes"] as? [String] == ["a.conf:1:2: this", "a.conf:3:4: and that"])
  }

  @Test func `is no question: GET changes nothing and says so`() throws {
    let served = try Served(ControlOutcome(isApplied: true, sentences: []))
    let answer = try ControlClient.get("/v1/reload", at: served.path, asText: true)
    #expect(answer.status == 405 && answer.body == "GET shows nothing here; use POST\n")
    #expect(served.asked.count.load(ordering: .relaxed) == 0)
  }
}
