//  Impairments.swift — the two processes of chance that a line has a memory of: a wandering delay, and losses in
//  bursts.

import Primitives

/// Jitter that keeps the order.
///
/// Why.  "Normal with deviation σ" and "no packet overtakes another" contradict each other when every packet draws for
/// itself: holding packets back until their predecessors are out turns the delay into a running maximum, two or three σ
/// too long on a busy line, and its arrivals into bursts. Real delay varies because something changes *over time* (a
/// scheduler, a radio, a competing flow). So the delay is a process in time that each packet reads off as it leaves the
/// line.
///
/// How.  Independent normal values stand at knots every `10 σ`, and between two of them
///
///       x(t) = (a·(1−u) + b·u) / √((1−u)² + u²)        0 ≤ u < 1
///
/// whose distribution is the same normal at *every* moment, not only at the knots. Its slope stays above −1 (a packet
/// would overtake its predecessor below that) unless a pair of knots lies more than 5 σ from zero, four times in a
/// million; there the link's own order rule holds a packet back. A knot's value is a function of the seed and its
/// number, so an idle line costs nothing and a look at it changes nothing.
struct Wander {
  var deviation: Interval
  private let random: SeededRandom
  private var knot: UInt64 = .max
  private var left = 0.0
  private var right = 0.0

  init(deviation: Interval, random: SeededRandom) {
    self.deviation = deviation
    self.random = random
  }

  /// How much later (or earlier) than the mean a packet arrives that leaves at this time.
  mutating func shift(at time: UInt64) -> Int64 {
    let spacing = UInt64(max(deviation.nanoseconds * 10, 1_000_000))
    let (number, rest) = time.quotientAndRemainder(dividingBy: spacing)
    if number != knot {
      left = number == knot &+ 1 ? right : value(atKnot: number)
      right = value(atKnot: number + 1)
      knot = number
    }
    let u = Double(rest) / Double(spacing)
    let v = 1 - u
    return Int64(((left * v + right * u) / (v * v + u * u).squareRoot() * Double(deviation.nanoseconds)).rounded())
  }

  private func value(atKnot number: UInt64) -> Double {
    var own = random.stream(number: number)
    return own.normal()
  }
}

/// Which packets are lost: each for itself, or in bursts after Gilbert and Elliott.
///
/// With a mean burst of N packets and a share P lost, the bad state ends after each packet with probability 1/N and
/// begins with P / (N·(1−P)), which makes the share P in the long run. A burst shorter than what P needs even if bursts
/// followed each other without pause is stretched: P is what the user asked for first.
struct LossProcess {
  private let independent: Probability
  private let begin: Probability
  private let end: Probability
  private let isBursty: Bool
  private var isBad = false

  init(_ loss: Probability, burst: Int?) {
    independent = loss
    guard let burst, burst > 1, loss != .never, loss != .always else {
      isBursty = false
      begin = .never
      end = .always
      return
    }
    isBursty = true
    let share = loss.fraction
    let leave = min(1 / Double(burst), (1 - share) / share)
    begin = Probability(partsPerBillion: UInt32((min(1, leave * share / (1 - share)) * 1e9).rounded()))
    end = Probability(partsPerBillion: UInt32((leave * 1e9).rounded()))
  }

  mutating func strikes(_ random: inout SeededRandom) -> Bool {
    if !isBursty { return random.happens(independent) }
    if isBad {
      if random.happens(end) { isBad = false }
    } else if random.happens(begin) {
      isBad = true
    }
    return isBad
  }
}
