//  Hosts.swift — oracles that really listen, on ports of the loopback that the kernel chose, and who asks them.

import Configuration
import Crypto
import Fetch
import Foundation
import Glibc
import HTTP
import JSON
@testable import OracleHost
import Primitives
import Sealing
import Synchronization

struct Trouble: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Gone with the test.
final class Folder {
  let path: String

  init() throws {
    var template = Array("/tmp/hawser-oracle.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Trouble("no folder in /tmp") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ text: String, mode: mode_t = 0o600) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + name))
    chmod(path + "/" + name, mode)
  }
}

func hash(_ token: String) -> TokenHash {
  let digest = Array(token.utf8).withUnsafeBytes { SHA256.hash($0) }
  guard let hash = TokenHash(digest) else { preconditionFailure("32 bytes") }
  return hash
}

/// Lines of a log.
final class Lines: Sendable {
  private let lines = Mutex<[String]>([])
  func add(_ line: String) { lines.withLock { $0.append(line) } }
  var all: [String] { lines.withLock { $0 } }
}

/// The token of each node is its name.
func configuration(_ gateways: [String], _ relays: [String], store: String? = nil) -> OracleConfiguration {
  var configuration = OracleConfiguration()
  configuration.listen = [Endpoint(IPAddress(ipv4: 0x7f00_0001), port: 0)]
  configuration.store = store.map { .file($0) }
  configuration.gateways = gateways.map { name in
    var node = OracleConfiguration.Node(name: name, token: .hash(hash(name)))
    node.endpoints = [.address(Endpoint(IPAddress(ipv4: 0xc000_0201), port: 51_820))]
    return node
  }
  configuration.relays = relays.map { name in
    var node = OracleConfiguration.Node(
      name: name, token: .hash(hash(name)), publicKey: PublicKey("yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="))
    node.endpoints = [.name(host: "relay.example.com", port: 51_800)]
    return node
  }
  return configuration
}

/// Somebody who asks one oracle.
struct Asker {
  let base: String
  let fetcher: Fetcher

  init(_ endpoint: Endpoint, trusting authorities: String? = nil) throws {
    base = (authorities == nil ? "http://" : "https://") + "\(endpoint)"
    fetcher = try Fetcher(trusting: authorities)
  }

  func get(_ path: String, by token: String? = nil) throws -> FetchAnswer {
    var request = FetchRequest(get: base + path)
    if let token { request.authorize(token) }
    return try fetcher.fetch(request)
  }

  func post(_ path: String, _ body: String, by token: String? = nil, type: String = "application/json") throws
    -> FetchAnswer
  {
    var request = FetchRequest(post: body, as: type, to: base + path)
    if let token { request.authorize(token) }
    return try fetcher.fetch(request)
  }

  func json(_ answer: FetchAnswer) throws -> JSONValue { try JSONValue(reading: answer.body) }

  /// A round trip of one direction, in milliseconds.
  func report(_ from: String, _ to: String, _ milliseconds: Int, by token: String) throws -> FetchAnswer {
    try post(
      "/v1/measurements",
      "{\"edges\":[{\"from\":\"\(from)\",\"to\":\"\(to)\",\"round_trip_us\":\(milliseconds * 1_000)}]}", by: token)
  }

  /// What is believed of a direction; nil when nothing is.
  func roundTrip(_ from: String, _ to: String) throws -> Int64? {
    let edges = try json(get("/v1/map"))["edges"]?.array ?? []
    let edge = edges.first { $0["from"]?.string == from && $0["to"]?.string == to }
    return edge?["round_trip_us"]?.integer
  }
}

/// Asks again and again until it is so; false when it is not within half a minute.
func becomes(_ isSo: () throws -> Bool) rethrows -> Bool {
  for _ in 0..<600 {
    if try isSo() { return true }
    var nothing = pollfd(fd: -1, events: 0, revents: 0)
    poll(&nothing, 1, 50)
  }
  return false
}
