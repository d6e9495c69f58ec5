//  Locked.swift — a value that several threads use, one at a time.
//
//  `Mutex` of Synchronization does the same without an allocation. But when two threads contend, the kernel hands its
//  lock over, and the thread sanitizer does not see that: it then reports races that are none, and nobody looks at its
//  reports any more. It does see pthread's. So what is contended in tests is Locked; elsewhere it makes no difference.

import Glibc

public final class Locked<Value: ~Copyable>: Sendable {
  // Only `withLock` touches the value, with the lock held.
  nonisolated(unsafe) private var value: Value
  nonisolated(unsafe) private let lock: UnsafeMutablePointer<pthread_mutex_t>

  public init(_ value: consuming sending Value) {
    self.value = value
    lock = .allocate(capacity: 1)
    lock.initialize(to: pthread_mutex_t())
    pthread_mutex_init(lock, nil)
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  public func withLock<Result>(_ body: (inout sending Value) -> sending Result) -> sending Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body(&value)
  }
}
