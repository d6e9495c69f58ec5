//  HTTPServers.swift — several servers that end together, since arrays hold nothing that cannot be copied.

public final class HTTPServers {
  private var first: HTTPServer?
  private var next: HTTPServers?

  public init() {}

  private init(_ server: consuming HTTPServer?, _ next: HTTPServers?) {
    first = consume server
    self.next = next
  }

  public func add(_ server: consuming HTTPServer) {
    next = HTTPServers(first.take(), next)
    first = consume server
  }

  public func end() {
    first = nil
    next?.end()
    next = nil
  }
}
