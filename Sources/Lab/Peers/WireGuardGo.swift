//  WireGuardGo.swift — WireGuard's user-space implementation, as a tunnel over the best path. It knows one path only.
//
//  wireguard-go is told everything over a socket that lies in a fixed directory under the interface's name: two of
//  them on one machine with the same name would meet. Each gets a directory of its own in that place, in mounts that
//  only it sees, so nothing is left in the machine's, also after SIGKILL. `wg` is run in the same mounts.

import Glibc
import Primitives

final class WireGuardGo: Bond {
  let name = "wireguard-go"
  let interface: String? = WireGuardGo.device
  private var overflowedBefore = 0

  private static let device = "wg-bench"
  private static let port = "51820"
  /// A data packet's header and tag, UDP and IPv4, in the usual reckoning that leaves room for IPv6: 1,420 of 1,500.
  private static let overhead = 80

  func requirePrograms() throws(LabError) { try Program.require([.wireguardGo, .wg, .unshare, .nsenter]) }

  func join(_ surveyed: Surveyed, on scaffold: Scaffold) throws(LabError) -> Flow {
    overflowedBefore = try scaffold.overflowedDatagrams(at: surveyed.sites)
    let way = surveyed.best.way
    let opener = way.opener ?? surveyed.sites.first
    try scaffold.lead(over: way, from: opener)
    let directory = try scaffold.makeDirectory("wireguard")
    var ends: [TunnelEnd] = []
    for site in [surveyed.sites.first, surveyed.sites.second] {
      ends.append(TunnelEnd(site: site, in: surveyed.sites, way, ordinal: ends.count))
    }
    var daemons: [ChildProcess] = []
    for end in ends { daemons.append(try start(end, directory, on: scaffold)) }
    for (index, end) in ends.enumerated() {
      try configure(end, peer: ends[1 - index], daemons[index], directory, isFirst: end.site == opener, on: scaffold)
      try scaffold.connect(
        end, peer: ends[1 - index], through: WireGuardGo.device, mtu: way.mtu - WireGuardGo.overhead)
    }
    for (index, end) in ends.enumerated() { try waitForHandshake(end, daemons[index], on: scaffold) }
    return surveyed.flowOfUsers(name, over: way, tunnel: (ends[0].tunnelAddress, ends[1].tunnelAddress))
  }

  func notes(_ surveyed: Surveyed, _ figures: Figures, on scaffold: Scaffold) throws(LabError) -> [String] {
    let overflowed = try scaffold.overflowedDatagrams(at: surveyed.sites) - overflowedBefore
    return ["wireguard-go is one tunnel over \(surveyed.best.way.name)"]
      + (overflowed == 0 ? [] : ["wireguard-go: its socket had no room for \(overflowed) datagrams (UdpRcvbufErrors)"])
  }

  private func start(_ end: TunnelEnd, _ directory: String, on scaffold: Scaffold) throws(LabError) -> ChildProcess {
    let own = "\(directory)/\(end.name)"
    if mkdir(own, 0o700) != 0 { throw .failed("make \(own)", errno) }
    let script = """
      mkdir -p /run/wireguard && mount --bind "$1" /run/wireguard && exec wireguard-go --foreground "$2"
      """
    let log = "\(directory)/\(end.name).log"
    let daemon = try scaffold.start(
      ["unshare", "--mount", "sh", "-c", script, "sh", own, WireGuardGo.device], at: end.site, log: log,
      environment: ["WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD": "1", "LOG_LEVEL": "error"])
    let isReady = try scaffold.waitUntil(.seconds(5)) {
      !daemon.isRunning || SmallFile.exists("\(own)/\(WireGuardGo.device).sock")
    }
    if isReady && daemon.isRunning { return daemon }
    let words = (try? SmallFile.readText(log + ".errors"))?.split(separator: "\n").last.map { ": \($0)" } ?? ""
    throw .refused("wireguard-go did not start\(words)")
  }

  private func configure(
    _ end: TunnelEnd, peer: TunnelEnd, _ daemon: ChildProcess, _ directory: String, isFirst: Bool, on scaffold: Scaffold
  ) throws(LabError) {
    for name in [end.name, peer.name] where !SmallFile.exists("\(directory)/\(name).pub") {
      let script = "umask 077; wg genkey > \"$1.key\" && wg pubkey < \"$1.key\" > \"$1.pub\""
      try scaffold.testbed.run(["sh", "-c", script, "sh", "\(directory)/\(name)"], at: end.site)
    }
    let key = try SmallFile.readText("\(directory)/\(peer.name).pub").filter { !$0.isNewline }
    var command = [
      "set", WireGuardGo.device, "private-key", "\(directory)/\(end.name).key", "listen-port", WireGuardGo.port,
      "peer", key, "allowed-ips", "0.0.0.0/0",
    ]
    // One side begins, and it is the one that a nat lets out. When both begin at once, their handshakes cross, and
    // the next attempt is five seconds later.
    if isFirst { command += ["endpoint", "\(peer.address):\(WireGuardGo.port)", "persistent-keepalive", "10"] }
    try scaffold.testbed.run(wg(command, daemon), at: end.site)
  }

  private func waitForHandshake(_ end: TunnelEnd, _ daemon: ChildProcess, on scaffold: Scaffold) throws(LabError) {
    let question = wg(["show", WireGuardGo.device, "latest-handshakes"], daemon)
    let isReady = try scaffold.waitUntil(.seconds(20)) { () throws(LabError) in
      let answer = String(decoding: try scaffold.testbed.run(question, at: end.site), as: UTF8.self)
      return answer.split(whereSeparator: \.isWhitespace).last.map { $0 != "0" } ?? false
    }
    if !isReady { throw .refused("wireguard-go's handshake at \(end.name) did not succeed within 20 s") }
  }

  /// `wg` where the daemon's socket is.
  private func wg(_ arguments: [String], _ daemon: ChildProcess) -> [String] {
    ["nsenter", "--mount=/proc/\(daemon.processID)/ns/mnt", "wg"] + arguments
  }
}
