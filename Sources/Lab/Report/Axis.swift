//  Axis.swift — from values to places on the paper, with ticks at round numbers.
//
//  Logarithmic: profiles of a matrix differ thirtyfold, and what matters between two marks is their ratio ("twice the
//  best path"), which a logarithmic axis shows as the same distance everywhere. It has no zero, so marks on it are
//  points and never bars. A value of nothing is drawn at the left end, and its number is printed beside it.

import Glibc

struct LogAxis {
  /// 1, 2, 5, 10, 20 …: from the one below all values to the one above.
  let ticks: [Double]
  let left: Double
  let right: Double

  private static let roundNumbers = (-3...7).flatMap { power in [1.0, 2, 5].map { $0 * pow(10, Double(power)) } }

  init(covering values: [Double], left: Double, right: Double) {
    let positive = values.filter { $0 > 0 && $0.isFinite }
    let all = LogAxis.roundNumbers
    let first = all.lastIndex { $0 <= positive.min() ?? 1 } ?? 0
    let last = all.firstIndex { $0 >= positive.max() ?? 10 } ?? all.count - 1
    // At least two ticks, also when all values are the same round number, or beyond every one of ours.
    let begin = min(first, all.count - 2)
    ticks = Array(all[begin...max(begin + 1, last)])
    self.left = left
    self.right = right
  }

  func place(_ value: Double) -> Double {
    let lowest = log10(ticks[0])
    let highest = log10(ticks[ticks.count - 1])
    let at = value > 0 ? min(max(log10(value), lowest), highest) : lowest
    return left + (at - lowest) / (highest - lowest) * (right - left)
  }
}
