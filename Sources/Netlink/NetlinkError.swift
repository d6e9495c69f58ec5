//  NetlinkError.swift — what the kernel refused, in its own words, and what would help.

import Glibc

public struct NetlinkError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What we asked for, as one would say it: "add the route 10.3.0.0/16 dev fibre".
  public let operation: String
  public let errno: Int32
  /// The kernel's own sentence, when it gave one (extended acknowledgement).
  public let explanation: String?

  public init(operation: String, errno: Int32, explanation: String? = nil) {
    self.operation = operation
    self.errno = errno
    self.explanation = explanation
  }

  /// What the reader can do about it, where that is known.
  public var remedy: String? {
    switch errno {
    case EPERM, EACCES: "needs CAP_NET_ADMIN: run it as root, or try `unshare -Urn`"
    case EEXIST: "something with this name or address exists already: look with `ip address`, `ip rule` and `ip route`"
    case ENODEV: "there is no such interface: look with `ip link`"
    case ENETUNREACH, EHOSTUNREACH: "the next hop is on no network of this interface"
    case EAFNOSUPPORT, EOPNOTSUPP: "the kernel was built without it, or IPv6 is switched off"
    case EMFILE, ENFILE: "too many open files: raise `ulimit -n`"
    case ETIMEDOUT: "the kernel did not answer"
    default: nil
    }
  }

  public var description: String {
    var text = "cannot \(operation): \(explanation ?? String(cString: strerror(errno)))"
    if let remedy { text += " (\(remedy))" }
    return text
  }
}
