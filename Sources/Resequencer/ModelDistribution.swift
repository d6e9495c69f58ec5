//  ModelDistribution.swift — the model's results: how probable each number of parts, or of slots, is.

public struct DiscreteDistribution: Equatable, Sendable {
  /// probabilities[n] is that of n; ends with the last that matters.
  public let probabilities: [Double]
  /// What is missing to one: the share for which there is no number, as parts that never arrive.
  public let undefined: Double

  /// Values below this are the rounding of a sum of thousands of terms, not probabilities.
  static let negligible = 1e-15

  init(_ values: [Double], undefined: Double = 0) {
    var count = values.count
    while count > 1 && values[count - 1] < DiscreteDistribution.negligible { count -= 1 }
    probabilities = Array(values.prefix(count))
    self.undefined = undefined
  }

  public var mean: Double {
    var sum = 0.0
    for (n, p) in probabilities.enumerated() { sum += Double(n) * p }
    return sum
  }

  public var variance: Double {
    let center = mean
    var sum = 0.0
    for (n, p) in probabilities.enumerated() { sum += (Double(n) - center) * (Double(n) - center) * p }
    return sum
  }

  public var largest: Int { probabilities.count - 1 }

  public subscript(n: Int) -> Double { probabilities.indices.contains(n) ? probabilities[n] : 0 }

  /// The smallest number that is not exceeded with this probability.
  public func quantile(_ probability: Double) -> Int {
    var sum = 0.0
    for (n, p) in probabilities.enumerated() {
      sum += p
      if sum >= probability - 1e-12 { return n }  // the sum's rounding: what is 99/100 shall count as 0.99
    }
    return largest
  }

  /// The probability of more than n, or of no number at all. Summed from the small end, so that tiny tails stay exact.
  public func tail(above n: Int) -> Double {
    var sum = 0.0
    var at = largest
    while at > n && at >= 0 {
      sum += probabilities[at]
      at -= 1
    }
    return min(1, sum + undefined)
  }
}

/// How many of several independent events happen, each with a probability of its own.
///
/// Certain events only move the origin, and what is less probable than 10⁻²⁰ at either end is dropped: thousands of
/// events then cost the width of the bell and not their number.
struct EventCount {
  private(set) var lowest = 0
  private(set) var probabilities = [1.0]

  private static let negligible = 1e-20

  mutating func add(probability q: Double) {
    if q <= 0 { return }
    if q >= 1 {
      lowest += 1
      return
    }
    var carried = 0.0
    for index in probabilities.indices {
      let here = probabilities[index]
      probabilities[index] = here * (1 - q) + carried
      carried = here * q
    }
    probabilities.append(carried)
    while probabilities[probabilities.count - 1] < EventCount.negligible { probabilities.removeLast() }
    var leading = 0
    while probabilities[leading] < EventCount.negligible { leading += 1 }
    if leading > 0 {
      probabilities.removeFirst(leading)
      lowest += leading
    }
  }

  /// Adds this distribution, weighted, to a tally that is indexed by the count (and `shift`).
  func add(to tally: inout [Double], weight: Double, shift: Int = 0) {
    if weight == 0 { return }
    let first = lowest + shift
    grow(&tally, to: first + probabilities.count)
    for index in probabilities.indices { tally[first + index] += weight * probabilities[index] }
  }

  subscript(count: Int) -> Double {
    let index = count - lowest
    return probabilities.indices.contains(index) ? probabilities[index] : 0
  }
}

/// Lengthens an array of sums with zeros.
func grow(_ values: inout [Double], to count: Int) {
  if values.count < count { values.append(contentsOf: repeatElement(0, count: count - values.count)) }
}
