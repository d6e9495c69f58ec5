//  PrivacyTests.swift — what somebody on the line can read.

import Foundation
import Glibc
import Lab
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `Somebody on the line` {
  @Test func `reads no byte of what is carried, no inner address, no key`() throws {
    let sites = try TwoSites([.ipv4, .ipv6])
    var captures: [ChildProcess] = []
    for line in 0...1 {
      let file = "\(sites.folder.path)/line\(line).pcap"
      let capture = try sites.spawn(
        .right, ["tcpdump", "-Z", "root", "-U", "--immediate-mode", "-s", "0", "-i", "line\(line)", "-w", file])
      #expect(eventually(.seconds(10)) { access(file, R_OK) == 0 })
      captures.append(capture)
    }
    pause(.milliseconds(300))
    // A handshake is among what he sees.
    try sites.kill(.left)
    try sites.start(.left)
    let marker = Array("what nobody but bob may read, 0123456789".utf8)
    let receiver = try HostSocket(.ipv4, SOCK_DGRAM, in: sites.namespace(of: .bob), patience: .seconds(5))
    try receiver.bind(TwoSites.bob, port: 9)
    let sender = try HostSocket(.ipv4, SOCK_DGRAM, in: sites.namespace(of: .alice))
    try sender.connect(TwoSites.bob, port: 9)
    #expect(try eventually(.seconds(10)) { try sites.pings(.alice, TwoSites.bob) })
    for count in 1...40 {
      #expect(sender.send(Array(repeating: marker, count: count).flatMap { $0 }) == 0)
      #expect(receiver.receive()?.count == count * marker.count)
    }
    pause(.milliseconds(300))
    for capture in captures {
      capture.send(signal: SIGINT)
      #expect(capture.wait(atMost: .seconds(10)) != nil)
    }
    var seen: [UInt8] = []
    for line in 0...1 { seen += Array(try Data(contentsOf: URL(filePath: "\(sites.folder.path)/line\(line).pcap"))) }
    #expect(seen.count > 40 * 20 * marker.count, "the capture has too little: \(seen.count) bytes")
    var secrets = [("the text", marker)]
    for (name, address) in [("alice", [10, 1, 0, 2] as [UInt8]), ("bob", [10, 2, 0, 2])] {
      // Both addresses as they stand in a header: one alone is four bytes, which may well come by chance.
      let other: [UInt8] = name == "alice" ? [10, 2, 0, 2] : [10, 1, 0, 2]
      secrets.append(("\(name)'s packets", address + other))
    }
    for side in [TwoSites.Host.left, .right] {
      for key in try sites.keys(of: side) { secrets.append(("a key of \(side)", key)) }
    }
    for (name, secret) in secrets { #expect(!contains(seen, secret), "\(name) is on the line") }
    // What is looked for would be found: the line's own addresses are there.
    #expect(contains(seen, [172, 16, 0, 1, 172, 16, 0, 2]))
  }

  private func contains(_ text: [UInt8], _ word: [UInt8]) -> Bool { memmem(text, text.count, word, word.count) != nil }
}
