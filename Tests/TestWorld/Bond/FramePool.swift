//  FramePool.swift — the bytes of frames that are on lines: slots of one size, made when needed, used again and again.

import Primitives

final class FramePool {
  /// 131,072 of them are 256 MiB, or 150 ms of 10 Gbit/s: more only hides somebody who sends without control.
  private static let mostSlots = 1 << 17
  private static let slotsOfChunk = 256

  /// What a slot holds.
  let capacity: Int
  private var chunks: [Memory] = []
  private var lengths: [UInt16] = []
  private var ways: [UInt8] = []
  private var free = RingBuffer<UInt32>(minimumCapacity: FramePool.slotsOfChunk)
  private(set) var inUse = 0

  init(capacity: Int) { self.capacity = (capacity + 63) / 64 * 64 }

  func take() -> UInt32 {
    if free.isEmpty {
      precondition(lengths.count < FramePool.mostSlots, "the lines hold more than a simulation may")
      chunks.append(Memory(FramePool.slotsOfChunk * capacity))
      for slot in lengths.count..<lengths.count + FramePool.slotsOfChunk { free.append(UInt32(slot)) }
      lengths += Array(repeating: 0, count: FramePool.slotsOfChunk)
      ways += Array(repeating: 0, count: FramePool.slotsOfChunk)
    }
    guard let slot = free.popLast() else { preconditionFailure("a chunk without slots") }
    inUse += 1
    return slot
  }

  func giveBack(_ slot: UInt32) {
    inUse -= 1
    free.append(slot)
  }

  func setLength(_ length: Int, of slot: UInt32) { lengths[Int(slot)] = UInt16(length) }

  /// Which of the ways between the gateways it takes.
  func setWay(_ way: Int, of slot: UInt32) { ways[Int(slot)] = UInt8(way) }
  func way(of slot: UInt32) -> Int { Int(ways[Int(slot)]) }

  /// All of the slot's memory.
  func room(_ slot: UInt32) -> UnsafeMutableRawBufferPointer {
    let start = Int(slot) % FramePool.slotsOfChunk * capacity
    return UnsafeMutableRawBufferPointer(
      rebasing: chunks[Int(slot) / FramePool.slotsOfChunk].bytes[start..<start + capacity])
  }

  /// What was written.
  func bytes(_ slot: UInt32) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: room(slot)[..<Int(lengths[Int(slot)])])
  }

  func copy(of slot: UInt32) -> UInt32 {
    let other = take()
    room(other).copyMemory(from: UnsafeRawBufferPointer(bytes(slot)))
    lengths[Int(other)] = lengths[Int(slot)]
    ways[Int(other)] = ways[Int(slot)]
    return other
  }

  func flipBit(of slot: UInt32, chosenBy random: UInt64) {
    let bytes = bytes(slot)
    if bytes.isEmpty { return }
    let bit = Int(random.multipliedFullWidth(by: UInt64(bytes.count) * 8).high)
    bytes[bit / 8] ^= 1 << UInt8(bit % 8)
  }
}
