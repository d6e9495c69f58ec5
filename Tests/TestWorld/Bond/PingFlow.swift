//  PingFlow.swift — echo requests, twenty a second mostly, and how long each took: what a call would feel.

import Packets
public import Primitives

public final class PingFlow: HostFlow {
  public struct Sample: Sendable {
    public var sentAt: Instant
    public var roundTrip: Interval
  }

  private static let transport: UInt8 = 1
  private static let payloadLength = 56
  private static let length = FlowEnds.ipv4Length + 8 + payloadLength
  /// A pause in which no number comes twice: an hour at twenty a second.
  private static let numbers = 1 << 16

  let ends: FlowEnds
  private let pause: Interval
  private var due: Instant?
  private var sentAt: [Instant] = []
  private var wasAnswered: [Bool] = []
  private var answers = RingBuffer<UInt16>()
  private var owesRequest = false
  public private(set) var samples: [Sample] = []
  /// Answers that came twice.
  public private(set) var duplicates = 0

  init(_ ends: FlowEnds, startingAt start: Instant, every pause: Interval = .milliseconds(50)) {
    self.ends = ends
    self.pause = pause
    due = start
  }

  public var sent: Int { sentAt.count }

  /// The longest time in which no answer came.
  public func longestSilence(from begin: Instant, to end: Instant) -> Interval {
    var longest = Interval.zero
    var last = begin
    // Answers come in another order than requests leave.
    for answer in samples.map({ $0.sentAt + $0.roundTrip }).sorted() where answer > begin && answer <= end {
      longest = max(longest, answer - last)
      last = answer
    }
    return max(longest, end - last)
  }

  func receive(_ packet: HostPacket, at now: Instant) -> String? {
    guard let start = packet.bytes.baseAddress, packet.bytes.count == PingFlow.length else {
      return "a ping of \(packet.bytes.count) bytes"
    }
    let kind: UInt8 = (start + FlowEnds.ipv4Length).number(at: 0)
    let number: UInt16 = (start + FlowEnds.ipv4Length).number(at: 6)
    if !ends.isRight(start + FlowEnds.ipv4Length + 8, PingFlow.content(number)) { return "ping \(number) changed" }
    if Int(number) >= sentAt.count { return "ping \(number), which nobody sent" }
    if packet.gateway != ends.from {
      if kind != 8 { return "a ping of kind \(kind)" }
      answers.append(number)
      return nil
    }
    if kind != 0 { return "an answer of kind \(kind)" }
    if wasAnswered[Int(number)] {
      duplicates += 1
      return nil
    }
    wasAnswered[Int(number)] = true
    samples.append(Sample(sentAt: sentAt[Int(number)], roundTrip: now - sentAt[Int(number)]))
    return nil
  }

  func nextFrame(behind gateway: Int, into frame: UnsafeMutableRawBufferPointer, at now: Instant) -> Int? {
    if gateway != ends.from { return answers.popFirst().map { write(0, $0, behind: gateway, frame) } }
    if !owesRequest { return nil }
    owesRequest = false
    let number = UInt16(sentAt.count)
    sentAt.append(now)
    wasAnswered.append(false)
    return write(8, number, behind: gateway, frame)
  }

  private static func content(_ number: UInt16) -> Range<Int> {
    Int(number) * 131..<Int(number) * 131 + payloadLength
  }

  private func write(
    _ kind: UInt8, _ number: UInt16, behind gateway: Int, _ frame: UnsafeMutableRawBufferPointer
  ) -> Int {
    guard let start = frame.baseAddress else { preconditionFailure("a packet without memory") }
    OffloadHeader().write(to: frame)
    let packet = start + OffloadHeader.length
    ends.writeHeader(to: packet, length: PingFlow.length, transport: PingFlow.transport, sentBehind: gateway)
    let message = packet + FlowEnds.ipv4Length
    message.put(UInt32(kind) << 24, at: 0)
    message.put(UInt16(ends.index), at: 4)
    message.put(number, at: 6)
    ends.write(PingFlow.content(number), to: message + 8)
    let sum = Checksum(UnsafeRawBufferPointer(start: message, count: PingFlow.length - FlowEnds.ipv4Length))
    message.put(sum.complement, at: 2)
    return OffloadHeader.length + PingFlow.length
  }

  var deadline: Instant? { due }

  func expire(at now: Instant) {
    guard let due, due <= now else { return }
    owesRequest = true
    self.due = sentAt.count + 1 < PingFlow.numbers ? due + pause : nil
  }

  func finish() { due = nil }

  /// Who pings minds no loss.
  var isDone: Bool { due == nil && !owesRequest && answers.isEmpty }
}
