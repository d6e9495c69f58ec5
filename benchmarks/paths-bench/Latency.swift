//  Latency.swift — what a call feels through the bond: round trips with nothing else, and beside a TCP flow that fills
//  it.
//
//  ping sends twenty a second. Idle is measured before the flow, for as long, on gateways that are connected for two
//  seconds; loaded is what left after the flow's warm-up.

import Commands
import Lab
import Primitives
import Topology

struct Latency {
  let invocation: Invocation

  init(_ invocation: Invocation) { self.invocation = invocation }

  private struct Figures {
    var idle, loaded: Samples
    var lost, sent: Int
    var goodput: Double?
  }

  func measure() throws(LabError) -> Answer {
    var answer = Answer(
      heads: ["topology"],
      columns: [
        Column("rtt_idle_p50_ms", "idle p50", 1), Column("rtt_idle_p99_ms", "p99", 1),
        Column("rtt_loaded_p50_ms", "loaded p50", 1), Column("rtt_loaded_p99_ms", "p99", 1),
        Column("added_p50_ms", "added p50", 1), Column("added_p99_ms", "p99", 1),
        Column("pings_lost_share", "lost %", per: 0.01, 2), Column("goodput_bps", "Mbit/s", per: 1e6, 1),
        Column("sum_ratio", "of sum %", per: 0.01, 1),
      ])
    for path in invocation[Words.files] {
      let topology = try TopologyFile.read(path)
      try TestStand.with(topology, source: path) { (stand) throws(LabError) in
        var rows: [[Double?]] = []
        for round in 1...invocation[Words.rounds] {
          tell("\(topology.name): latency, round \(round) of \(invocation[Words.rounds])")
          rows.append(values(try once(stand), try stand.paths().sum))
        }
        // Each figure is the median of its rounds.
        let medians = answer.columns.indices.map { index in Samples(rows.compactMap { $0[index] }).median }
        answer.rows.append(Answer.Row(names: [topology.name], values: medians))
      }
    }
    return answer
  }

  private func once(_ stand: TestStand) throws(LabError) -> Figures {
    let time = Interval.seconds(Int64(invocation[Words.seconds]))
    let warmUp = try stand.warmUp(invocation)
    return try stand.honestly(invocation) { (joined) throws(LabError) in
      try stand.wait(.seconds(2))
      let quiet = try Pings(joined, stand, every: "0.05")
      let begin = Moment.now
      try stand.wait(time)
      let idle = try quiet.end().milliseconds(from: begin, to: Moment.now)
      let stream = try Stream(joined, stand, invocation[Words.congestionControl])
      try stream.run(for: warmUp)
      let pings = try Pings(joined, stand, every: "0.05")
      let counted = Moment.now
      try stream.run(for: time)
      let end = Moment.now
      let timeline = try pings.end()
      try stream.end()
      let (lost, sent) = timeline.lost(from: counted, to: end)
      let series = GoodputSeries(stream.arrivals, from: counted, to: end, bin: 0.05)
      return Figures(
        idle: idle, loaded: timeline.milliseconds(from: counted, to: end), lost: lost, sent: sent,
        goodput: series.mean(from: counted, to: end))
    }
  }

  private func values(_ figures: Figures, _ sum: Double?) -> [Double?] {
    func added(_ share: Double) -> Double? {
      guard let idle = figures.idle.quantile(0.5), let loaded = figures.loaded.quantile(share) else { return nil }
      return loaded - idle
    }
    return [
      figures.idle.median, figures.idle.quantile(0.99), figures.loaded.median, figures.loaded.quantile(0.99),
      // The bar is: so much above idle.
      added(0.5), added(0.99), figures.sent == 0 ? nil : Double(figures.lost) / Double(figures.sent), figures.goodput,
      figures.goodput.flatMap { goodput in sum.map { goodput / $0 } },
    ]
  }
}
