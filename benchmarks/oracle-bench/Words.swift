//  Words.swift — everything that oracle-bench can be told.

import Commands

enum Words {
  static let seeds = Option("seeds", value: "N", .number(in: 1...1_000), default: 20, "how many continents")
  static let first = Option("first", value: "N", .number(in: 0...UInt64.max), default: 0, "the first seed")
  static let k = Option("k", short: "k", value: "K", .number(in: 1...4), default: 2, "how many paths at most")
  static let seconds = Option("seconds", value: "S", .number(in: 1...60), default: 10, "how long flows are counted")
  static let warmUp = Option(
    "warmup", value: "S", .number(in: 1...60), default: 10, "how long flows run before they are counted")
  static let draws = Option(
    "draws", value: "N", .number(in: 1...100), default: 8, "how often sets in the last round are tried")
  static let directory = Option(
    "keep", value: "DIR", .directory, "where figures of sets are kept, and looked up before simulating")
  static let details = Flag("details", "the best sets of each continent, and what the oracle believed")

  static let choice = Command(
    "choice", "the bond over the paths that the oracle chose, beside the best of all sets",
    [seeds, first, k, seconds, warmUp, draws, directory, details])

  static let program = Program(
    "oracle-bench", "asks in simulated time what the oracle's choices are worth", commands: [choice],
    exitCodes: [0: "at least 0.95 of the best on average", 1: "less, or something did not hold", 64: "wrong usage"])
}
