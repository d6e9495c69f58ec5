//  Machine.swift — what can live at a node of a simulated network: anything with the project's five-part face.
//
//  A machine has ports, numbered from 0 in the order in which the world connected them. A port leads to one port of one
//  other machine, over a path of the topology; what lies between forwards, delays, loses. A machine sees bytes and the
//  port at which they came, never the network: whoever plays a gateway here plays it as it would behind sockets.
//
//  It is a class so that a test keeps hold of what it put into the world. The core inside stays a value, as everywhere.

public import Primitives

public protocol Machine: AnyObject {
  /// A datagram's payload came in at this port. The bytes are the machine's until it returns.
  func receive(_ datagram: Span<UInt8>, from port: Int, at now: Instant)

  /// Writes the next datagram that wants to leave and names its port; nil when there is none. The world drains it to
  /// nil after each input. What is written with nil is forgotten.
  func nextTransmission(into datagram: inout OutputSpan<UInt8>) -> Int?

  /// When it wants to be called back; always later than the last input.
  var deadline: Instant? { get }

  func expire(at now: Instant)
}
