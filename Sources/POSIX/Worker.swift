//  Worker.swift — a thread that does something now and then, and ends when it is told to.

import Glibc
public import Primitives

/// Tells threads that wait to end. A byte that nobody ever takes out of a pipe wakes all of them, whenever they come.
public final class StopFlag: Sendable {
  private let (waiting, telling): (Int32, Int32)

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

  public func raise() {
    var byte: UInt8 = 1
    _ = write(telling, &byte, 1)
  }

  /// True when it was raised, before or while we waited.
  public func wait(for interval: Interval) -> Bool {
    var watched = pollfd(fd: waiting, events: Int16(POLLIN), revents: 0)
    return poll(&watched, 1, Int32(clamping: (interval.nanoseconds + 999_999) / 1_000_000)) > 0
  }
}

/// A thread; `join` waits for its end.
public struct Worker: ~Copyable {
  private let thread: pthread_t

  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }

  /// nil when the system refuses one.
  public static func start(_ name: String, _ run: @escaping @Sendable () -> Void) -> Worker? {
    let body = Unmanaged.passRetained(Body(run))
    var thread = pthread_t()
    let error = pthread_create(
      &thread, nil,
      { raw in
        guard let raw else { return nil }
        Unmanaged<Body>.fromOpaque(raw).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    if error != 0 {
      body.release()
      return nil
    }
    // What `top -H` shows: fifteen characters.
    pthread_setname_np(thread, name)
    return Worker(thread: thread)
  }

  private init(thread: pthread_t) { self.thread = thread }

  public consuming func join() { pthread_join(thread, nil) }
}
