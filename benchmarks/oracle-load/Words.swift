//  Words.swift — everything that oracle-load can be told.

import Commands

enum Words {
  static let gateways = Option("gateways", value: "N", .number(in: 2...4_000), default: 1_000, "how many gateways")
  static let relays = Option("relays", value: "N", .number(in: 1...256), default: 100, "how many relays")
  static let seen = Option(
    "seen", value: "N", .number(in: 1...256), default: 100, "how many of the relays each gateway measures")
  static let rate = Option("queries", value: "N", .number(in: 1...10_000), default: 200, "queries a second")
  static let seconds = Option("seconds", value: "S", .number(in: 5...3_600), default: 60, "how long it is measured")
  static let warmUp = Option(
    "warmup", value: "S", .number(in: 1...600), default: 15, "how long it runs before: everybody reports once")
  static let watchers = Option(
    "watchers", value: "N", .number(in: 0...100), default: 0, "ALTO clients with a stream of the whole cost map")
  static let store = Flag("store", "with a file of SQLite")
  static let rounds = Option("rounds", value: "N", .number(in: 1...1_000), default: 20, "how often it is killed")
  static let seed = Option("seed", value: "N", .number(in: 0...UInt64.max), default: 1, "of who asks what, and when")
  static let program = Option(
    "program", value: "FILE", .file(ending: ""), "the path-oracle to be measured; the one beside this program")

  static let load = Command(
    "load", "how long queries wait while a fleet reports",
    [gateways, relays, seen, rate, seconds, warmUp, watchers, store, seed, program])
  static let kill = Command(
    "kill", "kills the oracle under load, again and again, and looks at what its store has kept",
    [gateways, relays, seen, rate, rounds, seed, program])

  static let words = Program(
    "oracle-load", "plays a fleet that reports to an oracle and asks it", commands: [load, kill],
    exitCodes: [0: "done, and the bars were met", 1: "a bar was missed", 64: "wrong usage"])
}
