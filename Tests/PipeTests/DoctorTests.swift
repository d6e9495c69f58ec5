//  DoctorTests.swift — `hawser doctor` between two real sites, where one thing is wrong at a time.

import Foundation
import Glibc
import Netlink
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `The doctor finds what keeps two sites apart` {
  @Test func `nothing, where all is well, with and without a file`() throws {
    let sites = try TwoSites([.ipv4, .ipv6])
    for words in [["--socket", "\(sites.folder.path)/left.sock"], ["--config", "\(sites.folder.path)/left.conf"]] {
      let seen = try eventually(.seconds(10)) { try sites.examine(.left, words).site.allSatisfy { $0.state == "ok" } }
      let answer = try sites.examine(.left, words)
      #expect(seen && answer.exitCode < 2, "\(answer)")
      for path in ["line0", "line1"] {
        let checks = answer.site.filter { $0.subject == path }.map(\.check)
        #expect(Set(checks).isSuperset(of: ["interface", "offloads", "firewall", "nat", "mtu", "peer"]), "\(answer)")
      }
      #expect(answer.about("nat", "line0")?.finding.hasPrefix("none: other hears it as 172.16.0.1:51820") == true)
    }
  }

  @Test func `a strict filter for what comes back another way`() throws {
    let sites = try TwoSites([.ipv4, .ipv4])
    let remote = TwoSites.lineAddress(0, of: .right, .ipv4)
    try sites.shell(
      .left,
      """
      sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.line0.rp_filter=1
      ip route add \(remote)/32 via \(TwoSites.lineAddress(1, of: .right, .ipv4)) dev line1
      """)
    let answer = try sites.examine(.left, sites.running)
    let found = try #require(answer.about("rp_filter", "line0"), "\(answer)")
    #expect(found.state == "fail" && found.finding.contains("from \(remote) is dropped"), "\(found)")
    #expect(answer.about("rp_filter", "line1")?.state == "ok")
    // What it says to do is done.
    let remedy = try #require(found.remedy?.split(separator: ";").first.map(String.init))
    try sites.shell(.left, remedy)
    #expect(try sites.examine(.left, sites.running).about("rp_filter", "line0")?.state == "ok")
  }

  @Test func `a packet filter that drops what it does not know`() throws {
    let sites = try TwoSites([.ipv4])
    try PacketFilter.run(
      "table inet filter {\n chain input { type filter hook input priority 0; policy drop; iif \"lo\" accept\n }\n}\n",
      in: sites.namespace(of: .left))
    let found = try #require(try sites.examine(.left, sites.running).about("firewall", "line0"))
    #expect(found.state == "fail" && found.finding.hasPrefix("chain inet filter input drops answers"), "\(found)")
    #expect(found.remedy?.hasPrefix("nft insert rule inet filter input ct state established,related accept;") == true)
    // Of the file the port is known.
    let known = try #require(
      try sites.examine(.left, ["--config", "\(sites.folder.path)/left.conf"]).about("firewall", "line0"))
    let remedy = try #require(known.remedy?.split(separator: ";").first.map(String.init))
    #expect(remedy == "nft insert rule inet filter input udp dport 51820 accept")
    try PacketFilter.run(String(remedy.dropFirst("nft ".count)), in: sites.namespace(of: .left))
    let mended = try sites.examine(.left, ["--config", "\(sites.folder.path)/left.conf"])
    #expect(mended.about("firewall", "line0")?.state == "ok", "\(mended)")
  }

  @Test func `a line that swallows large packets`() throws {
    let sites = try TwoSites([.ipv4])
    try sites.kill(.left)
    try sites.shell(.right, "ip link set line0 mtu 1280")
    try sites.start(.left)
    let isFound = try eventually(.seconds(20)) {
      try sites.examine(.left, sites.running).about("mtu", "line0")?.state == "warn"
    }
    let answer = try sites.examine(.left, sites.running)
    let found = try #require(answer.about("mtu", "line0"), "\(answer)")
    #expect(isFound && found.finding.hasPrefix("packets of 1280 bytes get through"), "\(answer)")
    #expect(found.remedy == "ip link set line0 mtu 1280")
  }

  @Test func `a peer that does not run, with and without a gateway here`() throws {
    let sites = try TwoSites([.ipv4])
    let file = ["--config", "\(sites.folder.path)/left.conf"]
    try sites.kill(.right)
    let isNoticed = try eventually(.seconds(20)) {
      let answer = try sites.examine(.left, sites.running)
      return answer.exitCode == 2 && answer.about("peer", "line0")?.state == "fail"
    }
    #expect(isNoticed)
    #expect(
      try sites.examine(.left, sites.running).about("peer", "line0")?.remedy?.contains("its gateway runs") == true)
    try sites.kill(.left)
    let refused = try sites.examine(.left, file)
    #expect(refused.about("peer", "line0")?.finding.contains("nobody listens at that port") == true, "\(refused)")
    #expect(refused.exitCode == 2)
    try sites.start(.right)
    let answered = try sites.examine(.left, file)
    #expect(answered.about("peer", "line0")?.state == "ok", "\(answered)")
    // What was asked changes nothing for the gateway that comes.
    try sites.start(.left)
    #expect(try eventually(.seconds(10)) { try sites.pings(.alice, TwoSites.bob) })
  }

  @Test func `a key that is not the peer's, and a secret that is not shared`() throws {
    let sites = try TwoSites([.ipv4])
    try sites.kill(.left)
    let secret = try sites.run(.left, [program, "genpsk"]).text.filter { !$0.isNewline }
    let other = try sites.publicKey(of: .left)
    let text = try #require(sites.sides[.left]?.configuration)
    let shared = try sites.folder.write(
      "shared.conf",
      text.replacingOccurrences(of: "[Peer \"other\"]\n", with: "[Peer \"other\"]\nPresharedKey = \(secret)\n"))
    let found = try #require(try sites.examine(.left, ["--config", shared]).about("peer", "line0"))
    #expect(found.state == "fail" && found.finding.contains("shares another secret"), "\(found)")

    // The other gateway with another key of its own is a stranger to this one, and silent to it.
    try sites.kill(.right)
    let key = try sites.run(.right, [program, "genkey"]).text.filter { !$0.isNewline }
    try sites.reconfigure(.right) { text in
      text.split(separator: "\n", omittingEmptySubsequences: false).map {
        $0.hasPrefix("PrivateKey") ? "PrivateKey = \(key)" : String($0)
      }.joined(separator: "\n")
    }
    try sites.start(.right)
    let silent = try sites.examine(.left, ["--config", "\(sites.folder.path)/left.conf"])
    let asked = try #require(silent.about("peer", "line0"), "\(silent)")
    #expect(asked.state == "fail" && asked.finding.contains("does not answer 3 questions"), "\(asked)")
    #expect(asked.remedy?.contains("each file has the other's PublicKey (ours is \(other)") == true, "\(asked)")
  }

  @Test func `a mistake in the file, and a file that others may read`() throws {
    let sites = try TwoSites([.ipv4])
    let text = try #require(sites.sides[.left]?.configuration)
    let wrong = try sites.folder.write(
      "wrong.conf", text.replacingOccurrences(of: "Interface = line0", with: "Interfase = line0"))
    let answer = try sites.examine(.left, ["--config", wrong])
    #expect(answer.exitCode == 2 && answer.site.first?.check == "configuration", "\(answer)")
    #expect(answer.site.first?.finding.contains("wrong.conf:") == true)
    #expect(answer.site.first?.remedy?.contains("hawser check-config \(wrong)") == true)
    chmod("\(sites.folder.path)/left.conf", 0o644)
    let open = try sites.examine(.left, ["--config", "\(sites.folder.path)/left.conf"])
    #expect(
      open.site.first?.finding.contains("chmod") == true || open.site.first?.finding.contains("others") == true,
      "\(open)")
  }
}

private struct Examination: CustomStringConvertible {
  struct Check: Decodable, CustomStringConvertible {
    var check: String
    var scope: String
    var subject: String?
    var state: String
    var finding: String
    var remedy: String?

    var description: String { "\(state) \(check) \(subject ?? "-"): \(finding); \(remedy ?? "-")" }
  }
  struct Answer: Decodable {
    var exit_code: Int
    var checks: [Check]
  }

  let answer: Answer
  var exitCode: Int { answer.exit_code }
  var site: [Check] { answer.checks.filter { $0.scope == "site" } }
  var description: String { site.map { "\($0)" }.joined(separator: "\n") }

  func about(_ check: String, _ subject: String) -> Check? {
    site.first { $0.check == check && $0.subject == subject }
  }
}

extension TwoSites {
  fileprivate var running: [String] { ["--socket", "\(folder.path)/left.sock"] }

  fileprivate func examine(_ host: Host, _ words: [String]) throws -> Examination {
    let text = try run(host, [program, "doctor", "--json"] + words).text
    let answer = try #require(
      try? JSONDecoder().decode(Examination.Answer.self, from: Data(text.utf8)), "no answer: \(text)")
    return Examination(answer: answer)
  }
}
