//  DocumentedCommands.swift — every command that a document tells a user to type, and how we know that it works.
//
//  Why.  A document rots where nobody runs it. Whoever writes a command into one must say here what runs it: then it is
//  run in the same minute, or there is a test with a name.
//
//  How.  Commands are the lines of code blocks (`sh` in Markdown, EXAMPLES in manual pages), and of running text those
//  in backquotes or behind `.Ql` that begin with a program of ours, `curl`, `make` or a script. The table has each of
//  them once, in the order in which a lab pair runs them; what a document calls fibre-lte or branch.conf is there a
//  topology with a name of its own, and files in a folder of its own.

enum Proof {
  /// Run in the lab pair as it stands, or these words instead of it, where it would not end or needs what only the user
  /// has. It must end with 0 or 1, and say something unless `isSilent`.
  case runs(instead: String? = nil, isSilent: Bool = false)
  /// The name of the test that runs it.
  case tested(by: String)
  /// It takes minutes, or changes the machine: only what it would do is asked.
  case rehearsed(String)
  /// Not ours.
  case system
}

enum DocumentedCommands {
  private static let quickStart =
    "takes a new user through the quick start as it is written, in under ten commands a side"
  private static let bench =
    "measures every path alone and the bond over all, prints a row for each, and leaves nothing"
  private static let relays = "learn of relays from an oracle, and go on when one of them is killed, and the oracle"
  private static let everything = "README's two commands are the Makefile's first two targets, and CI runs the second"

  static let table: [(command: String, proof: Proof)] = [
    // What is up while the others run.
    ("netlab draw topologies/fibre-lte.topo", .runs()),
    ("netlab up topologies/fibre-lte.topo", .runs()),
    ("netlab exec alice -- ping -c 3 bob", .runs()),
    ("netlab exec branch -- hawser paths", .runs()),
    ("netlab exec branch -- hawser status", .runs()),
    ("hawser status", .runs()),
    ("hawser paths", .runs()),
    ("hawser paths --json | jq -r '.paths[] | select(.liveness != \"up\") | .name'", .runs(isSilent: true)),
    ("hawser flows --top 10", .runs()),
    ("hawser why 10.1.0.2:443 10.2.0.7:51234 tcp", .runs(instead: "hawser why 10.0.0.2:443 10.1.0.2:51234 tcp")),
    ("hawser set path lte Tier=backup", .runs()),
    ("hawser set --back", .runs()),
    ("hawser set path NAME Tier=never", .runs(instead: "hawser set path lte Tier=never")),
    ("hawser reload", .runs()),
    ("hawser bench", .runs(instead: "hawser bench --seconds 1")),
    ("hawser doctor", .runs()),
    (
      "hawser doctor --config /etc/hawser/branch.conf",
      .tested(by: "nothing, where all is well, with and without a file")
    ),
    ("hawser doctor --json | jq -r '.checks[] | select(.state != \"ok\") | .remedy'", .runs(isSilent: true)),
    ("curl --unix-socket /run/hawser/hawser0.sock http://./v1/status", .runs()),
    ("curl --unix-socket /run/hawser/hawser0.sock http://hawser/v1/paths", .runs()),
    ("netlab set fibre-lte lte rate 5mbit loss 3%", .runs(isSilent: true)),

    // Keys, files and words.
    ("umask 077", .system),
    ("umask 077; hawser genkey > branch.key", .runs(isSilent: true)),
    ("hawser genkey > branch.key", .runs(isSilent: true)),
    ("hawser pubkey < branch.key", .runs()),
    ("hawser genkey", .runs()),
    ("hawser genpsk", .runs()),
    ("hawser pubkey", .runs(instead: "hawser genkey | hawser pubkey")),
    ("hawser sample-config", .runs()),
    ("hawser sample-config hub", .runs()),
    ("hawser check-config branch.conf", .runs()),
    ("hawser init", .tested(by: "writes files that both sides can use, and says which two commands to run")),
    ("hawser init --directory /etc/hawser", .tested(by: quickStart)),
    ("source <(hawser completions bash)", .runs(instead: "source <(hawser completions bash) && complete -p hawser")),

    // Who runs until somebody ends him.
    ("hawser gateway --config branch.conf", .tested(by: "starts without an interface, waits for it, and uses it")),
    ("hawser relay", .tested(by: relays)),
    ("hawser relay --config west-1.conf", .tested(by: relays)),
    ("netlab up topologies/triangle.topo", .tested(by: relays)),
    ("path-oracle serve", .tested(by: "says when it is ready, and ends cleanly when it is told to")),
    (
      "path-oracle serve --config oracle.conf",
      .tested(by: "says when it is ready, and ends cleanly when it is told to")
    ),
    ("path-oracle watch", .tested(by: "watch tells what changes as it happens")),

    // The oracle's answers.
    (
      "path-oracle query --from branch --to hq -k 3",
      .tested(by: "query shows the best paths and why, for people and for programs")
    ),
    (
      "path-oracle query --from branch --to hq -k 3 --objective latency",
      .tested(by: "query shows the best paths and why, for people and for programs")
    ),
    (
      "path-oracle query --from branch --to hq -k 1 --objective latency --max-price 0.05",
      .tested(by: "query says that there is no path, and why, with an exit code that a script sees")
    ),
    (
      "path-oracle query --alto https://alto.example.net/ --from 192.0.2.1 --to 198.51.100.1",
      .tested(by: "query asks any ALTO server for what it knows")
    ),
    ("path-oracle map --svg map.svg", .tested(by: "map shows the matrix, and draws it")),
    ("path-oracle predict --path fibre:300mbit:10ms --path lte:80mbit:30ms:5ms", .runs()),
    (
      "path-oracle predict --path fibre:300mbit:10ms --path sat:20mbit --histogram sat=sat.txt --json | "
        + "jq '.sufficient[1].buffer_bytes'", .runs()
    ),

    // Simulations.
    (
      "netlab simulate topologies/three-uplinks.topo --seed 7 --log events.log --pcap packets.pcap",
      .runs(
        instead:
          "netlab simulate topologies/three-uplinks.topo --seed 7 --seconds 1 --log events.log --pcap packets.pcap")
    ),
    (
      "netlab simulate topologies/three-uplinks.topo --seed 7 --pcap three.pcap",
      .runs(instead: "netlab simulate topologies/three-uplinks.topo --seed 7 --seconds 1 --pcap three.pcap")
    ),
    (".build/release/gateway-seeds", .runs(instead: ".build/release/gateway-seeds --seeds 1")),
    (
      ".build/release/bond-bench run topologies/matrix/*.topo",
      .runs(instead: ".build/release/bond-bench run topologies/matrix/baseline.topo")
    ),
    (".build/release/bond-bench sweep --seeds 1000", .runs(instead: ".build/release/bond-bench sweep --seeds 1")),
    (".build/release/bond-bench trial --seeds 1000", .runs(instead: ".build/release/bond-bench trial --seeds 1")),
    (".build/release/bond-bench random --seed 17", .runs()),
    (".build/release/bond-bench survey --seeds 10000", .runs(instead: ".build/release/bond-bench survey --seeds 1")),

    // Measurements, which have tests that wait for them.
    ("netlab bench", .tested(by: bench)),
    ("netlab bench topologies/fibre-lte.topo", .tested(by: bench)),
    ("netlab bench topologies/fibre-lte.topo --seconds 5 --json | jq .paths", .tested(by: bench)),
    (
      "netlab bench topologies/fibre-lte.topo --against mptcp",
      .tested(by: "measures each peer that is installed, and takes it away again")
    ),
    (
      "netlab matrix --report build/matrix",
      .tested(by: "a matrix goes on after a profile that fails, and reports both")
    ),
    (
      "netlab down --all", .tested(by: "down --all takes all down, also what was left half-way, and no directory stays")
    ),

    // The quick start, on machines of its own.
    ("apt install ./hawser_*.deb", .tested(by: quickStart)),
    ("sysctl -w net.ipv4.ip_forward=1", .tested(by: quickStart)),
    (
      "scp -p /etc/hawser/hub.conf /etc/hawser/hub.key root@203.0.113.7:/etc/hawser/", .tested(by: quickStart)
    ),
    ("rm /etc/hawser/hub.key", .tested(by: quickStart)),
    ("hawser check-config /etc/hawser/hub.conf", .tested(by: quickStart)),
    ("systemctl enable --now hawser@hub", .tested(by: quickStart)),
    ("hawser check-config /etc/hawser/branch.conf", .tested(by: quickStart)),
    ("systemctl enable --now hawser@branch", .tested(by: quickStart)),
    ("ping -c 3 10.9.0.1", .tested(by: quickStart)),
    ("make deb", .tested(by: quickStart)),
    ("journalctl -u hawser@branch HAWSER_EVENT=path-down HAWSER_PATH=lte", .system),

    // The house's own.
    ("make demo", .tested(by: everything)),
    ("make test", .tested(by: everything)),
    ("make check", .rehearsed("make --dry-run check")),
    ("make format", .rehearsed("make --dry-run format")),
    ("make bench", .rehearsed("make --dry-run bench")),
    ("make fuzz", .rehearsed("make --dry-run fuzz")),
    ("make fuzz SECONDS=60", .rehearsed("make --dry-run fuzz SECONDS=60")),
    ("make sanitize", .rehearsed("make --dry-run sanitize")),
    ("make install", .rehearsed("make --dry-run install")),
    ("swift build --build-tests", .system),
    ("swift test --skip-build --filter 'Reading a topology'", .system),
    ("scripts/test --skip LabTests", .rehearsed("bash -vn scripts/test")),
    ("scripts/fuzz 60 topology", .rehearsed("bash -vn scripts/fuzz")),
    ("scripts/fuzz --minimise", .rehearsed("bash -vn scripts/fuzz")),
    (
      "scripts/instructions",
      .tested(by: "cost at most 5 % more instructions a packet than what is committed, and take no memory for one")
    ),
    ("scripts/instructions record", .rehearsed("bash -vn scripts/instructions")),
    ("scripts/leftovers", .runs(instead: "scripts/leftovers list", isSilent: true)),
    ("scripts/kills", .rehearsed("bash -vn scripts/kills")),
    ("scripts/relay-rate", .rehearsed("bash -vn scripts/relay-rate")),
    ("scripts/show-cost", .rehearsed("bash -vn scripts/show-cost")),
    ("scripts/flaps", .tested(by: "has every path back, loses nothing, and leaves the machine as it was")),
    ("scripts/reloads", .tested(by: "answers each change of its file, and loses nothing")),
    ("scripts/hold-against-schema", .tested(by: "each answer fits its schema")),
    (
      "scripts/look-at-page",
      .tested(by: "says what the API says, asks nobody else, and is read by day and by night")
    ),

    ("netlab down fibre-lte", .runs()),
  ]
}

/// A command out of a document.
struct DocumentedCommand: Equatable {
  let file: String
  let line: Int
  let text: String
}

/// Commands of all documents that users and engineers read; not what was measured or decided once. The wire format has
/// labels that look like commands.
func documentedCommands() throws -> [DocumentedCommand] {
  let markdown =
    ["README.md"]
    + Checkout.files(in: "docs", ".md").filter { file in
      file.split(separator: "/").count == 2 && file != "docs/wire-format.md"
    }
  let manuals = Checkout.files(in: "docs/man", ".1", ".5", ".8")
  return try markdown.flatMap { commands(inMarkdown: try Checkout.text($0), file: $0) }
    + manuals.flatMap { commands(inManual: try Checkout.text($0), file: $0) }
}

func commands(inMarkdown text: String, file: String) -> [DocumentedCommand] {
  var found: [DocumentedCommand] = []
  var fence: Substring?
  for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
    func add(_ text: some StringProtocol) {
      if let command = plain(String(text)) {
        found.append(DocumentedCommand(file: file, line: index + 1, text: command))
      }
    }
    if line.hasPrefix("```") {
      fence = fence == nil ? line.dropFirst(3) : nil
    } else if fence != nil {
      if fence == "sh" { add(line) }
    } else if line.hasPrefix("    .build/") {
      // What it does stands behind some spaces.
      add(line.dropFirst(4).split(separator: "  ", maxSplits: 1)[0])
    } else {
      for (place, part) in line.split(separator: "`", omittingEmptySubsequences: false).enumerated() {
        if place % 2 == 1 && isTyped(String(part)) { add(part) }
      }
    }
  }
  return found
}

func commands(inManual text: String, file: String) -> [DocumentedCommand] {
  var found: [DocumentedCommand] = []
  var (section, isLiteral, begun) = ("", false, "")
  for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
    func add(_ text: some StringProtocol) {
      if let command = plain(String(text)) {
        found.append(DocumentedCommand(file: file, line: index + 1, text: command))
      }
    }
    if line.hasPrefix(".Sh ") { section = String(line.dropFirst(4)) }
    if line.hasPrefix(".Bd -literal") || line == ".Ed" {
      isLiteral = line != ".Ed"
    } else if isLiteral, section == "EXAMPLES", !file.hasSuffix(".5") {
      if line.hasSuffix("\\e") {
        begun += line.dropLast(2)
      } else {
        add(begun + line)
        begun = ""
      }
    } else if line.hasPrefix(".Ql ") {
      // A mark at the end is the sentence's.
      var words = line.dropFirst(4).split(separator: " ")
      if words.last == "." || words.last == "," { words.removeLast() }
      let text = words.joined(separator: " ")
      if isTyped(text) { add(text) }
    }
  }
  return found
}

/// In running text: a program of ours with a word behind it, or a script.
private func isTyped(_ text: String) -> Bool {
  var words = text.split(separator: " ").map(String.init)
  if words.first == "sudo" { words.removeFirst() }
  guard let first = words.first else { return false }
  if first.hasPrefix("scripts/") { return Checkout.isProgram(first) }
  let isOurs =
    ["hawser", "netlab", "path-oracle", "curl", "make"].contains(first) || first.hasPrefix(".build/release/")
  return isOurs && words.count > 1
}

/// Without `sudo`, comments and spaces that are only for the eye.
private func plain(_ text: String) -> String? {
  var words = text.split(separator: " ").map(String.init)
  if let comment = words.firstIndex(where: { $0.hasPrefix("#") }) { words.removeSubrange(comment...) }
  if words.first == "sudo" { words.removeFirst() }
  return words.isEmpty ? nil : words.joined(separator: " ")
}

/// Commands without a proof, proofs of what no document has, and tests that do not exist.
func proofFindings(
  _ commands: [DocumentedCommand], _ table: [(command: String, proof: Proof)], hasTest: (String) -> Bool
) -> [Finding] {
  var findings: [Finding] = []
  var known: [String: Int] = [:]
  for (index, row) in table.enumerated() {
    if known.updateValue(index, forKey: row.command) != nil {
      findings.append(Finding(file: "table", message: "`\(row.command)` is there twice"))
    }
    if !commands.contains(where: { $0.text == row.command }) {
      findings.append(Finding(file: "table", message: "no document has `\(row.command)`"))
    }
    if case .tested(let name) = row.proof, !hasTest(name) {
      findings.append(Finding(file: "table", message: "`\(row.command)`: there is no test `\(name)`"))
    }
  }
  for command in commands where known[command.text] == nil {
    findings.append(
      Finding(
        file: command.file, line: command.line,
        message: "`\(command.text)`: say in DocumentedCommands.table how we know that it works"))
  }
  return findings
}

/// Addresses of an API that a text names: "/v1/status" of "http://hawser/v1/status?x=1".
func addresses(in text: String) -> [(line: Int, address: String)] {
  text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().flatMap { index, line in
    line.indices.compactMap { place -> (line: Int, address: String)? in
      guard line[place...].hasPrefix("/v1/") || line[place...].hasPrefix("/metrics") else { return nil }
      let address = line[place...].prefix { $0.isLetter || $0.isNumber || $0 == "/" || $0 == "-" }
      return address == "/v1/" ? nil : (index + 1, String(address))
    }
  }
}
