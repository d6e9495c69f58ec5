//  NAT.swift — who may not be seen from outside: sites, and what is behind a nat.
//
//  Two things hide addresses here. A *site* (hosts behind a gateway, router or nat) has addresses that no line knows;
//  its hosts reach the lines as somebody behind a home router does, with the address of the node that connects them.
//  And a *nat* node hides its lines: the first link in the file is its outside, all its other links and hosts are
//  inside.
//
//      alice 10.0.0.2 ── branch ══ fibre ══ hq            leaves by fibre with branch's address 172.16.0.1
//      phone ── lan ── home(nat) ── isp ── …               `isp` is home's first link: leaves with home's outer address
//
//  From outside, nobody opens a connection to the inside, and a gateway passes nothing from one line to another: two
//  sites reach each other through the bond or not at all. What the bond brings comes out of an interface of its own
//  and is not touched by any of this.
//
//  A node that hides nobody gets no rules and so no connection tracking, which costs each packet time.

import Netlink
import Primitives
import Topology

struct Ruleset {
  /// nft's language; nil when the node needs no rules.
  let text: String?

  init(_ topology: Topology, _ addresses: AddressPlan, node: Int) {
    let links = Ruleset.set(topology.links(at: node).map { topology.links[$0].name })
    let hosts = Ruleset.set(topology.hosts(behind: node).map { topology.nodes[$0].name })
    let isNew = "ct state != { established, related }"
    var forward: [String] = []
    var postrouting: [String] = []

    if let links, topology.nodes[node].kind == .gateway { forward.append("iifname \(links) oifname \(links) drop") }
    if let links, let hosts {
      let site = addresses.site(of: node)
      forward.append("iifname \(links) oifname \(hosts) \(isNew) drop")
      postrouting.append("ip saddr \(IPPrefix(site.ipv4)) oifname \(links) masquerade")
      postrouting.append("ip6 saddr \(IPPrefix(site.ipv6)) oifname \(links) masquerade")
    }
    if let uplink = topology.uplink(ofNAT: node), let outside = Ruleset.set([topology.links[uplink].name]) {
      forward.append("iifname \(outside) \(isNew) drop")
      postrouting.append("oifname \(outside) masquerade")
    }
    // A chain alone switches connection tracking on: none without rules.
    let chains = [
      Ruleset.chain("forward", "type filter hook forward priority filter", forward),
      Ruleset.chain("postrouting", "type nat hook postrouting priority srcnat", postrouting),
    ]
    text = chains == ["", ""] ? nil : "table inet netlab {\n\(chains.joined())}\n"
  }

  private static func chain(_ name: String, _ hook: String, _ rules: [String]) -> String {
    if rules.isEmpty { return "" }
    return "  chain \(name) {\n    \(hook); policy accept;\n    \(rules.joined(separator: "\n    "))\n  }\n"
  }

  /// The interfaces with these names, as a set; nil when there is none.
  private static func set(_ names: [String]) -> String? {
    if names.isEmpty { return nil }
    return "{ " + names.map { "\"\(AddressPlan.interfaceName($0))\"" }.joined(separator: ", ") + " }"
  }

  /// Loads the rules into the namespace.
  func load(into namespace: Namespace) throws(LabError) {
    if let text { try Ruleset.run(text, in: namespace) }
  }

  /// Takes the rules away again; `load` brings them back.
  func unload(from namespace: Namespace) throws(LabError) {
    if text != nil { try Ruleset.run("delete table inet netlab\n", in: namespace) }
  }

  private static func run(_ commands: String, in namespace: Namespace) throws(LabError) {
    do throws(NetlinkError) {
      try PacketFilter.run(commands, in: namespace.descriptor)
    } catch {
      throw .network(namespace.name, error)
    }
  }
}
