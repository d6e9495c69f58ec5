//  Words.swift — everything that netlab can be told, as one declaration: the parser, the help and the completions come
//  from it.

import Commands
import Lab

enum Words {
  static let file = Argument("FILE", .file(ending: ".topo"), "the topology")
  static let json = Flag("json", "print one JSON value")

  // up, down, list, exec, set
  static let policy = Option(
    "policy", value: "POLICY", .file(ending: ".conf"), "classes and rules that every gateway shall have")
  static let name = Argument(optional: "NAME", running, "the topology to remove")
  static let all = Flag("all", "remove every topology")
  static let names = Flag("names", "print only names, one a line")
  static let node = Argument("NODE", .text("a node", candidates: .output(of: "netlab list --nodes")), "where to run it")
  static let nodes = Flag("nodes", "print the nodes as exec takes them, one a line")
  static let command = Rest("COMMAND", "what to run, with its arguments")
  static let topology = Argument("TOPOLOGY", running, "the topology, by its name or its file")
  static let link = Argument("LINK", .text("the name of a link"), "the link to change")
  static let change = Argument(
    repeated: "CHANGE", .text("a change", candidates: .words(changeWords)), isRequired: true,
    "down, up, or attributes as in topology(5)")
  private static let running = ValueKind<String>.text(
    "the name of a topology", candidates: .output(of: "netlab list --names"))
  private static let changeWords = [
    "down", "up", "rate", "delay", "jitter", "loss", "duplicate", "corrupt", "queue", "mtu",
  ]

  // bench, matrix
  static let flows = Option(
    "flows", value: "N", .number(in: BenchOptions.flowsAllowed), default: 1, "TCP connections at a time")
  static let seconds = Option(
    "seconds", value: "S", .number(in: BenchOptions.secondsAllowed), default: 10, "how long to measure, after a warm-up"
  )
  static let direction = Option(
    "direction", .choice(of: BenchOptions.Direction.self), default: .up, "who sends: up is the first gateway's side")
  static let congestionControl = Option(
    "cc", .choice(of: BenchOptions.CongestionControl.self), default: .cubic, "TCP's congestion control")
  static let against = Option("against", .choice(of: Peer.self), "measure a peer instead of the bond")
  static let benchOptions: [any Parameter] = [flows, seconds, direction, congestionControl, against, json]
  static let profiles = Argument(
    "DIRECTORY", .directory, default: "topologies/matrix", "the topologies to measure")
  static let report = Option("report", value: "DIR", .directory, "write a report with charts there")
  static let demoReport = Option(
    "report", value: "DIR", .directory, default: "build/demo", "write the report there")

  // simulate
  static let seed = Option(required: "seed", value: "N", .number(in: UInt64.min...UInt64.max), "the seed of all chance")
  static let simulated = Option(
    "seconds", value: "S", .number(in: 1...86_400), default: 10, "how long the simulated time is")
  static let log = Option("log", value: "FILE", .file, "write the event log there")
  static let pcap = Option("pcap", value: "FILE", .file, "write a packet capture there")

  // wire
  static let directory = Argument("DIRECTORY", .directory, "the state of the topology")

  static let up = Command("up", "builds a topology and returns when it carries traffic", [file, policy])
  static let down = Command("down", "removes a topology, or all of them", [name, all], exclusive: [[name, all]])
  static let list = Command(
    "list", "tells which topologies are up", [json, names, nodes], exclusive: [[json, names, nodes]])
  static let exec = Command("exec", "runs a command at a node", [node, command])
  static let set = Command("set", "changes a link of a running topology", [topology, link, change])
  static let draw = Command("draw", "prints a picture of a topology", [file])
  static let bench = Command("bench", "measures every path alone, then all together", [file] + benchOptions)
  static let matrix = Command(
    "matrix", "measures every topology of a directory", [profiles] + benchOptions + [report])
  static let simulate = Command(
    "simulate", "runs a topology in the simulator, from a seed", [file, seed, simulated, log, pcap, json])
  static let demo = Command("demo", "builds, draws and measures topologies/two-equal.topo", [demoReport])
  static let wire = Command("wire", "carries the links of a topology", [directory], isHidden: true)

  static let program = Program(
    "netlab", "builds networks from text, measures them, or simulates them",
    commands: [up, down, list, exec, set, draw, bench, matrix, simulate, demo, wire],
    exitCodes: [
      0: "done", 1: "done in part: a measurement failed or was not clean enough",
      2: "refused: rights, packages, not up",
      64: "wrong usage, or a mistake in a file",
    ])
}
