//  PathLog.swift — the sender's side of a path: what is on the way, what arrived, what must be held for lost.
//
//  Why.  Whoever holds bytes until they arrived wants to hear of each exactly once and soon; whoever paces the path
//  wants to know how much of what it sent is where. Both follow from reports, and reports come late, get lost, and
//  speak of thousands of datagrams at once.
//
//  How.  Entries of SentRuns, linked in the order of their counters, which is the order of sending:
//
//       kept (settled, some of it lost)        open (something of it neither arrived nor lost)
//       ─▶ 70,000 ─▶ 70,132 ─▶                 ─▶ 71,004 ─▶ 71,048 ─▶ 71,092 ─▶
//                                                    ▲                  ▲
//                                         first to be judged          newest that a report named
//
//  `receive` walks both lists up to the report's newest counter and sets 64 datagrams at a time from the span and its
//  missing runs. Then the open ones are judged from the oldest on: a datagram is held for lost when one that was sent
//  `reorderWindow` later has arrived (RACK's rule, by the order of one path). So a run is visited by the report that
//  settles it and hardly by another; both walks end where nothing can have changed.
//
//  The window begins at 1 ms, since a path is nearly FIFO. When something held for lost arrives after all, it grows to
//  what would have been right, at most twofold at a time, up to 100 ms; it shrinks by an eighth of itself a second.
//
//  Time settles what no later datagram can: an overtaken one is lost when nobody corrected that for window + one pause
//  between reports; what is on the way is lost when nothing was heard for a round trip with its variation since it
//  left. What leaves after the first such silence has twice as long, and so on. Those do not widen the window when they
//  arrive after all: a path that stands still and goes on is in order.
//
//  Lost runs are kept for a while so that `recovered` can be told: `kept` is what the window learns from. They are the
//  first to go when the pool is empty. Then the oldest open run of this path goes, and its owner is told so.
//
//      each datagram:   sent ─┬─▶ delivered                          told by nextSettled
//                             ├─▶ lost ─▶ (perhaps) recovered
//                             └─▶ forgotten                          told by the result of `sent`
//
//  Rejected.  Counting later datagrams (three of TCP: a batch of 44 that overtakes another is no loss). Reacting to
//  what a report does *not* cover: it is judged like what is missing, when something later has arrived.
//
//  Always true.  (1) `inFlight` is the bytes of what is neither arrived nor lost, so never negative, and zero when
//  nothing is open. (2) Open runs are ordered by counter and by time. (3) Each datagram is told delivered, lost or
//  forgotten once; recovered only after lost. (4) Something is open ⇔ `deadline` is not nil. Checked by `audit`.
//
//  Not here.  Quiet datagrams (control texts): they use counters and are never logged. Rates, windows, pacing: the
//  controller. Which bytes a datagram carried: its owner knows it by the tag.
//
//  Cost: 5 ns to log a run. For a report 205 instructions a run when all arrived, 7 µs for 1,000 runs (44,000
//  datagrams, 62 MB), and 27 µs with 16 missing runs spread over them; to drain them 130 instructions each, 5 µs for
//  all (optimised build, an EPYC at 4.3 GHz, median of 300). 384 bytes a path, and 64 for each run that is open or
//  kept.

public import Primitives
public import Wire

public struct PathLog: Sendable, BitwiseCopyable {
  /// What happened to some datagrams of a run.
  public struct Settled: Equatable, Sendable {
    public enum Outcome: Equatable, Sendable {
      case delivered
      case lost
      /// It was told lost before, and has arrived.
      case recovered
    }

    public var tag: UInt32
    /// Within the run, from 0.
    public var datagrams: Range<Int>
    public var outcome: Outcome
  }

  /// What the log did with a run that was sent.
  public enum Logging: Equatable, Sendable {
    case logged
    /// The pool was empty: of this older run the datagrams of this mask (bit i is datagram i) will never be settled.
    case forgot(tag: UInt32, datagrams: UInt64)
    /// The pool was empty and this path has nothing in it: this run itself will never be settled.
    case unlogged
  }

  public struct Counters: Equatable, Sendable, BitwiseCopyable {
    public var sent = Amount()
    public var delivered = Amount()
    public var lost = Amount()
    /// Of those lost.
    public var recovered = Amount()
    public var forgotten = Amount()
    public var unlogged = Amount()
    public var reports: UInt64 = 0
    /// Older than one that came before, or the same again.
    public var stale: UInt64 = 0
    public var contradictory: UInt64 = 0
    public var neverSent: UInt64 = 0
    /// The receiver's count of bytes went back: he forgot the path and found it again.
    public var begunAnew: UInt64 = 0
    /// Its newest datagram is none that we know: it cannot be measured.
    public var unmeasurable: UInt64 = 0
    public var timeouts: UInt64 = 0
  }

  public struct Amount: Equatable, Sendable, BitwiseCopyable {
    public var datagrams: UInt64 = 0
    public var bytes: UInt64 = 0

    mutating func add(_ datagrams: UInt64, _ bytes: Int) {
      self.datagrams &+= datagrams
      self.bytes &+= UInt64(bytes)
    }
  }

  /// As many as the masks have bits, and as a kernel takes in one call.
  public static let mostDatagrams = 64
  /// Queues of adapters reorder batches by some hundred microseconds. Less, and each of these is sent twice; more, and
  /// every repair waits longer.
  public static let leastReorderWindow = Interval.milliseconds(1)
  /// Beyond it a repair would come after the resequencer's patience, so waiting longer helps nobody.
  public static let mostReorderWindow = Interval.milliseconds(100)
  /// How much older than the newest that arrived a lost run may become: what the widest window can learn from, and the
  /// longest pause between reports.
  static let keeping = (mostReorderWindow + Receipts.mostInterval).nanoseconds
  /// Each timeout in a row is twice as long as the one before, up to 16 times or 4 s.
  static let mostBackoff = 4

  public internal(set) var counters = Counters()
  /// Bytes.
  public internal(set) var inFlight = 0
  public internal(set) var reorderWindow = PathLog.leastReorderWindow
  public internal(set) var roundTrip = RoundTrip()
  /// Since the last report: one may be bad luck, several are a path that is dying.
  public internal(set) var timeoutsInARow = 0
  /// When time alone would settle something.
  public internal(set) var deadline: Instant?
  /// What was sent until then has the first timeout's time, however many there were since.
  var trusted: UInt64 = 0

  var openFirst = SentRuns.none
  var openLast = SentRuns.none
  var keptFirst = SentRuns.none
  var keptLast = SentRuns.none
  var newsFirst = SentRuns.none
  var newsLast = SentRuns.none
  /// Behind the greatest counter that was sent.
  var nextCounter: UInt64 = 0
  var lastSent: UInt64 = 0

  /// What is needed of the last report that counted.
  struct Heard: BitwiseCopyable {
    var newest: UInt64
    var bytes: UInt64
    var arrival: UInt32
    var hold: UInt32
    var marked: UInt32
  }

  var last: Heard?
  /// Its newest datagram, if we remember it; else the newest one that we did.
  var newestIsKnown = false
  var newestSent: UInt64 = 0
  var newestPriorDelivered: UInt64 = 0
  var newestIsAppLimited = false
  var lastHeard: UInt64 = 0
  var narrowed: UInt64 = 0

  public init() {}

  /// Bytes that arrived, ever, as far as we know.
  public var delivered: UInt64 { counters.delivered.bytes &+ counters.recovered.bytes }

  // MARK: Inputs

  /// A batch left: `count` datagrams, each of `bytes` bytes of UDP payload but for the last. Counters grow; those in
  /// between were used for what nobody reports.
  public mutating func sent(
    tag: UInt32, first: UInt64, count: Int, bytes: Int, lastBytes: Int, isAppLimited: Bool = false,
    in runs: inout SentRuns, at now: Instant
  ) -> Logging {
    precondition(first >= nextCounter && now.nanoseconds >= lastSent, "counters and time go up")
    precondition(count > 0 && count <= PathLog.mostDatagrams, "a run has 1 to 64 datagrams")
    precondition(newsFirst == SentRuns.none, "drain what is settled first")
    nextCounter = first + UInt64(count)
    lastSent = now.nanoseconds
    let length = bytes * (count - 1) + lastBytes
    counters.sent.add(UInt64(count), length)
    var result = Logging.logged
    var number = runs.take()
    if number == nil {
      if keptFirst != SentRuns.none {
        dropKept(in: &runs)
      } else if openFirst != SentRuns.none {
        result = forgetOldest(in: &runs)
      }
      number = runs.take()
    }
    guard let number else {
      counters.unlogged.add(UInt64(count), length)
      return .unlogged
    }
    runs[number] = SentRun(
      tag: tag, first: first, count: count, bytes: bytes, lastBytes: lastBytes, sent: now.nanoseconds,
      priorDelivered: delivered, marks: isAppLimited ? .isAppLimited : [])
    inFlight += length
    let isOnly = openFirst == SentRuns.none
    if isOnly { openFirst = number } else { runs[openLast].next = number }
    openLast = number
    if isOnly || result != .logged { setDeadline(in: runs) }
    return result
  }

  /// A round trip that was measured otherwise (a ping): the first timeouts go by it.
  public mutating func learn(roundTrip sample: Interval, at now: Instant) { roundTrip.note(sample, at: now) }

  /// A question came back that was asked at `asked`: the path lives, so what went into it before was not swallowed by
  /// a report that is late. It has its usual time from when it was sent, and no longer.
  public mutating func isAnswered(asked: Instant, in runs: borrowing SentRuns) {
    guard timeoutsInARow > 0, asked.nanoseconds > trusted else { return }
    trusted = asked.nanoseconds
    setDeadline(in: runs)
  }

  /// What the receiver says. Drain `nextSettled` afterwards, whatever this returns; nil when it was nothing new, wrong,
  /// or cannot be measured.
  public mutating func receive(
    _ report: PathReport, clock: inout PeerClock, in runs: inout SentRuns, at now: Instant
  ) -> DeliverySample? {
    precondition(newsFirst == SentRuns.none, "drain what is settled first")
    guard isNews(report) else { return nil }
    counters.reports &+= 1
    let isNewer = last.map { report.newest > $0.newest } ?? true
    var sample = DeliverySample()
    acknowledge(report, isNewer: isNewer, &sample, in: &runs)
    lastHeard = now.nanoseconds
    timeoutsInARow = 0
    judge(by: newestSent, upTo: report.newest, timedOut: false, &sample, in: &runs)
    defer {
      last = Heard(
        newest: report.newest, bytes: report.bytes, arrival: report.arrival, hold: report.hold, marked: report.marked)
      discardKept(in: &runs)
      setDeadline(in: runs)
    }
    guard newestIsKnown else {
      counters.unmeasurable &+= 1
      return nil
    }
    let sent = Instant(nanoseconds: newestSent)
    sample.roundTrip = max(now - sent - .microseconds(Int64(report.hold)), .zero)
    if isNewer { roundTrip.note(sample.roundTrip, at: now) }
    sample.forwardDelay = clock.delay(from: sent, to: report.arrival)
    sample.inFlight = inFlight
    sample.priorDelivered = newestPriorDelivered
    sample.priorSent = sent
    sample.isAppLimited = newestIsAppLimited
    if let last {
      // More than we sent is a lie; whatever it says, it is a number that can be added.
      let growth = PathLog.growth(from: last.bytes, to: report.bytes)
      if growth < 0 { counters.begunAnew &+= 1 }
      sample.receivedBytes = min(max(growth, 0), Int(clamping: counters.sent.bytes))
      let time = Int32(bitPattern: report.arrival &- last.arrival)
      sample.receivedTime = .microseconds(Int64(max(time, 0)))
      sample.marked = Int(max(Int32(bitPattern: report.marked &- last.marked), 0))
    }
    return sample
  }

  /// The path is dead: all that is on the way is lost, and what is kept goes. Drain `nextSettled` afterwards. Returns
  /// the bytes.
  @discardableResult
  public mutating func abandonAll(in runs: inout SentRuns) -> Int {
    precondition(newsFirst == SentRuns.none, "drain what is settled first")
    var sample = DeliverySample()
    while openFirst != SentRuns.none {
      let number = openFirst
      lose(runs[number].unsettled, of: number, timedOut: true, &sample, in: &runs)
      takeFirstOpen(in: runs)
      detach(number, in: &runs)
    }
    while keptFirst != SentRuns.none { dropKept(in: &runs) }
    deadline = nil
    return sample.lost
  }

  /// The peer is gone, or starts anew: all of it goes back to the pool, and nobody is told.
  public mutating func close(in runs: inout SentRuns) {
    while nextSettled(in: &runs) != nil {}
    abandonAll(in: &runs)
    while nextSettled(in: &runs) != nil {}
    self = PathLog()
  }

  // MARK: Outputs

  /// What became of datagrams, a piece of a run at a time; drain to nil before the next input.
  public mutating func nextSettled(in runs: inout SentRuns) -> Settled? {
    let number = newsFirst
    if number == SentRuns.none { return nil }
    let run = runs[number]
    let lowest = run.news.trailingZeroBitCount
    let bit: UInt64 = 1 << UInt64(lowest)
    let isArrived = run.arrived & bit != 0
    let isLost = run.lost & bit != 0
    // The datagrams with the same fate, without a gap from the lowest on.
    let same = run.news & (isArrived ? run.arrived : ~run.arrived) & (isLost ? run.lost : ~run.lost)
    let length = (~(same >> UInt64(lowest))).trailingZeroBitCount
    let rest = run.news & ~SentRun.mask(lowest, lowest + length - 1)
    runs[number].news = rest
    if rest == 0 {
      newsFirst = run.nextNews
      if run.marks.contains(.isDetached) { runs.giveBack(number) }
    }
    return Settled(
      tag: run.tag, datagrams: lowest..<(lowest + length),
      outcome: !isArrived ? .lost : isLost ? .recovered : .delivered)
  }

  // MARK: Time

  /// Time passed: what nobody spoke of for too long is lost. Drain `nextSettled` afterwards. Returns the bytes.
  @discardableResult
  public mutating func expire(at now: Instant, in runs: inout SentRuns) -> Int {
    precondition(newsFirst == SentRuns.none, "drain what is settled first")
    guard let due = deadline, due <= now else { return 0 }
    var sample = DeliverySample()
    if let last {
      // As if the path had gone on delivering since the last report, of which the next should have told by now.
      let silence = now - Instant(nanoseconds: lastHeard) - roundTrip.reportPause
      if silence >= .zero {
        judge(
          by: newestSent &+ UInt64(silence.nanoseconds), upTo: last.newest, timedOut: false, &sample, in: &runs)
      }
    }
    if openFirst != SentRuns.none, silenceEnds(in: runs) <= now {
      let isTrusted = isTrusted(runs[openFirst])
      let patience = UInt64((isTrusted ? roundTrip.timeout : timeout).nanoseconds)
      let before = max(now.nanoseconds, patience) - patience
      judge(
        by: before &+ UInt64(reorderWindow.nanoseconds), upTo: .max, timedOut: true, &sample, in: &runs)
      if !isTrusted {
        counters.timeouts &+= 1
        if timeoutsInARow == 0 { trusted = lastSent }
        timeoutsInARow += 1
      }
    }
    setDeadline(in: runs)
    return sample.lost
  }

  var timeout: Interval {
    min(roundTrip.timeout * Int64(1 << min(timeoutsInARow, PathLog.mostBackoff)), RoundTrip.mostTimeout)
  }

  /// Of the oldest open run.
  private func silenceEnds(in runs: borrowing SentRuns) -> Instant {
    let oldest = runs[openFirst]
    return Instant(nanoseconds: max(oldest.sent, lastHeard)) + (isTrusted(oldest) ? roundTrip.timeout : timeout)
  }

  /// It was sent when the path was still believed to be alive.
  private func isTrusted(_ run: SentRun) -> Bool { timeoutsInARow > 0 && run.sent <= trusted }

  private mutating func setDeadline(in runs: borrowing SentRuns) {
    if openFirst == SentRuns.none {
      deadline = nil
      return
    }
    var due = silenceEnds(in: runs)
    let oldest = runs[openFirst]
    if let last, oldest.first <= last.newest, oldest.unsettled & oldest.upTo(last.newest) != 0 {
      // It was overtaken, by less than the window.
      let lead = Instant(nanoseconds: newestSent) - Instant(nanoseconds: oldest.sent)
      due = min(due, Instant(nanoseconds: lastHeard) + max(reorderWindow - lead, .zero) + roundTrip.reportPause)
    }
    deadline = due
  }
}
