//  SetModel.swift — what it costs to use a set of paths as one, computed fast enough to ask it for every question.
//
//  Why.  The resequencing model is exact and takes its time: with the thousand slots of `path-oracle predict` some ten
//  milliseconds a set. A question asks for two to eight sets, and two hundred questions come in a second.
//
//  How.  The same model over a coarser picture: delays are cut into `slots` slots between the earliest and the latest,
//  parts are so large that about `inFlight` of them are on their way at once, and shares of the rate are fractions with
//  small denominators. What comes out is right to about a hundredth of the spread of the delays, which is better than
//  the histograms are that went in.
//
//      delays    ▏path a ▂▇▂▁      path b  ▁▃▇▅▂▁ ▏···· one in a thousand of what comes later counts as the last slot
//                └──────────── 128 slots ─────────┘
//
//  Rejected.  A cache of answers (1,000 gateways ask a million different questions); mean and deviation (Model.swift
//  says why). Cost: some 0.1 ms a set, a third of what a question costs.

import PathOracle
import Primitives
import Resequencer

enum SetModel {
  private static let slots = 128.0
  /// Memory is told in steps of one part.
  private static let inFlight = 256.0
  /// A share of the rate is told to two in a hundred, if so many parts a period can.
  private static let mostShares = 64
  private static let shareTolerance = 0.02
  /// Later ones are given up by any patience.
  private static let tail = 0.001
  /// Delays that differ by less need no buffer that anybody would notice.
  private static let steady = 50e-6
  /// What the buffer holds in all but one of a thousand moments, and what all but one in a hundred parts wait at most.
  private static let occupancyQuantile = 0.999
  private static let delayQuantile = 0.99
  private static let packet = 1_400.0

  /// nil when it cannot be computed, which rules the set out.
  static func cost(of paths: [PathPrediction], buffer: ByteCount) -> SetCost? {
    guard let origin = paths.map(\.least).min(), paths.count > 1 else { return .nothing }
    let samples = paths.map { delays(of: $0, from: origin) }
    let latest = samples.joined().map(\.delay).max() ?? .zero
    let earliest = samples.joined().map(\.delay).min() ?? .zero
    let spread = (latest - earliest).inSeconds
    if spread < steady { return .nothing }
    let total = paths.reduce(0) { $0 + Double($1.rate.bitsPerSecond) }
    // A part is never less than a packet, and a thousandth of a second at the most modest rate.
    let part = max(packet, spread * total / 8 / inFlight)
    let partsPerSecond = total / 8 / part
    let counts = shares(paths.map { Double($0.rate.bitsPerSecond) / total })
    let period = Double(counts.reduce(0, +)) / partsPerSecond
    let wished = spread / slots
    // The period in slots, or the slot in periods.
    let slotsInPeriod = min(max(1, Int((period / wished).rounded())), 1_024)
    let periodsInSlot = slotsInPeriod > 1 ? 1 : max(1, min(Int(wished / period), 1_024 / counts.reduce(0, +)))
    let slot = Interval(
      nanoseconds: max(1, Int64((period * Double(periodsInSlot) / Double(slotsInPeriod) * 1e9).rounded())))
    do {
      let schedule = try StripingSchedule.evenlySpaced(counts.map { $0 * periodsInSlot }, over: slotsInPeriod)
      let model = try ResequencingModel(
        schedule: schedule,
        delays: try samples.map { try DelayLaw.measured($0).distribution(slot: slot, from: earliest) })
      let (occupancy, overtaking) = try model.occupancyAndOvertaking(.wandering)
      let waiting = try model.resequencingDelay(.wandering).quantile(delayQuantile)
      let bytes = Double(occupancy.quantile(occupancyQuantile)) * part
      return SetCost(
        occupancy: ByteCount(Int(bytes.rounded(.up))), addedDelay: slot * Int64(waiting),
        loss: overtaking.loss(bufferOf: Int(Double(buffer.value) / part)))
    } catch {
      return nil
    }
  }

  /// Delays above the origin and how often, in millionths; the last thousandth counts as late as the one before it.
  private static func delays(of path: PathPrediction, from origin: Interval) -> [DelayLaw.Sample] {
    let base = path.least - origin
    var samples: [DelayLaw.Sample] = []
    var rest = 1.0
    for share in path.excess {
      let count = Int((share.probability * 1e6).rounded())
      if rest <= tail, let last = samples.indices.last {
        samples[last].count += count
      } else if count > 0 {
        samples.append(DelayLaw.Sample(delay: base + share.excess, count: count))
      }
      rest -= share.probability
    }
    return samples.isEmpty ? [DelayLaw.Sample(delay: base, count: 1)] : samples
  }

  /// The smallest whole numbers that stand in these proportions, nearly. Every path has one part at least.
  private static func shares(_ shares: [Double]) -> [Int] {
    var best: [Int] = []
    var least = Double.infinity
    for total in shares.count...mostShares {
      let counts = shares.map { max(1, Int(($0 * Double(total)).rounded())) }
      let sum = Double(counts.reduce(0, +))
      var error = 0.0
      for (count, share) in zip(counts, shares) { error = max(error, abs(Double(count) / sum - share)) }
      if error < least {
        (best, least) = (counts, error)
        if error <= shareTolerance { break }
      }
    }
    return best
  }
}
