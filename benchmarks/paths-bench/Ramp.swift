//  Ramp.swift — how long a new TCP flow over a bond that has carried nothing takes until it is fast.
//
//  Steady is the mean of the last third of the time. A tenth of a second is fast when it and the four around it carry
//  80 % of that on the mean, and the second that follows does too: TCP's first burst is no speed. The clock starts
//  when the connection is asked for; gateways are new in each round, so nothing is known of any path.

import Commands
import Lab
import Primitives
import Topology

struct Ramp {
  private static let enough = 0.8
  private static let bin = 0.1

  let invocation: Invocation

  init(_ invocation: Invocation) { self.invocation = invocation }

  func measure() throws(LabError) -> Answer {
    let path = invocation[Words.file]
    let topology = try TopologyFile.read(path)
    let seconds = Double(invocation[Words.seconds])
    return try TestStand.with(topology, source: path) { (stand) throws(LabError) in
      var times: [Double] = []
      var rates: [Double] = []
      var never = 0
      for round in 1...invocation[Words.rounds] {
        tell("\(topology.name): ramp, round \(round) of \(invocation[Words.rounds])")
        let (time, steady) = try stand.honestly(invocation) { (joined) throws(LabError) in
          let stream = try Stream(joined, stand, invocation[Words.congestionControl])
          try stream.run(for: .milliseconds(Int64(seconds * 1_000) + 500))
          try stream.end()
          guard let start = stream.start else { throw LabError("the flow did not start", exitCode: 1) }
          let series = GoodputSeries(stream.arrivals, from: start, to: start + seconds, bin: Ramp.bin)
          let steady = series.mean(from: start + seconds * 2 / 3, to: start + seconds) ?? 0
          return (
            series.timeUntil(Ramp.enough * steady, from: start, before: start + seconds).map { $0 + Ramp.bin }, steady
          )
        }
        if let time { times.append(time) } else { never += 1 }
        rates.append(steady)
      }
      var answer = Answer(
        heads: ["topology"],
        columns: [
          Column("time_to_80_percent_s", "80 % after s", 1), Column("least_s", "least", 1), Column("most_s", "most", 1),
          Column("steady_bps", "steady Mbit/s", per: 1e6, 1), Column("sum_ratio", "of sum %", per: 0.01, 1),
          Column("rounds", "rounds"),
        ])
      let sorted = Samples(times)
      let steady = Samples(rates).median
      answer.rows.append(
        Answer.Row(
          names: [topology.name],
          values: [
            sorted.median, sorted.sorted.first, sorted.sorted.last, steady,
            try stand.paths().sum.flatMap { sum in steady.map { $0 / sum } }, Double(invocation[Words.rounds]),
          ], note: never == 0 ? "" : "\(never) rounds never were there"))
      return answer
    }
  }
}
