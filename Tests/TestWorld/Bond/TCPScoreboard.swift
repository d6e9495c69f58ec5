//  TCPScoreboard.swift — what an acknowledgement says about the segments of a TCP stream.
//
//  Ranges behind a hole are named again and again, so only what the last acknowledgement did not name is looked at:
//  else a long hole would cost the square of its length. A segment counts as arrived when all of it did.
//
//      last    ├──── named ────┤
//      now     ├──── known ────┼── new ──┤      segments that lie in [now], and touch [new], are looked at

import Primitives

extension TCPSender {
  /// A range that came twice is named first (RFC 2883).
  mutating func noteDuplicate(_ packet: TCPPacket) -> Bool {
    guard packet.blocks.count > 0 else { return false }
    let range = packet.blocks[0]
    let isInside =
      packet.blocks.count > 1 && packet.blocks[1].lowerBound <= range.lowerBound
      && packet.blocks[1].upperBound >= range.upperBound
    guard range.upperBound <= packet.acknowledged || isInside else { return false }
    losses.sawDuplicate = true
    losses.hasDisorder = true
    if let count = losses.unconfirmed, count > 0 {
      losses.unconfirmed = max(0, count - (range.count + segmentLength - 1) / segmentLength)
    }
    return true
  }

  /// Segments that lie wholly in a range have arrived. What the last acknowledgement named is known.
  mutating func mark(_ range: Range<Int>, _ news: inout News) {
    var place = range.lowerBound
    while place < range.upperBound {
      var end = range.upperBound
      var skip: Int?
      for index in 0..<blocks.count {
        let known = blocks[index]
        if known.contains(place) {
          skip = max(skip ?? 0, known.upperBound)
        } else if known.lowerBound > place {
          end = min(end, known.lowerBound)
        }
      }
      if let skip {
        place = skip
        continue
      }
      // One that is half in a known range was not marked with it.
      let length = segmentLength
      let lower = max(range.lowerBound, place - length)
      let upper = min(range.upperBound, end + length)
      markSegments((lower + length - 1) / length..<max((lower + length - 1) / length, upper / length), &news)
      place = end
    }
  }

  private mutating func markSegments(_ range: Range<Int>, _ news: inout News) {
    for number in max(first, range.lowerBound)..<max(max(first, range.lowerBound), min(next, range.upperBound)) {
      let segment = segments[number - first]
      if segment.state == .sacked { continue }
      if !segment.wasRepeated {
        if number < highestSacked { noteDisorder(from: number) }
        if news.firstSacked == nil { news.firstSacked = segment.sentAt }
        news.lastSacked = segment.sentAt
      }
      leave(segment)
      segments[number - first].state = .sacked
      sackedCount += 1
      news.sacked += 1
      news.delivered += 1
      arrived(segment)
      highestSacked = max(highestSacked, number + 1)
    }
  }

  mutating func advance(to place: Int, sackedBefore: Int, _ news: inout News) {
    if place <= acknowledged { return }
    acknowledged = place
    news.hasAdvanced = true
    while first < place / segmentLength, let segment = segments.popFirst() {
      first += 1
      if segment.wasRepeated { news.hasRepeated = true }
      if segment.state == .sacked {
        sackedCount -= 1
        continue
      }
      if !segment.wasRepeated {
        if first <= sackedBefore { noteDisorder(from: first - 1) }
        if news.firstAcknowledged == nil { news.firstAcknowledged = segment.sentAt }
        news.lastAcknowledged = segment.sentAt
      }
      leave(segment)
      news.delivered += 1
      arrived(segment)
    }
    highestSacked = max(highestSacked, first)
    while let oldest = sent.first, oldest.segment < first {
      sent.removeFirst()
      firstSent += 1
    }
  }

  /// It is not on the way any more, or not lost.
  private mutating func leave(_ segment: Segment) {
    switch segment.state {
    case .onTheWay: inFlight -= 1
    case .lost: lostCount -= 1
    case .sacked: break
    }
  }

  private mutating func noteDisorder(from segment: Int) {
    losses.hasDisorder = true
    losses.reordering = min(300, max(losses.reordering, highestSacked - segment))
  }

  private mutating func arrived(_ segment: Segment) {
    let roundTrip = clock - segment.sentAt
    // Sooner than possible: it was the original that arrived.
    if segment.wasRepeated && roundTrip < leastRoundTrip { return }
    losses.roundTrip = roundTrip
    if segment.transmission >= losses.newest ?? 0 {
      losses.newest = segment.transmission
      losses.newestSentAt = segment.sentAt
    }
  }

  /// Checks what is always true; for tests, O(n). A sentence when something is not.
  func complaint() -> String? {
    var counts = (onTheWay: 0, lost: 0, sacked: 0)
    for place in 0..<segments.count {
      switch segments[place].state {
      case .onTheWay: counts.onTheWay += 1
      case .lost: counts.lost += 1
      case .sacked: counts.sacked += 1
      }
      if segments[place].transmission >= firstSent + UInt64(sent.count) { return "a segment that was never sent" }
    }
    if counts.onTheWay != inFlight { return "\(inFlight) segments on the way, and \(counts.onTheWay) marked so" }
    if counts.lost != lostCount { return "\(lostCount) segments lost, and \(counts.lost) marked so" }
    if counts.sacked != sackedCount { return "\(sackedCount) segments sacked, and \(counts.sacked) marked so" }
    if acknowledged / segmentLength != first { return "a segment is owed that was acknowledged" }
    if lost.count < lostCount { return "a lost segment that nobody will send again" }
    if !segments.isEmpty && deadline == nil { return "segments are owed, and no timer runs" }
    return nil
  }
}
