//  UserPackets.swift — packets as the virtual NIC hands them over: an offload header, then IP.

import Packets
import Primitives

public enum UserPackets {
  /// A TCP super-packet with this payload, its checksum still to be finished.
  public static func stream(_ payload: Int) -> [UInt8] {
    packet(transport: 6, header: tcp, payload: payload, segmentSize: 1448, kind: OffloadHeader.tcpIPv4, checksumAt: 16)
  }

  /// One UDP packet.
  public static func datagram(_ payload: Int, port: Int) -> [UInt8] {
    packet(
      transport: 17, header: udp(port, payload), payload: payload, segmentSize: 0, kind: 0, checksumAt: 6)
  }

  /// A UDP super-packet.
  public static func datagrams(_ count: Int, of payload: Int) -> [UInt8] {
    packet(
      transport: 17, header: udp(4000, count * payload), payload: count * payload, segmentSize: payload,
      kind: OffloadHeader.udp, checksumAt: 6)
  }

  private static let tcp: [UInt8] =
    [0x13, 0x88, 0x0f, 0xa0, 0, 0, 0, 1, 0, 0, 0, 1, 0x80, 0x10, 0xff, 0xff, 0, 0, 0, 0]
    + [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]

  private static func udp(_ port: Int, _ payload: Int) -> [UInt8] {
    let length = payload + 8
    return [
      UInt8(port >> 8), UInt8(port & 255), 0x0f, 0xa0, UInt8(length >> 8), UInt8(length & 255), 0, 0,
    ]
  }

  private static func packet(
    transport: UInt8, header: [UInt8], payload: Int, segmentSize: Int, kind: UInt8, checksumAt: Int
  ) -> [UInt8] {
    let total = 20 + header.count + payload
    var ip: [UInt8] = [0x45, 0, UInt8(total >> 8), UInt8(total & 255), 0, 1, 0x40, 0, 64, transport, 0, 0]
    ip += EnginePair.users.first.bytes + EnginePair.users.second.bytes
    let sum = ip.withUnsafeBytes { Checksum($0).complement }
    ip[10] = UInt8(sum >> 8)
    ip[11] = UInt8(sum & 255)
    var transportHeader = header
    var pseudo = Checksum()
    pseudo.addPseudoHeader(
      source: EnginePair.users.first, destination: EnginePair.users.second, transport: transport, length: total - 20)
    transportHeader[checksumAt] = UInt8(pseudo.folded >> 8)
    transportHeader[checksumAt + 1] = UInt8(pseudo.folded & 255)
    var offload = OffloadHeader()
    offload.flags = OffloadHeader.needsChecksum
    offload.segmentKind = kind
    offload.headerLength = UInt16(20 + header.count)
    offload.segmentSize = UInt16(segmentSize)
    offload.checksumStart = 20
    offload.checksumOffset = UInt16(checksumAt)
    var bytes = [UInt8](repeating: 0, count: OffloadHeader.length)
    bytes.withUnsafeMutableBytes { offload.write(to: $0) }
    return bytes + ip + transportHeader + (0..<payload).map { UInt8(truncatingIfNeeded: $0) }
  }
}
