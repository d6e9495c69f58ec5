//  ModelPrediction.swift — what it costs to use a set of paths as one, from what is known of paths: rates and delays.
//
//  Why.  The model wants a pattern over slots and histograms in slots. People have "300 Mbit/s, 10 ms" and measured
//  delays.
//
//  How.  All paths are busy all the time, which is when the buffer is fullest: each carries parts in proportion to
//  its rate, evenly spaced.
//
//  1. Shares become whole numbers of parts in a period: the shortest period in which every path's share is right to
//     half a percent.
//  2. Only what tells the delays apart matters. The least possible delay of all is the origin from which slots count,
//     and the way from there to the largest is cut in about a thousand. The period then has as many slots as fit, or a
//     slot as many periods: hence slots are no round number of microseconds.
//  3. Latency gets the origin back; everything else does not depend on it.
//
//  Rejected.  A fixed slot of 1 ms (fibre against fibre differs by less), shares by greatest common divisor
//  (99.9 to 20 would need a period of 1,199 parts).
//
//  Not here.  Which paths to use. This answers "what would it cost"; whoever ranks sets of paths asks for many.

public import Primitives

public struct StripedPath: Equatable, Sendable {
  public var rate: BitRate
  public var delay: DelayLaw

  public init(rate: BitRate, delay: DelayLaw) {
    self.rate = rate
    self.delay = delay
  }
}

public struct ResequencingPrediction: Sendable {
  public let partSize: ByteCount
  public let behaviour: DelayBehaviour
  /// What one slot of the distributions below is in time.
  public let slot: Interval
  public let partsPerSecond: Double
  /// The share of the parts that each path carries.
  public let shares: [Double]
  /// Parts in a buffer without a limit.
  public let occupancy: DiscreteDistribution
  /// What a buffer with a limit loses.
  public let overtaking: Overtaking
  /// Slots that parts wait in a buffer without a limit.
  public let addedDelay: DiscreteDistribution
  /// Slots after `origin` at which parts go out in order.
  public let latency: DiscreteDistribution
  public let origin: Interval

  public enum Refusal: Error, Equatable {
    case noPaths
    case tooManyPaths(Int, limit: Int)
    /// The histogram of this path counts nothing.
    case nothingMeasured(path: Int)
    /// This path's rate is less than this share of all.
    case shareTooSmall(path: Int, limit: Double)
    /// So many parts are on their way between the least and the largest delay. Larger parts would be fewer.
    case tooManyPartsInFlight(Int, limit: Int)
    case tooMuchWork
  }

  public init(
    paths: [StripedPath], partSize: ByteCount, behaviour: DelayBehaviour = .wandering
  ) throws(Refusal) {
    precondition(partSize > .zero, "parts of nothing")
    let plan = try Plan(paths, partSize)
    self.partSize = partSize
    self.behaviour = behaviour
    slot = plan.slot
    origin = plan.origin
    partsPerSecond = plan.partsPerSecond
    do {
      let delays = try paths.map { try $0.delay.distribution(slot: plan.slot, from: plan.origin) }
      let schedule = try StripingSchedule.evenlySpaced(plan.counts, over: plan.period)
      shares = schedule.counts.map { Double($0) / Double(schedule.partCount) }
      let model = try ResequencingModel(schedule: schedule, delays: delays)
      (occupancy, overtaking) = try model.occupancyAndOvertaking(behaviour)
      addedDelay = try model.resequencingDelay(behaviour)
      latency = try model.inOrderLatency(behaviour)
    } catch ResequencingModel.Refusal.tooManyPartsInFlight(let count, let limit) {
      throw .tooManyPartsInFlight(count, limit: limit)
    } catch ResequencingModel.Refusal.tooMuchWork {
      throw .tooMuchWork
    } catch {
      preconditionFailure("the plan made a model that cannot be: \(error)")
    }
  }

  /// So many slots as a time.
  public func time(_ slots: Double) -> Interval {
    Interval(nanoseconds: Int64((slots * Double(slot.nanoseconds)).rounded()))
  }

  /// So many parts as memory, the last one whole.
  public func bytes(_ parts: Double) -> ByteCount { ByteCount(Int((parts * Double(partSize.value)).rounded(.up))) }
}

/// Steps 1 and 2 of the header.
private struct Plan {
  var counts: [Int]
  var period: Int
  var slot: Interval
  var origin: Interval
  var partsPerSecond: Double

  /// Below it a figure moves by less than what rates are known to.
  private static let shareTolerance = 0.005
  /// Into how many slots the differences between delays are cut. Fewer blur small jitter; the cost grows with the
  /// square.
  private static let resolution = 1_000.0
  /// Paths whose delays differ by nothing still need a slot.
  private static let shortestSlot = 1e-6

  init(_ paths: [StripedPath], _ partSize: ByteCount) throws(ResequencingPrediction.Refusal) {
    if paths.isEmpty { throw .noPaths }
    if paths.count > ResequencingModel.Limits.paths {
      throw .tooManyPaths(paths.count, limit: ResequencingModel.Limits.paths)
    }
    var least: Interval?
    var largest = Interval.zero
    for (index, path) in paths.enumerated() {
      guard let range = path.delay.range else { throw .nothingMeasured(path: index) }
      least = min(least ?? range.lowerBound, range.lowerBound)
      largest = max(largest, range.upperBound)
    }
    origin = least ?? .zero
    let spread = (largest - origin).inSeconds

    let total = paths.reduce(0) { $0 + Double($1.rate.bitsPerSecond) }
    partsPerSecond = total / Double(partSize.value * 8)
    if spread * partsPerSecond > Double(ResequencingModel.Limits.window) {
      throw .tooManyPartsInFlight(
        Int((spread * partsPerSecond).rounded(.up)), limit: ResequencingModel.Limits.window)
    }
    counts = try Plan.wholeShares(paths.map { Double($0.rate.bitsPerSecond) / total })

    let parts = counts.reduce(0, +)
    let periodSeconds = Double(parts) / partsPerSecond
    let wished = max(spread / Plan.resolution, Plan.shortestSlot)
    period = 1
    var periodsInSlot = 1
    if periodSeconds >= wished {
      period = min(ResequencingModel.Limits.slots, Int((periodSeconds / wished).rounded()))
    } else {
      periodsInSlot = max(1, min(Int(wished / periodSeconds), ResequencingModel.Limits.parts / parts))
    }
    counts = counts.map { $0 * periodsInSlot }
    let slotSeconds = periodSeconds * Double(periodsInSlot) / Double(period)
    slot = Interval(nanoseconds: max(1, Int64((slotSeconds * 1e9).rounded())))
  }

  /// The smallest whole numbers that stand in these proportions, nearly.
  private static func wholeShares(_ shares: [Double]) throws(ResequencingPrediction.Refusal) -> [Int] {
    let most = ResequencingModel.Limits.parts - shares.count  // rounding may add a part a path
    let smallest = 0.75 / Double(most)  // what rounds to one part
    for (path, share) in shares.enumerated() where share < smallest {
      throw .shareTooSmall(path: path, limit: smallest)
    }
    var best: [Int] = []
    var bestError = Double.infinity
    for total in shares.count...most {
      let counts = shares.map { max(1, Int(($0 * Double(total)).rounded())) }
      let sum = Double(counts.reduce(0, +))
      var error = 0.0
      for (count, share) in zip(counts, shares) { error = max(error, abs(Double(count) / sum / share - 1)) }
      if error < bestError {
        best = counts
        bestError = error
        if error <= shareTolerance { break }
      }
    }
    return best
  }
}
