//  PathFault.swift — what can happen to a path while it carries traffic, and how it is taken back.
//
//  Everything happens where it would: on the line, to the wire's frames, or at the gateway's interface.
//
//      down          both directions drop everything, and nobody is told
//      one-way       all that goes "up" is lost, answers come through; `one-way-back` is the opposite
//      large-only    packets above 1,000 bytes disappear, smaller ones pass: what a broken path MTU discovery does
//      delete        the first site's interface is gone, as that of a modem that was pulled out; it comes back later
//                    with the same name. In truth it waits in a namespace of its own: the kernel tells of both in the
//                    same way, and the wire keeps its end
//      address       the first site's interface has another address from one moment to the next
//
//  A fault needs a line that the path has for itself: else the others would have it too.

import Netlink
public import Primitives
import Simulation
import Topology

public enum PathFault: String, CaseIterable, Sendable {
  case down
  case oneWay = "one-way"
  case oneWayBack = "one-way-back"
  case delete
  case address
  case largeOnly = "large-only"
}

/// A path between the sites, as somebody who measures wants to know it.
public struct StandPath: Sendable {
  public let name: String
  /// From the first site to the second; nil: no limit.
  public let up: BitRate?
}

/// A path's ends, for who sends over it without a gateway.
public struct StandLine {
  public let name: String
  public let from: JoinedSites.End
  public let to: JoinedSites.End
}

extension TestStand {
  /// Of each path its gateways' own addresses.
  public func lines() throws(LabError) -> [StandLine] {
    try ways().map { (way) throws(LabError) in
      func end(_ site: Int) throws(LabError) -> JoinedSites.End {
        JoinedSites.End(namespace: try testbed.namespace(of: site), address: way.address(of: site).description)
      }
      return StandLine(name: way.name, from: try end(sites.first), to: try end(sites.second))
    }
  }

  /// What gets through a nat or needs none, in the file's order.
  public func paths() throws(LabError) -> [StandPath] {
    try ways().map { StandPath(name: $0.name, up: $0.rate(.up, traces: testbed.traceRates)) }
  }

  private func ways() throws(LabError) -> [Way] { try sites.ways().filter { $0.opener != nil } }

  /// How long a flow runs before it counts, over the slowest path of the file.
  public func warmUp() throws(LabError) -> Interval {
    let roundTrips = try ways().map { way in
      way.links.reduce(Interval.zero) {
        $0 + testbed.topology.links[$1].forward.delay + testbed.topology.links[$1].backward.delay
      }
    }
    return WarmUp.time(roundTrip: roundTrips.max())
  }

  /// Until it is mended.
  public func cut(_ name: String, _ fault: PathFault) throws(LabError) -> CutPath {
    let ways = try ways()
    guard let way = ways.first(where: { $0.name == name }) else {
      throw .wrongUsage(
        "\(testbed.topology.name) has no path \(name); it has \(ways.map(\.name).joined(separator: ", "))")
    }
    let own = way.links.filter { link in ways.count { $0.links.contains(link) } == 1 }
    switch fault {
    case .delete, .address:
      guard way.links.count == 1, own == way.links else {
        throw .wrongUsage("\(name) is more than one link: routes over others would not come back with its interface")
      }
      return fault == .delete ? try remove(own[0]) : try readdress(own[0])
    case .down, .oneWay, .oneWayBack, .largeOnly:
      guard let wire = testbed.wire, let link = own.first(where: testbed.topology.isEmulated) else {
        throw .wrongUsage("\(name) has no link with attributes of its own, so nothing can happen to it alone")
      }
      let described = testbed.topology.links[link]
      let (broken, whole) = fault.changes(of: described, isForward: way.isForward(link))
      try wire.set(link: described.name, change: broken)
      return CutPath { () throws(LabError) in try wire.set(link: described.name, change: whole) }
    }
  }

  private func remove(_ link: Int) throws(LabError) -> CutPath {
    let node = sites.first
    let name = testbed.addresses.interface(of: link, at: node).name
    let namespace = try testbed.namespace(of: node)
    let elsewhere = try Namespace.makeNameless()
    try TestStand.move(name, from: namespace, to: elsewhere)
    let network = Network(testbed.topology, testbed.state)
    return CutPath { () throws(LabError) in
      try TestStand.move(name, from: elsewhere, to: namespace)
      try network.restore(link, at: node, in: namespace)
    }
  }

  private static func move(_ name: String, from old: Namespace, to new: Namespace) throws(LabError) {
    do throws(NetlinkError) {
      var socket = try NetlinkSocket.open(in: old.descriptor)
      guard let link = try socket.link(named: name) else {
        throw NetlinkError(operation: "use the interface \(name)", errno: 19)
      }
      try socket.perform(.configure(link.index, LinkSettings(namespace: new.descriptor)))
    } catch {
      throw .network(old.name, error)
    }
  }

  private func readdress(_ link: Int) throws(LabError) -> CutPath {
    let node = sites.first
    let network = Network(testbed.topology, testbed.state)
    let namespace = try testbed.namespace(of: node)
    let far = try testbed.namespace(of: testbed.topology.links[link].other(node))
    let usual = IPPrefix(testbed.addresses.interface(of: link, at: node).ipv4)
    let other = network.otherAddress(of: link, at: node)
    try network.readdress(link, at: node, in: namespace, from: usual, to: other, far: far)
    return CutPath { () throws(LabError) in
      try network.readdress(link, at: node, in: namespace, from: other, to: usual, far: far)
    }
  }

  // MARK: Lateness

  /// What the wire counts begins anew.
  public func resetLateness() throws(LabError) { try testbed.wire?.reset() }

  /// The share of packets, since then, that the wire did not deliver in time.
  public func lateShare() throws(LabError) -> Double {
    guard let totals = try testbed.wire?.totals() else { return 0 }
    let late = totals.late + totals.overrun + totals.noSlot
    return totals.carried == 0 ? (late == 0 ? 0 : 1) : Double(late) / Double(totals.carried)
  }

  /// The share of frames that lines lost by chance since the topology came up: what was asked for, if it worked.
  public func lostByChance() throws(LabError) -> Double? {
    guard let wire = testbed.wire else { return nil }
    var (lost, all): (UInt64, UInt64) = (0, 0)
    for (index, link) in testbed.topology.links.enumerated() where testbed.topology.isEmulated(index) {
      let lines = try wire.statistics(of: link.name)
      for counters in [lines.forward.counters, lines.backward.counters] {
        lost += counters.lostByChance
        all += counters.accepted
      }
    }
    return all == 0 ? nil : Double(lost) / Double(all)
  }
}

/// A path that something happened to. What is not mended stays so until the topology goes.
public final class CutPath {
  private var action: (() throws(LabError) -> Void)?

  init(_ action: @escaping () throws(LabError) -> Void) { self.action = action }

  /// Takes it back; once.
  public func mend() throws(LabError) {
    let action = action
    self.action = nil
    try action?()
  }
}

extension PathFault {
  /// The largest packet that still passes when large ones do not: above a ping and a call, below what bulk flows send.
  private static let largest = ByteCount(1_000)

  /// What breaks a link, and what makes it whole again. Forward is up.
  func changes(of link: Topology.Link, isForward: Bool) -> (broken: Topology.Change, whole: Topology.Change) {
    switch self {
    case .oneWay, .oneWayBack:
      let all = Probability(partsPerBillion: 1_000_000_000)
      let usual = Topology.Pair(link.forward.loss, link.backward.loss)
      let broken =
        isForward == (self == .oneWay) ? Topology.Pair(all, usual.backward) : Topology.Pair(usual.forward, all)
      return (
        .attributes([.loss(broken, burst: nil)]), .attributes([.loss(usual, burst: link.forward.burst)])
      )
    case .largeOnly:
      return (
        .attributes([.mtu(PathFault.largest)]), .attributes([.mtu(link.mtu ?? ByteCount(Topology.Link.usualMTU))])
      )
    case .down, .delete, .address: return (.down, .up)
    }
  }
}
