//  TCPSender.swift — the end of a TCP stream from which bytes leave, without end: what a file transfer makes of a path.
//
//  Why.  "Is the bond faster than its best link?" is a question about what TCP makes of both, and TCP minds order,
//  round trips and bursts, each in its own way. A sender that only counts what is lost would call bonds good that are
//  not.
//
//  How.  The stream is segments of what a packet carries, 1,448 bytes mostly. Each is on the way, acknowledged behind a
//  hole (sacked), or lost, and remembers its last transmission; transmissions have numbers in order of time.
//
//      segments  │ sacked │ lost │ on the way │ sacked │ on the way │ ◀─ next        ring, from the first that is owed
//      sent      │ 41: segment 7 │ 42: segment 9 │ 43: segment 8 │                  ring of transmissions, oldest first
//
//  A super-packet leaves with as many segments as Linux would give it: what the present rate (twice the window a round
//  trip, or 1.2 times of it beyond slow start) carries in a millisecond, two at least, 44 at most; and more than that
//  on paths of less than 16 ms.
//
//  Modelled.  CUBIC with HyStart (CubicWindow); SACK, RACK with a reordering window, recovery with proportional rate
//  reduction, undoing (TCPLosses); a probe of the tail after two round trips; the timeout of RFC 6298 with Linux's
//  200 ms beside the smoothed round trip, doubled each time; the receiver's window; a send buffer of 4 MiB.
//
//  Not modelled.  The handshake (both ends begin as if just connected, with a window of 10, and no round trip is
//  known); pacing, which CUBIC has none of by default; the queue below a socket that is kept small; the wait for larger
//  super-packets; ECN, F-RTO beside its undoing by timestamps, limits of the application, ends of streams.
//
//  Always true.  `inFlight` is the number of segments on the way; no segment is owed that lies before `acknowledged`.

import Primitives

struct TCPSender: ~Copyable {
  static let mostBuffered = 4 << 20
  /// Of a super-packet's payload: 44 segments of 1,448 bytes.
  private static let mostBytesAtOnce = 65_000
  static let leastTimeout: UInt64 = 200_000_000
  static let mostTimeout: UInt64 = 120_000_000_000
  static let firstTimeout: UInt64 = 1_000_000_000

  struct Counters {
    /// Segments.
    var transmissions: UInt64 = 0
    var retransmissions: UInt64 = 0
    var timeouts: UInt64 = 0
    var probes: UInt64 = 0
    /// Times the window was reduced, and of these taken back since nothing had been lost.
    var recoveries: UInt64 = 0
    var undone: UInt64 = 0
  }

  enum Phase { case open, recovery, timeout }

  enum State: UInt8, BitwiseCopyable { case onTheWay, lost, sacked }

  struct Segment: BitwiseCopyable {
    var sentAt: UInt64
    var transmission: UInt64
    var state: State
    var wasRepeated: Bool
  }

  struct Transmission: BitwiseCopyable {
    var segment: Int
    var at: UInt64
  }

  /// What a full packet carries.
  let segmentLength: Int
  var counters = Counters()
  var clock: UInt64 = 0
  var cubic = CubicWindow()
  var phase = Phase.open

  // The scoreboard.
  var segments = RingBuffer<Segment>()
  /// The number of the first of them.
  var first = 0
  /// In bytes; within the first segment, or at its beginning.
  var acknowledged = 0
  var sent = RingBuffer<Transmission>()
  var firstSent: UInt64 = 0
  /// Segments that were found lost, some of which have been acknowledged since.
  var lost = RingBuffer<Int>()
  var inFlight = 0
  var sackedCount = 0
  var lostCount = 0
  /// Behind the last segment that was sacked.
  var highestSacked = 0
  var blocks = TCPPacket.Blocks()
  private(set) var windowEnd = 65_536
  private var end = Int.max

  // What TCPLosses remembers.
  var losses = Losses()

  // Round trips, and the timer.
  private(set) var smoothed: UInt64 = 0
  private var variation: UInt64 = 0
  var leastRoundTrip: UInt64 = 0
  var backoff: UInt64 = 0
  private var timer: UInt64?
  private var isProbe = false
  private var mayProbe = true
  private var owesProbe = false
  var reorderingTimer: UInt64?
  private var echo: UInt32 = 0

  // Whether the window is what limits us.
  private var isLimited = false
  private var mostOut = 0
  private var limitEnd = 0

  init(segmentLength: Int) { self.segmentLength = segmentLength }

  /// The number of the next segment that was never sent.
  var next: Int { first + segments.count }
  var isDone: Bool { segments.isEmpty && next >= end }

  /// Nothing new is sent from now on.
  mutating func finish() { end = min(end, next) }

  func wasRepeated(_ segment: Int) -> Bool {
    segment >= first && segment < next && segments[segment - first].wasRepeated
  }

  // MARK: Acknowledgements

  mutating func receive(_ packet: TCPPacket, at now: Instant) {
    clock = now.nanoseconds
    if packet.acknowledged > next * segmentLength { return }
    windowEnd = max(windowEnd, packet.acknowledged + packet.window)
    echo = packet.time
    var news = News(echo: packet.echo)
    news.isDuplicate = noteDuplicate(packet)
    let sackedBefore = highestSacked
    for index in 0..<packet.blocks.count { mark(packet.blocks[index], &news) }
    blocks = packet.blocks
    advance(to: packet.acknowledged, sackedBefore: sackedBefore, &news)
    measure(news)
    if news.delivered > 0 { mayProbe = true }
    if news.hasAdvanced { backoff = 0 }
    reactTo(&news)
    if news.hasAdvanced || news.sacked > 0 { setTimer() }
  }

  private mutating func measure(_ news: News) {
    var sample: UInt64?
    var latest: UInt64?
    if let sentAt = news.firstAcknowledged, !news.hasRepeated {
      sample = clock - sentAt
      latest = clock - (news.lastAcknowledged ?? sentAt)
    }
    if let sentAt = news.firstSacked {
      sample = sample ?? clock - sentAt
      latest = clock - (news.lastSacked ?? sentAt)
    }
    if sample == nil && news.hasAdvanced && news.echo != 0 {
      sample = UInt64(TCPPacket.time(at: clock) &- news.echo) * 1_000_000
    }
    if let latest {
      if leastRoundTrip == 0 || latest < leastRoundTrip { leastRoundTrip = max(1, latest) }
      cubic.sample(
        roundTrip: max(1, latest), acknowledged: acknowledged / segmentLength, next: next,
        bytesPerSecond: bytesPerSecond, at: clock)
    }
    guard let sample else { return }
    if smoothed == 0 {
      smoothed = max(1, sample)
      variation = sample / 2
    } else {
      let difference = sample > smoothed ? sample - smoothed : smoothed - sample
      variation = variation - variation / 4 + difference / 4
      smoothed = max(1, smoothed - smoothed / 8 + sample / 8)
    }
  }

  // MARK: Sending

  /// The segments that leave now as one super-packet.
  mutating func nextSegments(at now: Instant) -> Range<Int>? {
    clock = now.nanoseconds
    if owesProbe {
      owesProbe = false
      return probe()
    }
    if inFlight >= cubic.window {
      noteLimit(true)
      return nil
    }
    let most = min(cubic.window - inFlight, segmentsAtOnce)
    if let begin = nextLost() {
      var end = begin + 1
      while end < next && end - begin < most && segments[end - first].state == .lost { end += 1 }
      send(begin..<end)
      return begin..<end
    }
    let count = min(most, roomForNew)
    if count <= 0 {
      noteLimit(false)
      return nil
    }
    let range = next..<next + count
    send(range)
    return range
  }

  private var roomForNew: Int {
    let window = (windowEnd - next * segmentLength) / segmentLength
    let buffer = TCPSender.mostBuffered / segmentLength - segments.count
    return min(window, buffer, end - next)
  }

  private mutating func nextLost() -> Int? {
    while let segment = lost.first {
      if segment >= first && segments[segment - first].state == .lost { return segment }
      lost.removeFirst()
    }
    return nil
  }

  private mutating func send(_ range: Range<Int>) {
    let wasIdle = segments.isEmpty
    for segment in range {
      let transmission = firstSent + UInt64(sent.count)
      sent.append(Transmission(segment: segment, at: clock))
      counters.transmissions += 1
      let isNew = segment == next
      if isNew {
        segments.append(Segment(sentAt: clock, transmission: transmission, state: .onTheWay, wasRepeated: false))
        inFlight += 1
        continue
      }
      let place = segment - first
      counters.retransmissions += 1
      losses.noteRepeated(at: clock)
      if segments[place].state == .lost {
        lostCount -= 1
        inFlight += 1
      }
      segments[place] = Segment(sentAt: clock, transmission: transmission, state: .onTheWay, wasRepeated: true)
      losses.repeatedInReduction += 1
    }
    if range.upperBound == next { losses.newInReduction += range.count }
    if wasIdle || timer == nil { setTimer() }
  }

  private mutating func probe() -> Range<Int>? {
    counters.probes += 1
    if roomForNew > 0 {
      let range = next..<next + 1
      send(range)
      return range
    }
    var last = next - 1
    while last >= first && segments[last - first].state == .sacked { last -= 1 }
    if last < first { return nil }
    send(last..<last + 1)
    return last..<last + 1
  }

  private var bytesPerSecond: Int {
    if smoothed == 0 { return 1 << 40 }
    let window = max(cubic.window, segments.count - sackedCount)
    let share = cubic.window < cubic.threshold / 2 ? 200 : 120
    return window * segmentLength * share / 100 * 1_000_000 / Int(max(1, smoothed / 1_000))
  }

  private var segmentsAtOnce: Int {
    let shift = (leastRoundTrip / 1_000) >> 9
    let bytes = (bytesPerSecond >> 10) + (shift < 32 && leastRoundTrip > 0 ? 65_536 >> Int(shift) : 0)
    return min(TCPSender.mostBytesAtOnce / segmentLength, max(2, bytes / segmentLength))
  }

  private mutating func noteLimit(_ limited: Bool) {
    if acknowledged / segmentLength >= limitEnd || limited || (!isLimited && inFlight > mostOut) {
      isLimited = limited
      mostOut = inFlight
      limitEnd = next
    }
  }

  /// A window that is not used says nothing about what it could be.
  var isLimitedByWindow: Bool { cubic.isInSlowStart ? cubic.window < 2 * mostOut : isLimited }

  // MARK: Time

  var timeout: UInt64 {
    let plain =
      smoothed == 0 ? TCPSender.firstTimeout : smoothed + max(TCPSender.leastTimeout, 4 * variation)
    return min(TCPSender.mostTimeout, plain << min(backoff, 16))
  }

  /// A probe first, when everything goes well; the timeout otherwise.
  private mutating func setTimer() {
    if segments.isEmpty {
      timer = nil
      return
    }
    isProbe = mayProbe && phase == .open && sackedCount == 0 && smoothed > 0
    var wait = timeout
    if isProbe {
      let alone = inFlight == 1 ? TCPSender.leastTimeout : 8_000_000
      wait = min(wait, 2 * smoothed + alone)
    }
    timer = clock + wait
  }

  var deadline: Instant? {
    var earliest = timer
    if let due = reorderingTimer { earliest = min(earliest ?? due, due) }
    return earliest.map { Instant(nanoseconds: $0) }
  }

  mutating func expire(at now: Instant) {
    clock = now.nanoseconds
    if let due = reorderingTimer, due <= clock {
      reorderingTimer = nil
      reordersExpired()
    }
    guard let due = timer, due <= clock else { return }
    if isProbe {
      owesProbe = true
      mayProbe = false
      setTimer()
    } else {
      timeOut()
      backoff += 1
      setTimer()
    }
  }

  /// What the other end shall echo.
  var lastTime: UInt32 { echo }
}
