import Primitives
import Testing

@testable import Engine

@Suite struct `Segments on their way` {
  /// Shipments of random runs, settled in any order: what goes back is what came, once each.
  @Test(arguments: 0..<50) func `give each buffer back once, when the last byte has arrived`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var shipments = Shipments()
    var out: [UInt16: UInt32] = [:]
    var open: [(number: UInt32, left: Int)] = []
    var buffers = Array(UInt16(0)..<500)
    for step in 0..<3_000 {
      let context = Comment("seed \(seed), step \(step)")
      if random.below(2) == 0, !buffers.isEmpty {
        let count = min(buffers.count, 1 + Int(random.below(6)))
        let taken = Array(buffers.suffix(count))
        buffers.removeLast(count)
        let lengths = taken.map { _ in 20 + Int(random.below(60_000)) }
        let run = Run(taken, lengths)
        guard let (number, draft) = run.begin(in: &shipments) else { continue }
        #expect(draft.count == count && draft.length == lengths.reduce(0, +), context)
        for buffer in taken { out[buffer] = number }
        open.append((number, draft.length))
        // All of it has left.
        shipments[number]?.pointee.unsent = 0
      } else if !open.isEmpty {
        let index = Int(random.below(UInt64(open.count)))
        let bytes = min(open[index].left, 1 + Int(random.below(80_000)))
        open[index].left -= bytes
        shipments.settle(open[index].number, bytes: bytes)
        if open[index].left == 0 {
          let isOver = shipments[open[index].number] == nil
          #expect(isOver, context)
          open.remove(at: index)
        }
      }
      while let buffer = shipments.nextFreeBuffer() {
        guard let number = out.removeValue(forKey: buffer) else {
          Issue.record("buffer \(buffer) came back twice, seed \(seed), step \(step)")
          continue
        }
        #expect(!open.contains { $0.number == number }, context)
        buffers.append(buffer)
      }
    }
    #expect(out.count + buffers.count == 500)
  }

  @Test func `find their packets again`() throws {
    var shipments = Shipments()
    let run = Run([3, 4, 5], [100, 100, 40])
    let begun = run.begin(in: &shipments)
    let (number, draft) = try #require(begun)
    guard let shipment = shipments[number]?.pointee else { preconditionFailure("it has just begun") }
    let again = shipments.draft(of: shipment)
    #expect(again.count == 3 && again.length == 240 && again.commonLength == draft.commonLength)
    #expect(again.first == draft.first)
  }

  @Test func `are forgotten, the oldest first, when there is no room for another`() throws {
    var shipments = Shipments()
    let run = Run([1], [50])
    var numbers: [UInt32] = []
    for _ in 0..<Shipments.mostShipments {
      let begun = run.begin(in: &shipments)
      let (number, _) = try #require(begun)
      shipments[number]?.pointee.unsent = 0
      numbers.append(number)
    }
    #expect(shipments.forgotten == 0)
    let last = run.begin(in: &shipments)
    #expect(last != nil && shipments.forgotten == 1)
    let isThere = numbers.prefix(2).map { shipments[$0] != nil }
    #expect(isThere == [false, true])
    // What is not sent yet cannot be forgotten: then there is no room.
    shipments[numbers[1]]?.pointee.unsent = 1
    let hasRoom = shipments.hasRoom()
    #expect(!hasRoom)
    // Late words about what is forgotten change nothing.
    shipments.settle(numbers[0], bytes: 50)
    #expect(shipments.count == Shipments.mostShipments)
  }

  @Test func `give their buffers back after a while, though nobody said what became of them`() throws {
    var shipments = Shipments()
    let numbers = [Run([1], [5_000]), Run([2], [5_000]), Run([3], [5_000])].map { run in
      run.begin(in: &shipments)?.number ?? .max
    }
    // The second waits for its path.
    shipments.sent(numbers[0], bytes: 5_000)
    shipments.sent(numbers[2], bytes: 5_000)
    let patience = Interval.seconds(1)
    shipments.release(after: patience, at: .zero + .milliseconds(999))
    let early = shipments.nextFreeBuffer()
    shipments.release(after: patience, at: .zero + patience)
    let late = [shipments.nextFreeBuffer(), shipments.nextFreeBuffer(), shipments.nextFreeBuffer()]
    #expect(early == nil && late == [1, 3, nil])
    let isThere = numbers.map { shipments[$0] != nil }
    #expect(isThere == [false, true, false])
    // What arrives after all changes nothing, and the one that waited comes back when it has arrived.
    shipments.settle(numbers[0], bytes: 5_000)
    shipments.sent(numbers[1], bytes: 5_000)
    shipments.settle(numbers[1], bytes: 5_000)
    let last = [shipments.nextFreeBuffer(), shipments.nextFreeBuffer()]
    let count = shipments.count
    #expect(last == [2, nil] && count == 0)
    // Younger ones are looked at, however many ended before anybody looked.
    let young = Run([4], [5_000]).begin(in: &shipments)?.number ?? .max
    shipments.sent(young, bytes: 5_000)
    shipments.release(after: patience, at: .zero + patience)
    let youngest = shipments.nextFreeBuffer()
    #expect(youngest == 4)
  }
}

@Suite struct `Parts that wait for their path` {
  @Test(arguments: 0..<50) func `leave in their order, in pieces of any size`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    var queues = PartQueues()
    var lists = [PartList(), PartList(), PartList()]
    var expected: [[WaitingPart]] = [[], [], []]
    for step in 0..<2_000 {
      let context = Comment("seed \(seed), step \(step)")
      let list = Int(random.below(3))
      if random.below(2) == 0, queues.freeCount > 0 {
        let lower = UInt32(random.below(1_000))
        let part = WaitingPart(
          shipment: UInt32(step), lower: lower, upper: lower + 1 + UInt32(random.below(50_000)))
        queues.append(part, to: &lists[list])
        expected[list].append(part)
      } else if let first = queues.first(of: lists[list]) {
        let wanted = try #require(expected[list].first)
        #expect(first.shipment == wanted.shipment && first.upper == wanted.upper, context)
        #expect(first.lower == wanted.lower && first.isWhole == wanted.isWhole, context)
        let bytes = 1 + Int(random.below(UInt64(first.count)))
        queues.take(bytes, from: &lists[list])
        if bytes == first.count {
          expected[list].removeFirst()
        } else {
          expected[list][0].lower += UInt32(bytes)
          expected[list][0].isWhole = false
        }
      } else {
        #expect(expected[list].isEmpty, context)
      }
      for index in lists.indices {
        #expect(lists[index].bytes == expected[index].map(\.count).reduce(0, +), context)
        #expect(lists[index].isEmpty == expected[index].isEmpty, context)
      }
      let waiting = expected.map(\.count).reduce(0, +)
      #expect(queues.freeCount == PartQueues.mostParts - 1 - waiting, context)
    }
  }
}

@Suite struct `A segment that was sent twice` {
  private static func begin(_ shipments: inout Shipments) -> UInt32? {
    let number = Run([3], [60]).begin(in: &shipments, copies: 2)?.number
    if let number { shipments.sent(number, bytes: 120) }
    return number
  }

  @Test func `is over when both copies are, and gives its buffer back once`() {
    var shipments = Shipments()
    guard let number = Self.begin(&shipments) else { return #expect(Bool(false), "no room in the beginning") }
    shipments.settle(number, bytes: 60)
    let outstanding = shipments[number]?.pointee.outstanding
    #expect(outstanding == 60)
    shipments.settle(number, bytes: 60)
    let isOver = shipments[number] == nil
    let bytes = shipments.bytes
    let buffers = [shipments.nextFreeBuffer(), shipments.nextFreeBuffer()]
    #expect(isOver && bytes == 0 && buffers == [3, nil])
  }

  @Test func `is repaired when both copies were lost, and not for one`() {
    var shipments = Shipments()
    guard let number = Self.begin(&shipments) else { return #expect(Bool(false), "no room in the beginning") }
    let afterOne = shipments.hasOther(number, lost: 1)
    shipments.settle(number, bytes: 60)
    let afterBoth = shipments.hasOther(number, lost: 0)
    // The repair was lost as well.
    let afterRepair = shipments.hasOther(number, lost: 0)
    #expect(afterOne && !afterBoth && !afterRepair)
  }

  @Test func `to try a path is over when the copy is, and repaired only for the other`() throws {
    var shipments = Shipments()
    let begun = Run([3], [6_000]).begin(in: &shipments)
    let (number, _) = try #require(begun)
    shipments.sent(number, bytes: 6_000)
    shipments.tryCopy(number, bytes: 4_000)
    shipments.sent(number, bytes: 4_000)
    // Lost copies change nothing, and lost originals are sent again though there is a copy.
    let copyLost = shipments.hasOther(number, lost: 1)
    let originalLost = shipments.hasOther(number, lost: 0)
    #expect(copyLost && !originalLost)
    shipments.settle(number, bytes: 6_000)
    let before = shipments.nextFreeBuffer()
    shipments.settle(number, bytes: 4_000)
    let after = shipments.nextFreeBuffer()
    #expect(before == nil && after == 3)
  }

  @Test func `by its class is not copied once more to try a path`() throws {
    var shipments = Shipments()
    let begun = Self.begin(&shipments)
    let number = try #require(begun)
    shipments.tryCopy(number, bytes: 60)
    let outstanding = shipments[number]?.pointee.outstanding
    #expect(outstanding == 120)
  }

  @Test func `but one that was sent once is always repaired`() {
    var shipments = Shipments()
    guard let number = Run([3], [60]).begin(in: &shipments)?.number else {
      return #expect(Bool(false), "no room in the beginning")
    }
    let hasOther = shipments.hasOther(number, lost: 0)
    #expect(!hasOther)
  }
}

private struct Run {
  private let packets: [WaitingPacket]
  nonisolated(unsafe) private static let bytes: UnsafeMutableRawPointer = {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)
    memory.initializeMemory(as: UInt8.self, repeating: 0x45, count: 64)
    return memory
  }()

  init(_ buffers: [UInt16], _ lengths: [Int]) {
    packets = zip(buffers, lengths).map { buffer, length in
      WaitingPacket(
        bytes: Run.bytes, arrived: .zero, length: UInt32(length), payloadLength: 0, segmentSize: 0, buffer: buffer,
        needsChecksum: false)
    }
  }

  func begin(in shipments: inout Shipments, copies: Int = 1) -> (number: UInt32, draft: SegmentDraft)? {
    packets.withUnsafeBufferPointer { packets in
      let run = FlowQueues.Run(
        packets: packets, length: packets.reduce(0) { $0 + Int($1.length) }, segmentSize: 0, needsChecksum: false)
      guard shipments.hasRoom() else { return nil }
      return shipments.begin(run, peer: 0, lane: 0, copies: copies, isUrgent: false, at: .zero)
    }
  }
}
