//  PageTests.swift — the page of a gateway that carries traffic, in a browser in the gateway's own network.

import FoundationEssentials
import Glibc
import Primitives
import Testing
import Topology

@testable import Lab

private let hasBrowser: Bool = {
  let wanted = [
    ["sh", "-c", "command -v chromium || command -v chromium-browser"], ["/usr/bin/python3", "-c", "import websocket"],
  ]
  return wanted.allSatisfy { (try? ChildProcess.spawn($0))?.wait()?.isSuccess == true }
}()

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `The page of a gateway under load` {
  private static let token = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="

  @Test(
    .enabled(if: hasBrowser, "needs Debian's chromium and python3-websocket"), .timeLimit(.minutes(5)),
    arguments: [(1_200, "light"), (390, "dark")])
  func `says what the API says, asks nobody else, and is read by day and by night`(width: Int, scheme: String) throws {
    let topology = try Lab.topology(
      """
      node branch gateway
      node hq gateway
      node alice host behind branch
      node bob host behind hq
      link fibre branch -- hq rate 100mbit delay 5ms
      link lte branch -- hq rate 40mbit delay 15ms jitter 1ms
      link dsl branch -- hq rate 15mbit delay 12ms
      """)
    let lab = Lab(topology: topology)
    defer { lab.down() }
    #expect(try Laboratory.up(topology, source: "test.topo", options: .bonded) == .built)
    let gateway = try lab.restart("branch", with: "[Control]\nListen = 127.0.0.1:8470\nToken = \(Self.token)\n")

    #expect(try lab.run("bob", ["iperf3", "-s", "-D"]).status.isSuccess)
    let download = try Laboratory.spawn(
      ["iperf3", "-c", "10.1.0.2", "-R", "-t", "120", "--connect-timeout", "5000"], at: "alice", of: lab.name)
    let checkout = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    let look = [
      "\(checkout)/scripts/look-at-page", "http://127.0.0.1:8470", Self.token, "/dev/null", "\(width)", scheme,
    ]
    let page = try Laboratory.spawn(look, at: "branch", of: lab.name).collect(atMost: .seconds(120))
    #expect(page.status?.isSuccess == true, "\(page.text)\(page.errorText)")
    #expect(download.isRunning && gateway.isRunning, "nothing was carried any more")
    download.kill()
  }
}

extension Lab {
  /// A gateway of a topology that is up begins anew with a drop-in beside its file; returns when a ping gets through.
  fileprivate func restart(_ node: String, with dropIn: String) throws -> ChildProcess {
    let files = LabState(name)
    let gateway = try #require(Gateways.running(topology, files).first { topology.nodes[$0.node].name == node })
    let file = files.gatewayFile(of: topology.nodes[gateway.node])
    mkdir(file + ".d", 0o700)
    try SmallFile.write(Array(dropIn.utf8), to: file + ".d/test.conf", permissions: 0o600)
    gateway.process.send(signal: SIGTERM)
    #expect(gateway.process.wait(atMost: .seconds(10)) != nil)
    var options = ChildProcess.Options()
    options.errorOutput = .file(files.gatewayLog(of: topology.nodes[gateway.node]))
    let program = try Gateways.program(beside: BuiltProgram.netlab)
    let again = try Laboratory.spawn([program, "gateway", "--config", file], at: node, of: name, options: options)
    let isBack = try eventually(within: .seconds(20)) { try pings("alice", "10.1.0.2") }
    let log = try SmallFile.readText(files.gatewayLog(of: topology.nodes[gateway.node]))
    #expect(isBack, "\(log)")
    return again
  }
}
