//  LabError.swift — why the lab did not do what it was asked: one sentence, and what the program's exit code shall
//  be.

import Glibc
import Netlink

public struct LabError: Error, Equatable, Sendable, CustomStringConvertible {
  /// One sentence; what would help stands in it.
  public let description: String
  public let exitCode: Int32

  public init(_ description: String, exitCode: Int32) {
    self.description = description
    self.exitCode = exitCode
  }

  /// The machine or the state of things does not allow it.
  static func refused(_ sentence: String) -> LabError { LabError(sentence, exitCode: 2) }

  /// The user asked for something that does not exist or is not clear.
  static func wrongUsage(_ sentence: String) -> LabError { LabError(sentence, exitCode: 64) }

  /// A system call failed: what was being done, and what would help where we know it.
  static func failed(_ operation: String, _ errno: Int32, remedy: String? = nil) -> LabError {
    let remedies: [Int32: String] = [
      EPERM: "needs root", EACCES: "needs root", EMFILE: "raise `ulimit -n`", ENFILE: "raise fs.file-max",
      ENOSPC: "a limit of the machine is reached: see /proc/sys/user/max_net_namespaces", ENOMEM: "out of memory",
    ]
    let words = String(cString: strerror(errno))
    guard let remedy = remedy ?? remedies[errno] else { return .refused("cannot \(operation): \(words)") }
    return .refused("cannot \(operation): \(words) (\(remedy))")
  }

  /// What the kernel refused at a node.
  static func network(_ place: String, _ error: NetlinkError) -> LabError { .refused("\(place): \(error)") }
}
