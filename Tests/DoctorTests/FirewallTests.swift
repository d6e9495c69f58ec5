import JSON
import Primitives
import Testing

@testable import Doctor

/// As libnftables lists it; made from the rules of the same names by the library itself.
private func firewall(_ rules: [String], policy: String = "drop", more: String = "") throws -> Firewall {
  let written = rules.map {
    #"{"rule": {"family": "inet", "table": "filter", "chain": "input", "handle": 4, "expr": [\#($0)]}}"#
  }
  let chain =
    #"{"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input", "prio": 0, "#
    + #""policy": "\#(policy)"}}"#
  let all = [#"{"metainfo": {"json_schema_version": 1}}"#, chain] + written + (more.isEmpty ? [] : [more])
  return Firewall(try JSONValue(reading: #"{"nftables": [\#(all.joined(separator: ", "))]}"#))
}

private func match(_ left: String, _ right: String, _ op: String = "==") -> String {
  #"{"match": {"op": "\#(op)", "left": \#(left), "right": \#(right)}}"#
}

private let port = #"{"payload": {"protocol": "udp", "field": "dport"}}"#
private let state = #"{"ct": {"key": "state"}}"#
private let inputs = #"{"meta": {"key": "iifname"}}"#
private let sources = #"{"payload": {"protocol": "ip", "field": "saddr"}}"#
private let accept = #"{"accept": null}"#
private let drop = #"{"drop": null}"#
private let call = Firewall.Packet(
  interface: "eth0", remote: IPAddress(ipv4: 0xc000_0201), localPort: 51_820)
private let answer: Firewall.Packet = {
  var answer = call
  answer.isAnswer = true
  return answer
}()
private let byPolicy = Firewall.Outcome.dropped(place: "inet filter input", reason: "its policy is drop")
private let byRule = Firewall.Outcome.dropped(place: "inet filter input", reason: "a rule in it says drop")

@Suite struct `A packet filter` {
  @Test func `without rules lets everything in, and one that drops what it does not know does`() throws {
    #expect(try firewall([], policy: "accept").outcome(of: call) == .passes)
    #expect(try firewall([]).outcome(of: call) == byPolicy)
    #expect(try firewall([accept]).outcome(of: call) == .passes)
    #expect(try firewall([drop], policy: "accept").outcome(of: call) == byRule)
    #expect(Firewall(.null).outcome(of: call) == .passes, "there is no nftables at all")
  }

  @Test(arguments: [
    ("the port", match(port, "51820")), ("a list with the port", match(port, #"{"set": [53, 51820]}"#)),
    ("a range around it", match(port, #"{"range": [51000, 52000]}"#)),
    ("a set with it inside", match(port, #"{"set": [1, {"range": [51820, 51830]}]}"#)),
    ("any other", match(port, "53", "!=")), ("more than another", match(port, "1024", ">")),
    ("the protocol", match(#"{"meta": {"key": "l4proto"}}"#, #""udp""#)),
    ("its number", match(#"{"payload": {"protocol": "ip", "field": "protocol"}}"#, "17")),
    ("the interface", match(inputs, #""eth0""#)), ("all of a kind", match(inputs, #""eth*""#)),
    ("the sender", match(sources, #""192.0.2.1""#)),
    ("the sender's network", match(sources, #"{"set": ["10.0.0.1", {"prefix": {"addr": "192.0.2.0", "len": 24}}]}"#)),
    ("the sender in a range", match(sources, #"{"range": ["192.0.2.0", "192.0.2.9"]}"#)),
    ("new ones", match(state, #"{"set": ["new", "untracked"]}"#)),
    ("what it counts", #"{"counter": {"packets": 0, "bytes": 0}}, "# + match(port, "51820")),
  ])
  func `lets in what a rule accepts by`(name: String, condition: String) throws {
    #expect(try firewall([condition + ", " + accept]).outcome(of: call) == .passes, "\(name)")
    #expect(try firewall([condition + ", " + drop, accept]).outcome(of: call) == byRule, "\(name)")
  }

  @Test(arguments: [
    match(port, "53"), match(port, #"{"range": [1, 1024]}"#), match(inputs, #""wlan*""#),
    match(sources, #""198.51.100.1""#), match(state, #"["established", "related"]"#, "in"),
    match(#"{"payload": {"protocol": "tcp", "field": "dport"}}"#, "51820"),
    match(#"{"payload": {"protocol": "tcp", "field": "dport"}}"#, "22", "!="),
    match(#"{"payload": {"protocol": "ip6", "field": "saddr"}}"#, #""2001:db8::1""#),
    match(#"{"payload": {"protocol": "icmp", "field": "type"}}"#, #""echo-request""#),
    match(#"{"meta": {"key": "oifname"}}"#, #""eth0""#),
  ])
  func `does not let in what a rule accepts that is about something else`(condition: String) throws {
    #expect(try firewall([condition + ", " + accept]).outcome(of: call) == byPolicy)
  }

  @Test func `lets answers in where it lets in only those`() throws {
    let rules = [match(state, #"["established", "related"]"#, "in") + ", " + accept]
    #expect(try firewall(rules).outcome(of: answer) == .passes)
    #expect(try firewall(rules).outcome(of: call) == byPolicy)
    let map = #"""
      {"vmap": {"key": {"ct": {"key": "state"}},
       "data": {"set": [["invalid", {"drop": null}], ["established", {"accept": null}]]}}}
      """#
    #expect(try firewall([map]).outcome(of: answer) == .passes)
    #expect(try firewall([map]).outcome(of: call) == byPolicy)
  }

  @Test func `follows jumps, and comes back from a chain that decides nothing`() throws {
    let other = #"{"chain": {"family": "inet", "table": "filter", "name": "other"}}"#
    func rule(_ expression: String) -> String {
      #"{"rule": {"family": "inet", "table": "filter", "chain": "other", "expr": [\#(expression)]}}"#
    }
    let jump = #"{"jump": {"target": "other"}}"#
    let goto = #"{"goto": {"target": "other"}}"#
    let open = other + ", " + rule(match(port, "51820") + ", " + accept)
    #expect(try firewall([jump], more: open).outcome(of: call) == .passes)
    #expect(try firewall([jump, accept], more: other + ", " + rule(#"{"return": null}"#)).outcome(of: call) == .passes)
    #expect(try firewall([goto, accept], more: other).outcome(of: call) == byPolicy, "nobody comes back from a goto")
    #expect(try firewall([jump], more: other + ", " + rule(jump)).outcome(of: call) == byPolicy, "round and round")
  }

  @Test func `is called unclear where a rule may let it in of which nobody can tell`() throws {
    let unknown = match(#"{"payload": {"protocol": "ip", "field": "daddr"}}"#, #""203.0.113.1""#)
    #expect(try firewall([unknown + ", " + accept]).outcome(of: call) == .unclear(place: "inet filter input"))
    #expect(try firewall([#"{"xt": null}"#]).outcome(of: call) == .unclear(place: "inet filter input"))
    #expect(
      try firewall([match(port, #""@ports""#) + ", " + accept]).outcome(of: call)
        == .unclear(place: "inet filter input"))
    // Lists of unwanted addresses are no reason to warn of every packet.
    #expect(try firewall([unknown + ", " + drop, accept]).outcome(of: call) == .passes)
    #expect(
      try firewall([#"{"limit": {"rate": 5}}, "# + accept]).outcome(of: call) == .unclear(place: "inet filter input"))
  }

  @Test func `knows what is in its sets`() throws {
    let set =
      #"{"set": {"family": "inet", "name": "ports", "table": "filter", "#
      + #""type": "inet_service", "elem": [{"range": [51000, 52000]}, 53]}}"#
    let rule = match(port, #""@ports""#) + ", " + accept
    #expect(try firewall([rule], more: set).outcome(of: call) == .passes)
    var other = call
    other.localPort = 60_000
    #expect(try firewall([rule], more: set).outcome(of: other) == byPolicy)
  }

  @Test func `of the other family or direction is not asked`() throws {
    func chain(_ family: String, _ hook: String) throws -> Firewall {
      Firewall(
        try JSONValue(
          reading: #"{"nftables": [{"chain": {"family": "\#(family)", "table": "t", "name": "c", "type": "filter", "#
            + #""hook": "\#(hook)", "prio": 0, "policy": "drop"}}]}"#))
    }
    #expect(try chain("ip6", "input").outcome(of: call) == .passes)
    #expect(try chain("ip", "forward").outcome(of: call) == .passes)
    #expect(try chain("ip", "output").outcome(of: call) == .passes)
    #expect(try chain("ip", "prerouting").outcome(of: call) != .passes)
    var leaving = call
    leaving.isIncoming = false
    #expect(try chain("ip", "output").outcome(of: leaving) != .passes)
  }

  @Test func `becomes a finding with the line to add, by what the gateway needs`() throws {
    var rules = FirewallRules()
    let path = Site.Path(name: "fibre", interface: "eth0", port: 51_820)
    rules.rules = try firewall([match(state, #"["established", "related"]"#, "in") + ", " + accept])
    #expect(rules.diagnosis(of: path, remotes: [], isCalled: false).state == .fine)
    let called = rules.diagnosis(of: path, remotes: [], isCalled: true)
    #expect(called.state == .failure && called.subject == "fibre")
    #expect(called.remedy?.hasPrefix("nft insert rule inet filter input udp dport 51820 accept;") == true)
    #expect(rules.diagnosis.state == .fine && rules.diagnosis.finding.contains("whoever calls first does not"))

    rules.rules = try firewall([])
    #expect(rules.diagnosis.state == .failure)
    let deaf = rules.diagnosis(of: Site.Path(name: "lte", interface: "wwan0"), remotes: [], isCalled: false)
    #expect(
      deaf.remedy?.hasPrefix("nft insert rule inet filter input ct state established,related accept;") == true)

    rules.rules = nil
    rules.obstacle = "Operation not permitted"
    #expect(rules.diagnosis.state == .warning && rules.diagnosis.finding.contains("Operation not permitted"))
    rules.rules = Firewall(.null)
    #expect(rules.diagnosis == .fine("firewall", "UDP comes in and goes out"))
    rules.hasLegacyRules = true
    #expect(rules.diagnosis.remedy?.contains("iptables-legacy -S INPUT") == true)
  }
}
