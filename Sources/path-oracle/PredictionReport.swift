//  PredictionReport.swift — a prediction as a table for people and as JSON for programs.

import Commands
import Primitives
import Resequencer
import Topology

struct PredictionReport {
  let paths: [PathSpecification]
  let prediction: ResequencingPrediction

  /// Losses that people ask for, from "a call survives it" to "nobody notices".
  private static let targets = [0.01, 0.001, 0.0001]
  /// Rows of the table of buffer sizes.
  private static let rows = 8
  /// Below one in a million a loss is smaller than the loss of the paths themselves.
  static let negligibleLoss = 1e-6

  /// Round numbers of parts, from nothing to where a larger buffer gains nothing.
  var bufferSizes: [Int] {
    let enough = prediction.overtaking.buffer(losingAtMost: PredictionReport.negligibleLoss) ?? 0
    let step = PredictionReport.roundStep(Double(enough) / Double(PredictionReport.rows))
    return Array(stride(from: 0, through: (enough + step - 1) / step * step, by: step))
  }

  /// 1, 2, 5, 10, 20, 50 …: the smallest of them that is not below.
  static func roundStep(_ least: Double) -> Int {
    var step = 1
    while true {
      for factor in [1, 2, 5] where Double(step * factor) >= least { return step * factor }
      step *= 10
    }
  }

  // MARK: Table

  var table: String {
    let count = paths.count
    var text =
      "\(count) paths with parts of \(prediction.partSize.printed), \(prediction.behaviour.rawValue) delays\n\n"
    text += alignedColumns(
      [["path", "rate", "share", "delay"]]
        + paths.indices.map {
          [paths[$0].name, paths[$0].rate.printed, PredictionReport.percent(prediction.shares[$0]), delay(of: $0)]
        }, right: [1, 2], gap: 3)
    let occupancy = prediction.occupancy
    let added = prediction.addedDelay
    let latency = prediction.latency
    let quantiles = [0.99, 0.999]
    text += "\n"
    text += alignedColumns(
      [
        ["", "mean", "99 %", "99.9 %"],
        ["buffer, parts", plainDecimal(occupancy.mean, decimals: 1)] + quantiles.map { "\(occupancy.quantile($0))" },
        ["buffer, memory", PredictionReport.memory(prediction.bytes(occupancy.mean))]
          + quantiles.map { PredictionReport.memory(prediction.bytes(Double(occupancy.quantile($0)))) },
        ["added delay", PredictionReport.time(prediction.time(added.mean))]
          + quantiles.map { PredictionReport.time(prediction.time(Double(added.quantile($0)))) },
        ["in-order latency", PredictionReport.time(prediction.origin + prediction.time(latency.mean))]
          + quantiles.map { PredictionReport.time(prediction.origin + prediction.time(Double(latency.quantile($0)))) },
      ], right: [1, 2, 3], gap: 3)
    text += "\n"
    text += alignedColumns(
      [["with room for", "memory", "is lost"] + paths.map { "of \($0.name)" }]
        + bufferSizes.map { room in
          ["\(room) parts", PredictionReport.memory(prediction.bytes(Double(room)))]
            + ([prediction.overtaking.loss(bufferOf: room)]
            + paths.indices.map { prediction.overtaking.loss(bufferOf: room, path: $0) }).map(
              PredictionReport.percent)
        }, right: Set(0..<(3 + paths.count)), gap: 3)
    text += "\n"
    text += alignedColumns(
      [["to lose at most", "room for", "memory"]]
        + PredictionReport.targets.map { target in
          let room = prediction.overtaking.buffer(losingAtMost: target) ?? 0
          return [
            PredictionReport.percent(target), "\(room) parts", PredictionReport.memory(prediction.bytes(Double(room))),
          ]
        }, right: [0, 1, 2], gap: 3)
    return text
  }

  private func delay(of path: Int) -> String {
    switch paths[path].delay {
    case .normal(let mean, let deviation)?:
      return deviation == .zero ? mean.printed : "\(mean.printed) ± \(deviation.printed)"
    case .measured(let samples)?:
      let range = paths[path].delay?.range ?? .zero...Interval.zero
      let count = samples.reduce(0) { $0 + $1.count }
      let (least, most) = (PredictionReport.time(range.lowerBound), PredictionReport.time(range.upperBound))
      return "\(least) to \(most), measured \(count) times"
    case nil: return ""
    }
  }

  /// 12.3 %, 0.45 %, 0.00012 %: three digits, or two where one alone would be before them.
  static func percent(_ share: Double) -> String {
    let value = share * 100
    if value <= 0 { return "0 %" }
    if value < negligibleLoss * 100 { return "< 0.0001 %" }
    var decimals = 1
    var scale = 10.0
    while value * scale < 10 {
      decimals += 1
      scale *= 10
    }
    return plainDecimal(value, decimals: decimals) + " %"
  }

  static func memory(_ bytes: ByteCount) -> String {
    let value = Double(bytes.value)
    if value < 1e3 { return "\(bytes.value) B" }
    if value < 1e6 { return plainDecimal(value / 1e3, decimals: value < 1e4 ? 1 : 0) + " kB" }
    return plainDecimal(value / 1e6, decimals: value < 1e7 ? 2 : 1) + " MB"
  }

  static func time(_ interval: Interval) -> String { plainDecimal(interval.inMilliseconds, decimals: 2) + " ms" }

  // MARK: JSON

  var json: String {
    let occupancy = prediction.occupancy
    let quantiles = [("p99", 0.99), ("p999", 0.999)]
    return JSONText.object { page in
      page.member("part_bytes", prediction.partSize.value)
      page.member("delays", prediction.behaviour.rawValue)
      page.member("slot_ms", prediction.slot.inMilliseconds)
      page.member("parts_per_second", prediction.partsPerSecond, decimals: 3)
      page.array("paths") {
        for (index, path) in paths.enumerated() {
          $0.object {
            $0.member("name", path.name)
            $0.member("rate_bps", path.rate.bitsPerSecond)
            $0.member("share", prediction.shares[index], decimals: 6)
          }
        }
      }
      page.object("buffer") {
        $0.member("mean_parts", occupancy.mean, decimals: 6)
        for (name, share) in quantiles { $0.member("\(name)_parts", occupancy.quantile(share)) }
        $0.member("mean_bytes", prediction.bytes(occupancy.mean).value)
        for (name, share) in quantiles {
          $0.member("\(name)_bytes", prediction.bytes(Double(occupancy.quantile(share))).value)
        }
      }
      page.object("added_delay") {
        $0.member("mean_ms", prediction.time(prediction.addedDelay.mean).inMilliseconds)
        for (name, share) in quantiles {
          $0.member(
            "\(name)_ms", prediction.time(Double(prediction.addedDelay.quantile(share))).inMilliseconds)
        }
      }
      page.object("latency") {
        $0.member("mean_ms", (prediction.origin + prediction.time(prediction.latency.mean)).inMilliseconds)
        for (name, share) in quantiles {
          let time = prediction.origin + prediction.time(Double(prediction.latency.quantile(share)))
          $0.member("\(name)_ms", time.inMilliseconds)
        }
      }
      page.array("loss") {
        for room in bufferSizes {
          $0.object {
            $0.member("buffer_parts", room)
            $0.member("buffer_bytes", prediction.bytes(Double(room)).value)
            $0.member("loss", prediction.overtaking.loss(bufferOf: room), decimals: 12)
            $0.array("paths") {
              for path in paths.indices {
                $0.element(prediction.overtaking.loss(bufferOf: room, path: path), decimals: 12)
              }
            }
          }
        }
      }
      page.array("sufficient") {
        for target in PredictionReport.targets {
          let room = prediction.overtaking.buffer(losingAtMost: target) ?? 0
          $0.object {
            $0.member("loss", target)
            $0.member("buffer_parts", room)
            $0.member("buffer_bytes", prediction.bytes(Double(room)).value)
          }
        }
      }
    }
  }
}
