//  Ground.swift — what is under a path: its interface, what leads to whom, and what the kernel drops of what comes
//  back.
//
//  Strict reverse-path filtering (`rp_filter` = 1) drops a packet that comes in by another interface than the one that
//  an answer would leave by. A site with several uplinks has one best route to a peer, and its gateway hears him on all
//  of them, by sockets that are bound to interfaces: what comes by the others is dropped before any socket sees it, and
//  nothing but a counter that nobody looks at tells. Loose filtering (2) asks only whether there is any route, which is
//  what multihomed hosts are told to use (RFC 3704).

import Glibc
import Netlink
import POSIX
import Primitives
import Uplinks

/// What is under all paths.
struct Ground: Equatable {
  /// Why the kernel could not be asked.
  var obstacle: String?
  var interfaces: [Uplinks.Interface] = []
  /// Of each interface; what is in force is the greater of its own and that of `all`.
  var strictness: [String: Int] = [:]
  /// By which interface an answer to this address leaves that has this interface's address as its source.
  var returns: [Return] = []
  var features: [String: InterfaceFeatures] = [:]

  struct Return: Equatable {
    var interface: String
    var remote: IPAddress
    /// nil: by none.
    var leaves: String?
  }

  /// Of addresses that routes are looked up for: a hub's thousand peers say no more than the first of them.
  private static let mostRemotes = 64
  /// Where nobody's address is known: somewhere in the world (RFC 5737).
  private static let anywhere = IPAddress(ipv4: 0xc000_0201)

  static func observe(_ site: Site) -> Ground {
    var ground = Ground()
    do throws(NetlinkError) {
      var network = try NetlinkSocket.open()
      let remotes = Array(site.remotes.prefix(mostRemotes))
      ground.interfaces = try interfaces(reaching: remotes, own: site.interface, &network)
      for name in Set(site.paths.map(\.interface)).sorted() {
        guard let interface = ground.interfaces.first(where: { $0.name == name }) else { continue }
        ground.strictness[name] = strictness(of: name)
        ground.features[name] = InterfaceFeatures.observe(name)
        ground.returns += try returns(to: remotes, interface, ground.interfaces, &network)
      }
    } catch {
      ground.obstacle = "\(error)"
    }
    return ground
  }

  static func interfaces(
    reaching remotes: [IPAddress], own: String, _ network: inout NetlinkSocket
  ) throws(NetlinkError) -> [Uplinks.Interface] {
    let addresses = try network.addresses()
    var found: [Uplinks.Interface] = []
    for link in try network.links() {
      // Asked for alone, the kernel looks at the carrier at once.
      let link = try network.link(link.index) ?? link
      let mine = addresses.filter { $0.interface == link.index && !$0.address.isLinkLocal }.map(\.address)
      var interface = Uplinks.Interface(
        name: link.name, index: link.index.value, mtu: Int(link.mtu), isOn: link.isUp, hasCarrier: link.canSend,
        addresses: mine, reaches: nil, isUplink: !link.isLoopback && !link.isPart && link.name != own)
      for remote in remotes where link.isUp && mine.contains(where: { $0.family == remote.family }) {
        if interface.reaches == true { break }
        interface.reaches = try network.hasRoute(to: remote, through: link.index)
      }
      found.append(interface)
    }
    return found
  }

  private static func returns(
    to remotes: [IPAddress], _ interface: Uplinks.Interface, _ all: [Uplinks.Interface], _ network: inout NetlinkSocket
  ) throws(NetlinkError) -> [Return] {
    guard let own = interface.addresses.first(where: { $0.family == .ipv4 }) else { return [] }
    let index = InterfaceIndex(interface.index)
    var found: [Return] = []
    let known = remotes.filter { $0.family == .ipv4 }
    for remote in known.isEmpty ? [anywhere] : known {
      // What no route leads to by this interface is never sent there, so no answer comes back by it.
      guard try network.hasRoute(to: remote, through: index) else { continue }
      let route = try network.route(to: remote, from: own)
      let name = route?.interface.flatMap { back in all.first { $0.index == back.value }?.name }
      found.append(Return(interface: interface.name, remote: remote, leaves: name))
    }
    return found
  }

  private static func strictness(of interface: String) -> Int? {
    let folder = "/proc/sys/net/ipv4/conf"
    guard let all = number(in: "\(folder)/all/rp_filter"), let own = number(in: "\(folder)/\(interface)/rp_filter")
    else { return nil }
    return max(all, own)
  }

  // MARK: What it means

  func diagnosis(of path: Site.Path, remotes: [IPAddress]) -> Diagnosis {
    if let obstacle {
      return .warning(
        "interface", "interfaces and routes cannot be seen: \(obstacle)", remedy: "run this where the gateway runs")
    }
    var uplinks = Uplinks()
    uplinks.set([Uplinks.Path(name: path.name, interface: path.interface, bind: path.bind)])
    uplinks.observe(interfaces)
    guard let interface = interfaces.first(where: { $0.name == path.interface }),
      uplinks.reason(ofPath: path.name) == nil
    else {
      let reason = uplinks.reason(ofPath: path.name) ?? .gone
      return .failure(
        "interface", reason.sentence(about: path.interface), remedy: remedy(for: reason, path, remotes))
    }
    let own = interface.addresses.map { "\($0)" }.joined(separator: ", ")
    let reach = interface.reaches == nil ? "" : ", with a route to the peers"
    return .fine("interface", "\(path.interface) has a carrier and \(own)\(reach)")
  }

  private func remedy(for reason: Uplinks.Reason, _ path: Site.Path, _ remotes: [IPAddress]) -> String {
    switch reason {
    case .gone:
      let names = interfaces.filter(\.isUplink).map(\.name)
      let near = nearestWord(to: path.interface, in: names).map { "did you mean Interface = \($0)? " } ?? ""
      return "\(near)see ip link for those that there are; a modem that comes later is waited for"
    case .off: return "ip link set \(path.interface) up"
    case .noCarrier: return "look at the cable, the switch or the modem behind \(path.interface)"
    case .noAddress(nil):
      return "see that DHCP runs on \(path.interface), or: ip address add ADDRESS/LENGTH dev \(path.interface)"
    case .noAddress(let bind?):
      return "write Bind as an address of \(path.interface), or: ip address add \(bind) dev \(path.interface)"
    case .noRoute:
      let remote = remotes.first.map { "\($0)" } ?? "PEER"
      return
        "ip route add \(remote) via ROUTER dev \(path.interface), or a default route there with a metric of its own"
    }
  }

  /// nil: there is nothing to say, since the path has no IPv4 there.
  func filterDiagnosis(of path: Site.Path) -> Diagnosis? {
    let ways = returns.filter { $0.interface == path.interface }
    if ways.isEmpty { return nil }
    guard let strictness = strictness[path.interface] else {
      return .warning(
        "rp_filter", "/proc does not tell whether it is strict on \(path.interface)",
        remedy: "see sysctl net.ipv4.conf.\(path.interface).rp_filter; 2 or 0 is right")
    }
    guard strictness == 1 else {
      return .fine("rp_filter", strictness == 0 ? "off on \(path.interface)" : "loose on \(path.interface)")
    }
    guard let lost = ways.first(where: { $0.leaves != path.interface }) else {
      return .fine("rp_filter", "strict on \(path.interface), which is also the way back")
    }
    let back = lost.leaves.map { "leaves by \($0)" } ?? "does not exist"
    let setting = "net.ipv4.conf.\(path.interface).rp_filter"
    return .failure(
      "rp_filter",
      "strict on \(path.interface): what comes there from \(lost.remote) is dropped, since the route back \(back)",
      remedy:
        "sysctl -w \(setting)=2; and for the next start: echo \(setting)=2 > /etc/sysctl.d/60-hawser-\(path.name).conf")
  }

  /// Of a machine without a site: it has several ways out, and the filter is strict.
  static func machineDiagnosis(_ ground: Ground) -> Diagnosis {
    let uplinks = ground.interfaces.filter { interface in
      interface.isUplink && interface.isOn && interface.addresses.contains { $0.family == .ipv4 }
    }
    let strict = uplinks.map(\.name).filter { strictness(of: $0) == 1 }
    if uplinks.count < 2 || strict.isEmpty {
      return .fine("rp_filter", strict.isEmpty ? "not strict" : "strict, which one uplink is content with")
    }
    let names = strict.joined(separator: ", ")
    return .warning(
      "rp_filter", "strict on \(names): of several uplinks only the best route's is heard",
      remedy: "sysctl -w " + strict.map { "net.ipv4.conf.\($0).rp_filter=2" }.joined(separator: " "))
  }

  static func machine() -> Ground { observe(Site(interface: "")) }
}
