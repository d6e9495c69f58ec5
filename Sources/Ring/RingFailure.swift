//  RingFailure.swift — why this kernel gives us no ring, and what would help.

import Glibc

public struct RingFailure: Error, Equatable, CustomStringConvertible {
  public enum Reason: Equatable, Sendable {
    /// The kernel is too old for a thing that we cannot do without.
    case lacks(feature: String, since: String)
    /// A system call said no.
    case refused(operation: String, errno: Int32)
  }

  public let reason: Reason

  init(_ reason: Reason) { self.reason = reason }

  public var description: String {
    switch reason {
    case .lacks(let feature, let since):
      return "this kernel (\(runningKernel())) has no io_uring with \(feature); it came with Linux \(since)"
    case .refused(let operation, let code):
      let what = "io_uring: \(operation): \(String(cString: strerror(code)))"
      return remedy(for: code).map { "\(what); \($0)" } ?? what
    }
  }

  private func remedy(for code: Int32) -> String? {
    switch code {
    case EPERM: "it is switched off here: see `sysctl kernel.io_uring_disabled`, or a container's seccomp profile"
    case ENOSYS: "this kernel was built without it: needs CONFIG_IO_URING"
    case EMFILE, ENFILE: "too many open files: raise `ulimit -n`"
    case ENOMEM: "not enough lockable memory: raise `ulimit -l`"
    default: nil
    }
  }
}

func runningKernel() -> String {
  var name = utsname()
  guard uname(&name) == 0 else { return "unknown" }
  return withUnsafeBytes(of: &name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
