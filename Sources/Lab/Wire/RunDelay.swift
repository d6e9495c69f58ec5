//  RunDelay.swift — how long this thread could have run and was not let.
//
//  A frame that waited in its interface while we waited for a processor was read late, and our own clock cannot tell:
//  we were asleep before, and do not know when we should have woken. The scheduler knows, and counts it for each
//  thread.

import Glibc
import Primitives

struct RunDelay: ~Copyable {
  private let descriptor: Int32
  private var last = Interval.zero

  /// For the calling thread.
  init() {
    descriptor = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)
    _ = sinceLastAsked()
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Nothing on a kernel that does not count it.
  mutating func sinceLastAsked() -> Interval {
    var text = InlineArray<64, UInt8>(repeating: 0)
    var span = text.mutableSpan
    let length = span.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    guard length > 0 else { return .zero }
    // "time on the processor, time waiting for it, turns", the first two in nanoseconds
    var total: Int64 = 0
    var field = 0
    for index in 0..<length {
      let byte = span[index]
      if byte == UInt8(ascii: " ") {
        field += 1
        if field == 2 { break }
      } else if field == 1, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
        total = total &* 10 &+ Int64(byte - UInt8(ascii: "0"))
      }
    }
    let now = Interval(nanoseconds: total)
    defer { last = now }
    return now - last
  }
}
