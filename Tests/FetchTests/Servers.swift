//  Servers.swift — whom the tests ask: our own HTTPServer, and servers that do exactly what a test tells them, however
//  hostile.

import Crypto
import Foundation
import Glibc
import HTTP
import Synchronization

struct Trouble: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A socket that listens on a port of loopback which the kernel chose.
private func listener(isBlocking: Bool) throws -> (descriptor: Int32, port: UInt16) {
  let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue) | (isBlocking ? 0 : Int32(SOCK_NONBLOCK.rawValue))
  let descriptor = socket(AF_INET, kind, 0)
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let isBound = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
      bind(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: pointer), length) == 0 && listen(descriptor, 64) == 0
        && getsockname(descriptor, __SOCKADDR_ARG(__sockaddr__: pointer), &length) == 0
    }
  }
  if !isBound { throw Trouble("no socket: \(String(cString: strerror(errno)))") }
  return (descriptor, UInt16(bigEndian: address.sin_port))
}

/// Ours.
final class WebServer {
  let address: String
  private let server: HTTPServer

  init(identity: HTTPIdentity? = nil, _ handler: @escaping HTTPServer.Handler) throws {
    let socket = try listener(isBlocking: false)
    var limits = HTTPLimits()
    limits.mostBody = 1 << 20
    address = "\(identity == nil ? "http" : "https")://127.0.0.1:\(socket.port)"
    if let identity {
      server = try HTTPServer.start(
        listening: socket.descriptor, limits: limits, identity: identity, handler: handler)
      return
    }
    guard let server = HTTPServer.start(listening: socket.descriptor, limits: limits, handler: handler) else {
      throw Trouble("the server does not start")
    }
    self.server = server
  }
}

/// Runs a body for each connection, one after the other, on a thread of its own.
final class RawServer: Sendable {
  let port: UInt16
  let accepted = Atomic<Int>(0)
  private let descriptor: Int32
  private let isEnding = Atomic<Bool>(false)
  private let ended = DispatchSemaphore(value: 0)

  init(_ serve: @escaping @Sendable (Connection) -> Void) throws {
    let socket = try listener(isBlocking: true)
    (descriptor, port) = (socket.descriptor, socket.port)
    Thread.detachNewThread { [self] in
      while true {
        let client = accept(descriptor, __SOCKADDR_ARG(), nil)
        if client < 0 || isEnding.load(ordering: .acquiring) { break }
        accepted.add(1, ordering: .relaxed)
        serve(Connection(descriptor: client))
        close(client)
      }
      ended.signal()
    }
  }

  var address: String { "http://127.0.0.1:\(port)" }

  /// After the last test that asks it, so that no thread outlives its test.
  func end() {
    isEnding.store(true, ordering: .releasing)
    shutdown(descriptor, Int32(SHUT_RDWR))
    ended.wait()
    close(descriptor)
  }
}

struct Connection {
  let descriptor: Int32

  /// False when nobody is there any more.
  @discardableResult
  func say(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    return send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
  }

  /// Reads until the headers of a request have ended. False when the client has gone.
  @discardableResult
  func hearRequest() -> Bool {
    var heard = ""
    var room = [UInt8](repeating: 0, count: 4_096)
    while !heard.contains("\r\n\r\n") {
      let count = recv(descriptor, &room, room.count, 0)
      if count <= 0 { return false }
      heard += String(decoding: room[..<count], as: UTF8.self)
    }
    return true
  }

  /// Waits until the client has had enough.
  func hearEnd() {
    var room = [UInt8](repeating: 0, count: 4_096)
    while recv(descriptor, &room, room.count, 0) > 0 {}
  }
}

/// Made as for an oracle without an authority, trusted by whoever has its file.
struct OwnCertificate {
  let identity: HTTPIdentity
  let file: String
  private let folder: String

  init(for name: String) throws {
    var template = Array("/tmp/hawser-fetch.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Trouble("no folder in /tmp") }
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    file = folder + "/certificate.pem"
    guard let own = SelfSigned(for: [name]) else { throw Trouble("no certificate for \(name)") }
    try Data(own.certificate).write(to: URL(fileURLWithPath: file))
    identity = HTTPIdentity(certificate: own.certificate, key: own.key)
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }
}
