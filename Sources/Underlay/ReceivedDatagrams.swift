//  ReceivedDatagrams.swift — one filled receive buffer: datagrams of one sender, one behind the other.
//
//  The kernel joins datagrams of the same size that come from the same place (UDP_GRO): up to 64 KiB in one buffer, the
//  last may be shorter. Everything that we want to know of them is the same for all, since else it would not have
//  joined them: sender, the address they were sent to, traffic class.
//
//      0        16          48                  144
//      │ header │ sockaddr  │ control messages  │ datagram │ datagram │ … │ last │
//
//  What comes in is what any stranger sends: sizes are the kernel's word, the bytes are nobody's.

public import Glibc
public import Primitives
public import Ring

public struct ReceivedDatagrams {
  public let source: Endpoint
  /// The address of ours that the sender asked; an answer leaves from it. nil when the kernel does not tell.
  public let destination: IPAddress?
  public let bytes: UnsafeMutableRawBufferPointer
  /// Of every datagram but the last.
  public let segmentSize: Int
  /// The IP header's byte: the lowest two bits are ECN (3: congestion experienced), the others DSCP.
  public let trafficClass: UInt8
  /// The end of the bytes is missing, since the buffer was too short.
  public let isTruncated: Bool

  /// 28 bytes of address, and four more so that the control messages are aligned.
  public static let nameRoom = 32
  /// Segment size 24, traffic class 24, packet info 40; and a little that we may want to know one day.
  public static let controlRoom = 96
  /// What stands before the datagrams.
  public static let headroom = ReceivedMessage.headerLength + nameRoom + controlRoom
  /// Headroom and the longest that the kernel joins. A shorter buffer loses datagrams.
  public static let bufferLength = headroom + 65_536

  /// For `Ring.receive`; stays for ever.
  public nonisolated(unsafe) static let layout: UnsafePointer<msghdr> = {
    let layout = UnsafeMutablePointer<msghdr>.allocate(capacity: 1)
    layout.initialize(to: msghdr())
    layout.pointee.msg_namelen = socklen_t(nameRoom)
    layout.pointee.msg_controllen = controlRoom
    return UnsafePointer(layout)
  }()

  /// `buffer` is what a completion of `Ring.receive` has filled. nil when it has no sender that we could answer.
  @inlinable
  public init?(_ buffer: UnsafeMutableRawBufferPointer) {
    guard
      let message = ReceivedMessage(
        buffer, nameRoom: ReceivedDatagrams.nameRoom, controlRoom: ReceivedDatagrams.controlRoom),
      let source = SocketAddress.read(message.name)
    else { return nil }
    self.source = source
    bytes = message.payload
    isTruncated = message.isTruncated
    var segmentSize = message.payload.count
    var trafficClass: UInt8 = 0
    var destination: IPAddress?
    ControlMessages.forEach(in: message.control) { level, type, data in
      guard let value = data.baseAddress else { return }
      switch (level, type) {
      case (ControlMessages.levelUDP, ControlMessages.joined) where data.count >= 4:
        let size = Int(value.loadUnaligned(as: Int32.self))
        if size > 0 { segmentSize = min(size, segmentSize) }
      case (ControlMessages.levelIPv4, ControlMessages.typeOfService) where data.count >= 1:
        trafficClass = value.load(as: UInt8.self)
      case (ControlMessages.levelIPv6, ControlMessages.trafficClass6) where data.count >= 4:
        trafficClass = UInt8(truncatingIfNeeded: value.loadUnaligned(as: Int32.self))
      case (ControlMessages.levelIPv4, ControlMessages.packetInfo) where data.count >= 12:
        destination = SocketAddress.address4(value + 4)
      case (ControlMessages.levelIPv6, ControlMessages.packetInfo6) where data.count >= 20:
        destination = SocketAddress.address6(value)
      default: break
      }
    }
    self.segmentSize = segmentSize
    self.trafficClass = trafficClass
    self.destination = destination
  }

  /// How many datagrams there are; an empty one counts.
  @inlinable public var count: Int {
    segmentSize == 0 ? 1 : (bytes.count + segmentSize - 1) / segmentSize
  }

  /// The bytes of one of them.
  @inlinable public subscript(index: Int) -> UnsafeMutableRawBufferPointer {
    let start = index * segmentSize
    return UnsafeMutableRawBufferPointer(rebasing: bytes[start..<min(start + segmentSize, bytes.count)])
  }
}
