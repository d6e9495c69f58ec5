//  Outbound.swift — a segment leaves: cut into parts when it gets its number, each part sealed datagram by datagram
//  when its path may send, and what is lost of it sent again.
//
//      run ─▶ commit: number, parts ─▶ wait for their paths ─▶ transmit: window, pace ─▶ seal ─▶ batch, log
//                                         ▲    ▲                                                  │
//                      redirect: the path ┘    └─ repair: over the one that lands first ◀── settle: lost
//                      carries no more
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
import PathHealth
import Primitives
import Sealing
import Striper
import Wire

extension Engine {
  /// How many batches a segment may need at most: each path may have to end the one that is open and may end with one
  /// that is half full, and between there are full ones, of 64 datagrams of half the usual length in the worst case.
  static func batches(for length: Int, paths: Int) -> Int { 2 * paths + length / 30_000 + 1 }

  /// What is urgent may be in flight beyond the window, which downloads and repairs fill: a call does not wait for a
  /// report. Ten calls are 100 kB a second, and a report comes within a fifth of one, or the path rests.
  static let mostUrgentBeyond = 16 * 1_428

  // MARK: Commit

  /// A run of packets gets its number and is cut; its parts wait for their paths. False when there is no room for it.
  mutating func commit(
    _ run: FlowQueues.Run, to index: Int, lane: UInt16, pinned: UInt8?, isUrgent: Bool, at now: Instant
  ) {
    let number = begin(run, to: index, lane: lane, isUrgent: isUrgent, at: now)
    if let pinned {
      return waitPinned(number, for: Int(pinned), of: index, isUrgent: isUrgent)
    }
    // Whole packets, but of a super-packet any range can be delivered.
    let granularity = draft.segmentSize == 0 ? max(1, draft.commonLength) : 1
    peers[index].striper.split(draft.length, granularity: granularity, resume: draft.resumeLength)
    var start = 0
    while let part = peers[index].striper.nextPart() {
      let end = draft.cut(near: part.range.upperBound, after: start)
      if end <= start { continue }
      wait(number, start..<end, for: Int(part.path), of: index, isUrgent: isUrgent)
      start = end
    }
  }

  /// A run of packets gets its number.
  @inline(__always)
  mutating func begin(
    _ run: FlowQueues.Run, to index: Int, lane: UInt16, copies: Int = 1, isUrgent: Bool, at now: Instant
  ) -> UInt32 {
    guard
      let (number, made) = shipments.begin(run, peer: index, lane: lane, copies: copies, isUrgent: isUrgent, at: now)
    else { preconditionFailure("a run is taken only while there is room for it") }
    draft = made
    drafted = number
    shipments[number]?.pointee.segment = peers[index].nextSegment(of: lane)
    peers[index].sent.packets += UInt64(draft.count)
    peers[index].sent.bytes += UInt64(draft.length)
    return number
  }

  @inline(__always)
  private mutating func wait(_ number: UInt32, _ range: Range<Int>, for place: Int, of index: Int, isUrgent: Bool) {
    wait(
      WaitingPart(shipment: number, lower: UInt32(range.lowerBound), upper: UInt32(range.upperBound)), for: place,
      of: index, as: isUrgent ? .urgent : .bulk)
  }

  /// For this path and no other, as long as it carries anything.
  private mutating func waitPinned(_ number: UInt32, for place: Int, of index: Int, isUrgent: Bool) {
    shipments[number]?.pointee.isPinned = true
    wait(number, 0..<draft.length, for: place, of: index, isUrgent: isUrgent)
  }

  mutating func wait(_ part: WaitingPart, for place: Int, of index: Int, as precedence: Striper.Precedence) {
    let path = peers[index].paths + place
    parts.append(part, to: &path.pointee[precedence])
    peers[index].loaded |= 1 << UInt32(place)
    if peers[index].striped & 1 << UInt32(place) != 0 {
      peers[index].striper.committed(part.count, on: place, as: precedence)
    }
  }

  // MARK: Send

  /// Seals what waits for the paths of a peer, as far as there are batches.
  mutating func transmit(to index: Int, at now: Instant) {
    guard let current = peers[index].current else { return }
    let session = sessions[current].sending
    var loaded = peers[index].loaded
    while loaded != 0 {
      let place = loaded.trailingZeroBitCount
      loaded &= loaded &- 1
      transmit(over: place, of: index, session, at: now)
    }
    noteLoaded(index)
  }

  private mutating func transmit(over place: Int, of index: Int, _ session: SendingSession, at now: Instant) {
    let path = peers[index].paths + place
    let belief = peers[index].beliefs + place
    belief.pointee.isPaced = false
    while true {
      guard let precedence = path.pointee.precedence, let part = parts.first(of: path.pointee[precedence]) else {
        break
      }
      guard let shipment = shipments[part.shipment] else { preconditionFailure("what waits of a segment keeps it") }
      if drafted != part.shipment {
        draft = shipments.draft(of: shipment.pointee)
        drafted = part.shipment
      }
      // Nobody waits for it any more.
      if precedence == .again && now - shipment.pointee.since >= Engine.mostPatience {
        discard(part, of: place, index, as: precedence)
        counters.count(.unrepaired)
        continue
      }
      // A report opens the window; the pacer opens by itself.
      var window = belief.pointee.controller.window - belief.pointee.log.inFlight
      if precedence == .urgent { window += Engine.mostUrgentBeyond }
      let paced = window > 0 ? belief.pointee.pacer.room(at: now) : 0
      // A copy that tries a path does not wait for it.
      if paced == 0 && part.copy > 0 && shipment.pointee.isTried {
        discard(part, of: place, index, as: precedence)
        continue
      }
      if window <= 0 { return }
      if paced == 0 {
        belief.pointee.isPaced = true
        return peerDeadlineChanged(index, at: now)
      }
      let room = min(window, paced)
      let bytes =
        part.kind == 0
        ? seal(part, shipment.pointee, on: place, of: index, session, most: room, at: now)
        : sealProtected(part, shipment.pointee, on: place, of: index, session, most: room, at: now)
      if bytes == 0 { return }
      if peers[index].striped & 1 << UInt32(place) != 0 {
        peers[index].striper.sent(bytes, on: place, as: precedence)
      }
      parts.take(bytes, from: &path.pointee[precedence])
      // Small packets move: what was known of their places is void.
      if Int(shipment.pointee.unsent) == bytes { drafted = nil }
      shipments.sent(part.shipment, bytes: bytes)
    }
    peers[index].loaded &= ~(1 << UInt32(place))
  }

  /// Seals a part into datagrams, from its beginning. Returns how many of its bytes there was room for.
  mutating func seal(
    _ part: WaitingPart, _ shipment: Shipment, on place: Int, of index: Int, _ session: SendingSession, most: Int,
    at now: Instant
  ) -> Int {
    let peerPath = peers[index].paths + place
    let path = peerPath.pointee.id
    var location = Location(
      lane: shipment.lane, segment: shipment.segment, length: shipment.length, offset: 0,
      segmentSize: shipment.segmentSize)
    let flags: Location.Flags = shipment.needsChecksum ? .needsChecksum : []
    var offset = Int(part.lower)
    let end = Int(part.upper)
    var resume = part.isWhole ? draft.record(at: offset) : nil
    var payload = peerPath.pointee.payload
    // Whole packets where that costs nothing: then a lost datagram costs no packet that was not in it.
    if draft.commonLength > 0, draft.segmentSize == 0, draft.commonLength <= payload {
      payload -= payload % draft.commonLength
    }
    var sealed = 0
    var datagrams: UInt64 = 0
    var run = OpenRun(shipment: part.shipment, lower: offset, step: payload, record: resume?.record.length ?? 0)
    while offset < end && sealed < most {
      let recordLength = resume?.record.length ?? 0
      let length = min(payload - recordLength, end - offset)
      let text = recordLength + length
      guard
        let room = batches.reserve(
          DataHeader.overhead + text, on: peerPath, key: session.key,
          isCongestionCapable: shipment.isCongestionCapable)
      else { break }
      location.offset = UInt32(offset)
      location.flags = flags
      if resume != nil {
        location.flags.insert(.resumes)
      } else if draft.isBeginning(offset) {
        location.flags.insert(.begins)
      }
      let counter = peers[index].nextCounter(of: path)
      ClearHeader(path: path, receiver: session.remoteIndex, counter: counter).write(to: room)
      location.write(to: room + DataHeader.clearLength)
      let target = room + DataHeader.length
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
      session.key.seal(session.key.context, path, counter, room, source, text, target)
      batches.finish()
      offset += length
      sealed += DataHeader.overhead + text
      datagrams += 1
      run.add(counter, DataHeader.overhead + text)
      if run.count == PathLog.mostDatagrams { log(&run, upTo: offset, of: part, on: place, of: index, at: now) }
    }
    if datagrams == 0 { return 0 }
    if run.count > 0 { log(&run, upTo: offset, of: part, on: place, of: index, at: now) }
    let belief = peers[index].beliefs + place
    belief.pointee.pacer.spend(sealed, at: now)
    belief.pointee.controller.sent(bytes: sealed, inFlight: belief.pointee.log.inFlight, at: now)
    notePathSent(place, of: index, bytes: sealed, datagrams: datagrams, expectsAnswer: true, at: now)
    sizeCarried(place, of: index, at: now)
    sessions.noteSealed(bytes: sealed, by: session)
    return offset - Int(part.lower)
  }

  /// Datagrams that followed each other.
  struct OpenRun {
    let shipment: UInt32
    var lower: Int
    let step: Int
    var record: Int
    var first: UInt64 = 0
    var count = 0
    var bytes = 0
    var lastBytes = 0

    init(shipment: UInt32, lower: Int, step: Int, record: Int) {
      self.shipment = shipment
      self.lower = lower
      self.step = step
      self.record = record
    }

    @inline(__always)
    mutating func add(_ counter: UInt64, _ length: Int) {
      if count == 0 {
        first = counter
        bytes = length
      }
      count += 1
      lastBytes = length
    }
  }

  mutating func log(
    _ run: inout OpenRun, upTo end: Int, of part: WaitingPart, on place: Int, of index: Int, at now: Instant
  ) {
    let belief = peers[index].beliefs + place
    let path = peers[index].paths + place
    // Nothing else waits, for this path or for any.
    let isLast = path.pointee.waitingBytes == end - Int(part.lower)
    let wasQuiet = belief.pointee.log.deadline == nil
    let tag = cargoes.append(
      shipment: run.shipment, run.lower..<end, step: run.step, record: run.record, copy: part.copy)
    let logging = belief.pointee.log.sent(
      tag: tag, first: run.first, count: run.count, bytes: run.bytes, lastBytes: run.lastBytes,
      isAppLimited: isLast && queues.waiting == 0, in: &runs, at: now)
    switch logging {
    case .logged: break
    case .forgot(let tag, let datagrams): forget(datagrams, of: tag)
    case .unlogged: forget(run.shipment, copy: part.copy, bytes: end - run.lower)
    }
    run.count = 0
    run.lower = end
    run.record = 0
    if wasQuiet { peerDeadlineChanged(index, at: now) }
  }

  // MARK: What became of it

  /// Takes from a path's log what it has found out.
  mutating func settle(_ place: Int, of index: Int, at now: Instant) {
    let belief = peers[index].beliefs + place
    while let news = belief.pointee.log.nextSettled(in: &runs) {
      guard let cargo = cargoes[news.tag] else { continue }
      noteSizes(news, cargo, on: place, of: index, at: now)
      // What was held for lost was taken out of the books then.
      if news.outcome == .recovered { continue }
      let isLost = news.outcome == .lost && !shipments.hasOther(cargo.shipment, lost: cargo.copy)
      let isApart = isLost && !isCutAlike(cargo, news.datagrams, to: index)
      var first = news.datagrams.lowerBound
      while first < news.datagrams.upperBound {
        let end = isApart ? first + 1 : news.datagrams.upperBound
        let bytes = cargo.bytes(of: first..<end)
        first = end
        // Parity is nobody's bytes.
        if bytes.isEmpty { continue }
        if isLost && repair(bytes, of: cargo, to: index, at: now) { continue }
        shipments.settle(cargo.shipment, bytes: bytes.count)
      }
    }
    sizesNoted(place, of: index, at: now)
  }

  /// What was lost is sent again over the path that lands first, as long as somebody waits for it. False: it is given
  /// up.
  private mutating func repair(_ bytes: Range<UInt32>, of cargo: Cargo, to index: Int, at now: Instant) -> Bool {
    let precedence: Striper.Precedence = shipments[cargo.shipment]?.pointee.isUrgent == true ? .urgent : .again
    guard let shipment = shipments[cargo.shipment], now - shipment.pointee.since < Engine.mostPatience,
      parts.freeCount > 0, let place = path(for: bytes.count, as: precedence, of: index)
    else {
      counters.count(.unrepaired)
      peers[index].steering?.pointee.noteGivenUp(at: now)
      return false
    }
    counters.count(.repaired)
    shipment.pointee.unsent += UInt32(bytes.count)
    var part = WaitingPart(shipment: cargo.shipment, lower: bytes.lowerBound, upper: bytes.upperBound)
    part.isWhole = false
    part.kind = cargo.copy << 7
    wait(part, for: place, of: index, as: precedence)
    noteLoaded(index)
    return true
  }

  /// Where something that was on another path lands first. Not over a path that nobody knows, as what is believed of
  /// one may be a hundred times what it carries; unless all that are known are so slow that nobody waits for it.
  mutating func path(for bytes: Int, as precedence: Striper.Precedence, of index: Int) -> Int? {
    let proven = peers[index].proven & peers[index].carrying
    if proven != 0, let known = peers[index].striper.single(bytes, as: precedence, among: proven),
      let landing = peers[index].striper.arrival(of: bytes, on: Int(known), as: precedence),
      landing < Engine.mostPatience
    {
      return Int(known)
    }
    return peers[index].striper.single(bytes, as: precedence, among: peers[index].carrying).map { Int($0) }
  }

  mutating func noteLoaded(_ index: Int) {
    if peers[index].loaded == 0 || peers[index].isListed { return }
    peers[index].isListed = true
    loadedPeers.append(UInt32(index))
  }

  /// Nobody will ever say what became of these datagrams.
  private mutating func forget(_ datagrams: UInt64, of tag: UInt32) {
    guard let cargo = cargoes[tag] else { return }
    var left = datagrams
    while left != 0 {
      let datagram = left.trailingZeroBitCount
      left &= left &- 1
      forget(cargo.shipment, copy: cargo.copy, bytes: cargo.bytes(of: datagram..<datagram + 1).count)
    }
  }

  /// What may be lost is no reason not to repair the other copy.
  private mutating func forget(_ number: UInt32, copy: UInt8, bytes: Int) {
    if bytes == 0 { return }
    _ = shipments.hasOther(number, lost: copy)
    shipments.settle(number, bytes: bytes)
  }

  /// Nothing that was sent on a path will be reported any more.
  mutating func abandon(_ place: Int, of index: Int, at now: Instant) {
    let belief = peers[index].beliefs + place
    settle(place, of: index, at: now)
    belief.pointee.log.abandonAll(in: &runs)
    settle(place, of: index, at: now)
    belief.pointee.log.close(in: &runs)
  }

  /// The same when nobody waits for it any more.
  mutating func disown(_ place: Int, of index: Int) {
    let belief = peers[index].beliefs + place
    belief.pointee.log.abandonAll(in: &runs)
    while let news = belief.pointee.log.nextSettled(in: &runs) {
      guard news.outcome != .recovered, let cargo = cargoes[news.tag] else { continue }
      shipments.settle(cargo.shipment, bytes: cargo.bytes(of: news.datagrams).count)
    }
    belief.pointee.log.close(in: &runs)
  }

  /// One message between gateways, on one path.
  mutating func send(_ message: ControlMessage, on slot: Int, of index: Int, at now: Instant) {
    guard let current = peers[index].current else { return }
    send(message, on: slot, of: index, with: current, at: now)
  }

  mutating func send(_ message: ControlMessage, on slot: Int, of index: Int, with place: Int, at now: Instant) {
    withUnsafeTemporaryAllocation(byteCount: ControlMessage.length, alignment: 8) { text in
      guard let start = text.baseAddress else { return }
      message.write(to: start)
      // An answer expects no answer: else two idle gateways would keep each other awake.
      sendControl(
        UnsafeRawBufferPointer(text), on: slot, of: index, with: place, expectsAnswer: message.kind == .ping, at: now)
    }
  }

  mutating func sendControl(_ text: UnsafeRawBufferPointer, on slot: Int, of index: Int, at now: Instant) {
    guard let current = peers[index].current else { return }
    sendControl(text, on: slot, of: index, with: current, expectsAnswer: false, at: now)
  }

  /// Messages between gateways, on one path.
  private mutating func sendControl(
    _ text: UnsafeRawBufferPointer, on slot: Int, of index: Int, with place: Int, expectsAnswer: Bool, at now: Instant
  ) {
    guard batches.freeCount > 0, let bytes = text.baseAddress else { return counters.count(.noBatch) }
    let session = sessions[place].sending
    let length = DataHeader.overhead + text.count
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
    session.key.seal(session.key.context, path, counter, room, bytes, text.count, room + DataHeader.length)
    batches.finish()
    if isApart { closeBatch(slot, of: index) }
    notePathSent(slot, of: index, bytes: length, datagrams: 1, expectsAnswer: expectsAnswer, at: now)
  }

  mutating func notePathSent(
    _ slot: Int, of index: Int, bytes: Int, datagrams: UInt64, expectsAnswer: Bool, at now: Instant
  ) {
    peers[index].paths[slot].sent.bytes += UInt64(bytes)
    peers[index].paths[slot].sent.datagrams += datagrams
    noteOpenBatch(slot, of: index)
    if expectsAnswer && peers[index].paths[slot].liveness.sent(at: now) { peerDeadlineChanged(index, at: now) }
  }
}
