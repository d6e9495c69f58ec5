//  Rebuilding.swift — pieces of protected groups arrive: what is in them is delivered, what is missing is computed.
//
//      extra 1 … 16    member ──▶ its place in the segment, at once
//                             ╲
//                              ▶ the lane's decoder ──▶ k of k + m are there? ──▶ the missing ones, to their places,
//                             ╱                                                    as if they had arrived
//      extra 17 … 20   parity
//
//  All of it is authentic, so only a peer can lie, and only to himself: what a decoder computes is placed as whatever
//  he might have sent. A lane for which there is no decoder (GuardedLanes) still has its members.
//
//  What was rebuilt came over no path: it proves nothing about any.
//
//  Second copies need nothing of this: the resequencer takes each byte once. They are opened all the same and noted
//  for their path (Inbound), since a path that brings nothing but second copies loses nothing.

import Primitives
import Redundancy
import Resequencer
import Wire

extension Engine {
  private static let noPath = UInt8.max

  /// `text` is open, and begins with the piece's header.
  @inline(never)
  mutating func receivePiece(
    _ location: Location, _ text: UnsafeRawBufferPointer, from laneSet: Resequencer.LaneSet, of index: Int,
    on path: Int, isCongested: Bool, at now: Instant
  ) {
    guard let header = ParityHeader(extra: location.extra, text), Int(location.lane) < Peer.lanes else {
      return counters.count(.malformed)
    }
    var location = location
    location.extra = 0
    let content = UnsafeRawBufferPointer(rebasing: text[ParityHeader.length...])
    if case .member = header.piece {
      _ = put(location, content, from: laneSet, over: UInt8(path), isCongested: isCongested, at: now)
    }
    guard let place = guarded.receiver(for: location.lane, of: index, at: now) else {
      return counters.count(.unprotected)
    }
    _ = guarded.receivers[place].receive(header, location, content, at: now)
    while let one = guarded.receivers[place].nextRebuilt() {
      let isOfUse = put(one.location, one.text, from: laneSet, over: Engine.noPath, isCongested: false, at: now)
      if isOfUse { counters.count(.rebuilt) }
    }
  }

  /// Bytes that are authentic and lie somewhere else: into their segment. False when they are of no use there.
  private mutating func put(
    _ location: Location, _ text: UnsafeRawBufferPointer, from laneSet: Resequencer.LaneSet, over path: UInt8,
    isCongested: Bool, at now: Instant
  ) -> Bool {
    switch resequencer.place(location, textLength: text.count, from: laneSet, at: now) {
    case .refused(let verdict):
      if path != Engine.noPath { noteRefused(verdict) }
      return false
    case .into(let place, let claim):
      if let start = text.baseAddress { place.copyMemory(from: start, byteCount: text.count) }
      return resequencer.accept(claim, path: path, congestion: isCongested, at: now) == .accepted
    case .aside(let claim):
      return resequencer.accept(claim, path: path, congestion: isCongested, text: text, at: now) == .accepted
    }
  }

  /// A genuine datagram that the resequencer has no use for.
  mutating func noteRefused(_ verdict: Verdict) {
    if verdict == .duplicate || verdict == .late { counters.count(.needless) }
  }
}
