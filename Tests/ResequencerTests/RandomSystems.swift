//  RandomSystems.swift — schedules and histograms from a seed, and sampled delays for them.

import Primitives
import Resequencer

struct RandomSystem {
  var slots: [[Int]]
  var delays: [[Double]]

  /// Two to four paths, up to four slots of up to four parts, delays of up to eleven slots.
  init(seed: UInt64, losing: Bool = false) {
    var random = SeededRandom(seed: seed)
    let paths = 2 + Int(random.below(3))
    slots = (0..<(1 + Int(random.below(4)))).map { _ in
      (0..<Int(random.below(5))).map { _ in Int(random.below(UInt64(paths))) }
    }
    for path in 0..<paths where !slots.joined().contains(path) {
      slots[Int(random.below(UInt64(slots.count)))].append(path)
    }
    delays = (0..<paths).map { _ in
      let first = Int(random.below(5))
      let spread = 1 + Int(random.below(7))
      // Some slots in the middle of a histogram stay empty.
      let weights = (0..<spread).map { _ in random.below(4) == 0 ? 0 : random.unit() }
      let sum = weights.reduce(0, +)
      let kept = losing ? 0.9 + 0.1 * random.unit() : 1
      let values = sum > 0 ? weights.map { $0 / sum * kept } : [kept]
      return Array(repeating: 0, count: first) + values
    }
  }

  init(_ golden: GoldenSystem) {
    slots = golden.schedule
    delays = golden.delays
  }

  func model() throws -> ResequencingModel {
    try ResequencingModel(
      schedule: StripingSchedule(slots: slots),
      delays: delays.map { try DelayDistribution(slot: .milliseconds(1), probabilities: $0) })
  }

  var partsPerSlot: Double { Double(slots.joined().count) / Double(slots.count) }
  var longest: Int { delays.reduce(0) { max($0, $1.count - 1) } }

  /// Parts of so many periods, with sampled delays.
  func parts(periods: Int, _ behaviour: DelayBehaviour, _ random: inout SeededRandom) -> [PlainReceiver.Part] {
    let shared = delays.indices.map { sample($0, &random) }
    var latest = Array(repeating: 0, count: delays.count)
    var parts: [PlainReceiver.Part] = []
    for time in 0..<(periods * slots.count) {
      for path in slots[time % slots.count] {
        let delay = behaviour == .wandering ? shared[path] : sample(path, &random)
        var arrives = delay.map { time + $0 }
        if behaviour == .ordered, let own = arrives {
          latest[path] = max(latest[path], own)
          arrives = latest[path]
        }
        parts.append(PlainReceiver.Part(sent: time, arrives: arrives))
      }
    }
    return parts
  }

  /// Parts of so many periods when each path's delay stays what it is.
  func parts(periods: Int, fixed: [Int]) -> [PlainReceiver.Part] {
    (0..<(periods * slots.count)).flatMap { time in
      slots[time % slots.count].map { PlainReceiver.Part(sent: time, arrives: time + fixed[$0]) }
    }
  }

  private func sample(_ path: Int, _ random: inout SeededRandom) -> Int? {
    var left = random.unit()
    for (delay, probability) in delays[path].enumerated() {
      if left < probability { return delay }
      left -= probability
    }
    return delays[path].reduce(0, +) > 1 - 1e-9 ? delays[path].lastIndex { $0 > 0 } : nil
  }
}
