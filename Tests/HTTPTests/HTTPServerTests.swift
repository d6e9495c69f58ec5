//  HTTPServerTests.swift — bodies and streams, asked by a socket that does exactly what it is told.

import Foundation
import Glibc
import HTTP
import Primitives
import Testing

@Suite struct `A server that reads bodies` {
  @Test func `hands over the whole body, its type and where it came from`() throws {
    let server = try Standing(mostBody: 100) { request in
      let from = request.client.map { "\($0)" } ?? "nowhere"
      let text = String(decoding: request.body, as: UTF8.self)
      return HTTPResponse(status: 200, type: "text/plain", body: "\(request.type ?? "-") \(from) \(text)")
    }
    #expect(server.post("hello").hasSuffix("\r\n\r\ntext/x 127.0.0.1 hello"))
    #expect(server.post("").hasSuffix("\r\n\r\ntext/x 127.0.0.1 "))
    let most = String(repeating: "x", count: 100)
    #expect(server.post(most).hasSuffix(most))
  }

  @Test func `tells the query apart from the path, as it came`() throws {
    let server = try Standing { request in
      HTTPResponse(status: 200, type: "text/plain", body: "\(request.path)|\(request.query ?? "-")")
    }
    func page(_ address: String) -> String {
      server.ask("GET \(address) HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    }
    #expect(page("/a%20b").hasSuffix("\r\n\r\n/a b|-"))
    #expect(page("/a?").hasSuffix("\r\n\r\n/a|"))
    #expect(page("/a?b=%20c&d?e").hasSuffix("\r\n\r\n/a|b=%20c&d?e"))
    // What is refused before the handler hears of it leaves nothing behind.
    #expect(page("/" + String(repeating: "x", count: 20_000)).hasPrefix("HTTP/1.1 4"))
    #expect(page("/c?d").hasSuffix("\r\n\r\n/c|d"))
  }

  @Test func `says that one is too long, whether it was announced or came in pieces, and keeps none of it`() throws {
    let server = try Standing(mostBody: 100) { request in
      HTTPResponse(status: request.isTooLong ? 413 : 200, type: "text/plain", body: "\(request.body.count)")
    }
    let announced = server.post(String(repeating: "x", count: 101))
    #expect(announced.hasPrefix("HTTP/1.1 413") && announced.hasSuffix("\r\n\r\n0"))
    let pieces = String(repeating: "32\r\n\(String(repeating: "y", count: 50))\r\n", count: 3) + "0\r\n\r\n"
    let chunked = server.ask(
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + pieces)
    #expect(chunked.hasPrefix("HTTP/1.1 413") && chunked.hasSuffix("\r\n\r\n0"))
    #expect(server.post("fine").hasPrefix("HTTP/1.1 200"))
  }
}

@Suite struct `An answer that goes on` {
  @Test func `brings what happens later, until its end`() throws {
    let stream = HTTPStream()
    let server = try Standing { _ in
      var response = HTTPResponse(status: 200, type: "text/event-stream", body: "data: first\n\n")
      response.stream = stream
      return response
    }
    let listener = try server.open("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    defer { close(listener) }
    #expect(read(listener, until: "data: first\n\n").contains("Content-Type: text/event-stream"))
    for number in 0..<100 {
      #expect(stream.send("data: \(number)\n\n"))
      #expect(read(listener, until: "data: \(number)\n\n").contains("data: \(number)"))
    }
    stream.send("data: last\n\n")
    stream.end()
    #expect(read(listener, until: nil).contains("data: last"))
    #expect(!stream.send("nobody hears this"))
  }

  @Test func `ends when its listener has gone, and others are served meanwhile`() throws {
    let stream = HTTPStream()
    let server = try Standing { request in
      var response = HTTPResponse(status: 200, type: "text/plain", body: "hello\n")
      if request.path == "/stream" { response.stream = stream }
      return response
    }
    let listener = try server.open("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n")
    _ = read(listener, until: "hello")
    #expect(server.ask("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").hasSuffix("hello\n"))
    close(listener)
    var isOpen = true
    for _ in 0..<5_000 where isOpen {
      isOpen = stream.send("x")
      _ = poll(nil, 0, 1)
    }
    #expect(!isOpen)
  }

  @Test func `is cut off when it is not read`() throws {
    let stream = HTTPStream()
    let server = try Standing { _ in
      var response = HTTPResponse(status: 200, type: "text/plain", body: "")
      response.stream = stream
      return response
    }
    let listener = try server.open("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    defer { close(listener) }
    let much = String(repeating: "x", count: 60_000)
    var sent = 0
    while stream.send(much) && sent < 10_000 { sent += 1 }
    #expect(sent < 10_000)
  }

  @Test func `does not keep its server from stopping`() throws {
    let stream = HTTPStream()
    do {
      let server = try Standing { _ in
        var response = HTTPResponse(status: 200, type: "text/plain", body: "hello")
        response.stream = stream
        return response
      }
      let listener = try server.open("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
      _ = read(listener, until: "hello")
      close(listener)
      _ = consume server
    }
    #expect(!stream.send("x"))
  }
}

@Suite struct `A request that takes long` {
  @Test func `lets others pass, and is answered`() throws {
    let passed = DispatchSemaphore(value: 0)
    let server = try Standing(mostBody: 100, isSlow: { $0.path == "/slow" }) { request in
      let text = String(decoding: request.body, as: UTF8.self)
      // It waits until a later request was answered; without a thread of its own it would wait in vain.
      let isFine = request.path != "/slow" || passed.wait(timeout: .now() + 60) == .success
      if request.path == "/quick" { passed.signal() }
      return HTTPResponse(status: isFine ? 200 : 500, type: "text/plain", body: "\(request.method) \(text)")
    }
    let posting =
      "POST /slow HTTP/1.1\r\nHost: h\r\nContent-Type: text/x\r\nContent-Length: 5\r\n\r\nhello"
    let slow = try server.open(posting)
    defer { close(slow) }
    for _ in 0..<3 {
      #expect(server.ask("GET /quick HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").hasPrefix("HTTP/1.1 200"))
    }
    #expect(read(slow, until: "POST hello").hasPrefix("HTTP/1.1 200"))
    // The same connection, again and again.
    for _ in 0..<2 {
      #expect(send(slow, posting, posting.utf8.count, Int32(MSG_NOSIGNAL)) == posting.utf8.count)
      #expect(read(slow, until: "POST hello").hasPrefix("HTTP/1.1 200"))
    }
  }

  @Test func `may be answered by a stream`() throws {
    let stream = HTTPStream(atMost: 8 << 20)
    let server = try Standing(isSlow: { _ in true }) { _ in
      var response = HTTPResponse(status: 200, type: "text/plain", body: "hello")
      response.stream = stream
      return response
    }
    let listener = try server.open("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    defer { close(listener) }
    _ = read(listener, until: "hello")
    // A map of some megabytes comes whole, whoever reads it in pieces.
    let map = String(repeating: "0123456789abcdef", count: 200_000)
    #expect(stream.send(map) && stream.send("the end"))
    stream.end()
    let text = read(listener, until: nil)
    #expect(text.contains("the end") && text.utf8.count > map.utf8.count)
  }

  @Test func `does not keep its server from stopping, and neither do those behind it`() throws {
    let isRunning = DispatchSemaphore(value: 0)
    let mayGoOn = DispatchSemaphore(value: 0)
    var waiting: [Int32] = []
    do {
      let server = try Standing(isSlow: { _ in true }) { _ in
        isRunning.signal()
        _ = mayGoOn.wait(timeout: .now() + 60)
        return HTTPResponse(status: 200, type: "text/plain", body: "late")
      }
      for _ in 0..<5 { waiting.append(try server.open("GET / HTTP/1.1\r\nHost: h\r\n\r\n")) }
      isRunning.wait()
      for _ in 0..<5 { mayGoOn.signal() }
      _ = consume server
    }
    // Each was answered, or cut off.
    for descriptor in waiting {
      let answer = read(descriptor, until: nil)
      #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 200") || answer.hasPrefix("HTTP/1.1 503"))
      close(descriptor)
    }
  }
}

/// A server on a port of its own, until it is gone.
final class Standing {
  struct NoSocket: Error {}

  let port: UInt16
  private let server: HTTPServer

  init(
    mostBody: Int = 0, patience: UInt32 = 10, identity: HTTPIdentity? = nil, isSlow: HTTPServer.Slowness? = nil,
    _ handler: @escaping HTTPServer.Handler
  ) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
    var address = Standing.loopback(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: pointer), length) == 0 && listen(descriptor, 16) == 0
          && getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: pointer), &length) == 0
      }
    }
    var limits = HTTPLimits()
    limits.mostBody = mostBody
    limits.patience = patience
    port = UInt16(bigEndian: address.sin_port)
    if isBound, let identity {
      do throws(HTTPFailure) {
        server = try HTTPServer.start(
          listening: descriptor, limits: limits, identity: identity, isSlow: isSlow, handler: handler)
        return
      } catch {
        close(descriptor)
        throw error
      }
    }
    guard isBound,
      let server = HTTPServer.start(listening: descriptor, limits: limits, isSlow: isSlow, handler: handler)
    else {
      throw NoSocket()
    }
    self.server = server
  }

  private static func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    return address
  }

  /// A connection that has asked this, and waits for five seconds at most.
  func open(_ request: String) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var patience = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var address = Standing.loopback(port: port)
    let isThere = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        connect(
          descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: pointer), socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    let bytes = Array(request.utf8)
    guard isThere, send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
      close(descriptor)
      throw NoSocket()
    }
    return descriptor
  }

  func ask(_ request: String) -> String {
    guard let descriptor = try? open(request) else { return "" }
    defer { close(descriptor) }
    return read(descriptor, until: nil)
  }

  func post(_ body: String) -> String {
    ask(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/x\r\nContent-Length: \(body.utf8.count)\r\n"
        + "Connection: close\r\n\r\n" + body)
  }
}

/// What comes, until this is in it, the end, or nothing for too long.
private func read(_ descriptor: Int32, until mark: String?) -> String {
  var text = ""
  var room = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    if let mark, text.contains(mark) { return text }
    let count = recv(descriptor, &room, room.count, 0)
    if count <= 0 { return text }
    text += String(decoding: room[..<count], as: UTF8.self)
  }
}
