//  ModelSchedule.swift — the pattern in which a sender puts parts on paths, over and over.
//
//  Any pattern that repeats is allowed: `slots[s]` names the paths of the parts that leave in slot s of the period,
//  in the order of the stream. So k parts side by side are [[0, 1, …, k−1]], and round robin by weights 2 : 1 is
//  [[0], [0], [1]].

public struct StripingSchedule: Equatable, Sendable {
  public let slots: [[Int]]
  public let pathCount: Int
  public let partCount: Int
  /// The number of each slot's first part within the period.
  let firstPosition: [Int]

  public enum Invalid: Error, Equatable {
    case noParts
    case tooManyParts(Int, limit: Int)
    case tooManySlots(Int, limit: Int)
    case tooManyPaths(Int, limit: Int)
    /// Paths are numbered from 0 without gaps, and each one carries something.
    case pathWithoutParts(Int)
  }

  public init(slots: [[Int]]) throws(Invalid) {
    let paths = slots.joined()
    guard let highest = paths.max(), let lowest = paths.min() else { throw .noParts }
    if highest >= ResequencingModel.Limits.paths {
      throw .tooManyPaths(highest + 1, limit: ResequencingModel.Limits.paths)
    }
    if lowest < 0 { throw .pathWithoutParts(lowest) }
    for path in 0...highest where !paths.contains(path) { throw .pathWithoutParts(path) }
    if slots.count > ResequencingModel.Limits.slots {
      throw .tooManySlots(slots.count, limit: ResequencingModel.Limits.slots)
    }
    if paths.count > ResequencingModel.Limits.parts {
      throw .tooManyParts(paths.count, limit: ResequencingModel.Limits.parts)
    }
    self.slots = slots
    pathCount = highest + 1
    partCount = paths.count
    var first: [Int] = []
    var position = 0
    for slot in slots {
      first.append(position)
      position += slot.count
    }
    firstPosition = first
  }

  /// One part on every path in every slot.
  public static func parallel(paths: Int) throws(Invalid) -> StripingSchedule {
    try StripingSchedule(slots: [Array(0..<max(0, paths))])
  }

  /// One part in a slot, each path as often in a row as its weight says.
  public static func weightedRoundRobin(_ weights: [Int]) throws(Invalid) -> StripingSchedule {
    try StripingSchedule(
      slots: weights.indices.flatMap { path in Array(repeating: [path], count: max(0, weights[path])) })
  }

  /// Every path has so many parts in a period, evenly spaced: what a line does that is always busy. Of parts that leave
  /// in the same slot, the one that leaves earlier within it comes first.
  public static func evenlySpaced(_ counts: [Int], over period: Int) throws(Invalid) -> StripingSchedule {
    precondition(period > 0, "a period without time")
    if period > ResequencingModel.Limits.slots {
      throw .tooManySlots(period, limit: ResequencingModel.Limits.slots)
    }
    let total = counts.reduce(0, +)
    if total > ResequencingModel.Limits.parts {
      throw .tooManyParts(total, limit: ResequencingModel.Limits.parts)
    }
    // The i-th of n parts leaves at (2i + 1) / 2n of the period, compared as fractions so that no rounding decides an
    // order.
    var departures: [(path: Int, numerator: Int, denominator: Int)] = []
    for (path, count) in counts.enumerated() {
      for i in 0..<max(0, count) { departures.append((path, 2 * i + 1, 2 * count)) }
    }
    departures.sort { a, b in
      let left = a.numerator * b.denominator
      let right = b.numerator * a.denominator
      return left != right ? left < right : a.path < b.path
    }
    var slots: [[Int]] = Array(repeating: [], count: period)
    for part in departures { slots[part.numerator * period / part.denominator].append(part.path) }
    return try StripingSchedule(slots: slots)
  }

  /// How many parts of a period each path carries.
  public var counts: [Int] {
    var counts = Array(repeating: 0, count: pathCount)
    for path in slots.joined() { counts[path] += 1 }
    return counts
  }
}
