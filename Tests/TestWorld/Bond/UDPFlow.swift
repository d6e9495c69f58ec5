//  UDPFlow.swift — datagrams at a steady rate: how many are lost, and how many come out of order.

import Packets
import Primitives

public final class UDPFlow: HostFlow {
  private static let transport: UInt8 = 17
  private static let port = 4000
  private static let headerLength = FlowEnds.ipv4Length + 8
  /// What a host's socket holds while its card is busy; what is too much then is not sent.
  private static let mostWaiting = 64

  let ends: FlowEnds
  /// Of a datagram's payload; the first four bytes are its number.
  private let length: Int
  private let pause: Interval
  private var due: Instant?
  private var owed = 0
  private var next: UInt32 = 0
  public private(set) var sent = 0
  public private(set) var received = 0
  /// Datagrams that came after one with a greater number.
  public private(set) var disordered = 0
  /// Datagrams that had come before.
  public private(set) var duplicates = 0
  private var hasCome: [Bool] = []

  /// `rate` counts what is in datagrams.
  init(_ ends: FlowEnds, startingAt start: Instant, rate: BitRate, length: Int) {
    precondition(length >= 4 && length <= 1472, "a datagram of one full packet at most")
    self.ends = ends
    self.length = length
    pause = rate.time(toSend: ByteCount(length))
    due = start
  }

  public var lost: Int { sent - (received - duplicates) }

  func receive(_ packet: HostPacket, at now: Instant) -> String? {
    guard let start = packet.bytes.baseAddress, packet.gateway != ends.from else { return "a datagram that came back" }
    // The engine may bundle what the sender sent one by one; adapters cut it again.
    var place = UDPFlow.headerLength
    while place < packet.bytes.count {
      guard place + length <= packet.bytes.count else { return "a datagram of \(packet.bytes.count - place) bytes" }
      let number: UInt32 = (start + place).number(at: 0)
      if Int(number) >= sent { return "datagram \(number), which nobody sent" }
      if !ends.isRight(start + place + 4, content(number)) { return "datagram \(number) changed" }
      received += 1
      if hasCome[Int(number)] {
        duplicates += 1
        place += length
        continue
      }
      hasCome[Int(number)] = true
      if number < next { disordered += 1 } else { next = number + 1 }
      place += length
    }
    return nil
  }

  private func content(_ number: UInt32) -> Range<Int> { Int(number) * 131..<Int(number) * 131 + length - 4 }

  func nextFrame(behind gateway: Int, into frame: UnsafeMutableRawBufferPointer, at now: Instant) -> Int? {
    guard gateway == ends.from, owed > 0, let start = frame.baseAddress else { return nil }
    owed -= 1
    let number = UInt32(sent)
    sent += 1
    hasCome.append(false)
    let total = UDPFlow.headerLength + length
    let packet = start + OffloadHeader.length
    ends.writeHeader(to: packet, length: total, transport: UDPFlow.transport, sentBehind: gateway)
    let message = packet + FlowEnds.ipv4Length
    message.put(UInt16(ends.port), at: 0)
    message.put(UInt16(UDPFlow.port), at: 2)
    message.put(UInt16(8 + length), at: 4)
    message.put(
      ends.partialChecksum(length: 8 + length, transport: UDPFlow.transport, sentBehind: gateway), at: 6)
    message.put(number, at: 8)
    ends.write(content(number), to: message + 12)
    var offload = OffloadHeader()
    offload.flags = OffloadHeader.needsChecksum
    offload.headerLength = UInt16(UDPFlow.headerLength)
    offload.checksumStart = UInt16(FlowEnds.ipv4Length)
    offload.checksumOffset = 6
    offload.write(to: frame)
    return OffloadHeader.length + total
  }

  var deadline: Instant? { due }

  func expire(at now: Instant) {
    while let due, due <= now {
      owed = min(UDPFlow.mostWaiting, owed + 1)
      self.due = due + pause
    }
  }

  func finish() { due = nil }

  var isDone: Bool { due == nil && owed == 0 }
}
