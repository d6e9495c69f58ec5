//  KernelMPTCP.swift — Linux's own Multipath TCP between the gateways: the bond that every machine has.
//
//  The flow starts on the best path. The listening side announces its address on every other path ("signal"), and the
//  opening side's kernel adds one subflow to each. Announcing on both sides would make a second subflow over the same
//  link, which costs up to a quarter of the goodput on unequal paths; so only one does.
//
//  iperf3 of Debian 12 knows nothing of MPTCP: mptcpize makes its sockets MPTCP's. Whether more than one subflow
//  really came up is read from the kernel's counters, and how much each path carried from its interface, because
//  MPTCP falls back to TCP without a word. Each end's limits and addresses are put back afterwards.
//
//  MPTCP carries TCP only. The pings go beside it, over the best path, and show what its queue does to others.

import Primitives
import Topology

final class KernelMPTCP: Bond {
  let name = "mptcp"
  let usesAllPaths = true
  /// The kernel's counter goes on over measurements.
  private var joinedBefore = 0

  /// The kernel allows no more than eight.
  private static let mostSubflows = "8"

  func requirePrograms() throws(LabError) {
    try Program.require([.mptcpize, .ip])
    let switchFile = "/proc/sys/net/mptcp/enabled"
    guard SmallFile.exists(switchFile) else {
      throw .refused("this kernel has no MPTCP (\(switchFile) is missing; it needs CONFIG_MPTCP)")
    }
  }

  func join(_ surveyed: Surveyed, on scaffold: Scaffold) throws(LabError) -> Flow {
    let (best, opener) = (surveyed.best.way, KernelMPTCP.opener(surveyed))
    let listener = opener == surveyed.sites.first ? surveyed.sites.second : surveyed.sites.first
    for site in [opener, listener] {
      // Namespaces begin with the kernel's default, and somebody may have changed that.
      try scaffold.set("mptcp/enabled", "1", at: site)
      try limit(site, on: scaffold)
    }
    try scaffold.lead(over: best, from: opener)
    var announced = [best.address(of: listener)]
    for (way, _) in surveyed.ways where way.name != best.name && way.opener == opener {
      let address = way.address(of: listener)
      // Two paths that end in the same link have the same address, and cannot be told apart from here.
      if announced.contains(address) { continue }
      announced.append(address)
      try announce(way, of: listener, to: opener, on: scaffold)
    }
    joinedBefore = try joins(at: opener, on: scaffold)
    let course = Course(
      opener: .init(node: opener, address: best.address(of: opener).description),
      listener: .init(node: listener, address: best.address(of: listener).description),
      isForward: opener == surveyed.sites.first)
    return Flow(
      name: name, course: course, pings: course, launcher: ["mptcpize", "run"],
      slowestRoundTrip: surveyed.slowestRoundTrip)
  }

  func notes(_ surveyed: Surveyed, _ figures: Figures, on scaffold: Scaffold) throws(LabError) -> [String] {
    let joined = try joins(at: KernelMPTCP.opener(surveyed), on: scaffold) - joinedBefore
    return [
      "mptcp: the pings go beside it, over the best path, since it carries TCP only",
      joined > 0
        ? "mptcp: subflows joined over further paths (MPTcpExtMPJoinSynAckRx counted them)"
        : "mptcp: no second subflow came up (MPTcpExtMPJoinSynAckRx did not move), so this is plain TCP over one path",
    ]
  }

  private static func opener(_ surveyed: Surveyed) -> Int { surveyed.best.way.opener ?? surveyed.sites.first }

  private func limit(_ site: Int, on scaffold: Scaffold) throws(LabError) {
    let testbed = scaffold.testbed
    scaffold.onTakeDown {
      _ = try? testbed.run(["ip", "mptcp", "endpoint", "flush"], at: site)
      _ = try? testbed.run(["ip", "mptcp", "limits", "set", "subflows", "2", "add_addr_accepted", "0"], at: site)
    }
    // What somebody tried by hand would make the announcements fail or add subflows of its own.
    try testbed.run(["ip", "mptcp", "endpoint", "flush"], at: site)
    let most = KernelMPTCP.mostSubflows
    try testbed.run(["ip", "mptcp", "limits", "set", "subflows", most, "add_addr_accepted", most], at: site)
  }

  /// Tells the other side of the listener's address on this way, and how to get there.
  private func announce(_ way: Way, of listener: Int, to opener: Int, on scaffold: Scaffold) throws(LabError) {
    try scaffold.lead(over: way, from: opener)
    let interface = way.interface(of: listener)
    if way.links.count > 1 { try scaffold.leadUnbound(from: opener, over: way) }
    try scaffold.testbed.run(
      ["ip", "mptcp", "endpoint", "add", interface.ipv4.description, "dev", interface.name, "signal"], at: listener)
  }

  /// How many subflows joined a connection of this node's since its namespace was made.
  private func joins(at node: Int, on scaffold: Scaffold) throws(LabError) -> Int {
    let text = try scaffold.testbed.namespace(of: node).run { () throws(LabError) in
      try SmallFile.readText("/proc/thread-self/net/netstat")
    }
    return KernelCounters.value("MPTcpExt", "MPJoinSynAckRx", in: text) ?? 0
  }
}

/// The two-line tables of /proc/net/netstat and /proc/net/snmp: names, then values.
enum KernelCounters {
  static func value(_ table: String, _ counter: String, in text: String) -> Int? {
    let lines = text.split(separator: "\n").map { $0.split(separator: " ") }.filter { $0.first == "\(table):" }
    guard lines.count == 2, let index = lines[0].firstIndex(of: counter[...]), index < lines[1].count else {
      return nil
    }
    return Int(lines[1][index])
  }
}
