//  TestStand.swift — two sites and what joins them, for programs that measure in their own way.
//
//  `netlab bench` asks one question of everything that can join two sites: what does TCP get? Others ask what a packet
//  costs, or how often an idle gateway wakes up. They share how a topology comes up and how a contender is started and
//  taken away, which is what is here; the rest is theirs.
//
//  All contenders carry the same: packets between the users behind both gateways. Each is put up for one measurement
//  and taken down after it, so that several can take turns in the same minutes.

import Control
import Glibc
import Netlink
import POSIX
public import Primitives
public import Topology

/// Who may join the sites on a stand.
public enum Contender: String, CaseIterable, Sendable {
  /// Plain routes.
  case direct
  /// The least that a tunnel of our shape can cost, and the same without sealing.
  case floor
  case floorBare = "floor-bare"
  /// Ours.
  case gateway
  case openvpn
  case wireguardGo = "wireguard-go"

  var bond: any Bond {
    switch self {
    case .direct: DirectRoute()
    case .floor: Floor(isSealed: true)
    case .floorBare: Floor(isSealed: false)
    case .gateway: HawserGateways()
    case .openvpn: OpenVPN()
    case .wireguardGo: WireGuardGo()
    }
  }
}

public final class TestStand {
  let testbed: Testbed
  let sites: Sites

  private init(_ testbed: Testbed, _ sites: Sites) {
    self.testbed = testbed
    self.sites = sites
  }

  /// Brings a topology up, unless it is, and takes it down again at the end of `body`, whatever happens.
  public static func with<Result>(
    _ topology: Topology, source: String, _ body: (TestStand) throws(LabError) -> Result
  ) throws(LabError) -> Result {
    let interruption = try Interruption()
    // Who measures is no netlab, and links with attributes need one.
    let needsWire = topology.links.indices.contains(where: topology.isEmulated)
    let netlab = needsWire ? try Executable.beside("netlab", of: nil) : nil
    return try Laboratory.hold(topology, source: source, executable: netlab) { () throws(LabError) in
      try body(TestStand(try Testbed(topology, interruption: interruption), try Sites(topology)))
    }
  }

  /// Throws when something is not installed or not built.
  public static func require(_ contenders: [Contender]) throws(LabError) {
    try Program.require([.iperf3, .ping])
    for contender in contenders { try contender.bond.requirePrograms() }
  }

  /// Joins the sites until the result is taken down or gone. `policy` are classes and rules of our own gateways, as
  /// their configurations have them.
  public func join(_ contender: Contender, policy: String = "") throws(LabError) -> JoinedSites {
    try testbed.interruption.check()
    let scaffold = Scaffold(testbed)
    let nothing = Figures(
      goodputBitsPerSecond: 0, retransmits: nil, idle: Samples([]), loaded: Samples([]), warmUp: .zero, lateShare: nil,
      received: [])
    let surveyed = Surveyed(sites: sites, ways: try sites.ways().map { ($0, nothing) })
    let bond = contender == .gateway ? HawserGateways(policy: policy) : contender.bond
    let flow = try bond.join(surveyed, on: scaffold)
    func end(_ end: Course.End) throws(LabError) -> JoinedSites.End {
      JoinedSites.End(namespace: try testbed.namespace(of: end.node), address: end.address)
    }
    let gateways = try [sites.first, sites.second].map { (site) throws(LabError) in
      JoinedSites.Gateway(
        name: sites.topology.nodes[site].name, namespace: try testbed.namespace(of: site), interface: bond.interface,
        socket: contender == .gateway ? testbed.state.gatewaySocket(of: sites.topology.nodes[site]) : nil,
        processes: scaffold.programs.filter { $0.node == site }.map(\.process.processID))
    }
    let joined = JoinedSites(
      scaffold, opener: try end(flow.course.opener), listener: try end(flow.course.listener), gateways: gateways)
    try waitUntilCarries(joined, contender)
    return joined
  }

  /// The first packets may find a gateway that is still shaking hands.
  private func waitUntilCarries(_ joined: JoinedSites, _ contender: Contender) throws(LabError) {
    let deadline = MonotonicClock.now + .seconds(10)
    while MonotonicClock.now < deadline {
      let group = newGroup()
      let ping = try group.start(
        ["ping", "-n", "-c", "1", "-W", "0.3", joined.listener.address], in: joined.opener.namespace)
      _ = try group.wait(atMost: .seconds(2)) { $0.status(of: ping) != nil }
      if group.status(of: ping)?.isSuccess == true { return }
    }
    throw LabError("\(contender.rawValue) carries nothing: no ping came back within 10 s", exitCode: 1)
  }

  /// For programs of a measurement.
  public func newGroup() -> ChildGroup { ChildGroup(testbed.interruption) }

  /// Waits, unless somebody stops us.
  public func wait(_ time: Interval) throws(LabError) { _ = try newGroup().wait(atMost: time) { _ in false } }
}

/// What a contender made.
public final class JoinedSites {
  /// A user, and the address by which the other reaches him.
  public struct End {
    public let namespace: Namespace
    public let address: String
  }

  public struct Gateway {
    public let name: String
    let namespace: Namespace
    let interface: String?
    let socket: String?
    let processes: [Int32]
  }

  public let opener: End
  public let listener: End
  /// The opener's, then the listener's.
  public let gateways: [Gateway]
  private let scaffold: Scaffold

  init(_ scaffold: Scaffold, opener: End, listener: End, gateways: [Gateway]) {
    self.scaffold = scaffold
    self.opener = opener
    self.listener = listener
    self.gateways = gateways
  }

  public func takeDown() { scaffold.takeDown() }
}

extension JoinedSites.Gateway {
  /// A moment of it; a measurement is the difference of two.
  public struct Reading {
    public var usage: ProcessUsage
    /// Packets and bytes that the kernel gave to the gateway, and those that it wrote. A super-packet is one packet.
    public var taken: (packets: UInt64, bytes: UInt64)
    public var written: (packets: UInt64, bytes: UInt64)
  }

  /// What `hawser status --json` says; nil when it is none of ours.
  public func status() throws(LabError) -> String? {
    guard let socket else { return nil }
    do throws(ControlFailure) {
      return try ControlClient.get("/v1/status", at: socket, asText: false).body
    } catch {
      throw .refused("\(name): \(error)")
    }
  }

  /// nil: it has no process, as plain routes.
  public func read() throws(LabError) -> Reading? {
    guard let interface, !processes.isEmpty else { return nil }
    var usage = ProcessUsage()
    for process in processes {
      guard let own = ProcessUsage(of: process) else { throw LabError("\(name): the gateway ended", exitCode: 1) }
      usage = usage + own
    }
    let link: LinkState?
    do throws(NetlinkError) {
      var socket = try NetlinkSocket.open(in: namespace.descriptor)
      link = try socket.link(named: interface)
    } catch {
      throw .network(namespace.name, error)
    }
    guard let link else { throw LabError("\(name): the interface \(interface) is gone", exitCode: 1) }
    return Reading(
      usage: usage, taken: (link.sent.packets, link.sent.bytes), written: (link.received.packets, link.received.bytes))
  }
}
