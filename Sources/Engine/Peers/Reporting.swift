//  Reporting.swift — gateways tell each other what arrived on each path, and learn from it what their paths are worth.
//
//  Why.  A sender knows his paths only by what the other side saw of them. So each side notes what arrives, path by
//  path (PathHealth.Receipts), and says it a few hundred times a second while data flows; each side keeps what it sent
//  (PathHealth.PathLog) until it hears of it.
//
//  How.
//
//      datagrams on A, B, C ─▶ receipts ─▶ due? ─▶ one control datagram with the reports of all paths that are due
//                                                          │ over the path with the shortest round trip
//      rate, delay, loss ◀─ log, delays ◀─ reports ◀───────┘ (each fourth time over the next best, if it is near)
//
//  Reports are cumulative, so a lost one costs time and nothing else; now and then one goes another way, since the best
//  way there may be dead in this direction, and nobody would hear of it. When nothing is heard on the best way for a
//  moment they go two ways, and after a few round trips not there any more.
//
//  Control datagrams are quiet: they have numbers of the path, but nobody reports them, or two idle gateways would keep
//  each other awake.

import PathHealth
import Primitives
import Striper
import Wire

extension Engine {
  /// Text of control datagrams: 16 reports without loss fit, or one with all that it may list and a few others.
  static let mostControlText = 640

  // MARK: What we say

  /// Something arrived that has to be reported: the peer's timer may have to ring earlier.
  @inline(__always)
  mutating func receiptsChanged(_ place: Int, of index: Int) {
    guard let due = peers[index].beliefs[place].receipts.deadline else { return }
    if let armed = peers[index].armed, armed <= due { return }
    peers[index].armed = due
    timers.set(index, due)
  }

  /// Reports of all paths of a peer that are due.
  mutating func sendReports(of index: Int, at now: Instant) {
    var isDue = false
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      if let due = peers[index].beliefs[place].receipts.deadline, due <= now { isDue = true }
    }
    if !isDue { return }
    guard peers[index].current != nil, let ways = waysBack(to: index, at: now) else {
      // All sockets went at once. A report that is due and cannot leave would be due for ever.
      for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
        _ = peers[index].beliefs[place].receipts.nextReport(at: now, joining: true)
      }
      return
    }
    peers[index].reports &+= 1
    keepBooks(of: index, at: now)
    withUnsafeTemporaryAllocation(byteCount: Engine.mostControlText, alignment: 8) { room in
      // A narrow path takes fewer of them at once; one, of 96 bytes, fits every path.
      let payload = peers[index].paths[ways.first].payload
      let narrow = ways.second.map { min(payload, peers[index].paths[$0].payload) } ?? payload
      let room = UnsafeMutableRawBufferPointer(rebasing: room[..<min(room.count, narrow)])
      var writer = ControlWriter(room)
      for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
        peers[index].beliefs[place].receipts.setInterval(
          roundTrip: peers[index].paths[place].liveness.smoothedRoundTrip)
        guard let report = peers[index].beliefs[place].receipts.nextReport(at: now, joining: true) else { continue }
        if writer.append(report) { continue }
        sendReport(room, writer.written, over: ways, of: index, at: now)
        writer = ControlWriter(room)
        _ = writer.append(report)
      }
      if writer.written > 0 {
        sendReport(room, writer.written, over: ways, of: index, at: now)
      }
    }
  }

  private mutating func sendReport(
    _ room: UnsafeMutableRawBufferPointer, _ count: Int, over ways: (first: Int, second: Int?), of index: Int,
    at now: Instant
  ) {
    let text = UnsafeRawBufferPointer(rebasing: room[..<count])
    sendControl(text, on: ways.first, of: index, at: now)
    if let second = ways.second { sendControl(text, on: second, of: index, at: now) }
  }

  /// Over which paths reports go: the quickest one that answers, each fourth time the next one. While nothing is heard
  /// on the quickest one both have them: if it is dead, everything that they say of the others would be lost with it.
  private func waysBack(to index: Int, at now: Instant) -> (first: Int, second: Int?)? {
    guard let ways = waysBack(to: index, heardWithin: Engine.freshFor, at: now) ?? waysBack(to: index, at: now)
    else { return nil }
    guard let next = ways.next else { return (ways.best, nil) }
    let quickest = peers[index].paths[ways.best].liveness
    if now - (quickest.lastHeard ?? .zero) > Engine.quietFor { return (ways.best, next) }
    // A report that comes much later than the next one tells nothing, and what it did not tell looks lost meanwhile.
    let isNear = peers[index].paths[next].liveness.smoothedRoundTrip < quickest.smoothedRoundTrip * 2
    return (peers[index].reports % 4 == 3 && isNear ? next : ways.best, nil)
  }

  /// While data flows something is heard more often.
  static let quietFor = Interval.milliseconds(10)
  /// What was not heard for so long, and for three round trips, may be dead.
  static let freshFor = Interval.milliseconds(50)

  private func waysBack(
    to index: Int, heardWithin limit: Interval? = nil, at now: Instant
  ) -> (best: Int, next: Int?)? {
    var best: (place: Int, roundTrip: Interval)?
    var next: (place: Int, roundTrip: Interval)?
    // Reports are bytes as well: who is kept for emergencies has none of them, unless there is no other way.
    let carrying = peers[index].carrying
    for place in 0..<PeerPath.mostPaths where peers[index].isUp(place) {
      if carrying != 0 && !carrying.has(place) { continue }
      let liveness = peers[index].paths[place].liveness
      let way = (place, liveness.smoothedRoundTrip)
      if let limit, now - (liveness.lastHeard ?? .zero) > max(limit, way.1 * 3) { continue }
      if let first = best, first.roundTrip <= way.1 {
        if next.map({ way.1 < $0.roundTrip }) ?? true { next = way }
      } else {
        next = best
        best = way
      }
    }
    return best.map { ($0.place, next?.place) }
  }

  // MARK: What we hear

  mutating func receive(_ report: PathReport, of index: Int, at now: Instant) {
    guard let place = peers[index].place(of: report.path) else { return counters.count(.unknownReport) }
    let belief = peers[index].beliefs + place
    if let sample = belief.pointee.log.receive(report, clock: &peers[index].clock, in: &runs, at: now) {
      belief.pointee.learn(from: sample, at: now)
      steerIfDue(index, at: now)
      if sample.delivered > 0 && belief.pointee.speak() {
        pathsChanged(of: index, at: now)
      } else {
        beliefsChanged(of: index, at: now)
      }
    }
    settle(place, of: index, at: now)
    shipments.release(after: Engine.mostPatience, at: now)
    peerDeadlineChanged(index, at: now)
  }

  /// What nobody has reported for too long is lost.
  mutating func expireBeliefs(of index: Int, at now: Instant) {
    shipments.release(after: Engine.mostPatience, at: now)
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      let belief = peers[index].beliefs + place
      guard let due = belief.pointee.deadline, due <= now else { continue }
      // What is lost goes to others: so they must know first that this one rests.
      if belief.pointee.expire(at: now, in: &runs) && belief.pointee.fallSilent(at: now) {
        noteSlot(place, of: index, isUp: false, at: now)
        pathsChanged(of: index, at: now)
      }
      if belief.pointee.asks(at: now) {
        // Who is down is asked by his liveness.
        if peers[index].isUp(place) { ask(place, of: index, at: now) } else { belief.pointee.stopAsking() }
      }
      settle(place, of: index, at: now)
    }
  }

  /// Tells the striper what the paths carry now, and how long they take. Forward delays have an offset that nobody
  /// knows, and all paths share: only what each takes longer than the quickest counts. One that was not measured yet is
  /// behind by half of what its round trip is longer.
  mutating func beliefsChanged(of index: Int, at now: Instant) {
    let carrying = peers[index].carrying
    let present = carrying | peers[index].helping
    var quickest = Interval.seconds(3_600)
    var quickestRoundTrip = Interval.seconds(3_600)
    var areMeasured = true
    for place in 0..<PeerPath.mostPaths where carrying & 1 << UInt32(place) != 0 {
      quickestRoundTrip = min(quickestRoundTrip, peers[index].paths[place].liveness.smoothedRoundTrip)
      if let delay = peers[index].beliefs[place].delays.least(at: now) {
        quickest = min(quickest, delay)
      } else {
        areMeasured = false
      }
    }
    // Who stands by is seldom measured, and does not make the others any less so.
    for place in peers[index].helping.places {
      quickestRoundTrip = min(quickestRoundTrip, peers[index].paths[place].liveness.smoothedRoundTrip)
    }
    let batchesOfPart = max(Engine.leastBatchesOfPart, Engine.leastBatches / max(1, carrying.nonzeroBitCount))
    var worth = Worth()
    var unknown: UInt32 = 0
    var weights: UInt64 = 0
    for place in carrying.places { weights += UInt64(localPaths[Int(peers[index].paths[place].route.socket)].weight) }
    var rates: UInt64 = 0
    for place in 0..<PeerPath.mostPaths where present & 1 << UInt32(place) != 0 {
      let path = peers[index].paths + place
      let belief = peers[index].beliefs + place
      belief.pointee.refresh(at: now)
      let measured = areMeasured ? belief.pointee.delays.least(at: now) : nil
      let behind =
        measured.map { $0 - quickest } ?? (path.pointee.liveness.smoothedRoundTrip - quickestRoundTrip) / 2
      let queue = belief.pointee.controller.standingQueue(inFlight: belief.pointee.log.inFlight, at: now)
      let datagram = path.pointee.payload + DataHeader.overhead
      let pieces = min(SendBatches.mostBytes / datagram, batches.mostPieces)
      // Ours is overhead: what a segment has is text.
      var rate = belief.pointee.controller.rate.bitsPerSecond / UInt64(datagram) * UInt64(path.pointee.payload)
      if !belief.pointee.controller.isMeasured && weights > 0 {
        // Until something was measured, the operator's word is the best there is.
        let weight = UInt64(localPaths[Int(path.pointee.route.socket)].weight)
        rate = rate * weight * UInt64(carrying.nonzeroBitCount) / weights
      } else if belief.pointee.controller.state == .startup {
        // Who has not found the end yet is tried with twice as much.
        rate *= 2
      }
      belief.pointee.behind = behind
      // Who may be needed any moment and was not heard for a while is asked, and not found dead by what it lost.
      if carrying.has(place), path.pointee.liveness.unansweredSince == nil, path.pointee.liveness.isQuiet(at: now) {
        path.pointee.liveness.askNow(at: now)
        peerDeadlineChanged(index, at: now)
      }
      let known = Striper.Path(
        rate: BitRate(bitsPerSecond: max(1_000, rate)), delay: max(.zero, behind) + queue,
        mostBytes: batchesOfPart * pieces * path.pointee.payload, payload: path.pointee.payload,
        standsBy: !carrying.has(place))
      peers[index].striper.setPath(place, known)
      if known.standsBy { continue }
      let isUnknown = belief.pointee.isUnknown(at: now)
      if isUnknown { unknown |= place.bit }
      worth.add(
        place, rate: known.rate, delay: known.delay, least: Striper.leastDatagrams * known.payload,
        isUnknown: isUnknown)
    }
    let worthy = worth.choose(before: peers[index].worthy)
    peers[index].worthy = worthy
    peers[index].trials = unknown & ~worthy
    peers[index].proven = carrying & ~unknown
    peers[index].striper.setWorthy(worthy)
    var isGrowing = true
    for place in 0..<PeerPath.mostPaths where worthy & 1 << UInt32(place) != 0 {
      if peers[index].beliefs[place].controller.state != .startup { isGrowing = false }
      rates += peers[index].beliefs[place].controller.rate.bitsPerSecond
    }
    // What waits for a path that is new to the striper, since it was its flow's only one, or the last resort.
    var new = present & ~peers[index].striped
    while new != 0 {
      let place = new.trailingZeroBitCount
      new &= new &- 1
      let path = peers[index].paths + place
      for precedence in Striper.Precedence.allCases {
        peers[index].striper.committed(path.pointee[precedence].bytes, on: place, as: precedence)
      }
    }
    peers[index].striped |= present
    peers[index].rate = BitRate(bitsPerSecond: max(1_000, rates))
    peers[index].isGrowing = isGrowing
    if peers[index].loaded != 0 { redirectLate(of: index) }
  }
}
