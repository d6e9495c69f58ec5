//  FlowEnds.swift — who speaks with whom in a flow, and what all packets between them have in common.
//
//  A flow of number n is port 1024 + n of its sender, or the identifier n of its pings; so every packet that comes out
//  of a tunnel says whose it is. All content is cut from one table (UserTraffic.swift) at a place that follows from the
//  flow and the place in its stream: each packet can be checked alone.

import Glibc
import Packets
import Primitives

struct FlowEnds {
  static let ipv4Length = 20

  let index: Int
  /// The gateway behind which the sender is: 0 or 1.
  let from: Int
  /// Where the stream's numbers begin.
  let first: UInt32
  /// What a full packet of a stream carries.
  let segmentLength: Int

  var port: Int { 1024 + index }

  func address(behind gateway: Int) -> IPAddress { innerAddress(.ipv4, behind: gateway) }

  // MARK: Places in a stream

  func number(of place: Int) -> UInt32 { first &+ UInt32(truncatingIfNeeded: place) }

  /// Which place has this number: the one within 2 GiB of another that is known.
  func place(of number: UInt32, near place: Int) -> Int {
    place + Int(Int32(bitPattern: number &- self.number(of: place)))
  }

  // MARK: Content

  func write(_ places: Range<Int>, to target: UnsafeMutableRawPointer) {
    UserBytes.table.withUnsafeBytes { table in
      guard let table = table.baseAddress else { return }
      target.copyMemory(from: table + UserBytes.place(index, places.lowerBound), byteCount: places.count)
    }
  }

  func isRight(_ bytes: UnsafeRawPointer, _ places: Range<Int>) -> Bool {
    UserBytes.table.withUnsafeBytes { table in
      guard let table = table.baseAddress else { return false }
      return memcmp(bytes, table + UserBytes.place(index, places.lowerBound), places.count) == 0
    }
  }

  // MARK: Headers

  /// Writes the IPv4 header of a packet of `length` bytes that leaves the host behind this gateway.
  func writeHeader(to packet: UnsafeMutableRawPointer, length: Int, transport: UInt8, sentBehind gateway: Int) {
    packet.put(0x4500 << 16 | UInt32(length), at: 0)
    packet.put(0x0007_4000 as UInt32, at: 4)
    packet.put(UInt32(61) << 24 | UInt32(transport) << 16, at: 8)
    packet.put(UInt32(truncatingIfNeeded: address(behind: gateway).high >> 32), at: 12)
    packet.put(UInt32(truncatingIfNeeded: address(behind: 1 - gateway).high >> 32), at: 16)
    packet.put(Checksum(UnsafeRawBufferPointer(start: packet, count: FlowEnds.ipv4Length)).complement, at: 10)
  }

  /// What stands in the place of a checksum that an adapter finishes.
  func partialChecksum(length: Int, transport: UInt8, sentBehind gateway: Int) -> UInt16 {
    var sum = Checksum()
    sum.addPseudoHeader(
      source: address(behind: gateway), destination: address(behind: 1 - gateway), transport: transport,
      length: length)
    return sum.folded
  }
}

/// Numbers in network order.
extension UnsafeMutableRawPointer {
  func put<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at place: Int) {
    storeBytes(of: number.bigEndian, toByteOffset: place, as: Number.self)
  }
}

extension UnsafeRawPointer {
  func number<Number: FixedWidthInteger & BitwiseCopyable>(at place: Int) -> Number {
    Number(bigEndian: loadUnaligned(fromByteOffset: place, as: Number.self))
  }
}
