//  RateModel.swift — how much arrives in a second when the path is full.
//
//  Why.  Everything else follows from this number: how fast to send, how much may be in flight, how a segment is split.
//  An estimate that is 5 % too high fills a queue; one that is 5 % too low wastes 5 %; one that believes every
//  fluctuation of a radio does both.
//
//  How.  BBR takes the greatest delivery rate of the last round trips, because a TCP sender sees only acknowledgements:
//  it does not know whether the path was full, and the way back bunches them. We know both: arrivals are timed by the
//  receiver, and QueueModel says whether there was a queue. So the estimate stands until arrivals disprove it, and what
//  disproves it is a sum that jitter cannot make (a CUSUM test; times, not rates):
//
//      ahead    = what arrived ÷ rate − the time that it took        grows while more arrives than believed
//      behind   = the time that it took − what arrived ÷ rate        grows while less does, and the path is full
//
//          │          ╱ proven: the rate is what arrived in this time ÷ the time
//        tolerance ─ ╱─ ─ ─ ─ ─ ─ ─ ─ ─        Jitter moves arrivals to and fro: both sums return to 0, however wild
//          │   ╱╲   ╱        ╱╲                it is. A rate that is wrong by a tenth gets there in ten tolerances,
//          │__╱  ╲_╱________╱__╲____           one that fell to a tenth in 1.1 of them.
//
//  Tolerance is an eighth of a round trip, more where there is jitter. `ahead` takes the longer of the times between
//  sending and between arrivals, since compressed arrivals prove nothing. `behind` counts only spans that had a queue
//  all along, so an application that pauses lowers nothing; or, once for each probe, spans that lost more than the
//  path's floor (a policer has no queue). While a span is slowed down on purpose, the rate is asked for as much less.
//
//  At the end of a probe the line was busy: what arrived in it is adopted, with a weight that is less the more jitter
//  there is. That is what makes the estimate exact on quiet lines.
//
//  Rejected.  A maximum over a window of time: with ±20 ms of jitter it believed in 71 of 50 Mbit/s, and after a rate
//  fell it stays until the window ends. Averages: they follow an application that sends less. The rate sample of BBR
//  (`priorDelivered` over the round trip): it measures the way back as well, and holes count when they are filled.
//
//  Always true.  0 is unknown, anything else is between `leastRate` and `mostRate`. Only packets that were sent after
//  `beginEpoch` count, so what one state did is not held against the next.
//
//  Not here.  When to probe, what to do about losses. Cost: a few divisions for a span, which is half a round trip.

import Primitives

struct RateModel: BitwiseCopyable, Sendable {
  /// What a report may claim at most: 1 TiB, and 1 Tbit/s. Sums stay far from overflow.
  static let mostBytes = 1 << 40
  static let mostRate = 1.25e11
  /// 8 kbit/s: slower than that, and the first datagram would wait for seconds.
  static let leastRate = 1_000.0
  /// Shorter, and one batch of datagrams would be the whole span.
  static let leastSpan: Int64 = 2_000_000

  /// What some packets in a row have shown.
  struct Span: BitwiseCopyable {
    /// Bytes a second.
    var rate: Double
    var bytes: Double
    /// In seconds: between the first's and the last's arrival, and between their sending.
    var received: Double
    var sent: Double
    /// In nanoseconds: what stood all the time.
    var leastQueue: Int64
    var loss: Double
    var datagramsLost: Int
    var marked: Double
    var isAppLimited: Bool
  }

  enum Verdict {
    case confirmed, rose, fell
    /// Without a queue: because too much was lost.
    case cut
  }

  /// Bytes a second that arrive when the path is full.
  private(set) var rate = 0.0

  // The span that is running.
  private var lastSent: Instant?
  private var countsFrom = Instant.zero
  private var bytes = 0
  private var received: Int64 = 0
  private var sent: Int64 = 0
  private var lost = 0
  private var datagramsLost = 0
  private var delivered = 0
  private var marked = 0
  private var leastQueue = Int64.max
  private var isAppLimited = false

  /// What arrived in how many seconds.
  private struct Heap: BitwiseCopyable {
    var bytes = 0.0
    var time = 0.0
  }

  // The startup's last two spans, when they were not hungry.
  private var startupBefore = Heap()
  private var startupLast = Heap()

  // The two sums.
  private var aheadBytes = 0.0
  private var aheadReceived = 0.0
  private var aheadSent = 0.0
  private var behindBytes = 0.0
  private var behindTime = 0.0

  // All since `beginEpoch`.
  private var epochBytes = 0.0
  private var epochReceived = 0.0
  private var epochSent = 0.0
  /// In some of it the sender had no more to send.
  private var wasHungry = false

  /// In seconds.
  var epochTime: Double { max(epochReceived, epochSent) }

  // MARK: Spans

  /// From now on only packets count that were sent from now on.
  mutating func beginEpoch(at now: Instant) {
    countsFrom = now
    epochBytes = 0
    epochReceived = 0
    epochSent = 0
    wasHungry = false
    clearAhead()
    clearBehind()
    clearSpan()
  }

  /// Takes a sample, and returns a span when one is over.
  mutating func receive(_ sample: DeliverySample, queue: Int64, length: Int64) -> Span? {
    let before = lastSent
    // A report that was overtaken on its way tells of older packets.
    lastSent = max(before ?? .zero, sample.priorSent)
    guard let before, before >= countsFrom else {
      clearSpan()
      return nil
    }
    bytes = min(bytes + sample.receivedBytes, RateModel.mostBytes)
    received = min(received + sample.receivedTime.nanoseconds, QueueModel.mostRoundTrip)
    if sample.priorSent > before {
      sent = min(
        sent + min((sample.priorSent - before).nanoseconds, QueueModel.mostRoundTrip), QueueModel.mostRoundTrip)
    }
    lost = min(lost + sample.lost, RateModel.mostBytes)
    datagramsLost = min(datagramsLost + sample.lostDatagrams, RateModel.mostBytes)
    delivered = min(delivered + sample.delivered, RateModel.mostBytes)
    marked = min(marked + sample.marked, RateModel.mostBytes)
    leastQueue = min(leastQueue, queue)
    if sample.isAppLimited { isAppLimited = true }
    let time = max(received, sent)
    if time < max(length, RateModel.leastSpan) { return nil }

    let all = Double(lost) + Double(delivered)
    let span = Span(
      rate: min(Double(bytes) * 1e9 / Double(time), RateModel.mostRate), bytes: Double(bytes),
      received: Double(received) / 1e9, sent: Double(sent) / 1e9, leastQueue: leastQueue,
      loss: all > 0 ? Double(lost) / all : 0, datagramsLost: datagramsLost,
      marked: all > 0 ? min(1, Double(marked) * LossModel.datagram / all) : 0, isAppLimited: isAppLimited)
    clearSpan()
    return span
  }

  // MARK: What a span proves

  /// In the startup: the greatest so far.
  mutating func raise(to span: Span) {
    startupBefore = startupLast
    startupLast = span.isAppLimited ? Heap() : Heap(bytes: span.bytes, time: max(span.received, span.sent))
    if span.rate > rate { set(span.rate) }
  }

  /// The startup ends with a full line: what the greatest span has more than the last two together is jitter.
  mutating func endStartup() {
    guard startupBefore.time > 0, startupLast.time > 0 else { return }
    set(min(rate, (startupBefore.bytes + startupLast.bytes) / (startupBefore.time + startupLast.time)))
  }

  /// Of packets that were sent at `gain` × the rate (at most 1 counts). `patience`: how many tolerances a fall takes.
  mutating func judge(
    _ span: Span, queues: borrowing QueueModel, gain: Double, patience: Double, isCut: Bool
  ) -> Verdict {
    epochBytes += span.bytes
    epochReceived += span.received
    epochSent += span.sent
    if span.isAppLimited { wasHungry = true }
    let tolerance = Double(queues.tolerance) / 1e9
    if isAhead(span, by: tolerance) { return .rose }
    let isQueued = span.leastQueue > queues.threshold
    // 2 % are the rounding of batches and reports; smaller errors end in the next probe's queue.
    guard isQueued || isCut, isBehind(span, at: rate * min(1, gain) * 0.98, by: tolerance * patience) else {
      if !isQueued && !isCut { clearBehind() }
      return .confirmed
    }
    return isQueued ? .fell : .cut
  }

  /// Of packets that were sent more slowly on purpose: only a rate that has collapsed shows.
  mutating func judgeAtRest(_ span: Span, queues: borrowing QueueModel) -> Verdict {
    guard span.leastQueue > queues.threshold, span.rate < rate * 0.3 else {
      clearBehind()
      return .confirmed
    }
    return isBehind(span, at: rate * 0.3, by: Double(queues.tolerance) * 1.5e-9) ? .fell : .confirmed
  }

  private mutating func isAhead(_ span: Span, by tolerance: Double) -> Bool {
    aheadBytes += span.bytes
    aheadReceived += span.received
    aheadSent += span.sent
    let time = max(aheadReceived, aheadSent)
    let ahead = aheadBytes / rate - time
    if ahead <= 0 { clearAhead() }
    if ahead <= tolerance { return false }
    set(aheadBytes / time)
    return true
  }

  private mutating func isBehind(_ span: Span, at expected: Double, by tolerance: Double) -> Bool {
    if span.isAppLimited {
      clearBehind()
      return false
    }
    behindBytes += span.bytes
    behindTime += span.received
    let behind = behindTime - behindBytes / expected
    if behind <= 0 { clearBehind() }
    if behind <= tolerance { return false }
    set(behindBytes / behindTime)
    return true
  }

  /// The line was busy in this epoch: what arrived is what it carries. `onlyMore`: somebody else's packets were among
  /// ours, so less would be his share and not the line's rate; nor is it when we had less to send.
  mutating func adoptEpoch(jitter: Int64, onlyMore: Bool) {
    guard epochTime > 0, rate > 0 else { return }
    let measured = epochBytes / epochTime
    if (onlyMore || wasHungry) && measured < rate { return }
    // Jitter moves the first and the last arrival. A weight of one half when the epoch is 16 times as long keeps the
    // error within a few per cent.
    let weight = epochTime / (epochTime + 16e-9 * Double(jitter))
    set(rate + (measured - rate) * weight)
  }

  private mutating func set(_ new: Double) {
    rate = min(max(new, RateModel.leastRate), RateModel.mostRate)
    clearAhead()
    clearBehind()
  }

  private mutating func clearAhead() {
    aheadBytes = 0
    aheadReceived = 0
    aheadSent = 0
  }

  private mutating func clearBehind() {
    behindBytes = 0
    behindTime = 0
  }

  private mutating func clearSpan() {
    bytes = 0
    received = 0
    sent = 0
    lost = 0
    datagramsLost = 0
    delivered = 0
    marked = 0
    leastQueue = .max
    isAppLimited = false
  }
}

extension DeliverySample {
  /// What a stranger's report may claim without doing harm: no negative lengths, nothing from the future, nothing that
  /// would overflow a sum of a million of them.
  func bounded(at now: Instant) -> DeliverySample {
    func length(_ bytes: Int) -> Int { min(max(bytes, 0), RateModel.mostBytes) }
    let most = QueueModel.mostRoundTrip
    var sample = self
    sample.roundTrip = .nanoseconds(min(max(roundTrip.nanoseconds, 1_000), most))
    // Two clocks that were set a day apart are no reason to trap.
    sample.forwardDelay = .nanoseconds(min(max(forwardDelay.nanoseconds, -most * 100_000), most * 100_000))
    sample.receivedTime = .nanoseconds(min(max(receivedTime.nanoseconds, 0), most))
    sample.delivered = length(delivered)
    sample.lost = length(lost)
    sample.lostDatagrams = length(lostDatagrams)
    sample.marked = length(marked)
    sample.inFlight = length(inFlight)
    sample.receivedBytes = length(receivedBytes)
    sample.priorSent = min(priorSent, now)
    return sample
  }
}
