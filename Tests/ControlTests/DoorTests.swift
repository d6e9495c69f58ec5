//  DoorTests.swift — the doors of a gateway over TCP, and how they become others while somebody asks.

import Control
import Crypto
import Foundation
import HTTP
import Primitives
import Sealing
import Status
import Testing

@Suite struct `The doors of a gateway` {
  private static let loopback = Endpoint(IPAddress(ipv4: 0x7f00_0001), port: 0)

  private static func remote(_ token: String, _ identity: HTTPIdentity? = nil) throws -> ControlServer.Remote {
    let hash = try #require(Array(token.utf8).withUnsafeBytes { TokenHash(SHA256.hash($0)) })
    return ControlServer.Remote(listen: [loopback], token: hash, identity: identity)
  }

  /// What somebody with this token is answered.
  private static func status(_ gateway: Standing, _ token: String, _ options: String = "", scheme: String = "http")
    -> String
  {
    shell(
      "curl --silent --max-time 20 -o /dev/null -w '%{http_code}' \(options) -H 'Authorization: Bearer \(token)' "
        + "\(scheme)://\(gateway.remote[0])/v1/status"
    ).output
  }

  @Test func `another token opens from now on, and the one of before does not, at the same port`() throws {
    let gateway = try Standing(remote: try Self.remote("one"))
    let before = gateway.remote
    #expect(Self.status(gateway, "one") == "200" && Self.status(gateway, "two") == "401")
    let wish = ControlDoors.Wish(remote: try Self.remote("two"), metrics: [])
    #expect(gateway.doors.differences(to: wish) == ["[Control]: the token is another"])
    gateway.doors.use(try gateway.doors.open(wish))
    #expect(gateway.remote == before && gateway.doors.differences(to: wish).isEmpty)
    // The old server takes what had come to it, and no more.
    for _ in 0..<20 { #expect(Self.status(gateway, "two") == "200" && Self.status(gateway, "one") == "401") }
  }

  @Test func `are others only when all of them can be opened`() throws {
    let gateway = try Standing(remote: try Self.remote("one"))
    let other = try Standing(metrics: [Self.loopback])
    let taken = ControlDoors.Wish(remote: try Self.remote("two"), metrics: [other.metrics[0]])
    let failure = #expect(throws: ControlFailure.self) {
      _ = try gateway.doors.open(taken)
    }
    #expect(failure?.description.hasPrefix("cannot listen on \(other.metrics[0]): Address already in use;") == true)
    #expect(Self.status(gateway, "one") == "200")
  }

  @Test func `come and go`() throws {
    let gateway = try Standing()
    #expect(gateway.remote.isEmpty)
    let wish = ControlDoors.Wish(remote: try Self.remote("one"), metrics: [Self.loopback])
    gateway.doors.use(try gateway.doors.open(wish))
    #expect(Self.status(gateway, "one") == "200")
    #expect(shell("curl -s http://\(gateway.metrics[0])/metrics").output.contains("hawser_up"))
    let address = gateway.remote[0]
    gateway.doors.use(try gateway.doors.open(ControlDoors.Wish(remote: nil, metrics: [])))
    // Refused as soon as the old server lets nobody in, or cut off when it ends.
    #expect(shell("curl -s --max-time 20 http://\(address)/v1/status").status != 0)
    #expect(gateway.remote.isEmpty && gateway.metrics.isEmpty)
  }

  @Test func `show a certificate, and a renewed one after that`() throws {
    let folder = try Folder()
    let names = ["first", "second"]
    let identities = try names.map { name -> HTTPIdentity in
      let own = try #require(SelfSigned(for: ["IP:127.0.0.1"]))
      try Data(own.certificate).write(to: URL(fileURLWithPath: "\(folder.path)/\(name)"))
      return HTTPIdentity(certificate: own.certificate, key: own.key)
    }
    func status(_ gateway: Standing, knowing name: String) -> String {
      Self.status(gateway, "one", "--cacert \(folder.path)/\(name)", scheme: "https")
    }
    let gateway = try Standing(remote: try Self.remote("one", identities[0]))
    #expect(status(gateway, knowing: "first") == "200" && status(gateway, knowing: "second") == "000")
    let wish = ControlDoors.Wish(remote: try Self.remote("one", identities[1]), metrics: [])
    #expect(gateway.doors.differences(to: wish) == ["[Control]: the certificate is another"])
    gateway.doors.use(try gateway.doors.open(wish))
    #expect(status(gateway, knowing: "second") == "200" && status(gateway, knowing: "first") == "000")
    let broken = HTTPIdentity(certificate: Array("hello".utf8), key: identities[1].key)
    #expect(throws: ControlFailure.self) {
      _ = try gateway.doors.open(ControlDoors.Wish(remote: try Self.remote("one", broken), metrics: []))
    }
    #expect(status(gateway, knowing: "second") == "200")
    #expect(
      shell("curl -s --max-time 20 http://\(gateway.remote[0])/v1/status").status != 0,
      "who speaks no TLS hears nothing")
  }

  @Test(.timeLimit(.minutes(1))) func `who listened with a token of before is cut off`() throws {
    let gateway = try Standing(remote: try Self.remote("one"))
    gateway.events.tell(.pathUp, "hello")
    let listener = try #require(
      popen("curl -sN -H 'Authorization: Bearer one' http://\(gateway.remote[0])/v1/events 2>&1; echo over", "r"))
    var text = ""
    var room = [CChar](repeating: 0, count: 1_024)
    while !text.contains("hello"), fgets(&room, 1_024, listener) != nil {
      text += String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    gateway.doors.use(try gateway.doors.open(ControlDoors.Wish(remote: try Self.remote("two"), metrics: [])))
    while fgets(&room, 1_024, listener) != nil {
      text += String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    pclose(listener)
    #expect(text.hasSuffix("over\n"))
  }
}
