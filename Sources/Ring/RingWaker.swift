//  RingWaker.swift — waking the thread that waits in a ring, from any other.
//
//  A ring belongs to one thread; another may not put anything into it. So there is a file that both know (an eventfd):
//  a write to it from anywhere completes the ring's `watch`, and whoever waited looks for what was left for him.
//  Nothing is lost when nobody waits: the completion is then there at the next look. Many calls may become one
//  completion.
//
//  Rejected.  A message from ring to ring (MSG_RING): each thread would need a ring of its own to send from, before
//  Linux 6.13; it saves 5 µs of 44, for something that happens a few times a second.

internal import CUring
import Glibc

public final class RingWaker: Sendable {
  let descriptor: Int32

  public init() throws(RingFailure) {
    descriptor = hawser_waker_make()
    if descriptor < 0 { throw RingFailure(.refused(operation: "making a waker", errno: -descriptor)) }
  }

  deinit { close(descriptor) }

  /// From any thread, at any time, also in a signal handler. About 0.5 µs, and what the wake-up costs.
  public func wake() { hawser_waker_wake(descriptor) }
}
