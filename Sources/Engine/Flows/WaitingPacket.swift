//  WaitingPacket.swift — a packet in the buffer that it was read into, and how its sender is told that it waits too
//  long.
//
//  A sender who understands ECN reads a mark in the packet's header; all others understand only that a packet is
//  missing. A super-packet is many packets with one header: the mark is in all of them when they are cut, but to drop
//  it would be dozens of losses where one was meant. So it loses its first piece, and the rest is a super-packet with
//  headers of its own, written over the end of what is dropped:
//
//      │ headers │ piece 1 │ piece 2 │ piece 3 │ pie 4 │
//                │ headers │ piece 2 │ piece 3 │ pie 4 │         bytes + segmentSize; no payload moves
//
//  Always true.  (1) What is left is a whole packet, and in the same buffer. (2) It is never empty.

import Packets
import Primitives

struct WaitingPacket: BitwiseCopyable {
  /// Read by whoever seals it; written to only by `tellSender`.
  var bytes: UnsafeMutableRawPointer
  /// When it began to wait.
  var arrived: Instant
  var length: UInt32
  /// Behind its transport header.
  var payloadLength: UInt16
  /// Of the pieces of a super-packet; 0 when it is none.
  var segmentSize: UInt16
  /// Of the driver's; it goes back when the packet has left.
  var buffer: UInt16
  var needsChecksum: Bool
}

extension WaitingPacket {
  enum Telling {
    case marked
    /// A super-packet without its first piece.
    case trimmed
    /// Nothing else would tell him: the packet has to go.
    case mustGo
  }

  @inline(never)
  mutating func tellSender() -> Telling {
    switch markCongestion(UnsafeMutableRawBufferPointer(start: bytes, count: Int(length))) {
    case .marked, .alreadyMarked: .marked
    case .notCapable, .notIP: trim() ? .trimmed : .mustGo
    }
  }

  private mutating func trim() -> Bool {
    let packet = UnsafeRawBufferPointer(start: bytes, count: Int(length))
    let size = Int(segmentSize)
    guard size > 0, let view = try? PacketView(packet), view.payloadLength > size else { return false }
    let room = UnsafeMutableRawBufferPointer(start: bytes + size, count: view.headerLength)
    let cut = SuperPacket.cut(
      headers: packet, of: view, payload: size..<view.payloadLength, segmentSize: size, needsChecksum: needsChecksum,
      into: room)
    if cut != .done { return false }
    bytes += size
    length -= UInt32(size)
    payloadLength -= segmentSize
    if payloadLength <= segmentSize { segmentSize = 0 }
    return true
  }
}
