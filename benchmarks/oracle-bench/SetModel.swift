//  SetModel.swift — what a set of paths costs its receiver, by the resequencing model.
//
//  Parts are so large that some hundred of them are on their way at once: memory is told in steps of one, which is
//  finer than the histograms are.

import PathOracle
import Primitives
import Resequencer

enum SetModel {
  private static let packet = 1_400.0
  private static let inFlight = 256.0
  private static let weights = 1e6

  @Sendable static func cost(of paths: [PathPrediction]) -> SetCost? {
    let laws = paths.map { path in
      path.excess.map { share in
        DelayLaw.Sample(
          delay: path.least + share.excess, count: Int((share.probability * weights).rounded()))
      }
    }
    let delays = laws.joined().filter { $0.count > 0 }.map(\.delay)
    guard let latest = delays.max(), let earliest = delays.min() else { return nil }
    let rate = paths.reduce(0) { $0 + Double($1.rate.bitsPerSecond) }
    let part = max(packet, (latest - earliest).inSeconds * rate / 8 / inFlight)
    let striped = zip(paths, laws).map { StripedPath(rate: $0.rate, delay: .measured($1)) }
    guard let prediction = try? ResequencingPrediction(paths: striped, partSize: ByteCount(Int(part))) else {
      return nil
    }
    let room = PathQuery.Limits().buffer.value / Int(part)
    return SetCost(
      occupancy: prediction.bytes(Double(prediction.occupancy.quantile(0.999))),
      addedDelay: prediction.time(Double(prediction.addedDelay.quantile(0.99))),
      loss: prediction.overtaking.loss(bufferOf: room))
  }
}
