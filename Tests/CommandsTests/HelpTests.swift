import Commands
import Testing

@Suite struct `Help made from the declaration` {
  @Test func `the program lists its commands, but not the internal ones`() {
    #expect(
      Specimen.ask("--help").printed == """
        ropes: builds, measures and simulates networks

        Usage: ropes [--socket PATH] COMMAND [ARGUMENT...]

        Commands:
          list         lists what is up
          bench        measures every path alone, then the bond
          simulate     runs it in a made-up world
          exec         runs a command in a node
          down         takes a topology down
          oracle       asks the oracle
          completions  prints a script that teaches a shell this program's words
          help         explains a command

        Options:
              --socket PATH  where the running one listens (default /run/ropes.sock)
          -h, --help         show this text
              --version      show the version

        Exit codes:
          0   fine
          2   cannot run
          64  wrong usage

        'ropes help COMMAND' explains a command.
        """)
  }

  @Test func `a command shows its usage, arguments, options with limits and defaults, and exit codes`() {
    #expect(
      Specimen.ask("bench -h").printed == """
        ropes bench: measures every path alone, then the bond

        Usage: ropes bench [--flows N] [--seconds S] [--direction up|down|both] [--json] [--quiet]
                           FILE

        The figures are medians of three runs.

          ropes bench fibre.topo --seconds 5 --json | jq

        Arguments:
          FILE  the topology file

        Options:
          -n, --flows N                 how many flows at once (1 to 64; default 1)
          -s, --seconds S               how long each run lasts (1 to 3600; default 10)
              --direction up|down|both  which way the data goes (default up)
          -j, --json                    print one JSON object
          -q, --quiet                   no progress
          -h, --help                    show this text

        Options of every command:
              --socket PATH  where the running one listens (default /run/ropes.sock)

        Exit codes:
          0   fine
          1   a path was not reached
          64  wrong usage
        """)
  }

  @Test(arguments: [
    ("exec", "Usage: ropes exec NODE -- COMMAND..."), ("down", "Usage: ropes down [NAME | --all]"),
    ("simulate", "Usage: ropes simulate --seed N [--offset N] [--share N] [--link NAME]... DEPTH"),
    ("oracle query", "Usage: ropes oracle query [--report DIR] [DAY]"), ("help", "Usage: ropes help [COMMAND...]"),
    ("oracle", "Usage: ropes oracle [--verbose] COMMAND [ARGUMENT...]"),
    ("completions", "Usage: ropes completions SHELL"),
  ])
  func `the usage line shows what must, may and can repeat`(command: String, usage: String) throws {
    let help = try #require(Specimen.ask("\(command) --help").printed)
    #expect(help.split(separator: "\n").contains { $0.hasPrefix(usage) }, "\(help)")
  }

  @Test func `no line is wider than 90 columns, and none ends in a space`() {
    for path in Specimen.program.visibleCommands {
      for line in path.help.split(separator: "\n") { #expect(line.count <= 90 && line.last != " ", "\(line)") }
    }
  }

  @Test func `the same help comes from every way to ask for it`() {
    let help = Specimen.ask("bench --help").printed
    for line in [
      "bench -h", "help bench", "bench -jh", "bench x --seconds 5 -h", "bench --seconds abc --help", "bench --zzz -h",
    ] {
      #expect(Specimen.ask(line).printed == help)
    }
    #expect(Specimen.ask("help").printed == Specimen.ask("-h").printed)
    #expect(Specimen.ask("help oracle query").printed == Specimen.ask("oracle query -h").printed)
    #expect(Specimen.ask("wire-process --help").printed?.hasPrefix("ropes wire-process: ") == true)
  }

  @Test func `the version is one line, wherever it is asked for`() {
    #expect(Specimen.ask("--version").printed == "ropes 1.2.3")
    #expect(Specimen.ask("bench --version").printed == "ropes 1.2.3")
  }

  @Test func `every visible command and option can be enumerated, to hold a manual against it`() {
    let paths = Specimen.program.visibleCommands
    #expect(
      paths.map(\.title) == [
        "ropes", "ropes list", "ropes bench", "ropes simulate", "ropes exec", "ropes down", "ropes oracle",
        "ropes oracle query",
        "ropes oracle watch", "ropes completions", "ropes help",
      ])
    let query = paths.first { $0.name == "oracle query" }
    #expect(query?.allOptions.map(\.label) == ["--report", "--verbose", "--socket", "--help"])
    #expect(query?.arguments.map(\.name) == ["DAY"])
    for path in paths { for option in path.allOptions { #expect(path.help.contains(option.label)) } }
  }
}
