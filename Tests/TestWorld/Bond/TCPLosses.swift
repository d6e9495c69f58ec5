//  TCPLosses.swift — what of a TCP stream is lost, what only seemed so, and what the window does about it.
//
//  How.  RACK (RFC 8985): of two segments the one that was sent first should arrive first. What was sent before the
//  newest that arrived, and is still missing after that one's round trip and a reordering window, is lost. The window
//  is nothing while no disorder was ever seen and three segments are sacked; else a quarter of the least round trip,
//  and a quarter more each time that a duplicate shows that it was too short.
//
//      sent   7 · 8 · 9 · 10 · 11          10 was sacked: 7 … 9 are lost when 10's round trip + window
//               ✗   ✗   ✗   ✓              have passed since each was sent, 11 says nothing yet
//
//  Recovery reduces the window to the threshold in proportion to what arrives (RFC 6937). It ends when everything that
//  was on the way at its beginning was acknowledged. It is undone when all that was repeated came twice, or when an
//  acknowledgement echoes a time before the first repetition (RFC 3522): then the original had only been late.
//
//  A timeout holds everything for lost that is older than a round trip, and begins with a window of one.

import Primitives

extension TCPSender {
  /// What one acknowledgement told.
  struct News {
    let echo: UInt32
    var isDuplicate = false
    var hasAdvanced = false
    var delivered = 0
    var sacked = 0
    var lost = 0
    /// A segment among those that were acknowledged had been sent twice.
    var hasRepeated = false
    var firstAcknowledged: UInt64?
    var lastAcknowledged: UInt64?
    var firstSacked: UInt64?
    var lastSacked: UInt64?
  }

  struct Losses {
    // RACK: the newest that arrived.
    var newest: UInt64?
    var newestSentAt: UInt64 = 0
    var roundTrip: UInt64 = 0
    var hasDisorder = false
    var reordering = 3
    var windowSteps: UInt64 = 1
    var stepsPersist = 0
    var stepsEnd: UInt64 = 0
    var sawDuplicate = false

    /// What was sent by then belongs to the present reduction.
    var recoveryEnd = 0
    var windowBefore = 0
    var thresholdBefore = 0
    var deliveredInReduction = 0
    var sentInReduction: Int { newInReduction + repeatedInReduction }
    var newInReduction = 0
    var repeatedInReduction = 0

    /// Segments that were repeated and of which no duplicate was reported; nil: nothing can be undone.
    var unconfirmed: Int?
    var firstRepetition: UInt32 = 0

    mutating func noteRepeated(at clock: UInt64) {
      if firstRepetition == 0 { firstRepetition = TCPPacket.time(at: clock) }
      if let count = unconfirmed { unconfirmed = max(0, count) + 1 }
    }
  }

  // MARK: What to do

  mutating func reactTo(_ news: inout News) {
    losses.deliveredInReduction += news.delivered
    adaptReorderingWindow()
    if phase != .open && acknowledged >= losses.recoveryEnd * segmentLength {
      finishReduction(news)
    } else if phase != .open && news.hasAdvanced && isLate(news.echo) {
      undo(clearing: true)
    }
    if phase == .open && losses.unconfirmed == 0 { undo(clearing: false) }
    if phase == .open && lostCount == 0 && sackedCount == 0 { losses.firstRepetition = 0 }
    if sackedCount > 0 || phase != .open { findLosses(&news) }
    if phase == .open && lostCount > 0 { beginRecovery(news) }
    if phase == .recovery {
      reduce(news)
    } else if mayGrow(news) && isLimitedByWindow {
      cubic.grow(by: news.delivered, at: clock)
    }
  }

  private func mayGrow(_ news: News) -> Bool {
    if news.delivered == 0 { return false }
    return news.hasAdvanced || losses.reordering > 3
  }

  private func isLate(_ echo: UInt32) -> Bool {
    losses.unconfirmed != nil && losses.firstRepetition != 0 && echo != 0 && echo < losses.firstRepetition
  }

  private mutating func finishReduction(_ news: News) {
    let isUndone = isLate(news.echo) || losses.unconfirmed == 0
    if losses.stepsPersist > 0 { losses.stepsPersist -= 1 }
    let wasRecovery = phase == .recovery
    phase = .open
    if isUndone {
      undo(clearing: false)
    } else if wasRecovery {
      cubic.window = cubic.threshold
    }
  }

  private mutating func undo(clearing: Bool) {
    counters.undone += 1
    if clearing {
      for place in 0..<segments.count where segments[place].state == .lost {
        segments[place].state = .onTheWay
        lostCount -= 1
        inFlight += 1
      }
      lost.removeAll()
      phase = .open
    }
    cubic.window = max(cubic.window, losses.windowBefore)
    cubic.threshold = max(cubic.threshold, losses.thresholdBefore)
    losses.unconfirmed = nil
  }

  private mutating func beginRecovery(_ news: News) {
    counters.recoveries += 1
    phase = .recovery
    rememberForUndo()
    cubic.threshold = cubic.reducedThreshold()
    losses.deliveredInReduction = news.delivered
    losses.newInReduction = 0
    losses.repeatedInReduction = 0
  }

  private mutating func rememberForUndo() {
    losses.recoveryEnd = next
    losses.windowBefore = cubic.window
    losses.thresholdBefore = max(cubic.threshold, cubic.window * 3 / 4)
    // Repetitions of the reduction before may still be on their way; what answers them is older than this one's.
    var repeated = 0
    for place in 0..<segments.count where segments[place].wasRepeated && segments[place].state == .onTheWay {
      repeated += 1
    }
    losses.unconfirmed = repeated > 0 ? repeated : -1
    if repeated == 0 && !wasRepeated(first) { losses.firstRepetition = 0 }
  }

  /// Proportional rate reduction: what may leave follows from what arrived.
  private mutating func reduce(_ news: News) {
    if news.delivered == 0 && news.lost == 0 { return }
    let room = cubic.threshold - inFlight
    var count: Int
    if room < 0 {
      let before = max(1, losses.windowBefore)
      count = (cubic.threshold * losses.deliveredInReduction + before - 1) / before - losses.sentInReduction
    } else {
      count = max(losses.deliveredInReduction - losses.sentInReduction, news.delivered)
      if news.hasAdvanced && news.lost == 0 { count += 1 }
      count = min(room, count)
    }
    cubic.window = inFlight + max(count, losses.sentInReduction == 0 ? 1 : 0)
  }

  // MARK: RACK

  private var reorderingWindow: UInt64 {
    if !losses.hasDisorder && (phase != .open || sackedCount >= losses.reordering) { return 0 }
    return min(leastRoundTrip / 4 * losses.windowSteps, smoothed)
  }

  private mutating func adaptReorderingWindow() {
    if losses.sawDuplicate && (acknowledged / segmentLength >= Int(losses.stepsEnd)) {
      losses.windowSteps = min(255, losses.windowSteps + 1)
      losses.stepsEnd = UInt64(next)
      losses.stepsPersist = 16
    } else if losses.stepsPersist == 0 {
      losses.windowSteps = 1
    }
    losses.sawDuplicate = false
  }

  private mutating func findLosses(_ news: inout News) {
    reorderingTimer = nil
    guard let newest = losses.newest else { return }
    let wait = losses.roundTrip + reorderingWindow
    while let oldest = sent.first {
      let number = firstSent
      let place = oldest.segment - first
      let isCurrent =
        place >= 0 && segments[place].transmission == number && segments[place].state == .onTheWay
      if isCurrent {
        if number >= newest { return }
        if oldest.at + wait > clock {
          reorderingTimer = max(clock + 1, losses.newestSentAt + wait)
          return
        }
        lose(oldest.segment)
        news.lost += 1
      }
      sent.removeFirst()
      firstSent += 1
    }
  }

  private mutating func lose(_ segment: Int) {
    segments[segment - first].state = .lost
    lost.append(segment)
    lostCount += 1
    inFlight -= 1
  }

  mutating func reordersExpired() {
    var news = News(echo: 0)
    findLosses(&news)
    if phase == .open && lostCount > 0 { beginRecovery(news) }
    if phase == .recovery { reduce(news) }
  }

  mutating func timeOut() {
    counters.timeouts += 1
    let isRepeatedTimeout = phase == .timeout && backoff > 0
    if !isRepeatedTimeout {
      rememberForUndo()
      cubic.threshold = cubic.reducedThreshold()
    }
    // Not those that left a moment ago, but in any case the first.
    for place in 0..<segments.count where segments[place].state == .onTheWay {
      if place > 0 && losses.roundTrip > 0 && segments[place].sentAt + losses.roundTrip > clock { continue }
      lose(first + place)
    }
    cubic.forget(next: next, at: clock)
    cubic.window = inFlight + 1
    phase = .timeout
    losses.recoveryEnd = next
    reorderingTimer = nil
  }
}
