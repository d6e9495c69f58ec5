//  SettingTests.swift — `hawser set` at a gateway that carries traffic, while a pulse goes from alice to bob and back.

import Foundation
import Glibc
import Lab
import Primitives
import Testing

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `A gateway that is set while it runs` {
  @Test func `follows what is set and taken back, whatever its file says meanwhile, and nothing is lost`() throws {
    let sites = try TwoSites([.ipv4, .ipv4])
    let base = try #require(sites.sides[.left]?.configuration)
    let pulse = try Pulse(sites, every: .milliseconds(5))
    pause(.milliseconds(500))
    #expect(try has("line1", "primary", sites))
    let set = try sites.set("path line1 tier=backup Weight=3")
    #expect(set.isSuccess, "\(set.text)")
    #expect(set.text.contains("path line1: Tier is backup now, it was primary\n"))
    #expect(set.text.contains("This lasts until the next reload or restart. To keep it, write to "))
    #expect(set.text.contains("/left.conf.d/90-set.conf:\n\n[Path \"line1\"]\nTier = backup\nWeight = 3\n"))
    #expect(try has("line1", "backup", sites))
    #expect(sites.log(.left).contains("set by the control socket: [Path \"line1\"] Tier = backup\n"))
    #expect(sites.log(.left).contains("set by the control socket: path line1: Tier is backup now, it was primary\n"))

    // Somebody is just editing the file: that is none of our business.
    try sites.rewrite(
      .left, base.replacingOccurrences(of: "Interface = line0", with: "Interface = line0\nTier = frist"))
    let again = try sites.set("path line1 Tier=backup")
    #expect(again.isSuccess && again.text.hasPrefix("nothing is different\n"), "\(again.text)")
    for (words, change) in [
      ("class calls Treatment=realtime Redundancy=copies", "class calls: it comes"),
      ("rule pings Protocol=icmp Class=calls", "rules: 1, flows are decided again at their next packet"),
      ("--back path line1 Weight", "path line1: Weight is 1 now, it was 3"),
    ] {
      let answer = try sites.set(words)
      #expect(answer.isSuccess && answer.text.hasPrefix(change + "\n"), "\(answer.text)")
      pause(.milliseconds(100))
    }
    #expect(
      try eventually(.seconds(5)) {
        guard try sites.pings(.alice, TwoSites.bob) else { return false }
        return try sites.run(.left, [program, "flows", "--socket", "\(sites.folder.path)/left.sock"]).text.contains(
          "calls")
      })
    let list = try sites.set("--list").text
    #expect(list.contains("[Path \"line1\"]\nTier = backup"))
    #expect(
      list.contains("[Class \"calls\"]\nTreatment = realtime") && list.contains("[Rule \"pings\"]\nProtocol = icmp"))

    // The rule needs its class.
    let refused = try sites.set("--back class calls")
    #expect(!refused.isSuccess && refused.text.hasPrefix("[Rule \"pings\"]: Class = calls: "), "\(refused.text)")
    #expect(refused.text.hasSuffix("hawser: nothing has changed\n"))
    #expect(try sites.set("--list").text.contains("[Class \"calls\"]"))
    let back = try sites.set("--back")
    #expect(back.isSuccess && back.text.contains("path line1: Tier is primary now, it was backup\n"), "\(back.text)")
    #expect(try has("line1", "primary", sites))
    #expect(try sites.set("--back").text == "nothing is different\n")
    #expect(try sites.set("--list").text == "# nothing is set: the file and its drop-ins hold\n")
    pause(.milliseconds(1_500))
    let lost = pulse.end().filter { $0.returned == nil }.count
    #expect(lost == 0, "\(lost) were lost")
  }

  @Test func `is told all that is wrong, and keeps all as it was`() throws {
    let sites = try TwoSites([.ipv4])
    #expect(try sites.set("path line0 Weight=7").isSuccess)
    for (words, sentence) in [
      ("path line0 Tier=frist", "[Path \"line0\"]: Tier = frist: expected primary, secondary, backup or never"),
      ("path spare Interface=nosuch", "[Path \"spare\"]: Interface = nosuch: this machine has no such interface"),
      ("path spare Tier=never", "[Path \"spare\"] has no Interface: expected"),
      ("rule r Stack='single lin0'", "[Rule \"r\"]: Stack = single lin0: unknown path; did you mean 'line0'?"),
      ("gateway Interface=hawser7", "[Gateway] Interface = hawser7 needs a restart; it is hawser0 now"),
      ("peer other AllowedIPs=10.9.0.1/32", "this is the gateway's own Address in line "),
    ] {
      let answer = try sites.set(words)
      #expect(!answer.isSuccess && answer.text.contains(sentence), "\(words): \(answer.text)")
      #expect(answer.text.hasSuffix("hawser: nothing has changed\n") && !answer.text.contains("hawser set:"))
    }
    let json = try sites.set("path line0 Tier=frist --json")
    let object = try #require(try JSONSerialization.jsonObject(with: Data(json.text.utf8)) as? [String: Any])
    #expect(!json.isSuccess && object["applied"] as? Bool == false)
    #expect(try sites.set("--list").text.contains("[Path \"line0\"]\nWeight = 7"))
    #expect(try sites.pings(.alice, TwoSites.bob))
  }

  @Test func `takes its file's word at a reload, and keeps what is set when that is refused`() throws {
    let sites = try TwoSites([.ipv4, .ipv4])
    let base = try #require(sites.sides[.left]?.configuration)
    #expect(try sites.set("path line1 Tier=backup").isSuccess)
    #expect(try sites.set("gateway MTU=1400").isSuccess)
    #expect(try sites.run(.left, ["ip", "link", "show", "hawser0"]).text.contains("mtu 1400"))
    try sites.rewrite(.left, base + "Colour = blue\n")
    #expect(try !sites.reload(.left).isSuccess)
    #expect(try has("line1", "backup", sites) && sites.set("--list").text.contains("MTU = 1400"))
    try sites.rewrite(.left, base)
    let reload = try sites.reload(.left)
    #expect(reload.text.contains("path line1: Tier is primary now, it was backup\n"), "\(reload.text)")
    #expect(reload.text.hasSuffix("2 settings of hawser set are gone: the file decides\n"))
    #expect(try sites.set("--list").text.hasPrefix("# nothing is set"))
    #expect(sites.log(.left).contains("reload by the control socket: 2 settings of hawser set are gone"))
    // What was written into a drop-in, as it was told, stays.
    let kept = try sites.set("path line1 Tier=never").text.components(separatedBy: ":\n\n").last
    try FileManager.default.createDirectory(
      atPath: "\(sites.folder.path)/left.conf.d", withIntermediateDirectories: true)
    _ = try sites.folder.write("left.conf.d/90-set.conf", try #require(kept))
    let second = try sites.reload(.left)
    #expect(
      second.text == "nothing is different\n1 setting of hawser set is gone: the file decides\n", "\(second.text)")
    #expect(try has("line1", "never", sites))
    let events = try sites.run(
      .left,
      [
        "curl", "-s", "-H", "Accept: application/json", "--unix-socket", "\(sites.folder.path)/left.sock",
        "http://h/v1/events",
      ]
    ).text
    #expect(events.contains("\"kind\":\"configuration\""))
    #expect(
      events.contains("set by the control socket: [Path \\\"line1\\\"] Tier = backup; path line1: Tier is backup now"))
    #expect(events.contains("reload by the control socket: refused, nothing has changed; "))
  }

  /// What is shown may be some milliseconds old.
  private func has(_ path: String, _ wanted: String, _ sites: TwoSites) throws -> Bool {
    try eventually(.seconds(5)) { try tier(of: path, sites) == wanted }
  }

  private func tier(of path: String, _ sites: TwoSites) throws -> String? {
    let text = try sites.run(.left, [program, "paths", "--json", "--socket", "\(sites.folder.path)/left.sock"]).text
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    let paths = object["paths"] as? [[String: Any]]
    return paths?.first { $0["name"] as? String == path }?["tier"] as? String
  }
}

extension TwoSites {
  /// `hawser set` at the left gateway, as a shell has it.
  func set(_ words: String) throws -> (text: String, isSuccess: Bool) {
    try run(.left, ["sh", "-c", "\(program) set \(words) --socket \(folder.path)/left.sock"])
  }
}
