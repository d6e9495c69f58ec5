//  HTTPServers.swift — several servers that end together, since arrays hold nothing that cannot be copied.

import POSIX

public final class HTTPServers: Sendable {
  private final class Link: Sendable {
    let server: Locked<HTTPServer?>
    let next: Link?

    init(_ server: Locked<HTTPServer?>, _ next: Link?) { (self.server, self.next) = (server, next) }
  }

  private let first = Locked<Link?>(nil)

  public init() {}

  public func add(_ server: consuming sending HTTPServer) {
    let kept = Locked<HTTPServer?>(server)
    first.withLock { $0 = Link(kept, $0) }
  }

  /// Nobody is let in any more; who is there is served.
  public func stopListening() {
    var link = first.withLock { $0 }
    while let here = link {
      here.server.withLock { $0?.stopListening() }
      link = here.next
    }
  }

  public func end() {
    var link = first.withLock { first in
      defer { first = nil }
      return first
    }
    while let here = link {
      here.server.withLock { $0 = nil }
      link = here.next
    }
  }
}
