//  HostilePath.swift — one path, both of its ends, and a network between them that loses, doubles and reorders.

import Primitives
import Testing
import Wire

@testable import PathHealth

struct HostilePath: ~Copyable {
  struct Conditions {
    var loss: UInt64 = 0  // all in thousandths
    var burst: UInt64 = 1
    var doubled: UInt64 = 0
    var reportLoss: UInt64 = 0
    var quiet: UInt64 = 0
    var delay = Interval.milliseconds(20)
    /// Each datagram's own, uniform.
    var jitter = Interval.zero
    var isFIFO = true
    /// Between two batches.
    var pause = Interval.milliseconds(2)
    var batch: UInt64 = 64
    var capacity = 4_096
  }

  /// One that was sent.
  struct Fate {
    var tag: UInt32
    var place: Int
    var sent: Instant
    var bytes: Int
    var isLost: Bool
    var told: [PathLog.Settled.Outcome] = []
    var isForgotten = false
  }

  private enum Event {
    case datagram(UInt64, bytes: Int, isQuiet: Bool)
    case report(PathReport)
  }

  let seed: UInt64
  var conditions: Conditions
  var random: SeededRandom
  var now = Instant.at(100)
  var runs: SentRuns
  var log = PathLog()
  var receipts = Receipts(path: 1)
  var clock = PeerClock()
  var fates: [UInt64: Fate] = [:]
  var samples: [DeliverySample] = []
  /// After each report that counted: how it stood.
  var afterReport: ((borrowing HostilePath) -> Void)?
  private var firstOfTag: [UInt32: UInt64] = [:]
  private var events: [(at: Instant, event: Event)] = []
  private var counter: UInt64
  private var tag: UInt32 = 0
  private var burstLeft: UInt64 = 0
  private var lastArrival = Instant.zero

  init(seed: UInt64, _ conditions: Conditions) {
    self.seed = seed
    self.conditions = conditions
    var random = SeededRandom(seed: seed)
    counter = random.below(1_000_000)
    self.random = random
    runs = SentRuns(capacity: conditions.capacity)
  }

  /// Sends for a time, then lets everything come to its end.
  mutating func run(batches: Int) {
    var left = batches
    var nextBatch = now
    while true {
      var next = left > 0 ? nextBatch : nil
      for other in [events.first?.at, receipts.deadline, log.deadline] {
        if let other { next = min(next ?? other, other) }
      }
      guard let next else { return }
      now = max(now, next)
      if left > 0 && nextBatch <= now {
        send()
        left -= 1
        nextBatch = now + Interval(nanoseconds: Int64(random.below(UInt64(conditions.pause.nanoseconds) * 2) + 1))
      }
      while let first = events.first, first.at <= now {
        events.removeFirst()
        arrive(first.event)
      }
      if let report = receipts.nextReport(at: now) { report_(report) }
      log.expire(at: now, in: &runs)
      settle()
      log.audit(in: runs)
      if let due = log.deadline, due <= now {
        Issue.record("seed \(seed): what was due at \(due) is still due")
        return
      }
    }
  }

  private mutating func later(_ delay: Interval, _ event: Event) {
    let at = now + delay
    var index = events.count
    while index > 0 && events[index - 1].at > at { index -= 1 }
    events.insert((at, event), at: index)
  }

  private mutating func transit() -> Interval {
    var delay = conditions.delay
    if conditions.jitter > .zero {
      delay = delay + Interval(nanoseconds: Int64(random.below(UInt64(conditions.jitter.nanoseconds))))
    }
    if conditions.isFIFO {
      lastArrival = max(lastArrival, now + delay)
      return lastArrival - now
    }
    return delay
  }

  private mutating func strikes() -> Bool {
    if burstLeft > 0 {
      burstLeft -= 1
      return true
    }
    if random.below(1_000) < conditions.loss {
      burstLeft = random.below(conditions.burst)
      return true
    }
    return false
  }

  private mutating func send() {
    if random.below(1_000) < conditions.quiet {
      let delay = transit()
      if !strikes() { later(delay, .datagram(counter, bytes: 60, isQuiet: true)) }
      counter += 1
    }
    let count = 1 + Int(random.below(conditions.batch))
    let bytes = 500 + Int(random.below(973))
    let lastBytes = 45 + Int(random.below(UInt64(bytes - 44)))
    let logging = log.sent(
      tag: tag, first: counter, count: count, bytes: bytes, lastBytes: lastBytes, in: &runs, at: now)
    firstOfTag[tag] = counter
    if case .forgot(let tag, let mask) = logging { forget(tag, mask) }
    for place in 0..<count {
      let length = place == count - 1 ? lastBytes : bytes
      let isLost = strikes()
      fates[counter] = Fate(tag: tag, place: place, sent: now, bytes: length, isLost: isLost)
      if logging == .unlogged { fates[counter]?.isForgotten = true }
      let delay = transit()
      if !isLost {
        later(delay, .datagram(counter, bytes: length, isQuiet: false))
        if random.below(1_000) < conditions.doubled {
          later(transit(), .datagram(counter, bytes: length, isQuiet: false))
        }
      }
      counter += 1
    }
    tag += 1
    log.audit(in: runs)
  }

  private mutating func forget(_ tag: UInt32, _ mask: UInt64) {
    guard let first = firstOfTag[tag] else {
      Issue.record("seed \(seed): tag \(tag) was never sent")
      return
    }
    for place in 0..<64 where mask >> UInt64(place) & 1 != 0 {
      let fate = fates[first + UInt64(place)]
      #expect(fate?.told == [] && fate?.isForgotten == false, "seed \(seed)")
      fates[first + UInt64(place)]?.isForgotten = true
    }
  }

  private mutating func arrive(_ event: Event) {
    switch event {
    case .datagram(let counter, let bytes, let isQuiet):
      receipts.note(counter, bytes: bytes, isQuiet: isQuiet, at: now)
    case .report(let report):
      let sample = log.receive(report, clock: &clock, in: &runs, at: now)
      settle()
      log.audit(in: runs)
      if let sample { samples.append(sample) }
      afterReport?(self)
    }
  }

  private mutating func report_(_ report: PathReport) {
    if random.below(1_000) < conditions.reportLoss { return }
    var delay = conditions.delay
    if !conditions.isFIFO { delay = delay + Interval(nanoseconds: Int64(random.below(20_000_000))) }
    later(delay, .report(report))
  }

  mutating func settle() {
    while let settled = log.nextSettled(in: &runs) {
      guard let first = firstOfTag[settled.tag] else {
        Issue.record("seed \(seed): tag \(settled.tag) was never sent")
        continue
      }
      for place in settled.datagrams {
        guard let fate = fates[first + UInt64(place)], fate.tag == settled.tag else {
          Issue.record("seed \(seed): \(settled) has a datagram that was not sent")
          continue
        }
        #expect(
          fate.told == (settled.outcome == .recovered ? [.lost] : []) && !fate.isForgotten,
          "seed \(seed): \(settled) after \(fate)")
        fates[first + UInt64(place)]?.told.append(settled.outcome)
      }
    }
  }
}
