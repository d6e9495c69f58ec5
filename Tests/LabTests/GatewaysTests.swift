import FoundationEssentials
import Glibc
import Primitives
import Testing
import Topology

@testable import Lab

private let hasSchemas: Bool = {
  let python = try? ChildProcess.spawn(["python3", "-c", "import jsonschema"])
  return python?.wait()?.isSuccess == true
}()

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `Gateways of a topology that is up` {
  private static let files = ["single", "speed-3", "hub-and-branches", "fibre-lte", "triangle", "nat-branch"]

  @Test(arguments: files) func `join the sites of each file of ours, and down leaves nothing`(file: String) throws {
    var topology = try repositoryTopology(file)
    topology.name = try Lab.topology("").name
    try withGateways(topology) { lab throws in
      let hosts = topology.nodes.indices.filter { topology.nodes[$0].kind == .host }
      let (first, last) = (try #require(hosts.first), try #require(hosts.last))
      for (from, to) in [(first, last), (last, first)] {
        let addresses = try #require(lab.addresses(of: to))
        // Some files have lossy lines; one answer is enough.
        for address in addresses {
          let ping = ["ping", "-c", "5", "-i", "0.05", "-W", "2", address]
          #expect(try lab.run(topology.nodes[from].name, ping).status.isSuccess, "\(from) to \(to)")
        }
      }
      for member in BondPlan(topology).members {
        let status = try lab.status(of: topology.nodes[member.node].name)
        #expect(status.peers.map(\.name) == member.peers.map { topology.nodes[$0.node].name })
        #expect(status.peers.allSatisfy { $0.state == "connected" })
      }
    }
    #expect(traces(of: topology.name) == [])
  }

  /// The documents are tested with made-up states as well (ControlTests); these are real ones.
  @Test(.enabled(if: hasSchemas, "needs python3-jsonschema"))
  func `say of themselves what the schemas of the API have`() throws {
    var topology = try repositoryTopology("fibre-lte")
    topology.name = try Lab.topology("").name
    let checkout = (#filePath).split(separator: "/").dropLast(3).joined(separator: "/")
    try withGateways(topology) { lab throws in
      #expect(try lab.pings("alice", "bob"))
      let socket = LabState(lab.name).gatewaySocket(of: topology.nodes[0])
      for (page, schema) in [
        ("status", "status"), ("peers", "peers"), ("paths", "paths"), ("flows", "flows"), ("rules", "rules"),
        ("why?path=fibre", "why"), ("why?flow=10.0.0.2+10.1.0.2+icmp", "why"), ("events", "events"),
      ] {
        let line =
          "curl -s -H 'Accept: application/json' --unix-socket \(socket) 'http://h/v1/\(page)' "
          + "| /\(checkout)/scripts/hold-against-schema /\(checkout)/docs/api/schemas/\(schema).json -"
        let answer = try lab.run("branch", ["sh", "-c", line])
        #expect(answer.status.isSuccess, "\(page): \(answer)")
      }
      let program = try Gateways.program(beside: BuiltProgram.netlab)
      let line =
        "\(program) doctor --json "
        + "| /\(checkout)/scripts/hold-against-schema /\(checkout)/docs/api/schemas/doctor.json -"
      let answer = try lab.run("branch", ["sh", "-c", line])
      #expect(answer.status.isSuccess, "doctor: \(answer)")
    }
  }

  @Test func `carry everything between hosts, who do not reach each other without them`() throws {
    let topology = try Lab.topology(
      """
      node a gateway
      node b gateway
      node alice host behind a
      node bob host behind b
      link one a -- b
      link two a -- b
      """)
    try withGateways(topology) { lab throws in
      // The shell's own names lead through the bond, too, and the gateway itself is a user.
      #expect(try lab.pings("alice", "bob") && lab.pings("a", "bob"))
      let before = try lab.status(of: "a").peers[0]
      #expect(try lab.run("alice", ["ping", "-c", "20", "-i", "0.01", "-s", "1000", "10.1.0.2"]).status.isSuccess)
      let after = try lab.status(of: "a").peers[0]
      #expect(after.sent_packets >= before.sent_packets + 20 && after.received_bytes >= before.received_bytes + 20_000)
      #expect(after.paths.map(\.liveness) == ["up", "up"])

      // Keys are for root alone.
      let files = LabState(lab.name)
      for (path, mode) in [(files.gateways, 0o700), (files.gatewayFile(of: topology.nodes[0]), 0o600)] {
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == mode_t(mode), "\(path)")
      }

      // One is killed: `up` says so, and does not mend it in silence.
      let running = Gateways.running(topology, files)
      #expect(running.map(\.node) == [0, 1])
      running[0].process.kill()
      #expect(running[0].process.wait(atMost: .seconds(5)) == .gone)
      #expect(try lab.pings("alice", "10.1.0.2") == false && lab.pings("bob", "10.0.0.2") == false)
      let error = #expect(throws: LabError.self) {
        try Laboratory.up(topology, source: "test.topo", options: .bonded)
      }
      #expect(error?.description.hasPrefix("the gateway of a does not run") == true)
      #expect(error?.description.contains("netlab down \(lab.name)") == true)
    }
    #expect(traces(of: topology.name) == [])
  }

  @Test func `learn of relays from an oracle, and go on when one of them is killed, and the oracle`() throws {
    var topology = try repositoryTopology("triangle")
    topology.name = try Lab.topology("").name
    try withGateways(topology) { lab throws in
      func ways(_ state: String) throws -> Set<String> {
        Set(try lab.status(of: "branch").peers[0].paths.filter { $0.liveness == state }.map { $0.via ?? "direct" })
      }
      let isFound = try eventually(within: .seconds(30)) { try ways("up") == ["direct", "r1", "r2"] }
      let found = try lab.status(of: "branch").peers[0].paths
      #expect(isFound, "\(found)")
      let atHQ = try lab.status(of: "hq").peers[0].paths
      #expect(atHQ.count { $0.liveness == "up" } == 3)
      let ping = try lab.run("alice", ["ping", "-q", "-c", "20", "-i", "0.1", "-s", "200", "10.1.0.2"])
      // The direct way takes 100 ms there and back, and the shortest 40.
      let words = ping.text.split(separator: "/")
      let mean = words.count > 4 ? Double(words[4]) : nil
      #expect(ping.status.isSuccess && mean ?? 1_000 < 60, "\(ping.text)")

      let files = LabState(lab.name)
      let relay = try #require(Gateways.running(topology, files).first { topology.nodes[$0.node].name == "r1" })
      relay.process.kill()
      #expect(relay.process.wait(atMost: .seconds(5)) == .gone)
      #expect(try lab.pings("alice", "bob"))
      let isGone = try eventually { try !ways("up").contains("r1") }
      #expect(isGone)
      #expect(try ways("up") == ["direct", "r2"])

      #expect(try lab.status(of: "branch").oracle?.state == "answers")
      let oracle = try #require(Gateways.running(topology, files).first { topology.nodes[$0.node].kind == .oracle })
      oracle.process.kill()
      let isSilent = try eventually(within: .seconds(30)) { try lab.status(of: "branch").oracle?.state == "silent" }
      #expect(isSilent)
      #expect(try ways("up") == ["direct", "r2"], "its last advice holds")
      #expect(try lab.pings("alice", "bob"))
    }
    #expect(traces(of: topology.name) == [])
  }

  @Test func `are told by the doctor who translates their addresses, and as what`() throws {
    var topology = try repositoryTopology("nat-branch")
    topology.name = try Lab.topology("").name
    try withGateways(topology) { lab throws in
      #expect(try lab.pings("alice", "bob"))
      let program = try Gateways.program(beside: BuiltProgram.netlab)
      let report = try lab.run("branch", [program, "doctor"]).text
      let lines = report.split(separator: "\n").filter { $0.contains("  nat ") }
      #expect(!lines.isEmpty && lines.contains { $0.contains(" is heard as ") && $0.contains(" by hq") }, "\(report)")
    }
  }

  @Test func `find out that a line in the middle is narrow, and TCP passes`() throws {
    let topology = try Lab.topology(
      """
      node a gateway
      node b gateway
      node r router
      node alice host behind a
      node bob host behind b
      link near a -- r
      link far r -- b mtu 1400
      """)
    try withGateways(topology) { lab throws in
      #expect(try lab.pings("alice", "bob"))
      // Both ends of a stream think that they may send 1,500 bytes.
      #expect(try lab.run("bob", ["iperf3", "-s", "-1", "-D"]).status.isSuccess)
      let stream = try lab.run("alice", ["iperf3", "-c", "10.1.0.2", "-n", "20M", "--connect-timeout", "5000"])
      #expect(stream.status.isSuccess, "\(stream.text)")
      let isFound = try eventually { try lab.status(of: "a").peers[0].paths[0].mtu_bytes == 1_400 }
      let path = try lab.status(of: "a").peers[0].paths[0]
      #expect(isFound, "\(path)")
    }
  }

  @Test(arguments: [
    ("echo 'hawser: no TUN' >&2; exit 2", "ended; the last line of its log: hawser: no TUN"),
    ("exec sleep 1000", "is not connected to anybody"),
  ])
  func `that do not come up take everything back, and their last words are told`(script: String, words: String) throws {
    let topology = try Lab.topology("node a gateway\nnode b gateway\nlink one a -- b")
    var template = Array("/tmp/netlab-test-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer { _ = try? LabState.removeTree(directory, depth: 2) }
    try SmallFile.write("#!/bin/sh\n\(script)\n", to: directory + "/hawser")
    chmod(directory + "/hawser", 0o755)
    var options = Laboratory.UpOptions()
    options.executable = directory + "/netlab"
    options.gatewayPatience = .milliseconds(300)
    let error = #expect(throws: LabError.self) {
      try Laboratory.up(topology, source: "test.topo", options: options)
    }
    #expect(error?.description.hasPrefix("the gateway of a ") == true && error?.exitCode == 2)
    #expect(error?.description.contains(words) == true, "\(String(describing: error))")
    #expect(traces(of: topology.name) == [])

    unlink(directory + "/hawser")
    let missing = #expect(throws: LabError.self) {
      try Laboratory.up(topology, source: "test.topo", options: options)
    }
    #expect(missing?.description.contains("swift build --product hawser") == true)
    #expect(traces(of: topology.name) == [])
  }

  private func withGateways(_ topology: Topology, _ body: (Lab) throws -> Void) throws {
    let lab = Lab(topology: topology)
    defer { lab.down() }
    let namespaces = topology.nodes.map { "\(topology.name).\($0.name)" }
    #expect(try Laboratory.up(topology, source: "test.topo", options: .bonded) == .built)
    let inodes = Set(namespaces.compactMap(Namespace.inode))
    try body(lab)
    lab.down()
    let left = SmallFile.names(in: "/proc").compactMap { Int32($0) }.filter {
      Teardown.namespace(of: $0).map(inodes.contains) ?? false
    }
    #expect(left == [])
  }
}

/// What `hawser status --json` says, as far as it matters here.
private struct Status: Decodable {
  struct Peer: Decodable {
    struct Path: Decodable {
      var liveness: String
      var via: String?
      var mtu_bytes: Int
      var mtu_search: String
    }
    var name: String
    var state: String
    var sent_packets: Int
    var received_bytes: Int
    var paths: [Path]
  }
  struct Oracle: Decodable { var state: String }
  var peers: [Peer]
  var oracle: Oracle?
}

extension Lab {
  fileprivate func addresses(of host: Int) -> [String]? {
    AddressPlan(topology).interface(ofHost: host).map { [$0.ipv4.description, $0.ipv6.description] }
  }

  /// As its user would ask.
  fileprivate func status(of node: String) throws -> Status {
    let program = try Gateways.program(beside: BuiltProgram.netlab)
    let answer = try run(node, [program, "status", "--json"])
    return try JSONDecoder().decode(Status.self, from: Data(answer.text.utf8))
  }
}

/// One of the topologies that everybody has.
func repositoryTopology(_ name: String) throws -> Topology {
  let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
  let file = "\(root)/topologies/\(name).topo"
  return try Topology(parsing: try SmallFile.read(file), file: file)
}
