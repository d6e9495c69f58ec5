//  Region.swift — a block of memory from the kernel: zeros, aligned to pages, there only as far as it was touched.
//
//  Everything that a gateway's data lies in is such a block, made once: so what is reserved for a full load costs an
//  idle gateway nothing, and nothing is allocated while packets flow.

import Engine
import Glibc

struct Region: ~Copyable {
  let bytes: UnsafeMutableRawBufferPointer

  /// nil when the address space, or a limit of the process, is too small.
  static func make(_ count: Int) -> Region? {
    let memory = mmap(
      nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let memory, memory != MAP_FAILED else { return nil }
    return Region(bytes: UnsafeMutableRawBufferPointer(start: memory, count: count))
  }

  private init(bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

  deinit { munmap(bytes.baseAddress, bytes.count) }
}

/// Where the engine of a loop has its data. It goes when the loop is gone.
struct LoopMemory: ~Copyable {
  private let batches: Region
  private let segments: Region
  private let flows: Region

  /// nil when the address space, or a limit of the process, is too small.
  static func make(batches: Int, segments: Int, flows: Int) -> LoopMemory? {
    guard let batches = Region.make(batches), let segments = Region.make(segments), let flows = Region.make(flows)
    else { return nil }
    return LoopMemory(batches: batches, segments: segments, flows: flows)
  }

  var engine: Engine.Memory {
    Engine.Memory(batches: batches.bytes, segments: segments.bytes, flows: flows.bytes)
  }
}
