import Primitives
import Resequencer
import Testing

/// Each figure is the mean of many independent runs, so their spread tells how far it may be off.
@Suite struct `The model against a receiver that does it step by step` {
  static let systems =
    [GoldenSystem.byHand, .threeSideBySide, .twoToOne].map(RandomSystem.init)
    + (1...4).map { RandomSystem(seed: $0) }

  @Test(arguments: systems.indices, [DelayBehaviour.independent, .ordered, .wandering])
  func `occupancy, delay and latency without a limit`(index: Int, behaviour: DelayBehaviour) throws {
    let system = Self.systems[index]
    let model = try system.model()
    let measured = Runs(system, behaviour, .unlimited, seed: UInt64(100 + index))
    let occupancy = try model.occupancy(behaviour)
    #expect(measured.occupancy.agrees(with: occupancy.mean))
    for parts in 0..<3 { #expect(measured.occupancyIs(parts).agrees(with: occupancy[parts])) }
    #expect(measured.waits.agrees(with: try model.resequencingDelay(behaviour).mean))
    #expect(measured.noWaits.agrees(with: try model.resequencingDelay(behaviour)[0]))
    #expect(measured.latencies.agrees(with: try model.inOrderLatency(behaviour).mean))
  }

  @Test(arguments: systems.indices, [DelayBehaviour.independent, .ordered, .wandering])
  func `loss of buffers of every size`(index: Int, behaviour: DelayBehaviour) throws {
    let system = Self.systems[index]
    let overtaking = try system.model().overtaking(behaviour)
    for room in [0, 1, 3] {
      let measured = Runs(system, behaviour, .room(room), seed: UInt64(200 + index))
      #expect(measured.losses.agrees(with: overtaking.loss(bufferOf: room)), "room for \(room)")
    }
  }

  @Test(arguments: systems.indices)
  func `occupancy of a bounded buffer`(index: Int) throws {
    let system = Self.systems[index]
    for room in [1, 2, 4] {
      let measured = Runs(system, .independent, .room(room), seed: UInt64(300 + index))
      #expect(measured.occupancy.agrees(with: try system.model().occupancy(bufferOf: room).mean), "room for \(room)")
    }
  }

  @Test(arguments: systems.indices)
  func `whole segments`(index: Int) throws {
    let system = Self.systems[index]
    let measured = Runs(
      system, .independent, .segments(system.slots.joined().count), seed: UInt64(400 + index))
    #expect(measured.occupancy.agrees(with: try system.model().occupancyReleasingWholeSegments().mean))
  }

  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func `paths that lose parts, with a deadline, a gap timer, or room for a few`(seed: UInt64) throws {
    let system = RandomSystem(seed: seed, losing: true)
    let model = try system.model()
    for limit in [2, 5, 14] {
      let deadline = Runs(system, .independent, .deadline(limit), seed: 500 + seed)
      #expect(deadline.losses.agrees(with: model.loss(deadline: limit)), "deadline \(limit)")
      #expect(deadline.occupancy.agrees(with: try model.occupancy(deadline: limit).mean), "deadline \(limit)")
      let timer = Runs(system, .independent, .gapTimer(limit), seed: 600 + seed)
      #expect(timer.losses.agrees(with: model.loss(gapTimer: limit)), "patience \(limit)")
      let bounded = Runs(system, .independent, .room(limit), seed: 700 + seed)
      #expect(bounded.losses.agrees(with: try model.overtaking().loss(bufferOf: limit)), "room for \(limit)")
    }
  }

  @Test(arguments: systems.indices)
  func `delays that wander, against every combination of delays`(index: Int) throws {
    // Nothing is drawn here: each combination of delays runs once, and counts as much as it is probable.
    let system = Self.systems[index]
    let model = try system.model()
    let overtaking = try model.overtaking(.wandering)
    let periods = 120 / system.slots.count
    let range = Runs.observed(system, periods: periods)
    let end = periods * system.slots.count - 1
    var occupancy = 0.0
    var wait = 0.0
    var losses = Array(repeating: 0.0, count: 6)
    system.forEachCombination { delays, probability in
      let parts = system.parts(periods: periods, fixed: delays)
      let free = PlainReceiver.run(parts, .unlimited, until: end)
      let inRange = parts.indices.filter { range.contains(parts[$0].sent) }
      occupancy += probability * Double(free.occupancy[range].reduce(0, +)) / Double(range.count)
      wait += probability * Double(inRange.reduce(0) { $0 + (free.waits[$1] ?? 0) }) / Double(inRange.count)
      for room in losses.indices {
        let bounded = PlainReceiver.run(parts, .room(room), until: end)
        losses[room] += probability * Double(inRange.count { bounded.isLost[$0] }) / Double(inRange.count)
      }
    }
    #expect(isClose(try model.occupancy(.wandering).mean, occupancy))
    #expect(isClose(try model.resequencingDelay(.wandering).mean, wait))
    for room in losses.indices { #expect(isClose(overtaking.loss(bufferOf: room), losses[room]), "room for \(room)") }
  }
}

/// Independent runs of the plain receiver, and what they say about each figure.
private struct Runs {
  struct Figure {
    var values: [Double] = []

    /// Within four standard errors, or equal when nothing varies. Where next to nothing varies (a loss that no run
    /// shows) the error itself is unknown: one event in all runs is then the least that could have been seen.
    func agrees(with expected: Double) -> Bool {
      let n = Double(values.count)
      let mean = values.reduce(0, +) / n
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
      return abs(mean - expected) <= max(4 * (variance / n).squareRoot(), leastVisible)
    }
    var leastVisible = 1e-9
  }

  var occupancy = Figure()
  var waits = Figure()
  var noWaits = Figure()
  var latencies = Figure()
  var losses = Figure()
  private var shares: [[Double]] = []

  func occupancyIs(_ parts: Int) -> Figure {
    Figure(values: shares.map { parts < $0.count ? $0[parts] : 0 }, leastVisible: occupancy.leastVisible)
  }

  /// The slots in which a run is looked at: after it has filled, before its end shows; whole periods.
  static func observed(_ system: RandomSystem, periods: Int) -> Range<Int> {
    let period = system.slots.count
    let margin = (40 / period + 1) * period
    return margin..<(periods * period - margin)
  }

  init(_ system: RandomSystem, _ behaviour: DelayBehaviour, _ policy: PlainReceiver.Policy, seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let period = system.slots.count
    // A run of delays that wander knows one combination of them, so it takes more runs, and shorter ones.
    let periods = (behaviour == .wandering ? 20 : 500) / period + 100 / period
    let count = behaviour == .wandering ? 400 : 40
    let range = Self.observed(system, periods: periods)
    for _ in 0..<count {
      let parts = system.parts(periods: periods, behaviour, &random)
      let outcome = PlainReceiver.run(parts, policy, until: periods * period - 1)
      var share: [Double] = []
      for held in outcome.occupancy[range] {
        while share.count <= held { share.append(0) }
        share[held] += 1 / Double(range.count)
      }
      shares.append(share)
      occupancy.values.append(Double(outcome.occupancy[range].reduce(0, +)) / Double(range.count))
      let inRange = parts.indices.filter { range.contains(parts[$0].sent) }
      let parted = inRange.compactMap { outcome.waits[$0] }
      waits.values.append(Double(parted.reduce(0, +)) / Double(parted.count))
      noWaits.values.append(Double(parted.count { $0 == 0 }) / Double(parted.count))
      latencies.values.append(Double(inRange.compactMap { outcome.latencies[$0] }.reduce(0, +)) / Double(parted.count))
      losses.values.append(Double(inRange.count { outcome.isLost[$0] }) / Double(inRange.count))
    }
    let events = Double(count) * Double(range.count) * min(1, system.partsPerSlot)
    for figure in [\Runs.occupancy, \.waits, \.noWaits, \.latencies, \.losses] {
      self[keyPath: figure].leastVisible = 4 / events
    }
  }
}

extension RandomSystem {
  fileprivate func forEachCombination(_ body: ([Int], Double) -> Void) {
    func extend(_ chosen: [Int], _ probability: Double) {
      if chosen.count == delays.count { return body(chosen, probability) }
      for (delay, own) in delays[chosen.count].enumerated() where own > 0 {
        extend(chosen + [delay], probability * own)
      }
    }
    extend([], 1)
  }
}
