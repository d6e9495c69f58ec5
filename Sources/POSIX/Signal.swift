//  Signal.swift — wakes a thread that sleeps until something happens; raised from anywhere, without waiting.

import Glibc
public import Primitives

public final class Signal: Sendable {
  private let (waiting, telling): (Int32, Int32)
  private let over = Locked(false)

  /// nil when the process has no two descriptors more.
  public init?() {
    var ends: [Int32] = [-1, -1]
    guard pipe2(&ends, O_CLOEXEC | O_NONBLOCK) == 0 else { return nil }
    (waiting, telling) = (ends[0], ends[1])
  }

  deinit {
    close(waiting)
    close(telling)
  }

  /// A full pipe wakes as well as one byte.
  public func raise() {
    var byte: UInt8 = 1
    _ = write(telling, &byte, 1)
  }

  /// From now on `isOver`.
  public func end() {
    over.withLock { $0 = true }
    raise()
  }

  public var isOver: Bool { over.withLock { $0 } }

  /// True when it was raised, before or while we waited. One thread waits.
  public func wait(for interval: Interval) -> Bool {
    var watched = pollfd(fd: waiting, events: Int16(POLLIN), revents: 0)
    guard poll(&watched, 1, Int32(clamping: (interval.nanoseconds + 999_999) / 1_000_000)) > 0 else { return false }
    var bytes = [UInt8](repeating: 0, count: 512)
    _ = read(waiting, &bytes, bytes.count)
    return true
  }
}
