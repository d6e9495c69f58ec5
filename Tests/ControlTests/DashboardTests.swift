//  DashboardTests.swift — the page of a gateway, in a browser.

import Control
import Crypto
import Foundation
import Primitives
import Sealing
import Status
import Testing

private let checkout = (#filePath as NSString).pathComponents.dropLast(3).joined(separator: "/")
  .replacingOccurrences(of: "//", with: "/")
private let hasBrowser =
  shell("command -v chromium || command -v chromium-browser").status == 0
  && shell("/usr/bin/python3 -c 'import websocket'").status == 0

@Suite struct `The page of a gateway` {
  private static let token = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="

  private static func standing() throws -> Standing {
    let hash = try #require(Array(token.utf8).withUnsafeBytes { TokenHash(SHA256.hash($0)) })
    let gateway = try Standing(
      remote: ControlServer.Remote(
        listen: [Endpoint(IPAddress(ipv4: 0x7f00_0001), port: 0)], token: hash, identity: nil))
    gateway.events.tell(.pathUp, peer: "hq", path: "lte", "peer hq: lte is up")
    return gateway
  }

  @Test func `is one file that asks nobody else, and tells nothing to who shows no token`() throws {
    let gateway = try Self.standing()
    let answer = shell("curl -s -D - http://\(gateway.remote[0])/").output
    #expect(answer.hasPrefix("HTTP/1.1 200") && answer.contains("Content-Type: text/html; charset=utf-8"))
    #expect(answer.contains("Content-Security-Policy: default-src 'none';"))
    let page = answer.components(separatedBy: "\r\n\r\n").dropFirst().joined()
    for outside in ["http://", "https://", "src=", "@import", "url("] { #expect(!page.contains(outside), "\(outside)") }
    for secret in ["hawser0", "hq", "fibre", Self.token] { #expect(!page.contains(secret), "\(secret)") }
    #expect(!page.contains("innerHTML") && !page.contains("eval("), "what comes from a gateway is text")
  }

  @Test(
    .enabled(if: hasBrowser, "needs Debian's chromium and python3-websocket"), .timeLimit(.minutes(3)),
    arguments: [1_200, 390])
  func `shows in a browser what the API says, on a desk and on a phone`(width: Int) throws {
    let gateway = try Self.standing()
    let answer = shell(
      "\(checkout)/scripts/look-at-page http://\(gateway.remote[0]) \(Self.token) /dev/null \(width)")
    #expect(answer.status == 0, "\(answer.output)")
  }
}
