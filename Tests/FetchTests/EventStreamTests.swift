//  EventStreamTests.swift — events as they come, from servers that end, go silent or never stop, and from any pieces.

import Foundation
import HTTP
import Primitives
import Synchronization
import Testing

@testable import Fetch

@Suite struct `A stream of events` {
  private static let opening = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=utf-8\r\n\r\n"

  @Test func `is told as it happens, until the server ends it`() throws {
    let stream = HTTPStream()
    let server = try WebServer { request in
      var answer = HTTPResponse(
        status: 200, type: "text/event-stream", body: "event: hello\ndata: \(request.method)\n\n")
      answer.stream = stream
      return answer
    }
    var heard: [ServerSentEvent] = []
    let answer = try Fetcher().listen(FetchRequest(post: "{}", as: "application/json", to: server.address)) { event in
      heard.append(event)
      // The next one happens when this one was heard.
      if heard.count <= 5 {
        stream.send(": still here\n\nid: \(heard.count)\ndata: {\ndata: }\n\n")
      } else {
        stream.end()
      }
      return true
    }
    #expect(answer.isEventStream && answer.body.isEmpty)
    #expect(
      heard == [ServerSentEvent(name: "hello", data: "POST")]
        + (1...5).map { ServerSentEvent(data: "{\n}", id: "\($0)") })
  }

  @Test func `ends when its listener has heard enough`() throws {
    let server = try RawServer { connection in
      connection.hearRequest()
      connection.say(Self.opening)
      while connection.say("data: x\n\n") {}
    }
    defer { server.end() }
    let fetcher = try Fetcher()
    for _ in 0..<3 {
      var count = 0
      _ = try fetcher.listen(FetchRequest(get: server.address)) { _ in
        count += 1
        return count < 1_000
      }
      #expect(count == 1_000)
    }
  }

  @Test func `that is none comes back with its body`() throws {
    let server = try WebServer { _ in HTTPResponse(status: 503, type: "text/event-stream", body: "data: x\n\n") }
    let answer = try Fetcher().listen(FetchRequest(get: server.address)) { _ in
      Issue.record("it was no stream")
      return false
    }
    #expect(answer.status == 503 && answer.text == "data: x\n\n")
  }

  @Test func `goes on beyond the time for an answer, and ends when it has been silent for too long`() throws {
    let server = try RawServer { connection in
      connection.hearRequest()
      connection.say(Self.opening)
      var room: UInt8 = 0
      var patience = timeval(tv_sec: 0, tv_usec: 40_000)
      setsockopt(
        connection.descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
      for number in 0..<60 {
        connection.say("data: \(number)\n\n")
        _ = recv(connection.descriptor, &room, 1, 0)
      }
      patience.tv_usec = 0
      setsockopt(
        connection.descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
      connection.hearEnd()
    }
    defer { server.end() }
    var request = FetchRequest(get: server.address)
    request.limits.total = .seconds(2)
    request.limits.silence = .milliseconds(1_500)
    var heard: [String] = []
    let failure = #expect(throws: FetchFailure.self) {
      try Fetcher().listen(request) { event in
        heard.append(event.data)
        return true
      }
    }
    #expect(heard == (0..<60).map(String.init))
    #expect(failure?.description == "127.0.0.1:\(server.port) was silent for 1500 ms")
  }

  @Test func `with an event that does not end is left at the bound`() throws {
    let server = try RawServer { connection in
      connection.hearRequest()
      connection.say(Self.opening)
      while connection.say("data: " + String(repeating: "x", count: 1_000) + "\n") {}
    }
    defer { server.end() }
    let failure = #expect(throws: FetchFailure.self) {
      try Fetcher().listen(FetchRequest(get: server.address)) { _ in true }
    }
    #expect(failure?.description == "an event of 127.0.0.1:\(server.port) is longer than 1048576 bytes")
  }

  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func `is the same in whatever pieces it comes`(seed: UInt64) {
    let text =
      "\u{feff}data: bom\n\n: comment\r\n\r\nevent: a\rdata:one\rdata: two\r\rdata\n\nevent: lost\n\nid: 7\nretry: 10\n"
      + "data:  two spaces\r\n\r\nunknown: x\ndata: ä\u{1F600}\n\nid: \u{0}\ndata: y\n\ndata: half"
    let bytes = Array(text.utf8)
    let whole = events([bytes])
    #expect(
      whole == [
        ServerSentEvent(data: "bom"), ServerSentEvent(name: "a", data: "one\ntwo"), ServerSentEvent(data: ""),
        ServerSentEvent(data: " two spaces", id: "7"), ServerSentEvent(data: "ä\u{1F600}", id: "7"),
        ServerSentEvent(data: "y", id: "7"),
      ])
    var random = SeededRandom(seed: seed)
    var pieces: [[UInt8]] = []
    var at = 0
    while at < bytes.count {
      let end = min(bytes.count, at + 1 + Int(random.below(8)))
      pieces.append(Array(bytes[at..<end]))
      at = end
    }
    #expect(events(pieces) == whole, "seed \(seed)")
  }

  private func events(_ pieces: [[UInt8]]) -> [ServerSentEvent] {
    var parser = EventParser(most: 10_000)
    var events: [ServerSentEvent] = []
    for piece in pieces {
      #expect(
        parser.receive(piece) { event in
          events.append(event)
          return true
        } == .fine)
    }
    return events
  }
}

@Suite struct `A request that is cancelled` {
  @Test func `ends at once, whatever it waits for, and so does every later one`() throws {
    let waiting = DispatchSemaphore(value: 0)
    let server = try RawServer { connection in
      connection.hearRequest()
      waiting.signal()
      connection.hearEnd()
    }
    defer { server.end() }
    let cancellation = try FetchCancellation()
    let address = server.address
    let failures = Mutex<[FetchFailure]>([])
    let ended = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      do {
        let fetcher = try Fetcher(cancelledBy: cancellation)
        var request = FetchRequest(get: address)
        request.limits.total = .seconds(600)
        for _ in 0..<2 {
          do throws(FetchFailure) {
            _ = try fetcher.fetch(request)
          } catch {
            failures.withLock { $0.append(error) }
          }
        }
      } catch {
        Issue.record("\(error)")
      }
      ended.signal()
    }
    waiting.wait()
    cancellation.cancel()
    #expect(ended.wait(timeout: .now() + 60) == .success)
    let sentence = "the request to 127.0.0.1:\(server.port) was cancelled"
    #expect(failures.withLock { $0.map(\.description) } == [sentence, sentence])
    #expect(cancellation.isCancelled)
    #expect(server.accepted.load(ordering: .relaxed) == 1)
  }
}

@Suite struct `A connection that stays open` {
  @Test func `is used again, and made anew when the server has closed it meanwhile`() throws {
    let server = try RawServer { connection in
      for _ in 0..<3 {
        if !connection.hearRequest() { return }
        connection.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
      }
    }
    defer { server.end() }
    let fetcher = try Fetcher()
    for _ in 0..<9 { #expect(try fetcher.fetch(FetchRequest(get: server.address)).text == "ok") }
    #expect(server.accepted.load(ordering: .relaxed) == 3)
  }
}
