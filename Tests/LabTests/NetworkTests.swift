import Glibc
import Netlink
import Primitives
import Testing
import Topology

@testable import Lab

@Suite(.enabled(if: isRoot, rootReason))
struct `A network as its file says` {
  @Test func `interfaces have the planned names, addresses and sizes, and nobody has to ask for a neighbour`() throws {
    try Lab.with(
      """
      node a gateway
      node b gateway
      node h host behind a
      link fibre a -- b
      link small a -- b mtu 1400
      link tiny a -- b mtu 600
      """
    ) { lab throws in
      let links = try lab.output("a", "ip", "-o", "link")
      #expect(links.contains("fibre@") && links.contains("small@") && links.contains("h@"))
      #expect(try line("small@", of: links).contains("mtu 1400"))
      #expect(try line("fibre@", of: links).contains("02:48:00:00:00:01"))
      let addresses = try lab.output("a", "ip", "-o", "addr")
      #expect(addresses.contains("172.16.0.1/24") && addresses.contains("fd48:6177::1/64"))
      #expect(addresses.contains("10.0.0.1/32") && addresses.contains("fd48:6177:1::1/128"))
      #expect(!addresses.contains("tentative") && !addresses.contains("fe80:"))
      // IPv6 needs 1,280 bytes.
      #expect(addresses.contains("172.16.2.1/24") && !addresses.contains("fd48:6177:0:2:"))
      let neighbours = try lab.output("a", "ip", "neigh")
      #expect(neighbours.contains("172.16.0.2 dev fibre lladdr 02:48:00:00:00:02 PERMANENT"))
      #expect(neighbours.contains("fd48:6177::2 dev fibre lladdr 02:48:00:00:00:02 PERMANENT"))
      #expect(neighbours.contains("10.0.0.2 dev h lladdr 02:48:01:00:00:02 PERMANENT"))
      #expect(try lab.output("h", "ip", "neigh").contains("10.0.0.1 dev eth0 lladdr 02:48:02:00:00:02 PERMANENT"))
    }
  }

  @Test func `every end of every link answers to every node, in both families`() throws {
    try Lab.with(
      """
      node a gateway
      node b gateway
      node r relay
      node x router
      node o oracle
      link ab a -- b
      link ab2 a -- b
      link ar a -- r
      link rb r -- b
      link ax a -- x
      link xo x -- o
      link xb x -- b
      """
    ) { lab throws in
      for from in lab.topology.nodes.indices {
        for to in lab.topology.nodes.indices where from != to && (from < 2 || to < 2) {
          let name = lab.topology.nodes[to].name
          for link in lab.topology.links(at: to) where lab.isReachable(from, to) {
            let goal = "\(name).\(lab.topology.links[link].name)"
            let node = lab.topology.nodes[from].name
            #expect(try lab.pings(node, "-4", goal), "from \(node) to \(goal)")
            #expect(try lab.pings(node, "-6", goal), "from \(node) to \(goal)")
          }
        }
      }
    }
  }

  @Test(arguments: ["-4", "-6"])
  func `who binds to a link's address or to its interface uses that link`(family: String) throws {
    let text = """
      node a gateway
      node x router
      node b gateway
      link fibre a -- x
      link lte a -- x
      link sat a -- x
      link far x -- b
      """
    try Lab.with(text) { lab throws in
      for link in ["fibre", "lte", "sat"] {
        let index = try #require(lab.topology.link(named: link))
        let own = AddressPlan(lab.topology).interface(of: index, at: 0)
        let address = family == "-4" ? own.ipv4.description : own.ipv6.description
        for way in [address, link] {
          let before = try lab.sent("a", ["fibre", "lte", "sat"])
          #expect(try lab.succeeds("a", "ping", family, "-c", "20", "-i", "0.002", "-W", "2", "-I", way, "b"))
          let used = zip(try lab.sent("a", ["fibre", "lte", "sat"]), before).map { $0 - $1 }
          // A few more may be the kernel's own.
          #expect(used.enumerated().allSatisfy { ($0.element >= 20) == ($0.offset == index) }, "\(way): \(used)")
        }
      }
    }
  }

  @Test func `routers pass packets on, relays and gateways do not`() throws {
    try Lab.with(
      """
      node a gateway
      node b gateway
      node c gateway
      node r relay
      node x router
      link ax a -- x
      link xc x -- c
      link ab a -- b
      link bc b -- c
      link ar a -- r
      """
    ) { lab throws in
      #expect(try lab.pings("a", "c"))
      // By hand, over those who should refuse it.
      let far = "172.16.1.2"
      for link in ["ab", "ar"] {
        let via = AddressPlan(lab.topology)
          .interface(of: try #require(lab.topology.link(named: link)), at: link == "ab" ? 1 : 3)
        #expect(try lab.succeeds("a", "ip", "route", "replace", "\(far)/32", "via", via.ipv4.description))
        #expect(try lab.pings("a", far) == false)
      }
    }
  }

  @Test func `TCP may have 64 MiB under way, and forgets what it learned`() throws {
    try Lab.with("node a gateway\nnode b gateway\nlink x a -- b") { lab throws in
      let limits = try lab.output("a", "cat", "/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem")
      #expect(limits.split(separator: "\n").allSatisfy { $0.hasSuffix("\t67108864") })
      #expect(try lab.output("a", "cat", "/proc/sys/net/ipv4/tcp_no_metrics_save") == "1\n")
    }
  }
}

@Suite(.enabled(if: isRoot, rootReason))
struct `Sites and what hides them` {
  private static let twoSites = """
    node branch gateway
    node hq gateway
    node alice host behind branch
    node anna host behind branch
    node bob host behind hq
    link fibre branch -- hq
    link lte branch -- hq
    """

  @Test(arguments: ["-4", "-6"])
  func `a host reaches its site, its neighbours there, and the lines behind its gateway`(family: String) throws {
    try Lab.with(Self.twoSites) { lab throws in
      #expect(try lab.pings("alice", family, "anna"))
      #expect(try lab.pings("alice", family, "branch"))
      #expect(try lab.pings("alice", family, "hq"))
      #expect(try lab.pings("alice", family, "hq.lte"))
      #expect(try lab.pings("branch", family, "alice"))
    }
  }

  @Test(arguments: ["-4", "-6"])
  func `a host of the other site is told to be unreachable, at once`(family: String) throws {
    try Lab.with(Self.twoSites) { lab throws in
      let answer = try lab.run("alice", ["ping", family, "-c", "1", "-W", "10", "bob"])
      #expect(answer.status == .exited(1))
      #expect(answer.text.lowercased().contains("unreachable"))
      #expect(try lab.run("hq", ["ping", family, "-c", "1", "-W", "1", "alice"]).status.isSuccess == false)
      for (node, other) in [("branch", ["10.1.", "fd48:6177:1:1:"]), ("hq", ["10.0.0.2", "fd48:6177:1::2"])] {
        let routes = try lab.output(node, "ip", family, "route", "show", "table", "all")
        #expect(!other.contains { routes.contains($0) }, "\(routes)")
      }
    }
  }

  @Test func `from a line nobody gets into a site, even with a route there`() throws {
    try Lab.with(Self.twoSites) { lab throws in
      #expect(try lab.succeeds("hq", "ip", "route", "add", "10.0.0.0/16", "via", "172.16.0.1"))
      #expect(try lab.pings("hq", "-4", "alice") == false)
      // The answer to what a host asked does get in.
      #expect(try lab.pings("alice", "-4", "hq"))
    }
  }

  @Test(arguments: ["-4", "-6"])
  func `a nat hides its inside behind its first link`(family: String) throws {
    try Lab.with(
      """
      node isp router
      node home nat
      node away gateway
      node phone gateway
      node tv host behind home
      node pad host behind phone
      link wan home -- isp
      link lan home -- phone
      link far isp -- away
      """
    ) { lab throws in
      // From inside, also two translations deep.
      #expect(try lab.pings("phone", family, "away"))
      #expect(try lab.pings("tv", family, "away"))
      #expect(try lab.pings("pad", family, "away"))
      #expect(try lab.pings("tv", family, "phone"))
      // The outer address answers, nothing behind it does, even with a route there.
      #expect(try lab.pings("away", family, "home.wan"))
      #expect(try lab.pings("away", family, "phone") == false)
      let (network, hop) = family == "-4" ? ("172.16.1.0/24", "172.16.0.1") : ("fd48:6177:0:1::/64", "fd48:6177::1")
      #expect(try lab.succeeds("isp", "ip", family, "route", "add", network, "via", hop))
      #expect(try lab.pings("isp", family, "phone") == false)
      #expect(try lab.pings("phone", family, "isp"))
    }
  }

  @Test func `who hides nobody has no rules and tracks no connections`() throws {
    let topology = try Lab.topology("node a gateway\nnode x router\nnode r relay\nlink ax a -- x\nlink xr x -- r")
    let plan = AddressPlan(topology)
    #expect(Ruleset(topology, plan, node: 1).text == nil && Ruleset(topology, plan, node: 2).text == nil)
    #expect(Ruleset(topology, plan, node: 0).text?.contains(" ct ") == false)
    #expect(Ruleset(topology, plan, node: 0).text?.contains("nat") == false)
  }
}

// MARK: Helpers

extension Lab {
  fileprivate func isReachable(_ from: Int, _ to: Int) -> Bool {
    let plan = RoutePlan(topology, AddressPlan(topology), .ipv4)
    return topology.links(at: to).allSatisfy { link in
      let address = plan.ends[topology.links[link].a == to ? 2 * link : 2 * link + 1].address
      return topology.links(at: from).contains(link)
        || plan.tables(at: from).main.contains {
          IPPrefix(address, length: $0.destination.length).network == $0.destination
        }
    }
  }

  /// How many packets an interface has sent, for each of these.
  fileprivate func sent(_ node: String, _ names: [String]) throws -> [UInt64] {
    let namespace = try Namespace.open(namespace(node))
    var socket = try NetlinkSocket.open(in: namespace.descriptor)
    return try names.map { try #require(try socket.link(named: $0)).sent.packets }
  }
}

private func line(_ word: String, of text: String) throws -> Substring {
  try #require(text.split(separator: "\n").first { $0.contains(word) })
}
