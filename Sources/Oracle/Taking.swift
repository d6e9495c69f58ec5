//  Taking.swift — what of a report goes onto the map, and what its sender is told: how much was taken, what was not and
//  why, and whom it is asked to probe.

import PathOracle
import Primitives

extension Oracle {
  mutating func take(_ report: Report, of source: String, at now: Instant) -> String {
    var refusedEdges: [(index: Int, why: String)] = []
    var refusedOutcomes: [(index: Int, why: String)] = []
    for (index, measurement) in report.measurements.enumerated() {
      let verdict = map.receive(measurement, at: now)
      if verdict.isKept {
        rows.append(measurement)
      } else {
        refusedEdges.append((index, why(verdict, measurement)))
      }
    }
    for (index, outcome) in report.outcomes.enumerated() {
      if let objection = objection(to: outcome, of: source) {
        refusedOutcomes.append((index, objection))
      } else {
        strategies.note(outcome, at: now)
      }
    }
    let taken = rows.count
    counters.measurementsTaken += UInt64(taken)
    counters.measurementsRefused += UInt64(refusedEdges.count)
    counters.outcomesTaken += UInt64(report.outcomes.count - refusedOutcomes.count)
    counters.outcomesRefused += UInt64(refusedOutcomes.count)
    if taken > 0 { revision += 1 }
    let wishes = wishes(of: source, at: now)
    return JSONText.object { page in
      page.member("taken", taken)
      page.array("refused") { list in
        for refusal in refusedEdges {
          list.object {
            $0.member("edge", refusal.index)
            $0.member("why", refusal.why)
          }
        }
        for refusal in refusedOutcomes {
          list.object {
            $0.member("outcome", refusal.index)
            $0.member("why", refusal.why)
          }
        }
      }
      page.array("measure") { list in
        for wish in wishes {
          list.object {
            $0.member("to", wish.to)
            wish.node.writeContact(to: &$0)
          }
        }
      }
    }
  }

  private func why(_ verdict: Measurement.Verdict, _ measurement: Measurement) -> String {
    guard verdict == .unknownNode else { return verdict.why }
    let unknown = nodes[measurement.from] == nil ? measurement.from : measurement.to
    return "no such node: \"\(unknown)\""
  }

  /// How a path did is for whoever used it to say.
  private func objection(to outcome: PathOutcome, of source: String) -> String? {
    if outcome.from != source { return "it is about a path of another than \"\(source)\"" }
    for name in [outcome.to] + (outcome.via.map { [$0] } ?? []) where nodes[name] == nil {
      return "no such node: \"\(name)\""
    }
    return nil
  }
}
