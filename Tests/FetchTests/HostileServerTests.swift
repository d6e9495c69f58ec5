//  HostileServerTests.swift — servers that say nothing, too much, half of it or nonsense: each ends in one sentence,
//  and in time.

import Fetch
import Foundation
import HTTP
import Primitives
import Testing

@Suite struct `A server that is not as it should be` {
  private static let hello = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

  @Test func `that never ends its answer, or its headers, is left at the bound`() throws {
    let body = try failure { connection in
      connection.say(Self.hello + "\r\n")
      while connection.say(String(repeating: "x", count: 10_000)) {}
    }
    #expect(body.failure.kind == .tooLong)
    #expect(body.failure.description == "the answer of \(body.server) is longer than 1048576 bytes")
    let chunked = try failure { connection in
      connection.say(Self.hello + "Transfer-Encoding: chunked\r\n\r\n")
      while connection.say("2710\r\n" + String(repeating: "x", count: 10_000) + "\r\n") {}
    }
    #expect(chunked.failure.kind == .tooLong)
    let headers = try failure { connection in
      connection.say(Self.hello)
      while connection.say("X: " + String(repeating: "x", count: 1_000) + "\r\n") {}
    }
    #expect(headers.failure.kind == .tooLong)
    #expect(headers.failure.description == "the headers of \(headers.server) are longer than 65536 bytes")
    // One line without an end is libcurl's to refuse.
    let line = try failure { connection in
      connection.say("HTTP/1.1 200 OK\r\nX: ")
      while connection.say(String(repeating: "x", count: 10_000)) {}
    }
    #expect(line.failure.kind != .timedOut)
  }

  @Test func `that says nothing, or a byte now and then, has its time and no more`() throws {
    var limits = FetchLimits()
    limits.total = .seconds(1)
    let silent = try failure(limits) { $0.hearEnd() }
    #expect(silent.failure.kind == .timedOut)
    #expect(silent.failure.description == "\(silent.server) did not answer within 1 s")
    let slow = try failure(limits) { connection in
      connection.say(Self.hello + "Content-Length: 100000\r\n\r\n")
      // A byte whenever twenty milliseconds have gone by without the end of the connection.
      var room: UInt8 = 0
      var patience = timeval(tv_sec: 0, tv_usec: 20_000)
      setsockopt(
        connection.descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
      while recv(connection.descriptor, &room, 1, 0) < 0 && connection.say("x") {}
    }
    #expect(slow.failure.description == "\(slow.server) did not end its answer within 1 s")
  }

  @Test func `that hangs up before or in the middle of its answer says so`() throws {
    let before = try failure { _ in }
    #expect(before.failure.kind == .broken)
    #expect(before.failure.description == "\(before.server) closed the connection without an answer")
    let within = try failure { $0.say(Self.hello + "Content-Length: 100\r\n\r\nhalf") }
    #expect(within.failure.kind == .broken)
    #expect(within.failure.description == "\(within.server) ended in the middle of its answer")
  }

  @Test func `that speaks something else is told from one that speaks HTTP`() throws {
    for words in ["SSH-2.0-OpenSSH_9.2\r\n", "\u{0}\u{1}\u{2}\u{3}\r\n\r\n", "HTTP/9.9 200\r\n\r\n", "\r\n\r\n\r\n"] {
      let other = try failure { connection in
        connection.say(words)
        connection.hearEnd()
      }
      #expect(other.failure.kind == .broken, "\(words.debugDescription): \(other.failure)")
    }
    let ssh = try failure { $0.say("SSH-2.0-OpenSSH_9.2\r\n") }
    #expect(ssh.failure.description.hasPrefix("\(ssh.server) does not speak HTTP: "), "\(ssh.failure)")
  }

  @Test func `that is not there is told from a host that is not there`() throws {
    let server = try RawServer { _ in }
    server.end()
    let fetcher = try Fetcher()
    let gone = #expect(throws: FetchFailure.self) { try fetcher.fetch(FetchRequest(get: server.address)) }
    #expect(gone?.kind == .unreachable && gone?.description == "nobody listens at 127.0.0.1:\(server.port)")
    // No name server is asked for a name with a part that is too long.
    let name = String(repeating: "a", count: 64) + ".invalid"
    let nowhere = #expect(throws: FetchFailure.self) { try fetcher.fetch(FetchRequest(get: "http://\(name)/")) }
    #expect(nowhere?.kind == .unreachable && nowhere?.description == "there is no host \(name)")
  }

  @Test(arguments: [
    "", "x", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://user:secret@127.0.0.1/", "http://a b/",
    "http://127.0.0.1:99999/", "http://127.0.0.1/\n", "gopher://127.0.0.1:70/",
  ])
  func `what is no address of a web server is not asked`(address: String) throws {
    let failure = #expect(throws: FetchFailure.self) { try Fetcher().fetch(FetchRequest(get: address)) }
    #expect(failure?.kind == .malformed)
    #expect(failure?.description.contains("is no address of a web server") == true)
    #expect(failure?.description.contains("\n") == false)
  }

  @Test func `headers that would be two are not sent, and not shown`() throws {
    for token in ["a\r\nX: y", "secret\n", "\u{7f}"] {
      var request = FetchRequest(get: "http://127.0.0.1:1/")
      request.authorize(token)
      let failure = #expect(throws: FetchFailure.self) { try Fetcher().fetch(request) }
      #expect(failure?.kind == .malformed && failure?.description.contains("secret") == false)
    }
  }

  /// What the only request of a client comes to.
  private func failure(
    _ limits: FetchLimits = FetchLimits(), _ serve: @escaping @Sendable (Connection) -> Void
  ) throws -> (failure: FetchFailure, server: String) {
    let server = try RawServer { connection in
      connection.hearRequest()
      serve(connection)
    }
    defer { server.end() }
    var request = FetchRequest(get: server.address + "/")
    request.limits = limits
    let fetcher = try Fetcher()
    do {
      let answer = try fetcher.fetch(request)
      throw Trouble("there was an answer: \(answer.status)")
    } catch let failure as FetchFailure {
      return (failure, "127.0.0.1:\(server.port)")
    }
  }
}

@Suite struct `Over TLS` {
  @Test func `whoever has the server's certificate is answered, and nobody else asks`() throws {
    let certificate = try OwnCertificate(for: "IP:127.0.0.1")
    defer { certificate.remove() }
    let server = try WebServer(identity: certificate.identity) { request in
      HTTPResponse(status: 200, type: "text/plain", body: "\(request.path) \(request.query ?? "-")")
    }
    let knowing = try Fetcher(trusting: certificate.file)
    #expect(try knowing.fetch(FetchRequest(get: server.address + "/a?b=c")).text == "/a b=c")
    let name = server.address.dropFirst("https://".count)
    let stranger = #expect(throws: FetchFailure.self) { try Fetcher().fetch(FetchRequest(get: server.address)) }
    #expect(stranger?.kind == .untrusted)
    #expect(
      stranger?.description == "the certificate of \(name) is not trusted: self-signed certificate",
      "\(String(describing: stranger))")
    let missing = #expect(throws: FetchFailure.self) {
      try Fetcher(trusting: "/nowhere/ca.pem").fetch(FetchRequest(get: server.address))
    }
    #expect(missing?.description == "there are no certificates in /nowhere/ca.pem")
  }

  @Test func `a certificate of another name is not enough`() throws {
    let certificate = try OwnCertificate(for: "DNS:other.example")
    defer { certificate.remove() }
    let server = try WebServer(identity: certificate.identity) { _ in
      HTTPResponse(status: 200, type: "text/plain", body: "secret")
    }
    let failure = #expect(throws: FetchFailure.self) {
      try Fetcher(trusting: certificate.file).fetch(FetchRequest(get: server.address))
    }
    #expect(
      failure?.kind == .untrusted && failure?.description.contains("name") == true, "\(String(describing: failure))")
  }

  @Test func `who speaks it with a server that does not, or the other way round, is told`() throws {
    let plain = try WebServer { _ in HTTPResponse(status: 200, type: "text/plain", body: "x") }
    let address = plain.address.replacing("http://", with: "https://")
    let toPlain = #expect(throws: FetchFailure.self) { try Fetcher().fetch(FetchRequest(get: address)) }
    #expect(toPlain?.kind == .untrusted, "\(String(describing: toPlain))")
    #expect(toPlain?.description.contains("does not speak our TLS: ") == true, "\(String(describing: toPlain))")

    let certificate = try OwnCertificate(for: "IP:127.0.0.1")
    defer { certificate.remove() }
    let secure = try WebServer(identity: certificate.identity) { _ in
      HTTPResponse(status: 200, type: "text/plain", body: "x")
    }
    let toSecure = #expect(throws: FetchFailure.self) {
      try Fetcher().fetch(FetchRequest(get: secure.address.replacing("https://", with: "http://")))
    }
    #expect(toSecure?.kind == .broken, "\(String(describing: toSecure))")
  }

  @Test func `a server that breaks off, or says nothing, while keys are agreed on has its time`() throws {
    let rude = try RawServer { _ in }
    defer { rude.end() }
    let broken = #expect(throws: FetchFailure.self) {
      try Fetcher().fetch(FetchRequest(get: "https://127.0.0.1:\(rude.port)/"))
    }
    #expect(broken.map { [.untrusted, .broken].contains($0.kind) } == true, "\(String(describing: broken))")
    let silent = try RawServer { $0.hearEnd() }
    defer { silent.end() }
    var request = FetchRequest(get: "https://127.0.0.1:\(silent.port)/")
    request.limits.connecting = .milliseconds(200)
    let late = #expect(throws: FetchFailure.self) { try Fetcher().fetch(request) }
    #expect(late?.kind == .timedOut)
    #expect(late?.description == "cannot reach 127.0.0.1:\(silent.port) within 200 ms")
  }
}
