import Configuration
import Primitives
import Sealing
import Testing
import Topology

@testable import Lab

@Suite struct `What the lab tells gateways` {
  @Test func `every path and where the other side ends, in the file's order, with a port for each link`() throws {
    let plan = BondPlan(
      try topology(
        """
        node a gateway
        node b gateway
        node alice host behind a
        link one a -- b rate 20mbit/80mbit
        link two b -- a rate 30mbit/50mbit
        """))
    let keys = try plan.makeKeys()
    let (own, other) = (try #require(keys[0]), try #require(keys[1]))
    let configuration = try #require(plan.configuration(of: plan.members[0], keys: keys, socket: "/s.sock"))
    var secret: [UInt8] = Array(repeating: 0, count: Secret.textLength)
    secret.withUnsafeMutableBytes { own.secret.copied().writeText(into: $0) }
    #expect(
      String(decoding: configuration.printed(), as: UTF8.self) == """
        [Gateway]
        PrivateKey = \(String(decoding: secret, as: UTF8.self))
        Address = 10.0.0.1/32, fd48:6177:1::1/128

        [Path "one"]
        Interface = one
        Port = 51820
        Weight = 20

        [Path "two"]
        Interface = two
        Port = 51821
        Weight = 50

        [Peer "b"]
        PublicKey = \(other.publicKey)
        Endpoint = 172.16.0.2:51820, 172.16.1.1:51821
        AllowedIPs = 10.1.0.0/16, fd48:6177:1:1::/64

        [Control]
        Socket = /s.sock

        """)
  }

  @Test func `behind a nat, only the inside knows where to begin`() throws {
    let plan = BondPlan(
      try topology(
        """
        node inside gateway
        node outside gateway
        node n nat
        link public outside -- n
        link private inside -- n
        link direct inside -- outside
        """))
    #expect(plan.members.map { $0.peers.map(\.endpoints) } == [[[2, 0]], [[2]]])
    #expect(plan.members.map { $0.paths.map(\.link) } == [[1, 2], [0, 2]])
  }

  @Test func `two nats that face each other and single gateways make no bond`() throws {
    let faced = """
      node a gateway
      node b gateway
      node n nat
      node m nat
      link between n -- m
      link left a -- n
      link right m -- b
      """
    for text in [faced, "node a gateway\nnode h host behind a", "node a gateway\nnode b gateway"] {
      #expect(BondPlan(try topology(text)).members.isEmpty, "\(text)")
    }
  }

  @Test func `over a relay the first asks for the address where the other is reached from there`() throws {
    let plan = BondPlan(
      try topology(
        """
        node a gateway
        node b gateway
        node r relay
        link direct a -- b
        link near a -- r
        link far r -- b
        """))
    #expect(plan.members.map { $0.paths.map(\.link) } == [[0, 1], [0, 2]])
    #expect(plan.members.map { $0.peers.map(\.endpoints) } == [[[0, 2]], [[0]]])
    #expect(plan.members.map(\.relays) == [[.init(node: 2, link: 1)], []])
    #expect(plan.relays == [2])
    let keys = try plan.makeKeys()
    let gateway = try #require(plan.configuration(of: plan.members[0], keys: keys, socket: "/s.sock"))
    let relay = try #require(plan.configuration(ofRelay: 2, keys: keys))
    #expect(gateway.relays.map(\.publicKey) == [keys[2]?.publicKey])
    #expect(gateway.relays.flatMap(\.endpoints).map(\.description) == ["172.16.1.2:51800"])
    #expect(relay.clients.map(\.name) == ["a", "b"] && relay.allowPrivate == .yes)
    let again = try RelayFile(reading: relay.printed(), named: "r.conf")
    #expect(again.relay == relay)
  }

  @Test func `where there is an oracle, gateways and relays know it, and it knows them`() throws {
    let plan = BondPlan(try repositoryTopology("triangle"))
    let keys = try plan.makeKeys()
    let oracle = try #require(plan.oracle)
    let configuration = plan.configuration(ofOracle: oracle, keys: keys, store: "/x/oracle.db")
    #expect(configuration.gateways.map(\.name) == ["branch", "hq"])
    #expect(configuration.relays.map(\.name) == ["r1", "r2"])
    #expect(configuration.relays.map(\.publicKey) == plan.relays.map { keys[$0]?.publicKey })
    // At the address on the line that both are on.
    let branch = try #require(plan.configuration(of: plan.members[0], keys: keys, socket: "/x"))
    let hq = try #require(plan.configuration(of: plan.members[1], keys: keys, socket: "/x"))
    #expect(branch.relays.isEmpty && branch.oracle?.name == "branch" && hq.oracle?.name == "hq")
    #expect(branch.oracle?.url != hq.oracle?.url)
    let names = plan.certificateNames(ofOracle: oracle)
    for client in [branch.oracle, hq.oracle, plan.configuration(ofRelay: plan.relays[0], keys: keys)?.oracle] {
      let host = try #require(client?.url.split(separator: "/").last?.split(separator: ":").first)
      #expect(names.contains("IP:\(host)"))
      guard case .held(let token) = client?.token else { throw LabError.refused("a token is held") }
      let known = configuration.gateways + configuration.relays
      #expect(known.first { $0.name == client?.name }?.token == .held(token))
    }
  }

  @Test func `without a limit all paths are alike, and how narrow one is nobody tells`() throws {
    let plan = BondPlan(
      try topology(
        """
        node a gateway
        node b gateway
        node r router
        link near a -- r rate 50mbit
        link far r -- b mtu 1400
        link wire a -- b
        """))
    #expect(plan.members[0].paths == [.init(link: 0), .init(link: 2)])
    #expect(plan.members[1].paths == [.init(link: 1), .init(link: 2)])
  }

  @Test func `a hub is the peer of every branch, and branches are not each other's`() throws {
    let plan = BondPlan(try repositoryTopology("hub-and-branches"))
    #expect(plan.members.map { $0.peers.map(\.node) } == [[2, 3, 4, 5], [0], [0], [0], [0]])
    #expect(plan.members[0].peers.map(\.endpoints) == [[0, 1], [2, 3], [4, 5], [6, 7]])
  }

  @Test func `whoever would ask over more pairs than a gateway may leaves it to the other to begin`() throws {
    let branches = (0..<7).map { "node b\($0) gateway\nlink x\($0) hub -- b\($0)\nlink y\($0) hub -- b\($0)\n" }
    let plan = BondPlan(try topology("node hub gateway\n" + branches.joined()))
    #expect(plan.members[0].paths.count == 14 && plan.members[0].peers.allSatisfy { $0.endpoints.isEmpty })
    #expect(plan.members.dropFirst().allSatisfy { $0.peers.map(\.endpoints.count) == [2] })
  }

  private func topology(_ text: String) throws -> Topology {
    try Topology(parsing: Array("topology t\n\(text)\n".utf8), file: "t.topo")
  }
}
