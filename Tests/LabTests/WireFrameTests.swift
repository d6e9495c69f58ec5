import Packets
import Primitives
import Simulation
import Testing
import Topology
import VNIC

@testable import Lab

@Suite struct `The frames that a wire holds` {
  @Test func `are as many as it was made for, and no slot is given to two`() {
    guard var pool = FramePool(slots: 5, slotLength: 1_536) else {
      Issue.record("no memory")
      return
    }
    var taken: Set<UInt32> = []
    while let slot = pool.take() { taken.insert(slot) }
    #expect(taken == [0, 1, 2, 3, 4])
    pool.give(3)
    let again = (pool.take(), pool.take())
    #expect(again.0 == 3 && again.1 == nil)
  }

  @Test func `lie apart, and what was used last is used next`() {
    guard var pool = FramePool(slots: 3, slotLength: 64) else {
      Issue.record("no memory")
      return
    }
    for slot in 0..<3 as Range<UInt32> { pool[slot].initializeMemory(as: UInt8.self, repeating: UInt8(slot)) }
    for slot in 0..<3 as Range<UInt32> {
      let bytes = pool[slot]
      #expect(bytes.count == 64 && bytes.allSatisfy { $0 == UInt8(slot) })
    }
    let (a, b) = (pool.take(), pool.take())
    #expect(a != b)
    for case let slot? in [a, b] { pool.give(slot) }
    let next = pool.take()
    #expect(next == b)
  }

  @Test func `are enough for full queues and lines, at the worst moment of the events`() throws {
    // Each way: 100 ms of queue and 50 ms of line at 100 Mbit/s are 1.875 MB.
    let steady = try slots("rate 100mbit delay 50ms")
    #expect(steady == max(FramePool.leastSlots, 2 * 1_875_000 / 500))
    let satellite = try slots("rate 300mbit delay 300ms")
    #expect(satellite == 2 * (22_500_000 + 11_250_000) / 500)
    #expect(try slots("rate 10mbit delay 1ms", "event at 1s l rate 300mbit delay 300ms queue 600ms") == satellite)
  }

  @Test func `never take more memory than the bound, whatever the file asks for`() throws {
    let topology = try topology("rate 10gbit delay 10s mtu 9000")
    let slots = FramePool.slots(for: topology, traces: [:], lent: 0)
    #expect(slots * FramePool.slotLength(for: topology) <= FramePool.mostMemory.value)
    #expect(try self.slots("delay 10s") * 1_536 <= FramePool.mostMemory.value)
  }

  @Test func `fit the largest packet of the links with all that stands before it`() throws {
    #expect(FramePool.slotLength(for: try topology("delay 1ms")) == 1_536)
    #expect(FramePool.slotLength(for: try topology("delay 1ms mtu 9000")) >= 9_000 + 14 + 4 + OffloadHeader.length)
    #expect(FramePool.slotLength(for: try topology("delay 1ms mtu 9000")) % 64 == 0)
  }

  @Test func `lent for reading are few, however many interfaces there are`() {
    #expect(WireLoop.lentPerTap(of: 2) == WireLoop.mostLentPerTap)
    for taps in [2, 30, 128, 129, 500, 2_048] {
      let each = WireLoop.lentPerTap(of: taps)
      #expect(each >= 4 && each & (each - 1) == 0 && each * taps <= WireLoop.mostLent)
    }
  }

  private func topology(_ link: String, _ events: String...) throws -> Topology {
    let text = "topology t\nnode a gateway\nnode b gateway\nlink l a -- b \(link)\n" + events.joined(separator: "\n")
    return try Topology(parsing: Array(text.utf8), file: "test")
  }

  private func slots(_ link: String, _ events: String...) throws -> Int {
    let text = "topology t\nnode a gateway\nnode b gateway\nlink l a -- b \(link)\n" + events.joined(separator: "\n")
    return FramePool.slots(for: try Topology(parsing: Array(text.utf8), file: "test"), traces: [:], lent: 0)
  }
}

@Suite struct `Damage on the line` {
  @Test(arguments: 0..<64 as Range<UInt64>)
  func `is one bit behind the Ethernet header, and the receiver's checksum finds it`(seed: UInt64) {
    var chance = SeededRandom(seed: seed)
    var finished = Frame.unfinished()
    finished.withUnsafeMutableBytes { _ = OffloadHeader.completeChecksum(of: $0) }
    #expect(Frame.verifies(finished))

    var frame = Frame.unfinished()
    frame.withUnsafeMutableBytes { damage($0, random: chance.next()) }
    let flipped = zip(frame, finished).map { ($0 ^ $1).nonzeroBitCount }
    #expect(flipped.reduce(0, +) == 1)
    #expect(flipped[..<24].allSatisfy { $0 == 0 })
    #expect(frame[..<10].allSatisfy { $0 == 0 }, "nobody may take the checksum for unfinished or as checked")
    #expect(!Frame.verifies(frame))
  }

  @Test func `reaches every byte of a frame, the first and the last`() {
    var hit: Set<Int> = []
    var chance = SeededRandom(seed: 1)
    for _ in 0..<2_000 {
      var frame = [UInt8](repeating: 0, count: 10 + 14 + 20)
      frame.withUnsafeMutableBytes { damage($0, random: chance.next()) }
      hit.formUnion(frame.indices.filter { frame[$0] != 0 })
    }
    #expect(hit == Set(24..<44))
  }

  @Test func `spares a frame that is nothing but its header`() {
    var frame = [UInt8](repeating: 0, count: 24)
    frame.withUnsafeMutableBytes { damage($0, random: 1) }
    #expect(frame.allSatisfy { $0 == 0 })
  }

  /// An offload header, an Ethernet header and a UDP packet over IPv6, whose checksum covers all but the hop limit and
  /// the like; these are zero here and counted in, so that every flipped bit shows.
  private enum Frame {
    static func unfinished() -> [UInt8] {
      let payload: [UInt8] = Array("over the line".utf8)
      let udp: [UInt8] = [0, 1, 0, 2, 0, UInt8(8 + payload.count), 0, 0] + payload
      var frame: [UInt8] = [1, 0, 0, 0, 0, 0, 14, 0, 6, 0]  // the sum starts behind the Ethernet header
      frame += [2, 0x48, 0, 0, 0, 2, 2, 0x48, 0, 0, 0, 1, 0x86, 0xdd]
      return frame + udp
    }

    static func verifies(_ frame: [UInt8]) -> Bool {
      frame[24...].withUnsafeBytes { Checksum(UnsafeRawBufferPointer(rebasing: $0[...])).complement } == 0
    }
  }
}
