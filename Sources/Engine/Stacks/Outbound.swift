//  Outbound.swift — a segment leaves: cut into parts, each part into datagrams, each sealed on its way into a batch.
//
//  The only copy that we make of a user's byte on the way out is the one that seals it: `SealingKey.seal` reads the
//  buffer that the virtual NIC was read into and writes the batch that the kernel sends. Where a datagram spans two
//  packets, or starts with a resume record, its text is gathered in the batch first and sealed in place: one datagram
//  of a part.
//
//      draft    │ packet 0 ··················· │ packet 1 ··········· │ packet 2 ···· │
//      parts    │ path A ·············│ path B ······················│ path A ········│     Striper, then `cut(near:)`
//      texts    │1428│1428│1428│1428│r│1424│1428│1428│1428│1428│1428│r│1424│1428│ 600 │     r: resume record
//
//  Always true.  (1) A path's counter never repeats: it goes up by one with every datagram, over all keys. (2) A part
//  begins with a packet or with a resume record.

import Packets
import Primitives
import Sealing
import Striper
import Wire

extension Engine {
  /// How many batches a segment may need at most: each path may have to end the one that is open and may end with one
  /// that is half full, and between there are full ones, of 64 datagrams of half the usual length in the worst case.
  static func batches(for length: Int, paths: Int) -> Int { 2 * paths + length / 30_000 + 1 }

  /// Sends the draft as the next segment of a lane. The caller has made sure that batches are free and the peer has a
  /// session.
  mutating func sendDraft(to index: Int, lane: UInt16, pinned: UInt8?, at now: Instant) {
    guard let slot = peers[index].current else { return }
    let session = sessions[slot].sending
    let segment = peers[index].nextSegment(of: lane)
    let location = Location(
      lane: lane, flags: draft.needsChecksum ? .needsChecksum : [], segment: segment, length: UInt32(draft.length),
      offset: 0, segmentSize: draft.segmentSize)
    peers[index].sent.packets += UInt64(draft.count)
    peers[index].sent.bytes += UInt64(draft.length)

    if let pinned {
      return sealPart(0..<draft.length, of: location, on: Int(pinned), of: index, session, at: now)
    }
    // Whole packets, but of a super-packet any range can be delivered.
    let granularity = draft.segmentSize == 0 ? max(1, draft.commonLength) : 1
    peers[index].striper.split(draft.length, granularity: granularity, resume: draft.resumeLength)
    var start = 0
    while let part = peers[index].striper.nextPart() {
      let end = draft.cut(near: part.range.upperBound, after: start)
      if end <= start { continue }
      sealPart(start..<end, of: location, on: Int(part.path), of: index, session, at: now)
      peers[index].striper.committed(end - start, on: Int(part.path))
      start = end
    }
    // It leaves at once, whatever a path can carry: what counts is who had more than his share.
    peers[index].striper.settle()
  }

  /// Seals one contiguous range into datagrams on one path.
  private mutating func sealPart(
    _ range: Range<Int>, of segment: Location, on slot: Int, of index: Int, _ session: SendingSession, at now: Instant
  ) {
    let peerPath = peers[index].paths + slot
    let path = peerPath.pointee.id
    var location = segment
    var offset = range.lowerBound
    var resume = draft.record(at: offset)
    var payload = peerPath.pointee.payload
    // Whole packets where that costs nothing: then a lost datagram costs no packet that was not in it.
    if draft.commonLength > 0, draft.segmentSize == 0, draft.commonLength <= payload {
      payload -= payload % draft.commonLength
    }
    let isCongestionCapable = draft.isCongestionCapable
    var sealed = 0
    var datagrams: UInt64 = 0
    while offset < range.upperBound {
      let recordLength = resume?.record.length ?? 0
      let length = min(payload - recordLength, range.upperBound - offset)
      let text = recordLength + length
      guard
        let place = batches.reserve(
          DataHeader.overhead + text, on: peerPath, key: session.key,
          isCongestionCapable: isCongestionCapable)
      else { return counters.count(.noBatch) }
      location.offset = UInt32(offset)
      location.flags = segment.flags
      if resume != nil {
        location.flags.insert(.resumes)
      } else if draft.isBeginning(offset) {
        location.flags.insert(.begins)
      }
      let counter = peers[index].nextCounter(of: path)
      ClearHeader(path: path, receiver: session.remoteIndex, counter: counter).write(to: place)
      location.write(to: place + DataHeader.clearLength)
      let target = place + DataHeader.length
      let source: UnsafeRawPointer
      if let found = resume {
        found.record.write(to: target)
        (target + ResumeRecord.fixedLength).copyMemory(from: found.headers, byteCount: found.record.headerLength)
        draft.gather(offset, length, into: target + recordLength)
        source = UnsafeRawPointer(target)
        resume = nil
      } else if let contiguous = draft.contiguous(offset, length) {
        source = contiguous
      } else {
        draft.gather(offset, length, into: target)
        source = UnsafeRawPointer(target)
      }
      session.key.seal(session.key.context, path, counter, place, source, text, target)
      batches.finish()
      offset += length
      sealed += DataHeader.overhead + text
      datagrams += 1
    }
    notePathSent(slot, of: index, bytes: sealed, datagrams: datagrams, expectsAnswer: true, at: now)
    sessions.noteSealed(bytes: sealed, by: session)
  }

  /// One message between gateways, on one path.
  mutating func send(_ message: ControlMessage, on slot: Int, of index: Int, at now: Instant) {
    guard let current = peers[index].current else { return }
    send(message, on: slot, of: index, with: current, at: now)
  }

  mutating func send(_ message: ControlMessage, on slot: Int, of index: Int, with place: Int, at now: Instant) {
    guard batches.freeCount > 0 else { return counters.count(.noBatch) }
    let session = sessions[place].sending
    let length = DataHeader.overhead + ControlMessage.length
    // A batch is masked with one key, and what is open belongs to the current one.
    let isApart = place != peers[index].current
    if isApart { closeBatch(slot, of: index) }
    let peerPath = peers[index].paths + slot
    guard let room = batches.reserve(length, on: peerPath, key: session.key, isCongestionCapable: false) else {
      return counters.count(.noBatch)
    }
    let path = peerPath.pointee.id
    let counter = peers[index].nextCounter(of: path)
    ClearHeader(path: path, receiver: session.remoteIndex, counter: counter).write(to: room)
    Location(lane: 0, flags: .control, segment: 0, length: 0, offset: 0, segmentSize: 0)
      .write(to: room + DataHeader.clearLength)
    let target = room + DataHeader.length
    message.write(to: target)
    session.key.seal(session.key.context, path, counter, room, target, ControlMessage.length, target)
    batches.finish()
    if isApart { closeBatch(slot, of: index) }
    // An answer expects no answer: else two idle gateways would keep each other awake.
    notePathSent(slot, of: index, bytes: length, datagrams: 1, expectsAnswer: message.kind == .ping, at: now)
  }

  private mutating func notePathSent(
    _ slot: Int, of index: Int, bytes: Int, datagrams: UInt64, expectsAnswer: Bool, at now: Instant
  ) {
    peers[index].paths[slot].sent.bytes += UInt64(bytes)
    peers[index].paths[slot].sent.datagrams += datagrams
    noteOpenBatch(slot, of: index)
    if expectsAnswer && peers[index].paths[slot].liveness.sent(at: now) { peerDeadlineChanged(index, at: now) }
  }
}
