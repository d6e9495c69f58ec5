//  TCPReceiver.swift — the end of a TCP stream at which bytes arrive: puts them in order, and acknowledges.
//
//  Why.  How often and how soon a receiver answers is half of what a sender sees of a path. So this one answers as
//  Linux does: at once when more than one full segment is new, when something is missing or came twice, and for the
//  first sixteen segments of a connection; else after 40 ms.
//
//  How.  What came behind a hole is a list of ranges in order of place. Selective acknowledgements name the range that
//  grew last first, then those named before; what came twice is named in front (RFC 2883). A time is echoed that
//  belongs to the first segment that an acknowledgement covers (RFC 7323), so it tells which of two copies arrived.
//
//  The window begins with 64 KiB and is opened to twice of what the application took in a round trip, and more while
//  that still grows, up to `mostWindow`. The application takes everything at once.
//
//  Left out.  Linux's compression of acknowledgements behind a hole (up to 1 ms), and memory: ranges behind a hole
//  cost nothing beyond their bytes.

import Primitives

struct TCPReceiver {
  struct Counters {
    var acknowledgements: UInt64 = 0
    /// Packets with nothing new in them.
    var duplicates: UInt64 = 0
    /// Packets that came behind a hole.
    var early: UInt64 = 0
  }

  /// Linux's default for what a socket may hold.
  static let mostWindow = 6 << 20
  private static let firstWindow = 65_536
  private static let delay: UInt64 = 40_000_000
  private static let quickAcknowledgements = 16

  private let segmentLength: Int
  private(set) var counters = Counters()
  /// All before this place was given to the application.
  private(set) var next = 0

  private var early: [Range<Int>] = []
  /// Beginnings of ranges, in the order in which they are named.
  private var recent: [Int] = []
  private var duplicate: Range<Int>?
  private var echo: UInt32 = 0
  private var lastAcknowledged = 0
  private var quick = TCPReceiver.quickAcknowledgements
  private var isDue = false
  private var due: UInt64?

  private var window = TCPReceiver.firstWindow
  private var roundTrip: UInt64 = 0
  private var measureStart: UInt64 = 0
  private var measuredFrom = 0
  private var takenInRoundTrip = 0

  init(segmentLength: Int) { self.segmentLength = segmentLength }

  /// A packet came; its content is right.
  mutating func receive(_ packet: TCPPacket, at now: Instant) {
    let clock = now.nanoseconds
    let range = packet.payload
    if range.lowerBound <= lastAcknowledged { echo = packet.time }
    if packet.echo != 0 {
      let sample = UInt64(TCPPacket.time(at: clock) &- packet.echo) * 1_000_000
      if roundTrip == 0 || sample < roundTrip { roundTrip = max(1_000_000, sample) }
    }
    if range.upperBound <= next {
      duplicate = range
      counters.duplicates += 1
      isDue = true
    } else if range.lowerBound > next {
      keep(range)
      counters.early += 1
      isDue = true
    } else {
      next = range.upperBound
      if !early.isEmpty {
        isDue = true
        while let first = early.first, first.lowerBound <= next {
          next = max(next, first.upperBound)
          early.removeFirst()
        }
        recent.removeAll { $0 <= next }
      }
      if quick > 0 || next - lastAcknowledged > segmentLength { isDue = true }
      if due == nil { due = clock + TCPReceiver.delay }
      openWindow(at: clock)
    }
  }

  /// A range behind a hole, joined with those that it touches.
  private mutating func keep(_ range: Range<Int>) {
    let low = firstEarly(endingAtOrBehind: range.lowerBound)
    var lower = range.lowerBound
    var upper = range.upperBound
    var end = low
    while end < early.count, early[end].lowerBound <= upper {
      if early[end].lowerBound <= range.lowerBound && early[end].upperBound >= range.upperBound {
        duplicate = range
        counters.duplicates += 1
      }
      lower = min(lower, early[end].lowerBound)
      upper = max(upper, early[end].upperBound)
      end += 1
    }
    early.replaceSubrange(low..<end, with: CollectionOfOne(lower..<upper))
    recent.removeAll { $0 >= lower && $0 < upper }
    recent.insert(lower, at: 0)
    if recent.count > 4 { recent.removeLast() }
  }

  private func firstEarly(endingAtOrBehind place: Int) -> Int {
    var low = 0
    var high = early.count
    while low < high {
      let middle = (low + high) / 2
      if early[middle].upperBound < place { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// As much as came in the last round trip will come in the next; and as much more as it grew.
  private mutating func openWindow(at clock: UInt64) {
    if measureStart == 0 {
      measureStart = clock
      measuredFrom = next
    }
    if roundTrip == 0 || clock - measureStart < roundTrip { return }
    let taken = next - measuredFrom
    if taken > takenInRoundTrip {
      var wanted = 2 * taken + 16 * segmentLength
      if takenInRoundTrip > 0 { wanted += wanted * (taken - takenInRoundTrip) / takenInRoundTrip * 2 }
      window = max(window, min(wanted, TCPReceiver.mostWindow))
      takenInRoundTrip = taken
    }
    measureStart = clock
    measuredFrom = next
  }

  var deadline: Instant? { due.map { Instant(nanoseconds: $0) } }

  mutating func expire(at now: Instant) {
    guard let due, due <= now.nanoseconds else { return }
    isDue = true
    self.due = nil
  }

  /// An acknowledgement that is due now.
  mutating func nextAcknowledgement(at now: Instant) -> TCPPacket? {
    if !isDue { return nil }
    isDue = false
    due = nil
    quick = max(0, quick - 1)
    counters.acknowledgements += 1
    lastAcknowledged = next
    var packet = TCPPacket()
    packet.acknowledged = next
    packet.window = window
    packet.time = TCPPacket.time(at: now.nanoseconds)
    packet.echo = echo
    if let range = duplicate { packet.blocks.append(range) }
    duplicate = nil
    for lower in recent {
      let place = firstEarly(endingAtOrBehind: lower + 1)
      if place < early.count { packet.blocks.append(early[place]) }
    }
    return packet
  }
}
