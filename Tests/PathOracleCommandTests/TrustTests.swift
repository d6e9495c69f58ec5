import Foundation
import Glibc
import HTTP
import Synchronization
import Testing

@Suite struct `Whom path-oracle trusts, and with what` {
  /// An ALTO server's directory may lead anywhere; the token stays with the server that the user named.
  @Test func `a token goes to the server that was named and to no other`() throws {
    let near = Witness()
    let far = Witness()
    let map = #"{"network-map":{"a":{"ipv4":["10.1.0.0/16"]},"b":{"ipv4":["10.2.0.0/16"]}}}"#
    let there = try near.tells { _ in ("application/alto-networkmap+json", map) }
    let elsewhere = try far.tells { _ in
      ("application/alto-costmap+json", #"{"cost-map":{"a":{"b":7000}}}"#)
    }
    let directory = #"""
      {"meta":{"cost-types":{"d":{"cost-metric":"delay-ow","cost-mode":"numerical"}}},"resources":{
       "m":{"uri":"map","media-type":"application/alto-networkmap+json"},
       "c":{"uri":"http://127.0.0.1:\#(elsewhere.port)/c","media-type":"application/alto-costmap+json",
            "capabilities":{"cost-type-names":["d"]},"uses":["m"]}}}
      """#
    near.set { $0 == "/" ? ("application/alto-directory+json", directory) : ("application/alto-networkmap+json", map) }
    Files.with("a-secret-token\n") { file in
      let answer = PathOracle.run([
        "query", "--from", "a", "--to", "10.2.3.4", "-k", "1", "--token-file", file, "--alto",
        "http://127.0.0.1:\(there.port)/",
      ])
      #expect(answer.code == 0 && answer.output.contains("7 ms"), "\(answer)")
    }
    #expect(near.heard == ["/ Bearer a-secret-token", "/map Bearer a-secret-token"])
    #expect(far.heard == ["/c nothing"])
  }

  @Test func `an oracle with a certificate of its own is trusted when it is named, and else not`() throws {
    let oracle = try RunningOracle(isSecure: true)
    try oracle.reportAll()
    let words = ["query", "--from", "branch", "--to", "hq", "--oracle", oracle.address]
    let stranger = PathOracle.run(words)
    #expect(stranger.code == 2 && stranger.complaint.contains("not trusted"), "\(stranger)")
    let known = PathOracle.run(words + ["--trust", oracle.folder + "/certificate.pem"])
    #expect(known.code == 0 && known.output.contains("west"), "\(known)")
    let missing = PathOracle.run(words + ["--trust", "/nonexistent.pem"])
    #expect(missing.code == 2 && missing.complaint.contains("/nonexistent.pem"), "\(missing)")
  }
}

/// A server that tells who asked for what, and what he showed.
private final class Witness: Sendable {
  typealias Page = @Sendable (_ path: String) -> (type: String, body: String)

  struct Place: ~Copyable {
    let port: UInt16
    let server: HTTPServer
  }

  private let page = Mutex<Page>({ _ in ("text/plain", "") })
  private let requests = Mutex<[String]>([])

  var heard: [String] { requests.withLock { $0 } }

  func set(_ page: @escaping Page) { self.page.withLock { $0 = page } }

  func tells(_ page: @escaping Page) throws -> Place {
    set(page)
    let (descriptor, port) = try RunningOracle.listener()
    let server = HTTPServer.start(listening: descriptor) { [self] request in
      requests.withLock { $0.append("\(request.path) \(request.authorization ?? "nothing")") }
      let (type, body) = self.page.withLock { $0 }(request.path)
      return HTTPResponse(status: 200, type: type, body: body)
    }
    guard let server else { throw Trouble("the server does not start") }
    return Place(port: port, server: server)
  }
}
