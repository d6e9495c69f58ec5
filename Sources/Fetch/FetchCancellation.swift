//  FetchCancellation.swift — how another thread ends what waits for a server.
//
//  A pipe that is readable for ever once somebody has cancelled: whoever waits for a socket waits for it as well.
//  Nothing of it changes in memory, so any number of threads may hold it.

import Glibc

public final class FetchCancellation: Sendable {
  let descriptor: Int32
  private let other: Int32

  public init() throws(FetchFailure) {
    var ends: (Int32, Int32) = (-1, -1)
    let isMade = withUnsafeMutableBytes(of: &ends) { bytes in
      pipe2(bytes.assumingMemoryBound(to: Int32.self).baseAddress, O_CLOEXEC | O_NONBLOCK) == 0
    }
    if !isMade { throw FetchFailure(.unreachable, "no descriptor is left: \(String(cString: strerror(errno)))") }
    (descriptor, other) = ends
  }

  deinit {
    close(descriptor)
    close(other)
  }

  /// What runs ends at once, and what is begun later with this ends before it begins.
  public func cancel() {
    // A full pipe is readable too.
    _ = write(other, "c", 1)
  }

  public var isCancelled: Bool {
    var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&watched, 1, 0) > 0
  }
}
