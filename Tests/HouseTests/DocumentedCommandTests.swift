//  DocumentedCommandTests.swift — every command and every address that a document has, run or held against what is.

import Foundation
import Testing

@Suite struct `Commands in documents` {
  @Test func `each has a proof, and each proof a command and a test`() throws {
    let commands = try documentedCommands()
    #expect(commands.count > 100)
    let tests = Checkout.swift.filter { $0.file.hasPrefix("Tests/") }.map { Checkout.root + "/" + $0.file }
    let text = try tests.map { try String(contentsOfFile: $0, encoding: .utf8) }.joined()
    expectNone(proofFindings(commands, DocumentedCommands.table) { text.contains("func `\($0)`") })
  }

  @Test func `addresses are those of the API, all of them`() throws {
    let document = try JSONSerialization.jsonObject(with: Data(try Checkout.bytes("docs/api/openapi.json")))
    let paths = Set(try #require((document as? [String: Any])?["paths"] as? [String: Any]).keys)
    // The oracle has an API of its own, and no document of it but its manual page.
    let oracle = try Checkout.text("Sources/Oracle/Oracle.swift")
    var named: Set<String> = []
    for file in ["README.md"] + Checkout.files(in: "docs", ".md", ".1", ".5", ".8")
    where !file.hasPrefix("docs/benchmarks/") && !file.hasPrefix("docs/decisions/") {
      for (line, address) in addresses(in: try Checkout.text(file)) {
        if file == "docs/man/path-oracle.8" {
          #expect(oracle.contains("\"\(address)\""), "\(file):\(line): the oracle has no \(address)")
        } else {
          named.insert(address)
          #expect(paths.contains(address), "\(file):\(line): openapi.json has no \(address)")
        }
      }
    }
    #expect(paths.subtracting(named).subtracting(["/", "/healthz"]) == [], "no document names them")
  }

  @Test(
    .enabled(if: getuid() == 0, "needs root: runs them beside two gateways in namespaces"), .timeLimit(.minutes(10)))
  func `run, and say something`() throws {
    let pair = try CommandStand()
    defer { pair.end() }
    for (command, proof) in DocumentedCommands.table {
      switch proof {
      case .runs(let instead, let isSilent):
        let answer = pair.run(instead ?? command)
        #expect(answer.status == 0 || answer.status == 1, "`\(command)` ends with \(answer.status): \(answer.text)")
        #expect(isSilent || !answer.text.isEmpty, "`\(command)` says nothing")
      case .rehearsed(let words):
        let answer = Programs.run("sh -c 'cd \(Checkout.root) && \(words)'")
        #expect(answer.status == 0 && !answer.text.isEmpty, "`\(words)`: \(answer.text)")
      case .tested, .system: break
      }
    }
  }

  // MARK: Each rule can fail

  private static let markdown = """
    Ask `hawser status`, or `status`; `hawser` is a program, and `sudo make test` a command.
    ```sh
    sudo netlab up a.topo      # with all
    umask 077; hawser genkey > a.key
    ```
    ```
    hawser is quiet in other blocks
    ```
        .build/release/bond-bench run x     what it does
    """
  private static let manual = """
    .Sh EXAMPLES
    .Ql hawser reload .
    .Ql SIGHUP
    .Bd -literal
    path-oracle query --from a \\e
        --to b
    .Ed
    """

  @Test func `are found in blocks and in text`() {
    #expect(
      commands(inMarkdown: Self.markdown, file: "a").map(\.text) == [
        "hawser status", "make test", "netlab up a.topo", "umask 077; hawser genkey > a.key",
        ".build/release/bond-bench run x",
      ])
    #expect(
      commands(inManual: Self.manual, file: "a.8").map(\.text) == [
        "hawser reload", "path-oracle query --from a --to b",
      ])
    #expect(commands(inManual: Self.manual, file: "a.5").map(\.text) == ["hawser reload"])
    #expect(
      addresses(in: "see\n`curl http://./v1/status?x=1`, /v1/, /metrics").map(\.address) == ["/v1/status", "/metrics"])
  }

  @Test func `without a proof are told, and proofs without a command or a test`() {
    let commands = [DocumentedCommand(file: "a.md", line: 3, text: "hawser status")]
    let table: [(command: String, proof: Proof)] = [
      ("hawser paths", .runs()), ("hawser paths", .runs()), ("hawser top", .tested(by: "is there")),
    ]
    #expect(
      proofFindings(commands, table) { _ in false }.map(\.message) == [
        "no document has `hawser paths`", "`hawser paths` is there twice", "no document has `hawser paths`",
        "no document has `hawser top`", "`hawser top`: there is no test `is there`",
        "`hawser status`: say in DocumentedCommands.table how we know that it works",
      ])
    #expect(proofFindings(commands, [("hawser status", .runs())]) { _ in true }.isEmpty)
  }
}

/// A lab pair with a name of its own, and a folder with the files that commands name.
private final class CommandStand {
  private let folder: String
  private let name = "documents-\(getpid())"

  init() throws {
    folder = NSTemporaryDirectory() + name
    let files = FileManager.default
    try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try files.createSymbolicLink(atPath: folder + "/topologies", withDestinationPath: Checkout.root + "/topologies")
    try files.createSymbolicLink(atPath: folder + "/scripts", withDestinationPath: Checkout.root + "/scripts")
    let topology = try Checkout.text("topologies/fibre-lte.topo")
    try topology.replacingOccurrences(of: "topology fibre-lte", with: "topology \(name)")
      .write(toFile: folder + "/lab.topo", atomically: false, encoding: .utf8)
    try "27.5 120\n28 1873\n31 98\n".write(toFile: folder + "/sat.txt", atomically: false, encoding: .utf8)
    try files.createSymbolicLink(atPath: folder + "/branch.conf", withDestinationPath: "\(state)/branch.conf")
  }

  private var state: String { "/run/netlab/\(name)/gateways" }

  /// As a user at the branch would, or beside the lab where the command is the lab's.
  func run(_ command: String) -> (text: String, status: Int32) {
    let stands = [
      ("topologies/fibre-lte.topo", "lab.topo"), ("set fibre-lte", "set \(name)"), ("down fibre-lte", "down \(name)"),
      ("exec alice", "exec \(name).alice"), ("exec branch", "exec \(name).branch"),
      ("/run/hawser/hawser0.sock", "\(state)/branch.sock"), (".build/release/", Programs.folder + "/"),
    ]
    let words = stands.reduce(command) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
    let script = "cd \(folder)\nexport PATH=\(Programs.folder):$PATH\n\(words)\n"
    let file = folder + "/command"
    do { try script.write(toFile: file, atomically: false, encoding: .utf8) } catch { return ("\(error)", -1) }
    let isHosts = words.hasPrefix("hawser ") || words.hasPrefix("curl ")
    return Programs.run(isHosts ? "\(Programs.folder)/netlab exec \(name).branch -- bash \(file)" : "bash \(file)")
  }

  func end() {
    _ = Programs.run("\(Programs.folder)/netlab down \(name)")
    try? FileManager.default.removeItem(atPath: folder)
  }
}
