//  LiveTests.swift — the file changes and the cables do, while a pulse goes from alice to bob and back.

import Foundation
import Glibc
import Lab
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `A gateway whose file changes` {
  @Test(arguments: [UInt64(1)]) func `follows it, or says why not, and nothing is lost`(seed: UInt64) throws {
    let sites = try TwoSites([.ipv4, .ipv4, .ipv4])
    let base = try #require(sides(sites))
    var random = SeededRandom(seed: seed)
    let pulse = try Pulse(sites, every: .milliseconds(5))
    pause(.milliseconds(500))
    var (applied, refused) = (0, 0)
    var memory: Int?
    for round in 0..<10 {
      let isBad = round % 3 == 2
      try sites.rewrite(.left, isBad ? Self.bad(base, &random) : Self.good(base, &random, round))
      let answer = try sites.reload(.left)
      #expect(answer.isSuccess != isBad, "seed \(seed), round \(round): \(answer.text)")
      if answer.isSuccess { applied += 1 } else { refused += 1 }
      pause(.milliseconds(Int64(50 + random.below(300))))
      // Everything that a change may need was needed once.
      if round == 5 { memory = sites.memory(of: .left) }
    }
    try sites.rewrite(.left, base)
    #expect(try sites.reload(.left).isSuccess)
    pause(.milliseconds(1_500))
    let lost = pulse.end().filter { $0.returned == nil }.count
    let grown = zip(memory, sites.memory(of: .left)).map { $1 - $0 }
    #expect(lost == 0, "seed \(seed): \(lost) were lost over \(applied) changes and \(refused) refusals")
    // Places that were never used before bring their buffers.
    #expect(try #require(grown) < 8 << 20, "it has \(grown ?? 0) bytes more than half-way")
  }

  @Test func `follows it after SIGHUP, addresses and routes too, and keeps its interface`() throws {
    let sites = try TwoSites([.ipv4])
    let base = try #require(sides(sites))
    let before = try sites.run(.left, ["cat", "/sys/class/net/hawser0/ifindex"]).text
    try sites.rewrite(
      .left,
      base.replacingOccurrences(of: "fd09::1/126", with: "fd09::1/126, 10.77.0.1/24\nMTU = 1400")
        .replacingOccurrences(of: "fd02::/16", with: "fd02::/16, 10.88.0.0/16"))
    sites.sides[.left]?.process?.send(signal: SIGHUP)
    #expect(
      try eventually(.seconds(5)) { try sites.run(.left, ["ip", "route"]).text.contains("10.88.0.0/16 dev hawser0") })
    let shown = try sites.run(.left, ["ip", "address", "show", "hawser0"]).text
    #expect(shown.contains("10.77.0.1/24") && shown.contains("mtu 1400"), "\(shown)")
    try sites.rewrite(.left, base)
    #expect(try sites.reload(.left).isSuccess)
    let after = try sites.run(.left, ["ip", "address", "show", "hawser0"]).text
    #expect(!after.contains("10.77.0.1/24") && after.contains("mtu 1500"), "\(after)")
    #expect(try !sites.run(.left, ["ip", "route"]).text.contains("10.88.0.0/16"))
    #expect(try sites.run(.left, ["cat", "/sys/class/net/hawser0/ifindex"]).text == before)
  }

  @Test func `listens elsewhere and with another token, without a restart`() throws {
    let sites = try TwoSites([.ipv4])
    let base = try #require(sides(sites))
    let tokens = ["A", "B"].map { String(repeating: $0, count: 42) + "A=" }
    func ask(_ token: String, _ page: String = "8470/v1/status") throws -> String {
      let words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Authorization: Bearer \(token)"]
      return try sites.run(.left, words + ["http://127.0.0.1:\(page)"]).text
    }
    func reload(_ token: String, metrics: Int) throws -> String {
      try sites.rewrite(
        .left,
        base.replacingOccurrences(of: "[Control]\n", with: "[Control]\nListen = 127.0.0.1:8470\nToken = \(token)\n")
          + "[Metrics]\nListen = 127.0.0.1:\(metrics)\n")
      let answer = try sites.reload(.left)
      #expect(answer.isSuccess, "\(answer.text)")
      return answer.text
    }
    let pulse = try Pulse(sites, every: .milliseconds(5))
    let first = try reload(tokens[0], metrics: 9_470)
    #expect(first.contains("[Control]: Listen is 127.0.0.1:8470 now, it was nothing"), "\(first)")
    #expect(try ask(tokens[0]) == "200" && ask(tokens[1]) == "401" && ask("", "9470/metrics") == "200")
    let second = try reload(tokens[1], metrics: 9_471)
    #expect(second.contains("[Control]: the token is another"), "\(second)")
    #expect(!tokens.contains { second.contains($0) })
    #expect(try ask(tokens[0]) == "401" && ask(tokens[1]) == "200" && ask("", "9471/metrics") == "200")
    #expect(sites.log(.left).contains("control: 127.0.0.1 shows a wrong token"))
    #expect(pulse.end().allSatisfy { $0.returned != nil })
  }

  @Test func `is told what needs a restart, and keeps all as it was`() throws {
    let sites = try TwoSites([.ipv4])
    let base = try #require(sides(sites))
    try sites.rewrite(.left, base.replacingOccurrences(of: "Interface = hawser0", with: "Interface = hawser7"))
    let answer = try sites.reload(.left)
    #expect(!answer.isSuccess && answer.text.contains("needs a restart"), "\(answer.text)")
    #expect(try sites.pings(.alice, TwoSites.bob))
  }

  private func sides(_ sites: TwoSites) -> String? { sites.sides[.left]?.configuration }

  private static func good(_ base: String, _ random: inout SeededRandom, _ round: Int) -> String {
    switch random.below(7) {
    case 0: return base.replacingOccurrences(of: "Interface = line1", with: "Interface = line1\nTier = backup")
    case 1: return base.replacingOccurrences(of: "[Path \"line2\"]\nInterface = line2\n", with: "")
    case 2: return base + "[Rule \"r\(round)\"]\nProtocol = icmp\nStack = single line0\n"
    case 3:
      return base.replacingOccurrences(
        of: "Interface = line0", with: "Interface = line0\nWeight = 7\nCost = 0.02 per GB")
        + "[Class \"extra\(round)\"]\nTreatment = realtime\nRedundancy = copies\n"
    case 4: return base.replacingOccurrences(of: "[Path \"line2\"]", with: "[Path \"other\(round)\"]")
    case 5:
      let key = Data((0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) | 1 }).base64EncodedString()
      return base + "[Peer \"ghost\(round)\"]\nPublicKey = \(key)\nAllowedIPs = 10.200.\(round % 200).0/24\n"
    default: return base.replacingOccurrences(of: "Interface = line2", with: "Interface = line2\nLimit = 800mbit")
    }
  }

  private static func bad(_ base: String, _ random: inout SeededRandom) -> String {
    switch random.below(4) {
    case 0: return base + "Colour = blue\n"
    case 1: return base.replacingOccurrences(of: "Interface = line1", with: "Interface = line1\nTier = frist")
    case 2: return base + "[Rule \"x\"]\nStack = single nowhere\n"
    default: return base.replacingOccurrences(of: "ListenPort = ", with: "ListenPort = 9")
    }
  }
}

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `A gateway whose interfaces come and go` {
  @Test func `has each path back soon, and the bond does not stand still`() throws {
    let sites = try TwoSites([.ipv4, .ipv4])
    let pulse = try Pulse(sites, every: .milliseconds(5))
    pause(.milliseconds(500))
    var back: [Interval] = []
    for round in 0..<6 {
      let line = round % 2
      switch round / 2 % 3 {
      case 0:
        try sites.shell(.left, "ip link delete line\(line)")
        try waitFor("down", line, in: sites)
        back.append(
          try time {
            try sites.connect(line: line)
          } until: {
            try state(of: line, in: sites) == "up"
          })
      case 1:
        try sites.shell(.left, "ip link set line\(line) down")
        try waitFor("down", line, in: sites)
        back.append(
          try time {
            try sites.shell(.left, "ip link set line\(line) up")
          } until: {
            try state(of: line, in: sites) == "up"
          })
      default:
        try sites.shell(
          .left,
          """
          new=11
          if ip -4 address show line\(line) | grep -q '\\.11/'; then new=1; fi
          ip -4 address flush dev line\(line)
          ip address add 172.16.\(line).$new/24 dev line\(line)
          """)
        pause(.milliseconds(300))
        #expect(try eventually(.seconds(2)) { try state(of: line, in: sites) == "up" })
      }
      pause(.milliseconds(300))
    }
    let beats = pulse.end()
    let returned = beats.compactMap(\.returned)
    let gap = zip(returned, returned.dropFirst()).map { $1 - $0 }.max() ?? .zero
    #expect(returned.count > 100 && gap < .seconds(2), "it stood still for \(gap)")
    #expect(back.allSatisfy { $0 < .seconds(2) }, "\(back)")
  }

  @Test func `starts without an interface, waits for it, and uses it`() throws {
    let sites = try TwoSites([.ipv4, .ipv4])
    try sites.kill(.left)
    try sites.shell(.left, "ip link delete line1")
    try sites.start(.left)
    #expect(try eventually(.seconds(10)) { try sites.pings(.alice, TwoSites.bob) })
    #expect(sites.log(.left).contains("path line1: down, its interface line1 is gone"))
    try sites.connect(line: 1)
    #expect(try eventually(.seconds(5)) { try state(of: 1, in: sites) == "up" })
  }

  private func state(of line: Int, in sites: TwoSites) throws -> String? {
    let text = try sites.run(.left, [program, "paths", "--json", "--socket", "\(sites.folder.path)/left.sock"]).text
    guard let object = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
      let paths = object["paths"] as? [[String: Any]]
    else { return nil }
    let states = paths.filter { $0["name"] as? String == "line\(line)" }.compactMap { $0["liveness"] as? String }
    return states.contains("up") ? "up" : states.contains("down") ? "down" : states.first
  }

  private func waitFor(_ wanted: String, _ line: Int, in sites: TwoSites) throws {
    #expect(try eventually(.seconds(5)) { try state(of: line, in: sites) == wanted }, "line\(line) is not \(wanted)")
  }

  private func time(_ action: () throws -> Void, until isReached: () throws -> Bool) throws -> Interval {
    try action()
    let began = MonotonicClock.now
    #expect(try eventually(.seconds(10), isReached))
    return MonotonicClock.now - began
  }
}

/// The scripts say more, and measure; here a few rounds show that they and the gateways do what they should.
@Suite(
  .serialized, .enabled(if: isRoot, rootReason),
  .enabled(if: access("/usr/bin/python3", X_OK) == 0, "needs python3: runs scripts in it"))
struct `A gateway under scripts that shake it` {
  @Test(.timeLimit(.minutes(3))) func `has every path back, loses nothing, and leaves the machine as it was`() throws {
    let said = try script("flaps", "8")
    #expect(said.contains("lost: 0 of") && said.contains("left over: nothing"), "\(said)")
  }

  @Test(.timeLimit(.minutes(3))) func `answers each change of its file, and loses nothing`() throws {
    let said = try script("reloads", "9")
    #expect(said.contains("applied 6, refused 3") && said.contains("lost 0 of"), "\(said)")
  }

  private func script(_ name: String, _ count: String) throws -> String {
    let scripts = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/scripts"
    var options = ChildProcess.Options()
    options.environment["HAWSER_RELEASE_BIN"] = (program as NSString).deletingLastPathComponent
    let child = try ChildProcess.spawn(["\(scripts)/\(name)", count], options: options)
    let result = child.collect(atMost: .seconds(150))
    #expect(result.status?.isSuccess == true, "\(result.text)\(result.errorText)")
    return result.text
  }
}

extension TwoSites {
  /// What is in a running gateway's file from now on.
  func rewrite(_ host: Host, _ text: String) throws { _ = try folder.write("\(host).conf", text) }

  func reload(_ host: Host) throws -> (text: String, isSuccess: Bool) {
    try run(host, [program, "reload", "--socket", "\(folder.path)/\(host).sock"])
  }

  /// What it has in memory, in bytes.
  fileprivate func memory(of host: Host) -> Int? {
    guard let id = sides[host]?.process?.processID,
      let text = try? String(contentsOfFile: "/proc/\(id)/statm", encoding: .utf8)
    else { return nil }
    return text.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 4_096 }
  }
}

private func zip(_ one: Int?, _ other: Int?) -> (Int, Int)? {
  guard let one, let other else { return nil }
  return (one, other)
}
