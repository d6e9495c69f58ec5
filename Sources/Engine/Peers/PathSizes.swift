//  PathSizes.swift — asks each path how large its datagrams may be, and cuts them by what it answers (PathMTU).
//
//  Why.  A datagram that is too large for a way is lost there, mostly without a word. And what fitted a minute ago need
//  not fit now: pings and reports are small, so such a path looks alive and swallows all that is full.
//
//  How.  As soon as a path is up and answered its search begins; until a probe has proven more, its datagrams are as
//  small as IP promises. Two round trips later they are as large as the interface allows, nearly always.
//
//      up, answered ──▶ start ──▶ question of 1,200 ──▶ answer ──▶ question of 1,472 ──▶ answer ──▶ quiet
//      down         ──▶ stop                              │                                │
//                                                  payload 1,156                    payload 1,428
//
//      reports ──▶ which full datagrams arrived, which are lost ──▶ only the full ones are: back to 1,200, and again
//
//  A question leaves in a batch of its own: the kernel sends a batch whole or not at all, and all pieces of one have
//  the same length. It is quiet, as all control datagrams are: nobody reports it, so that it is lost is no sign of a
//  full path. It starts no clock of `Liveness` either: one that does not come back says nothing about the path but its
//  size.
//
//  When the size changes, the open batch is closed and the striper told. All that waits are bytes (PartQueues), cut
//  into datagrams when they leave; what was lost in datagrams too large is sent again in smaller ones.
//
//  Rejected.  To begin with the interface's own size: on a path that does not carry it, the first second of every flow
//  would be lost, and two round trips of small datagrams cost 9 % of their bytes. To begin where the peer's other paths
//  are: they lead elsewhere.
//
//  Always true.  (1) `payload` of a path is that of its search, but for what is ours. (2) A search without a deadline
//  costs nothing, and after the first one only data gives it one. (3) Where no probe can be sent nothing is due.
//
//  Not here.  ICMP's "packet too big": nothing here needs it, and anybody can forge it, so its error queue is not read.
//  Our own kernel's word that an interface has become too small is taken (`tooLarge`).
//
//  Cost: nothing for a datagram; for a run that was reported one comparison.

import PathHealth
import PathMTU
public import Primitives
import Wire

extension Engine {
  /// No batch was free for a question: the kernel gives some back within that time, or is overloaded.
  static let probeRetry = Interval.milliseconds(1)

  // MARK: Paths come, go, move

  /// Which paths are asked: those that work in both directions, as long as there are keys.
  mutating func followReadiness(of index: Int, at now: Instant) {
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      let belief = peers[index].beliefs + place
      let isReady =
        peers[index].current != nil && peers[index].isUp(place) && peers[index].paths[place].liveness.isAnswered
      let isAsked = belief.pointee.size.state != .disabled
      if isReady && !isAsked {
        belief.pointee.size.start(at: now)
        followSize(of: place, index)
      } else if !isReady && isAsked {
        belief.pointee.size.stop()
      }
    }
  }

  /// The path leads another way, perhaps from another interface.
  mutating func sizeMoved(_ place: Int, of index: Int, at now: Instant) {
    let route = peers[index].paths[place].route
    let belief = peers[index].beliefs + place
    let fresh = PathMTU(mtu: localPaths[Int(route.socket)].mtu, to: route.remote)
    if belief.pointee.size.family != fresh.family {
      belief.pointee.size = fresh
    } else {
      belief.pointee.size.setLimit(fresh.limit, at: now)
      if belief.pointee.size.state != .disabled { belief.pointee.size.start(at: now) }
    }
    followSize(of: place, index)
  }

  /// True when it is another size than before.
  @inline(__always) @discardableResult
  private mutating func followSize(of place: Int, _ index: Int) -> Bool {
    let payload = peers[index].beliefs[place].size.payload - DataHeader.overhead
    if payload == peers[index].paths[place].payload { return false }
    closeBatch(place, of: index)
    peers[index].paths[place].payload = payload
    return true
  }

  /// Whatever the search was told: its path's datagrams follow.
  @inline(__always)
  private mutating func sizeLearned(_ place: Int, of index: Int, at now: Instant) {
    if followSize(of: place, index) && peers[index].carrying & 1 << UInt32(place) != 0 {
      beliefsChanged(of: index, at: now)
    }
  }

  // MARK: Questions

  /// What is due for the searches of a peer's paths.
  mutating func expireSizes(of index: Int, at now: Instant) {
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      let belief = peers[index].beliefs + place
      guard let due = belief.pointee.sizeDeadline, due <= now else { continue }
      guard let current = peers[index].current else {
        belief.pointee.size.stop()
        continue
      }
      belief.pointee.size.expire(at: now)
      sizeLearned(place, of: index, at: now)
      if let size = belief.pointee.size.nextProbe(at: now) {
        ask(for: size, on: place, of: index, with: current, at: now)
      }
    }
  }

  private mutating func ask(for size: Int, on place: Int, of index: Int, with current: Int, at now: Instant) {
    let belief = peers[index].beliefs + place
    if batches.freeCount == 0 {
      belief.pointee.sizeNotBefore = now + Engine.probeRetry
      return counters.count(.noBatch)
    }
    closeBatch(place, of: index)
    let question = SizeMessage.question(UInt16(size), mark: now.nanoseconds)
    withUnsafeTemporaryAllocation(byteCount: size - DataHeader.overhead, alignment: 8) { text in
      var writer = ControlWriter(text)
      guard writer.append(question) else { preconditionFailure("a question for less than it needs itself") }
      sendControl(UnsafeRawBufferPointer(text), on: place, of: index, at: now)
    }
    closeBatch(place, of: index)
    let roundTrip = peers[index].paths[place].liveness.smoothedRoundTrip
    belief.pointee.size.probeSent(size, roundTrip: roundTrip, at: now)
  }

  mutating func receive(_ message: SizeMessage, on place: Int, of index: Int, at now: Instant) {
    if !message.isAnswer {
      return withUnsafeTemporaryAllocation(byteCount: SizeMessage.length, alignment: 8) { text in
        var writer = ControlWriter(text)
        _ = writer.append(message.answer)
        sendControl(UnsafeRawBufferPointer(text), on: place, of: index, at: now)
      }
    }
    let holes = peers[index].beliefs[place].size.counters.blackHoles
    let verdict = peers[index].beliefs[place].size
      .probeAnswered(Int(message.size), sentAt: Instant(nanoseconds: message.mark), at: now)
    if verdict != .taken { return counters.count(.oddSize) }
    if peers[index].beliefs[place].size.counters.blackHoles != holes { counters.count(.blackHole) }
    sizeLearned(place, of: index, at: now)
    peerDeadlineChanged(index, at: now)
  }

  // MARK: How full datagrams fare

  /// Something was sent on a path: then its size may be asked for again.
  @inline(__always)
  mutating func sizeCarried(_ place: Int, of index: Int, at now: Instant) {
    if peers[index].beliefs[place].size.carried(at: now) { peerDeadlineChanged(index, at: now) }
  }

  /// What became of some datagrams of a run. All of them are full but perhaps the last.
  @inline(__always)
  mutating func noteSizes(_ news: PathLog.Settled, _ cargo: Cargo, on place: Int, of index: Int, at now: Instant) {
    let belief = peers[index].beliefs + place
    let holes = belief.pointee.size.counters.blackHoles
    let full = DataHeader.overhead + Int(cargo.step)
    let last = DataHeader.overhead + cargo.lastText(of: news.datagrams)
    let fullOnes = news.datagrams.count - (last == full ? 0 : 1)
    if news.outcome == .lost {
      belief.pointee.size.lost(full, count: fullOnes, at: now)
      if last != full { belief.pointee.size.lost(last, count: 1, at: now) }
    } else {
      belief.pointee.size.delivered(full, count: fullOnes, at: now)
      if last != full { belief.pointee.size.delivered(last, count: 1, at: now) }
    }
    if belief.pointee.size.counters.blackHoles != holes {
      counters.count(.blackHole)
      // What else was lost goes again in datagrams that fit.
      sizeLearned(place, of: index, at: now)
    }
  }

  /// Whether lost datagrams, sent again in a row, would be cut where they were. If not they are sent again one by one:
  /// a datagram that arrives after all must not overlap two of those that replace it, since a receiver who has a part
  /// of a datagram refuses the rest.
  func isCutAlike(_ cargo: Cargo, _ datagrams: Range<Int>, to index: Int) -> Bool {
    if datagrams.count == 1 { return true }
    if cargo.record > 0 && datagrams.lowerBound == 0 { return false }
    var carrying = peers[index].carrying
    while carrying != 0 {
      if peers[index].paths[carrying.trailingZeroBitCount].payload != Int(cargo.step) { return false }
      carrying &= carrying &- 1
    }
    return true
  }

  /// All news of a path were told.
  @inline(__always)
  mutating func sizesNoted(_ place: Int, of index: Int, at now: Instant) { sizeLearned(place, of: index, at: now) }

  /// Our own kernel refused a batch: its interface carries less than it did. What the path carries is asked anew, from
  /// the base on; a question that it refuses is one without an answer.
  public mutating func tooLarge(_ number: UInt16, at now: Instant) {
    let batch = batches[number]
    counters.count(.tooLarge)
    let index = Int(batch.peer)
    guard peers.indices.contains(index), let place = peers[index].place(of: batch.path),
      peers[index].paths[place].route == batch.route,
      batch.pieceLength <= peers[index].beliefs[place].size.payload
    else { return }
    _ = peers[index].beliefs[place].size.tooBig(PathMTU.base, at: now)
    sizeLearned(place, of: index, at: now)
    peerDeadlineChanged(index, at: now)
  }
}

extension PathMTU {
  /// Of an interface that carries IP packets of `mtu` bytes. A batch is no longer than 64 KiB, so one datagram of it is
  /// not, either.
  init(mtu: Int, to remote: Endpoint) {
    let family = remote.address.family
    self.init(limit: min(PathMTU.payload(mtu: mtu, family: family), SendBatches.mostBytes), family: family)
  }

  /// The IP packet around a full datagram.
  var mtuInUse: Int { payload - PathMTU.payload(mtu: 0, family: family) }
}
