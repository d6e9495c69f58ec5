//  BufferPool.swift — equal buffers in one block, some lent to the ring, the others idle, the latest idle on top.
//
//  What was used last is used next: it is still in the cache, and a pool made for the worst case touches only as many
//  buffers as were ever needed at once.

import Glibc
import Ring

struct BufferPool: ~Copyable {
  let group: Ring.BufferGroup
  let count: Int
  private let length: Int
  private let memory: Region
  private let idle: UnsafeMutablePointer<UInt16>
  private var idleCount: Int
  private(set) var lent = 0

  private init(group: Ring.BufferGroup, count: Int, length: Int, memory: consuming Region) {
    self.group = group
    self.count = count
    self.length = length
    self.memory = memory
    idle = .allocate(capacity: count)
    idleCount = count
    for index in 0..<count { (idle + index).initialize(to: UInt16(count - 1 - index)) }
  }

  deinit { idle.deallocate() }

  /// `count` is a power of two, as the ring wants it.
  static func make(count: Int, length: Int, in ring: inout Ring) throws(RingFailure) -> BufferPool? {
    // Buffers begin on cache lines, and not all on the same ones.
    let stride = (length + 64 + 127) / 128 * 128
    let group = try ring.makeBufferGroup(capacity: count)
    guard let memory = Region.make(count * stride) else { return nil }
    return BufferPool(group: group, count: count, length: stride, memory: memory)
  }

  @inline(__always)
  subscript(number: UInt16) -> UnsafeMutableRawBufferPointer {
    guard let start = memory.bytes.baseAddress else { preconditionFailure("a region has an address") }
    return UnsafeMutableRawBufferPointer(start: start + Int(number) * length, count: length)
  }

  /// The ring took one and filled it.
  @inline(__always) mutating func taken() { lent -= 1 }

  @inline(__always) mutating func giveBack(_ number: UInt16) {
    idle[idleCount] = number
    idleCount += 1
  }

  /// Lends until `target` are with the ring, or none is idle.
  @inline(__always) mutating func lend(upTo target: Int, to ring: inout Ring) {
    if lent >= target || idleCount == 0 { return }
    while lent < target && idleCount > 0 {
      idleCount -= 1
      let number = idle[idleCount]
      ring.provide(self[number], number: number, to: group)
      lent += 1
    }
    ring.publish(group)
  }
}
