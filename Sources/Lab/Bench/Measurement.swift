//  Measurement.swift — one figure: TCP between two nodes, with pings beside it.
//
//       idle pings          warm-up                 counted
//      ├───────────┤├────────────────────┤├──────────────────────────┤
//       ping         iperf3 ──────────────────────────────────────────▶
//                                           ping ─────────────────────▶
//
//  First the queues run empty, then pings say how quick the way is when nothing is on it. That also gives the warm-up
//  its length. Then iperf3's client runs against its server, both inside the topology, and pings run beside the
//  counted part, sparse enough (20 a second, 0.02 Mbit/s) not to matter. The receiver's own sum is the goodput.
//
//  Honest or nothing.  The wire counts the packets that it delivered late. Had it been too slow for more than one in
//  a thousand, the figure would describe this machine and not the topology: then everything is measured again, twice
//  at most, and after that refused.

import Glibc
import POSIX
import Primitives
import Topology

struct Measurement {
  let testbed: Testbed
  let options: BenchOptions
  let progress: Progress
  /// The share of late packets above which there is no figure.
  var mostLate = Measurement.usualMostLate
  var leastWarmUp = WarmUp.least

  /// One in a thousand late by a millisecond changes a goodput by less than what two runs differ by.
  static let usualMostLate = 0.001
  /// A virtual machine that stalls for 5 to 10 ms every few seconds (seen with both processors idle) spoils about every
  /// second measurement of a few seconds: six tries leave one in sixty without a figure. What fails six times is no
  /// accident.
  static let mostAttempts = 6
  /// iperf3 opens a connection for control, exchanges what it wants, and opens the connections for data.
  private static let setUpRoundTrips: Int64 = 4
  private static let port = "5201"

  func run(_ flow: Flow) throws(LabError) -> Figures {
    var lateness = ""
    for attempt in 1...Measurement.mostAttempts {
      if attempt > 1 { progress.say("\(flow.name): \(lateness); measuring again") }
      let figures = try runOnce(flow)
      if figures.lateShare ?? 0 <= mostLate { return figures }
      lateness = "the wire delivered \(percent(figures.lateShare, places: 2)) of the packets too late"
      // Events have happened, and a second run would be another experiment.
      if flow.startsEvents && !testbed.topology.events.isEmpty { break }
    }
    throw LabError(
      "\(testbed.topology.name): no figure for \(flow.name), since \(lateness) (more than "
        + "\(percent(mostLate, places: 1))): this machine is too busy or too slow for it", exitCode: 1)
  }

  private func runOnce(_ flow: Flow) throws(LabError) -> Figures {
    try waitForEmptyQueues()
    try testbed.wire?.reset()
    let idle = try pingIdle(flow)
    var lateness = try lateness()
    let own = idle.milliseconds.median.map { Interval.nanoseconds(Int64($0 * 1e6)) } ?? .zero
    let warmUp = WarmUp.time(roundTrip: max(own, flow.slowestRoundTrip ?? .zero), least: leastWarmUp)
    var figures = Figures(
      goodputBitsPerSecond: 0, retransmits: nil, idle: idle.milliseconds, loaded: Samples([]), warmUp: warmUp,
      lateShare: nil, received: [])
    try load(flow, setUp: own * Measurement.setUpRoundTrips, warmUp, &figures)
    // What was late in the warm-up is in no figure.
    lateness += try self.lateness()
    figures.lateShare = testbed.wire == nil ? nil : lateness.share
    return figures
  }

  private func lateness() throws(LabError) -> Lateness {
    guard let totals = try testbed.wire?.totals() else { return Lateness() }
    return Lateness(late: totals.late + totals.overrun + totals.noSlot, carried: totals.carried)
  }

  /// What an earlier flow left in a queue is not idle. A satellite's queue takes a second; after five something else
  /// sends.
  private func waitForEmptyQueues() throws(LabError) {
    guard let wire = testbed.wire else { return }
    let deadline = MonotonicClock.now + .seconds(5)
    for (index, link) in testbed.topology.links.enumerated() where testbed.topology.isEmulated(index) {
      while MonotonicClock.now < deadline {
        try testbed.interruption.check()
        let lines = try wire.statistics(of: link.name)
        if [lines.forward, lines.backward].allSatisfy({ $0.queued == .zero && $0.inFlight == .zero }) { break }
        usleep(20_000)
      }
    }
  }

  // MARK: Pings

  private func pingIdle(_ flow: Flow) throws(LabError) -> PingReport {
    progress.say("\(flow.name): idle round trips")
    let group = ChildGroup(testbed.interruption)
    let ping = try startPing(flow, count: flow.wanders ? 40 : 25, every: flow.wanders ? "0.1" : "0.02", in: group)
    guard try group.wait(atMost: .seconds(15), until: { $0.status(of: ping) != nil }) else {
      throw LabError("\(flow.name): ping did not end within 15 s", exitCode: 1)
    }
    let report = PingReport(parsing: group.output(of: ping))
    if report.received == 0 {
      let complaint = group.complaint(of: ping)
      throw LabError(
        "\(flow.name) carries nothing: no answer to \(report.sent) pings from "
          + "\(flow.pings.opener.address) to \(flow.pings.listener.address)"
          + (complaint.isEmpty ? "" : " (\(complaint))"), exitCode: 1)
    }
    return report
  }

  private func startPing(_ flow: Flow, count: Int, every interval: String, in group: ChildGroup) throws(LabError) -> Int
  {
    let (from, to) = (flow.pings.opener, flow.pings.listener)
    return try group.start(
      ["ping", "-n", "-c", String(count), "-i", interval, "-W", "3", "-I", from.address, to.address],
      in: try testbed.namespace(of: from.node))
  }

  // MARK: The flow

  private func load(_ flow: Flow, setUp: Interval, _ warmUp: Interval, _ figures: inout Figures) throws(LabError) {
    let group = ChildGroup(testbed.interruption)
    let (opener, listener) = (flow.course.opener, flow.course.listener)
    // It listens at every address: MPTCP's further connections come to another than the first.
    let server = try group.start(
      flow.launcher + ["iperf3", "-s", "-1", "-p", Measurement.port, "-i", "0", "--forceflush"],
      in: try testbed.namespace(of: listener.node))
    let listens = try group.wait(atMost: .seconds(5)) {
      $0.status(of: server) != nil || $0.output(of: server).containsText("listening")
    }
    if !listens || group.status(of: server) != nil {
      throw LabError("\(flow.name): iperf3's server did not start: \(group.complaint(of: server))", exitCode: 1)
    }
    let client = try group.start(
      flow.launcher + command(to: listener.address, from: opener.address, forward: flow.course.isForward, warmUp),
      in: try testbed.namespace(of: opener.node))

    var gauge = try Gauge(testbed, flow)
    let ended = { (group: ChildGroup) in group.status(of: client) != nil }
    func tick(_ phase: String) throws(LabError) {
      progress.update("\(flow.name): \(phase)  \(try gauge.read()) on the wire")
    }
    let begin = MonotonicClock.now
    _ = try group.wait(
      atMost: setUp + warmUp + .milliseconds(50),
      tick: { () throws(LabError) in
        try tick("warming up \(seconds(since: begin)) of \(Int(warmUp.inSeconds)) s")
      }, until: ended)
    if group.status(of: client) == nil {
      let counted = MonotonicClock.now
      try testbed.wire?.reset()
      let before = try gauge.totals()
      if flow.startsEvents { figures.eventsRefusal = startEvents() }
      let ping = try startLoadedPing(flow, in: group)
      let patience = Interval.seconds(Int64(options.seconds) + 30)
      _ = try group.wait(
        atMost: patience,
        tick: { () throws(LabError) in
          try tick("\(seconds(since: counted)) of \(options.seconds) s")
        }, until: ended)
      figures.received = zip(try gauge.totals(), before).map { $0 >= $1 ? $0 - $1 : 0 }
      // Its last answers.
      _ = try group.wait(atMost: .seconds(4)) { $0.status(of: ping) != nil }
      figures.loaded = PingReport(parsing: group.output(of: ping)).milliseconds
    }
    guard group.status(of: client) != nil else {
      throw LabError("\(flow.name): iperf3 did not end in time: the connection hangs", exitCode: 1)
    }
    do throws(Iperf3Report.Failure) {
      let report = try Iperf3Report(parsing: group.output(of: client))
      figures.goodputBitsPerSecond = report.goodputBitsPerSecond
      figures.retransmits = report.retransmits
    } catch {
      let complaint = group.complaint(of: client)
      throw LabError("\(flow.name): \(error)\(complaint.isEmpty ? "" : " (\(complaint))")", exitCode: 1)
    }
  }

  private func command(to target: String, from source: String, forward isForward: Bool, _ warmUp: Interval) -> [String]
  {
    var command = [
      "iperf3", "-c", target, "-B", source, "-p", Measurement.port, "-C", options.congestionControl.rawValue,
      "-P", String(options.flows), "-O", String(Int(warmUp.inSeconds)), "-t", String(options.seconds), "-i", "0", "-J",
      "--connect-timeout", "15000",
    ]
    switch options.direction {
    case .both: command.append("--bidir")
    case .up where !isForward, .down where isForward: command.append("-R")
    case .up, .down: break
    }
    return command
  }

  private func startLoadedPing(_ flow: Flow, in group: ChildGroup) throws(LabError) -> Int {
    // A day of pings at 20 a second would be 120 MB of text: long measurements ping less often, 2,000 times in all.
    let interval = max(0.05, Double(options.seconds) / 2_000)
    let count = max(10, Int(Double(options.seconds) / interval))
    return try startPing(flow, count: count, every: decimal(interval, places: 3), in: group)
  }

  /// nil when they began now; else why not.
  private func startEvents() -> String? {
    guard !testbed.topology.events.isEmpty, let wire = testbed.wire else { return nil }
    do throws(LabError) {
      try wire.start()
      return nil
    } catch {
      return error.description
    }
  }

  private func seconds(since start: Instant) -> String {
    decimal((MonotonicClock.now - start).inSeconds, places: 1)
  }
}

/// Packets that the wire carried, and those that it delivered late or not at all through its own fault.
private struct Lateness {
  var late: UInt64 = 0
  var carried: UInt64 = 0

  var share: Double { carried == 0 ? (late == 0 ? 0 : 1) : Double(late) / Double(carried) }

  static func += (a: inout Lateness, b: Lateness) {
    a.late += b.late
    a.carried += b.carried
  }
}

extension [UInt8] {
  /// Whether this text is somewhere in there.
  func containsText(_ text: String) -> Bool {
    let wanted = Array(text.utf8)
    return count >= wanted.count
      && (0...(count - wanted.count)).contains { self[$0..<($0 + wanted.count)].elementsEqual(wanted) }
  }
}
