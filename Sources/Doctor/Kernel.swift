//  Kernel.swift — is the kernel new enough?
//
//  6.1 is Debian 12's, and the first with IORING_SETUP_DEFER_TASKRUN, on which the event loop is built. Newer is
//  better, and the other checks say for what.

import Glibc

struct Kernel: Equatable {
  struct Version: Comparable {
    let major: Int
    let minor: Int

    /// "6.1.0-18-amd64"
    init?(release: String) {
      let parts = release.split(separator: ".", maxSplits: 2).prefix(2).map { $0.prefix { $0.isASCII && $0.isNumber } }
      guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]) else { return nil }
      (self.major, self.minor) = (major, minor)
    }

    init(_ major: Int, _ minor: Int) { (self.major, self.minor) = (major, minor) }

    static func < (a: Version, b: Version) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
  }

  static let oldest = Version(6, 1)

  let release: String

  static func observe() -> Kernel {
    Kernel(
      release: (contents(of: "/proc/sys/kernel/osrelease") ?? "").split(separator: "\n").first.map(String.init) ?? "")
  }

  var diagnosis: Diagnosis {
    let needed = "\(Kernel.oldest.major).\(Kernel.oldest.minor)"
    guard let version = Version(release: release) else {
      return .warning(
        "kernel", "/proc/sys/kernel/osrelease does not tell a version ('\(release)')",
        remedy: "mount /proc; it must be Linux \(needed) or later")
    }
    if version < Kernel.oldest {
      return .failure(
        "kernel", "Linux \(release) is too old", remedy: "install Linux \(needed) or later; Debian 12 has it")
    }
    return .fine("kernel", "Linux \(release)")
  }
}
