//  Evidence.swift — what a set of paths delivers, as far as it is known, and how sure that is.
//
//  A rate that is asked for ten times a second is mostly noise. So it is kept in looks of a tenth of a decision each,
//  as many as four decisions have, and whoever judges gets a mean and its error:
//
//      looks      41  44  39  42  40  43  38  41  42  40        mean 41, error 0.6:   the spread of the looks ÷ √10
//      said of it ├─────── "less than 46" ────────────┤         sure: 41 + 5 × 0.6 < 46 × 0.98
//
//  The noisier the rate, the clearer a difference must be, or the more looks it takes; none of that has to be set. Ten
//  looks may agree by chance and seem surer than they are. So an error is never taken for less than what the noise of
//  all looks so far says, and that is learned from differences of neighbours: a step from one level to another is one
//  difference of many, and is not believed to be all noise.
//
//  Always true.  (1) Only looks at one set of paths, with more to send than went. (2) The last `most` of them.

import Primitives

struct Evidence {
  /// Of a decision.
  static let few = 10
  /// Of a small difference.
  static let most = 40
  /// How many errors of a mean are no chance. With 4, a path that is of no use and no harm was dropped once in ten
  /// hours of simulated downloads with noise of ± 10 %; with 5, never in 300 hours; harm must be a quarter greater to
  /// be told as soon.
  static let errors = 5.0
  /// A difference that matters at once; a smaller one can wait until it is seen in `most` looks.
  static let leastDifference = 0.05
  static let usualNoise = 0.05
  /// More than any line carries between two samples: whoever says more is wrong or lies.
  private static let mostBytes = 1 << 40

  private var looks = InlineArray<40, Float>(repeating: 0)
  private var next = 0
  private(set) var count = 0
  private var bytes = 0
  private var time = Interval.zero
  /// Variance of a look, as a share of its square. Noise outlives the set that it was seen with; until it is known, it
  /// is taken for that of a quiet path.
  private var noise = Evidence.usualNoise * Evidence.usualNoise

  mutating func clear() {
    count = 0
    bytes = 0
    time = .zero
  }

  /// So much was delivered in this time. True when that makes a look full.
  mutating func add(_ delivered: ByteCount, in interval: Interval, decisionTime: Interval) -> Bool {
    bytes += min(max(0, delivered.value), Evidence.mostBytes)
    time = time + interval
    // A little shorter than a tenth, or samples that come a hair early would have to come in twos.
    guard time * 12 >= decisionTime, time > .zero else { return false }
    let rate = Double(bytes) * 8e9 / Double(time.nanoseconds)
    if count > 0 { learnNoise(look(1), rate) }
    looks[next] = Float(rate)
    next = (next + 1) % Evidence.most
    count = min(count + 1, Evidence.most)
    bytes = 0
    time = .zero
    return true
  }

  /// In bits per second, over the latest looks; nil when there are not so many.
  func estimate(_ number: Int) -> (mean: Double, error: Double)? {
    guard count >= number, number > 1 else { return nil }
    var sum = 0.0
    for back in 1...number { sum += look(back) }
    let mean = sum / Double(number)
    var squares = 0.0
    for back in 1...number { squares += (look(back) - mean) * (look(back) - mean) }
    let seen = squares / Double(number * (number - 1))
    return (mean, max(seen, noise * mean * mean / Double(number)).squareRoot())
  }

  private mutating func learnNoise(_ one: Double, _ other: Double) {
    let level = (one + other) / 2
    if level <= 0 { return }
    let difference = (one - other) / level
    // Three times of what is usual, and no more; but it can grow from nothing.
    let surprise = min(difference * difference / 2, 9 * noise + 1e-4)
    noise += (surprise - noise) / 32
  }

  private func look(_ back: Int) -> Double { Double(looks[(next - back + Evidence.most) % Evidence.most]) }

  /// Whether the rate is below a bar, whose own error is `barError`; the rate if so. The longer the look, the smaller a
  /// difference is told. Who knows that the rate swings asks only longer looks, of `least` and more.
  func isBelow(_ bar: Double, barError: Double = 0, least: Int = Evidence.few) -> Double? {
    var number = least
    while number <= Evidence.most, let (mean, error) = estimate(number) {
      let haste = Double(Evidence.most - number) / Double(Evidence.most - Evidence.few)
      let doubt = Evidence.errors * (error * error + barError * barError).squareRoot()
      if mean + max(doubt, haste * Evidence.leastDifference * bar) < bar { return mean }
      number *= 2
    }
    return nil
  }

  /// The best that is known.
  var mean: Double? { estimate(count)?.mean }
}
