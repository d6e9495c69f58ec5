//  WallClock.swift — what time it is for people: nanoseconds since 1970, by a clock that others set now and then.
//
//  For what outlives the process. Whatever is compared within one run takes the clock that never jumps.

import Glibc
public import Primitives

public enum WallClock {
  public static var now: Instant {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Instant(nanoseconds: UInt64(max(0, time.tv_sec)) * 1_000_000_000 + UInt64(time.tv_nsec))
  }
}
