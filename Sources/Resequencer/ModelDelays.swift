//  ModelDelays.swift — how long parts take on a path, in slots: from a histogram, or from a mean and a deviation.
//
//  A distribution may sum to less than one: the rest of the parts never arrive. Delays are rounded to the nearest
//  slot, which leaves the mean where it was; so a slot should be short against what tells the paths apart.

public import Primitives

public struct DelayDistribution: Equatable, Sendable {
  public let slot: Interval
  /// probabilities[d]: that a part arrives d slots after it was sent.
  public let probabilities: [Double]
  /// The share of parts that never arrive.
  public let loss: Double
  private let cumulative: [Double]

  public enum Invalid: Error, Equatable {
    case slotWithoutLength
    case tooManySlots(Int, limit: Int)
    /// Below zero, or not a number.
    case notAProbability(slot: Int)
    /// The probabilities sum to this; at most 1 would be right.
    case sumAboveOne(Double)
    /// Nothing ever arrives: such a path is down, and there is nothing to compute.
    case nothingArrives
  }

  /// A sum this close to 1 is 1 in decimals that somebody typed, or in a thousand divisions.
  private static let rounding = 1e-9

  public init(slot: Interval, probabilities: [Double]) throws(Invalid) {
    if slot <= .zero { throw .slotWithoutLength }
    for (d, p) in probabilities.enumerated() where !(p >= 0) || !p.isFinite { throw .notAProbability(slot: d) }
    guard let longest = probabilities.lastIndex(where: { $0 > 0 }) else { throw .nothingArrives }
    if longest >= ResequencingModel.Limits.slots {
      throw .tooManySlots(longest + 1, limit: ResequencingModel.Limits.slots)
    }
    let sum = probabilities.reduce(0, +)
    if sum > 1 + DelayDistribution.rounding { throw .sumAboveOne(sum) }

    let isComplete = sum > 1 - DelayDistribution.rounding
    var values = Array(probabilities[...longest])
    if isComplete { for d in values.indices { values[d] /= sum } }
    var running = 0.0
    var cumulative: [Double] = []
    for p in values {
      running += p
      cumulative.append(min(1, running))
    }
    if isComplete { cumulative[longest] = 1 }  // what is old has arrived: exactly, not almost
    self.slot = slot
    self.probabilities = values
    self.cumulative = cumulative
    loss = isComplete ? 0 : 1 - cumulative[longest]
  }

  /// In slots.
  public var longest: Int { probabilities.count - 1 }

  /// The mean of those that arrive, in slots.
  public var mean: Double {
    var sum = 0.0
    for (d, p) in probabilities.enumerated() { sum += Double(d) * p }
    return sum / (1 - loss)
  }

  /// The probability that a part has arrived by the end of the slot that is this many slots after its sending.
  func arrived(by age: Int) -> Double {
    if age < 0 { return 0 }
    return cumulative[min(age, longest)]
  }

  func probability(of delay: Int) -> Double { delay >= 0 && delay <= longest ? probabilities[delay] : 0 }
}

/// A path's delay as people state it, before there are slots.
public enum DelayLaw: Equatable, Sendable {
  /// Normal with this mean and standard deviation, but never below zero: what the links of a topology do.
  case normal(mean: Interval, deviation: Interval)
  /// Measured: how often each delay was seen.
  case measured([Sample])

  public struct Sample: Equatable, Sendable {
    public var delay: Interval
    public var count: Int

    public init(delay: Interval, count: Int) {
      self.delay = delay
      self.count = count
    }
  }

  /// Beyond five deviations lie six values in ten million; a slot for each would cost more than they tell.
  private static let deviations: Int64 = 5

  /// Between which bounds all delays lie. nil when nothing was measured.
  public var range: ClosedRange<Interval>? {
    switch self {
    case .normal(let mean, let deviation):
      let least = max(.zero, mean - deviation * DelayLaw.deviations)
      return least...max(least, mean + deviation * DelayLaw.deviations)
    case .measured(let samples):
      var range: ClosedRange<Interval>?
      for sample in samples where sample.count > 0 {
        range =
          min(range?.lowerBound ?? sample.delay, sample.delay)...max(range?.upperBound ?? sample.delay, sample.delay)
      }
      return range
    }
  }

  /// In slots of this length, counted from `origin`: delays before it are in slot 0.
  public func distribution(slot: Interval, from origin: Interval) throws(DelayDistribution.Invalid) -> DelayDistribution
  {
    if slot <= .zero { throw .slotWithoutLength }
    guard let range else { throw .nothingArrives }
    let slots = nearestSlot(range.upperBound, slot, origin) + 1
    if slots > ResequencingModel.Limits.slots { throw .tooManySlots(slots, limit: ResequencingModel.Limits.slots) }
    var values = Array(repeating: 0.0, count: slots)
    switch self {
    case .normal(let mean, let deviation):
      if deviation <= .zero {
        values[slots - 1] = 1
        break
      }
      var below = 0.0
      for d in 0..<slots {
        let edge = Double((origin - mean).nanoseconds) + (Double(d) + 0.5) * Double(slot.nanoseconds)
        let upTo = d == slots - 1 ? 1 : normalCumulative(edge / Double(deviation.nanoseconds))
        values[d] = max(0, upTo - below)
        below = max(below, upTo)
      }
    case .measured(let samples):
      var total = 0.0
      for sample in samples where sample.count > 0 {
        values[nearestSlot(sample.delay, slot, origin)] += Double(sample.count)
        total += Double(sample.count)
      }
      for d in values.indices { values[d] /= total }
    }
    return try DelayDistribution(slot: slot, probabilities: values)
  }

  private func nearestSlot(_ delay: Interval, _ slot: Interval, _ origin: Interval) -> Int {
    let after = max(0, (delay - origin).nanoseconds)
    return Int((after + slot.nanoseconds / 2) / slot.nanoseconds)
  }
}

/// The share of a standard normal distribution below x, by the series that Marsaglia gives (2004): its terms are all
/// of one sign, so nothing cancels. Beyond eight deviations nothing is left to add.
func normalCumulative(_ x: Double) -> Double {
  if x < -8 { return 0 }
  if x > 8 { return 1 }
  var sum = x
  var term = x
  var odd = 1.0
  var before = 0.0
  while sum != before {
    before = sum
    odd += 2
    term *= x * x / odd
    sum += term
  }
  return 0.5 + sum * exponential(-x * x / 2) * 0.398_942_280_401_432_7  // 1 / √(2π)
}

/// eˣ for −40 ≤ x ≤ 0, without the C library, which may round differently elsewhere: the series of a 64th, squared
/// six times.
func exponential(_ x: Double) -> Double {
  precondition(x <= 0 && x >= -40, "only what the normal density asks for")
  let small = x / 64
  var sum = 1.0
  var term = 1.0
  for n in 1...16 {
    term *= small / Double(n)
    sum += term
  }
  for _ in 0..<6 { sum *= sum }
  return sum
}
