import Primitives
import Testing

@testable import Topology

@Suite struct `The picture of a topology` {
  @Test func `two gateways with their hosts and two lines`() throws {
    let text = """
      topology fibre-lte
      node branch gateway
      node hq gateway
      node alice host behind branch
      node bob host behind hq
      link fibre branch -- hq rate 300mbit delay 10ms
      link lte branch -- hq rate 20mbit/80mbit delay 30ms jitter 5ms loss 0.5%
      """
    let topology = try Topology(parsing: Array(text.utf8), file: "t")
    #expect(
      topology.drawing() == """
          alice   branch                                  hq      bob
          host    gateway                               gateway  host
            │        │                                     │       │
            ├────────┤                                     ├───────┤
            │        ├─ fibre 300mbit 10ms ────────────────┤       │
            │        ├─ lte 20mbit/80mbit 30ms ±5ms 0.5% ──┤       │

        """)
  }

  @Test(arguments: [0, 1, 5, 256])
  func `any number of nodes is drawn, each with its name`(count: Int) {
    var topology = Topology(name: "t")
    topology.nodes = (0..<count).map { .init(name: "node\($0)", kind: $0 % 3 == 0 ? .gateway : .relay) }
    for index in 1..<max(count, 1) where index < count {
      topology.links.append(.init(name: "l\(index)", a: 0, b: index))
    }
    let picture = topology.drawing()
    for node in topology.nodes { #expect(picture.contains(node.name)) }
    for link in topology.links { #expect(picture.contains(" \(link.name) ")) }
  }
}

@Suite struct `The address plan` {
  @Test func `addresses are those that the header promises`() throws {
    var topology = Topology(name: "t")
    topology.nodes = [
      .init(name: "a", kind: .gateway), .init(name: "b", kind: .gateway), .init(name: "h", kind: .host, behind: 1),
    ]
    topology.links = (0..<300).map { .init(name: "l\($0)", a: 0, b: 1) }
    let plan = AddressPlan(topology)
    let right = plan.interface(of: 299, at: 1)
    #expect(right.ipv4.description == "172.17.43.2" && right.ipv4.prefixLength == 24)
    #expect(right.ipv6.description == "fd48:6177:0:12b::2" && right.ipv6.prefixLength == 64)
    #expect(right.ipv4.network.description == "172.17.43.0" && right.ipv6.network.description == "fd48:6177:0:12b::")
    let host = try #require(plan.interface(ofHost: 2))
    #expect(host.name == "eth0" && host.ipv4.description == "10.1.0.2" && host.ipv6.description == "fd48:6177:1:1::2")
    #expect(plan.siteInterface(toHost: 2)?.ipv4.description == "10.1.0.1")
    #expect(plan.mainInterface(of: 2) == host && plan.mainInterface(of: 1)?.ipv4.description == "172.16.0.2")
  }

  @Test func `no two interfaces of the largest topology share an address or a name in a node`() {
    var topology = Topology(name: "t")
    topology.nodes = (0..<128).map { .init(name: "gateway-number-\($0)", kind: .gateway) }
    topology.nodes += (0..<128).map { .init(name: "a-host-with-long-name-\($0)", kind: .host, behind: 0) }
    topology.links = (0..<1024).map { .init(name: "a-link-with-long-name-\($0)", a: $0 % 127, b: 127) }
    let plan = AddressPlan(topology)
    var addresses: Set<AddressPlan.Address> = []
    var hardware: Set<[UInt8]> = []
    var names: Set<String> = []
    for link in 0..<1024 {
      for node in [link % 127, 127] {
        let interface = plan.interface(of: link, at: node)
        var isSound = interface.name.utf8.count <= 15
        isSound = isSound && addresses.insert(interface.ipv4).inserted && addresses.insert(interface.ipv6).inserted
        isSound = isSound && hardware.insert(interface.hardware).inserted
        if node == 127 { isSound = isSound && names.insert(interface.name).inserted }
        if !isSound { Issue.record("link \(link) at node \(node): \(interface)") }
      }
    }
    for host in 128..<256 {
      guard let own = plan.interface(ofHost: host), let site = plan.siteInterface(toHost: host) else {
        Issue.record("a host without an interface")
        continue
      }
      #expect(addresses.insert(own.ipv4).inserted && addresses.insert(own.ipv6).inserted)
      #expect(hardware.insert(own.hardware).inserted && hardware.insert(site.hardware).inserted)
    }
  }
}
