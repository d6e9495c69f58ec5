//  gateway-seeds — two whole gateways on a hostile network, once for each seed.
//
//      gateway-seeds [--seeds N] [--first N]
//      gateway-seeds --allocations           what packets that flow take from the heap, which must be nothing
//      gateway-seeds --memory                what a hub takes for 1,000 branches, which must be less than 64 MiB
//
//  `make test` runs the first seeds; this runs as many as you like, and prints those that fail with their sentences.
//  What a seed does is in Tests/TestWorld/RandomWorld.swift.

import AllocationCount
import Glibc
import TestWorld

@main struct GatewaySeeds {
  static func main() throws {
    var seeds: UInt64 = 10_000
    var first: UInt64 = 0
    var arguments = CommandLine.arguments.dropFirst()
    if arguments.first == "--allocations" { return try countAllocations() }
    if arguments.first == "--memory" {
      let (bytes, connected) = try Footprint.ofHub(branches: 1_000)
      print("1,000 peers, \(connected) connected: \(bytes >> 10) KiB")
      exit(connected == 1_000 && bytes < 64 << 20 ? 0 : 1)
    }
    while let name = arguments.popFirst() {
      guard let value = arguments.popFirst().flatMap({ UInt64($0) }), ["--seeds", "--first"].contains(name) else {
        print("usage: gateway-seeds [--seeds N] [--first N]")
        exit(64)
      }
      if name == "--seeds" { seeds = value } else { first = value }
    }
    var failed = 0
    var exact = 0
    var datagrams = 0
    var lost = 0
    var byPaths: [Int: Int] = [:]
    for seed in first..<first + seeds {
      let outcome = try RandomWorld.run(seed: seed)
      datagrams += outcome.datagrams
      lost += outcome.lost
      exact += outcome.wasExact ? 1 : 0
      if seeds == 1 { for note in outcome.notes { print(note) } }
      byPaths[outcome.paths, default: 0] += 1
      if outcome.failures.isEmpty { continue }
      failed += 1
      for failure in outcome.failures.prefix(2) { print(failure) }
      print("again with: gateway-seeds --first \(seed) --seeds 1")
    }
    let shapes = byPaths.keys.sorted().map { "\($0): \(byPaths[$0] ?? 0)" }.joined(separator: ", ")
    print(
      "\(seeds) seeds, \(failed) failed; \(exact) without loss; \(datagrams) datagrams, \(lost) lost; paths \(shapes)")
    exit(failed == 0 ? 0 : 1)
  }

  private static func countAllocations() throws {
    let turns = 2_000
    var sum = 0
    let cases: [(String, Int, [UserFlow.Kind])] = [
      ("a stream on one path", 1, [.tcp(size: 1_384, most: 62_000)]),
      ("a stream on three paths", 3, [.tcp(size: 1_384, most: 62_000)]),
      ("ten flows of small datagrams", 3, Array(repeating: .datagrams(least: 60, most: 60), count: 10)),
    ]
    for (name, paths, kinds) in cases {
      let steady = try SteadyState(paths: paths, kinds)
      let count = steady.allocations(in: turns, begin: hawser_allocations_begin, end: hawser_allocations_end)
      print("\(name): \(count) allocations in \(turns) turns, \(steady.delivered) deliveries")
      sum += count
    }
    exit(sum <= 0 ? 0 : 1)
  }
}
