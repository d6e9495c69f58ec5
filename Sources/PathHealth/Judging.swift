//  Judging.swift — what a report means for each run of a path's log: arrived, lost, or not said.
//
//  The walk over the open runs and the report's missing runs is a merge: both are in order, so each missing run is
//  looked at once, whatever number of runs it touches.

import Primitives
import Wire

extension PathLog {
  /// Whether a report can be believed and says anything that none before it said.
  mutating func isNews(_ report: PathReport) -> Bool {
    guard report.isConsistent else {
      counters.contradictory &+= 1
      return false
    }
    guard report.newest < nextCounter else {
      counters.neverSent &+= 1
      return false
    }
    guard let last else { return true }
    if report.newest < last.newest || (report.newest == last.newest && report.hold <= last.hold) {
      counters.stale &+= 1
      return false
    }
    return true
  }

  /// Of a count modulo 2⁴⁸; less than zero when it went back.
  static func growth(from before: UInt64, to after: UInt64) -> Int {
    Int(Int64(bitPattern: (after &- before) << 16) >> 16)
  }

  // MARK: Arrived

  /// Notes what arrived.
  mutating func acknowledge(
    _ report: PathReport, isNewer: Bool, _ sample: inout DeliverySample, in runs: inout SentRuns
  ) {
    if isNewer { newestIsKnown = false }
    var earliestRecovered = UInt64.max
    acknowledgeKept(report, isNewer: isNewer, &sample, &earliestRecovered, in: &runs)
    var missing = MissingWalk(report)
    var previous = SentRuns.none
    var number = openFirst
    while number != SentRuns.none, runs[number].first <= report.newest {
      let next = runs[number].next
      if isNewer && report.newest <= runs[number].last { remember(runs[number]) }
      let fresh = missing.arrived(of: runs[number]) & ~runs[number].arrived
      if fresh != 0 { take(fresh, of: number, &sample, &earliestRecovered, in: &runs) }
      if runs[number].unsettled == 0 {
        if previous == SentRuns.none { openFirst = next } else { runs[previous].next = next }
        if openLast == number { openLast = previous }
        keep(number, in: &runs)
      } else {
        previous = number
      }
      number = next
    }
    if earliestRecovered != .max { widen(to: earliestRecovered) } else { narrow() }
  }

  /// It has the newest datagram that is known to have arrived.
  private mutating func remember(_ run: SentRun) {
    newestIsKnown = true
    newestSent = run.sent
    newestPriorDelivered = run.priorDelivered
    newestIsAppLimited = run.marks.contains(.isAppLimited)
  }

  private mutating func acknowledgeKept(
    _ report: PathReport, isNewer: Bool, _ sample: inout DeliverySample, _ earliest: inout UInt64,
    in runs: inout SentRuns
  ) {
    var previous = SentRuns.none
    var number = keptFirst
    while number != SentRuns.none {
      let next = runs[number].next
      var fresh: UInt64 = 0
      if runs[number].first <= report.newest && runs[number].last >= report.oldest {
        if isNewer && report.newest <= runs[number].last { remember(runs[number]) }
        // They were kept in the order in which they were settled: each looks for its place among the missing runs.
        var missing = MissingWalk(report)
        fresh = missing.arrived(of: runs[number]) & ~runs[number].arrived
      }
      if fresh != 0 { take(fresh, of: number, &sample, &earliest, in: &runs) }
      if runs[number].lost & ~runs[number].arrived == 0 {
        if previous == SentRuns.none { keptFirst = next } else { runs[previous].next = next }
        if keptLast == number { keptLast = previous }
        detach(number, in: &runs)
      } else {
        previous = number
      }
      number = next
    }
  }

  private mutating func take(
    _ fresh: UInt64, of number: UInt32, _ sample: inout DeliverySample, _ earliest: inout UInt64,
    in runs: inout SentRuns
  ) {
    let recovered = fresh & runs[number].lost
    let bytes = runs[number].bytes(of: fresh)
    sample.delivered += bytes
    if recovered == 0 {
      inFlight -= bytes
      counters.delivered.add(UInt64(fresh.nonzeroBitCount), bytes)
    } else {
      let late = runs[number].bytes(of: recovered)
      inFlight -= bytes - late
      counters.delivered.add(UInt64((fresh & ~recovered).nonzeroBitCount), bytes - late)
      counters.recovered.add(UInt64(recovered.nonzeroBitCount), late)
      sample.recovered += late
      if !runs[number].marks.contains(.timedOut) { earliest = min(earliest, runs[number].sent) }
    }
    runs[number].arrived |= fresh
    tell(fresh, of: number, in: &runs)
  }

  // MARK: Lost

  /// Holds for lost what was sent a window before `sent`, with counters up to `counter`.
  mutating func judge(
    by sent: UInt64, upTo counter: UInt64, timedOut: Bool, _ sample: inout DeliverySample, in runs: inout SentRuns
  ) {
    let window = UInt64(reorderWindow.nanoseconds)
    while openFirst != SentRuns.none {
      let number = openFirst
      let run = runs[number]
      guard run.first <= counter, run.sent &+ window <= sent else { return }
      let overtaken = run.unsettled & run.upTo(counter)
      if overtaken != 0 { lose(overtaken, of: number, timedOut: timedOut, &sample, in: &runs) }
      if runs[number].unsettled != 0 { return }
      takeFirstOpen(in: runs)
      keep(number, in: &runs)
    }
  }

  mutating func lose(
    _ datagrams: UInt64, of number: UInt32, timedOut: Bool, _ sample: inout DeliverySample, in runs: inout SentRuns
  ) {
    let bytes = runs[number].bytes(of: datagrams)
    let count = datagrams.nonzeroBitCount
    inFlight -= bytes
    counters.lost.add(UInt64(count), bytes)
    sample.lost += bytes
    sample.lostDatagrams += count
    runs[number].lost |= datagrams
    if timedOut { runs[number].marks.insert(.timedOut) }
    tell(datagrams, of: number, in: &runs)
  }

  // MARK: The window

  /// Something that was sent at `sent` was held for lost too early.
  private mutating func widen(to sent: UInt64) {
    let lateness = Interval(nanoseconds: Int64(max(newestSent, sent) - sent))
    reorderWindow = min(max(reorderWindow, min(lateness, reorderWindow * 2)), PathLog.mostReorderWindow)
    narrowed = newestSent
  }

  private mutating func narrow() {
    guard newestSent &- narrowed >= 1_000_000_000 else { return }
    narrowed = newestSent
    reorderWindow = max(reorderWindow - reorderWindow / 8, PathLog.leastReorderWindow)
  }

  // MARK: Lists

  private mutating func tell(_ datagrams: UInt64, of number: UInt32, in runs: inout SentRuns) {
    if runs[number].news == 0 {
      runs[number].nextNews = SentRuns.none
      if newsFirst == SentRuns.none { newsFirst = number } else { runs[newsLast].nextNews = number }
      newsLast = number
    }
    runs[number].news |= datagrams
  }

  /// All of it is settled, and it is in no list: what was lost may still arrive, all else is done with.
  private mutating func keep(_ number: UInt32, in runs: inout SentRuns) {
    if runs[number].lost & ~runs[number].arrived == 0 { return detach(number, in: &runs) }
    runs[number].next = SentRuns.none
    if keptFirst == SentRuns.none { keptFirst = number } else { runs[keptLast].next = number }
    keptLast = number
  }

  mutating func detach(_ number: UInt32, in runs: inout SentRuns) {
    if runs[number].news == 0 { runs.giveBack(number) } else { runs[number].marks.insert(.isDetached) }
  }

  mutating func takeFirstOpen(in runs: borrowing SentRuns) {
    openFirst = runs[openFirst].next
    if openFirst == SentRuns.none { openLast = SentRuns.none }
  }

  mutating func dropKept(in runs: inout SentRuns) {
    let number = keptFirst
    keptFirst = runs[number].next
    if keptFirst == SentRuns.none { keptLast = SentRuns.none }
    detach(number, in: &runs)
  }

  /// What is too old to arrive after all.
  mutating func discardKept(in runs: inout SentRuns) {
    while keptFirst != SentRuns.none, runs[keptFirst].sent &+ UInt64(PathLog.keeping) < newestSent {
      dropKept(in: &runs)
    }
  }

  /// The oldest open run, when the pool is empty.
  mutating func forgetOldest(in runs: inout SentRuns) -> Logging {
    let number = openFirst
    let run = runs[number]
    let bytes = run.bytes(of: run.unsettled)
    inFlight -= bytes
    counters.forgotten.add(UInt64(run.unsettled.nonzeroBitCount), bytes)
    takeFirstOpen(in: runs)
    runs.giveBack(number)
    return .forgot(tag: run.tag, datagrams: run.unsettled)
  }
}

/// A report's missing runs, from the oldest on, as far as the runs of the log have come.
private struct MissingWalk {
  let report: PathReport
  var index: Int

  init(_ report: PathReport) {
    self.report = report
    index = report.missingRuns - 1
  }

  /// Which of its datagrams the report says arrived. Runs of the log come in the order of their counters.
  mutating func arrived(of run: SentRun) -> UInt64 {
    let first = run.first
    let low = max(first, report.oldest)
    let high = min(run.last, report.newest)
    if low > high { return 0 }
    var mask = SentRun.mask(Int(low - first), Int(high - first))
    while index >= 0, last(of: index) < first { index -= 1 }
    var index = index
    while index >= 0 {
      let last = last(of: index)
      let begin = last - UInt64(report[index].count) + 1
      if begin > high { break }
      if last >= low { mask &= ~SentRun.mask(Int(max(begin, low) - first), Int(min(last, high) - first)) }
      index -= 1
    }
    return mask
  }

  private func last(of index: Int) -> UInt64 { report.newest - UInt64(report[index].back) }
}
