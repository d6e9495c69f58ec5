//  Words.swift — everything that bond-bench can be told.

import Commands
import TestWorld

enum Words {
  enum Direction: String, CaseIterable {
    case up, down

    /// The gateway behind which the senders are.
    var gateway: Int { self == .up ? 0 : 1 }
  }

  static let files = Argument(
    repeated: "FILE", .file(ending: ".topo"), isRequired: true, "topologies whose gateways have links between them")
  static let seed = Option("seed", value: "N", .number(in: 0...UInt64.max), default: 1, "where all chance comes from")
  static let seeds = Option("seeds", value: "N", .number(in: 1...10_000_000), default: 100, "how many topologies")
  static let first = Option("first", value: "N", .number(in: 0...UInt64.max), default: 0, "the first seed")
  static let direction = Option(
    "direction", .choice(of: Direction.self), default: .up, "up: the senders are behind the first gateway")
  static let flows = Option("flows", value: "N", .number(in: 1...64), default: 1, "TCP flows at a time")
  static let seconds = Option("seconds", value: "S", .number(in: 1...600), default: 10, "how long flows are counted")
  static let udp = Option(
    "udp", value: "PERCENT", .number(in: 0...200), default: 0,
    "a UDP flow at this share of the sum in place of TCP; 0: TCP")
  static let warmUp = Option(
    "warmup", value: "S", .number(in: 0...600), default: 0,
    "how long flows run before they are counted; 0: 32 of the slowest round trips, 2 s at least")
  static let pings = Option(
    "ping", value: "MS", .number(in: 1...1_000), default: 50, "milliseconds from one ping to the next")
  static let weather = Option(
    "weather", .choice(of: RandomBond.Weather.self), default: .stormy, "how much goes wrong in random topologies")
  static let processes = Option(
    "processes", value: "N", .number(in: 1...64), default: 2, "how many seeds are looked at at a time")
  static let minutes = Option(
    "minutes", value: "N", .number(in: 1...10_000), default: 600, "no seed is begun after that")
  static let trialSeconds = Option(
    "trial-seconds", value: "S", .number(in: 1...600), default: 4, "how long the trial's traffic runs")
  static let step = Option("step", value: "N", .number(in: 1...64), default: 1, "from one seed to the next")
  static let measured = Flag("measured", "with events over all of a measurement, as sweep and survey have them")
  static let details = Flag("details", "what lines lost, and the counters of both gateways")
  static let json = Flag("json", "print one JSON value")

  static let run = Command(
    "run", "what TCP gets over each path alone and over the bond",
    [
      files, seed, direction, flows, udp, seconds, warmUp, pings, details, json,
    ])
  static let random = Command(
    "random", "prints the random topology of a seed, as a file", [seed, weather, seconds, measured])
  static let sweep = Command(
    "sweep", "runs random topologies, and prints those where the bond is worse than its best path",
    [
      seeds, first, weather, direction, flows, seconds,
    ])
  static let trial = Command(
    "trial", "traffic of all kinds over random topologies: does everything arrive, and come to rest?",
    [
      seeds, first, weather, seconds, details,
    ])

  static let survey = Command(
    "survey", "a trial and a measurement of each seed, in several processes, and what the bad ones have in common",
    [seeds, first, weather, direction, flows, seconds, trialSeconds, processes, minutes])
  static let seedsOfSurvey = Command(
    "seeds", "a survey's worker", [seeds, first, step, weather, direction, flows, seconds, trialSeconds],
    isHidden: true)

  static let program = Program(
    "bond-bench", "asks in simulated time what a bond is worth",
    commands: [run, random, sweep, trial, survey, seedsOfSurvey],
    exitCodes: [0: "done", 1: "something did not hold", 64: "wrong usage, or a mistake in a file"])
}
