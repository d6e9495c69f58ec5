//  HostFlow.swift — what two hosts, one behind each gateway, say to each other.
//
//  The face of every core: packets come in with the time, packets go out until there are none, and a deadline says when
//  to ask again. A flow is one object with both of its ends, so that what comes out of a tunnel can be compared with
//  what went in.

import Packets
import Primitives

/// A packet that came to a host; its headers and checksums are right.
struct HostPacket {
  let bytes: UnsafeRawBufferPointer
  let view: PacketView
  /// The host behind this gateway has it.
  let gateway: Int
}

protocol HostFlow: AnyObject {
  /// Takes a packet; a sentence when it is not what the other end sent.
  func receive(_ packet: HostPacket, at now: Instant) -> String?
  /// Writes the next frame, offload header and all, that the host behind this gateway sends now; its length.
  func nextFrame(behind gateway: Int, into frame: UnsafeMutableRawBufferPointer, at now: Instant) -> Int?
  var deadline: Instant? { get }
  func expire(at now: Instant)
  /// Sends nothing new from now on.
  func finish()
  /// What was sent has arrived, as far as this kind of flow minds.
  var isDone: Bool { get }
}
