//  Inbound.swift — datagrams arrive: whose are they, are they genuine, where do their bytes belong?
//
//  One read of a socket brings up to a hundred datagrams of one size (UDP_GRO). They are unmasked together, and then
//  each is opened straight into its place in the segment's buffer: that is the only copy that we make on the way in.
//
//      bytes ─▶ clear header ─▶ session ─▶ path, replay window ─▶ unmask ─▶ Resequencer.place ─▶ open ─▶ accept
//                    │             │              │                               │              │
//                    ▼             ▼              ▼                               ▼              ▼
//                 malformed     stranger       replayed                       its verdict      forged
//
//  Everything before `open` comes from anybody. So nothing before it leaves a trace: a place that was given and not
//  used is taken back, a window moves only after, and each refusal is a counter.

import Handshake
import Packets
import PathHealth
public import Primitives
import Resequencer
import Sealing
import Wire

/// What one read of a socket brought.
public struct Arrival: BitwiseCopyable {
  public var bytes: UnsafeMutableRawBufferPointer
  /// Of each datagram; the last may be shorter.
  public var pieceLength: Int
  public var route: Route
  /// A router marked it (CE) instead of dropping it.
  public var isCongested: Bool

  public init(bytes: UnsafeMutableRawBufferPointer, pieceLength: Int, route: Route, isCongested: Bool = false) {
    self.bytes = bytes
    self.pieceLength = pieceLength
    self.route = route
    self.isCongested = isCongested
  }
}

extension Engine {
  /// The bytes are not needed any more when this returns.
  public mutating func receive(_ arrival: Arrival, at now: Instant) {
    guard let start = arrival.bytes.baseAddress, arrival.pieceLength > 0 else { return counters.count(.malformed) }
    if !localPlaces.open.has(Int(arrival.route.socket)) { return counters.count(.closedSocket) }
    var offset = 0
    while offset < arrival.bytes.count {
      // As many as share a session and fit the scratch room for masks.
      var count = 0
      var end = offset
      var receiver: UInt32 = 0
      while end < arrival.bytes.count && count < Engine.mostMasks {
        let length = min(arrival.pieceLength, arrival.bytes.count - end)
        let datagram = UnsafeRawBufferPointer(start: start + end, count: length)
        guard let header = ClearHeader(datagram), count == 0 || header.receiver == receiver else { break }
        receiver = header.receiver
        (masks + count * SealingKey.sampleLength).copyMemory(
          from: start + end + length - DataHeader.tagLength, byteCount: SealingKey.sampleLength)
        count += 1
        end += length
      }
      if count == 0 {
        let length = min(arrival.pieceLength, arrival.bytes.count - offset)
        receiveOther(UnsafeRawBufferPointer(start: start + offset, count: length), arrival.route, at: now)
        offset += length
        continue
      }
      if let slot = sessions.slot(of: receiver) {
        receiveData(arrival, offset..<end, session: slot, count: count, at: now)
      } else {
        counters.count(.stranger, times: count)
      }
      offset = end
    }
  }

  /// Datagrams of one session, their samples in `masks`.
  private mutating func receiveData(
    _ arrival: Arrival, _ range: Range<Int>, session slot: Int, count: Int, at now: Instant
  ) {
    guard let start = arrival.bytes.baseAddress else { return }
    let session = sessions[slot].receiving
    let index = Int(session.peer)
    session.key.mask(session.key.context, masks, count, masks)
    var offset = range.lowerBound
    var opened = OpenedRun()
    // Lanes count anew with another run of the peer: until it has proved that it is there, nothing can be placed.
    var mayPlace = sessions[slot].incarnation == peers[index].incarnation
    let isNew = !sessions[slot].isHeard
    for piece in 0..<count {
      if isNew {
        // The first datagram with new keys may change all of this, and may end its own session.
        if !sessions.isInUse(slot) { return counters.count(.stranger, times: count - piece) }
        mayPlace = sessions[slot].incarnation == peers[index].incarnation
      }
      let length = min(arrival.pieceLength, range.upperBound - offset)
      let datagram = start + offset
      offset += length
      guard let header = ClearHeader(UnsafeRawBufferPointer(start: datagram, count: length)) else { continue }
      guard sessions.isFresh(header.counter, path: header.path, in: slot) else {
        counters.count(.replayed)
        continue
      }
      Location.toggle(datagram + DataHeader.clearLength, mask: masks + piece * SealingKey.sampleLength)
      let location = Location(datagram + DataHeader.clearLength)
      let sealed = datagram + DataHeader.length
      let textLength = length - DataHeader.overhead
      if location.flags.contains(.control) {
        guard session.key.open(session.key.context, header.path, header.counter, datagram, sealed, textLength, sealed)
        else {
          counters.count(.forged)
          continue
        }
        guard
          let path = noteAuthentic(
            header, arrival, session: slot, of: index, bytes: length, isQuiet: true, &opened, at: now)
        else {
          continue
        }
        receiveControl(UnsafeRawBufferPointer(start: sealed, count: textLength), on: path, of: index, at: now)
        continue
      }
      guard let laneSet = peers[index].laneSet, mayPlace else {
        counters.count(.unproven)
        continue
      }
      if location.extra != 0 {
        guard session.key.open(session.key.context, header.path, header.counter, datagram, sealed, textLength, sealed)
        else {
          counters.count(.forged)
          continue
        }
        guard let path = noteAuthentic(header, arrival, session: slot, of: index, bytes: length, &opened, at: now)
        else { continue }
        receivePiece(
          location, UnsafeRawBufferPointer(start: sealed, count: textLength), from: laneSet, of: index, on: path,
          isCongested: arrival.isCongested, at: now)
        continue
      }
      switch resequencer.place(location, textLength: textLength, from: laneSet, at: now) {
      case .refused(let verdict):
        // What nobody needs any more has arrived all the same: else whoever sends it again would be told that his path
        // loses all of it, and go on for ever.
        guard verdict == .late || verdict == .duplicate else { continue }
        guard session.key.open(session.key.context, header.path, header.counter, datagram, sealed, textLength, sealed)
        else {
          counters.count(.forged)
          continue
        }
        if noteAuthentic(header, arrival, session: slot, of: index, bytes: length, &opened, at: now) != nil {
          noteRefused(verdict)
        }
      case .into(let place, let claim):
        guard session.key.open(session.key.context, header.path, header.counter, datagram, sealed, textLength, place)
        else {
          counters.count(.forged)
          resequencer.reject(claim)
          continue
        }
        guard let path = noteAuthentic(header, arrival, session: slot, of: index, bytes: length, &opened, at: now)
        else {
          resequencer.reject(claim)
          continue
        }
        _ = resequencer.accept(claim, path: UInt8(path), congestion: arrival.isCongested, at: now)
      case .aside(let claim):
        guard session.key.open(session.key.context, header.path, header.counter, datagram, sealed, textLength, sealed)
        else {
          counters.count(.forged)
          resequencer.reject(claim)
          continue
        }
        guard let path = noteAuthentic(header, arrival, session: slot, of: index, bytes: length, &opened, at: now)
        else {
          resequencer.reject(claim)
          continue
        }
        _ = resequencer.accept(
          claim, path: UInt8(path), congestion: arrival.isCongested,
          text: UnsafeRawBufferPointer(start: sealed, count: textLength), at: now)
      }
    }
    if opened.id != .max { receiptsChanged(opened.path, of: index) }
  }

  /// The path that the last datagram came on: nearly always it is the next one's as well.
  struct OpenedRun {
    var id: UInt8 = .max
    var path = 0
  }

  /// Something genuine arrived: it counts, it moves the window, it may move the path. Returns the path's place; nil
  /// when there is no room for one more.
  @inline(__always)
  private mutating func noteAuthentic(
    _ header: ClearHeader, _ arrival: Arrival, session slot: Int, of index: Int, bytes: Int, isQuiet: Bool = false,
    _ run: inout OpenedRun, at now: Instant
  ) -> Int? {
    guard sessions.accept(header.counter, path: header.path, in: slot) else {
      counters.count(.replayed)
      return nil
    }
    if header.path != run.id {
      guard let path = beginRun(header, arrival, session: slot, of: index, at: now) else { return nil }
      run.id = header.path
      run.path = path
    }
    peers[index].paths[run.path].received.datagrams &+= 1
    peers[index].paths[run.path].received.bytes &+= UInt64(bytes)
    if header.counter > peers[index].paths[run.path].newestHeard {
      peers[index].paths[run.path].newestHeard = header.counter
    }
    peers[index].beliefs[run.path].receipts.note(
      header.counter, bytes: bytes, isMarked: arrival.isCongested, isQuiet: isQuiet, at: now)
    return run.path
  }

  /// What has to be looked at once for all datagrams of one read.
  private mutating func beginRun(
    _ header: ClearHeader, _ arrival: Arrival, session slot: Int, of index: Int, at now: Instant
  ) -> Int? {
    if !sessions[slot].isHeard { hear(session: slot, of: index, at: now) }
    guard let path = peers[index].place(of: header.path) ?? adopt(header.path, arrival.route, for: index, at: now)
    else { return nil }
    if header.counter > peers[index].paths[path].newestHeard, peers[index].paths[path].route != arrival.route {
      move(path, of: index, to: arrival.route, at: now)
    }
    if peers[index].paths[path].liveness.heard(at: now) {
      report(.pathUp, peer: index, path: path)
      noteSlot(path, of: index, isUp: true, at: now)
      pathsChanged(of: index, at: now)
    }
    return path
  }

  private mutating func receiveControl(_ text: UnsafeRawBufferPointer, on path: Int, of index: Int, at now: Instant) {
    var reader = ControlReader(text)
    while let message = reader.next() {
      switch message {
      case .probe(let probe): receive(probe, on: path, of: index, at: now)
      case .report(let report): receive(report, of: index, at: now)
      case .size(let message): receive(message, on: path, of: index, at: now)
      case .terms(let terms): receive(terms, of: index, at: now)
      case .relay(.granted(let granted)): receive(granted, on: path, of: index, at: now)
      case .relay(.refused(let refused)): receive(refused, on: path, of: index, at: now)
      case .sighting(let sighting): peers[index].beliefs[path].seenAs = sighting.endpoint
      case .plan, .giveUp, .relay(.bind), .relay(.unbind): counters.count(.malformed)
      }
    }
    if reader.isBroken { counters.count(.malformed) }
  }

  /// The mark comes back, and behind it where we hear the other side.
  private mutating func answer(_ mark: UInt64, on path: Int, of index: Int, at now: Instant) {
    let sighting = Sighting(peers[index].paths[path].route.remote)
    withUnsafeTemporaryAllocation(byteCount: ControlMessage.length + Sighting.length, alignment: 8) { room in
      var writer = ControlWriter(room)
      guard writer.append(ControlMessage(.pong, mark: mark)), writer.append(sighting) else { return }
      sendControl(UnsafeRawBufferPointer(room), on: path, of: index, at: now)
    }
  }

  private mutating func receive(_ message: ControlMessage, on path: Int, of index: Int, at now: Instant) {
    switch message.kind {
    case .ping:
      answer(message.mark, on: path, of: index, at: now)
      // Who was found has nothing to ask for, but for this: whether he is heard, and how long the way is.
      if !peers[index].paths[path].liveness.isAnswered {
        send(ControlMessage(.ping, mark: now.nanoseconds), on: path, of: index, at: now)
      }
    case .pong:
      let sent = Instant(nanoseconds: message.mark)
      if sent <= now {
        let isFirst = peers[index].paths[path].liveness.answered(after: now - sent)
        peers[index].beliefs[path].log.learn(roundTrip: now - sent, at: now)
        peers[index].beliefs[path].log.isAnswered(asked: sent, in: runs)
        if isRelay(index) {
          noteProbe(answeredAfter: now - sent, on: path, of: index, at: now)
        } else {
          noteSlotAnswered(path, of: index)
        }
        let isBack = peers[index].beliefs[path].speak()
        if isFirst || isBack { pathsChanged(of: index, at: now) } else { roundTripsChanged(of: index) }
        if isFirst && hasTerms && !isRelay(index) { tellTerms(path, of: index, at: now) }
      }
    }
  }
}
