//  Trying.swift — what a path can do that nobody knows yet, found out without anybody waiting for it.
//
//  Why.  A path's rate shows only when the path is full. To cut segments for one that is believed to be slow or far,
//  just to learn whether it is, costs every byte of the bond the delay of that path, for as long as it takes: and as
//  long as the others carry all that there is, it takes for ever.
//
//  How.  As long as a path is unknown, and what is believed of it makes it not worth waiting for (`Worth`), it carries
//  copies of what others carry. Only while packets wait behind those others, since before that nobody needs it:
//
//      fibre      │ 7 ················· │ 8 ················· │ 9 ·········     carries all of it
//      satellite  │ 7 ······│             │ 8 ···············│                  the beginning of each, as much as the
//                                                                               window and the pace allow this moment
//
//  Its controller learns from copies what it learns from anything. What arrives first counts, so a path that turns out
//  to be quick helps at once; when it is known, it is worth it or it is not, and the copies end. They end as well when
//  the path was not full after some seconds, since there is not more to copy: then what was found is all that is known
//  for a minute, and longer each time.
//
//  Rejected.  Padding (costs the same, and helps nobody); whole segments (a copy that waits for its path would hold its
//  buffers, and in the end those of all others); to believe the rate that an operator named (he may not have).
//
//  Always true.  (1) A copy is sent at once or not at all. (2) It is never repaired, and its loss changes nothing; what
//  was lost of the other is repaired whatever became of the copy.

import PathHealth
import Primitives
import Striper

extension Engine {
  /// A path that takes a copy of a segment that is committed now; nil, nearly always: all are known, or have no room.
  @inline(__always)
  mutating func pathToTry(of index: Int, at now: Instant) -> (place: Int, room: Int)? {
    if peers[index].trials == 0 || queues.waiting == 0 { return nil }
    return roomToTry(index, at: now)
  }

  @inline(never)
  private mutating func roomToTry(_ index: Int, at now: Instant) -> (place: Int, room: Int)? {
    for place in (peers[index].trials & peers[index].carrying).places {
      let path = peers[index].paths + place
      let belief = peers[index].beliefs + place
      guard path.pointee.waitingBytes == 0, parts.freeCount > PeerPath.mostPaths else { continue }
      let window = belief.pointee.controller.window - belief.pointee.log.inFlight
      let room = min(window, belief.pointee.pacer.room(at: now))
      if room >= path.pointee.payload { return (place, room) }
    }
    return nil
  }

  /// The segment that was committed last goes over this path as well, as much of it as there is room for.
  @inline(never)
  mutating func tryCopy(over trial: (place: Int, room: Int), of index: Int, at now: Instant) {
    guard let drafted, let shipment = shipments[drafted] else { return }
    peers[index].beliefs[trial.place].tried(at: now)
    let payload = peers[index].paths[trial.place].payload
    let bytes = min(Int(shipment.pointee.length), trial.room / payload * payload)
    shipments.tryCopy(drafted, bytes: bytes)
    counters.count(.tried)
    var part = WaitingPart(shipment: drafted, lower: 0, upper: UInt32(bytes))
    part.kind = WaitingPart.secondCopy
    wait(part, for: trial.place, of: index, as: .bulk)
  }
}
