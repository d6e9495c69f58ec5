import Testing
import Topology

@Suite struct `Topology files` {
  private static let files = Checkout.files(in: "topologies", ".topo")

  @Test func `there are the eight places and the sixteen profiles`() {
    #expect(Self.files.filter { !$0.contains("/matrix/") }.count >= 8)
    #expect(Self.files.filter { $0.contains("/matrix/") }.count >= 16)
  }

  @Test(arguments: files) func `each is read, begins with a drawing, and has the name of its file`(file: String) throws
  {
    expectNone(topologyFindings(try Checkout.bytes(file), file: file))
  }

  @Test(arguments: [
    ("topology a\n", "t.topo:1: begins with its statements; a drawing in comments comes first"),
    ("#  words, and no lines between boxes\ntopology a\n", "t.topo:1: the comment before the topology draws nothing"),
    ("#  a ── b\ntopology b\nnode x gateway\n", "t.topo: is called b inside"),
    ("#  a ── b\ntopology t\nnode x gatewy\n", "t.topo:3:8: "),
  ])
  func `a bad one is found`(text: String, message: String) {
    let findings = topologyFindings(Array(text.utf8), file: "t.topo").map(\.description)
    #expect(findings.contains { $0.hasPrefix(message) || $0.contains(message) }, "\(findings)")
  }
}

func topologyFindings(_ bytes: [UInt8], file: String) -> [Finding] {
  var findings: [Finding] = []
  let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
  let comments = lines.prefix { $0.hasPrefix("#") }
  if comments.isEmpty {
    findings.append(
      Finding(file: file, line: 1, message: "begins with its statements; a drawing in comments comes first"))
  } else if !comments.contains(where: { $0.contains("──") || $0.contains("══") || $0.contains("--") }) {
    findings.append(
      Finding(file: file, line: 1, message: "the comment before the topology draws nothing: no line between two nodes"))
  }
  do {
    let topology = try Topology(parsing: bytes, file: file)
    let stem = file.split(separator: "/").last.map { $0.dropLast(".topo".count) } ?? ""
    // A name has no underscores, and the profiles of the matrix do.
    if topology.name != stem.map({ $0 == "_" ? "-" : String($0) }).joined() {
      findings.append(Finding(file: file, message: "is called \(topology.name) inside"))
    }
  } catch {
    findings.append(Finding(file: file, message: error.description))
  }
  return findings
}
