//  DeviceQueue.swift — packets that wait in a TUN device until a gateway has a buffer to read them into.

import Primitives

final class DeviceQueue {
  private let capacity: Int
  private let memory: Memory
  private var lengths: [Int]
  private var begin = 0
  private var count = 0

  init(capacity: Int) {
    self.capacity = capacity
    memory = Memory(capacity * TestGateway.bufferLength)
    lengths = Array(repeating: 0, count: capacity)
  }

  var isEmpty: Bool { count == 0 }

  private func room(_ place: Int) -> UnsafeMutableRawBufferPointer {
    let start = place * TestGateway.bufferLength
    return UnsafeMutableRawBufferPointer(rebasing: memory.bytes[start..<start + TestGateway.bufferLength])
  }

  /// False: it is full, and the packet is gone.
  func append(_ frame: UnsafeRawBufferPointer) -> Bool {
    if count == capacity { return false }
    let place = (begin + count) % capacity
    room(place).copyMemory(from: frame)
    lengths[place] = frame.count
    count += 1
    return true
  }

  var first: UnsafeRawBufferPointer? {
    isEmpty ? nil : UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room(begin))[..<lengths[begin]])
  }

  func removeFirst() {
    precondition(count > 0, "nothing waits at the device")
    begin = (begin + 1) % capacity
    count -= 1
  }
}
