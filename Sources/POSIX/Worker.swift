//  Worker.swift — a thread that does something now and then, and ends when it is told to.

import Glibc
public import Primitives

/// Tells threads that wait to end. It stays raised, and wakes all of them, whenever they come.
public final class StopFlag: Sendable {
  private let signal: Signal

  /// nil when the process has no two descriptors more.
  public init?() {
    guard let signal = Signal() else { return nil }
    self.signal = signal
  }

  public func raise() { signal.raise() }

  /// True when it was raised, before or while we waited.
  public func wait(for interval: Interval) -> Bool { signal.isRaised(within: interval) }
}

/// A thread; `join` waits for its end, and who does not want to wait detaches it.
public struct Worker: ~Copyable, Sendable {
  private let thread: pthread_t

  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }

  /// nil when the system refuses one.
  public static func start(_ name: String, _ run: sending @escaping () -> Void) -> Worker? {
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

  /// It ends when it ends, and nobody waits.
  public consuming func detach() { pthread_detach(thread) }
}
