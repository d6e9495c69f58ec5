import Primitives
import Resequencer
import Testing

@Suite struct `The model against an independent computation` {
  @Test(arguments: GoldenSystem.lossless)
  func `the unlimited buffer holds what it should`(system: GoldenSystem) throws {
    let golden = try #require(system.unlimited)
    let occupancy = try system.model().occupancy()
    #expect(isClose(occupancy.mean, golden.mean))
    #expect(isClose(occupancy.variance, golden.variance))
    for (parts, probability) in golden.probabilities.enumerated() { #expect(isClose(occupancy[parts], probability)) }
    #expect(occupancy.quantile(0.99) == golden.q99)
    #expect(occupancy.quantile(0.999) == golden.q999)
    #expect(occupancy.largest == golden.largest)
  }

  @Test(arguments: GoldenSystem.lossless)
  func `a part waits as long as it should, and is as old as it should be`(system: GoldenSystem) throws {
    let golden = try #require(system.unlimited)
    let model = try system.model()
    let delay = try model.resequencingDelay()
    #expect(isClose(delay.mean, golden.meanDelay))
    #expect(isClose(delay[0], golden.noDelay))
    #expect(delay.quantile(0.99) == golden.delayQ99)
    let latency = try model.inOrderLatency()
    #expect(isClose(latency.mean, golden.meanLatency))
    #expect(latency.quantile(0.99) == golden.latencyQ99)
  }

  @Test(arguments: GoldenSystem.lossless)
  func `a bounded buffer loses and holds what it should`(system: GoldenSystem) throws {
    let model = try system.model()
    let overtaking = try model.overtaking()
    for golden in system.finite {
      #expect(isClose(overtaking.loss(bufferOf: golden.at), golden.loss))
      for (part, path) in system.schedule.joined().enumerated() {
        #expect(isClose(overtaking.loss(bufferOf: golden.at, path: path), golden.lossOfPart[part]))
      }
      #expect(isClose(try model.occupancy(bufferOf: golden.at).mean, golden.meanOccupancy))
    }
  }

  @Test(arguments: GoldenSystem.all)
  func `deadlines and gap timers lose what they should`(system: GoldenSystem) throws {
    let model = try system.model()
    for golden in system.timers { #expect(isClose(model.loss(gapTimer: golden.at), golden.loss)) }
    for golden in system.deadlines {
      #expect(isClose(model.loss(deadline: golden.at), golden.loss))
      #expect(isClose(try model.occupancy(deadline: golden.at).mean, golden.meanOccupancy))
    }
  }

  @Test(arguments: GoldenSystem.lossless)
  func `paths that keep their order need what they should`(system: GoldenSystem) throws {
    let golden = try #require(system.ordered)
    let occupancy = try system.model().occupancy(.ordered)
    #expect(isClose(occupancy.mean, golden.mean))
    for (parts, probability) in golden.probabilities.enumerated() { #expect(isClose(occupancy[parts], probability)) }
  }

  @Test(arguments: [GoldenSystem.byHand, .threeSideBySide])
  func `release by whole segments holds what it should`(system: GoldenSystem) throws {
    let occupancy = try system.model().occupancyReleasingWholeSegments()
    #expect(isClose(occupancy.mean, try #require(system.wholeSegmentsMean)))
  }

  @Test func `two paths agree with the sum that fits on a napkin`() throws {
    // Path 0 always takes 1 slot, path 1 takes 1 or 3, evenly. At the end of a slot path 1's parts of age 2 and 1 are
    // each there with chance ½. If the older is missing, path 0's part behind it waits, and path 1's does if it is
    // there.
    let model = try GoldenSystem.byHand.model()
    let occupancy = try model.occupancy()
    #expect(isClose(occupancy[0], 1 / 2))
    #expect(isClose(occupancy[1], 1 / 4))
    #expect(isClose(occupancy[2], 1 / 4))
    #expect(isClose(occupancy.mean, 3 / 4))
    // Path 0's part waits a slot if path 1's before it is late; path 1's if it is on time itself as well.
    #expect(isClose(try model.resequencingDelay().mean, (1 / 2 + 1 / 4) / 2))
    // With room for one, a late part of path 1 is lost if path 1's next one comes first: ¼ of that path's parts.
    #expect(isClose(try model.overtaking().loss(bufferOf: 1, path: 1), 1 / 4))
    #expect(isClose(try model.overtaking().loss(bufferOf: 1), 1 / 8))
    #expect(try model.overtaking().loss(bufferOf: 2) == 0)
    #expect(try model.overtaking().buffer(losingAtMost: 0) == 2)
    #expect(try model.overtaking().buffer(losingAtMost: 0.2) == 1)
  }
}

extension GoldenSystem {
  func model() throws -> ResequencingModel {
    let slot = Interval.milliseconds(1)
    return try ResequencingModel(
      schedule: StripingSchedule(slots: schedule),
      delays: delays.map { try DelayDistribution(slot: slot, probabilities: $0) })
  }
}

/// The golden values carry fifteen digits; a millionth would already be a wrong formula.
func isClose(_ a: Double, _ b: Double, within: Double = 1e-10) -> Bool { abs(a - b) < within }
