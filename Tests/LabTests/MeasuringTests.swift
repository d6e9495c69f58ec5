import Glibc
import Primitives
import Synchronization
import Testing
import Topology

@testable import Lab

//  Measurements of real TCP in real namespaces. How fast it is depends on the machine and on what else it does, so
//  nothing here asks for a speed; but what is measured, over what, and that nothing is left, does not depend on it.

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `A bench in the laboratory` {
  private static let onePath = """
    node a gateway
    node b gateway
    node alice host behind a
    node bob host behind b
    link one a -- b

    """
  private static let twoPaths = onePath + "link two a -- b"

  @Test func `measures every path alone and the bond over all, prints a row for each, and leaves nothing`() throws {
    let topology = try Lab.topology(Self.twoPaths)
    let (result, printed) = try bench(topology)
    #expect(result.paths.map(\.name) == ["one", "two"])
    for path in result.paths {
      #expect(path.goodputBitsPerSecond > 1e6 && path.rate == nil)
      #expect(path.idle.median != nil && path.loaded.sorted.count >= 10)
    }
    #expect(result.lateShare == nil)
    #expect(printed.contains("\none ") && printed.contains("\ntwo ") && printed.contains("\nsum "))
    let bond = try #require(result.bond)
    #expect(bond.goodputBitsPerSecond > 1e6 && bond.idle.median != nil && bond.loaded.sorted.count >= 10)
    #expect(result.bestPathRatio != nil && result.sumRatio != nil && printed.contains("\nhawser "))
    // Both paths carried: a test of the bond that one path alone would pass says nothing.
    #expect(bond.shares.map(\.path) == ["one", "two"] && bond.shares.allSatisfy { $0.share > 0.1 })
    #expect(traces(of: topology.name) == [])
  }

  @Test func `gives what the line carries, and says how late the wire was`() throws {
    let topology = try Lab.topology("node a gateway\nnode b gateway\nlink slow a -- b rate 10mbit/20mbit delay 5ms")
    var options = BenchOptions()
    options.direction = .both
    let (result, _) = try bench(topology, options)
    let path = try #require(result.paths.first)
    #expect(path.rate == BitRate(bitsPerSecond: 30_000_000))
    // A busy machine may make it less, and nothing can make it more: iperf3's clock and the wire's differ by less.
    #expect(path.goodputBitsPerSecond > 1e6 && path.goodputBitsPerSecond < 30e6 * 1_448 / 1_514 * 1.02)
    #expect(try #require(path.idle.median) >= 10)
    #expect(result.lateShare != nil)
    #expect(traces(of: topology.name) == [])
  }

  @Test func `lets a relay forward only while the path over it is measured`() throws {
    try Lab.with(
      """
      node a gateway
      node b gateway
      node r relay
      link up a -- r
      link down r -- b
      """
    ) { lab throws in
      let (result, _) = try bench(lab.topology)
      #expect(result.paths.map(\.name) == ["up+down"])
      #expect(try #require(result.paths.first).goodputBitsPerSecond > 1e6)
      // It was up before, so it still is, and as it was.
      for link in ["up", "down"] {
        #expect(try lab.output("r", "cat", "/proc/sys/net/ipv4/conf/\(link)/forwarding") == "0\n")
      }
      for node in ["a", "b", "r"] {
        #expect(try lab.output(node, "ip", "rule").contains("lookup 900") == false)
        #expect(try lab.output(node, "ip", "route", "show", "table", "900").isEmpty)
      }
      #expect(SmallFile.names(in: Laboratory.directory(of: lab.name)).contains("ready"))
      #expect(!SmallFile.names(in: Laboratory.directory(of: lab.name)).contains("bench"))
    }
  }

  @Test func `opens connections from behind a nat, whichever way the data goes`() throws {
    let topology = try Lab.topology(
      """
      node a gateway
      node b gateway
      node n nat
      link out a -- n
      link in n -- b
      """)
    for direction in [BenchOptions.Direction.up, .down] {
      var options = BenchOptions()
      options.direction = direction
      let (result, _) = try bench(topology, options)
      #expect(try #require(result.paths.first).goodputBitsPerSecond > 1e6, "\(direction)")
    }
  }

  @Test(arguments: Peer.allCases)
  func `measures each peer that is installed, and takes it away again`(peer: Peer) throws {
    guard (try? peer.bond.requirePrograms()) != nil else { return }
    try Lab.with(peer == .mptcp ? Self.twoPaths : Self.onePath) { lab throws in
      var options = BenchOptions()
      options.against = peer
      let (result, printed) = try bench(lab.topology, options)
      let bond = try #require(result.bond)
      #expect(bond.goodputBitsPerSecond > 1e6 && bond.idle.median != nil)
      #expect(result.bestPathRatio != nil && result.sumRatio != nil)
      #expect(printed.contains("\n\(peer.rawValue) "))
      #expect(result.notes.contains { $0.hasPrefix("\(peer.rawValue)") })
      if peer == .mptcp { #expect(result.notes.contains { $0.contains("subflows joined over further paths") }) }
      // The sites are apart again, and nobody of the peer's is left.
      #expect(try lab.pings("alice", "10.1.0.2") == false)
      for node in ["a", "b"] {
        #expect(try lab.output(node, "ip", "-o", "link").contains("-bench") == false)
        #expect(try lab.output(node, "ip", "mptcp", "endpoint").isEmpty)
      }
      #expect(
        SmallFile.names(in: Laboratory.directory(of: lab.name)).sorted() == ["hosts", "ready", "source", "topology"])
    }
  }

  @Test func `events begin with the bond's measurement, unless they began when the topology was brought up`() throws {
    let topology = try Lab.topology(
      """
      node a gateway
      node b gateway
      link one a -- b rate 20mbit delay 1ms
      event at 50ms one rate 1mbit
      """)
    var options = BenchOptions()
    options.against = .direct
    let late = "the events of the file did not begin with this measurement"
    let (alone, _) = try bench(topology, options)
    #expect(!alone.notes.contains { $0.hasPrefix(late) })
    // The path alone was measured before, so it had all of its rate.
    #expect(try #require(alone.bestPathRatio) < 0.6)

    defer { _ = try? Laboratory.down(topology.name) }
    var up = Laboratory.UpOptions.plain
    up.executable = BuiltProgram.netlab
    #expect(try Laboratory.up(topology, source: "test.topo", options: up) == .built)
    let (second, _) = try bench(topology, options)
    #expect(second.notes.contains { $0.hasPrefix(late) })
  }

  @Test func `refuses when the wire was too late, after three attempts`() throws {
    let topology = try Lab.topology("node a gateway\nnode b gateway\nlink slow a -- b rate 10mbit delay 1ms")
    #expect {
      try bench(topology, mostLate: -1)
    } throws: { error in
      guard let error = error as? LabError else { return false }
      return error.exitCode == 1 && error.description.contains("no figure for slow")
    }
    #expect(traces(of: topology.name) == [])
  }

  @Test func `ends the gateways of an up for a peer that needs their routes, and starts them again`() throws {
    let lab = Lab(topology: try Lab.topology(Self.onePath))
    defer { lab.down() }
    #expect(try Laboratory.up(lab.topology, source: "test.topo", options: .bonded) == .built)
    #expect(try lab.pings("alice", "10.1.0.2"))
    var options = BenchOptions()
    options.against = .direct
    let (result, _) = try bench(lab.topology, options)
    #expect(try #require(result.bond).goodputBitsPerSecond > 1e6)
    #expect(try lab.pings("alice", "10.1.0.2"))
    #expect(Gateways.running(lab.topology, LabState(lab.name)).map(\.node) == [0, 1])
  }

  @Test func `does not measure a topology that is up in another shape`() throws {
    try Lab.with("node a gateway\nnode b gateway\nlink one a -- b") { lab throws in
      var other = lab.topology
      other.links[0].mtu = ByteCount(1_400)
      #expect {
        try bench(other)
      } throws: { ($0 as? LabError)?.description.contains("is up, but not as") == true }
    }
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func `a signal ends it, and it takes everything down`(signal: Int32) throws {
    let program = try startProgram()
    program.child.send(signal: signal)
    #expect(program.child.wait(atMost: .seconds(20)) == .exited(128 + signal))
    #expect(traces(of: program.topology) == [])
    #expect(processes(inside: program.inodes).isEmpty)
  }

  @Test func `after SIGKILL, down removes all that it left`() throws {
    let program = try startProgram()
    program.child.kill()
    #expect(program.child.wait(atMost: .seconds(20)) == .killed(signal: SIGKILL))
    #expect(try Laboratory.down(program.topology))
    #expect(traces(of: program.topology) == [])
    #expect(processes(inside: program.inodes).isEmpty)
  }

  @Test func `a matrix goes on after a profile that fails, and reports both`() throws {
    var template = Array("/tmp/netlab-test-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer { _ = try? LabState.removeTree(directory, depth: 4) }
    let name = try Lab.topology("").name
    try SmallFile.write("topology \(name)\n\(Self.twoPaths)\n", to: directory + "/good.topo")
    try SmallFile.write("topology \(name)-bad\nnode a gateway\n", to: directory + "/bad.topo")
    try SmallFile.write("topology x\nlink\n", to: directory + "/broken.topo")
    var options = BenchOptions()
    options.seconds = 1
    let printed = Mutex("")
    let outcome = try Matrix.run(
      directory: directory, options: options, report: directory + "/a/report",
      setting: setting { text in printed.withLock { $0 += text } })
    #expect(outcome.exitCode == 1)
    #expect(outcome.profiles.map(\.name) == ["bad", "broken", "good"])
    #expect(outcome.profiles.map { $0.result != nil } == [false, false, true])
    #expect(
      printed.withLock { $0 }.contains(
        "1 of 3 profiles measured; not: bad, broken; the report is \(directory)/a/report"))
    let report = try SmallFile.readText(directory + "/a/report/report.md")
    #expect(report.contains("- `broken`: \(directory)/broken.topo:2:5: ") && report.contains("| good "))
    #expect(
      SmallFile.names(in: directory + "/a/report") == ["goodput.svg", "latency.svg", "report.json", "report.md"])
  }

  // MARK: Helpers

  private func setting(mostLate: Double = 1, _ print: @escaping (String) -> Void) -> Bench.Setting {
    var setting = Bench.Setting(
      source: "test.topo", executable: BuiltProgram.netlab, progress: Progress(isQuiet: true), print: print)
    setting.mostLate = mostLate
    setting.leastWarmUp = .zero
    return setting
  }

  private func bench(
    _ topology: Topology, _ options: BenchOptions = BenchOptions(), mostLate: Double = 1
  ) throws -> (result: BenchResult, printed: String) {
    var options = options
    options.seconds = 1
    let printed = Mutex("")
    let result = try Bench.run(
      topology, options: options, setting: setting(mostLate: mostLate) { text in printed.withLock { $0 += text } })
    return (result, printed.withLock { $0 })
  }

  /// netlab itself, in the middle of a measurement.
  private func startProgram() throws -> (child: ChildProcess, topology: String, inodes: Set<UInt64>) {
    let topology = try Lab.topology("node a gateway\nnode b gateway\nlink slow a -- b rate 10mbit delay 1ms")
    var template = Array("/tmp/netlab-test-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer { _ = try? LabState.removeTree(directory, depth: 4) }
    let file = directory + "/t.topo"
    try SmallFile.write(topology.printed(), to: file)
    let child = try ChildProcess.spawn([BuiltProgram.netlab, "bench", file, "--seconds", "30"])
    // It measures once iperf3 runs at both ends.
    let names = ["a", "b"].map { "\(topology.name).\($0)" }
    let isMeasuring = eventually(within: .seconds(30)) {
      let inodes = names.compactMap(Namespace.inode)
      return inodes.count == 2
        && inodes.allSatisfy { inode in
          processes(inside: [inode]).contains { $0.hasPrefix("iperf3") }
        }
    }
    #expect(isMeasuring, "the bench did not begin")
    return (child, topology.name, Set(names.compactMap(Namespace.inode)))
  }

  /// The names of the processes that live in these network namespaces.
  private func processes(inside inodes: Set<UInt64>) -> [String] {
    SmallFile.names(in: "/proc").filter { Int($0) != nil }.compactMap { process in
      var status = stat()
      guard stat("/proc/\(process)/ns/net", &status) == 0, inodes.contains(UInt64(status.st_ino)) else { return nil }
      return try? SmallFile.readText("/proc/\(process)/comm")
    }
  }
}
