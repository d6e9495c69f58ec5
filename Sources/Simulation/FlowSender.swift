//  FlowSender.swift — a bulk flow that never ends: what a file transfer over TCP would make of a path.
//
//  Why.  "What does this path carry?" has an answer only for a sender that adapts to it. This one is as plain as such a
//  sender can be and still fill a line: a window of segments, clocked by acknowledgements, that doubles each round trip
//  until something is lost, then shrinks to 0.7 of itself and grows by one segment a round trip. With the default queue
//  of one bandwidth-delay product the line stays busy through every shrinking, since 0.7 of two products is more than
//  one.
//
//  How.  Every transmission has a number of its own, and an acknowledgement names the next segment that is missing and
//  the transmission that caused it. So the sender knows for sure what arrived last, and what was sent three or more
//  transmissions before it and is still missing is lost: no guessing which copy of a segment an acknowledgement means,
//  and every one measures the round-trip time. A transmission that turns up after it was given up shows that the path
//  reorders; the three then doubles. When nothing comes back for the timeout (RFC 6298), everything on the way counts
//  as lost.
//
//      segments   una ─▶ │ received │ lost │ on the way │ on the way │ ◀─ next    ring, from the oldest that is missing
//      sent              │ 41: seg 7 │ 42: seg 9 │ 43: seg 8 │                    ring of transmissions, oldest first
//
//  A line without rate or delay would let the clock of acknowledgements run at infinite speed, so the sender has a
//  network card: it sends at the card's rate, at most 16 frames at once.
//
//  Rejected.  CUBIC: its curve needs a cube root and differs little over the seconds that a simulation shows; and
//  selective acknowledgements, which the transmission number replaces, as nothing is acknowledged that did not come.
//
//  Always true.  `inFlight` is the number of segments on the way, and never more than the window when something is
//  sent.

public import Primitives

public final class FlowSender: Machine {
  public struct Counters: Equatable, Sendable {
    public var transmissions: UInt64 = 0
    public var retransmissions: UInt64 = 0
    public var timeouts: UInt64 = 0
    /// How often the window shrank because something was lost.
    public var reductions: UInt64 = 0

    public init() {}
  }

  private struct Transmission: BitwiseCopyable {
    var segment: UInt64
    var at: UInt64
  }

  private struct Segment: BitwiseCopyable {
    var lastTransmission: UInt64
    var state: State
  }

  private enum State: UInt8, BitwiseCopyable {
    case onTheWay, lost, received
  }

  /// 95 MB: what 10 Gbit/s hold in 76 ms. More would only lengthen the queue of a path that drops nothing.
  static let largestWindow = 65_536
  /// Of RFC 6928.
  private static let firstWindow = 10.0
  private static let leastTimeout: Int64 = 200_000_000
  /// TCP waits for up to two minutes; whoever simulates ten seconds wants to see that a line came back.
  private static let longestTimeout: Int64 = 1_000_000_000
  private static let mostReordering: UInt64 = 300
  private static let cardBurst: UInt64 = 16

  public private(set) var counters = Counters()

  private let start: UInt64
  private let length: Int
  /// How long the card needs for one frame.
  private let frameTime: UInt64

  private var clock: UInt64 = 0
  private var cardFree: UInt64 = 0
  private var isHeldByCard = false
  private var isHeldByWindow = false

  private var unacknowledged: UInt64 = 0
  private var segments = RingBuffer<Segment>()
  private var firstSent: UInt64 = 0
  private var sent = RingBuffer<Transmission>()
  private var lost = RingBuffer<UInt64>()
  private var inFlight = 0

  private var window = FlowSender.firstWindow
  private var threshold = Double(FlowSender.largestWindow)
  private var highestArrived: UInt64 = 0
  private var reordering: UInt64 = 3
  /// Losses among transmissions before this one belong to a shrinking that was already done.
  private var recoveryEnd: UInt64 = 0
  /// The same for a timeout, after which late arrivals say nothing about reordering.
  private var timeoutEnd: UInt64 = 0

  private var smoothed: Int64 = 0
  private var variation: Int64 = 0
  private var timeout: Int64 = 1_000_000_000
  private var backoff: Int64 = 1
  private var lastProgress: UInt64 = 0

  /// `segment` is the payload of one segment, `card` the rate at which the sending machine could send if the path let
  /// it.
  public init(startingAt start: Instant, segment: ByteCount, card: BitRate) {
    precondition(segment.value > 0, "a segment carries something")
    self.start = start.nanoseconds
    length = TrafficDatagram.headerLength + segment.value
    let frame = ByteCount(length) + World.overhead(isIPv6: false)
    frameTime = UInt64(max(1, card.time(toSend: frame).nanoseconds))
  }

  // MARK: Inputs

  public func receive(_ datagram: Span<UInt8>, from port: Int, at now: Instant) {
    clock = now.nanoseconds
    guard let answer = TrafficDatagram(datagram), answer.kind == .acknowledgement else { return }
    let next = unacknowledged + UInt64(segments.count)
    if answer.first > next || answer.second >= firstSent + UInt64(sent.count) { return }

    let wasFull = isHeldByWindow
    var arrived = acknowledge(upTo: answer.first)
    arrived += noteArrival(of: answer.second)
    if arrived > 0 {
      lastProgress = clock
      backoff = 1
    }
    findLosses()
    if arrived > 0 && wasFull && highestArrived >= recoveryEnd { grow(by: arrived) }
  }

  public func expire(at now: Instant) {
    clock = now.nanoseconds
    if isWaiting && clock >= timer { giveUpAll() }
  }

  // MARK: Outputs

  public func nextTransmission(into datagram: inout OutputSpan<UInt8>) -> Int? {
    isHeldByCard = false
    isHeldByWindow = false
    if clock < start { return nil }
    if inFlight >= Int(window) {
      isHeldByWindow = true
      return nil
    }
    cardFree = max(cardFree, clock)
    if cardFree >= clock + FlowSender.cardBurst * frameTime {
      isHeldByCard = true
      return nil
    }
    guard let segment = nextSegment() else { return nil }
    let number = firstSent + UInt64(sent.count)
    if !isWaiting { lastProgress = clock }
    sent.append(Transmission(segment: segment, at: clock))
    segments[Int(segment - unacknowledged)] = Segment(lastTransmission: number, state: .onTheWay)
    inFlight += 1
    cardFree += frameTime
    counters.transmissions += 1
    TrafficDatagram(.segment, segment, number).write(into: &datagram, length: length)
    return 0
  }

  public var deadline: Instant? {
    if clock < start { return Instant(nanoseconds: start) }
    var earliest = isWaiting ? timer : UInt64.max
    if isHeldByCard { earliest = min(earliest, cardFree - FlowSender.cardBurst / 2 * frameTime) }
    return earliest == .max ? nil : Instant(nanoseconds: earliest)
  }

  // MARK: What arrived, what did not

  /// Everything before this segment arrived. Returns how many of them we did not know of.
  private func acknowledge(upTo segment: UInt64) -> Int {
    var arrived = 0
    while unacknowledged < segment, let oldest = segments.popFirst() {
      unacknowledged += 1
      if oldest.state != .received { arrived += 1 }
      if oldest.state == .onTheWay { inFlight -= 1 }
    }
    return arrived
  }

  /// This transmission arrived. Returns 1 when we did not know that its segment had.
  private func noteArrival(of number: UInt64) -> Int {
    guard number >= firstSent else {
      // It was given up, and still came: others overtook it.
      if number >= timeoutEnd { reordering = min(FlowSender.mostReordering, reordering * 2) }
      return 0
    }
    let transmission = sent[Int(number - firstSent)]
    measure(Int64(clock - transmission.at))
    highestArrived = max(highestArrived, number)
    if transmission.segment < unacknowledged { return 0 }
    let place = Int(transmission.segment - unacknowledged)
    let segment = segments[place]
    if segment.state == .received { return 0 }
    if segment.state == .onTheWay { inFlight -= 1 }
    segments[place].state = .received
    return 1
  }

  /// What was sent long enough before the last arrival and is still missing is lost.
  private func findLosses() {
    while firstSent + reordering <= highestArrived, let oldest = sent.popFirst() {
      let number = firstSent
      firstSent += 1
      if oldest.segment < unacknowledged { continue }
      let place = Int(oldest.segment - unacknowledged)
      let segment = segments[place]
      if segment.state != .onTheWay || segment.lastTransmission != number { continue }
      segments[place].state = .lost
      lost.append(oldest.segment)
      inFlight -= 1
      if number >= recoveryEnd { shrink() }
    }
  }

  private func giveUpAll() {
    counters.timeouts += 1
    lost.removeAll()
    for place in 0..<segments.count where segments[place].state != .received {
      segments[place].state = .lost
      lost.append(unacknowledged + UInt64(place))
    }
    // Once for each silence (RFC 5681): a line that was down for long must not look like one that carries nothing.
    if backoff == 1 { threshold = max(2, window * 0.7) }
    window = 1
    inFlight = 0
    firstSent += UInt64(sent.count)
    sent.removeAll()
    recoveryEnd = firstSent
    timeoutEnd = firstSent
    lastProgress = clock
    backoff = min(backoff * 2, 64)
  }

  // MARK: The window

  private func shrink() {
    counters.reductions += 1
    window = max(2, window * 0.7)
    threshold = window
    recoveryEnd = firstSent + UInt64(sent.count)
  }

  private func grow(by arrived: Int) {
    if window < threshold {
      window += Double(arrived)
    } else {
      window += Double(arrived) / window
    }
    window = min(window, Double(FlowSender.largestWindow))
  }

  private func nextSegment() -> UInt64? {
    while let segment = lost.popFirst() {
      // It may have been acknowledged while it waited here.
      if segment < unacknowledged || segments[Int(segment - unacknowledged)].state != .lost { continue }
      counters.retransmissions += 1
      return segment
    }
    if segments.count >= FlowSender.largestWindow { return nil }
    segments.append(Segment(lastTransmission: 0, state: .lost))
    return unacknowledged + UInt64(segments.count) - 1
  }

  // MARK: Time

  private var isWaiting: Bool { inFlight > 0 || !lost.isEmpty }

  private var timer: UInt64 {
    lastProgress + UInt64(min(max(FlowSender.longestTimeout, timeout), timeout * backoff))
  }

  /// RFC 6298.
  private func measure(_ sample: Int64) {
    if smoothed == 0 {
      smoothed = sample
      variation = sample / 2
    } else {
      variation += (abs(smoothed - sample) - variation) / 4
      smoothed += (sample - smoothed) / 8
    }
    timeout = max(FlowSender.leastTimeout, smoothed + 4 * variation)
  }
}
