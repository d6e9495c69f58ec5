//  Words.swift — everything that hawser can be told, as one declaration: the parser, the help and the completions come
//  from it.

import Commands
import Configuration
import Status

enum Words {
  static let json = Flag("json", "print one JSON object")
  static let config = Option(required: "config", .file(ending: ".conf"), "the configuration; see hawser.conf(5)")
  static let configFile = Option(
    "config", .file(ending: ".conf"), "the configuration of the site; see hawser.conf(5)")
  static let file = Argument("FILE", .file(ending: ".conf"), "the configuration; see hawser.conf(5)")
  static let kind = Argument(
    "KIND", .choice(of: Sample.self), default: .branch, "the side with several uplinks, the one it calls, or others")
  static let folder = Option("directory", .directory, default: ".", "where the files go")
  static let answerFile = Option(
    "answers", .file, "a file with the five answers, a line each, instead of asking; '-' is standard input")
  static let interface = Argument(
    optional: "INTERFACE", .text("the name of a virtual interface"), "whose gateway; needed where several run")
  static let socket = Option(
    "socket", value: "PATH", .file(ending: ".sock"), "the control socket, where it has its own path")

  static let gateway = Command(
    "gateway", "runs the gateway of a configuration", [config],
    details:
      "Runs until it is ended by SIGTERM or SIGINT. What is wrong with the configuration is told as check-config does.")
  static let relay = Command(
    "relay", "runs a relay, which forwards for gateways that it knows", [config],
    details: "Runs until it is ended by SIGTERM or SIGINT. It needs no rights but to its UDP ports.")
  static let checkConfig = Command(
    "check-config", "tells everything that is wrong with a configuration", [file, json],
    details: """
      First the file itself, then whether this machine has what it names: interfaces, and files with secrets that \
      nobody else can read.
      """,
    exitCodes: [0: "it can be used here", 2: "it is right, and cannot be used on this machine", 64: "it is wrong"])
  static let sampleConfig = Command(
    "sample-config", "prints a configuration to begin with", [kind],
    details: "It works when its KEY_OF_ words are keys and its interfaces are those of the machine.")
  static let begin = Command(
    "init", "asks five questions and writes the files of two sites", [folder, answerFile],
    details: """
      The questions: what the sites are called, which interfaces lead out of each, where the other one is reached, and \
      which networks are behind them. Keys are made for both; nothing is overwritten. At the end it prints the two \
      commands that start the gateways.
      """,
    exitCodes: [0: "the files are written", 2: "refused: nothing was written", 64: "an answer is wrong"])
  static let genkey = Command("genkey", "prints a new private key")
  static let genpsk = Command("genpsk", "prints a new secret for two gateways to share")
  static let pubkey = Command("pubkey", "reads a private key and prints its public key")
  static let status = Command("status", "shows a running gateway", [interface, socket, json], exitCodes: answers)
  static let peers = Command(
    "peers", "lists the peers of a running gateway", [interface, socket, json], exitCodes: answers)
  static let paths = Command(
    "paths", "lists the paths of a running gateway", [interface, socket, json], exitCodes: answers)
  static let sort = Option(
    "sort", .choice(of: FlowList.Order.self), default: FlowList.Order.rate, "by what the greatest come first")
  static let top = Option(
    "top", .number(in: 1...FlowList.Wish.mostTop), default: FlowList.Wish.usualTop, "how many are listed")
  static let flows = Command(
    "flows", "lists the flows of a running gateway, the fastest first", [interface, socket, sort, top, json],
    exitCodes: answers)
  static let rules = Command(
    "rules", "lists the rules of a running gateway and what each has decided", [interface, socket, json],
    exitCodes: answers)
  static let what = Argument(
    repeated: "WHAT", .text("a path's name, or a flow: ADDRESS:PORT ADDRESS:PORT PROTOCOL"), isRequired: true,
    "the name of a path; or a flow's two ends and its protocol, - for anything")
  static let flowInterface = Option(
    "interface", value: "INTERFACE", .text("the name of a virtual interface"), "whose gateway, where several run")
  static let why = Command(
    "why", "tells why a flow or a path is treated as it is", [what, flowInterface, socket, json],
    details: """
      Of a flow: which rule decided and why those before it did not, its class and why, and which paths carry it, with \
      their numbers and the reason of each. Of a path: its state, tier, budget, rate control and MTU, each with its \
      reason. A flow that is told in full is explained also when there is none.
      """,
    exitCodes: answers)
  static let reload = Command(
    "reload", "makes a running gateway follow its changed configuration", [interface, socket, json],
    details: """
      The gateway reads its file again, as a whole. With a mistake in it nothing changes, and all mistakes are told. \
      Flows that the change does not concern lose nothing. SIGHUP does the same.
      """,
    exitCodes: [0: "done; what has changed is told", 2: "refused, or no gateway runs: nothing has changed"])
  static let section = Argument(
    optional: "SECTION",
    .text("a section's name", candidates: .words(Schema.settable.map { $0.name.lowercased() })),
    "a section of hawser.conf(5)")
  static let setting = Argument(
    repeated: "SETTING", .text("a name or KEY=VALUE"),
    "the section's name, where it has one, and KEY=VALUE; behind --back the name and a key")
  static let list = Flag("list", "show what is set, as a drop-in would have it")
  static let back = Flag("back", "take back what is named, or all: the file decides again")
  static let set = Command(
    "set", "changes a running gateway until its next reload or restart",
    [section, setting, list, back, flowInterface, socket, json], exclusive: [[list, back]],
    details: """
      What is set is laid over the file and its drop-ins, and not written into them. All of it holds, or with a \
      mistake in it nothing changes. Flows that the change does not concern lose nothing. Secrets, [Control] and \
      [Metrics] cannot be set. For example:

        hawser set path lte Tier=backup Limit=10mbit/50mbit
        hawser set class calls Treatment=realtime
        hawser set --back path lte
      """,
    exitCodes: [0: "done; what has changed is told", 2: "refused, or no gateway runs: nothing has changed"])
  static let topCommand = Command(
    "top", "shows a running gateway again each second, until q is pressed", [interface, socket],
    details: "Throughput, paths with their last minute, and the fastest flows, as much as the terminal has room for.",
    exitCodes: [0: "q or Ctrl-C was pressed", 2: "no gateway runs", 64: "this is no terminal"])
  static let doctor = Command(
    "doctor", "tells what keeps a gateway from running, or a site's paths from working",
    [configFile, flowInterface, socket, json],
    details: """
      Tries what a gateway will do, changes nothing, and prints a line for each check: ok, warn or FAIL, \
      what was found, and what to do about it. Where a gateway runs, or with --config, the paths of the site are \
      looked at as well: interfaces, routes, filters, sizes, translators, and whether the peers answer. Without a \
      running gateway they are asked with the key of the file, for three seconds at most.
      """,
    exitCodes: [
      0: "fine", 1: "degraded: see the warnings", 2: "a gateway cannot run here, or none of its paths works",
    ])

  static let seconds = Option("seconds", .number(in: 1...60), default: 2, "how long it measures")
  static let bench = Command(
    "bench", "measures what a gateway costs here, and says which rate to expect", [seconds, json],
    details: """
      On one core: sealing and opening, copying, the engine, the kernel's datagrams, and as root a virtual interface \
      in a network namespace that is gone afterwards. It changes nothing.
      """,
    exitCodes: [0: "measured", 2: "there is no cryptography here"])

  private static let answers: KeyValuePairs<Int32, String> = [
    0: "fine", 1: "degraded: not everything that is configured works",
    2: "down: no peer can be reached, or no gateway runs",
  ]

  static let program = Program(
    "hawser", "lays many network paths into one",
    commands: [
      gateway, relay, begin, sampleConfig, checkConfig, genkey, genpsk, pubkey, status, peers, paths, flows, rules, why,
      topCommand, set, reload, doctor, bench,
    ],
    exitCodes: [0: "fine", 1: "degraded", 2: "down or refused", 64: "wrong usage, or a mistake in a file"])
}
