import Primitives
import Resequencer
import Testing

@Suite struct `What holds for every set of paths` {
  static let seeds: ClosedRange<UInt64> = 1...40

  @Test(arguments: seeds, DelayBehaviour.allCases)
  func `probabilities sum to one, and Little's law holds`(seed: UInt64, behaviour: DelayBehaviour) throws {
    let system = RandomSystem(seed: seed)
    let model = try system.model()
    let occupancy = try model.occupancy(behaviour)
    let delay = try model.resequencingDelay(behaviour)
    let latency = try model.inOrderLatency(behaviour)
    let overtakers = try model.overtaking(behaviour)
    for distribution in [occupancy, delay, latency, overtakers.total] + overtakers.perPath {
      #expect(isClose(distribution.probabilities.reduce(0, +), 1))
      #expect(distribution.probabilities.allSatisfy { $0 >= 0 })
    }
    #expect(isClose(occupancy.mean, model.partsPerSlot * delay.mean))
    #expect(isClose(model.partsPerSlot, system.partsPerSlot))
  }

  @Test(arguments: seeds, DelayBehaviour.allCases)
  func `a larger buffer loses less, and one for all overtakers nothing`(seed: UInt64, behaviour: DelayBehaviour) throws
  {
    let overtaking = try RandomSystem(seed: seed).model().overtaking(behaviour)
    let losses = (0...overtaking.total.largest).map { overtaking.loss(bufferOf: $0) }
    #expect(zip(losses, losses.dropFirst()).allSatisfy { $0 >= $1 })
    #expect(losses.last == 0)
    for target in [0.3, 0.1, 0.01, 0] {
      let room = try #require(overtaking.buffer(losingAtMost: target))
      #expect(overtaking.loss(bufferOf: room) <= target)
      if room > 0 { #expect(overtaking.loss(bufferOf: room - 1) > target) }
    }
  }

  @Test(arguments: seeds)
  func `a larger buffer holds more, until it holds what an unlimited one does`(seed: UInt64) throws {
    let model = try RandomSystem(seed: seed).model()
    let unlimited = try model.occupancy()
    let means = try (0...(unlimited.largest + 1)).map { try model.occupancy(bufferOf: $0).mean }
    #expect(means[0] == 0)
    #expect(zip(means, means.dropFirst()).allSatisfy { $0 <= $1 + 1e-12 })
    #expect(isClose(means[unlimited.largest + 1], unlimited.mean))
  }

  @Test(arguments: seeds)
  func `what goes out in order is as old as its own delay and its wait`(seed: UInt64) throws {
    let model = try RandomSystem(seed: seed).model()
    var own = 0.0
    for (path, count) in model.schedule.counts.enumerated() { own += Double(count) * model.delays[path].mean }
    own /= Double(model.schedule.partCount)
    for behaviour in [DelayBehaviour.independent, .wandering] {
      let latency = try model.inOrderLatency(behaviour).mean
      #expect(isClose(latency, own + (try model.resequencingDelay(behaviour).mean)))
    }
    // Waiting for predecessors on the path instead of in the buffer changes where one waits, not for how long.
    #expect(isClose(try model.inOrderLatency(.ordered).mean, try model.inOrderLatency(.independent).mean))
    #expect(try model.occupancy(.ordered).mean <= model.occupancy(.independent).mean + 1e-12)
  }

  @Test(arguments: seeds)
  func `patience that outlasts every delay loses nothing, and less patience loses more`(seed: UInt64) throws {
    let system = RandomSystem(seed: seed)
    let model = try system.model()
    let deadlines = (0...system.longest).map { model.loss(deadline: $0) }
    let timers = (0...system.longest).map { model.loss(gapTimer: $0) }
    #expect(zip(deadlines, deadlines.dropFirst()).allSatisfy { $0 >= $1 })
    #expect(zip(timers, timers.dropFirst()).allSatisfy { $0 >= $1 })
    #expect(deadlines.last == 0 && timers.last == 0)
    // A timer starts after the sending, so it never loses more than a deadline of the same length.
    #expect(zip(timers, deadlines).allSatisfy { $0 <= $1 + 1e-12 })
    #expect(isClose(try model.occupancy(deadline: system.longest).mean, try model.occupancy().mean))
    #expect(try model.occupancy(deadline: 0).mean == 0)
    #expect(try model.occupancyReleasingWholeSegments().mean >= model.occupancy().mean - 1e-12)
  }

  @Test(arguments: [DelayBehaviour.ordered, .wandering])
  func `one path that keeps its order needs no buffer`(behaviour: DelayBehaviour) throws {
    let model = try ResequencingModel(
      schedule: StripingSchedule(slots: [[0], [], [0, 0]]),
      delays: [DelayDistribution(slot: .milliseconds(1), probabilities: [0.1, 0.2, 0.3, 0.4])])
    #expect(try model.occupancy(behaviour).largest == 0)
    #expect(try model.resequencingDelay(behaviour).largest == 0)
    #expect(try model.overtaking(behaviour).loss(bufferOf: 0) == 0)
    #expect(try model.occupancy(.independent).mean > 0.2)
  }

  @Test(arguments: DelayBehaviour.allCases)
  func `steady paths fill the buffer with what the faster ones run ahead`(behaviour: DelayBehaviour) throws {
    // Three parts a slot with 0, 40 and 100 slots: 100 + 60 + 0 of them wait, give or take the order within a slot.
    let steady = [0, 40, 100].map { Array(repeating: 0.0, count: $0) + [1] }
    let model = try ResequencingModel(
      schedule: .parallel(paths: 3),
      delays: steady.map { try DelayDistribution(slot: .milliseconds(1), probabilities: $0) })
    #expect(isClose(model.meanOccupancyOfSteadyPaths, 160))
    #expect(abs(try model.occupancy(behaviour).mean - 160) <= 2)
  }

  @Test func `counting many unlike coins keeps their mean and variance, whatever is dropped at the ends`() throws {
    // 4,000 parts in the window; their number beyond the missing one is a sum of thousands of coins.
    let uniform = Array(repeating: 1.0 / 500, count: 500)
    let model = try ResequencingModel(
      schedule: StripingSchedule(slots: [Array(repeating: 0, count: 8)]),
      delays: [DelayDistribution(slot: .milliseconds(1), probabilities: uniform)])
    let occupancy = try model.occupancy()
    #expect(isClose(occupancy.probabilities.reduce(0, +), 1))
    #expect(isClose(occupancy.mean, 8 * (try model.resequencingDelay().mean), within: 1e-7))
  }
}

@Suite struct `What the model refuses` {
  let slot = Interval.milliseconds(1)

  @Test func `delays that are no distribution`() {
    #expect(throws: DelayDistribution.Invalid.nothingArrives) { try DelayDistribution(slot: slot, probabilities: []) }
    #expect(throws: DelayDistribution.Invalid.nothingArrives) {
      try DelayDistribution(slot: slot, probabilities: [0, 0])
    }
    #expect(throws: DelayDistribution.Invalid.notAProbability(slot: 1)) {
      try DelayDistribution(slot: slot, probabilities: [0.5, -0.1])
    }
    #expect(throws: DelayDistribution.Invalid.notAProbability(slot: 0)) {
      try DelayDistribution(slot: slot, probabilities: [.nan])
    }
    #expect(throws: DelayDistribution.Invalid.sumAboveOne(1.5)) {
      try DelayDistribution(slot: slot, probabilities: [0.5, 1])
    }
    #expect(throws: DelayDistribution.Invalid.slotWithoutLength) {
      try DelayDistribution(slot: .zero, probabilities: [1])
    }
    #expect(throws: DelayDistribution.Invalid.tooManySlots(5_000, limit: 4_096)) {
      try DelayDistribution(slot: slot, probabilities: Array(repeating: 0, count: 4_999) + [1])
    }
  }

  @Test func `schedules that carry nothing, or too much`() {
    #expect(throws: StripingSchedule.Invalid.noParts) { try StripingSchedule(slots: [[], []]) }
    #expect(throws: StripingSchedule.Invalid.pathWithoutParts(1)) { try StripingSchedule(slots: [[0, 2]]) }
    #expect(throws: StripingSchedule.Invalid.pathWithoutParts(-1)) { try StripingSchedule(slots: [[0, -1]]) }
    #expect(throws: StripingSchedule.Invalid.tooManyPaths(9, limit: 8)) { try StripingSchedule.parallel(paths: 9) }
    #expect(throws: StripingSchedule.Invalid.tooManyParts(1_025, limit: 1_024)) {
      try StripingSchedule.evenlySpaced([1_000, 25], over: 7)
    }
    #expect(throws: StripingSchedule.Invalid.tooManySlots(4_097, limit: 4_096)) {
      try StripingSchedule.evenlySpaced([1], over: 4_097)
    }
  }

  @Test func `paths that lose, without a limit to the waiting`() throws {
    let model = try GoldenSystem.lossy.model()
    #expect(throws: ResequencingModel.Refusal.waitsForever(path: 1)) { try model.occupancy() }
    #expect(throws: ResequencingModel.Refusal.waitsForever(path: 1)) { try model.resequencingDelay() }
    #expect(throws: ResequencingModel.Refusal.waitsForever(path: 1)) { try model.occupancy(bufferOf: 3) }
    #expect(try model.overtaking().buffer(losingAtMost: 0.001) == nil)
    #expect(isClose(try model.overtaking().loss(bufferOf: 1_000), 0.005))
  }

  @Test func `what would take too long`() throws {
    let short = try DelayDistribution(slot: slot, probabilities: [1])
    let other = try DelayDistribution(slot: .milliseconds(2), probabilities: [1])
    let long = try DelayDistribution(slot: slot, probabilities: Array(repeating: 0, count: 4_000) + [1])
    #expect(throws: ResequencingModel.Refusal.slotLengthsDiffer(path: 1)) {
      try ResequencingModel(schedule: .parallel(paths: 2), delays: [short, other])
    }
    #expect(throws: ResequencingModel.Refusal.pathCountsDiffer(schedule: 2, delays: 1)) {
      try ResequencingModel(schedule: .parallel(paths: 2), delays: [short])
    }
    #expect(throws: ResequencingModel.Refusal.tooManyPartsInFlight(40_010, limit: 32_768)) {
      try ResequencingModel(schedule: StripingSchedule(slots: [Array(repeating: 0, count: 10)]), delays: [long])
    }
    #expect(throws: ResequencingModel.Refusal.tooManyPartsInFlight(.max, limit: 32_768)) {
      try GoldenSystem.lossy.model().occupancy(deadline: .max)
    }
  }

  @Test func `parts are spaced evenly, and none is forgotten`() throws {
    let schedule = try StripingSchedule.evenlySpaced([3, 1], over: 6)
    #expect(schedule.slots == [[], [0], [], [0, 1], [], [0]])
    #expect(schedule.counts == [3, 1])
    #expect(try StripingSchedule.weightedRoundRobin([2, 1]).slots == [[0], [0], [1]])
  }
}
