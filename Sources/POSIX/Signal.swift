//  Signal.swift — wakes a thread that sleeps until something happens; raised from anywhere, without waiting.
//
//  A pipe with a byte in it. However often it was raised, one wait takes all of it.

import Glibc
public import Primitives

public final class Signal: Sendable {
  /// Who waits for other things too polls it, and drains it when it is readable.
  public let descriptor: Int32
  private let telling: Int32
  private let over = Locked(false)

  /// nil when the process has no two descriptors more.
  public init?() {
    var ends: [Int32] = [-1, -1]
    guard pipe2(&ends, O_CLOEXEC | O_NONBLOCK) == 0 else { return nil }
    (descriptor, telling) = (ends[0], ends[1])
  }

  /// For what is made once, before anything else has descriptors.
  public static func atStart() -> Signal {
    guard let signal = Signal() else {
      preconditionFailure("a process has room for two more descriptors when it starts")
    }
    return signal
  }

  deinit {
    close(descriptor)
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
    guard isRaised(within: interval) else { return false }
    drain()
    return true
  }

  /// The same, and it stays raised: for any number of threads.
  func isRaised(within interval: Interval) -> Bool {
    var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&watched, 1, Int32(clamping: (interval.nanoseconds + 999_999) / 1_000_000)) > 0
  }

  public func drain() {
    withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { room in
      while read(descriptor, room.baseAddress, room.count) == room.count {}
    }
  }
}
