//  PathRig.swift — a sender with a controller, a line, a receiver that reports, and a way back.
//
//  How.  Invented time, one loop: whatever is due next, happens next.
//
//      sender ── pacer, window ──▶ Link ──▶ receiver ── a report every max(RTT/4, 5 ms) ──▶ Link ──▶ sender
//
//  The receiver's clock has an offset, so that a forward delay is what it is in the world: a number with an unknown
//  constant. The sender keeps a log of what it sent, and holds for lost what was overtaken for longer than a reordering
//  time that it learns. The queue in front of the line is read whenever a datagram enters it.

import PathHealth
import Primitives
import Simulation
import Topology

struct PathRig: ~Copyable {
  struct Setup: Sendable {
    var conditions = LinkConditions()
    var datagram = 1_452
    /// What reports travel over.
    var wayBack = LinkConditions()
    var limit: BitRate?
    var seed: UInt64 = 1
    var flows = 1
    var withRival = false
    /// What the application gives each flow; nil: always more.
    var application: BitRate?
  }

  static let overhead = 42

  struct Log: BitwiseCopyable {
    var at: UInt64
    var prior: UInt64
    var bytes: Int32
    var state: UInt8  // 0 on the way, 1 arrived, 2 lost
    var isAppLimited: Bool
  }

  struct Report {
    var flow: Int
    var newest: UInt64
    var arrival: Int64
    var hold: Int64
    var bytes: Int
    var counters: [UInt64]
  }

  final class Flow {
    var controller: PathController
    var pacer: Pacer
    var log = RingBuffer<Log>(minimumCapacity: 1 << 12)
    var first: UInt64 = 0
    var inFlight = 0
    var deliveredTotal: UInt64 = 0
    var newestSeen: UInt64 = 0
    var hasNewest = false
    var reorder: Int64
    var lastHeard = Instant.zero
    var timeouts = 0
    /// When it asks again.
    var timer: Instant?
    var priorArrival: Int64 = 0
    var priorBytes = 0
    var appCredit = 0.0
    var appAt = Instant.zero
    /// False: the application has nothing to send.
    var wants = true
    var sentBytes = 0

    // receiver
    var received = 0
    var newestReceived: UInt64 = 0
    var newestArrival: Int64 = 0
    var fresh: [UInt64] = []
    var reportDue: Instant?
    var lastReport = Instant.zero
    var delivered = 0

    let number: Int

    init(_ setup: Setup, number: Int, reorder: Int64) {
      self.number = number
      controller = PathController(limit: setup.limit, at: .zero)
      pacer = Pacer(rate: controller.pacingRate, at: .zero)
      self.reorder = reorder
    }
  }

  var setup: Setup
  var link: Link
  var back: Link
  private var reports: [Report] = []
  var flows: [Flow] = []
  private(set) var now = Instant.zero
  let interval: Interval
  let roundTrip: Interval
  var random: SeededRandom
  static let clockOffset: Int64 = -7_000_000_000

  // The rival: an AIMD flow of the simulator.
  var rival: FlowSender?
  var rivalReceiver: FlowReceiver?
  var rivalPackets: [[UInt8]] = []
  var rivalHead = 0
  var acknowledgements: [(at: Instant, bytes: [UInt8])] = []
  var acknowledged = 0

  /// Waiting time before the line, by the share of the time: in steps of 1/64 round trip.
  var queueSum = 0.0
  var queueCount = 0
  var queueHistogram = [Int](repeating: 0, count: 64 * 64)
  var queueMost: Interval = .zero
  /// The least of it in each round trip (or between two reports, where that is longer): what stands.
  var standing: [Interval] = []
  private var leastOfWindow = Interval.nanoseconds(.max)
  private var windowEnd = Instant.zero
  /// Changes the world every `period`; called with the time.
  var nextScript = Instant.zero
  var scriptPeriod = Interval.milliseconds(1)
  var trace: ((borrowing PathController, Instant, Interval) -> Void)?

  init(_ setup: Setup) {
    self.setup = setup
    random = SeededRandom(seed: setup.seed)
    link = Link(setup.conditions, random: random.stream(named: "forward"))
    back = Link(setup.wayBack, random: random.stream(named: "backward"))
    roundTrip = setup.conditions.delay + setup.wayBack.delay
    interval = max(roundTrip / 4, .milliseconds(5))
    for number in 0..<setup.flows {
      flows.append(Flow(setup, number: number, reorder: max(roundTrip.nanoseconds / 4, 200_000)))
    }
    if setup.withRival {
      rival = FlowSender(startingAt: .zero, segment: ByteCount(1_448), card: BitRate(bitsPerSecond: 1_000_000_000))
      rivalReceiver = FlowReceiver(segment: ByteCount(1_448))
    }
  }

  // MARK: Running

  mutating func run(until end: Instant, _ script: (inout PathRig) -> Void = { _ in }) {
    while true {
      var next = end
      next = min(next, nextScript)
      if let due = back.deadline { next = min(next, due) }
      for flow in flows {
        if let due = flow.reportDue { next = min(next, due) }
        if let due = flow.controller.deadline { next = min(next, due) }
        if let due = flow.timer { next = min(next, due) }
        if let due = sendTime(flow) { next = min(next, due) }
        if flow.reportDue == nil, let due = link.deadline { next = min(next, due) }
      }
      if let rival {
        if let due = rival.deadline { next = min(next, due) }
        if acknowledged < acknowledgements.count { next = min(next, acknowledgements[acknowledged].at) }
        if let due = link.deadline { next = min(next, due) }
        if let due = rivalReceiver?.deadline { next = min(next, due) }
      }
      now = max(now, next)
      if now >= nextScript {
        script(&self)
        nextScript = now + scriptPeriod
      }
      link.expire(at: now)
      drain()
      back.expire(at: now)
      while let outcome = back.nextOutcome() {
        guard case .delivered(let slot, _, _, _) = outcome else { continue }
        let report = reports[Int(slot)]
        reports[Int(slot)].counters = []
        digest(report, flows[report.flow])
      }
      for index in flows.indices { turn(flows[index], UInt32(index)) }
      turnRival()
      if now >= end { break }
    }
  }

  /// When this flow will send; nil when it waits for something else.
  private func sendTime(_ flow: Flow) -> Instant? {
    if !flow.wants || flow.inFlight + setup.datagram > flow.controller.window { return nil }
    let paced = flow.pacer.nextSend ?? now + .microseconds(1)
    guard let application = setup.application, flow.appCredit < Double(setup.datagram) else { return max(paced, now) }
    let missing = (Double(setup.datagram) * 8 - flow.appCredit) * 8e9 / Double(application.bitsPerSecond)
    return max(paced, flow.appAt + .nanoseconds(Int64(missing) + 1))
  }

  private mutating func turn(_ flow: Flow, _ number: UInt32) {
    if let due = flow.reportDue, now >= due { report(flow) }
    if let due = flow.controller.deadline, now >= due { flow.controller.expire(at: now) }
    if let due = flow.timer, now >= due { giveUp(flow) }
    send(flow, number)
  }

  private mutating func send(_ flow: Flow, _ number: UInt32) {
    flow.pacer.setRate(flow.controller.pacingRate, at: now)
    if let application = setup.application {
      flow.appCredit += Double(application.bitsPerSecond) / 8e9 * Double((now - flow.appAt).nanoseconds)
      flow.appCredit = min(flow.appCredit, 262_144)
      flow.appAt = now
    }
    var room = flow.pacer.room(at: now)
    while room > 0 && flow.wants && flow.inFlight + setup.datagram <= flow.controller.window {
      if setup.application != nil {
        if flow.appCredit < Double(setup.datagram) { break }
        flow.appCredit -= Double(setup.datagram)
      }
      let counter = flow.first + UInt64(flow.log.count)
      let isLast = setup.application.map { _ in flow.appCredit < Double(setup.datagram) } ?? false
      flow.log.append(
        Log(
          at: now.nanoseconds, prior: flow.deliveredTotal, bytes: Int32(setup.datagram), state: 0,
          isAppLimited: isLast))
      flow.inFlight += setup.datagram
      flow.sentBytes += setup.datagram
      flow.pacer.spend(setup.datagram, at: now)
      flow.controller.sent(bytes: setup.datagram, inFlight: flow.inFlight, at: now)
      if flow.timer == nil { arm(flow) }
      enter(slot: number << 28 | UInt32(counter & 0xfff_ffff), bytes: setup.datagram + PathRig.overhead)
      room -= setup.datagram
    }
  }

  private mutating func enter(slot: UInt32, bytes: Int) {
    if let rate = link.conditions.line.rate {
      let wait = rate.time(toSend: link.queued)
      leastOfWindow = min(leastOfWindow, wait)
      if now >= windowEnd {
        standing.append(leastOfWindow)
        leastOfWindow = wait
        windowEnd = now + max(roundTrip, interval)
      }
      queueSum += Double(wait.nanoseconds)
      queueCount += 1
      queueMost = max(queueMost, wait)
      let step = Int(wait.nanoseconds * 64 / max(roundTrip.nanoseconds, 1))
      queueHistogram[min(step, queueHistogram.count - 1)] += 1
    }
    _ = link.accept(slot: slot, length: ByteCount(bytes), at: now)
  }

  // MARK: The receiver

  private mutating func drain() {
    while let outcome = link.nextOutcome() {
      guard case .delivered(let slot, let due, _, _) = outcome else { continue }
      if slot >> 28 == 15 {
        rivalReceives(slot, at: due)
        continue
      }
      let flow = flows[Int(slot >> 28)]
      // The counter's upper bits are those of the sender's log.
      let counter = flow.first &+ UInt64((slot &- UInt32(flow.first & 0xfff_ffff)) & 0xfff_ffff)
      let real = counter - flow.first > 1 << 27 ? counter &- (1 << 28) : counter
      flow.received += setup.datagram
      flow.delivered += setup.datagram
      let arrival = Int64(due.nanoseconds) + PathRig.clockOffset
      if flow.received == setup.datagram || real > flow.newestReceived {
        flow.newestReceived = real
        flow.newestArrival = arrival
      }
      flow.fresh.append(real)
      if flow.reportDue == nil { flow.reportDue = max(due, flow.lastReport + interval) }
    }
  }

  private mutating func report(_ flow: Flow) {
    flow.reportDue = nil
    flow.lastReport = now
    // Both directions of a cut line are silent; what was not told stays in `fresh` for the next report.
    if link.isDown { return }
    reports.append(
      Report(
        flow: flow.number, newest: flow.newestReceived, arrival: flow.newestArrival,
        hold: Int64(now.nanoseconds) + PathRig.clockOffset - flow.newestArrival, bytes: flow.received,
        counters: flow.fresh))
    flow.fresh.removeAll(keepingCapacity: true)
    _ = back.accept(slot: UInt32(reports.count - 1), length: ByteCount(120), at: now)
  }

  // MARK: The sender

  private func arm(_ flow: Flow) {
    let base = max(roundTrip * 2, .milliseconds(250))
    flow.timer = now + base * Int64(1 << min(flow.timeouts, 3))
  }

  private func giveUp(_ flow: Flow) {
    for index in 0..<flow.log.count where flow.log[index].state == 0 { flow.log[index].state = 2 }
    flow.inFlight = 0
    flow.timeouts += 1
    flow.timer = nil
    flow.controller.timedOut(at: now)
  }

  private func digest(_ report: Report, _ flow: Flow) {
    flow.timeouts = 0
    var delivered = 0
    for counter in report.counters where counter >= flow.first && counter < flow.first + UInt64(flow.log.count) {
      let at = Int(counter - flow.first)
      if flow.log[at].state == 0 {
        flow.inFlight -= Int(flow.log[at].bytes)
        delivered += Int(flow.log[at].bytes)
      } else if flow.log[at].state == 2 {
        // Too early given up.
        delivered += Int(flow.log[at].bytes)
        let late =
          report.newest >= flow.first ? Int64(flow.log[Int(report.newest - flow.first)].at) - Int64(flow.log[at].at) : 0
        flow.reorder = min(max(flow.reorder, late * 5 / 4), roundTrip.nanoseconds * 3)
      }
      flow.log[at].state = 1
    }
    if delivered == 0 { return }  // overtaken by a later report
    guard report.newest >= flow.first, report.newest < flow.first + UInt64(flow.log.count) else { return }
    let newest = flow.log[Int(report.newest - flow.first)]
    flow.deliveredTotal += UInt64(delivered)

    var lost = 0
    var lostDatagrams = 0
    var index = 0
    while index < flow.log.count, Int64(flow.log[index].at) + flow.reorder < Int64(newest.at) {
      if flow.log[index].state == 0 {
        flow.log[index].state = 2
        lost += Int(flow.log[index].bytes)
        lostDatagrams += 1
        flow.inFlight -= Int(flow.log[index].bytes)
      }
      index += 1
    }
    // What is settled for long is forgotten.
    while let oldest = flow.log.first, oldest.state != 0, Int64(oldest.at) + flow.reorder * 4 < Int64(newest.at) {
      flow.log.removeFirst()
      flow.first += 1
    }
    var sample = DeliverySample()
    sample.roundTrip = .nanoseconds(Int64(now.nanoseconds) - Int64(newest.at) - report.hold)
    sample.forwardDelay = .nanoseconds(report.arrival - Int64(newest.at))
    sample.delivered = delivered
    sample.lost = lost
    sample.lostDatagrams = lostDatagrams
    sample.inFlight = flow.inFlight
    sample.receivedBytes = report.bytes - flow.priorBytes
    sample.receivedTime = .nanoseconds(flow.priorBytes == 0 ? 0 : report.arrival - flow.priorArrival)
    sample.priorDelivered = newest.prior
    sample.priorSent = Instant(nanoseconds: newest.at)
    sample.isAppLimited = newest.isAppLimited
    flow.priorBytes = report.bytes
    flow.priorArrival = report.arrival
    flow.controller.receive(sample, at: now)
    flow.lastHeard = now
    if flow.inFlight > 0 { arm(flow) } else { flow.timer = nil }
    let wait = link.conditions.line.rate.map { $0.time(toSend: link.queued) } ?? .zero
    trace?(flow.controller, now, wait)
  }

  // MARK: The rival

  private mutating func turnRival() {
    guard let rival, let rivalReceiver else { return }
    rivalReceiver.expire(at: now)
    acknowledge()
    while acknowledged < acknowledgements.count, acknowledgements[acknowledged].at <= now {
      let bytes = acknowledgements[acknowledged].bytes
      rival.receive(bytes.span, from: 0, at: now)
      acknowledged += 1
    }
    rival.expire(at: now)
    while true {
      var wants = false
      let bytes = [UInt8](capacity: 2_000) { space in wants = rival.nextTransmission(into: &space) != nil }
      if !wants { break }
      rivalPackets.append(Array(bytes.prefix(1_472)))
      enter(slot: 15 << 28 | UInt32(rivalPackets.count - 1), bytes: bytes.count + PathRig.overhead)
    }
  }

  private mutating func rivalReceives(_ slot: UInt32, at due: Instant) {
    let number = Int(slot & 0xfff_ffff)
    let bytes = rivalPackets[number]
    rivalReceiver?.receive(bytes.span, from: 0, at: due)
    rivalPackets[number] = []
    acknowledge()
  }

  private mutating func acknowledge() {
    guard let rivalReceiver else { return }
    while true {
      var wants = false
      let bytes = [UInt8](capacity: 2_000) { space in wants = rivalReceiver.nextTransmission(into: &space) != nil }
      if !wants { break }
      acknowledgements.append((now + setup.wayBack.delay, bytes))
    }
  }

  // MARK: Answers

  mutating func resetQueue() {
    queueSum = 0
    queueCount = 0
    queueMost = .zero
    standing.removeAll()
    for index in queueHistogram.indices { queueHistogram[index] = 0 }
  }

  var queueMean: Interval { .nanoseconds(Int64(queueSum / Double(max(queueCount, 1)))) }

  /// In round trips.
  func queueQuantile(_ share: Double) -> Double {
    var left = Int(Double(queueCount) * share)
    for (step, count) in queueHistogram.enumerated() {
      left -= count
      if left < 0 { return Double(step + 1) / 64 }
    }
    return .infinity
  }

  /// In round trips.
  func standingQuantile(_ share: Double) -> Double {
    let sorted = standing.sorted()
    if sorted.isEmpty { return 0 }
    let value = sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    return value.inMilliseconds / roundTrip.inMilliseconds
  }

  /// Of a frame.
  var payloadShare: Double { Double(setup.datagram) / Double(setup.datagram + PathRig.overhead) }

  /// UDP payload that the line could carry in this time.
  func capacity(_ rate: BitRate, in time: Interval) -> Double {
    Double(rate.bitsPerSecond) / 8 * time.inSeconds * payloadShare
  }

  func share(of rate: BitRate, since before: Int, in time: Interval, flow: Int = 0) -> Double {
    Double(flows[flow].delivered - before) / capacity(rate, in: time)
  }

  var rivalReceived: Int { rivalReceiver?.received.value ?? 0 }

  mutating func setRate(_ rate: BitRate) {
    if link.conditions.line == .fixed(rate) { return }
    var conditions = link.conditions
    conditions.line = .fixed(rate)
    link.change(to: conditions, at: now)
  }
}

extension PathRig.Setup {
  /// A line with this rate and this delay in each direction, and a buffer of a round trip.
  static func line(
    _ rate: BitRate, _ delay: Interval, seed: UInt64 = 1, _ describe: (inout PathRig.Setup) -> Void = { _ in }
  ) -> PathRig.Setup {
    var setup = PathRig.Setup()
    setup.conditions.line = .fixed(rate)
    setup.conditions.delay = delay
    setup.conditions.queue = .time(max(delay * 2, LinkConditions.leastQueueTime))
    setup.wayBack.delay = delay
    setup.seed = seed
    describe(&setup)
    return setup
  }

  var roundTripMilliseconds: Double { (conditions.delay + wayBack.delay).inMilliseconds }
}
