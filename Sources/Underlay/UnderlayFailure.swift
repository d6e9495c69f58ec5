//  UnderlayFailure.swift — why a path has no socket, and what would help.

import Glibc

public struct UnderlayFailure: Error, Equatable, CustomStringConvertible {
  public enum Operation: Equatable, Sendable {
    case make
    case bindToInterface(String)
    case bind(port: UInt16)
    case set(option: String)
    case resolve(String)
    case reach(String)
  }

  public let operation: Operation
  /// Of the system call; for `resolve` it is getaddrinfo's number.
  public let errno: Int32
  public let remedy: String?

  init(_ operation: Operation, errno: Int32, remedy: String? = nil) {
    self.operation = operation
    self.errno = errno
    self.remedy = remedy ?? UnderlayFailure.remedy(operation, errno)
  }

  public var description: String {
    let what = "cannot \(doing): \(reason)"
    return remedy.map { "\(what); \($0)" } ?? what
  }

  private var doing: String {
    switch operation {
    case .make: "make a UDP socket"
    case .bindToInterface(let name): "bind a UDP socket to the interface \(name)"
    case .bind(let port): "listen on UDP port \(port)"
    case .set(let option): "set a UDP socket's \(option)"
    case .reach(let address): "send to \(address)"
    case .resolve(let name): "find the address of \(name)"
    }
  }

  private var reason: String {
    if case .resolve = operation { return String(cString: gai_strerror(errno)) }
    return String(cString: strerror(errno))
  }

  private static func remedy(_ operation: Operation, _ errno: Int32) -> String? {
    switch (operation, errno) {
    case (.make, EMFILE), (.make, ENFILE): "raise `ulimit -n`"
    case (.bindToInterface, EPERM): "needs CAP_NET_RAW: run it as root"
    case (.bind(let port), EADDRINUSE): "see who holds it with `ss -lunp sport = :\(port)`, or choose another port"
    case (.bind, EACCES): "ports below 1024 need CAP_NET_BIND_SERVICE: run it as root, or choose another port"
    case (.resolve, EAI_NONAME): "check the spelling, and that a name server knows it"
    case (.resolve, EAI_AGAIN): "no name server answers: see /etc/resolv.conf"
    default: nil
    }
  }
}
