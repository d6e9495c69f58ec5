import Testing

@Suite struct `What documents say of the programs` {
  private static func pages() throws -> HelpPages {
    try Programs.names().reduce(into: [:]) { all, program in
      all.merge(helpPages(of: program) { Programs.run("\(Programs.folder)/\($0) --help").text }) { $1 }
    }
  }

  @Test func `every program answers --help, and its manual page tells the same`() throws {
    for program in try Programs.names() {
      let answer = Programs.run("\(Programs.folder)/\(program) --help")
      #expect(answer.status == 0, "\(program) --help: \(answer.text)")
      let manuals = Checkout.files(in: "docs/man", ".1", ".8").filter { $0.hasPrefix("docs/man/\(program).") }
      #expect(manuals.count == 1, "\(program) has \(manuals.count) manual pages in docs/man")
      let pages = helpPages(of: program) { Programs.run("\(Programs.folder)/\($0) --help").text }
      #expect(pages[program]?.options.contains("--help") == true)
      for manual in manuals {
        expectNone(manualFindings(ManualPage(try Checkout.text(manual)), file: manual, pages))
      }
    }
  }

  @Test(arguments: ["README.md", "docs/testing.md"]) func `every command in a code block exists`(file: String) throws {
    let commands = quotedCommands(in: try Checkout.text(file))
    #expect(commands.count >= 2)
    expectNone(
      quotedFindings(
        commands, file: file, targets: makeTargets(try Checkout.text("Makefile")), pages: try Self.pages(),
        exists: Checkout.exists))
  }

  @Test func `README's two commands are the Makefile's first two targets, and CI runs the second`() throws {
    let first = try Checkout.text("Makefile").split(separator: "\n").filter { makeTargets(String($0)).count == 1 }
    #expect(first.prefix(2).map { $0.prefix { $0 != ":" } } == ["demo", "test"])
    let commands = quotedCommands(in: try Checkout.text("README.md"))
    #expect(commands.prefix(2).map(\.words) == [["make", "demo"], ["make", "test"]])
    #expect(try Checkout.text(".ci/run").contains("make test"))
  }

  @Test func `decisions are numbered without gaps`() {
    let files = Checkout.files(in: "docs/decisions", ".md")
    #expect(!files.isEmpty)
    expectNone(decisionFindings(files))
  }

  // MARK: Each rule can fail

  private static let help = [
    "netlab": """
    netlab: builds networks

    Usage: netlab COMMAND [ARGUMENT...]

    Commands:
      up        builds a topology
                down is the opposite
      bench     measures

    Options:
      -h, --help           prints this
          --version        prints the version,
                           --not-an-option
    """,
    "netlab up": "Usage: netlab up FILE\n\nOptions:\n  -h, --help    prints this",
    "netlab bench":
      "Options:\n      --seconds S  how long\n  -j, --json\nOptions of every command:\n  -h, --help  this",
  ]
  private static let sample = helpPages(of: "netlab") { help[$0] ?? "" }

  @Test func `help is understood: commands, options, and nothing from the explanations`() {
    #expect(Self.sample.keys.sorted() == ["netlab", "netlab bench", "netlab up"])
    #expect(Self.sample["netlab"]?.commands == ["up", "bench"])
    #expect(Self.sample["netlab"]?.options == ["--help", "--version"])
    #expect(Self.sample["netlab bench"]?.options == ["--seconds", "--json", "--help"])
  }

  private static let manual = """
    .Nm
    .Cm bench Ar FILE Op Fl -json
    .Ss Commands
    .It Cm up Ar FILE
    Builds it.
    .It Cm bench
    Measures.
    .Ss Options
    .It Fl -seconds Ar S
    .It Fl h , -help
    .It Fl -version
    """

  @Test func `a manual page that agrees with its program passes, in both notations`() {
    #expect(manualFindings(ManualPage(Self.manual), file: "netlab.1", Self.sample).isEmpty)
    let plain = """
      .SH COMMANDS
      .TP
      \\fBup\\fR \\fIFILE\\fR
      .TP
      .BR \\fBbench\\fR " [" \\fB\\-\\-json\\fR ]
      \\fB\\-\\-seconds\\fR=\\fIS\\fR, \\fB\\-\\-version\\fR, \\fB\\-h\\fR, \\fB\\-\\-help\\fR
      """
    #expect(manualFindings(ManualPage(plain), file: "netlab.1", Self.sample).map(\.description) == [])
  }

  @Test(arguments: [
    (".It Fl -seconds Ar S", "", "says nothing of --seconds, which `netlab bench --help` shows"),
    (".It Cm up Ar FILE", "", "says nothing of `netlab up`, which --help shows"),
    (".It Fl -version", ".It Fl -version\n.It Fl -verbose", "lists --verbose, which no --help shows"),
    (".It Cm bench\n", ".It Cm bench\n.It Cm benhc\n", "lists the command benhc, which no --help shows"),
  ])
  func `a manual page that does not is found`(old: String, new: String, message: String) {
    let manual = ManualPage(Self.manual.replacing(old, with: new))
    #expect(manualFindings(manual, file: "netlab.1", Self.sample).map(\.message) == [message])
  }

  @Test func `only code blocks of the shell are commands, without sudo, comments and pipes`() {
    let commands = quotedCommands(
      in: "make nothing\n```sh\nsudo make demo  # first\nA=1 netlab bench x --json | jq .\n```\n```\nnetlab no\n```\n")
    #expect(
      commands == [
        QuotedCommand(line: 3, words: ["make", "demo"]),
        QuotedCommand(line: 4, words: ["netlab", "bench", "x", "--json"]),
        QuotedCommand(line: 4, words: ["jq", "."]),
      ])
  }

  @Test(arguments: [
    ("make dmeo", "`make dmeo`: the Makefile has no such target"),
    ("netlab bnech x", "`netlab` has no command bnech"),
    ("netlab bench x --secs 5", "`netlab bench` has no option --secs"),
    (".build/release/netlab up --json", "`netlab up` has no option --json"),
    ("netlab up topologies/gone.topo", "there is no file topologies/gone.topo"),
    ("scripts/gone test", "scripts/gone does not exist"),
    ("make demo SECONDS=3", nil), ("netlab bench topologies/fibre-lte.topo --seconds=5", nil), ("curl --silent x", nil),
    ("netlab up -- --json", nil),
  ])
  func `a command that does not exist is found`(line: String, message: String?) {
    let findings = quotedFindings(
      quotedCommands(in: "```sh\n\(line)\n```"), file: "README.md", targets: makeTargets("demo: x\n\ta: b\nX := y:z\n"),
      pages: Self.sample
    ) { $0 == "topologies/fibre-lte.topo" }
    #expect(findings.map(\.message) == (message.map { [$0] } ?? []))
  }

  @Test func `a gap and a number used twice are found in the decisions`() {
    #expect(decisionFindings(["d/0001-a.md", "d/0002-b.md"]).isEmpty)
    #expect(decisionFindings(["d/0001-a.md", "d/0003-b.md"]).map(\.message) == ["the next number is 0002"])
    #expect(decisionFindings(["d/0001-a.md", "d/0001-b.md"]).map(\.message) == ["the next number is 0002"])
  }
}
