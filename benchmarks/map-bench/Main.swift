//  map-bench — what do a fleet's reports cost in memory and time, and how long does a question take?
//
//  Prediction.  128 bytes a report and 30 for finding it: 420,000 reports are 70 MB. A report in is three look-ups of
//  names, one of an edge and 128 bytes that are in no cache: 0.5 µs, so 40,000 a second take two hundredths of a core.
//  A question among 100 relays reads 400 edges, 800 reports that are in no cache either: 0.2 ms, and the search a tenth
//  of it.
//
//  Method.  1,000 gateways and 100 relays of 30 providers; each gateway and each relay measure each other in both
//  directions, and each gateway five others. Delays follow a map (places on a square, and detours of their own), so
//  that some relays are better than the direct way. Every report is renewed once, in the same order; then 2,000
//  questions of each objective, four paths of 101 ways, between gateways drawn from a seed. Times are this process's
//  CPU time. Last, maps made to be hard for the search.

import Glibc
import PathOracle
import Primitives

@main struct MapBench {
  static let gateways = 1_000
  static let relays = 100
  static let friends = 5
  static let questions = 2_000

  static func main() {
    var world = World()
    let empty = residentBytes()
    let start = cpu()
    world.report()
    let filled = cpu()
    let reports = world.map.reportCount
    let resident = residentBytes() - empty
    print("reports \(reports), edges \(world.map.edgeCount), resident \(resident / 1_000_000) MB")
    print("first report \((filled - start) / Double(world.said)) ns")
    let said = world.said
    let again = cpu()
    world.now += .seconds(10)
    world.report()
    print("renewed report \((cpu() - again) / Double(world.said - said)) ns")

    print("objective     median µs   p99 µs   most µs   optimal   paths   via relays")
    for objective in Objective.allCases { ask(world, objective) }
    askTheHardest()
  }

  /// Maps made to be hard: a hundred ways that carry the same, and lie further apart than what may be added, more or
  /// less. A bound that looks at pairs only cannot tell early that no four of them go together.
  static func askTheHardest() {
    var random = SeededRandom(seed: 3)
    var slowest = 0.0
    var optimal = 0
    for index in 0..<200 {
      let map = hardMap(&random, spread: 4 << UInt64(index % 7))
      let limits = PathQuery.Limits(addedDelay: .milliseconds(4), buffer: ByteCount(40_000))
      let query = PathQuery(from: "a", to: "b", count: 4, limits: limits)
      var model = ModelStrategy()
      let start = cpu()
      guard let answer = try? map.answer(query, by: &model, at: Instant.zero) else { continue }
      slowest = max(slowest, (cpu() - start) / 1_000)
      optimal += answer.isOptimal ? 1 : 0
    }
    print("hardest question \(Int(slowest)) µs, optimal \(optimal) of 200")
  }

  private static func hardMap(_ random: inout SeededRandom, spread: UInt64) -> PathMap {
    var map = PathMap()
    for name in ["a", "b"] { _ = map.set(NodeFacts(name: name, kind: .gateway)) }
    for index in 0..<relays {
      let relay = World.relay(index)
      _ = map.set(NodeFacts(name: relay, kind: .relay))
      for (from, to, trip) in [("a", relay, 10_000 + random.below(spread * 2_000)), (relay, "b", 10_000)] {
        let rate = BitRate(bitsPerSecond: (100 + random.below(2)) * 1_000_000)
        _ = map.receive(
          Measurement(source: from, from: from, to: to, roundTrip: .microseconds(Int64(trip)), rate: rate),
          at: Instant.zero)
      }
    }
    return map
  }

  static func ask(_ world: borrowing World, _ objective: Objective) {
    var random = SeededRandom(seed: 2)
    var times: [Double] = []
    var optimal = 0
    var paths = 0
    var relayed = 0
    var model = ModelStrategy()
    for _ in 0..<questions {
      let from = Int(random.below(UInt64(gateways)))
      let to = (from + 1 + Int(random.below(UInt64(gateways - 1)))) % gateways
      let query = PathQuery(from: World.gateway(from), to: World.gateway(to), count: 4, objective: objective)
      let start = cpu()
      guard let answer = try? world.map.answer(query, by: &model, at: world.now) else { continue }
      times.append((cpu() - start) / 1_000)
      optimal += answer.isOptimal ? 1 : 0
      paths += answer.paths.count
      relayed += answer.paths.filter { $0.via != nil }.count
    }
    times.sort()
    print(
      objective.rawValue, Int(times[times.count / 2]), Int(times[times.count * 99 / 100]), Int(times.last ?? 0),
      "\(optimal) of \(times.count)", Double(paths) / Double(times.count), Double(relayed) / Double(times.count),
      separator: "\t")
  }

  /// Nanoseconds that this process has computed.
  static func cpu() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }

  static func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 128)
    guard fgets(&text, 127, file) != nil else { return 0 }
    let fields = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      .split(separator: " ")
    return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * 4_096
  }
}

struct World: ~Copyable {
  var map = PathMap()
  var now = Instant.zero + .seconds(1_000)
  var said = 0
  private var places: [(x: Double, y: Double)] = []
  private var random = SeededRandom(seed: 1)

  static func gateway(_ index: Int) -> String { "gateway-\(index)" }
  static func relay(_ index: Int) -> String { "relay-\(index)" }

  init() {
    for index in 0..<MapBench.gateways { _ = map.set(NodeFacts(name: World.gateway(index), kind: .gateway)) }
    for index in 0..<MapBench.relays {
      _ = map.set(NodeFacts(name: World.relay(index), kind: .relay, provider: "as\(index % 30)"))
    }
    for _ in 0..<(MapBench.gateways + MapBench.relays) { places.append((random.unit(), random.unit())) }
  }

  mutating func report() {
    for relay in 0..<MapBench.relays {
      for gateway in 0..<MapBench.gateways {
        let other = MapBench.gateways + relay
        link(gateway, World.gateway(gateway), other, World.relay(relay), detour: 1.1)
      }
    }
    for gateway in 0..<MapBench.gateways {
      for friend in 1...MapBench.friends {
        let other = (gateway + friend * 37) % MapBench.gateways
        link(gateway, World.gateway(gateway), other, World.gateway(other), detour: 1 + random.unit())
      }
    }
  }

  /// Both ends report of both directions.
  private mutating func link(_ a: Int, _ first: String, _ b: Int, _ second: String, detour: Double) {
    let dx = places[a].x - places[b].x
    let dy = places[a].y - places[b].y
    let milliseconds = 1 + 60 * detour * (dx * dx + dy * dy).squareRoot() + random.unit()
    let samples = [
      DelayShape.Sample(excess: .microseconds(Int64(random.below(500))), count: 90),
      DelayShape.Sample(excess: .microseconds(Int64(random.below(9_000))), count: 9),
    ]
    let shape = DelayShape(samples) ?? DelayShape()
    let rate = BitRate(bitsPerSecond: 20_000_000 + random.below(300_000_000))
    for source in [first, second] {
      for (from, to) in [(first, second), (second, first)] {
        let measurement = Measurement(
          source: source, from: from, to: to, roundTrip: .microseconds(Int64(milliseconds * 2_000)), shape: shape,
          loss: Probability(partsPerBillion: UInt32(random.below(5_000_000))), rate: rate)
        if !map.receive(measurement, at: now).isKept { print("refused: \(from) to \(to) by \(source)") }
        said += 1
      }
    }
  }
}
