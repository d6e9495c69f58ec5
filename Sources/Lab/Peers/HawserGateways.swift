//  HawserGateways.swift — our own gateways as a contender: keys and files made for one measurement, then started as a
//  user would start them.
//
//  Each file names the paths in the topology's order and, in the same order, where the other side ends. Both sides know
//  the other's addresses, unless a nat hides them. The gateways lead the other site into their interface themselves.

import Glibc
import Netlink
import Primitives
import Topology

final class HawserGateways: Bond {
  let name = "gateway"
  let usesAllPaths = true
  let interface: String? = HawserGateways.device

  private static let device = "hawser-bench"
  private static let port = 51_871

  func requirePrograms() throws(LabError) { _ = try program }

  func join(_ surveyed: Surveyed, on scaffold: Scaffold) throws(LabError) -> Flow {
    let ways = surveyed.ways.map(\.way)
    for way in ways { try scaffold.lead(over: way, from: way.opener ?? surveyed.sites.first) }
    let directory = try scaffold.makeDirectory("gateways")
    let best = surveyed.best.way
    let ends = [surveyed.sites.first, surveyed.sites.second].enumerated().map { ordinal, site in
      TunnelEnd(site: site, in: surveyed.sites, best, ordinal: ordinal)
    }
    for end in ends { try makeKeys(end, directory, on: scaffold) }
    for (index, end) in ends.enumerated() {
      let file = "\(directory)/\(end.name)"
      let text = HawserGateways.configuration(
        of: end, peer: ends[1 - index], ways, device: HawserGateways.device,
        privateKey: try key("\(file).key"), publicKey: try key("\(directory)/\(ends[1 - index].name).pub"),
        socket: "\(file).sock")
      try SmallFile.write(text, to: "\(file).conf")
      let process = try scaffold.start(
        [try program, "gateway", "--config", "\(file).conf"], at: end.site, log: "\(file).log")
      try waitForInterface(end, process, "\(file).log", on: scaffold)
    }
    return surveyed.flowOfUsers(name, over: best, tunnel: (ends[0].tunnelAddress, ends[1].tunnelAddress))
  }

  func notes(_ surveyed: Surveyed, _ figures: Figures, on scaffold: Scaffold) -> [String] {
    ["gateway: hawser over \(surveyed.ways.map(\.way.name).joined(separator: ", "))"]
  }

  /// The text of one side's file.
  static func configuration(
    of end: TunnelEnd, peer: TunnelEnd, _ ways: [Way], device: String, privateKey: String, publicKey: String,
    socket: String
  ) -> String {
    var text = """
      [Gateway]
      PrivateKey = \(privateKey)
      Address = \(end.tunnelAddress)/30
      ListenPort = \(port)
      Interface = \(device)

      [Control]
      Socket = \(socket)

      """
    for way in ways {
      let own = way.interface(of: end.site)
      text += "\n[Path \"\(way.name)\"]\nInterface = \(own.name)\n"
    }
    text += "\n[Peer \"\(peer.name)\"]\nPublicKey = \(publicKey)\n"
    for way in ways where !way.hasNAT || way.opener == end.site {
      text += "Endpoint = \(way.address(of: peer.site)):\(port)\n"
    }
    return text + "AllowedIPs = \(peer.tunnelAddress)/32, \(peer.siteNetwork)\n"
  }

  private func makeKeys(_ end: TunnelEnd, _ directory: String, on scaffold: Scaffold) throws(LabError) {
    let script = "umask 077; \"$1\" genkey > \"$2.key\" && \"$1\" pubkey < \"$2.key\" > \"$2.pub\""
    try scaffold.testbed.run(["sh", "-c", script, "sh", try program, "\(directory)/\(end.name)"], at: end.site)
  }

  private func key(_ file: String) throws(LabError) -> String {
    try SmallFile.readText(file).filter { !$0.isWhitespace }
  }

  /// It lies beside this program, since the same build makes both.
  private var program: String {
    get throws(LabError) {
      let path = try Executable.beside("hawser")
      if access(path, X_OK) == 0 { return path }
      throw .refused("gateway: there is no \(path): `swift build -c release --product hawser` makes it")
    }
  }

  private func waitForInterface(
    _ end: TunnelEnd, _ process: ChildProcess, _ log: String, on scaffold: Scaffold
  ) throws(LabError) {
    let testbed = scaffold.testbed
    let isReady = try scaffold.waitUntil(.seconds(5)) { () throws(LabError) in
      let link = try testbed.link(HawserGateways.device, at: end.site)
      return link?.isUp == true || !process.isRunning
    }
    if isReady && process.isRunning { return }
    let words = (try? SmallFile.readText(log + ".errors"))?.split(separator: "\n").last.map { ": \($0)" } ?? ""
    throw .refused("the gateway did not start at \(end.name)\(words)")
  }
}
