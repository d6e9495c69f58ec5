//  Bond.swift — whatever joins the two sites, so that one flow can use what is between them.
//
//  The gateway of this project is one, each peer another. They differ in how they are started and in which ends carry
//  the flow; all else (pings, warm-up, counting, lateness, retries) is the same measurement for all of them, and
//  their figures can be compared.

import Primitives
import Topology

/// What is known when a bond is measured: every way alone was.
struct Surveyed {
  var sites: Sites
  /// The ways that could be measured, each with its figures, in the file's order.
  var ways: [(way: Way, figures: Figures)]

  /// The way with the highest goodput: what somebody without a bond would choose.
  var best: (way: Way, figures: Figures) {
    guard let best = ways.max(by: { $0.figures.goodputBitsPerSecond < $1.figures.goodputBitsPerSecond }) else {
      preconditionFailure("a bond is measured after at least one path")
    }
    return best
  }

  /// The slowest round trip of all ways that a bond may use.
  var slowestRoundTrip: Interval? {
    ways.compactMap { $0.figures.idle.median }.max().map { .nanoseconds(Int64($0 * 1e6)) }
  }
}

protocol Bond {
  /// For tables and charts.
  var name: String { get }

  /// Whether it uses several paths, so that it matters how much each carried.
  var usesAllPaths: Bool { get }

  /// The interface at both sites that leads into it; nil when there is none.
  var interface: String? { get }

  /// Throws when something is not installed. Called before anything is measured.
  func requirePrograms() throws(LabError)

  /// Joins the sites. What is put up goes on the scaffold, which is taken down after the measurement.
  func join(_ surveyed: Surveyed, on scaffold: Scaffold) throws(LabError) -> Flow

  /// What a reader must know, once the flow has run: what was really used, where the pings went.
  func notes(_ surveyed: Surveyed, _ figures: Figures, on scaffold: Scaffold) throws(LabError) -> [String]
}

extension Bond {
  var usesAllPaths: Bool { false }
  var interface: String? { nil }
}

extension Peer {
  var bond: any Bond {
    switch self {
    case .mptcp: KernelMPTCP()
    case .wireguardGo: WireGuardGo()
    case .openvpn: OpenVPN()
    case .direct: DirectRoute()
    case .floor: Floor(isSealed: true)
    case .floorBare: Floor(isSealed: false)
    }
  }
}

extension Surveyed {
  /// A flow between the users of both sites, over what a tunnel or a route between the sites carries. Sites without
  /// users use the tunnel themselves, with these addresses of its ends.
  func flowOfUsers(_ name: String, over way: Way, tunnel: (first: String, second: String)?) -> Flow {
    func end(_ site: Int, _ own: String?) -> Course.End {
      let user = sites.user(of: site)
      if user != site, let interface = sites.addresses.interface(ofHost: user) {
        return Course.End(node: user, address: interface.ipv4.description)
      }
      return Course.End(node: site, address: own ?? way.address(of: site).description)
    }
    let course = Course(
      opener: end(sites.first, tunnel?.first), listener: end(sites.second, tunnel?.second), isForward: true)
    return Flow(name: name, course: course, pings: course, slowestRoundTrip: slowestRoundTrip)
  }
}
