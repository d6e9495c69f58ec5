//  NameTests.swift — a peer's name that nobody knows yet when the gateway starts.

import Foundation
import Glibc
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `A peer's name without an address` {
  @Test func `is asked again while the gateway runs, and the peer is found by it`() throws {
    let sites = try TwoSites([.ipv4])
    let hosts = try sites.folder.write("hosts", "127.0.0.1 localhost\n")
    let other = TwoSites.lineAddress(0, of: .right, .ipv4)
    // Neither knows the other's address: left must find it by the name, and right hears of left only then.
    for side in [TwoSites.Host.left, .right] {
      try sites.kill(side)
      try sites.reconfigure(side) { text in
        text.split(separator: "\n", omittingEmptySubsequences: false).compactMap { line in
          if !line.hasPrefix("Endpoint") { return String(line) }
          return side == .left ? "Endpoint = hq.test:\(TwoSites.port)" : nil
        }.joined(separator: "\n")
      }
      try sites.start(side, hosts: side == .left ? hosts : nil)
    }
    #expect(sites.log(.left).contains("Endpoint = hq.test:\(TwoSites.port): "))
    #expect(sites.log(.left).contains("it is asked again while the gateway runs"))
    #expect(try !sites.pings(.alice, TwoSites.bob))
    // In place: the gateway sees this very file.
    let file = try #require(FileHandle(forWritingAtPath: hosts))
    try file.seekToEnd()
    try file.write(contentsOf: Data("\(other) hq.test\n".utf8))
    try file.close()
    #expect(try eventually(.seconds(20)) { try sites.pings(.alice, TwoSites.bob) }, "\(sites.log(.left))")
    #expect(sites.log(.left).contains("peer other: hq.test has an address now: \(other):\(TwoSites.port)"))
    // What is set asks no name server, and the peer keeps the address that it was found by.
    _ = try sites.folder.write("hosts", "127.0.0.1 localhost\n")
    let answer = try sites.set("path line0 Weight=2")
    #expect(answer.text.hasPrefix("path line0: Weight is 2 now, it was 1\n\nThis lasts"), "\(answer.text)")
    #expect(try sites.pings(.alice, TwoSites.bob))
  }
}
