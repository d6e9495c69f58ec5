import Packets
import Primitives
import Testing

@testable import Engine

@Suite struct `A pace` {
  @Test(arguments: 0..<40) func `is that of the last second, whenever somebody looks`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var now = Instant(nanoseconds: 1_000_000_000 + random.below(1_000_000_000))
    var pace = Pace(at: now)
    var total: UInt64 = random.below(1_000_000)
    pace.turn(total, window: Pace.number(now) &+ Pace.windows)
    let bytes = 100 + random.below(100_000)
    let began = now
    for step in 0..<2_000 {
      now += .milliseconds(5)
      pace.turn(total, window: Pace.number(now))
      total += bytes
      if now - began < .seconds(4) { continue }
      let told = Double(pace.bitsPerSecond(total, at: now)) / Double(bytes * 200 * 8)
      // A window may have a packet more or less than its neighbour.
      #expect((0.7...1.3).contains(told), "seed \(seed), step \(step): \(told)")
    }
    now += .seconds(2)
    #expect(pace.bitsPerSecond(total, at: now) <= bytes * 200 * 8, "seed \(seed)")
    now += .seconds(3_600)
    #expect(pace.bitsPerSecond(total, at: now) < bytes * 200 * 8 / 1_000, "seed \(seed)")
  }

  @Test func `of a counter that only just began is what has grown, and never more than that`() {
    let now = Instant(nanoseconds: 7_000_000_000)
    var pace = Pace(at: now)
    #expect(pace.bitsPerSecond(0, at: now) == 0)
    #expect(pace.bitsPerSecond(1_000, at: now + .milliseconds(400)) == 8_000)
    pace.turn(1_000, window: Pace.number(now + .seconds(1)))
    #expect(pace.bitsPerSecond(1_000, at: now + .seconds(1)) == 8_000)
    #expect(pace.bitsPerSecond(1_000, at: now + .milliseconds(1_750)) == 2_000)
  }
}

@Suite struct `What comes back` {
  /// Flows with very different shares and packets, which a fixed stride would hit in step.
  @Test(arguments: 0..<20) func `is credited to each flow as much as it brought, in the mean`(seed: UInt64) {
    var returns = Returns(seed: seed)
    var random = SeededRandom(seed: seed)
    var (came, credited) = ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0])
    let lengths = [4_096, 4_096, 120]
    for step in 0..<200_000 {
      let flow = random.below(50) == 0 ? 2 : step % 2
      came[flow] += Double(lengths[flow])
      if returns.isDue(lengths[flow]) { credited[flow] += Double(returns.take()) }
    }
    let uncredited: Double = came.reduce(0, +) - credited.reduce(0, +)
    #expect(uncredited >= 0 && uncredited <= 16_384, "seed \(seed)")
    for flow in 0..<2 {
      let error: Double = abs(credited[flow] / came[flow] - 1)
      #expect(error < 0.02, "seed \(seed): \(came) \(credited)")
    }
  }

  @Test(arguments: 0..<200) func `is found by the first bytes of a packet, with the ports that PacketView sees`(
    seed: UInt64
  ) throws {
    var random = SeededRandom(seed: seed)
    let isSix = random.below(2) == 0
    let transports: [UInt8] = [1, 6, 17, 33, 47, 58, 132, 136]
    let transport = transports[Int(random.below(8))]
    var packet = (0..<80).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let header = isSix ? 40 : 20 + 4 * Int(random.below(3))
    packet[0] = isSix ? 0x60 : 0x40 | UInt8(header / 4)
    packet[isSix ? 6 : 9] = transport
    let length = isSix ? 40 : 80
    packet[isSix ? 4 : 2] = 0
    packet[isSix ? 5 : 3] = UInt8(length)
    if !isSix { (packet[6], packet[7]) = (0x40, 0) }
    // Echo requests and replies, and what is neither; a TCP header's and a UDP datagram's length.
    if transport == 1 || transport == 58 { packet[header] = [0, 8, 128, 129, 3][Int(random.below(5))] }
    if transport == 6 { packet[header + 12] = 0x50 }
    if transport == 17 || transport == 136 { (packet[header + 4], packet[header + 5]) = (0, 20) }
    try packet.withUnsafeBytes { bytes in
      guard let view = try? PacketView(bytes) else { return }
      let key = try #require(FiveTuple(beginning: UnsafeRawBufferPointer(rebasing: bytes[..<60])))
      #expect(key == view.tuple, "seed \(seed)")
    }
  }

  @Test func `is nobody's when the packet is too short to say`() {
    for count in 0..<20 {
      [UInt8](repeating: 0x45, count: count).withUnsafeBytes { #expect(FiveTuple(beginning: $0) == nil) }
    }
    [UInt8](repeating: 0x4f, count: 20).withUnsafeBytes { bytes in
      #expect(FiveTuple(beginning: bytes)?.sourcePort == 0)
    }
  }
}
