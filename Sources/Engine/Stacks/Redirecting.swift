//  Redirecting.swift — parts that wait for a path which turned out to be the wrong one.
//
//  Why.  A part waits for the path that it was cut for, and that was right when it was cut. Then the path dies, or its
//  rate falls to a tenth: what waits there would land seconds later than over any other, and all of its flow with it.
//  Nothing of it is sealed yet, so it may go anywhere.
//
//  How.  When a path carries no more, all that waits for it goes over the one that lands first. While it carries, each
//  report asks when the last of what waits for it would land there, and when over the best of the others behind all
//  that waits for those. If that is less than half as long, and sooner by more than a swing of the delay explains
//  (`leastGain`), it goes there. The parts that the striper cuts land together, so this happens when what was believed
//  of a path was wrong, and not else.
//
//      path A, 30 ─▶ 0.3 Mbit/s   │ 9 ······ │ 11 ····· │  lands in 1.9 s ─┐ what is sent again and bulk
//      path B, 20 Mbit/s          │ 10 · │                lands in 30 ms ◀─┘
//
//  Rejected.  To cut it anew (parts of a segment would have to be found and joined for a difference of milliseconds);
//  to move what is urgent (it is so little that it leaves next in any case).
//
//  Always true.  (1) Parts of a flow that has only one path stay there while it carries, and so do members of protected
//  groups. (2) A copy that tries a path goes nowhere else. (3) What moved is not cut again and overtakes other bulk.

import Primitives
import Striper

extension Engine {
  /// Twice what a radio's scheduler does to the delay.
  static let leastGain = Interval.milliseconds(50)

  // MARK: It carries, but too slowly

  /// What would land much sooner elsewhere goes there.
  mutating func redirectLate(of index: Int) {
    var loaded = peers[index].loaded & peers[index].striped
    while loaded != 0 {
      let place = loaded.trailingZeroBitCount
      loaded &= loaded &- 1
      let path = peers[index].paths + place
      let waiting = path.pointee.again.bytes + path.pointee.bulk.bytes
      guard waiting > 0, let landing = peers[index].striper.arrival(of: 0, on: place, as: .bulk),
        landing > Engine.leastGain, let other = earliest(waiting, besides: place, of: index),
        other * 2 + Engine.leastGain < landing
      else { continue }
      redirectMovable(from: place, index)
    }
  }

  /// When so much could have landed over one of the others that are known.
  private func earliest(_ bytes: Int, besides place: Int, of index: Int) -> Interval? {
    var earliest: Interval?
    for other in (peers[index].proven & peers[index].carrying & ~place.bit).places {
      guard let landing = peers[index].striper.arrival(of: bytes, on: other, as: .bulk) else { continue }
      earliest = min(earliest ?? landing, landing)
    }
    return earliest
  }

  private mutating func redirectMovable(from place: Int, _ index: Int) {
    let path = peers[index].paths + place
    for precedence in [.again, .bulk] as [Striper.Precedence] {
      var list = path.pointee[precedence]
      path.pointee[precedence] = PartList()
      while let part = parts.first(of: list) {
        parts.take(part.count, from: &list)
        let mayMove = part.kind == 0 && shipments[part.shipment]?.pointee.isPinned == false
        var other = Int?.none
        if mayMove { other = self.path(for: part.count, as: .again, of: index) }
        if let other, other != place {
          peers[index].striper.sent(part.count, on: place, as: precedence)
          wait(part, for: other, of: index, as: .again)
          counters.count(.moved)
        } else {
          parts.append(part, to: &path.pointee[precedence])
        }
      }
    }
    if path.pointee.waitingBytes == 0 { peers[index].loaded &= ~place.bit }
    noteLoaded(index)
  }

  // MARK: It carries no more

  /// What waits for a path that carries no more goes over others of the same peer; without one it is dropped.
  mutating func redirectParts(of place: Int, _ index: Int) {
    let path = peers[index].paths + place
    peers[index].loaded &= ~(1 << UInt32(place))
    let before = path.pointee
    for precedence in Striper.Precedence.allCases { path.pointee[precedence] = PartList() }
    // The others land sooner, and this one is no choice any more.
    if peers[index].striped & 1 << UInt32(place) != 0 {
      peers[index].striper.setPath(place, nil)
      peers[index].striped &= ~(1 << UInt32(place))
    }
    for precedence in Striper.Precedence.allCases {
      var list = before[precedence]
      // It would have left by now, and what came after it waits.
      let next = precedence == .bulk ? .again : precedence
      while let part = parts.first(of: list) {
        parts.take(part.count, from: &list)
        if part.copy > 0, shipments[part.shipment]?.pointee.isTried == true {
          drop(part)
          continue
        }
        redirect(part, to: survivor(for: part, of: index, as: next), of: index, as: next)
      }
    }
  }

  private mutating func survivor(
    for part: WaitingPart, of index: Int, as precedence: Striper.Precedence
  ) -> Int? {
    if precedence == .urgent, let place = peers[index].striper.single(part.count, as: .urgent) { return Int(place) }
    if let place = path(for: part.count, as: precedence, of: index) { return place }
    return peers[index].carrying == 0 ? nil : peers[index].carrying.trailingZeroBitCount
  }

  // MARK: Nobody waits for them

  /// The other gateway counts its lanes anew: what waits for it has numbers that mean nothing any more.
  mutating func dropParts(of index: Int) {
    for place in 0..<PeerPath.mostPaths where peers[index].isUsed(place) {
      let path = peers[index].paths + place
      while let precedence = path.pointee.precedence, let part = parts.first(of: path.pointee[precedence]) {
        discard(part, of: place, index, as: precedence)
        counters.count(.noPath)
      }
    }
    peers[index].loaded = 0
  }

  private mutating func redirect(
    _ part: WaitingPart, to other: Int?, of index: Int, as precedence: Striper.Precedence
  ) {
    guard let other else {
      drop(part)
      return counters.count(.noPath)
    }
    wait(part, for: other, of: index, as: precedence)
    noteLoaded(index)
  }

  /// The first that waits for a path will not be sent.
  mutating func discard(_ part: WaitingPart, of place: Int, _ index: Int, as precedence: Striper.Precedence) {
    let path = peers[index].paths + place
    if peers[index].striped & 1 << UInt32(place) != 0 {
      peers[index].striper.sent(part.count, on: place, as: precedence)
    }
    parts.take(part.count, from: &path.pointee[precedence])
    drop(part)
  }

  /// It will not be sent.
  private mutating func drop(_ part: WaitingPart) {
    drafted = nil
    shipments.sent(part.shipment, bytes: part.count)
    shipments.settle(part.shipment, bytes: part.count)
  }
}
