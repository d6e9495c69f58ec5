import Primitives
import Testing
import Topology

@testable import Lab

@Suite struct `What a bench decides before it measures` {
  @Test(arguments: [(nil, 2), (20.0, 2), (62.5, 2), (62.6, 3), (640.0, 21), (1e7, 600)] as [(Double?, Int64)])
  func `a flow warms up for 32 round trips, at least 2 s and at most what iperf3 takes`(
    milliseconds: Double?, seconds: Int64
  ) {
    let roundTrip = milliseconds.map { Interval.nanoseconds(Int64($0 * 1e6)) }
    #expect(WarmUp.time(roundTrip: roundTrip) == .seconds(seconds))
  }

  @Test func `the sites are the first two gateways, else two nodes with links of their own`() throws {
    let gateways = try Sites(
      try topology("node r router\nnode a gateway\nnode b gateway\nnode c gateway\nlink ab a -- b\nlink rc r -- c"))
    #expect(gateways.first == 1 && gateways.second == 2 && !gateways.haveUsers)
    let hosts = try Sites(try topology("node o oracle\nnode a host\nnode r router\nlink oa o -- a\nlink ar a -- r"))
    #expect(hosts.first == 1 && hosts.second == 2)
    #expect(throws: LabError.self) { try Sites(try topology("node a gateway\nnode o oracle\nlink ao a -- o")) }
    let apart = try Sites(try topology("node a gateway\nnode b gateway"))
    #expect(throws: LabError("there is no path from a to b in t", exitCode: 64)) { try apart.ways() }
  }

  @Test func `a path is as fast as its narrowest link in the direction that is asked for`() throws {
    let ways = try Sites(
      try topology(
        """
        node a gateway
        node b gateway
        node r relay
        link direct b -- a rate 20mbit/80mbit mtu 1400
        link up a -- r rate 50mbit/90mbit
        link down r -- b rate 60mbit
        link wire a -- b
        """)
    ).ways()
    #expect(ways.map(\.name) == ["direct", "wire", "up+down"])
    func rate(_ index: Int, _ direction: BenchOptions.Direction) -> UInt64? {
      ways[index].rate(direction, traces: [:])?.bitsPerSecond
    }
    // The file names b first, and up is from the first gateway, a.
    #expect(rate(0, .up) == 80_000_000 && rate(0, .down) == 20_000_000 && rate(0, .both) == 100_000_000)
    #expect(rate(1, .up) == nil && rate(1, .both) == nil)
    #expect(rate(2, .up) == 50_000_000 && rate(2, .down) == 60_000_000)
    #expect(ways[0].mtu == 1_400 && ways[1].mtu == 1_500)
    #expect(ways[2].relay == 2 && ways[2].nodes == [0, 2, 1])
  }

  @Test func `connections over a nat are opened from its inside, and over two that face each other not at all`() throws
  {
    func opener(_ text: String) throws -> Int? { try Sites(try topology(text)).ways()[0].opener }
    // A nat's outside is its first link.
    #expect(try opener("node a gateway\nnode b gateway\nnode n nat\nlink out n -- b\nlink in a -- n") == 0)
    #expect(try opener("node a gateway\nnode b gateway\nnode n nat\nlink out a -- n\nlink in n -- b") == 1)
    #expect(
      try opener(
        """
        node a gateway
        node b gateway
        node n nat
        node m nat
        link between n -- m
        link left a -- n
        link right m -- b
        """) == nil)
  }

  @Test func `a program that is missing is named together with what installs it`() {
    #expect(
      throws: LabError(
        "wireguard-go, wg are not installed: `apt-get install wireguard-go wireguard-tools`", exitCode: 2)
    ) { try Program.require([.wireguardGo, .wg], path: "/nonexistent") }
    #expect(throws: LabError("ping is not installed: `apt-get install iputils-ping`", exitCode: 2)) {
      try Program.require([.ping], path: "")
    }
  }

  @Test func `the kernel's counters are found by their names`() {
    let text = "TcpExt: A B\nTcpExt: 1 2\nMPTcpExt: MPCapableSYNRX MPJoinSynAckRx\nMPTcpExt: 0 14\n"
    #expect(KernelCounters.value("MPTcpExt", "MPJoinSynAckRx", in: text) == 14)
    #expect(KernelCounters.value("MPTcpExt", "Nothing", in: text) == nil)
    #expect(KernelCounters.value("UdpExt", "A", in: text) == nil)
  }

  @Test func `numbers in the names of profiles count as numbers`() {
    let names = ["rtt_120", "jit_20", "rtt_40", "baseline", "rtt_40b", "rtt", "jit_5"]
    #expect(
      names.sorted(by: Matrix.comesBefore) == ["baseline", "jit_5", "jit_20", "rtt", "rtt_40", "rtt_40b", "rtt_120"])
  }

  private func topology(_ text: String) throws -> Topology {
    try Topology(parsing: Array("topology t\n\(text)\n".utf8), file: "t.topo")
  }
}

@Suite struct `A report` {
  private let circumstances = Circumstances(date: "2026-11-20 14:08 UTC", machine: "2 × EPYC", kernel: "6.18")

  @Test func `of a matrix has every profile, the ratios, the notes once, and why something is missing`() {
    var profiles = Array(Matrix16.profiles(withBond: true).prefix(2))
    profiles = profiles.map { profile in
      guard case .measured(var result) = profile.outcome else { return profile }
      result.notes = ["mptcp: the pings go beside it"]
      result.lateShare = 0.0004
      return Profile(name: profile.name, outcome: .measured(result))
    }
    profiles.append(Profile(name: "dead", outcome: .failed("a carries nothing")))
    let report = MatrixReport(
      profiles: profiles, options: BenchOptions(), bond: "mptcp", circumstances: circumstances)
    #expect(report.files.map(\.name) == ["report.md", "report.json", "goodput.svg", "latency.svg"])
    let rows = report.markdown.split(separator: "\n").filter { $0.hasPrefix("|") }.map { row in
      row.split(separator: "|").map { $0.filter { $0 != " " } }.joined(separator: " ")
    }
    #expect(rows[0] == "profile Aalone Balone best sum mptcp ofbest ofsum idle loadedmedian loaded99th retransmits")
    #expect(rows[2] == "baseline 40.6 40.3 40.6 80.9 73.9 182% 91% 40.3 46.2 52.3 3")
    #expect(rows[3] == "rtt_40 40.5 37.9 40.5 78.4 76.1 188% 97% 40.3 46.2 52.3 3")
    #expect(rows[4] == "dead - - - - - - - - - - -" && rows.count == 5)
    #expect(report.markdown.contains("- `dead`: a carries nothing\n"))
    #expect(report.markdown.contains("- baseline, rtt_40: mptcp: the pings go beside it\n"))
    #expect(report.markdown.contains("at most 0.040 %"))
    #expect(report.json.contains(#""error": "a carries nothing""#))
  }

  @Test func `without a bond speaks of the paths alone`() {
    let report = MatrixReport(
      profiles: Array(Matrix16.profiles(withBond: false).prefix(1)), options: BenchOptions(), bond: nil,
      circumstances: circumstances)
    #expect(report.markdown.hasPrefix("# Matrix: the paths alone\n"))
    #expect(!report.markdown.contains("of best"))
    #expect(report.summary == "1 profile · 1 TCP flow, cubic · up · 10 s each, after a warm-up")
  }

  @Test func `of one bench has the picture, every path by its name, the sum and the bond`() {
    let report = BenchReport(
      result: Matrix16.results(withBond: true)[0], drawing: "a ── b\n", bond: "mptcp", circumstances: circumstances)
    #expect(report.markdown.contains("```\na ── b\n```\n"))
    #expect(
      report.markdown.contains(
        """
        | path  | rate | goodput | idle | loaded median | loaded 99th | retransmits |
        |-------|-----:|--------:|-----:|--------------:|------------:|------------:|
        | a     | 50.0 |    40.6 | 40.3 |          58.9 |        90.7 |          12 |
        | b     | 50.0 |    40.3 | 40.3 |          58.9 |        90.7 |          12 |
        | sum   |    - |    80.9 |    - |             - |           - |           - |
        | mptcp |    - |    73.9 | 40.3 |          46.2 |        52.3 |           3 |

        mptcp is 182 % of the best path and 91 % of the sum.
        """))
  }

  @Test func `goes into a directory that may not exist yet, but not into a file`() throws {
    #expect(throws: LabError("/etc/passwd is a file, and the report needs a directory", exitCode: 2)) {
      try ReportFiles.makeDirectory("/etc/passwd")
    }
  }
}
