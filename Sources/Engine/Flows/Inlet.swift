//  Inlet.swift — a packet comes from the virtual NIC: what is it, whose is it, and where does it wait?
//
//      offload header, packet ──▶ view ──▶ flow (found or made) ──▶ plan and peer (once) ──▶ the flow's queue
//                                  │                                  │
//                                 raw: a length and two addresses     no route, no session: a verdict
//
//  A packet whose inside makes no sense is carried all the same, as long as its IP header says how long it is and where
//  it goes: a tunnel is no firewall. Multicast is refused: there is no peer that it belongs to.

import Packets
import PathHealth
public import Primitives
import Striper

extension Engine {
  /// `bytes` is what a read of the virtual NIC brought, an offload header and a packet; `buffer` comes back through
  /// `nextFreeBuffer` when the packet has left, or was refused.
  public mutating func packet(_ bytes: UnsafeMutableRawBufferPointer, buffer: UInt16, at now: Instant) {
    guard let start = bytes.baseAddress, let packet = classifier.classify(bytes) else {
      return rawPacket(bytes, buffer, at: now)
    }
    guard let slot = flows.note(packet.key, bytes: packet.length, changed: packet.changedRest, at: now) else {
      return refuse(.tooManyFlows, buffer)
    }
    if flows[slot].plan.revision != rules.revision {
      guard let peer = allowed.peer(of: packet.key.destination) else {
        refusals.tell(.prohibited, about: UnsafeRawBufferPointer(rebasing: bytes[OffloadHeader.length...]), at: now)
        return refuse(.noRoute, buffer)
      }
      flows[slot].peer = peer
      let before = flows[slot].plan
      flows[slot].plan = rules.plan(for: packet.facts)
      decisions.note(flows[slot].plan)
      if flows[slot].plan.path != before.path { flows[slot].pin = nil }
      classify(slot, packet.key)
    }
    if flows[slot].noteRhythm(packet.length, at: now) { classify(slot, packet.key) }
    let waiting = WaitingPacket(
      bytes: start + OffloadHeader.length, arrived: now, length: UInt32(packet.length),
      payloadLength: UInt16(clamping: packet.length - packet.view.headerLength), segmentSize: packet.segmentSize,
      buffer: buffer, needsChecksum: packet.needsChecksum)
    switch queues.append(waiting, to: slot, isUrgent: packet.isUrgent || isInteractive(slot), in: &flows) {
    case .queued: break
    case .full, .flowFull: refuse(.queueFull, buffer)
    }
  }

  /// One whose inside cannot be read: it goes as it is, as long as it says where to and how long it is.
  private mutating func rawPacket(_ bytes: UnsafeMutableRawBufferPointer, _ buffer: UInt16, at now: Instant) {
    guard let start = bytes.baseAddress, let raw = classifier.unreadable(bytes),
      let peer = allowed.peer(of: raw.key.destination),
      let slot = flows.note(raw.key, bytes: raw.length, at: now)
    else {
      freeBuffers.append(buffer)
      return
    }
    if flows[slot].plan.revision != rules.revision {
      flows[slot].peer = peer
      flows[slot].plan = rules.planForUnreadable
      decisions.note(flows[slot].plan)
    }
    let waiting = WaitingPacket(
      bytes: start + OffloadHeader.length, arrived: now, length: UInt32(raw.length), payloadLength: 0,
      segmentSize: 0, buffer: buffer, needsChecksum: false)
    if queues.append(waiting, to: slot, isUrgent: false, in: &flows) != .queued { refuse(.queueFull, buffer) }
  }

  /// Its class is what its rule says, or what it is and does.
  private mutating func classify(_ slot: UInt32, _ key: FiveTuple) {
    flows[slot].classNumber = UInt8(
      Classes.number(of: key, planned: flows[slot].plan.classNumber, flows[slot].rhythm))
  }

  @inline(__always)
  private func isInteractive(_ slot: UInt32) -> Bool { treatments[Int(flows[slot].classNumber)] != .bulk }

  private mutating func refuse(_ verdict: Counters.Verdict, _ buffer: UInt16) {
    counters.count(verdict)
    freeBuffers.append(buffer)
  }

  // MARK: Once a turn

  static let turnMilliseconds = 2
  /// Two parts of four datagrams: shorter ones would make slow paths pay for each packet.
  static let leastSegment = 8 * 1_428

  /// A question, and the first page of its answer: as much as a sender may send before he has heard anything.
  static let firstBytes: UInt64 = 16_384

  /// Of an urgent flow's turn: what leaves before anybody else is short.
  static let mostUrgent = 4 * 1_428

  /// Makes segments of what waits and seals them, as long as there are batches.
  public mutating func flush(at now: Instant) {
    lastTurn = now
    if now >= nextPaces { measurePaces(at: now) }
    for _ in 0..<loadedPeers.count {
      guard let index = loadedPeers.popFirst() else { break }
      peers[Int(index)].isListed = false
      transmit(to: Int(index), at: now)
    }
    var postponed: UInt32?
    while let slot = queues.nextFlow() {
      // The rules, or who is where, are others than when it was decided; its next packet decides anew.
      if flows[slot].plan.revision != rules.revision && !isStillSomebodys(slot, at: now) { continue }
      let index = Int(flows[slot].peer)
      let paths = peers[index].carryingPaths
      if peers[index].current == nil || paths == 0 {
        drop(slot, peers[index].current == nil ? .noSession : .noPath, at: now)
        continue
      }
      let isFirst = queues.isUrgentTurn
      let isUrgent = isUrgentNow(slot)
      let only = pinnedPath(of: slot, index)
      let mayLeave = only.map { hasRoom(Int($0), index) } ?? (peers[index].striper.horizon > 0)
      if !(isFirst && isUrgent) && !mayLeave {
        peers[index].steering?.pointee.noteWaiting(at: now)
        // Its paths have all that they can use: what comes now waits where a call may overtake it.
        if postponed == slot || (peers.count == 1 && !isFirst && only == nil) { break }
        if postponed == nil && !isFirst { postponed = slot }
        queues.postpone(slot)
        continue
      }
      let pin =
        only
        ?? (isUrgent ? peers[index].striper.single(Engine.mostUrgent, as: .urgent, among: mayCarry(slot, index)) : nil)
      // A segment is a turn of its flow: no longer than a few milliseconds of what the paths carry.
      let turn = Int(peers[index].rate.bitsPerSecond / 8 / 1_000) * Engine.turnMilliseconds
      let isProtected =
        protectedClasses >> UInt64(flows[slot].classNumber) & 1 != 0 && flows[slot].plan.stack == .striped
      let most =
        isProtected
        ? mostProtected(of: index)
        : min(
          isUrgent ? Engine.mostUrgent : max(turn, Engine.leastSegment),
          min(pin == nil ? peers[index].striper.mostSegmentLength : SendBatches.mostBytes, Engine.mostSegmentLength))
      // What leaves must leave whole; the rest waits for batches to come back.
      if batches.freeCount < Engine.batches(for: most, paths: paths) { break }
      guard shipments.hasRoom(), parts.freeCount >= PeerPath.mostPaths else { break }
      let run = queues.takeRun(
        of: slot, mostBytes: most, rate: peers[index].rate, isGrowing: peers[index].isGrowing, in: &flows,
        at: now)
      if run.packets.isEmpty { continue }
      let lane = hasOrder(slot) ? FlowTable.lane(of: slot, lanes: Peer.lanes - Engine.rawLanes) : rawLane()
      if isProtected {
        let protection = protections[Int(flows[slot].classNumber)]
        commit(run, as: protection, to: index, lane: lane, pinned: pin, isUrgent: isUrgent, at: now)
      } else {
        commit(run, to: index, lane: lane, pinned: pin, isUrgent: isUrgent, at: now)
        if pin == nil, let trial = pathToTry(of: index, at: now) { tryCopy(over: trial, of: index, at: now) }
      }
      transmit(to: index, at: now)
    }
    while let buffer = queues.nextGivenUp() { freeBuffers.append(buffer) }
    closeBatches()
  }

  /// What waits of a flow goes to whom its addresses belong now, and nowhere else.
  @inline(never)
  private mutating func isStillSomebodys(_ slot: UInt32, at now: Instant) -> Bool {
    if let peer = allowed.peer(of: flows[slot].key.destination) {
      flows[slot].peer = peer
      return true
    }
    drop(slot, .noRoute, at: now)
    return false
  }

  /// What goes first on its path as well: calls and the like, the beginning of every flow, and what is small, since
  /// that is mostly answers that others wait for. How much of it may go so is up to the queues: whoever has more than
  /// his share waits there.
  @inline(__always)
  private func isUrgentNow(_ slot: UInt32) -> Bool {
    isInteractive(slot) || flows[slot].bytes <= Engine.firstBytes || queues.beginsSmall(slot)
  }

  /// A flow that keeps to one path leaves while that one has less waiting than it carries in two turns; what others
  /// have left says nothing about it.
  private func hasRoom(_ place: Int, _ index: Int) -> Bool {
    let rate = Int(peers[index].beliefs[place].controller.rate.bitsPerSecond / 8 / 1_000)
    return peers[index].paths[place].bulk.bytes < max(Engine.leastSegment, rate * Engine.turnMilliseconds * 2)
  }

  /// Calls may use paths that stand by, too.
  @inline(__always)
  private func mayCarry(_ slot: UInt32, _ index: Int) -> UInt32 {
    let isCall = treatments[Int(flows[slot].classNumber)] == .realtime
    return isCall ? peers[index].carrying | peers[index].helping : peers[index].carrying
  }

  private mutating func drop(_ slot: UInt32, _ verdict: Counters.Verdict, at now: Instant) {
    let run = queues.takeRun(of: slot, mostBytes: Engine.mostSegmentLength, in: &flows, at: now)
    counters.count(verdict, times: run.packets.count)
    for packet in run.packets {
      refusals.tell(
        .unreachable, about: UnsafeRawBufferPointer(start: packet.bytes, count: Int(packet.length)), at: now)
      freeBuffers.append(packet.buffer)
    }
  }

  /// The one path of a flow that has one, while it is up; nil: the flow is striped. Without a wish it is the path with
  /// the shortest round trip at the time when one is needed; it stays with it, since to change means disorder.
  private mutating func pinnedPath(of slot: UInt32, _ index: Int) -> UInt8? {
    if flows[slot].plan.stack == .striped { return nil }
    let wanted = flows[slot].plan.path
    // Who names a path means it, whatever its tier, but for `never`.
    let allowed = wanted == nil ? peers[index].carrying : peers[index].usable
    if let pin = flows[slot].pin, allowed.has(Int(pin)), mayPin(Int(pin), index),
      wanted == nil || peers[index].paths[Int(pin)].route.socket == wanted
    {
      return pin
    }
    var best: (place: UInt8, roundTrip: Interval)?
    for place in allowed.places where mayPin(place, index) {
      let path = peers[index].paths[place]
      if let wanted, path.route.socket != wanted { continue }
      if let best, best.roundTrip <= path.liveness.smoothedRoundTrip { continue }
      best = (UInt8(place), path.liveness.smoothedRoundTrip)
    }
    flows[slot].pin = best?.place
    return flows[slot].pin
  }

  /// It is up, and what is sent on it is reported.
  private func mayPin(_ place: Int, _ index: Int) -> Bool {
    peers[index].isUp(place) && !peers[index].beliefs[place].isSilent
  }

  /// A call that is sent twice goes on when one path dies and the other is late: nobody listens to what came after its
  /// successors anyway. A TCP would take that for loss.
  @inline(__always)
  private func hasOrder(_ slot: UInt32) -> Bool {
    if flows[slot].plan.stack == .raw { return false }
    let number = Int(flows[slot].classNumber)
    if protectedClasses >> UInt64(number) & 1 == 0 || flows[slot].plan.stack != .striped { return true }
    return protections[number] != .copies || treatments[number] != .realtime
      || flows[slot].key.transport == PacketView.Transport.tcp
  }

  /// What has no order gets another lane each time: none of it waits for the loss of another.
  private mutating func rawLane() -> UInt16 {
    nextRawLane = (nextRawLane + 1) % UInt16(Engine.rawLanes)
    return UInt16(Peer.lanes - Engine.rawLanes) + nextRawLane
  }

  // MARK: Open batches

  /// A path has an open batch now: it is closed at the end of the turn.
  mutating func noteOpenBatch(_ place: Int, of index: Int) {
    guard peers[index].paths[place].openBatch != nil, !peers[index].paths[place].isListed else { return }
    peers[index].paths[place].isListed = true
    openBatches.append(OpenBatch(peer: UInt32(index), place: UInt8(place)))
  }

  /// What is written of a path's batch leaves as it is.
  mutating func closeBatch(_ place: Int, of index: Int) {
    guard let open = peers[index].paths[place].openBatch else { return }
    peers[index].paths[place].openBatch = nil
    batches.close(open)
  }

  /// Whatever is open for one peer.
  mutating func closeBatches(of index: Int) {
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) { closeBatch(place, of: index) }
  }

  mutating func closeBatches() {
    while let open = openBatches.popFirst() {
      let index = Int(open.peer)
      let place = Int(open.place)
      guard peers[index].isUsed(place) else { continue }
      peers[index].paths[place].isListed = false
      closeBatch(place, of: index)
    }
  }
}
