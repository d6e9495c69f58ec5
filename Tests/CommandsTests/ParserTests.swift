import Commands
import Testing

@Suite struct `What was asked for` {
  typealias S = Specimen

  @Test func `a declared option reads back as its type, and as its default when absent`() throws {
    let bench = try #require(S.ask("bench fibre.topo --seconds 5").invocation)
    #expect(bench.command == "bench")
    #expect(bench[S.topology] == "fibre.topo")
    #expect(bench[S.seconds] == 5)
    #expect(bench[S.flows] == 1)
    #expect(bench[S.direction] == .up)
    #expect(!bench[S.json])
    #expect(bench.isGiven(S.seconds) && !bench.isGiven(S.flows))
  }

  @Test(arguments: [
    "bench --seconds 7 x", "bench --seconds=7 x", "bench -s 7 x", "bench -s7 x", "bench x -s7", "bench -jqs7 x",
    "bench -js 7 x",
    "bench -s 7 -- x", "--socket /tmp/s bench -s7 x", "bench x --socket=/tmp/s -s 7",
  ])
  func `an option can be written in every usual way, before and after the arguments`(line: String) throws {
    let bench = try #require(S.ask(line).invocation)
    #expect(bench[S.seconds] == 7)
    #expect(bench[S.topology] == "x")
    #expect(bench[S.socket] == (line.contains("socket") ? "/tmp/s" : "/run/ropes.sock"))
    #expect(bench[S.json] == line.contains("-j") && bench[S.quiet] == line.contains("q"))
  }

  @Test func `negative numbers are values and arguments, not options`() throws {
    let simulate = try #require(S.ask("simulate -3 --seed 1 -o -4 --share .5").invocation)
    #expect(simulate[S.depth] == -3)
    #expect(simulate[S.offset] == -4)
    #expect(simulate[S.share] == 0.5)
    #expect(try #require(S.ask("simulate 1 --seed 1 -o-4").invocation)[S.offset] == -4)
    #expect(try #require(S.ask("simulate 1 --seed 1").invocation)[S.offset] == nil)
  }

  @Test func `the largest seed fits`() throws {
    #expect(try #require(S.ask("simulate 1 --seed 18446744073709551615").invocation)[S.seed] == .max)
    #expect(S.ask("simulate 1 --seed 18446744073709551616").complaint != nil)
  }

  @Test func `what may repeat is collected in order`() throws {
    let simulate = try #require(S.ask("simulate 1 a -l x b --seed 1 --link=y c -lz").invocation)
    #expect(simulate[S.others] == ["a", "b", "c"])
    #expect(simulate[S.links] == ["x", "y", "z"])
  }

  @Test func `after two dashes everything belongs to the other command`() throws {
    let exec = try #require(S.ask("exec alice -- ping -c 3 --help -- -5").invocation)
    #expect(exec[S.node] == "alice")
    #expect(exec[S.words] == ["ping", "-c", "3", "--help", "--", "-5"])
  }

  @Test func `two dashes let an argument begin with a dash`() throws {
    #expect(try #require(S.ask("bench -- -odd.topo").invocation)[S.topology] == "-odd.topo")
    #expect(try #require(S.ask("simulate 1 --seed 1 -- -a --seed --").invocation)[S.others] == ["-a", "--seed", "--"])
  }

  @Test func `a value may be empty, hold an equals sign, or begin with a dash when it is joined`() throws {
    let simulate = try #require(
      S.ask(["simulate", "1", "--seed", "1", "--link=", "--link=a=b", "--link=-x", "-l", ""]).invocation)
    #expect(simulate[S.links] == ["", "a=b", "-x", ""])
  }

  @Test func `a single dash is an argument`() throws {
    #expect(try #require(S.ask("bench -").invocation)[S.topology] == "-")
  }

  @Test func `a flag may be given twice, since it means the same`() throws {
    #expect(try #require(S.ask("bench x --json -j").invocation)[S.json])
  }

  @Test func `commands of commands are found, with the options of those above them`() throws {
    let query = try #require(S.ask("oracle -v query monday").invocation)
    #expect(query.command == "oracle query")
    #expect(query[S.day] == "monday" && query[S.verbose])
    let plain = try #require(S.ask("oracle query --verbose").invocation)
    #expect(plain[S.day] == "friday" && plain[S.verbose])
    #expect(try #require(S.ask("oracle watch").invocation)[S.verbose] == false)
  }

  @Test func `an internal command runs when it is named`() {
    #expect(S.ask("wire-process 3").invocation?.command == "wire-process")
  }

  @Test func `the program can refuse what only it knows to be wrong, in the same form`() throws {
    let bench = try #require(S.ask("bench x").invocation)
    #expect(bench.wrongUsage("'x' has no paths").complaint == "ropes bench: 'x' has no paths")
  }

  @Test(arguments: 0..<200 as Range<UInt64>)
  func `whatever the words are, there is an answer of one line or a valid invocation`(seed: UInt64) {
    let pieces = [
      "bench", "simulate", "exec", "oracle", "query", "down", "help", "--", "-", "--seconds", "--seconds=", "-s", "-s5",
      "-jq", "-5", "x",
      "--json=1", "--link", "--seed", "7", "", "=", "--=", "-=", "--help", "-\u{301}", "\n", "🪢", "--all",
      "completions", "bash",
      String(repeating: "y", count: 300),
    ]
    var state = seed &* 2_654_435_761 &+ 12345
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(bound))
    }
    for _ in 0..<50 {
      let words = (0..<random(7)).map { _ in pieces[random(pieces.count)] }
      switch S.ask(words) {
      case .run(let invocation):
        if invocation.command == "bench" { #expect((1...3600).contains(invocation[S.seconds])) }
      case .print(let text): #expect(!text.isEmpty)
      case .fail(let sentence, let code):
        #expect(code == 64)
        #expect(!sentence.contains("\n") && sentence.hasPrefix("ropes") && sentence.count < 300, "\(words)")
      }
    }
  }
}

@Suite struct `Errors that help` {
  @Test(arguments: [
    ("", "ropes: the command is missing; 'ropes help' lists them"),
    ("bnech", "ropes: unknown command 'bnech'; did you mean 'bench'?"),
    ("sim", "ropes: unknown command 'sim'; did you mean 'simulate'?"),
    ("xyzzy", "ropes: unknown command 'xyzzy'; 'ropes help' lists the commands"),
    ("wire-proces 3", "ropes: unknown command 'wire-proces'; 'ropes help' lists the commands"),
    ("help bnech", "ropes: unknown command 'bnech'; did you mean 'bench'?"),
    ("help bench x", "ropes bench: it has no commands, so no 'x'"),
    ("oracle", "ropes oracle: the command is missing; 'ropes oracle --help' lists them"),
    ("oracle qery", "ropes oracle: unknown command 'qery'; did you mean 'query'?"),
    ("oracle zzz", "ropes oracle: unknown command 'zzz'; 'ropes oracle --help' lists the commands"),
    ("bench x --secnods 5", "ropes bench: unknown option '--secnods'; did you mean '--seconds'?"),
    ("bench x --sec 5", "ropes bench: unknown option '--sec'; did you mean '--seconds'?"),
    ("bench x -seconds 5", "ropes bench: unknown option '-seconds'; did you mean '--seconds'?"),
    ("bench x --seed 5", "ropes bench: unknown option '--seed'; it belongs to 'ropes simulate'"),
    ("--seconds 5 bench x", "ropes: unknown option '--seconds'; it belongs to 'ropes bench'"),
    ("bench x --zzz", "ropes bench: unknown option '--zzz'; 'ropes bench --help' lists the options"),
    ("bench x -z", "ropes bench: unknown option '-z'; 'ropes bench --help' lists the options"),
    ("bench x -jz", "ropes bench: unknown option '-z'; 'ropes bench --help' lists the options"),
    ("bench x --seconds", "ropes bench: --seconds needs a value: a whole number from 1 to 3600"),
    ("bench x --seconds --json", "ropes bench: --seconds needs a value: a whole number from 1 to 3600"),
    ("bench x -js", "ropes bench: -s needs a value: a whole number from 1 to 3600"),
    ("bench x --seconds abc", "ropes bench: --seconds must be a whole number from 1 to 3600, not 'abc'"),
    ("bench x --seconds 0", "ropes bench: --seconds must be a whole number from 1 to 3600, not '0'"),
    ("bench x -s=5", "ropes bench: -s must be a whole number from 1 to 3600, not '=5'"),
    ("bench x --seconds 3601", "ropes bench: --seconds must be a whole number from 1 to 3600, not '3601'"),
    (
      "bench x --seconds 99999999999999999999",
      "ropes bench: --seconds must be a whole number from 1 to 3600, not '99999999999999999999'"
    ),
    ("bench x --direction dwon", "ropes bench: --direction must be up, down or both, not 'dwon'; did you mean 'down'?"),
    ("bench x --direction left", "ropes bench: --direction must be up, down or both, not 'left'"),
    ("bench x -s 5 --seconds 6", "ropes bench: --seconds is given twice, as '5' and as '6'; give it once"),
    ("bench x --json=yes", "ropes bench: --json takes no value, but got 'yes'"),
    ("bench x -j=yes", "ropes bench: -j takes no value, but got 'yes'"),
    ("bench", "ropes bench: missing FILE: the topology file"),
    ("bench x y", "ropes bench: 'y' is one argument too many: it takes FILE"),
    ("list x", "ropes list: 'x' is one argument too many: it takes no arguments"),
    ("simulate 1", "ropes simulate: missing --seed N: the seed of all chance"),
    ("simulate one --seed 1", "ropes simulate: DEPTH must be a whole number, not 'one'"),
    ("simulate 1 --seed 1 --share 2", "ropes simulate: --share must be a number from 0 to 1, not '2'"),
    ("simulate 1 --seed 1 --share nan", "ropes simulate: --share must be a number from 0 to 1, not 'nan'"),
    ("simulate 1 --seed -1", "ropes simulate: --seed must be a whole number from 0, not '-1'"),
    ("exec alice ping -c3", "ropes exec: put '--' before 'ping', as in 'ropes exec NODE -- COMMAND...'"),
    ("exec alice", "ropes exec: missing COMMAND after '--': the command and its arguments"),
    ("exec alice --", "ropes exec: missing COMMAND after '--': the command and its arguments"),
    ("exec -- ls", "ropes exec: missing NODE: the node"),
    ("down fibre --all", "ropes down: NAME and --all exclude each other; give one of them"),
    ("completions", "ropes completions: missing SHELL: the shell"),
    ("completions bas", "ropes completions: SHELL must be bash, zsh or fish, not 'bas'; did you mean 'bash'?"),
    ("oracle query someday", "ropes oracle query: DAY must be monday or friday, not 'someday'"),
  ])
  func `a sentence says what is wrong and what would be right`(line: String, sentence: String) {
    #expect(Specimen.ask(line).complaint == sentence)
  }

  @Test func `an empty file name is no file name`() {
    #expect(Specimen.ask(["bench", ""]).complaint == "ropes bench: FILE must be the path of a file, not ''")
  }

  @Test func `strange words cannot break the line, move the cursor or fill the screen`() {
    let sentence = Specimen.ask(["a\nb\t\u{1b}[2J\u{202e}" + String(repeating: "x", count: 10_000)]).complaint
    #expect(sentence?.hasPrefix(#"ropes: unknown command 'a\nb\t\u{1b}[2J\u{202e}xxx"#) == true)
    #expect((sentence?.count ?? .max) < 200)
  }

  @Test func `hidden commands are not suggested`() {
    #expect(Specimen.ask("wire-procss 3").complaint?.contains("unknown command") == true)
    #expect(Specimen.ask("wire-procss 3").complaint?.contains("wire-process") == false)
  }
}

@Suite struct `A declaration that breaks a rule stops the program at its start` {
  @Test func `two options with one letter`() async {
    await #expect(processExitsWith: .failure) {
      _ = Program(
        "p", "does it", commands: [Command("c", "does", [Flag("aa", short: "a", "x"), Flag("ab", short: "a", "y")])])
    }
  }

  @Test func `an option that hides one from above`() async {
    await #expect(processExitsWith: .failure) {
      _ = Program("p", "does it", options: [Flag("json", "x")], commands: [Command("c", "does", [Flag("json", "x")])])
    }
  }

  @Test func `help in other hands`() async {
    await #expect(processExitsWith: .failure) {
      _ = Program("p", "does it", commands: [Command("c", "does", [Flag("hours", short: "h", "x")])])
    }
  }

  @Test func `an argument that must be given behind one that need not`() async {
    await #expect(processExitsWith: .failure) {
      _ = Program(
        "p", "does it",
        commands: [Command("c", "does", [Argument(optional: "A", .text, "a"), Argument("B", .text, "b")])])
    }
  }

  @Test func `reading what the command does not declare`() async {
    await #expect(processExitsWith: .failure) {
      if case .run(let invocation) = Specimen.ask("list") { _ = invocation[Specimen.seconds] }
    }
  }
}
