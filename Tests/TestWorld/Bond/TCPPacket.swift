//  TCPPacket.swift — a stream's packets as bytes: IPv4 and TCP with timestamps and selective acknowledgements.
//
//  They are what a host's adapter is given: an offload header, and a packet of up to 64 KiB whose checksum is still to
//  be finished. Places in the stream are counted from zero here, and have 32 bits on the wire.

import Packets
import Primitives

struct TCPPacket {
  static let transport: UInt8 = 6
  static let headerLength = 52
  static let receiverPort = 80
  /// With 16 bits it says windows of up to 8 MiB.
  private static let windowShift = 7
  /// Two paddings and the timestamps; two paddings and selective acknowledgements.
  private static let timestamps: UInt32 = 0x0101_080a
  private static let selective: UInt32 = 0x0101_0500

  /// What came behind a hole: up to three ranges fit beside the timestamps.
  struct Blocks {
    private(set) var count = 0
    private var ranges = InlineArray<3, Range<Int>>(repeating: 0..<0)

    subscript(index: Int) -> Range<Int> { ranges[index] }

    mutating func append(_ range: Range<Int>) {
      if count == 3 { return }
      ranges[count] = range
      count += 1
    }
  }

  /// Where the payload belongs in the stream; nothing in an acknowledgement.
  var payload = 0..<0
  /// All before this place has arrived.
  var acknowledged = 0
  var window = 0
  var time: UInt32 = 0
  var echo: UInt32 = 0
  var blocks = Blocks()

  /// 1 ms a step, as Linux counts; never zero.
  static func time(at nanoseconds: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: nanoseconds / 1_000_000) | 0x8000_0000
  }

  // MARK: Writing

  /// Writes data, or an acknowledgement for the other way; returns the length of the frame.
  func write(_ flow: FlowEnds, to frame: UnsafeMutableRawBufferPointer) -> Int {
    let isData = !payload.isEmpty
    let blockLength = blocks.count > 0 ? 4 + 8 * blocks.count : 0
    let header = TCPPacket.headerLength + blockLength
    let length = header + payload.count
    guard let start = frame.baseAddress, OffloadHeader.length + length <= frame.count else {
      preconditionFailure("a packet longer than its buffer")
    }
    let gateway = isData ? flow.from : 1 - flow.from
    let packet = start + OffloadHeader.length
    flow.writeHeader(to: packet, length: length, transport: TCPPacket.transport, sentBehind: gateway)
    let tcp = packet + FlowEnds.ipv4Length
    tcp.put(UInt16(isData ? flow.port : TCPPacket.receiverPort), at: 0)
    tcp.put(UInt16(isData ? TCPPacket.receiverPort : flow.port), at: 2)
    tcp.put(isData ? flow.number(of: payload.lowerBound) : 1, at: 4)
    tcp.put(isData ? 1 : flow.number(of: acknowledged), at: 8)
    tcp.put(UInt8((32 + blockLength) * 4), at: 12)  // in words, in the upper half
    tcp.put((isData ? 0x18 : 0x10) as UInt8, at: 13)
    tcp.put(UInt16(min(0xffff, window >> TCPPacket.windowShift)), at: 14)
    tcp.put(
      flow.partialChecksum(
        length: length - FlowEnds.ipv4Length, transport: TCPPacket.transport, sentBehind: gateway), at: 16)
    tcp.put(0 as UInt16, at: 18)
    tcp.put(TCPPacket.timestamps, at: 20)
    tcp.put(time, at: 24)
    tcp.put(echo, at: 28)
    if blocks.count > 0 { tcp.put(TCPPacket.selective | UInt32(blockLength - 2), at: 32) }
    for index in 0..<blocks.count {
      tcp.put(flow.number(of: blocks[index].lowerBound), at: 36 + 8 * index)
      tcp.put(flow.number(of: blocks[index].upperBound), at: 40 + 8 * index)
    }
    if isData { flow.write(payload, to: packet + header) }
    var offload = OffloadHeader()
    offload.flags = OffloadHeader.needsChecksum
    offload.headerLength = UInt16(header)
    offload.checksumStart = UInt16(FlowEnds.ipv4Length)
    offload.checksumOffset = 16
    if payload.count > flow.segmentLength {
      offload.segmentKind = OffloadHeader.tcpIPv4
      offload.segmentSize = UInt16(flow.segmentLength)
    }
    offload.write(to: frame)
    return OffloadHeader.length + length
  }

  // MARK: Reading

  init() {}

  /// A packet of this flow whose checksums are right. `near`: a place of the stream within 2 GiB. nil: the headers are
  /// not what the other side wrote.
  init?(_ packet: UnsafeRawBufferPointer, _ view: PacketView, of flow: FlowEnds, near place: Int) {
    guard let start = packet.baseAddress, view.headerLength >= TCPPacket.headerLength else { return nil }
    let tcp = start + view.transportOffset
    guard tcp.number(at: 20) == TCPPacket.timestamps else { return nil }
    time = tcp.number(at: 24)
    echo = tcp.number(at: 28)
    if view.tuple.destinationPort == UInt16(TCPPacket.receiverPort) {
      let flags: UInt8 = tcp.number(at: 13)
      guard view.headerLength == TCPPacket.headerLength, flags & ~8 == 0x10, tcp.number(at: 8) == 1 as UInt32 else {
        return nil
      }
      let first = flow.place(of: tcp.number(at: 4), near: place)
      payload = first..<first + view.payloadLength
      return
    }
    guard view.payloadLength == 0, tcp.number(at: 4) == 1 as UInt32 else { return nil }
    acknowledged = flow.place(of: tcp.number(at: 8), near: place)
    window = Int(tcp.number(at: 14) as UInt16) << TCPPacket.windowShift
    let blockLength = view.headerLength - TCPPacket.headerLength
    if blockLength == 0 { return }
    guard tcp.number(at: 32) == TCPPacket.selective | UInt32(blockLength - 2) else { return nil }
    for index in 0..<(blockLength - 4) / 8 {
      let lower = flow.place(of: tcp.number(at: 36 + 8 * index), near: place)
      let upper = flow.place(of: tcp.number(at: 40 + 8 * index), near: place)
      guard lower < upper else { return nil }
      blocks.append(lower..<upper)
    }
  }
}
