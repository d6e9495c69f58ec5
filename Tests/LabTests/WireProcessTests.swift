import Glibc
import Primitives
import Simulation
import Testing
import Topology

@testable import Lab

@Suite(.serialized, .enabled(if: isRoot, rootReason))
struct `The wire as a process` {
  @Test func `carries what the topology says, among namespaces that others made`() throws {
    try withLab("node a gateway\nnode b gateway\nlink l a -- b rate 100mbit delay 2ms") { lab, _ throws in
      #expect(try lab.pings("a", "b"))
      let client = WireClient(directory: Laboratory.directory(of: lab.name))
      #expect(try client.statistics(of: "l").forward.counters.delivered >= 1)
      #expect(try client.totals().overrun == 0)
    }
  }

  @Test func `killed in the middle, it takes its interfaces with it, and everybody is told`() throws {
    try withLab("node a gateway\nnode b gateway\nlink l a -- b delay 1ms") { lab, wire throws in
      #expect(try lab.output("a", "ip", "-br", "link").contains("\nl "))
      kill(wire, SIGKILL)
      let isDead = eventually {
        let state = try? SmallFile.readText("/proc/\(wire)/stat")
        return state.map { $0.contains(") Z ") } ?? true
      }
      #expect(isDead)
      let client = WireClient(directory: Laboratory.directory(of: lab.name))
      #expect(!client.isAlive)
      let told = #expect(throws: LabError.self) { try client.totals() }
      #expect(told?.description.contains("the link emulator of \(lab.name) has died") == true)
      #expect(throws: LabError.self) { try Laboratory.up(lab.topology, source: "test.topo", options: .plain) }
      // Soon: the kernel closes interfaces one after the other, and waits for all processors each time.
      #expect(try eventually(within: .seconds(60)) { try !lab.output("a", "ip", "-br", "link").contains("\nl ") })
    }
  }

  @Test func `reads traces beside the file that names them, and says where one is wrong`() throws {
    var template = Array("/tmp/hawser-trace-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer {
      unlink(directory + "/up.trace")
      rmdir(directory)
    }
    let topology = try Lab.topology("node a gateway\nnode b gateway\nlink l a -- b trace up.trace delay 1ms")
    defer { _ = try? Laboratory.down(topology.name) }
    var options = Laboratory.UpOptions.plain
    options.executable = try netlab

    try SmallFile.write("5\n4\n", to: directory + "/up.trace")
    let refusal = #expect(throws: LabError.self) {
      try Laboratory.up(topology, source: directory + "/t.topo", options: options)
    }
    #expect(refusal?.description.contains("\(directory)/up.trace:2:1: 4 ms after 5 ms") == true, "\(refusal as Any)")

    try SmallFile.write("1\n2\n", to: directory + "/up.trace")
    #expect(try Laboratory.up(topology, source: directory + "/t.topo", options: options) == .built)
    #expect(try Lab(topology: topology).pings("a", "b"))
  }

  /// A topology that is up through the program that users have, and the number of its wire's process.
  private func withLab(_ statements: String, _ body: (Lab, pid_t) throws -> Void) throws {
    let lab = Lab(topology: try Lab.topology(statements))
    defer { _ = try? Laboratory.down(lab.name) }
    var options = Laboratory.UpOptions.plain
    options.executable = try netlab
    #expect(try Laboratory.up(lab.topology, source: "test.topo", options: options) == .built)
    let directory = Laboratory.directory(of: lab.name)
    let wire = SmallFile.names(in: "/proc").compactMap { pid_t($0) }.first { process in
      let words = (try? SmallFile.readText("/proc/\(process)/cmdline"))?.split(separator: "\0") ?? []
      return words.count == 3 && words[1] == "wire" && words[2] == directory
    }
    try body(lab, try #require(wire, "no process is the wire"))
  }

  /// It lies beside the program that runs the tests.
  private var netlab: String {
    get throws {
      let directory = try #require(CommandLine.arguments.first?.split(separator: "/").dropLast().joined(separator: "/"))
      let path = "/\(directory)/netlab"
      try #require(SmallFile.exists(path), "there is no \(path)")
      return path
    }
  }
}
