//  Programs.swift — the programs of others that a measurement needs, and what to install when one is missing.

import Glibc

enum Program: String, CaseIterable {
  case iperf3, ping, mptcpize, ip, openvpn, openssl, wg, unshare, nsenter
  case wireguardGo = "wireguard-go"

  var package: String {
    switch self {
    case .iperf3: "iperf3"
    case .ping: "iputils-ping"
    case .mptcpize: "mptcpize"
    case .ip: "iproute2"
    case .openvpn: "openvpn"
    case .openssl: "openssl"
    case .wg: "wireguard-tools"
    case .wireguardGo: "wireguard-go"
    case .unshare, .nsenter: "util-linux"
    }
  }

  /// Throws one sentence that names everything that is missing, so that nobody has to come back for the second.
  static func require(_ programs: [Program], path: String? = nil) throws(LabError) {
    let path = path ?? getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/usr/sbin:/bin:/sbin"
    let missing = programs.filter { !$0.isInstalled(path) }
    if missing.isEmpty { return }
    var packages: [String] = []
    for program in missing where !packages.contains(program.package) { packages.append(program.package) }
    let names = missing.map(\.rawValue).joined(separator: ", ")
    let verb = missing.count == 1 ? "is" : "are"
    throw .refused("\(names) \(verb) not installed: `apt-get install \(packages.joined(separator: " "))`")
  }

  private func isInstalled(_ path: String) -> Bool {
    path.split(separator: ":").contains { access("\($0)/\(rawValue)", X_OK) == 0 }
  }
}
