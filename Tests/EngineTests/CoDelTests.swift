import Packets
import Primitives
import Testing

@testable import Engine

@Suite struct `Whether packets stand in a queue` {
  /// A packet leaves every millisecond; the answer is which of them are told, in milliseconds.
  private static func told(
    _ codel: inout CoDel, from start: Int64 = 1_000, for count: Int64, waited: (Int64) -> Int64, length: Int = 1_500,
    behind: Int = 100_000, rate: BitRate? = nil
  ) -> [Int64] {
    (start..<(start + count)).filter { step in
      codel.judge(
        waited: .milliseconds(waited(step)), length: length, behind: behind, rate: rate,
        at: .zero + .milliseconds(step))
    }
  }

  @Test func `is not said of a burst that is gone within a round trip`() {
    var codel = CoDel()
    // 180 ms of every 190 it is above the target.
    #expect(Self.told(&codel, for: 10_000) { $0 % 190 < 180 ? 80 : 15 } == [])
  }

  @Test func `is said after 200 ms, and then more and more often`() {
    var codel = CoDel()
    let told = Self.told(&codel, for: 1_000) { _ in 40 }
    // The pauses are 200 ms ÷ √n, and a packet leaves each millisecond.
    #expect(told == [1_200, 1_400, 1_542, 1_657, 1_757, 1_847, 1_928])
    #expect(Self.told(&codel, from: 2_000, for: 50) { _ in 1 } == [] && codel.isQuiet)
  }

  @Test func `begins where it ended when the queue is soon back`() {
    var codel = CoDel()
    let first = Self.told(&codel, for: 4_000) { _ in 40 }
    _ = Self.told(&codel, from: 5_000, for: 1) { _ in 1 }
    let second = Self.told(&codel, from: 5_001, for: 800) { _ in 40 }
    // The first of 800 ms is as late as ever, the others come at nearly the rate of before.
    #expect(second.first == 5_201 && second.count > first.count(where: { $0 < 1_800 }) * 3)
    var later = codel
    _ = Self.told(&later, from: 5_801, for: 1) { _ in 1 }
    #expect(Self.told(&later, from: 12_000, for: 800) { _ in 40 }.count == first.count { $0 < 1_800 })
  }

  @Test func `is never said of the last packet, or of the last but one when that is as long`() {
    var codel = CoDel()
    #expect(Self.told(&codel, for: 1_000, waited: { _ in 500 }, behind: 1_400) == [])
    #expect(Self.told(&codel, for: 1_000, waited: { _ in 500 }, length: 60_000, behind: 60_000) == [])
    #expect(!Self.told(&codel, for: 1_000, waited: { _ in 500 }, length: 60_000, behind: 60_001).isEmpty)
  }

  @Test func `allows twice the time that a super-packet takes on a slow line, and a round trip more`() {
    let rate = BitRate(bitsPerSecond: 20_000_000)
    #expect(CoDel.target(length: 62_500, rate: rate) == .milliseconds(50))
    #expect(CoDel.target(length: 1_500, rate: rate) == CoDel.target)
    var codel = CoDel()
    #expect(Self.told(&codel, for: 1_000, waited: { _ in 49 }, length: 62_500, rate: rate) == [])
    #expect(Self.told(&codel, for: 400, waited: { _ in 51 }, length: 62_500, rate: rate) == [1_230])
  }

  @Test func `is not said a hundred times over when nothing left for a while`() {
    var codel = CoDel()
    _ = Self.told(&codel, for: 5_000) { _ in 40 }
    // Ten seconds of silence, then a run of 500 packets that leave at one moment.
    let burst = (0..<500).count { _ in
      codel.judge(waited: .seconds(10), length: 1_500, behind: 100_000, rate: nil, at: .zero + .milliseconds(16_000))
    }
    #expect(burst > 0 && burst < 30)
  }

  @Test func `is nothing that takes much memory`() {
    #expect(MemoryLayout<CoDel>.size <= 32 && MemoryLayout<WaitingPacket>.size <= 32)
  }
}

@Suite struct `A sender whose packet waited too long` {
  @Test(arguments: [IPAddress.Family.ipv4, .ipv6])
  func `reads it in the packet's mark, when he understands marks`(family: IPAddress.Family) throws {
    let packet = UserPacket(family, transport: 6, payload: 40_000, segmentSize: 1_400, congestion: 2)
    let before = packet.bytes
    var waiting = packet.waiting
    #expect(packet.tell(&waiting) == .marked && waiting.length == UInt32(before.count))
    let view = try PacketView(UnsafeRawBufferPointer(packet.memory))
    #expect(view.ecn == 3 && packet.hasRightHeaderSum)
    #expect(packet.bytes.dropFirst(20).elementsEqual(before.dropFirst(20)))
    // Once is enough.
    var again = packet.waiting
    #expect(packet.tell(&again) == .marked)
  }

  /// What is left is cut into the same packets as before, but for the first.
  @Test(arguments: 0..<200) func `loses one packet of a super-packet, and no more`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let size = UInt16([20, 535, 1_208, 1_447][Int(random.below(4))])
    let transport: UInt8 = random.below(2) == 0 ? 6 : 17
    let payload = Int(size) + 1 + Int(random.below(UInt64(transport == 6 ? 60_000 : 40 * Int(size))))
    let packet = UserPacket(
      random.below(2) == 0 ? .ipv4 : .ipv6, transport: transport, payload: min(payload, 64_000), segmentSize: size,
      options: 4 * Int(random.below(11)), flags: [0x10, 0x18, 0x99][Int(random.below(3))])
    let before = packet.pieces(of: packet.waiting)
    var waiting = packet.waiting
    #expect(packet.tell(&waiting) == .trimmed, "seed \\(seed)")
    let after = packet.pieces(of: waiting)
    #expect(after.count == before.count - 1, "seed \\(seed)")
    // CWR is said once, by the first packet, and that one is gone.
    let expected = before.dropFirst()
    #expect(after.elementsEqual(expected), "seed \\(seed)")
    #expect((waiting.segmentSize > 0) == (after.count > 1), "seed \\(seed)")
  }

  @Test func `misses a packet that is none of a super-packet, or that nobody can read`() {
    let single = UserPacket(.ipv4, transport: 17, payload: 1_200, segmentSize: 0)
    var plain = single.waiting
    #expect(single.tell(&plain) == .mustGo)
    let opening = UserPacket(.ipv4, transport: 6, payload: 4_000, segmentSize: 1_400, flags: 0x02)
    var whole = opening.waiting
    #expect(opening.tell(&whole) == .mustGo)
    let noise = UserPacket(.ipv4, transport: 6, payload: 4_000, segmentSize: 1_400)
    for index in noise.memory.indices { noise.memory[index] = 0xff }
    var unreadable = noise.waiting
    #expect(noise.tell(&unreadable) == .mustGo)
  }
}

/// A packet in memory of its own, as the virtual NIC brings it: its checksum is to be finished.
final class UserPacket {
  let memory: UnsafeMutableRawBufferPointer
  private let segmentSize: UInt16
  private let headerLength: Int

  init(
    _ family: IPAddress.Family, transport: UInt8, payload: Int, segmentSize: UInt16, options: Int = 0,
    flags: UInt8 = 0x10, congestion: UInt8 = 0
  ) {
    let network = family == .ipv4 ? 20 : 40
    let header = transport == 6 ? 20 + options : 8
    let total = network + header + payload
    let ends =
      family == .ipv4
      ? (IPAddress(ipv4: 0x0a01_0001), IPAddress(ipv4: 0x0a02_0002))
      : (IPAddress(.ipv6, high: 0xfd00 << 48, low: 1), IPAddress(.ipv6, high: 0xfd01 << 48, low: 2))
    func two(_ number: Int) -> [UInt8] { [UInt8(number >> 8 & 255), UInt8(number & 255)] }
    var bytes: [UInt8]
    if family == .ipv4 {
      bytes = [0x45, congestion] + two(total) + [0, 7, 0x40, 0, 64, transport, 0, 0] + ends.0.bytes + ends.1.bytes
      let sum = bytes.withUnsafeBytes { Checksum($0).complement }
      bytes.replaceSubrange(10..<12, with: two(Int(sum)))
    } else {
      bytes = [0x60, congestion << 4, 0, 0] + two(total - 40) + [transport, 64] + ends.0.bytes + ends.1.bytes
    }
    var pseudo = Checksum()
    pseudo.addPseudoHeader(source: ends.0, destination: ends.1, transport: transport, length: total - network)
    if transport == 6 {
      bytes += two(5_000) + two(443) + [0xff, 0xff, 0xf0, 0, 0, 0, 0, 1, UInt8((5 + options / 4) << 4), flags]
      bytes += [0xff, 0xff] + two(Int(pseudo.folded)) + [0, 0] + Array(repeating: 1, count: options)
    } else {
      bytes += two(5_000) + two(443) + two(total - network) + two(Int(pseudo.folded))
    }
    bytes += (0..<payload).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    memory = .allocate(byteCount: bytes.count, alignment: 16)
    memory.copyBytes(from: bytes)
    self.segmentSize = segmentSize
    headerLength = network + header
  }

  deinit { memory.deallocate() }

  var bytes: [UInt8] { Array(memory) }

  var waiting: WaitingPacket {
    guard let start = memory.baseAddress else { preconditionFailure("a packet without memory") }
    return WaitingPacket(
      bytes: start, arrived: .zero, length: UInt32(memory.count), payloadLength: UInt16(memory.count - headerLength),
      segmentSize: segmentSize, buffer: 0, needsChecksum: true)
  }

  /// Here, so that the packet's memory is there for as long.
  func tell(_ waiting: inout WaitingPacket) -> WaitingPacket.Telling { waiting.tellSender() }

  var hasRightHeaderSum: Bool {
    memory[0] >> 4 == 6 || Checksum(UnsafeRawBufferPointer(rebasing: memory[..<20])).folded == 0xffff
  }

  /// As the far side's kernel cuts it.
  func pieces(of waiting: WaitingPacket) -> [[UInt8]] {
    let packet = UnsafeRawBufferPointer(start: waiting.bytes, count: Int(waiting.length))
    guard let view = try? PacketView(packet), view.totalLength == Int(waiting.length),
      view.payloadLength == Int(waiting.payloadLength)
    else { return [] }
    var out = [UInt8](repeating: 0, count: 65_536)
    return (0..<SuperPacket.pieces(of: view, segmentSize: Int(waiting.segmentSize))).map { number in
      let length = out.withUnsafeMutableBytes {
        SuperPacket.piece(
          number, of: packet, view, segmentSize: Int(waiting.segmentSize), needsChecksum: true, into: $0)
      }
      return Array(out[..<(length ?? 0)])
    }
  }
}
