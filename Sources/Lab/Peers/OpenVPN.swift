//  OpenVPN.swift — OpenVPN 2.6 over UDP, as a tunnel over the best path. It knows one path only.
//
//  Point to point, each side knowing the other by its certificate's fingerprint; AES-GCM, no compression, socket
//  buffers as large as the kernel allows (its manual advises that); everything else as it comes, since that is what
//  people run. Keys are made for this measurement and go with it. This kernel has no ovpn module, so the data passes
//  through the program.

import Primitives

final class OpenVPN: Bond {
  let name = "openvpn"
  let interface: String? = OpenVPN.device
  private var overflowedBefore = 0

  private static let device = "ovpn-bench"
  private static let port = "1194"
  /// The kernel cuts it to its own limit.
  private static let socketBuffer = String(4 << 20)

  func requirePrograms() throws(LabError) { try Program.require([.openvpn, .openssl]) }

  func join(_ surveyed: Surveyed, on scaffold: Scaffold) throws(LabError) -> Flow {
    overflowedBefore = try scaffold.overflowedDatagrams(at: surveyed.sites)
    let way = surveyed.best.way
    let opener = way.opener ?? surveyed.sites.first
    try scaffold.lead(over: way, from: opener)
    let directory = try scaffold.makeDirectory("openvpn")
    var ends: [TunnelEnd] = []
    var fingerprints: [String] = []
    for site in [surveyed.sites.first, surveyed.sites.second] {
      let end = TunnelEnd(site: site, in: surveyed.sites, way, ordinal: ends.count)
      fingerprints.append(try makeKey(end, directory, on: scaffold))
      ends.append(end)
    }
    for (index, end) in ends.enumerated() {
      try start(
        end, peer: ends[1 - index], fingerprints[1 - index], directory, way, isClient: end.site == opener, on: scaffold)
    }
    for (index, end) in ends.enumerated() {
      try waitForTunnel(end, directory, on: scaffold)
      try scaffold.connect(end, peer: ends[1 - index], through: OpenVPN.device, mtu: nil)
    }
    return surveyed.flowOfUsers(name, over: way, tunnel: (ends[0].tunnelAddress, ends[1].tunnelAddress))
  }

  func notes(_ surveyed: Surveyed, _ figures: Figures, on scaffold: Scaffold) throws(LabError) -> [String] {
    let overflowed = try scaffold.overflowedDatagrams(at: surveyed.sites) - overflowedBefore
    return ["openvpn is one tunnel over \(surveyed.best.way.name), in user space (no ovpn module)"]
      + (overflowed == 0 ? [] : ["openvpn: its socket had no room for \(overflowed) datagrams (UdpRcvbufErrors)"])
  }

  /// A certificate signed by itself; the answer is its fingerprint.
  private func makeKey(_ end: TunnelEnd, _ directory: String, on scaffold: Scaffold) throws(LabError) -> String {
    let file = "\(directory)/\(end.name)"
    try scaffold.testbed.run(
      [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", file + ".key", "-out", file + ".crt", "-subj", "/CN=\(end.name)", "-days", "2",
      ], at: end.site)
    let printed = try scaffold.testbed.run(
      ["openssl", "x509", "-in", file + ".crt", "-noout", "-fingerprint", "-sha256"], at: end.site)
    guard let fingerprint = String(decoding: printed, as: UTF8.self).split(separator: "=").last else {
      throw .refused("openssl printed no fingerprint")
    }
    return fingerprint.filter { !$0.isWhitespace }
  }

  private func start(
    _ end: TunnelEnd, peer: TunnelEnd, _ fingerprint: String, _ directory: String, _ way: Way, isClient: Bool,
    on scaffold: Scaffold
  ) throws(LabError) {
    let file = "\(directory)/\(end.name)"
    var command = [
      "openvpn", "--dev", OpenVPN.device, "--dev-type", "tun", "--proto", "udp", "--local", end.address, "--port",
      OpenVPN.port, "--ifconfig", end.tunnelAddress, peer.tunnelAddress, "--cert", file + ".crt", "--key",
      file + ".key",
      "--peer-fingerprint", fingerprint, "--data-ciphers", "AES-128-GCM:AES-256-GCM", "--allow-compression", "no",
      "--sndbuf", OpenVPN.socketBuffer, "--rcvbuf", OpenVPN.socketBuffer, "--keepalive", "10", "60", "--verb", "3",
      isClient ? "--tls-client" : "--tls-server",
    ]
    if !isClient { command += ["--dh", "none"] }
    // Behind a nat, only the inside knows where the other is.
    if isClient || !way.hasNAT { command += ["--remote", peer.address] }
    if way.hasNAT { command.append("--float") }
    _ = try scaffold.start(command, at: end.site, log: file + ".log")
  }

  private func waitForTunnel(_ end: TunnelEnd, _ directory: String, on scaffold: Scaffold) throws(LabError) {
    let log = "\(directory)/\(end.name).log"
    let isReady = try scaffold.waitUntil(.seconds(20)) {
      ((try? SmallFile.read(log)) ?? []).containsText("Initialization Sequence Completed")
    }
    if isReady { return }
    let words = (try? SmallFile.readText(log))?.split(separator: "\n").last.map { "; its last words: \($0)" } ?? ""
    throw .refused("openvpn's tunnel did not come up within 20 s\(words)")
  }
}
