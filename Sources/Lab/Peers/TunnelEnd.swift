//  TunnelEnd.swift — one side of a peer's tunnel, and how the site behind it gets into it.
//
//  A tunnel's program on a busy machine does not run for some milliseconds now and then, and the usual 208 KiB of a
//  UDP socket hold 4 ms of 300 Mbit/s. What is dropped then is counted by the kernel, and belongs to the figure:
//  wireguard-go reached 93 to 197 of 287 Mbit/s beside other programs, each time with hundreds of such drops.
//  Namespaces cannot have sizes of their own, and the machine's are not ours to change.

import Glibc
import Netlink
import POSIX
import Primitives
import Topology

struct TunnelEnd {
  let site: Int
  let name: String
  /// On the path that the tunnel uses.
  let address: String
  /// Inside the tunnel: 198.18.0.0/15 is for measurements (RFC 2544), so no topology has it.
  let tunnelAddress: String
  let siteNetwork: IPPrefix

  init(site: Int, in sites: Sites, _ way: Way, ordinal: Int) {
    self.site = site
    name = sites.topology.nodes[site].name
    address = way.address(of: site).description
    tunnelAddress = "198.18.77.\(ordinal + 1)"
    siteNetwork = IPPrefix(sites.addresses.site(of: site).ipv4).network
  }
}

extension Scaffold {
  /// How many datagrams the sites' sockets had no room for, since the namespaces were made.
  func overflowedDatagrams(at sites: Sites) throws(LabError) -> Int {
    var sum = 0
    for site in [sites.first, sites.second] {
      let text = try testbed.namespace(of: site).run { () throws(LabError) in
        try SmallFile.readText("/proc/thread-self/net/snmp")
      }
      sum += KernelCounters.value("Udp", "RcvbufErrors", in: text) ?? 0
    }
    return sum
  }

  /// Switches the tunnel's interface on and leads the other side's site into it.
  func connect(_ end: TunnelEnd, peer: TunnelEnd, through name: String, mtu: Int?) throws(LabError) {
    let index = try testbed.interfaceIndex(name, at: end.site)
    let namespace = try testbed.namespace(of: end.site)
    let tunnel = IPPrefix(end.tunnelAddress)
    let other = IPPrefix(peer.tunnelAddress)
    do throws(NetlinkError) {
      var socket = try NetlinkSocket.open(in: namespace.descriptor)
      try socket.perform(.configure(index, LinkSettings(mtu: mtu.map { UInt32($0) }, isUp: true)))
      // OpenVPN gives itself its addresses; WireGuard has none. All go with the interface.
      if mtu != nil, let tunnel, let other {
        try socket.perform([
          .addAddress(InterfaceAddress(tunnel, on: index)), .addRoute(Route(to: other, through: index)),
        ])
      }
      try socket.perform(.addRoute(Route(to: peer.siteNetwork, through: index)))
    } catch {
      throw .network(namespace.name, error)
    }
  }

  /// Asks twenty times a second until the answer is yes, or the time is over.
  func waitUntil(_ patience: Interval, _ isTrue: () throws(LabError) -> Bool) throws(LabError) -> Bool {
    let deadline = MonotonicClock.now + patience
    while true {
      if try isTrue() { return true }
      if MonotonicClock.now >= deadline { return false }
      try testbed.interruption.check()
      usleep(50_000)
    }
  }
}
