//  TCPFlow.swift — one TCP stream between two hosts: a sender without end, a receiver, and what both found.

import Packets
public import Primitives

public final class TCPFlow: HostFlow {
  let ends: FlowEnds
  private let start: Instant
  private var hasBegun = false
  private var sender: TCPSender
  private var receiver: TCPReceiver
  /// Behind the last byte that came, in order or not.
  private var highest = 0
  /// Packets that others of this flow overtook, although they were sent once: what a bond shall not do.
  public private(set) var overtaken: UInt64 = 0

  init(_ ends: FlowEnds, startingAt start: Instant) {
    self.ends = ends
    self.start = start
    sender = TCPSender(segmentLength: ends.segmentLength)
    receiver = TCPReceiver(segmentLength: ends.segmentLength)
  }

  /// Bytes that the application was given, in order.
  public var received: Int { receiver.next }
  /// Segments that were sent again.
  public var retransmissions: UInt64 { sender.counters.retransmissions }
  public var timeouts: UInt64 { sender.counters.timeouts }
  public var recoveries: UInt64 { sender.counters.recoveries }
  /// Recoveries that were taken back, since nothing had been lost.
  public var undone: UInt64 { sender.counters.undone }
  /// Segments.
  public var window: Int { sender.cubic.window }
  public var smoothedRoundTrip: Interval { .nanoseconds(Int64(sender.smoothed)) }
  public var acknowledgements: UInt64 { receiver.counters.acknowledgements }
  public var segments: UInt64 { sender.counters.transmissions }

  func receive(_ packet: HostPacket, at now: Instant) -> String? {
    let isData = packet.gateway != ends.from
    let near = isData ? receiver.next : sender.acknowledged
    guard let tcp = TCPPacket(packet.bytes, packet.view, of: ends, near: near) else { return "the TCP header changed" }
    if !isData {
      if tcp.acknowledged > receiver.next { return "an acknowledgement of what did not arrive" }
      sender.receive(tcp, at: now)
      return nil
    }
    guard !tcp.payload.isEmpty, let start = packet.bytes.baseAddress else { return "data without data" }
    let sent = sender.next * ends.segmentLength
    if tcp.payload.lowerBound < 0 || tcp.payload.upperBound > sent {
      return "bytes \(tcp.payload) of \(sent) that were sent"
    }
    if !ends.isRight(start + packet.view.headerLength, tcp.payload) { return "bytes \(tcp.payload) changed" }
    if tcp.payload.lowerBound < highest && tcp.payload.lowerBound >= receiver.next
      && !sender.wasRepeated(tcp.payload.lowerBound / ends.segmentLength)
    {
      overtaken += 1
    }
    highest = max(highest, tcp.payload.upperBound)
    receiver.receive(tcp, at: now)
    return nil
  }

  func nextFrame(behind gateway: Int, into frame: UnsafeMutableRawBufferPointer, at now: Instant) -> Int? {
    if gateway != ends.from {
      guard let packet = receiver.nextAcknowledgement(at: now) else { return nil }
      return packet.write(ends, to: frame)
    }
    guard hasBegun, let segments = sender.nextSegments(at: now) else { return nil }
    var packet = TCPPacket()
    let length = ends.segmentLength
    packet.payload = segments.lowerBound * length..<segments.upperBound * length
    packet.time = TCPPacket.time(at: now.nanoseconds)
    packet.echo = sender.lastTime
    return packet.write(ends, to: frame)
  }

  var deadline: Instant? {
    if !hasBegun { return start }
    guard let due = sender.deadline else { return receiver.deadline }
    guard let other = receiver.deadline else { return due }
    return min(due, other)
  }

  func expire(at now: Instant) {
    if !hasBegun {
      hasBegun = now >= start
      return
    }
    sender.expire(at: now)
    receiver.expire(at: now)
  }

  /// What is always true of the sender; for tests.
  public func complaint() -> String? { sender.complaint() }

  func finish() { sender.finish() }

  var isDone: Bool { sender.isDone && receiver.next == sender.next * ends.segmentLength }
}
