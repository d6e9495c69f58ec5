//  FirewallRules.swift — the packet filter of this network, as far as it can be seen, and what it means for a gateway.

import JSON
import Netlink
import POSIX
import Primitives

struct FirewallRules: Equatable {
  /// nil: they could not be read.
  var rules: Firewall?
  var obstacle = ""
  /// Rules of the older kind, which only their own program shows, are loaded beside them.
  var hasLegacyRules = false

  /// A large site's rules have a megabyte; what is more would take longer than anybody waits for.
  private static let mostBytes = 32 << 20

  static func observe() -> FirewallRules {
    var observed = FirewallRules()
    let tables = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"].compactMap { contents(of: $0) }
    observed.hasLegacyRules = tables.contains { $0.split(separator: "\n").contains("filter") }
    do throws(NetlinkError) {
      let listing = try PacketFilter.listing()
      var limits = JSONLimits()
      limits.bytes = mostBytes
      limits.values = 4 << 20
      do throws(JSONError) {
        observed.rules = Firewall(try JSONValue(reading: listing, limits: limits))
      } catch {
        observed.obstacle = "\(error)"
      }
    } catch {
      observed.obstacle = error.explanation ?? described(error.errno)
    }
    return observed
  }

  // MARK: A machine

  /// Without a site: whoever asks is answered, and whoever calls a gateway reaches it.
  var diagnosis: Diagnosis {
    guard let rules else { return unseen }
    let answer = Firewall.Packet(interface: "", isAnswer: true)
    if let bad = finding(rules, answer, "answers to what a gateway asks", rule: "ct state established,related accept") {
      return bad
    }
    let call = Firewall.Packet(interface: "", localPort: FirewallRules.usualPort)
    if case .dropped(let place, let reason) = rules.outcome(of: call) {
      return .fine(
        "firewall",
        "answers come in; whoever calls first does not (chain \(place): \(reason)): a gateway with a ListenPort wants "
          + "nft insert rule \(place) udp dport PORT accept")
    }
    return legacy ?? .fine("firewall", "UDP comes in and goes out")
  }

  /// What the samples and the quick start have.
  static let usualPort: UInt16 = 51_820

  // MARK: A path

  /// `isCalled`: somebody calls here first. `remotes`: whom it talks to; any where nobody is known.
  func diagnosis(of path: Site.Path, remotes: [IPAddress], isCalled: Bool) -> Diagnosis {
    guard let rules else { return unseen.about(path.name) }
    let peers: [IPAddress?] = remotes.isEmpty ? [nil] : remotes
    for remote in peers {
      var packet = Firewall.Packet(interface: path.interface, isAnswer: true)
      packet.family = remote?.family ?? .ipv4
      packet.remote = remote
      packet.localPort = path.port
      let from = remote.map { " from \($0)" } ?? ""
      let port = path.port.map { "udp dport \($0) accept" } ?? "ct state established,related accept"
      if let bad = finding(rules, packet, "answers\(from)", rule: port) { return bad.about(path.name) }
      if isCalled, path.port != nil {
        packet.isAnswer = false
        if let bad = finding(rules, packet, "calls\(from) to UDP port \(path.port ?? 0)", rule: port) {
          return bad.about(path.name)
        }
      }
      packet.isAnswer = false
      packet.isIncoming = false
      let out = path.port.map { "udp sport \($0) accept" } ?? "oifname \"\(path.interface)\" meta l4proto udp accept"
      let to = remote.map { " to \($0)" } ?? ""
      if let bad = finding(rules, packet, "what is sent\(to)", rule: out) { return bad.about(path.name) }
    }
    let who =
      isCalled && path.port != nil ? "calls to UDP port \(path.port ?? 0) and answers come in" : "answers come in"
    return (legacy ?? .fine("firewall", who)).about(path.name)
  }

  private func finding(_ rules: Firewall, _ packet: Firewall.Packet, _ what: String, rule: String) -> Diagnosis? {
    switch rules.outcome(of: packet) {
    case .passes: return nil
    case .dropped(let place, let reason):
      return .failure(
        "firewall", "chain \(place) drops \(what): \(reason)",
        remedy: "nft insert rule \(place) \(rule); and write it into /etc/nftables.conf, or it is gone after a restart")
    case .unclear(let place):
      return .warning(
        "firewall", "chain \(place) may drop \(what): that depends on rules that cannot be judged from here",
        remedy: "look with nft list ruleset; to be sure, nft insert rule \(place) \(rule)")
    }
  }

  private var unseen: Diagnosis {
    .warning(
      "firewall", "the packet filter's rules cannot be seen: \(obstacle)",
      remedy: "run this as root; a gateway runs all the same, and what it does not hear nobody sees")
  }

  private var legacy: Diagnosis? {
    if !hasLegacyRules { return nil }
    return .warning(
      "firewall", "there are rules of iptables-legacy, which cannot be seen from here",
      remedy: "look with iptables-legacy -S INPUT and ip6tables-legacy -S INPUT whether UDP comes in")
  }
}
