//  Specimen.swift — a program that has one of everything, for the tests of this folder.

import Commands

enum Specimen {
  enum Direction: String, CaseIterable { case up, down, both }

  static let verbose = Flag("verbose", short: "v", "say more")
  static let socket = Option(
    "socket", value: "PATH", .file, default: "/run/ropes.sock", "where the running one listens")

  static let topology = Argument("FILE", .file(ending: ".topo"), "the topology file")
  static let flows = Option("flows", short: "n", .number(in: 1...64), default: 1, "how many flows at once")
  static let seconds = Option(
    "seconds", short: "s", value: "S", .number(in: 1...3600), default: 10, "how long each run lasts")
  static let direction = Option("direction", .choice(of: Direction.self), default: .up, "which way the data goes")
  static let json = Flag("json", short: "j", "print one JSON object")
  static let quiet = Flag("quiet", short: "q", "no progress")
  static let bench = Command(
    "bench", "measures every path alone, then the bond", [topology, flows, seconds, direction, json, quiet],
    details: """
      The figures are medians of three runs.

        ropes bench fibre.topo --seconds 5 --json | jq
      """, exitCodes: [0: "fine", 1: "a path was not reached"])

  static let seed = Option<UInt64>(required: "seed", .number(), "the seed of all chance")
  static let offset = Option("offset", short: "o", .number(in: -5...5), "where to begin")
  static let share = Option("share", .decimal(in: 0...1), default: 0.5, "how much of it")
  static let links = Option(repeated: "link", short: "l", value: "NAME", .text, "a link to watch")
  static let depth = Argument("DEPTH", .number, "how deep")
  static let others = Argument(repeated: "OTHER", .text, "more of them")
  static let simulate = Command("simulate", "runs it in a made-up world", [depth, others, seed, offset, share, links])

  static let node = Argument("NODE", .text("a node's name", candidates: .output(of: "ropes list --names")), "the node")
  static let words = Rest("COMMAND", "the command and its arguments")
  static let exec = Command("exec", "runs a command in a node", [node, words])

  static let which = Argument(optional: "NAME", .text, "the topology's name")
  static let all = Flag("all", "all that are up")
  static let down = Command("down", "takes a topology down", [which, all], exclusive: [[which, all]])

  static let names = Flag("names", "names only")
  static let list = Command("list", "lists what is up", [names])

  static let report = Option("report", .directory, "where the report goes")
  static let day = Argument("DAY", .choice(["monday", "friday"]), default: "friday", "the day")
  static let query = Command("query", "asks for a path's price", [day, report])
  static let watch = Command("watch", "shows each change")
  static let oracle = Command("oracle", "asks the oracle", options: [verbose], commands: [query, watch])

  static let wire = Command(
    "wire-process", "runs the links of a topology", [Argument("FD", .number, "a descriptor")], isHidden: true)

  static let program = Program(
    "ropes", "builds, measures and simulates networks", options: [socket],
    commands: [list, bench, simulate, exec, down, oracle, wire], exitCodes: [0: "fine", 2: "cannot run"],
    version: "1.2.3")

  /// What these words ask for, cut at spaces.
  static func ask(_ line: String) -> Action { ask(line.split(separator: " ").map(String.init)) }
  static func ask(_ words: [String]) -> Action { program.action(for: words) }
}

extension Action {
  var invocation: Invocation? { if case .run(let invocation) = self { invocation } else { nil } }
  var printed: String? { if case .print(let text) = self { text } else { nil } }
  /// The sentence, if the code is the one for wrong usage.
  var complaint: String? { if case .fail(let sentence, code: 64) = self { sentence } else { nil } }
}
