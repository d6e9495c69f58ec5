//  Failover.swift — what pings and a TCP flow feel when a path dies, and when it comes back.
//
//         warm-up            3 s        outage              after
//      ├────────────────┼──────────┼─────────────────┼──────────────────┤
//       TCP ────────────────────────────────────────────────────────────▶
//                         pings, a hundred a second ────────────────────▶
//                                    ▲ cut            ▲ mended
//
//  For each fault and for pings with and without a rule that makes them `realtime`: how many pings were lost, how long
//  nobody answered, and how long until the flow (bins of 50 ms, smoothed: GoodputSeries) has 95 % of what is possible.
//  Possible is what TCP could carry on the paths that are whole, at line rate; and, since that is a high bar for a
//  bond that does not reach it on its best day, also 95 % of what this bond had in the last two seconds of the same
//  state, unless that is next to nothing.
//
//  A ping that comes after seconds is not lost and worth nothing: hence the slowest of them. While nothing is answered,
//  ping sends some 55 a second instead of a hundred.

import Commands
import Lab
import Primitives
import Topology

struct Failover {
  private static let enough = 0.95
  private static let bin = 0.05
  private static let nothing = 0.1
  private static let before = 3.0
  private static let realtime = """

    [Rule "pings"]
    Protocol = icmp, icmpv6
    Class = realtime

    """

  let invocation: Invocation

  init(_ invocation: Invocation) { self.invocation = invocation }

  func measure() throws(LabError) -> Answer {
    let path = invocation[Words.file]
    let topology = try TopologyFile.read(path)
    return try TestStand.with(topology, source: path) { (stand) throws(LabError) in
      let paths = try stand.paths()
      let broken = try choose(among: paths, topology.name)
      var answer = Answer(heads: ["fault", "path", "pings"], columns: Failover.columns)
      for fault in invocation[Words.cases] {
        for isRealtime in [true, false] {
          tell("\(topology.name): \(fault.rawValue) of \(broken), \(isRealtime ? "with" : "without") a rule for pings")
          let values = try stand.honestly(invocation, policy: isRealtime ? Failover.realtime : "") {
            (joined) throws(LabError) in
            try once(joined, stand, fault, broken, paths)
          }
          answer.rows.append(
            Answer.Row(names: [fault.rawValue, broken, isRealtime ? "realtime" : "no rule"], values: values))
        }
      }
      return answer
    }
  }

  private static let columns = [
    Column("pings_lost_outage", "lost"), Column("silence_outage_ms", "silence ms", per: 0.001),
    Column("slowest_outage_ms", "slowest"),
    Column("before_bps", "before", per: 1e6, 1), Column("outage_bps", "cut", per: 1e6, 1),
    Column("survivors_sum_bps", "possible", per: 1e6, 1),
    Column("to_95_of_survivors_ms", "95 % ms", per: 0.001), Column("to_95_of_own_outage_ms", "of own", per: 0.001),
    Column("pings_lost_after", "lost"), Column("silence_after_ms", "silence ms", per: 0.001),
    Column("slowest_after_ms", "slowest"), Column("after_bps", "mended", per: 1e6, 1),
    Column("sum_bps", "possible", per: 1e6, 1),
    Column("to_95_of_sum_ms", "95 % ms", per: 0.001), Column("to_95_of_own_after_ms", "of own", per: 0.001),
  ]

  /// The fastest of them, unless somebody named one.
  private func choose(among paths: [StandPath], _ topology: String) throws(LabError) -> String {
    let wanted = invocation[Words.path]
    if wanted.isEmpty, let fastest = paths.max(by: { ($0.up?.bitsPerSecond ?? .max) < ($1.up?.bitsPerSecond ?? .max) })
    {
      return fastest.name
    }
    if paths.contains(where: { $0.name == wanted }) { return wanted }
    throw LabError(
      "\(topology) has no path \(wanted); it has \(paths.map(\.name).joined(separator: ", "))", exitCode: 64)
  }

  private func once(
    _ joined: JoinedSites, _ stand: TestStand, _ fault: PathFault, _ broken: String, _ paths: [StandPath]
  ) throws(LabError) -> [Double?] {
    let stream = try Stream(joined, stand, invocation[Words.congestionControl])
    try stream.run(for: try stand.warmUp(invocation))
    let pings = try Pings(joined, stand, every: "0.01")
    let start = Moment.now
    func run(_ seconds: Double) throws(LabError) {
      let end = Moment.now + seconds
      while Moment.now < end {
        try stream.run(for: .milliseconds(Int64(max(1, min(250, (end - Moment.now) * 1_000)))))
        try pings.read()
      }
    }
    try run(Failover.before)
    let cut = Moment.now
    let wound = try stand.cut(broken, fault)
    try run(Double(invocation[Words.outage]))
    let mended = Moment.now
    try wound.mend()
    try run(Double(invocation[Words.after]))
    let end = Moment.now
    let timeline = try pings.end()
    try stream.end()

    let series = GoodputSeries(stream.arrivals, from: start, to: end, bin: Failover.bin)
    let survivors = paths.filter { $0.name != broken }.sum
    let ownOutage = series.mean(from: max(cut, mended - 2), to: mended)
    let ownAfter = series.mean(from: max(mended, end - 2), to: end)
    func own(_ rate: Double?, _ possible: Double?) -> Double? {
      rate.flatMap { $0 > Failover.nothing * (possible ?? 1) ? $0 : nil }
    }
    func back(_ possible: Double?, _ from: Double, _ limit: Double) -> Double? {
      possible.flatMap { series.timeUntil(Failover.enough * $0, from: from, before: limit) }
    }
    return [
      Double(timeline.lost(from: cut - 0.5, to: mended).lost), timeline.longestSilence(from: cut, to: mended),
      timeline.milliseconds(from: cut, to: mended).sorted.last,
      series.mean(from: start, to: cut), ownOutage, survivors, back(survivors, cut, mended),
      back(own(ownOutage, survivors), cut, mended),
      Double(timeline.lost(from: mended, to: end).lost), timeline.longestSilence(from: mended, to: end),
      timeline.milliseconds(from: mended, to: end).sorted.last, ownAfter,
      paths.sum, back(paths.sum, mended, end), back(own(ownAfter, paths.sum), mended, end),
    ]
  }
}
