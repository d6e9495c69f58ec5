//  Protecting.swift — what cannot wait for a repair is sent so that a loss costs nothing: twice, or with parity.
//
//  Why.  A packet that was lost comes a round trip late when it is sent again: too late for a call. So a class may say
//  that more is sent at once than is needed.
//
//  How.  A flow whose class has protection leaves packet by packet, or as many small ones as fit one datagram: each is
//  a segment of its own in the flow's lane. Then
//
//      copies        the segment waits for the two paths on which it lands first        A ─ 7 ─ 8 ─ 9 ─▶
//                    (PathRanking); the other side takes each byte once                 B ─ 7 ─ 8 ─ 9 ─▶
//
//      parity 2+1    its datagram is a member of the lane's open group, on the paths    A ─ 7 ───── 9 ──▶
//                    that land first in turns; what the group's sums are goes over      B ─── 8 ──────▶
//                    another path when it is full, or after `GuardedLanes.openFor`      C ───── 7+8 ──▶
//
//      adaptive      parity for up to four, as many pieces as the measured losses of these paths ask for; none is none
//
//  Members and copies wait for their path as all parts do. Parity does not: it is made late enough, and a path that has
//  no room for it now would bring it too late; then it is left out.
//
//  What still is lost is repaired as any other loss is, a copy only when both were lost: protection is to make that
//  rare.
//
//  A packet longer than four datagrams (copies) or than one (parity) goes as if its class had no protection, uncut and
//  over the path that lands first if it is urgent, else as bulk is: it is a piece of a download, whose sender repairs
//  it, and to send a download twice is not what anybody wants who protects calls. With one path left a copy is not
//  sent, parity is; and no copy goes to a path where it would land more than `mostLateness` after the other.
//
//  Rejected.  To protect datagrams of bulk segments (their losses are repaired within the patience that they need
//  anyway, at a hundredth of the bytes). A queue for parity (its members would have to be kept to be of use).
//
//  Always true.  (1) A segment that is protected is one datagram, or is copied whole. (2) Parity is nobody's bytes: it
//  is counted by its path, reported and measured, and never repaired. (3) A flow without protection is asked one bit.
//
//  Not here.  Groups (ParityEncoder), which lanes have one (GuardedLanes), the other side (Rebuilding.swift).

import PathHealth
import Primitives
import Redundancy
import Sealing
import Striper
import Wire

extension Engine {
  /// As much as an urgent flow's turn: a frame of video of a few packets that a host handed over as one is copied.
  static let mostCopied = mostUrgent
  /// A copy that lands so late is of no use to a call.
  static let mostLateness = Interval.milliseconds(500)
  /// One packet of a call in 20 s: nobody hears it, and half as much would double what is sent besides.
  static let adaptiveTarget = 0.001
  /// Losses are measured over hundreds of datagrams: to ask more often costs more than it tells.
  static let adaptivePause = Interval.milliseconds(250)

  static func treatments(of classes: Classes) -> FixedArray<Treatment> {
    FixedArray(count: 64) { $0 < classes.list.count ? classes.list[$0].treatment : .bulk }
  }

  /// By number, and a bit for each class that has any.
  static func protections(of classes: Classes) -> (InlineArray<64, Protection>, UInt64) {
    var protections = InlineArray<64, Protection>(repeating: .none)
    var protected: UInt64 = 0
    for (number, one) in classes.list.enumerated() where one.protection != .none {
      protections[number] = one.protection
      protected |= 1 << UInt64(number)
    }
    return (protections, protected)
  }

  /// Of a protected flow's turn: what fits a datagram with parity on each of its paths.
  @inline(never)
  func mostProtected(of index: Int) -> Int {
    var least = GuardedLanes.mostText
    for place in 0..<PeerPath.mostPaths where peers[index].striped & 1 << UInt32(place) != 0 {
      least = min(least, peers[index].paths[place].payload - MemberImage.overhead)
    }
    return least
  }

  private func ranking(of index: Int, for length: Int, isUrgent: Bool) -> PathRanking {
    var ranking = PathRanking(patience: Engine.mostLateness)
    for place in 0..<PeerPath.mostPaths where peers[index].striped & 1 << UInt32(place) != 0 {
      guard let arrival = peers[index].striper.arrival(of: length, on: place, as: isUrgent ? .urgent : .bulk) else {
        continue
      }
      ranking.add(place, lands: arrival, payload: peers[index].paths[place].payload)
    }
    return ranking
  }

  /// A run of a flow whose class is protected.
  @inline(never)
  mutating func commit(
    _ run: FlowQueues.Run, as protection: Protection, to index: Int, lane: UInt16, pinned: UInt8?, isUrgent: Bool,
    at now: Instant
  ) {
    let ranking = ranking(of: index, for: run.length, isUrgent: isUrgent)
    switch protection {
    case .copies where run.length <= Engine.mostCopied && ranking.count > 1:
      counters.count(.copied)
      let number = begin(run, to: index, lane: lane, copies: 2, isUrgent: isUrgent, at: now)
      for copy in 0..<2 {
        var part = WaitingPart(shipment: number, lower: 0, upper: UInt32(run.length))
        part.kind = UInt8(copy) << 7
        wait(part, for: ranking[copy], of: index, as: isUrgent ? .urgent : .bulk)
      }
    case .parity, .adaptive:
      guard ranking.count > 0, run.length <= min(GuardedLanes.mostText, ranking.leastPayload - MemberImage.overhead),
        let sender = guarded.sender(for: lane, of: index, at: now)
      else { fallthrough }
      setShape(protection, of: sender, ranking, of: index, at: now)
      commitMember(run, of: sender, ranking, to: index, lane: lane, isUrgent: isUrgent, at: now)
    default:
      counters.count(.unprotected)
      commit(run, to: index, lane: lane, pinned: pinned, isUrgent: isUrgent, at: now)
    }
  }

  private mutating func setShape(
    _ protection: Protection, of sender: Int, _ ranking: PathRanking, of index: Int, at now: Instant
  ) {
    if case .parity(let data, let parity) = protection {
      guarded.senders[sender].encoder.setShape(
        members: min(max(Int(data), 1), ParityHeader.mostMembers), parity: min(Int(parity), ParityHeader.mostParity))
      return
    }
    let before = guarded.senders[sender].rows
    if before != nil && now - guarded.senders[sender].shapedAt < Engine.adaptivePause { return }
    var losses: [Double] = []
    for rank in 0..<ranking.count {
      let belief = peers[index].beliefs + ranking[rank]
      belief.pointee.loss.look(at: belief.pointee.log.counters)
      losses.append(belief.pointee.loss.share)
    }
    let members = guarded.senders[sender].usualMembers()
    let rows = ResidualLoss.leastParity(
      members: members, losses: losses, target: Engine.adaptiveTarget, current: before)
    guarded.senders[sender].rows = rows
    guarded.senders[sender].shapedAt = now
    guarded.senders[sender].encoder.setShape(members: members, parity: rows)
  }

  private mutating func commitMember(
    _ run: FlowQueues.Run, of sender: Int, _ ranking: PathRanking, to index: Int, lane: UInt16, isUrgent: Bool,
    at now: Instant
  ) {
    let number = begin(run, to: index, lane: lane, isUrgent: isUrgent, at: now)
    guard let shipment = shipments[number] else { preconditionFailure("a shipment that has just begun") }
    let length = draft.length
    var text = UnsafeRawPointer(guarded.scratch)
    if let contiguous = draft.contiguous(0, length) {
      text = contiguous
    } else {
      draft.gather(0, length, into: guarded.scratch)
    }
    var part = WaitingPart(shipment: number, lower: 0, upper: UInt32(length))
    var path = ranking[0]
    let header = guarded.senders[sender].encoder.protect(
      Engine.location(of: shipment.pointee), UnsafeRawBufferPointer(start: text, count: length), at: now)
    if let header, case .member(let member) = header.piece {
      shipment.pointee.group = header.group
      part.kind = header.extra
      path = ranking.path(ofMember: member)
    }
    wait(part, for: path, of: index, as: isUrgent ? .urgent : .bulk)
    sendParity(of: sender, over: ranking, at: now)
    guarded.noteGroup(of: sender)
  }

  /// Of a segment that is one datagram.
  private static func location(of shipment: Shipment) -> Location {
    Location(
      lane: shipment.lane, flags: shipment.needsChecksum ? [.begins, .needsChecksum] : .begins,
      segment: shipment.segment, length: shipment.length, offset: 0, segmentSize: shipment.segmentSize)
  }

  /// What has been open for long enough ends with what it has.
  mutating func expireGroups(at now: Instant) {
    while let sender = guarded.nextDue(at: now) {
      let ranking = ranking(of: guarded.senders.peer(of: sender), for: GuardedLanes.mostText, isUrgent: true)
      sendParity(of: sender, over: ranking, at: now)
    }
  }

  // MARK: Sealing

  private mutating func sendParity(of sender: Int, over ranking: PathRanking, at now: Instant) {
    let index = guarded.senders.peer(of: sender)
    let lane = guarded.senders.lane(of: sender)
    while let piece = guarded.senders[sender].encoder.nextParity() {
      guard ranking.count > 0, case .parity(let row, let members, _) = piece.header.piece else { continue }
      let path = ranking.path(ofParity: row, members: members)
      let isSent = seal(parity: piece.text, extra: piece.header.extra, lane: lane, on: path, of: index, at: now)
      counters.count(isSent ? .parity : .omitted)
    }
  }

  private mutating func seal(
    parity text: UnsafeRawBufferPointer, extra: UInt8, lane: UInt16, on place: Int, of index: Int, at now: Instant
  ) -> Bool {
    let path = peers[index].paths + place
    let belief = peers[index].beliefs + place
    guard let current = peers[index].current, text.count <= path.pointee.payload,
      belief.pointee.log.inFlight < belief.pointee.controller.window
    else { return false }
    var location = Location(lane: lane, segment: 0, length: 0, offset: 0, segmentSize: 0)
    location.extra = extra
    let nothing = WaitingPart(shipment: 0, lower: 0, upper: 0)
    return seal(
      location, length: text.count, of: nothing, isCongestionCapable: false, on: place, of: index,
      sessions[current].sending, at: now
    ) { $0.copyMemory(from: text) }
  }

  /// Seals a part that is not like others. Returns how many of its bytes there was room for.
  @inline(never)
  mutating func sealProtected(
    _ part: WaitingPart, _ shipment: Shipment, on place: Int, of index: Int, _ session: SendingSession, most: Int,
    at now: Instant
  ) -> Int {
    let length = ParityHeader.length + part.count
    // A copy is like others, and so is a member that came to a path that is too narrow for it.
    guard part.kind != 0, part.kind < WaitingPart.secondCopy, length <= peers[index].paths[place].payload else {
      return seal(part, shipment, on: place, of: index, session, most: most, at: now)
    }
    var location = Engine.location(of: shipment)
    location.extra = part.kind
    let header = ParityHeader(group: shipment.group, piece: .member(Int(part.kind) - 1))
    var draft = draft
    let isSealed = seal(
      location, length: length, of: part, isCongestionCapable: shipment.isCongestionCapable, on: place, of: index,
      session, at: now
    ) { room in
      guard let start = room.baseAddress else { return }
      header.write(to: start)
      draft.gather(0, part.count, into: start + ParityHeader.length)
    }
    return isSealed ? part.count : 0
  }

  /// One datagram, whose text is written where it is sealed.
  private mutating func seal(
    _ location: Location, length: Int, of part: WaitingPart, isCongestionCapable: Bool, on place: Int, of index: Int,
    _ session: SendingSession, at now: Instant, write: (UnsafeMutableRawBufferPointer) -> Void
  ) -> Bool {
    let path = peers[index].paths + place
    let belief = peers[index].beliefs + place
    let bytes = DataHeader.overhead + length
    guard batches.freeCount > 0,
      let room = batches.reserve(bytes, on: path, key: session.key, isCongestionCapable: isCongestionCapable)
    else { return false }
    let counter = peers[index].nextCounter(of: path.pointee.id)
    ClearHeader(path: path.pointee.id, receiver: session.remoteIndex, counter: counter).write(to: room)
    location.write(to: room + DataHeader.clearLength)
    let text = room + DataHeader.length
    write(UnsafeMutableRawBufferPointer(start: text, count: length))
    session.key.seal(session.key.context, path.pointee.id, counter, room, text, length, text)
    batches.finish()
    var run = OpenRun(shipment: part.shipment, lower: 0, step: part.count, record: 0)
    run.add(counter, bytes)
    log(&run, upTo: part.count, of: part, on: place, of: index, at: now)
    belief.pointee.pacer.spend(bytes, at: now)
    belief.pointee.controller.sent(bytes: bytes, inFlight: belief.pointee.log.inFlight, at: now)
    notePathSent(place, of: index, bytes: bytes, datagrams: 1, expectsAnswer: true, at: now)
    sessions.noteSealed(bytes: bytes, by: session)
    return true
  }
}
