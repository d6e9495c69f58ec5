import Packets
import Primitives
import Testing

@testable import Engine

@Suite struct `A packet from the virtual adapter` {
  @Test func `is known by its flow, and what its adapter left to do`() throws {
    let classifier = Desk()
    var frame = Frame.tcp(payload: 4_000, flags: 0x18)
    frame.offload(kind: 1, size: 1_400, checksumAt: 16)
    let found = try #require(classifier.classify(&frame))
    #expect(found.segmentSize == 1_400 && found.needsChecksum && !found.isUrgent && found.length == 4_040)
    #expect(found.key == found.view.tuple && found.key.sourcePort == 40_000 && found.key.destinationPort == 443)
    #expect(found.changedRest == nil)
    // Padding behind the packet is none of it.
    frame.bytes += [0, 0, 0]
    #expect(classifier.classify(&frame)?.length == 4_040)
    #expect(classifier.counters.classified == 2)
  }

  @Test(arguments: [
    ("a full segment", Frame.tcp(payload: 1_400, flags: 0x10), false),
    ("an acknowledgement", Frame.tcp(payload: 0, flags: 0x10), true),
    ("a first segment with data", Frame.tcp(payload: 1_400, flags: 0x02), true),
    ("a reset", Frame.tcp(payload: 0, flags: 0x04), true), ("a keystroke", Frame.tcp(payload: 48, flags: 0x18), true),
    ("a long answer of a name server", Frame.udp(payload: 1_200, from: 53, to: 40_000), true),
    ("a call's frame", Frame.udp(payload: 172, from: 5_004, to: 5_004), true),
    ("a full datagram", Frame.udp(payload: 1_400, from: 4_433, to: 40_000), false),
    ("a large ping", Frame.ping(payload: 1_400), true),
    ("a fragment of one", Frame.ping(payload: 1_400, fragment: 0x2000), false),
    ("an unknown protocol", Frame.ip(transport: 50, payload: 1_000), false),
  ])
  func `is urgent when somebody waits for it`(what: String, frame: Frame, isUrgent: Bool) throws {
    let classifier = Desk()
    var frame = frame
    #expect(try #require(classifier.classify(&frame)).isUrgent == isUrgent, "\(what)")
  }

  @Test func `that is a super-packet is never urgent`() throws {
    let classifier = Desk()
    var frame = Frame.udp(payload: 200, from: 53, to: 53)
    frame.offload(kind: 5, size: 100, checksumAt: 6)
    #expect(try #require(classifier.classify(&frame)).isUrgent == false)
  }

  @Test func `begins or ends its connection`() throws {
    let classifier = Desk()
    for (flags, rest) in [(0x02, .long), (0x12, .long), (0x11, .closing), (0x14, .closing), (0x10, nil)]
      as [(UInt8, FlowTable.Rest?)]
    {
      var frame = Frame.tcp(payload: 0, flags: flags)
      #expect(try #require(classifier.classify(&frame)).changedRest == rest)
    }
  }

  @Test func `has one flow with all its fragments`() throws {
    let classifier = Desk()
    var keys: Set<FiveTuple> = []
    for fragment in [0x2000, 0x20b9, 0x0172] as [UInt16] {
      var frame = Frame.ip(transport: 17, payload: 1_480, fragment: fragment)
      frame.put(UInt16(53), at: OffloadHeader.length + 20)
      keys.insert(try #require(classifier.classify(&frame)).key)
    }
    #expect(keys.count == 1 && keys.first?.sourcePort == 0 && keys.first?.transport == 17)
    #expect(classifier.counters.fragments == 3)
  }

  @Test func `for many is refused, and counted as such`() {
    let classifier = Desk()
    for (destination, refusals) in [([224, 0, 0, 251], 1), ([239, 1, 2, 3], 2)] as [([UInt8], UInt64)] {
      var frame = Frame.udp(payload: 40, from: 5_353, to: 5_353)
      frame.put(destination, at: OffloadHeader.length + 16)
      #expect(classifier.classify(&frame) == nil && classifier.counters.multicast == refusals)
    }
    var frame = Frame.udp(payload: 40, from: 68, to: 67)
    frame.put([255, 255, 255, 255], at: OffloadHeader.length + 16)
    #expect(classifier.classify(&frame) == nil && classifier.counters.broadcast == 1)
    #expect(classifier.counters.classified == 0)
  }

  @Test func `that lies about itself is refused by what it lies about`() {
    let classifier = Desk()
    var short = Frame(bytes: [0, 0, 0])
    #expect(classifier.classify(&short) == nil && classifier.counters.tooShort == 1)
    var version = Frame.tcp(payload: 10, flags: 0x10)
    version.bytes[OffloadHeader.length] = 0x75
    #expect(classifier.classify(&version) == nil)
    #expect(classifier.counters.malformed[Int(PacketView.Defect.unknownVersion.rawValue)] == 1)
    var long = Frame.tcp(payload: 10, flags: 0x10)
    long.put(UInt16(51), at: OffloadHeader.length + 2)
    #expect(classifier.classify(&long) == nil)
    #expect(classifier.counters.malformed[Int(PacketView.Defect.truncated.rawValue)] == 1)
    #expect(classifier.counters.malformedSum == 2)
  }

  @Test func `with a checksum in an unusual place gets it here`() throws {
    let classifier = Desk()
    var frame = Frame.udp(payload: 200, from: 4_789, to: 4_789)
    // As VXLAN has it: the sum is that of a packet within.
    frame.offload(kind: 0, size: 0, checksumAt: 6, startingAt: 20 + 8 + 8)
    let found = try #require(classifier.classify(&frame))
    #expect(!found.needsChecksum && found.segmentSize == 0)
    #expect(frame.bytes[0] == 0)
    // A super-packet of that kind is more than we can finish.
    var large = Frame.udp(payload: 3_000, from: 4_789, to: 4_789)
    large.offload(kind: 1, size: 1_400, checksumAt: 16, startingAt: 36)
    #expect(classifier.classify(&large) == nil && classifier.counters.unknownOffload == 1)
  }

  @Test(arguments: 0..<150) func `never stops the gateway, whatever bytes it has`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let classifier = Desk()
    for _ in 0..<50 {
      var frame = [Frame.tcp(payload: 600, flags: 0x18), .udp(payload: 600, from: 1, to: 53), .ping(payload: 80)][
        Int(random.below(3))]
      if random.below(2) == 0 {
        frame.offload(kind: [0, 1, 4, 5, 0x81][Int(random.below(5))], size: 100, checksumAt: 6)
      }
      for _ in 0..<random.below(6) {
        frame.bytes[Int(random.below(UInt64(min(frame.bytes.count, 60))))] = UInt8(truncatingIfNeeded: random.next())
      }
      frame.bytes.removeLast(Int(random.below(10) == 0 ? random.below(UInt64(frame.bytes.count)) : 0))
      let before = classifier.counters
      let found = classifier.classify(&frame)
      #expect(classifier.counters != before, "seed \(seed): no verdict")
      if let found { #expect(found.length <= frame.bytes.count - OffloadHeader.length, "seed \(seed)") }
    }
  }
}

/// A packet with its offload header, made by hand.
struct Frame: Sendable {
  var bytes: [UInt8]

  static func ip(transport: UInt8, payload: Int, fragment: UInt16 = 0x4000) -> Frame {
    var frame = Frame(bytes: [UInt8](repeating: 0, count: OffloadHeader.length))
    let total = UInt16(20 + payload)
    frame.bytes += [0x45, 0, UInt8(total >> 8), UInt8(total & 255), 0, 1]
    frame.bytes += [UInt8(fragment >> 8), UInt8(fragment & 255), 64, transport, 0, 0, 10, 1, 0, 1, 10, 2, 0, 2]
    frame.bytes += [UInt8](repeating: 0, count: payload)
    return frame
  }

  static func tcp(payload: Int, flags: UInt8) -> Frame {
    var frame = ip(transport: 6, payload: 20 + payload)
    frame.put(UInt16(40_000), at: OffloadHeader.length + 20)
    frame.put(UInt16(443), at: OffloadHeader.length + 22)
    frame.put([0x50, flags], at: OffloadHeader.length + 32)
    return frame
  }

  static func udp(payload: Int, from: UInt16, to: UInt16) -> Frame {
    var frame = ip(transport: 17, payload: 8 + payload)
    frame.put(from, at: OffloadHeader.length + 20)
    frame.put(to, at: OffloadHeader.length + 22)
    frame.put(UInt16(8 + payload), at: OffloadHeader.length + 24)
    return frame
  }

  static func ping(payload: Int, fragment: UInt16 = 0x4000) -> Frame {
    var frame = ip(transport: 1, payload: 8 + payload, fragment: fragment)
    frame.put([8], at: OffloadHeader.length + 20)
    return frame
  }

  mutating func offload(kind: UInt8, size: UInt16, checksumAt: UInt16, startingAt: UInt16 = 20) {
    var header = OffloadHeader()
    header.flags = OffloadHeader.needsChecksum
    header.segmentKind = kind
    header.segmentSize = size
    header.checksumStart = startingAt
    header.checksumOffset = checksumAt
    bytes.withUnsafeMutableBytes { header.write(to: $0) }
  }

  mutating func put(_ number: UInt16, at offset: Int) { put([UInt8(number >> 8), UInt8(number & 255)], at: offset) }

  mutating func put(_ values: [UInt8], at offset: Int) {
    for (index, value) in values.enumerated() { bytes[offset + index] = value }
  }
}

/// A classifier that can be asked within an expectation.
private final class Desk {
  private var classifier = Classifier()

  var counters: Classifier.Counters { classifier.counters }

  func classify(_ frame: inout Frame) -> Classification? {
    frame.bytes.withUnsafeMutableBytes { classifier.classify($0) }
  }
}
