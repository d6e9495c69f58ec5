//  ConfigurationDifference.swift — what another configuration changes, in sentences for who asked for it.
//
//  What listens over TCP is compared where it is opened, since a certificate can be another under the same name
//  (ControlDoors).
//
//  A peer or a relay is who has its key, a path what has its name and its interface: so another name for the same key
//  is a renaming, and another interface under the same name is a path that goes and one that comes.

import Configuration
import Primitives
import Sealing

struct ConfigurationDifference {
  /// In the order of the file; empty: nothing is different.
  private(set) var sentences: [String] = []
  /// What cannot be changed while the gateway runs.
  private(set) var needsRestart: [String] = []
  private(set) var hasOtherKey = false
  /// The oracle, or whom it is asked about.
  private(set) var concernsOracle = false

  init(from old: GatewayConfiguration, to new: GatewayConfiguration) {
    hasOtherKey = old.privateKey != new.privateKey
    if old.interface != new.interface {
      needsRestart.append("[Gateway] Interface = \(new.interface) needs a restart; it is \(old.interface) now")
    }
    if old.controlSocket != new.controlSocket {
      needsRestart.append("[Control] Socket = \(new.controlSocket) needs a restart; it is \(old.controlSocket) now")
    }
    if hasOtherKey {
      sentences.append("this gateway has another key: the others must know it, keys of before serve until then")
    }
    note("Address", list(old.addresses), list(new.addresses))
    note("MTU", "\(old.mtu.value)", "\(new.mtu.value)")
    note("Routes", "\(old.routes)", "\(new.routes)")
    note("RekeyAfter", ConfigurationDifference.seconds(old.rekeyAfter), ConfigurationDifference.seconds(new.rekeyAfter))
    notePaths(old, new)
    notePeers(old, new)
    noteRelays(old, new)
    noteDecisions(old, new)
    concernsOracle =
      old.oracle != new.oracle || old.relays != new.relays
      || old.peers.filter { !$0.endpoints.isEmpty }.map(\.publicKey)
        != new.peers.filter { !$0.endpoints.isEmpty }.map(\.publicKey)
    if old.oracle != new.oracle {
      sentences.append(
        new.oracle == nil
          ? "no oracle is asked any more" : old.oracle == nil ? "an oracle is asked" : "the oracle is asked differently"
      )
    }
  }

  private mutating func note(_ key: String, _ old: String, _ new: String, of what: String = "[Gateway]") {
    if old != new { sentences.append("\(what): \(key) is \(new) now, it was \(old)") }
  }

  private static func seconds(_ interval: Interval) -> String { "\(interval.nanoseconds / 1_000_000_000) s" }

  private func list(_ values: [some CustomStringConvertible]) -> String {
    values.isEmpty ? "nothing" : values.map(\.description).joined(separator: ", ")
  }

  private mutating func notePaths(_ old: GatewayConfiguration, _ new: GatewayConfiguration) {
    func port(_ path: GatewayConfiguration.Path, _ all: GatewayConfiguration) -> UInt16? { path.port ?? all.listenPort }
    for path in old.paths where !new.paths.contains(where: { $0.name == path.name }) {
      sentences.append("path \(path.name): it goes")
    }
    for path in new.paths {
      guard let before = old.paths.first(where: { $0.name == path.name }) else {
        sentences.append("path \(path.name): it comes, on \(path.interface)")
        continue
      }
      let what = "path \(path.name)"
      if before.interface != path.interface || port(before, old) != port(path, new) {
        sentences.append("\(what): it goes, and comes on \(path.interface)")
      }
      note("Bind", before.bind.map { "\($0)" } ?? "open", path.bind.map { "\($0)" } ?? "open", of: what)
      note("Tier", "\(before.tier)", "\(path.tier)", of: what)
      note("Weight", "\(before.weight)", "\(path.weight)", of: what)
      note(
        "MTU", before.mtu.map { "\($0.value)" } ?? "the interface's",
        path.mtu.map { "\($0.value)" } ?? "the interface's", of: what)
      if before.budget != path.budget { sentences.append("\(what): its budget is another") }
      if before.cost != path.cost { sentences.append("\(what): its cost is another") }
      if before.limit != path.limit { sentences.append("\(what): its limit is another") }
    }
  }

  private mutating func notePeers(_ old: GatewayConfiguration, _ new: GatewayConfiguration) {
    for peer in old.peers where !new.peers.contains(where: { $0.publicKey == peer.publicKey }) {
      sentences.append("peer \(peer.name): it goes")
    }
    for peer in new.peers {
      guard let before = old.peers.first(where: { $0.publicKey == peer.publicKey }) else {
        sentences.append("peer \(peer.name): it comes")
        continue
      }
      let what = "peer \(peer.name)"
      if before.name != peer.name { sentences.append("\(what): its name was \(before.name)") }
      if before.presharedKey != peer.presharedKey { sentences.append("\(what): its preshared key is another") }
      note("Endpoint", list(before.endpoints), list(peer.endpoints), of: what)
      note("AllowedIPs", list(before.allowedIPs), list(peer.allowedIPs), of: what)
      note(
        "Keepalive", before.keepalive.map { ConfigurationDifference.seconds($0) } ?? "off",
        peer.keepalive.map { ConfigurationDifference.seconds($0) } ?? "off", of: what)
    }
  }

  private mutating func noteRelays(_ old: GatewayConfiguration, _ new: GatewayConfiguration) {
    for relay in old.relays where !new.relays.contains(where: { $0.publicKey == relay.publicKey }) {
      sentences.append("relay \(relay.name): it goes")
    }
    for relay in new.relays {
      guard let before = old.relays.first(where: { $0.publicKey == relay.publicKey }) else {
        sentences.append("relay \(relay.name): it comes")
        continue
      }
      if before != relay { sentences.append("relay \(relay.name): it is another") }
    }
  }

  private mutating func noteDecisions(_ old: GatewayConfiguration, _ new: GatewayConfiguration) {
    for one in old.classes where !new.classes.contains(where: { $0.name == one.name }) {
      sentences.append("class \(one.name): it goes")
    }
    for one in new.classes {
      guard let before = old.classes.first(where: { $0.name == one.name }) else {
        sentences.append("class \(one.name): it comes")
        continue
      }
      if before != one { sentences.append("class \(one.name): it is another") }
    }
    if old.rules != new.rules {
      sentences.append("rules: \(new.rules.count), flows are decided again at their next packet")
    }
  }
}
